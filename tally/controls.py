"""Control ratios: the relations a precinct's protocol figures must keep (SEED-11).

A ratio is data of the profile: `left relation right`, each side a sum of field names or
numbers. It is evaluated for each precinct and each kind of paper. A ratio that cannot be
evaluated (nobody said how many papers were issued) is told apart from one that holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from election.model import Election
from election.profile import ControlRatio, Profile
from tally.figures import PrecinctProtocol, PrecinctTotals, say

Status = Literal["holds", "breached", "not_evaluable"]


@dataclass(frozen=True, slots=True)
class ControlResult:
    """One ratio on one kind of paper in one precinct.

    `left` and `right` are the two sums (None where not evaluable); `figures` the fields
    they were made of; `detail` one plain sentence.
    """

    precinct: str
    style: str
    ratio: str
    title: str
    article: str
    formula: str
    left: int | None
    right: int | None
    figures: dict[str, int | None]
    status: Status
    detail: str


def evaluate_controls(
    totals: Mapping[str, PrecinctTotals],
    protocols: Mapping[str, PrecinctProtocol],
    election: Election,
    profile: Profile,
) -> tuple[ControlResult, ...]:
    """Every ratio of the profile on every precinct and ballot style, in that order."""
    return tuple(
        _evaluate(
            ratio, precinct, style, figures_of(style, totals.get(precinct), protocol, election)
        )
        for precinct, protocol in sorted(protocols.items())
        for style in sorted(protocol["by_style"])
        for ratio in profile.control_ratios
    )


def figures_of(
    style: str, totals: PrecinctTotals | None, protocol: PrecinctProtocol, election: Election
) -> dict[str, int | None]:
    """The fields a ratio may name: the protocol's, `registered`, and `votes`.

    `votes` (all votes on papers of this kind) is None where one of the style's contests
    is also on another style of the precinct: its votes cannot be told apart then.
    """
    written = protocol["by_style"][style]
    figures: dict[str, int | None] = {
        "registered": protocol["registered_voters"],
        "issued": written["issued"],
        "in_box": written["in_box"],
        "valid": written["valid"],
        "invalid": written["invalid"],
        "needs_review": written["needs_review"],
        "returned": written["returned"],
    }
    if totals is not None:
        mine = {c.id for c in election.style_contests(style)}
        others = [s for s in election.precinct_styles(protocol["precinct_id"]) if s.id != style]
        shared = any(mine & set(s.contests) for s in others)
        figures["votes"] = (
            None
            if shared
            else sum(
                sum(totals["contests"][c]["votes"].values())
                for c in mine
                if c in totals["contests"]
            )
        )
    return figures


def _side(text: str, figures: Mapping[str, int | None]) -> tuple[int | None, str]:
    """The sum of one side, or None and the word that has no figure."""
    total = 0
    for part in text.split("+"):
        word = part.strip()
        if word.isascii() and word.isdigit():
            total += int(word)
            continue
        value = figures.get(word)
        if value is None:
            return None, word
        total += value
    return total, ""


def _evaluate(
    ratio: ControlRatio, precinct: str, style: str, figures: Mapping[str, int | None]
) -> ControlResult:
    left, lacks_left = _side(ratio.left, figures)
    right, lacks_right = _side(ratio.right, figures)
    formula = f"{ratio.left} {ratio.relation} {ratio.right}"
    words = {part.strip() for part in f"{ratio.left}+{ratio.right}".split("+")}
    used = {name: figures.get(name) for name in sorted(words) if not name.isdigit()}
    where = f"Precinct {precinct}, paper {style}"
    status: Status
    if left is None or right is None:
        status = "not_evaluable"
        detail = f"{where}: {formula} cannot be checked: no figure for {lacks_left or lacks_right}"
    else:
        holds = {"==": left == right, "<=": left <= right, ">=": left >= right}[ratio.relation]
        status = "holds" if holds else "breached"
        values = ", ".join(f"{name} = {value}" for name, value in used.items())
        verb = "holds" if holds else f"is broken by {abs(left - right)}"
        detail = f"{where}: {formula} {verb} ({values})"
    return ControlResult(
        precinct,
        style,
        ratio.id,
        say(ratio.title, ratio.id),
        ratio.article,
        formula,
        left,
        right,
        used,
        status,
        detail,
    )

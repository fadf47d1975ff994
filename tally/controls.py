"""Control ratios: the relations a precinct's protocol figures must keep (SEED-11).

A ratio is data of the profile (`election.control_rules`). Those over figures that a device
knows are evaluated here, from packages, for each precinct and each kind of paper; all of them
by `tally.protocol.controls`, from the commission's form. A ratio that cannot be evaluated
(nobody said how many papers were issued) is told apart from one that holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from election.control_rules import evaluate
from election.control_rules import holds as ratio_holds
from election.model import Election
from election.profile import ControlRatio, Profile
from firmware_sim.controls import Status, figures_of
from tally.figures import PrecinctProtocol, PrecinctTotals, say

__all__ = ["ControlResult", "Status", "evaluate_controls", "figures_of"]


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
    """Every ratio over what devices know, on every precinct and ballot style, in that order."""
    return tuple(
        _evaluate(
            ratio, precinct, style, figures_of(style, totals.get(precinct), protocol, election)
        )
        for precinct, protocol in sorted(protocols.items())
        for style in sorted(protocol["by_style"])
        for ratio in profile.device_ratios
    )


def _evaluate(
    ratio: ControlRatio, precinct: str, style: str, figures: Mapping[str, int | None]
) -> ControlResult:
    left, lacks_left = evaluate(ratio.left, figures)
    right, lacks_right = evaluate(ratio.right, figures)
    formula = ratio.formula
    used = {name: figures.get(name) for name in sorted(ratio.words())}
    where = f"Precinct {precinct}, paper {style}"
    status: Status
    if left is None or right is None:
        status = "not_evaluable"
        detail = f"{where}: {formula} cannot be checked: no figure for {lacks_left or lacks_right}"
    else:
        kept = ratio_holds(left, ratio.relation, right)
        status = "holds" if kept else "breached"
        values = ", ".join(f"{name} = {value}" for name, value in used.items())
        verb = "holds" if kept else f"is broken by {abs(left - right)}"
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

"""Control ratios on the figures of one precinct: which hold (SEED-11).

A ratio is data of the profile (`election.control_rules`); those over figures that only the
commission establishes are for its protocol. The device prints them on its results tape, the
tally evaluates the same again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from election.control_rules import evaluate, holds
from election.model import Election
from election.profile import ControlRatio, Profile
from firmware_sim.place_figures import each_precinct

Status = Literal["holds", "breached", "not_evaluable"]


@dataclass(frozen=True, slots=True)
class RatioOnTape:
    """One ratio on one kind of paper of one precinct: its title by language, `sums` as
    "12 = 12"."""

    precinct: str
    style: str
    title: Mapping[str, str]
    sums: str
    status: Status


def ratios_of(
    totals: Mapping[str, Any], protocol: Mapping[str, Any], election: Election, profile: Profile
) -> tuple[RatioOnTape, ...]:
    """Every ratio of the profile that a device can check, on every ballot style of each precinct,
    in that order."""
    return tuple(
        _on_tape(own["precinct_id"], style, ratio, figures_of(style, own, written, election))
        for own, written in each_precinct(totals, protocol)
        for style in written["by_style"]
        for ratio in profile.device_ratios
    )


def figures_of(
    style: str, totals: Mapping[str, Any] | None, protocol: Mapping[str, Any], election: Election
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


def _on_tape(
    precinct: str, style: str, ratio: ControlRatio, figures: Mapping[str, int | None]
) -> RatioOnTape:
    left, lacks_left = evaluate(ratio.left, figures)
    right, lacks_right = evaluate(ratio.right, figures)
    sign = {"==": "=", "<=": "≤", ">=": "≥"}[ratio.relation]
    if left is None or right is None:
        lack = lacks_left or lacks_right
        return RatioOnTape(precinct, style, ratio.title, f"? {lack}", "not_evaluable")
    kept = holds(left, ratio.relation, right)
    status: Status = "holds" if kept else "breached"
    return RatioOnTape(precinct, style, ratio.title, f"{left} {sign} {right}", status)

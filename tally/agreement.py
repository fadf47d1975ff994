"""Do the figures of a package agree with each other? The first that does not, by name.

Rule 5 of `tally.verification`; the records themselves are counted there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from election.places import is_one_precinct, precincts_in
from firmware_sim.package import PROTOCOL, TOTALS
from firmware_sim.place_figures import each_precinct, each_protocol, joined_protocol
from tally.figures import PrecinctProtocol, PrecinctTotals


def protocol_fault(totals: PrecinctTotals, protocol: PrecinctProtocol) -> str | None:
    """The device wrote both: valid, invalid and set-aside sheets must be the same figures.

    What people may get wrong (papers issued, paper in the box) is not refused here: the
    control ratios of the profile find it, and the reconciliation lists it (SEED-11).
    """
    place = totals["precinct_id"]
    own = () if is_one_precinct(place) else precincts_in(place)
    if tuple(sorted(protocol.get("precincts", ()))) != own:
        return f"{PROTOCOL} is not of the precincts of {TOTALS}"
    if own:
        summed = joined_protocol(place, {p["precinct_id"]: p for p in each_protocol(protocol)})
        for name in ("registered_voters", "by_style"):
            if summed[name] != protocol.get(name):
                where = first_difference(
                    protocol.get(name), summed[name], name, source="the precincts"
                )
                return f"{PROTOCOL} is not what its precincts add up to: {where}"
        for counted_there, written_there in each_precinct(totals, protocol):
            fault = protocol_fault(
                cast(PrecinctTotals, counted_there), cast(PrecinctProtocol, written_there)
            )
            if fault:
                return f"precinct {counted_there['precinct_id']}: {fault}"
    for style in sorted(set(totals["styles"]) | set(protocol["by_style"])):
        if style not in totals["styles"] or style not in protocol["by_style"]:
            return f"ballot style {style} is in only one of {TOTALS} and {PROTOCOL}"
        counted, written = totals["styles"][style], protocol["by_style"][style]
        for name, left, right in (
            ("valid", counted["valid"], written["valid"]),
            ("invalid", counted["invalid"], written["invalid"]),
            ("needs_review", counted["needs_review"], written["needs_review"]),
        ):
            if left != right:
                return f"style {style}: {name} is {left} in {TOTALS}, {right} in {PROTOCOL}"
    return None


def not_the_sum(totals: Mapping[str, Any], recounted: Mapping[str, Any]) -> str:
    """Where totals are not what the records of their package add up to, in words."""
    where = first_difference(totals, recounted)
    return f"{TOTALS} is not what the records add up to: {where}"


def first_difference(left: Any, right: Any, path: str = "", *, source: str = "the records") -> str:
    """The first place where two JSON values differ, by name."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted(set(left) | set(right)):
            if left.get(key) != right.get(key):
                return first_difference(
                    left.get(key),
                    right.get(key),
                    f"{path}.{key}" if path else str(key),
                    source=source,
                )
    return f"{path} says {str(left)[:60]}, {source} say {str(right)[:60]}"

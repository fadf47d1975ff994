"""Figures of a polling place with several precincts: of each, and of all together.

`totals.json` and `protocol.json` of one precinct are as they always were. Those of a place
(`election.places`) say at the top what all its precincts make together, and in `precincts`
the same of each, by id:

| file | at the top, and in each of `precincts` | at the top alone |
|---|---|---|
| `totals.json` | `sheets`, `styles`, `contests` | format, hash, `precinct_id`: the place |
| `protocol.json` | `registered_voters`, `by_style` | the same, times of the polls, the box |

There is one box: what the scanner counted into it belongs to the place, to no precinct.
`each_precinct` takes such a pair apart into the pairs that one precinct each would have had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from election.model import Election
from election.places import paper_key, precincts_in

_TOTALS = ("sheets", "styles", "contests")
_PROTOCOL = ("registered_voters", "by_style")


def add_figures(left: Any, right: Any) -> Any:
    """Sum two tables of figures, key by key; words stay (they are the same in both).

    A figure that one side does not know (None) is not known of both.
    """
    if isinstance(left, Mapping):
        return {
            key: add_figures(left[key], right[key])
            if key in left and key in right
            else left.get(key, right.get(key))
            for key in {**left, **right}
        }
    if left is None or right is None:
        return None
    return left + right if isinstance(left, int) else left


def joined_totals(place: str, parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The content of `totals.json` of a place from that of each of its precincts."""
    return _joined(place, parts, _TOTALS)


def joined_protocol(place: str, parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`registered_voters` and `by_style` of a place, and of each precinct, from each one's."""
    return _joined(place, parts, _PROTOCOL)


def _joined(
    place: str, parts: Mapping[str, Mapping[str, Any]], names: tuple[str, ...]
) -> dict[str, Any]:
    first, *others = parts.values()
    if not others:
        return dict(first)
    whole = {name: first[name] for name in names}
    for other in others:
        whole = add_figures(whole, {name: other[name] for name in names})
    head = {"precinct_id": place} if "precinct_id" in first else {}
    return {
        **first,
        **head,
        **whole,
        "precincts": {
            precinct: {name: part[name] for name in names} for precinct, part in parts.items()
        },
    }


def control_sums(
    election: Election,
    totals: Mapping[str, Any],
    issued: Mapping[str, int],
    returned: Mapping[str, int],
) -> dict[str, Any]:
    """`registered_voters` and `by_style` of a count, for `protocol.json`.

    Args:
        totals: the content of `totals.json`.
        issued, returned: papers by `election.places.paper_key`; not told where not there.
    """
    place = str(totals["precinct_id"])
    parts = {}
    for own in each_totals(totals):
        precinct = own["precinct_id"]
        keys = {style: paper_key(place, precinct, style) for style in own["styles"]}
        parts[precinct] = {
            "registered_voters": election.precinct(precinct).registered_voters,
            "by_style": {
                style: {
                    "issued": issued.get(keys[style]),
                    "in_box": row["sheets"],
                    "valid": row["valid"],
                    "invalid": row["invalid"],
                    "needs_review": row["needs_review"],
                    "returned": returned.get(keys[style], 0),
                }
                for style, row in own["styles"].items()
            },
        }
    return joined_protocol(place, parts)


def each_precinct(
    totals: Mapping[str, Any], protocol: Mapping[str, Any]
) -> tuple[tuple[dict[str, Any], dict[str, Any]], ...]:
    """Totals and protocol of each precinct, in order, in the form of one precinct.

    A pair of one precinct is given back as it is. Of a place's box nothing is said in them:
    `box_counter` is None and `box_counter_by` left out.

    Raises:
        KeyError: the two are not of the same precincts.
    """
    counted, written = each_totals(totals), each_protocol(protocol)
    if [own["precinct_id"] for own in counted] != [own["precinct_id"] for own in written]:
        raise KeyError("totals and protocol are of different precincts")
    return tuple(zip(counted, written, strict=True))


def each_totals(totals: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """`totals.json` of each precinct, in the form of one. Raises KeyError: one is not there."""
    return tuple(_apart(totals, _TOTALS))


def each_protocol(protocol: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """`protocol.json` of each precinct, as `each_precinct` says. Raises KeyError: one is not
    there."""
    if "precincts" not in protocol:
        return (dict(protocol),)
    whole = {key: value for key, value in protocol.items() if key != "box_counter_by"}
    return tuple(_apart({**whole, "box_counter": None}, _PROTOCOL))


def _apart(document: Mapping[str, Any], names: tuple[str, ...]) -> list[dict[str, Any]]:
    if "precincts" not in document:
        return [dict(document)]
    head = {key: value for key, value in document.items() if key not in (*names, "precincts")}
    return [
        {**head, **document["precincts"][precinct], "precinct_id": precinct}
        for precinct in precincts_in(str(document["precinct_id"]))
    ]

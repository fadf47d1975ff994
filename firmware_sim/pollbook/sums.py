"""Control sums of a pollbook, summed from its rows each time (NVT-05: counts only).

| figure | is |
|---|---|
| `registered` | voters on the list at the opening of the day: imported, and included by request, less moved and excluded |
| `added` | additions on election day |
| `absentee_out` | of the registered, those given an absentee certificate |
| `absentee_in` | voters who came with one |
| `mobile_requested`, `mobile` | asked for the portable box; voted with it |
| `voted` | people who were given ballots: `voted_list` + `absentee_in` + `voted_added` |
| `handed_out` (style) | papers given out, replacements too |
| `spoiled` (style) | papers given back and replaced |
| `issued` (style) | `handed_out` - `spoiled`: papers that may be in the box; what `ballotbench device run --issued` takes |
| `unused` (style) | `received` - `handed_out`; null where nobody said how many were received |
"""  # noqa: E501

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from firmware_sim.pollbook.sheet import FORMAT

if TYPE_CHECKING:
    from firmware_sim.pollbook.book import Book


def handed_out(book: Book) -> Counter[str]:
    """Papers handed out by style so far."""
    papers: Counter[str] = Counter()
    for _, fact in book.roll():
        for style, count in fact["ballots"].items():
            papers[style] += count["handed_out"]
    return papers


def control_sums(book: Book) -> dict[str, Any]:
    """The book's figures: numbers, and ids of election, precinct and styles; nothing else."""
    setup = book.setup
    entries = book.entries()
    facts = [fact for _, fact in book.roll()]
    certificates = sum(1 for _ in book.store.all("certificate"))
    out, spoiled, first = handed_out(book), Counter[str](), Counter[str]()
    for fact in facts:
        for style, count in fact["ballots"].items():
            spoiled[style] += count["spoiled"]
            first[style] += 1
    channel = Counter(fact["channel"] for fact in facts)
    method = Counter(fact["method"] for fact in facts)
    return {
        "format": FORMAT,
        "election": setup.election,
        "election_hash": setup.election_hash,
        "precinct": setup.precinct,
        "closed": book.closed,
        "voters": {
            "registered": sum(1 for e in entries if e.active and e.kind != "added"),
            "added": sum(1 for e in entries if e.kind == "added"),
            "absentee_out": certificates,
            "absentee_in": channel["certificate"],
            "voted_list": channel["list"],
            "voted_added": channel["added"],
            "voted": len(facts),
            "mobile_requested": sum(1 for _ in book.store.all("mobile")),
            "mobile": sum(1 for fact in facts if fact["mobile"]),
        },
        "second_factor": {
            "biometric": method["biometric"],
            "two_officials": method["two_officials"],
        },
        "offline": sum(1 for fact in facts if not fact["online"]),
        "by_hour": _by_hour(facts),
        "refusals": {kind: document["times"] for kind, document in book.store.all("refusal")},
        "styles": {
            style: {
                "received": setup.received.get(style),
                "handed_out": out[style],
                "spoiled": spoiled[style],
                "issued": out[style] - spoiled[style],
                "voters": first[style],
                "unused": None
                if style not in setup.received
                else setup.received[style] - out[style],
            }
            for style in setup.styles
        },
    }


def _by_hour(facts: list[dict[str, Any]]) -> dict[str, int]:
    hours = Counter(fact["hour"] for fact in facts)
    return {f"{hour:02d}": hours[hour] for hour in sorted(hours)}

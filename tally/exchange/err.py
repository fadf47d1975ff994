"""A national result as NIST Election Results Reporting 2.0 (NIST SP 1500-100r2), JSON.

Written piece by piece: the report of 10,223 precincts is never whole in memory. Ids are those
of the cast vote record reports (`precinct/<id>`, `contest/<id>`, …) and `commission/<id>`,
`district/<id>`. What the standard has no word for is said with its `Other…` members:

- commissions above the precinct are reporting units of type `other`;
- "against all" is a `BallotMeasureSelection`: it is a text, neither a party nor a person, and
  `PartySelection` demands a party (NVT-18);
- ballots, invalid ballots and those set aside are `BallotCounts` of type `other`,
  `OtherType` `contest/<id>`: ballots cast, rejected, outstanding;
- a precinct that sent something which could not be counted is `in-process`, with why in a
  second count status; one from which nothing came is `not-processed`, never a row of zeros
  (SEED-16, SEED-17).

The status of the report is `unofficial-partial` while a precinct is not counted, else
`unofficial-complete`; `certified` only where the caller says that the commission did so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema

from election.commissions import Commissions
from election.model import WRITE_IN_PREFIX, Contest, ContestOption, Election
from tally.exchange.areas import Area, Areas, Figures, Kind, find_areas
from tally.exchange.errors import ExchangeError
from tally.national.store import NationalResult, PrecinctStatus

SCHEMA_PATH = Path(__file__).with_name("schemas") / "NIST_V2_election_results_reporting.json"
_PREFIX: Final = "ElectionResults."
#: From the whole country down, as counts are listed.
_KINDS: Final[tuple[Kind, ...]] = ("central", "regional", "territorial", "precinct")
_ABBREVIATION: Final = 32


def err_chunks(
    result: NationalResult,
    election: Election,
    *,
    commissions: Commissions | None = None,
    certified: bool = False,
    software: str = "ballotbench",
    sequence: int = 1,
) -> Iterator[str]:
    """The report as pieces of text, in order; the same result gives the same text.

    Raises:
        ExchangeError: the result is of another election, contradicts itself, or is said to be
            certified while precincts are not counted.
    """
    document = result.document
    if document.get("election_hash") != election.hash:
        raise ExchangeError(
            f"result.json: election_hash: the result is of another definition than {election.id}. "
            "Give the definition that was counted"
        )
    areas = find_areas(result, election, commissions)
    figures = Figures(result, election, areas)
    top = areas.of_kind["central"][0]
    complete = areas.counted(top) == len(areas.precinct_ids)
    if certified and not complete:
        raise ExchangeError(
            f"{len(areas.precinct_ids) - areas.counted(top)} precincts are not counted: "
            "the result cannot be called certified"
        )
    writer = _Writer(result, election, areas, figures, complete)
    status = "certified" if certified else f"unofficial-{'complete' if complete else 'partial'}"
    head = {
        "@type": f"{_PREFIX}ElectionReport",
        "Format": "precinct-level",
        "GeneratedDate": document["as_of"],
        "Issuer": _say(top.name, election),
        "IssuerAbbreviation": top.id[:_ABBREVIATION],
        "SequenceStart": sequence,
        "SequenceEnd": sequence,
        "Status": status,
        "VendorApplicationId": software,
    }
    yield _open(head)
    yield ',\n"GpUnit": ['
    yield from _listed(writer.units())
    yield "]"
    parties = list(writer.parties())
    if parties:
        yield ',\n"Party": ['
        yield from _listed(parties)
        yield "]"
    yield ',\n"Election": [\n'
    yield from writer.election()
    yield "]}\n"


def validate_err(report: Mapping[str, Any]) -> list[str]:
    """Where a report breaks NIST's schema; one line a fault, empty when it is valid."""
    return [
        f"{'/'.join(str(part) for part in error.absolute_path) or 'report'}: {error.message[:300]}"
        for error in sorted(_validator().iter_errors(report), key=lambda e: list(map(str, e.path)))
    ]


@cache
def _validator() -> jsonschema.Draft4Validator:
    return jsonschema.Draft4Validator(json.loads(SCHEMA_PATH.read_text(encoding="utf-8")))


class _Writer:
    def __init__(
        self,
        result: NationalResult,
        election: Election,
        areas: Areas,
        figures: Figures,
        complete: bool,
    ) -> None:
        self._result = result
        self._election = election
        self._areas = areas
        self._figures = figures
        self._complete = complete
        outcome = result.document.get("outcome", {})
        self._lists = outcome.get("lists", {})
        self._winners = outcome.get("winners", {})
        self._scope = unit_id(areas.of_kind["central"][0])

    # --- places -----------------------------------------------------------------------

    def units(self) -> Iterator[dict[str, Any]]:
        """Commissions from the top, precincts, then the districts of the contests."""
        for kind in _KINDS:
            for area in self._areas.of_kind[kind]:
                yield self._unit(area)
        inside: dict[str, list[str]] = {}
        for precinct in self._election.precincts:
            for name in precinct.districts:
                inside.setdefault(name, []).append(f"precinct/{precinct.id}")
        for district in self._election.districts:
            yield {
                "@type": f"{_PREFIX}ReportingUnit",
                "@id": f"district/{district.id}",
                "Type": "other",
                "OtherType": "electoral-district",
                "Name": _texts(district.name),
                "IsDistricted": True,
                **_composed(inside.get(district.id, [])),
            }

    def _unit(self, area: Area) -> dict[str, Any]:
        total = len(area.precincts)
        unit: dict[str, Any] = {
            "@type": f"{_PREFIX}ReportingUnit",
            "@id": unit_id(area),
            "Name": _texts(area.name),
            "ExternalIdentifier": [_code(f"ballotbench-{area.kind}", area.id)],
        }
        registered = self._result.tables["precincts"]["registered"]
        if area.kind == "precinct":
            row = int(area.precincts[0])
            unit |= {"Type": "precinct", "CountStatus": _count_status(self._areas.status[row])}
            if (voters := registered[row].as_py()) is not None:
                unit["VotersRegistered"] = voters
            return unit
        done = self._areas.counted(area)
        word = "completed" if done == total else "in-process" if done else "not-processed"
        return unit | {
            "Type": "other",
            "OtherType": f"{area.kind}-commission",
            "CountStatus": [_status("total", word)],
            "SubUnitsReported": done,
            "TotalSubUnits": total,
            **_composed([unit_id(below) for below in self._below(area)]),
        }

    def _below(self, area: Area) -> list[Area]:
        """The areas that report to this one: of the next kind, or precincts of no such one."""
        found: list[Area] = []
        left = set(area.precincts.tolist())
        for kind in _KINDS[_KINDS.index(area.kind) + 1 :]:
            place = self._areas.places[kind]
            numbers = sorted({int(place[row]) for row in left if place[row] >= 0})
            found += [self._areas.of_kind[kind][number] for number in numbers]
            left = {row for row in left if place[row] < 0}
        return found

    def parties(self) -> Iterator[dict[str, Any]]:
        """A party for every list."""
        for contest in self._election.contests:
            for option in contest.options:
                if contest.kind == "party_list" and option.kind == "choice":
                    yield {
                        "@type": f"{_PREFIX}Party",
                        "@id": f"party/{contest.id}/{option.id}",
                        "Name": _texts(option.name),
                    }

    # --- the election -------------------------------------------------------------------

    def election(self) -> Iterator[str]:
        """The one election with its contests and counts."""
        election = self._election
        head: dict[str, Any] = {
            "@type": f"{_PREFIX}Election",
            "ElectionScopeId": self._scope,
            "StartDate": election.date,
            "EndDate": election.date,
            "Name": _texts(election.title),
            "Type": "general",
            "ExternalIdentifier": [
                _code("ballotbench-election", election.id),
                _code("ballotbench-election-hash", election.hash),
            ],
            "CountStatus": [_status("total", "completed" if self._complete else "in-process")],
        }
        if candidates := list(self._candidates()):
            head["Candidate"] = candidates
        yield _open(head)
        yield ',\n"BallotStyle": ['
        yield from _listed(
            {
                "@type": f"{_PREFIX}BallotStyle",
                "GpUnitIds": [f"precinct/{p}" for p in style.precincts],
                "ExternalIdentifier": [_code("ballotbench-style", style.id)],
                "OrderedContent": [
                    {"@type": f"{_PREFIX}OrderedContest", "ContestId": f"contest/{c}"}
                    for c in style.contests
                ],
            }
            for style in election.ballot_styles
        )
        yield '],\n"BallotCounts": ['
        yield from _listed(self._ballot_counts())
        yield '],\n"Contest": [\n'
        for number, contest in enumerate(election.contests):
            yield ",\n" if number else ""
            yield from self._contest(contest)
        yield "]}"

    def _candidates(self) -> Iterator[dict[str, Any]]:
        for contest in self._election.contests:
            won = self._winners.get(contest.id, {})
            for option in contest.options:
                if contest.kind != "candidate" or option.kind != "choice":
                    continue
                data: dict[str, Any] = {
                    "@type": f"{_PREFIX}Candidate",
                    "@id": f"candidate/{contest.id}/{option.id}",
                    "BallotName": _texts(option.name),
                }
                if self._complete and option.id in won.get("elected", ()):
                    data["PostElectionStatus"] = "winner"
                elif self._complete and option.id in won.get("second_round", ()):
                    data["PostElectionStatus"] = "advanced-to-runoff"
                yield data

    def _ballot_counts(self) -> Iterator[dict[str, Any]]:
        names = ("ballots", "invalid", "needs_review")
        for contest in self._election.contests:
            columns = [self._figures.figures.get((contest.id, name)) for name in names]
            ballots, invalid, aside = columns
            if ballots is None or invalid is None or aside is None:
                continue
            for kind in _KINDS:
                present, cast = self._areas.sums(kind, ballots.precincts, ballots.values)
                _, rejected = self._areas.sums(kind, invalid.precincts, invalid.values)
                _, waiting = self._areas.sums(kind, aside.precincts, aside.values)
                for place, *counts in zip(present, cast, rejected, waiting, strict=True):
                    yield {
                        "@type": f"{_PREFIX}BallotCounts",
                        "GpUnitId": unit_id(self._areas.of_kind[kind][int(place)]),
                        "Type": "other",
                        "OtherType": f"contest/{contest.id}",
                        "BallotsCast": int(counts[0]),
                        "BallotsRejected": int(counts[1]),
                        "BallotsOutstanding": int(counts[2]),
                    }

    def _contest(self, contest: Contest) -> Iterator[str]:
        ballots = self._figures.figures.get((contest.id, "ballots"))
        everywhere = [
            row
            for row, precinct in enumerate(self._areas.precinct_ids)
            if contest.district in self._election.precinct(precinct).districts
        ]
        data: dict[str, Any] = {
            "@type": f"{_PREFIX}{_KIND[contest.kind]}",
            "@id": f"contest/{contest.id}",
            "Name": _say(contest.title, self._election),
            "BallotTitle": _texts(contest.title),
            "ElectionDistrictId": f"district/{contest.district}",
            "ExternalIdentifier": [_code("ballotbench-contest", contest.id)],
            "SubUnitsReported": 0 if ballots is None else len(ballots.precincts),
            "TotalSubUnits": len(everywhere),
        }
        if contest.kind == "party_list":
            data["VoteVariation"] = "proportional"
        elif contest.kind == "candidate":
            data["VoteVariation"] = "plurality" if contest.votes_allowed == 1 else "n-of-m"
            data["VotesAllowed"] = contest.votes_allowed
            data["NumberElected"] = contest.seats
        yield _open(data)
        yield ',\n"OtherCounts": ['
        yield from _listed(self._other_counts(contest))
        yield '],\n"ContestSelection": [\n'
        lines: list[tuple[str, ContestOption | None]] = [(o.id, o) for o in contest.options]
        lines += [(f"{WRITE_IN_PREFIX}{i}", None) for i in range(contest.write_ins)]
        for number, (option_id, option) in enumerate(lines):
            yield ",\n" if number else ""
            yield _open(self._selection(contest, option_id, option, number))
            yield ',\n"VoteCounts": ['
            yield from _listed(self._vote_counts(contest, option_id))
            yield "]}"
        yield "]}"

    def _selection(
        self, contest: Contest, option_id: str, option: ContestOption | None, number: int
    ) -> dict[str, Any]:
        data: dict[str, Any] = {
            "@id": f"selection/{contest.id}/{option_id}",
            "SequenceOrder": number + 1,
        }
        if option is None:
            return {"@type": f"{_PREFIX}CandidateSelection", "IsWriteIn": True, **data}
        if option.kind == "against_all" or contest.kind == "measure":
            return {
                "@type": f"{_PREFIX}BallotMeasureSelection",
                "Selection": _texts(option.name),
                **data,
            }
        if contest.kind == "party_list":
            parties = [f"party/{contest.id}/{option_id}"]
            return {"@type": f"{_PREFIX}PartySelection", "PartyIds": parties, **data}
        candidates = [f"candidate/{contest.id}/{option_id}"]
        return {"@type": f"{_PREFIX}CandidateSelection", "CandidateIds": candidates, **data}

    def _vote_counts(self, contest: Contest, option_id: str) -> Iterator[dict[str, Any]]:
        seats = self._lists.get(contest.id, {}).get("seats", {}).get(option_id)
        if seats is not None:
            yield _votes(self._scope, seats, "seats")
        column = self._figures.votes.get((contest.id, option_id))
        if column is None:
            return
        for kind in _KINDS:
            units = self._areas.of_kind[kind]
            for place, count in zip(
                *self._areas.sums(kind, column.precincts, column.values), strict=True
            ):
                yield _votes(unit_id(units[int(place)]), int(count), "total")

    def _other_counts(self, contest: Contest) -> Iterator[dict[str, Any]]:
        over = self._figures.figures.get((contest.id, "overvotes"))
        under = self._figures.figures.get((contest.id, "undervotes"))
        if over is None or under is None:
            return
        for kind in _KINDS:
            present, overvotes = self._areas.sums(kind, over.precincts, over.values)
            _, undervotes = self._areas.sums(kind, under.precincts, under.values)
            for place, more, less in zip(present, overvotes, undervotes, strict=True):
                yield {
                    "@type": f"{_PREFIX}OtherCounts",
                    "GpUnitId": unit_id(self._areas.of_kind[kind][int(place)]),
                    "Overvotes": int(more),
                    "Undervotes": int(less),
                }


_KIND: Final = {
    "party_list": "PartyContest",
    "candidate": "CandidateContest",
    "measure": "BallotMeasureContest",
}


def unit_id(area: Area) -> str:
    """The id of an area in the report."""
    return f"{'precinct' if area.kind == 'precinct' else 'commission'}/{area.id}"


def _votes(unit: str, count: int, kind: str) -> dict[str, Any]:
    return {"@type": f"{_PREFIX}VoteCounts", "GpUnitId": unit, "Type": kind, "Count": count}


def _count_status(status: str) -> list[dict[str, Any]]:
    word = {
        PrecinctStatus.COUNTED.value: "completed",
        PrecinctStatus.EXCLUDED.value: "completed",
        PrecinctStatus.MISSING.value: "not-processed",
    }.get(status, "in-process")
    first = _status("total", word)
    if status in (PrecinctStatus.COUNTED.value, PrecinctStatus.MISSING.value):
        return [first]
    return [first, {**_status("other", word), "OtherType": status}]


def _status(kind: str, word: str) -> dict[str, Any]:
    return {"@type": f"{_PREFIX}CountStatus", "Type": kind, "Status": word}


def _composed(ids: Sequence[str]) -> dict[str, Any]:
    return {"ComposingGpUnitIds": list(ids)} if ids else {}


def _code(kind: str, value: str) -> dict[str, Any]:
    return {
        "@type": f"{_PREFIX}ExternalIdentifier",
        "Type": "other",
        "OtherType": kind,
        "Value": value,
    }


def _texts(text: Mapping[str, str]) -> dict[str, Any]:
    return {
        "@type": f"{_PREFIX}InternationalizedText",
        "Text": [
            {"@type": f"{_PREFIX}LanguageString", "Language": language, "Content": content}
            for language, content in text.items()
        ],
    }


def _say(text: Mapping[str, str], election: Election) -> str:
    return text.get(election.languages[0]) or next(iter(text.values()))


def _open(value: Mapping[str, Any]) -> str:
    """An object without its closing brace: more members follow."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))[:-1]


def _listed(values: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for number, value in enumerate(values):
        comma = "," if number else ""
        yield f"{comma}\n{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}"

"""What devices, pollbook and hand count say of the lines of a form: figures by path.

Nothing is decided here. An `Evidence` is one source's word; `disagreements` lists where two
sources differ. What is written into the form is for people (`tally.protocol.record`) or, where
nobody keyed anything in, for the law's precedence (`tally.protocol.drawing`).

| source | tells |
|---|---|
| results packages, verified | in the box, valid, invalid by ground, to review, issued where the |
| | device was told; every contest |
| close sheet of the pollbook, verified | voters on the list, added, certificates; of each paper |
| | received, spoiled, left over, issued, voters who were given one (`signatures`); outside and |
| | by certificate only where every voter was given the paper |
| hand count | votes; where the paper carries one contest alone: ballots, void, valid, and that |
| | nothing is left to decide where those add up |

Sources: NVT-07, SEED-01, SEED-05, SEED-10.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from election.model import Election
from election.profile import Profile
from firmware_sim.pollbook.sheet import PollbookSheet
from tally.paper import BALLOTS, INVALID, PaperCount, contests_in
from tally.protocol.form import ProtocolError, SourceFile
from tally.protocol.lines import DEVICE_EXTRAS, form_lines
from tally.verification import VerifiedPackage

SourceName = Literal["device", "pollbook", "hand_count"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One source's figures by path; `files` are what they were read from. `extras` are figures
    of a device that are no lines of the form."""

    source: SourceName
    files: tuple[SourceFile, ...]
    figures: Mapping[str, int]
    extras: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A line on which sources differ: what each says, by source."""

    path: str
    said: tuple[tuple[SourceName, int], ...]


def from_packages(
    packages: Sequence[VerifiedPackage], election: Election, profile: Profile, precinct: str
) -> Evidence:
    """What the devices of a precinct counted, together.

    Raises:
        ProtocolError: there is no package of this precinct.
    """
    mine = [package for package in packages if package.precinct_id == precinct]
    if not mine:
        raise ProtocolError(f"no results package of {precinct} was accepted")
    figures: Counter[str] = Counter()
    unknown: set[str] = set()
    for package in mine:
        for style, row in package.protocol["by_style"].items():
            issued = row["issued"]
            if issued is None:
                unknown.add(f"papers.{style}.issued")
            figures[f"papers.{style}.issued"] += issued or 0
            for name in ("in_box", "valid", "invalid", "needs_review", "returned"):
                figures[f"papers.{style}.{name}"] += row[name]
            for ground in profile.invalid_grounds:
                figures[f"papers.{style}.invalid_grounds.{ground.id}"] += 0
            for ground_id, number in package.totals["styles"][style]["invalid_grounds"].items():
                figures[f"papers.{style}.invalid_grounds.{ground_id}"] += number
        for contest, counted in package.totals["contests"].items():
            for option, votes in counted["votes"].items():
                figures[f"contests.{contest}.votes.{option}"] += votes
            for name in (*DEVICE_EXTRAS, "overvotes", "undervotes"):
                figures[f"contests.{contest}.{name}"] += counted[name]  # type: ignore[literal-required]
    lines = {line.path for line in form_lines(election, profile, precinct)}
    return Evidence(
        "device",
        tuple(
            SourceFile(
                kind="package",
                sha256=package.digest,
                device_id=package.device_id,
                export_number=package.export_number or None,  # 0: known by a medium alone
            )
            for package in mine
        ),
        {p: n for p, n in sorted(figures.items()) if p in lines and p not in unknown},
        {p: n for p, n in sorted(figures.items()) if p not in lines and p not in unknown},
    )


def from_pollbook(
    sheet: PollbookSheet, sha256: str, election: Election, profile: Profile, precinct: str
) -> Evidence:
    """What the pollbook says at its close.

    Args:
        sheet: verified, of this election and precinct; `sha256` of its file.
    """
    people = sheet.voters
    figures: dict[str, int | None] = {
        "precinct.registered": people.registered,
        "precinct.added_on_day": people.added,
        "precinct.certificates_issued": people.absentee_out,
    }
    for style, papers in sheet.styles.items():
        start = f"papers.{style}."
        figures |= {
            f"{start}registered": people.registered,
            f"{start}received": papers.received,
            f"{start}spoiled": papers.spoiled,
            f"{start}cancelled_unused": papers.unused,
            f"{start}signatures": papers.voters,
            f"{start}issued": papers.issued,
        }
        # Who of those that came got which paper is not in the sheet: only all of them.
        everyone = papers.voters == people.voted == papers.issued
        if everyone and not (people.mobile and people.absentee_in):  # nobody is both
            figures |= {
                f"{start}issued_at_station": people.voted - people.mobile - people.absentee_in,
                f"{start}issued_outside": people.mobile,
                f"{start}issued_absentee": people.absentee_in,
            }
    lines = {line.path for line in form_lines(election, profile, precinct)}
    known = {p: n for p, n in sorted(figures.items()) if n is not None and p in lines}
    return Evidence("pollbook", (SourceFile(kind="pollbook", sha256=sha256),), known)


def from_hand_count(
    count: PaperCount, sha256: str, election: Election, profile: Profile, precinct: str
) -> Evidence:
    """What was counted by hand. Raises ProtocolError: this precinct was not."""
    if precinct not in count.precincts():
        raise ProtocolError(f"{count.name}: {precinct} was not counted by hand")
    figures: dict[str, int] = {}
    styles = election.precinct_styles(precinct)
    for contest in contests_in(election, precinct):
        for option in contest.option_ids():
            votes = count.get(precinct, contest.id, option)
            figures[f"contests.{contest.id}.votes.{option}"] = votes or 0
        carriers = [style for style in styles if contest.id in style.contests]
        if len(carriers) != 1 or len(carriers[0].contests) != 1:
            continue
        start = f"papers.{carriers[0].id}."
        invalid = count.get(precinct, contest.id, INVALID)
        ballots = count.get(precinct, contest.id, BALLOTS)
        if invalid is not None:
            figures[f"{start}invalid"] = invalid
        if ballots is not None:
            figures[f"{start}in_box"] = ballots
        if profile.marks.rule == "exactly_one":
            valid = sum(figures[f"contests.{contest.id}.votes.{o}"] for o in contest.option_ids())
            figures[f"{start}valid"] = valid
            if ballots is not None and invalid is not None and ballots == valid + invalid:
                figures[f"{start}needs_review"] = 0
    lines = {line.path for line in form_lines(election, profile, precinct)}
    known = {p: n for p, n in sorted(figures.items()) if p in lines}
    return Evidence("hand_count", (SourceFile(kind="hand_count", sha256=sha256),), known)


def disagreements(evidence: Iterable[Evidence]) -> tuple[Disagreement, ...]:
    """Lines on which two sources differ, by path."""
    said: dict[str, list[tuple[SourceName, int]]] = {}
    for one in evidence:
        for path, value in one.figures.items():
            said.setdefault(path, []).append((one.source, value))
    return tuple(
        Disagreement(path, tuple(words))
        for path, words in sorted(said.items())
        if len({value for _, value in words}) > 1
    )

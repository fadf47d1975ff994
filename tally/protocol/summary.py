"""The figures of a protocol as bytes small enough for QR codes, version 1 (`BBP1`).

The members' signature over a protocol covers these bytes too (`tally.protocol.sealed`), so
that the codes on the printed protocol prove its figures without the file. One form has one
summary, and one summary one encoding; docs/protocol-form.md lists it.

| field | form |
|---|---|
| magic | `BBP1` |
| mode | 1 byte: 0 official, 1 test |
| election, profile, protocol | 3 x 32 bytes; the last is `PrecinctForm.digest` |
| precinct | 1 byte of length, then UTF-8 |
| version, drawn up | number; 4 bytes, seconds since 1970 UTC, big-endian |
| steps, not done, breaches | numbers |
| papers | their number; of each, by id: the 18 figures of `PAPER_FIGURES` + 1 (0: not known), |
| | how many grounds, of each its id and number |
| contests | their number; of each, by id: ballots, overvotes + 1, undervotes + 1, blank + 1, |
| | invalid, to review, how many options, votes of each by id |

Numbers and texts are those of `firmware_sim.summary`; "by id" means in the order of the ids'
letters. Sources: NVT-13, SEED-13.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from election.figures import PAPER_FIGURES
from election.model import Election
from firmware_sim.summary import (
    MODES,
    FieldReader,
    Mode,
    SummaryError,
    number_bytes,
    optional_bytes,
    seconds_of,
)
from tally.paper import contests_in
from tally.protocol.form import ContestForm, PaperFigures, PrecinctForm

MAGIC = b"BBP1"
#: File name in the signed protocol.
SUMMARY = "summary.bin"


@dataclass(frozen=True, slots=True)
class ContestSummary:
    """One contest; `votes` in the order of the options' ids."""

    ballots: int
    overvotes: int | None
    undervotes: int | None
    blank: int | None
    invalid: int
    needs_review: int
    votes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ProtocolSummary:
    """What the codes of a protocol say; papers and contests in the order of their ids."""

    mode: Mode
    election_hash: str
    profile_hash: str
    digest: str
    precinct_id: str
    version: int
    drawn_up: str
    steps: int
    not_done: int
    breaches: int
    papers: tuple[PaperFigures, ...]
    contests: tuple[ContestSummary, ...]


def summarise(form: PrecinctForm, digest: str | None = None) -> ProtocolSummary:
    """The summary of a form; `digest` is the form's, if it is known already."""
    return ProtocolSummary(
        mode=form.mode,
        election_hash=form.election_hash,
        profile_hash=form.profile_hash,
        digest=digest or form.digest,
        precinct_id=form.precinct_id,
        version=form.version,
        drawn_up=form.drawn_up,
        steps=len(form.steps),
        not_done=len(form.skipped_steps()),
        breaches=len(form.breaches),
        papers=tuple(_with_grounds(form.papers[style]) for style in sorted(form.papers)),
        contests=tuple(_contest(form.contests[contest]) for contest in sorted(form.contests)),
    )


def _with_grounds(paper: PaperFigures) -> PaperFigures:
    grounds = dict(sorted((paper.invalid_grounds or {}).items()))
    return paper.model_copy(update={"invalid_grounds": grounds})


def _contest(contest: ContestForm) -> ContestSummary:
    return ContestSummary(
        contest.ballots,
        contest.overvotes,
        contest.undervotes,
        contest.blank,
        contest.invalid,
        contest.needs_review,
        tuple(contest.votes[option] for option in sorted(contest.votes)),
    )


def pack(summary: ProtocolSummary) -> bytes:
    """The bytes of a summary. Raises SummaryError: a figure or id that does not fit."""
    out = bytearray(MAGIC)
    out.append(MODES.index(summary.mode))
    for digest in (summary.election_hash, summary.profile_hash, summary.digest):
        out += bytes.fromhex(digest)
    out += _text(summary.precinct_id)
    out += number_bytes(summary.version) + seconds_of(summary.drawn_up).to_bytes(4, "big")
    for value in (summary.steps, summary.not_done, summary.breaches, len(summary.papers)):
        out += number_bytes(value)
    for paper in summary.papers:
        for name in PAPER_FIGURES:
            out += optional_bytes(paper.figure(name))
        grounds = paper.invalid_grounds or {}
        out += number_bytes(len(grounds))
        for ground, value in sorted(grounds.items()):
            out += _text(ground) + number_bytes(value)
    out += number_bytes(len(summary.contests))
    for contest in summary.contests:
        out += number_bytes(contest.ballots)
        for lost in (contest.overvotes, contest.undervotes, contest.blank):
            out += optional_bytes(lost)
        out += number_bytes(contest.invalid) + number_bytes(contest.needs_review)
        out += number_bytes(len(contest.votes))
        for votes in contest.votes:
            out += number_bytes(votes)
    return bytes(out)


def unpack(data: bytes) -> ProtocolSummary:
    """The summary of these bytes; whatever `pack` would not write is refused.

    Raises:
        SummaryError: not a protocol's summary, cut short, or with bytes left over.
    """
    reader = FieldReader(data)
    if reader.take(len(MAGIC)) != MAGIC:
        raise SummaryError("is no protocol's summary of this version (does not begin with BBP1)")
    mode = reader.take(1)[0]
    if mode >= len(MODES):
        raise SummaryError(f"mode {mode} has no meaning")
    election, profile, digest = (reader.take(32).hex() for _ in range(3))
    precinct, version, drawn_up = reader.text(), reader.number(), reader.time()
    steps, not_done, breaches = (reader.number() for _ in range(3))
    papers = tuple(_read_paper(reader) for _ in range(reader.length()))
    contests = tuple(_read_contest(reader) for _ in range(reader.length()))
    if reader.left:
        raise SummaryError(f"{reader.left} bytes too many at the end of the summary")
    summary = ProtocolSummary(
        mode=MODES[mode],
        election_hash=election,
        profile_hash=profile,
        digest=digest,
        precinct_id=precinct,
        version=version,
        drawn_up=drawn_up,
        steps=steps,
        not_done=not_done,
        breaches=breaches,
        papers=papers,
        contests=contests,
    )
    if pack(summary) != data:  # grounds twice or out of order
        raise SummaryError("the summary is not in its one form")
    return summary


def figures_of(summary: ProtocolSummary, election: Election) -> dict[str, Any]:
    """The summary with the ids of the definition: `papers` and `contests` as in the form.

    Raises:
        SummaryError: the definition is another, or has not this precinct, papers and options.
    """
    if summary.election_hash != election.hash:
        raise SummaryError(f"the summary is of another election definition than {election.id}")
    if not election.has_precinct(summary.precinct_id):
        raise SummaryError(f"{summary.precinct_id} is no precinct of {election.id}")
    styles = sorted(style.id for style in election.precinct_styles(summary.precinct_id))
    contests = sorted(contests_in(election, summary.precinct_id), key=lambda c: c.id)
    options = [sorted(contest.option_ids()) for contest in contests]
    if len(styles) != len(summary.papers) or [len(o) for o in options] != [
        len(c.votes) for c in summary.contests
    ]:
        raise SummaryError("the summary has other papers or options than the definition")
    return {
        "papers": {
            style: paper.model_dump(exclude_none=True)
            for style, paper in zip(styles, summary.papers, strict=True)
        },
        "contests": {
            contest.id: _named(row, names)
            for contest, names, row in zip(contests, options, summary.contests, strict=True)
        },
    }


def _named(row: ContestSummary, options: list[str]) -> Mapping[str, Any]:
    return {
        "ballots": row.ballots,
        "votes": dict(zip(options, row.votes, strict=True)),
        "overvotes": row.overvotes,
        "undervotes": row.undervotes,
        "blank": row.blank,
        "invalid": row.invalid,
        "needs_review": row.needs_review,
    }


def _text(text: str) -> bytes:
    encoded = text.encode()
    if not 1 <= len(encoded) <= 255:
        raise SummaryError(f"the id {text[:40]!r} does not fit a summary")
    return bytes((len(encoded),)) + encoded


def _read_paper(reader: FieldReader) -> PaperFigures:
    figures = {name: reader.optional() for name in PAPER_FIGURES}
    grounds = {}
    for _ in range(reader.length()):
        ground = reader.text()
        grounds[ground] = reader.number()
    return PaperFigures.model_construct(None, **figures, invalid_grounds=grounds)


def _read_contest(reader: FieldReader) -> ContestSummary:
    ballots = reader.number()
    lost = [reader.optional() for _ in range(3)]
    invalid, review = reader.number(), reader.number()
    votes = tuple(reader.number() for _ in range(reader.length()))
    return ContestSummary(ballots, lost[0], lost[1], lost[2], invalid, review, votes)

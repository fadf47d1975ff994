"""The precinct's protocol: the official form as a value, and its one encoding.

A `PrecinctForm` holds what the commission states of one precinct: the figures of each kind of
paper (`election.figures`), of each contest, how the count was conducted (steps done and
skipped, figures that were settled), and from what it was drawn up. It is frozen, integers
only, and its bytes are canonical JSON (RFC 8785): the same form has one SHA-256, `digest`, by
which a protocol is known. A figure that nobody established is absent, never zero.

`PrecinctForm` alone proves nothing: members sign it (`tally.protocol.sealed`); whether its
figures agree with each other is `tally.protocol.controls`. A version after the first exists
only by a formal decision and names the digest of the one that it replaces (SEED-16).

Sources: SEED-05, SEED-10, SEED-11, SEED-12, SEED-13; NVT-06, NVT-18.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from election.canonical import canonical_bytes
from election.definition import parse_json
from election.errors import DefinitionError
from election.model import Election, Identifier
from tally.errors import TallyError
from tally.figures import ContestFigures
from tally.paper import contests_in

FORMAT: Literal["ballotbench-precinct-protocol/1"] = "ballotbench-precinct-protocol/1"
#: No polling station has a hundred million papers: larger figures are typing errors.
MAX_FIGURE = 99_999_999
#: Largest form looked at, bytes; a precinct of 1,000 contests has some 300 KiB.
MAX_FORM_BYTES = 4 * 2**20

Figure = Annotated[int, Field(strict=True, ge=0, le=MAX_FIGURE)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _on_a_calendar(text: str) -> str:
    datetime.fromisoformat(text)  # says what is wrong
    return text


Moment = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"),
    AfterValidator(_on_a_calendar),
]
#: A member's id: also the name of a file in the signed protocol.
MemberId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")]


def _can_be_seen(text: str) -> str:
    # A control sign would change what a terminal or a page shows beside it.
    if not text.isprintable():
        raise ValueError("has a sign that cannot be seen: write it on one line, in letters")
    return text


Words = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_can_be_seen)]


class ProtocolError(TallyError):
    """A protocol that cannot be used; names file and field."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaperFigures(_Model):
    """One kind of paper, in papers or people (`election.figures` says what each is); None
    where nobody established it. `invalid_grounds`: the void papers by the ground's id."""

    registered: Figure | None = None
    added_on_day: Figure | None = None
    certificates_issued: Figure | None = None
    received: Figure | None = None
    signatures: Figure | None = None
    issued: Figure | None = None
    issued_at_station: Figure | None = None
    issued_outside: Figure | None = None
    issued_absentee: Figure | None = None
    spoiled: Figure | None = None
    cancelled_unused: Figure | None = None
    in_station_box: Figure | None = None
    in_portable_box: Figure | None = None
    in_box: Figure | None = None
    valid: Figure | None = None
    invalid: Figure | None = None
    needs_review: Figure | None = None
    returned: Figure | None = None
    invalid_grounds: dict[Identifier, Figure] | None = None

    def figure(self, name: str) -> int | None:
        """One of `election.figures.PAPER_FIGURES`. Raises AttributeError: no such figure."""
        value: int | None = getattr(self, name)
        return value


class ContestForm(_Model):
    """One contest: `votes` by option ("against all" is one), else as
    `tally.figures.ContestFigures`; votes lost and blank papers None where a hand count did
    not tell them."""

    ballots: Figure
    votes: dict[Identifier, Figure]
    overvotes: Figure | None = None
    undervotes: Figure | None = None
    blank: Figure | None = None
    invalid: Figure = 0
    needs_review: Figure = 0


class SourceFile(_Model):
    """A file that figures were drawn from. `sha256` is of its bytes."""

    kind: Literal["package", "pollbook", "hand_count", "record"]
    sha256: Digest
    device_id: Identifier | None = None
    export_number: Annotated[int, Field(ge=1)] | None = None


class Source(_Model):
    """What the form was drawn up from: the count of `method`, and files. `record` is the file
    of the figures that two members entered (`tally.protocol.record`)."""

    method: Literal["device", "hand", "device_and_hand"]
    files: tuple[SourceFile, ...] = ()


class StepRecord(_Model):
    """One step of the count, by its id in the profile: *done* by these members, *skipped* for
    a stated reason, or *unrecorded*: nobody said that it was done (SEED-10)."""

    id: Identifier
    state: Literal["done", "skipped", "unrecorded"]
    by: tuple[MemberId, ...] = ()
    at: Moment | None = None
    reason: Words | None = None


class EntryOf(_Model):
    """Who said what a figure is: a member by id, or "device", "pollbook", "hand_count"."""

    by: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$|^hand_count$")]
    value: Figure


class Settled(_Model):
    """A figure on which entries or sources differed, and what it was found to be.

    `figure` is its line (`tally.protocol.lines`), e.g. "papers.list.in_box"; `by` the members
    who settled it, none where the law's precedence did (`reason` says so).
    """

    figure: Annotated[str, Field(min_length=1, max_length=600)]
    entries: tuple[EntryOf, ...] = Field(min_length=2)
    value: Figure
    reason: Words
    by: tuple[MemberId, ...] = ()


class Breach(_Model):
    """A control ratio that the figures break, stated by those who sign: the rule's id, what it
    is of (a style, or a contest), and both sides."""

    ratio: Identifier
    of: Identifier
    left: int
    right: int


class MemberRecord(_Model):
    """A member of the commission, and whether present at the count (SEED-14)."""

    id: MemberId
    role: Literal["chair", "secretary", "member"] = "member"
    present: bool = True


class PrecinctForm(_Model):
    """The protocol of one precinct; see the module.

    `version` 1 is the first; a later one `replaces` the digest of its predecessor.
    `drawn_up` is when, ISO 8601 UTC. Contests are those of the precinct's papers.
    """

    format: Literal["ballotbench-precinct-protocol/1"] = FORMAT
    mode: Literal["official", "test"] = "official"
    election_hash: Digest
    profile_hash: Digest
    precinct_id: Identifier
    version: Annotated[int, Field(strict=True, ge=1, le=9999)] = 1
    replaces: Digest | None = None
    drawn_up: Moment
    source: Source
    papers: dict[Identifier, PaperFigures] = Field(min_length=1)
    contests: dict[Identifier, ContestForm] = Field(min_length=1)
    members: tuple[MemberRecord, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    settled: tuple[Settled, ...] = ()
    breaches: tuple[Breach, ...] = ()

    def canonical_json(self) -> bytes:
        """RFC 8785 form, absent figures left out: what is signed."""
        return canonical_bytes(self.model_dump(mode="json", exclude_none=True))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form, 64 hex digits: which protocol this is."""
        # Not kept: a copy with another figure would keep it too.
        return hashlib.sha256(self.canonical_json()).hexdigest()

    def skipped_steps(self) -> tuple[StepRecord, ...]:
        """Steps that were skipped, or that nobody recorded, in order."""
        return tuple(step for step in self.steps if step.state != "done")


def contest_figures(contest: ContestForm) -> ContestFigures:
    """A contest in the form of the tally; votes lost and blank papers that a hand count did
    not tell are 0 there (the store keeps them null)."""
    return {
        "ballots": contest.ballots,
        "votes": dict(contest.votes),
        "overvotes": contest.overvotes or 0,
        "undervotes": contest.undervotes or 0,
        "blank": contest.blank or 0,
        "invalid": contest.invalid,
        "needs_review": contest.needs_review,
    }


def parse_form(data: bytes, name: str) -> PrecinctForm:
    """A form from JSON bytes, canonical or not; `name` is what messages call it.

    Raises:
        ProtocolError: not JSON, or not a form; names the field.
    """
    if len(data) > MAX_FORM_BYTES:
        raise ProtocolError(f"{name}: is larger than {MAX_FORM_BYTES // 2**20} MiB: no protocol")
    try:
        parse_json(data, name)  # strict: no name twice, no NaN
    except DefinitionError as error:
        raise ProtocolError(f"{name}: {error.what}") from error
    return parse_canonical(data, name)


def parse_canonical(data: bytes, name: str) -> PrecinctForm:
    """`parse_form` for a caller who compares `data` with the form's canonical bytes after: a
    name that stands twice is found there.

    Raises:
        ProtocolError: not a form; names the field.
    """
    if len(data) > MAX_FORM_BYTES:
        raise ProtocolError(f"{name}: is larger than {MAX_FORM_BYTES // 2**20} MiB: no protocol")
    try:
        return PrecinctForm.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the form"
        shown = repr(first["input"])[:40]
        raise ProtocolError(f"{name}: {field}: {first['msg']} (is {shown})") from error


def form_problem(form: PrecinctForm, election: Election) -> tuple[str, str] | None:
    """The first way in which a form is not of this election: (field, what); None if it is.

    Every paper and contest of the precinct must be there with every printed option, and no
    other.
    """
    if form.election_hash != election.hash:
        return "election_hash", f"is of another election definition than {election.id}"
    if not election.has_precinct(form.precinct_id):
        return "precinct_id", f"{form.precinct_id} is no precinct of {election.id}"
    styles = {style.id for style in election.precinct_styles(form.precinct_id)}
    contests = {contest.id: contest for contest in contests_in(election, form.precinct_id)}
    for field, wanted, found in (
        ("papers", styles, set(form.papers)),
        ("contests", set(contests), set(form.contests)),
    ):
        if foreign := sorted(found - wanted):
            return f"{field}.{foreign[0]}", f"is not voted on in {form.precinct_id}"
        if lacking := sorted(wanted - found):
            return f"{field}.{lacking[0]}", "is missing"
    for contest_id, contest in sorted(contests.items()):
        votes = form.contests[contest_id].votes
        if foreign := sorted(set(votes) - set(contest.option_ids())):
            return f"contests.{contest_id}.votes.{foreign[0]}", "is no option of the contest"
        if lacking := sorted(set(contest.option_ids()) - set(votes)):
            return f"contests.{contest_id}.votes.{lacking[0]}", "is missing"
    if (form.version == 1) != (form.replaces is None):
        return "replaces", "is given for every version after the first, and for no other"
    return None

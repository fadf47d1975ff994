"""Jurisdiction profiles: the law as data.

A profile is a TOML file (`election/profiles/*.toml`, or one of the user's own) that says
how marks become votes, which grounds make a ballot invalid, what a device does with a
doubtful sheet, how seats are allotted, which record prevails and what a difference
between electronic and paper counts leads to. Where the law is silent the profile says so
(NVT-06, NVT-09, NVT-10, NVT-18; SEED-07).
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from election.control_rules import DEVICE_WORDS, RuleError, Scope, parse_side, words_of
from election.errors import ProfileError
from election.figures import PAPER_FIGURES

#: Kinds of contest, as in `election.model.Contest.kind`.
ContestKind = Literal["party_list", "candidate", "measure"]

#: What becomes of ink that is neither print nor vote.
ForeignMarks = Literal["ignore", "note", "review"]

BUILT_IN = Path(__file__).with_name("profiles")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MarkRules(_Table):
    """How marks become votes.

    `rule` "exactly_one": one mark a contest, none or more makes the ballot invalid.
    `rule` "up_to_n": up to `votes_allowed` marks count; more is an overvote of that contest.
    `foreign_marks`: ink that is neither print nor vote, by which a voter might be known
    (SEED-23): "ignore" does not look for it, "note" writes it down, "review" leaves the
    sheet to a person.
    """

    rule: Literal["exactly_one", "up_to_n"]
    shape: Literal["oval", "square", "circle"]
    any_stroke: bool = False
    against_all: bool = False
    write_ins: bool = False
    marginal: float = Field(gt=0, lt=1)
    definite: float = Field(gt=0, lt=1)
    write_in: float = Field(default=0.05, gt=0, lt=1)
    foreign_marks: ForeignMarks = "ignore"

    @model_validator(mode="after")
    def _in_order(self) -> MarkRules:
        if self.marginal > self.definite:
            raise ValueError(f"marginal {self.marginal} is over definite {self.definite}")
        return self


class InvalidGround(_Table):
    """A ground that makes a ballot invalid, with the article that states it."""

    id: str
    title: dict[str, str]
    article: str


class DeviceRules(_Table):
    """What the precinct device does with a sheet before it drops into the box.

    `return_…`: grounds for which the sheet is shown to its voter, or returned where there is
    no voter's screen. `ask_undervoted`: show it also where fewer options are marked than
    allowed (never returned for that without a screen). `voter_may_cast`: the voter may cast
    it as it is; else it is always returned. `accept_on_second_feed`: without a screen, the
    sheet fed again at once is taken.
    """

    return_overvoted: bool
    return_blank: bool
    return_needs_review: bool
    ask_undervoted: bool = False
    voter_may_cast: bool = True
    accept_on_second_feed: bool = True


class ScreenRules(_Table):
    """What a screen device with a paper record does (`firmware_sim.dre`).

    `spoils`: records that one voter may spoil; after that the officers help. `idle_s`: time
    without a touch after which the voter is asked, `leave_s`: and then taken for gone.
    `left_record`: what officers do with a record that its voter left under the glass; where
    the law says nothing it is spoiled, as nobody verified it.
    """

    spoils: int = Field(default=2, ge=0, le=20)
    idle_s: int = Field(default=150, ge=20, le=3600)
    leave_s: int = Field(default=60, ge=20, le=3600)
    left_record: Literal["spoil", "cast"] = "spoil"


class SeatQuota(_Table):
    """A share of a list's seats that is to go to members of stated groups (SEED-07).

    `groups` are words of the file of list members ("women", "youth", "disability");
    `share_percent` of each list's seats, rounded up, are to go to people of any of them.
    `effect` "report" only says whether it is met; "replace_last" gives the seats of the last
    members outside the groups to the next ones inside.
    """

    id: str
    groups: tuple[str, ...] = Field(min_length=1)
    share_percent: str = Field(pattern=r"^\d{1,2}(\.\d{1,6})?$|^100$")
    effect: Literal["report", "replace_last"] = "report"
    title: dict[str, str]
    article: str = ""


class SeatRules(_Table):
    """How seats are won.

    `method`: how list seats are allotted ("plurality": the profile has none);
    `threshold_percent` is of `threshold_of`: those who voted, or the votes for lists.
    `candidates`: how a candidate contest is won; "two_round" asks for more than
    `majority_percent` of those who voted, else the two leading go on. `tie`: who goes first
    among equals. `quotas`: shares of seats for stated groups.
    """

    method: Literal[
        "hare_largest_remainder",
        "droop_largest_remainder",
        "hagenbach_bischoff",
        "dhondt",
        "sainte_lague",
        "modified_sainte_lague",
        "plurality",
    ]
    list_seats: int = Field(ge=0)
    threshold_percent: str = Field(default="0", pattern=r"^\d{1,2}(\.\d{1,6})?$")
    threshold_of: Literal["voted", "list_votes"] = "voted"
    candidates: Literal["plurality", "two_round"] = "plurality"
    majority_percent: str = Field(default="50", pattern=r"^\d{1,2}(\.\d{1,6})?$")
    single_mandate_districts: int = Field(default=0, ge=0)
    tie: Literal["earlier_registration", "lot"] = "lot"
    quotas: tuple[SeatQuota, ...] = ()
    article: str = ""


class ReconciliationRules(_Table):
    """Which record prevails and what a difference leads to.

    `human_error_ppm`: the rate of slips of a hand count that is still called human error,
    in differences per million ballots; the law often states none (`silent` lists such points).
    """

    precedence: Literal["paper", "electronic", "silent"]
    precedence_article: str = ""
    human_error_ppm: int = Field(ge=0)
    consequences: dict[str, str] = Field(default_factory=dict)
    silent: tuple[str, ...] = ()


class AdjudicationRules(_Table):
    """Who decides what the machine leaves to people.

    `people`: how many must come to the same verdict, each without seeing the others'
    (SEED-12: decided by two). `review`: clear readings that a person looks at all the same;
    the machine's reading of those stands unless they decide otherwise:
    "overvote" (a contest with too many marks), "invalid" (a ballot that the rules make
    invalid), "write_in" (a written name or a marked write-in line, to be resolved).
    """

    people: int = Field(default=1, ge=1, le=9)
    review: tuple[Literal["overvote", "invalid", "write_in"], ...] = ("write_in",)
    article: str = ""


class ControlRatio(_Table):
    """A named relation between the figures of a protocol: `left` `relation` `right`.

    Each side is of the language of `election.control_rules`, e.g. "valid + invalid"; `of`
    says what it is evaluated of: each kind of paper, or each contest.
    """

    id: str
    of: Scope = "paper"
    left: str
    relation: Literal["==", "<=", ">="]
    right: str
    title: dict[str, str]
    article: str = ""

    @field_validator("left", "right")
    @classmethod
    def _of_the_language(cls, side: str, info: ValidationInfo) -> str:
        try:
            parse_side(side, info.data.get("of", "paper"))
        except RuleError as error:
            raise ValueError(f"rule {info.data.get('id', '')!r}: {error}") from error
        return side

    @property
    def formula(self) -> str:
        """The relation as it is written."""
        return f"{self.left} {self.relation} {self.right}"

    def words(self) -> tuple[str, ...]:
        """The figures that it names, each once."""
        both = (*words_of(self.left, self.of), *words_of(self.right, self.of))
        return tuple(dict.fromkeys(both))

    @property
    def on_device(self) -> bool:
        """Does a precinct device know all its figures? Others are for the protocol alone."""
        return self.of == "paper" and DEVICE_WORDS.issuperset(self.words())


def _known_figure(name: str) -> str:
    if name not in PAPER_FIGURES:
        raise ValueError(f"{name!r} is no figure of a form; known: {', '.join(PAPER_FIGURES)}")
    return name


PaperFigure = Annotated[str, AfterValidator(_known_figure)]


class FormFigure(_Table):
    """A figure of the official form, by its name in `election.figures`, with its title there.

    `of` "precinct": one number for all kinds of paper (voters on the list); "paper": one of each.
    """

    id: PaperFigure
    of: Literal["paper", "precinct"] = "paper"
    title: dict[str, str]


class CountingStep(_Table):
    """A step of the count that observers look for, in the order of the law (SEED-10, SEED-13).

    `figures` are established in it, with `grounds` also the void papers by ground, with
    `votes` the votes of every contest; each is entered by as many people as
    `ProtocolRules.entries` says. A step without any is done when two members say so.
    `kind` "reading": every figure is read aloud; "posting": after the signatures, so it is not
    in the signed form.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    figures: tuple[PaperFigure, ...] = ()
    grounds: bool = False
    votes: bool = False
    kind: Literal["count", "reading", "posting"] = "count"
    title: dict[str, str]
    article: str = ""


class ProtocolRules(_Table):
    """The official form of a precinct: its figures in printed order, and the steps of the
    count in the order in which they are taken. `entries`: people who key each figure in."""

    entries: int = Field(default=2, ge=2, le=5)
    figures: tuple[FormFigure, ...] = ()
    steps: tuple[CountingStep, ...] = ()
    article: str = ""

    @model_validator(mode="after")
    def _every_figure_has_its_step(self) -> ProtocolRules:
        for what, ids in (("figures", self.figures), ("steps", self.steps)):
            names = [each.id for each in ids]
            if twice := next((n for n in names if names.count(n) > 1), None):
                raise ValueError(f"{what}: {twice} is there twice")
        if not self.steps:
            return self
        known = {figure.id for figure in self.figures}
        taken = [figure for step in self.steps for figure in step.figures]
        if foreign := next((f for f in taken if f not in known), None):
            raise ValueError(f"steps: {foreign} is no figure of the form")
        for figure in self.figures:
            if taken.count(figure.id) != 1:
                times = taken.count(figure.id)
                raise ValueError(f"figures: {figure.id} is of {times} steps, not of one")
        if sum(step.votes for step in self.steps) != 1:
            raise ValueError("steps: the votes of the contests are counted in one step")
        return self


class Profile(_Table):
    """One jurisdiction's rules.

    `instructions`: how to mark a paper, by kind of contest and language, where the law words
    it; the general words of `election.wording` stand in for what is not given.
    """

    id: str
    title: dict[str, str]
    languages: tuple[str, ...]
    paper: Literal["A4", "Letter", "Legal"]
    sheets: Literal["one_contest", "many_contests"]
    marks: MarkRules
    device: DeviceRules
    screen: ScreenRules = ScreenRules()
    seats: SeatRules
    reconciliation: ReconciliationRules
    adjudication: AdjudicationRules = AdjudicationRules()
    instructions: dict[ContestKind, dict[str, str]] = Field(default_factory=dict)
    invalid_grounds: tuple[InvalidGround, ...] = ()
    control_ratios: tuple[ControlRatio, ...] = ()
    protocol: ProtocolRules = ProtocolRules()

    @property
    def device_ratios(self) -> tuple[ControlRatio, ...]:
        """The control ratios over what a precinct device knows by itself."""
        return tuple(ratio for ratio in self.control_ratios if ratio.on_device)

    def canonical_hash(self) -> str:
        """SHA-256 over the profile's content, 64 hex digits."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def load_profile(name_or_path: str | Path) -> Profile:
    """Load a built-in profile by id ("kz-majilis") or a TOML file by path.

    Raises:
        ProfileError: no such profile, bad TOML, or a field that is wrong (named).
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = BUILT_IN / f"{name_or_path}.toml"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in BUILT_IN.glob("*.toml")))
            raise ProfileError(
                f"no profile called {str(name_or_path)!r}", advice=f"Known profiles: {known}"
            )
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        # Bad syntax, bad UTF-8, a number of thousands of digits, or endless nesting.
        raise ProfileError(f"is not TOML: {str(error)[:200]}", where=str(path)) from error
    try:
        # Strict, so that "yes" is no true and "69" no number; through JSON, as TOML's arrays
        # are lists. Dates, which no field takes, become texts and are named.
        return Profile.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        raise ProfileError(what, where=f"{path.name}: {field}") from error

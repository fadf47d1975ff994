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
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from election.errors import ProfileError

#: Kinds of contest, as in `election.model.Contest.kind`.
ContestKind = Literal["party_list", "candidate", "measure"]

#: What becomes of ink that is neither print nor vote.
ForeignMarks = Literal["ignore", "note", "review"]

#: What a control ratio may name: figures of one kind of paper in one precinct.
CONTROL_FIGURES = (
    "registered",
    "issued",
    "in_box",
    "valid",
    "invalid",
    "needs_review",
    "returned",
    "votes",
)

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
    """A named relation between protocol figures: `left` `relation` `right`.

    Each side is a sum of field names, e.g. "valid + invalid".
    """

    id: str
    left: str
    relation: Literal["==", "<=", ">="]
    right: str
    title: dict[str, str]
    article: str = ""

    @field_validator("left", "right")
    @classmethod
    def _known_figures(cls, side: str) -> str:
        # A rule over a figure that does not exist could never be broken.
        for word in (part.strip() for part in side.split("+")):
            if word not in CONTROL_FIGURES and not (word.isascii() and word.isdigit()):
                raise ValueError(
                    f"{word!r} is no figure of a protocol; known: {', '.join(CONTROL_FIGURES)}"
                )
        return side


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

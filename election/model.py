"""The election definition: what is elected, where, by whom, on which papers.

One JSON file holds it (`load_election`), a published JSON Schema describes it
(`election/schemas/election.schema.json`), and a SHA-256 over its canonical form
(RFC 8785, JSON Canonicalization Scheme) identifies it: the election hash.
Sources: NVT-18 (choice "against all"), SEED-07 (Majilis contests).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import cached_property
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from election.canonical import canonical_bytes

FORMAT: Literal["ballotbench-election/1"] = "ballotbench-election/1"

Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")
]
LanguageTag = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


def _can_be_read(text: str) -> str:
    """A name that nobody can see on paper is none; what no font has is found when printing."""
    if not any(unicodedata.category(letter)[0] in "LNPS" for letter in text):
        raise ValueError("has no letter, figure or sign that can be seen")
    return text


PrintedText = Annotated[
    str, StringConstraints(min_length=1, max_length=500), AfterValidator(_can_be_read)
]
#: Text by language tag, e.g. {"kk": "Барлығына қарсы", "ru": "Против всех", "en": "Against all"}.
Text = dict[LanguageTag, PrintedText]

#: Papers that only an imported definition has, by size in inches: "custom-8.5x17".
CUSTOM_PAPER = r"^custom-[1-9][0-9]?(\.[0-9]{1,2})?x[1-9][0-9]?(\.[0-9]{1,2})?$"
Paper = Literal["A4", "Letter", "Legal"] | Annotated[str, StringConstraints(pattern=CUSTOM_PAPER)]
#: Page sizes in mm (ISO 216; ANSI/ASME Y14.1 in inches × 25.4).
PAPER_MM: dict[str, tuple[float, float]] = {
    "A4": (210.0, 297.0),
    "Letter": (215.9, 279.4),
    "Legal": (215.9, 355.6),
}


def paper_mm(paper: str) -> tuple[float, float]:
    """Width and height of a paper by name, mm. Raises KeyError for a name that is none."""
    if paper in PAPER_MM or not re.fullmatch(CUSTOM_PAPER, paper):
        return PAPER_MM[paper]
    width, height = paper.removeprefix("custom-").split("x")
    return float(width) * 25.4, float(height) * 25.4


#: Option ids of write-in lines: write-in-0, write-in-1, …
WRITE_IN_PREFIX = "write-in-"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class District(_Model):
    """An electoral district (the whole country for a list contest)."""

    id: Identifier
    name: Text


class Precinct(_Model):
    """A polling station; `registered_voters` is the number on its list."""

    id: Identifier
    name: Text
    districts: tuple[Identifier, ...]
    registered_voters: int = Field(default=0, ge=0)


class ContestOption(_Model):
    """One line a voter can mark. `registration_order` breaks ties where the law says so."""

    id: Identifier
    name: Text
    kind: Literal["choice", "against_all"] = "choice"
    note: Text | None = None
    registration_order: int | None = Field(default=None, ge=1)


class Contest(_Model):
    """A question put to voters.

    `votes_allowed` is how many options one voter may mark; `seats` how many are filled;
    `write_ins` how many write-in lines are printed.
    """

    id: Identifier
    title: Text
    district: Identifier
    kind: Literal["party_list", "candidate", "measure"]
    votes_allowed: int = Field(default=1, ge=1, le=50)
    seats: int = Field(default=1, ge=1)
    write_ins: int = Field(default=0, ge=0, le=50)
    options: tuple[ContestOption, ...]

    @field_validator("options")
    @classmethod
    def _has_a_place_to_mark(
        cls, options: tuple[ContestOption, ...], info: ValidationInfo
    ) -> tuple[ContestOption, ...]:
        if not options and not info.data.get("write_ins"):
            raise ValueError("has no option, and the contest no write-in line")
        return options

    def option_ids(self) -> tuple[str, ...]:
        """Ids of printed options in order, then those of the write-in lines."""
        return self._option_ids

    @cached_property
    def _option_ids(self) -> tuple[str, ...]:
        return (
            *(option.id for option in self.options),
            *(f"{WRITE_IN_PREFIX}{i}" for i in range(self.write_ins)),
        )


class BallotStyle(_Model):
    """One kind of paper: which contests it carries and which precincts use it.

    A Kazakh precinct hands out several papers (list, single-mandate): one style each.
    A US precinct hands out one sheet with many contests.
    """

    id: Identifier
    name: Text | None = None
    contests: tuple[Identifier, ...] = Field(min_length=1)
    precincts: tuple[Identifier, ...] = Field(min_length=1)
    paper: Paper = "A4"
    languages: tuple[LanguageTag, ...] | None = None


class Election(_Model):
    """A whole election definition, checked against itself before use."""

    format: Literal["ballotbench-election/1"] = FORMAT
    id: Identifier
    title: Text
    date: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    profile: Identifier
    languages: tuple[LanguageTag, ...] = Field(min_length=1)
    districts: tuple[District, ...] = Field(min_length=1)
    precincts: tuple[Precinct, ...] = Field(min_length=1)
    contests: tuple[Contest, ...] = Field(min_length=1)
    ballot_styles: tuple[BallotStyle, ...] = Field(min_length=1)

    def canonical_json(self) -> bytes:
        """The definition in RFC 8785 form: what the hash is taken over."""
        return canonical_bytes(self.model_dump(mode="json", exclude_none=True))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the canonical form, 64 hex digits."""
        return hashlib.sha256(self.canonical_json()).hexdigest()

    @cached_property
    def _contests(self) -> dict[str, Contest]:
        return {contest.id: contest for contest in self.contests}

    @cached_property
    def _styles(self) -> dict[str, BallotStyle]:
        return {style.id: style for style in self.ballot_styles}

    @cached_property
    def _precincts(self) -> dict[str, Precinct]:
        return {precinct.id: precinct for precinct in self.precincts}

    @cached_property
    def _styles_of(self) -> dict[str, tuple[BallotStyle, ...]]:
        found: dict[str, list[BallotStyle]] = {precinct.id: [] for precinct in self.precincts}
        for style in self.ballot_styles:
            for precinct_id in style.precincts:
                found.setdefault(precinct_id, []).append(style)
        return {precinct_id: tuple(styles) for precinct_id, styles in found.items()}

    def contest(self, contest_id: str) -> Contest:
        """The contest of this id. Raises KeyError."""
        return self._contests[contest_id]

    def has_precinct(self, precinct_id: str) -> bool:
        """Whether the election has a precinct of this id."""
        return precinct_id in self._precincts

    def style(self, style_id: str) -> BallotStyle:
        """The ballot style of this id. Raises KeyError."""
        return self._styles[style_id]

    def precinct(self, precinct_id: str) -> Precinct:
        """The precinct of this id. Raises KeyError."""
        return self._precincts[precinct_id]

    def style_contests(self, style_id: str) -> tuple[Contest, ...]:
        """The contests on a ballot style, in printed order."""
        return tuple(self._contests[c] for c in self._styles[style_id].contests)

    def precinct_styles(self, precinct_id: str) -> tuple[BallotStyle, ...]:
        """The ballot styles handed out in a precinct."""
        return self._styles_of.get(precinct_id, ())

    def style_languages(self, style_id: str) -> tuple[str, ...]:
        """The languages printed on a ballot style."""
        return self._styles[style_id].languages or self.languages

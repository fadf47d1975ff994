"""Contests that were read from another system's record, put together into one of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from election.model import Election
from election.profile import Profile
from scanner.reading import ContestReading, ContestStatus
from scanner.record import CastVoteRecord
from tally.exchange.names import Names
from tally.exchange.reading import ReadingError, record_id_of, void_ground

NOT_COUNTED = "The record is not counted"


class Assembler:
    """Makes records of one election; `one_mark` where the law voids a ballot by its marks."""

    def __init__(self, election: Election, names: Names, *, one_mark: bool) -> None:
        self._election = election
        self._names = names
        self._one_mark = one_mark

    def precinct(self, field: str, *words: str) -> str:
        """Our precinct by any of its words there. Raises ReadingError."""
        found = self._names.precinct(*words)
        if found is None:
            word = next((w for w in reversed(words) if w), "none")
            raise ReadingError(
                field,
                f"precinct {word[:80]!r} is not in election {self._election.id}",
                "Name it in a mapping ([precincts]); the record is not counted",
            )
        return found

    def style(self, field: str, precinct: str, contests: set[str], *words: str) -> str:
        """Our ballot style: by name, else the one of the precinct that has these contests.

        Raises:
            ReadingError: none, or several.
        """
        if (named := self._names.style(*words)) is not None:
            return named
        fits = [
            s.id for s in self._election.precinct_styles(precinct) if contests <= set(s.contests)
        ]
        exact = [s for s in fits if contests == set(self._election.style(s).contests)]
        found = exact or fits
        if len(found) != 1:
            word = next((w for w in reversed(words) if w), "")
            said = f"{word[:80]!r} is not in the definition" if word else "says none"
            raise ReadingError(
                field,
                f"{said}, and {len(found)} styles of precinct {precinct} have its contests",
                "Name it in a mapping ([styles]); the record is not counted",
            )
        return found[0]

    def record(
        self,
        key: str,
        precinct: str,
        style: str,
        readings: Mapping[str, ContestReading],
        *,
        ground: str | None = None,
        review: bool = False,
    ) -> CastVoteRecord:
        """The record: just the contests of its style, in printed order.

        `ground` is why the other system calls the ballot void; else the law's own rule on
        marks says it, where there is one.

        Raises:
            ReadingError: a contest that the style has not, or one that is lacking.
        """
        contests = self._election.style(style).contests
        strange = next((c for c in readings if c not in contests), None)
        if strange is not None:
            raise ReadingError("", f"contest {strange} is not on ballot style {style}", NOT_COUNTED)
        lacking = next((c for c in contests if c not in readings), None)
        if lacking is not None:
            raise ReadingError("", f"contest {lacking} of style {style} is missing", NOT_COUNTED)
        ordered = tuple(readings[c] for c in contests)
        review = review or any(r.status is ContestStatus.NEEDS_REVIEW for r in ordered)
        if ground is None and self._one_mark and not review:
            ground = void_ground(ordered)
        return CastVoteRecord(
            record_id=record_id_of(key),
            election_hash=self._election.hash,
            ballot_style_id=style,
            precinct_id=precinct,
            valid=ground is None,
            invalid_ground=ground,
            needs_review=review,
            contests=ordered,
        )


@dataclass(eq=False)
class SourceFile:
    """What reads one file or folder of another system's records is made with; `encoding` of its
    text, None: as it says itself."""

    path: Path
    election: Election
    profile: Profile
    names: Names
    encoding: str | None = None

    def __post_init__(self) -> None:
        self.name = self.path.name
        one_mark = self.profile.marks.rule == "exactly_one"
        self.assembler = Assembler(self.election, self.names, one_mark=one_mark)

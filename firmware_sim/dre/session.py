"""One voter's ballot on a screen: what is chosen so far, and what may be done next.

Rules, held by every method:

1. More choices than a contest allows cannot be made: where one is allowed a new choice
   takes the old one's place; else it is refused in words. Fewer are allowed, and shown.
2. A written-in name has letters that the paper can show; without one its line is not chosen.
3. Nothing here is ever stored: a session is memory only, and ends with its voter (NVT-05).
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum

from election.model import WRITE_IN_PREFIX, Contest, Election
from election.paper_record.choices import MOST_LETTERS, Choices, lines_of
from election.profile import Profile
from election.typeset import is_printable
from firmware_sim.errors import StateError


class Stage(StrEnum):
    """Where the screen stands. LEFT: its voter left a record under the glass; HELP: an
    officer must come (paper, too many spoiled records)."""

    IDLE = "idle"
    VOTING = "voting"
    SUMMARY = "summary"
    VERIFY = "verify"
    DONE = "done"
    LEFT = "left"
    HELP = "help"


@dataclass(slots=True)
class Session:
    """A voter's ballot, of a style in a precinct. `spoiled` records so far; `language` a tag of
    the style's."""

    election: Election
    profile: Profile
    style_id: str
    language: str
    precinct_id: str
    spoiled: int = 0
    _chosen: dict[str, list[str]] = field(default_factory=dict)
    _written: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def contests(self) -> tuple[Contest, ...]:
        """The contests of the ballot, in order."""
        return self.election.style_contests(self.style_id)

    def allowed(self, contest: Contest) -> int:
        """How many choices a contest allows."""
        return lines_of(contest, one_mark=self.profile.marks.rule == "exactly_one")

    def chosen(self, contest_id: str) -> tuple[str, ...]:
        """Option ids chosen in a contest, in the order of the ballot."""
        return self.choices().of(self._contest(contest_id))

    def written(self, contest_id: str, option_id: str) -> str:
        """The name written in on a line ("" where none is)."""
        return self._written.get((contest_id, option_id), "")

    def missing(self, contest_id: str) -> int:
        """How many more choices could be made."""
        return self.allowed(self._contest(contest_id)) - len(self.chosen(contest_id))

    def choices(self) -> Choices:
        """Everything chosen."""
        return Choices(
            {contest: tuple(options) for contest, options in self._chosen.items()},
            {
                place: name
                for place, name in self._written.items()
                if place[1] in self._chosen.get(place[0], ())
            },
        )

    def choose(self, contest_id: str, option_id: str) -> None:
        """Choose an option; chosen already, nothing changes.

        Raises:
            StateError: no such option, as many as allowed are chosen (rule 1), or a write-in
                line (use `write`).
        """
        contest = self._contest(contest_id)
        if option_id not in {option.id for option in contest.options}:
            raise StateError(f"contest {contest_id} has no option {option_id[:40]!r} to choose")
        self._add(contest, option_id)

    def drop(self, contest_id: str, option_id: str) -> None:
        """Take a choice back."""
        chosen = self._chosen.get(self._contest(contest_id).id, [])
        if option_id in chosen:
            chosen.remove(option_id)
        self._written.pop((contest_id, option_id), None)

    def write(self, contest_id: str, option_id: str, name: str) -> None:
        """Write a name in on a line, which chooses it; an empty one takes it back.

        Raises:
            StateError: no such line, a name too long or with signs that are no text, or as
                many as allowed are chosen.
        """
        contest = self._contest(contest_id)
        if option_id not in contest.option_ids() or not option_id.startswith(WRITE_IN_PREFIX):
            raise StateError(f"contest {contest_id} has no line {option_id[:40]!r} to write on")
        text = " ".join(unicodedata.normalize("NFC", name).split())
        if not text:
            self.drop(contest_id, option_id)
            return
        if len(text) > MOST_LETTERS:
            raise StateError(f"a written-in name has at most {MOST_LETTERS} letters")
        if not all(sign in " .,-'’" or unicodedata.category(sign)[0] in "LMN" for sign in text):
            raise StateError("a written-in name has letters, figures, spaces and . , - ' only")
        if not is_printable(text, bold=True):
            raise StateError("a written-in name has signs that the paper record cannot show")
        self._add(contest, option_id)
        self._written[contest_id, option_id] = text

    def _add(self, contest: Contest, option_id: str) -> None:
        chosen = self._chosen.setdefault(contest.id, [])
        if option_id in chosen:
            return
        if len(chosen) >= self.allowed(contest):
            if self.allowed(contest) > 1:
                raise StateError("as many as allowed are chosen: take one back first")
            self._written.pop((contest.id, chosen.pop()), None)
        chosen.append(option_id)

    def _contest(self, contest_id: str) -> Contest:
        for contest in self.contests:
            if contest.id == contest_id:
                return contest
        raise StateError(f"this ballot has no contest {contest_id[:40]!r}")

"""Whose word is which: names of another system in the terms of our election definition.

A word is taken, in this order: as the user's mapping says; as an id of ours; as a name that
just one thing has, in any language (case and spaces do not matter). What remains unknown, or
is the name of two things, is nobody's: it is named, never guessed.

A mapping is TOML:

    format = "ballotbench-mapping/1"
    ignore = ["Judge of the high court"]        # contests that are not in our definition
    [contests]
    "President and Vice President" = "president"
    [options.president]
    "DOE, Jane / ROE, Richard" = "doe-roe"
    [precincts]
    "PCT 1101" = "p-1101"
    [styles]
    "BT 12" = "style-12"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from election.model import Contest, Election
from tally.exchange.errors import ExchangeError

FORMAT: Final = "ballotbench-mapping/1"
#: Largest mapping, bytes.
MAX_BYTES: Final = 4 << 20


class Mapping1(BaseModel):
    """A mapping as its file has it: their words → our ids."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = Field(pattern=rf"^{FORMAT}$")
    ignore: tuple[str, ...] = ()
    contests: dict[str, str] = {}
    options: dict[str, dict[str, str]] = {}
    precincts: dict[str, str] = {}
    styles: dict[str, str] = {}


def load_mapping(path: Path, election: Election) -> Mapping1:
    """Load a mapping and check that what it leads to is there.

    Raises:
        ExchangeError: names the file, the field, what is wrong.
    """
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise ExchangeError(f"{path}: is larger than {MAX_BYTES >> 20} MiB. Is it a mapping?")
        found = Mapping1.model_validate(tomllib.loads(data.decode("utf-8-sig")))
    except OSError as error:
        raise ExchangeError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ExchangeError(f"{path}: is not TOML in UTF-8: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ExchangeError(f"{path}: {field}: {first['msg']}") from error
    contests = {c.id for c in election.contests}
    for table, known in (
        ("contests", contests),
        ("precincts", {p.id for p in election.precincts}),
        ("styles", {s.id for s in election.ballot_styles}),
    ):
        for word, target in getattr(found, table).items():
            if target not in known:
                raise ExchangeError(
                    f"{path}: {table}.{word[:60]!r}: {target[:60]!r} is not in {election.id}"
                )
    for contest, options in found.options.items():
        if contest not in contests:
            raise ExchangeError(f"{path}: options.{contest}: is no contest of {election.id}")
        for word, target in options.items():
            if target not in election.contest(contest).option_ids():
                raise ExchangeError(
                    f"{path}: options.{contest}.{word[:60]!r}: {target[:60]!r} is no option of it"
                )
    return found


class Names:
    """Looks up words; each method gives an id of ours, or None."""

    def __init__(self, election: Election, mapping: Mapping1 | None = None) -> None:
        given = mapping or Mapping1(format=FORMAT)
        self._ignored = {_plain(word) for word in given.ignore}
        self._contests = _book(((c.id, c.title) for c in election.contests), given.contests)
        self._precincts = _book(((p.id, p.name) for p in election.precincts), given.precincts)
        self._styles = _book(((s.id, s.name or {}) for s in election.ballot_styles), given.styles)
        self._options = {c.id: self._options_of(c, given) for c in election.contests}

    @staticmethod
    def _options_of(contest: Contest, mapping: Mapping1) -> dict[str, str]:
        texts: dict[str, Mapping[str, str]] = {o.id: o.name for o in contest.options}
        things = ((o, texts.get(o, {})) for o in contest.option_ids())
        return _book(things, mapping.options.get(contest.id, {}))

    def ignored(self, *words: str) -> bool:
        """Whether the user said that a contest of one of these names is not ours."""
        return any(_plain(word) in self._ignored for word in words)

    def contest(self, *words: str) -> str | None:
        """Our contest by any of its words there (code, name)."""
        return _find(self._contests, words)

    def option(self, contest_id: str, *words: str) -> str | None:
        """Our option of a contest of ours."""
        return _find(self._options[contest_id], words)

    def precinct(self, *words: str) -> str | None:
        """Our precinct."""
        return _find(self._precincts, words)

    def style(self, *words: str) -> str | None:
        """Our ballot style."""
        return _find(self._styles, words)


def _plain(word: str) -> str:
    return " ".join(word.split()).casefold()


def _book(
    things: Iterable[tuple[str, Mapping[str, Any]]], given: Mapping[str, str]
) -> dict[str, str]:
    """Plain word → id. Names of two things are left out; ids come before names, and what the
    user says before both."""
    things = list(things)
    names: dict[str, set[str]] = {}
    for identifier, text in things:
        for name in text.values():
            names.setdefault(_plain(name), set()).add(identifier)
    book = {name: next(iter(ids)) for name, ids in names.items() if len(ids) == 1}
    book |= {_plain(identifier): identifier for identifier, _ in things}
    return book | {_plain(word): target for word, target in given.items()}


def _find(book: Mapping[str, str], words: Iterable[str]) -> str | None:
    for word in words:
        if word and (found := book.get(_plain(word))) is not None:
            return found
    return None

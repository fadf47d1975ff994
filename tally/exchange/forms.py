"""The forms of other systems' records, by the word the command line has for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from election.model import Election
from election.profile import Profile
from tally.exchange.cdf_in import CdfSource
from tally.exchange.dominion import DominionSource
from tally.exchange.errors import ExchangeError
from tally.exchange.ess import EssSource
from tally.exchange.hart import HartSource
from tally.exchange.importing import Source
from tally.exchange.names import Names

#: Word → what a folder of such files has in it, None where the folder is one export.
FORMS: Final = {"cvr-cdf": "*.json", "dominion": None, "ess": "*.csv", "hart": None}
_Maker = Callable[[Path, Election, Profile, Names, str | None], Source]
_SOURCES: Final[Mapping[str, _Maker]] = {
    "cvr-cdf": CdfSource,
    "dominion": DominionSource,
    "ess": EssSource,
    "hart": HartSource,
}


def sources_of(
    form: str,
    paths: Sequence[Path],
    election: Election,
    profile: Profile,
    names: Names,
    encoding: str | None = None,
) -> list[Source]:
    """A source a file; a folder means the files of that form in it, by name, or is one export.

    Raises:
        ExchangeError: a folder without any.
    """
    make, pattern = _SOURCES[form], FORMS[form]
    found: list[Source] = []
    for path in paths:
        files = sorted(path.glob(pattern)) if pattern is not None and path.is_dir() else [path]
        if not files:
            raise ExchangeError(f"{path}: has no {pattern} in it. Give the files themselves")
        found += [make(file, election, profile, names, encoding) for file in files]
    return found

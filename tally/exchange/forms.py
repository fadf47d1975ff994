"""The forms of other systems' records, by the word the command line has for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from election.model import Election
from election.profile import Profile
from tally.exchange.cdf_in import CdfSource
from tally.exchange.errors import ExchangeError
from tally.exchange.importing import Source
from tally.exchange.names import Names

#: Word → what a folder of such files has in it.
FORMS: Final = {"cvr-cdf": "*.json"}


def sources_of(
    form: str,
    paths: Sequence[Path],
    election: Election,
    profile: Profile,
    names: Names,
    encoding: str | None = None,
) -> list[Source]:
    """A source a file; a folder means the files of that form in it, by name.

    Raises:
        ExchangeError: a folder without any.
    """
    found: list[Source] = []
    for path in paths:
        files = sorted(path.glob(FORMS[form])) if path.is_dir() else [path]
        if not files:
            raise ExchangeError(f"{path}: has no {FORMS[form]} in it. Give the files themselves")
        found += [CdfSource(file, election, profile, names, encoding) for file in files]
    return found

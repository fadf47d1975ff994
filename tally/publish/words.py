"""The site's words in Kazakh, Russian and English: one TOML file a language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

Language = Literal["kk", "ru", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_FOLDER = Path(__file__).with_name("words")


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words, and its way of writing numbers."""

    language: Language
    table: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """The words of a key with values put in. Raises KeyError for an unknown key."""
        written = {k: self.number(v) if isinstance(v, int) else v for k, v in values.items()}
        return self.table[key].format(**written)

    def number(self, value: int | None) -> str:
        """Digits in groups of three; a dash for what is not known."""
        return "–" if value is None else f"{value:,}".replace(",", "\u202f")

    def share(self, part: int | None, whole: int | None) -> str:
        """Per cent with two decimals, half up, exactly; a dash where there is no whole."""
        if part is None or not whole:
            return "–"
        hundredths = (2 * 10_000 * part + whole) // (2 * whole)
        text = f"{hundredths // 100}.{hundredths % 100:02}"
        return (text if self.language == "en" else text.replace(".", ",")) + "\u202f%"

    def pick(self, text: Mapping[str, str]) -> str:
        """A name in this language, else in another one of the site's, else in any."""
        for language in (self.language, *LANGUAGES):
            if language in text:
                return text[language]
        return next(iter(text.values()))


@cache
def words_of(language: Language) -> Words:
    """One language's words."""
    with (_FOLDER / f"{language}.toml").open("rb") as file:
        return Words(language, tomllib.load(file))


def others(language: Language) -> Sequence[Language]:
    """The other languages of the site."""
    return tuple(one for one in LANGUAGES if one != language)

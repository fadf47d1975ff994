"""The report's words in Kazakh, Russian and English: one TOML file a language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Language = Literal["en", "kk", "ru"]
#: In this order where none is asked for; the first one's report has the plain file name.
LANGUAGES: tuple[Language, ...] = ("en", "kk", "ru")
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

    def kind(self, prefix: str, word: str) -> str:
        """The words of a mark, pen or fault; the word itself where there are none."""
        return self.table.get(f"{prefix}_{word}", word.replace("_", " "))

    def number(self, value: int | None) -> str:
        """Digits in groups of three; a dash for nothing."""
        return "–" if value is None else f"{value:,}".replace(",", "\u202f")

    def decimal(self, value: float | None, digits: int = 3) -> str:
        """A decimal with the language's comma; a dash for nothing."""
        if value is None:
            return "–"
        return self._comma(f"{value:.{digits}f}")

    def share(self, value: float | None) -> str:
        """A rate: per cent where that reads well, else in powers of ten."""
        if value is None:
            return "–"
        if value == 0:
            return "0"
        if value >= 0.001:
            return self._comma(f"{100 * value:.3g}") + "\u202f%"
        mantissa, power = f"{value:.2e}".split("e")
        digits = str(abs(int(power))).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{self._comma(mantissa)}·10⁻{digits}"

    def _comma(self, text: str) -> str:
        return text if self.language == "en" else text.replace(".", ",")


@cache
def words(language: Language, folder: Path = _FOLDER) -> Words:
    """The words of a language; `folder` holds a file a language, of this report or another."""
    text = (folder / f"{language}.toml").read_text(encoding="utf-8")
    return Words(language, tomllib.loads(text))


def chosen_languages(given: list[str] | None) -> tuple[Language, ...]:
    """The languages of `--language`, in the order given; all where none is.

    Raises:
        ValueError: one that there is not; its text is for the user.
    """
    known: dict[str, Language] = {name: name for name in LANGUAGES}
    wanted = dict.fromkeys(given or LANGUAGES)
    if unknown := sorted(wanted.keys() - known.keys()):
        raise ValueError(f"{', '.join(unknown)} is none of {', '.join(LANGUAGES)}")
    return tuple(known[name] for name in wanted)

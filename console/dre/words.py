"""What the screen says, in one table: Kazakh, Russian, English."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

LANGUAGES = ("kk", "ru", "en")
#: What a language calls itself, on its button.
NAMES = {"kk": "Қазақша", "ru": "Русский", "en": "English"}

#: Every text by its key, then by language (`words.toml`).
WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
)

#: Letters of the keyboard on the screen.
KEYS = {
    "kk": "аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя",
    "ru": "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "en": "abcdefghijklmnopqrstuvwxyz",
}


def several(key: str, language: str, n: int) -> str:
    """One of the words that go with a number, in the form that the number takes.

    Source: CLDR plural rules of kk, ru and en for whole numbers. Kazakh has one form here
    (a noun after a number stays singular); the table has `key` + "_one", "_few", "_many".
    """
    form = "many"
    if language == "ru" and n % 100 not in (11, 12, 13, 14):
        form = "one" if n % 10 == 1 else "few" if n % 10 in (2, 3, 4) else "many"
    elif language == "en":
        form = "one" if n == 1 else "many"
    return word(f"{key}_{form}", language, n=n)


def word(key: str, language: str, **values: object) -> str:
    """One of the words with its values put in; English for a language that has none."""
    texts = WORDS[key]
    text = texts.get(language, texts["en"])
    return text.format(**values) if values else text

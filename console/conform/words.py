"""The conformance report's words in Kazakh, Russian and English.

What a check tells (a figure, a reason) stands in conform.json in English. `retold` finds the
English words of the language file that it was made from, and says them in the other language; what
is none of them stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from console.bench.words import Language, Words, words

_FOLDER = Path(__file__).with_name("words")
_PLACE = re.compile(r"{(\w+)}")
_NUMBER = re.compile(r"\d+\.\d+")


def conform_words(language: Language) -> Words:
    """The words of a language."""
    return words(language, _FOLDER)


def retold(text: str, say: Words, *, prefix: str = "t_", english: Words | None = None) -> str:
    """A text of the kit in another language.

    Args:
        text: English, as in conform.json.
        say: the language's words.
        prefix: of the keys that are looked through.
        english: the English words of `say`; None: those of this report.
    """
    if say.language == "en":
        return text
    for key, pattern in _patterns(english or conform_words("en"), prefix):
        if found := pattern.fullmatch(text):
            values = {name: _NUMBER.sub(_comma, value) for name, value in found.groupdict().items()}
            return say.table[key].format(**values)
    return text


def _comma(number: re.Match[str]) -> str:
    return number[0].replace(".", ",")


def _patterns(english: Words, prefix: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    # The one with most words of its own first: "after {what}" fits much.
    keys = [key for key in english.table if key.startswith(prefix)]
    for key in sorted(keys, key=lambda k: -len(_PLACE.sub("", english.table[k]))):
        yield key, _pattern(english.table[key])


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = _PLACE.split(template)
    return re.compile(
        "".join(f"(?P<{p}>.+)" if k % 2 else re.escape(p) for k, p in enumerate(parts)), re.DOTALL
    )

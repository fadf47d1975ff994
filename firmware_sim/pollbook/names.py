"""Names in Kazakh, Russian and Latin letters brought to one key.

The key is for *comparing* only; what is on the list stays as it was written. Steps: letters
to lower case; marks above letters away (й → и, ё → е); Kazakh letters to the Russian ones
that clerks put for them (ә/а, ғ/г, қ/к, ң/н, ө/о, ұ ү/у, һ/х, і ы/и); to Latin; spellings
of one sound to one (zh, dzh, j; kh, h; ye, e; yu, iu, u …); double letters to single ones.
Patronymics lose what Kazakh and Russian put at their ends (-ұлы, -қызы, -ович, -евна …).

False friends are the price: the key is coarse, so a likeness is only ever a line on a list
that a person reads (SEED-02).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_TO_LATIN = {
    **dict(zip("абвгдезийклмнопрстуфхцы", "abvgdeziiklmnoprstufhci", strict=True)),
    "ж": "j",
    "ч": "ch",
    "ш": "sh",
    "щ": "sh",
    "ъ": "",
    "ь": "",
    "э": "e",
    "ю": "u",
    "я": "a",
    **dict(zip("әғқңөұүһі", "agknouuhi", strict=True)),
    "ı": "i",
    "ŋ": "n",  # Kazakh Latin
}
_ONE_SOUND = (
    ("shch", "sh"),
    ("zh", "j"),
    ("dj", "j"),
    ("gh", "g"),
    ("kh", "h"),
    ("ts", "c"),
    ("x", "ks"),
    ("q", "k"),
    ("w", "u"),
    ("y", "i"),
)
#: Soft vowels, once double letters are single: Yerlan, Ерлан; Mariya, Мария.
_SOFT = (("ie", "e"), ("iu", "u"), ("ia", "a"), ("io", "o"))
_PATRONYMIC_END = re.compile(r"(?:uli|kizi|ovich|evich|ich|ovna|evna|ichna|inichna)$")
_DOUBLED = re.compile(r"(.)\1+")
_NOT_LETTERS = re.compile(r"[^a-z]+")


@lru_cache(maxsize=1 << 18)
def key(name: str) -> str:
    """The comparing key of one name part: letters a to z, words with one space between."""
    bare = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(c for c in bare if not unicodedata.combining(c))
    latin = "".join(_TO_LATIN.get(c, c) for c in bare)
    latin = _NOT_LETTERS.sub(" ", latin).strip()
    for sounds, one in _ONE_SOUND:
        latin = latin.replace(sounds, one)
    latin = _DOUBLED.sub(r"\1", latin)
    for sounds, one in _SOFT:
        latin = latin.replace(sounds, one)
    return _DOUBLED.sub(r"\1", latin)


@lru_cache(maxsize=1 << 18)
def patronymic_key(name: str) -> str:
    """The key of a patronymic without its ending."""
    whole = key(name)
    stem = _PATRONYMIC_END.sub("", whole.replace(" ", ""))
    return stem or whole

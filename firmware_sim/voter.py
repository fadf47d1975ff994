"""The voter's own choice: a sheet with a ground to look again is shown before it is cast.

The sheet is still held between the rollers while the voter decides: take it back, or cast
it as it is. The profile says which grounds are shown and whether casting may be offered
(`election.profile.DeviceRules`). A device without a voter's screen cannot ask; it returns
the sheet and takes it on the second feed.

The choice is told to the log only as the sheet's fate, never with its ground (NVT-05).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol


class VoterChoice(StrEnum):
    """What the voter wants."""

    RETURN = "return"
    CAST = "cast"


@dataclass(frozen=True, slots=True)
class Question:
    """Why the sheet is shown: `ground` a stable word, `words` by language, `contests` the
    ids concerned (empty: the whole sheet)."""

    ground: str
    words: Mapping[str, str]
    contests: tuple[str, ...] = ()


class Voter(Protocol):
    """The voter at the device's screen."""

    def ask(self, question: Question) -> VoterChoice:
        """Show the question; comes back with the choice. The sheet is held meanwhile."""
        ...


#: What the voter reads, by ground.
GROUND_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "overvoted": {
            "kk": "Рұқсат етілгеннен көп белгі қойылған: бұл бөлік саналмайды",
            "ru": "Отмечено больше, чем разрешено: эта часть не будет засчитана",
            "en": "More options are marked than allowed: that contest will not count",
        },
        "blank": {
            "kk": "Ешқандай белгі жоқ",
            "ru": "Нет ни одной отметки",
            "en": "Nothing is marked",
        },
        "undervoted": {
            "kk": "Мүмкін болғаннан аз белгі қойылған",
            "ru": "Отмечено меньше, чем можно",
            "en": "Fewer options are marked than you may",
        },
        "unmarked_write_in": {
            "kk": "Есім жазылған, бірақ оның белгісі қойылмаған: адам қарайды",
            "ru": "Имя вписано, но его поле не отмечено: посмотрит человек",
            "en": "A name is written in, but its target is not marked: a person will look",
        },
        "needs_review": {
            "kk": "Белгі анық емес: адам қарайды",
            "ru": "Отметка неясна: посмотрит человек",
            "en": "A mark is not clear: a person will look",
        },
    }
)

"""The fixed words of a paper record, by language."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DEFAULT_LANGUAGE = "en"

#: Each word by language; English stands in for a language that has none.
WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "record": {
            "kk": "Дауыс берудің қағаз жазбасы",
            "ru": "Бумажная запись голоса",
            "en": "Paper record of your vote",
            "es": "Registro en papel de su voto",
        },
        "counts": {
            "kk": "Төмендегі жолдарды оқып шығыңыз: осы қағаздағы мәтін есепке алынады.",
            "ru": "Прочтите строки ниже: учитывается текст на этой бумаге.",
            "en": "Read the lines below: the text on this paper is what counts.",
            "es": "Lea las líneas siguientes: cuenta el texto de este papel.",
        },
        "no_choice": {
            "kk": "— таңдау жасалмады —",
            "ru": "— выбор не сделан —",
            "en": "— no choice made —",
            "es": "— sin selección —",
        },
        "write_in": {
            "kk": "Жазып енгізілген есім:",
            "ru": "Вписано имя:",
            "en": "Written in:",
            "es": "Escrito por el votante:",
        },
        "checks": {
            "kk": "тексеру коды",
            "ru": "код для сверки",
            "en": "code for checking",
            "es": "código de control",
        },
    }
)


def word(key: str, language: str) -> str:
    """One of the words. Raises KeyError for a key that is none."""
    texts = WORDS[key]
    return texts.get(language, texts[DEFAULT_LANGUAGE])

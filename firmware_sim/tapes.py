"""What the device prints: the zero tape and the results tape, as lines of text.

Pure functions from figures to lines; the printer comes later. Headings are in the
election's languages, one after the other, so that everyone present can read the tape
aloud (SEED-10, SEED-13); names are those of the definition in the same languages.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from election.model import WRITE_IN_PREFIX, Contest, Election, Text
from firmware_sim.states import Mode

#: Characters on a line of an 80 mm tape in the usual font A at 576 dots: 48; 42 fits all.
WIDTH = 42

_WORDS: Mapping[str, Mapping[str, str]] = {
    "zero_tape": {"kk": "НӨЛДІК ТАСПА", "ru": "НУЛЕВАЯ ЛЕНТА", "en": "ZERO TAPE"},
    "results_tape": {
        "kk": "НӘТИЖЕЛЕР ТАСПАСЫ",
        "ru": "ЛЕНТА РЕЗУЛЬТАТОВ",
        "en": "RESULTS TAPE",
    },
    "precinct": {"kk": "Учаске", "ru": "Участок", "en": "Precinct"},
    "device": {"kk": "Құрылғы", "ru": "Устройство", "en": "Device"},
    "time": {"kk": "Уақыты (UTC)", "ru": "Время (UTC)", "en": "Time (UTC)"},
    "opened": {"kk": "Ашылды (UTC)", "ru": "Открыто (UTC)", "en": "Opened (UTC)"},
    "election_hash": {
        "kk": "Сайлау анықтамасының хеші",
        "ru": "Хеш определения выборов",
        "en": "Election definition hash",
    },
    "code_hash": {
        "kk": "Бағдарлама хеші",
        "ru": "Хеш программы",
        "en": "Software hash",
    },
    "box_empty": {
        "kk": "Жәшік бос, дауыс жоқ",
        "ru": "Ящик пуст, голосов нет",
        "en": "Box empty, no votes",
    },
    "sheets": {"kk": "Жәшіктегі бюллетеньдер", "ru": "Бюллетеней в ящике", "en": "Sheets in box"},
    "box_counter": {
        "kk": "Сканердің жәшік есептегіші",
        "ru": "Счётчик ящика на сканере",
        "en": "Scanner's box counter",
    },
    "box_differs": {
        "kk": "Жәшік пен жазбалар сәйкес емес: қағазды қолмен санаңыз",
        "ru": "Ящик и записи расходятся: пересчитайте бумагу вручную",
        "en": "Box and records differ: count the paper by hand",
    },
    "valid": {"kk": "Жарамды", "ru": "Действительных", "en": "Valid"},
    "invalid": {"kk": "Жарамсыз", "ru": "Недействительных", "en": "Invalid"},
    "needs_review": {
        "kk": "Адам қарауы керек",
        "ru": "На просмотр человеком",
        "en": "For a person to review",
    },
    "returned": {"kk": "Қайтарылды", "ru": "Возвращено", "en": "Returned"},
    "refused": {"kk": "Қабылданбады", "ru": "Не принято", "en": "Refused"},
    "overvotes": {"kk": "Артық белгі", "ru": "Лишние отметки", "en": "Overvotes"},
    "undervotes": {"kk": "Пайдаланылмаған дауыс", "ru": "Недоданные голоса", "en": "Undervotes"},
    "write_in": {"kk": "Жазылған үміткер", "ru": "Вписанный кандидат", "en": "Write-in"},
    "test_mode": {
        "kk": "СЫНАҚ: НӘТИЖЕ ЕМЕС",
        "ru": "ПРОБА: НЕ РЕЗУЛЬТАТ",
        "en": "TEST: NOT A RESULT",
    },
    "closing": {
        "kk": "Жабу нөмірі (алдыңғы таспалар жарамсыз)",
        "ru": "Номер закрытия (прежние ленты недействительны)",
        "en": "Closing number (earlier tapes are void)",
    },
    "paused": {
        "kk": "ДАУЫС БЕРУ ТОҚТАТЫЛДЫ",
        "ru": "ГОЛОСОВАНИЕ ПРИОСТАНОВЛЕНО",
        "en": "POLLS PAUSED",
    },
    "resumed": {"kk": "ДАУЫС БЕРУ ЖАЛҒАСТЫ", "ru": "ГОЛОСОВАНИЕ ПРОДОЛЖЕНО", "en": "POLLS RESUMED"},
    "reopened": {
        "kk": "ЖАБУ КҮШІН ЖОЙДЫ",
        "ru": "ЗАКРЫТИЕ ОТМЕНЕНО",
        "en": "CLOSE UNDONE",
    },
    "recorded": {"kk": "Жазбалар", "ru": "Записей", "en": "Records"},
    "sign": {
        "kk": "Комиссия мүшелерінің қолдары",
        "ru": "Подписи членов комиссии",
        "en": "Signatures of the commission",
    },
}


def zero_tape(
    election: Election,
    totals: Mapping[str, Any],
    *,
    precinct_id: str,
    device_id: str,
    code_hash: str,
    time: str,
    mode: Mode = Mode.OFFICIAL,
) -> list[str]:
    """The tape before the first sheet: every contest and option with its zero.

    `totals` is the content of `totals.json`; the caller has checked that it is all zero.
    """
    languages = election.languages
    lines = _heading(election, "zero_tape", precinct_id, device_id, mode)
    lines += [*_field("time", time, languages), *_words("box_empty", languages)]
    lines += _identity(election, code_hash)
    for contest_id, row in totals["contests"].items():
        lines += _contest(election.contest(contest_id), row, languages)
    return [*lines, *_signatures(languages), *_mode(mode, languages)]


def results_tape(
    election: Election,
    totals: Mapping[str, Any],
    *,
    precinct_id: str,
    device_id: str,
    code_hash: str,
    opened: str,
    closed: str,
    returned: int,
    refused: int,
    box_counter: int | None = None,
    mode: Mode = Mode.OFFICIAL,
    closing: int = 1,
) -> list[str]:
    """The tape after the last sheet: sheets by kind of paper, votes by contest and option."""
    languages = election.languages
    lines = _heading(election, "results_tape", precinct_id, device_id, mode)
    if closing > 1:
        lines += _field("closing", closing, languages)
    lines += [*_field("opened", opened, languages), *_field("time", closed, languages)]
    lines += _identity(election, code_hash)
    lines += _field("sheets", totals["sheets"], languages)
    lines += _box(totals["sheets"], box_counter, languages)
    lines += _field("returned", returned, languages) + _field("refused", refused, languages)
    for style_id, row in totals["styles"].items():
        lines += ["-" * WIDTH, *_wrapped(f"[{style_id}]")]
        for word in ("sheets", "valid", "invalid", "needs_review"):
            lines += _field(word, row["sheets" if word == "sheets" else word], languages)
    for contest_id, row in totals["contests"].items():
        lines += _contest(election.contest(contest_id), row, languages)
    return [*lines, *_signatures(languages), *_mode(mode, languages)]


def day_report(
    election: Election,
    word: str,
    *,
    precinct_id: str,
    device_id: str,
    time: str,
    records: int,
    box_counter: int | None,
    mode: Mode = Mode.OFFICIAL,
) -> list[str]:
    """The slip of a pause, a resumption or an undone close: counts of sheets, never of votes.

    `word` is "paused", "resumed" or "reopened"; `box_counter` None where the scanner did not
    answer.
    """
    languages = election.languages
    lines = _heading(election, word, precinct_id, device_id, mode)
    lines += [*_field("time", time, languages), *_field("recorded", records, languages)]
    lines += _box(records, box_counter, languages)
    return [*lines, *_signatures(languages), *_mode(mode, languages)]


def _box(records: int, box_counter: int | None, languages: Sequence[str]) -> list[str]:
    if box_counter is None:
        return []
    lines = _field("box_counter", box_counter, languages)
    if box_counter != records:
        lines += ["!" * WIDTH, *_words("box_differs", languages), "!" * WIDTH]
    return lines


def _mode(mode: Mode, languages: Sequence[str]) -> list[str]:
    """The banner of a tape that is no result; nothing in official mode."""
    if mode is Mode.OFFICIAL:
        return []
    return ["*" * WIDTH, *_words("test_mode", languages), "*" * WIDTH]


def _heading(
    election: Election, word: str, precinct_id: str, device_id: str, mode: Mode
) -> list[str]:
    languages = election.languages
    lines = [*_mode(mode, languages), "=" * WIDTH, *_words(word, languages)]
    lines += [*_names(election.title, languages), election.date]
    lines += _field("precinct", precinct_id, languages)
    lines += _names(election.precinct(precinct_id).name, languages)
    return [*lines, *_field("device", device_id, languages), "-" * WIDTH]


def _identity(election: Election, code_hash: str) -> list[str]:
    lines: list[str] = []
    for word, value in (("election_hash", election.hash), ("code_hash", code_hash)):
        lines += _words(word, election.languages)
        # In groups of eight: two people can compare it by reading aloud.
        groups = " ".join(value[i : i + 8] for i in range(0, len(value), 8))
        lines += textwrap.wrap(groups, WIDTH)
    return lines


def _contest(contest: Contest, row: Mapping[str, Any], languages: Sequence[str]) -> list[str]:
    lines = ["-" * WIDTH, *_names(contest.title, languages)]
    names = {option.id: option.name for option in contest.options}
    for option_id, votes in row["votes"].items():
        if option_id.startswith(WRITE_IN_PREFIX) and option_id not in names:
            number = int(option_id.removeprefix(WRITE_IN_PREFIX)) + 1
            label = f"{_word('write_in', languages[0])} {number}"
        else:
            label = " / ".join(dict.fromkeys(_in_languages(names[option_id], languages)))
        lines += _leader(label, votes)
    for word in ("overvotes", "undervotes", "invalid", "needs_review"):
        if row[word] or word == "invalid":
            lines += _field(word, row[word], languages)
    return lines


def _signatures(languages: Sequence[str]) -> list[str]:
    line = "_" * (WIDTH // 2)
    return ["-" * WIDTH, *_words("sign", languages), "", line, "", line, "", line, "=" * WIDTH]


def _word(word: str, language: str) -> str:
    return _WORDS[word].get(language, _WORDS[word]["en"])


def _words(word: str, languages: Sequence[str]) -> list[str]:
    return [
        line
        for text in dict.fromkeys(_word(word, language) for language in languages)
        for line in _wrapped(text)
    ]


def _field(word: str, value: object, languages: Sequence[str]) -> list[str]:
    label = " / ".join(dict.fromkeys(_word(word, language) for language in languages))
    return _leader(label, value)


def _leader(label: str, value: object) -> list[str]:
    """A label wrapped as needed, its value at the right edge of the last line."""
    figure = str(value)
    lines = _wrapped(label)
    room = WIDTH - len(figure) - 1
    if len(lines[-1]) > room:
        lines.append("")
    last = lines.pop()
    return [*lines, f"{last} ".ljust(WIDTH - len(figure), ".") + figure]


def _names(text: Text, languages: Sequence[str]) -> list[str]:
    return [
        line for name in dict.fromkeys(_in_languages(text, languages)) for line in _wrapped(name)
    ]


def _in_languages(text: Text, languages: Sequence[str]) -> list[str]:
    found = [text[language] for language in languages if language in text]
    return found or [next(iter(text.values()))]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH) or [""]

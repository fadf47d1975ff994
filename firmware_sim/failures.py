"""Failure states: what may go wrong with a device, what then stops, and the one way out.

A failure comes on top of the state of the day (`firmware_sim.states`), from any of them;
several may hold at once. Each names the steps that it bars, whether open polls are paused
by it, and how it ends: by itself, when scanner, printer or sensor no longer report it, or
by people, whose roles `firmware_sim.roles` knows. What the officer is told is here in
Kazakh, Russian and English (NVT-04).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from firmware_sim.roles import Action
from hardware.errors import HardwareError
from hardware.printer_status import PrinterError, Trouble


class Failure(StrEnum):
    """The failure states. The values stand in journal and log."""

    PAPER_JAM = "paper_jam"
    DOUBLE_FEED = "double_feed"
    BOX_FULL = "box_full"
    SCANNER_DISCONNECTED = "scanner_disconnected"
    SCANNER_FAULT = "scanner_fault"
    PRINTER_OUT_OF_PAPER = "printer_out_of_paper"
    PRINTER_FAULT = "printer_fault"
    STORAGE_FAILING = "storage_failing"
    CLOCK_LOST = "clock_lost"
    POWER_LOW = "power_low"
    TAMPER_SEAL_BROKEN = "tamper_seal_broken"


@dataclass(frozen=True, slots=True)
class FailureRule:
    """`bars`: steps refused while it holds. `pauses`: open polls become paused. `clears`:
    what people do to end it; None: it ends by itself. `words`: for the officer."""

    bars: frozenset[Action]
    pauses: bool
    clears: Action | None
    words: Mapping[str, str]


_SHEETS = frozenset({Action.TAKE_SHEETS, Action.OPEN_POLLS})
_VOTING = _SHEETS | {Action.RESUME}
_TIMED = _VOTING | {
    Action.CLOSE_POLLS,
    Action.CLOSE_WITHOUT_SCANNER,
    Action.REOPEN_POLLS,
    Action.EXPORT,
    Action.SEAL,
}

FAILURES: Mapping[Failure, FailureRule] = MappingProxyType(
    {
        Failure.PAPER_JAM: FailureRule(
            _SHEETS,
            False,
            None,
            {
                "kk": "Қағаз кептелді. Қақпақты ашып, қағазды шығарыңыз",
                "ru": "Бумага застряла. Откройте крышку и выньте лист",
                "en": "Paper is jammed. Open the cover and take the sheet out",
            },
        ),
        Failure.DOUBLE_FEED: FailureRule(
            _SHEETS,
            False,
            None,
            {
                "kk": "Бірден екі парақ тартылды. Шығарып, бір-бірден салыңыз",
                "ru": "Втянуто два листа сразу. Выньте их и подавайте по одному",
                "en": "Two sheets were drawn in at once. Take them out, feed them one by one",
            },
        ),
        Failure.BOX_FULL: FailureRule(
            _SHEETS,
            False,
            Action.REOPEN_BOX,
            {
                "kk": "Жәшік толды. Төраға мен комиссия мүшесі бірге ашады; қағаз саны өзгермейді",
                "ru": "Ящик полон. Его открывают вместе председатель и член комиссии; "
                "счётчик бумаги не меняется",
                "en": "The box is full. The chair and a member open it together; the counter "
                "of sheets is not touched",
            },
        ),
        Failure.SCANNER_DISCONNECTED: FailureRule(
            _SHEETS,
            False,
            None,
            {
                "kk": "Сканер жауап бермейді. Кабель мен қуатты тексеріңіз",
                "ru": "Сканер не отвечает. Проверьте кабель и питание",
                "en": "The scanner does not answer. Check its cable and power",
            },
        ),
        Failure.SCANNER_FAULT: FailureRule(
            _SHEETS,
            False,
            None,
            {
                "kk": "Сканер ақау туралы хабарлады. Нұсқаулығы бойынша жойыңыз",
                "ru": "Сканер сообщает о неисправности. Устраните её по его руководству",
                "en": "The scanner reports a fault. Put it right by its manual",
            },
        ),
        Failure.PRINTER_OUT_OF_PAPER: FailureRule(
            frozenset(),
            False,
            None,
            {
                "kk": "Принтерде қағаз бітті. Таспаны салып, соңғы қадамды қайталаңыз",
                "ru": "В принтере кончилась бумага. Вставьте ленту и повторите последний шаг",
                "en": "The printer is out of paper. Put in a roll and repeat the last step",
            },
        ),
        Failure.PRINTER_FAULT: FailureRule(
            frozenset(),
            False,
            None,
            {
                "kk": "Принтер баспайды. Қақпағын, кабелі мен қуатын тексеріп, соңғы қадамды "
                "қайталаңыз",
                "ru": "Принтер не печатает. Проверьте его крышку, кабель и питание и повторите "
                "последний шаг",
                "en": "The printer does not print. Check its cover, cable and power, and repeat "
                "the last step",
            },
        ),
        Failure.STORAGE_FAILING: FailureRule(
            _VOTING,
            True,
            Action.RENEW_STORAGE,
            {
                "kk": "Жад істен шығып жатыр. Дауыс беруді тоқтатыңыз; техник пен төраға "
                "ауыстырады. Бұрын қабылданғандар сақталған",
                "ru": "Память отказывает. Голосование приостановлено; замену делают вместе "
                "техник и председатель. Принятое ранее сохранено",
                "en": "Storage is failing. Voting is paused; technician and chair replace it "
                "together. What was accepted before is kept",
            },
        ),
        Failure.CLOCK_LOST: FailureRule(
            _TIMED,
            True,
            Action.SET_CLOCK,
            {
                "kk": "Сағат бұрыс. Техник пен төраға бірге қояды",
                "ru": "Часы сбились. Их ставят вместе техник и председатель",
                "en": "The clock is wrong. Technician and chair set it together",
            },
        ),
        Failure.POWER_LOW: FailureRule(
            _VOTING,
            True,
            None,
            {
                "kk": "Қуат аз. Желіге қосыңыз; дауыс беру тоқтатылды",
                "ru": "Питание на исходе. Подключите сеть; голосование приостановлено",
                "en": "Power is low. Connect the mains; voting is paused",
            },
        ),
        Failure.TAMPER_SEAL_BROKEN: FailureRule(
            _VOTING,
            True,
            Action.RENEW_SEAL,
            {
                "kk": "Пломба бұзылған. Ешкім құрылғыға тимесін; төраға мен комиссия мүшесі "
                "акт жасап, жаңа пломба салады",
                "ru": "Пломба нарушена. Не трогайте устройство; председатель и член комиссии "
                "составляют акт и ставят новую",
                "en": "The tamper seal is broken. Do not touch the device; the chair and a "
                "member write a record and put on a new seal",
            },
        ),
    }
)

#: A scanner's words for its faults (docs/protocol.md) and what they are here.
_OF_SCANNER: Mapping[str, Failure] = MappingProxyType(
    {
        "jam": Failure.PAPER_JAM,
        "paper_jam": Failure.PAPER_JAM,
        "double_feed": Failure.DOUBLE_FEED,
        "box_full": Failure.BOX_FULL,
    }
)
#: What only the scanner can tell; the others come from sensors, clock, printer and storage.
SCANNER_FAILURES = frozenset(
    {
        Failure.PAPER_JAM,
        Failure.DOUBLE_FEED,
        Failure.BOX_FULL,
        Failure.SCANNER_DISCONNECTED,
        Failure.SCANNER_FAULT,
    }
)
#: What only the printer can tell, by printing or not.
PRINTER_FAILURES = frozenset({Failure.PRINTER_OUT_OF_PAPER, Failure.PRINTER_FAULT})
#: A clock may be set back by this much (network time) without being lost.
CLOCK_SLACK = timedelta(seconds=90)
#: A clock before this year was never set: the software is younger.
FIRST_YEAR = 2025


class Sensors(Protocol):
    """What watches the device beside scanner and printer: power, seals, storage."""

    def conditions(self) -> Collection[Failure]:
        """The failures that hold now. Asked before every step; must answer at once."""
        ...


def of_scanner(fault: str | None) -> frozenset[Failure]:
    """The failure that a scanner's fault word means; a word that is not known is a fault."""
    if fault is None:
        return frozenset()
    return frozenset({_OF_SCANNER.get(fault, Failure.SCANNER_FAULT)})


def of_printer(error: HardwareError) -> Failure:
    """The failure that a printer's error means; out of paper only where it said so itself."""
    if isinstance(error, PrinterError) and error.trouble is Trouble.PAPER_OUT:
        return Failure.PRINTER_OUT_OF_PAPER
    return Failure.PRINTER_FAULT


def clock_is_lost(now: datetime, last: datetime | None) -> bool:
    """Does the clock go backwards from the last time noted, or was it never set?"""
    return now.year < FIRST_YEAR or (last is not None and now < last - CLOCK_SLACK)


def bars(failures: Collection[Failure], step: Action) -> Failure | None:
    """The first failure (in the order of the list) that bars a step."""
    for failure in Failure:
        if failure in failures and step in FAILURES[failure].bars:
            return failure
    return None

"""What the device prints: the zero tape and the results tape, as lines of text and codes.

Pure functions from figures to a `Tape`; the printer comes later. Headings are in the
election's languages, one after the other, so that everyone present can read the tape
aloud (SEED-10, SEED-13); names are those of the definition in the same languages. A results
tape ends in QR codes of the signed summary (`firmware_sim.summary_code`), so that a copy or
a photograph of it can be proved (NVT-11, NVT-13).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from election.model import WRITE_IN_PREFIX, Contest, Election, Text
from election.places import is_one_precinct, precincts_in
from firmware_sim.controls import RatioOnTape
from firmware_sim.place_figures import each_protocol, each_totals
from firmware_sim.summary_code import split
from firmware_sim.tape_words import word
from hardware.tape_format import TAPE_80, TapeFormat

#: Lines for signatures on a tape.
SIGNATURES = 3


@dataclass(frozen=True, slots=True)
class TapeCode:
    """A QR code's text and what is printed above it."""

    caption: str
    text: str


@dataclass(frozen=True, slots=True)
class Tape:
    """What one tape says: lines, then codes, then a cut."""

    lines: tuple[str, ...]
    codes: tuple[TapeCode, ...] = ()


@dataclass(frozen=True, slots=True)
class TapeHead:
    """What stands at the top of every tape of one device and day.

    `precinct_id` may be a place of several (`election.places`); `mode` is "official" or
    "test"; `people_identified` False says so on the tape.
    """

    election: Election
    precinct_id: str
    device_id: str
    code_hash: str
    mode: str = "official"
    people_identified: bool = True
    paper: TapeFormat = TAPE_80


@dataclass(frozen=True, slots=True)
class ResultFigures:
    """What a results tape says beside the totals.

    `protocol` is the content of `protocol.json`; `counters` holds `sheets_fed`, `returned`
    and `refused`; `closing` counts the closings of the day; `seal` the signed summary.
    """

    protocol: Mapping[str, Any]
    counters: Mapping[str, int]
    ratios: Sequence[RatioOnTape]
    records_root: str
    closing: int = 1
    seal: bytes | None = None


def zero_tape(head: TapeHead, totals: Mapping[str, Any], *, time: str) -> Tape:
    """The tape before the first sheet: every contest and option with its zero.

    `totals` is the content of `totals.json`; the caller has checked that it is all zero.
    """
    write = _Writer(head)
    write.heading("zero_tape")
    write.field("time", time)
    write.words("box_empty")
    write.hash("election_hash", head.election.hash)
    write.hash("code_hash", head.code_hash)
    for own in write.each_precinct(_counted(totals)):
        for contest_id, row in own["contests"].items():
            write.contest(head.election.contest(contest_id), row)
    write.signatures()
    return Tape(tuple(write.lines))


def results_tape(head: TapeHead, totals: Mapping[str, Any], figures: ResultFigures) -> Tape:
    """The tape after the last sheet: control numbers, votes by contest and option, codes.

    A place of several precincts: those of each precinct, then all together.
    """
    protocol, counters = figures.protocol, figures.counters
    write = _Writer(head)
    write.heading("results_tape")
    write.field("opened", protocol["polls_opened"])
    write.field("closed", protocol["polls_closed"])
    if figures.closing > 1:
        write.field("closing", figures.closing)
    write.hash("election_hash", head.election.hash)
    write.hash("code_hash", head.code_hash)
    write.hash("records_hash", figures.records_root)
    write.rule()
    write.words("control_numbers")
    write.field("registered", protocol["registered_voters"])
    write.field("sheets_fed", counters["sheets_fed"])
    write.field("sheets", totals["sheets"])
    write.box(protocol["box_counter"], totals["sheets"], entered=protocol.get("box_counter_by"))
    write.field("returned", counters["returned"])
    write.field("refused", counters["refused"])
    forms = {form["precinct_id"]: form for form in each_protocol(protocol)}
    for own in write.each_precinct(_counted(totals)):
        form = forms.get(own["precinct_id"], protocol)
        if len(forms) > 1 and own["precinct_id"] in forms:
            write.field("registered", form["registered_voters"])
            write.field("sheets", own["sheets"])
        for style_id, row in form["by_style"].items():
            write.rule()
            write.text(f"[{style_id}]")
            if row["issued"] is not None:
                write.field("issued", row["issued"])
            write.field("sheets", row["in_box"])
            for key in ("valid", "invalid", "needs_review", "returned"):
                write.field(key, row[key])
            for ratio in figures.ratios:
                if (ratio.precinct, ratio.style) == (own["precinct_id"], style_id):
                    write.ratio(ratio)
        for contest_id, row in own["contests"].items():
            write.contest(head.election.contest(contest_id), row)
    write.signatures()
    codes = _codes(write, figures.seal, head.paper)
    return Tape(tuple(write.lines), codes)


def day_report(
    head: TapeHead, title: str, *, time: str, records: int, box_counter: int | None
) -> Tape:
    """The slip of a pause, a resumption or an undone close: counts of sheets, never of votes.

    `title` is "paused", "resumed" or "reopened"; `box_counter` None where the scanner did not
    answer.
    """
    write = _Writer(head)
    write.heading(title)
    write.field("time", time)
    write.field("recorded", records)
    write.box(box_counter, records)
    write.signatures()
    return Tape(tuple(write.lines))


def printer_test(head: TapeHead, *, time: str) -> Tape:
    """What a readiness report prints: every letter of the languages, and a code."""
    write = _Writer(head)
    write.heading("printer_test")
    write.field("time", time)
    for letters in ("ӘІҢҒҮҰҚӨҺ әіңғүұқөһ", "АБВГДЕЁЖЗ абвгдеёжз", "ABCDEFGHI 0123456789"):
        write.text(letters)
    write.rule("=")
    return Tape(tuple(write.lines), (TapeCode("BALLOTBENCH", "BALLOTBENCH PRINTER TEST"),))


def broken_slip(languages: Sequence[str], paper: TapeFormat) -> Tape:
    """What is printed after the printer failed: a tape above it that does not end is void."""
    rule = "#" * paper.characters
    lines = [rule]
    for text in dict.fromkeys(word("broken_tape", language) for language in languages):
        lines += textwrap.wrap(text, paper.characters)
    return Tape((*lines, rule))


def _counted(totals: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The tables of figures of a tape, in order: of each precinct, then of all together."""
    parts = each_totals(totals)
    return [*parts] if len(parts) == 1 else [*parts, totals]


def _codes(write: _Writer, seal: bytes | None, paper: TapeFormat) -> tuple[TapeCode, ...]:
    if seal is None:
        return ()
    texts = split(seal, paper.largest_code)
    write.words("codes")
    return tuple(
        TapeCode(f"{place} / {len(texts)}   {text.split('/')[3]}", text)
        for place, text in enumerate(texts, start=1)
    )


class _Writer:
    """Lines of a tape, wrapped to its paper, headings in the election's languages."""

    def __init__(self, head: TapeHead) -> None:
        self.lines: list[str] = []
        self._head = head
        self._languages = head.election.languages
        self._width = head.paper.characters

    def heading(self, title: str) -> None:
        head, election = self._head, self._head.election
        self.rule("=")
        self.words(title)
        if head.mode == "official":
            self.words("official")
        else:
            self.alarm("test")
        if not head.people_identified:
            self.words("unidentified")
        self.names(election.title)
        self.text(election.date)
        for precinct in precincts_in(head.precinct_id):
            self.precinct(precinct)
        self.field("device", head.device_id)
        self.rule()

    def precinct(self, precinct_id: str) -> None:
        """A precinct's id and name."""
        self.field("precinct", precinct_id)
        self.names(self._head.election.precinct(precinct_id).name)

    def each_precinct(self, tables: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Each table, headed by whose it is; a single one needs no heading."""
        for own in tables:
            if len(tables) > 1:
                self.rule("=")
                if is_one_precinct(own["precinct_id"]):
                    self.precinct(own["precinct_id"])
                else:
                    self.words("together")
            yield own

    def rule(self, sign: str = "-") -> None:
        self.lines.append(sign * self._width)

    def text(self, text: str) -> None:
        self.lines += self._wrapped(text)

    def words(self, key: str) -> None:
        for text in dict.fromkeys(word(key, language) for language in self._languages):
            self.text(text)

    def alarm(self, key: str) -> None:
        self.rule("!")
        self.words(key)
        self.rule("!")

    def box(self, counter: int | None, records: int, *, entered: str | None = None) -> None:
        """The scanner's own count, and an alarm where it is not the number of records;
        `entered`: how people gave it where the scanner was dead."""
        if entered is not None:
            self.alarm(f"box_{entered}")
        if counter is None:
            return
        self.field("box_counter" if entered is None else "box_read", counter)
        if counter != records:
            self.alarm("box_differs")

    def names(self, text: Text) -> None:
        for name in dict.fromkeys(_in_languages(text, self._languages)):
            self.text(name)

    def field(self, key: str, value: object) -> None:
        label = " / ".join(dict.fromkeys(word(key, language) for language in self._languages))
        self.leader(label, value)

    def leader(self, label: str, value: object) -> None:
        """A label wrapped as needed, its value at the right edge of the last line."""
        figure = str(value)
        *above, last = self._wrapped(label)
        if len(last) > self._width - len(figure) - 1:
            above, last = [*above, last], ""
        self.lines += [*above, f"{last} ".ljust(self._width - len(figure), ".") + figure]

    def hash(self, key: str, value: str) -> None:
        """In groups of eight: two people can compare it by reading aloud."""
        self.words(key)
        self.text(" ".join(value[i : i + 8] for i in range(0, len(value), 8)))

    def ratio(self, ratio: RatioOnTape) -> None:
        self.text(" / ".join(dict.fromkeys(_in_languages(ratio.title, self._languages))))
        verdict = " / ".join(dict.fromkeys(word(ratio.status, lang) for lang in self._languages))
        self.text(f"  {ratio.sums}: {verdict}")

    def contest(self, contest: Contest, row: Mapping[str, Any]) -> None:
        self.rule()
        self.names(contest.title)
        names = {option.id: option.name for option in contest.options}
        for option_id in contest.option_ids():
            if option_id in names:
                label = " / ".join(dict.fromkeys(_in_languages(names[option_id], self._languages)))
            else:
                number = int(option_id.removeprefix(WRITE_IN_PREFIX)) + 1
                label = f"{word('write_in', self._languages[0])} {number}"
            self.leader(label, row["votes"][option_id])
        for key in ("overvotes", "undervotes", "invalid", "needs_review"):
            if row[key] or key == "invalid":
                self.field(key, row[key])

    def signatures(self) -> None:
        self.rule()
        self.words("sign")
        for _ in range(SIGNATURES):
            self.lines += ["", "_" * (self._width // 2)]
        self.rule("=")
        if self._head.mode != "official":
            self.alarm("test")  # a tape may be torn: what is no result says so at both ends

    def _wrapped(self, text: str) -> list[str]:
        return textwrap.wrap(text, self._width) or [""]


def _in_languages(text: Mapping[str, str], languages: Sequence[str]) -> list[str]:
    found = [text[language] for language in languages if language in text]
    return found or [next(iter(text.values()))]

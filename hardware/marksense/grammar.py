"""Lines of a mark-sense reader: bytes to replies and sheets, by a profile; and back.

`LineSplitter` cuts what comes into lines and never keeps more than one line's bytes;
`parse_line` reads one. Errors name the line (counted from 1 since the link was made) and
the byte in its text, counted from 1.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hardware.errors import ProtocolError
from hardware.marksense.interface import Marks
from hardware.marksense.model import (
    CHECK_DIGITS,
    Cells,
    LineForm,
    MarkPairs,
    MarkSenseProfile,
    Reply,
)

_SHOWN = 24


class LineError(ProtocolError):
    """A line that is hurt or not of the profile's grammar; says where.

    Attributes:
        line: its number since the link was made, from 1.
        byte: of its text, from 1.
    """

    def __init__(self, profile: str, line: int, byte: int, why: str) -> None:
        self.line, self.byte = line, byte
        super().__init__(f"profile {profile}: line {line} from the reader, byte {byte}: {why}")


@dataclass(frozen=True, slots=True)
class SheetData:
    """A sheet's line: the reader's number of it, its levels uint8[columns, lines] and the
    text itself. The number of columns is what came, not what the profile says."""

    number: int | None
    levels: Marks
    text: bytes


@dataclass(frozen=True, slots=True)
class RawLine:
    """A line's text with its check digits, and its number; `fault` why it is none."""

    number: int
    text: bytes
    fault: str = ""


def most_bytes(profile: MarkSenseProfile) -> int:
    """The longest text that a line of this profile can have, check digits included."""
    columns, sheet, data = profile.data.columns, profile.sheet, profile.data
    cell = 1
    if isinstance(columns, MarkPairs):
        cell = 2 if columns.levels else 1
        widest = max(cell * sheet.lines, len(columns.empty))
    else:
        widest = sheet.lines
    # Twice the columns: a sheet with too many is told from a line without end.
    body = 2 * sheet.columns * (widest + len(columns.column_end))
    longest = max([len(r.text) for r in profile.reply], default=0)
    whole = len(data.prefix) + data.number_digits + body
    return max(whole, longest) + CHECK_DIGITS[profile.line.check]


class LineSplitter:
    """Cuts a stream into lines. Whatever comes, it holds no more than one line."""

    def __init__(self, profile: MarkSenseProfile) -> None:
        self._start = profile.line.start.encode()
        self._end = profile.line.end.encode()
        self._most = most_bytes(profile)
        self._buffer = bytearray()
        self._count = 0
        self._skipping = False

    @property
    def held(self) -> int:
        """Bytes of a line that is not yet whole."""
        return len(self._buffer)

    def forget(self) -> None:
        """Drop a line that is not yet whole."""
        self._buffer.clear()
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[RawLine]:
        """The lines that end in `data`, in order; also those that are none."""
        # In pieces: what a peer sends at once is not held at once.
        step = max(self._most, 1024)
        for begin in range(0, len(data), step):
            self._buffer += data[begin : begin + step]
            yield from self._cut()

    def _cut(self) -> Iterator[RawLine]:
        while (at := self._buffer.find(self._end)) >= 0:
            piece = bytes(self._buffer[:at])
            del self._buffer[: at + len(self._end)]
            if self._skipping:
                self._skipping = False
                continue
            yield from self._line(piece)
        if len(self._buffer) > self._most + len(self._start) + len(self._end):
            if not self._skipping:
                yield self._next(b"", f"no end within {self._most} bytes")
            self._skipping = True
            keep = len(self._end) - 1
            del self._buffer[: len(self._buffer) - keep]

    def _line(self, piece: bytes) -> Iterator[RawLine]:
        if self._start:
            # The last start: what was before it lost its end.
            at = piece.rfind(self._start)
            if at < 0:
                if piece:
                    yield self._next(piece, "does not begin as a line does")
                return
            if at:
                yield self._next(piece[:at], "bytes outside of a line")
            piece = piece[at + len(self._start) :]
        elif not piece:
            return
        fault = f"longer than {self._most} bytes" if len(piece) > self._most else ""
        yield self._next(piece[: self._most], fault)

    def _next(self, text: bytes, fault: str) -> RawLine:
        self._count += 1
        return RawLine(self._count, text, fault)


def parse_line(profile: MarkSenseProfile, raw: RawLine) -> Reply | SheetData:
    """One line: a word of the profile's replies, or a sheet.

    Raises:
        LineError: neither.
    """
    if raw.fault:
        raise LineError(profile.id, raw.number, 1, f"{raw.fault}: {_shown(raw.text)}")
    text = _checked(profile, raw)
    for reply in profile.reply:
        if text == reply.text.encode():
            return reply
    return _Sheet(profile, raw.number, text).read()


def check_digits(form: LineForm, text: bytes) -> bytes:
    """The check sum that stands behind a line's text, in upper-case hexadecimal."""
    if form.check == "none":
        return b""
    if form.check == "crc16":
        value = binascii.crc_hqx(text, 0xFFFF)
    elif form.check == "sum8":
        value = sum(text) % 256
    else:
        value = int(np.bitwise_xor.reduce(np.frombuffer(text, np.uint8), initial=0))
    return b"%0*X" % (CHECK_DIGITS[form.check], value)


def framed(profile: MarkSenseProfile, text: bytes) -> bytes:
    """A text as the reader sends it."""
    form = profile.line
    return form.start.encode() + text + check_digits(form, text) + form.end.encode()


def sheet_text(profile: MarkSenseProfile, levels: Marks, number: int | None = None) -> bytes:
    """The text of a sheet's line, as a reader makes it; `levels` uint8[columns, lines]."""
    columns, data = profile.data.columns, profile.data
    text = data.prefix.encode()
    if data.number_digits:
        text += b"%0*d" % (data.number_digits, (number or 0) % 10**data.number_digits)
    end = columns.column_end.encode()
    for column in np.minimum(levels, profile.levels.most).tolist():
        if isinstance(columns, Cells):
            part = "".join(columns.levels[level] for level in column)
        else:
            part = "".join(
                code + (columns.levels[level - 1] if columns.levels else "")
                for code, level in zip(columns.codes, column, strict=True)
                if level
            )
            part = part or columns.empty
        text += part.encode() + end
    return text


def _checked(profile: MarkSenseProfile, raw: RawLine) -> bytes:
    digits = CHECK_DIGITS[profile.line.check]
    if not digits:
        return raw.text
    text, told = raw.text[:-digits], raw.text[-digits:]
    if len(raw.text) < digits or told != check_digits(profile.line, text):
        raise LineError(
            profile.id,
            raw.number,
            len(text) + 1,
            f"the check sum {_shown(told)} does not fit: {_shown(raw.text)}",
        )
    return text


class _Sheet:
    """Reads a sheet's text from its first byte to its last."""

    def __init__(self, profile: MarkSenseProfile, line: int, text: bytes) -> None:
        self._profile, self._line, self._text = profile, line, text

    def read(self) -> SheetData:
        data, lines = self._profile.data, self._profile.sheet.lines
        prefix = data.prefix.encode()
        if not self._text.startswith(prefix):
            raise self._wrong(0, f"neither a known reply nor a sheet: {_shown(self._text)}")
        at = len(prefix)
        number: int | None = None
        if data.number_digits:
            digits = self._text[at : at + data.number_digits]
            if len(digits) < data.number_digits or not digits.isdigit():
                raise self._wrong(at, f"no number of {data.number_digits} digits")
            number, at = int(digits), at + data.number_digits
        rows = list(self._columns(at))
        levels = np.array(rows, np.uint8).reshape(len(rows), lines)
        return SheetData(number, levels, self._text)

    def _columns(self, at: int) -> Iterator[list[int]]:
        columns, lines = self._profile.data.columns, self._profile.sheet.lines
        end = columns.column_end.encode()
        while at < len(self._text):
            stop = self._text.find(end, at) if end else at + lines
            if stop < 0 or stop > len(self._text):
                raise self._wrong(len(self._text), "the last column has no end")
            if isinstance(columns, Cells):
                yield self._cells(columns, at, stop)
            else:
                yield self._pairs(columns, at, stop)
            at = stop + len(end)

    def _cells(self, columns: Cells, at: int, stop: int) -> list[int]:
        if stop - at != self._profile.sheet.lines:
            raise self._wrong(at, f"a column of {stop - at} cells")
        return [self._level(columns.levels, place) for place in range(at, stop)]

    def _pairs(self, columns: MarkPairs, at: int, stop: int) -> list[int]:
        row = [0] * self._profile.sheet.lines
        if self._text[at:stop] == columns.empty.encode():
            return row
        step = 2 if columns.levels else 1
        if at == stop:
            raise self._wrong(at, "a column without anything in it")
        for place in range(at, stop, step):
            line = columns.codes.find(chr(self._text[place]))
            if line < 0:
                raise self._wrong(place, f"{self._byte(place)} is the code of no line")
            if row[line]:
                raise self._wrong(place, f"line {line + 1} comes twice in a column")
            if step == 1:
                row[line] = self._profile.levels.most
            elif place + 1 == stop:
                raise self._wrong(place, "a mark without its level")
            else:
                row[line] = self._level(columns.levels, place + 1) + 1
        return row

    def _level(self, alphabet: str, place: int) -> int:
        level = alphabet.find(chr(self._text[place]))
        if level < 0:
            raise self._wrong(place, f"{self._byte(place)} is no level")
        return level

    def _byte(self, place: int) -> str:
        return _shown(self._text[place : place + 1])

    def _wrong(self, place: int, why: str) -> LineError:
        return LineError(self._profile.id, self._line, place + 1, why)


def _shown(text: bytes) -> str:
    """Bytes for people, in one short line of ASCII."""
    return ascii(text[:_SHOWN])[1:] + ("…" if len(text) > _SHOWN else "")

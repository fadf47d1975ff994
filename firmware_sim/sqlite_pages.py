"""Rows of a damaged SQLite file, page by page, with no need of its tree.

Source: the SQLite file format (https://www.sqlite.org/fileformat2.html): sections 1.6
(b-tree pages), 2.1 (records), 4 (write-ahead log). Each page that looks like one with rows
is read by itself; what a row says is for the caller to check (`firmware_sim.salvage`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

#: The journal's files have SQLite's default page size, bytes.
PAGE = 4096
_HEADER = 100
_LEAF_TABLE, _LEAF_INDEX, _INTERIOR_INDEX = 0x0D, 0x0A, 0x02
_MAX_PAYLOAD = 16 * 1024 * 1024
_INT_BYTES = (0, 1, 2, 3, 4, 6, 8)

Value = int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number (None: of a table without), its values."""

    rowid: int | None
    values: tuple[Value, ...]


def with_log(data: bytes, log: bytes) -> bytes:
    """A file's bytes with the committed frames of its write-ahead log put in."""
    pages = dict(_committed(log))
    if not pages:
        return data
    whole = bytearray(data.ljust(max(pages) * PAGE, b"\0"))
    for number, page in pages.items():
        whole[(number - 1) * PAGE : number * PAGE] = page
    return bytes(whole)


def rows(data: bytes) -> Iterator[Row]:
    """Every row that can be read from any page of the file's bytes."""
    for start in range(0, len(data) - PAGE + 1, PAGE):
        head = start + (_HEADER if start == 0 else 0)
        kind = data[head]
        if kind not in (_LEAF_TABLE, _LEAF_INDEX, _INTERIOR_INDEX):
            continue
        count = int.from_bytes(data[head + 3 : head + 5])
        pointers = head + (12 if kind == _INTERIOR_INDEX else 8)
        for number in range(min(count, PAGE // 4)):
            at = int.from_bytes(data[pointers + 2 * number : pointers + 2 * number + 2])
            if not 0 < at < PAGE:
                continue
            try:
                yield _row(data, start + at, kind)
            except (IndexError, ValueError, struct.error):
                continue


def _row(data: bytes, at: int, kind: int) -> Row:
    if kind == _INTERIOR_INDEX:
        at += 4
    length, at = _varint(data, at)
    rowid = None
    if kind == _LEAF_TABLE:
        rowid, at = _varint(data, at)
    return Row(rowid, _values(_payload(data, at, length, kind)))


def _payload(data: bytes, at: int, length: int, kind: int) -> bytes:
    if length > _MAX_PAYLOAD:
        raise ValueError("not a row")
    most = PAGE - 35 if kind == _LEAF_TABLE else (PAGE - 12) * 64 // 255 - 23
    if length <= most:
        return data[at : at + length]
    least = (PAGE - 12) * 32 // 255 - 23
    here = least + (length - least) % (PAGE - 4)
    here = here if here <= most else least
    parts, left = [data[at : at + here]], length - here
    following = int.from_bytes(data[at + here : at + here + 4])
    while left > 0:
        if not 0 < following <= len(data) // PAGE:
            raise ValueError("its chain of pages is broken")
        start = (following - 1) * PAGE
        parts.append(data[start + 4 : start + 4 + min(left, PAGE - 4)])
        left -= PAGE - 4
        following = int.from_bytes(data[start : start + 4])
    return b"".join(parts)


def _values(payload: bytes) -> tuple[Value, ...]:
    header, at = _varint(payload, 0)
    if not at <= header <= len(payload):
        raise ValueError("not a row")
    types = []
    while at < header:
        code, at = _varint(payload, at)
        types.append(code)
    values: list[Value] = []
    at = header
    for code in types:
        value, at = _value(payload, at, code)
        values.append(value)
    if at != len(payload):
        raise ValueError("not a row")
    return tuple(values)


def _value(payload: bytes, at: int, code: int) -> tuple[Value, int]:
    if code == 0:
        return None, at
    if code <= 6:
        end = at + _INT_BYTES[code]
        return int.from_bytes(payload[at:end], signed=True), end
    if code == 7:
        return struct.unpack_from(">d", payload, at)[0], at + 8
    if code in (8, 9):
        return code - 8, at
    if code < 12:
        raise ValueError("not a row")
    end = at + (code - 12) // 2
    content = payload[at:end]
    return (content.decode() if code % 2 else content), end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(9):
        byte = data[at + place]
        if place == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("not a number")


def _committed(log: bytes) -> Iterator[tuple[int, bytes]]:
    """(page number, page) of every frame up to the last commit, check sums followed."""
    if len(log) < 32 or log[:4] not in (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"):
        return
    order = ">" if log[3] & 1 else "<"
    salts, sums = log[16:24], _sum(log[:24], (0, 0), order)
    if struct.pack(">II", *sums) != log[24:32]:
        return
    waiting: list[tuple[int, bytes]] = []
    for at in range(32, len(log) - PAGE - 23, PAGE + 24):
        frame, page = log[at : at + 24], log[at + 24 : at + 24 + PAGE]
        sums = _sum(page, _sum(frame[:8], sums, order), order)
        if frame[8:16] != salts or struct.pack(">II", *sums) != frame[16:24]:
            return
        waiting.append((int.from_bytes(frame[:4]), page))
        if frame[4:8] != bytes(4):
            yield from waiting
            waiting = []


def _sum(data: bytes, start: tuple[int, int], order: str) -> tuple[int, int]:
    one, two = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for number in range(0, len(words), 2):
        one = (one + words[number] + two) & 0xFFFFFFFF
        two = (two + words[number + 1] + one) & 0xFFFFFFFF
    return one, two

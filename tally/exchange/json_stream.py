"""A large JSON report read item by item: one object whose lists may have millions of items.

No library at hand gives both: the place (line and column) of what is wrong, and the refusal
of members that stand twice, at the speed of the standard library's decoder, which does the
work here. Only one item is in memory, and a block of text.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tally.exchange.errors import ExchangeError

#: Longest item, letters: a ballot of 1,000 contests is some 2 million.
MAX_ITEM: Final = 1 << 25
_SPACE: Final = " \t\r\n"
#: How far before the end of the text an error may only mean that the text goes on.
_MARGIN: Final = 16


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the report, or one item of a list of it (`index` then is its number).

    `fault` says what is wrong with a value that is JSON all the same, but not to be used.
    """

    name: str
    index: int | None
    place: str
    value: Any
    fault: str | None = None


class _TwiceError(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _TwiceError(f"the member {twice[:60]!r} stands twice")
    return found


def _no_constant(word: str) -> Any:
    raise _TwiceError(f"{word} is no number of JSON")


_STRICT: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
_LOOSE: Final = json.JSONDecoder(parse_int=str)


def members(blocks: Iterator[str], file: str, lists: Collection[str]) -> Iterator[Member]:
    """The members of the one object in a text, in its order; those of `lists` item by item.

    Raises:
        ExchangeError: not JSON, not an object, or cut short; names line and column.
    """
    text = _Text(blocks, file)
    if text.peek() != "{":
        text.fail("is not a JSON object", "Is this the file you mean?")
    text.take()
    names: set[str] = set()
    if text.peek() == "}":
        text.take()
    else:
        while True:
            name = text.value().value
            if not isinstance(name, str):
                text.fail("a member has no name", "Ask for the file again")
            if name in names:
                text.fail(f"the member {name[:60]!r} stands twice", "Ask for the file again")
            names.add(name)
            text.expect(":")
            if name in lists and text.peek() == "[":
                yield from _items(text, name)
            else:
                found = text.value()
                yield Member(name, None, found.place, found.value, found.fault)
            if text.next_of(",}") == "}":
                break
    if text.peek():
        text.fail("goes on after its end", "Ask for the file again")


def _items(text: _Text, name: str) -> Iterator[Member]:
    text.take()
    if text.peek() == "]":
        text.take()
        return
    index = 0
    while True:
        text.inside = f"{name}[{index}]"
        found = text.value()
        yield Member(name, index, found.place, found.value, found.fault)
        index += 1
        if text.next_of(",]") == "]":
            text.inside = ""
            return


@dataclass(frozen=True, slots=True)
class _Found:
    place: str
    value: Any
    fault: str | None


class _Text:
    def __init__(self, blocks: Iterator[str], file: str) -> None:
        self._blocks = blocks
        self._file = file
        self._buffer = ""
        self._at = 0
        self._ended = False
        #: Up to where line and column are known, and these.
        self._seen, self._line, self._column = 0, 1, 1
        self.inside = ""

    def place(self, at: int | None = None) -> str:
        """Line and column (from 1) of a place in the buffer; never before an earlier one."""
        at = max(self._seen, self._at if at is None else at)
        passed = self._buffer[self._seen : at]
        breaks = passed.count("\n")
        self._line += breaks
        self._column = len(passed) - passed.rfind("\n") if breaks else self._column + len(passed)
        self._seen = at
        return f"line {self._line}, column {self._column}"

    def fail(self, what: str, advice: str, at: int | None = None) -> None:
        """Raise what is wrong here."""
        inside = f": {self.inside}" if self.inside else ""
        raise ExchangeError(f"{self._file}: {self.place(at)}{inside}: {what}. {advice}")

    def _cut(self) -> None:
        self.fail(
            "the file ends in the middle: it was cut short",
            "Ask for the whole file; nothing of this one is counted",
            len(self._buffer),
        )

    def _stops_at(self, error: json.JSONDecodeError) -> bool:
        """Whether the text breaks off at an error, and is right up to there."""
        rest = self._buffer[error.pos :].strip()
        return (
            error.msg.startswith("Unterminated")
            or not rest
            or rest.startswith("\\")
            or any(word.startswith(rest) for word in ("true", "false", "null", "-"))
        )

    def _more(self) -> bool:
        if self._ended:
            return False
        if self._at > MAX_ITEM // 8:
            self.place()
            self._buffer = self._buffer[self._at :]
            self._at = self._seen = 0
        block = next(self._blocks, None)
        if block is None:
            self._ended = True
            return False
        self._buffer += block
        return True

    def peek(self) -> str:
        """The next letter that is no space; "" at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def take(self) -> None:
        """Step over the letter that `peek` gave."""
        self._at += 1

    def expect(self, letter: str) -> None:
        """Step over just this letter."""
        self.next_of(letter)

    def next_of(self, letters: str) -> str:
        """Step over one of these letters and give it."""
        found = self.peek()
        if not found:
            self._cut()
        if found not in letters:
            wanted = " or ".join(letters)
            self.fail(f"{found!r} stands where {wanted} must", "Ask for the file again")
        self.take()
        return found

    def value(self) -> _Found:
        """The value that begins here."""
        if not self.peek():
            self._cut()
        while True:
            fault = None
            try:
                try:
                    value, end = _STRICT.raw_decode(self._buffer, self._at)
                except (_TwiceError, OverflowError) as error:
                    fault = str(error)
                    value, end = _LOOSE.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                goes_on = (
                    error.msg.startswith("Unterminated") or error.pos >= len(self._buffer) - _MARGIN
                )
                if goes_on and len(self._buffer) - self._at < MAX_ITEM:
                    if self._more():
                        continue
                    if self._stops_at(error):
                        self._cut()
                    goes_on = False
                if goes_on:
                    self.fail("an item is too long", "Is this the file you mean?")
                self.fail(f"is not JSON: {error.msg}", "Ask for the file again", error.pos)
            except RecursionError:
                self.fail("is nested too deeply", "Is this the file you mean?")
            except ValueError as error:
                # Numbers of thousands of digits.
                fault = str(error)[:120]
                value, end = _LOOSE.raw_decode(self._buffer, self._at)
            # A number at the end of the text may go on in the next block.
            if end == len(self._buffer) and self._buffer[end - 1] not in '"}]' and self._more():
                continue
            place = self.place()
            self._at = end
            return _Found(place, value, fault)

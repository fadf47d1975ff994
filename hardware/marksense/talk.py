"""Questions and answers on a mark-sense reader's line; knows nothing of where the paper is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from hardware.errors import LinkError, ProtocolError
from hardware.marksense.grammar import (
    LineError,
    LineSplitter,
    RawLine,
    SheetData,
    parse_line,
)
from hardware.marksense.interface import ReaderEvent
from hardware.marksense.model import MarkSenseProfile, Meaning, Reply
from hardware.stream import ByteStream

#: A question that changes nothing is asked so often before its answers are called garbled.
TRIES = 3
#: After a hurt line the next question waits until nothing has come for so long, s.
CALM_S = 0.2
#: Events that nobody has asked for are kept up to this number.
MAX_EVENTS = 100


class SilentError(LinkError):
    """Nothing came in time."""


class Talk:
    """One reader's line, opened and opened again.

    Every method may raise `LinkError`, which closes the line; a `LineError` leaves it open.
    """

    def __init__(
        self,
        connect: Callable[[], ByteStream],
        profile: MarkSenseProfile,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connect` opens the stream, now and after every break."""
        self._profile, self._connect, self._clock = profile, connect, clock
        self._stream: ByteStream | None = None
        self._splitter = LineSplitter(profile)
        self._lines: deque[RawLine] = deque()
        self._events: deque[ReaderEvent] = deque(maxlen=MAX_EVENTS)

    @property
    def is_open(self) -> bool:
        """Is there a line?"""
        return self._stream is not None

    def open(self) -> None:
        """Open the line; nothing is said on it."""
        self._stream = self._connect()
        self._splitter = LineSplitter(self._profile)
        self._lines.clear()

    def events(self) -> tuple[ReaderEvent, ...]:
        """What came unasked since the last call."""
        if self._stream is not None:
            try:
                self._drain()
            except LinkError as error:
                self.lost(error)
        found = tuple(self._events)
        self._events.clear()
        return found

    def query(self, command: str) -> Reply:
        """Ask for a word; what may be asked again is."""
        reply = self._repeated(command, lambda said: isinstance(said, Reply))
        if not isinstance(reply, Reply):
            raise self.nonsense("a question", "a sheet")
        return reply

    def sure(self, command: str) -> Reply:
        """Ask for a word that much hangs on: where no check sum protects it, until it came the
        same twice running."""
        reply = self.query(command)
        if self._profile.line.check != "none":
            return reply
        for _ in range(2 * TRIES):
            again = self.query(command)
            if again.text == reply.text:
                return reply
            self.tell("garbled", "the reader said otherwise the second time; asked again")
            reply = again
        raise self.nonsense("a question", "never the same twice")

    def held(self) -> SheetData | Reply:
        """Ask for the sheet in its memory; a word that means "ok" is no answer to that."""
        command = self._profile.commands.sheet or ""
        return self._repeated(
            command, lambda said: isinstance(said, SheetData) or said.means is not Meaning.OK
        )

    def _repeated(
        self, command: str, fits: Callable[[Reply | SheetData], bool]
    ) -> Reply | SheetData:
        fault: LinkError | None = None
        refused: Reply | None = None
        for _ in range(TRIES):
            try:
                reply = self.ask(command, self._profile.commands.reply_s)
            except LineError as error:
                fault = error
                continue
            if not fits(reply):
                # An answer that was late to something asked before.
                fault = self.nonsense("a question", words(reply))
                self.tell("unasked", words(reply))
                self.calm()
            elif isinstance(reply, Reply) and reply.means is Meaning.NOT_UNDERSTOOD:
                # Of this question, or of a feed that it did not understand before.
                refused = reply
            else:
                return reply
        if refused is not None:
            return refused
        self.hang_up()
        raise fault or self.nonsense("a question", "none")

    def ask(self, command: str, silence_s: float) -> Reply | SheetData:
        """Send, and read the next line. A LineError leaves the link open, others close it."""
        try:
            self._drain()
            self.write(command)
            raw = self._next(silence_s)
        except LinkError as error:
            self.lost(error)
            raise
        try:
            return parse_line(self._profile, raw)
        except LineError as error:
            self.tell("garbled", str(error))
            self.calm()
            raise

    def calm(self) -> None:
        """Let what is left of a hurt line pass: it is no answer to what is asked next."""
        until = self._clock() + 2.0
        self._lines.clear()
        try:
            while self._stream is not None and self._clock() < until:
                if not (data := self._stream.read(CALM_S)):
                    break
                for _ in self._splitter.feed(data):
                    continue
        except LinkError as error:
            self.lost(error)
            raise
        self._splitter.forget()

    def write(self, command: str) -> None:
        """Send what is not answered."""
        if self._stream is None:
            raise LinkError("the port is closed")
        self._stream.write(command.encode())

    def _next(self, silence_s: float) -> RawLine:
        """The next line; the wait begins anew with every byte, and a line has its end."""
        while not self._lines:
            if self._stream is None:
                raise LinkError("the port is closed")
            data = self._stream.read(silence_s)
            if not data:
                raise SilentError(
                    f"the reader has been silent for {silence_s:g} s. Is it on, and set to "
                    f"{self._profile.serial.baudrate} baud?"
                )
            self._lines.extend(self._splitter.feed(data))
        return self._lines.popleft()

    def _drain(self) -> None:
        """Take what came unasked."""
        until = self._clock() + 1.0
        while self._stream is not None and (data := self._stream.read(0.0)):
            self._lines.extend(self._splitter.feed(data))
            self._put_by()
            if self._clock() > until:
                raise LinkError("the reader talks without end. Is it at this port's speed?")
        self._put_by()

    def _put_by(self) -> None:
        while self._lines:
            raw = self._lines.popleft()
            self.tell("unasked", ascii(raw.text[:60])[1:])

    def tell(self, kind: str, detail: str) -> None:
        """Keep an event."""
        self._events.append(ReaderEvent(kind, detail))

    def lost(self, error: LinkError) -> None:
        """The line broke: close it."""
        self.tell("lost", str(error))
        self.hang_up()

    def hang_up(self) -> None:
        """Close the line."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def nonsense(self, asked: str, said: str) -> ProtocolError:
        """An error for an answer that the profile does not explain."""
        return ProtocolError(
            f"the reader's answer to {asked} is {said}. Does the profile {self._profile.id} fit it?"
        )

    def agreed(self, first: SheetData) -> SheetData:
        """A sheet whose line came the same as often as the profile wishes."""
        command, repeat = self._profile.commands.sheet, self._profile.line.repeat
        if command is None or repeat == 1:
            return first
        seen, alike = first, 1
        for _ in range(repeat * TRIES):
            if alike == repeat:
                return seen
            again = self.held()
            if isinstance(again, SheetData) and again.text == seen.text:
                alike += 1
            elif isinstance(again, SheetData):
                self.tell("garbled", "a sheet came otherwise the second time; asked again")
                seen, alike = again, 1
        if alike == repeat:
            return seen
        raise self.nonsense("sheet", "never the same twice")

    def frames(self, status: str) -> bool:
        """Are its lines still as `open` told it? A reader that says nothing tells nothing."""
        for _ in range(TRIES):
            self._drain()
            self._splitter = LineSplitter(self._profile)
            self.write(status)
            try:
                # Framed, though hurt within, is framed.
                if not self._next(self._profile.commands.reply_s).fault:
                    return True
            except SilentError:
                if not self._splitter.held:
                    raise
        return False


def words(reply: Reply | SheetData) -> str:
    """What a reader said, for people."""
    if isinstance(reply, SheetData):
        return "a sheet"
    return reply.words or f"it says {reply.text!r}"

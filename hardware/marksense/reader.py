"""The driver of a mark-sense reader, by its profile.

What is known of the paper is kept through a broken link (`_Sheet`), so that no sheet is
lost and none counted twice:

1. `IDLE`: every sheet that went through was given out.
2. `ASKED`: feed was sent and its answer has not come: a sheet may have gone through.
3. `DRAWN`: a sheet went through, its marks have not come (whole).

From 2 and 3 the reader's memory leads back to 1, where it can tell: by its own number of the
sheet; or because the marks it holds are not those it held before, and it was not switched
off meanwhile. Where it cannot, a person looks (`UncertainSheetError`): never a guess.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum, auto

import numpy as np

from hardware.errors import FeederError, LinkError
from hardware.marksense.grammar import LineError, SheetData
from hardware.marksense.interface import (
    MarkSheet,
    ReaderEvent,
    ReaderStatus,
    UncertainSheetError,
)
from hardware.marksense.model import MarkSenseProfile, Meaning, Reply
from hardware.marksense.talk import TRIES, Talk, words
from hardware.stream import ByteStream, SerialStream

#: A request that cannot be sent in this time breaks the link, s: a cable was pulled.
WRITE_TIMEOUT_S = 1.5
#: What a person does about each meaning.
_ADVICE = {
    Meaning.JAM: "take the sheet out of the path, lay it back so that it is fed next",
    Meaning.DOUBLE: "take both sheets apart and lay them back so that they are fed next",
    Meaning.FEED: "straighten the stack in the hopper",
    Meaning.COVER: "close the cover; lay back a sheet that was under way",
    Meaning.FULL: "empty the stacker",
    Meaning.NOT_UNDERSTOOD: "does the profile fit this reader?",
    Meaning.NOTHING: "does the profile fit this reader?",
    Meaning.FAULT: "see the reader's manual; lay back a sheet that was under way",
}


class _Sheet(Enum):
    IDLE = auto()
    ASKED = auto()
    DRAWN = auto()


def open_reader(port: str, profile: MarkSenseProfile) -> SerialMarkReader:
    """Connect to the reader at a port, written as in `hardware.address`.

    Raises:
        LinkError: no such port, or nothing that fits the profile answers there.
    """
    serial = profile.serial
    framing = {
        "bytesize": serial.bytesize,
        "parity": serial.parity[0].upper(),
        "stopbits": serial.stopbits,
        "rtscts": serial.flow == "rts_cts",
        "xonxoff": serial.flow == "xon_xoff",
    }
    reader = SerialMarkReader(
        lambda: SerialStream(
            port, baudrate=serial.baudrate, write_timeout_s=WRITE_TIMEOUT_S, framing=framing
        ),
        profile,
    )
    reader.status()
    return reader


class SerialMarkReader:
    """`hardware.marksense.interface.MarkReader` on a serial line.

    A broken link is closed and raised; the next call opens it again.
    """

    def __init__(
        self,
        connect: Callable[[], ByteStream],
        profile: MarkSenseProfile,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connect` opens the stream, now and after every break."""
        self.profile = profile
        self.passed = 0
        self._talk = Talk(connect, profile, clock)
        self._state = _Sheet.IDLE
        self._known = False
        self._restarted = False
        # What the reader holds in its memory: the number and the text of its last sheet; b""
        # where it has read none yet, None where that is not known.
        self._number: int | None = None
        self._text: bytes | None = None

    # --- the interface -----------------------------------------------------------------

    def status(self) -> ReaderStatus | None:
        """See `MarkReader.status`."""
        self._open()
        command = self.profile.commands.status
        if command is None:
            return None
        reply = self._talk.query(command)
        return ReaderStatus(reply.means, reply.words)

    def feed(self) -> MarkSheet | None:
        """See `MarkReader.feed`."""
        self._open()
        if self._state is not _Sheet.IDLE:
            found = self._recover()
            if found is not None:
                return found
        if self._text is None:
            self._learn()
        for _ in range(TRIES):
            self._state = _Sheet.ASKED
            try:
                reply = self._talk.ask(self.profile.commands.feed, self.profile.commands.feed_s)
            except LineError:
                # What it said is lost, what it did is not: its memory tells.
                found = self._recover()
                if found is not None:
                    return found
                continue
            if isinstance(reply, SheetData):
                if reply.number is not None and reply.number == self._number:
                    # Late: the answer to a feed before. What this one did its memory tells.
                    self._talk.calm()
                    found = self._recover()
                    if found is not None:
                        return found
                    continue
                self._state = _Sheet.DRAWN
                return self._given(self._talk.agreed(reply))
            if reply.means is Meaning.NOT_UNDERSTOOD or not self._said_so(reply):
                # Refused, or hurt on the line without a trace: its memory tells.
                self._talk.tell("garbled", "the reader did not understand feed, or was not heard")
                found = self._recover(refused=reply.means is Meaning.NOT_UNDERSTOOD)
                if found is not None:
                    return found
                continue
            return self._told(reply)
        raise self._talk.nonsense("feed", "nothing that it could be told from")

    def accept(self) -> None:
        """See `MarkReader.accept`."""
        self._stack("accept", self.profile.commands.accept)

    def return_sheet(self) -> None:
        """See `MarkReader.return_sheet`."""
        if self.profile.commands.return_ is None:
            raise FeederError(
                f"the reader {self.profile.id} has one stacker: it cannot return a sheet"
            )
        self._stack("return", self.profile.commands.return_)

    def reject(self) -> None:
        """See `MarkReader.reject`."""
        if self.profile.commands.return_ is None:
            self.accept()
        else:
            self.return_sheet()

    def settled(self) -> None:
        """See `MarkReader.settled`."""
        self._talk.hang_up()
        self._state, self._known, self._text = _Sheet.IDLE, False, None

    def events(self) -> tuple[ReaderEvent, ...]:
        """See `MarkReader.events`."""
        return self._talk.events()

    def close(self) -> None:
        """See `MarkReader.close`."""
        self._talk.hang_up()

    # --- one sheet ---------------------------------------------------------------------

    def _said_so(self, reply: Reply) -> bool:
        """Does the reader say it again? Asked where no check sum protects its word."""
        status = self.profile.commands.status
        if self.profile.line.check != "none" or status is None:
            return True
        return self._talk.query(status).text == reply.text

    def _told(self, reply: Reply) -> MarkSheet | None:
        """What came of a feed, by the reader's word."""
        if reply.means is Meaning.OK:
            if self.profile.commands.feed_reply == "sheet":
                raise self._talk.nonsense("feed", "a word in place of a sheet")
            self._state = _Sheet.DRAWN
            return self._given(self._fetch())
        # What its memory holds after a feed that failed is asked before the next one.
        self._text = None
        if reply.means is Meaning.UNREADABLE:
            return self._pass(
                MarkSheet(np.zeros((0, self.profile.sheet.lines), np.uint8), None, words(reply))
            )
        self._state = _Sheet.IDLE
        if reply.means is Meaning.EMPTY:
            return None
        raise FeederError(
            f"{reply.means.value}: {words(reply)}: {_ADVICE[reply.means]}. "
            f"{self.passed} sheets went through before"
        )

    def _fetch(self) -> SheetData:
        """The marks of the sheet that the reader holds, agreed upon as the profile wishes."""
        reply = self._talk.held()
        if not isinstance(reply, SheetData):
            raise FeederError(
                f"the reader gives no marks of the last sheet: {words(reply)}. It lies in the "
                "stacker unread: lay it back so that it is fed next"
            )
        data = self._talk.agreed(reply)
        if data.number is None and data.text == self._text:
            # Alike by chance, or a late answer about the sheet before.
            self._talk.calm()
            again = self._talk.held()
            data = self._talk.agreed(again) if isinstance(again, SheetData) else data
        return data

    def _given(self, data: SheetData) -> MarkSheet:
        """A sheet to give out, if it is the next one."""
        if data.number is not None and self._number is not None:
            next_one = (self._number + 1) % 10**self.profile.data.number_digits
            if data.number != next_one:
                self._state = _Sheet.DRAWN
                raise self._uncertain(
                    f"the reader calls this sheet {data.number}, the one before {self._number}"
                )
        self._number, self._text = data.number, data.text
        columns = self.profile.sheet.columns
        unread = ""
        if len(data.levels) != columns:
            unread = f"{len(data.levels)} timing marks were seen, {columns} are on a sheet"
        levels = data.levels[:0] if unread else data.levels
        return self._pass(MarkSheet(levels, data.number, unread))

    def _pass(self, sheet: MarkSheet) -> MarkSheet:
        self._state = _Sheet.IDLE
        self.passed += 1
        return sheet

    # --- after a break -----------------------------------------------------------------

    def _recover(self, *, refused: bool = False) -> MarkSheet | None:
        """The sheet that went through when the link broke; None where none did.

        `refused`: the reader said that it did not understand the feed.

        Raises:
            UncertainSheetError: it cannot be told.
            FeederError: the feed failed, and that was not heard.
        """
        commands = self.profile.commands
        if self._restarted:
            raise self._uncertain("the reader was switched off and has forgotten the last sheet")
        if commands.sheet is None:
            raise self._uncertain("this reader cannot send a sheet again")
        numbered = self.profile.data.number_digits > 0
        if self._state is _Sheet.ASKED and commands.status is not None and not numbered:
            said = self._talk.sure(commands.status)
            if said.means is Meaning.UNREADABLE:
                raise self._uncertain("the last sheet could not be read")
            if said.means is Meaning.EMPTY:
                # Nothing was drawn in, now or when it last said so: feed is sent again.
                self._state = _Sheet.IDLE
                return None
            if said.means not in (Meaning.OK, Meaning.NOTHING, Meaning.NOT_UNDERSTOOD):
                return self._told(said)
        held = self._talk.held()
        if isinstance(held, SheetData):
            return self._next_or_none(self._talk.agreed(held), refused=refused)
        if self._state is _Sheet.ASKED and held.means is Meaning.NOTHING and self._text == b"":
            self._state = _Sheet.IDLE
            return None
        raise self._uncertain("the reader has forgotten the last sheet")

    def _next_or_none(self, held: SheetData, *, refused: bool) -> MarkSheet | None:
        """The held sheet if it is one more than before, None if it is the one before."""
        if self._state is _Sheet.DRAWN:
            return self._given(held)
        if self._text is None:
            raise self._uncertain("what the reader held before the last feed is not known")
        if held.number is not None:
            if held.number != self._number:
                return self._given(held)
            self._state = _Sheet.IDLE
            return None
        if held.text == self._text and refused:
            self._state = _Sheet.IDLE
            return None
        if held.text == self._text:
            raise self._uncertain("the marks in the reader's memory are those of the sheet before")
        return self._given(held)

    def _uncertain(self, why: str) -> UncertainSheetError:
        return UncertainSheetError(
            f"{why}. Count the sheets that went through: {self.passed} were given out; lay back "
            "what is beyond them so that it is fed next, then go on"
        )

    # --- the line ----------------------------------------------------------------------

    def _open(self) -> None:
        if self._talk.is_open:
            return
        commands = self.profile.commands
        self._talk.open()
        try:
            if self._known:
                self._look_for_restart()
            for command in commands.open:
                self._talk.write(command)
            if commands.status is not None:
                self._talk.query(commands.status)
            if self._state is _Sheet.IDLE:
                before = (self._number, self._text) if self._known else None
                self._learn()
                self._compare(before)
        except LinkError as error:
            self._talk.lost(error)
            raise
        if self._known:
            self._talk.tell("found", "the reader answers again")
        self._known = True

    def _look_for_restart(self) -> None:
        """Does it still know its last sheet? By rule `restart` of the profile."""
        profile = self.profile
        if profile.restart == "framing":
            self._restarted |= not self._talk.frames(profile.commands.status or "")
        elif profile.restart == "never" and not profile.data.number_digits:
            self._restarted = True

    def _learn(self) -> None:
        """What the reader holds before the next feed, so that a new sheet is told from it."""
        self._text = b""
        if self.profile.commands.sheet is None:
            return
        held = self._talk.held()
        if isinstance(held, SheetData):
            held = self._talk.agreed(held)
            self._number, self._text = held.number, held.text
        else:
            self._number = None
            self._text = b"" if held.means is Meaning.NOTHING else None

    def _compare(self, before: tuple[int | None, bytes | None] | None) -> None:
        """A sheet that went through while the link was broken, fed by hand, is not passed over."""
        restarted, self._restarted = self._restarted, False
        if before is None or restarted or not before[1] or not self._text:
            return
        if (self._number, self._text) != before and (self._number or 1) > (before[0] or 0):
            self._state = _Sheet.DRAWN
            self._restarted = True
            raise self._uncertain("the reader holds another sheet than before the link broke")

    def _stack(self, what: str, command: str | None) -> None:
        if command is None:
            return
        self._open()
        reply = self._talk.query(command)
        if reply.means is not Meaning.OK:
            raise FeederError(f"the reader does not confirm {what}: {words(reply)}")

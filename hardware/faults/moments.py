"""The moments of a sheet's way, told from the frames that pass.

Who stands at the line (the scanner's own end, or a proxy anywhere on it) gives each whole
frame, undamaged as it was sent, and gets the moments it makes. A sheet's number goes up with
the first FEED (or, at a central scanner, NEXT) that names a sheet after the one before was
settled; OUTSTACK is to a scenario as RETURN, the sheet not being accepted.
"""

from __future__ import annotations

from hardware.batch_messages import NextReply
from hardware.errors import ProtocolError
from hardware.faults.engine import IMAGE, SCAN, Moment
from hardware.faults.model import Point
from hardware.framing import Frame
from hardware.messages import REPLY, BlockRequest, FeedReply, Kind

_BEFORE = {
    Kind.ACCEPT: Point.BEFORE_ACCEPT,
    Kind.RETURN: Point.BEFORE_RETURN,
    Kind.OUTSTACK: Point.BEFORE_RETURN,
}
_AFTER = {
    Kind.ACCEPT: Point.AFTER_ACCEPT,
    Kind.RETURN: Point.AFTER_RETURN,
    Kind.OUTSTACK: Point.AFTER_RETURN,
}


class Watcher:
    """Follows the talk; `sheet` is the number of the sheet in hand, 0 before the first."""

    def __init__(self, sheet: int = 0) -> None:
        """`sheet` sheets were drawn in before."""
        self.sheet = sheet
        self._settled = True
        self._total = 0
        self._sent = 0
        self._lengths: tuple[int, ...] = ()

    def moment(self, name: str, s: float) -> Moment:
        """A moment of this name, now."""
        return Moment(name, s, self.sheet, self._sent, self._total)

    def request(self, frame: Frame, s: float) -> list[Moment]:
        """A request goes to the scanner and is not acted on yet."""
        if frame.type in (Kind.FEED, Kind.NEXT):
            next_sheet = self.sheet + self._settled
            return [Moment(Point.BEFORE_FEED, s, next_sheet)]
        if frame.type == Kind.IMAGE_BLOCK:
            return self._image(frame, s)
        point = _BEFORE.get(frame.type)  # type: ignore[call-overload]
        return [self.moment(point, s)] if point else []

    def reply(self, frame: Frame, s: float) -> list[Moment]:
        """A reply was made, and is not on its way yet."""
        if frame.type in (Kind.FEED | REPLY, Kind.NEXT | REPLY):
            return self._fed(frame, s)
        for kind, point in _AFTER.items():
            if frame.type == kind | REPLY:
                self._settled = True
                return [self.moment(point, s)]
        return []

    def _fed(self, frame: Frame, s: float) -> list[Moment]:
        try:
            if frame.type == Kind.NEXT | REPLY:
                sides = NextReply.unpack(frame.payload).feed.sides
            else:
                sides = FeedReply.unpack(frame.payload).sides
        except ProtocolError:
            return []
        if not sides or not self._settled:
            return []
        self._settled = False
        self.sheet += 1
        self._lengths = tuple(side.length for side in sides)
        self._total, self._sent = sum(self._lengths), 0
        return [self.moment(Point.FED, s)]

    def _image(self, frame: Frame, s: float) -> list[Moment]:
        try:
            block = BlockRequest.unpack(frame.payload)
        except ProtocolError:
            return []
        before = sum(self._lengths[: block.side])
        self._sent = max(self._sent, before + block.offset + block.length)
        return [self.moment(IMAGE, s)]

    def scan(self, s: float) -> Moment:
        """The scan of the sheet that FEED draws in now, before it is named."""
        return Moment(SCAN, s, self.sheet + self._settled)

    def pulled(self) -> None:
        """The sheet in hand was taken away: the next one is another."""
        self._settled = True

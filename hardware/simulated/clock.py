"""A simulated time receiver: ZDA and RMC of NMEA 0183 each second, a time that people change.

Commands: `clock_jump` (by so many seconds), `silent` (for so long), `hurt` (the next sentences
lose a byte), `info`. It begins with this machine's own time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hardware.clock import checksum
from hardware.simulated.control import Command, ControlError, seconds

#: What a receiver's four-digit year and its battery clock can be.
_FIRST = datetime(1980, 1, 6, tzinfo=UTC)
_LAST = datetime(2079, 12, 31, tzinfo=UTC)
#: A sentence each so many seconds.
PERIOD_S = 1.0
_MOST_HURT = 1000


def _system_time() -> datetime:
    return datetime.now(UTC)


class SimulatedClock:
    """See the module. `hardware.simulated.peer.PeerLogic`."""

    def __init__(self, begin: Callable[[], datetime] = _system_time) -> None:
        """`begin`: the time at its start."""
        self._begin = begin()
        self._offset = timedelta()
        self._now_s = self._next_s = self._silent_until_s = 0.0
        self._hurt = self._sent = 0

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Nothing is understood."""
        return b""

    def tick(self, now_s: float) -> bytes:
        """The time, once a second."""
        self._now_s = now_s
        if now_s < self._next_s:
            return b""
        self._next_s = now_s + PERIOD_S
        if now_s < self._silent_until_s:
            return b""
        moment = self._time()
        clock = moment.strftime("%H%M%S.%f")[:9]
        date = moment.strftime("%d%m%y")
        position = "5108.2000,N,07126.4000,E,0.0,0.0"
        return b"".join(
            self._sentence(body)
            for body in (
                f"GPZDA,{clock},{moment:%d,%m,%Y},00,00",
                f"GPRMC,{clock},A,{position},{date},,,A",
            )
        )

    def commands(self) -> Mapping[str, Command]:
        """See the module."""
        return {
            "clock_jump": self.clock_jump,
            "silent": self.silent,
            "hurt": self.hurt,
            "info": self.info,
        }

    def clock_jump(self, by_s: float) -> Mapping[str, Any]:
        """The time is suddenly another, by so many seconds; back where negative."""
        if isinstance(by_s, bool):
            raise ControlError(f"by_s is {by_s!r}: give seconds")
        offset = self._offset + timedelta(seconds=by_s)
        if not _FIRST <= self._begin + offset <= _LAST:
            raise ControlError(f"by_s is {by_s!r}: the receiver knows 1980 to 2079")
        self._offset = offset
        self._next_s = 0.0
        return self.info()

    def silent(self, for_s: float = 5.0) -> Mapping[str, Any]:
        """No sentence for `for_s` seconds."""
        self._silent_until_s = self._now_s + seconds(for_s)
        return self.info()

    def hurt(self, sentences: int = 1) -> Mapping[str, Any]:
        """The next so many sentences lose a byte on the line."""
        if isinstance(sentences, bool) or not 0 <= sentences <= _MOST_HURT:
            raise ControlError(f"sentences is {sentences!r}: give 0 to {_MOST_HURT}")
        self._hurt = int(sentences)
        return self.info()

    def info(self) -> Mapping[str, Any]:
        """Its time, by how much that was changed, how many sentences it sent."""
        return {
            "utc": self._time().isoformat(timespec="milliseconds"),
            "jumped_s": self._offset.total_seconds(),
            "sent": self._sent,
        }

    def _time(self) -> datetime:
        return self._begin + self._offset + timedelta(seconds=self._now_s)

    def _sentence(self, body: str) -> bytes:
        data = body.encode("ascii")
        line = b"$%b*%02X\r\n" % (data, checksum(data))
        self._sent += 1
        if self._hurt:
            self._hurt -= 1
            return line[:9] + line[10:]
        return line

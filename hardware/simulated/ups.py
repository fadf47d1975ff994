"""A simulated uninterruptible supply: Megatec's Q1 on the line, mains and battery by control.

Commands: `mains_off` (for so long, or until `mains_on`), `battery` (per cent), `cut` (mains
off and battery empty), `hurt` (the next answers are hurt), `info`. With an empty battery and
no mains it is off, its line silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hardware.power import QUERY
from hardware.simulated.control import Command, ControlError, seconds

#: What the battery still holds when b6 is set, per cent.
LOW_PERCENT = 20.0
_MAINS_V, _CELL_FULL_V, _CELL_EMPTY_V = 230.0, 2.28, 1.67
_MAX_LINE = 32


@dataclass(frozen=True, slots=True)
class UpsSettings:
    """`runtime_s`: a full battery carries the load so long; `recharge_s`: to full on mains."""

    runtime_s: float = 600.0
    recharge_s: float = 3600.0
    load_percent: int = 20


class SimulatedUps:
    """See the module. `hardware.simulated.peer.PeerLogic`."""

    def __init__(self, settings: UpsSettings | None = None) -> None:
        self._settings = settings or UpsSettings()
        self._percent = 100.0
        self._mains = True
        self._back_s: float | None = None
        self._now_s = 0.0
        self._line = b""
        self._hurt = 0
        self._fault_v = _MAINS_V

    def receive(self, data: bytes, now_s: float) -> bytes:
        """Answer whole commands; what is not known is sent back, as real ones do."""
        self.tick(now_s)
        if self._off:
            self._line = b""
            return b""
        *whole, self._line = (self._line + data).split(b"\r")
        # Longer than any command: what a real one drops, too.
        self._line = self._line[:_MAX_LINE]
        return b"".join(self._answer(command[:_MAX_LINE] + b"\r") for command in whole)

    def tick(self, now_s: float) -> bytes:
        """Mains come back; the battery empties or fills."""
        passed_s = max(0.0, now_s - self._now_s)
        self._now_s = now_s
        if self._back_s is not None and now_s >= self._back_s:
            self._mains, self._back_s = True, None
        limit_s = self._settings.recharge_s if self._mains else -self._settings.runtime_s
        self._percent = min(100.0, max(0.0, self._percent + 100.0 * passed_s / limit_s))
        return b""

    def commands(self) -> Mapping[str, Command]:
        """See the module."""
        return {
            "mains_off": self.mains_off,
            "mains_on": self.mains_on,
            "battery": self.battery,
            "cut": self.cut,
            "hurt": self.hurt,
            "info": self.info,
        }

    def mains_off(self, for_s: float | None = None) -> Mapping[str, Any]:
        """The mains fail, for `for_s` seconds or until mains_on."""
        back_s = None if for_s is None else self._now_s + seconds(for_s)
        self._mains, self._fault_v, self._back_s = False, 0.0, back_s
        return self.info()

    def mains_on(self) -> Mapping[str, Any]:
        """The mains are back."""
        self._mains, self._back_s = True, None
        return self.info()

    def battery(self, percent: float) -> Mapping[str, Any]:
        """The battery holds so much, 0 to 100."""
        if isinstance(percent, bool) or not 0 <= percent <= 100:
            raise ControlError(f"percent is {percent!r}: give 0 to 100")
        self._percent = float(percent)
        return self.info()

    def cut(self, for_s: float | None = None) -> Mapping[str, Any]:
        """All power is gone, for `for_s` seconds or until mains_on."""
        self.mains_off(for_s)
        self._percent = 0.0
        return self.info()

    def hurt(self, answers: int = 1) -> Mapping[str, Any]:
        """The next so many answers lose a byte on the line."""
        self._hurt = int(answers)
        return {}

    def info(self) -> Mapping[str, Any]:
        """How it is."""
        return {"mains": self._mains, "percent": round(self._percent, 1), "off": self._off}

    @property
    def _off(self) -> bool:
        return not self._mains and self._percent <= 0

    def _answer(self, command: bytes) -> bytes:
        if command != QUERY:
            return command
        answer = self._status()
        if self._hurt > 0:
            self._hurt -= 1
            return answer[:9] + answer[10:]
        return answer

    def _status(self) -> bytes:
        low = not self._mains and self._percent <= LOW_PERCENT
        cell_v = _CELL_EMPTY_V + (_CELL_FULL_V - _CELL_EMPTY_V) * self._percent / 100
        bits = f"{int(not self._mains)}{int(low)}000000"[:7] + str(int(not self._mains))
        text = (
            f"({_MAINS_V if self._mains else 0:05.1f} {self._fault_v:05.1f} {_MAINS_V:05.1f} "
            f"{self._settings.load_percent:03d} 50.0 {cell_v:.2f} 25.0 {bits}\r"
        )
        # The fault's voltage is held until it is asked for.
        self._fault_v = _MAINS_V if self._mains else 0.0
        return text.encode("ascii")

"""The simulated scanner in its weather: a scenario's faults, carried out on line and paper.

    weather = Weather(load_scenario(path))
    WeatheredScanner(paper, weather, moor("pty", state / "port")).run()

The scanner's own end of the line is the place from which everything is seen: each frame
that comes or goes is a moment, and so is each point of a sheet's way. Faults of other
machines are told to `peers`. Time is seconds after the start.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from hardware.faults import (
    Line,
    RecordWriter,
    ScenarioError,
    Strike,
    Watcher,
    Way,
    Weather,
    load_scenario,
    read_record,
)
from hardware.faults.engine import TICK, Moment
from hardware.faults.images import hurt_image
from hardware.faults.model import (
    BadMemory,
    BoxFull,
    DoubleFeed,
    Fault,
    FrameFault,
    Jam,
    Place,
    PowerCut,
    Reboot,
    Scenario,
    SheetPulled,
    WrongVersion,
)
from hardware.framing import DELIMITER, MAX_ENCODED, Frame, FrameReader, encode_frame
from hardware.messages import REPLY, Kind
from hardware.simulated.control import ControlServer
from hardware.simulated.hands import Hands, ScannerControl
from hardware.simulated.moorings import HungUpError, Mooring, moor
from hardware.simulated.paper import Paper
from hardware.simulated.scanner import ScannerLogic, scan_file

#: Told each strike that another machine is to carry out.
Peer = Callable[[Strike], None]
#: A scanner's command side, made of its paper.
LogicOf = Callable[..., ScannerLogic]
#: How often the time is looked at while nothing comes, s.
_TICK_S = 0.05
_BLOCK_HEAD = 5
_WORDS = {Jam: "jam", DoubleFeed: "double_feed", BoxFull: "box_full"}


def load_weather(faults: Path | None, replay: Path | None) -> Weather:
    """The weather of a scenario file, or of the record of a run; calm where none is given.

    Raises:
        ScenarioError, RecordError: the file cannot be used, or both are given.
    """
    if faults is not None and replay is not None:
        raise ScenarioError("give a scenario or a record to repeat, not both")
    if replay is not None:
        return read_record(replay)
    if faults is None:
        return Weather(Scenario(format="ballotbench-faults/1", title="calm", seed=0))
    return Weather(load_scenario(faults))


def run_in_weather(
    paper: Paper,
    weather: Weather,
    listen: str,
    state: Path,
    ready: Callable[[str], None],
    *,
    record: Path | None = None,
    peers: Mapping[Place, Peer] | None = None,
    logic: LogicOf = ScannerLogic,
    control: Path | None = None,
) -> None:
    """Serve a scanner in its weather until the process ends; `ready` is given the port.

    Args:
        listen: as `moorings.moor`; "pty" is the link `state`/port.
        logic: as `WeatheredScanner`.
        control: socket of a control port to make (`hardware.simulated.hands`).

    Raises:
        HardwareError: the port cannot be had, or the record not written.
    """
    with ExitStack() as stack:
        writer = None
        if record is not None:
            writer = RecordWriter(record, weather.scenario, datetime.now(UTC))
            stack.callback(writer.close)
        mooring = moor(listen, state / "port")
        stack.callback(mooring.close)
        hands = Hands()
        scanner = WeatheredScanner(
            paper, weather, mooring, record=writer, peers=peers, logic=logic, hands=hands
        )
        if control is not None:
            commands = ScannerControl(scanner, paper, hands).commands()
            stack.enter_context(ControlServer(control, commands))
        ready(mooring.url)
        scanner.run()


class _OffError(Exception):
    """The scanner's power is gone for so long."""

    def __init__(self, for_s: float) -> None:
        self.for_s = for_s
        super().__init__(for_s)


class WeatheredScanner:
    """One scanner, its paper and its line, under a scenario."""

    def __init__(
        self,
        paper: Paper,
        weather: Weather,
        mooring: Mooring,
        *,
        record: RecordWriter | None = None,
        peers: Mapping[Place, Peer] | None = None,
        logic: LogicOf = ScannerLogic,
        hands: Hands | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Ready to run; `peers` carry out what is not the scanner's, `logic` is the scanner
        over its paper (it takes `scan`, and may take `versions` and `firmware`), `hands` ask
        for what people do.

        Raises:
            ScenarioError: a fault needs a peer that is not given.
            (running) whatever a peer raises that cannot carry out its fault.
        """
        self._peers = dict(peers or {})
        _require_peers(weather.scenario, self._peers)
        self._paper, self._weather, self._mooring = paper, weather, mooring
        self._logic_of = logic
        self._hands = hands
        self._record = record
        self._clock, self._sleep = clock, sleep
        self._start = clock()
        counts = paper.counts()
        self._watcher = Watcher(counts.box + len(counts.returned))
        self._line = Line()
        self._reader = FrameReader()
        self._tail = b""
        self._scan_strikes: tuple[int, tuple[Strike, ...]] = (-1, ())
        self._bad_block: random.Random | None = None
        self._cleared_at_s: float | None = None
        self._other: tuple[WrongVersion, float] | None = None
        self._logic = self._new_logic()
        #: Strikes so far, by kind.
        self.counts: Counter[str] = Counter()

    @property
    def corrupted(self) -> int:
        """Frames that went on with other bytes than they had."""
        return self._line.corrupted

    @property
    def now_s(self) -> float:
        """Seconds after the start."""
        return self._clock() - self._start

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Answer until `until` says so."""
        while not until():
            try:
                self.step(_TICK_S)
            except HungUpError:
                self._new_line()
            except _OffError as off:
                self._go_off(off.for_s)

    def step(self, timeout_s: float) -> None:
        """Take what comes within the time and answer it."""
        data = self._mooring.read(timeout_s)
        if self._hands is not None:
            self._hands.serve()
        self._happen(self._watcher.moment(TICK, self.now_s))
        self._tick()
        if data:
            self._take(data)

    def by_hand(self, fault: Fault) -> None:
        """Carry out a fault of line or scanner now, in the thread that runs.

        Raises:
            _OffError: scanner or line go off (`run` sees to it).
        """
        self.counts[fault.kind] += 1
        self._carry_out(Strike(fault, -1, Moment(TICK, self.now_s), 0, 0))

    def clear(self) -> None:
        """People put right what is wrong with the paper."""
        self._paper.set_fault(None)
        self._cleared_at_s = None

    # --- the line ----------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        *ended, rest = (self._tail + data).split(DELIMITER)
        # What is longer than any frame is no frame: the reader drops it.
        if len(rest) > MAX_ENCODED:
            self._reader.feed(rest)
            rest = b""
        self._tail = rest
        for part in ended:
            came = part + DELIMITER
            if part:
                came = self._pass(Way.TO_SCANNER, came)
            for request in self._reader.feed(came):
                self._answer(request)

    def _answer(self, request: Frame) -> None:
        for moment in self._watcher.request(request, self.now_s):
            self._happen(moment)
        self._tick()
        reply = self._logic.answer(request)
        if reply is None:
            return
        for moment in self._watcher.reply(reply, self.now_s):
            self._happen(moment)
        if self._bad_block is not None and reply.type == Kind.IMAGE_BLOCK | REPLY:
            reply = _with_bad_byte(reply, self._bad_block)
            self._bad_block = None
        sent = self._pass(Way.TO_DEVICE, encode_frame(reply))
        if sent:
            self._mooring.write(sent)

    def _pass(self, way: Way, frame: bytes) -> bytes:
        frame_strikes = []
        for strike in self._weather.at(self._watcher.moment(way, self.now_s)):
            if isinstance(strike.fault, FrameFault):
                frame_strikes.append(strike)
            else:  # by its time, it falls on a frame's moment
                self._note(strike)
                self._carry_out(strike)
        passed = self._line.carry(way, frame, frame_strikes, self.now_s)
        for strike in frame_strikes:
            self._note(strike, corrupted=self._line.corrupted)
        if passed.delay_s:
            self._sleep(passed.delay_s)
        return passed.data

    def _new_line(self) -> None:
        self._line.part()
        self._reader = FrameReader()
        self._tail = b""

    def _go_off(self, for_s: float) -> None:
        """The line is gone, for so long."""
        self._mooring.let_go()
        self._new_line()
        end_s = self.now_s + for_s
        while (left_s := end_s - self.now_s) > 0:
            self._sleep(min(left_s, _TICK_S))
            self._tick()

    # --- what happens ------------------------------------------------------------------

    def _happen(self, moment: Moment) -> None:
        for strike in self._weather.at(moment):
            self._note(strike)
            self._carry_out(strike)

    def _note(self, strike: Strike, **more: object) -> None:
        # First the machine whose fault it is: where it does not answer, nothing has struck.
        if peer := self._peers.get(strike.fault.place):
            peer(strike)
        self.counts[strike.fault.kind] += 1
        if self._record is not None:
            self._record.strike(strike, **more)

    def _carry_out(self, strike: Strike) -> None:
        """Raises `_OffError` where scanner or line go off."""
        fault, now_s = strike.fault, self.now_s
        match fault:
            case Jam() | DoubleFeed() | BoxFull():
                self._paper.set_fault(_WORDS[type(fault)])
                self._cleared_at_s = None if fault.for_s is None else now_s + fault.for_s
            case SheetPulled():
                if self._paper.pull_back(again=fault.again):
                    self._watcher.pulled()
            case BadMemory():
                self._bad_block = strike.chance()
            case WrongVersion():
                self._other = fault, float("inf") if fault.for_s is None else now_s + fault.for_s
                self._logic = self._new_logic()
                raise _OffError(0.0)
            case Reboot():
                self._logic = self._new_logic()
                raise _OffError(fault.for_s)
            case PowerCut():
                self._logic = self._new_logic()
                raise _OffError(fault.for_s)
            case _ if fault.place in (Place.PRINTER, Place.POWER, Place.CLOCK):
                return  # that machine has been told (`_note`)
            case _:
                self._carry_out_on_line(strike)

    def _carry_out_on_line(self, strike: Strike) -> None:
        now_s = self.now_s
        self._line.strike(strike, now_s)
        if self._line.pulled_until_s > now_s:
            left_s, self._line.pulled_until_s = self._line.pulled_until_s - now_s, 0.0
            raise _OffError(left_s)
        if self._line.stuck_until_s > now_s:
            self._sleep(self._line.stuck_until_s - now_s)

    def _tick(self) -> None:
        """What ends by itself ends."""
        now_s = self.now_s
        if self._cleared_at_s is not None and now_s >= self._cleared_at_s:
            self._paper.set_fault(None)
            self._cleared_at_s = None
        if self._other is not None and now_s >= self._other[1]:
            self._other = None
            self._logic = self._new_logic()

    def _new_logic(self) -> ScannerLogic:
        """Memory is lost: what a start gives."""
        if self._other is None:
            return self._logic_of(self._paper, scan=self._scan)
        other = self._other[0]
        return self._logic_of(
            self._paper, scan=self._scan, versions=other.versions, firmware=other.firmware
        )

    def _scan(self, file: Path) -> bytes:
        moment = self._watcher.scan(self.now_s)
        if self._scan_strikes[0] != moment.sheet:
            struck = tuple(self._weather.at(moment))
            self._scan_strikes = moment.sheet, struck
            fresh = True
        else:
            fresh = False
        data = scan_file(file)
        hurt = hurt_image(data, self._scan_strikes[1], moment.sheet)
        if fresh:
            for strike in self._scan_strikes[1]:
                self._note(strike, sha256=hashlib.sha256(hurt).hexdigest())
        return hurt


def _with_bad_byte(reply: Frame, chance: random.Random) -> Frame:
    payload = bytearray(reply.payload)
    payload[chance.randrange(_BLOCK_HEAD, len(payload))] ^= chance.randrange(1, 256)
    return Frame(reply.type, reply.sequence, bytes(payload), reply.version)


def _require_peers(scenario: Scenario, peers: Mapping[Place, Peer]) -> None:
    for number, fault in enumerate(scenario.fault, 1):
        needed = fault.place not in (Place.LINE, Place.SCANNER) and fault.kind != "power_cut"
        if needed and fault.place not in peers:
            raise ScenarioError(
                f"fault {number} ({fault.kind}) is the {fault.place}'s, which is not connected "
                f"here: give its control port (--peer {fault.place}=SOCKET), or take it out"
            )

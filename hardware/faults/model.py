"""The scenario as data: what may go wrong, when, how often and for how long.

    format = "ballotbench-faults/1"
    seed = 7

    [[fault]]                  # one byte in two hundred frames is hit, either way
    kind = "bit_flips"
    probability = 0.005

    [[fault]]                  # the 40th sheet's image is half across when the power goes
    kind = "reboot"
    sheet = 40
    point = "mid_image"
    for_s = 2.0

A fault strikes at the occasions of its kind (table in docs/faults.md): each frame, each
sheet's scan, or one point of a sheet's way. `at_s`, `sheet`, `every_sheets`, `point` and
`byte` say at which of them, `probability` how likely at each, `count` how often at most, and
`for_s` or `sheets` how long. Reads in order; knows no file and no clock.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT: Literal["ballotbench-faults/1"] = "ballotbench-faults/1"
#: More faults than this are no scenario that anybody reads.
MAX_FAULTS = 1000

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Direction = Literal["to_scanner", "to_device", "both"]


class Point(StrEnum):
    """Places of a sheet's way at which a fault can strike."""

    BEFORE_FEED = "before_feed"
    FED = "fed"
    MID_IMAGE = "mid_image"
    BEFORE_ACCEPT = "before_accept"
    AFTER_ACCEPT = "after_accept"
    BEFORE_RETURN = "before_return"
    AFTER_RETURN = "after_return"


class Occasion(StrEnum):
    """What a kind of fault may hit."""

    #: Every frame on the line, in its direction.
    FRAME = "frame"
    #: Every sheet's scan.
    SCAN = "scan"
    #: One point of a sheet's way, or a time.
    POINT = "point"


class Place(StrEnum):
    """Who carries a fault out: the line, the scanner, or another machine."""

    LINE = "line"
    SCANNER = "scanner"
    PRINTER = "printer"
    POWER = "power"
    CLOCK = "clock"


class BaseFault(BaseModel):
    """The fields that all faults have. `at_s` seconds after the start; `sheet` the n-th
    sheet drawn in (1 is the first); `byte` bytes of that sheet's images sent so far."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    occasion: ClassVar[Occasion] = Occasion.POINT
    place: ClassVar[Place] = Place.SCANNER
    usual_point: ClassVar[Point] = Point.FED

    at_s: Seconds | None = Field(None, description="Seconds after the start.")
    sheet: Count | None = Field(None, description="At the n-th sheet drawn in, 1 the first.")
    every_sheets: Count | None = Field(None, description="At each n-th sheet.")
    point: Point | None = Field(None, description="Where on the sheet's way.")
    byte: int | None = Field(None, ge=0, description="When so many bytes of its images are sent.")
    probability: float = Field(1.0, gt=0, le=1, description="At each occasion.")
    count: Count | None = Field(None, description="How often at most; once where a time is given.")
    for_s: Seconds | None = Field(None, description="How long it lasts, seconds.")
    note: str = Field("", max_length=400)

    @model_validator(mode="after")
    def _check_when(self) -> BaseFault:
        by_sheet = self.sheet is not None or self.every_sheets is not None
        if self.at_s is not None and (by_sheet or self.point or self.byte is not None):
            raise ValueError("at_s stands alone: leave out sheet, every_sheets, point and byte")
        if self.sheet is not None and self.every_sheets is not None:
            raise ValueError("give sheet or every_sheets, not both")
        if self.byte is not None and (self.sheet is None or self.point is not None):
            raise ValueError("byte goes with sheet, and without point")
        if self.at_s is None and not by_sheet and self.probability == 1 and self.count is None:
            raise ValueError(
                "says not when: give at_s, sheet, every_sheets, count or a probability below 1"
            )
        return self

    @property
    def most(self) -> int | None:
        """How often it strikes at most; None: without limit."""
        if self.count is not None or self.lasting:
            return self.count
        return 1 if self.at_s is not None or self.sheet is not None else None

    @property
    def lasting(self) -> bool:
        """Does it hit all occasions from its start on?"""
        return False


class FrameFault(BaseFault):
    """Hits frames on the line; with `for_s` all (by `probability`) in that time after `at_s`."""

    occasion: ClassVar[Occasion] = Occasion.FRAME
    place: ClassVar[Place] = Place.LINE
    direction: Direction = Field("both", description="Frames of which way.")

    @model_validator(mode="after")
    def _check_length(self) -> FrameFault:
        if self.for_s is not None and self.at_s is None:
            raise ValueError("for_s goes with at_s here; say how many frames with count")
        return self

    @property
    def lasting(self) -> bool:
        """See `BaseFault.lasting`."""
        return self.for_s is not None


class ScanFault(BaseFault):
    """Changes what the scanner sees; with `sheets` of so many sheets from its start on."""

    occasion: ClassVar[Occasion] = Occasion.SCAN
    for_s: None = Field(None, description="Not here: see sheets.")
    point: None = Field(None, description="Not here: a scan is at one point.")
    byte: None = Field(None, description="Not here.")
    sheets: Count | None = Field(None, description="So many sheets from its start on.")

    @property
    def lasting(self) -> bool:
        """See `BaseFault.lasting`."""
        return self.sheets is not None

    @model_validator(mode="after")
    def _check_sheets(self) -> ScanFault:
        if self.sheets is not None and self.sheet is None:
            raise ValueError("sheets goes with sheet, the first of them")
        return self


# --- the line --------------------------------------------------------------------------


class BitFlips(FrameFault):
    """Some bits of a frame are turned over."""

    kind: Literal["bit_flips"]
    bits: int = Field(1, ge=1, le=64)


class LostBytes(FrameFault):
    """Some bytes of a frame are missing."""

    kind: Literal["lost_bytes"]
    bytes: int = Field(1, ge=1, le=65_536)


class Drop(FrameFault):
    """A frame does not come."""

    kind: Literal["drop"]


class Duplicate(FrameFault):
    """A frame comes twice; `hurt`: a copy with a bit turned over comes before the true one,
    as an echo on a badly ended line."""

    kind: Literal["duplicate"]
    copies: int = Field(1, ge=1, le=16)
    hurt: bool = False


class Reorder(FrameFault):
    """A frame comes after the next one of its way."""

    kind: Literal["reorder"]


class Burst(FrameFault):
    """Random bytes in place of so many that pass, also those of frames that follow."""

    kind: Literal["burst"]
    bytes: int = Field(64, ge=1, le=1_000_000)


class SlowPeer(FrameFault):
    """A frame comes late by so much."""

    kind: Literal["slow_peer"]
    delay_s: float = Field(0.2, gt=0, le=60)


class _LineState(BaseFault):
    place: ClassVar[Place] = Place.LINE
    usual_point: ClassVar[Point] = Point.MID_IMAGE
    for_s: Seconds = Field(1.0, description="How long it lasts, seconds.")


class CablePulled(_LineState):
    """The port is gone, then it is back under its name."""

    kind: Literal["cable_pulled"]


class HalfOpen(_LineState):
    """Nothing comes through one way; the port stays open."""

    kind: Literal["half_open"]
    direction: Direction = "to_device"


class StuckPeer(_LineState):
    """The scanner neither reads nor writes; then it takes up what it had been sent."""

    kind: Literal["stuck_peer"]


# --- the scanner -----------------------------------------------------------------------


class Reboot(BaseFault):
    """The scanner's power fails: the line is gone, memory lost, paper where it was."""

    kind: Literal["reboot"]
    usual_point: ClassVar[Point] = Point.MID_IMAGE
    for_s: Seconds = Field(1.0, description="How long it is off, seconds.")


class WrongVersion(BaseFault):
    """After a restart the scanner greets with other versions or firmware (an update)."""

    kind: Literal["wrong_version"]
    usual_point: ClassVar[Point] = Point.BEFORE_FEED
    versions: tuple[Annotated[int, Field(ge=0, le=255)], ...] = Field(
        (3,), min_length=1, max_length=16
    )
    firmware: str = Field("0.9-unknown", min_length=1, max_length=60)


class Jam(BaseFault):
    """Paper is stuck; cleared by a person after `for_s`."""

    kind: Literal["jam"]
    usual_point: ClassVar[Point] = Point.BEFORE_FEED


class DoubleFeed(BaseFault):
    """Two sheets at once, seen by the sensor and drawn back; a person takes them apart."""

    kind: Literal["double_feed"]
    usual_point: ClassVar[Point] = Point.BEFORE_FEED


class BoxFull(BaseFault):
    """The box takes no more until it is emptied."""

    kind: Literal["box_full"]
    usual_point: ClassVar[Point] = Point.BEFORE_ACCEPT


class SheetPulled(BaseFault):
    """The voter pulls the held sheet back out by hand, and feeds it again unless `again` is
    false."""

    kind: Literal["sheet_pulled"]
    usual_point: ClassVar[Point] = Point.BEFORE_ACCEPT
    for_s: None = Field(None, description="Not here.")
    again: bool = True


class BadMemory(BaseFault):
    """A byte of an image block is wrong before it is framed: its check sum fits, the image's
    digest does not."""

    kind: Literal["bad_memory"]
    usual_point: ClassVar[Point] = Point.MID_IMAGE
    for_s: None = Field(None, description="Not here.")


class SkewFeed(ScanFault):
    """The sheet is drawn in at an angle."""

    kind: Literal["skew_feed"]
    degrees: float = Field(3.0, ge=-30, le=30)


class DirtySensor(ScanFault):
    """Dust on the glass: a dark streak down the image, at a share of its width."""

    kind: Literal["dirty_sensor"]
    at_share: Share = 0.5
    width_share: float = Field(0.01, gt=0, le=1)
    darkness: Share = 0.9


class LampAgeing(ScanFault):
    """Each sheet is darker than the one before by this share, down to `least`."""

    kind: Literal["lamp_ageing"]
    per_sheet: float = Field(0.001, gt=0, le=1)
    least: Share = 0.5


# --- other machines --------------------------------------------------------------------


class PrinterOutOfPaper(BaseFault):
    """The receipt printer has no paper until somebody puts in a roll, after `for_s`."""

    kind: Literal["printer_out_of_paper"]
    place: ClassVar[Place] = Place.PRINTER


class PowerSag(BaseFault):
    """The mains fail for a while; the uninterruptible supply carries on, by its battery."""

    kind: Literal["power_sag"]
    place: ClassVar[Place] = Place.POWER
    for_s: Seconds = Field(1.0, description="How long, seconds.")


class PowerCut(BaseFault):
    """All power is gone: the supply is empty and the scanner off."""

    kind: Literal["power_cut"]
    place: ClassVar[Place] = Place.POWER
    for_s: Seconds = Field(5.0, description="How long, seconds.")


class ClockJump(BaseFault):
    """The device's clock is suddenly another, by so many seconds (back where negative)."""

    kind: Literal["clock_jump"]
    place: ClassVar[Place] = Place.CLOCK
    by_s: float = Field(..., ge=-1e9, le=1e9)


Fault = Annotated[
    Union[  # noqa: UP007 - a list of classes, one a line
        BitFlips,
        LostBytes,
        Drop,
        Duplicate,
        Reorder,
        Burst,
        SlowPeer,
        CablePulled,
        HalfOpen,
        StuckPeer,
        Reboot,
        WrongVersion,
        Jam,
        DoubleFeed,
        BoxFull,
        SheetPulled,
        BadMemory,
        SkewFeed,
        DirtySensor,
        LampAgeing,
        PrinterOutOfPaper,
        PowerSag,
        PowerCut,
        ClockJump,
    ],
    Field(discriminator="kind"),
]


class Scenario(BaseModel):
    """A whole file. The same seed and the same traffic give the same faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    format: Literal["ballotbench-faults/1"]
    title: str = Field("", max_length=200)
    seed: int = Field(0, ge=0, lt=2**63)
    fault: tuple[Fault, ...] = Field((), max_length=MAX_FAULTS)

    def kinds(self) -> frozenset[str]:
        """The kinds that it names."""
        return frozenset(fault.kind for fault in self.fault)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario (as TOML's data)."""
    return Scenario.model_json_schema()

"""Batches through a central scanner, each sheet kept before it moves on.

    Capture(scanner, out, decide=…).run([BatchPlan("A7", 1, "{batch}-{position:5}")])

Rules:

1. A sheet's images are on the disk, and so is the intention to settle it, before the scanner
   is told to let it go. So no sheet lies in a pocket whose image is not kept.
2. After any cut, here or there, the scanner's memory of its last token says whether the open
   intention was carried out. A sheet that was taken out by hand meanwhile is void: its image
   is deleted, and fed again it has another number.
3. A fault that a person clears, and a link that comes back, are waited for (`patience_s`).
   After each the scanner must still have the same batch open: it could be another machine.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from console.batch.outputs import whole_file
from console.central.log import CapturedBatch, CaptureLog
from console.central.manifest import NAME, BatchEntry, Manifest, SheetEntry, SideFile
from console.errors import ConsoleError
from hardware.batch_messages import BatchWord
from hardware.errors import BatchRefusedError, FeederError, ImprinterError, LinkError
from hardware.interface import BatchFeeder, BatchStage, NumberedSheet, PaperPlace

SCANS = "scans"
#: How often a fault or a lost link is looked at again, s.
_LOOK_S = 0.25
_ENDS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"II*\0": ".tif", b"MM\0*": ".tif",
         b"%PDF": ".pdf"}  # fmt: skip
_T = TypeVar("_T")


class Pocket(StrEnum):
    """Where a sheet goes."""

    ACCEPTED = "accepted"
    OUTSTACKED = "outstacked"


class Decide(Protocol):
    """Into which pocket a sheet with these images goes."""

    def __call__(self, images: tuple[bytes, ...]) -> Pocket:
        """The pocket."""
        ...


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """A batch that is to be scanned: its id, its tray (from 1), what is printed."""

    batch_id: str
    tray: int
    imprint_format: str


class _GoneError(Exception):
    """The open sheet was taken out by hand."""


class Capture:
    """One central count's paper, into a folder; run again it goes on after any cut."""

    def __init__(
        self,
        scanner: BatchFeeder,
        out: Path,
        *,
        decide: Decide = lambda images: Pocket.ACCEPTED,
        tell: Callable[[str], None] = lambda _: None,
        done: Callable[[int], None] = lambda _: None,
        patience_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`tell` hears faults in words, `done` how many sheets came through.

        Raises:
            ConsoleError: the folder's log cannot be used.
        """
        self._scanner, self._out = scanner, out
        self._decide, self._tell, self._done = decide, tell, done
        self._patience_s, self._clock, self._sleep = patience_s, clock, sleep
        self._log = CaptureLog(out / SCANS)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def run(self, plans: Sequence[BatchPlan]) -> Manifest:
        """Scan the batches in order and write `manifest.json`.

        Raises:
            ConsoleError: the folder is another count's.
            HardwareError: a fault or a break that lasts; the same call goes on.
        """
        self._check(plans)
        for plan in plans[len(self._log.batches) :]:
            self._finish_last()
            self._patiently(self._begin, plan)
            self._log.add({"begin": asdict(plan)})
        self._finish_last()
        status = self._patiently(self._scanner.status)
        manifest = Manifest(
            model=status.model,
            firmware=status.firmware,
            batches=tuple(_entry(batch) for batch in self._log.batches),
        )
        with whole_file(self._out / NAME) as file:
            file.write(manifest.model_dump_json(indent=1).encode() + b"\n")
        return manifest

    def _check(self, plans: Sequence[BatchPlan]) -> None:
        begun = [BatchPlan(b.batch_id, b.tray, b.imprint_format) for b in self._log.batches]
        if begun != list(plans[: len(begun)]):
            names = ", ".join(f"{plan.batch_id} of tray {plan.tray}" for plan in begun)
            raise ConsoleError(
                f"{self._out} holds other batches ({names}): give the same ones with the same "
                "imprint to go on, or another --out"
            )

    def _begin(self, plan: BatchPlan) -> None:
        try:
            self._scanner.begin_batch(plan.batch_id, plan.tray, plan.imprint_format)
        except BatchRefusedError as error:
            if error.word != BatchWord.OPEN:
                raise
            now = self._scanner.batch()
            raise ConsoleError(
                f"the scanner has the batch {now.batch_id!r} of tray {now.tray} open, printed as "
                f"{now.imprint_format!r}: go on with it in its own --out, with the same options"
            ) from error

    def _finish_last(self) -> None:
        if not self._log.batches or self._log.batches[-1].ended is not None:
            return
        batch = self._log.batches[-1]
        # The cut may have come between the scanner's end of it and ours.
        state = self._patiently(self._scanner.batch)
        if state.stage is BatchStage.ENDED and state.batch_id == batch.batch_id:
            self._settle_open(batch)
        else:
            while self._one(batch):
                self._done(sum(len(b.sheets) for b in self._log.batches))
        state = self._patiently(lambda: self._scanner.end_batch(batch.batch_id))
        here = (state.accepted, state.outstacked)
        pockets = [sheet["act"] for sheet in batch.sheets]
        ours = (pockets.count(Pocket.ACCEPTED), pockets.count(Pocket.OUTSTACKED))
        if here != ours:
            raise ConsoleError(
                f"batch {batch.batch_id}: the scanner counts {here[0]} sheets accepted and "
                f"{here[1]} outstacked, {ours[0]} and {ours[1]} are kept here. Look into its "
                "pockets; scan the batch again under another id"
            )
        self._log.add(
            {"end": {"numbers": state.numbers, "accepted": here[0], "outstacked": here[1]}}
        )

    # --- one sheet ---------------------------------------------------------------------

    def _one(self, batch: CapturedBatch) -> bool:
        """Bring one sheet through; False at the end of the tray."""
        self._settle_open(batch)
        sheet = self._patiently(self._next, batch)
        if sheet is None:
            return False
        files = self._keep(batch, sheet)
        self._log.add(
            {
                "sheet": {
                    "position": sheet.position,
                    "imprint": sheet.imprint,
                    "files": files,
                    "sha256": [hashlib.sha256(image).hexdigest() for image in sheet.images],
                    "act": self._decide(sheet.images).value,
                    "token": secrets.token_hex(16),
                }
            }
        )
        self._settle_open(batch)
        return True

    def _next(self, batch: CapturedBatch) -> NumberedSheet | None:
        self._same(batch)
        return self._scanner.next_sheet()

    def _settle_open(self, batch: CapturedBatch) -> None:
        if batch.open is None:
            return
        token = batch.open["token"]
        try:
            self._patiently(self._settle, batch)
        except _GoneError:
            name = batch.open["imprint"] or batch.open["position"]
            self._tell(f"sheet {name} was taken out by hand: its number is void; feed it again")
            for file in batch.open["files"]:
                (self._out / file).unlink(missing_ok=True)
            self._log.add({"void": token})
            return
        self._log.add({"done": token}, durable=False)

    def _settle(self, batch: CapturedBatch) -> None:
        """Carry the open intention out, or find that it was carried out, or raise."""
        if batch.open is None:
            return
        token, act = batch.open["token"], batch.open["act"]
        status = self._scanner.status()
        if status.last_token != token:
            self._same(batch)
            if status.place is not PaperPlace.HELD:
                raise _GoneError
        verb = self._scanner.outstack if act == Pocket.OUTSTACKED else self._scanner.accept
        verb(token)

    def _same(self, batch: CapturedBatch) -> None:
        """Rule 3. Asked for each sheet: one short question beside an image."""
        state = self._scanner.batch()
        if (state.stage, state.batch_id) != (BatchStage.OPEN, batch.batch_id):
            raise ConsoleError(
                f"batch {batch.batch_id} is not open at the scanner any more "
                f"({state.batch_id or 'none'}, {state.stage}): is it the same machine? Look into "
                "its pockets before anything is scanned again"
            )

    def _keep(self, batch: CapturedBatch, sheet: NumberedSheet) -> list[str]:
        folder = self._out / SCANS / batch.batch_id
        folder.mkdir(exist_ok=True)
        # One side alone is told so by its name, so that it is not taken for the next one's front.
        words = ("front", "back") if len(sheet.images) > 1 else ("front1",)
        files = []
        for word, image in zip(words, sheet.images, strict=True):
            end = next((e for magic, e in _ENDS.items() if image.startswith(magic)), ".png")
            name = f"{batch.batch_id}-{sheet.position:06}-{word}{end}"
            with whole_file(folder / name) as file:
                file.write(image)
            files.append(f"{SCANS}/{batch.batch_id}/{name}")
        _flush_folder(folder)
        return files

    # --- patience ----------------------------------------------------------------------

    def _patiently(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """The call's result; a fault or a break is told once and waited for."""
        until, told = None, ""
        while True:
            try:
                result = call(*arguments)
            except (BatchRefusedError, ImprinterError):
                raise
            except (LinkError, FeederError) as error:
                until = until or self._clock() + self._patience_s
                if self._clock() >= until:
                    raise
                if str(error) != told:
                    self._tell(told := str(error))
                self._sleep(_LOOK_S)
            else:
                if told:
                    self._tell("going on")
                return result


def _entry(batch: CapturedBatch) -> BatchEntry:
    if batch.ended is None:
        raise ConsoleError(f"batch {batch.batch_id} was not ended")
    here = {sheet["position"] for sheet in batch.sheets}
    return BatchEntry(
        batch_id=batch.batch_id,
        tray=batch.tray,
        imprint_format=batch.imprint_format,
        void=tuple(n for n in range(1, batch.ended["numbers"] + 1) if n not in here),
        sheets=tuple(
            SheetEntry(
                position=sheet["position"],
                imprint=sheet["imprint"],
                pocket=sheet["act"],
                sides=tuple(
                    SideFile(file=file, sha256=digest)
                    for file, digest in zip(sheet["files"], sheet["sha256"], strict=True)
                ),
            )
            for sheet in batch.sheets
        ),
        **batch.ended,
    )


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""`read --port`: a central scanner's trays into OUT/scans and OUT/manifest.json."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from console.central.capture import BatchPlan, Capture, Pocket
from console.central.manifest import NAME, Manifest, load_manifest
from console.common import progress, stderr
from console.definitions import Definition
from console.errors import ConsoleError
from hardware.central import CentralScanner, open_central
from hardware.imprint import USUAL_FORMAT, check_batch_id, check_format
from scanner.cvr import PaperMark
from scanner.errors import PageRefusedError
from scanner.reading import Thresholds
from scanner.sheet import SheetReader


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command asks for. `batches`: an id a tray, in the order of the trays.
    `imprint`: the format; "" prints nothing; None: the usual one where there is an imprinter."""

    port: str
    batches: tuple[str, ...]
    imprint: str | None = None
    outstack: bool = True
    patience_s: float = 60.0


@dataclass(frozen=True, slots=True)
class CentralScans:
    """A manifest's bytes; for each of its images, in its order, where the sheet lies; what the
    command says of it."""

    data: bytes
    marks: dict[Path, PaperMark]
    summary: dict[str, int]


def scanned(wanted: Wanted, out: Path, definition: Definition, limits: Thresholds) -> CentralScans:
    """Scan what is not scanned yet, and look at all of it; see `scan`."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        scan(wanted, out, lambda: definition.reader_within(limits))
    except KeyboardInterrupt:
        raise ConsoleError(
            "stopped. What was scanned is kept, and the batch is open at the scanner; run the same "
            "command again to go on"
        ) from None
    return scanned_before(out / NAME)


def scanned_before(path: Path) -> CentralScans:
    """What a manifest tells.

    Raises:
        ConsoleError: it is none, or an image is gone or another one.
    """
    manifest, data = load_manifest(path)
    folder = path.absolute().parent
    check_images(manifest, folder)
    summary = {
        "batches": len(manifest.batches),
        "accepted": sum(batch.accepted for batch in manifest.batches),
        "outstacked": sum(batch.outstacked for batch in manifest.batches),
        "void_numbers": sum(len(batch.void) for batch in manifest.batches),
    }
    return CentralScans(data, manifest.marks(folder), summary)


def scan(wanted: Wanted, out: Path, reader: Callable[[], SheetReader]) -> Manifest:
    """Scan what is not scanned yet; the manifest of all of it. `reader` is made where sheets
    are chosen by what is on them.

    Raises:
        ConsoleError: the scanner is no central one, or the folder is another count's.
        HardwareError: the scanner fails for longer than the patience.
    """
    for batch_id in wanted.batches:
        check_batch_id(batch_id)
        if wanted.batches.count(batch_id) > 1:
            raise ConsoleError(
                f"the batch id {batch_id!r} is given twice: its numbers would be, too"
            )
    check_format(wanted.imprint or "")
    if (out / NAME).exists():
        manifest, _ = load_manifest(out / NAME)
        if tuple(batch.batch_id for batch in manifest.batches) != wanted.batches:
            raise ConsoleError(f"{out} holds the scans of other batches: give another --out")
        return manifest
    with closing(open_central(wanted.port)) as scanner:
        plans = _plans(wanted, scanner)
        pockets = wanted.outstack and scanner.capabilities().outstack
        with progress() as bars:
            task = bars.add_task("Scanning", total=None)
            capture = Capture(
                scanner,
                out,
                decide=Chooser(reader()) if pockets else _all_accepted,
                tell=_tell,
                done=lambda count: bars.update(task, completed=count),
                patience_s=wanted.patience_s,
            )
            with closing(capture):
                return capture.run(plans)


def check_images(manifest: Manifest, folder: Path) -> None:
    """Every image is there and is the one that was scanned.

    Raises:
        ConsoleError: one is gone or is another one, or lies outside of the folder.
    """
    for batch in manifest.batches:
        for sheet in batch.sheets:
            for side in sheet.sides:
                path = folder / side.file
                if not path.resolve().is_relative_to(folder.resolve()):
                    raise ConsoleError(
                        f"the manifest's {side.file[:80]!r} lies outside of {folder}"
                    )
                try:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                except OSError as error:
                    raise ConsoleError(f"{path} cannot be read: {error.strerror}") from error
                if digest != side.sha256:
                    raise ConsoleError(
                        f"{path} is not the image of the manifest: its SHA-256 is "
                        f"{digest[:16]}…, not {side.sha256[:16]}…"
                    )


def _plans(wanted: Wanted, scanner: CentralScanner) -> list[BatchPlan]:
    has = scanner.capabilities()
    model = scanner.status().model
    if not has.batches:
        raise ConsoleError(
            f"the scanner {model!r} has no batches: it is no central scanner. A deck goes through "
            "it with `bench --port`, an election with `device run`"
        )
    if len(wanted.batches) > has.trays:
        raise ConsoleError(
            f"{len(wanted.batches)} batches are named, the scanner {model!r} has {has.trays} trays"
        )
    if wanted.imprint and not has.imprinter:
        raise ConsoleError(f"the scanner {model!r} has no imprinter: give --imprint ''")
    usual = USUAL_FORMAT if has.imprinter else ""
    words = usual if wanted.imprint is None else wanted.imprint
    return [BatchPlan(batch, tray, words) for tray, batch in enumerate(wanted.batches, 1)]


class Chooser:
    """Outstacks what a person must look at: sheets refused or in question."""

    def __init__(self, reader: SheetReader) -> None:
        """`reader` of the election."""
        self._reader = reader

    def __call__(self, images: Sequence[bytes]) -> Pocket:
        """The pocket of a sheet with these images."""
        try:
            seen = self._reader.read_images(images).interpretation
        except PageRefusedError:
            return Pocket.OUTSTACKED
        return Pocket.OUTSTACKED if seen.needs_review else Pocket.ACCEPTED


def _all_accepted(images: Sequence[bytes]) -> Pocket:
    """Where there is one pocket."""
    return Pocket.ACCEPTED


def _tell(text: str) -> None:
    stderr.print(text, markup=False, highlight=False, soft_wrap=True)

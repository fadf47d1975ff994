"""`ballotbench device tape`: a results tape as a picture, from the device's journal alone."""

from __future__ import annotations

import io
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image

from console.common import emit_json, stdout
from console.device_bench import DeviceOptions
from console.errors import ConsoleError
from console.files import check_free
from console.officers import OfficerOption, PinFileOption, TokenPinFileOption
from console.places import PrecinctOption, place_given
from firmware_sim.journal import Journal
from firmware_sim.ledger import Ledger
from firmware_sim.people import PeopleRegister
from firmware_sim.printing import TapePrinter
from firmware_sim.results import Results
from firmware_sim.tapes import Tape
from hardware.tape_format import DOTS_PER_MM, TAPES, TapeFormat

TapeWidth = Annotated[
    str, typer.Option("--tape-width", help=f"Paper in the printer: {' or '.join(TAPES)}.")
]


def paper_of(width: str) -> TapeFormat:
    """The paper of this name. Raises BadParameter."""
    if width not in TAPES:
        raise typer.BadParameter(f"say {' or '.join(TAPES)}", param_hint="--tape-width")
    return TAPES[width]


def tape(
    election: Annotated[Path, typer.Argument(help="Election definition (JSON).")],
    journal: Annotated[Path, typer.Option(help="The device's journal, polls closed.")],
    precinct: PrecinctOption,
    keys: Annotated[Path, typer.Option(help="Directory made by `ballotbench keys`.")],
    device_id: Annotated[str, typer.Option("--device", help="Device id, as issued.")],
    png: Annotated[Path | None, typer.Option(help="Picture to write.")] = None,
    pdf: Annotated[Path | None, typer.Option(help="PDF to write, in true size.")] = None,
    tape_width: TapeWidth = "80mm",
    profile: Annotated[
        str | None, typer.Option(help="A profile other than the definition's: id or TOML file.")
    ] = None,
    officers: OfficerOption = None,
    pin_file: PinFileOption = None,
    token_pin_file: TokenPinFileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Draw the results tape without a printer; it is the same tape, with the same codes.

    Example: ballotbench device tape election.json --journal p1.sqlite --precinct precinct-1
    --keys keys --device scanner-001 --png tape.png --pdf tape.pdf
    """
    paper = paper_of(tape_width)
    if not journal.is_file():
        raise ConsoleError(f"{journal}: no such journal")
    if png is None and pdf is None:
        raise typer.BadParameter("say what to write: --png or --pdf", param_hint="--png")
    options = DeviceOptions(
        election=election,
        precinct=place_given(precinct),
        journal=journal,
        keys=keys,
        device_id=device_id,
        scanner="",
        printer="",
        profile=profile,
        officers=tuple(officers or ()),
        pin_file=pin_file,
        token_pin_file=token_pin_file,
    )
    setup = options.setup(options.people())
    # Drivers are slow to import; --help need not wait for them.
    from hardware.printer import ReceiptPrinter
    from hardware.tape_image import tape_pdf, tape_png

    for path in (png, pdf):
        if path is not None:
            check_free(path)
    register = PeopleRegister.of(keys)
    with Journal(journal) as opened:
        ledger = Ledger(
            setup,
            opened,
            lambda: datetime.now(UTC),
            people_identified=register is not None,
            people_version=0 if register is None else register.version,
        )
        printer = TapePrinter(ledger, ReceiptPrinter(io.BytesIO(), paper))
        made = Results(ledger, printer, secrets.token_bytes).tape()
    picture = _drawn(made, paper)
    length_mm = round(picture.height / DOTS_PER_MM)
    if png is not None:
        png.write_bytes(tape_png(picture))
    if pdf is not None:
        pdf.write_bytes(tape_pdf(picture, paper))
    written = [str(path) for path in (png, pdf) if path is not None]
    if as_json:
        emit_json({"written": written, "length_mm": length_mm, "codes": len(made.codes)})
        return
    stdout.print(
        f"{length_mm} mm of tape, {len(made.codes)} codes: {', '.join(written)}",
        soft_wrap=True,
        markup=False,
    )


def _drawn(made: Tape, paper: TapeFormat) -> Image.Image:
    """The paper that a printer gives of a tape."""
    from hardware.printer import ReceiptPrinter
    from hardware.tape_image import read_tape

    sink = io.BytesIO()
    printer = ReceiptPrinter(sink, paper)
    printer.print_lines(made.lines)
    for code in made.codes:
        printer.print_code(code.text, code.caption)
    printer.cut()
    return read_tape(sink.getvalue(), paper)

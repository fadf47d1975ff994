"""What a barcode reader at the desk sends: a document, an IIN, an absentee certificate.

    reader = BarcodeReader(port)
    shown = scanned(reader, number=None, certificate=False, wait_s=60, say=print)

The kind is told by the code alone: the first line of an identity card's machine-readable
zone, twelve digits (an IIN, which needs the document's number), or `BBAC1/…` (a certificate).
Anything else, and a line that was hurt, is named without its text and waited over: the code
is scanned again. Never is a part of one code taken for another (SEED-04, SEED-05).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from console.common import stderr
from console.errors import ConsoleError
from console.pollbook.options import shown_document
from firmware_sim.pollbook.certificate_code import PREFIX, read_certificate_code
from firmware_sim.pollbook.document import IdentityDocument, read_line, typed
from firmware_sim.pollbook.errors import DocumentError, RequestError

if TYPE_CHECKING:
    from hardware.barcode import Scan

Barcode = Annotated[
    str | None,
    typer.Option(
        "--barcode", help="Barcode reader in serial mode: port or URL; the document is scanned."
    ),
]
Wait = Annotated[
    float, typer.Option("--scan-wait", min=1, max=3600, help="Seconds to wait for the scan.")
]
_IIN = re.compile(r"[0-9]{12}")


class Reader(Protocol):
    """A reader: `hardware.barcode.BarcodeReader`."""

    port: str

    def scan(self, timeout_s: float) -> Scan | None:
        """The next scan, None where none came; raises LinkError."""
        ...


@dataclass(frozen=True, slots=True)
class Scanned:
    """A document, and the file of an absentee certificate, as far as they were scanned."""

    document: IdentityDocument | None = None
    certificate: bytes | None = None


def papers(
    document: str | None,
    number: str | None,
    iin: str | None,
    certificate: Path | None,
    *,
    barcode: str | None,
    wait_s: float,
) -> Scanned:
    """What the voter brings: typed, from files, or from the reader at the port `barcode`.

    Raises:
        typer.BadParameter: options that do not go together.
        DocumentError, ConsoleError, LinkError, OSError: it cannot be had.
    """
    to_scan = certificate == Path("-")
    if barcode is None:
        if to_scan:
            raise typer.BadParameter("- needs --barcode", param_hint="--certificate")
        given = Scanned(shown_document(document, number, iin))
    elif document is not None or iin is not None:
        raise typer.BadParameter("the document is scanned, not typed too", param_hint="--barcode")
    else:
        from hardware.barcode import BarcodeReader

        with closing(BarcodeReader(barcode)) as reader:
            given = scanned(reader, number=number, certificate=to_scan, wait_s=wait_s, say=_say)
    if certificate is None or to_scan:
        return given
    if given.certificate is not None:
        raise ConsoleError("one certificate was scanned and one is a file: give one of them")
    return replace(given, certificate=certificate.read_bytes())


def _say(text: str) -> None:
    stderr.print(text, soft_wrap=True, markup=False, highlight=False)


def scanned(
    reader: Reader,
    *,
    number: str | None,
    certificate: bool,
    wait_s: float,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Scanned:
    """Wait for a document, and for a certificate where one is to be scanned, in any order.

    Args:
        number: the document's number, typed: then a code with an IIN is enough.
        certificate: wait for a certificate too; one scanned before the document counts anyway.
        say: told what is waited for, and what was no use; never a code's text.

    Raises:
        ConsoleError: nothing came in time, or two codes are of two people.
        LinkError: the reader's port is gone.
    """
    from hardware.barcode import BarcodeError

    say("Scan the document." if not certificate else "Scan the document and the certificate.")
    end_s = clock() + wait_s
    found = Scanned()
    while found.document is None or (certificate and found.certificate is None):
        what = "document" if found.document is None else "certificate"
        try:
            scan = reader.scan(max(0.0, end_s - clock()))
            if scan is None:
                raise ConsoleError(
                    f"no {what} was scanned at {reader.port} within {wait_s:.0f} s: nothing was "
                    "done; begin again"
                )
            found = _taken(found, scan.text, number)
        except (BarcodeError, DocumentError, RequestError) as error:
            say(str(error))
    return found


def _taken(before: Scanned, text: str, number: str | None) -> Scanned:
    """What is known with this code. Raises DocumentError, RequestError, ConsoleError."""
    if text.startswith(PREFIX):
        data = read_certificate_code(text)
        if before.certificate not in (None, data):
            raise ConsoleError("two certificates were scanned: nothing was done; begin again")
        return replace(before, certificate=data)
    if _IIN.fullmatch(text):
        if number is None:
            raise DocumentError(
                "the code is an IIN alone: scan the document's line, or begin again with --number"
            )
        document = typed(number, text)
    else:
        document = read_line(text)
        if number not in (None, document.number):
            raise ConsoleError("the document scanned has another number than the one typed")
    if before.document not in (None, document):
        raise ConsoleError("two documents were scanned: nothing was done; begin again")
    return replace(before, document=document)

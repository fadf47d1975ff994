"""An absentee certificate's code as a picture to print beside its text."""

from __future__ import annotations

import io

import segno

from firmware_sim.pollbook.certificate_code import certificate_code

#: Dots a module: 0.5 mm at 300 dpi, which desk readers and phones resolve.
_MODULE_DOTS = 6
_DPI = 300


def certificate_picture(data: bytes) -> bytes:
    """PNG of a QR code that holds the certificate's file, whole and signed.

    Raises:
        RequestError: it is too long for one code.
    """
    # The lowest level: the check sum of the content finds what a repair would have to.
    symbol = segno.make_qr(certificate_code(data), error="l", mode="alphanumeric")
    out = io.BytesIO()
    symbol.save(out, kind="png", scale=_MODULE_DOTS, dpi=_DPI)
    return out.getvalue()

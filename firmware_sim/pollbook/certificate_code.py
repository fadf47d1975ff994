"""An absentee certificate as the text of one code, and back: pure, no images here.

`BBAC1/` and base 45 (RFC 9285) of the zlib stream of the certificate's file, whole and signed:
letters and figures of QR's alphanumeric set, so that a reader types the certificate itself
and not only its number. A file of 1.5 KB is some 1,600 characters. The signature is what is
believed; the code is only a way for the file to come.
"""

from __future__ import annotations

import zlib

from firmware_sim.pollbook.errors import RequestError
from firmware_sim.pollbook.signing import MAX_DOCUMENT_BYTES
from firmware_sim.summary_code import base45, unbase45

PREFIX = "BBAC1/"
#: What one QR code holds at its lowest level (ISO/IEC 18004: 40-L, alphanumeric).
MAX_CODE = 4296


def certificate_code(data: bytes) -> str:
    """The code's text of a certificate's file.

    Raises:
        RequestError: it is too long for one code.
    """
    text = PREFIX + base45(zlib.compress(data, 9))
    if len(text) > MAX_CODE:
        raise RequestError(
            f"the certificate's code would have {len(text)} characters, one code holds {MAX_CODE}: "
            "use the file itself"
        )
    return text


def read_certificate_code(text: str) -> bytes:
    """The certificate's file; nothing of it is trusted yet (`papers.open_certificate`).

    Raises:
        RequestError: the text is none, or was hurt on its way.
    """
    hurt = RequestError("the code is no absentee certificate, or was read wrongly: scan it again")
    if not text.startswith(PREFIX) or len(text) > MAX_CODE:
        raise hurt
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(unbase45(text.removeprefix(PREFIX)), MAX_DOCUMENT_BYTES)
    except (ValueError, zlib.error) as error:
        raise hurt from error
    if not stream.eof or stream.unused_data:
        raise hurt
    return data

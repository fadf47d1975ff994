"""The one form of a signed zip, byte by byte: stored, sorted by name, fixed times, nothing else.

Written and read with `struct` as a nation has tens of thousands of them; stock tools read it
(PKWARE's APPNOTE, 4.3). A file that `read` gives was rebuilt from its parts and compared, so
that no header, comment or gap can differ.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
#: Version needed to extract: 2.0; made by: the same, on Unix.
_VERSION, _UNIX = 20, 3 << 8
#: 1980-01-01T00:00 in MS-DOS form.
_TIME, _DATE = 0, 0x21
#: A regular file, mode 0644, in the upper half.
_MODE = 0o100644 << 16

_LOCAL_REST = struct.Struct("<HHHHHIIIHH")
_CENTRAL_REST = struct.Struct("<HHHHHHIIIHHHHHII")
_END_REST = struct.Struct("<HHHHIIH")
#: From the check sum to the lengths of name and extra field in a local header.
_SIZES = struct.Struct("<4xIIHH")


def write(files: Mapping[str, bytes]) -> bytes:
    """The zip of these files; names are ASCII, together under 4 GiB."""
    parts: list[bytes] = []
    directory: list[bytes] = []
    at = 0
    for name in sorted(files):
        content, encoded = files[name], name.encode("ascii")
        size, crc = len(content), zlib.crc32(content)
        local = _LOCAL_REST.pack(_VERSION, 0, 0, _TIME, _DATE, crc, size, size, len(encoded), 0)
        parts += (_LOCAL, local, encoded, content)
        central = _CENTRAL_REST.pack(
            _UNIX | _VERSION,
            _VERSION,
            0,
            0,
            _TIME,
            _DATE,
            crc,
            size,
            size,
            len(encoded),
            0,
            0,
            0,
            0,
            _MODE,
            at,
        )
        directory += (_CENTRAL, central, encoded)
        at += 30 + len(encoded) + size
    whole = b"".join(directory)
    end = _END_REST.pack(0, 0, len(files), len(files), len(whole), at, 0)
    return b"".join((*parts, whole, _END, end))


def read(data: bytes) -> dict[str, bytes] | None:
    """The files of a zip in the one form; None: it is not, for whatever reason."""
    files: dict[str, bytes] = {}
    at = 0
    try:
        while data[at : at + 4] == _LOCAL:
            size, _, length, extra = _SIZES.unpack_from(data, at + 14)
            start = at + 30 + length + extra
            files[data[at + 30 : at + 30 + length].decode("ascii")] = data[start : start + size]
            at = start + size
        return files if write(files) == data else None
    except (struct.error, ValueError):
        return None

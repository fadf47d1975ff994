"""What libtiff says while Pillow decodes with it: heard here instead of on stderr.

libtiff reports a broken fax or LZW line to its process-wide error handler (by default a
line on stderr) and then goes on with whatever it has; Pillow hands the picture on as if
nothing had happened. A handler of our own, set through the very library Pillow loaded,
turns such a report into a refusal. Where that library cannot be found (another platform
or build) pages are decoded as Pillow does, with libtiff's lines on stderr.
Source: libtiff, TIFFError(3tiff): TIFFErrorHandler(module, format, va_list).
"""

from __future__ import annotations

import ctypes
import threading
from functools import cache
from pathlib import Path
from typing import Any

from PIL import features

_MAPS = Path("/proc/self/maps")
_heard = threading.local()

# The list of values is opaque: a pointer on x86-64 and AArch64; only the module is read.
_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)


class TiffReports:
    """Context that collects libtiff's error reports of this thread."""

    def __init__(self) -> None:
        self._places: list[str] = []

    def __enter__(self) -> TiffReports:
        _listen()
        _heard.places = self._places
        return self

    def __exit__(self, *_: object) -> None:
        _heard.places = None

    @property
    def first(self) -> str | None:
        """Where the first report came from ("Fax4Decode", …); None while there is none."""
        return self._places[0] if self._places else None


def _report(module: bytes | None, _format: bytes | None, _values: int | None) -> None:
    places = getattr(_heard, "places", None)
    if places is not None and len(places) < 10:
        places.append((module or b"libtiff").decode("ascii", "replace"))


#: Kept for the life of the process: libtiff holds its address.
_on_error = _HANDLER(_report)


@cache
def _listen() -> Any:
    """Set the handler once; gives the library (kept alive) or None."""
    if not features.check("libtiff"):
        return None
    try:
        lines = _MAPS.read_text(encoding="utf-8").splitlines()
        loaded = {line.split()[-1] for line in lines if "libtiff" in line.rsplit("/", 1)[-1]}
        # Two different ones in a process: which is Pillow's cannot be told from here.
        if len(loaded) != 1:
            loaded = {path for path in loaded if "pillow" in path.lower()}
        library = ctypes.CDLL(loaded.pop())
        library.TIFFSetErrorHandler.restype = ctypes.c_void_p
        library.TIFFSetErrorHandler(_on_error)
    except (OSError, KeyError, AttributeError, UnicodeDecodeError):
        return None
    return library

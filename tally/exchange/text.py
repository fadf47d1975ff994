"""Text files of other systems, a block at a time, in an encoding that is never guessed.

A byte order mark says UTF-8, UTF-16 or UTF-32; without one the text is UTF-8, or what the
user names (`--encoding cp1251`). Bytes that are none end in an error that says where: a
guessed encoding would turn names into other names.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from tally.exchange.errors import ExchangeError

#: Bytes read at a time.
BLOCK: Final = 1 << 18
#: UTF-32 first: its mark begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def text_blocks(stream: BinaryIO, name: str, encoding: str | None = None) -> Iterator[str]:
    """The text of a binary stream, without its mark; `name` is what messages call it.

    Raises:
        ExchangeError: an unknown encoding, bytes that are not of it, or a file that looks like
            another one; names the line.
    """
    head = stream.read(BLOCK)
    mark, found = next(((m, e) for m, e in _MARKS if head.startswith(m)), (b"", None))
    chosen = _known(encoding, name) if encoding is not None else (found or "utf-8")
    if found is not None:
        chosen = found
        head = head[len(mark) :]
    elif encoding is None and b"\0" in head[:4096]:
        raise ExchangeError(
            f"{name}: byte {head.index(0)}: has zero bytes as UTF-16 does. "
            "Save it as UTF-8, or name its encoding (--encoding utf-16-le)"
        )
    decoder = codecs.getincrementaldecoder(chosen)("strict")
    line, block = 1, head
    while True:
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line += error.object[: error.start].count(b"\n")
            if not block:
                raise ExchangeError(
                    f"{name}: line {line}: ends in the middle of a letter: it was cut short. "
                    "Ask for the whole file"
                ) from error
            raise ExchangeError(
                f"{name}: line {line}: is not {chosen.upper()} text "
                f"(byte {error.object[error.start]:#04x}). Save it as UTF-8, or name its encoding "
                "(--encoding cp1251, for Windows in Cyrillic)"
            ) from error
        if text:
            yield text
            line += text.count("\n")
        if not block:
            return
        block = stream.read(BLOCK)


def file_blocks(path: Path, encoding: str | None = None) -> Iterator[str]:
    """`text_blocks` of a file. Raises ExchangeError, also where it cannot be read."""
    try:
        with path.open("rb") as stream:
            yield from text_blocks(stream, path.name, encoding)
    except OSError as error:
        raise ExchangeError(
            f"{path}: cannot be read: {error.strerror or error}. Check the path"
        ) from error


def text_lines(blocks: Iterator[str]) -> Iterator[str]:
    """Lines with their ends, of blocks, as `csv.reader` takes them."""
    rest = ""
    for block in blocks:
        *lines, rest = (rest + block).split("\n")
        for line in lines:
            yield f"{line}\n"
    if rest:
        yield rest


def _known(encoding: str, name: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise ExchangeError(
            f"{name}: encoding {encoding[:40]!r} is not known. Use utf-8, utf-16-le or cp1251"
        ) from error

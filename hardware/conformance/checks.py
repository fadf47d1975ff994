"""The checks, one a rule (docs/protocol.md has the numbers): what is asked, what must come.

A check begins with no sheet held and moves as many as it needs. Each looks at its own rule
alone, so that a scanner with one fault fails one check.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from cobs import cobs

from hardware.conformance.probe import FailedError, NotRunError, Probe
from hardware.framing import DELIMITER, MAX_PAYLOAD, Frame, encode_frame
from hardware.interface import PaperPlace
from hardware.messages import (
    MAX_BLOCK,
    NONCE_BYTES,
    TOKEN_BYTES,
    Act,
    BlockRequest,
    ErrorCode,
    FeedReply,
    Hello,
    Kind,
    LastToken,
)

#: Sheets that a whole run takes from the tray.
SHEETS = 30
#: The tray is emptied at the end if no more than so many sheets are left.
_MOST_LEFT = 60
_SHORT_REQUESTS = 20
_SHORT = (
    Kind.HELLO, Kind.STATUS, Kind.LAST_TOKEN,
    Kind.CAPABILITIES, Kind.BEGIN_BATCH, Kind.END_BATCH, Kind.BATCH,
)  # fmt: skip
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"%PDF-")


@dataclass(frozen=True, slots=True)
class Check:
    """`id` begins with its rule's number; `make` raises FailedError or NotRunError, and may
    give a figure."""

    id: str
    title: str
    make: Callable[[Probe], str | None]

    @property
    def rule(self) -> str:
        """The rule's number in docs/protocol.md."""
        return self.id.partition(".")[0]


def new_token() -> bytes:
    """A token of this run."""
    return secrets.token_bytes(TOKEN_BYTES)


def must(holds: bool, otherwise: str) -> None:
    """Raises FailedError where it does not hold."""
    if not holds:
        raise FailedError(otherwise)


def _status_frame(probe: Probe, version: int = 1) -> bytes:
    return encode_frame(Frame(Kind.STATUS, probe.next_sequence(), b"", version))


def _stuffed(data: bytes) -> bytes:
    return bytes(cobs.encode(data)) + DELIMITER


# --- Frames -----------------------------------------------------------------------------------


def _crc(probe: Probe) -> None:
    body = struct.pack(">BBH", 1, Kind.STATUS, probe.next_sequence())
    wrong = _stuffed(body + struct.pack(">I", zlib.crc32(body) ^ 1))
    probe.silent(wrong, "a frame with a wrong check sum")


def _not_cobs(probe: Probe) -> None:
    wire = bytearray(_status_frame(probe))
    at = 0
    while at + wire[at] < len(wire) - 1:
        at += wire[at]
    wire[at] += 1  # the last group says one byte more than there is
    probe.silent(bytes(wire), "a frame that is not COBS")


def _too_short(probe: Probe) -> None:
    body = struct.pack(">BBB", 1, Kind.STATUS, 7)
    probe.silent(_stuffed(body + struct.pack(">I", zlib.crc32(body))), "a frame of 7 bytes")


def _too_long(probe: Probe) -> None:
    head = struct.pack(">BBH", 1, Kind.STATUS, probe.next_sequence())
    body = head + b"x" * (MAX_PAYLOAD + 1)
    wire = _stuffed(body + struct.pack(">I", zlib.crc32(body)))
    probe.silent(wire, f"a frame with {MAX_PAYLOAD + 1} bytes of payload")


def _noise(probe: Probe) -> None:
    noise = bytes(secrets.randbelow(255) + 1 for _ in range(300))
    probe.silent(noise + DELIMITER, "300 bytes of noise")


def _half(probe: Probe) -> None:
    wire = _status_frame(probe)
    probe.silent(wire[: len(wire) // 2] + DELIMITER, "half a frame")


def _zeros(probe: Probe) -> None:
    probe.silent(bytes(64), "64 zeros")


def _byte_by_byte(probe: Probe) -> None:
    number = probe.next_sequence()
    for byte in encode_frame(Frame(Kind.STATUS, number)):
        probe.send(bytes([byte]))
    probe.answer_to(Kind.STATUS, number)


# --- Versions ---------------------------------------------------------------------------------


def _greeting(probe: Probe) -> str:
    nonce = secrets.token_bytes(NONCE_BYTES)
    hello = Hello.unpack(probe.ask(Kind.HELLO, nonce))
    must(hello.nonce == nonce, "the nonce was not repeated")
    must(1 in hello.versions, f"versions {hello.versions} are named, without 1")
    must(bool(hello.model and hello.firmware), "model or firmware is empty")
    return f"versions {', '.join(map(str, hello.versions))}"


def _other_version(probe: Probe) -> None:
    named = Hello.unpack(probe.ask(Kind.HELLO, bytes(NONCE_BYTES))).versions
    other = next(v for v in range(2, 256) if v not in named)
    probe.silent(_status_frame(probe, version=other), f"a request of version {other}")


def _greeted_anew(probe: Probe) -> None:
    number = probe.next_sequence()
    for nonce in (b"A" * NONCE_BYTES, b"B" * NONCE_BYTES):
        reply = probe.request(Kind.HELLO, nonce, number)
        must(reply.payload[:NONCE_BYTES] == nonce, "an old greeting was answered again")


# --- Requests ---------------------------------------------------------------------------------


def _sequences(probe: Probe) -> None:
    for number in (0, 1, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0):
        probe.request(Kind.STATUS, b"", number)


def _repeat_feed(probe: Probe) -> None:
    number = probe.next_sequence()
    first = probe.request(Kind.FEED, b"", number)
    if first.type != Kind.ERROR and not FeedReply.unpack(first.payload).sides:
        raise NotRunError("the tray was empty")
    for _ in range(2):
        again = probe.request(Kind.FEED, b"", number)
        must(again == first, "a repeated FEED was answered otherwise")


def _repeat_accept(probe: Probe) -> None:
    probe.hold()
    box, token, number = probe.status().box_count, new_token(), probe.next_sequence()
    first = probe.request(Kind.ACCEPT, token, number)
    again = probe.request(Kind.ACCEPT, token, number)
    must(again == first, "a repeated ACCEPT was answered otherwise")
    must(probe.status().box_count <= box + 1, "a repeated ACCEPT was acted on twice")


def _repeat_return(probe: Probe) -> None:
    probe.hold()
    token, number = new_token(), probe.next_sequence()
    first = probe.request(Kind.RETURN, token, number)
    again = probe.request(Kind.RETURN, token, number)
    must(again == first, "a repeated RETURN was answered otherwise")


def _unknown_types(probe: Probe) -> None:
    for kind in (0x00, 0x08, 0x40, 0x7D):
        probe.refused(kind, b"", ErrorCode.UNKNOWN_COMMAND)


def _replies_are_no_requests(probe: Probe) -> None:
    wire = encode_frame(Frame(Kind.STATUS | 0x80, probe.next_sequence()))
    probe.silent(wire, "a frame that is itself a reply")


def _wrong_lengths(probe: Probe) -> None:
    bad = ErrorCode.BAD_PAYLOAD
    for kind in (Kind.STATUS, Kind.LAST_TOKEN, Kind.FEED):
        probe.refused(kind, b"\0", bad, f"{kind.name} with a byte of payload")
    probe.refused(Kind.HELLO, bytes(NONCE_BYTES - 1), bad, "HELLO with a nonce too short")
    probe.hold()
    probe.refused(Kind.IMAGE_BLOCK, bytes(8), bad, "IMAGE_BLOCK a byte too short")
    for kind in (Kind.ACCEPT, Kind.RETURN):
        for size in (0, TOKEN_BYTES - 1, TOKEN_BYTES + 1):
            probe.refused(kind, bytes(size), bad, f"{kind.name} with a token of {size} bytes")
    probe.block(0, 0, 1)  # still held


# --- Images -----------------------------------------------------------------------------------


def _in_order(probe: Probe, side: int, length: int, size: int = MAX_BLOCK) -> bytes:
    starts = range(0, length, size)
    return b"".join(probe.block(side, at, min(size, length - at)) for at in starts)


def _whole(probe: Probe) -> str:
    sides = probe.hold().sides
    for number, side in enumerate(sides):
        image = _in_order(probe, number, side.length)
        right = hashlib.sha256(image).digest() == side.sha256
        must(right, f"the image of side {number + 1} is not of the announced SHA-256")
    return f"{sum(side.length for side in sides)} bytes, sides: {len(sides)}"


def _form(probe: Probe) -> None:
    for number, side in enumerate(probe.hold().sides):
        start = probe.block(number, 0, min(8, side.length))
        known = any(start.startswith(magic) for magic in _IMAGES)
        must(known, f"side {number + 1} is no PNG, JPEG, TIFF or PDF: it begins {start.hex()}")


def _any_order(probe: Probe) -> None:
    length = probe.hold().sides[0].length
    image = _in_order(probe, 0, length)
    size = max(1, min(4099, length // 3))
    parts = {at: probe.block(0, at, min(size, length - at)) for at in range(0, length, size)[::-1]}
    must(b"".join(parts[at] for at in sorted(parts)) == image, "blocks backwards were others")


def _block_again(probe: Probe) -> None:
    size = min(1000, probe.hold().sides[0].length)
    must(probe.block(0, 0, size) == probe.block(0, 0, size), "a block was another one again")


def _ranges(probe: Probe) -> None:
    sides = probe.hold().sides
    length = sides[0].length
    for request, what in (
        (BlockRequest(0, length, 1), "a block after the image"),
        (BlockRequest(0, length - 1, 2), "a block that ends after the image"),
        (BlockRequest(0, 0, 0), "an empty block"),
        (BlockRequest(0, 0, MAX_BLOCK + 1), "a block that is too long"),
        (BlockRequest(0, 0xFFFFFFFF, 1), "a block at the highest offset"),
        (BlockRequest(len(sides), 0, 1), "a block of a side that is not there"),
        (BlockRequest(255, 0, 1), "a block of side 256"),
    ):
        probe.refused(Kind.IMAGE_BLOCK, request.pack(), ErrorCode.BAD_RANGE, what)


def _no_sheet_no_block(probe: Probe) -> None:
    request = BlockRequest(0, 0, 1).pack()
    probe.refused(Kind.IMAGE_BLOCK, request, ErrorCode.NO_SHEET, "a block while no sheet is held")


def _image_after_break(probe: Probe) -> None:
    sides = probe.hold().sides
    length = sides[0].length
    image = probe.block(0, 0, min(MAX_BLOCK, length // 2 or 1))
    probe.reopen()
    must(probe.hold().sides == sides, "after a broken link FEED names other images")
    while len(image) < length:
        image += probe.block(0, len(image), min(MAX_BLOCK, length - len(image)))
    probe.let_go()


# --- Paper ------------------------------------------------------------------------------------


def _feed_again(probe: Probe) -> None:
    first = probe.hold()
    again = FeedReply.unpack(probe.ask(Kind.FEED))
    must(again == first, "FEED while a sheet is held names another sheet, or none")


def _places(probe: Probe) -> None:
    for kind, place in ((Kind.ACCEPT, PaperPlace.IN_BOX), (Kind.RETURN, PaperPlace.RETURNED)):
        probe.hold()
        seen = probe.status().place
        must(seen is PaperPlace.HELD, f"a held sheet's place is told as {seen}")
        probe.ask(kind, new_token())
        seen = probe.status().place
        must(seen is place, f"after {kind.name} the place is told as {seen}")


def _accept(probe: Probe) -> None:
    probe.hold()
    before, token = probe.status().box_count, new_token()
    reply = LastToken.unpack(probe.ask(Kind.ACCEPT, token))
    must(reply == LastToken(Act.ACCEPTED, token), "ACCEPT was confirmed as something else")
    after = probe.status().box_count
    must(after == before + 1, f"{before} sheets were in the box, after ACCEPT {after}")


def _return(probe: Probe) -> None:
    probe.hold()
    before, token = probe.status().box_count, new_token()
    reply = LastToken.unpack(probe.ask(Kind.RETURN, token))
    must(reply == LastToken(Act.RETURNED, token), "RETURN was confirmed as something else")
    after = probe.status().box_count
    must(after == before, f"{before} sheets were in the box, after RETURN {after}")


def _token_again(probe: Probe) -> None:
    probe.hold()
    token = new_token()
    probe.ask(Kind.ACCEPT, token)
    probe.hold()
    reply = LastToken.unpack(probe.ask(Kind.ACCEPT, token))
    must(reply == LastToken(Act.ACCEPTED, token), "a token told again was not confirmed")
    _still_held(probe, "a token told again moved the next sheet")


def _other_act(probe: Probe) -> None:
    for kind, other in ((Kind.ACCEPT, Kind.RETURN), (Kind.RETURN, Kind.ACCEPT)):
        probe.hold()
        token = new_token()
        probe.ask(kind, token)
        probe.hold()
        probe.refused(other, token, ErrorCode.TOKEN_USED, f"{other.name} of a token of {kind.name}")
        _still_held(probe, "a token for the other act moved the sheet")
        probe.let_go()


def _still_held(probe: Probe, otherwise: str) -> None:
    reply = probe.request(Kind.IMAGE_BLOCK, BlockRequest(0, 0, 1).pack())
    must(reply.type != Kind.ERROR, otherwise)


def _nothing_held(probe: Probe) -> None:
    for kind in (Kind.ACCEPT, Kind.RETURN):
        probe.refused(kind, new_token(), ErrorCode.NO_SHEET, f"{kind.name} while no sheet is held")


def _last_token(probe: Probe) -> None:
    probe.hold()
    token = new_token()
    probe.ask(Kind.ACCEPT, token)
    probe.reopen()
    last = LastToken.unpack(probe.ask(Kind.LAST_TOKEN))
    must(last == LastToken(Act.ACCEPTED, token), "after a broken link LAST_TOKEN is another")
    status = probe.status()
    must((status.token, status.last_act) == (token, Act.ACCEPTED), "STATUS tells another token")


def _held_after_break(probe: Probe) -> None:
    probe.hold()
    probe.reopen()
    seen = probe.status().place
    must(seen is PaperPlace.HELD, f"after a broken link the held sheet is told as {seen}")


def _empty_tray(probe: Probe) -> str:
    for number in range(_MOST_LEFT):
        if not FeedReply.unpack(probe.ask(Kind.FEED)).sides:
            return f"{number} sheets were left"
        probe.let_go()
    raise NotRunError(f"more than {_MOST_LEFT} sheets were left in the tray")


# --- Times ------------------------------------------------------------------------------------


def _within(probe: Probe, kinds: tuple[Kind, ...], limit_s: float) -> str:
    times = [t for kind in kinds for t in probe.times.answers.get(kind, ())]
    if not times:
        raise NotRunError("none was answered")
    worst = max(times)
    told = f"longest of {len(times)}: {1000 * worst:.1f} ms"
    must(worst <= limit_s, f"{told}, over {limit_s:g} s")
    return told


def _short_times(probe: Probe) -> str:
    for _ in range(_SHORT_REQUESTS):
        probe.ask(Kind.STATUS)
        probe.ask(Kind.LAST_TOKEN)
    return _within(probe, _SHORT, probe.limits.short_s)


def _feed_times(probe: Probe) -> str:
    return _within(probe, (Kind.FEED, Kind.NEXT), probe.limits.feed_s)


def _settle_times(probe: Probe) -> str:
    return _within(probe, (Kind.ACCEPT, Kind.RETURN, Kind.OUTSTACK), probe.limits.settle_s)


def _block_times(probe: Probe) -> str:
    told = _within(probe, (Kind.IMAGE_BLOCK,), probe.limits.block_s)
    worst = max(probe.times.pauses)
    must(worst <= probe.limits.pause_s, f"{worst:.2f} s passed without a byte of a block")
    return f"{told}; longest pause {1000 * worst:.1f} ms"


CHECKS: tuple[Check, ...] = (
    Check("F1.crc", "A frame with a wrong check sum is dropped", _crc),
    Check("F2.cobs", "A frame that is not COBS is dropped", _not_cobs),
    Check("F3.short", "A frame that is too short is dropped", _too_short),
    Check("F3.long", "A frame that is too long is dropped", _too_long),
    Check("F4.noise", "A request after noise is answered", _noise),
    Check("F4.half", "A request after half a frame is answered", _half),
    Check("F5.zeros", "Zeros between frames are no damage", _zeros),
    Check("F6.split", "A request that comes byte by byte is answered", _byte_by_byte),
    Check("V1.greeting", "HELLO repeats the nonce and names the versions", _greeting),
    Check("V3.other", "A frame of a version that was not named is dropped", _other_version),
    Check("V4.anew", "HELLO is always answered anew", _greeted_anew),
    Check("L2.sequence", "Answers have their request's type and sequence", _sequences),
    Check("L3.feed", "A repeated FEED is answered the same", _repeat_feed),
    Check("L3.accept", "A repeated ACCEPT is acted on once, answered the same", _repeat_accept),
    Check("L3.return", "A repeated RETURN is acted on once, answered the same", _repeat_return),
    Check("L4.unknown", "Unknown types are refused", _unknown_types),
    Check("L5.reply", "A frame that is itself a reply is dropped", _replies_are_no_requests),
    Check("L6.length", "Payloads of a wrong length are refused and nothing done", _wrong_lengths),
    Check("I1.digest", "The blocks are the image that was announced", _whole),
    Check("I2.form", "Images are PNG, JPEG, TIFF or PDF", _form),
    Check("I3.order", "Blocks come in any order and size", _any_order),
    Check("I4.again", "A block comes again the same", _block_again),
    Check("I5.range", "Blocks out of range are refused", _ranges),
    Check("I5.none", "Blocks are refused while no sheet is held", _no_sheet_no_block),
    Check("I6.resume", "An image goes on after a broken link", _image_after_break),
    Check("P1.again", "FEED names the held sheet again", _feed_again),
    Check("P2.place", "STATUS tells where the sheet is", _places),
    Check("P3.accept", "ACCEPT puts the sheet into the box", _accept),
    Check("P4.return", "RETURN leaves the box as it was", _return),
    Check("P5.token", "A token told again only confirms", _token_again),
    Check("P6.other", "A token for the other act is refused", _other_act),
    Check("P7.none", "No act without a held sheet", _nothing_held),
    Check("P8.token", "The last token is kept through a broken link", _last_token),
    Check("P9.held", "A held sheet stays held through a broken link", _held_after_break),
    Check("T1.short", "HELLO, STATUS and LAST_TOKEN are answered in time", _short_times),
    Check("T2.feed", "FEED is answered in time", _feed_times),
    Check("T3.block", "Blocks come in time and without a pause", _block_times),
    Check("T4.settle", "ACCEPT and RETURN are answered in time", _settle_times),
    Check("P1.empty", "FEED names no side when the tray is empty", _empty_tray),
)

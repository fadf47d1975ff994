"""The doors through which a peer's bytes come in, each with good inputs to begin from.

A new driver's parser is one more `Door` here: `parse(bytes)`, no port and no process.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpcore
import httpx
import numpy as np
from PIL import Image

from hardware import address, batch_messages, escl, marksense, messages, recording, sane, watched
from hardware.errors import HardwareError
from hardware.framing import Frame, decode_frame
from hardware.marksense.grammar import framed, sheet_text
from hardware.marksense.loading import BUILT_IN
from hardware.replay import Replay
from hardware.simulated.escl import EsclSimulator

FRAMES = Path(__file__).resolve().parent.parent / "vectors" / "frames.json"
UNPACKERS: tuple[Callable[[bytes], object], ...] = (
    messages.Hello.unpack,
    messages.Status.unpack,
    messages.FeedReply.unpack,
    messages.BlockRequest.unpack,
    messages.LastToken.unpack,
    messages.ErrorReply.unpack,
    messages.Event.unpack,
    messages.unpack_token,
    batch_messages.unpack_capabilities,
    batch_messages.BeginBatch.unpack,
    batch_messages.unpack_batch_id,
    batch_messages.unpack_batch_state,
    batch_messages.NextReply.unpack,
)


@dataclass(frozen=True, slots=True)
class Door:
    """`parse` gives a value or raises a HardwareError; `seeds` are inputs it takes, `words`
    what its language is made of; `share` of the inputs."""

    name: str
    parse: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    share: int = 10


def _golden() -> tuple[bytes, ...]:
    vectors = json.loads(FRAMES.read_text(encoding="utf-8"))
    return tuple(bytes.fromhex(case["hex"]) for case in vectors["good"])


# --- Our link ---------------------------------------------------------------------------------


def _message(payload: bytes) -> None:
    """All payloads; the last refusal is the door's."""
    refusals = []
    for unpack in UNPACKERS:
        try:
            unpack(payload)
        except HardwareError as error:
            refusals.append(error)
    if len(refusals) == len(UNPACKERS):
        raise refusals[-1]


def _recorded(data: bytes) -> None:
    """A recording's file: read, each frame described, played back."""
    seen = recording.parse_recording(data)
    for one in seen:
        recording.describe(one)
    player = Replay(seen)
    for one in seen[:4]:
        if one.sender == "device" and (frame := one.frame) is not None:
            player.answer(frame)
    player.answer(Frame(2, 7))


def _recordings() -> tuple[bytes, ...]:
    seen = [
        recording.Seen(number / 8, "scanner" if wire[2] & 0x80 else "device", wire)
        for number, wire in enumerate(_golden())
        if len(wire) < 200
    ]
    files = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.jsonl", "a.pcapng"):
            writer = recording.RecordingWriter(Path(folder) / name)
            for one in seen:
                writer.add(one)
            writer.close()
            files.append((Path(folder) / name).read_bytes())
    lines = files[0].splitlines(keepends=True)
    # Short ones too: a hit in a long file is mostly in its hexadecimal.
    return (*files, lines[0] + lines[1], b"".join(lines[:4]), files[1][:120])


# --- Others' ----------------------------------------------------------------------------------


def _xml(data: bytes) -> None:
    status = escl.parse_status(data)
    assert isinstance(status.loaded, bool)
    escl.parse_capabilities(data)


def _xml_seeds() -> tuple[bytes, ...]:
    with EsclSimulator([]) as scanner:
        plain = (scanner.status(), scanner.capabilities())
    laughs = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>'
    head = b'<?xml version="1.0" encoding="utf-8"?>'
    wide = '<?xml version="1.0" encoding="utf-16"?>' + plain[0].decode()
    return (*plain, head + plain[0], head + laughs, wide.encode("utf-16"))


class _Answers(httpcore.MockBackend):
    """A line on which these bytes come, answer by answer, however often it is opened."""

    def connect_tcp(self, *_: object, **__: object) -> httpcore.NetworkStream:
        return httpcore.MockStream(self._buffer)


class _Wire(httpx.HTTPTransport):
    def __init__(self, data: bytes) -> None:
        # The network below httpx, h11 and all, is real; only the cable is bytes.
        parts = re.split(rb"(?=HTTP/)", data)
        self._pool = httpcore.ConnectionPool(network_backend=_Answers([p for p in parts if p]))


def _http(data: bytes) -> None:
    """A whole stack of paper from a scanner that answers so."""
    settings = escl.EsclSettings("http://scanner/eSCL", page_s=0.4, busy_s=0.4)
    client = httpx.Client(transport=_Wire(data))
    with escl.EsclScanner(settings, client=client, sleep=lambda _: None) as scanner:
        for _ in range(3):
            if scanner.feed() is None:
                break


def _http_seeds() -> tuple[bytes, ...]:
    status = _xml_seeds()[0]
    created = b"HTTP/1.1 201 Created\r\nlocation: /eSCL/ScanJobs/1\r\ncontent-length: 0\r\n\r\n"
    page = b"HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: 5\r\n\r\n12345"
    parts = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n"
    gone = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
    told = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(status), status)
    busy = b"HTTP/1.1 503 Busy\r\nconnection: close\r\n\r\n"
    return (
        created + page + parts + gone + told + gone,
        created + page + gone + told.replace(b"ScannerAdfEmpty", b"ScannerAdfJam"),
        created + parts[:-4],
        busy,
        created.replace(b"/eSCL/", b"http://elsewhere/") + page,
    )


_SCANIMAGE = (
    b"Scanned page 1. (scanner status = 5)\nBatch terminated, 10 pages scanned\n",
    b"scanimage: sane_start: Document feeder jammed\n",
    b"scanimage: sane_read: Error during device I/O\nScanned page 3. (scanner status = 6)\n",
    b"test:0\tNoname\tfrontend-tester\tvirtual device\nnet:host:x\tA\tB\tflatbed scanner\n",
)


def _scanimage(data: bytes) -> None:
    text = data.decode(errors="replace")
    sane.parse_devices(text)
    lines = text.splitlines()
    for line in lines:
        status = sane.page_status(line)
        assert status is None or status >= 0
    sane.check_end("test", len(data) % 2, lines, len(lines))


_READERS = tuple(map(marksense.load_profile, ("sekonic-sr-430", "generic-ascii")))


class _Talk:
    """A line on which these bytes come, a line at each read, whatever is asked."""

    baudrate = 9600

    def __init__(self, data: bytes) -> None:
        self._lines = re.findall(rb"[^\x03\n]*[\x03\n]|[^\x03\n]+", data)[::-1]

    def write(self, data: bytes) -> None:
        return

    def read(self, timeout_s: float) -> bytes:
        # Nothing unasked, so that answers reach their questions.
        return self._lines.pop() if timeout_s and self._lines else b""

    def close(self) -> None:
        return


def _mark_lines(data: bytes) -> None:
    """Every line of both profiles; the last refusal is the door's."""
    refusal: HardwareError | None = None
    for profile in _READERS:
        splitter = marksense.LineSplitter(profile)
        for raw in splitter.feed(data):
            try:
                marksense.parse_line(profile, raw)
                refusal = None
            except HardwareError as error:
                refusal = error
        assert splitter.held <= 20_000
    if refusal is not None:
        raise refusal


def _mark_reader(data: bytes) -> None:
    """Whole readers that answer so, three sheets each; refused where both refuse."""
    refusals = []
    for profile in _READERS:
        driver = marksense.SerialMarkReader(partial(_Talk, data), profile)
        try:
            for _ in range(3):
                sheet = driver.feed()
                if sheet is None:
                    break
                assert sheet.levels.max(initial=0) <= profile.levels.most
        except HardwareError as error:
            refusals.append(error)
        assert len(driver.events()) <= 100
    if len(refusals) == len(_READERS):
        raise refusals[-1]


def _mark_seeds() -> tuple[bytes, ...]:
    rng = np.random.default_rng(4)
    sekonic, generic = _READERS
    talks = []
    for profile in _READERS:
        shape = (profile.sheet.columns, profile.sheet.lines)
        words = {reply.means: framed(profile, reply.text.encode()) for reply in profile.reply}
        words.setdefault(marksense.Meaning.NOTHING, b"")
        lines = []
        for number in (1, 2):
            levels = (rng.random(shape) < 0.02) * rng.integers(1, profile.levels.most, shape)
            text = sheet_text(profile, levels.astype(np.uint8), number)
            lines.append(framed(profile, text))
        talks.append((words, lines))
    (said, one), (told, two) = talks
    ok, empty = said[marksense.Meaning.OK], said[marksense.Meaning.EMPTY]
    good, end = told[marksense.Meaning.OK], told[marksense.Meaning.EMPTY]
    none = told[marksense.Meaning.NOTHING]
    assert sekonic.line.repeat == 2
    assert generic.line.repeat == 1
    return (
        ok + one[0] * 2 + ok + one[1] * 2 + empty * 2,
        ok + one[0] * 2 + empty * 3,
        good + none + two[0] + two[1] + end,
        good + none + end * 3,
    )


def _mark_profile(data: bytes) -> None:
    marksense.parse_profile(data.decode("utf-8", "replace"))


def _pictures() -> tuple[bytes, ...]:
    noise = np.random.default_rng(1).integers(0, 256, (12, 16), np.uint8)
    files = []
    for form in ("JPEG", "PNG", "TIFF", "PDF"):
        out = io.BytesIO()
        Image.fromarray(noise).save(out, form)
        files.append(out.getvalue())
    # Two pages whose directories lead to each other.
    ring = b"II*\0" + (8).to_bytes(4, "little") + (0).to_bytes(2, "little")
    ring += (14).to_bytes(4, "little") + (0).to_bytes(2, "little") + (8).to_bytes(4, "little")
    return (*files, b"MM\0*" + files[2][4:], ring)


def _port(data: bytes) -> None:
    address.parse_port(data.decode("latin-1"))


_PORTS = (
    b"/dev/ttyUSB0?baud=9600&rtscts=1",
    b"usb:0403:6001:A50285BI?baud=921600",
    b"socket://127.0.0.1:9999?logging=debug&baud=300",
    b"spy:///dev/ttyS0?file=log.txt&baud=9600",
    b"COM3",
)

DOORS = (
    Door(
        "messages",
        _message,
        tuple(decode_frame(wire[:-1]).payload or b"\0" for wire in _golden()),
        (b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x80"),
        share=30,
    ),
    Door(
        "recordings",
        _recorded,
        _recordings(),
        (b"[" * 3000, b'{"format":', b"1e999", b"9" * 5000, b"null", b"NaN", b"[]", b"{}", b'"',
         b"\n", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x06\0\0\0", b"device", b"scanner"),
        share=10,
    ),
    Door(
        "eSCL XML",
        _xml,
        _xml_seeds(),
        (b"<", b">", b"</", b"&x;", b"&#0;", b"<!DOCTYPE a>", b'encoding="big5"', b"<![CDATA[",
         b"xmlns:x=''", b"\xff\xfe", b"\xef\xbb\xbf", b"<a>" * 200, b"<?x?>", b"<!--"),
        share=15,
    ),
    Door(
        "eSCL over HTTP",
        _http,
        _http_seeds(),
        (b"\r\n", b"\r\n\r\n", b"location: //[", b"location: http://scanner:99999/", b": ",
         b"content-length: 9999999999\r\n", b"content-encoding: gzip\r\n", b"HTTP/1.1 503 \r\n\r\n",
         b"transfer-encoding: chunked\r\n", b"fffffffff\r\n", b"\0", b"HTTP/1.1 100 \r\n\r\n"),
        share=1,
    ),
    Door(
        "scanimage",
        _scanimage,
        _SCANIMAGE,
        (b"9" * 5000, b"\t", b"\n", b"\r", b"\xff", b"scanimage:", b"(scanner status = ",
         "٣".encode(), b"Batch terminated"),
        share=15,
    ),
    Door(
        "mark-sense lines",
        _mark_lines,
        _mark_seeds(),
        (b"\x02", b"\x03", b"\r", b"\r\n", b"\n", b"0" * 3000, b" \r" * 300, b"9@", b"#", b"/",
         b"\xff", b"\0", b"P", b"B"),
        share=10,
    ),
    Door(
        "mark-sense reader",
        _mark_reader,
        _mark_seeds(),
        (b"\x02", b"\x03", b"\x020\x03", b"\x02B\x03", b"\x02P\x03", b"\r\n", b"9@", b"\xff"),
        share=2,
    ),
    Door(
        "mark-sense profiles",
        _mark_profile,
        tuple(path.read_bytes() for path in sorted(BUILT_IN.glob("*.toml"))),
        (b'"', b"[", b"]", b"=", b"\n", b"[[reply]]\n", b"[map]\n", b"1e999", b"9" * 5000,
         b"[" * 200, b"{", b"}", b"'''", b"\xff", b"inf", b"1979-05-27", b"true"),
        share=1,
    ),
    Door(
        "watched files",
        watched.is_whole,
        _pictures(),
        (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff", b"II*\0", b"MM\0*", b"%%EOF", b"\xff\xd9"),
        share=15,
    ),
    Door(
        "ports",
        _port,
        _PORTS,
        (b"?", b"&", b"=", b"://", b"usb:", b"baud=", b"9" * 5000, b"\0", b"%", b"["),
        share=15,
    ),
)  # fmt: skip

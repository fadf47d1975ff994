"""The checks of version 2: batches, numbers on sheets, the pocket for outstacked ones.

Made where the scanner says that it has them. Each begins and ends a batch of its own on tray
1, with an id that was never used; where there is an imprinter its sheets are printed on.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from hardware.batch_messages import (
    BATCH_VERSION,
    BatchWord,
    BeginBatch,
    NextReply,
    pack_batch_id,
    unpack_batch_state,
)
from hardware.conformance.checks import CHECKS, Check, must, new_token
from hardware.conformance.probe import FailedError, NotRunError, Probe
from hardware.errors import LinkError
from hardware.imprint import USUAL_FORMAT, fill
from hardware.interface import BatchStage, BatchState, Capabilities, PaperPlace
from hardware.messages import Act, ErrorCode, Kind, LastToken
from hardware.messages import pack_text as text

#: Sheets that these checks take from tray 1, besides the others' `SHEETS`.
BATCH_SHEETS = 16
_OF_2 = (
    Kind.CAPABILITIES, Kind.BEGIN_BATCH, Kind.END_BATCH, Kind.BATCH, Kind.NEXT, Kind.OUTSTACK,
)  # fmt: skip
#: The checks of times and of the empty tray come last.
_LAST = 5


@dataclass(slots=True)
class _Batch:
    """An open batch of a check."""

    probe: Probe
    has: Capabilities
    begun: BeginBatch

    def ask(self, kind: Kind, payload: bytes = b"") -> BatchState:
        return unpack_batch_state(self.probe.ask(kind, payload))

    def next(self) -> NextReply:
        reply = NextReply.unpack(self.probe.ask(Kind.NEXT))
        if not reply.position:
            raise NotRunError("tray 1 was empty")
        return reply

    def settle(self, kind: Kind) -> bytes:
        token = new_token()
        self.probe.ask(kind, token)
        return token

    def end(self) -> BatchState:
        return self.ask(Kind.END_BATCH, pack_batch_id(self.begun.batch_id))

    def reopen(self) -> None:
        self.probe.reopen()
        self.probe.capabilities()


@contextmanager
def _batch(probe: Probe) -> Iterator[_Batch]:
    has = probe.capabilities()
    if not has.batches:
        raise NotRunError("the scanner has no batches")
    form = USUAL_FORMAT if has.imprinter else ""
    batch = _Batch(probe, has, BeginBatch(1, f"TEST-{secrets.token_hex(4)}", form))
    batch.ask(Kind.BEGIN_BATCH, batch.begun.pack())
    try:
        yield batch
    finally:
        with suppress(FailedError, LinkError):
            batch.reopen()
            probe.request(Kind.RETURN, new_token())
            probe.request(Kind.END_BATCH, pack_batch_id(batch.begun.batch_id))


def _capabilities(probe: Probe) -> str:
    for kind in _OF_2:
        probe.refused(kind, b"", ErrorCode.UNKNOWN_COMMAND, f"{kind.name} in version 1")
    has = probe.capabilities()
    must(has.batches, "no batches are told")
    return (
        f"{has.trays} trays, imprinter: {'yes' if has.imprinter else 'no'}, "
        f"outstack pocket: {'yes' if has.outstack else 'no'}"
    )


def _begin(probe: Probe) -> None:
    with _batch(probe) as batch:
        state = batch.ask(Kind.BATCH)
        begun = BeginBatch(state.tray, state.batch_id, state.imprint_format)
        must(state.stage is BatchStage.OPEN and begun == batch.begun, "BATCH tells another batch")
        again = batch.ask(Kind.BEGIN_BATCH, begun.pack())
        must(again == state, "BEGIN_BATCH of the open batch was not only confirmed")
        other = BeginBatch(1, f"{begun.batch_id}-2", begun.imprint_format).pack()
        _refused(batch, other, BatchWord.OPEN, "a second batch")
        batch.end()
        _refused(batch, begun.pack(), BatchWord.USED, "an ended batch's id")
        if batch.has.trays < 255:
            far = BeginBatch(batch.has.trays + 1, f"{begun.batch_id}-3", "").pack()
            _refused(batch, far, BatchWord.TRAY, "a tray that is not there")


def _refused(batch: _Batch, payload: bytes, word: BatchWord, what: str) -> None:
    batch.probe.refused(Kind.BEGIN_BATCH, payload, ErrorCode.BATCH, f"BEGIN_BATCH of {what}", word)


def _kept(probe: Probe) -> None:
    with _batch(probe) as batch:
        before = batch.ask(Kind.BATCH)
        batch.reopen()
        must(batch.ask(Kind.BATCH) == before, "after a broken link BATCH tells another batch")


def _next(probe: Probe) -> None:
    with _batch(probe) as batch:
        waiting = batch.ask(Kind.BATCH).waiting
        first = batch.next()
        must(batch.next() == first, "NEXT while a sheet is held names another sheet")
        after = batch.ask(Kind.BATCH).waiting
        must(after == waiting - 1, f"{waiting} sheets waited in tray 1, after NEXT {after}")
        batch.reopen()
        must(batch.next() == first, "after a broken link NEXT names another sheet")


def _numbers(probe: Probe) -> None:
    with _batch(probe) as batch:
        seen = []
        for kind in (Kind.ACCEPT, Kind.RETURN, Kind.ACCEPT):
            seen.append(batch.next().position)
            batch.settle(kind)
            batch.reopen()
        must(seen == sorted(set(seen)), f"the numbers do not rise: {', '.join(map(str, seen))}")


def _imprint(probe: Probe) -> str:
    with _batch(probe) as batch:
        reply = batch.next()
        right = fill(batch.begun.imprint_format, batch.begun.batch_id, reply.position)
        must(reply.imprint == right, f"the imprint is told as {reply.imprint!r}, not {right!r}")
        return f"look at the sheet: {right!r} is on its front" if right else "no imprinter"


def _formats(probe: Probe) -> None:
    if not probe.capabilities().batches:
        raise NotRunError("the scanner has no batches")
    for batch_id, form, what in (
        ("", "", "without an id"),
        ("A/7", "", "with an id of other characters"),
        ("A7", "{position}", "with a format without {batch}"),
        ("A7", "{batch}{position}", "with a format without a character between"),
        ("A7", "{batch}-{position:x}", "with a format of a wrong field"),
    ):
        payload = b"\x01" + text(batch_id) + text(form)
        probe.refused(Kind.BEGIN_BATCH, payload, ErrorCode.BAD_PAYLOAD, f"BEGIN_BATCH {what}")


def _outstack(probe: Probe) -> None:
    with _batch(probe) as batch:
        if not batch.has.outstack:
            raise NotRunError("the scanner has no pocket for outstacked sheets")
        batch.next()
        box, token = probe.status().box_count, new_token()
        for what in ("OUTSTACK", "OUTSTACK told again"):
            reply = LastToken.unpack(probe.ask(Kind.OUTSTACK, token), 2)
            right = LastToken(Act.OUTSTACKED, token)
            must(reply == right, f"{what} was confirmed as something else")
        status = probe.status()
        must(status.box_count == box, f"{box} sheets were in the box, {status.box_count} after it")
        must(status.place is PaperPlace.OUTSTACKED, f"the sheet's place is told as {status.place}")
        probe.refused(Kind.ACCEPT, token, ErrorCode.TOKEN_USED, "ACCEPT of a token of OUTSTACK")


def _end(probe: Probe) -> None:
    with _batch(probe) as batch:
        batch.next()
        named = pack_batch_id(batch.begun.batch_id)
        what = "END_BATCH while a sheet is held"
        probe.refused(Kind.END_BATCH, named, ErrorCode.BATCH, what, BatchWord.HELD)
        batch.settle(Kind.ACCEPT)
        ended = batch.end()
        must(ended.stage is BatchStage.ENDED, f"after END_BATCH the batch is told as {ended.stage}")
        must(batch.end() == ended, "END_BATCH told again was not only confirmed")
        what = "NEXT without a batch"
        probe.refused(Kind.NEXT, b"", ErrorCode.BATCH, what, BatchWord.NO_BATCH)


def _counters(probe: Probe) -> None:
    with _batch(probe) as batch:
        kinds = [Kind.ACCEPT, Kind.ACCEPT, Kind.RETURN]
        kinds += [Kind.OUTSTACK] if batch.has.outstack else []
        for kind in kinds:
            batch.next()
            batch.settle(kind)
        state = batch.end()
        told = (state.accepted, state.returned, state.outstacked, state.held)
        right = (2, 1, int(batch.has.outstack), False)
        must(told == right, f"accepted, returned, outstacked, held are told as {told}, not {right}")


def _feed(probe: Probe) -> None:
    with _batch(probe):
        what = "FEED while a batch is open"
        probe.refused(Kind.FEED, b"", ErrorCode.FAULT, what, "batch_open")


BATCH_CHECKS: tuple[Check, ...] = (
    Check("B1.capabilities", "CAPABILITIES is told in version 2, refused in 1", _capabilities),
    Check("B2.begin", "One batch is open at a time, and an id is used once", _begin),
    Check("B2.kept", "The open batch is kept through a broken link", _kept),
    Check("B3.next", "NEXT names the held sheet again, with its number", _next),
    Check("B4.numbers", "Numbers rise, whatever becomes of the sheet", _numbers),
    Check("B5.imprint", "The imprint is the format filled in", _imprint),
    Check("B5.format", "Ids and formats that could repeat are refused", _formats),
    Check("B6.outstack", "OUTSTACK leaves the box as it was, by the rules of tokens", _outstack),
    Check("B7.end", "A batch ends with no sheet held, once", _end),
    Check("B8.counters", "The counters add up", _counters),
    Check("B9.feed", "FEED is refused while a batch is open", _feed),
)


def find_checks(probe: Probe) -> tuple[Check, ...]:
    """Greet and ask; all checks for this scanner, in their order.

    One that names version 2 and does not tell its capabilities is asked for batches too: the
    checks say what is wrong.

    Raises:
        LinkError: the port cannot be opened, or nothing answers there.
    """
    try:
        probe.reopen()
    except FailedError as error:
        raise LinkError(f"no scanner to test: {error}. Check cable, port and speed") from error
    try:
        has = probe.capabilities()
    except (FailedError, LinkError):
        has = Capabilities(batches=probe.version == BATCH_VERSION)
    return checks_for(has)


def checks_for(has: Capabilities) -> tuple[Check, ...]:
    """All checks for a scanner that has this, in their order."""
    if not has.batches:
        return CHECKS
    return (*CHECKS[:-_LAST], *BATCH_CHECKS, *CHECKS[-_LAST:])

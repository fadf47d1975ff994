"""Signed checkpoints: what a log says of itself at one moment, for everyone to keep (NVT-11).

The note that is signed has the form of a C2SP tlog-checkpoint, so that other tools read it:

    ballotbench-log/central-log                        origin: which log
    10223                                              number of entries
    qINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=       root of the tree (RFC 9162, 2.1.1), base64
    election 5c1f…                                     hash of the election definition
    time 2026-03-20T04:10:00Z                          when it was made, by the log's own clock

The signature is a detached CMS over the note with a certificate for logs (`Purpose.LOG`); it
proves with stock tools, as a package's does:

    jq -j .note c.json > note; jq -r .signature c.json | base64 -d > note.cms
    openssl cms -verify -binary -inform DER -in note.cms -content note -CAfile authority.pem \
        -purpose any -out /dev/null

Whoever signs two checkpoints that no one log can have is proved a liar by the two
(`tally.transparency.proof.Equivocation`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from firmware_sim.errors import SignatureError
from firmware_sim.eventlog import utc_text
from firmware_sim.trust import Purpose, TrustStore
from tally.transparency.canonical import Base64, Document
from tally.transparency.errors import LogError

CHECKPOINT_FORMAT: Literal["ballotbench-log-checkpoint/1"] = "ballotbench-log-checkpoint/1"

_NOTE = re.compile(
    r"ballotbench-log/([A-Za-z0-9][A-Za-z0-9._:-]{0,63})\n(0|[1-9][0-9]{0,9})\n"
    r"([A-Za-z0-9+/]{43}=)\nelection ([0-9a-f]{64})\ntime (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)\n"
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of a note: `size` entries under `root` (32 bytes) at `time` (ISO 8601)."""

    log_id: str
    election_hash: str
    size: int
    root: bytes
    time: str

    def note(self) -> str:
        """The text that is signed."""
        return (
            f"ballotbench-log/{self.log_id}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"
            f"election {self.election_hash}\ntime {self.time}\n"
        )


class SignedCheckpoint(Document):
    """A note and its detached CMS."""

    format: Literal["ballotbench-log-checkpoint/1"] = CHECKPOINT_FORMAT
    note: str
    signature: Base64


def read_note(note: str, where: str) -> Checkpoint:
    """The content of a note; nothing is trusted yet. Raises LogError: not a checkpoint's note."""
    found = _NOTE.fullmatch(note)
    if found is None:
        raise LogError(f"{where}: note", "is not the note of a checkpoint")
    log_id, size, root, election_hash, time = found.groups()
    content = Checkpoint(log_id, election_hash, int(size), base64.b64decode(root), time)
    if content.note() != note:
        raise LogError(f"{where}: note", "is not in the one form of a checkpoint's note")
    return content


def sign_checkpoint(
    log_id: str,
    election_hash: str,
    size: int,
    root: bytes,
    *,
    now: datetime,
    sign: Callable[[bytes], bytes],
) -> SignedCheckpoint:
    """Sign the state of a log; `sign` makes the detached CMS (`Signer.sign`) of the log's key."""
    note = Checkpoint(log_id, election_hash, size, root, utc_text(now)).note()
    return SignedCheckpoint(note=note, signature=base64.b64encode(sign(note.encode())).decode())


def check_checkpoint(
    signed: SignedCheckpoint, trust: TrustStore, *, at: datetime, where: str
) -> Checkpoint:
    """The content of a checkpoint that the log's own key signed.

    Raises:
        LogError: the note or the signature is not accepted, or another log's key signed.
    """
    content = read_note(signed.note, where)
    try:
        identity = trust.verify(
            signed.note.encode(),
            base64.b64decode(signed.signature),
            at=at,
            purposes=(Purpose.LOG,),
        )
    except SignatureError as error:
        raise LogError(
            f"{where}: signature", f"is not accepted ({error.fault.value}): {error.detail}"
        ) from error
    if identity.device_id != content.log_id:
        raise LogError(
            f"{where}: note",
            f"is of log {content.log_id}, but {identity.device_id} signed it",
        )
    return content

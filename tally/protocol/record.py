"""The record of a count: an append-only file of what members keyed in and said.

One JSON object a line (RFC 8785), each with its number and the SHA-256 of the line before, so
that a line taken out, changed or put in is found. Every line is on the disk (fsync) before its
figure is acknowledged: a crash in mid-entry loses no keyed figure. A last line that was cut
short was never acknowledged; it is dropped when the next one is written.

| kind | fields beside `n`, `prev`, `at` |
|---|---|
| begin | format, election_hash, profile_hash, precinct, members, identified |
| evidence | source, files, figures, extras |
| entry | figure, value, by (one) |
| settled | figure, value, reason, by (two or more) |
| step, skip | step, by; skip: reason |
| read | figure, value, by |
| closed | digest of the form |

`tally.protocol.steps` says what may follow what. The file holds figures and members' ids, and
no more: who could read it could see the other member's entries, so it lies where the
commission works, and the commands never show one member's to the other.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import rfc8785
from pydantic import ValidationError

from election.model import Election
from election.profile import Profile
from firmware_sim.file_lock import FileInUseError, held
from tally.protocol.evidence import Evidence
from tally.protocol.form import MAX_FIGURE, MemberRecord, ProtocolError
from tally.protocol.lines import form_lines
from tally.protocol.steps import CountState, StepError, apply

FORMAT: Literal["ballotbench-protocol-record/1"] = "ballotbench-protocol-record/1"
MAX_BYTES = 64 * 2**20
#: How long another process may hold the file, s.
_WAIT_S = 10.0
_START = "0" * 64


@dataclass(frozen=True, slots=True)
class CountRecord:
    """A record on the disk. Every method reads the file afresh; `at` is ISO 8601 UTC."""

    path: Path
    election: Election
    profile: Profile

    @classmethod
    def begin(
        cls,
        path: Path,
        election: Election,
        profile: Profile,
        precinct: str,
        members: Sequence[MemberRecord],
        *,
        at: str,
        identified: bool = False,
    ) -> CountRecord:
        """Begin a record; `identified`: members prove who they are by PIN from now on.

        Raises:
            ProtocolError: the file exists, the precinct is unknown, the profile has no form,
                or there are too few members.
        """
        if not profile.protocol.steps:
            raise ProtocolError(
                f"profile {profile.id} has no official form: add [protocol] figures and steps"
            )
        if not election.has_precinct(precinct):
            raise ProtocolError(f"{precinct!r} is no precinct of {election.id}")
        ids = [member.id for member in members]
        if len(set(ids)) != len(ids) or len(ids) < profile.protocol.entries:
            raise ProtocolError(
                f"a count takes {profile.protocol.entries} different members at least; here: "
                f"{', '.join(ids) or 'nobody'}"
            )
        record = cls(path, election, profile)
        event = {
            "kind": "begin",
            "format": FORMAT,
            "election_hash": election.hash,
            "profile_hash": profile.canonical_hash(),
            "precinct": precinct,
            "members": [member.model_dump(mode="json") for member in members],
            "identified": identified,
            "at": at,
        }
        try:
            if path.is_file() and b"\n" not in path.read_bytes()[:MAX_BYTES]:
                path.unlink()  # cut short before anything was acknowledged
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise ProtocolError(
                f"{path}: is there already; a record is never begun again"
            ) from error
        except OSError as error:
            raise ProtocolError(f"{path}: cannot be made: {error.strerror}") from error
        _append(handle, _line_of(event, 0, _START))
        _sync_folder(path.parent)
        return record

    # --- reading ----------------------------------------------------------------------

    def state(self) -> CountState:
        """How far the count has come. Raises ProtocolError: damaged, or of another election."""
        return self._load()[0]

    @property
    def precinct(self) -> str:
        """The precinct whose count it is. Raises ProtocolError."""
        return str(self._events(self._whole()[0])[0]["precinct"])

    def digest(self) -> str:
        """SHA-256 of the whole lines so far, 64 hex digits."""
        return hashlib.sha256(self._whole()[0]).hexdigest()

    def state_at(self, digest: str) -> CountState | None:
        """The count as it was when `digest` gave this; None: it never was.

        Raises:
            ProtocolError: the record is damaged.
        """
        data, _ = self._whole()
        sum_so_far = hashlib.sha256()
        end = 0
        for line in data.splitlines(keepends=True):
            sum_so_far.update(line)
            end += len(line)
            if sum_so_far.hexdigest() == digest:
                self._replay(data)  # the rest must be whole too
                return self._replay(data[:end])[0]
        return None

    # --- writing ----------------------------------------------------------------------

    def add_evidence(self, evidence: Evidence, *, at: str) -> CountState:
        """Write down what a source says. Raises StepError."""
        return self._write(
            {
                "kind": "evidence",
                "source": evidence.source,
                "files": [f.model_dump(mode="json", exclude_none=True) for f in evidence.files],
                "figures": dict(evidence.figures),
                "extras": dict(evidence.extras),
                "at": at,
            }
        )

    def enter(self, figure: str, value: int, *, by: str, at: str) -> CountState:
        """Key in one figure. Raises StepError."""
        event = {"kind": "entry", "figure": figure, "value": _checked(value), "by": [by], "at": at}
        return self._write(event)

    def settle(
        self, figure: str, value: int, *, reason: str, by: Sequence[str], at: str
    ) -> CountState:
        """Settle a figure that differs. Raises StepError."""
        event = {"kind": "settled", "figure": figure, "value": _checked(value), "reason": reason}
        return self._write({**event, "by": list(by), "at": at})

    def step(self, step: str, *, by: Sequence[str], at: str) -> CountState:
        """Say that a step without figures is done. Raises StepError."""
        return self._write({"kind": "step", "step": step, "by": list(by), "at": at})

    def skip(self, step: str, *, reason: str, by: Sequence[str], at: str) -> CountState:
        """Skip a step; it is reported in the form. Raises StepError."""
        event = {"kind": "skip", "step": step, "reason": reason, "by": list(by), "at": at}
        return self._write(event)

    def read_line(self, figure: str, value: int, *, by: Sequence[str], at: str) -> CountState:
        """Write down that a line was read aloud with this number. Raises StepError."""
        event = {"kind": "read", "figure": figure, "value": value, "by": list(by), "at": at}
        return self._write(event)

    def close(self, digest: str, *, at: str) -> CountState:
        """Close the record for signing a form of this digest. Raises StepError."""
        return self._write({"kind": "closed", "digest": digest, "at": at})

    # --- the file ---------------------------------------------------------------------

    def _write(self, event: Mapping[str, Any]) -> CountState:
        try:
            with held(self.path.with_name(f"{self.path.name}.lock"), wait_s=_WAIT_S):
                state, number, last, size = self._load()
                after = apply(state, event)
                handle = os.open(self.path, os.O_WRONLY)
                # A line that was cut short was never acknowledged: it goes.
                os.ftruncate(handle, size)
                os.lseek(handle, 0, os.SEEK_END)
                _append(handle, _line_of(event, number, last))
                return after
        except FileInUseError as error:
            raise ProtocolError(f"{self.path}: another process is writing; try again") from error
        except OSError as error:
            raise ProtocolError(f"{self.path}: cannot be written: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise StepError(f"{field}: {first['msg']}") from error

    def _whole(self) -> tuple[bytes, int]:
        """The lines that are whole, and where they end."""
        try:
            with self.path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise ProtocolError(
                f"{self.path}: cannot be read: {error.strerror}. Begin a record with "
                "`ballotbench protocol begin`"
            ) from error
        if len(data) > MAX_BYTES:
            raise ProtocolError(f"{self.path}: is larger than {MAX_BYTES // 2**20} MiB: no record")
        end = data.rfind(b"\n") + 1
        if end == 0:
            raise ProtocolError(f"{self.path}: holds no whole line: begin a new record")
        return data[:end], end

    def _load(self) -> tuple[CountState, int, str, int]:
        data, end = self._whole()
        state, number = self._replay(data)
        return state, number, hashlib.sha256(data.splitlines()[-1]).hexdigest(), end

    def _replay(self, data: bytes) -> tuple[CountState, int]:
        """The state after these lines, and how many they are."""
        events = self._events(data)
        first, *rest = events
        if first.get("kind") != "begin" or first.get("format") != FORMAT:
            raise ProtocolError(f"{self.path}: line 1: is not a record of a count ({FORMAT})")
        for field, mine in (
            ("election_hash", self.election.hash),
            ("profile_hash", self.profile.canonical_hash()),
        ):
            if first[field] != mine:
                what = "election definition" if field == "election_hash" else "profile"
                raise ProtocolError(f"{self.path}: line 1: {field}: is of another {what}")
        state = CountState(
            lines=form_lines(self.election, self.profile, first["precinct"]),
            rules=self.profile.protocol,
            members=tuple(MemberRecord.model_validate(m) for m in first["members"]),
            identified=first["identified"],
        )
        for number, event in enumerate(rest, start=2):
            try:
                state = apply(state, event)
            except (ProtocolError, ValidationError, KeyError, TypeError) as error:
                raise ProtocolError(f"{self.path}: line {number}: was altered: {error}") from error
        return state, len(events)

    def _events(self, data: bytes) -> list[dict[str, Any]]:
        events = []
        before = _START
        for number, line in enumerate(data.splitlines()):
            try:
                event = json.loads(line)
                whole = event["n"] == number and event["prev"] == before
            except (ValueError, KeyError, TypeError, RecursionError):
                whole = False
            if not whole:
                raise ProtocolError(
                    f"{self.path}: line {number + 1}: does not follow the line before it: the "
                    "record was altered or damaged"
                )
            events.append(event)
            before = hashlib.sha256(line).hexdigest()
        return events


def _checked(value: int) -> int:
    if not 0 <= value <= MAX_FIGURE:
        raise StepError(f"{value} is no figure: give a whole number from 0 to {MAX_FIGURE}")
    return value


def _line_of(event: Mapping[str, Any], number: int, before: str) -> bytes:
    line: bytes = rfc8785.dumps({**event, "n": number, "prev": before})
    return line + b"\n"


def _append(handle: int, line: bytes) -> None:
    with os.fdopen(handle, "ab", closefd=True) as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

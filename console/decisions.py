"""The ledger of decisions on disk: `decisions.jsonl` and its head, each line kept for good.

Rules:

1. One process at a time writes (`decisions.lock`, released by the system on a kill).
2. A decision is acknowledged only when its line and then the new `decisions.head` are on
   the disk (fsync). A kill before that leaves the ledger as it was, or with one whole line
   more; never one less.
3. What a kill left of a line that was never acknowledged (no newline at its end) is kept
   aside in `decisions.torn` and cut off before the next line is written. Nothing else is
   ever cut or overwritten.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from console.errors import ConsoleError
from console.review import QUEUE
from scanner.adjudication.errors import AdjudicationError, LedgerError
from scanner.adjudication.ledger import Decision, Head, Ledger, Undo
from scanner.adjudication.proceedings import Proceedings
from scanner.adjudication.queue import Queue, QueueItem

LEDGER = "decisions.jsonl"
HEAD = "decisions.head"
LOCK = "decisions.lock"
TORN = "decisions.torn"


class DecisionFile:
    """The decisions on one batch's folder."""

    def __init__(self, folder: Path) -> None:
        """Read the queue.

        Raises:
            ConsoleError: the folder has no queue.
            AdjudicationError: its queue cannot be used.
        """
        self.folder = folder
        try:
            text = (folder / QUEUE).read_bytes()
        except FileNotFoundError as error:
            raise ConsoleError(
                f"{folder} has no {QUEUE}. Name the folder that `ballotbench read --out` wrote"
            ) from error
        self.queue = Queue.from_json(text)

    def check_crops(self, item: QueueItem) -> None:
        """What people look at is what was cut from the scan.

        Raises:
            ConsoleError: a crop of this item is missing or was changed.
        """
        for contest in item.contests:
            crops = [contest.crop]
            for target in contest.targets:
                crops += [target.target_crop, target.write_in_crop]
            for crop in crops:
                if crop is None:
                    continue
                path = self.folder / crop.path
                try:
                    good = hashlib.sha256(path.read_bytes()).hexdigest() == crop.sha256
                except FileNotFoundError:
                    good = False
                if not good:
                    raise ConsoleError(
                        f"{path} is not the picture that was cut from the scan. Read it again"
                    )

    def load(self) -> tuple[Ledger, Proceedings]:
        """The ledger with its chain checked, and where it leaves the contests.

        Raises:
            AdjudicationError: the ledger was changed, or does not fit the queue.
        """
        with self._locked():
            return self._load()

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Everybody else waits: look, prepare an entry, `Turn.keep` it."""
        with self._locked():
            ledger, proceedings = self._load()
            yield Turn(self, ledger, proceedings)

    def _load(self) -> tuple[Ledger, Proceedings]:
        ledger = Ledger.read(self._whole_lines()[0], self.queue.genesis(), self._head())
        proceedings = Proceedings(self.queue)
        for number, entry in enumerate(ledger.entries, start=1):
            try:
                proceedings.add(entry)
            except AdjudicationError as error:
                raise LedgerError(f"decisions line {number}: {error}") from error
        return ledger, proceedings

    def _whole_lines(self) -> tuple[bytes, bytes]:
        """The ledger's whole lines, and what is torn off at its end."""
        try:
            data = (self.folder / LEDGER).read_bytes()
        except FileNotFoundError:
            return b"", b""
        end = data.rfind(b"\n") + 1
        return data[:end], data[end:]

    def _head(self) -> Head | None:
        try:
            return Head.model_validate_json((self.folder / HEAD).read_bytes())
        except FileNotFoundError:
            # Before the first decision was acknowledged. A head is written before the first
            # line, so a ledger without one has lost it.
            if (self.folder / LEDGER).exists():
                raise LedgerError(f"{HEAD} is missing. Bring it back from a copy") from None
            return None
        except ValidationError as error:
            raise LedgerError(f"{HEAD} cannot be read. Bring it back from a copy") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _append(self, ledger: Ledger, line: bytes) -> None:
        """Rules 2 and 3; `ledger` is with the line."""
        whole, torn = self._whole_lines()
        path = self.folder / LEDGER
        if not path.exists():
            self._write_head(Head(count=0, sha256=ledger.genesis))
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if torn:
                with (self.folder / TORN).open("ab") as aside:
                    aside.write(torn + b"\n")
                    aside.flush()
                    os.fsync(aside.fileno())
                os.ftruncate(handle, len(whole))
            rest = line
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        self._sync_folder()
        self._write_head(ledger.head)

    def _write_head(self, head: Head) -> None:
        part = self.folder / (HEAD + ".part")
        with part.open("w", encoding="utf-8") as file:
            file.write(head.model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.folder / HEAD)
        self._sync_folder()

    def _sync_folder(self) -> None:
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class Turn:
    """One person's turn at the ledger."""

    def __init__(self, file: DecisionFile, ledger: Ledger, proceedings: Proceedings) -> None:
        self._file = file
        self.ledger = ledger
        self.proceedings = proceedings

    def keep(self, entry: Decision | Undo) -> Head:
        """Keep an entry for good; once this returns it is on the disk.

        Raises:
            AdjudicationError: it breaks a rule; nothing was written.
            OSError: the disk refuses.
        """
        self.proceedings.add(entry)
        self.ledger, line = self.ledger.append(entry)
        self._file._append(self.ledger, line)
        return self.ledger.head

"""Edit one field of a real device's journal, exported log or package; each edit must be found.

    python -m tests.firmware_sim.tamper --edits 10000 --seed 1

Where an edit is made, in turn:

- *package*: any value, name, line, cell or byte of any file of it, the check sums left as
  they were; *forged*: the same by someone who makes the check sums anew, having no key;
- *log*: the exported log (`log/eel.json`) by itself;
- *journal*: any cell of any table of the SQLite file, or a row left out or doubled.

Found is what `verify_package`, `check_log`, or the device's own start refuses. Named is a
refusal that tells the place: the file of a package, the line (or member) of a log, the part
of a journal. A forged package can only be known as forged: a signature does not say where;
`seen` counts those in which what no longer fits together was named too.

Requirements: NVT-13, NVT-17, SEED-16.
"""

from __future__ import annotations

import argparse
import copy
import io
import json
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import rfc8785

from firmware_sim import package as pk
from firmware_sim import zip_form
from firmware_sim.checkpoints import LogSigner
from firmware_sim.day import close_day, open_day
from firmware_sim.device import PrecinctDevice
from firmware_sim.errors import FirmwareError
from firmware_sim.journal import Journal
from firmware_sim.trust import TrustStore
from tally.log_check import check_log
from tally.verification import PackageRefusedError, PackageRegister, verify_package
from tests.firmware_sim import bench

WHERE = ("package", "forged", "log", "package", "forged", "journal")


class MissedError(AssertionError):
    """An edit that nothing found; says which."""


@dataclass
class Figures:
    """What came of the edits, by where they were made."""

    edits: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    seen: int = 0
    missed: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For the screen."""
        rows = [
            f"{where:8} {self.edits[where]:6} edits, {self.found[where]:6} found, "
            f"{self.named[where]:6} named"
            for where in sorted(self.edits)
        ]
        return [*rows, f"of the forged, {self.seen} named a part that does not fit"]


class Day:
    """One real day in `folder`: its package, its journal, and how each is checked."""

    def __init__(self, folder: Path) -> None:
        self.setup = bench.setup(folder / "keys")
        self.journal = folder / "journal.sqlite"
        feeder = bench.FileFeeder(folder / "feeder.json")
        with Journal(self.journal) as journal:
            device = PrecinctDevice(
                self.setup,
                journal=journal,
                feeder=feeder,
                reader=bench.JsonSheetReader(),
                printer=bench.ListPrinter(),
                clock=bench.clock,
                randomness=random.Random(1).randbytes,
            )
            open_day(device)
            feeder.load([bench.GOOD, bench.BOTH, bench.OTHER, bench.BLANK, bench.BLANK] * 4)
            feeder.load([bench.UNREADABLE, bench.OVERVOTED])
            while device.process_next().kind != "tray_empty":
                pass
            close_day(device)
            self.package = device.export(issued={"single": 20, "both": 20})
        self.files = dict(pk.read_package(self.package, "p.zip").files)
        self.trust = TrustStore.load(folder / "keys")
        self.check_package(self.package)
        self.check_log(self.files[pk.EEL])

    def check_package(self, data: bytes) -> None:
        """Raises where the package is refused."""
        election, profile = self.setup.election, self.setup.profile
        register = PackageRegister()
        verify_package(data, "p.zip", election, profile, self.trust, at=bench.NOW, seen=register)

    def check_log(self, data: bytes) -> None:
        """Raises where the exported log is refused."""
        check_log(data, self.trust, at=bench.NOW)

    def check_journal(self, path: Path) -> None:
        """Raises where a device's start refuses the journal."""
        with Journal(path) as journal:
            LogSigner(journal, self.setup.signer, self.setup.binding())
            self.setup.check_binding(journal.state())


# --- edits -------------------------------------------------------------------------------


def edit_value(value: Any, chance: random.Random) -> Any:
    """A JSON scalar, changed a little, or its type."""
    if isinstance(value, bool):
        return chance.choice([not value, int(value), str(value)])
    if isinstance(value, int):
        return chance.choice([value + 1, value - 1, value * 10 + 1, str(value), value + 0.5, None])
    if isinstance(value, str):
        if not value:
            return chance.choice(["x", None, 0])
        at = chance.randrange(len(value))
        other = chance.choice([c for c in "0123456789abcdefxyzQ" if c != value[at]])
        return chance.choice(
            [value[:at] + other + value[at + 1 :]] * 4 + [value + "0", value[:-1], None, len(value)]
        )
    return chance.choice([0, "", False]) if value is None else None


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [path, *(p for name in value for p in _places(value[name], (*path, name)))]
    if isinstance(value, list):
        return [path, *(p for at in range(len(value)) for p in _places(value[at], (*path, at)))]
    return [path]


def edit_document(document: Any, chance: random.Random) -> tuple[Any, tuple[Any, ...]]:
    """A JSON document with one place changed: a value, or a member or item left out, added,
    doubled, renamed or moved. Returns it, and the path of the place."""
    changed = copy.deepcopy(document)
    path = chance.choice(_places(changed))
    holder, place = None, changed
    for part in path:
        holder, place = place, place[part]
    if isinstance(place, dict) and place:
        name = chance.choice(sorted(place))
        how = chance.randrange(3)
        if how == 0:
            del place[name]
        elif how == 1:
            place["surprise"] = chance.choice([0, "", None, name])
        else:
            place[f"{name}_"] = place.pop(name)
        return changed, (*path, name)
    if isinstance(place, list) and place:
        at = chance.randrange(len(place))
        how = chance.randrange(3)
        if how == 0 or len(place) < 2:
            del place[at]
        elif how == 1:
            place.insert(at, copy.deepcopy(place[at]))
            at += 1
        else:
            other = (at + 1) % len(place)
            place[at], place[other] = place[other], place[at]
            at = min(at, other)
        return changed, (*path, at)
    if holder is None:
        return [changed], ()
    holder[path[-1]] = edit_value(place, chance) if not isinstance(place, (dict, list)) else 0
    return changed, path


def edit_text(data: bytes, chance: random.Random) -> bytes:
    """The same document in another form: a space, another end, one byte."""
    how = chance.randrange(4)
    if how == 0:
        return data + b"\n"
    if how == 1:
        return data.replace(b"\n", b"\r\n", 1)
    at = chance.randrange(len(data))
    if how == 2:
        return data[:at] + b" " + data[at:]
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def edit_json(data: bytes, chance: random.Random) -> tuple[bytes, tuple[Any, ...]]:
    """One edit of a JSON file in the form of packages."""
    if chance.random() < 0.1:
        return edit_text(data, chance), ()
    document, path = edit_document(json.loads(data), chance)
    return pk.to_json_bytes(document), path


def edit_lines(data: bytes, chance: random.Random) -> bytes:
    """One edit of a file of lines: a line left out, doubled, moved, or a value of it changed."""
    lines = data.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    how = chance.randrange(6)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(chance.randrange(len(lines)), lines[at])
    elif how == 2:
        other = (at + 1) % len(lines)
        lines[at], lines[other] = lines[other], lines[at]
    elif lines[at].startswith(b"{"):
        document, _ = edit_document(json.loads(lines[at]), chance)
        lines[at] = rfc8785.dumps(document) + b"\n"
    else:
        lines[at] = edit_text(lines[at], chance)
    return b"".join(lines)


def edit_table(data: bytes, chance: random.Random) -> bytes:
    """One cell of a Parquet file changed, or one row left out or doubled."""
    table = pq.read_table(io.BytesIO(data))
    rows = table.to_pylist()
    at = chance.randrange(len(rows))
    how = chance.randrange(8)
    if how == 0:
        del rows[at]
    elif how == 1:
        rows.insert(at, dict(rows[at]))
    else:
        name = chance.choice(table.column_names)
        rows[at][name] = _of_its_type(rows[at][name], table.schema.field(name).type, chance)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), sink)
    return sink.getvalue()


def _of_its_type(value: Any, type_: pa.DataType, chance: random.Random) -> Any:
    if pa.types.is_boolean(type_):
        return not value
    if pa.types.is_integer(type_):
        return (value or 0) + 1
    if pa.types.is_floating(type_):
        return (value or 0.0) + 0.5
    if isinstance(value, list):
        return [*value, *value[:1]] if value else None
    return f"{value or ''}x" if chance.random() < 0.5 else (f"{value}"[:-1] if value else "x")


def edit_file(name: str, data: bytes, chance: random.Random) -> bytes:
    """One edit of one file of a package."""
    for _ in range(100):
        if name.endswith(".json"):
            changed = edit_json(data, chance)[0]
        elif name.endswith(".parquet") and chance.random() < 0.7:
            changed = edit_table(data, chance)
        elif name.endswith(".jsonl") or name == pk.SUMS:
            changed = edit_lines(data, chance)
        else:
            changed = edit_text(data, chance)
        if changed != data:
            return changed
    raise AssertionError(f"{name} has nothing to edit")


def edit_journal(path: Path, chance: random.Random) -> str:
    """One edit of the rows of a journal; where."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        filled = [
            name
            for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
        ]
        table = chance.choice(sorted(filled))
        rows = db.execute(f"SELECT * FROM {table}")  # noqa: S608
        names = [column[0] for column in rows.description]
        row = dict(zip(names, chance.choice(rows.fetchall()), strict=True))
        key = names[0]
        if chance.random() < 0.15:
            db.execute(f"DELETE FROM {table} WHERE {key} = ?", (row[key],))  # noqa: S608
            return f"{table}: a row left out"
        # The row number of a table of one row can be nothing else.
        name = chance.choice(names[1:] if key == "one" else names)
        before = row[name]
        if isinstance(before, int):
            after: Any = before + chance.choice([1, 1000])
        else:
            at = chance.randrange(len(before))
            other = chance.choice([c for c in "0123456789abcdef" if c != before[at]])
            after = before[:at] + other + before[at + 1 :]
        try:
            change = f"UPDATE {table} SET {name} = ? WHERE {key} = ?"  # noqa: S608
            db.execute(change, (after, row[key]))
        except sqlite3.IntegrityError:
            db.execute(f"DELETE FROM {table} WHERE {key} = ?", (row[key],))  # noqa: S608
            return f"{table}: a row left out"
        return f"{table}.{name}"


# --- one edit, and what finds it -----------------------------------------------------------


def _refusal(check: Callable[[], object]) -> str | None:
    try:
        check()
    except (FirmwareError, PackageRefusedError) as error:
        return str(error)
    return None


def _in_package(day: Day, chance: random.Random, *, forged: bool) -> tuple[str, str | None, bool]:
    if not forged and chance.random() < 0.1:
        changed = edit_text(day.package, chance)
        refusal = _refusal(lambda: day.check_package(changed))
        return "a byte of the zip", refusal, bool(refusal)
    names = sorted(day.files)
    if forged:
        names.remove(pk.SUMS)
        names = [name for name in names if not name.startswith(pk.SUMS)]
    name = chance.choice(names)
    files = {**day.files, name: edit_file(name, day.files[name], chance)}
    if forged:
        files[pk.SUMS] = pk.sums_of(files)
    refusal = _refusal(lambda: day.check_package(zip_form.write(files)))
    said = refusal or ""
    # The signatures are over the sums: each of the three files speaks for the others.
    signed = name.startswith(pk.SUMS) and "sign" in said
    named = "forged" in said or name in said if forged else name in said or signed
    return name, refusal, named


def _in_log(day: Day, chance: random.Random) -> tuple[str, str | None, bool]:
    data = day.files[pk.EEL]
    while True:
        changed, path = edit_json(data, chance)
        if changed != data:
            break
    refusal = _refusal(lambda: day.check_log(changed))
    said = refusal or ""
    where = "/".join(map(str, path))
    if path[:3] == ("Device", 0, "Event") and len(path) > 3:
        named = f"line {path[3] + 1}" in said or "missing at the end" in said
    else:
        named = bool(said)
    return f"log {where}", refusal, named


def _in_journal(day: Day, chance: random.Random, folder: Path) -> tuple[str, str | None, bool]:
    path = folder / "edited.sqlite"
    shutil.copy(day.journal, path)
    where = edit_journal(path, chance)
    refusal = _refusal(lambda: day.check_journal(path))
    for left in folder.glob("edited.sqlite*"):
        left.unlink()
    return where, refusal, bool(refusal)


def run(folder: Path, edits: int, seed: int, tell: Callable[[int], None] | None = None) -> Figures:
    """Make `edits` edits, each by its own seed, and look for each."""
    day, figures = Day(folder), Figures()
    for number in range(edits):
        chance = random.Random(f"{seed}/{number}")
        where = WHERE[number % len(WHERE)]
        if where == "log":
            place, refusal, named = _in_log(day, chance)
        elif where == "journal":
            place, refusal, named = _in_journal(day, chance, folder)
        else:
            place, refusal, named = _in_package(day, chance, forged=where == "forged")
        figures.edits[where] += 1
        figures.found[where] += refusal is not None
        figures.named[where] += named
        figures.seen += where == "forged" and "seen in it" in (refusal or "")
        line = f"edit {number} of seed {seed}, {where}, {place}: {refusal}"
        if refusal is None:
            figures.missed.append(line)
        elif not named:
            figures.unnamed.append(line)
        if tell is not None:
            tell(number + 1)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Single-field edits, each of which must be found.")
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()

    def tell(done: int) -> None:
        if done % 500 == 0:
            print(f"{done} edits", file=sys.stderr)  # noqa: T201

    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder), given.edits, given.seed, tell)
    print("\n".join(figures.lines()))  # noqa: T201
    for line in (*figures.missed, *figures.unnamed):
        print(line)  # noqa: T201
    sys.exit(1 if figures.missed or figures.unnamed else 0)


if __name__ == "__main__":
    main()

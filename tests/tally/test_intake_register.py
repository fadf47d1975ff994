"""Packages between runs, second signatures and certified software, by command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware_sim import zip_form
from firmware_sim.package import SECOND_SIGNATURE, read_package
from tests.tally.test_reconciliation import VOTES
from tests.tally.test_tally_commands import AT, Desk, desk, run  # noqa: F401 (a fixture)


def tally(desk: Desk, *files: str, register: Path | None = None) -> int:  # noqa: F811
    line = ["tally", str(desk.election), *files, "--trust", desk.keys, "--at", AT]
    line += ["--out", str(desk.folder / "totals"), "--json"]
    return run(*line, *(["--register", str(register)] if register else []))


def test_a_register_knows_what_came_before(
    desk: Desk,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The same file may be counted again; another with its id, or its export number, may not."""
    register = desk.folder / "register.json"
    assert tally(desk, desk.packages[0], register=register) == 0
    assert tally(desk, *desk.packages, register=register) == 0
    entries = json.loads(register.read_text())["packages"]
    assert sorted(e["precinct"] for e in entries) == sorted(VOTES)
    capsys.readouterr()
    again = desk.folder / "again"
    again.mkdir()
    precinct, votes = next(iter(VOTES.items()))
    taken = next(e for e in entries if e["precinct"] == precinct)
    for name, more in (
        ("same-id", {"package_id": taken["ids"][0], "export_number": 7}),
        ("same-number", {"export_number": taken["export_number"]}),
    ):
        file = again / f"{name}.zip"
        file.write_bytes(desk.world.package(precinct, votes, **more))  # type: ignore[arg-type]
        assert tally(desk, str(file), register=register) == 1
        assert "replayed" in capsys.readouterr().out
        assert tally(desk, str(file)) == 0  # without the register nothing is known
        capsys.readouterr()
    assert json.loads(register.read_text())["packages"] == entries


def test_a_damaged_register_is_not_begun_anew(
    desk: Desk,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    register = desk.folder / "register.json"
    register.write_text("{}x")
    assert tally(desk, *desk.packages, register=register) == 1
    assert "put a copy back" in capsys.readouterr().err
    assert register.read_text() == "{}x"


def test_a_package_without_its_second_signature_is_refused(
    desk: Desk,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = Path(desk.packages[0])
    files = dict(read_package(file.read_bytes(), file.name).files)
    del files[SECOND_SIGNATURE]
    file.write_bytes(zip_form.write(files))
    assert tally(desk, *desk.packages) == 1
    assert "downgraded" in capsys.readouterr().out
    verify = ["verify", str(file), "--trust", desk.keys, "--at", AT]
    assert run(*verify) == 1
    assert "refused, downgraded: the second signature" in capsys.readouterr().out
    # A root alone cannot check one, but sees that what the certificate promises is not there.
    alone = ["verify", str(file), "--trust", f"{desk.keys}/authority.pem", "--at", AT]
    assert run(*alone) == 1
    assert "refused, downgraded: the second signature" in capsys.readouterr().out
    assert run(*alone, "--require-post-quantum") == 1
    assert "authority-mldsa.pem" in capsys.readouterr().out


def test_the_certified_software_is_compared(
    desk: Desk,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    certified = desk.folder / "certified.json"
    line = ["device", "identity", "--election", str(desk.election), "--out", str(certified)]
    assert run(*line, "--json") == 0
    value = json.loads(capsys.readouterr().out)
    verify = ["verify", *desk.packages, "--trust", desk.keys, "--at", AT, "--expect"]
    for expected in (str(certified), value["hash"], value["software_hash"], value["code_hash"]):
        assert run(*verify, expected) == 0
    document = json.loads(certified.read_text())
    document["files"]["tally/seats.py"] = "0" * 64
    certified.write_text(json.dumps(document))
    capsys.readouterr()
    assert run(*verify, str(certified)) == 1
    out = capsys.readouterr().out
    assert out.count("file tally/seats.py is not the certified one") == len(desk.packages)
    assert run(*verify, "0" * 64) == 1
    assert run(*verify, "no-such-file") == 1

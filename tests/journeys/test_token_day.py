"""A day with everything on: two officers by PIN, the key in a real token, a region, two
signatures, and the stock tools at the end (NVT-12, NVT-16). Needs SoftHSM."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.keyring import copy_trust
from firmware_sim.people import PeopleRegister
from firmware_sim.roles import Role
from firmware_sim.trust import add_region, create_authority, revoke_region
from tests.firmware_sim.test_hsm import MODULE, PIN
from tests.journeys.test_polling_day import (  # noqa: F401 (two are fixtures)
    ELECTION,
    ballotbench,
    deck,
    scanner,
)

pytestmark = pytest.mark.skipif(
    not MODULE or shutil.which("softhsm2-util") is None, reason="needs softhsm2"
)


def test_a_day_with_people_and_a_token(
    scanner: str,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tmp_path / "softhsm2.conf"
    (tmp_path / "tokens").mkdir()
    config.write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(config))
    line = ["softhsm2-util", "--init-token", "--free", "--label", "card"]
    subprocess.run([*line, "--so-pin", "12345678", "--pin", PIN], check=True, capture_output=True)
    keys, package, pins = tmp_path / "keys", tmp_path / "P-101.zip", tmp_path / "pins"
    token_pin = tmp_path / "token-pin"
    token_pin.write_text(PIN)
    pins.write_text("chair-1 korzhyn-77\nsecretary-1 qala-2026\nobserver-1 baqylau-5\n")
    now = datetime.now(UTC)
    create_authority(keys, name="Test", now=now, valid_days=9)
    add_region(keys, "north", name="North", precincts=["P-101"], now=now, valid_days=9)
    for line_of in pins.read_text().splitlines():
        person, pin = line_of.split()
        PeopleRegister(keys).add(person, Role(person.removesuffix("-1")), pin)
    issue = ["keys", "issue", keys, "scanner-1", "--precinct", "P-101", "--region", "north"]
    issue += ["--token", "card", "--token-module", MODULE, "--token-pin-file", token_pin]
    ballotbench(*issue)
    token_pin.unlink()  # from now on an officer's PIN opens it

    command = ["device", "run", ELECTION, "--precinct", "P-101", "--keys", keys, "--json"]
    command += ["--journal", tmp_path / "p.sqlite", "--device", "scanner-1"]
    command += ["--scanner", scanner, "--printer", tmp_path / "tape.bin", "--export", package]
    command += ["--pin-file", pins]
    ballotbench(*command, "--officer", "observer-1", code=1)  # holds no key
    ballotbench(*command, "--officer", "chair-1", code=1)  # opening takes two
    assert not package.exists()
    day = ballotbench(*command, "--officer", "chair-1", "--officer", "secretary-1")
    assert json.loads(day)["counters"]["accepted"] == 6

    trust = tmp_path / "trust"
    copy_trust(keys, trust)
    assert not list(trust.rglob("*.key"))
    certified = tmp_path / "certified.json"
    ballotbench("device", "identity", "--election", ELECTION, "--out", certified)
    verify = ["verify", package, "--election", ELECTION, "--trust", trust, "--expect", certified]
    (row,) = json.loads(ballotbench(*verify, "--require-post-quantum", "--json"))["packages"]
    assert (row["accepted"], row["second_signature"], row["findings"]) == (True, True, [])
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(package) as archive:
        archive.extractall(unpacked)
    events = (unpacked / "log" / "events.jsonl").read_text()
    assert '"chair+secretary"' in events
    assert "chair-1" not in events
    stock = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "SHA256SUMS.cms"]
    stock += ["-content", "SHA256SUMS", "-CAfile", str(trust / "authority.pem")]
    stock += ["-purpose", "any", "-out", os.devnull]
    done = subprocess.run(stock, cwd=unpacked, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    revoke_region(keys, "north", datetime.now(UTC))
    copy_trust(keys, trust)
    assert "refused, revoked" in ballotbench("verify", package, "--trust", trust, code=1)

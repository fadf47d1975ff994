"""Keys in a real PKCS #11 token: SoftHSM, through python-pkcs11 (issue: keys that never leave).

Skipped by name where SoftHSM or the extra `hsm` is missing; CI has both.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import build_app
from firmware_sim import device_keys, hsm, slots, trust
from firmware_sim.device_keys import TokenPlace
from firmware_sim.errors import KeyFileError, SignatureError
from firmware_sim.keyfiles import device_paths
from firmware_sim.people import PeopleRegister
from firmware_sim.roles import Role
from firmware_sim.signing import verify_raw
from firmware_sim.trust import DeviceSigner, TrustStore
from tests.firmware_sim.bench import DEVICE, PRECINCT

pkcs11 = pytest.importorskip("pkcs11", reason="needs the extra hsm")
MODULE = next(
    (
        path
        for path in (
            "/usr/lib/softhsm/libsofthsm2.so",
            "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
            "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
            "/usr/local/lib/softhsm/libsofthsm2.so",
        )
        if Path(path).exists()
    ),
    "",
)
pytestmark = pytest.mark.skipif(
    not MODULE or shutil.which("softhsm2-util") is None, reason="needs softhsm2"
)

CONTENT = b"e3b0c442  totals.json\n"
PIN = "87654321"
NOW = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture(scope="module", autouse=True)
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A token store of this module's own. SoftHSM reads its place once a process."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(config)
    for label in ("card-1", "card-2"):
        line = ["softhsm2-util", "--init-token", "--free", "--label", label]
        line += ["--so-pin", "12345678", "--pin", PIN]
        subprocess.run(line, check=True, capture_output=True)


@contextmanager
def signer_of(keys: Path, **how: Any) -> Iterator[DeviceSigner]:
    signer = device_keys.load_signer(keys, DEVICE, **how)
    try:
        yield signer
    finally:
        signer.close()


def authority(tmp_path: Path) -> Path:
    keys = tmp_path / "keys"
    trust.create_authority(keys, name="Root", now=NOW, valid_days=1000)
    trust.add_region(keys, "north", name="North", now=NOW, valid_days=100)
    return keys


def issue(keys: Path, device: str = DEVICE, region: str | None = None) -> None:
    device_keys.issue(
        keys,
        device,
        precinct_id=PRECINCT,
        now=NOW,
        valid_days=10,
        region=region,
        token=TokenPlace(MODULE, "card-1", PIN),
    )


@pytest.mark.parametrize("region", [None, "north"])
def test_a_token_signs_and_openssl_agrees(tmp_path: Path, region: str | None) -> None:
    keys = authority(tmp_path)
    issue(keys, region=region)
    with signer_of(keys, token_pin=PIN) as signer:
        cms, second = signer.sign(CONTENT), signer.sign_post_quantum(CONTENT)
        raw = signer.sign_raw(CONTENT)
    identity, checked = TrustStore.load(keys).verify_package(
        CONTENT, cms, second, at=datetime.now(UTC)
    )
    assert (identity.device_id, identity.region_id, checked) == (DEVICE, region, True)
    verify_raw(signer.certificate.public_key(), CONTENT, raw)  # type: ignore[arg-type]
    (tmp_path / "SHA256SUMS").write_bytes(CONTENT)
    (tmp_path / "SHA256SUMS.cms").write_bytes(cms)
    line = "openssl cms -verify -binary -inform DER -in SHA256SUMS.cms -content SHA256SUMS"
    line += f" -CAfile {keys}/authority.pem -purpose any -out /dev/null"
    done = subprocess.run(line.split(), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_key_never_leaves_the_token(tmp_path: Path) -> None:
    keys = authority(tmp_path)
    issue(keys)
    place = hsm.TokenKey.load(device_paths(keys, DEVICE).token)
    with hsm.open_token(MODULE, "card-1", PIN) as token:
        private = token._get(place.key, pkcs11.ObjectClass.PRIVATE_KEY)
        assert private[pkcs11.Attribute.NEVER_EXTRACTABLE]
        with pytest.raises(pkcs11.AttributeSensitive):
            private[pkcs11.Attribute.VALUE]
    files = [path for path in keys.rglob("*.key") if path.is_relative_to(keys / "devices")]
    assert [path.parent.name for path in files] == ["mldsa"]
    assert b"ENCRYPTED" in files[0].read_bytes()


def test_a_key_that_could_be_taken_out_is_not_used(tmp_path: Path) -> None:
    keys = authority(tmp_path)
    issue(keys)
    from pkcs11.util.ec import encode_named_curve_parameters

    loose = {pkcs11.Attribute.SENSITIVE: False, pkcs11.Attribute.EXTRACTABLE: True}
    with hsm.open_token(MODULE, "card-1", PIN) as token:
        curve = token.session.create_domain_parameters(
            pkcs11.KeyType.EC,
            {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")},
            local=True,
        )
        curve.generate_keypair(store=True, label="loose", private_template=loose)
        with pytest.raises(KeyFileError, match="could be taken out"):
            token.signer("loose")


def test_a_token_is_open_once_and_signs_no_more_when_closed(tmp_path: Path) -> None:
    keys = authority(tmp_path)
    issue(keys)
    with signer_of(keys, token_pin=PIN) as signer:
        for pin in (PIN, "00000000"):  # a wrong PIN is no way in either
            with pytest.raises(KeyFileError, match="open already"):
                device_keys.load_signer(keys, DEVICE, token_pin=pin)
    with pytest.raises(KeyFileError, match="could not sign"):
        signer.sign(CONTENT)


def test_wrong_pin_token_key_and_module_are_named(tmp_path: Path) -> None:
    keys = authority(tmp_path)
    issue(keys)
    issue(keys, "scanner-002")
    one, two = device_paths(keys, DEVICE).token, device_paths(keys, "scanner-002").token
    good, other = one.read_text(), two.read_text()
    with pytest.raises(KeyFileError, match="PIN is needed"):
        device_keys.load_signer(keys, DEVICE)
    with pytest.raises(KeyFileError, match="does not accept the PIN"):
        device_keys.load_signer(keys, DEVICE, token_pin="0" * 8)
    for old, new, words in (
        ("card-1", "card-9", "no token 'card-9'"),
        ("card-1", "card-2", "has no key"),
        (MODULE, "/nowhere.so", "cannot be used as a PKCS #11 module"),
        ("ballotbench-token/1", "ballotbench-token/9", "format"),
        ("module =", "module ", "not TOML"),
        ("mldsa_passphrase", "passphrase", "mldsa_passphrase"),
    ):
        one.write_text(good.replace(old, new))
        with pytest.raises(KeyFileError, match=words):
            device_keys.load_signer(keys, DEVICE, token_pin=PIN)
    one.write_text(other)
    with pytest.raises(KeyFileError, match="does not sign with the key of the certificate"):
        device_keys.load_signer(keys, DEVICE, token_pin=PIN)


def test_a_request_must_be_signed_by_its_own_key(tmp_path: Path) -> None:
    with hsm.open_token(MODULE, "card-1", PIN) as token:
        public, _ = token.make_key("mine"), token.make_key("other")
        mine = hsm.certificate_request(public, token.signer("mine"), "device")
        others = hsm.certificate_request(public, token.signer("other"), "device")
    assert hsm.requested_key(mine) == public
    line = ["openssl", "req", "-verify", "-noout"]
    assert subprocess.run(line, input=mine, capture_output=True).returncode == 0
    with pytest.raises(KeyFileError, match="not signed by its own"):
        hsm.requested_key(others)
    with pytest.raises(KeyFileError, match="damaged"):
        hsm.requested_key(b"nothing")


def test_an_officials_pin_opens_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "MEMORY_KIB", 64)
    keys = authority(tmp_path)
    register = PeopleRegister(keys)
    register.add("chair-1", Role.CHAIR, "chair-4711")
    issue(keys)
    opened = register.open([("chair-1", "chair-4711")], precinct=PRECINCT)
    with signer_of(keys, opened=opened) as signer:
        cms = signer.sign(CONTENT)
    assert TrustStore.load(keys).verify(CONTENT, cms, at=datetime.now(UTC))


def test_a_revoked_device_gets_a_new_key_in_the_same_token(tmp_path: Path) -> None:
    keys = authority(tmp_path)
    issue(keys)
    with signer_of(keys, token_pin=PIN) as signer:
        old = signer.sign(CONTENT)
    trust.revoke(keys, DEVICE, NOW)
    issue(keys)
    with signer_of(keys, token_pin=PIN) as signer:
        new = signer.sign(CONTENT)
    store = TrustStore.load(keys)
    store.verify(CONTENT, new, at=datetime.now(UTC))
    with pytest.raises(SignatureError, match="revoked"):
        store.verify(CONTENT, old, at=datetime.now(UTC))


def test_by_command(tmp_path: Path) -> None:
    """`keys issue --token`, with the PIN in a file, and what `keys show` says."""
    keys, pin = tmp_path / "keys", tmp_path / "pin"
    pin.write_text(f"{PIN}\n")
    base = [sys.executable, "-m", "console", "keys"]
    trust.create_authority(keys, name="Root", now=NOW, valid_days=9)
    line = [*base, "issue", keys, DEVICE, "--precinct", PRECINCT, "--token", "card-2"]
    line += ["--token-module", MODULE, "--token-pin-file", pin, "--json"]
    made = subprocess.run(line, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["key"].endswith(f"{DEVICE}.p11")
    run, app = CliRunner().invoke, build_app(("keys",))
    assert "key in a token" in run(app, ["keys", "show", str(keys)]).stdout
    half = run(app, ["keys", "issue", str(keys), "d", "--precinct", "p", "--token", "card-2"])
    assert half.exit_code == 2

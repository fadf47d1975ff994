"""Keys, certificates and signatures (NVT-13, NVT-16, NVT-17)."""

from __future__ import annotations

import hashlib
import stat
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import cms  # type: ignore[import-untyped]
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim import cms_form, signing, trust
from firmware_sim.errors import KeyFileError, SignatureError
from firmware_sim.trust import DeviceSigner, TrustStore
from tests.firmware_sim.bench import DEVICE, NOW, PRECINCT

CONTENT = b"e3b0c442  totals.json\n"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    directory = tmp_path / "keys"
    trust.create_authority(directory, name="Root", now=NOW, valid_days=1000)
    trust.issue_device(directory, DEVICE, precinct_id=PRECINCT, now=NOW, valid_days=10)
    return directory


def test_files_and_modes(keys: Path) -> None:
    assert sorted(str(p.relative_to(keys)) for p in keys.rglob("*") if p.is_file()) == [
        "authority-mldsa.key",
        "authority-mldsa.pem",
        "authority.key",
        "authority.pem",
        f"devices/mldsa/{DEVICE}.key",
        f"devices/mldsa/{DEVICE}.pem",
        f"devices/{DEVICE}.key",
        f"devices/{DEVICE}.pem",
        "revoked-mldsa.pem",
        "revoked.pem",
    ]
    for key in keys.rglob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_openssl_accepts_chain_and_revocation_list(keys: Path) -> None:
    line = ["openssl", "verify", "-CAfile", "authority.pem", "-attime", f"{NOW.timestamp():.0f}"]
    line += ["-crl_check", "-CRLfile", "revoked.pem", "-x509_strict", f"devices/{DEVICE}.pem"]
    good = subprocess.run(line, cwd=keys, capture_output=True, text=True)
    assert good.returncode == 0, good.stderr
    trust.revoke(keys, DEVICE, NOW)
    revoked = subprocess.run(line, cwd=keys, capture_output=True, text=True)
    assert "certificate revoked" in revoked.stderr


def test_sign_and_verify(keys: Path) -> None:
    signature = DeviceSigner.load(keys, DEVICE).sign(CONTENT)
    for place in (keys, keys / "authority.pem"):
        identity = TrustStore.load(place).verify(CONTENT, signature, at=NOW)
        assert (identity.device_id, identity.precinct_id) == (DEVICE, PRECINCT)


def test_every_fault_has_its_name(keys: Path, tmp_path: Path) -> None:
    store = TrustStore.load(keys)
    signature = DeviceSigner.load(keys, DEVICE).sign(CONTENT)
    other = tmp_path / "other"
    trust.create_authority(other, name="Root", now=NOW, valid_days=1000)
    trust.issue_device(other, DEVICE, precinct_id=PRECINCT, now=NOW, valid_days=10)
    foreign = DeviceSigner.load(other, DEVICE).sign(CONTENT)
    trust.revoke(keys, DEVICE, NOW)
    cases = [
        (store, CONTENT, b"", NOW, "malformed"),
        (store, CONTENT, signature + b"\0", NOW, "malformed"),
        (store, CONTENT + b"x", signature, NOW, "bad_signature"),
        (store, CONTENT, foreign, NOW, "untrusted"),
        (store, CONTENT, signature, NOW + timedelta(days=11), "expired"),
        (store, CONTENT, signature, NOW - timedelta(seconds=1), "expired"),
        (TrustStore.load(keys), CONTENT, signature, NOW, "revoked"),
    ]
    for trusting, content, signed, at, fault in cases:
        with pytest.raises(SignatureError) as error:
            trusting.verify(content, signed, at=at)
        assert error.value.fault == fault


def test_the_other_valid_form_of_a_signature_is_refused(keys: Path) -> None:
    """(r, n - s) verifies as well as (r, s): a file could be changed and stay valid."""
    store = TrustStore.load(keys)
    signer = DeviceSigner.load(keys, DEVICE)
    _, digest, signature = cms_form.take_apart(signer.sign(CONTENT))
    r, s = decode_dss_signature(signature)
    twin = encode_dss_signature(r, signing.P256_ORDER - s)
    forged = cms_form.assemble((signer.certificate,), digest, twin)
    with pytest.raises(SignatureError) as error:
        store.verify(CONTENT, forged, at=NOW)
    assert error.value.fault == "malformed"


def test_a_library_of_asn1_reads_the_cms_and_writes_the_same(keys: Path) -> None:
    """RFC 5652 by another hand: what is written byte by byte is DER, and means what it should."""
    der = DeviceSigner.load(keys, DEVICE).sign(CONTENT)
    info = cms.ContentInfo.load(der, strict=True)
    assert info.dump(force=True) == der
    signer = info["content"]["signer_infos"][0]
    values = {each["type"].native: each["values"].native for each in signer["signed_attrs"]}
    assert values == {
        "content_type": ["data"],
        "message_digest": [hashlib.sha256(CONTENT).digest()],
    }
    assert info["content"]["version"].native == signer["version"].native == "v3"
    assert signer["signature_algorithm"]["algorithm"].native == "sha256_ecdsa"


def test_any_byte_changed_or_cut_off_is_malformed_or_does_not_verify(keys: Path) -> None:
    store = TrustStore.load(keys)
    der = DeviceSigner.load(keys, DEVICE).sign(CONTENT)
    for at in range(0, len(der), 3):
        for changed in (der[:at] + bytes([der[at] ^ 0x81]) + der[at + 1 :], der[:at]):
            with pytest.raises(SignatureError) as error:
                store.verify(CONTENT, changed, at=NOW)
            assert error.value.fault in ("malformed", "bad_signature", "untrusted")


def test_an_authority_cannot_sign_results(keys: Path) -> None:
    """The root's key signs certificates only: it is no device."""
    key, root = (keys / n for n in ("authority.key", "authority.pem"))
    devices = keys / "devices"
    (devices / "root.key").write_bytes(key.read_bytes())
    (devices / "root.pem").write_bytes(root.read_bytes())
    with pytest.raises(KeyFileError, match="not a device's"):
        DeviceSigner.load(keys, "root")


@given(st.binary(max_size=400))
def test_nonsense_is_malformed(data: bytes) -> None:
    with pytest.raises(SignatureError) as error:
        cms_form.take_apart(data)
    assert error.value.fault == "malformed"


@pytest.mark.parametrize("bad", ["", "a/b", "..", "a b", "ж", "x" * 65])
def test_unusable_ids_are_refused(keys: Path, bad: str) -> None:
    with pytest.raises(KeyFileError, match="id"):
        trust.issue_device(keys, bad, precinct_id=PRECINCT, now=NOW, valid_days=1)


def test_a_device_is_issued_again_only_after_revocation(keys: Path) -> None:
    first = DeviceSigner.load(keys, DEVICE).sign(CONTENT)
    with pytest.raises(KeyFileError, match="still good"):
        trust.issue_device(keys, DEVICE, precinct_id=PRECINCT, now=NOW, valid_days=10)
    trust.revoke(keys, DEVICE, NOW)
    trust.issue_device(keys, DEVICE, precinct_id=PRECINCT, now=NOW, valid_days=10)
    store = TrustStore.load(keys)
    store.verify(CONTENT, DeviceSigner.load(keys, DEVICE).sign(CONTENT), at=NOW)
    with pytest.raises(SignatureError, match="revoked"):
        store.verify(CONTENT, first, at=NOW)


def test_passphrase(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    trust.create_authority(directory, name="R", now=NOW, valid_days=9, passphrase=b"open")
    for wrong in (None, b"closed"):
        with pytest.raises(KeyFileError, match="passphrase"):
            trust.issue_device(
                directory, "d", precinct_id="p", now=NOW, valid_days=1, passphrase=wrong
            )
    trust.issue_device(directory, "d", precinct_id="p", now=NOW, valid_days=1, passphrase=b"open")


def test_damaged_files_are_named(keys: Path) -> None:
    with pytest.raises(KeyFileError, match="already"):
        trust.create_authority(keys, name="R", now=NOW, valid_days=9)
    (keys / "revoked.pem").write_bytes(b"nothing")
    with pytest.raises(KeyFileError, match=r"revoked\.pem"):
        TrustStore.load(keys)
    (keys / "authority.pem").write_bytes(b"nothing")
    with pytest.raises(KeyFileError, match=r"authority\.pem"):
        TrustStore.load(keys)
    with pytest.raises(KeyFileError, match="no such file"):
        TrustStore.load(keys / "nowhere")


def test_a_device_certificate_is_no_root(keys: Path) -> None:
    with pytest.raises(KeyFileError, match="root"):
        TrustStore.load(keys / "devices" / f"{DEVICE}.pem")


def test_serial_numbers_are_random(keys: Path) -> None:
    serials = set()
    for number in range(5):
        paths = trust.issue_device(keys, f"d{number}", precinct_id="p", now=NOW, valid_days=1)
        serials.add(x509.load_pem_x509_certificate(paths.certificate.read_bytes()).serial_number)
    assert len(serials) == 5
    assert min(serials) > 2**64


def test_raw_signatures(keys: Path) -> None:
    signer = DeviceSigner.load(keys, DEVICE)
    key = signer.certificate.public_key()
    raw = signer.sign_raw(CONTENT)
    assert len(raw) == signing.RAW_BYTES
    signing.verify_raw(key, CONTENT, raw)
    twin = raw[:32] + (signing.P256_ORDER - int.from_bytes(raw[32:])).to_bytes(32)
    for content, wrong in (
        (CONTENT + b"x", raw),
        (CONTENT, twin),
        (CONTENT, raw[:-1]),
        (CONTENT, b""),
    ):
        with pytest.raises(SignatureError):
            signing.verify_raw(key, content, wrong)


def test_a_raw_signature_cannot_become_a_cms(keys: Path) -> None:
    """What a CMS signs is a DER SET; raw signatures over one would be a second way to it."""
    signer = DeviceSigner.load(keys, DEVICE)
    with pytest.raises(ValueError, match="CMS"):
        signer.sign_raw(b"\x31\x4b")

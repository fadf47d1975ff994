"""Chains authority → region → device, both kinds of keys, and what is withdrawn (NVT-17).

Each attack is also put to stock openssl, which knows nothing of this project.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import pem
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from firmware_sim import certificates, cms_form, post_quantum, trust
from firmware_sim.errors import KeyFileError, SignatureError
from firmware_sim.issuing import OpenCa, OpenIssuer, open_authority, open_region
from firmware_sim.keyfiles import certificate_pem, device_paths, region_paths
from firmware_sim.trust import DeviceSigner, Purpose, SecondKey, TrustStore
from tests.firmware_sim.bench import DEVICE, NOW, PRECINCT

CONTENT = b"e3b0c442  totals.json\n"
REGION = "north"
IN_REGION = "scanner-north"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, two regions (one tied to its precincts), a device of each."""
    keys = tmp_path_factory.mktemp("chain") / "keys"
    trust.create_authority(keys, name="Root", now=NOW, valid_days=1000)
    trust.add_region(keys, REGION, name="North", precincts=[PRECINCT], now=NOW, valid_days=100)
    trust.add_region(keys, "south", name="South", now=NOW, valid_days=100)
    trust.issue_device(keys, DEVICE, precinct_id=PRECINCT, now=NOW, valid_days=10)
    for device, region in ((IN_REGION, REGION), ("scanner-south", "south")):
        trust.issue_device(
            keys, device, precinct_id=PRECINCT, now=NOW, valid_days=10, region=region
        )
    return keys


@pytest.fixture
def keys(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "keys"
    subprocess.run(["cp", "-a", made, copy], check=True)
    return copy


def fault(keys: Path, signer: DeviceSigner, at: datetime = NOW) -> str:
    """How a package's signatures by `signer` are received: "" or the fault."""
    try:
        _, second = TrustStore.load(keys).verify_package(
            CONTENT, signer.sign(CONTENT), signer.sign_post_quantum(CONTENT), at=at
        )
    except SignatureError as error:
        return error.fault
    assert second
    return ""


def openssl(keys: Path, signer: DeviceSigner, folder: Path, at: datetime = NOW) -> bool:
    """The stock line of DESIGN.md, at a time."""
    (folder / "SHA256SUMS").write_bytes(CONTENT)
    (folder / "SHA256SUMS.cms").write_bytes(signer.sign(CONTENT))
    line = "openssl cms -verify -binary -inform DER -in SHA256SUMS.cms -content SHA256SUMS"
    line += f" -CAfile {keys}/authority.pem -purpose any -out /dev/null"
    line += f" -attime {at.timestamp():.0f}"
    return subprocess.run(line.split(), cwd=folder, capture_output=True).returncode == 0


@pytest.mark.parametrize("device", [DEVICE, IN_REGION, "scanner-south"])
def test_both_lengths_of_chain_are_good_here_and_for_openssl(
    keys: Path, tmp_path: Path, device: str
) -> None:
    signer = DeviceSigner.load(keys, device)
    assert fault(keys, signer) == ""
    assert openssl(keys, signer, tmp_path)
    identity = TrustStore.load(keys).verify(CONTENT, signer.sign(CONTENT), at=NOW)
    assert identity.region_id == {DEVICE: None, IN_REGION: REGION}.get(device, "south")


def test_openssl_checks_the_lists_of_both_levels(keys: Path) -> None:
    (keys / "lists.pem").write_bytes(
        (keys / "revoked.pem").read_bytes() + (keys / f"regions/{REGION}/revoked.pem").read_bytes()
    )
    line = "openssl verify -x509_strict -CAfile authority.pem -untrusted "
    line += f"regions/{REGION}/region.pem -crl_check_all -CRLfile lists.pem "
    line += f"-attime {NOW.timestamp():.0f} devices/{IN_REGION}.pem"
    good = subprocess.run(line.split(), cwd=keys, capture_output=True, text=True)
    assert good.returncode == 0, good.stderr
    trust.revoke_region(keys, REGION, NOW)
    (keys / "lists.pem").write_bytes(
        (keys / "revoked.pem").read_bytes() + (keys / f"regions/{REGION}/revoked.pem").read_bytes()
    )
    assert (
        "revoked" in subprocess.run(line.split(), cwd=keys, capture_output=True, text=True).stderr
    )


# --- dates and revocation at each level ------------------------------------------------


@pytest.mark.parametrize("device", [DEVICE, IN_REGION])
def test_not_before_and_after_a_device(keys: Path, tmp_path: Path, device: str) -> None:
    signer = DeviceSigner.load(keys, device)
    for at in (NOW - timedelta(seconds=1), NOW + timedelta(days=10, seconds=1)):
        assert fault(keys, signer, at) == "expired"
        assert not openssl(keys, signer, tmp_path, at)


def test_an_expired_region_ends_its_devices(keys: Path, tmp_path: Path) -> None:
    """A device may claim to be valid for longer than its region: the region's end counts."""
    folder = region_paths(keys, REGION).certificate.parent
    subprocess.run(["rm", "-r", folder], check=True)
    trust.add_region(keys, REGION, name="North", now=NOW, valid_days=2)
    longer = _forge(keys, open_region(keys, REGION, None), end=NOW + timedelta(days=30))
    assert fault(keys, longer, NOW + timedelta(days=1)) == ""
    assert fault(keys, longer, NOW + timedelta(days=3)) == "expired"
    assert not openssl(keys, longer, tmp_path, NOW + timedelta(days=3))


def test_an_issuer_that_has_expired_issues_nothing(keys: Path) -> None:
    with pytest.raises(KeyFileError, match="expired"):
        trust.issue_device(keys, "d", precinct_id="p", now=NOW + timedelta(days=1001), valid_days=1)


def test_revoked_at_each_level(keys: Path) -> None:
    inside, direct = DeviceSigner.load(keys, IN_REGION), DeviceSigner.load(keys, DEVICE)
    trust.revoke(keys, IN_REGION, NOW)
    assert (fault(keys, inside), fault(keys, direct)) == ("revoked", "")
    south = DeviceSigner.load(keys, "scanner-south")
    trust.revoke_region(keys, "south", NOW)
    assert (fault(keys, south), fault(keys, direct)) == ("revoked", "")
    with pytest.raises(KeyFileError, match="revoked"):
        trust.issue_device(keys, "d", precinct_id="p", now=NOW, valid_days=1, region="south")
    trust.revoke(keys, DEVICE, NOW)
    assert fault(keys, direct) == "revoked"
    states = {identity.device_id: when for identity, when in trust.list_devices(keys)}
    assert set(states) == {DEVICE, IN_REGION, "scanner-south"}
    assert all(when == NOW for when in states.values())


def test_the_second_chain_is_withdrawn_as_well(keys: Path) -> None:
    """The ECDSA list put back as it was: the ML-DSA one still says revoked."""
    signer = DeviceSigner.load(keys, IN_REGION)
    older = region_paths(keys, REGION).revoked
    before = older.read_bytes()
    trust.revoke(keys, IN_REGION, NOW)
    older.write_bytes(before)
    assert fault(keys, signer) == "revoked"


def test_lists_are_numbered(keys: Path) -> None:
    first = x509.load_pem_x509_crl((keys / "revoked.pem").read_bytes())
    trust.revoke(keys, DEVICE, NOW)
    second = x509.load_pem_x509_crl((keys / "revoked.pem").read_bytes())
    numbers = [c.extensions.get_extension_for_class(x509.CRLNumber).value for c in (first, second)]
    assert [n.crl_number for n in numbers] == [1, 2]


def test_a_region_without_its_list_is_not_believed(keys: Path) -> None:
    signer = DeviceSigner.load(keys, IN_REGION)
    subprocess.run(["rm", "-r", keys / "regions" / REGION], check=True)
    assert fault(keys, signer) == "no_revocation_list"
    # A root alone knows of no revocation at all: it is the verifier's own choice.
    TrustStore.load(keys / "authority.pem").verify(CONTENT, signer.sign(CONTENT), at=NOW)


def test_a_list_or_region_of_another_is_refused(keys: Path) -> None:
    north, south = (region_paths(keys, name) for name in (REGION, "south"))
    own = north.revoked.read_bytes()
    north.revoked.write_bytes(south.revoked.read_bytes())
    with pytest.raises(KeyFileError, match=r"revoked\.pem"):
        TrustStore.load(keys)
    north.revoked.write_bytes(own)
    north.certificate.write_bytes(south.certificate.read_bytes())
    with pytest.raises(KeyFileError, match="another region"):
        TrustStore.load(keys)


# --- roles and forged chains -----------------------------------------------------------


def _forge(
    keys: Path,
    issuer: OpenIssuer,
    *,
    end: datetime | None = None,
    device: str = "forged",
    region: str | None = "",
    precinct: str = PRECINCT,
    purpose: Purpose = Purpose.RESULTS,
) -> DeviceSigner:
    """A device certified by someone's keys in ways that the commands would refuse."""
    key = ec.generate_private_key(ec.SECP256R1())
    second = post_quantum.mldsa.MLDSA65PrivateKey.generate()
    chains = []
    for ca, public, promise in (
        (issuer.first, key.public_key(), certificates.key_hash(second.public_key())),
        (issuer.second, second.public_key(), None),
    ):
        assert ca is not None
        within = certificates._within
        try:
            if end is not None:
                certificates._within = lambda _i, now, _d: (now, end)  # type: ignore[assignment]
            certificate = certificates.device_certificate(
                ca.issuer,
                public,
                device_id=device,
                precinct_id=precinct,
                region_id=issuer.region_id if region == "" else region,
                purpose=purpose,
                now=NOW,
                valid_days=10,
                post_quantum_key=promise,
            )
        finally:
            certificates._within = within
        chains.append((certificate, *ca.between))
    identity = trust.identity_of(chains[0][0])
    raw = trust.raw_signer(key)
    return DeviceSigner(raw, chains[0], identity, SecondKey(second, chains[1]))


def test_a_pollbook_signs_no_results(keys: Path) -> None:
    trust.issue_device(
        keys, "book", precinct_id=PRECINCT, now=NOW, valid_days=9, purpose=Purpose.POLLBOOK
    )
    signer = DeviceSigner.load(keys, "book")
    assert fault(keys, signer) == "wrong_purpose"
    store = TrustStore.load(keys)
    store.verify(CONTENT, signer.sign(CONTENT), at=NOW, purposes=(Purpose.POLLBOOK,))
    results = DeviceSigner.load(keys, DEVICE).sign(CONTENT)
    with pytest.raises(SignatureError, match="for results, not for pollbook"):
        store.verify(CONTENT, results, at=NOW, purposes=(Purpose.POLLBOOK,))


def test_forged_a_device_that_plays_authority(keys: Path, tmp_path: Path) -> None:
    """A stolen device key certifies a device of its own."""
    stolen = device_paths(keys, DEVICE)
    chain = trust.load_chain(stolen.certificate)
    second = trust.load_chain(stolen.second[0], post_quantum=True)
    thief = OpenIssuer(
        OpenCa(
            certificates.Issuer(chain[0], trust.load_private_key(stolen.key, None)),
            region_paths(keys, REGION),
            chain,
        ),
        OpenCa(
            certificates.Issuer(second[0], trust.load_post_quantum_key(stolen.second[1], None)),
            region_paths(keys, REGION),
            second,
        ),
        None,
    )
    forged = _forge(keys, thief)
    assert fault(keys, forged) == "untrusted"
    assert not openssl(keys, forged, tmp_path)


def test_forged_a_region_without_the_right_to_issue(keys: Path, tmp_path: Path) -> None:
    """The authority certified it as a device with a region's name, never as a CA."""
    above = open_authority(keys, None)
    key = ec.generate_private_key(ec.SECP256R1())
    not_ca = certificates.device_certificate(
        above.first.issuer,
        key.public_key(),
        device_id="north",
        precinct_id=PRECINCT,
        region_id=REGION,
        purpose=Purpose.RESULTS,
        now=NOW,
        valid_days=10,
    )
    false = OpenIssuer(
        OpenCa(certificates.Issuer(not_ca, key), region_paths(keys, REGION), (not_ca,)),
        open_region(keys, REGION, None).second,
        REGION,
    )
    forged = _forge(keys, false)
    assert fault(keys, forged) == "untrusted"
    assert not openssl(keys, forged, tmp_path)


def test_forged_by_another_authority_of_the_same_names(keys: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    trust.create_authority(other, name="Root", now=NOW, valid_days=1000)
    trust.add_region(other, REGION, name="North", now=NOW, valid_days=100)
    for device, region in ((DEVICE, None), (IN_REGION, REGION)):
        trust.issue_device(
            other, device, precinct_id=PRECINCT, now=NOW, valid_days=9, region=region
        )
        forged = DeviceSigner.load(other, device)
        assert fault(keys, forged) == "untrusted"
        assert not openssl(keys, forged, tmp_path)
        # Half a forgery: a good first signature with the second of the other authority.
        good = DeviceSigner.load(keys, device)
        with pytest.raises(SignatureError) as error:
            TrustStore.load(keys).verify_package(
                CONTENT, good.sign(CONTENT), forged.sign_post_quantum(CONTENT), at=NOW
            )
        assert error.value.fault == "untrusted"


@pytest.mark.parametrize(
    ("region", "precinct"),
    [
        (REGION, "precinct-2"),
        (REGION, f"{PRECINCT}+precinct-2"),  # one of the two is not its own
        (REGION, f"a-precinct+{PRECINCT}"),
        ("south", PRECINCT),
        (None, PRECINCT),
    ],
)
def test_a_region_stays_in_its_own_names(
    keys: Path, tmp_path: Path, region: str | None, precinct: str
) -> None:
    """Region north signs for another's precinct or region, or as if there were no region."""
    forged = _forge(keys, open_region(keys, REGION, None), region=region, precinct=precinct)
    assert fault(keys, forged) == "untrusted"
    assert not openssl(keys, forged, tmp_path)


def test_a_device_of_several_precincts_is_good_here_and_for_openssl(
    keys: Path, tmp_path: Path
) -> None:
    """Under a region that may certify both, and under the authority."""
    both = [PRECINCT, "precinct-2"]
    trust.add_region(keys, "wide", name="Wide", precincts=both, now=NOW, valid_days=100)
    for device, region in (("room-1", "wide"), ("room-2", None)):
        trust.issue_device(
            keys, device, precinct_id="+".join(both), now=NOW, valid_days=10, region=region
        )
        signer = DeviceSigner.load(keys, device)
        assert fault(keys, signer) == ""
        assert openssl(keys, signer, tmp_path)


def test_alternative_names_are_this_device_s_precincts_or_none(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate by the authority's own key whose names are not in the one form."""
    names = certificates.device_names
    one, two = (names("d", each, None)[0] for each in (PRECINCT, "precinct-2"))
    other = names("another", "precinct-2", None)[0]
    for wrong in ([two, one], [one, one], [one, other], [one, two, two]):
        monkeypatch.setattr(certificates, "device_names", lambda *_, found=wrong: found)
        forged = pytest.raises(KeyFileError, match="damaged")
        with forged:
            _forge(keys, open_authority(keys, None), device="d", region=None)


def test_the_commands_refuse_what_a_region_may_not(keys: Path) -> None:
    with pytest.raises(KeyFileError, match="may not certify"):
        trust.issue_device(
            keys, "d", precinct_id="precinct-2", now=NOW, valid_days=1, region=REGION
        )
    with pytest.raises(KeyFileError, match="already"):
        trust.add_region(keys, REGION, name="N", now=NOW, valid_days=1)
    for bad in ("", "../x", "a b"):
        with pytest.raises(KeyFileError, match="region id"):
            trust.add_region(keys, bad, name="N", now=NOW, valid_days=1)
    with pytest.raises(KeyFileError, match="no such file"):
        trust.issue_device(keys, "d", precinct_id="p", now=NOW, valid_days=1, region="nowhere")


def test_a_region_keeps_its_own_passphrase(keys: Path) -> None:
    trust.add_region(
        keys, "west", name="West", now=NOW, valid_days=9, region_passphrase=b"westward"
    )
    for wrong in (None, b"eastward"):
        with pytest.raises(KeyFileError, match="passphrase"):
            trust.issue_device(
                keys, "w", precinct_id="p", now=NOW, valid_days=1, region="west", passphrase=wrong
            )
    trust.issue_device(
        keys, "w", precinct_id="p", now=NOW, valid_days=1, region="west", passphrase=b"westward"
    )
    assert fault(keys, DeviceSigner.load(keys, "w")) == ""


def test_an_authority_for_devices_only_has_no_regions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A root of version 0.1 had path length 0; its devices stay good, regions are refused."""
    real = x509.BasicConstraints
    monkeypatch.setattr(
        certificates.x509,
        "BasicConstraints",
        lambda ca, path_length: real(ca=ca, path_length=0 if path_length == 1 else path_length),
    )
    keys = tmp_path / "old"
    trust.create_authority(keys, name="Old", now=NOW, valid_days=99, post_quantum=False)
    monkeypatch.undo()
    trust.issue_device(keys, DEVICE, precinct_id=PRECINCT, now=NOW, valid_days=9)
    signer = DeviceSigner.load(keys, DEVICE)
    TrustStore.load(keys).verify(CONTENT, signer.sign(CONTENT), at=NOW)
    assert signer.sign_post_quantum(CONTENT) is None
    with pytest.raises(KeyFileError, match="path length 0"):
        trust.add_region(keys, REGION, name="N", now=NOW, valid_days=1)


# --- the second signature --------------------------------------------------------------


def test_a_missing_second_signature_is_a_downgrade(keys: Path) -> None:
    signer = DeviceSigner.load(keys, IN_REGION)
    store = TrustStore.load(keys)
    with pytest.raises(SignatureError, match=r"SHA256SUMS\.mldsa, is missing") as error:
        store.verify_package(CONTENT, signer.sign(CONTENT), None, at=NOW)
    assert error.value.fault == "downgraded"


def test_without_a_promise_only_the_strict_ask_for_one(keys: Path) -> None:
    plain = _forge(keys, open_authority(keys, None))
    unpromised = certificates.device_certificate(
        open_authority(keys, None).first.issuer,
        plain.certificate.public_key(),  # type: ignore[arg-type]
        device_id="plain",
        precinct_id=PRECINCT,
        region_id=None,
        purpose=Purpose.RESULTS,
        now=NOW,
        valid_days=9,
    )
    signer = DeviceSigner(plain.raw, (unpromised,), trust.identity_of(unpromised))
    store = TrustStore.load(keys)
    signature = signer.sign(CONTENT)
    assert store.verify_package(CONTENT, signature, None, at=NOW)[1] is False
    strict = TrustStore(store.first, store.second, require_post_quantum=True)
    with pytest.raises(SignatureError) as error:
        strict.verify_package(CONTENT, signature, None, at=NOW)
    assert error.value.fault == "downgraded"
    with pytest.raises(SignatureError) as error:  # a signature that nobody promised
        store.verify_package(CONTENT, signature, plain.sign_post_quantum(CONTENT), at=NOW)
    assert error.value.fault == "untrusted"
    rootless = TrustStore(store.first, None, require_post_quantum=True)
    with pytest.raises(SignatureError, match=r"authority-mldsa\.pem"):
        rootless.verify_package(CONTENT, signature, None, at=NOW)


def test_the_second_signature_is_of_this_content_device_and_use(keys: Path) -> None:
    signer, other = DeviceSigner.load(keys, DEVICE), DeviceSigner.load(keys, IN_REGION)
    assert signer.second is not None
    store = TrustStore.load(keys)
    of_other_use = post_quantum.write(
        signer.second.key.sign(CONTENT, b"another use"), signer.second.chain
    )
    without_context = post_quantum.write(signer.second.key.sign(CONTENT), signer.second.chain)
    for second, fault_name in (
        (signer.sign_post_quantum(b"other"), "bad_signature"),
        (other.sign_post_quantum(CONTENT), "untrusted"),
        (of_other_use, "bad_signature"),
        (without_context, "bad_signature"),
    ):
        with pytest.raises(SignatureError) as error:
            store.verify_package(CONTENT, signer.sign(CONTENT), second, at=NOW)
        assert error.value.fault == fault_name


def test_a_key_that_was_not_promised_cannot_be_loaded(keys: Path) -> None:
    one, two = device_paths(keys, DEVICE), device_paths(keys, IN_REGION)
    for mine, others in zip(one.second, two.second, strict=True):
        mine.write_bytes(others.read_bytes())
    with pytest.raises(KeyFileError, match="promises"):
        DeviceSigner.load(keys, DEVICE)


# --- every field -----------------------------------------------------------------------


def fields(der: bytes, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Where the values of a DER structure stand that hold no others: (first, after the last)."""
    found, at, end = [], start, len(der) if end is None else end
    while at < end:
        constructed, length, head = der[at] & 0x20, der[at + 1], 2
        if length & 0x80:
            head += length & 0x7F
            length = int.from_bytes(der[at + 2 : at + head])
        inside = (at + head, at + head + length)
        found += fields(der, *inside) if constructed else [inside]
        at = inside[1]
    return [(first, last) for first, last in found if last > first]


def edits(der: bytes) -> list[tuple[int, bytes]]:
    """The file with the last byte of one field's value changed, for each field in turn."""
    changed = []
    for _, after in fields(der):
        bad = bytearray(der)
        bad[after - 1] ^= 1
        changed.append((after - 1, bytes(bad)))
    return changed


def _outcome(load: Callable[[], str]) -> str:
    try:
        return load()
    except (KeyFileError, SignatureError):
        return "refused"


def _taken(store: TrustStore, first: bytes, second: bytes) -> str:
    store.verify_package(CONTENT, first, second, at=NOW)
    return "taken"


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("name", ["revoked", "regions/north/revoked"])
def test_every_field_of_a_list(keys: Path, name: str, second: bool) -> None:
    signer = DeviceSigner.load(keys, IN_REGION)
    trust.revoke(keys, IN_REGION, NOW)
    trust.revoke_region(keys, "south", NOW)
    file = keys / f"{name}{'-mldsa' if second else ''}.pem"
    kind, _, der = pem.unarmor(file.read_bytes())
    changed = edits(der)
    assert len(changed) >= 11
    for field, bad in changed:
        file.write_bytes(pem.armor(kind, bad))
        assert _outcome(lambda: fault(keys, signer)) in ("refused", "revoked"), field
        if field < len(x509.load_der_x509_crl(der).tbs_certlist_bytes):  # in what is signed
            with pytest.raises(KeyFileError):
                TrustStore.load(keys)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("place", [0, 1])
def test_every_field_of_a_certificate_in_a_signature(keys: Path, place: int, second: bool) -> None:
    """The device's and the region's certificate, as they travel in a package."""
    signer = DeviceSigner.load(keys, IN_REGION)
    assert signer.second is not None
    store = TrustStore.load(keys)
    good, mldsa = signer.sign(CONTENT), signer.sign_post_quantum(CONTENT) or b""
    chain = signer.second.chain if second else signer.chain
    der = chain[place].public_bytes(cms_form.serialization.Encoding.DER)
    changed = edits(der)
    assert len(changed) >= 20
    for field, bad in changed:
        if second:
            old, new = (pem.armor("CERTIFICATE", each) for each in (der, bad))
            assert old in mldsa
            first, other = good, mldsa.replace(old, new)
        else:
            assert der in good
            first, other = good.replace(der, bad), mldsa
        assert _outcome(lambda f=first, o=other: _taken(store, f, o)) == "refused", field


@pytest.mark.parametrize("name", ["regions/north/region.pem", "regions/north/region-mldsa.pem"])
def test_every_field_of_a_region_in_the_trust_folder(keys: Path, name: str) -> None:
    """What is signed may not change; what is outside it changes nothing that is believed."""
    signer = DeviceSigner.load(keys, IN_REGION)
    trust.revoke(keys, IN_REGION, NOW)
    file = keys / name
    kind, _, der = pem.unarmor(file.read_bytes())
    for field, bad in edits(der):
        file.write_bytes(pem.armor(kind, bad))
        assert _outcome(lambda: fault(keys, signer)) in ("refused", "revoked"), field


def test_a_chain_file_holds_at_most_two(keys: Path) -> None:
    path = device_paths(keys, DEVICE).certificate
    certificate = trust.load_chain(path)[0]
    path.write_bytes(certificate_pem(*[certificate] * 3))
    with pytest.raises(KeyFileError, match="more than two"):
        DeviceSigner.load(keys, DEVICE)


def test_a_kazakh_name_too_long_for_a_certificate_is_refused_in_words(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    long = "Орталық сайлау комиссиясы ӘҒҚҢӨҰҮҺІ"
    for name in (long, " ", "x" * 65, "\udcff"):
        with pytest.raises(KeyFileError, match="letters"):
            trust.create_authority(keys, name=name, now=NOW, valid_days=10)
    trust.create_authority(keys, name="Ә" * 32, now=NOW, valid_days=10)
    with pytest.raises(KeyFileError, match="a region's name"):
        trust.add_region(keys, "north", name=long, now=NOW, valid_days=5)

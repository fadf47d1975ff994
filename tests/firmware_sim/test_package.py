"""The results package: one form, checked by stock tools, refused when anything changed."""

from __future__ import annotations

import io
import json
import random
import secrets
import shlex
import subprocess
import zipfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import cms, core  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from election.model import Identifier
from firmware_sim import package as pk
from firmware_sim import zip_form
from firmware_sim.day import close_day, open_day
from firmware_sim.device import PrecinctDevice
from firmware_sim.errors import PackageError, SignatureError
from firmware_sim.eventlog import EventLogError, from_lines, to_lines
from firmware_sim.journal import Journal
from firmware_sim.package import ResultsPackage, build_package, read_package
from firmware_sim.trust import TrustStore
from scanner.cvr import validate_report
from tests.firmware_sim import bench

#: What everyone is told to run (README): nothing of ours takes part.
SUMS_LINE = ["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"]
CMS_LINE = shlex.split(
    "openssl cms -verify -binary -inform DER -in SHA256SUMS.cms -content SHA256SUMS "
    "-CAfile authority.pem -purpose any -out /dev/null"
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """A package from a real device's day, and the keys' directory."""
    directory = tmp_path_factory.mktemp("day")
    feeder = bench.FileFeeder(directory / "feeder.json")
    with Journal(directory / "j.sqlite") as journal:
        device = PrecinctDevice(
            bench.setup(directory / "keys"),
            journal=journal,
            feeder=feeder,
            reader=bench.JsonSheetReader(),
            printer=bench.ListPrinter(),
            clock=bench.clock,
            randomness=secrets.token_bytes,
        )
        open_day(device)
        feeder.load([bench.GOOD, bench.BOTH, bench.OTHER, bench.BLANK, bench.BLANK])
        while device.process_next().kind != "tray_empty":
            pass
        close_day(device)
        return device.export(issued={"single": 4, "both": 1}), directory / "keys"


@pytest.fixture(scope="module")
def package(exported: tuple[bytes, Path]) -> ResultsPackage:
    return read_package(exported[0], "package.zip")


@pytest.fixture
def unpacked(exported: tuple[bytes, Path], tmp_path: Path) -> Path:
    data, keys = exported
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "authority.pem").write_bytes((keys / "authority.pem").read_bytes())
    return tmp_path


def stock_check(directory: Path) -> bool:
    """The two lines, at the time of the election."""
    return all(
        subprocess.run(line, cwd=directory, capture_output=True).returncode == 0
        for line in (SUMS_LINE, [*CMS_LINE, "-attime", str(int(bench.NOW.timestamp()))])
    )


# --- stock tools -----------------------------------------------------------------------


def test_stock_tools_accept_it(unpacked: Path) -> None:
    assert stock_check(unpacked)


def unused_by_openssl(der: bytes) -> set[int]:
    """Offsets of the bytes of a CMS that `openssl cms -verify` (3.0) does not use.

    Freely changeable are the two version numbers, the name of the content type and the
    name of the signature algorithm: none of them decides what is verified, how, or by
    whose key. Tags of SET and of [0] may lose their "constructed" bit, nothing else.
    """
    info = cms.ContentInfo.load(der)
    signed = info["content"]
    signer = signed["signer_infos"][0]
    offsets: set[int] = set()

    def content(part: core.Asn1Value, *within: core.Asn1Value) -> None:
        # Through the enclosing values: the certificate holds some of these bytes too.
        at, around = 0, der
        for value in (*within, part):
            at, around = at + around.index(value.dump()), value.dump()
        whole = part.dump()
        offsets.update(range(at + len(whole) - len(part.contents), at + len(whole)))

    def tag(part: core.Asn1Value) -> None:
        offsets.add(der.index(part.dump()))

    content(signed["version"], signed)
    content(signed["encap_content_info"]["content_type"], signed["encap_content_info"])
    content(signer["version"], signer)
    algorithm = signer["signature_algorithm"]
    content(algorithm["algorithm"], signer, algorithm)
    for part in (signed["digest_algorithms"], signed["certificates"], signed["signer_infos"]):
        tag(part)
    tag(signer["signed_attrs"])
    for attribute in signer["signed_attrs"]:
        tag(attribute["values"])
    return offsets


def test_stock_tools_refuse_any_changed_byte(unpacked: Path) -> None:
    """Random bytes of every unpacked file, and each byte of the signature that OpenSSL uses;
    those few that it does not use are refused by our reader (next test)."""
    chance = random.Random(19)
    names = sorted(str(p.relative_to(unpacked)) for p in unpacked.rglob("*") if p.is_file())
    names.remove("authority.pem")
    # Stock tools of today do not look at it: see the next test but one.
    names.remove(pk.SECOND_SIGNATURE)
    assert len(names) == 11
    der = (unpacked / pk.SIGNATURE).read_bytes()
    unused = unused_by_openssl(der)
    assert len(unused) == 25
    places = [(pk.SIGNATURE, at) for at in range(len(der)) if at not in unused]
    places += [
        (name, chance.randrange((unpacked / name).stat().st_size))
        for name in names
        if name != pk.SIGNATURE
        for _ in range(50)
    ]
    refused = 0
    for name, at in places:
        file = unpacked / name
        good = file.read_bytes()
        bad = bytearray(good)
        bad[at] ^= chance.randrange(1, 256)
        file.write_bytes(bad)
        assert not stock_check(unpacked), f"{name}, byte {at}: {good[at]:02x} -> {bad[at]:02x}"
        refused += 1
        file.write_bytes(good)
    assert refused == len(der) - 25 + 10 * 50 > 1000
    assert stock_check(unpacked)


def test_our_reader_refuses_every_byte_of_the_signature(
    exported: tuple[bytes, Path], package: ResultsPackage
) -> None:
    """Each byte in turn, also those that OpenSSL does not use."""
    store = TrustStore.load(exported[1])
    chance = random.Random(3)
    faults: Counter[str] = Counter()
    for at in range(len(package.cms)):
        bad = bytearray(package.cms)
        bad[at] ^= chance.randrange(1, 256)
        with pytest.raises(SignatureError) as error:
            store.verify(package.sums, bytes(bad), at=bench.NOW)
        faults[error.value.fault] += 1
    assert set(faults) == {"malformed", "untrusted", "bad_signature"}


def test_our_reader_refuses_changed_bytes_of_the_second_signature(
    exported: tuple[bytes, Path], package: ResultsPackage
) -> None:
    store = TrustStore.load(exported[1])
    good = package.mldsa
    assert good is not None
    chance = random.Random(4)
    for at in [
        *range(120),
        *chance.sample(range(len(good)), 400),
        *range(len(good) - 60, len(good)),
    ]:
        bad = bytearray(good)
        bad[at] ^= chance.randrange(1, 256)
        with pytest.raises(SignatureError):
            store.verify_package(package.sums, package.cms, bytes(bad), at=bench.NOW)
    for bad_length in (good[:-1], good + b"\n", b" " + good, good.replace(b"\n", b"\r\n"), b""):
        with pytest.raises(SignatureError) as error:
            store.verify_package(package.sums, package.cms, bad_length, at=bench.NOW)
        assert error.value.fault == "malformed"
    assert store.verify_package(package.sums, package.cms, good, at=bench.NOW)[1]


# --- the strict reader -----------------------------------------------------------------


def test_same_input_same_bytes(package: ResultsPackage, exported: tuple[bytes, Path]) -> None:
    assert (
        build_package(package.files, lambda _: package.cms, lambda _: package.mldsa) == exported[0]
    )


def test_every_byte_of_the_zip_counts(exported: tuple[bytes, Path]) -> None:
    """Also in zip headers that no program looks at."""
    data, chance = exported[0], random.Random(5)
    for at in [*chance.sample(range(len(data)), 600), *range(len(data) - 300, len(data))]:
        bad = bytearray(data)
        bad[at] ^= chance.randrange(1, 256)
        with pytest.raises(PackageError, match=r"package\.zip"):
            read_package(bytes(bad), "package.zip")
    for bad_length in (data[:-1], data + b"\0", b"\0" + data, data[: len(data) // 2], b""):
        with pytest.raises(PackageError):
            read_package(bad_length, "package.zip")


def test_the_altered_file_is_named(package: ResultsPackage) -> None:
    files = {**package.files, "totals.json": package.files["totals.json"].replace(b"1", b"2")}
    with pytest.raises(PackageError, match=r"totals\.json does not match SHA256SUMS"):
        read_package(zip_form.write(files), "package.zip")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"../../etc/passwd": b""}, "not a name"),
        ({"/etc/passwd": b""}, "not a name"),
        ({"a\\b": b""}, "not a name"),
        ({".hidden": b""}, "not a name"),
        ({"TOTALS.JSON": b"{}"}, "occurs twice"),
        ({f"file{n}": b"" for n in range(64)}, "more than 64"),
    ],
)
def test_unsafe_names_are_refused(
    package: ResultsPackage, change: dict[str, bytes], words: str
) -> None:
    with pytest.raises(PackageError, match=words):
        read_package(zip_form.write({**package.files, **change}), "package.zip")


def test_zip_bombs_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", bytes(50_000_000))
    with pytest.raises(PackageError, match="compressed"):
        read_package(buffer.getvalue(), "bomb.zip")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("format", "ballotbench-package/9", "format"),
        ("export_number", 0, "export_number"),
        ("created", "yesterday", "created"),
        ("files", [], "does not list"),
        ("extra", 1, "extra"),
    ],
)
def test_a_wrong_manifest_is_named(
    package: ResultsPackage, field: str, value: object, words: str
) -> None:
    manifest = {**package.manifest, field: value}
    files = {**package.files, pk.MANIFEST: pk.to_json_bytes(manifest)}
    with pytest.raises(PackageError, match=words):
        read_package(build_package(files, lambda _sums: b"-"), "package.zip")


def test_a_missing_file_is_named(package: ResultsPackage) -> None:
    files = {name: data for name, data in package.files.items() if name != pk.TOTALS}
    with pytest.raises(PackageError, match=r"totals\.json is missing"):
        read_package(zip_form.write(files), "package.zip")
    with pytest.raises(PackageError, match=r"needs totals\.json"):
        build_package(files, lambda _sums: b"")


# --- what is inside --------------------------------------------------------------------


def test_every_json_is_valid_by_its_schema(package: ResultsPackage) -> None:
    for name in (pk.MANIFEST, pk.PROTOCOL, pk.TOTALS, pk.DEVICE):
        document = package.document(name)
        with pytest.raises(PackageError):
            pk.check_schema({**document, "surprise": 1}, name, where="test")
    validate_report(package.document(pk.CVR_REPORT))
    for line in package.files[pk.EVENTS].splitlines():
        pk.check_schema(json.loads(line), pk.EVENTS, where="test")


def test_every_id_of_a_definition_fits_a_package(package: ResultsPackage) -> None:
    """A definition's longest ids (256) must not be refused after the polls have closed."""
    longest = "S" * 256
    TypeAdapter(Identifier).validate_python(longest)
    totals, protocol = package.document(pk.TOTALS), package.document(pk.PROTOCOL)
    totals["styles"] = {longest: totals["styles"]["single"]}
    votes = {"votes": {longest: 1}}
    totals["contests"] = {longest: totals["contests"]["mayor"] | votes}
    protocol["by_style"] = {longest: protocol["by_style"]["single"]}
    pk.check_schema(totals, pk.TOTALS, where="test")
    pk.check_schema(protocol, pk.PROTOCOL, where="test")
    pk.check_schema(dict(package.manifest) | {"election_id": longest}, pk.MANIFEST, where="test")


def test_the_event_log_is_chained(package: ResultsPackage) -> None:
    data = package.files[pk.EVENTS]
    events = from_lines(data)
    assert events[0].kind == "configured"
    assert to_lines(events) == data
    for broken in (events[1:], events[:2] + events[3:]):
        with pytest.raises(EventLogError):
            from_lines(to_lines(broken))
    with pytest.raises(EventLogError, match="line 1"):
        from_lines(data.replace(b"precinct-1", b"precinct-2", 1))
    for nonsense in (b"[]", b"{}", b"\xff", b'{"seq":1}'):
        with pytest.raises(EventLogError):
            from_lines(nonsense)


def test_nothing_in_the_package_ties_a_vote_to_a_time(package: ResultsPackage) -> None:
    """Secrecy: records leave in id order, without times (NVT-05)."""
    report = package.document(pk.CVR_REPORT)
    ids = [record["UniqueId"] for record in report["CVR"]]
    assert ids == sorted(ids)
    text = json.dumps(report["CVR"])
    assert "2026" not in text.replace("test-2026", "")


def test_valid_at_the_time_of_the_election_only(
    exported: tuple[bytes, Path], package: ResultsPackage
) -> None:
    store = TrustStore.load(exported[1])
    identity = store.verify(package.sums, package.cms, at=bench.NOW)
    assert (identity.device_id, identity.precinct_id) == (bench.DEVICE, bench.PRECINCT)
    for days in (-1, 400):
        with pytest.raises(SignatureError) as error:
            store.verify(package.sums, package.cms, at=bench.NOW + timedelta(days=days))
        assert error.value.fault == "expired"


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_-]{1,12}(/[A-Za-z0-9._-]{1,8})?", fullmatch=True),
        st.binary(max_size=60),
        max_size=6,
    ),
    st.integers(0, 10_000),
    st.integers(0, 7),
)
def test_the_zip_is_that_of_a_library_and_no_other_is_read(
    files: dict[str, bytes], place: int, bit: int
) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    data = zip_form.write(files)
    assert data == buffer.getvalue()
    assert zip_form.read(data) == files
    changed = bytearray(data)
    changed[place % len(data)] ^= 1 << bit
    assert zip_form.read(bytes(changed)) is None
    assert zip_form.read(data[: place % len(data)]) is None
    assert zip_form.read(data + b"x") is None

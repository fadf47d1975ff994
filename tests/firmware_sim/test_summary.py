"""The signed summary: one form, every byte of it guarded (NVT-11, NVT-13)."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import trust
from firmware_sim.errors import SignatureError, SignatureFault
from firmware_sim.summary import (
    MAX_NUMBER,
    ContestFigures,
    StyleFigures,
    Summary,
    SummaryError,
    pack,
    records_root,
    unpack,
)
from firmware_sim.summary_code import (
    CodeTextError,
    SealedSummary,
    base45,
    check_seal,
    join,
    open_seal,
    seal,
    split,
    unbase45,
)
from hardware.tape_code import qr_version
from hardware.tape_format import TAPE_58, TAPE_80
from scanner.record import CastVoteRecord
from tests.firmware_sim import bench

numbers = st.integers(0, MAX_NUMBER)
seconds = st.integers(0, MAX_NUMBER)


@st.composite
def summaries(draw: st.DrawFn) -> Summary:
    """Any summary: few draws, so that many are tried."""
    figure = iter(draw(st.lists(numbers | st.integers(0, 300), min_size=80, max_size=80)))
    digests = draw(st.binary(min_size=128, max_size=128)).hex()
    moments = [
        datetime.fromtimestamp(draw(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for _ in "ab"
    ]
    issued = draw(st.none() | st.integers(0, 5000))
    style = StyleFigures(issued, *(next(figure) for _ in range(5)))
    options = draw(st.integers(0, 30))
    contest = ContestFigures(
        *(next(figure) for _ in range(6)),  # type: ignore[arg-type]
        votes=tuple(next(figure) for _ in range(options)),
    )
    return Summary(
        draw(st.sampled_from(["official", "test"])),
        *(digests[at : at + 64] for at in range(0, 256, 64)),
        draw(st.text("AZaz09қ.-", min_size=1, max_size=60)),
        draw(st.text("AZaz09.-", min_size=1, max_size=60)),
        *moments,
        *(next(figure) for _ in range(5)),
        draw(st.none() | st.integers(0, 5000)),
        (style,) * draw(st.integers(0, 3)),
        (contest,) * draw(st.integers(0, 4)),
    )


def a_summary(**changes: object) -> Summary:
    """One precinct's summary, of many options."""
    contest = ContestFigures(900, 3, 17, 2, 5, 4, tuple(range(192)))
    small = ContestFigures(900, 0, 17, 2, 5, 4, (400, 300, 191))
    summary = Summary(
        mode="official",
        election_hash="11" * 32,
        profile_hash="22" * 32,
        firmware_hash="33" * 32,
        records_root="44" * 32,
        precinct_id=bench.PRECINCT,
        device_id=bench.DEVICE,
        opened="2026-03-19T02:00:00Z",
        closed="2026-03-19T15:00:00Z",
        registered=2100,
        sheets_fed=920,
        accepted=900,
        returned=12,
        refused=8,
        box_counter=900,
        styles=(StyleFigures(910, 900, 890, 5, 5, 12),),
        contests=(contest, *([small] * 12)),
    )
    return replace(summary, **changes)  # type: ignore[arg-type]


@settings(max_examples=100, deadline=None)
@given(summaries())
def test_what_is_packed_comes_back(summary: Summary) -> None:
    assert unpack(pack(summary)) == summary


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400) | st.binary(max_size=400).map(lambda b: b"BBS1" + b))
def test_bytes_are_a_summary_in_its_one_form_or_refused(data: bytes) -> None:
    try:
        again = pack(unpack(data))
    except SummaryError:
        again = data
    assert again == data


def test_other_forms_of_a_number_are_refused() -> None:
    data = pack(a_summary(contests=()))
    assert data.endswith(b"\x00")
    with pytest.raises(SummaryError, match="shortest"):
        unpack(data[:-1] + b"\x80\x00")
    with pytest.raises(SummaryError, match="cut short"):
        unpack(data[:-1])
    with pytest.raises(SummaryError, match="too many"):
        unpack(data + b"\x00")
    with pytest.raises(SummaryError, match="does not fit"):
        pack(a_summary(returned=-1))


def test_records_root_is_the_tree_head_of_rfc_9162() -> None:
    """Against the recursive definition of the RFC, for every number of records to 12."""
    import rfc8785

    def head(leaves: list[bytes]) -> bytes:
        if not leaves:
            return hashlib.sha256(b"").digest()
        if len(leaves) == 1:
            return hashlib.sha256(b"\0" + leaves[0]).digest()
        half = 1
        while half * 2 < len(leaves):
            half *= 2
        return hashlib.sha256(b"\1" + head(leaves[:half]) + head(leaves[half:])).digest()

    records = [
        CastVoteRecord(f"{n:032x}", "00" * 32, "single", None, True, None, False, ())
        for n in range(12)
    ]
    for count in range(13):
        some = records[:count]
        leaves = [rfc8785.dumps(record.to_json()) for record in some]
        assert records_root(reversed(some)) == head(leaves).hex()


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"AB", "BB8"), (b"Hello!!", "%69 VD92EX0"), (b"base-45", "UJCLQE7W581"), (b"", "")],
)
def test_base45_as_in_rfc_9285(data: bytes, text: str) -> None:
    assert base45(data) == text
    assert unbase45(text) == data


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "keys"
    bench.setup(folder)
    return folder


@pytest.fixture(scope="module")
def sealed(keys: Path) -> bytes:
    signer = trust.DeviceSigner.load(keys, bench.DEVICE)
    return seal(a_summary(), signer.sign_raw, signer.chain)


def prove(data: bytes, keys: Path) -> SealedSummary:
    opened = open_seal(data)
    check_seal(opened, trust.TrustStore.load(keys), at=bench.NOW + timedelta(days=1))
    return opened


@pytest.mark.parametrize("tape", [TAPE_80, TAPE_58])
def test_a_long_ballot_fits_the_codes_of_a_tape(sealed: bytes, keys: Path, tape: object) -> None:
    """192 options and twelve more contests; order free, repeats allowed."""
    texts = split(sealed, tape.largest_code)  # type: ignore[attr-defined]
    assert 1 < len(texts) <= 12
    assert all(qr_version(len(text)) <= tape.largest_code for text in texts)  # type: ignore[attr-defined]
    again = join([*reversed(texts), texts[0], "https://example.org"])
    assert prove(again, keys).summary == a_summary()


def test_what_lacks_or_does_not_belong_is_named(sealed: bytes, keys: Path) -> None:
    texts = split(sealed, TAPE_80.largest_code)
    with pytest.raises(CodeTextError, match="code 2 of") as lacking:
        join([texts[0], *texts[2:]])
    assert (lacking.value.fault, lacking.value.missing) == ("incomplete", (2,))
    signer = trust.DeviceSigner.load(keys, bench.DEVICE)
    other = split(seal(a_summary(), signer.sign_raw, signer.chain), TAPE_80.largest_code)
    with pytest.raises(CodeTextError) as mixed:
        join([*texts, other[0]])
    assert mixed.value.fault == "mixed"
    with pytest.raises(CodeTextError) as foreign:
        join(["BB1:00"])
    assert foreign.value.fault == "not_ours"


def test_every_changed_byte_is_found(sealed: bytes, keys: Path) -> None:
    """Flip one bit of every byte: refused each time, the first time by name."""
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1 << place % 8
        with pytest.raises((SummaryError, SignatureError)):
            prove(bytes(changed), keys)


def test_revoked_expired_and_foreign_devices_are_named(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    bench.setup(keys)
    signer = trust.DeviceSigner.load(keys, bench.DEVICE)
    data = open_seal(seal(a_summary(), signer.sign_raw, signer.chain))

    def fault(at_days: int, folder: Path) -> SignatureFault:
        with pytest.raises(SignatureError) as error:
            check_seal(data, trust.TrustStore.load(folder), at=bench.NOW + timedelta(days=at_days))
        return error.value.fault

    assert fault(800, keys) is SignatureFault.EXPIRED
    bench.setup(tmp_path / "others")
    assert fault(1, tmp_path / "others") is SignatureFault.UNTRUSTED
    trust.revoke(keys, bench.DEVICE, bench.NOW)
    assert fault(1, keys) is SignatureFault.REVOKED


def test_a_summary_of_another_device_or_precinct_proves_nothing(keys: Path) -> None:
    signer = trust.DeviceSigner.load(keys, bench.DEVICE)
    for change in ({"device_id": "scanner-002"}, {"precinct_id": "precinct-2"}):
        data = seal(a_summary(**change), signer.sign_raw, signer.chain)
        with pytest.raises(SignatureError, match="signed it"):
            prove(data, keys)


def test_a_region_between_root_and_device_is_in_the_codes(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    trust.create_authority(keys, name="Root", now=bench.NOW, valid_days=3650)
    trust.add_region(keys, "north", name="North", now=bench.NOW, valid_days=3650)
    trust.issue_device(
        keys, bench.DEVICE, precinct_id=bench.PRECINCT, region="north",
        now=bench.NOW, valid_days=365,
    )  # fmt: skip
    signer = trust.DeviceSigner.load(keys, bench.DEVICE)
    data = join(split(seal(a_summary(), signer.sign_raw, signer.chain), TAPE_80.largest_code))
    assert len(prove(data, keys).certificates) == 2


def test_stock_openssl_checks_it(sealed: bytes, keys: Path, tmp_path: Path) -> None:
    """docs/tapes.md: two lines of openssl prove a summary without Ballotbench."""
    import shutil

    from console.tape_photo import unpack as unpack_files

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    unpack_files(open_seal(sealed), tmp_path)
    key = subprocess.run(
        ["openssl", "x509", "-in", "device.pem", "-pubkey", "-noout"],
        cwd=tmp_path, check=True, capture_output=True,
    ).stdout  # fmt: skip
    (tmp_path / "key.pem").write_bytes(key)
    subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "summary.sig"]
        + ["summary.bin"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(
        ["openssl", "verify", "-attime", str(int(bench.NOW.timestamp()) + 86400), "-CAfile"]
        + [str(keys / "authority.pem"), "device.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip


def test_the_documented_lines_take_the_codes_apart(
    sealed: bytes, keys: Path, tmp_path: Path
) -> None:
    """The script of docs/tapes.md, run as it stands there, and openssl on what it writes."""
    import re
    import shutil
    import sys

    page = (Path(__file__).resolve().parents[2] / "docs" / "tapes.md").read_text(encoding="utf-8")
    script = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert script is not None
    (tmp_path / "codes.txt").write_text("\n".join(split(sealed, TAPE_80.largest_code)))
    subprocess.run([sys.executable, "-c", script[1]], cwd=tmp_path, check=True)
    opened = open_seal(sealed)
    assert (tmp_path / "summary.bin").read_bytes() == opened.signed
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    shutil.copy(keys / "authority.pem", tmp_path)
    at = str(int(bench.NOW.timestamp()) + 86400)
    lines = page.split("openssl x509 -inform", 1)[1].split("```", 1)[0]
    for line in f"openssl x509 -inform{lines}".strip().splitlines():
        dated = line.replace("openssl verify ", f"openssl verify -attime {at} ")
        subprocess.run(dated, shell=True, cwd=tmp_path, check=True, capture_output=True)  # noqa: S602

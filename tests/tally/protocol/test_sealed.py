"""The signed protocol: whole, by members of this commission, by a quorum (SEED-06, SEED-13)."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from election.figures import CONTEST_FIGURES, PAPER_FIGURES
from firmware_sim.errors import SignatureError, SignatureFault
from firmware_sim.package import strict_zip
from firmware_sim.summary import SummaryError
from firmware_sim.trust import Purpose, revoke
from tally.protocol.form import (
    ContestForm,
    PaperFigures,
    PrecinctForm,
    ProtocolError,
    form_problem,
    parse_form,
)
from tally.protocol.schemas import DIRECTORY, schemas
from tally.protocol.sealed import (
    SealedProtocol,
    add_signature,
    is_protocol,
    read_protocol,
    verify_protocol,
    write_protocol,
)
from tally.protocol.summary import figures_of, pack, summarise, unpack
from tests.tally.protocol.commission import NOW, Commission, full_form
from tests.tally.world import make_election

ELECTION = make_election()


@pytest.fixture(scope="module")
def commission(tmp_path_factory: pytest.TempPathFactory) -> Commission:
    return Commission(tmp_path_factory.mktemp("commission"))


@pytest.fixture(scope="module")
def signed(commission: Commission) -> bytes:
    return write_protocol(commission.form(), commission.signers())


def verify(sealed: SealedProtocol, commission: Commission, quorum: int = 3) -> list[str]:
    found = verify_protocol(sealed, commission.trust(), at=NOW, quorum=quorum)
    return [identity.device_id for identity in found]


def test_what_members_sign_is_read_again_and_proved(commission: Commission, signed: bytes) -> None:
    sealed = read_protocol(signed, "p-1.protocol.zip")
    assert sealed.form == commission.form()
    assert verify(sealed, commission) == ["chair-1", "member-2", "member-3"]
    assert sealed.form.digest == hashlib.sha256(commission.form().canonical_json()).hexdigest()
    assert is_protocol(signed)


def test_the_form_names_the_figures_of_the_definition() -> None:
    assert tuple(PaperFigures.model_fields)[:-1] == PAPER_FIGURES
    assert set(ContestForm.model_fields) == {*CONTEST_FIGURES, "votes"}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_stock_tools_prove_it(commission: Commission, signed: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(BytesIO(signed)) as archive:
        archive.extractall(tmp_path)
    subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, check=True, capture_output=True)
    for cms in sorted((tmp_path / "signatures").iterdir()):
        subprocess.run(
            [
                *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", cms),
                *("-content", tmp_path / "SHA256SUMS", "-purpose", "any", "-no_check_time"),
                *("-CAfile", commission.keys / "authority.pem", "-out", tmp_path / "checked"),
            ],
            check=True,
            capture_output=True,
        )


def test_members_sign_one_after_the_other(commission: Commission) -> None:
    first, second, third = commission.signers()
    data = write_protocol(commission.form(), [first])
    with pytest.raises(ProtocolError, match="1 of 3 members have signed: no quorum"):
        verify(read_protocol(data, "p"), commission)
    with pytest.raises(ProtocolError, match="chair-1 has signed it already"):
        add_signature(data, first, "p")
    data = add_signature(add_signature(data, third, "p"), second, "p")
    assert verify(read_protocol(data, "p"), commission) == ["chair-1", "member-2", "member-3"]


def test_only_members_of_this_commission_sign(tmp_path: Path) -> None:
    commission = Commission(tmp_path, ("chair-1",))
    device = commission.issue("scanner-1", purpose=Purpose.RESULTS)
    stranger = commission.issue("chair-2", precinct="p-2")
    with pytest.raises(ProtocolError, match="is not certified as a member"):
        write_protocol(commission.form(), [device])
    with pytest.raises(ProtocolError, match="chair-2 is a member of p-2"):
        write_protocol(commission.form(), [stranger])
    with pytest.raises(ProtocolError, match="nobody signs"):
        write_protocol(commission.form(), [])
    with pytest.raises(ProtocolError, match="chair-1 signs twice"):
        write_protocol(commission.form(), commission.signers() * 2)


def _with(signed: bytes, **changes: bytes | None) -> bytes:
    with zipfile.ZipFile(BytesIO(signed)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name, data in changes.items():
        if data is None:
            del files[name]
        else:
            files[name] = data
    return strict_zip(files)


def _cms(signed: bytes, member: str) -> bytes:
    return bytes(read_protocol(signed, "p").signatures[member])


def test_signatures_that_are_not_what_they_seem_refuse_the_file(
    commission: Commission, signed: bytes
) -> None:
    other = write_protocol(commission.form(version=2, replaces="00" * 32), commission.signers())
    cases = {
        "moved_to_another_name": (
            {"signatures/member-9.cms": _cms(signed, "chair-1")},
            SignatureFault.UNTRUSTED,
        ),
        "of_another_version": (
            {"signatures/chair-1.cms": _cms(other, "chair-1")},
            SignatureFault.BAD_SIGNATURE,
        ),
        "not_a_signature": ({"signatures/chair-1.cms": b"x"}, SignatureFault.MALFORMED),
    }
    for files, fault in cases.values():
        sealed = read_protocol(_with(signed, **files), "p")
        with pytest.raises(SignatureError) as caught:
            verify(sealed, commission, quorum=1)
        assert caught.value.fault is fault


def test_a_device_of_the_precinct_is_no_member(commission: Commission, tmp_path: Path) -> None:
    mine = Commission(tmp_path, ("chair-1",))
    data = write_protocol(mine.form(), mine.signers())
    sums = read_protocol(data, "p").sums
    device = mine.issue("scanner-1", purpose=Purpose.RESULTS)
    forged = _with(data, **{"signatures/scanner-1.cms": device.sign(sums)})
    with pytest.raises(SignatureError, match="is for results, not for member"):
        verify(read_protocol(forged, "p"), mine, quorum=1)


def test_a_member_who_was_revoked_is_named(tmp_path: Path) -> None:
    commission = Commission(tmp_path, ("chair-1", "member-2"))
    data = write_protocol(commission.form(), commission.signers())
    revoke(commission.keys, "member-2", NOW)
    with pytest.raises(SignatureError, match=r"signature of member-2: .*revoked") as caught:
        verify(read_protocol(data, "p"), commission, quorum=1)
    assert caught.value.fault is SignatureFault.REVOKED


def test_every_changed_byte_is_refused(commission: Commission, signed: bytes) -> None:
    trust = commission.trust()
    for at in range(0, len(signed), 23):
        changed = bytearray(signed)
        changed[at] ^= 0x01
        with pytest.raises((ProtocolError, SignatureError)):
            verify_protocol(read_protocol(bytes(changed), "p"), trust, at=NOW, quorum=3)


def test_files_that_do_not_belong_are_refused(signed: bytes) -> None:
    form = json.loads(read_protocol(signed, "p").form.canonical_json())
    spaced = json.dumps(form, indent=1).encode()
    cases = {
        "holds extra.txt": {"extra.txt": b"x"},
        "holds signatures/chair-1.txt": {"signatures/chair-1.txt": b"x"},
        "summary.bin is missing": {"summary.bin": None},
        "protocol.json does not match": {"protocol.json": spaced},
        "summary.bin does not match": {"summary.bin": b"BBP1"},
        "SHA256SUMS does not match": {"SHA256SUMS": b""},
    }
    for words, files in cases.items():
        with pytest.raises(ProtocolError, match=words):
            read_protocol(_with(signed, **files), "p.protocol.zip")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 0}, "version"),
        ({"version": True}, "version"),
        ({"election_hash": "x"}, "election_hash"),
        ({"source": {"method": "guess"}}, "source.method"),
        ({"papers": {}}, "papers"),
        ({"drawn_up": "2026-13-01T00:00:00Z"}, "drawn_up"),
        ({"drawn_up": "yesterday"}, "drawn_up"),
        ({"unknown": 1}, "unknown"),
        ({"contests": {"list": {"ballots": -1, "votes": {}}}}, "contests.list.ballots"),
        ({"contests": {"list": {"ballots": "12", "votes": {}}}}, "contests.list.ballots"),
        ({"contests": {"list": {"ballots": 1, "votes": {"a": 10**9}}}}, "contests.list.votes.a"),
        ({"contests": {"list": {"ballots": 1.0, "votes": {}}}}, "contests.list.ballots"),
    ],
)
def test_what_is_no_form_names_file_and_field(change: dict[str, object], words: str) -> None:
    value = json.loads(full_form(ELECTION).canonical_json()) | change
    with pytest.raises(ProtocolError, match=f"^p.json: {words}: "):
        parse_form(json.dumps(value).encode(), "p.json")


@pytest.mark.parametrize("data", [b"", b"[]", b'{"format": NaN}', b'{"a": 1, "a": 2}', b"\xff"])
def test_bytes_that_are_no_form_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"^p\.json: "):
        parse_form(data, "p.json")


@settings(deadline=None)
@given(
    reason=st.text(min_size=1, max_size=80).filter(str.isprintable),
    value=st.integers(0, 99_999_999),
)
def test_the_bytes_that_are_signed_are_those_of_rfc_8785(reason: str, value: int) -> None:
    steps = [{"id": "read_aloud", "state": "skipped", "reason": reason, "by": ["chair-1"]}]
    form = full_form(ELECTION, "p-3", steps=steps)
    paper = form.papers["list-paper"].model_copy(update={"received": value})
    form = form.model_copy(update={"papers": {"list-paper": paper}})
    expected = rfc8785.dumps(form.model_dump(mode="json", exclude_none=True))
    assert form.canonical_json() == expected
    assert parse_form(expected, "p") == form


def test_the_published_schema_is_the_models() -> None:
    for name, schema in schemas().items():
        assert json.loads((DIRECTORY / name).read_text(encoding="utf-8")) == schema
        Draft202012Validator.check_schema(schema)
        validator = Draft202012Validator(schema)
        value = json.loads(full_form(ELECTION).canonical_json())
        assert list(validator.iter_errors(value)) == []
        assert not validator.is_valid(value | {"version": 0})
        assert not validator.is_valid({k: v for k, v in value.items() if k != "format"})


def test_a_form_is_of_its_precinct_in_its_election() -> None:
    form = full_form(ELECTION)
    assert form_problem(form, ELECTION) is None
    other = make_election(title={"kk": "z", "ru": "z", "en": "z"})
    lacking = {"list": form.contests["list"]}
    cases: list[tuple[PrecinctForm, str]] = [
        (form.model_copy(update={"precinct_id": "p-9"}), "precinct_id"),
        (form.model_copy(update={"precinct_id": "p-3"}), "papers.smd-paper"),
        (form.model_copy(update={"contests": lacking}), "contests.smd"),
        (form.model_copy(update={"version": 2}), "replaces"),
    ]
    assert [(form_problem(f, ELECTION) or ("",))[0] for f, _ in cases] == [w for _, w in cases]
    assert (form_problem(form, other) or ("",))[0] == "election_hash"


figures = st.none() | st.integers(0, 99_999_999)
papers = st.fixed_dictionaries(
    dict.fromkeys(PAPER_FIGURES, figures)
    | {
        "invalid_grounds": st.dictionaries(
            st.sampled_from(["no_mark", "more_than_one_mark", "unstated"]), st.integers(0, 999)
        )
    }
)


@settings(deadline=None)
@given(
    paper=papers, votes=st.lists(st.integers(0, 99_999_999), min_size=4, max_size=4), lost=papers
)
def test_a_summary_says_what_the_form_says(
    paper: dict[str, object], votes: list[int], lost: dict[str, object]
) -> None:
    contest = {
        "ballots": votes[0],
        "votes": dict(zip(("a", "b", "c", "against-all"), votes, strict=True)),
        "overvotes": lost["issued"],
        "blank": lost["valid"],
    }
    form = full_form(ELECTION, "p-3", papers={"list-paper": paper}, contests={"list": contest})
    data = pack(summarise(form))
    summary = unpack(data)
    assert summary == summarise(form)
    found = figures_of(summary, ELECTION)
    assert found["papers"]["list-paper"] == {k: v for k, v in paper.items() if v is not None}
    assert found["contests"]["list"] == form.contests["list"].model_dump()
    for wrong in (data[:-1], data + b"\0", b"BBS1" + data[4:]):
        with pytest.raises(SummaryError):
            unpack(wrong)

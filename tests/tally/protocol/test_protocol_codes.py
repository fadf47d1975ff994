"""The printed protocol: its codes prove its figures, its pages say them (NVT-13, SEED-13)."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pypdfium2
import pytest

from console.cli import main
from election.commissions import Commission as Body
from election.commissions import Commissions, flat_commissions
from election.profile import load_profile
from firmware_sim.errors import SignatureError
from firmware_sim.summary import SummaryError
from firmware_sim.summary_code import (
    PROTOCOL_PREFIX,
    CodeTextError,
    base45,
    join,
    split,
    unbase45,
)
from firmware_sim.trust import DeviceSigner, Purpose, add_region, issue_device, revoke
from scanner.photo_codes import read_photo
from tally.protocol.codes import check_codes, code_texts, read_codes
from tally.protocol.controls import breaches_of
from tally.protocol.form import PrecinctForm, ProtocolError
from tally.protocol.printed import render_protocol
from tally.protocol.sealed import read_protocol, write_protocol
from tally.protocol.signing import NotReadyError, sign_protocol
from tally.protocol.summary import figures_of
from tests.tally.protocol.commission import NOW, Commission
from tests.tally.world import START

PROFILE = load_profile("kz-majilis")
AT = ("--at", NOW.isoformat())


class Night(Commission):
    """A commission of p-3 under a region, its signed protocol, and its files."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, (), "p-3")
        self.folder = folder
        self.members = ("chair-1", "member-2", "member-3")
        add_region(self.keys, "north", name="North", now=START, valid_days=300)
        for place, member in enumerate(self.members):
            issue_device(
                self.keys,
                member,
                precinct_id="p-3",
                now=START,
                valid_days=200,
                purpose=Purpose.MEMBER,
                # The chair's certificate is the authority's own, the others' the region's.
                region="north" if place else None,
            )
        self.election_file = folder / "election.json"
        self.election_file.write_text(self.election.model_dump_json(), encoding="utf-8")
        bodies = flat_commissions(self.election).commissions
        three = tuple(Body(**{**dict(b), "members": 3, "quorum": 3}) for b in bodies)
        tree = Commissions(election_hash=self.election.hash, commissions=three)
        self.commissions = folder / "commissions.json"
        self.commissions.write_text(tree.model_dump_json(exclude_none=True), encoding="utf-8")
        self.data = write_protocol(self.whole(), self.signers())
        self.texts = code_texts(read_protocol(self.data, "p"))

    def whole(self, **changes: Any) -> PrecinctForm:
        """A form in which everything was done as the law says."""
        steps = [
            {"id": step.id, "state": "done", "by": ["chair-1", "member-2"]}
            for step in PROFILE.protocol.steps
            if step.kind != "posting"
        ]
        form = self.form(
            **{
                "profile_hash": PROFILE.canonical_hash(),
                "members": [{"id": m, "role": "member"} for m in self.members],
                "steps": steps,
                **changes,
            }
        )
        breaches = breaches_of(form, self.election, PROFILE)
        return form.model_copy(update={"breaches": breaches})

    def file(self, name: str, form: PrecinctForm, *members: str) -> Path:
        """A signed protocol as a file."""
        path = self.folder / name
        path.write_bytes(write_protocol(form, self.signers(*members)))
        return path

    def verify(self, *arguments: object) -> int:
        """`ballotbench verify … --json` with this night's trust, election and commissions."""
        where = ("--trust", self.keys, "--election", self.election_file)
        command = ("verify", *arguments, *where, "--commissions", self.commissions, *AT, "--json")
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in command])
        return int(str(stop.value.code))


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night(tmp_path_factory.mktemp("night"))


def test_codes_prove_the_figures_without_the_file(night: Night) -> None:
    coded = read_codes(reversed(night.texts))
    signed = check_codes(coded, night.trust(), at=NOW, quorum=3)
    assert [identity.device_id for identity in signed] == list(night.members)
    assert [identity.region_id for identity in signed] == [None, "north", "north"]
    sealed = read_protocol(night.data, "p")
    assert coded.summary.digest == sealed.form.digest
    # The very bytes that were signed, and the very signatures.
    assert coded.sums == sealed.sums
    assert dict(coded.signatures) == dict(sealed.signatures)
    found = figures_of(coded.summary, night.election)
    paper = sealed.form.papers["list-paper"]
    assert found["papers"]["list-paper"] == paper.model_dump(exclude_none=True)


def test_codes_that_lack_or_do_not_fit_are_named(night: Night) -> None:
    texts = night.texts
    assert len(texts) > 2
    with pytest.raises(CodeTextError) as caught:
        read_codes(texts[1:])
    assert (caught.value.fault, caught.value.missing) == ("incomplete", (1,))
    *head, body = texts[0].split("/", 4)  # base 45 has strokes too
    changed = bytearray(unbase45(body))
    changed[40] ^= 1
    with pytest.raises(CodeTextError) as caught:
        read_codes(["/".join((*head, base45(bytes(changed)))), *texts[1:]])
    assert caught.value.fault == "altered"
    with pytest.raises(CodeTextError) as caught:
        read_codes([text.replace("BBP1", "BBT1") for text in texts])
    assert caught.value.fault == "not_ours"


def test_a_changed_figure_breaks_the_signatures(night: Night) -> None:
    coded = read_codes(night.texts)
    other = write_protocol(night.whole(drawn_up="2026-03-19T20:00:00Z"), night.signers())
    codes = read_codes(code_texts(read_protocol(other, "p")))
    forged = dataclasses.replace(coded, signatures=codes.signatures)
    with pytest.raises(SignatureError, match="belongs to other content"):
        check_codes(forged, night.trust(), at=NOW, quorum=3)
    with pytest.raises(ProtocolError, match="3 of 4 members have signed: no quorum"):
        check_codes(coded, night.trust(), at=NOW, quorum=4)


def test_every_byte_of_the_codes_counts(night: Night) -> None:
    """Whatever is changed in what the codes carry is refused, also where they are made to fit."""
    data = join(night.texts, PROTOCOL_PREFIX)
    trust = night.trust()
    for at in range(0, len(data), 17):
        changed = bytearray(data)
        changed[at] ^= 0x01
        texts = split(bytes(changed), 22, PROTOCOL_PREFIX)
        assert texts[0].split("/")[3] == hashlib.sha256(changed).hexdigest()[:8].upper()
        with pytest.raises((SummaryError, SignatureError, ProtocolError)):
            check_codes(read_codes(texts), trust, at=NOW, quorum=3)


# --- pages --------------------------------------------------------------------------------


def pages(pdf: bytes) -> list[str]:
    """The text of each page, on one line."""
    document = pypdfium2.PdfDocument(pdf)
    return [" ".join(page.get_textpage().get_text_range().split()) for page in document]


def test_a_page_says_every_figure_in_three_languages(night: Night) -> None:
    form = night.whole()
    pdf = render_protocol(
        form,
        night.election,
        PROFILE,
        languages=("kk", "ru", "en"),
        signed_by=night.members,
        codes=night.texts,
    )
    text = " ".join(pages(pdf))
    for figure in PROFILE.protocol.figures:
        for language in ("kk", "ru", "en"):
            assert figure.title[language].strip("– ") in text
    for word in ("Барлығы сақталған", "Все выполняются", "All hold", form.digest):
        assert word in text
    assert "DRAFT" not in text
    assert text.count("ballotbench verify --photo") == 1


def test_the_same_form_gives_the_same_bytes(night: Night) -> None:
    first, again = (
        render_protocol(
            night.whole(),
            night.election,
            PROFILE,
            languages=["en"],
            signed_by=night.members,
            codes=night.texts[:1],
        )
        for _ in range(2)
    )
    assert first == again


@pytest.mark.parametrize(("language", "draft"), [("kk", "ЖОБА"), ("ru", "ПРОЕКТ"), ("en", "DRAFT")])
def test_what_nobody_signed_is_a_draft_on_every_page(
    night: Night, language: str, draft: str
) -> None:
    found = pages(render_protocol(night.whole(), night.election, PROFILE, languages=[language]))
    assert all(draft in page for page in found)
    others = {"ЖОБА", "ПРОЕКТ", "DRAFT"} - {draft}
    assert not any(word in page for page in found for word in others)


def test_a_page_says_what_does_not_add_up_and_what_was_skipped(night: Night) -> None:
    steps = [{"id": "read_aloud", "state": "skipped", "by": ["chair-1"], "reason": "no light"}]
    settled = {
        "figure": "papers.list-paper.received",
        "entries": [{"by": "chair-1", "value": 399}, {"by": "device", "value": 400}],
        "value": 399,
        "reason": "counted again",
        "by": ["chair-1", "member-2"],
    }
    papers = night.whole().model_dump(mode="json", exclude_none=True)["papers"]
    papers["list-paper"]["received"] = 399
    papers["list-paper"]["returned"] = 7
    second = {"version": 2, "replaces": "cd" * 32}
    form = night.whole(papers=papers, steps=steps, settled=[settled], **second)
    text = " ".join(pages(render_protocol(form, night.election, PROFILE, languages=["en"])))
    assert "Received = issued + spoiled + cancelled unused (list-paper) 399 ≠ 400" in text
    assert "SKIPPED: no light (chair-1)" in text
    assert "Given back to voters by the device (times) 7" in text
    assert f"In place of: {'cd' * 32}" in text
    assert "chair-1: 399, device: 400 → 399. counted again (chair-1, member-2)" in text


def test_printed_codes_are_read_from_a_blurred_scan(night: Night) -> None:
    pdf = render_protocol(
        night.whole(),
        night.election,
        PROFILE,
        languages=["en"],
        signed_by=night.members,
        codes=night.texts,
    )
    found: set[str] = set()
    for page in pypdfium2.PdfDocument(pdf):
        gray = np.asarray(page.render(scale=150 / 72).to_pil().convert("L"))
        gray = cv2.GaussianBlur(gray, (0, 0), 0.8)
        found |= read_photo(gray, lambda text: text.startswith("BBP1/"), lambda _: False).texts
    assert found == set(night.texts)


# --- the command --------------------------------------------------------------------------


def test_verify_takes_protocols_among_its_files(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    good = night.file("good.protocol.zip", night.whole())
    assert night.verify(good) == 0
    document = json.loads(capsys.readouterr().out)
    (row,) = document["protocols"]
    assert row["signed_by"] == list(night.members)
    assert (row["findings"], row["notes"]) == ([], [])
    assert document["accepted"] == 1


def test_verify_names_what_is_wrong_with_a_protocol(
    night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    cases = {
        "few.protocol.zip": (night.whole(), night.members[:2], "no_quorum"),
        "test.protocol.zip": (night.whole(mode="test"), night.members, "test_mode"),
        "foreign.protocol.zip": (night.whole(election_hash="0" * 64), night.members, "foreign"),
    }
    for name, (form, members, _) in cases.items():
        (folder / name).write_bytes(write_protocol(form, night.signers(*members)))
    altered = bytearray(night.data)
    altered[len(altered) // 3] ^= 1
    (folder / "altered.protocol.zip").write_bytes(bytes(altered))
    (folder / "cut.protocol.zip").write_bytes(night.data[:-40])
    assert night.verify(folder) == 1
    rows = json.loads(capsys.readouterr().out)["protocols"]
    assert {row["name"]: row["reason"] for row in rows} == {
        **{name: reason for name, (_, _, reason) in cases.items()},
        "altered.protocol.zip": "altered",
        "cut.protocol.zip": "altered",
    }


def test_verify_lists_breaches_and_contradictions(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    form = night.whole()
    papers = form.model_dump(mode="json", exclude_none=True)["papers"]
    papers["list-paper"]["received"] = 399
    one = night.file("one.protocol.zip", form)
    other = night.file("other.protocol.zip", night.whole(papers=papers))
    assert night.verify(one, other) == 1
    rows = {r["name"]: r for r in json.loads(capsys.readouterr().out)["protocols"]}
    assert all(row["accepted"] for row in rows.values())
    assert rows["one.protocol.zip"]["findings"] == [
        "contradicts other.protocol.zip: another protocol of p-3, version 1, signed too"
    ]
    breach, contradiction = rows["other.protocol.zip"]["findings"]
    assert "is broken by 1 (received = 399," in breach
    assert contradiction.startswith("contradicts one.protocol.zip")


def test_verify_tells_who_signed_without_having_been_there(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    there = [{"id": m, "present": m != "member-3"} for m in night.members]
    form = night.whole(members=there)
    with pytest.raises(NotReadyError, match="member-3 is not among the members of p-3"):
        sign_protocol(form, night.election, PROFILE, night.signers())
    assert night.verify(night.file("absent.protocol.zip", form)) == 1
    (row,) = json.loads(capsys.readouterr().out)["protocols"]
    assert row["findings"] == ["signed by member-3, who is not among the members at the count"]


def test_verify_refuses_a_member_who_was_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night = Night(tmp_path)
    file = night.file("p.protocol.zip", night.whole())
    revoke(night.keys, "member-3", NOW)
    assert night.verify(file) == 1
    (row,) = json.loads(capsys.readouterr().out)["protocols"]
    assert row["reason"] == "revoked"
    assert "signature of member-3" in row["detail"]


def test_verify_proves_a_printed_protocol(
    night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = tmp_path / "codes.txt"
    codes.write_text("\n".join(night.texts), encoding="utf-8")
    same = night.file("same.protocol.zip", night.whole())
    other = night.file("otherwise.protocol.zip", night.whole(drawn_up="2026-03-19T21:00:00Z"))
    unpacked = tmp_path / "unpacked"
    assert night.verify(same, "--photo", codes, "--unpack", unpacked) == 0
    (row,) = json.loads(capsys.readouterr().out)["tapes"]
    assert row["signed_by"] == list(night.members)
    assert row["figures"]["contests"]["list"]["votes"]["a"] == 10
    assert row["packages"] == [{"name": same.name, "same": True, "differences": []}]
    if shutil.which("openssl") is not None:
        (unpacked / "x").mkdir()
        subprocess.run(
            [
                *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-no_check_time"),
                *("-in", unpacked / "signatures" / "member-2.cms", "-purpose", "any"),
                *("-content", unpacked / "SHA256SUMS", "-out", unpacked / "x" / "out"),
                *("-CAfile", night.keys / "authority.pem"),
            ],
            check=True,
            capture_output=True,
        )
    assert night.verify(other, "--photo", codes) == 1
    (row,) = json.loads(capsys.readouterr().out)["tapes"]
    assert row["packages"][0]["differences"] == [
        f"is another protocol: {read_protocol(other.read_bytes(), 'p').form.digest}"
    ]
    codes.write_text("\n".join(night.texts[1:]), encoding="utf-8")
    assert night.verify("--photo", codes) == 1
    (row,) = json.loads(capsys.readouterr().out)["tapes"]
    assert (row["reason"], row["detail"]) == (
        "incomplete",
        f"code 1 of {len(night.texts)} is missing",
    )


def test_print_writes_a_pdf(
    night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = night.file("printed.protocol.zip", night.whole())
    form = tmp_path / "form.json"
    form.write_bytes(night.whole().canonical_json())
    out = tmp_path / "page.pdf"
    where = ("--election", str(night.election_file), "--out", str(out))
    for source, more, codes in ((signed, (), len(night.texts)), (form, ("--language", "ru"), 0)):
        with pytest.raises(SystemExit) as stop:
            main(["protocol", "print", str(source), *where, *more, "--json"])
        assert stop.value.code == 0
        assert json.loads(capsys.readouterr().out)["codes"] == codes
        assert pypdfium2.PdfDocument(io.BytesIO(out.read_bytes()))
    with pytest.raises(SystemExit) as stop:
        main(["protocol", "print", str(form), *where, "--language", "de"])
    assert stop.value.code == 1
    assert "a protocol is printed in kk, ru, en" in capsys.readouterr().err


def test_a_members_signer_signs_no_package(night: Night) -> None:
    cms = DeviceSigner.load(night.keys, "chair-1").sign(b"content")
    with pytest.raises(SignatureError, match="is for member, not for results"):
        night.trust().verify(b"content", cms, at=NOW)

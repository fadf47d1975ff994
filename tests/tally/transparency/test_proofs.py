"""Proofs to keep: checked offline, by our program and by stock tools; any change is found."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from console.cli import main
from firmware_sim import merkle
from firmware_sim.trust import DeviceSigner, Purpose, TrustStore, issue_device, revoke
from tally.transparency import (
    ConsistencyProof,
    EquivocationProof,
    InclusionProof,
    LogError,
    RewrittenError,
    SignedCheckpoint,
    check_consistency,
    check_equivocation,
    check_inclusion,
    create_log,
    prove_consistency,
    prove_inclusion,
    prove_inclusions,
    read_checkpoint,
    read_log,
    read_proof,
)
from tally.transparency.canonical import Document
from tally.transparency.schemas import DIRECTORY, schemas
from tests.console.here import ballotbench_here
from tests.tally.transparency.records import ELECTION_HASH, LOG_ID, Records, copy
from tests.tally.world import NOW, START, make_election


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """Eleven entries, signed after 4, 8 and 11."""
    made = Records(tmp_path_factory.mktemp("records"))
    made.add(*range(4))
    made.sign()
    made.add(*range(4, 8))
    made.sign(minutes=1)
    made.add(*range(8, 11))
    made.sign(minutes=2)
    return made


@pytest.fixture(scope="module")
def rewritten(records: Records, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same log's key over a history in which entry 2 is another one; 9 entries signed."""
    folder = tmp_path_factory.mktemp("rewritten")
    create_log(folder, LOG_ID, ELECTION_HASH)
    records.add(0, 1, 77, *range(3, 9), folder=folder)
    records.sign(minutes=3, folder=folder)
    return folder


def kept(records: Records, size: int) -> SignedCheckpoint:
    """The checkpoint of the first `size` entries."""
    return read_checkpoint(records.folder / "checkpoints" / f"{size}.json")


def read_proof_of(records: Records, index: int, size: int) -> InclusionProof:
    return prove_inclusion(records.log, index, kept(records, size))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([4, 8, 11]), st.data())
def test_every_entry_is_proved_under_every_later_checkpoint(
    records: Records, size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = read_proof_of(records, index, size)
    again = read_proof(proof.as_bytes(), "p.json")
    assert isinstance(again, InclusionProof)
    found = check_inclusion(again, copy(index), records.trust, at=NOW, where="p.json")
    assert (found.index, found.checkpoint.size, found.entry.of) == (index, size, f"p-{index}")
    [same] = prove_inclusions(records.log, [index], proof.checkpoint)
    assert same.as_bytes() == proof.as_bytes()
    with pytest.raises(LogError, match=r"entry\.sha256: is of another file"):
        check_inclusion(again, copy(index + 1), records.trust, at=NOW, where="p.json")


def test_an_entry_is_not_proved_under_an_older_checkpoint(records: Records) -> None:
    with pytest.raises(LogError, match="newer than the checkpoint"):
        read_proof_of(records, 8, 8)
    with pytest.raises(LogError, match="newer"):
        prove_inclusions(records.log, [8], kept(records, 8))


@pytest.mark.parametrize(("first", "second"), [(4, 8), (4, 11), (8, 11), (11, 11)])
def test_the_log_still_holds_what_it_held(records: Records, first: int, second: int) -> None:
    proof = prove_consistency(records.log, kept(records, first), kept(records, second))
    again = read_proof(proof.as_bytes(), "c.json")
    assert isinstance(again, ConsistencyProof)
    old, new = check_consistency(again, records.trust, at=NOW, where="c.json")
    assert (old.size, new.size) == (first, second)


def test_a_later_checkpoint_is_not_the_earlier_one(records: Records) -> None:
    with pytest.raises(LogError, match="entries are missing from the log"):
        prove_consistency(records.log, kept(records, 11), kept(records, 8))
    proof = prove_consistency(records.log, kept(records, 8), kept(records, 11))
    assert isinstance(proof, ConsistencyProof)
    turned = ConsistencyProof(first=proof.second, second=proof.first, path=proof.path)
    with pytest.raises(LogError, match="more entries than the second"):
        check_consistency(turned, records.trust, at=NOW, where="c.json")


@pytest.mark.parametrize("size", [4, 8])
def test_a_rewritten_log_proves_itself_a_liar(records: Records, rewritten: Path, size: int) -> None:
    """SEED-16: two signed checkpoints that no one log can have; nobody's word is needed."""
    log = read_log(rewritten)
    newest = read_checkpoint(rewritten / "checkpoints" / "9.json")
    proof = prove_consistency(log, kept(records, size), newest)
    again = read_proof(proof.as_bytes(), "e.json")
    assert isinstance(again, EquivocationProof)
    words = check_equivocation(again, records.trust, at=NOW, where="e.json")
    assert f"of {size} entries" in words
    assert "contradict" in words
    false = ConsistencyProof(first=again.first, second=again.second, path=again.nodes)
    with pytest.raises(LogError, match="does not show"):
        check_consistency(false, records.trust, at=NOW, where="e.json")


def test_two_roots_of_one_size_need_no_path(records: Records, tmp_path: Path) -> None:
    other = tmp_path / "other"
    create_log(other, LOG_ID, ELECTION_HASH)
    records.add(0, 1, 2, 77, folder=other)
    later = records.sign(minutes=1, folder=other)
    proof = prove_consistency(read_log(other), kept(records, 4), later)
    assert isinstance(proof, EquivocationProof)
    assert "contradict" in check_equivocation(proof, records.trust, at=NOW, where="e")
    with pytest.raises(RewrittenError):
        check_consistency(
            ConsistencyProof(first=proof.first, second=proof.second, path=()),
            records.trust,
            at=NOW,
            where="c",
        )


def test_nobody_is_accused_falsely(records: Records) -> None:
    """An equivocation between checkpoints that agree does not hold, whatever its nodes."""
    first, second = kept(records, 4), kept(records, 11)
    good = prove_consistency(records.log, first, second)
    assert isinstance(good, ConsistencyProof)
    nodes = tuple(n.hex() for n in merkle.prefix_nodes(records.log.hashes, 4))
    for path in (nodes, nodes[1:], nodes[:-1], (), good.path, ("00" * 32, *nodes[1:])):
        claim = EquivocationProof(first=first, second=second, nodes=path)
        with pytest.raises(LogError, match="nodes"):
            check_equivocation(claim, records.trust, at=NOW, where="e")
    same = EquivocationProof(first=second, second=second, nodes=(read_root(records),))
    with pytest.raises(LogError, match="agree"):
        check_equivocation(same, records.trust, at=NOW, where="e")


def read_root(records: Records) -> str:
    return records.log.root().hex()


def every_kind(records: Records, rewritten: Path) -> list[tuple[Document, Callable[[Any], object]]]:
    inclusion = read_proof_of(records, 2, 11)
    consistency = prove_consistency(records.log, kept(records, 4), kept(records, 11))
    newest = read_checkpoint(rewritten / "checkpoints" / "9.json")
    equivocation = prove_consistency(read_log(rewritten), kept(records, 4), newest)
    return [
        (inclusion, lambda p: check_inclusion(p, copy(2), records.trust, at=NOW, where="p.json")),
        (consistency, lambda p: check_consistency(p, records.trust, at=NOW, where="p.json")),
        (equivocation, lambda p: check_equivocation(p, records.trust, at=NOW, where="p.json")),
    ]


def test_any_changed_byte_of_any_proof_is_found_and_located(
    records: Records, rewritten: Path
) -> None:
    """NVT-11, NVT-13: bytes sampled by a seed, bits too."""
    chance = random.Random(9162)
    for proof, check in every_kind(records, rewritten):
        whole = proof.as_bytes()
        check(read_proof(whole, "p.json"))
        for at in chance.sample(range(len(whole)), 400):
            changed = bytearray(whole)
            changed[at] ^= 1 << chance.randrange(8)
            with pytest.raises(LogError, match=r"^p\.json: ") as caught:
                check(read_proof(bytes(changed), "p.json"))
            assert caught.value.where.startswith("p.json"), at


def test_fields_swapped_between_true_proofs_do_not_prove(records: Records) -> None:
    one, two = read_proof_of(records, 2, 11), read_proof_of(records, 3, 11)
    older = read_proof_of(records, 2, 8)
    for field, other in (("path", two), ("index", two), ("entry", two), ("checkpoint", older)):
        mixed = one.model_copy(update={field: getattr(other, field)})
        with pytest.raises(LogError):
            check_inclusion(mixed, copy(2), records.trust, at=NOW, where="p.json")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a proof"),
        (b"[]", "not a proof"),
        (b'{"format": 7}', "format"),
        (b'{"format": "ballotbench-log-inclusion/1"}', "checkpoint"),
        (b"\xff\xfe", "not a proof"),
        (b"[" * 100_000, "not a proof"),
    ],
)
def test_what_is_no_proof_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(LogError, match=words):
        read_proof(data, "p.json")


def test_a_withdrawn_log_key_proves_nothing(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.add(1)
    signed = records.sign()
    proof = prove_inclusion(records.log, 0, signed)
    revoke(records.keys, LOG_ID, NOW)
    with pytest.raises(LogError, match=r"checkpoint: signature: .*revoked"):
        check_inclusion(proof, copy(1), TrustStore.load(records.keys), at=NOW, where="p")


def test_a_device_cannot_sign_for_a_log(tmp_path: Path) -> None:
    """NVT-16: the key of a scanner, of the log's own name even, signs no checkpoint."""
    records = Records(tmp_path)
    revoke(records.keys, LOG_ID, NOW)
    issue_device(
        records.keys,
        LOG_ID,
        precinct_id="central",
        now=START,
        valid_days=30,
        purpose=Purpose.RESULTS,
    )
    records.signer = DeviceSigner.load(records.keys, LOG_ID)
    records.add(1)
    proof = prove_inclusion(records.log, 0, records.sign())
    with pytest.raises(LogError, match="wrong_purpose"):
        check_inclusion(proof, copy(1), TrustStore.load(records.keys), at=NOW, where="p")


def test_stock_tools_check_a_checkpoint(records: Records, tmp_path: Path) -> None:
    """NVT-13: the lines of docs/transparency.md, with openssl alone."""
    document = kept(records, 11).as_json()
    (tmp_path / "note").write_text(document["note"], encoding="utf-8")
    (tmp_path / "note.cms").write_bytes(base64.b64decode(document["signature"]))
    line = (
        f"openssl cms -verify -binary -inform DER -in note.cms -content note "
        f"-CAfile {records.keys}/authority.pem -purpose any -out /dev/null "
        f"-attime {int(NOW.timestamp())}"
    )
    assert subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True).returncode == 0
    (tmp_path / "note").write_text(document["note"].replace("11", "12"), encoding="utf-8")
    assert subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True).returncode != 0


def test_the_schemas_are_those_of_the_models_and_take_the_files(
    records: Records, rewritten: Path
) -> None:
    for name, schema in schemas().items():
        assert json.loads((DIRECTORY / name).read_text(encoding="utf-8")) == schema
    for proof, _ in every_kind(records, rewritten):
        value = json.loads(proof.as_bytes())
        kind = value["format"].removeprefix("ballotbench-").removesuffix("/1")
        schema = json.loads((DIRECTORY / f"{kind}.schema.json").read_text(encoding="utf-8"))
        Draft202012Validator(schema).validate(value)


# --- by command ------------------------------------------------------------------------------


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(str(stop.value.code))


def test_a_precinct_keeps_a_proof_by_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From an empty folder to `verify --inclusion`, and to a log that was rewritten."""
    keys, log, election = tmp_path / "keys", tmp_path / "log", tmp_path / "election.json"
    election.write_text(make_election().model_dump_json(), encoding="utf-8")
    assert run("keys", "init", str(keys), "--name", "Test") == 0
    made = run("keys", "issue", str(keys), "central-log", "--precinct", "central", "--for", "log")
    assert made == 0
    for number in range(3):
        (tmp_path / f"{number}.zip").write_bytes(copy(number))
    files = [str(tmp_path / f"{number}.zip") for number in range(3)]
    begun = ("--election", str(election), "--id", "central-log")
    assert run("log", "create", str(log), *begun) == 0
    assert run("log", "append", str(log), *files[:2], "--of", "p-1", "--kind", "protocol") == 0
    assert run("log", "prove", str(log), files[0], "-o", str(tmp_path / "no.json")) == 1
    assert "no checkpoint yet" in capsys.readouterr().err
    assert run("log", "checkpoint", str(log), "--keys", str(keys)) == 0
    proof, kept_file = str(tmp_path / "proof.json"), str(tmp_path / "kept.json")
    assert run("log", "prove", str(log), files[0], "-o", proof) == 0
    Path(kept_file).write_bytes((log / "checkpoints" / "2.json").read_bytes())
    trust = ("--trust", str(keys))
    capsys.readouterr()
    assert run("verify", "--inclusion", proof, files[0], *trust, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["index"], shown["size"], shown["entry"]["of"]) == (0, 2, "p-1")
    assert run("verify", "--inclusion", proof, files[1], *trust) == 1
    assert "proof.json: entry.sha256: is of another file" in capsys.readouterr().err

    assert run("log", "append", str(log), files[2], "--of", "p-2") == 0
    assert run("log", "checkpoint", str(log), "--keys", str(keys)) == 0
    still = str(tmp_path / "still.json")
    assert run("log", "prove", str(log), "--since", kept_file, "-o", still) == 0
    assert run("verify", "--inclusion", proof, files[0], *trust, "--consistency", still) == 0
    assert "nothing was changed or removed" in capsys.readouterr().out
    assert run("log", "check", str(log), *trust, "--kept", kept_file) == 0

    other = tmp_path / "other"
    assert run("log", "create", str(other), *begun) == 0
    assert run("log", "append", str(other), files[2], *files[1:2], "--of", "p-1") == 0
    assert run("log", "checkpoint", str(other), "--keys", str(keys)) == 0
    lie = str(tmp_path / "lie.json")
    assert run("log", "prove", str(other), "--since", kept_file, "-o", lie) == 1
    capsys.readouterr()
    assert run("verify", "--inclusion", proof, files[0], *trust, "--consistency", lie) == 1
    assert "the log was rewritten, and it is proved" in capsys.readouterr().out
    out = tmp_path / "published"
    kept_option = ("--kept", kept_file, "-o", str(out))
    assert run("log", "check", str(other), *trust, *kept_option, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["proofs"] == [str(out / "equivocation-1.json")]
    assert Path(shown["proofs"][0]).exists()
    assert run("verify", "--consistency", still, files[0], *trust) == 2
    assert run("log", "prove", str(log), "-o", still) == 2


def test_where_people_are_registered_an_official_signs_the_log(tmp_path: Path) -> None:
    """The log's key is sealed to the commission's officials then: no passphrase opens it."""
    keys, log, pins = tmp_path / "keys", tmp_path / "log", tmp_path / "pins"
    election = tmp_path / "election.json"
    election.write_text(make_election().model_dump_json(), encoding="utf-8")
    pins.write_text("m-1 48151623\n", encoding="utf-8")
    people = ("m-1", "--role", "member", "--pin-file", pins)
    for line in (
        ("keys", "init", keys, "--name", "Test"),
        ("keys", "people", "add", keys, *people),
        ("keys", "issue", keys, "central-log", "--precinct", "central", "--for", "log"),
        ("log", "create", log, "--election", election, "--id", "central-log"),
        ("log", "append", log, pins, "--of", "central"),
    ):
        assert ballotbench_here(*line).returncode == 0, line
    sign = ("log", "checkpoint", log, "--keys", keys)
    assert "--signed-by" in ballotbench_here(*sign).stderr
    wrong = tmp_path / "wrong"
    wrong.write_text("m-1 not-this-1\n", encoding="utf-8")
    assert ballotbench_here(*sign, "--signed-by", "m-1", "--pin-file", wrong).returncode == 1
    assert ballotbench_here(*sign, "--signed-by", "m-1", "--pin-file", pins).returncode == 0

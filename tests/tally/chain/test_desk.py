"""Four tiers with desks: received whole, signed, sent on, made anew by anyone."""

from __future__ import annotations

import json
import random
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from console.cli import main
from firmware_sim.trust import Purpose, issue_device
from tally.chain import ChainError, audit, forward, open_desk, sign_table, take_decision
from tally.chain.making import Holdings
from tally.chain.table import TierTable
from tally.chain.work import check_one
from tally.national.store import read_store
from tally.transparency import read_log
from tests.tally.chain.land import NOW, Land


@pytest.fixture
def land(tmp_path: Path) -> Land:
    return Land(tmp_path)


def held(land: Land, folder: Path) -> Holdings:
    place = folder / "files" if (folder / "files").exists() else folder
    checked = [check_one(p.read_bytes(), p.name, land.rules) for p in sorted(place.glob("*.zip"))]
    return Holdings.of((one.sha256, one.verdict) for one in checked)


def up(land: Land, commission: str, *files: bytes) -> Path:
    """A desk that takes files, signs its table, and sends everything on."""
    desk = land.desk(commission)
    land.receive(desk, *files)
    data, _ = sign_table(
        desk, held(land, desk.folder), land.rules, signers=land.members(commission), now=NOW
    )
    land.receive(desk, data)
    out = land.folder / f"from-{commission}"
    forward(desk, out)
    return out


def climb(land: Land, files: dict[str, bytes]) -> Path:
    """Protocols up through all tiers; the folder that the centre publishes."""
    for tier in ("territorial", "regional", "central"):
        for commission in land.tree.of_tier(tier):  # type: ignore[arg-type]
            children = land.tree.children(commission.id)
            given = [files[c] for c in children if c in files]
            for child in children:
                sent = land.folder / f"from-{child}"
                given += [p.read_bytes() for p in sorted(sent.glob("*.zip"))]
            up(land, commission.id, *given)
    return land.folder / "from-CEC"


def test_four_tiers_carry_every_protocol_whole(land: Land) -> None:
    """SEED-06, SEED-16: byte for byte from the precinct to the centre, seven tables made anew."""
    files = land.protocols()
    published = climb(land, files)
    there = {p.read_bytes() for p in published.glob("*.zip")}
    assert set(files.values()) <= there
    assert len(there) == 12 + 4 + 2 + 1
    holdings = held(land, published)
    assert audit(holdings, land.rules) == []
    [centre] = [t.table for t in holdings.tables if t.table.commission_id == "CEC"]
    assert centre.statuses["counted"] == 12
    want = sum(land.form(p).contests["list"].votes["amanat"] for p in land.p)
    assert centre.contests["list"].votes["amanat"] == want


def test_a_table_that_says_other_figures_is_found_by_its_own_files(land: Land) -> None:
    """SEED-16: deliberate falsification in the table, though a quorum signed it."""
    files = land.protocols()
    mine = [files[p] for p in land.tree.precincts_under("T-1")]
    desk = land.desk("T-1")
    land.receive(desk, *mine)
    _, table = sign_table(
        desk, held(land, desk.folder), land.rules, signers=land.members("T-1"), now=NOW
    )
    value = table.model_dump()
    value["contests"]["list"]["votes"]["amanat"] += 5
    value["children"][0]["contests"]["list"]["votes"]["amanat"] += 5
    lie = land.act(TierTable.model_validate(value), "T-1")
    found = audit(land.holdings(*mine, lie), land.rules)
    first = land.tree.precincts_under("T-1")[0]
    assert [f.where for f in found] == [
        f"table 1 of T-1: children.{first}.contests.list.votes.amanat",
        "table 1 of T-1: contests.list.votes.amanat",
    ]
    assert "but its files give" in found[0].what


def test_a_protocol_left_out_of_the_table_is_named(land: Land) -> None:
    """SEED-16: precinct data not entered in the summary table."""
    mine = [land.protocol(p) for p in land.tree.precincts_under("T-1")]
    table = land.table("T-1", *mine[1:])
    found = audit(land.holdings(*mine, table), land.rules)
    first = land.tree.precincts_under("T-1")[0]
    [finding] = found
    assert finding.where == f"table 1 of T-1: precincts.{first}"
    assert "not entered in the table" in finding.what
    lacking = audit(land.holdings(*mine[2:], table), land.rules)
    assert any("listed, but not among the files" in f.what for f in lacking)


def test_contradictions_are_proved_and_logged_as_they_arrive(land: Land) -> None:
    desk, p = land.desk("T-1"), land.p[0]
    assert [a.verdict for a in land.receive(desk, land.protocol(p))] == ["accepted"]
    more = land.receive(desk, land.protocol(p, land.moved(p)))
    assert [(a.kind, a.verdict) for a in more] == [
        ("protocol", "accepted"),
        ("equivocation", "accepted"),
    ]
    kinds = [entry.kind for entry in read_log(desk.log).sound().entries if entry]
    assert kinds == ["protocol", "protocol", "equivocation"]
    again = land.receive(desk, land.protocol(p, land.moved(p), members=7))
    assert [a.verdict for a in again] == ["accepted"]  # another copy; no second proof
    assert len(desk.paths()) == 4


def test_late_duplicate_refused_and_misdirected_files_are_shown_as_such(land: Land) -> None:
    desk = land.desk("T-1", due=NOW)
    p, q = land.p[0], land.p[1]
    same = land.protocol(p)
    files = [
        same,
        same,
        land.protocol(q, members=1),
        land.protocol(land.p[-1]),
    ]
    said = [(a.verdict, a.of, a.late) for a in land.receive(desk, *files)]
    assert said == [
        ("accepted", p, False),
        ("duplicate", p, False),
        ("refused", q, False),
        ("elsewhere", land.p[-1], False),
    ]
    [late] = land.receive(desk, land.protocol(q), now=NOW + timedelta(hours=1))
    assert (late.verdict, late.late) == ("accepted", True)
    rows = open_desk(desk.folder).arrivals()
    assert [row["verdict"] for row in rows][:4] == [
        "accepted",
        "duplicate",
        "refused",
        "elsewhere",
    ]
    assert rows[-1]["late"] is True


@pytest.mark.parametrize("seed", range(3))
def test_arrival_in_any_order_leaves_the_same_table(land: Land, seed: int) -> None:
    files = [land.protocol(p) for p in land.tree.precincts_under("R-1")]
    p = land.p[0]
    files += [land.protocol(p, land.moved(p)), land.protocol(land.p[1], members=3)]
    made = []
    for name, chance in (("one", random.Random(seed)), ("two", random.Random(seed + 100))):
        order = files + chance.sample(files, 3)
        chance.shuffle(order)
        desk = land.desk("R-1", name)
        while order:
            part = [order.pop() for _ in range(min(len(order), chance.randint(1, 4)))]
            land.receive(desk, *part)
        _, table = sign_table(
            desk, held(land, desk.folder), land.rules, signers=land.members("R-1"), now=NOW
        )
        made.append(table.canonical_json())
    assert made[0] == made[1]


def test_decisions_are_numbered_reasoned_and_need_the_quorum(land: Land) -> None:
    desk, p = land.desk("T-1"), land.p[0]
    land.receive(desk, land.protocol(p), land.protocol(p, land.moved(p)))
    holdings = held(land, desk.folder)

    def take(**fields: object) -> bytes:
        given: dict[str, object] = {
            "adopts": land.form(p).digest,
            "reason": "Heard the members",
            "ground": "art. 43",
            "signers": land.members("T-1"),
            "now": NOW,
            **fields,
        }
        data, _ = take_decision(desk, holdings, land.rules, p, **given)  # type: ignore[arg-type]
        return data

    with pytest.raises(ChainError, match="3 of 5 members sign: no quorum"):
        take(signers=land.members("T-1", 3))
    with pytest.raises(ChainError, match="no protocol"):
        take(adopts="0" * 64)
    with pytest.raises(ChainError, match="not of T-1"):
        take(signers=land.members("T-2"))
    land.receive(desk, take())
    second = take_decision(
        desk,
        held(land, desk.folder),
        land.rules,
        p,
        adopts=land.moved(p).digest,
        reason="A court said so",
        ground=None,
        signers=land.members("T-1"),
        now=NOW,
    )[1]
    assert second.number == 2
    assert len(second.sets_aside) == 2  # the other protocol and the first decision


def test_a_file_altered_on_the_desk_is_found_and_nothing_is_signed_over_it(land: Land) -> None:
    desk = land.desk("T-1")
    land.receive(desk, *[land.protocol(p) for p in land.tree.precincts_under("T-1")])
    path = desk.paths()[0][1]
    data = bytearray(Path(path).read_bytes())
    data[700] ^= 4
    Path(path).write_bytes(data)
    at = ("--trust", str(land.keys), "--at", NOW.isoformat())
    assert run("chain", "check", str(desk.folder), *at) == 1
    out = str(land.folder / "out")
    signer = [part for s in land.members("T-1") for part in ("--signer", s.identity.device_id)]
    sent = run("chain", "forward", str(desk.folder), "-o", out, *at, "--keys", "none", *signer)
    assert sent == 1
    assert not Path(out).exists()


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(str(stop.value.code))


def test_a_territory_by_command(land: Land, capsys: pytest.CaptureFixture[str]) -> None:
    """From an empty desk to a folder that anyone checks, with a contradiction decided."""
    folder, p = land.folder, land.p[0]
    for n in range(5):
        issue_device(
            land.keys,
            f"t1-{n}",
            precinct_id="T-1",
            now=NOW - timedelta(days=1),
            valid_days=300,
            purpose=Purpose.MEMBER,
        )
    incoming = folder / "incoming"
    incoming.mkdir()
    for precinct in land.tree.precincts_under("T-1"):
        (incoming / f"{precinct}.protocol.zip").write_bytes(land.protocol(precinct))
    (incoming / "second.zip").write_bytes(land.protocol(p, land.moved(p)))
    (incoming / "broken.zip").write_bytes(b"PK\x03\x04 not really")
    desk = str(folder / "desk")
    tree = (
        "--election",
        str(folder / "election.json"),
        "--commissions",
        str(folder / "commissions.json"),
    )
    profile = ("--profile", str(folder / "profile.toml"))
    at = ("--trust", str(land.keys), "--at", NOW.isoformat())
    keys = ["--keys", str(land.keys), *(x for n in range(5) for x in ("--signer", f"t1-{n}"))]

    assert run("chain", "create", desk, "--commission", "T-1", *tree, *profile) == 0
    assert run("chain", "receive", desk, str(incoming), *at) == 1
    said = capsys.readouterr()
    assert f"{p} signed two different protocols" in said.err
    assert "broken.zip" in said.err
    assert run("chain", "receive", desk, str(incoming), *at, "--json") == 1
    capsys.readouterr()

    assert run("chain", "table", desk, *at, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["statuses"]["contradictory"] == 1
    decided = ("--precinct", p, "--reason", "Heard both", *at, *keys)
    assert run("chain", "decide", desk, *decided, "--adopt", "zz") == 1
    assert run("chain", "decide", desk, *decided) == 2
    digest = land.form(p).digest
    assert run("chain", "decide", desk, *decided, "--adopt", digest[:12]) == 0
    capsys.readouterr()
    store = folder / "store"
    assert run("chain", "table", desk, *at, "-o", str(store)) == 1  # the contradiction stays shown
    assert f"{p}: counted: by decision 1 of T-1: Heard both" in capsys.readouterr().out
    assert read_store(store).document["source"] == "chain"

    out = folder / "to-R-1"
    assert run("chain", "forward", desk, "-o", str(out), *at, *keys) == 0
    capsys.readouterr()
    assert run("chain", "check", str(out), *at, *tree, *profile, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["tables"] == ["table 1 of T-1"]
    assert len(shown["findings"]) == 2  # the contradiction, and the broken file, both sent on
    assert run("chain", "check", desk, *at) == 1
    shutil.rmtree(out)
    for path in incoming.glob("*.zip"):
        path.unlink()
    assert run("chain", "receive", desk, str(incoming), *at) == 1
    assert "no file" in capsys.readouterr().err

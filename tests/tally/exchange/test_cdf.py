"""Cast vote records of the common data format: out and in again, and what is wrong, named."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.model import Election
from election.profile import load_profile
from firmware_sim.counting import count_records
from scanner.cvr import CastVoteRecord, cvr_report, validate_report
from scanner.reading import ContestStatus
from tally.exchange.findings import Finding, Findings
from tally.exchange.forms import sources_of
from tally.exchange.importing import import_records
from tally.exchange.names import Names
from tally.exchange.reading import contest_reading, void_ground
from tally.national.store import read_store
from tests.tally.exchange.conftest import Nation, Run, findings
from tests.tally.world import make_election

AT = datetime(2026, 3, 20, tzinfo=UTC)
PROFILE = load_profile("us-general")
KAZAKH = load_profile("kz-majilis")
N_OF_M: dict[str, Any] = make_election().model_dump(mode="json", exclude_none=True)
N_OF_M["contests"][1] |= {"votes_allowed": 2, "write_ins": 1}
N_OF_M["ballot_styles"] = [
    {"id": "both", "contests": ["list", "smd"], "precincts": ["p-1", "p-2"]},
    {"id": "list-paper", "contests": ["list"], "precincts": ["p-3"]},
]
ELECTION = Election.model_validate(N_OF_M)
KZ_ELECTION = make_election()


@st.composite
def records(draw: st.DrawFn, election: Election, *, one_mark: bool) -> list[CastVoteRecord]:
    """Records as interpretation makes them."""
    found = []
    for number in range(draw(st.integers(0, 9))):
        precinct = draw(st.sampled_from(election.precincts)).id
        style = draw(st.sampled_from(election.precinct_styles(precinct)))
        readings = []
        for contest in election.style_contests(style.id):
            options = st.sets(st.sampled_from(contest.option_ids()), max_size=3)
            marked, marginal = draw(options), draw(st.sampled_from([set(), {"a"}]))
            review = bool(marginal - marked) and len(marked) <= contest.votes_allowed
            readings.append(
                contest_reading(contest, marked=marked, marginal=marginal, review=review)
            )
        pending = any(r.status is ContestStatus.NEEDS_REVIEW for r in readings)
        ground = void_ground(readings) if one_mark and not pending else None
        found.append(
            CastVoteRecord(
                record_id=f"{draw(st.integers(0, 2**120 - 1)):030x}{number:02x}",
                election_hash=election.hash,
                ballot_style_id=style.id,
                precinct_id=precinct,
                valid=ground is None,
                invalid_ground=ground,
                needs_review=pending or draw(st.booleans()),
                contests=tuple(readings),
            )
        )
    return found


@given(data=st.data(), one_mark=st.booleans())
@settings(max_examples=30, deadline=None)
def test_out_and_in_again_gives_the_same_totals_and_records(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, one_mark: bool
) -> None:
    election, profile = (KZ_ELECTION, KAZAKH) if one_mark else (ELECTION, PROFILE)
    drawn = data.draw(records(election, one_mark=one_mark))
    report = cvr_report(election, drawn, device_id="d", created=AT)
    assert validate_report(report) == []
    # Members of the report in any order: records may come before what explains them.
    names = data.draw(st.permutations(list(report)))
    path = tmp_path_factory.mktemp("round") / "cvrs.json"
    path.write_text(json.dumps({n: report[n] for n in names}, ensure_ascii=False), encoding="utf-8")
    listed: list[Finding] = []
    sources = sources_of("cvr-cdf", [path], election, profile, Names(election))
    [source] = sources
    done = import_records(sources, election, profile, Findings(listed.append), as_of=AT.isoformat())
    assert [f.sentence for f in listed] == []
    assert done.counted == len(drawn)
    for precinct in {r.precinct_id for r in drawn if r.precinct_id}:
        mine = [r for r in drawn if r.precinct_id == precinct]
        truth = count_records(election, mine, precinct)["contests"]
        rows = done.result.tables["votes"].to_pylist()
        assert {
            (r["contest_id"], r["option_id"]): r["votes"]
            for r in rows
            if r["precinct_id"] == precinct
        } == {(c, o): v for c, f in truth.items() for o, v in f["votes"].items()}
    read = {i.record.record_id: i.record for i in source.items() if i.record is not None}
    assert read == {r.record_id: r for r in drawn}


def report_of(nation: Nation, run: Run, tmp_path: Path, number: int = 0) -> dict[str, Any]:
    package = nation.packages()[number]
    out = tmp_path / f"{package.stem}.json"
    code, said = run("export", nation.definition, package, "--form", "cvr-cdf", "--out", out)
    assert code == 0, said
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def test_a_nation_out_and_in_again_is_the_same_result(
    run: Run, nation: Nation, tmp_path: Path
) -> None:
    for number in range(len(nation.packages())):
        report = report_of(nation, run, tmp_path / "cdf", number)
    assert validate_report(report) == []
    code, said = run(
        "import", nation.definition, tmp_path / "cdf", "--out", tmp_path / "in",
        "--commissions", nation.commissions,
    )  # fmt: skip
    assert code == 0, said
    mine, truth = read_store(tmp_path / "in"), read_store(nation.store)
    for table in ("votes", "contests"):
        assert mine.tables[table].equals(truth.tables[table])
    assert mine.document["contests"] == truth.document["contests"]
    assert mine.document["outcome"]["lists"] == truth.document["outcome"]["lists"]
    # Once more, from the table of records: all in one file.
    records_file = tmp_path / "in" / "records.parquet"
    ids = pq.read_table(records_file)["record_id"].to_pylist()
    assert ids == sorted(ids)
    code, said = run(
        "export", nation.definition, records_file, "--form", "cvr-cdf",
        "--out", tmp_path / "all.json",
    )  # fmt: skip
    assert code == 0, said
    code, said = run(
        "import", nation.definition, tmp_path / "all.json", "--out", tmp_path / "again"
    )
    assert code == 0, said
    assert (tmp_path / "again" / "records.parquet").read_bytes() == records_file.read_bytes()


Edit = Callable[[dict[str, Any]], object]


def _cvr(report: dict[str, Any], number: int = 3) -> dict[str, Any]:
    found: dict[str, Any] = report["CVR"][number]
    return found


def _contest(report: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _cvr(report)["CVRSnapshot"][0]["CVRContest"][0]
    return found


def _selection(report: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _contest(report)["CVRContestSelection"][0]
    return found


_SCHEMA = "breaks NIST's schema"
EDITS: dict[str, tuple[Edit, str, str]] = {
    "contest": (
        lambda r: _contest(r).update(ContestId="contest/none"),
        "CVRContest[0].ContestId",
        "contest 'contest/none' is not in election",
    ),
    "option": (
        lambda r: _selection(r).update(ContestSelectionId="selection/list/none"),
        "ContestSelectionId",
        "is no option of contest",
    ),
    "precinct": (
        lambda r: _cvr(r).update(BallotStyleUnitId="precinct/none"),
        "BallotStyleUnitId",
        "precinct 'precinct/none' is not in election",
    ),
    "negative": (
        lambda r: _selection(r).update(TotalNumberVotes=-1),
        "CVRContestSelection[0]",
        "has -1 votes for one option",
    ),
    "huge": (
        lambda r: _selection(r).update(TotalNumberVotes=10**30),
        "CVRContestSelection[0]",
        "votes for one option",
    ),
    "letters": (lambda r: _selection(r).update(TotalNumberVotes="1o"), "CVRSnapshot", _SCHEMA),
    "wrong total": (
        lambda r: _selection(r).update(TotalNumberVotes=0),
        "TotalNumberVotes",
        "says 0, its positions add up to 1",
    ),
    "undervotes": (
        lambda r: _contest(r).update(Undervotes=1),
        "CVRContest[0]",
        "are not the 1 that a voter has",
    ),
    "snapshot": (
        lambda r: _cvr(r).update(CurrentSnapshotId="gone"),
        "CurrentSnapshotId",
        "'gone' is no snapshot",
    ),
    "no snapshot": (lambda r: _cvr(r).pop("CVRSnapshot"), "CVRSnapshot", _SCHEMA),
    "twice": (
        lambda r: _cvr(r)["CVRSnapshot"][0]["CVRContest"].append(copy.deepcopy(_contest(r))),
        "CVRContest[1]",
        "stands twice",
    ),
}


@pytest.mark.parametrize("case", EDITS)
def test_a_record_that_cannot_be_is_named_and_the_rest_counted(
    run: Run, nation: Nation, tmp_path: Path, case: str
) -> None:
    edit, field, what = EDITS[case]
    report = report_of(nation, run, tmp_path)
    number = next(
        i
        for i, c in enumerate(report["CVR"])
        if c["CVRSnapshot"][0]["CVRContest"][0]["CVRContestSelection"]
        and "Status" not in c["CVRSnapshot"][0]["CVRContest"][0]
        and "Status" not in c["CVRSnapshot"][0]
    )
    report["CVR"][3], report["CVR"][number] = report["CVR"][number], report["CVR"][3]
    edit(report)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(report), encoding="utf-8")
    code, said = run("import", nation.definition, path, "--out", tmp_path / "in")
    assert code == 1, said
    assert f"{len(report['CVR']) - 1} records counted; 1 records and 0 files left out" in said
    [finding] = findings(tmp_path / "in")
    assert finding["file"] == "edited.json"
    assert finding["place"].endswith("CVR[3]")
    assert "line 1, column " in finding["place"]
    assert field in finding["field"] or field in finding["what"]
    assert what in finding["what"]
    assert finding["advice"]
    rows = read_store(tmp_path / "in").tables["precincts"].to_pylist()
    [mine] = [r for r in rows if r["status"] != "missing"]
    if finding["precinct"] is not None:
        assert mine["reason"] == "1 records of it could not be counted"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marked_encodings_are_read(run: Run, nation: Nation, tmp_path: Path, encoding: str) -> None:
    report = report_of(nation, run, tmp_path)
    path = tmp_path / "other.json"
    path.write_bytes(json.dumps(report, ensure_ascii=False).encode(encoding))
    code, said = run("import", nation.definition, path, "--out", tmp_path / "in")
    assert code == 0, said
    assert f"{len(report['CVR'])} records counted" in said


def test_an_unmarked_encoding_is_never_guessed(run: Run, nation: Nation, tmp_path: Path) -> None:
    report = report_of(nation, run, tmp_path)
    text = json.dumps(report, ensure_ascii=False, indent=1)
    for letter in "ҚқҰұҮүҒғӘәІіҢңӨөҺһ":
        text = text.replace(letter, "к")
    path = tmp_path / "windows.json"
    path.write_bytes(text.encode("cp1251"))
    code, said = run("import", nation.definition, path, "--out", tmp_path / "in")
    assert code == 1
    assert "is not UTF-8 text" in said
    assert "--encoding cp1251" in said
    code, said = run(
        "import", nation.definition, path, "--out", tmp_path / "in", "--encoding", "cp1251"
    )
    assert code == 0, said
    path.write_bytes(json.dumps(report, ensure_ascii=False).encode("utf-16-le"))
    code, said = run("import", nation.definition, path, "--out", tmp_path / "in")
    assert code == 1
    assert "--encoding utf-16-le" in said


def test_a_file_cut_short_is_left_out_whole_and_others_are_counted(
    run: Run, nation: Nation, tmp_path: Path
) -> None:
    first, second = report_of(nation, run, tmp_path, 0), report_of(nation, run, tmp_path, 1)
    whole = json.dumps(second)
    rng = random.Random(1)
    for number in range(5):
        cut = tmp_path / "cut.json"
        cut.write_text(whole[: rng.randrange(1, len(whole) - 2)], encoding="utf-8")
        good = tmp_path / f"{nation.packages()[0].stem}.json"
        out = tmp_path / f"in{number}"
        code, said = run("import", nation.definition, cut, good, "--out", out)
        assert code == 1, said
        assert f"{len(first['CVR'])} records counted; 0 records and 1 files left out" in said
        [finding] = findings(out)
        assert (finding["file"], finding["weight"]) == ("cut.json", "file")
        assert "cut short" in finding["what"]
        assert "line 1, column" in finding["what"]


def test_ids_that_stand_twice(run: Run, nation: Nation, tmp_path: Path) -> None:
    report = report_of(nation, run, tmp_path)
    size = len(report["CVR"])
    path = tmp_path / "twice.json"
    same = {**report, "CVR": [*report["CVR"], report["CVR"][5]]}
    path.write_text(json.dumps(same), encoding="utf-8")
    code, said = run("import", nation.definition, path, "--out", tmp_path / "same")
    assert code == 0, said
    assert f"{size} records counted" in said
    [finding] = findings(tmp_path / "same")
    assert finding["weight"] == "note"
    assert "with the same content" in finding["what"]
    # The same id, another ballot: nobody can say which; neither is counted, in any order.
    styles = [c["BallotStyleId"] for c in report["CVR"]]
    other = copy.deepcopy(report["CVR"][next(i for i, s in enumerate(styles) if s != styles[5])])
    other["UniqueId"] = report["CVR"][5]["UniqueId"]
    stores = []
    for order in (1, -1):
        cvrs = [*report["CVR"], other][::order]
        path.write_text(json.dumps({**report, "CVR": cvrs}), encoding="utf-8")
        out = tmp_path / f"other{order}"
        code, said = run("import", nation.definition, path, "--out", out, "--at", "2026-03-20")
        assert code == 1
        assert f"{size - 1} records counted; 2 records and 0 files left out" in said
        assert all("with other content" in f["what"] for f in findings(out))
        stores.append((out / "votes.parquet").read_bytes())
    assert stores[0] == stores[1]
    code, said = run("import", nation.definition, path, path, "--out", tmp_path / "files")
    assert "is the same file as twice.json" in said


def test_another_election_and_other_json_are_refused_by_name(
    run: Run, nation: Nation, tmp_path: Path
) -> None:
    report = report_of(nation, run, tmp_path)
    report["Election"][0]["Code"][0]["Value"] = "0" * 64
    path = tmp_path / "x.json"
    for content, words in (
        (json.dumps(report), "is of another election (hash 000000000000…"),
        ("[1, 2]", "is not a JSON object"),
        ('{"CVR": [{}], "CVR": []}', "the member 'CVR' stands twice"),
        ('{"CVR": [}', "line 1, column 10: CVR[0]: is not JSON"),
        ('{"Version": "1.0.0"}', "breaks NIST's schema"),
        ("", "is not a JSON object"),
    ):
        path.write_text(content, encoding="utf-8")
        code, said = run("import", nation.definition, path, "--out", tmp_path / "in")
        assert code == 1, content[:40]
        assert words in said, said
        assert "Traceback" not in said


def test_a_member_that_stands_twice_in_a_record_leaves_out_that_record(
    run: Run, nation: Nation, tmp_path: Path
) -> None:
    report = report_of(nation, run, tmp_path)
    text = json.dumps(report).replace('"UniqueId": ', '"UniqueId": "x", "UniqueId": ', 1)
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    code, said = run("import", nation.definition, path, "--out", tmp_path / "in")
    assert code == 1
    assert "CVR[0]: the member 'UniqueId' stands twice" in said
    assert f"{len(report['CVR']) - 1} records counted" in said


def test_names_of_another_system_are_mapped(run: Run, nation: Nation, tmp_path: Path) -> None:
    """A report with codes of its own: names are known by themselves or by the mapping."""
    report = report_of(nation, run, tmp_path)
    size = len(report["CVR"])
    text = json.dumps(report, ensure_ascii=False)
    for ours, theirs in (("contest/list", "C1"), ("precinct/P-00001", "PCT 1")):
        text = text.replace(json.dumps(ours), json.dumps(theirs))
    foreign = json.loads(text)
    del foreign["Election"][0]["Code"]
    for contest in foreign["Election"][0]["Contest"]:
        if contest["@id"] == "C1":
            contest.pop("Code")
            contest["Name"] = "Party lists, nationwide"
    for unit in foreign["GpUnit"]:
        unit.pop("Code", None)
        if unit["@id"] == "PCT 1":
            unit["Name"] = "Precinct the first"
    for cvr in foreign["CVR"]:
        cvr["UniqueId"] = f"A-{cvr['UniqueId']}"
        cvr["BallotStyleId"] = "their style"
    path = tmp_path / "foreign.json"
    path.write_text(json.dumps(foreign, ensure_ascii=False), encoding="utf-8")
    code, said = run("import", nation.definition, path, "--out", tmp_path / "in")
    assert code == 1
    assert "'Precinct the first' is not in election" in said
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        'format = "ballotbench-mapping/1"\n'
        '[contests]\n"Party lists, nationwide" = "list"\n'
        '[precincts]\n"Precinct the first" = "P-00001"\n',
        encoding="utf-8",
    )
    code, said = run("import", nation.definition, path, "--out", tmp_path / "in", "--map", mapping)
    assert code == 0, said
    assert f"{size} records counted" in said
    mine = read_store(tmp_path / "in").tables["votes"].to_pylist()
    truth = [
        r
        for r in read_store(nation.store).tables["votes"].to_pylist()
        if r["precinct_id"] == "P-00001"
    ]
    assert mine == truth
    mapping.write_text('format = "ballotbench-mapping/1"\n[contests]\n"x" = "none"\n')
    code, said = run("import", nation.definition, path, "--out", tmp_path / "in", "--map", mapping)
    assert code == 1
    assert "map.toml: contests.'x': 'none' is not in" in said

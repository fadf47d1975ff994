"""Records in the forms of Dominion, ES&S and Hart: small samples of our own, of known truth.

The samples are written here from the public descriptions of the forms; none is anyone's file.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from election.model import Election
from election.profile import load_profile
from tally.exchange.findings import Finding, Findings
from tally.exchange.forms import sources_of
from tally.exchange.importing import Imported, import_records
from tally.exchange.names import Names
from tests.tally.exchange.conftest import Run, findings

PEOPLE = {"mayor": ("Ana Abel", "Ben Bolt", "Col Cole"), "council": ("Dee Dorn", "Eve Earl", "Fay")}


def named(text: str) -> dict[str, str]:
    return {"en": text}


ELECTION = Election.model_validate(
    {
        "id": "town",
        "title": named("Town"),
        "date": "2026-11-03",
        "profile": "us-general",
        "languages": ["en"],
        "districts": [{"id": "d", "name": named("Town")}],
        "precincts": [
            {"id": p, "name": named(f"PCT {p}"), "districts": ["d"]} for p in ("1101", "1102")
        ],
        "contests": [
            {
                "id": contest,
                "title": named(title),
                "district": "d",
                "kind": "candidate",
                "votes_allowed": allowed,
                "seats": allowed,
                "write_ins": 1,
                "options": [
                    {"id": name.split()[0].lower(), "name": named(name)} for name in PEOPLE[contest]
                ],
            }
            for contest, title, allowed in (("mayor", "Mayor", 1), ("council", "Town Council", 2))
        ],
        "ballot_styles": [
            {"id": "both", "contests": ["mayor", "council"], "precincts": ["1101"]},
            {"id": "short", "contests": ["mayor"], "precincts": ["1102"]},
        ],
    }
)
PROFILE = load_profile("us-general")

#: One ballot: precinct, and the marks by contest (candidates' numbers from 0; 3 is a write-in).
Ballot = tuple[str, dict[str, tuple[int, ...]]]
BALLOTS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "mayor": st.sets(st.integers(0, 3), max_size=2),
                "council": st.sets(st.integers(0, 3), max_size=4),
            }
        ).map(lambda m: ("1101", {c: tuple(sorted(v)) for c, v in m.items()})),
        st.sets(st.integers(0, 3), max_size=2).map(lambda m: ("1102", {"mayor": tuple(sorted(m))})),
    ),
    min_size=1,
    max_size=12,
)


def truth(ballots: list[Ballot]) -> dict[str, dict[str, int]]:
    """Votes by contest and option, by hand."""
    found = {c.id: dict.fromkeys(c.option_ids(), 0) for c in ELECTION.contests}
    for _, contests in ballots:
        for contest, marks in contests.items():
            if len(marks) <= ELECTION.contest(contest).votes_allowed:
                for mark in marks:
                    found[contest][ELECTION.contest(contest).option_ids()[mark]] += 1
    return found


# --- the three forms, written --------------------------------------------------------------

CONTEST_IDS = {"mayor": 7, "council": 22}
PORTIONS = {"1101": 3, "1102": 4}


def dominion(ballots: list[Ballot], folder: Path, *, cards: bool = True) -> Path:
    """A folder as Democracy Suite exports it."""
    folder.mkdir()

    def manifest(name: str, entries: list[dict[str, Any]]) -> None:
        text = json.dumps({"Version": "5.10.50.85", "List": entries})
        (folder / f"{name}.json").write_text(text)

    manifest(
        "ContestManifest",
        [
            {"Description": c.title["en"], "Id": CONTEST_IDS[c.id], "VoteFor": c.votes_allowed,
             "NumOfRanks": 0, "ExternalId": ""}
            for c in ELECTION.contests
        ],
    )  # fmt: skip
    manifest(
        "CandidateManifest",
        [
            {"Description": name, "Id": CONTEST_IDS[contest] * 10 + i,
             "ContestId": CONTEST_IDS[contest], "Type": kind}
            for contest, people in PEOPLE.items()
            for i, (name, kind) in enumerate(
                [*((n, "Regular") for n in people), ("Write-in", "WriteIn")]
            )
        ],
    )  # fmt: skip
    manifest(
        "PrecinctPortionManifest",
        [{"Description": f"PCT {p}", "Id": i, "ExternalId": ""} for p, i in PORTIONS.items()],
    )
    manifest("BallotTypeManifest", [{"Description": "BT", "Id": 51, "ExternalId": ""}])
    sessions = []
    for number, (precinct, contests) in enumerate(ballots):
        entries = [
            {
                "Id": CONTEST_IDS[contest],
                "Undervotes": max(ELECTION.contest(contest).votes_allowed - len(marks), 0),
                "Overvotes": 0,
                "OutstackConditionIds": [],
                "Marks": [
                    {"CandidateId": CONTEST_IDS[contest] * 10 + m, "Rank": 1, "MarkDensity": 99,
                     "IsAmbiguous": False, "IsVote": True}
                    for m in marks
                ],
            }
            for contest, marks in contests.items()
        ]  # fmt: skip
        state: dict[str, Any] = {
            "PrecinctPortionId": PORTIONS[precinct], "BallotTypeId": 51, "IsCurrent": True,
        }  # fmt: skip
        state |= {"Cards": [{"Id": 1, "Contests": entries}]} if cards else {"Contests": entries}
        sessions.append(
            {"TabulatorId": 5, "BatchId": number // 3, "RecordId": number, "Original": state}
        )
    half = len(sessions) // 2
    for name, part in (("CvrExport_1", sessions[:half]), ("CvrExport_2", sessions[half:])):
        text = json.dumps({"Version": "5.10", "ElectionId": "Town", "Sessions": part})
        (folder / f"{name}.json").write_text(text)
    return folder


def ess(ballots: list[Ballot], path: Path) -> Path:
    """A file as ES&S exports it."""
    lines = ["Cast Vote Record,Batch,Precinct,Ballot Style,Mayor,Town Council,Town Council"]
    for number, (precinct, contests) in enumerate(ballots):
        cells = [str(number + 1), "B1", f"PCT {precinct}", "their style"]
        for contest, width in (("mayor", 1), ("council", 2)):
            if contest not in contests:
                cells += [""] * width
                continue
            marks = contests[contest]
            words = [[*PEOPLE[contest], "write-in: Someone"][m] for m in marks]
            if len(words) > width:
                words = ["overvote"]
            cells += [*words, *(["undervote"] * (width - len(words)))]
        lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def hart(ballots: list[Ballot], path: Path) -> Path:
    """A zip as Verity exports it."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, (precinct, contests) in enumerate(ballots):
            archive.writestr(f"1_{number}.xml", hart_sheet(number, precinct, contests))
    return path


def hart_sheet(number: int, precinct: str, contests: dict[str, tuple[int, ...]]) -> str:
    parts = []
    for contest, marks in contests.items():
        options = "".join(
            f"<Option><Name>{PEOPLE[contest][m]}</Name><Value>1</Value></Option>"
            if m < 3
            else "<Option><Name/><Value>1</Value><WriteInData>x</WriteInData></Option>"
            for m in marks
        )
        lost = ELECTION.contest(contest).votes_allowed - len(marks)
        under = f"<Undervotes>{lost}</Undervotes>" if lost > 0 else ""
        title = ELECTION.contest(contest).title["en"]
        parts.append(
            f"<Contest><Name>{title}</Name><Id>{contest}-guid</Id><Options>{options}</Options>"
            f"{under}</Contest>"
        )
    return (
        '<?xml version="1.0" encoding="utf-8"?><Cvr xmlns="http://tempuri.org/CVRDesign.xsd">'
        f"<Contests>{''.join(parts)}</Contests><SheetNumber>1</SheetNumber>"
        f"<PrecinctSplit><Name>PCT {precinct}</Name><Id>guid-{precinct}</Id></PrecinctSplit>"
        f"<CvrGuid>guid-{number}</CvrGuid><IsBlank>false</IsBlank></Cvr>"
    )


WRITERS: dict[str, Callable[[list[Ballot], Path], Path]] = {
    "dominion": dominion, "ess": ess, "hart": hart,
}  # fmt: skip


def imported(form: str, path: Path) -> tuple[Imported, list[Finding]]:
    listed: list[Finding] = []
    done = import_records(
        sources_of(form, [path], ELECTION, PROFILE, Names(ELECTION)),
        ELECTION,
        PROFILE,
        Findings(listed.append),
        as_of="2026-11-04T00:00:00+00:00",
    )
    return done, listed


@pytest.mark.parametrize("form", WRITERS)
@given(ballots=BALLOTS)
@settings(max_examples=15, deadline=None)
def test_every_form_counts_what_was_marked(
    tmp_path_factory: pytest.TempPathFactory, form: str, ballots: list[Ballot]
) -> None:
    path = WRITERS[form](ballots, tmp_path_factory.mktemp("form") / "export")
    done, listed = imported(form, path)
    assert [f.sentence for f in listed] == []
    assert done.counted == len(ballots)
    contests = done.result.document["contests"]
    assert {c: f["votes"] for c, f in contests.items()} == truth(ballots)
    assert contests["mayor"]["ballots"] == len(ballots)


SOME: list[Ballot] = [
    ("1101", {"mayor": (0,), "council": (0, 1)}),
    ("1101", {"mayor": (1,), "council": (2,)}),
    ("1102", {"mayor": (0,)}),
    ("1102", {"mayor": (2,)}),
]


def edited(folder: Path, file: str, old: str, new: str) -> Path:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return folder


def test_dominion_counts_the_state_that_is_current(tmp_path: Path) -> None:
    folder = dominion(SOME, tmp_path / "d", cards=False)
    path = folder / "CvrExport_1.json"
    value = json.loads(path.read_text())
    first = value["Sessions"][0]
    first["Modified"] = json.loads(json.dumps(first["Original"]))
    first["Original"]["IsCurrent"] = False
    mark = first["Modified"]["Contests"][0]["Marks"][0]
    mark["CandidateId"] = 71
    first["Modified"]["Contests"][1]["Marks"][1]["IsAmbiguous"] = True
    first["Modified"]["Contests"][1]["Undervotes"] = 1
    path.write_text(json.dumps(value))
    done, listed = imported("dominion", folder)
    assert listed == []
    votes = {c: f["votes"] for c, f in done.result.document["contests"].items()}
    assert votes["mayor"] == {"ana": 1, "ben": 2, "col": 1, "write-in-0": 0}
    assert votes["council"] == {"dee": 1, "eve": 0, "fay": 1, "write-in-0": 0}


@pytest.mark.parametrize(
    ("file", "old", "new", "weight", "words"),
    [
        (
            "CvrExport_1.json",
            '"CandidateId": 70',
            '"CandidateId": 999',
            "record",
            "'999' is no option of contest mayor",
        ),
        (
            "CvrExport_1.json",
            '"Id": 7,',
            '"Id": 8,',
            "record",
            "contest '8' is not in election town",
        ),
        (
            "CvrExport_1.json",
            '"PrecinctPortionId": 3',
            '"PrecinctPortionId": "x"',
            "record",
            "'x' is no number",
        ),
        (
            "CvrExport_1.json",
            '"IsVote": true',
            '"IsVote": "yes"',
            "record",
            "'yes' is neither true nor false",
        ),
        (
            "CvrExport_1.json",
            '"Undervotes": 0',
            '"Undervotes": 1',
            "record",
            "says 1, its marks make 0",
        ),
        ("CvrExport_1.json", '"Rank": 1', '"Rank": 2', "record", "is a rank"),
        (
            "CvrExport_1.json",
            '"IsCurrent": true',
            '"IsCurrent": false',
            "record",
            "0 of Original and Modified are current",
        ),
        (
            "CvrExport_2.json",
            '"Sessions": [{',
            '"Sessions": [{{',
            "file",
            "CvrExport_2.json: line 1, column",
        ),
        (
            "ContestManifest.json",
            '"VoteFor": 1',
            '"VoteFor": 2',
            "file",
            "VoteFor is 2, mayor allows 1",
        ),
        ("ContestManifest.json", '"NumOfRanks": 0', '"NumOfRanks": 10', "file", "is ranked"),
        ("CandidateManifest.json", '"Id": 70', '"Id": "70"', "file", "has no number as Id"),
    ],
)
def test_dominion_faults(
    tmp_path: Path, file: str, old: str, new: str, weight: str, words: str
) -> None:
    folder = edited(dominion(SOME, tmp_path / "d"), file, old, new)
    done, listed = imported("dominion", folder)
    [finding] = listed
    assert finding.weight == weight
    assert words in finding.sentence
    assert done.counted == (3 if weight == "record" else 0)


def test_dominion_as_a_zip_and_without_a_manifest(tmp_path: Path) -> None:
    folder = dominion(SOME, tmp_path / "d")
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    done, listed = imported("dominion", path)
    assert (done.counted, listed) == (4, [])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    done, listed = imported("dominion", path)
    assert "nor a whole zip" in listed[0].sentence
    (folder / "CandidateManifest.json").unlink()
    done, listed = imported("dominion", folder)
    assert "has no CandidateManifest.json" in listed[0].sentence


@pytest.mark.parametrize(
    ("old", "new", "weight", "words"),
    [
        ("Ben Bolt", "Bill Bolt", "record", "line 3: column 5 (Mayor): 'Bill Bolt' is no option"),
        (
            "PCT 1102",
            "PCT 9",
            "record",
            "column 3 (Precinct): precinct 'PCT 9' is not in election town",
        ),
        ("Fay,undervote", "Fay,Fay", "record", "'Fay' stands twice"),
        ("3,B1,", "3,", "record", "has 6 cells, the header has 7"),
        (",Mayor,", ",Judge,", "file", "line 1, column 5: contest 'Judge' is not in election"),
        ("Town Council,Town Council", "Town Council,", "file", "has 1 columns, but 2 votes"),
        ("Cast Vote Record", "Record", "file", "0 columns are called 'Cast Vote Record'"),
        ("Dee Dorn", '"Dee Dorn', "file", "cut short"),
    ],
)
def test_ess_faults(tmp_path: Path, old: str, new: str, weight: str, words: str) -> None:
    path = ess(SOME, tmp_path / "cvr.csv")
    edited(tmp_path, "cvr.csv", old, new)
    done, listed = imported("ess", path)
    [finding] = listed
    assert finding.weight == weight
    assert words in finding.sentence
    assert done.counted == (3 if weight == "record" else 0)


def test_ess_rows_that_are_no_records_and_a_cut_file(tmp_path: Path) -> None:
    path = ess(SOME, tmp_path / "cvr.csv")
    text = path.read_text()
    path.write_text(f"{text}Total : 4,,,,,,\n,,,,,,\n")
    done, listed = imported("ess", path)
    assert (done.counted, listed) == (4, [])
    path.write_text(text[:-12])
    done, listed = imported("ess", path)
    assert "line 5: the file ends in the middle" in listed[0].sentence
    path.write_text(text.rstrip("\n"))
    done, listed = imported("ess", path)
    assert done.counted == 4
    assert listed[0].weight == "note"
    assert "the last line has no end" in listed[0].sentence


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "<Name>Ana Abel</Name>",
            "<Name>Nobody</Name>",
            "Contest[1]/Options/Option[1]/Name: 'Nobody' is no option",
        ),
        ("<Value>1</Value>", "<Value>1o</Value>", "'1o' is not 0 or 1"),
        ("<Name>Mayor</Name>", "<Name>Judge</Name>", "contest 'Judge' is not in election"),
        ("PCT 1101", "PCT 9", "precinct 'PCT 9' is not in election"),
        ("<CvrGuid>guid-0</CvrGuid>", "", "CvrGuid: is missing"),
        (
            "</Options></Contest>",
            "</Options><Undervotes>1</Undervotes></Contest>",
            "Undervotes: says 1, its options make 0",
        ),
        ("</Cvr>", "", "is not XML"),
        ("<Cvr", "<!DOCTYPE x [<!ENTITY a 'b'>]><Cvr", "has a document type"),
    ],
)
def test_hart_faults(tmp_path: Path, old: str, new: str, words: str) -> None:
    folder = tmp_path / "sheets"
    folder.mkdir()
    for number, (precinct, contests) in enumerate(SOME):
        (folder / f"1_{number}.xml").write_text(hart_sheet(number, precinct, contests))
    edited(folder, "1_0.xml", old, new)
    done, listed = imported("hart", folder)
    assert done.counted == 3
    [finding] = listed
    assert words in finding.sentence


def test_a_damaged_zip_of_hart_is_left_out(tmp_path: Path) -> None:
    path = hart(SOME, tmp_path / "x.zip")
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    done, listed = imported("hart", path)
    assert done.counted == 0
    assert "damaged" in listed[0].sentence
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    path.write_bytes(empty.getvalue())
    done, listed = imported("hart", path)
    assert "has no XML file" in listed[0].sentence


def test_contests_that_are_not_ours_are_left_out_only_when_told(run: Run, tmp_path: Path) -> None:
    path = ess(SOME, tmp_path / "cvr.csv")
    path.write_text(path.read_text().replace("Town Council", "Judge"))
    definition = tmp_path / "election.json"
    short = ELECTION.model_copy(
        update={
            "contests": ELECTION.contests[:1],
            "ballot_styles": tuple(
                s.model_copy(update={"contests": ("mayor",)}) for s in ELECTION.ballot_styles
            ),
        }
    )
    definition.write_text(short.model_dump_json(exclude_none=True))
    arguments = ("import", definition, path, "--form", "ess", "--out", tmp_path / "in")
    code, said = run(*arguments)
    assert code == 1
    assert "contest 'Judge' is not in election" in said
    mapping = tmp_path / "map.toml"
    mapping.write_text('format = "ballotbench-mapping/1"\nignore = ["Judge"]\n')
    code, said = run(*arguments, "--map", mapping, "--expect", "4")
    assert code == 0, said
    assert "4 records counted" in said
    assert any("'Judge' are left out" in f["what"] for f in findings(tmp_path / "in"))
    code, said = run(*arguments, "--map", mapping, "--expect", "5")
    assert code == 1
    assert "4 were read, 5 should be there" in said

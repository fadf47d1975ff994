"""A voter on a list, and a list read from a CSV file: strictly, or not at all.

CSV: UTF-8 (with or without a byte order mark), comma or semicolon, the header

    iin,family_name,given_name,patronymic,birth_date,precinct

in any order; `patronymic` may be empty, dates are YYYY-MM-DD. Every problem is reported with
its line and field; a list with a problem is not taken over in part (SEED-01).
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from firmware_sim.pollbook.errors import FieldProblem, IinError, PollbookError, VoterListError
from firmware_sim.pollbook.iin import born, checked_iin

FIELDS = ("iin", "family_name", "given_name", "patronymic", "birth_date", "precinct")
MAX_NAME = 100
#: Constitutional Law on Elections, art. 4: citizens vote from the age of eighteen.
VOTING_AGE = 18
#: More than a region has voters; a larger file is something else.
MAX_LIST_BYTES = 512 * 1024 * 1024
#: Problems collected before reading stops.
MAX_PROBLEMS = 200


@dataclass(frozen=True, slots=True)
class Voter:
    """Who is on the list: IIN, name as in the document, date of birth, home precinct."""

    iin: str
    family_name: str
    given_name: str
    patronymic: str
    birth_date: date
    precinct: str

    @property
    def name(self) -> str:
        """The whole name in one line."""
        return " ".join(p for p in (self.family_name, self.given_name, self.patronymic) if p)

    @property
    def birth_differs(self) -> bool:
        """Does the IIN spell another birth date? To be looked at, no error (see `iin`)."""
        return born(self.iin) != self.birth_date

    @classmethod
    def from_json(cls, fields: Mapping[str, str]) -> Voter:
        """What `to_json` gave; unchecked. Raises KeyError, ValueError."""
        return cls(
            fields["iin"],
            fields["family_name"],
            fields["given_name"],
            fields["patronymic"],
            date.fromisoformat(fields["birth_date"]),
            fields["precinct"],
        )

    def to_json(self) -> dict[str, str]:
        """A dict of texts, as in the CSV."""
        return {
            "iin": self.iin,
            "family_name": self.family_name,
            "given_name": self.given_name,
            "patronymic": self.patronymic,
            "birth_date": self.birth_date.isoformat(),
            "precinct": self.precinct,
        }


def checked_voter(
    fields: dict[str, str], *, election_day: date
) -> tuple[Voter | None, list[tuple[str, str]]]:
    """A voter from texts, or None and every (field, problem)."""
    problems: list[tuple[str, str]] = []
    iin = fields["iin"].strip()
    try:
        checked_iin(iin)
    except IinError as error:
        problems.append(("iin", str(error)))
    names: dict[str, str] = {}
    for field in ("family_name", "given_name", "patronymic"):
        names[field] = unicodedata.normalize("NFC", " ".join(fields[field].split()))
        problem = _name_problem(names[field], required=field != "patronymic")
        if problem:
            problems.append((field, problem))
    birth = _date(fields["birth_date"].strip())
    if birth is None:
        problems.append(("birth_date", "is not a date YYYY-MM-DD"))
    elif not _of_age(birth, election_day):
        problems.append(
            ("birth_date", f"is not {VOTING_AGE} to 130 years before {election_day.isoformat()}")
        )
    precinct = fields["precinct"].strip()
    if not precinct or len(precinct) > 64:
        problems.append(("precinct", "is empty or over 64 characters"))
    if problems or birth is None:
        return None, problems
    return (
        Voter(iin, names["family_name"], names["given_name"], names["patronymic"], birth, precinct),
        [],
    )


def checked_request_voter(fields: dict[str, str], *, election_day: date) -> Voter:
    """As `checked_voter`. Raises PollbookError: names the first field and its problem."""
    missing = [field for field in FIELDS if not isinstance(fields.get(field), str)]
    if missing:
        raise PollbookError(f"voter: {missing[0]} is missing")
    voter, problems = checked_voter(fields, election_day=election_day)
    if voter is None:
        raise PollbookError(f"voter: {problems[0][0]}: {problems[0][1]}")
    return voter


def read_list(
    data: bytes, where: str, *, election_day: date, precincts: Iterable[str]
) -> list[Voter]:
    """The voters of a CSV file, in its order.

    A number twice on the list is no error here: duplicates are found and reviewed
    (`duplicates`), not dropped.

    Raises:
        VoterListError: with every problem found (at most `MAX_PROBLEMS`).
    """
    known = frozenset(precincts)
    rows = _rows(data, where)
    voters: list[Voter] = []
    problems: list[FieldProblem] = []
    for line, row in rows:
        voter, wrong = checked_voter(row, election_day=election_day)
        problems += [FieldProblem(line, field, problem) for field, problem in wrong]
        if voter is not None and voter.precinct not in known:
            problems.append(
                FieldProblem(line, "precinct", f"{voter.precinct!r} is none of the election's")
            )
        if len(problems) >= MAX_PROBLEMS:
            break
        if voter is not None:
            voters.append(voter)
    if not voters and not problems:
        problems.append(FieldProblem(1, "list", "has no voters"))
    if problems:
        raise VoterListError(where, problems)
    return voters


def write_list(voters: Iterable[Voter]) -> str:
    """The CSV of a list. It holds personal data: write it with mode 0600."""
    out = io.StringIO()
    writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
    writer.writeheader()
    for voter in voters:
        writer.writerow(voter.to_json())
    return out.getvalue()


def _rows(data: bytes, where: str) -> list[tuple[int, dict[str, str]]]:
    def refuse(line: int, field: str, problem: str) -> VoterListError:
        return VoterListError(where, [FieldProblem(line, field, problem)])

    if len(data) > MAX_LIST_BYTES:
        raise refuse(1, "list", "is larger than 512 MiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise refuse(line, "list", "is not UTF-8; save it as CSV UTF-8") from error
    if "\0" in text:
        raise refuse(text[: text.index("\0")].count("\n") + 1, "list", "holds a zero byte")
    header = text.split("\n", 1)[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if ";" in header else ",", strict=True
    )
    rows: list[tuple[int, dict[str, str]]] = []
    columns: list[str] = []
    try:
        for row in reader:
            if not columns:
                columns = [name.strip() for name in row]
                if sorted(columns) != sorted(FIELDS):
                    raise refuse(1, "header", f"must name exactly {', '.join(FIELDS)}")
            elif len(row) == len(columns):
                rows.append((reader.line_num, dict(zip(columns, row, strict=True))))
            elif row:
                raise refuse(reader.line_num, "line", f"has {len(row)} fields, not {len(columns)}")
    except csv.Error as error:
        raise refuse(reader.line_num, "line", f"is not CSV: {error}") from error
    return rows


def _name_problem(name: str, *, required: bool) -> str | None:
    if not name:
        return "is empty" if required else None
    if len(name) > MAX_NAME:
        return f"is over {MAX_NAME} characters"
    for character in name:
        if character in " -'’.":
            continue
        if not character.isalpha() or not _our_letter(character):
            return f"holds {character!r}: letters, space, hyphen and apostrophe only"
    return None


def _our_letter(character: str) -> bool:
    name = unicodedata.name(character, "")
    return name.startswith(("CYRILLIC", "LATIN"))


def _date(text: str) -> date | None:
    if len(text) != 10:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _of_age(birth: date, day: date) -> bool:
    age = day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
    return VOTING_AGE <= age <= 130

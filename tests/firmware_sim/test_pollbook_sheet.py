"""`pollbook.json`: its published schema, and sheets whose figures cannot be (NVT-05)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from firmware_sim.errors import SignatureError
from firmware_sim.pollbook.checkin import check_in, replace_ballot
from firmware_sim.pollbook.closing import CloseSheet, close_book, issued_by_style
from firmware_sim.pollbook.errors import BookError
from firmware_sim.pollbook.signing import canonical
from firmware_sim.pollbook.sums import control_sums
from firmware_sim.schemas import DIRECTORY, write_schemas
from tests.firmware_sim.pollbook_world import (
    ELECTION,
    MEMBER,
    MORNING,
    Keys,
    book,
    people,
    person,
    visit,
)


def test_the_published_schema_is_that_of_the_model(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pollbook.schema.json"]
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (DIRECTORY / path.name).read_bytes()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.make(tmp_path_factory.mktemp("world") / "keys")


@pytest.fixture(scope="module")
def sheet(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("book")
    with book(folder / "b", people(9), received={"list": 9}) as opened:
        for number in range(4):
            check_in(opened, visit(person(number)))
        replace_ballot(opened, person(2).iin, "list", by=MEMBER, at=MORNING)
        open_still = control_sums(opened)
        made = close_book(opened, keys.signer("book-1").sign, at=MORNING)
    with pytest.raises(BookError, match="still open"):
        read(keys, open_still)
    value: dict[str, Any] = json.loads(made.content)
    return value


def read(keys: Keys, value: object) -> dict[str, int]:
    """What a device takes from this sheet, signed."""
    content = canonical(value)  # type: ignore[arg-type]
    signed = CloseSheet(content, keys.signer("book-1").sign(content))
    return issued_by_style(
        signed, keys.verify, election_hash=ELECTION, precinct="P-1", where="pollbook.json"
    )


def test_a_real_sheet_is_valid_by_the_schema_and_taken(keys: Keys, sheet: dict[str, Any]) -> None:
    schema = json.loads((DIRECTORY / "pollbook.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert list(validator.iter_errors(sheet)) == []
    assert read(keys, sheet) == {"list": 4, "smd-1": 4}
    for key in sheet:
        missing = {name: value for name, value in sheet.items() if name != key}
        assert list(validator.iter_errors(missing)), key
        with pytest.raises(BookError, match=f"pollbook: {key}: "):
            read(keys, missing)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["voters"].update(voted=5), "sum of its three kinds"),
        (lambda v: v["voters"].update(mobile=5), "portable box"),
        (lambda v: v["styles"]["list"].update(issued=3), "styles.list: "),
        (lambda v: v["styles"]["list"].update(unused=3), "received less handed_out"),
        (lambda v: v["styles"]["list"].update(issued=True), "styles.list.issued"),
        (lambda v: v["styles"]["list"].update(spoiled=-1), "styles.list.spoiled"),
        (lambda v: v["second_factor"].update(biometric=3), "second_factor"),
        (lambda v: v.update(by_hour={"09": 3}), "by_hour"),
        (lambda v: v.update(by_hour={"24": 4}), "by_hour.24"),
        (lambda v: v.update(offline=7), "greater than voted"),
        (lambda v: v.update(names=["x"]), "names"),
        (lambda v: v.update(format="other"), "format"),
        (lambda v: v.update(closed=False), "still open"),
        (lambda v: v.update(precinct="P-2"), "another precinct"),
    ],
)
def test_a_signed_sheet_whose_figures_cannot_be_is_refused(
    keys: Keys, sheet: dict[str, Any], change: Callable[[dict[str, Any]], object], words: str
) -> None:
    changed = json.loads(json.dumps(sheet))
    change(changed)
    with pytest.raises(BookError, match=words):
        read(keys, changed)


def test_what_is_no_json_is_refused(keys: Keys) -> None:
    for content in (b"", b"[]", b"{", b"[" * 100_000, b"\xff"):
        signed = CloseSheet(content, keys.signer("book-1").sign(content))
        with pytest.raises(BookError, match="is not the close sheet"):
            issued_by_style(
                signed, keys.verify, election_hash=ELECTION, precinct="P-1", where="p.json"
            )
    with pytest.raises((BookError, SignatureError)):
        issued_by_style(
            CloseSheet(b"{}", b""), keys.verify, election_hash=ELECTION, precinct="P-1", where="p"
        )

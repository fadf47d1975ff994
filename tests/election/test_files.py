"""Files that leave the room: layouts, schemas, profiles and the `ballots` command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from console.commands import ballots
from election.design import design_ballot
from election.errors import LayoutError
from election.layout_io import dump_layout, load_layout, parse_layout, print_ballots
from election.model import Election
from election.profile import Profile
from election.schemas import DIRECTORY, schema_text, schemas

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_layout_round_trip(
    tmp_path: Path, us: Election, us_rules: Profile, kz: Election, kz_rules: Profile
) -> None:
    schema = schemas()["layout.schema.json"]
    for election, profile in ((us, us_rules), (kz, kz_rules)):
        for style in election.ballot_styles:
            layout = design_ballot(election, profile, style.id)
            path = tmp_path / f"{style.id}.layout.json"
            path.write_text(json.dumps(dump_layout(layout)))
            assert load_layout(path) == layout
            jsonschema.validate(json.loads(path.read_text()), schema)


def _layout_value(kz: Election, kz_rules: Profile) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(json.dumps(dump_layout(design_ballot(kz, kz_rules, "list"))))
    return value


def test_a_wrong_layout_field_is_named(kz: Election, kz_rules: Profile) -> None:
    value = _layout_value(kz, kz_rules)
    value["pages"][0]["targets"][2]["x_mm"] = "left"
    with pytest.raises(LayoutError, match=r"a\.json: pages\.0\.targets\.2\.x_mm"):
        parse_layout(json.dumps(value).encode(), "a.json")
    value = _layout_value(kz, kz_rules) | {"format": "ballotbench-layout/2"}
    with pytest.raises(LayoutError, match="format"):
        parse_layout(json.dumps(value).encode())
    for data in (b"", b"{}", b"[1]", b"\xff", b"[" * 50_000):
        with pytest.raises(LayoutError):
            parse_layout(data)


def test_an_absent_layout_is_named(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="absent"):
        load_layout(tmp_path / "absent.layout.json")


@pytest.mark.parametrize("name", sorted(schemas()))
def test_published_schemas_are_up_to_date(name: str) -> None:
    published = (DIRECTORY / name).read_text(encoding="utf-8")
    assert published == schema_text(schemas()[name]), "run `python -m election.schemas`"
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


@pytest.mark.parametrize("name", ["kz-majilis", "us-general"])
def test_examples_and_profiles_meet_the_schemas(name: str) -> None:
    import tomllib

    definition = json.loads((EXAMPLES / name / "election.json").read_text(encoding="utf-8"))
    jsonschema.validate(definition, schemas()["election.schema.json"])
    profile = DIRECTORY.parent / "profiles" / f"{name}.toml"
    jsonschema.validate(
        tomllib.loads(profile.read_text(encoding="utf-8")), schemas()["profile.schema.json"]
    )


def test_print_ballots_writes_each_style(tmp_path: Path, kz: Election, kz_rules: Profile) -> None:
    told: list[str] = []
    printed = print_ballots(
        kz, kz_rules, tmp_path / "b", precinct_id="P-201", blank_dpi=100, done=told.append
    )
    assert told == ["list", "smd-2"]
    assert {path.name for path in (tmp_path / "b").iterdir()} == {
        *("list.pdf", "list.layout.json", "list-p1.png"),
        *("smd-2.pdf", "smd-2.layout.json", "smd-2-p1.png"),
    }
    with Image.open(printed[0].blanks[0]) as blank:
        assert blank.mode == "L"
        assert blank.size == (827, 1170)
    assert load_layout(printed[1].layout_file) == printed[1].layout


def test_print_ballots_writes_nothing_on_an_error(
    tmp_path: Path, kz: Election, kz_rules: Profile
) -> None:
    with pytest.raises(LayoutError, match="P-999"):
        print_ballots(kz, kz_rules, tmp_path / "b", precinct_id="P-999")
    assert not (tmp_path / "b").exists()


@pytest.fixture
def app() -> typer.Typer:
    application = typer.Typer(pretty_exceptions_enable=False)
    application.callback()(lambda: None)
    ballots.register(application)
    return application


def test_the_command_lists_its_files(tmp_path: Path, app: typer.Typer) -> None:
    definition = str(EXAMPLES / "us-general" / "election.json")
    arguments = ["ballots", definition, "-o", str(tmp_path), "--kind", "test", "--json"]
    result = CliRunner().invoke(app, [*arguments, "--precinct", "precinct-1"])
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert value["kind"] == "test"
    assert [style["pages"] for style in value["styles"]] == [2, 1]
    for style in value["styles"]:
        assert all(Path(path).is_file() for path in (style["pdf"], *style["blank"]))


def test_the_command_shows_an_example(app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["ballots", "--help"])
    assert result.exit_code == 0
    assert "examples/kz-majilis/election.json" in result.stdout


def test_the_command_names_a_wrong_kind(tmp_path: Path, app: typer.Typer) -> None:
    result = CliRunner().invoke(app, ["ballots", "x.json", "-o", str(tmp_path), "--kind", "joke"])
    assert result.exit_code == 2

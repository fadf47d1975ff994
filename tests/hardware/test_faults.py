"""Fault scenarios: read with errors in place, strike where they say, and again from a record."""

from __future__ import annotations

import contextlib
import io
import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hardware.faults import (
    Line,
    Moment,
    Point,
    RecordWriter,
    ScenarioError,
    Way,
    Weather,
    load_scenario,
    parse_scenario,
    read_record,
)
from hardware.faults.engine import IMAGE, SCAN
from hardware.faults.images import hurt_image
from hardware.schemas import DIRECTORY, schema_text, schemas

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples" / "faults").glob("*.toml"))
HEAD = 'format = "ballotbench-faults/1"\nseed = 7\n'
KINDS = {
    "bit_flips", "lost_bytes", "drop", "duplicate", "reorder", "burst", "slow_peer",
    "cable_pulled", "half_open", "stuck_peer", "reboot", "wrong_version", "jam", "double_feed",
    "box_full", "sheet_pulled", "bad_memory", "skew_feed", "dirty_sensor", "lamp_ageing",
    "printer_out_of_paper", "power_sag", "power_cut", "clock_jump",
}  # fmt: skip


def weather(*faults: str, seed: int = 7) -> Weather:
    body = "".join(f"[[fault]]\n{fault}\n" for fault in faults)
    return Weather(parse_scenario(HEAD.replace("7", str(seed)) + body))


def kinds_at(under: Weather, *moments: Moment) -> list[list[str]]:
    return [[strike.fault.kind for strike in under.at(moment)] for moment in moments]


# --- files ----------------------------------------------------------------------------------


def test_the_examples_show_every_kind_and_fit_the_published_schema() -> None:
    assert {kind for path in EXAMPLES for kind in load_scenario(path).kinds()} == KINDS
    schema = json.loads((DIRECTORY / "faults.schema.json").read_text(encoding="utf-8"))
    assert set(schema["properties"]["fault"]["items"]["discriminator"]["mapping"]) == KINDS
    for path in EXAMPLES:
        jsonschema.validate(tomllib.loads(path.read_text(encoding="utf-8")), schema)


def test_the_published_schema_is_that_of_the_model() -> None:
    for name, schema in schemas().items():
        assert (DIRECTORY / name).read_text(encoding="utf-8") == schema_text(schema)


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ('[[fault]]\nkind = "jam"\nsheet = 1\n\n[[fault]]\nkind = "jam"\nsheet = 0\n', 9, "sheet"),
        ('[[fault]]\nkind = "jam"\nsheet = "2"\n', 5, "sheet"),
        ('[[fault]]\nkind = "fire"\nsheet = 2\n', 4, "fault 1: kind"),
        ("[[fault]]\nsheet = 2\n", 3, "fault 1: kind"),
        ('[[fault]]\nsheet = 2\nkind = "jam"\nwhen = 3\n', 6, "fault 1: when"),
        ('[[fault]]\nkind = "jam"\n', 4, "says not when"),
        ('[[fault]]\nkind = "jam"\nat_s = 3\nsheet = 2\n', 4, "at_s stands alone"),
        ('[[fault]]\nkind = "jam"\nsheet = 2\npoint = "noon"\n', 6, "fault 1: point"),
        ('[[fault]]\nkind = "drop"\nprobability = 1.5\n', 5, "fault 1: probability"),
        ('[[fault]]\nkind = "dirty_sensor"\nsheet = 3\npoint = "fed"\n', 6, "fault 1: point"),
        ("[[fault]\n", 3, "not TOML"),
        ('[[fault]]\nkind = "clock_jump"\nat_s = 1\n', 3, "fault 1: by_s"),
    ],
)  # fmt: skip
def test_an_error_names_line_and_field(text: str, line: int, field: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(HEAD + text, "day.toml")
    assert f"day.toml, line {line}: " in str(caught.value)
    assert field in str(caught.value)


def test_what_is_no_scenario_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(tmp_path / "none.toml")
    for data in (b"\xff\xfe", b"x = 1\n", b"#" * 2_000_000):
        (tmp_path / "odd.toml").write_bytes(data)
        with pytest.raises(ScenarioError, match=r"odd\.toml"):
            load_scenario(tmp_path / "odd.toml")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ScenarioError):
        parse_scenario(HEAD + text)


# --- when -----------------------------------------------------------------------------------


def test_a_fault_strikes_at_its_sheet_and_point_once() -> None:
    under = weather('kind = "reboot"\nsheet = 40\npoint = "mid_image"')
    quarter, half = Moment(IMAGE, 1, 40, 25, 100), Moment(IMAGE, 2, 40, 50, 100)
    other = Moment(IMAGE, 0, 39, 80, 100)
    assert kinds_at(under, other, quarter, half, half) == [[], [], ["reboot"], []]


def test_a_fault_strikes_at_its_byte_and_at_its_time() -> None:
    under = weather('kind = "reboot"\nsheet = 2\nbyte = 60', 'kind = "jam"\nat_s = 5')
    assert kinds_at(
        under,
        Moment(IMAGE, 1, 2, 59, 100),
        Moment(IMAGE, 2, 2, 61, 100),
        Moment(Way.TO_DEVICE, 4.9, 2),
        Moment(Way.TO_DEVICE, 5.1, 2),
        Moment("tick", 5.2, 2),
    ) == [[], ["reboot"], [], ["jam"], []]


def test_noise_has_a_time_and_a_direction() -> None:
    under = weather('kind = "drop"\nat_s = 2\nfor_s = 1\ndirection = "to_device"')
    times = [Moment(Way.TO_DEVICE, s, 1) for s in (1.9, 2.0, 2.9, 3.0)]
    assert kinds_at(under, *times) == [[], ["drop"], ["drop"], []]
    assert kinds_at(under, Moment(Way.TO_SCANNER, 2.5, 1)) == [[]]


def test_a_repeated_request_is_no_new_occasion() -> None:
    under = weather('kind = "jam"\nprobability = 0.5')
    for sheet in range(1, 200):
        moment = Moment(Point.BEFORE_FEED, 0, sheet)
        first, *again = kinds_at(under, moment, moment, moment)
        assert not any(again), f"sheet {sheet} drew twice after {first}"


def test_scan_faults_last_for_their_sheets() -> None:
    under = weather('kind = "dirty_sensor"\nsheet = 3\nsheets = 2')
    assert kinds_at(under, *(Moment(SCAN, 0, n) for n in range(1, 7))) == [
        [], [], ["dirty_sensor"], ["dirty_sensor"], [], [],
    ]  # fmt: skip


def test_a_fault_added_behind_changes_nothing_before_it() -> None:
    moments = [Moment(Way.TO_DEVICE, 0, n // 9) for n in range(2000)]
    first = 'kind = "bit_flips"\nprobability = 0.1'
    alone = weather(first)
    more = weather(first, 'kind = "drop"\nprobability = 0.3')
    a = [[(s.number, s.seed) for s in alone.at(m)] for m in moments]
    b = [[(s.number, s.seed) for s in more.at(m) if s.number == 0] for m in moments]
    assert a == b
    assert 150 < sum(map(len, a)) < 250


def _day() -> list[Moment]:
    day = []
    for sheet in range(1, 60):
        day += [Moment(Point.BEFORE_FEED, sheet, sheet), Moment(SCAN, sheet, sheet)]
        for block in range(1, 9):
            day += [
                Moment(Way.TO_SCANNER, sheet, sheet),
                Moment(IMAGE, sheet, sheet, block * 10, 80),
                Moment(Way.TO_DEVICE, sheet, sheet),
            ]
        for point in (Point.FED, Point.BEFORE_ACCEPT, Point.AFTER_ACCEPT):
            day.append(Moment(point, sheet + 0.5, sheet))
    return day


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_record_strikes_again_at_the_same_places(path: Path, tmp_path: Path) -> None:
    scenario = load_scenario(path)
    record = tmp_path / "record.jsonl"
    writer = RecordWriter(record, scenario, datetime(2026, 3, 19, tzinfo=UTC))
    under, first = Weather(scenario), []
    for moment in _day():
        struck = under.at(moment)
        for strike in struck:
            writer.strike(strike)
        first.append(struck)
    writer.close()
    assert sum(map(len, first)) >= len(scenario.fault) / 2
    again = read_record(record)
    assert [again.at(moment) for moment in _day()] == first


def test_a_damaged_record_is_refused_with_its_line(tmp_path: Path) -> None:
    from hardware.faults import RecordError

    record = tmp_path / "record.jsonl"
    writer = RecordWriter(record, parse_scenario(HEAD), datetime(2026, 3, 19, tzinfo=UTC))
    writer.close()
    with record.open("a") as file:
        file.write('{"fault": 9, "at": "fed", "s": 1, "sheet": 1, "nth": 0, "seed": 1}\n')
    with pytest.raises(RecordError, match="line 2: there is no fault 9"):
        read_record(record)


# --- what it does to bytes and images ------------------------------------------------------------

FRAME = bytes(range(1, 120)) + b"\0"


def carried(fault: str, frames: int = 1, seed: int = 7) -> tuple[list[bytes], Line]:
    under, line = weather(fault, seed=seed), Line()
    out = []
    for n in range(frames):
        frame = bytes([n + 1]) + FRAME
        strikes = under.at(Moment(Way.TO_DEVICE, 0, 1))
        out.append(line.carry(Way.TO_DEVICE, frame, strikes, 0).data)
    return out, line


@given(st.integers(0, 2**32))
def test_each_kind_of_noise_does_what_it_says(seed: int) -> None:
    frame = b"\x01" + FRAME
    (flipped,), line = carried('kind = "bit_flips"\nbits = 3\ncount = 1', seed=seed)
    assert sum((a ^ b).bit_count() for a, b in zip(flipped, frame, strict=True)) == 3
    assert line.corrupted == 1
    (lost,), line = carried('kind = "lost_bytes"\nbytes = 5\ncount = 1', seed=seed)
    assert len(lost) == len(frame) - 5
    (dropped,), line = carried('kind = "drop"\ncount = 1', seed=seed)
    assert (dropped, line.corrupted, line.counts) == (b"", 0, {"drop": 1})
    (twice,), line = carried('kind = "duplicate"\ncount = 1', seed=seed)
    assert (twice, line.corrupted) == (2 * frame, 0)
    (echo,), line = carried('kind = "duplicate"\nhurt = true\ncount = 1', seed=seed)
    assert echo.endswith(frame)
    assert len(echo) == 2 * len(frame)
    assert not echo.startswith(frame)
    assert line.corrupted == 1
    (burst,), line = carried('kind = "burst"\nbytes = 30\ncount = 1', seed=seed)
    differ = [n for n, (a, b) in enumerate(zip(burst, frame, strict=True)) if a != b]
    assert len(burst) == len(frame)
    assert 0 < differ[-1] - differ[0] + 1 <= 30


def test_a_frame_out_of_order_comes_after_the_next() -> None:
    (first, second, third), line = carried('kind = "reorder"\ncount = 1', 3)
    assert (first, second) == (b"", b"\x02" + FRAME + b"\x01" + FRAME)
    assert third == b"\x03" + FRAME
    assert line.corrupted == 0


def test_a_half_open_line_carries_one_way() -> None:
    under, line = (
        weather('kind = "half_open"\nat_s = 0\nfor_s = 2\ndirection = "to_device"'),
        Line(),
    )
    (strike,) = under.at(Moment("tick", 0, 0))
    line.strike(strike, 0)
    assert line.carry(Way.TO_DEVICE, FRAME, (), 1.9).data == b""
    assert line.carry(Way.TO_SCANNER, FRAME, (), 1.9).data == FRAME
    assert line.carry(Way.TO_DEVICE, FRAME, (), 2.1).data == FRAME


def _png(grey: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(grey).save(out, "PNG", dpi=(200, 200))
    return out.getvalue()


def _hurt(fault: str, sheet: int) -> np.ndarray:
    page = np.full((200, 100), 240, np.uint8)
    page[90:110] = 10
    under = weather(fault)
    return np.asarray(
        Image.open(io.BytesIO(hurt_image(_png(page), under.at(Moment(SCAN, 0, sheet)), sheet)))
    )


def test_a_dirty_sensor_draws_a_streak_down_the_page() -> None:
    seen = _hurt('kind = "dirty_sensor"\nsheet = 1\nat_share = 0.3\nwidth_share = 0.02', 1)
    dark = np.flatnonzero((seen < 60).all(axis=0))
    assert list(dark) == [29, 30]


def test_a_lamp_ages_from_sheet_to_sheet() -> None:
    fault = 'kind = "lamp_ageing"\nsheet = 1\nsheets = 100\nper_sheet = 0.01\nleast = 0.6'
    assert [int(_hurt(fault, n).max()) for n in (1, 10, 90)] == [238, 216, 144]


def test_a_skewed_sheet_is_turned_and_keeps_its_size() -> None:
    seen = _hurt('kind = "skew_feed"\nsheet = 1\ndegrees = 5', 1)
    assert seen.shape == (200, 100)
    left, right = (np.flatnonzero(seen[:, x] < 60).mean() for x in (5, 94))
    assert left - right == pytest.approx(89 * np.tan(np.radians(5)), abs=1)


def test_what_is_no_image_passes_as_it_is() -> None:
    under = weather('kind = "dirty_sensor"\nsheet = 1')
    assert hurt_image(b"a photo of a cat", under.at(Moment(SCAN, 0, 1)), 1) == b"a photo of a cat"

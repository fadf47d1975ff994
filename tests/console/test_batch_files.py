"""Which files are scans, and which of them are two sides of one sheet, by their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.batch.files import groups_of, list_scans, may_follow, pair_files, shown


def names(*given_names: str) -> list[tuple[str, ...]]:
    return [tuple(p.name for p in group) for group in pair_files([Path(n) for n in given_names])]


@pytest.mark.parametrize(
    ("given_names", "groups"),
    [
        (["a-back.png", "a-front.png"], [("a-front.png", "a-back.png")]),
        (["A_Front.JPG", "A_Back.JPG"], [("A_Front.JPG", "A_Back.JPG")]),
        (["a-1.png", "b.png", "a-2.png"], [("a-1.png", "a-2.png"), ("b.png",)]),
        (["a-p1.tif", "a-p2.tif"], [("a-p1.tif", "a-p2.tif")]),
        # A number that goes on counts sheets; the word then tells the side.
        (["a-1.png", "a-2.png", "a-3.png"], [("a-1.png",), ("a-2.png",), ("a-3.png",)]),
        (["a-0.png", "a-1.png", "a-2.png"], [("a-0.png",), ("a-1.png",), ("a-2.png",)]),
        (
            ["front-1.png", "front-2.png", "back-1.png", "back-2.png"],
            [("front-1.png", "back-1.png"), ("front-2.png", "back-2.png")],
        ),
        # Words within words, other forms of file, one side alone: nothing to pair.
        (["frontier.png", "backier.png"], [("frontier.png",), ("backier.png",)]),
        (["a-front.png", "a-back.jpg"], [("a-front.png",), ("a-back.jpg",)]),
        (["x/a-front.png", "y/a-back.png"], [("a-front.png",), ("a-back.png",)]),
    ],
)
def test_names_that_differ_only_in_the_side_are_one_sheet(
    given_names: list[str], groups: list[tuple[str, ...]]
) -> None:
    assert names(*given_names) == groups


@given(st.lists(st.text("ab12-_. /frontbackкс", min_size=1, max_size=9), unique=True, max_size=12))
def test_every_file_is_in_one_group(given_names: list[str]) -> None:
    files = list(dict.fromkeys(Path(name + ".png") for name in given_names))
    grouped = [path for group in groups_of(files) for path in group.files]
    assert sorted(grouped) == sorted(files)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("scan0009.png", "scan0010.png", True),
        ("scan9.png", "scan10.png", True),
        ("sheet_a.png", "sheet_b.png", True),
        ("7 a.png", "7 b.png", True),
        ("scan0009.png", "scan0011.png", False),
        ("scan0009.png", "scan0009.jpg", False),
        ("scan1.png", "other2.png", False),
        ("anna.png", "annb.png", False),
        ("x/scan1.png", "y/scan2.png", False),
    ],
)
def test_only_the_next_of_a_series_may_follow(before: str, after: str, expected: bool) -> None:
    assert may_follow(Path(before), Path(after)) is expected


def test_a_file_reached_twice_is_listed_once(tmp_path: Path) -> None:
    pile = tmp_path / "pile"
    (pile / "within").mkdir(parents=True)
    for name in ("scan10.png", "scan9.png", "notes.txt"):
        (pile / name).write_bytes(b"x")
    (pile / "link.png").symlink_to(pile / "scan9.png")
    (pile / "loop.png").symlink_to(pile / "loop.png")
    (pile / "round").symlink_to(pile)
    (tmp_path / "empty").mkdir()
    found = list_scans([pile, pile / "scan10.png", tmp_path / "empty", tmp_path / "none.png"])
    assert [p.name for p in found.files] == ["link.png", "loop.png", "scan10.png", "none.png"]
    assert [p.name for p in found.twice] == ["scan9.png", "scan10.png"]
    assert sorted(p.name for p in found.ignored) == ["notes.txt", "round", "within"]
    assert found.empty == [tmp_path / "empty"]


def test_folders_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for n in (10, 9, 1):
        (tmp_path / f"scan-{n}.png").write_bytes(b"x")
    assert [p.name for p in list_scans([tmp_path]).files] == [
        "scan-1.png",
        "scan-9.png",
        "scan-10.png",
    ]


def test_any_name_can_be_shown() -> None:
    assert shown("\udcff-бюллетень\n.png").encode() == "\\xff-бюллетень\n.png".encode()

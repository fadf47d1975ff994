"""The printed page: exact places, real letters, same bytes, and codes that machines read."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pytest
import zxingcpp

from election.codes import BallotKind, decode_bits, decode_text, page_code
from election.definition import parse_election
from election.design import design_ballot
from election.errors import CodeError, LayoutError
from election.geometry import LONG_MM, SHORT_MM, code_marks
from election.layout import PageLayout
from election.model import Election
from election.profile import Profile
from election.raster import render_blank
from election.render import render_pdf

DPI = 200.0


def _texts(pdf: bytes) -> list[str]:
    document = pdfium.PdfDocument(pdf)
    return [page.get_textpage().get_text_bounded() for page in document]


def _read_edge_bits(page: PageLayout, image: npt.NDArray[np.uint8]) -> list[int]:
    """Look at each mark's inner end only, where short and long differ."""
    bits = []
    inwards = {"left": (1, 0), "right": (-1, 0), "top": (0, 1), "bottom": (0, -1)}
    for mark in code_marks(page):
        step = SHORT_MM / 2 + (LONG_MM - SHORT_MM) / 2
        x = mark.x_mm + inwards[mark.edge][0] * step
        y = mark.y_mm + inwards[mark.edge][1] * step
        pixel = image[
            int(y / page.height_mm * image.shape[0]), int(x / page.width_mm * image.shape[1])
        ]
        bits.append(int(pixel < 128))
    return bits


@pytest.mark.parametrize("style", ["city-letter", "city-legal", "county-letter"])
def test_both_codes_of_each_page_read_back(us: Election, us_rules: Profile, style: str) -> None:
    layout = design_ballot(us, us_rules, style)
    pdf = render_pdf(us, us_rules, layout, kind="sample")
    images = render_blank(pdf, DPI)
    assert len(images) == len(layout.pages)
    for page, image in zip(layout.pages, images, strict=True):
        code = page_code(us, style, page.page, "sample")
        assert decode_bits(_read_edge_bits(page, image)) == code
        found = zxingcpp.read_barcodes(image)
        assert [decode_text(symbol.text) for symbol in found] == [code]


def test_qr_reads_at_low_resolution(kz: Election, kz_rules: Profile) -> None:
    layout = design_ballot(kz, kz_rules, "list")
    pdf = render_pdf(kz, kz_rules, layout, precinct_id="P-201")
    (image,) = render_blank(pdf, 110)
    (symbol,) = zxingcpp.read_barcodes(image)
    assert decode_text(symbol.text) == page_code(kz, "list", 1, precinct_id="P-201")


def test_page_size_and_targets_are_where_the_layout_says(kz: Election, kz_rules: Profile) -> None:
    layout = design_ballot(kz, kz_rules, "list")
    page = layout.pages[0]
    pdf = render_pdf(kz, kz_rules, layout)
    width, height = pdfium.PdfDocument(pdf)[0].get_size()
    assert (width * 25.4 / 72, height * 25.4 / 72) == pytest.approx((210.0, 297.0), abs=0.01)
    (image,) = render_blank(pdf, 600)
    scale_x, scale_y = image.shape[1] / 210.0, image.shape[0] / 297.0
    for target in page.targets:
        left, right = (target.x_mm - 3.4) * scale_x, (target.x_mm + 3.4) * scale_x
        top, bottom = (target.y_mm - 3.4) * scale_y, (target.y_mm + 3.4) * scale_y
        dark = image[round(top) : round(bottom), round(left) : round(right)] < 128
        ys, xs = np.nonzero(dark)
        # The outline is the only ink there: 5 × 5 mm about the target's centre.
        assert (xs.max() - xs.min() + 1) / scale_x == pytest.approx(5.0, abs=0.09)
        assert (ys.max() - ys.min() + 1) / scale_y == pytest.approx(5.0, abs=0.09)
        centre = (round(left) + (xs.max() + xs.min() + 1) / 2) / scale_x
        assert centre == pytest.approx(target.x_mm, abs=0.05)
        middle = (round(top) + (ys.max() + ys.min() + 1) / 2) / scale_y
        assert middle == pytest.approx(target.y_mm, abs=0.05)
        inner = dark[dark.shape[0] // 2 - 40 : dark.shape[0] // 2 + 40]
        assert not inner[:, dark.shape[1] // 2 - 40 : dark.shape[1] // 2 + 40].any()


def test_same_input_same_bytes_in_another_process(kz: Election, kz_rules: Profile) -> None:
    here = render_pdf(kz, kz_rules, design_ballot(kz, kz_rules, "smd-1"), kind="test")
    script = (
        "import sys, hashlib\n"
        "from election import load_profile, parse_election\n"
        "from election.design import design_ballot\n"
        "from election.render import render_pdf\n"
        "e = parse_election(sys.stdin.buffer.read())\n"
        "p = load_profile('kz-majilis')\n"
        "sys.stdout.buffer.write(render_pdf(e, p, design_ballot(e, p, 'smd-1'), kind='test'))\n"
    )
    there = subprocess.run(
        [sys.executable, "-c", script],
        input=kz.canonical_json(),
        capture_output=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "TZ": "Asia/Almaty", "PYTHONPATH": ":".join(sys.path)},
    ).stdout
    assert here == there


def test_kazakh_letters_are_in_the_pdf(kz: Election, kz_rules: Profile) -> None:
    value = json.loads(kz.model_dump_json(exclude_none=True))
    value["contests"][1]["options"][0]["name"]["kk"] = "ӘәҒғҚқҢңӨө ҰұҮүҺһІі"
    election = parse_election(json.dumps(value).encode())
    pdf = render_pdf(election, kz_rules, design_ballot(election, kz_rules, "smd-1"))
    (text,) = _texts(pdf)
    for words in ("ӘәҒғҚқҢңӨө ҰұҮүҺһІі", "Барлығына қарсы", "Против всех", "Against all"):
        assert words in text


@pytest.mark.parametrize(("kind", "label"), [("test", "TEST"), ("sample", "SAMPLE")])
def test_test_and_sample_ballots_say_so(
    us: Election, us_rules: Profile, kind: BallotKind, label: str
) -> None:
    layout = design_ballot(us, us_rules, "city-letter")
    for text in _texts(render_pdf(us, us_rules, layout, kind=kind)):
        assert label in text
    for text in _texts(render_pdf(us, us_rules, layout)):
        assert label not in text


def test_a_blank_back_is_not_printed(kz: Election, kz_rules: Profile) -> None:
    pdf = render_pdf(kz, kz_rules, design_ballot(kz, kz_rules, "list"))
    assert len(pdfium.PdfDocument(pdf)) == 1


def test_only_kind_and_precinct_change_the_paper(kz: Election, kz_rules: Profile) -> None:
    """NVT-05: two voters of one precinct get the same paper, byte for byte."""
    layout = design_ballot(kz, kz_rules, "list")
    first = render_pdf(kz, kz_rules, layout, precinct_id="P-101")
    assert first == render_pdf(kz, kz_rules, layout, precinct_id="P-101")
    assert first != render_pdf(kz, kz_rules, layout, precinct_id="P-102")
    assert b"/ID" not in first


def test_wrong_layout_precinct_and_resolution(kz: Election, kz_rules: Profile) -> None:
    layout = design_ballot(kz, kz_rules, "smd-1")
    with pytest.raises(CodeError, match="P-201"):
        render_pdf(kz, kz_rules, layout, precinct_id="P-201")
    with pytest.raises(LayoutError, match="not made from this election"):
        render_pdf(kz, kz_rules, replace(layout, election_hash="0" * 64))
    with pytest.raises(LayoutError, match="dpi"):
        render_blank(b"%PDF-1.4", 5)
    with pytest.raises(LayoutError, match="cannot be drawn"):
        render_blank(io.BytesIO().getvalue(), 200)

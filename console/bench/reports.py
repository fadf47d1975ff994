"""`report.html` and `report.pdf` of a bench test, in one language each."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from console.bench.charts import charts
from console.bench.document import BenchFile
from console.bench.tables import Section, Table, sections, title, verdict
from console.bench.words import Words
from election.typeset import font_path

FONT = "DejaVu"
#: A4 with these margins, mm.
MARGIN_MM, WIDTH_MM = 18.0, 174.0
_STATES = {
    "met": (31, 107, 69),
    "not_met": (155, 44, 31),
    "not_enough": (122, 82, 0),
    "not_tested": (122, 82, 0),
}
_INK, _SOFT, _LINE = (27, 34, 48), (86, 96, 115), (201, 200, 194)
_PLOT_MM = {"residual": 105.0}
#: Room that a heading with its plot needs.
_PLOT_ROOM_MM = {
    "residual": 165.0,
    "ladder": 100.0,
    "histogram": 100.0,
    "roc": 100.0,
    "trade": 100.0,
}
#: Letters that DejaVu has no narrow space for.
_PLAIN = str.maketrans({"\u202f": "\u00a0"})


def render_html(bench: BenchFile, say: Words) -> str:
    """The page. Every text in it is escaped; it leads nowhere outside."""
    return page_html(
        Titles(
            language=say.language,
            heading=say("title"),
            subtitle=title(bench, say),
            made=say("made"),
            created=bench.created,
            verdict=verdict(bench, say),
            bad=bool(bench.findings),
            page_of=lambda n, of: say("page_of", n=n, of=of),
        ),
        list(sections(bench, say)),
        charts(bench, say, "page"),
    )


@dataclass(frozen=True, slots=True)
class Titles:
    """What stands around a report's sections. `created` is ISO 8601; `page_of(3, "7")` says
    the page at its foot."""

    language: str
    heading: str
    subtitle: str
    made: str
    created: str
    verdict: str
    bad: bool
    page_of: Callable[[int, str], str]
    name: str = ""


def page_html(about: Titles, parts: Sequence[Section], drawn: Mapping[str, str]) -> str:
    """Sections as a page; `drawn` are plots as SVG by name."""
    environment = Environment(
        loader=PackageLoader("console.bench"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("bench.html.j2").render(
        language=about.language,
        heading=about.heading,
        election=about.subtitle,
        made=about.made,
        created=about.created,
        verdict=about.verdict,
        bad=about.bad,
        sections=parts,
        plots={name: Markup(svg) for name, svg in drawn.items()},  # noqa: S704 (built by charts)
    )


class _Pages(FPDF):
    """A4 with the report's name and page number at the foot, and no random file id."""

    def __init__(self, about: Titles) -> None:
        super().__init__(unit="mm", format="A4")
        self._about = about

    def file_id(self) -> None:
        """No /ID entry: it would differ from run to run."""

    def footer(self) -> None:
        """Called by fpdf2 at the end of each page."""
        self.set_y(-13)
        self.set_font(FONT, "", 7.5)
        self.set_text_color(*_SOFT)
        self.cell(WIDTH_MM * 0.75, 4, self._about.name)
        of = self._about.page_of(self.page_no(), "{nb}")
        self.cell(WIDTH_MM * 0.25, 4, of, align="R")


def render_pdf(bench: BenchFile, say: Words) -> bytes:
    """The same report typeset on A4, with bookmarks and plots as vectors."""
    about = Titles(
        language=say.language,
        heading=say("title"),
        subtitle=title(bench, say),
        made=say("made"),
        created=bench.created,
        verdict=verdict(bench, say),
        bad=bool(bench.findings),
        page_of=lambda n, of: say("page_of", n=n, of=of),
        name=f"{say('title')} · {bench.election_id} · {bench.created}",
    )
    return page_pdf(about, list(sections(bench, say)), charts(bench, say, "pdf"))


def page_pdf(about: Titles, parts: Sequence[Section], plots: Mapping[str, str]) -> bytes:
    """Sections typeset on A4; `plots` as SVG by name."""
    pdf = _Pages(about)
    pdf.set_margin(MARGIN_MM)
    pdf.set_auto_page_break(True, 18)
    pdf.add_font(FONT, "", font_path(bold=False))
    pdf.add_font(FONT, "B", font_path(bold=True))
    pdf.set_text_shaping(use_shaping_engine=True)
    pdf.set_creation_date(datetime.fromisoformat(about.created))
    pdf.set_producer("Ballotbench")
    pdf.set_title(f"{about.heading}: {about.subtitle}")
    pdf.set_lang(about.language)
    pdf.add_page()
    pdf.set_text_color(*_INK)
    _text(pdf, about.heading, 20, bold=True)
    _text(pdf, about.subtitle, 11, colour=_SOFT)
    _text(pdf, f"{about.made} {about.created}", 9, colour=_SOFT)
    pdf.ln(3)
    _text(pdf, about.verdict, 11.5, bold=True,
          colour=_STATES["not_met" if about.bad else "met"])  # fmt: skip
    for section in parts:
        _section(pdf, section, plots)
    return bytes(pdf.output())


def _text(
    pdf: FPDF,
    text: str,
    size: float,
    *,
    bold: bool = False,
    colour: tuple[int, int, int] = _INK,
) -> None:
    pdf.set_font(FONT, "B" if bold else "", size)
    pdf.set_text_color(*colour)
    pdf.multi_cell(
        WIDTH_MM, size * 0.5, text.translate(_PLAIN), align="L", new_x="LMARGIN", new_y="NEXT"
    )
    pdf.set_text_color(*_INK)


def _section(pdf: FPDF, section: Section, plots: Mapping[str, str]) -> None:
    # A heading stays with what it heads.
    if pdf.will_page_break(_PLOT_ROOM_MM.get(section.plot or "", 45.0)):
        pdf.add_page()
    pdf.ln(5)
    pdf.start_section(section.title)
    _text(pdf, section.title, 13.5, bold=True)
    pdf.ln(1)
    for bullet in section.bullets:
        _text(pdf, f"• {bullet}", 10, bold=True)
    for paragraph in section.paragraphs:
        _text(pdf, paragraph, 9)
    if section.plot in plots:
        width = _PLOT_MM.get(section.plot or "", 150.0)
        pdf.ln(1)
        pdf.image(
            io.BytesIO(plots[section.plot or ""].encode()),
            x=MARGIN_MM + (WIDTH_MM - width) / 2,
            w=width,
        )
    for table in section.tables:
        pdf.ln(2)
        _table(pdf, table)


def _table(pdf: FPDF, table: Table) -> None:
    pdf.set_font(FONT, "", 8)
    pdf.set_draw_color(*_LINE)
    aligned = tuple("RIGHT" if i >= table.numbers_from else "LEFT" for i in range(len(table.head)))
    with pdf.table(
        headings_style=FontFace(emphasis="BOLD", color=_SOFT),
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        line_height=4.2,
        padding=0.7,
        text_align=aligned,
        width=WIDTH_MM,
        col_widths=table.widths or None,
    ) as grid:
        grid.row([h.translate(_PLAIN) for h in table.head])
        for number, cells in enumerate(table.rows):
            row = grid.row()
            for place, cell in enumerate(cells):
                last = place == len(cells) - 1
                state = table.states[number] if table.states and last else None
                style = FontFace(emphasis="BOLD", color=_STATES[state]) if state else None
                row.cell(cell.translate(_PLAIN), style=style)

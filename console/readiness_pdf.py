"""`readiness.pdf`: the readiness report on A4, headings in three languages, pages as heat maps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

from election.typeset import font_path
from firmware_sim.readiness import CLEAN_SHARE, BlankPage, Readiness

FONT = "DejaVu"
#: A4 with these margins, mm.
MARGIN_MM, WIDTH_MM = 16.0, 178.0
#: Width and height that a page's heat map may take, mm, and maps on a page of the report.
_MAP_MM, _MAPS = (84.0, 110.0), 4
_INK, _SOFT, _LINE = (27, 34, 48), (86, 96, 115), (201, 200, 194)
_COLOURS = {"passed": (31, 107, 69), "failed": (155, 44, 31), "not_tested": (122, 82, 0)}
_CLEAN, _WARM, _HOT = (62, 140, 96), (214, 150, 40), (180, 40, 30)

#: Kazakh, Russian, English.
WORDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "title": ("Дайындық туралы есеп", "Отчёт о готовности", "Readiness report"),
        "ready": ("ДАЙЫН", "ГОТОВО", "READY"),
        "not_ready": ("ДАЙЫН ЕМЕС", "НЕ ГОТОВО", "NOT READY"),
        "not_whole": ("ТОЛЫҚ ТЕКСЕРІЛМЕГЕН", "ПРОВЕРЕНО НЕ ВСЁ", "NOT WHOLLY TESTED"),
        "checks": ("Тексерулер", "Проверки", "Checks"),
        "identity": ("Құрылғы", "Устройство", "The device"),
        "maps": (
            "Таза бюллетеньдер: әр ұяшық",
            "Чистые бюллетени: каждая метка",
            "Blank papers: every target",
        ),
        "passed": ("жарайды", "в порядке", "passed"),
        "failed": ("ҚАТЕ", "ОШИБКА", "FAILED"),
        "not_tested": ("тексерілмеді", "не проверено", "not tested"),
        "journal": ("Журнал", "Журнал", "Journal"),
        "journal_empty": ("Журнал бос", "Журнал пуст", "Journal empty"),
        "scanner": ("Сканер", "Сканер", "Scanner"),
        "scanner_clear": ("Сканерде парақ жоқ", "В сканере нет листа", "No sheet in scanner"),
        "clock": ("Сағат", "Часы", "Clock"),
        "key": ("Кілт", "Ключ", "Key"),
        "failures": ("Ақаулар", "Неисправности", "Failures"),
        "box_counter": ("Жәшік есептегіші", "Счётчик ящика", "Box counter"),
        "blank_scan": ("Таза парақтар", "Чистые листы", "Blank papers"),
        "streaks_and_dust": ("Жолақ пен шаң", "Полосы и пыль", "Streaks and dust"),
        "fit": ("Белгілердің дәлдігі", "Точность меток", "Fit of timing marks"),
        "printer": ("Принтер", "Принтер", "Printer"),
        "storage": ("Жад", "Память", "Storage"),
        "storage_second_journal": (
            "Екінші журнал жады",
            "Память второго журнала",
            "Second journal's storage",
        ),
        "storage_medium": ("Алмалы тасығыш", "Съёмный носитель", "Removable medium"),
        "health": ("Диск күйі", "Состояние диска", "Disk health"),
        "health_second_journal": (
            "Екінші диск күйі",
            "Состояние второго диска",
            "Second disk's health",
        ),
        "health_medium": ("Тасығыш күйі", "Состояние носителя", "Medium's health"),
        "expected_software": (
            "Сертификатталған бағдарлама",
            "Сертифицированная программа",
            "Certified software",
        ),
        "power": ("Қуат", "Питание", "Power"),
        "election": ("Сайлау", "Выборы", "Election"),
        "election_hash": ("Анықтама хеші", "Хеш определения", "Definition hash"),
        "profile": ("Ережелер", "Правила", "Rules"),
        "precinct": ("Учаске", "Участок", "Precinct"),
        "device": ("Құрылғы", "Устройство", "Device"),
        "mode": ("Режим", "Режим", "Mode"),
        "software": ("Бағдарлама", "Программа", "Software"),
        "software_hash": ("Бағдарлама хеші", "Хеш программы", "Software hash"),
        "thresholds": ("Шектер", "Пороги", "Thresholds"),
        "key_valid_until": ("Кілт мерзімі", "Ключ действует до", "Key valid until"),
        "key_serial": ("Сертификат нөмірі", "Номер сертификата", "Certificate serial"),
        "people": ("Адамдар", "Участники", "People"),
        "signatures": ("Қолдар", "Подписи", "Signatures"),
    }
)


class _Pages(FPDF):
    """A4 with a page number at the foot, and no random file id."""

    def file_id(self) -> None:
        """No /ID entry: it would differ from run to run."""

    def footer(self) -> None:
        """Called by fpdf2 at the end of each page."""
        self.set_y(-12)
        self.set_font(FONT, "", 7.5)
        self.set_text_color(*_SOFT)
        self.cell(WIDTH_MM, 4, f"{self.page_no()} / {{nb}}", align="R")


def say(key: str) -> str:
    """A word in the three languages; the key where it has none."""
    return " · ".join(dict.fromkeys(WORDS.get(key, (key.replace("_", " "),))))


def render_pdf(made: Readiness) -> bytes:
    """The report; the same values give the same bytes."""
    pdf = _Pages(unit="mm", format="A4")
    pdf.set_margin(MARGIN_MM)
    pdf.set_auto_page_break(True, 16)
    pdf.add_font(FONT, "", font_path(bold=False))
    pdf.add_font(FONT, "B", font_path(bold=True))
    pdf.set_text_shaping(use_shaping_engine=True)
    pdf.set_creation_date(datetime.fromisoformat(made.time))
    pdf.set_producer("Ballotbench")
    pdf.set_title(say("title"))
    pdf.set_lang("kk")
    pdf.add_page()
    _text(pdf, say("title"), 14)
    _text(pdf, made.time, 9, colour=_SOFT)
    pdf.ln(2)
    state, words = "passed", "ready"
    if made.failed:
        state, words = "failed", "not_ready"
    elif made.untried:
        state, words = "not_tested", "not_whole"
    _text(pdf, say(words), 14, colour=_COLOURS[state])
    _heading(pdf, "checks")
    _table(
        pdf,
        [(say(c.name), c.detail, say(c.state)) for c in made.checks],
        (54, 60, 64),
        [_COLOURS[c.state] for c in made.checks],
    )
    _heading(pdf, "identity")
    _table(pdf, [(say(key), value) for key, value in made.identity], (58, 120), [])
    _heading(pdf, "signatures")
    for _ in range(3):
        pdf.ln(9)
        pdf.line(MARGIN_MM, pdf.get_y(), MARGIN_MM + 80, pdf.get_y())
    _maps(pdf, made)
    return bytes(pdf.output())


def _text(
    pdf: FPDF, text: str, size: float, *, colour: tuple[int, int, int] = _INK, bold: bool = True
) -> None:
    pdf.set_font(FONT, "B" if bold else "", size)
    pdf.set_text_color(*colour)
    pdf.multi_cell(WIDTH_MM, size * 0.5, text, align="L", new_x="LMARGIN", new_y="NEXT")
    pdf.set_text_color(*_INK)


def _heading(pdf: FPDF, key: str) -> None:
    if pdf.will_page_break(40):
        pdf.add_page()
    pdf.ln(5)
    _text(pdf, say(key), 11.5)
    pdf.ln(1)


def _table(
    pdf: FPDF,
    rows: list[tuple[str, ...]],
    widths: tuple[int, ...],
    colours: list[tuple[int, int, int]],
) -> None:
    pdf.set_font(FONT, "", 8)
    pdf.set_draw_color(*_LINE)
    with pdf.table(
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        first_row_as_headings=False,
        line_height=3.9,
        padding=0.6,
        width=WIDTH_MM,
        col_widths=widths,
        text_align="LEFT",
    ) as grid:
        for number, cells in enumerate(rows):
            row = grid.row()
            for place, cell in enumerate(cells):
                last = colours and place == len(cells) - 1
                row.cell(
                    cell,
                    style=FontFace(emphasis="BOLD", color=colours[number]) if last else None,
                )


def _maps(pdf: FPDF, made: Readiness) -> None:
    """Each page of a blank paper: a box, and every target coloured by its score."""
    for number, page in enumerate(made.pages):
        place = number % _MAPS
        if place == 0:
            pdf.add_page()
            _text(pdf, say("maps"), 9.5)
        left = MARGIN_MM + (place % 2) * (_MAP_MM[0] + 10)
        top = 32 + (place // 2) * (_MAP_MM[1] + 16)
        _map(pdf, page, left, top)


def _map(pdf: FPDF, page: BlankPage, left: float, top: float) -> None:
    scale = min(_MAP_MM[0] / page.width_mm, _MAP_MM[1] / page.height_mm)
    pdf.set_xy(left, top - 5)
    pdf.set_font(FONT, "", 7)
    pdf.set_text_color(*_SOFT)
    pdf.cell(
        _MAP_MM[0],
        4,
        f"{page.style_id} · {page.page} · max {page.worst:.3f} · {page.residual_mm:.2f} mm · "
        f"{page.dpi:.0f} dpi",
    )
    pdf.set_draw_color(*_SOFT)
    pdf.rect(left, top, page.width_mm * scale, page.height_mm * scale)
    for x, y, score in zip(page.x_mm, page.y_mm, page.scores, strict=True):
        pdf.set_fill_color(*_colour(score / page.marginal))
        pdf.rect(left + x * scale - 1.1, top + y * scale - 1.1, 2.2, 2.2, style="F")
        if len(page.scores) <= 60:
            pdf.set_xy(left + x * scale + 1.4, top + y * scale - 1.5)
            pdf.set_font(FONT, "", 4.5)
            pdf.cell(8, 3, f"{score:.3f}")
    pdf.set_xy(left, top + page.height_mm * scale + 0.5)
    pdf.set_font(FONT, "", 6)
    pdf.multi_cell(_MAP_MM[0], 3, "; ".join(page.flags[:3]), align="L")
    pdf.set_text_color(*_INK)


def _colour(share: float) -> tuple[int, int, int]:
    """Green at 0, amber where a blank target is no longer clean, red at the threshold."""
    low, high, part = (
        (_CLEAN, _WARM, share / CLEAN_SHARE)
        if share < CLEAN_SHARE
        else (_WARM, _HOT, (share - CLEAN_SHARE) / (1 - CLEAN_SHARE))
    )
    part = min(1.0, max(0.0, part))
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(low, high, strict=True))
    return red, green, blue

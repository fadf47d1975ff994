"""The protocol as a PDF on A4: for the commission's wall, observers, and the higher commission.

Kazakh, Russian, English, any of them together; figures of each paper side by side, votes of
each contest, how the count was conducted, what does not add up, places for signatures, and on
a signed protocol the QR codes that prove its figures (`tally.protocol.codes`). A form that is
not signed is printed as a draft, on every page. The same values give the same bytes.
Sources: SEED-10, SEED-13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import segno
from fpdf import FPDF
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace

from election.figures import PAPER_FIGURES
from election.model import Election, Text
from election.profile import Profile
from election.typeset import font_path
from hardware.tape_code import QR_LEVEL, QUIET_MODULES
from tally.figures import say
from tally.paper import contests_in
from tally.protocol.controls import evaluate_protocol
from tally.protocol.form import ContestForm, PrecinctForm
from tally.protocol.lines import LOST, form_lines, option_title, style_title

FONT = "DejaVu"
MARGIN_MM, WIDTH_MM = 16.0, 178.0
#: Papers side by side in one table; more go below.
PAPERS_ACROSS = 4
#: Side of a code with its quiet zone, and how many stand side by side.
CODE_MM, CODES_ACROSS = 57.0, 3
_INK, _SOFT, _LINE, _RED = (20, 24, 32), (86, 96, 115), (190, 190, 186), (155, 44, 31)

_WORDS: Mapping[str, Text] = MappingProxyType(
    {
        "title": {
            "kk": "Учаскелік сайлау комиссиясының дауыстарды санау нәтижелері туралы хаттамасы",
            "ru": "Протокол участковой избирательной комиссии о результатах подсчёта голосов",
            "en": "Protocol of the precinct election commission on the results of the count",
        },
        "draft": {
            "kk": "ЖОБА: қол қойылмаған",
            "ru": "ПРОЕКТ: не подписан",
            "en": "DRAFT: not signed",
        },
        "test": {"kk": "СЫНАҚ", "ru": "ПРОВЕРКА", "en": "TEST"},
        "precinct": {"kk": "Учаске", "ru": "Участок", "en": "Precinct"},
        "version": {"kk": "Нұсқа", "ru": "Версия", "en": "Version"},
        "drawn_up": {"kk": "Жасалды (UTC)", "ru": "Составлен (UTC)", "en": "Drawn up (UTC)"},
        "digest": {"kk": "Хаттама хеші", "ru": "Хеш протокола", "en": "Hash of the protocol"},
        "papers": {"kk": "Бюллетеньдер", "ru": "Бюллетени", "en": "Ballots"},
        "returned": {
            "kk": "Құрылғы сайлаушыға қайтарған (рет)",
            "ru": "Возвращено устройством избирателю (раз)",
            "en": "Given back to voters by the device (times)",
        },
        "replaces": {"kk": "Орнына", "ru": "Взамен", "en": "In place of"},
        "grounds": {
            "kk": "Жарамсыз, негізі",
            "ru": "Недействительные, основание",
            "en": "Invalid, ground",
        },
        "votes": {"kk": "Дауыстар", "ru": "Голоса", "en": "Votes"},
        "ballots": {
            "kk": "Барлық бюллетеньдер",
            "ru": "Всего бюллетеней",
            "en": "All ballots",
        },
        "invalid": {"kk": "Жарамсыз", "ru": "Недействительные", "en": "Invalid"},
        "needs_review": {"kk": "Шешілмеген", "ru": "Не рассмотрены", "en": "Undecided"},
        "ratios": {
            "kk": "Бақылау арақатынастары",
            "ru": "Контрольные соотношения",
            "en": "Control ratios",
        },
        "all_hold": {
            "kk": "Барлығы сақталған",
            "ru": "Все выполняются",
            "en": "All hold",
        },
        "not_evaluable": {
            "kk": "тексерілмеді: дерек жоқ",
            "ru": "не проверено: нет данных",
            "en": "not checked: no figure",
        },
        "conduct": {
            "kk": "Санаудың барысы",
            "ru": "Ход подсчёта",
            "en": "Conduct of the count",
        },
        "done": {"kk": "орындалды", "ru": "выполнено", "en": "done"},
        "skipped": {"kk": "ӨТКІЗІП ЖІБЕРІЛДІ", "ru": "ПРОПУЩЕНО", "en": "SKIPPED"},
        "unrecorded": {"kk": "жазылмаған", "ru": "не записано", "en": "not recorded"},
        "settled": {
            "kk": "Шешілген айырмашылықтар",
            "ru": "Урегулированные расхождения",
            "en": "Differences that were settled",
        },
        "signatures": {"kk": "Қолдар", "ru": "Подписи", "en": "Signatures"},
        "chair": {"kk": "төраға", "ru": "председатель", "en": "chair"},
        "secretary": {"kk": "хатшы", "ru": "секретарь", "en": "secretary"},
        "member": {"kk": "мүше", "ru": "член комиссии", "en": "member"},
        "signed": {
            "kk": "электрондық қол қойылған",
            "ru": "подписано электронно",
            "en": "signed electronically",
        },
        "codes": {
            "kk": "Осы сандарды дәлелдейтін кодтар",
            "ru": "Коды, доказывающие эти данные",
            "en": "Codes that prove these figures",
        },
    }
)


class _Pages(FPDF):
    """A4 with a foot on each page, and no random file id."""

    foot = ""

    def file_id(self) -> None:
        """No /ID entry: it would differ from run to run."""

    def footer(self) -> None:
        """Called by fpdf2 at the end of each page."""
        self.set_y(-12)
        self.set_font(FONT, "", 7)
        self.set_text_color(*_SOFT)
        self.cell(WIDTH_MM * 0.85, 4, self.foot)
        self.cell(WIDTH_MM * 0.15, 4, f"{self.page_no()} / {{nb}}", align="R")


class _Printer:
    """Draws one protocol; `say` is in the languages asked for."""

    def __init__(
        self, form: PrecinctForm, election: Election, profile: Profile, languages: Sequence[str]
    ) -> None:
        self.form, self.election, self.profile = form, election, profile
        self.languages = languages
        self.pdf = _Pages(unit="mm", format="A4")
        pdf = self.pdf
        pdf.set_margin(MARGIN_MM)
        pdf.set_auto_page_break(True, 16)
        pdf.add_font(FONT, "", font_path(bold=False))
        pdf.add_font(FONT, "B", font_path(bold=True))
        pdf.set_text_shaping(use_shaping_engine=True)
        pdf.set_creation_date(datetime.fromisoformat(form.drawn_up))
        pdf.set_producer("Ballotbench")
        pdf.set_lang(languages[0])

    def words(self, text: Text | str) -> str:
        """A text in every language asked for, each once."""
        said = _WORDS[text] if isinstance(text, str) else text
        return " · ".join(dict.fromkeys(say(said, "", language) for language in self.languages))

    def text(
        self, words: str, size: float, *, bold: bool = False, colour: tuple[int, int, int] = _INK
    ) -> None:
        """A paragraph."""
        self.pdf.set_font(FONT, "B" if bold else "", size)
        self.pdf.set_text_color(*colour)
        self.pdf.multi_cell(WIDTH_MM, size * 0.48, words, align="L", new_x="LMARGIN", new_y="NEXT")
        self.pdf.set_text_color(*_INK)

    def heading(self, words: str, *, room: float = 30) -> None:
        """A heading that stays with what follows."""
        if self.pdf.will_page_break(room):
            self.pdf.add_page()
        self.pdf.ln(3.5)
        self.text(words, 10, bold=True)
        self.pdf.ln(1)

    def table(
        self,
        rows: Sequence[Sequence[str]],
        widths: Sequence[float],
        *,
        numbers: bool = True,
        head: bool = False,
        red: frozenset[int] = frozenset(),
    ) -> None:
        """Rows of cells; with `numbers` every column but the first is figures."""
        self.pdf.set_font(FONT, "", 7.6)
        self.pdf.set_draw_color(*_LINE)
        align = ("LEFT", *("RIGHT" if numbers else "LEFT" for _ in widths[1:]))
        with self.pdf.table(
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            first_row_as_headings=head,
            headings_style=FontFace(emphasis="BOLD", color=_INK),
            line_height=3.5,
            padding=0.7,
            width=WIDTH_MM,
            col_widths=tuple(widths),
            text_align=align,
        ) as grid:
            for number, cells in enumerate(rows):
                row = grid.row()
                for place, cell in enumerate(cells):
                    heavy = numbers and place and not (head and number == 0)
                    style = FontFace(
                        emphasis="BOLD" if heavy or number in red else None,
                        color=_RED if number in red else _INK,
                    )
                    row.cell(cell, style=style)


def render_protocol(
    form: PrecinctForm,
    election: Election,
    profile: Profile,
    *,
    languages: Sequence[str],
    signed_by: Sequence[str] = (),
    codes: Sequence[str] = (),
) -> bytes:
    """The PDF of a form of this election.

    Args:
        languages: of "kk", "ru", "en", in the order in which they are printed.
        signed_by: members whose signatures were found; empty: printed as a draft.
        codes: the texts of the QR codes (`tally.protocol.codes.code_texts`).
    """
    page = _Printer(form, election, profile, tuple(languages))
    state = "" if signed_by else page.words("draft")
    test = page.words("test") if form.mode == "test" else ""
    page.pdf.foot = "   ".join(
        part for part in (test, state, f"{form.precinct_id} · {form.digest[:16]}…") if part
    )
    page.pdf.set_title(page.words("title"))
    page.pdf.add_page()
    _head(page, state, test)
    _papers(page)
    for contest in contests_in(election, form.precinct_id):
        _contest(page, contest.id)
    _ratios(page)
    _conduct(page)
    _signatures(page, signed_by)
    if codes:
        _codes(page, codes)
    return bytes(page.pdf.output())


def _head(page: _Printer, state: str, test: str) -> None:
    form, election = page.form, page.election
    for part in (test, state):
        if part:
            page.text(part, 11, bold=True, colour=_RED)
    for language in page.languages:
        page.text(
            say(_WORDS["title"], "", language),
            12.5 if language == page.languages[0] else 9,
            bold=language == page.languages[0],
        )
    page.pdf.ln(2)
    page.text(f"{page.words(election.title)}, {election.date}", 9)
    precinct = election.precinct(form.precinct_id)
    page.text(f"{page.words('precinct')} {form.precinct_id}: {page.words(precinct.name)}", 9)
    page.text(
        f"{page.words('version')}: {form.version}    {page.words('drawn_up')}: {form.drawn_up}",
        7.6,
        colour=_SOFT,
    )
    page.text(f"{page.words('digest')}: {form.digest}", 7.6, colour=_SOFT)
    if form.replaces is not None:
        page.text(f"{page.words('replaces')}: {form.replaces}", 7.6, colour=_SOFT)


def _papers(page: _Printer) -> None:
    form, profile = page.form, page.profile
    styles = [s.id for s in page.election.precinct_styles(form.precinct_id)]
    listed = {figure.id for figure in profile.protocol.figures}
    titles = {f.id: f.title for f in profile.protocol.figures}
    whole = {f.id for f in profile.protocol.figures if f.of == "precinct"}
    order = [f.id for f in profile.protocol.figures]
    order += [name for name in PAPER_FIGURES if name not in listed]
    page.heading(page.words("papers"))
    first = form.papers[styles[0]]
    rows = [
        (page.words(titles[name]), _number(first.figure(name))) for name in order if name in whole
    ]
    if rows:
        page.table(rows, (150, 28))
    for start in range(0, len(styles), PAPERS_ACROSS):
        across = styles[start : start + PAPERS_ACROSS]
        head = ("", *(page.words(style_title(page.election, s)) for s in across))
        body: list[tuple[str, ...]] = [head]
        for name in order:
            values = [form.papers[style].figure(name) for style in across]
            if name in whole or (name not in listed and all(v is None for v in values)):
                continue
            title = page.words(titles.get(name, "returned" if name == "returned" else {"": name}))
            body.append((title, *map(_number, values)))
        body += _grounds(page, across)
        page.pdf.ln(2)
        page.table(body, (178 - 30 * len(across), *(30 for _ in across)), head=True)


def _grounds(page: _Printer, styles: Sequence[str]) -> list[tuple[str, ...]]:
    titles = {ground.id: ground.title for ground in page.profile.invalid_grounds}
    found = [page.form.papers[style].invalid_grounds or {} for style in styles]
    ids = dict.fromkeys([*titles, *sorted({g for grounds in found for g in grounds})])
    return [
        (
            f"{page.words('grounds')}: {page.words(titles[g]) if g in titles else g}",
            *(_number(grounds.get(g)) for grounds in found),
        )
        for g in ids
        if g in titles or any(g in grounds for grounds in found)
    ]


def _contest(page: _Printer, contest_id: str) -> None:
    contest = page.election.contest(contest_id)
    row: ContestForm = page.form.contests[contest_id]
    page.heading(f"{page.words('votes')}: {page.words(contest.title)}")
    rows = [
        (page.words(option_title(contest, option)), _number(row.votes[option]))
        for option in contest.option_ids()
    ]
    for name in LOST:
        value = getattr(row, name)
        if page.profile.marks.rule != "exactly_one" and value is not None:
            rows.append((page.words(LOST[name]), _number(value)))
    rows.append((page.words("invalid"), _number(row.invalid)))
    if row.needs_review:
        rows.append((page.words("needs_review"), _number(row.needs_review)))
    rows.append((page.words("ballots"), _number(row.ballots)))
    page.table(rows, (150, 28))


def _ratios(page: _Printer) -> None:
    page.heading(page.words("ratios"))
    shown: list[tuple[str, str]] = []
    red = set()
    for one in evaluate_protocol(page.form, page.election, page.profile):
        if one.status == "holds":
            continue
        if one.status == "breached":
            red.add(len(shown))
            sums = f"{one.left} {_BROKEN[one.ratio.relation]} {one.right}"
        else:
            sums = page.words("not_evaluable")
        shown.append((f"{page.words(one.ratio.title)} ({one.of})", sums))
    if not shown:
        page.text(page.words("all_hold"), 8)
        return
    page.table(shown, (118, 60), numbers=False, red=frozenset(red))


#: How two sides stand that break a relation.
_BROKEN = {"==": "≠", "<=": ">", ">=": "<"}


def _conduct(page: _Printer) -> None:
    titles = {step.id: step.title for step in page.profile.protocol.steps}
    page.heading(page.words("conduct"))
    rows = []
    red = set()
    for place, step in enumerate(page.form.steps):
        if step.state != "done":
            red.add(place)
        said = page.words(step.state)
        said += f": {step.reason}" if step.reason else ""
        said += f" ({', '.join(step.by)})" if step.by else ""
        title = page.words(titles[step.id]) if step.id in titles else step.id
        rows.append((f"{place + 1}. {title}", said))
    if rows:
        page.table(rows, (118, 60), numbers=False, red=frozenset(red))
    if not page.form.settled:
        return
    lines = {
        line.path: f"{page.words(line.of_title)}: {page.words(line.title)}"
        for line in form_lines(page.election, page.profile, page.form.precinct_id)
    }
    differences = []
    for each in page.form.settled:
        said = ", ".join(f"{entry.by}: {entry.value}" for entry in each.entries)
        by = f" ({', '.join(each.by)})" if each.by else ""
        found = f"{said} → {each.value}. {each.reason}{by}"
        differences.append((lines.get(each.figure, each.figure), found))
    page.heading(page.words("settled"))
    page.table(differences, (96, 82), numbers=False)


def _signatures(page: _Printer, signed_by: Sequence[str]) -> None:
    listed = {member.id: member.role for member in page.form.members}
    names = [*listed, *(name for name in signed_by if name not in listed)]
    page.heading(page.words("signatures"), room=14 + 9 * max(1, len(names)))
    pdf = page.pdf
    pdf.set_draw_color(*_SOFT)
    for name in names or [""] * 3:
        if pdf.will_page_break(10):
            pdf.add_page()
        pdf.ln(4)
        pdf.set_font(FONT, "", 8)
        role = f" ({page.words(listed[name])})" if name in listed else ""
        pdf.cell(98, 4, f"{name}{role}")
        x, y = pdf.get_x(), pdf.get_y() + 4
        pdf.line(x, y, x + 38, y)
        pdf.cell(40, 4, "")
        pdf.set_font(FONT, "", 6)
        signed = page.words("signed") if name and name in signed_by else ""
        pdf.multi_cell(40, 2.6, signed, align="L", new_x="LMARGIN", new_y="NEXT")


def _codes(page: _Printer, codes: Sequence[str]) -> None:
    pdf = page.pdf
    page.heading(page.words("codes"), room=CODE_MM + 24)
    page.text("ballotbench verify --photo", 8, colour=_SOFT)
    # What is placed by hand must not break the page by itself.
    pdf.set_auto_page_break(False)
    pitch = (WIDTH_MM - CODE_MM) / (CODES_ACROSS - 1)
    y = pdf.get_y() + 2
    for place, text in enumerate(codes):
        column = place % CODES_ACROSS
        if place and column == 0:
            y += CODE_MM + 6
        if column == 0 and y + CODE_MM > 297 - 16:
            pdf.add_page()
            y = MARGIN_MM
        x = MARGIN_MM + column * pitch
        symbol = segno.make_qr(text, error=QR_LEVEL, boost_error=False, mode="alphanumeric")
        _symbol(pdf, [bytes(line) for line in symbol.matrix], x, y)
        pdf.set_font(FONT, "", 7)
        pdf.set_xy(x, y + CODE_MM - 1)
        pdf.cell(CODE_MM, 3, f"{place + 1} / {len(codes)}", align="C")
    pdf.set_auto_page_break(True, 16)


def _symbol(pdf: FPDF, matrix: Sequence[bytes], x: float, y: float) -> None:
    """Dark modules as runs, exact to the module on any printer."""
    module = CODE_MM / (len(matrix) + 2 * QUIET_MODULES)
    pdf.set_fill_color(0, 0, 0)
    for down, line in enumerate(matrix):
        across = 0
        while across < len(line):
            end = across
            while end < len(line) and line[end]:
                end += 1
            if end > across:
                left = x + (across + QUIET_MODULES) * module
                over = y + (down + QUIET_MODULES) * module
                # A hair higher, so that no white line shows between rows.
                pdf.rect(left, over, (end - across) * module, module * 1.02, style="F")
            across = end + 1


def _number(value: int | None) -> str:
    """Digits in groups of three; a dash where nobody established the figure."""
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")

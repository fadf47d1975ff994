"""Pages for people: a pollbook's close sheet, duplicates to review, a reconciliation.

Headings in Kazakh, Russian and English. Two views: *official* (names, numbers masked unless
asked in full) and *observer* (counts only: SEED-15 asks for openness without identity).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.duplicates import Candidate
from firmware_sim.pollbook.iin import masked
from firmware_sim.pollbook.reconcile import Facts, Finding
from firmware_sim.pollbook.sums import control_sums
from firmware_sim.pollbook.voters import Voter


def book_report(book: Book, *, official: bool, full_iin: bool = False) -> dict[str, Any]:
    """The close sheet: control sums; for officials also the additions, portable box requests,
    certificates used and voters two officials signed for, each listed apart (SEED-05)."""
    document: dict[str, Any] = {"sums": control_sums(book), "lists": None}
    if official:
        facts = list(book.roll())
        names = {e.voter.iin: e for e in book.entries()}
        document["lists"] = {
            "additions": [
                _row(i, f, f["ground"], full_iin) for i, f in facts if f["channel"] == "added"
            ],
            "certificates": [
                _row(i, f, f["certificate"], full_iin)
                for i, f in facts
                if f["channel"] == "certificate"
            ],
            "mobile": [
                {
                    "entry": names[iin].number if iin in names else 0,
                    "iin": shown(iin, full_iin),
                    "name": names[iin].voter.name if iin in names else "",
                    "note": request["ground"],
                    "hour": request["hour"],
                }
                for iin, request in book.store.all("mobile")
            ],
            "two_officials": [
                _row(i, f, f"{', '.join(f['signed_by'])}: {f['manual_ground']}", full_iin)
                for i, f in facts
                if f["method"] == "two_officials"
            ],
        }
    return document


def duplicates_report(
    voters: Sequence[Voter], found: Sequence[Candidate], *, full_iin: bool = False
) -> dict[str, Any]:
    """The review list: each pair with its ground; nothing is decided by it."""

    def side(index: int) -> dict[str, Any]:
        voter = voters[index]
        return {
            "line": index + 1,
            "iin": shown(voter.iin, full_iin),
            "name": voter.name,
            "birth_date": voter.birth_date.isoformat(),
            "precinct": voter.precinct,
        }

    return {
        "voters": len(voters),
        "birth_date_differs_from_iin": sum(v.birth_differs for v in voters),
        "counts": dict(Counter(str(c.ground) for c in found)),
        "pairs": [
            {
                "ground": str(c.ground),
                "likeness": c.likeness,
                "first": side(c.first),
                "second": side(c.second),
            }
            for c in found
        ],
    }


def reconciliation_report(
    facts: Facts, found: Sequence[Finding], *, official: bool, full_iin: bool = False
) -> dict[str, Any]:
    """What the books show together; the rows only for officials."""
    rows = [
        {
            "kind": str(f.kind),
            "sides": [
                {
                    "precinct": s.precinct,
                    "entry": s.entry,
                    "iin": shown(s.iin, full_iin),
                    "name": s.name,
                    "channel": s.channel,
                    "certificate": s.certificate,
                    "hour": s.hour,
                }
                for s in f.sides
            ],
        }
        for f in found
    ]
    return {
        "election_hash": facts.election,
        "precincts": sorted(precinct for _, precinct in facts.books),
        "voted": len(facts.uses),
        "certificates_issued": len(facts.certified),
        "certificates_used": sum(1 for use in facts.uses if use.certificate),
        "counts": dict(Counter(str(f.kind) for f in found)),
        "findings": rows if official else None,
    }


def page(kind: str, document: Mapping[str, Any]) -> str:
    """The HTML of a report: `book`, `duplicates` or `reconciliation`."""
    environment = Environment(
        loader=PackageLoader("firmware_sim.pollbook"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("pollbook.html.j2").render(kind=kind, r=document, w=_WORDS)


def shown(iin: str, full: bool) -> str:
    """The number in full, or its last four digits."""
    return iin if full else masked(iin)


def _row(iin: str, fact: Mapping[str, Any], note: str, full: bool) -> dict[str, Any]:
    names = (fact["voter"][n] for n in ("family_name", "given_name", "patronymic"))
    return {
        "entry": fact["entry"],
        "iin": shown(iin, full),
        "name": " ".join(n for n in names if n),
        "note": note,
        "hour": fact["hour"],
    }


#: What stands on the pages: Kazakh, Russian, English.
_WORDS: dict[str, tuple[str, str, str]] = {
    "book": (
        "Сайлаушылар тізімінің қорытындысы",
        "Итоги списка избирателей",
        "Pollbook close sheet",
    ),
    "duplicates": ("Тексерілетін қайталанулар", "Повторы для проверки", "Duplicates to review"),
    "reconciliation": ("Тізімдерді салыстыру", "Сверка списков", "Reconciliation of pollbooks"),
    "registered": ("Тізімдегі сайлаушылар", "Избирателей в списке", "Voters on the list"),
    "added": (
        "Дауыс беру күні қосылғандар",
        "Добавлено в день голосования",
        "Added on election day",
    ),
    "absentee_out": (
        "Берілген есептен шығару куәліктері",
        "Выдано открепительных удостоверений",
        "Absentee certificates given out",
    ),
    "absentee_in": (
        "Есептен шығару куәлігімен дауыс бергендер",
        "Проголосовали по открепительным",
        "Voted with an absentee certificate",
    ),
    "voted_list": (
        "Тізім бойынша бюллетень алғандар",
        "Получили бюллетени по списку",
        "Given ballots from the list",
    ),
    "voted_added": (
        "Қосылып бюллетень алғандар",
        "Получили бюллетени из добавленных",
        "Given ballots as additions",
    ),
    "voted": ("Бюллетень алғандардың барлығы", "Всего получили бюллетени", "Given ballots, all"),
    "mobile_requested": (
        "Үй-жайдан тыс дауыс беруге өтініштер",
        "Заявлений о голосовании вне помещения",
        "Portable box requests",
    ),
    "mobile": (
        "Үй-жайдан тыс дауыс бергендер",
        "Проголосовали вне помещения",
        "Voted with the portable box",
    ),
    "style": ("Бюллетень түрі", "Вид бюллетеня", "Ballot style"),
    "received": ("Алынды", "Получено", "Received"),
    "handed_out": ("Берілді", "Выдано", "Handed out"),
    "spoiled": ("Бүлінген", "Испорчено", "Spoiled"),
    "issued": ("Сайлаушыларда қалды", "Осталось у избирателей", "Issued (handed out less spoiled)"),
    "unused": ("Пайдаланылмаған", "Неиспользовано", "Unused"),
    "additions": ("Қосылған сайлаушылар", "Добавленные избиратели", "Additions"),
    "certificates": (
        "Есептен шығару куәліктері",
        "Открепительные удостоверения",
        "Absentee certificates used",
    ),
    "two_officials": (
        "Екі мүшенің қолымен расталғандар",
        "Подтверждены подписями двух членов комиссии",
        "Two officials signed",
    ),
    "line": ("Жол", "Строка", "Line"),
    "iin": ("ЖСН", "ИИН", "IIN"),
    "name": ("Аты-жөні", "Фамилия, имя, отчество", "Name"),
    "birth_date": ("Туған күні", "Дата рождения", "Birth date"),
    "precinct": ("Учаске", "Участок", "Precinct"),
    "note": ("Негіз", "Основание", "Ground"),
    "hour": ("Сағат", "Час", "Hour"),
    "likeness": ("Ұқсастық", "Сходство", "Likeness"),
    "channel": ("Қалай", "Как", "How"),
    "list": ("Тізім бойынша", "По списку", "From the list"),
    "included": ("Өтініш бойынша енгізілген", "Включён по заявлению", "Included by request"),
    "certificate": ("Куәлікпен", "По удостоверению", "With a certificate"),
    "certificate_issued": ("Куәлік берілген", "Выдано удостоверение", "Certificate given out"),
    "by_hour": ("Сағат бойынша", "По часам", "By the hour"),
    "refusals": ("Бас тартулар", "Отказы", "Refusals"),
    "none": ("Жоқ", "Нет", "None"),
    "review_only": (
        "Бұл тек тексеру тізімі: ешкім автоматты түрде шығарылмайды.",
        "Это только список для проверки: никто не исключается автоматически.",
        "A list for review only: nobody is taken off by it.",
    ),
    "voter_twice": (
        "Бір нөмірге екі рет берілген",
        "Один номер получил бюллетени дважды",
        "One number was given ballots twice",
    ),
    "certificate_twice": (
        "Куәлік екі рет пайдаланылған",
        "Удостоверение использовано дважды",
        "A certificate was used twice",
    ),
    "certificate_unknown": (
        "Куәлік берілмеген",
        "Такое удостоверение не выдавалось",
        "A certificate that was not issued",
    ),
    "voted_despite_certificate": (
        "Куәлігі бола тұра онсыз берілген",
        "Выдано без сданного удостоверения",
        "Given ballots without handing the certificate in",
    ),
    "addition_on_other_list": (
        "Қосылған сайлаушы басқа тізімде тұр",
        "Добавленный состоит в другом списке",
        "An addition who is on another list",
    ),
    "may_be_one_person": ("Бір адам болуы мүмкін", "Возможно, один человек", "May be one person"),
    "on_two_lists": ("Екі тізімде тұр", "Состоит в двух списках", "On two lists"),
    "same_iin": ("ЖСН бірдей", "Одинаковый ИИН", "Same IIN"),
    "name_and_birth_date": (
        "Аты-жөні мен туған күні ұқсас",
        "Сходны имя и дата рождения",
        "Name and birth date alike",
    ),
    "family_name_changed": (
        "Тегі өзгерген болуы мүмкін",
        "Возможно, сменена фамилия",
        "Family name may have changed",
    ),
    "birth_date_slip": (
        "Туған күнінде қате болуы мүмкін",
        "Возможна описка в дате рождения",
        "Birth date may hold a slip",
    ),
}

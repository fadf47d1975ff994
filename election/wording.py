"""The fixed words of a ballot, by language: instructions, write-in, page, kind.

A profile's own `[instructions.<contest kind>]` table goes before these. Kazakh and Russian
instructions follow the wording of the Constitutional Law "On Elections in the Republic of
Kazakhstan" ("any sign in the empty square to the right of ...").
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from election.codes import BallotKind
from election.model import Contest
from election.profile import Profile

#: Fallback where a text is not known in a language.
DEFAULT_LANGUAGE = "en"

_FILL = {
    "en": "To vote, fill in the {shape} to the left of your choice completely, like this:",
    "es": "Para votar, rellene por completo {shape} a la izquierda de su opción, así:",
    "kk": "Дауыс беру үшін таңдауыңыздың сол жағындағы {shape} толық бояңыз, мысалы:",
    "ru": "Чтобы проголосовать, полностью закрасьте {shape} слева от Вашего выбора, вот так:",
}
_FILL_MORE = {
    "en": "Use a dark pen. Do not mark more choices than a contest allows. "
    "If you make a mistake, ask for a new ballot.",
    "es": "Use un bolígrafo oscuro. No marque más opciones de las permitidas. "
    "Si se equivoca, pida una boleta nueva.",
    "kk": "Қою түсті қаламсап қолданыңыз. Рұқсат етілгеннен көп белгі қоймаңыз. "
    "Қателессеңіз, жаңа бюллетень сұраңыз.",
    "ru": "Пользуйтесь тёмной ручкой. Не отмечайте больше разрешённого. "
    "Если Вы ошиблись, попросите новый бюллетень.",
}
_SHAPES = {
    "oval": {"en": "oval", "es": "el óvalo", "kk": "сопақшаны", "ru": "овал"},
    "circle": {"en": "circle", "es": "el círculo", "kk": "дөңгелекті", "ru": "кружок"},
    "square": {"en": "square", "es": "el cuadro", "kk": "шаршыны", "ru": "квадрат"},
}
_ANY_SIGN = {
    "en": "Put any sign in the empty square to the right of the one choice you vote for.",
    "es": "Ponga cualquier signo en el cuadro vacío a la derecha de la única opción "
    "por la que vota.",
    "kk": "Өзіңіз дауыс беретін бір ғана таңдаудың оң жағындағы бос шаршыға кез келген "
    "белгі қойыңыз.",
    "ru": "Поставьте любую отметку в пустом квадрате справа от одного варианта, "
    "за который Вы голосуете.",
}
_ONE_ONLY = {
    "en": "A ballot with no mark or with more than one mark is invalid.",
    "es": "Una boleta sin marca o con más de una marca es nula.",
    "kk": "Белгі қойылмаған немесе бірден көп белгі қойылған бюллетень жарамсыз деп танылады.",
    "ru": "Бюллетень без отметки или с несколькими отметками признаётся недействительным.",
}
_VOTE_FOR = {
    "en": ("Vote for one", "Vote for up to {n}"),
    "es": ("Vote por uno", "Vote por un máximo de {n}"),
    "kk": ("Біреуіне дауыс беріңіз", "Ең көбі {n} таңдауға дауыс беріңіз"),
    "ru": ("Голосуйте за один вариант", "Голосуйте не более чем за {n}"),
}
_WRITE_IN = {"en": "write-in", "es": "por escrito", "kk": "жазып енгізу", "ru": "вписать"}
_PAGE = {"en": "Page", "es": "Página", "kk": "Бет", "ru": "Страница"}
_PRECINCT = {"en": "Precinct", "es": "Distrito", "kk": "Учаске", "ru": "Участок"}
_TURN_OVER = {
    "en": "Turn over: continues on the other side",
    "es": "Dé la vuelta: continúa al dorso",
    "kk": "Аударыңыз: жалғасы артқы бетінде",
    "ru": "Переверните: продолжение на обороте",
}
_TURN_OVER_SHORT = {
    "en": "Turn over",
    "es": "Dé la vuelta",
    "kk": "Аударыңыз",
    "ru": "Переверните",
}
_BALLOT = {
    "en": "Ballot",
    "es": "Boleta",
    "kk": "Дауыс беру бюллетені",
    "ru": "Избирательный бюллетень",
}
_KINDS: dict[BallotKind, dict[str, str]] = {
    "official": {},
    "test": {"en": "TEST", "es": "PRUEBA", "kk": "СЫНАҚ", "ru": "ТЕСТ"},
    "sample": {"en": "SAMPLE", "es": "MUESTRA", "kk": "ҮЛГІ", "ru": "ОБРАЗЕЦ"},
}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def instructions(profile: Profile, contest: Contest, language: str) -> str:
    """How to mark this contest under this profile."""
    own = profile.instructions.get(contest.kind, {}).get(language)
    if own is None and profile.marks.any_stroke:
        own = _pick(_ANY_SIGN, language)
    if own is None:
        shape = _pick(_SHAPES[profile.marks.shape], language)
        own = _pick(_FILL, language).format(shape=shape)
    return f"{own} {_pick(_ONE_ONLY, language)}" if profile.marks.rule == "exactly_one" else own


def further_instructions(language: str) -> str:
    """What else a voter who fills in shapes should know."""
    return _pick(_FILL_MORE, language)


def vote_for(votes_allowed: int, language: str) -> str:
    """How many options may be marked."""
    one, many = _VOTE_FOR.get(language, _VOTE_FOR[DEFAULT_LANGUAGE])
    return one if votes_allowed == 1 else many.format(n=votes_allowed)


def write_in(languages: Sequence[str]) -> str:
    """The label of a write-in line."""
    return _joined(_WRITE_IN, languages)


def ballot(languages: Sequence[str]) -> str:
    """What this paper is."""
    return _joined(_BALLOT, languages)


def turn_over(languages: Sequence[str]) -> str:
    """That the ballot goes on at the back."""
    return _joined(_TURN_OVER if len(languages) == 1 else _TURN_OVER_SHORT, languages)


def page(number: int, count: int, languages: Sequence[str]) -> str:
    """The page number in the footer."""
    return f"{_joined(_PAGE, languages)} {number}/{count}"


def precinct(languages: Sequence[str]) -> str:
    """The word before a precinct's name."""
    return _joined(_PRECINCT, languages)


def kind_label(kind: BallotKind, languages: Sequence[str]) -> str:
    """What sets a test or sample ballot apart; empty for an official one."""
    return _joined(_KINDS[kind], languages) if kind != "official" else ""


def written_date(iso: str, language: str) -> str:
    """A date as the language writes it (ISO where we do not know)."""
    day = date.fromisoformat(iso)
    if language == "en":
        return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"
    return day.strftime("%d.%m.%Y") if language in ("kk", "ru") else iso


def _pick(texts: dict[str, str], language: str) -> str:
    return texts.get(language, texts[DEFAULT_LANGUAGE])


def _joined(texts: dict[str, str], languages: Sequence[str]) -> str:
    return " · ".join(dict.fromkeys(_pick(texts, language) for language in languages))

"""A voter list of invented people, with planted duplicates and their truth, for training.

Everything follows from the seed. The people do not exist; their numbers have the form of an
IIN and may by chance be somebody's: keep the lists to training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from firmware_sim.pollbook.iin import make_iin
from firmware_sim.pollbook.voters import Voter


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_KAZAKH_MEN = _words(
    "Абай Абзал Айдар Айдос Айбек Алмас Алпамыс Амангелді Арман Асан Асқар Асылбек Әділ Әлихан "
    "Әмір Бағдат Байұзақ Батыр Бауыржан Бекзат Болат Ғабит Ғани Дамир Данияр Дәулет Дидар "
    "Досжан Ержан Ерлан Ермек Есен Жақсылық Жандос Жасұлан Жеңіс Жомарт Қайрат Қанат Қасым "
    "Қуаныш Мақсат Марат Мұрат Мұхтар Нұрбол Нұрлан Олжас Оразбай Рүстем Сағат Самат Санжар "
    "Сәкен Серік Сұлтан Талғат Тимур Төлеген Ұлан Үсен Шыңғыс Ілияс Ысқақ Хамит Шәкен"
)
_KAZAKH_WOMEN = _words(
    "Айгүл Айжан Айнұр Ақмарал Алма Алтынай Анар Ардақ Аружан Әйгерім Әлия Әсел Бақыт Балжан "
    "Бибігүл Гүлнар Гүлмира Ғалия Дана Динара Еңлік Жанар Жұлдыз Зәуре Индира Камила Қарлығаш "
    "Құралай Ләззат Мадина Маржан Меруерт Мөлдір Назгүл Нұргүл Раушан Сабина Салтанат Сәуле "
    "Толғанай Ұлжан Фариза Шолпан Шынар Жібек"
)
_RUSSIAN_MEN = _words(
    "Александр Алексей Андрей Антон Борис Вадим Василий Виктор Владимир Геннадий Григорий "
    "Дмитрий Евгений Иван Игорь Илья Константин Максим Михаил Николай Олег Павел Пётр Роман "
    "Сергей Степан Фёдор Юрий Ярослав"
)
_RUSSIAN_WOMEN = _words(
    "Алёна Анастасия Анна Валентина Вера Галина Дарья Екатерина Елена Зоя Инна Ирина Ксения "
    "Лариса Любовь Людмила Мария Надежда Наталья Нина Оксана Ольга Полина Светлана Софья "
    "Татьяна Юлия"
)
_RUSSIAN_FAMILY = _words(
    "Абрамов Беляев Богданов Власов Воробьёв Гаврилов Гончаров Дьячков Егоров Жуков Зайцев "
    "Иванов Исаев Калинин Киселёв Козлов Кузнецов Лебедев Макаров Мельников Морозов Никитин "
    "Новиков Орлов Павлов Петров Попов Романов Савельев Семёнов Сидоров Смирнов Соколов "
    "Тарасов Титов Ушаков Фомин Фролов Чернов Шевцов Щербаков Юдин Яковлев Тюрин Хохлов"
)
_LATIN = dict(
    zip(
        "абвгдезийклмнопрстуфхцы",
        [*"abvgd", "e", *"ziyklmnoprstuf", "kh", "ts", "y"],
        strict=True,
    )
) | {
    "ё": "yo",
    "ж": "zh",
    "ч": "ch",
    "ш": "sh",
    "щ": "shch",
    "ъ": "",
    "ь": "",
    "э": "e",
    "ю": "yu",
    "я": "ya",
    "ә": "a",
    "ғ": "g",
    "қ": "q",
    "ң": "n",
    "ө": "o",
    "ұ": "u",
    "ү": "u",
    "һ": "h",
    "і": "i",
}
_RUSSIFIED = str.maketrans("әғқңөұүһіӘҒҚҢӨҰҮҺІ", "агкноуухиАГКНОУУХИ")


class Plant(StrEnum):
    """How a planted entry differs from the person's first one."""

    SAME_IIN = "same_iin"
    RUSSIAN_LETTERS = "russian_letters"
    LATIN_LETTERS = "latin_letters"
    TYPING_SLIP = "typing_slip"
    NAMES_SWAPPED = "names_swapped"
    FAMILY_NAME_CHANGED = "family_name_changed"
    BIRTH_DATE_SLIP = "birth_date_slip"


@dataclass(frozen=True, slots=True)
class Planted:
    """The truth of one planted entry: its place and the place of the person's first entry
    (indices into the list), and how it was made."""

    first: int
    second: int
    plant: Plant


@dataclass(frozen=True, slots=True)
class SyntheticList:
    """The voters, the planted duplicates, and pairs of twins (who are no duplicates)."""

    voters: tuple[Voter, ...]
    planted: tuple[Planted, ...]
    twins: tuple[tuple[int, int], ...]


def synthesize(
    count: int, *, seed: int, precincts: Sequence[str], election_day: date, duplicates: int = 0
) -> SyntheticList:
    """`count` entries, `duplicates` of them planted; about one person in 90 has a twin."""
    random = np.random.default_rng(seed)
    people: list[Voter] = []
    twins: list[tuple[int, int]] = []
    used: set[str] = set()
    while len(people) < count - duplicates:
        voter = _person(random, used, precincts, election_day)
        people.append(voter)
        if random.random() < 0.011 and len(people) < count - duplicates:
            twins.append((len(people) - 1, len(people)))
            people.append(_twin(random, voter, used))
    planted: list[tuple[int, Plant, Voter]] = []
    sources = random.choice(len(people), size=duplicates, replace=False)
    for number, source in enumerate(sources.tolist()):
        plant = list(Plant)[number % len(Plant)]
        planted.append((source, plant, _plant(random, people[source], plant, used, precincts)))
    # The planted ones lie anywhere in the list.
    order = random.permutation(count)
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    everyone = [*people, *(voter for _, _, voter in planted)]
    truth = [
        _planted(int(place[source]), int(place[len(people) + i]), plant)
        for i, (source, plant, _) in enumerate(planted)
    ]
    return SyntheticList(
        tuple(everyone[i] for i in order.tolist()),
        tuple(truth),
        tuple((int(place[a]), int(place[b])) for a, b in twins),
    )


def _planted(one: int, other: int, plant: Plant) -> Planted:
    return Planted(min(one, other), max(one, other), plant)


def _pick(random: np.random.Generator, names: Sequence[str]) -> str:
    return names[int(random.integers(len(names)))]


def _person(
    random: np.random.Generator, used: set[str], precincts: Sequence[str], day: date
) -> Voter:
    female = bool(random.random() < 0.52)
    birth = day - timedelta(days=int(random.integers(18 * 366, 85 * 365)))
    iin = _fresh_iin(random, birth, female=female, used=used)
    if random.random() < 0.7:
        given = _pick(random, _KAZAKH_WOMEN if female else _KAZAKH_MEN)
        root = _pick(random, _KAZAKH_MEN)
        family = root + _pick(random, _ends(root, female=female))
        father = _pick(random, _KAZAKH_MEN)
        patronymic = father + ("қызы" if female else "ұлы")
    else:
        given = _pick(random, _RUSSIAN_WOMEN if female else _RUSSIAN_MEN)
        family = _pick(random, _RUSSIAN_FAMILY) + ("а" if female else "")
        patronymic = _russian_patronymic(_pick(random, _RUSSIAN_MEN), female=female)
    if random.random() < 0.04:
        patronymic = ""
    return Voter(iin, family, given, patronymic, birth, _pick(random, precincts))


def _ends(root: str, *, female: bool) -> tuple[str, ...]:
    end = "ев" if root[-1] in "йьеиія" else "ов"
    return (end + ("а" if female else ""), "", "бай" if not root.endswith("бай") else "")


def _russian_patronymic(father: str, *, female: bool) -> str:
    if father == "Илья":
        return "Ильинична" if female else "Ильич"
    stem = {"Павел": "Павл", "Пётр": "Петр", "Дмитрий": "Дмитри"}.get(father)
    if stem is None:
        stem = father[:-2] + "ь" if father.endswith("ий") else father.rstrip("йь")
    soft = father[-1] in "йь"
    return stem + ("евна" if soft else "овна") if female else stem + ("евич" if soft else "ович")


def _fresh_iin(random: np.random.Generator, birth: date, *, female: bool, used: set[str]) -> str:
    while True:
        iin = make_iin(birth, female=female, number=int(random.integers(10_000)))
        if iin is not None and iin not in used:
            used.add(iin)
            return iin


def _is_female(voter: Voter) -> bool:
    return int(voter.iin[6]) % 2 == 0


def _twin(random: np.random.Generator, voter: Voter, used: set[str]) -> Voter:
    female = _is_female(voter)
    names = _KAZAKH_WOMEN if female else _KAZAKH_MEN
    given = voter.given_name
    while given == voter.given_name:
        given = _pick(random, names)
    iin = _fresh_iin(random, voter.birth_date, female=female, used=used)
    return replace(voter, iin=iin, given_name=given)


def _plant(
    random: np.random.Generator,
    voter: Voter,
    plant: Plant,
    used: set[str],
    precincts: Sequence[str],
) -> Voter:
    female = _is_female(voter)
    moved = replace(voter, precinct=_pick(random, precincts))
    if plant is Plant.SAME_IIN:
        return moved
    if plant is Plant.BIRTH_DATE_SLIP:
        birth = _slip_date(random, voter.birth_date)
        return replace(
            moved, birth_date=birth, iin=_fresh_iin(random, birth, female=female, used=used)
        )
    other = replace(moved, iin=_fresh_iin(random, voter.birth_date, female=female, used=used))
    if plant is Plant.RUSSIAN_LETTERS:
        return _spelled(other, lambda text: text.translate(_RUSSIFIED))
    if plant is Plant.LATIN_LETTERS:
        return _spelled(other, _latin)
    if plant is Plant.NAMES_SWAPPED:
        return replace(other, family_name=voter.given_name, given_name=voter.family_name)
    if plant is Plant.TYPING_SLIP:
        return replace(other, family_name=_slip(random, voter.family_name))
    while True:
        family = _pick(random, _RUSSIAN_FAMILY) + ("а" if female else "")
        if family != voter.family_name:
            return replace(other, family_name=family)


def _spelled(voter: Voter, spell: Callable[[str], str]) -> Voter:
    return replace(
        voter,
        family_name=spell(voter.family_name),
        given_name=spell(voter.given_name),
        patronymic=spell(voter.patronymic),
    )


def _latin(text: str) -> str:
    return "".join(_LATIN[c.lower()].capitalize() if c.isupper() else _LATIN[c] for c in text)


def _slip(random: np.random.Generator, name: str) -> str:
    """One letter left out, doubled, or swapped with its neighbour."""
    at = int(random.integers(1, len(name) - 1))
    kind = int(random.integers(3))
    if kind == 0:
        return name[:at] + name[at + 1 :]
    if kind == 1:
        return name[:at] + name[at] + name[at:]
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :]


def _slip_date(random: np.random.Generator, birth: date) -> date:
    """Day and month swapped where that is a date, else another day of the same ten."""
    if birth.day <= 12 and birth.day != birth.month:
        return birth.replace(month=birth.day, day=birth.month)
    tens, ones = divmod(birth.day, 10)
    while True:
        day = tens * 10 + int(random.integers(0, 10))
        if day != tens * 10 + ones and 1 <= day <= 28:
            return birth.replace(day=day)
        if tens == 3:
            return birth.replace(day=20 + ones)

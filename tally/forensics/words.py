"""What the pictures say, in Kazakh, Russian and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Language = Literal["kk", "ru", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("kk", "ru", "en")

NOTICE: Final[Mapping[str, str]] = {
    "en": "Leads, not proof. Honest elections can show these patterns, and false ones can hide "
    "them. A lead asks for one thing: to look at the protocol, the log and the paper.",
    "ru": "Это признаки, а не доказательства. Честные выборы могут дать такую картину, а "
    "нечестные — скрыть её. Признак означает одно: проверить протокол, журнал и бюллетени.",
    "kk": "Бұл — белгілер, дәлел емес. Адал сайлау да мұндай көрініс бере алады, ал адал емесі "
    "оны жасыра алады. Белгі бір нәрсені білдіреді: хаттаманы, журналды және бюллетеньдерді "
    "тексеру керек.",
}

#: Short words: key → language → text.
SAY: Final[Mapping[str, Mapping[str, str]]] = {
    "title": {
        "en": "Leads for auditors",
        "ru": "Признаки для проверки",
        "kk": "Тексеруге арналған белгілер",
    },
    "looked_at": {
        "en": "{n} precincts looked at; {left} left out (fewer than {least} voters, more ballots "
        "than voters, or no list)",
        "ru": "Рассмотрено участков: {n}; не вошло: {left} (меньше {least} избирателей, "
        "бюллетеней больше избирателей или нет списка)",
        "kk": "Қаралған учаскелер: {n}; кірмегені: {left} (сайлаушы {least}-ден аз, бюллетень "
        "сайлаушыдан көп немесе тізім жоқ)",
    },
    "more": {
        "en": "Precincts with more ballots than voters on the list: {n}",
        "ru": "Участки, где бюллетеней больше, чем избирателей в списке: {n}",
        "kk": "Бюллетень саны тізімдегі сайлаушылардан көп учаскелер: {n}",
    },
    "corner": {
        "en": "Precincts with turnout and share of 95 % and more: {n}",
        "ru": "Участки с явкой и долей от 95 %: {n}",
        "kk": "Қатысу мен үлес 95 % және одан жоғары учаскелер: {n}",
    },
    "rate": {
        "en": "All judged tests together give a lead in at most {rate} of clean elections; each "
        "is judged at {level}.",
        "ru": "Все оцениваемые тесты вместе дают признак не более чем в {rate} чистых выборов; "
        "порог каждого — {level}.",
        "kk": "Бағаланатын тестілердің бәрі таза сайлаулардың {rate}-нан аспайтынында белгі "
        "береді; әрқайсысының шегі — {level}.",
    },
    "test": {"en": "Test", "ru": "Тест", "kk": "Тест"},
    "numbers": {"en": "Numbers", "ru": "Чисел", "kk": "Сан"},
    "found": {"en": "Found", "ru": "Найдено", "kk": "Табылғаны"},
    "usual": {"en": "Usual", "ru": "Обычно", "kk": "Әдеттегісі"},
    "chance": {
        "en": "Chance in a\nclean election",
        "ru": "Вероятность при\nчистых выборах",
        "kk": "Таза сайлаудағы\nықтималдық",
    },
    "lead": {"en": "Lead", "ru": "Признак", "kk": "Белгі"},
    "yes": {"en": "LEAD", "ru": "ПРИЗНАК", "kk": "БЕЛГІ"},
    "no": {"en": "none", "ru": "нет", "kk": "жоқ"},
    "not_judged": {"en": "not judged", "ru": "не оценивается", "kk": "бағаланбайды"},
    "too_few": {"en": "too few numbers", "ru": "мало чисел", "kk": "сан аз"},
    "turnout": {"en": "turnout, %", "ru": "явка, %", "kk": "қатысу, %"},
    "share": {
        "en": "share of {option}, %",
        "ru": "доля: {option}, %",
        "kk": "үлесі: {option}, %",
    },
    "precincts": {"en": "precincts", "ru": "участков", "kk": "учаске саны"},
    "votes_for": {"en": "votes", "ru": "голосов", "kk": "дауыс"},
    "others": {"en": "all others", "ru": "все остальные", "kk": "қалғандары"},
    "usual_line": {
        "en": "usual (binomial around each precinct's own)",
        "ru": "обычно (биномиально вокруг значения участка)",
        "kk": "әдеттегісі (учаске мәнінің айналасындағы биномдық)",
    },
    "digit": {"en": "digit", "ru": "цифра", "kk": "цифр"},
    "of_votes": {"en": "votes of {option}", "ru": "голоса: {option}", "kk": "дауыстар: {option}"},
    "of_ballots": {"en": "ballots", "ru": "бюллетени", "kk": "бюллетеньдер"},
    "uniform": {"en": "uniform", "ru": "равномерно", "kk": "бірқалыпты"},
    "benford": {"en": "Benford's law", "ru": "закон Бенфорда", "kk": "Бенфорд заңы"},
    "breached": {
        "en": "precincts that break the ratio, % of those counted",
        "ru": "участки, нарушающие соотношение, % от подсчитанных",
        "kk": "арақатынасты бұзатын учаскелер, саналғандардың %-ы",
    },
    "no_ratios": {
        "en": "No control ratio was evaluated in this result.",
        "ru": "В этом результате контрольные соотношения не вычислялись.",
        "kk": "Бұл нәтижеде бақылау арақатынастары есептелмеген.",
    },
    "whole_country": {"en": "all", "ru": "все", "kk": "барлығы"},
    "read": {"en": "How to read it", "ru": "Как читать", "kk": "Қалай оқу керек"},
    "limits": {"en": "Limits", "ru": "Ограничения", "kk": "Шектері"},
    "page": {"en": "page {n}", "ru": "стр. {n}", "kk": "{n}-бет"},
}

TESTS: Final[Mapping[str, Mapping[str, str]]] = {
    "whole_turnout": {
        "en": "Turnout at whole percentages",
        "ru": "Явка на целых процентах",
        "kk": "Қатысу бүтін пайызда",
    },
    "fives_turnout": {
        "en": "Turnout at multiples of 5 %",
        "ru": "Явка, кратная 5 %",
        "kk": "Қатысу 5 %-ға еселі",
    },
    "whole_share": {
        "en": "Share at whole percentages",
        "ru": "Доля на целых процентах",
        "kk": "Үлес бүтін пайызда",
    },
    "fives_share": {
        "en": "Share at multiples of 5 %",
        "ru": "Доля, кратная 5 %",
        "kk": "Үлес 5 %-ға еселі",
    },
    "last_digit_votes": {
        "en": "Last digits of the votes",
        "ru": "Последние цифры голосов",
        "kk": "Дауыстардың соңғы цифрлары",
    },
    "last_digit_ballots": {
        "en": "Last digits of the ballots",
        "ru": "Последние цифры бюллетеней",
        "kk": "Бюллетеньдердің соңғы цифрлары",
    },
    "second_digit_votes": {
        "en": "Second digits of the votes",
        "ru": "Вторые цифры голосов",
        "kk": "Дауыстардың екінші цифрлары",
    },
    "share_turnout": {
        "en": "Share rises with turnout",
        "ru": "Доля растёт с явкой",
        "kk": "Үлес қатысумен бірге өседі",
    },
}

#: Of each page: heading, how to read it, its limits.
PAGES: Final[Mapping[str, Mapping[str, tuple[str, str, str]]]] = {
    "share_turnout": {
        "en": (
            "Share against turnout",
            "Each precinct at its turnout and share (Klimek and others 2012). Without stuffing, a "
            "cloud. Papers stuffed for one side push precincts up and to the right; figures that "
            "were made up gather near 100 % and 100 %.",
            "Town and country, army and hospital stations differ honestly in both: a slanting "
            "cloud or two clouds need no fraud. Compared within regions only; differences inside "
            "a region remain.",
        ),
        "ru": (
            "Доля и явка",
            "Каждый участок — точка по явке и доле (Klimek и др., 2012). Без вбросов это облако. "
            "Вброс за одну сторону смещает участки вверх и вправо; выдуманные числа собираются "
            "у 100 % и 100 %.",
            "Город и село, воинские части и больницы честно отличаются и тем и другим: наклонное "
            "облако или два облака не требуют фальсификации. Сравнение только внутри областей; "
            "различия внутри области остаются.",
        ),
        "kk": (
            "Үлес және қатысу",
            "Әр учаске қатысуы мен үлесі бойынша бір нүкте (Klimek және басқалар, 2012). Бюллетень "
            "тасталмаса, бұл — бір бұлт. Бір жаққа тасталған бюллетеньдер учаскелерді жоғары және "
            "оңға жылжытады; ойдан шығарылған сандар 100 % пен 100 % маңына жиналады.",
            "Қала мен ауыл, әскери бөлім мен аурухана екеуінде де адал түрде ерекшеленеді: көлбеу "
            "бұлт немесе екі бұлт бұрмалауды білдірмейді. Салыстыру тек облыс ішінде; облыс "
            "ішіндегі айырма қалады.",
        ),
    },
    "votes_turnout": {
        "en": (
            "Votes by turnout",
            "How many votes came from precincts of each turnout (Shpilkin 2009). If turnout had "
            "nothing to do with the choice, both curves would have one shape.",
            "Honest differences between places change the shapes as well. Not tested here: a "
            "picture only.",
        ),
        "ru": (
            "Голоса по явке",
            "Сколько голосов пришло с участков с каждой явкой (Шпилькин, 2009). Если явка не "
            "связана с выбором, обе кривые имеют одну форму.",
            "Честные различия между местностями тоже меняют форму. Здесь не проверяется: только "
            "картина.",
        ),
        "kk": (
            "Қатысу бойынша дауыстар",
            "Әр қатысу деңгейіндегі учаскелерден қанша дауыс келді (Шпилькин, 2009). Қатысу "
            "таңдауға байланысты болмаса, екі қисықтың пішіні бірдей.",
            "Жерлер арасындағы адал айырма да пішінді өзгертеді. Мұнда тексерілмейді: тек көрініс.",
        ),
    },
    "turnout": {
        "en": (
            "Turnout, with whole percentages",
            "Precincts by turnout. The line is what is usual around each precinct's own figure. "
            "Spikes on whole percentages, above all on 70, 75, 80, are what numbers written to "
            "order leave (Kobak, Shpilkin, Pshenichnikov 2016).",
            "Needs hundreds of precincts. Small ones have few possible percentages: they are "
            "reckoned with, but say little. Fraud that does not round leaves no spike. Figures of "
            "0 and 100 % count as usual.",
        ),
        "ru": (
            "Явка и целые проценты",
            "Участки по явке. Линия — обычное вокруг собственного значения участка. Пики на целых "
            "процентах, прежде всего на 70, 75, 80, оставляют числа, написанные под заказ (Кобак, "
            "Шпилькин, Пшеничников, 2016).",
            "Нужны сотни участков. У малых мало возможных процентов: это учтено, но говорит мало. "
            "Фальсификация без округления пиков не даёт. Значения 0 и 100 % считаются обычными.",
        ),
        "kk": (
            "Қатысу және бүтін пайыздар",
            "Учаскелер қатысуы бойынша. Сызық — учаскенің өз мәнінің айналасындағы әдеттегі "
            "жағдай. Бүтін пайыздардағы, әсіресе 70, 75, 80-дегі шыңдарды тапсырыспен жазылған "
            "сандар қалдырады (Кобак, Шпилькин, Пшеничников, 2016).",
            "Жүздеген учаске керек. Шағын учаскелерде мүмкін пайыз аз: ол ескерілген, бірақ аз "
            "айтады. Дөңгелектемейтін бұрмалау шың қалдырмайды. 0 және 100 % әдеттегі болып "
            "саналады.",
        ),
    },
    "share": {
        "en": (
            "Share, with whole percentages",
            "The same for the share of the strongest option.",
            "As for turnout. A share has more small denominators than turnout.",
        ),
        "ru": (
            "Доля и целые проценты",
            "То же для доли сильнейшего варианта.",
            "Как для явки. У доли чаще малые знаменатели.",
        ),
        "kk": (
            "Үлес және бүтін пайыздар",
            "Ең күшті нұсқаның үлесі үшін де солай.",
            "Қатысудағыдай. Үлестің бөлімі жиі шағын болады.",
        ),
    },
    "last_digits": {
        "en": (
            "Last digits",
            "Last digits of counts of 100 and more. In honest counts all ten are equally frequent; "
            "people who invent numbers prefer some (Beber, Scacco 2012).",
            "Numbers that were moved or added to by rule keep even digits. Limits set by law (a "
            "largest precinct) or rounding by honest clerks make them uneven. Small counts cannot "
            "be tested.",
        ),
        "ru": (
            "Последние цифры",
            "Последние цифры чисел от 100. В честном подсчёте все десять одинаково часты; люди, "
            "выдумывающие числа, предпочитают некоторые (Beber, Scacco, 2012).",
            "Числа, к которым прибавили по правилу, сохраняют ровные цифры. Пределы закона "
            "(наибольший участок) или округление честными людьми делают их неровными. Малые числа "
            "проверить нельзя.",
        ),
        "kk": (
            "Соңғы цифрлар",
            "100 және одан үлкен сандардың соңғы цифрлары. Адал санауда оның бәрі бірдей жиі; сан "
            "ойлап табатын адамдар кейбірін артық көреді (Beber, Scacco, 2012).",
            "Ереже бойынша қосылған сандардың цифрлары біркелкі қалады. Заң шегі (ең үлкен учаске) "
            "немесе адал адамдардың дөңгелектеуі оларды біркелкі емес етеді. Шағын сандарды "
            "тексеру мүмкін емес.",
        ),
    },
    "second_digits": {
        "en": (
            "Second digits and Benford's law: shown, not judged",
            "Second digits of the votes beside Benford's law (Mebane 2006).",
            "Clean elections break this law, as precincts are made of like size, and false ones "
            "may keep it (Deckert, Myagkov, Ordeshook 2011). It gives no lead here.",
        ),
        "ru": (
            "Вторые цифры и закон Бенфорда: показано, не оценивается",
            "Вторые цифры голосов рядом с законом Бенфорда (Mebane, 2006).",
            "Чистые выборы нарушают этот закон, так как участки делают одного размера, а нечестные "
            "могут его соблюсти (Deckert, Myagkov, Ordeshook, 2011). Признаком здесь не служит.",
        ),
        "kk": (
            "Екінші цифрлар және Бенфорд заңы: көрсетіледі, бағаланбайды",
            "Дауыстардың екінші цифрлары Бенфорд заңымен қатар (Mebane, 2006).",
            "Учаскелер шамалас етіп құрылатындықтан, таза сайлау бұл заңды бұзады, ал адал емесі "
            "сақтай алады (Deckert, Myagkov, Ordeshook, 2011). Мұнда белгі бермейді.",
        ),
    },
    "ratios": {
        "en": (
            "Control ratios",
            "Where precincts' figures break the profile's equations, by region. A breach is a fact "
            "about a protocol: its figures are listed with the result.",
            "Most breaches are slips of tired people. Whoever makes all figures up can make them "
            "add up: no breach is no proof either.",
        ),
        "ru": (
            "Контрольные соотношения",
            "Где числа участков нарушают равенства профиля, по областям. Нарушение — факт о "
            "протоколе: его числа перечислены в результате.",
            "Большинство нарушений — описки уставших людей. Кто выдумывает все числа, может и "
            "свести их: отсутствие нарушений тоже не доказательство.",
        ),
        "kk": (
            "Бақылау арақатынастары",
            "Учаскелердің сандары профиль теңдіктерін қай облыста бұзады. Бұзушылық — хаттама "
            "туралы факт: сандары нәтижеде тізілген.",
            "Бұзушылықтардың көбі — шаршаған адамдардың қатесі. Барлық санды ойлап тапқан адам "
            "оларды сәйкестендіре алады: бұзушылықтың жоқтығы да дәлел емес.",
        ),
    },
}


def say(key: str, language: Language, **values: object) -> str:
    """A short text with its values."""
    return SAY[key][language].format(**values)

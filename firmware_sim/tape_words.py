"""The words of the tapes in Kazakh, Russian and English."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "zero_tape": {"kk": "НӨЛДІК ТАСПА", "ru": "НУЛЕВАЯ ЛЕНТА", "en": "ZERO TAPE"},
        "results_tape": {
            "kk": "НӘТИЖЕЛЕР ТАСПАСЫ",
            "ru": "ЛЕНТА РЕЗУЛЬТАТОВ",
            "en": "RESULTS TAPE",
        },
        "official": {"kk": "Ресми режим", "ru": "Официальный режим", "en": "Official mode"},
        "test": {
            "kk": "СЫНАҚ: НӘТИЖЕ ЕМЕС",
            "ru": "ПРОБА: НЕ РЕЗУЛЬТАТ",
            "en": "TEST: NOT A RESULT",
        },
        "unidentified": {
            "kk": "Адамдар анықталмаған (сынақ стенді)",
            "ru": "Участники не опознаны (стенд)",
            "en": "People not identified (bench)",
        },
        "precinct": {"kk": "Учаске", "ru": "Участок", "en": "Precinct"},
        "together": {
            "kk": "БАРЛЫҚ УЧАСКЕЛЕР БІРГЕ",
            "ru": "ВСЕ УЧАСТКИ ВМЕСТЕ",
            "en": "ALL PRECINCTS TOGETHER",
        },
        "device": {"kk": "Құрылғы", "ru": "Устройство", "en": "Device"},
        "time": {"kk": "Уақыты (UTC)", "ru": "Время (UTC)", "en": "Time (UTC)"},
        "opened": {"kk": "Ашылды (UTC)", "ru": "Открыто (UTC)", "en": "Opened (UTC)"},
        "closed": {"kk": "Жабылды (UTC)", "ru": "Закрыто (UTC)", "en": "Closed (UTC)"},
        "closing": {
            "kk": "Жабу нөмірі (алдыңғы таспалар жарамсыз)",
            "ru": "Номер закрытия (прежние ленты недействительны)",
            "en": "Closing number (earlier tapes are void)",
        },
        "paused": {
            "kk": "ДАУЫС БЕРУ ТОҚТАТЫЛДЫ",
            "ru": "ГОЛОСОВАНИЕ ПРИОСТАНОВЛЕНО",
            "en": "POLLS PAUSED",
        },
        "resumed": {
            "kk": "ДАУЫС БЕРУ ЖАЛҒАСТЫ",
            "ru": "ГОЛОСОВАНИЕ ПРОДОЛЖЕНО",
            "en": "POLLS RESUMED",
        },
        "reopened": {
            "kk": "ЖАБУ КҮШІН ЖОЙДЫ",
            "ru": "ЗАКРЫТИЕ ОТМЕНЕНО",
            "en": "CLOSE UNDONE",
        },
        "printer_test": {
            "kk": "ПРИНТЕРДІ СЫНАУ",
            "ru": "ПРОВЕРКА ПРИНТЕРА",
            "en": "PRINTER TEST",
        },
        "recorded": {"kk": "Жазбалар", "ru": "Записей", "en": "Records"},
        "election_hash": {
            "kk": "Сайлау анықтамасының хеші",
            "ru": "Хеш определения выборов",
            "en": "Election definition hash",
        },
        "code_hash": {
            "kk": "Бағдарлама хеші",
            "ru": "Хеш программы",
            "en": "Software hash",
        },
        "records_hash": {"kk": "Жазбалар хеші", "ru": "Хеш записей", "en": "Records hash"},
        "box_empty": {
            "kk": "Жәшік бос, дауыс жоқ",
            "ru": "Ящик пуст, голосов нет",
            "en": "Box empty, no votes",
        },
        "control_numbers": {
            "kk": "Бақылау сандары",
            "ru": "Контрольные числа",
            "en": "Control numbers",
        },
        "registered": {
            "kk": "Тізімдегі сайлаушылар",
            "ru": "Избирателей в списке",
            "en": "Voters on the list",
        },
        "sheets_fed": {"kk": "Сканерге салынды", "ru": "Подано в сканер", "en": "Fed to scanner"},
        "sheets": {
            "kk": "Жәшіктегі бюллетеньдер",
            "ru": "Бюллетеней в ящике",
            "en": "Sheets in box",
        },
        "box_counter": {
            "kk": "Сканердің жәшік есептегіші",
            "ru": "Счётчик ящика на сканере",
            "en": "Scanner's box counter",
        },
        "box_read": {
            "kk": "Жәшік есептегішін адам оқыды",
            "ru": "Счётчик ящика, прочитан человеком",
            "en": "Box counter as read by a person",
        },
        "box_by_hand": {
            "kk": "Сканер жауап бермеді: жәшік саны қолмен енгізілді, тексерілмеген",
            "ru": "Сканер не отвечал: число в ящике введено вручную и не проверено",
            "en": "Scanner dead at the close: box count entered by hand, not checked",
        },
        "box_not_known": {
            "kk": "Сканер жауап бермеді: жәшіктегі қағаз саны белгісіз",
            "ru": "Сканер не отвечал: число в ящике неизвестно",
            "en": "Scanner dead at the close: box count not known, not checked",
        },
        "box_differs": {
            "kk": "Жәшік пен жазбалар сәйкес емес: қағазды қолмен санаңыз",
            "ru": "Ящик и записи расходятся: пересчитайте бумагу вручную",
            "en": "Box and records differ: count the paper by hand",
        },
        "issued": {
            "kk": "Берілген бюллетеньдер",
            "ru": "Выдано бюллетеней",
            "en": "Ballots issued",
        },
        "valid": {"kk": "Жарамды", "ru": "Действительных", "en": "Valid"},
        "invalid": {"kk": "Жарамсыз", "ru": "Недействительных", "en": "Invalid"},
        "needs_review": {
            "kk": "Адам қарауы керек",
            "ru": "На просмотр человеком",
            "en": "For a person to review",
        },
        "returned": {"kk": "Қайтарылды", "ru": "Возвращено", "en": "Returned"},
        "refused": {"kk": "Қабылданбады", "ru": "Не принято", "en": "Refused"},
        "overvotes": {"kk": "Артық белгі", "ru": "Лишние отметки", "en": "Overvotes"},
        "undervotes": {
            "kk": "Пайдаланылмаған дауыс",
            "ru": "Недоданные голоса",
            "en": "Undervotes",
        },
        "write_in": {"kk": "Жазылған үміткер", "ru": "Вписанный кандидат", "en": "Write-in"},
        "holds": {"kk": "сақталды", "ru": "соблюдается", "en": "holds"},
        "breached": {"kk": "САҚТАЛМАДЫ", "ru": "НЕ СОБЛЮДАЕТСЯ", "en": "DOES NOT HOLD"},
        "not_evaluable": {
            "kk": "сан жоқ, тексерілмеді",
            "ru": "нет числа, не проверено",
            "en": "no figure, not checked",
        },
        "broken_tape": {
            "kk": "Принтер тоқтап қалды. Бұған дейін басылып, аяғы жоқ таспа жарамсыз. "
            "Толық таспа осыдан кейін басталады",
            "ru": "Принтер останавливался. Лента выше, у которой нет конца, недействительна. "
            "Полная лента начинается после этого листка",
            "en": "The printer had stopped. A tape above this that has no end is void. The "
            "whole tape begins after this slip",
        },
        "sign": {
            "kk": "Комиссия мүшелерінің қолдары",
            "ru": "Подписи членов комиссии",
            "en": "Signatures of the commission",
        },
        "codes": {
            "kk": "Қол қойылған нәтиже: барлық кодты суретке түсіріңіз",
            "ru": "Подписанный итог: сфотографируйте все коды",
            "en": "Signed results: photograph all codes",
        },
    }
)


def word(key: str, language: str) -> str:
    """A word in a language; in English where it has none of that language."""
    return WORDS[key].get(language, WORDS[key]["en"])

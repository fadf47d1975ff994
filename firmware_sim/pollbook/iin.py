"""Kazakhstan's individual identification number (IIN, ЖСН, ИИН): twelve digits.

Sources: Law No. 223 of 12 January 2007 "On national registers of identification numbers";
Government decree No. 565 of 11 June 2003 (the programme that describes the structure and the
control digit) and the rules of decree No. 406 of 22 May 2007:

| digits | meaning |
|---|---|
| 1-6 | date of birth, YYMMDD |
| 7 | century and sex: 1, 2 the 1800s, 3, 4 the 1900s, 5, 6 the 2000s; odd male, even female |
| 8-11 | number in the register |
| 12 | control digit |

Control digit: the sum of digit x weight over digits 1 to 11, modulo 11, with weights 1 to 11;
where that is 10, again with weights 3 to 11, 1, 2; where it is 10 again, the number is not
given out.

**A birth date other than the holder's is no error.** Decree No. 853 of 26 August 2013 took the
tie to personal data out of the rules: a number once given stays, whatever is corrected later.
So the control digit decides whether a number can be one; date and sex are only read from it
as a hint (`born`), and a difference goes on the list for review (SEED-01).
"""

from __future__ import annotations

import re
from datetime import date

from firmware_sim.pollbook.errors import IinError

_FIRST = tuple(range(1, 12))
_SECOND = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
_CENTURIES = {1: 1800, 2: 1800, 3: 1900, 4: 1900, 5: 2000, 6: 2000}
_TWELVE = re.compile(r"[0-9]{12}")


def control_digit(first_eleven: str) -> int | None:
    """The twelfth digit for eleven digits; None: such a number is not given out."""
    digits = [int(character) for character in first_eleven]
    for weights in (_FIRST, _SECOND):
        rest = sum(d * w for d, w in zip(digits, weights, strict=True)) % 11
        if rest < 10:
            return rest
    return None


def checked_iin(text: str) -> str:
    """The number, if it can be one.

    Raises:
        IinError: not twelve digits 0 to 9, or the control digit does not fit. The number is
            not repeated in the error: errors end up in logs.
    """
    if not _TWELVE.fullmatch(text):
        raise IinError("an identification number has twelve digits 0 to 9, nothing else")
    expected = control_digit(text[:11])
    if expected is None:
        raise IinError("no identification number begins with these eleven digits; look again")
    if int(text[11]) != expected:
        raise IinError("the control digit does not fit the other eleven digits; look again")
    return text


def born(iin: str) -> date | None:
    """The date that digits 1 to 7 spell; None where they spell none (see above: a hint)."""
    century = _CENTURIES.get(int(iin[6]))
    if century is None:
        return None
    try:
        return date(century + int(iin[:2]), int(iin[2:4]), int(iin[4:6]))
    except ValueError:
        return None


def make_iin(birth: date, *, female: bool, number: int) -> str | None:
    """The IIN of these data (`number` 0 to 9999); None where it is not given out."""
    seventh = {18: 1, 19: 3, 20: 5}[birth.year // 100] + int(female)
    eleven = f"{birth:%y%m%d}{seventh}{number:04d}"
    last = control_digit(eleven)
    return None if last is None else f"{eleven}{last}"


def masked(iin: str) -> str:
    """What is shown instead of the number: its last four digits, `••••••••1234`."""
    return "•" * 8 + iin[-4:]

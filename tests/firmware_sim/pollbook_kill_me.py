"""A check-in desk that runs until it is killed: see `test_pollbook_kill.py`.

Usage: python pollbook_kill_me.py BOOK COUNT

Checks voters 0 to COUNT - 1 in, each with an addition or replaced ballot now and then; says
"N" before voter N is asked, and "N issued" when a ballot may be handed out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.checkin import check_in, replace_ballot
from firmware_sim.pollbook.errors import CheckInRefusedError, Refusal
from tests.firmware_sim.pollbook_world import MEMBER, MORNING, UNLOCK, person, visit


def say(word: str) -> None:
    """One line, whole, at once."""
    os.write(1, f"{word}\n".encode())


def main() -> None:
    path, count = Path(sys.argv[1]), int(sys.argv[2])
    with Book.open(path, UNLOCK) as opened:
        say("open")
        for number in range(count):
            voter = person(number)
            say(str(number))
            addition = None if number % 5 else voter.to_json()
            try:
                check_in(opened, visit(voter, addition=addition, ground="new address"))
            except CheckInRefusedError as refused:
                if refused.refusal is not Refusal.ALREADY_VOTED:
                    raise
                continue
            say(f"{number} issued")
            if number % 7 == 0:
                replace_ballot(opened, voter.iin, "list", by=MEMBER, at=MORNING)
                say(f"{number} replaced")
    say("over")


if __name__ == "__main__":
    main()

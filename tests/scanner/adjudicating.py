"""Queues without pictures for tests of adjudication: one US sheet form, one Kazakh."""

from __future__ import annotations

from election.model import Election
from election.profile import Profile, load_profile
from scanner.adjudication.queue import ItemContest, Queue, QueueItem, TargetEvidence, make_queue
from scanner.adjudication.queue import Reason as Why
from scanner.reading import ContestReading, ContestStatus, MarkClass
from scanner.record import CastVoteRecord

NAME = {"en": "Name"}
US = load_profile("us-general")
KZ = load_profile("kz-majilis")


def _election(profile: str, contests: list[dict[str, object]]) -> Election:
    return Election.model_validate(
        {
            "id": f"test-{profile}",
            "title": NAME,
            "date": "2026-11-03",
            "profile": profile,
            "languages": ["en"],
            "districts": [{"id": "d", "name": NAME}],
            "precincts": [{"id": "p1", "name": NAME, "districts": ["d"]}],
            "contests": contests,
            "ballot_styles": [
                {"id": "s1", "contests": [c["id"] for c in contests], "precincts": ["p1"]}
            ],
        }
    )


COUNCIL = _election(
    "us-general",
    [
        {
            "id": "council",
            "title": NAME,
            "district": "d",
            "kind": "candidate",
            "votes_allowed": 2,
            "seats": 2,
            "write_ins": 2,
            "options": [{"id": o, "name": {"en": o.title()}} for o in ("ana", "ben", "col")],
        },
        {
            "id": "bond",
            "title": NAME,
            "district": "d",
            "kind": "measure",
            "options": [{"id": "yes", "name": NAME}, {"id": "no", "name": NAME}],
        },
    ],
)
LISTS = _election(
    "kz-majilis",
    [
        {
            "id": "list",
            "title": NAME,
            "district": "d",
            "kind": "party_list",
            "options": [
                {"id": "reds", "name": NAME},
                {"id": "blues", "name": NAME},
                {"id": "none", "name": NAME, "kind": "against_all"},
            ],
        }
    ],
)

#: What the machine reads in the Kazakh items: in doubt, and clearly two marks.
HELD = ContestReading("list", (), ("reds",), (), ContestStatus.NEEDS_REVIEW, 0, 0)
TWO_MARKS = ContestReading("list", ("reds", "blues"), (), (), ContestStatus.OVERVOTE, 0, 1)
#: And in the US ones: a doubtful mark, too many, a marked write-in line; a clear measure.
DOUBT = ContestReading("council", ("ana",), ("ben",), (), ContestStatus.NEEDS_REVIEW, 0, 0)
OVER = ContestReading("council", ("ana", "ben", "col"), (), (), ContestStatus.OVERVOTE, 0, 2)
WRITTEN = ContestReading(
    "council", ("write-in-0",), (), ("write-in-0",), ContestStatus.UNDERVOTE, 1, 0
)
YES = ContestReading("bond", ("yes",), (), ("yes",), ContestStatus.VALID, 0, 0)


def item(
    number: int, election: Election, *readings: ContestReading, written: tuple[str, ...] = ()
) -> QueueItem:
    """An item that asks for the first of the readings."""
    first = readings[0]
    held = first.status is ContestStatus.NEEDS_REVIEW
    void = election.profile == "kz-majilis" and len(first.marked) > 1
    record = CastVoteRecord(
        record_id=f"{number:032x}",
        election_hash=election.hash,
        ballot_style_id="s1",
        precinct_id="p1",
        valid=not void,
        invalid_ground="more_than_one_mark" if void else None,
        needs_review=held,
        contests=readings,
    )
    targets = tuple(
        TargetEvidence(
            option_id=option,
            mark=MarkClass.MARK
            if option in first.marked
            else MarkClass.MARGINAL
            if option in first.marginal
            else MarkClass.NO_MARK,
            score=0.1,
            written=option in written if option.startswith("write-in") else None,
        )
        for option in election.contest(first.contest_id).option_ids()
    )
    return QueueItem(
        id=record.record_id,
        record=record,
        pages=(),
        contests=(
            ItemContest(
                contest_id=first.contest_id,
                must_decide=held,
                reasons=(Why(kind="marginal_mark" if held else "overvote", detail="look"),),
                targets=targets,
            ),
        ),
    )


def us_queue(profile: Profile = US) -> Queue:
    """Items 1 to 4: doubt, overvote, marked and written line, doubt with a written line."""
    return make_queue(
        COUNCIL,
        profile,
        [
            item(1, COUNCIL, DOUBT, YES),
            item(2, COUNCIL, OVER, YES),
            item(3, COUNCIL, WRITTEN, YES, written=("write-in-0",)),
            item(4, COUNCIL, DOUBT, YES, written=("write-in-1",)),
        ],
    )


def kz_queue() -> Queue:
    """Items 1 and 2: doubt, two marks."""
    return make_queue(LISTS, KZ, [item(1, LISTS, HELD), item(2, LISTS, TWO_MARKS)])


def two_paper_queue(second: ContestReading) -> Queue:
    """One Kazakh sheet with two contests: the first has two marks, so all of it is void."""
    both = _election(
        "kz-majilis",
        [
            {
                "id": contest,
                "title": NAME,
                "district": "d",
                "kind": "party_list",
                "options": [{"id": "reds", "name": NAME}, {"id": "blues", "name": NAME}],
            }
            for contest in ("list", "mayor")
        ],
    )
    return make_queue(both, KZ, [item(1, both, TWO_MARKS, second)])

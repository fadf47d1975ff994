"""Check-in: two factors, ballots once, control sums (SEED-03, SEED-04, SEED-05)."""

from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from firmware_sim.pollbook.biometrics import Match, Matcher
from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.checkin import Fallback, check_in, replace_ballot
from firmware_sim.pollbook.closing import CloseSheet, close_book, issued_by_style
from firmware_sim.pollbook.duplicates import Ground
from firmware_sim.pollbook.errors import (
    BookError,
    CheckInRefusedError,
    PollbookError,
    Refusal,
    RequestError,
)
from firmware_sim.pollbook.line import ClaimRegister
from firmware_sim.pollbook.papers import RequestKind
from firmware_sim.pollbook.report import book_report, page
from firmware_sim.pollbook.sums import control_sums
from firmware_sim.pollbook.vault import Vault
from firmware_sim.roles import Person, Role
from scanner.accuracy.intervals import clopper_pearson
from tests.firmware_sim.pollbook_world import (
    BEFORE,
    CHAIR,
    DAY,
    ELECTION,
    MATCH,
    MEMBER,
    MISS,
    MORNING,
    UNLOCK,
    Keys,
    book,
    people,
    person,
    visit,
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys.make(tmp_path_factory.mktemp("keys") / "authority")


@pytest.fixture
def ten(tmp_path: Path) -> Iterator[Book]:
    with book(tmp_path / "ten.book", people(10)) as opened:
        yield opened


def refused(opened: Book, asked: object, **more: object) -> Refusal:
    with pytest.raises(CheckInRefusedError) as caught:
        check_in(opened, asked, **more)  # type: ignore[arg-type]
    return caught.value.refusal


# --- the second factor -------------------------------------------------------------------


@pytest.mark.parametrize(("false_match", "false_non_match"), [(0.001, 0.02), (0.01, 0.005)])
def test_measured_match_rates_are_the_stated_ones(
    false_match: float, false_non_match: float
) -> None:
    matcher, count = Matcher(false_match, false_non_match), 400_000
    random = np.random.default_rng(20260315)
    impostors = matcher.scores(count, genuine=False, random=random) >= matcher.threshold
    holders = matcher.scores(count, genuine=True, random=random) < matcher.threshold
    for wrong, stated in ((impostors, false_match), (holders, false_non_match)):
        low, high = clopper_pearson(int(wrong.sum()), count, confidence=0.999)
        assert low <= stated <= high


def test_one_factor_alone_is_never_enough(ten: Book) -> None:
    voter = person(1)
    assert refused(ten, visit(voter, document=None)) is Refusal.DOCUMENT
    assert refused(ten, visit(voter, match=None)) is Refusal.NO_SECOND_FACTOR
    two = Fallback((CHAIR, MEMBER), "card damaged")
    assert refused(ten, visit(voter, document=None, fallback=two)) is Refusal.DOCUMENT
    assert list(ten.roll()) == []
    assert check_in(ten, visit(voter)).method == "biometric"


def test_two_different_officials_must_sign(ten: Book) -> None:
    voter = person(1)
    observer = Person("o-1", Role.OBSERVER)
    technician = Person("t-1", Role.TECHNICIAN)
    for pair in ((CHAIR, CHAIR), (CHAIR, replace(MEMBER, person_id="chair-1"))):
        asked = visit(voter, match=None, fallback=Fallback(pair, "worn fingerprints"))
        assert refused(ten, asked) is Refusal.NO_SECOND_FACTOR
    for other in (observer, technician):
        asked = visit(voter, match=None, fallback=Fallback((CHAIR, other), "worn fingerprints"))
        assert refused(ten, asked) is Refusal.NO_SECOND_FACTOR
    with pytest.raises(RequestError, match="ground"):
        check_in(ten, visit(voter, match=None, fallback=Fallback((CHAIR, MEMBER), " ")))
    issued = check_in(
        ten, visit(voter, match=None, fallback=Fallback((CHAIR, MEMBER), "worn fingerprints"))
    )
    assert issued.method == "two_officials"
    [row] = book_report(ten, official=True)["lists"]["two_officials"]
    assert row["note"] == "chair, member: worn fingerprints"


def test_after_three_failed_comparisons_only_people_decide(ten: Book) -> None:
    voter = person(1)
    for left in ("2 more tries, or two", "1 more try, or two", "no match; two officials"):
        with pytest.raises(CheckInRefusedError, match=left) as refusal:
            check_in(ten, visit(voter, match=MISS))
        assert refusal.value.refusal is Refusal.BIOMETRIC
    assert refused(ten, visit(voter, match=MATCH)) is Refusal.NO_SECOND_FACTOR
    two = Fallback((CHAIR, MEMBER), "no match in three tries")
    assert check_in(ten, visit(voter, match=None, fallback=two)).method == "two_officials"
    assert control_sums(ten)["refusals"] == {"biometric_no_match": 3, "no_second_factor": 1}


def test_a_matcher_score_decides_not_its_name() -> None:
    matcher = Matcher(0.5, 0.5)
    assert matcher.threshold == pytest.approx(0)
    assert not Match(-1.0, matched=False).matched


def test_only_a_member_hands_out_and_only_on_the_day(ten: Book) -> None:
    with pytest.raises(RequestError, match="member"):
        check_in(ten, visit(person(1), by=CHAIR))
    with pytest.raises(RequestError, match="election day"):
        check_in(ten, visit(person(1), at=BEFORE))


# --- once --------------------------------------------------------------------------------


def test_ballots_are_handed_out_once(ten: Book) -> None:
    voter = person(3)
    assert check_in(ten, visit(voter)).styles == ("list", "smd-1")
    assert refused(ten, visit(voter)) is Refusal.ALREADY_VOTED
    assert control_sums(ten)["voters"]["voted"] == 1


def test_a_number_twice_on_the_list_votes_once_and_is_named(tmp_path: Path) -> None:
    voter = person(3)
    with book(tmp_path / "b", [*people(5), replace(voter, family_name="Иной")]) as opened:
        issued = check_in(opened, visit(voter))
        assert any("same iin" in warning for warning in issued.warnings)
        assert refused(opened, visit(voter)) is Refusal.ALREADY_VOTED


def test_who_is_not_on_the_list_is_refused_or_added_apart(ten: Book) -> None:
    stranger = person(40)
    assert refused(ten, visit(stranger)) is Refusal.NOT_ON_LIST
    fields = stranger.to_json()
    with pytest.raises(RequestError, match="ground"):
        check_in(ten, visit(stranger, addition=fields))
    wrong = visit(stranger, addition=fields | {"birth_date": "2010-01-01"}, ground="new address")
    assert refused(ten, wrong) is Refusal.NOT_ON_LIST
    issued = check_in(ten, visit(stranger, addition=fields, ground="lives here, certificate 5"))
    assert (issued.entry, issued.channel) == (11, "added")
    sums = control_sums(ten)["voters"]
    assert (sums["registered"], sums["added"], sums["voted_added"]) == (10, 1, 1)
    [row] = book_report(ten, official=True)["lists"]["additions"]
    assert row["note"] == "lives here, certificate 5"


def test_spoiled_ballots_are_replaced_and_the_sums_hold(tmp_path: Path) -> None:
    with book(tmp_path / "b", people(10), received={"list": 4, "smd-1": 9}) as opened:
        for number in range(3):
            check_in(opened, visit(person(number)))
        assert replace_ballot(opened, person(1).iin, "list", by=MEMBER, at=MORNING) == 1
        with pytest.raises(RequestError, match="not given"):
            replace_ballot(opened, person(7).iin, "list", by=MEMBER, at=MORNING)
        with pytest.raises(RequestError, match="style"):
            replace_ballot(opened, person(1).iin, "other", by=MEMBER, at=MORNING)
        assert refused(opened, visit(person(5))) is Refusal.NO_PAPER
        assert check_in(opened, visit(person(5), styles=("smd-1",))).styles == ("smd-1",)
        styles = control_sums(opened)["styles"]
    assert styles["list"] == {
        "received": 4,
        "handed_out": 4,
        "spoiled": 1,
        "issued": 3,
        "voters": 3,
        "unused": 0,
    }
    assert styles["smd-1"]["unused"] == 5
    for sums in styles.values():
        assert sums["issued"] == sums["voters"]
        assert sums["received"] == sums["issued"] + sums["spoiled"] + sums["unused"]


def test_portable_box_needs_a_request_and_is_listed_apart(ten: Book) -> None:
    voter = person(2)
    assert refused(ten, visit(voter, mobile=True)) is Refusal.NO_MOBILE_REQUEST
    ten.request_mobile(voter.iin, ground="ill, application 3", at=BEFORE)
    check_in(ten, visit(voter, mobile=True))
    sums = control_sums(ten)["voters"]
    assert (sums["mobile_requested"], sums["mobile"]) == (1, 1)
    assert book_report(ten, official=True)["lists"]["mobile"][0]["name"] == voter.name


# --- absentee certificates ---------------------------------------------------------------


def test_a_certificate_votes_once_elsewhere_and_not_at_home(tmp_path: Path, keys: Keys) -> None:
    voter = person(1)
    with (
        book(tmp_path / "one", people(5)) as home,
        book(tmp_path / "two", people(5, "P-2", start=50), "P-2") as away,
    ):
        data = home.issue_certificate(voter.iin, keys.signer("book-1").sign, at=BEFORE)
        again = home.issue_certificate(voter.iin, keys.signer("book-1").sign, at=MORNING)
        assert json.loads(data)["document"] == json.loads(again)["document"]
        assert refused(home, visit(voter)) is Refusal.ABSENTEE_GIVEN
        with_it = visit(voter, certificate=data)
        issued = check_in(away, with_it, verify=keys.verify)
        assert (issued.channel, issued.entry) == ("certificate", 0)
        assert refused(away, with_it, verify=keys.verify) is Refusal.ALREADY_VOTED
        assert control_sums(home)["voters"]["absentee_out"] == 1
        assert control_sums(away)["voters"]["absentee_in"] == 1
        # Another person with the same certificate.
        thief = visit(person(50), certificate=data)
        assert refused(away, thief, verify=keys.verify) is Refusal.CERTIFICATE


def test_a_forged_certificate_is_refused(tmp_path: Path, keys: Keys) -> None:
    voter = person(1)
    with (
        book(tmp_path / "one", people(5)) as home,
        book(tmp_path / "two", people(5, "P-2", start=50), "P-2") as away,
    ):
        good = json.loads(home.issue_certificate(voter.iin, keys.signer("book-1").sign, at=BEFORE))
        # Signed by a key of another precinct than the holder's list.
        foreign = home.issue_certificate(voter.iin, keys.signer("book-2").sign, at=BEFORE)
        forged = [foreign, b"{}", b"\xff"]
        for field, text in (("number", "1"), ("election", "f" * 64)):
            changed = {**good, "document": {**good["document"], field: text}}
            forged.append(json.dumps(changed).encode())
        for data in forged:
            asked = visit(voter, certificate=data)
            assert refused(away, asked, verify=keys.verify) is Refusal.CERTIFICATE


def test_the_line_finds_double_use_while_it_is_up(tmp_path: Path, keys: Keys) -> None:
    line = ClaimRegister.create(tmp_path / "line", election=ELECTION)
    both = person(1, "P-1")
    with (
        book(tmp_path / "one", [both, *people(3, start=10)]) as one,
        book(tmp_path / "two", [replace(both, precinct="P-2")], "P-2") as two,
    ):
        assert check_in(one, visit(both), line=line).online
        assert refused(two, visit(both), line=line) is Refusal.ON_OTHER_LIST
        # A retry after a cut: the claim is this check-in's own.
        again = person(10)
        with pytest.raises(KeyboardInterrupt):
            check_in(one, visit(again), line=_CutAfterClaim(line))
        assert check_in(one, visit(again), line=line).online
        # Without the line the check-in goes on, and says so.
        down = ClaimRegister(tmp_path / "no" / "such" / "place", election=ELECTION)
        assert not check_in(one, visit(person(11)), line=down).online
        assert control_sums(one)["offline"] == 1
    assert stat.S_IMODE((tmp_path / "line").stat().st_mode) == 0o600


def test_a_register_that_is_not_there_is_not_made_and_not_online(tmp_path: Path, ten: Book) -> None:
    """A slip in the path once made each desk a register of its own, and all of them "online"."""
    typo = tmp_path / "lien"
    issued = check_in(ten, visit(person(1)), line=ClaimRegister(typo, election=ELECTION))
    assert not issued.online
    assert any("lien" in warning for warning in issued.warnings)
    assert not typo.exists()


def test_what_is_no_register_of_this_election_is_refused(tmp_path: Path, ten: Book) -> None:
    """Going on as if the line were down would hide a wrong path all day."""
    other = ClaimRegister.create(tmp_path / "other", election="f" * 64)
    with pytest.raises(PollbookError, match="already"):
        ClaimRegister.create(tmp_path / "other", election=ELECTION)
    assert other.claim("voter", "1", precinct="P-1", slip="a") is None
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("a list of names, no database at all\n" * 40)
    for name, why in (
        ("other", "another election"),
        ("ten.book", "no central register"),
        ("empty", "no central register"),
        ("text", "no central register"),
    ):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(PollbookError, match=why):
            check_in(ten, visit(person(1)), line=ClaimRegister(tmp_path / name, election=ELECTION))
        assert (tmp_path / name).read_bytes() == before
    assert list(ten.roll()) == []


class _CutAfterClaim:
    """A line that takes the claim down; the desk is cut before it hears so."""

    def __init__(self, line: ClaimRegister) -> None:
        self._line = line

    def claim(self, what: str, key: str, *, precinct: str, slip: str) -> str | None:
        self._line.claim(what, key, precinct=precinct, slip=slip)
        raise KeyboardInterrupt


def test_the_line_refuses_a_voter_at_a_copy_of_the_book(tmp_path: Path) -> None:
    line = ClaimRegister.create(tmp_path / "line", election=ELECTION)
    book(tmp_path / "one", people(5)).store.close()
    morning = (tmp_path / "one").read_bytes()
    with Book.open(tmp_path / "one", UNLOCK) as one:
        check_in(one, visit(person(1)), line=line)
    (tmp_path / "one").write_bytes(morning)  # the backup is put back
    with Book.open(tmp_path / "one", UNLOCK) as back:
        with pytest.raises(CheckInRefusedError, match="another copy of this book") as caught:
            check_in(back, visit(person(1)), line=line)
        assert caught.value.refusal is Refusal.ON_OTHER_LIST
        assert check_in(back, visit(person(2)), line=line).online


def test_no_certificate_for_who_was_given_ballots(tmp_path: Path, keys: Keys) -> None:
    """Handed in at home and asked for again, it would be good elsewhere."""
    voter, sign = person(1), keys.signer("book-1").sign
    with book(tmp_path / "one", people(5)) as home:
        certificate = home.issue_certificate(voter.iin, sign, at=BEFORE)
        check_in(home, visit(voter, certificate=certificate), verify=keys.verify)
        with pytest.raises(RequestError, match="given ballots"):
            home.issue_certificate(voter.iin, sign, at=MORNING)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_spoiled_ballot_is_replaced_on_the_day_only(ten: Book, days: int) -> None:
    check_in(ten, visit(person(1)))
    with pytest.raises(RequestError, match="election day"):
        replace_ballot(ten, person(1).iin, "list", by=MEMBER, at=MORNING + timedelta(days=days))


# --- requests ----------------------------------------------------------------------------


def test_a_signed_move_takes_the_voter_along(tmp_path: Path, keys: Keys) -> None:
    voter = person(1)
    request = keys.request(RequestKind.MOVE, replace(voter, precinct="P-2"))
    with (
        book(tmp_path / "one", people(5)) as one,
        book(tmp_path / "two", people(5, "P-2", start=50), "P-2") as two,
    ):
        for opened in (one, two):
            assert opened.apply_request(request, keys.verify, at=BEFORE).entry is not None
            assert opened.apply_request(request, keys.verify, at=BEFORE).again
        assert refused(one, visit(voter)) is Refusal.MOVED_AWAY
        assert check_in(two, visit(voter)).channel == "list"
        assert control_sums(one)["voters"]["registered"] == 4
        assert control_sums(two)["voters"]["registered"] == 6
        trail = [event.kind for event in two.events()]
        assert trail[:2] == ["list_imported", "request_applied"]


def test_a_correction_is_searched_for_duplicates_at_once(tmp_path: Path, keys: Keys) -> None:
    voter, other = person(1), person(2)
    alike = replace(
        voter,
        family_name=other.family_name,
        given_name=other.given_name,
        birth_date=other.birth_date,
    )
    with book(tmp_path / "one", people(5)) as one:
        changed = one.apply_request(
            keys.request(RequestKind.CORRECT, alike), keys.verify, at=BEFORE
        )
        [(same, candidate)] = changed.duplicates
        assert same == other
        assert candidate.ground is Ground.NAME_AND_BIRTH_DATE
        # Found, logged, and nobody taken off.
        assert one.events()[-1].detail["duplicates"] == 1
        assert sum(entry.active for entry in one.entries()) == 5


def test_exclusion_names_the_line_where_there_are_two(tmp_path: Path, keys: Keys) -> None:
    voter = person(1)
    with book(tmp_path / "one", [*people(3), voter]) as one:
        vague = keys.request(RequestKind.EXCLUDE, voter)
        with pytest.raises(RequestError, match="lines 2, 4"):
            one.apply_request(vague, keys.verify, at=BEFORE)
        exact = keys.request(RequestKind.EXCLUDE, voter, number="r-2", voter={"number": "4"})
        one.apply_request(exact, keys.verify, at=BEFORE)
        assert [entry.active for entry in one.entries()] == [True, True, True, False]
        assert check_in(one, visit(voter)).entry == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"by": "book-2"}, "none of those"),
        ({"election": "f" * 64}, "another election"),
        ({"iin": person(77).iin}, "move does not change the number|not stand"),
        ({"ground": " "}, "ground"),
        ({"voter": {"iin": "1"}}, "missing"),
    ],
)
def test_requests_that_are_not_right_change_nothing(
    ten: Book, keys: Keys, changes: dict[str, object], why: str
) -> None:
    before = ten.entries()
    moved = replace(person(1), precinct="P-2")
    with pytest.raises(RequestError, match=why):
        ten.apply_request(
            keys.request(RequestKind.MOVE, moved, **changes),
            keys.verify,
            at=BEFORE,  # type: ignore[arg-type]
        )
    assert ten.entries() == before
    assert [event.kind for event in ten.events()] == ["list_imported"]


def test_an_altered_request_and_a_late_one_are_refused(ten: Book, keys: Keys) -> None:
    data = keys.request(RequestKind.EXCLUDE, person(1))
    value = json.loads(data)
    value["document"]["iin"] = person(2).iin
    with pytest.raises(RequestError, match="signature"):
        ten.apply_request(json.dumps(value).encode(), keys.verify, at=BEFORE)
    with pytest.raises(RequestError, match="until the day before"):
        ten.apply_request(data, keys.verify, at=MORNING)
    with pytest.raises(RequestError, match="until the day before"):
        ten.issue_certificate(person(2).iin, keys.signer("book-1").sign, at=MORNING)
    last_evening = MORNING - timedelta(hours=12)
    assert ten.apply_request(data, keys.verify, at=last_evening).entry is not None


# --- close, file -------------------------------------------------------------------------


def test_the_close_sheet_feeds_the_device_and_is_refused_when_altered(
    ten: Book, keys: Keys
) -> None:
    check_in(ten, visit(person(1)))
    check_in(ten, visit(person(2), styles=("list",)))
    sheet = close_book(ten, keys.signer("book-1").sign, at=MORNING)
    wanted = {"election_hash": ELECTION, "precinct": "P-1", "where": "pollbook.json"}
    assert issued_by_style(sheet, keys.verify, **wanted) == {"list": 2, "smd-1": 1}
    again = close_book(ten, keys.signer("book-1").sign, at=MORNING)
    assert again.content == sheet.content
    with pytest.raises(BookError, match="closed"):
        check_in(ten, visit(person(3)))
    altered = CloseSheet(sheet.content.replace(b'"voted":2', b'"voted":3'), sheet.signature)
    foreign = CloseSheet(sheet.content, keys.signer("book-2").sign(sheet.content))
    for bad in (altered, foreign):
        with pytest.raises(BookError):
            issued_by_style(bad, keys.verify, **wanted)
    for key, value in (("election_hash", "f" * 64), ("precinct", "P-2")):
        with pytest.raises(BookError):
            issued_by_style(sheet, keys.verify, **(wanted | {key: value}))


def test_the_file_is_private_and_damage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "b"
    with book(path, people(30)) as opened:
        check_in(opened, visit(person(1)))
        with pytest.raises(BookError, match="in use"):
            Book.open(path, UNLOCK)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for statement in (
        "UPDATE entries SET document = replace(document, 'active', 'moved') WHERE number = 2",
        "UPDATE facts SET document = replace(document, '\"hour\":9', '\"hour\":8')",
        "DELETE FROM events WHERE seq = 1",
        "DELETE FROM events",
        "UPDATE meta SET document = replace(document, 'P-1', 'P-2')",
        "PRAGMA user_version = 9",
        "PRAGMA application_id = 9",
    ):
        broken = tmp_path / "broken"
        broken.write_bytes(path.read_bytes())
        # By someone who has the PIN, and knows no more.
        vault, data = Vault.open(broken, UNLOCK)
        with closing(sqlite3.connect(":memory:")) as db, closing(vault):
            db.deserialize(data)
            db.execute(statement)
            db.commit()
            vault.save(db.serialize())
        with pytest.raises(BookError):
            Book.open(broken, UNLOCK)
        broken.unlink()
    with Book.open(path, UNLOCK) as opened:
        assert len(list(opened.roll())) == 1


def test_reports_mask_numbers_and_observers_see_counts_only(ten: Book) -> None:
    stranger = person(40)
    check_in(ten, visit(stranger, addition=stranger.to_json(), ground="<script>new</script>"))
    seen = page("book", book_report(ten, official=True))
    assert stranger.iin not in seen
    assert stranger.iin[-4:] in seen
    assert "<script>" not in seen
    assert stranger.iin in page("book", book_report(ten, official=True, full_iin=True))
    public = json.dumps(book_report(ten, official=False)) + page(
        "book", book_report(ten, official=False)
    )
    for secret in (stranger.iin, stranger.iin[-4:], stranger.family_name, "script"):
        assert secret not in public


def test_the_trail_keeps_hours_and_no_voter_of_the_day(ten: Book) -> None:
    order = [person(n) for n in (7, 2, 5)]
    for minute, voter in enumerate(order):
        check_in(ten, visit(voter, at=MORNING + timedelta(minutes=minute)))
    check_in(ten, visit(person(1), at=MORNING + timedelta(hours=1)))
    ten.close(at=MORNING + timedelta(hours=11))
    events = ten.events()
    assert [e.kind for e in events] == [
        "list_imported",
        "roll_checkpoint",
        "roll_checkpoint",
        "pollbook_closed",
    ]
    assert [e.detail.get("voters") for e in events[1:3]] == [3, 4]
    assert all(e.time.endswith(":00:00Z") for e in events)
    # What is left at the close does not depend on the order of voters within an hour.
    assert [iin for iin, _ in ten.roll()] == sorted(v.iin for v in [*order, person(1)])
    assert date(2026, 3, 15) == DAY

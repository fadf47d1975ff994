"""What the entries of a ledger amount to: for each contest in question, where it stands.

Rules (SEED-12; `[adjudication]` of the profile):

1. An opinion is one person's verdict on one contest of one item; a person has at most one
   that stands, whatever the spelling of the name (case, blanks, form of Unicode).
2. A contest is `settled` when as many people as the profile asks for came to the same
   verdict. Before that it is `open` (nobody), `waiting` (too few) or `disputed` (enough,
   but they differ): then a third person decides, or one of them takes theirs back.
3. A settled contest takes no more opinions. An undo takes back one's own decision; the
   contest stands anew by those that are left. Lines are never removed.
4. A decision is for the item as it was shown: an item that has changed since takes none,
   and a ledger with decisions on it is refused.

The same rules hold when a ledger is read as when a decision is taken: a line that could
not have been taken is refused although its chain holds.

    proceedings = Proceedings(queue)
    for entry in ledger.entries:
        proceedings.add(entry)
    proceedings.standing(item.id, "governor")
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from scanner.adjudication.errors import AdjudicationError
from scanner.adjudication.ledger import MAX_REASON, Decision, Undo
from scanner.adjudication.queue import ItemContest, Queue, QueueItem
from scanner.adjudication.verdict import MAX_TEXT, Verdict, lawful, tidy


class Standing(StrEnum):
    """Where a contest in question stands."""

    OPEN = "open"
    WAITING = "waiting"
    DISPUTED = "disputed"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Opinion:
    """One person's verdict that has not been taken back, with the decision it came in."""

    decision: Decision
    verdict: Verdict

    @property
    def by(self) -> str:
        """Whose it is, as written."""
        return self.decision.by


@dataclass(frozen=True, slots=True)
class ContestState:
    """A contest in question: where it stands, the opinions in order, and what was settled."""

    standing: Standing
    opinions: tuple[Opinion, ...]
    verdict: Verdict | None

    @property
    def supporting(self) -> tuple[Opinion, ...]:
        """The opinions that carry what was settled."""
        if self.verdict is None:
            return ()
        key = self.verdict.key()
        return tuple(o for o in self.opinions if o.verdict.key() == key)


def person_key(name: str) -> str:
    """One key for one person's name, however it is typed."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


class Proceedings:
    """All opinions on a queue's items; fed entry by entry, never with files or clocks."""

    def __init__(self, queue: Queue, entries: Iterable[Decision | Undo] = ()) -> None:
        self.queue = queue
        self.people = queue.profile.adjudication.people
        self._items = {item.id: item for item in queue.items}
        self._hashes: dict[str, str] = {}
        self._opinions: dict[tuple[str, str], list[Opinion]] = {}
        self._decisions: dict[str, Decision] = {}
        self._undone: set[str] = set()
        self._ids: set[str] = set()
        for entry in entries:
            self.add(entry)

    # --- taking entries -------------------------------------------------------------------

    def prepare(
        self,
        item: QueueItem,
        verdicts: Iterable[Verdict],
        *,
        by: str,
        reason: str,
        at: str,
        entry_id: str,
    ) -> Decision:
        """A decision in the form that `add` takes; nothing is kept yet.

        Raises:
            AdjudicationError: it is not lawful, or this person cannot take it now.
        """
        decision = Decision(
            id=entry_id,
            at=at,
            by=_said(by, "the name of who decides", "--by", MAX_TEXT),
            reason=_said(reason, "a reason", "--reason", MAX_REASON),
            item=item.id,
            item_sha256=item.sha256(),
            verdicts=tuple(self._lawful(item, verdict) for verdict in verdicts),
        )
        self._check_decision(decision)
        return decision

    def prepare_undo(self, undoes: str, *, by: str, reason: str, at: str, entry_id: str) -> Undo:
        """An undo in the form that `add` takes; `undoes` may be the beginning of an id.

        Raises:
            AdjudicationError: no such decision, or not this person's to take back.
        """
        found = [key for key in self._decisions if key.startswith(undoes)] if undoes else []
        if len(found) != 1:
            raise AdjudicationError(f"no one decision begins with {undoes[:40]!r}")
        undo = Undo(
            id=entry_id,
            at=at,
            by=_said(by, "the name of who takes it back", "--by", MAX_TEXT),
            reason=_said(reason, "a reason", "--reason", MAX_REASON),
            undoes=found[0],
        )
        self._check_undo(undo)
        return undo

    def add(self, entry: Decision | Undo) -> None:
        """Take one entry.

        Raises:
            AdjudicationError: it breaks a rule; nothing has changed.
        """
        if entry.id in self._ids:
            raise AdjudicationError(f"entry {entry.id} occurs twice")
        if entry.by != tidy(entry.by, "a name", MAX_TEXT) or not entry.by:
            raise AdjudicationError(f"entry {entry.id}: its name has another form than typed ones")
        if entry.reason != tidy(entry.reason, "a reason", MAX_REASON) or not entry.reason:
            raise AdjudicationError(
                f"entry {entry.id}: its reason has another form than typed ones"
            )
        if isinstance(entry, Undo):
            self._check_undo(entry)
            self._undone.add(entry.undoes)
            gone = self._decisions[entry.undoes]
            for verdict in gone.verdicts:
                key = (gone.item, verdict.contest_id)
                self._opinions[key] = [o for o in self._opinions[key] if o.decision != gone]
        else:
            self._check_decision(entry)
            self._decisions[entry.id] = entry
            for verdict in entry.verdicts:
                key = (entry.item, verdict.contest_id)
                self._opinions.setdefault(key, []).append(Opinion(entry, verdict))
        self._ids.add(entry.id)

    def _lawful(self, item: QueueItem, verdict: Verdict) -> Verdict:
        asked = item.contest(verdict.contest_id)
        contest = self.queue.election.contest(verdict.contest_id)
        return lawful(verdict, contest, self.queue.profile, asked.to_resolve())

    def _check_decision(self, decision: Decision) -> None:
        item = self._items.get(decision.item)
        if item is None:
            raise AdjudicationError(
                f"decision {decision.id} is for item {decision.item[:12]}, which the queue has not"
            )
        if item.id not in self._hashes:
            self._hashes[item.id] = item.sha256()
        if decision.item_sha256 != self._hashes[item.id]:
            raise AdjudicationError(
                f"decision {decision.id} was taken on another content of item {item.id[:12]}. "
                "Bring back the queue.json and review/ that it was taken on"
            )
        contests = [verdict.contest_id for verdict in decision.verdicts]
        if len(set(contests)) < len(contests):
            raise AdjudicationError("one contest is decided twice at once")
        for verdict in decision.verdicts:
            if self._lawful(item, verdict) != verdict:
                raise AdjudicationError(f"decision {decision.id} is not in its lawful form")
            state = self.standing(item.id, verdict.contest_id)
            where = f"item {item.id[:12]}, {verdict.contest_id}"
            if state.standing is Standing.SETTLED:
                raise AdjudicationError(f"{where}: is settled. To open it again, undo a decision")
            if any(person_key(o.by) == person_key(decision.by) for o in state.opinions):
                raise AdjudicationError(
                    f"{where}: {decision.by} has decided already. Another person has to, or undo"
                )

    def _check_undo(self, undo: Undo) -> None:
        gone = self._decisions.get(undo.undoes)
        if gone is None:
            raise AdjudicationError(f"undo {undo.id} is for a decision that does not exist")
        if undo.undoes in self._undone:
            raise AdjudicationError(f"decision {undo.undoes} is undone already")
        if person_key(undo.by) != person_key(gone.by):
            raise AdjudicationError(
                f"decision {undo.undoes} is not {undo.by}'s: only who decided can undo it"
            )

    # --- where things stand ---------------------------------------------------------------

    def standing(self, item_id: str, contest_id: str) -> ContestState:
        """Where a contest in question stands (rule 2)."""
        opinions = tuple(self._opinions.get((item_id, contest_id), ()))
        if not opinions:
            return ContestState(Standing.OPEN, (), None)
        key, most = Counter(o.verdict.key() for o in opinions).most_common(1)[0]
        if most >= self.people:
            # Of spellings that differ in case only, the first one.
            verdict = next(o.verdict for o in opinions if o.verdict.key() == key)
            return ContestState(Standing.SETTLED, opinions, verdict)
        few = len(opinions) < self.people
        return ContestState(Standing.WAITING if few else Standing.DISPUTED, opinions, None)

    def contests(self) -> Iterator[tuple[QueueItem, ItemContest, ContestState]]:
        """Every contest in question with where it stands, in the queue's order."""
        for item in self.queue.items:
            for contest in item.contests:
                yield item, contest, self.standing(item.id, contest.contest_id)

    def settled(self, item: QueueItem) -> dict[str, ContestState]:
        """The settled contests of an item."""
        states = {c.contest_id: self.standing(item.id, c.contest_id) for c in item.contests}
        return {key: s for key, s in states.items() if s.standing is Standing.SETTLED}

    def waiting_for(self, item: QueueItem, by: str) -> tuple[ItemContest, ...]:
        """The contests of an item that this person can still decide."""
        key = person_key(by)
        return tuple(
            contest
            for contest in item.contests
            if (state := self.standing(item.id, contest.contest_id)).standing
            is not Standing.SETTLED
            and all(person_key(o.by) != key for o in state.opinions)
        )


def _said(text: str, what: str, option: str, limit: int) -> str:
    said = tidy(text, what, limit)
    if not said:
        raise AdjudicationError(f"{what} is missing. Give it with {option}")
    return said

"""A verdict on one contest of one sheet, and whether the law allows it.

Rules of `lawful`:

1. Votes are options of the contest, each once, no more than it allows; exactly one under
   `exactly_one`.
2. Under `exactly_one`, no mark and too many marks are grounds that make the ballot invalid
   (`no_mark`, `more_than_one_mark`): people may say "blank" or "overvote" for them. A ballot
   is invalid on a ground that the profile states, on no other (NVT-06, SEED-12).
3. A write-in line that counts has its written name, or the printed option that was meant;
   then that option counts, once. A rejected line does not count. Every line on which
   something is written or that is marked must be resolved where votes are decided.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from election.model import WRITE_IN_PREFIX, Contest
from election.profile import Profile
from scanner.adjudication.errors import AdjudicationError
from scanner.interpretation import MORE_THAN_ONE_MARK, NO_MARK

MAX_TEXT = 200

VerdictKind = Literal["votes", "blank", "overvote", "invalid"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WriteIn(_Model):
    """What a write-in line comes to: a `name` (as `text`), a printed `option` (`counts_for`),
    or `rejected`."""

    option_id: str
    outcome: Literal["name", "option", "rejected"]
    text: str | None = Field(default=None, max_length=MAX_TEXT)
    counts_for: str | None = None


class Verdict(_Model):
    """What one person holds a contest of a sheet to be."""

    contest_id: str
    kind: VerdictKind
    votes: tuple[str, ...] = ()
    ground: str | None = None
    write_ins: tuple[WriteIn, ...] = ()

    def key(self) -> Verdict:
        """What two verdicts share that agree: all but the case of a written name."""
        return self.model_copy(
            update={
                "write_ins": tuple(
                    w if w.text is None else w.model_copy(update={"text": w.text.casefold()})
                    for w in self.write_ins
                )
            }
        )

    def words(self) -> str:
        """The verdict in one line."""
        if self.kind == "invalid":
            return f"{self.contest_id}: invalid ({self.ground})"
        line = f"{self.contest_id}: {', '.join(self.votes) if self.votes else self.kind}"
        for write_in in self.write_ins:
            meant = write_in.text if write_in.outcome == "name" else write_in.counts_for
            line += f"; {write_in.option_id}: {meant or 'rejected'}"
        return line


def lawful(
    verdict: Verdict,
    contest: Contest,
    profile: Profile,
    to_resolve: frozenset[str] = frozenset(),
) -> Verdict:
    """The verdict in its normal form: equal verdicts are equal values.

    Args:
        verdict: as a person gave it.
        contest: the contest that it is about.
        profile: whose rules hold.
        to_resolve: write-in lines that it has to resolve (`ItemContest.to_resolve`).

    Raises:
        AdjudicationError: the law does not allow it; says why and what would do.
    """
    where = f"contest {contest.id}"
    if verdict.kind != "votes" and verdict.votes:
        raise AdjudicationError(f"{where}: a verdict of {verdict.kind} has no votes")
    if verdict.ground is not None and verdict.kind != "invalid":
        raise AdjudicationError(f"{where}: a ground goes with an invalid ballot only")
    verdict = _ruled(verdict, profile, where)
    if verdict.kind in ("invalid", "overvote"):
        # Nothing counts, so nothing written needs a name.
        return verdict.model_copy(update={"write_ins": ()})
    write_ins = _write_ins(verdict, contest, where)
    resolved = {w.option_id for w in write_ins}
    if missing := sorted(to_resolve - resolved):
        raise AdjudicationError(
            f"{where}: say what {', '.join(missing)} comes to: a name, an option, or rejected"
        )
    votes = _votes(verdict, write_ins, contest, where)
    if verdict.kind == "votes":
        allowed = 1 if profile.marks.rule == "exactly_one" else contest.votes_allowed
        if not votes:
            raise AdjudicationError(f"{where}: no votes are named. If nothing counts, say blank")
        if len(votes) > allowed:
            raise AdjudicationError(
                f"{where}: {len(votes)} votes, but a voter has {allowed}. "
                "If more are marked, say overvote"
            )
    return Verdict(contest_id=contest.id, kind=verdict.kind, votes=votes, write_ins=write_ins)


def _ruled(verdict: Verdict, profile: Profile, where: str) -> Verdict:
    """Rule 2."""
    grounds = [ground.id for ground in profile.invalid_grounds]
    kind, ground = verdict.kind, verdict.ground
    if profile.marks.rule == "exactly_one" and kind in ("blank", "overvote"):
        ground = NO_MARK if kind == "blank" else MORE_THAN_ONE_MARK
        kind = "invalid"
    if kind == "invalid" and ground not in grounds:
        known = ", ".join(grounds)
        advice = f"Its grounds: {known}" if known else "It has no invalid ballots: say overvote"
        named = f"no ground {ground[:60]!r}" if ground else "no invalid ballot without a ground"
        raise AdjudicationError(f"{where}: profile {profile.id} knows {named}. {advice}")
    return verdict.model_copy(update={"kind": kind, "ground": ground})


def _write_ins(verdict: Verdict, contest: Contest, where: str) -> tuple[WriteIn, ...]:
    """Rule 3, line by line, in printed order."""
    options = contest.option_ids()
    seen: set[str] = set()
    names: set[str] = set()
    result = []
    for line in verdict.write_ins:
        if not line.option_id.startswith(WRITE_IN_PREFIX) or line.option_id not in options:
            raise AdjudicationError(f"{where}: {line.option_id[:60]!r} is no write-in line of it")
        if line.option_id in seen:
            raise AdjudicationError(f"{where}: {line.option_id} is resolved twice")
        seen.add(line.option_id)
        text = tidy(line.text or "", f"{where}: {line.option_id}") or None
        if line.outcome == "name":
            _check_name(text, contest, names, f"{where}: {line.option_id}")
        if line.outcome != "option" and line.counts_for is not None:
            raise AdjudicationError(f"{where}: {line.option_id} counts for an option or a name")
        if line.outcome == "option" and (
            line.counts_for not in options or line.counts_for.startswith(WRITE_IN_PREFIX)
        ):
            raise AdjudicationError(
                f"{where}: {line.option_id} counts for {str(line.counts_for)[:60]!r}, which is "
                f"not printed there. Options: {', '.join(o.id for o in contest.options)}"
            )
        # What a rejected line or an option says is in the crop: it must not part two people.
        kept = text if line.outcome == "name" else None
        result.append(line.model_copy(update={"text": kept}))
    return tuple(sorted(result, key=lambda w: options.index(w.option_id)))


def _check_name(text: str | None, contest: Contest, names: set[str], where: str) -> None:
    if text is None:
        raise AdjudicationError(f"{where}: give the name that is written there")
    key = text.casefold()
    if key in names:
        raise AdjudicationError(f"{where}: {text!r} is written twice; reject one of the lines")
    names.add(key)
    for option in contest.options:
        if key in {name.casefold() for name in option.name.values()}:
            raise AdjudicationError(f"{where}: {text!r} is printed: it counts for {option.id}")


def _votes(
    verdict: Verdict, write_ins: tuple[WriteIn, ...], contest: Contest, where: str
) -> tuple[str, ...]:
    """Rule 1, and what rule 3 makes of lines that count for a printed option."""
    options = contest.option_ids()
    outcome = {w.option_id: w for w in write_ins}
    if len(set(verdict.votes)) < len(verdict.votes):
        raise AdjudicationError(f"{where}: an option is named twice; each has one vote")
    votes: set[str] = set()
    for option in verdict.votes:
        if option not in options:
            raise AdjudicationError(
                f"{where}: no option {option[:60]!r}. Options: {', '.join(options)}"
            )
        line = outcome.get(option)
        if option.startswith(WRITE_IN_PREFIX) and line is None:
            raise AdjudicationError(f"{where}: {option} counts only with the name written there")
        if line is not None and line.outcome == "rejected":
            raise AdjudicationError(f"{where}: {option} is rejected, so it cannot have a vote")
        votes.add(line.counts_for if line is not None and line.counts_for else option)
    for line in write_ins:
        meant = line.counts_for or line.option_id
        if line.outcome != "rejected" and meant not in votes:
            raise AdjudicationError(
                f"{where}: {line.option_id} is resolved but not among the votes. "
                "Name it there, or reject it"
            )
    return tuple(sorted(votes, key=options.index))


def tidy(text: str, where: str, limit: int = MAX_TEXT) -> str:
    """A person's text in one form: NFC, single blanks, no control characters.

    Raises:
        AdjudicationError: too long, or with characters that cannot be seen.
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())
    if len(text) > limit:
        raise AdjudicationError(f"{where}: over {limit} characters")
    if any(unicodedata.category(c)[0] == "C" for c in text):
        raise AdjudicationError(f"{where}: holds characters that cannot be seen. Type it again")
    return text

"""What counts for one precinct: a pure function of the protocols and decisions that came.

Rules; sets only, so that neither order nor repetition matters:

1. A decision is void if it sets aside a decision of a higher commission. Void decisions change
   nothing, and are shown.
2. What any other decision sets aside is no longer in force; what it did, a later decision
   must say again.
3. No decision in force: the one protocol of version 1 counts. Two different ones contradict
   each other; a later version alone counts for nothing.
4. One decision in force: what it adopts counts, or nothing if it excludes. A protocol that it
   does not name makes the precinct contradictory again.
5. Two decisions in force contradict each other, until one that sets both aside comes.

Nothing is ever a zero: missing, refused, contradictory, excluded are states (SEED-16).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from election.commissions import Commissions
from tally.chain.decision import rank
from tally.chain.figures import ProtocolFigures
from tally.chain.received import DecisionReceived, Refusal
from tally.national.store import PrecinctStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """One precinct: `counted` is the protocol in the sums, None for every other status.

    `protocols` are the digests of all that came, whether in force or not; `decisions` and
    `void` those of the decisions on it. `reason` says why it is not counted, or what else a
    person must see; made of digests and ids alone, not of file names.
    """

    precinct_id: str
    status: PrecinctStatus
    counted: ProtocolFigures | None
    protocols: tuple[str, ...]
    decisions: tuple[str, ...]
    void: tuple[str, ...]
    reason: str | None


def settle(
    precinct_id: str,
    protocols: Iterable[ProtocolFigures],
    decisions: Iterable[DecisionReceived],
    refusals: Sequence[Refusal],
    commissions: Commissions,
) -> Standing:
    """The standing of a precinct by what came for it; `refusals` are of its files."""
    came = {
        p.digest: p for p in sorted(protocols, key=lambda p: (p.digest, p.sha256), reverse=True)
    }
    acts = {
        d.digest: d for d in sorted(decisions, key=lambda d: (d.digest, d.sha256), reverse=True)
    }
    void = {digest for digest, act in acts.items() if _is_void(act, acts, commissions)}
    aside = {
        name
        for digest, act in acts.items()
        if digest not in void
        for name in act.decision.sets_aside
    }
    carried = {
        act.corrected.digest: act.corrected
        for _, act in sorted(acts.items(), reverse=True)
        if act.corrected is not None
    }
    force = sorted(set(acts) - void - aside)
    alive = sorted(set(came) - aside)

    def standing(
        status: PrecinctStatus, counted: ProtocolFigures | None, reason: str | None
    ) -> Standing:
        notes = [reason] if reason else []
        notes += [
            f"{acts[digest].decision.name} is void: it sets aside what it may not"
            for digest in sorted(void)
        ]
        return Standing(
            precinct_id,
            status,
            counted,
            tuple(sorted(came)),
            tuple(sorted(set(acts))),
            tuple(sorted(void)),
            "; ".join(notes) or None,
        )

    if len(force) > 1:
        names = " and ".join(sorted(acts[digest].decision.name for digest in force))
        return standing(PrecinctStatus.CONTRADICTORY, None, f"{names} contradict each other")
    if force:
        decision = acts[force[0]].decision
        if decision.outcome == "exclude":
            return standing(PrecinctStatus.EXCLUDED, None, f"{decision.name}: {decision.reason}")
        adopted = decision.adopts or ""
        if others := [digest for digest in alive if digest != adopted]:
            return standing(
                PrecinctStatus.CONTRADICTORY,
                None,
                f"protocol {others[0][:16]}… came, of which {decision.name} says nothing",
            )
        found = came.get(adopted) or carried.get(adopted)
        if found is None:
            return standing(
                PrecinctStatus.MISSING,
                None,
                f"{decision.name} adopts protocol {adopted[:16]}…, which has not come",
            )
        return standing(PrecinctStatus.COUNTED, found, f"by {decision.name}: {decision.reason}")
    first = [digest for digest in alive if came[digest].version == 1]
    later = [digest for digest in alive if came[digest].version > 1]
    if len(first) > 1:
        names = ", ".join(f"{digest[:16]}…" for digest in first)
        return standing(
            PrecinctStatus.CONTRADICTORY, None, f"{len(first)} different protocols came: {names}"
        )
    unadopted = [
        f"version {came[d].version} ({d[:16]}…) came without a decision: not counted" for d in later
    ]
    if first:
        return standing(PrecinctStatus.COUNTED, came[first[0]], "; ".join(unadopted) or None)
    if unadopted:
        return standing(PrecinctStatus.REFUSED, None, "; ".join(unadopted))
    if refusals:
        words = sorted({f"{r.sha256[:16]}…: {r.reason}: {r.detail}" for r in refusals})
        return standing(PrecinctStatus.REFUSED, None, "; ".join(words))
    return standing(PrecinctStatus.MISSING, None, "nothing came")


def _is_void(
    act: DecisionReceived, acts: dict[str, DecisionReceived], commissions: Commissions
) -> bool:
    mine = rank(act.decision.commission_id, commissions)
    for name in act.decision.sets_aside:
        other = acts.get(name)
        if other is not None and rank(other.decision.commission_id, commissions) > mine:
            return True
    return False

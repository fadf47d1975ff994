"""Electronic against paper, per precinct, contest and option: each difference named.

`reconcile` compares every figure, puts each difference in one class and says what the
profile's law makes of it (NVT-08, NVT-09, NVT-10, SEED-11):

- `equal`: the two counts agree;
- `explained_by_review`: the hand count has more, and all such surpluses of the contest in
  that precinct together fit within the votes on sheets set aside for a person;
- `human_error`: a slip of the hand count is likely enough under the profile's rate
  (`tally.human_error`: exact binomial tail of at least 5 %);
- `unexplained`: anything else.

A class is an explanation, not a pardon: everything but the first two is a finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from election.model import Contest, Election
from election.profile import Profile
from tally.controls import ControlResult, evaluate_controls
from tally.figures import ContestFigures, PrecinctProtocol, PrecinctTotals
from tally.human_error import SIGNIFICANCE, TailProbability, slip_probability
from tally.joining import JoinFinding
from tally.paper import BALLOTS, INVALID, PaperCount, contests_in
from tally.verification import PackageRefusedError


class DifferenceClass(StrEnum):
    """What a difference is put down to; the value is the word written to reports."""

    EQUAL = "equal"
    EXPLAINED_BY_REVIEW = "explained_by_review"
    HUMAN_ERROR = "human_error"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure in both counts. `difference` = electronic − paper.

    `option` is an option id, or "invalid" or "ballots". `set_aside` is how many votes the
    sheets set aside for a person could add; `probability` is given for what review does
    not explain.
    """

    precinct: str
    contest: str
    option: str
    electronic: int
    paper: int
    difference: int
    kind: DifferenceClass
    set_aside: int
    probability: TailProbability | None
    consequence: str


FindingKind = Literal[
    "difference",
    "paper_arithmetic",
    "control_ratio",
    "box_counter",
    "device_replaced",
    "box_not_checked",
    "package_refused",
    "precinct_without_package",
    "profile_silent",
]
#: "serious" asks for an action, "minor" for a note in the protocol, "rule" for a lawmaker.
Severity = Literal["serious", "minor", "rule"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person must see. `size` is the difference's absolute size (0: no number);
    `sources` the requirements it answers to; `article` the law's, where the profile has one."""

    kind: FindingKind
    severity: Severity
    sentence: str
    precinct: str | None = None
    contest: str | None = None
    option: str | None = None
    size: int = 0
    consequence: str = ""
    article: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The whole comparison. `notes` are facts that are no finding; `not_compared` are
    precincts with a package and no hand count (a sample is lawful: NVT-08)."""

    comparisons: tuple[Comparison, ...]
    controls: tuple[ControlResult, ...]
    findings: tuple[Finding, ...]
    compared: tuple[str, ...]
    not_compared: tuple[str, ...]
    notes: tuple[str, ...]

    def differences(self) -> tuple[Comparison, ...]:
        """The comparisons that are not equal."""
        return tuple(c for c in self.comparisons if c.difference)


def reconcile(
    electronic: Mapping[str, PrecinctTotals],
    paper: PaperCount,
    protocols: Mapping[str, PrecinctProtocol],
    election: Election,
    profile: Profile,
    *,
    refused: Iterable[PackageRefusedError] = (),
    joined: Mapping[str, Sequence[JoinFinding]] = MappingProxyType({}),
) -> Reconciliation:
    """Compare electronic totals with the hand count (NVT-08 … NVT-10, SEED-11).

    Args:
        electronic: totals of verified packages by precinct id.
        paper: the hand count, of all precincts or of a sample.
        protocols: protocols by precinct id, for the control ratios.
        refused: packages that were not counted; each becomes a finding.
        joined: what is to be told of precincts whose device was replaced, by precinct id.
    """
    counted_by_hand = paper.precincts()
    compared = tuple(p for p in sorted(electronic) if p in counted_by_hand)
    comparisons = tuple(
        comparison
        for precinct in compared
        for contest in contests_in(election, precinct)
        for comparison in _compare_contest(
            precinct, contest, electronic[precinct]["contests"].get(contest.id), paper, profile
        )
    )
    controls = evaluate_controls(electronic, protocols, election, profile)
    findings = [
        *(_refused_finding(error) for error in refused),
        *(_difference_finding(c, profile) for c in comparisons if _is_finding(c)),
        *_paper_arithmetic(paper, election, profile),
        *(_control_finding(c) for c in controls if c.status == "breached"),
        *_box_findings(electronic, protocols),
        *(_join_finding(p, f) for p, told in sorted(joined.items()) for f in told),
        *(_absent_finding(p) for p in counted_by_hand if p not in electronic),
    ]
    if any(_is_finding(c) for c in comparisons):
        findings += _silence(profile)
    rank = {"serious": 0, "minor": 1, "rule": 2}
    not_compared = tuple(p for p in sorted(electronic) if p not in counted_by_hand)
    return Reconciliation(
        comparisons=comparisons,
        controls=controls,
        findings=tuple(
            sorted(findings, key=lambda f: (rank[f.severity], f.kind != "difference", -f.size))
        ),
        compared=compared,
        not_compared=not_compared,
        notes=_notes(comparisons, controls, not_compared, profile),
    )


def _compare_contest(
    precinct: str,
    contest: Contest,
    figures: ContestFigures | None,
    paper: PaperCount,
    profile: Profile,
) -> Iterable[Comparison]:
    if figures is None:  # verified totals hold every contest of the precinct
        return
    votes = figures["votes"]
    pairs = [(o, votes.get(o, 0), paper.get(precinct, contest.id, o)) for o in contest.option_ids()]
    pairs.append((INVALID, figures["invalid"], paper.get(precinct, contest.id, INVALID)))
    pairs.append((BALLOTS, figures["ballots"], paper.get(precinct, contest.id, BALLOTS)))
    given = [(option, e, p) for option, e, p in pairs if p is not None]
    # A sheet set aside has no vote in the electronic count yet: it can only add on paper.
    set_aside = figures["needs_review"] * contest.votes_allowed
    surplus = sum(max(0, p - e) for option, e, p in given if option != BALLOTS)
    for option, e, p in given:
        by_review = option != BALLOTS and p > e and surplus <= set_aside
        ballots = figures["ballots"] or p
        probability = None
        if e == p:
            kind = DifferenceClass.EQUAL
        elif by_review:
            kind = DifferenceClass.EXPLAINED_BY_REVIEW
        else:
            probability = slip_probability(
                ballots, abs(e - p), profile.reconciliation.human_error_ppm
            )
            kind = (
                DifferenceClass.HUMAN_ERROR
                if probability.at_least(SIGNIFICANCE)
                else DifferenceClass.UNEXPLAINED
            )
        yield Comparison(
            precinct,
            contest.id,
            option,
            e,
            p,
            e - p,
            kind,
            set_aside,
            probability,
            consequence_of(kind, profile),
        )


def consequence_of(kind: DifferenceClass, profile: Profile) -> str:
    """What the profile says follows; its silence is said too (NVT-09)."""
    told = profile.reconciliation.consequences
    if kind is DifferenceClass.EXPLAINED_BY_REVIEW:
        return told.get(kind.value, "a person decides on the sheets set aside")
    return told.get(kind.value, "the profile states no consequence (NVT-09)")


def _is_finding(comparison: Comparison) -> bool:
    return comparison.kind in (DifferenceClass.HUMAN_ERROR, DifferenceClass.UNEXPLAINED)


def _papers(number: int, option: str) -> str:
    noun = {INVALID: "invalid ballot", BALLOTS: "ballot"}.get(option, "vote")
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _difference_finding(c: Comparison, profile: Profile) -> Finding:
    size = abs(c.difference)
    side = "the electronic count" if c.difference > 0 else "the hand count"
    sentence = (
        f"Precinct {c.precinct}, contest {c.contest}, {_option_words(c.option)}: "
        f"electronic {c.electronic}, paper {c.paper}; {side} has {_papers(size, c.option)} more."
    )
    if c.set_aside and c.difference < 0 and c.option != BALLOTS:
        sentence += (
            f" Sheets set aside can add at most {_papers(c.set_aside, c.option)} in this contest, "
            "less than the hand count has more in all."
        )
    if c.probability is not None:
        rate = c.probability.rate_ppm
        sentence += (
            f" Slips of that size have a probability of {c.probability.words()} at "
            f"{rate} per million ballots: "
            + (
                "human error may explain it."
                if c.kind is DifferenceClass.HUMAN_ERROR
                else "human error does not explain it."
            )
        )
    return Finding(
        "difference",
        "minor" if c.kind is DifferenceClass.HUMAN_ERROR else "serious",
        sentence,
        c.precinct,
        c.contest,
        c.option,
        size,
        c.consequence,
        profile.reconciliation.precedence_article,
        ("NVT-08", "NVT-09"),
    )


def _option_words(option: str) -> str:
    return {INVALID: "invalid ballots", BALLOTS: "ballots"}.get(option, f"option {option}")


def _paper_arithmetic(paper: PaperCount, election: Election, profile: Profile) -> Iterable[Finding]:
    """A hand count whose own figures disagree, where one ballot is one vote."""
    if profile.marks.rule != "exactly_one":
        return
    for precinct in paper.precincts():
        for contest in contests_in(election, precinct):
            ballots = paper.get(precinct, contest.id, BALLOTS)
            invalid = paper.get(precinct, contest.id, INVALID)
            if ballots is None or invalid is None or contest.votes_allowed != 1:
                continue
            votes = sum(paper.get(precinct, contest.id, o) or 0 for o in contest.option_ids())
            if votes + invalid != ballots:
                size = abs(votes + invalid - ballots)
                yield Finding(
                    "paper_arithmetic",
                    "serious",
                    f"Precinct {precinct}, contest {contest.id}: the hand count contradicts "
                    f"itself: {votes} votes and {invalid} invalid make {votes + invalid}, "
                    f"but {ballots} ballots are written ({size} apart).",
                    precinct,
                    contest.id,
                    None,
                    size,
                    "the hand count is to be done again",
                    sources=("NVT-08",),
                )


def _control_finding(control: ControlResult) -> Finding:
    size = abs((control.left or 0) - (control.right or 0))
    return Finding(
        "control_ratio",
        "serious",
        f"{control.detail}. The rule: {control.title}.",
        control.precinct,
        None,
        None,
        size,
        "the commission explains it in the protocol, or counts again",
        control.article,
        ("SEED-11",),
    )


def _box_findings(
    electronic: Mapping[str, PrecinctTotals], protocols: Mapping[str, PrecinctProtocol]
) -> Iterable[Finding]:
    """Paper without a record, or a record without paper, by two counters that know nothing of
    each other: the scanner's of its box and the device's of its records (SEED-11)."""
    for precinct, protocol in sorted(protocols.items()):
        counter = protocol["box_counter"]
        if precinct not in electronic or counter is None or "box_counter_by" in protocol:
            continue  # what people read is told by `joining.box_findings`
        sheets = electronic[precinct]["sheets"]
        if counter != sheets:
            yield Finding(
                "box_counter",
                "serious",
                f"Precinct {precinct}: the scanner counted {counter} sheets into the box, "
                f"{sheets} are recorded: {abs(counter - sheets)} "
                + ("without a record." if counter > sheets else "recorded without a sheet."),
                precinct,
                size=abs(counter - sheets),
                consequence="the paper in the box is counted by hand",
                sources=("SEED-11", "NVT-09"),
            )


def _join_finding(precinct: str, told: JoinFinding) -> Finding:
    return Finding(
        told.kind if told.kind in ("box_not_checked", "box_counter") else "device_replaced",
        "serious",
        f"{told.sentence}.",
        precinct,
        size=told.size,
        consequence="the paper in the boxes of the precinct is counted by hand",
        sources=("NVT-03", "NVT-09"),
    )


def _refused_finding(error: PackageRefusedError) -> Finding:
    return Finding(
        "package_refused",
        "serious",
        f"Package {error.name} is not counted ({error.reason.value}): {error.detail}.",
        error.precinct_id,
        consequence="ask the precinct for its package again; keep the refused one as evidence",
        sources=("NVT-17",),
    )


def _absent_finding(precinct: str) -> Finding:
    return Finding(
        "precinct_without_package",
        "serious",
        f"Precinct {precinct} was counted by hand, but no package of it was accepted: "
        "nothing to compare.",
        precinct,
        sources=("NVT-08",),
    )


def _silence(profile: Profile) -> list[Finding]:
    """Where a difference asks the law a question that it does not answer (NVT-09, NVT-10)."""
    points = list(profile.reconciliation.silent)
    if profile.reconciliation.precedence == "silent" and not any("NVT-10" in p for p in points):
        points.insert(0, "which record prevails where the two counts differ (NVT-10)")
    return [
        Finding(
            "profile_silent",
            "rule",
            f"The law in profile {profile.id} does not say {point}.",
            sources=tuple(s for s in ("NVT-09", "NVT-10") if s in point) or ("NVT-10",),
        )
        for point in points
    ]


def _notes(
    comparisons: Sequence[Comparison],
    controls: Iterable[ControlResult],
    not_compared: tuple[str, ...],
    profile: Profile,
) -> tuple[str, ...]:
    notes = []
    explained = [c for c in comparisons if c.kind is DifferenceClass.EXPLAINED_BY_REVIEW]
    if explained:
        total = sum(-c.difference for c in explained)
        notes.append(f"{total} votes more on paper are explained by sheets set aside for a person.")
    if not_compared:
        notes.append(f"No hand count was given for: {', '.join(not_compared)} (NVT-08: a sample).")
    open_controls = sum(c.status == "not_evaluable" for c in controls)
    if open_controls:
        notes.append(f"{open_controls} control ratios could not be checked: figures are missing.")
    # Where a finding asks the question, it says so itself.
    if profile.reconciliation.precedence == "silent" and not any(map(_is_finding, comparisons)):
        notes.append("The profile does not say which record prevails (NVT-10).")
    return tuple(notes)

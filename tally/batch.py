"""A batch of packages and recovered media, sorted out precinct by precinct (rules 6 and 7 of
`tally.verification`)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from election.model import Election
from election.places import has_place, precincts_in, say_place
from election.profile import Profile
from firmware_sim.counting import count_records
from firmware_sim.errors import FirmwareError, MediumError, SignatureError
from firmware_sim.medium import RECOVERED_MAGIC, RecordForm, Slot, open_recovered
from firmware_sim.medium.reading import recovered_slot
from firmware_sim.states import Mode
from firmware_sim.trust import TrustStore
from tally.joining import (
    JoinError,
    JoinFinding,
    RecoveredPart,
    alone,
    box_findings,
    join,
    older_states,
    own_figures,
)
from tally.verification import (
    REASON_OF_FAULT,
    PackageRefusedError,
    PackageRegister,
    RefusalReason,
    Verification,
    VerifiedPackage,
    verify_package,
)


def verify_packages(
    packages: Iterable[tuple[str, bytes]],
    election: Election,
    profile: Profile,
    trust: TrustStore,
    *,
    at: datetime,
    seen: PackageRegister | None = None,
) -> Verification:
    """All rules over a batch of (name, bytes); one bad package never stops the others.

    A batch may hold recovered media (`.medium`) beside packages. The same bytes given twice
    are one package and one replay. Two different packages of one precinct are both refused,
    whichever comes first. What is accepted is of one precinct each.
    """
    before = seen or PackageRegister()
    passed: list[VerifiedPackage] = []
    media: list[RecoveredPart] = []
    refused: list[tuple[int, PackageRefusedError]] = []
    places: dict[str, int] = {}
    names: dict[str, str] = {}
    for place, (name, data) in enumerate(packages):
        digest = hashlib.sha256(data).hexdigest()
        if digest in places:
            why = f"is the same file as {names[digest]}"
            refused.append((place, PackageRefusedError(name, RefusalReason.REPLAYED, why)))
            continue
        try:
            if data.startswith(RECOVERED_MAGIC):
                media.append(
                    verify_medium(data, name, election, profile, trust, at=at, seen=before)
                )
            else:
                passed.append(
                    verify_package(data, name, election, profile, trust, at=at, seen=before)
                )
        except PackageRefusedError as error:
            refused.append((place, error))
            continue
        places[digest], names[digest] = place, name
    accepted, errors = _settle_all(passed, media, election)
    refused += [(places[digest], error) for digest, error in errors]
    return Verification(
        tuple(accepted), tuple(error for _, error in sorted(refused, key=lambda pair: pair[0]))
    )


def settle_batch(
    packages: Sequence[VerifiedPackage], media: Sequence[RecoveredPart], election: Election
) -> tuple[list[VerifiedPackage], list[PackageRefusedError]]:
    """Rules 4, 6 and 7 over packages that passed alone, by precinct: the result of each that
    has one, and what is refused. Of the same bytes twice, the first by name is the package."""
    kept: dict[str, VerifiedPackage] = {}
    refused: list[PackageRefusedError] = []
    for package in packages:
        if package.digest in kept:
            why = f"is the same file as {kept[package.digest].name}"
            refused.append(_refusal(package, RefusalReason.REPLAYED, why))
        else:
            kept[package.digest] = package
    accepted, errors = _settle_all(list(kept.values()), media, election)
    return accepted, [*refused, *(error for _, error in errors)]


def _settle_all(
    packages: Sequence[VerifiedPackage], media: Sequence[RecoveredPart], election: Election
) -> tuple[list[VerifiedPackage], list[tuple[str, PackageRefusedError]]]:
    """Rules 6 and 7: one result a precinct, in order, and what is refused, by digest."""
    mine: dict[str, list[VerifiedPackage]] = {}
    for package in packages:
        mine.setdefault(package.precinct_id, []).append(package)
    parts: dict[str, list[RecoveredPart]] = {}
    for part in media:
        parts.setdefault(part.precinct_id, []).append(part)
    accepted: list[VerifiedPackage] = []
    refused: list[tuple[str, PackageRefusedError]] = []
    for places in _sharing(sorted({*mine, *parts})):
        own = [package for place in places for package in mine.get(place, [])]
        dead = [part for place in places for part in parts.get(place, [])]
        if len(places) > 1:
            refused += _overlapping(places, own, dead)
            continue
        result, errors = _settle(own, dead, election)
        accepted += [each for whole in result for each in whole.for_each_precinct()]
        refused += errors
    return sorted(accepted, key=lambda package: package.precinct_id), refused


def _sharing(places: Sequence[str]) -> list[list[str]]:
    """Places in groups: those that share a precinct, at once or through others, together."""
    groups: list[tuple[set[str], list[str]]] = []
    whose: dict[str, int] = {}
    for place in places:
        precincts = set(precincts_in(place))
        # All that this place ties together go to the first of them.
        tied = sorted({whose[precinct] for precinct in precincts if precinct in whose})
        at = tied[0] if tied else len(groups)
        if not tied:
            groups.append((set(), []))
        for other in tied[1:]:
            precincts |= groups[other][0]
            groups[at][1].extend(groups[other][1])
            groups[other] = (set(), [])
        groups[at][0].update(precincts)
        groups[at][1].append(place)
        whose |= dict.fromkeys(precincts, at)
    return [sorted(members) for _, members in groups if members]


def _overlapping(
    places: Sequence[str], packages: Sequence[VerifiedPackage], media: Sequence[RecoveredPart]
) -> list[tuple[str, PackageRefusedError]]:
    """Parts of places that share a precinct: no part can be counted without the others."""
    said = "; ".join(say_place(place) for place in places)
    all_parts: list[VerifiedPackage | RecoveredPart] = [*packages, *media]
    names = sorted(part.name for part in all_parts)
    why = (
        f"precincts are in more than one package or medium ({', '.join(names)}, of: {said}). None "
        "is counted; a person decides which one stands"
    )
    word = RefusalReason.DUPLICATE_PRECINCT
    return [(part.digest, _refusal(part, word, why)) for part in all_parts]


def _settle(
    packages: list[VerifiedPackage], media: list[RecoveredPart], election: Election
) -> tuple[list[VerifiedPackage], list[tuple[str, PackageRefusedError]]]:
    """Rules 6 and 7 for one precinct: its result, if it has one, and what is refused."""
    if len(packages) > 1:
        errors = [(p.digest, _duplicate(p, packages)) for p in packages]
        word = RefusalReason.DUPLICATE_PRECINCT
        why = "there is more than one package of its precinct: it can be joined to neither"
        return [], [*errors, *((m.digest, _refusal(m, word, why)) for m in media)]
    try:
        last = packages[0] if packages else _from_medium(media, election)
        own = [m for m in media if m.device_id == last.device_id]
        others = [m for m in media if m.device_id != last.device_id]
        joined = join(last.totals, last.protocol, last.record_ids, last.needs, others, election)
    except JoinError as error:
        word = RefusalReason(error.word)
        return [], [
            *((p.digest, _refusal(p, word, error.detail)) for p in packages),
            *((m.digest, _refusal(m, word, error.detail)) for m in media),
        ]
    result = replace(
        last,
        totals=joined.totals,
        protocol=joined.protocol,
        needs=(),
        record_ids=frozenset(),
        joined=joined.parts,
        findings=(
            *last.findings,
            *joined.findings,
            *box_findings(joined.totals, joined.protocol),
        ),
    )
    unused = [
        (
            part.digest,
            _refusal(
                part,
                RefusalReason.REPLAYED,
                f"all that it holds of device {part.device_id} is counted from another file",
            ),
        )
        for part in (*joined.unused, *own)
        if part.digest != last.digest
    ]
    return [result], unused


def _from_medium(media: list[RecoveredPart], election: Election) -> VerifiedPackage:
    """The result of a precinct without any package. Raises JoinError."""
    part = alone(media)
    older_states(part, [m for m in media if m.device_id == part.device_id])
    totals, protocol = own_figures(part, election)
    head = part.state.head
    sheets = totals["sheets"]
    return VerifiedPackage(
        name=part.name,
        digest=part.digest,
        package_id=part.slot_sha256[:32],
        precinct_id=part.precinct_id,
        device_id=part.device_id,
        export_number=0,
        created=str(protocol["polls_closed"]),
        election_hash=head.election_hash,
        profile_hash=head.profile_hash,
        totals=totals,
        protocol=protocol,
        needs=part.needs(),
        software=part.software,
        record_ids=frozenset(record.record_id for record in part.state.records),
        findings=(
            JoinFinding(
                "medium_alone",
                f"Precinct {say_place(part.precinct_id)}: device {part.device_id} closed its polls "
                f"and died before its results left; its {sheets} sheets are counted from its "
                "medium. Compare them with its results tape",
                sheets,
            ),
        ),
    )


def check_medium(data: bytes, name: str, trust: TrustStore, *, at: datetime) -> tuple[Slot, bytes]:
    """Rules 1 and 2 alone: a recovered medium that is whole and signed; not opened yet.

    Raises:
        PackageRefusedError: with the reason.
    """
    try:
        return recovered_slot(data, trust, at=at)
    except MediumError as error:
        cause = error.__cause__
        reason = RefusalReason.ALTERED
        if isinstance(cause, SignatureError):
            reason = REASON_OF_FAULT[cause.fault]
        raise PackageRefusedError(name, reason, str(error)) from error


def verify_medium(
    data: bytes,
    name: str,
    election: Election,
    profile: Profile,
    trust: TrustStore,
    *,
    at: datetime,
    seen: PackageRegister,
) -> RecoveredPart:
    """Rules 1 to 5 for a recovered medium (`.medium`): signature, election, every record.

    Raises:
        PackageRefusedError: with the reason.
    """
    slot, _ = check_medium(data, name, trust, at=at)
    head = slot.head

    def refuse(reason: RefusalReason, detail: str) -> PackageRefusedError:
        return PackageRefusedError(
            name, reason, detail, precinct_id=head.precinct_id, device_id=head.device_id
        )

    if head.election_hash != election.hash or not has_place(election, head.precinct_id):
        raise refuse(RefusalReason.FOREIGN, "is of another election")
    if head.profile_hash != profile.canonical_hash():
        raise refuse(RefusalReason.FOREIGN, "was counted under other rules")
    if head.mode != Mode.OFFICIAL:
        raise refuse(RefusalReason.TEST_MODE, f"was written in {head.mode} mode: it is no result")
    if slot.digest[:32] in seen.package_ids:
        raise refuse(RefusalReason.REPLAYED, "this state of the medium was taken in before")
    try:
        form = RecordForm(election, profile, head.precinct_id)
        _, state = open_recovered(data, trust, form, at=at)
        count_records(election, state.records, head.precinct_id)
    except FirmwareError as error:
        raise refuse(RefusalReason.INCONSISTENT, str(error)) from error
    return RecoveredPart(name, hashlib.sha256(data).hexdigest(), slot.digest, state)


def _duplicate(
    package: VerifiedPackage, packages: Sequence[VerifiedPackage]
) -> PackageRefusedError:
    names = ", ".join(f"{p.name} (package {p.package_id})" for p in packages if p is not package)
    return _refusal(
        package,
        RefusalReason.DUPLICATE_PRECINCT,
        f"package {package.package_id} is not the only one of precinct "
        f"{say_place(package.precinct_id)}: there is also {names}. Neither is counted; a person "
        "decides which one stands",
    )


def _refusal(
    package: VerifiedPackage | RecoveredPart, reason: RefusalReason, detail: str
) -> PackageRefusedError:
    return PackageRefusedError(
        package.name,
        reason,
        detail,
        precinct_id=package.precinct_id,
        device_id=package.device_id,
    )

"""Which results packages may be counted: each accepted, or refused with its reason.

Rules, in this order; the first one broken is the reason (NVT-13, NVT-17, SEED-16):

1. the zip is whole, in its one form, and matches its check sums (else *altered*);
2. the signature is a device's of this authority (*forged*), valid (*expired*), not withdrawn
   (*revoked*; *no_revocation_list* where that cannot be known), and the second, post-quantum
   one is there where the device promises it (*downgraded*);
3. it is of this election, this profile, and the precinct its device was certified for, or all
   precincts of its polling place (`election.places`; else *foreign*), and was made in official
   mode (*test_mode*);
4. neither this package nor this export of the device was seen before (*replayed*);
5. its totals are what its own records add up to, and its figures agree with each other
   (*inconsistent*);
6. no other package of the same precinct, or of one of its precincts, is in hand: else both are
   shown and neither is counted (*duplicate_precinct*), since choosing one is a person's duty;
7. where a device died, what was recovered from its medium (`.medium` files, in the same batch)
   joins its replacement's package to one result (`tally.joining`): else *incomplete*.

What is accepted of a place with several precincts is one result for each of them.

Pure: bytes, trust and time come from the caller.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from election.model import Election
from election.places import has_place, is_one_precinct, say_place
from election.profile import Profile
from firmware_sim.counting import count_records
from firmware_sim.errors import (
    FirmwareError,
    PackageError,
    SignatureError,
    SignatureFault,
)
from firmware_sim.medium.join import parse_join, slot_name
from firmware_sim.medium.reading import checked_slot
from firmware_sim.package import (
    CVR_PARQUET,
    CVR_REPORT,
    DEVICE,
    JOIN,
    PROTOCOL,
    TOTALS,
    ResultsPackage,
    read_package,
)
from firmware_sim.place_figures import each_precinct
from firmware_sim.states import Mode
from firmware_sim.trust import DeviceIdentity, TrustStore
from scanner.cvr import CastVoteRecord, cvr_report, records_from_table
from scanner.errors import ScannerError
from tally.agreement import not_the_sum, protocol_fault
from tally.errors import TallyError
from tally.figures import PrecinctProtocol, PrecinctTotals
from tally.firmware import identity_in
from tally.joining import (
    JoinedPart,
    JoinFinding,
    Need,
    needs_of,
)
from tally.log_check import log_fault
from tally.national.columns import count_columns


class Depth(StrEnum):
    """How much of a package is checked again.

    WHOLE: all of it. COLUMNS: as WHOLE, but for what a nation's count leaves to a sample: the
    chain of the log and the NIST report are covered by the signature and their hashes only.
    """

    WHOLE = "whole"
    COLUMNS = "columns"


class RefusalReason(StrEnum):
    """Why a package is not counted. The value is the word written to reports."""

    UNREADABLE = "unreadable"
    ALTERED = "altered"
    FORGED = "forged"
    EXPIRED = "expired"
    REVOKED = "revoked"
    NO_REVOCATION_LIST = "no_revocation_list"
    DOWNGRADED = "downgraded"
    FOREIGN = "foreign"
    TEST_MODE = "test_mode"
    REPLAYED = "replayed"
    INCONSISTENT = "inconsistent"
    DUPLICATE_PRECINCT = "duplicate_precinct"
    INCOMPLETE = "incomplete"


class PackageRefusedError(TallyError):
    """A package that may not be counted: its name, `reason`, `detail` and what it claims.

    `precinct_id` and `device_id` are None while the signature is not accepted: what an
    unsigned file says of itself is worth nothing.
    """

    def __init__(
        self,
        name: str,
        reason: RefusalReason,
        detail: str,
        *,
        precinct_id: str | None = None,
        device_id: str | None = None,
    ) -> None:
        self.name = name
        self.reason = reason
        self.detail = detail
        self.precinct_id = precinct_id
        self.device_id = device_id
        super().__init__(f"{name}: refused, {reason.value}: {detail}")


@dataclass(frozen=True, slots=True)
class VerifiedPackage:
    """A package that may be counted, reduced to its figures; `digest` is its SHA-256.

    `needs` are the dead devices that its own stands in for, with the ids of its records;
    once they are joined, `joined` are their parts, contained in `totals` and `protocol`, and
    `findings` what a person must see of them. A precinct known by a medium alone has export
    number 0, and `software`, the firmware hashes that its log tells.

    Verified, `precinct_id` is all that its device serves (`election.places`). What a batch
    accepts is of one precinct each (`for_each_precinct`): `place` is then the place, None of
    one precinct, and what is said of the device (`joined`, `findings`) stands with the first.
    """

    name: str
    digest: str
    package_id: str
    precinct_id: str
    device_id: str
    export_number: int
    created: str
    election_hash: str
    profile_hash: str
    totals: PrecinctTotals
    protocol: PrecinctProtocol
    needs: tuple[Need, ...] = ()
    software: tuple[str, ...] = ()
    record_ids: frozenset[str] = frozenset()
    joined: tuple[JoinedPart, ...] = ()
    findings: tuple[JoinFinding, ...] = ()
    place: str | None = None

    def for_each_precinct(self) -> tuple[VerifiedPackage, ...]:
        """The same, precinct by precinct; itself alone where it is of one."""
        if is_one_precinct(self.precinct_id):
            return (self,)
        return tuple(
            replace(
                self,
                precinct_id=totals["precinct_id"],
                place=self.precinct_id,
                totals=cast(PrecinctTotals, totals),
                protocol=cast(PrecinctProtocol, protocol),
                joined=() if number else self.joined,
                findings=() if number else self.findings,
            )
            for number, (totals, protocol) in enumerate(each_precinct(self.totals, self.protocol))
        )


@dataclass(frozen=True, slots=True)
class PackageRegister:
    """Packages and device exports seen so far. A value: `add` gives the next one."""

    package_ids: frozenset[str] = field(default_factory=frozenset)
    exports: frozenset[tuple[str, int]] = field(default_factory=frozenset)

    def add(self, package: VerifiedPackage) -> PackageRegister:
        """The register with this package in it."""
        return PackageRegister(
            self.package_ids | {package.package_id} | {p.slot_sha256[:32] for p in package.joined},
            self.exports | {(package.device_id, package.export_number)},
        )

    def why_seen(self, package_id: str, device_id: str, export_number: int) -> str | None:
        """What of this package was seen before, in words; None if nothing."""
        if package_id in self.package_ids:
            return f"package {package_id} was taken in before"
        if (device_id, export_number) in self.exports:
            return f"export {export_number} of device {device_id} was taken in before"
        return None


@dataclass(frozen=True, slots=True)
class Verification:
    """A batch sorted out: `accepted` by precinct, `refused` in the order given."""

    accepted: tuple[VerifiedPackage, ...]
    refused: tuple[PackageRefusedError, ...]


#: The word of each fault of a signature.
REASON_OF_FAULT = {
    SignatureFault.MALFORMED: RefusalReason.ALTERED,
    SignatureFault.BAD_SIGNATURE: RefusalReason.FORGED,
    SignatureFault.UNTRUSTED: RefusalReason.FORGED,
    SignatureFault.EXPIRED: RefusalReason.EXPIRED,
    SignatureFault.REVOKED: RefusalReason.REVOKED,
    SignatureFault.NO_REVOCATION_LIST: RefusalReason.NO_REVOCATION_LIST,
    SignatureFault.WRONG_PURPOSE: RefusalReason.FORGED,
    SignatureFault.DOWNGRADED: RefusalReason.DOWNGRADED,
}


def check_origin(
    data: bytes,
    name: str,
    trust: TrustStore,
    *,
    at: datetime,
    election: Election | None = None,
    depth: Depth = Depth.WHOLE,
) -> tuple[ResultsPackage, DeviceIdentity]:
    """Rules 1 and 2 and the event log alone: whole and signed, whatever election it is of.

    Args:
        election: its definition, if known: then a forgery is looked at more closely.
        depth: COLUMNS leaves the event log to the signature over it.

    Raises:
        PackageRefusedError: altered, forged, expired, revoked, no_revocation_list, downgraded, or
            inconsistent in its log.
    """
    try:
        package = read_package(data, name)
    except PackageError as error:
        detail = str(error).removeprefix(f"{name}: ")
        raise PackageRefusedError(name, RefusalReason.ALTERED, detail) from error
    try:
        device, _ = trust.verify_package(package.sums, package.cms, package.mldsa, at=at)
    except SignatureError as error:
        detail = error.detail
        if error.fault is SignatureFault.BAD_SIGNATURE:
            # No signature tells where a forger was at work; what does not fit together may.
            seen = _misfit(package, election) or log_fault(package, trust, at=at)
            detail += f"; seen in it: {seen}" if seen else ""
        raise PackageRefusedError(name, REASON_OF_FAULT[error.fault], detail) from error
    fault = log_fault(package, trust, at=at) if depth is Depth.WHOLE else None
    if fault:
        raise PackageRefusedError(
            name, RefusalReason.INCONSISTENT, fault, device_id=device.device_id
        )
    return package, device


def verify_package(
    data: bytes,
    name: str,
    election: Election,
    profile: Profile,
    trust: TrustStore,
    *,
    at: datetime,
    seen: PackageRegister,
    depth: Depth = Depth.WHOLE,
) -> VerifiedPackage:
    """Rules 1 to 5 for one package; rule 6 needs the batch: `tally.batch.verify_packages`.

    Args:
        data: the file's bytes; `name` is what messages call it.
        at: the time certificates must be valid at, timezone-aware.
        seen: packages taken in before.

    Raises:
        PackageRefusedError: with the reason.
    """
    package, device = check_origin(data, name, trust, at=at, election=election, depth=depth)
    manifest = package.manifest

    def refuse(reason: RefusalReason, detail: str) -> PackageRefusedError:
        return PackageRefusedError(
            name,
            reason,
            detail,
            precinct_id=str(manifest["precinct_id"]),
            device_id=device.device_id,
        )

    foreign = _why_foreign(manifest, device, election, profile)
    if foreign:
        raise refuse(RefusalReason.FOREIGN, foreign)
    if manifest["mode"] != Mode.OFFICIAL:
        raise refuse(
            RefusalReason.TEST_MODE,
            f"was made in {manifest['mode']} mode: it is no result, whatever it holds",
        )
    replay = seen.why_seen(manifest["package_id"], manifest["device_id"], manifest["export_number"])
    if replay:
        raise refuse(RefusalReason.REPLAYED, replay)
    try:
        # In columns, what the records add up to says all of the form that totals must have.
        totals = cast(PrecinctTotals, package.document(TOTALS, known=depth is Depth.COLUMNS))
        protocol = cast(PrecinctProtocol, package.document(PROTOCOL))
        fault = _why_inconsistent(package, totals, protocol, election, depth)
        needs = _needs(package, device, trust, election, at)
        # Ids are kept only where records of other devices will join them.
        ids = frozenset(r.record_id for r in records_of(package)) if needs else frozenset()
    except (FirmwareError, ScannerError) as error:
        raise refuse(RefusalReason.INCONSISTENT, str(error).removeprefix(f"{name}: ")) from error
    if fault:
        raise refuse(RefusalReason.INCONSISTENT, fault)
    return VerifiedPackage(
        name=name,
        digest=hashlib.sha256(data).hexdigest(),
        package_id=manifest["package_id"],
        precinct_id=manifest["precinct_id"],
        device_id=manifest["device_id"],
        export_number=manifest["export_number"],
        created=manifest["created"],
        election_hash=manifest["election_hash"],
        profile_hash=manifest["profile_hash"],
        totals=totals,
        protocol=protocol,
        needs=needs,
        record_ids=ids,
    )


def _needs(
    package: ResultsPackage,
    device: DeviceIdentity,
    trust: TrustStore,
    election: Election,
    at: datetime,
) -> tuple[Need, ...]:
    """The dead devices that a package's device stands in for, from its `join.json`.

    Raises:
        FirmwareError: it is not what its slots say, or of another precinct.
    """
    if JOIN not in package.files:
        return ()
    value = package.document(JOIN)
    names = [slot_name(number) for number in range(1, len(value["replaces"]) + 1)]
    if any(name not in package.files for name in names):
        raise PackageError(f"{JOIN} names a dead device whose slot is not in the package")
    slots = [checked_slot(package.files[name], trust, at=at) for name in names]
    replacement = parse_join(value, slots)
    replacement.check(
        {
            "election_hash": election.hash,
            "profile_hash": str(package.manifest["profile_hash"]),
            "precinct_id": str(package.manifest["precinct_id"]),
            "device_id": device.device_id,
        }
    )
    replacement.check_mode("official")
    if (value["precinct_id"], value["device_id"]) != (device.precinct_id, device.device_id):
        raise PackageError(f"{JOIN} is of another device")
    return needs_of(replacement)


def _why_foreign(
    manifest: Any, device: DeviceIdentity, election: Election, profile: Profile
) -> str | None:
    if manifest["election_hash"] != election.hash or manifest["election_id"] != election.id:
        return (
            f"is of election {manifest['election_id']} ({manifest['election_hash'][:16]}…), "
            f"not {election.id} ({election.hash[:16]}…)"
        )
    if manifest["profile_hash"] != profile.canonical_hash():
        return f"was counted under other rules: profile {manifest['profile_id']}"
    place = str(manifest["precinct_id"])
    if not has_place(election, place):
        return f"precinct {say_place(place)} is not in this election"
    if place != device.precinct_id:
        return (
            f"claims precinct {say_place(place)}, but its device {device.device_id} "
            f"is certified for {say_place(device.precinct_id)}"
        )
    if manifest["device_id"] != device.device_id:
        return f"names device {manifest['device_id']}, but {device.device_id} signed it"
    return None


def _why_inconsistent(
    package: ResultsPackage,
    totals: PrecinctTotals,
    protocol: PrecinctProtocol,
    election: Election,
    depth: Depth = Depth.WHOLE,
) -> str | None:
    precinct = str(package.manifest["precinct_id"])
    for document, value in ((TOTALS, totals), (PROTOCOL, protocol)):
        if value["precinct_id"] != precinct or value["election_hash"] != election.hash:
            return f"{document} is of another precinct or election than the manifest"
    if depth is Depth.COLUMNS:
        recounted = count_columns(election, table_of(package), precinct)
        if totals != recounted:
            return not_the_sum(totals, recounted)
        return protocol_fault(totals, protocol)
    identity_in(package)
    records = records_of(package)
    ids = Counter(record.record_id for record in records)
    if len(ids) != len(records):
        return f"record {ids.most_common(1)[0][0]} is there twice"
    recounted = count_records(election, records, precinct)
    if totals != recounted:
        return not_the_sum(totals, recounted)
    report = package.cvr_report()
    again = cvr_report(
        election,
        records,
        device_id=str(package.manifest["device_id"]),
        created=datetime(2000, 1, 1, tzinfo=UTC),  # compared are the records, not the date
    )
    if report.get("CVR") != again["CVR"]:
        return f"{CVR_REPORT} and {CVR_PARQUET} do not hold the same records"
    return protocol_fault(totals, protocol)


def _misfit(package: ResultsPackage, election: Election | None) -> str | None:
    """The first part of a forged package that does not fit the others; None if all do."""
    try:
        totals, protocol = package.document(TOTALS), package.document(PROTOCOL)
        package.document(DEVICE)
        if election is None:
            return None
        return _why_inconsistent(
            package, cast(PrecinctTotals, totals), cast(PrecinctProtocol, protocol), election
        )
    except (FirmwareError, ScannerError) as error:
        return str(error).removeprefix(f"{package.name}: ")


def records_of(package: ResultsPackage) -> list[CastVoteRecord]:
    """The cast vote records of a package. Raises PackageError, ScannerError: unreadable."""
    return records_from_table(table_of(package))


def table_of(package: ResultsPackage) -> pa.Table:
    """The records of a package in columns. Raises PackageError: unreadable."""
    try:
        data = pa.BufferReader(package.files[CVR_PARQUET])
        return pq.ParquetFile(data).read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PackageError(f"{CVR_PARQUET} cannot be read as a table") from error

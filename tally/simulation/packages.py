"""The made-up nation's results packages: really signed, one device a precinct.

Each territory has a certified region of its own (`firmware_sim.authority`), each precinct a
device with an ECDSA and an ML-DSA key. The keys of devices are used once and not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from election.profile import Profile
from firmware_sim import package
from firmware_sim.certificates import Purpose, device_certificate, key_hash
from firmware_sim.eventlog import Event, next_event, to_lines, utc_text
from firmware_sim.export import DEVICE_FORMAT, ExportFigures, manifest_of, protocol_of
from firmware_sim.identity import code_hash, firmware_of, software_version
from firmware_sim.issuing import OpenIssuer, open_region
from firmware_sim.keyfiles import identity_of
from firmware_sim.package import build_package
from firmware_sim.signing import raw_signer
from firmware_sim.trust import DeviceSigner, SecondKey, add_region, create_authority
from scanner.columns import table_parquet_bytes
from tally.national.columns import count_columns
from tally.simulation.ballots import precinct_table
from tally.simulation.plan import Nation
from tally.simulation.report_text import ReportWriter

#: The day of the made-up election.
OPENED = datetime(2026, 3, 19, 2, 0, tzinfo=UTC)
CLOSED = datetime(2026, 3, 19, 15, 0, tzinfo=UTC)
_ISSUED = datetime(2026, 3, 1, tzinfo=UTC)
#: zlib's level for the reports: most of the making of a nation is spent there.
_LEVEL = 3


def make_authority(nation: Nation, keys: Path) -> None:
    """Make the root and a certified region a territory in `keys` (made)."""
    create_authority(keys, name="Model authority", now=_ISSUED, valid_days=3650)
    for territory in nation.commissions.of_tier("territorial"):
        add_region(
            keys,
            territory.id,
            name=territory.name["en"],
            precincts=nation.commissions.precincts_under(territory.id),
            now=_ISSUED,
            valid_days=3650,
        )


@dataclass(frozen=True, slots=True)
class MadePackage:
    """One package's bytes, and what is in it: `totals` as in `totals.json`."""

    precinct_id: str
    data: bytes
    totals: dict[str, Any]


class PackageMaker:
    """Makes packages of one nation; worded pieces and constant files are kept."""

    def __init__(self, nation: Nation, profile: Profile, keys: Path) -> None:
        self._nation = nation
        self._profile = profile
        self._keys = keys
        self._report = ReportWriter(nation.election)
        election = nation.election
        self._firmware = package.to_json_bytes(
            firmware_of(election, profile).model_dump(mode="json")
        )
        self._device = {
            "format": DEVICE_FORMAT,
            "device_kind": "scanner",
            "software_version": software_version(),
            "code_hash": code_hash(),
            "firmware_hash": firmware_of(election, profile).hash,
            "election_hash": election.hash,
            "profile_hash": profile.canonical_hash(),
        }

    def territory(self, territory_id: str) -> Iterator[MadePackage]:
        """All packages of a territory, precinct by precinct."""
        issuer = open_region(self._keys, territory_id, None)
        number_of = {p: i for i, p in enumerate(self._nation.precinct_ids)}
        for precinct_id in self._nation.commissions.precincts_under(territory_id):
            yield self._make(number_of[precinct_id], new_signer(issuer, precinct_id))

    def _make(self, number: int, signer: DeviceSigner) -> MadePackage:
        nation, election = self._nation, self._nation.election
        precinct_id = nation.precinct_ids[number]
        table = precinct_table(nation, number)
        totals = count_columns(election, table, precinct_id)
        created = CLOSED + timedelta(seconds=number % 3600)
        sheets = int(totals["sheets"])
        counters = {"sheets_fed": sheets, "accepted": sheets, "returned": 0, "refused": 0}
        figures = ExportFigures(
            precinct_id=precinct_id,
            device_id=signer.identity.device_id,
            # A number of its own, from the plan: the package's id tells nothing else.
            package_id=f"{nation.plan.seed & 0xFFFFFFFF:08x}{number:024x}",
            export_number=1,
            created=created,
            polls_opened=utc_text(OPENED),
            polls_closed=utc_text(CLOSED),
            counters=counters,
            returned_by_style={},
            issued={style: row["sheets"] for style, row in totals["styles"].items()},
            box_counter=sheets,
        )
        report = self._report.write(
            table, precinct_id=precinct_id, device_id=figures.device_id, created=created
        )
        device = {
            **self._device,
            "device_id": figures.device_id,
            "precinct_id": precinct_id,
            "counters": counters,
        }
        files = {
            package.TOTALS: package.to_json_bytes(totals),
            package.PROTOCOL: package.to_json_bytes(protocol_of(election, figures, totals)),
            package.DEVICE: package.to_json_bytes(device),
            package.FIRMWARE: self._firmware,
            package.CVR_REPORT_GZ: package.compressed(report, _LEVEL),
            package.CVR_PARQUET: table_parquet_bytes(table),
            package.EVENTS: to_lines(_day(sheets)),
        }
        files[package.MANIFEST] = package.to_json_bytes(
            manifest_of(election, self._profile, figures, [*files, package.MANIFEST])
        )
        data = build_package(files, signer.sign, signer.sign_post_quantum)
        return MadePackage(precinct_id, data, totals)


def _day(sheets: int) -> list[Event]:
    """A short log: what a device says of the day but for its sheets."""
    events: list[Event] = []
    for at, kind, detail in (
        (OPENED - timedelta(hours=1), "configured", {}),
        (OPENED - timedelta(minutes=30), "self_test_passed", {}),
        (OPENED - timedelta(minutes=20), "zero_tape_printed", {}),
        (OPENED, "polls_opened", {}),
        (CLOSED, "polls_closed", {"sheets": sheets}),
    ):
        events.append(next_event(events[-1] if events else None, at=at, kind=kind, detail=detail))
    return events


def new_signer(issuer: OpenIssuer, precinct_id: str) -> DeviceSigner:
    """A device with fresh keys, certified by an open region for one precinct; nothing is
    written."""
    device_id = f"dev-{precinct_id}"
    key = ec.generate_private_key(ec.SECP256R1())
    second = mldsa.MLDSA65PrivateKey.generate() if issuer.second is not None else None

    def certify(public: Any, *, other: bool, promised: bytes | None) -> Any:
        ca = issuer.second if other else issuer.first
        assert ca is not None  # noqa: S101 (asked for only where there is one)
        certificate = device_certificate(
            ca.issuer,
            public,
            device_id=device_id,
            precinct_id=precinct_id,
            region_id=issuer.region_id,
            purpose=Purpose.RESULTS,
            now=_ISSUED + timedelta(days=1),
            valid_days=365,
            post_quantum_key=promised,
        )
        return (certificate, *ca.between)

    promised = None if second is None else key_hash(second.public_key())
    chain = certify(key.public_key(), other=False, promised=promised)
    tied = None
    if second is not None:
        tied = SecondKey(second, certify(second.public_key(), other=True, promised=None))
    return DeviceSigner(raw_signer(key), chain, identity_of(chain[0]), tied)

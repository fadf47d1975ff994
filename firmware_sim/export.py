"""The files of a results package, from figures and records: pure, no I/O, no signing.

Everything leaves in an order that tells nothing: records by their random ids, names
sorted (NVT-05).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from election.model import Election
from election.places import paper_keys, say_place
from election.profile import Profile
from firmware_sim import package
from firmware_sim.counting import count_records
from firmware_sim.errors import CountError
from firmware_sim.eventlog import Event, to_lines, utc_text
from firmware_sim.identity import code_hash, firmware_of, software_version
from firmware_sim.place_figures import control_sums
from firmware_sim.states import Mode
from scanner.cvr import CastVoteRecord, cvr_parquet_bytes, cvr_report

PROTOCOL_FORMAT = "ballotbench-protocol/1"
DEVICE_FORMAT = "ballotbench-device/1"


@dataclass(frozen=True, slots=True)
class ExportFigures:
    """What a package says beside the records. `precinct_id` may be a place of several
    (`election.places`). Times `polls_…` are ISO 8601 UTC texts; `created` is timezone-aware;
    `issued` and `returned_by_style` are by ballot style (`election.places.paper_key`);
    `box_counter` is the scanner's own count of sheets in the box at the close, or, with
    `box_counter_by` (`checks.BOX_BY_HAND`, …), what people said of a dead one; `mode` what
    the day was for: a package of test mode is never counted as results."""

    precinct_id: str
    device_id: str
    package_id: str
    export_number: int
    created: datetime
    polls_opened: str
    polls_closed: str
    counters: Mapping[str, int]
    returned_by_style: Mapping[str, int]
    issued: Mapping[str, int]
    box_counter: int | None = None
    box_counter_by: str | None = None
    mode: Mode = Mode.OFFICIAL
    device_kind: str = "scanner"


def package_files(
    election: Election,
    profile: Profile,
    figures: ExportFigures,
    records: Sequence[CastVoteRecord],
    events: Sequence[Event],
    *,
    extra: Mapping[str, bytes] = MappingProxyType({}),
) -> dict[str, bytes]:
    """Every file of a results package but its check sums and signature, by name; `extra` are
    further ones (a replacement device's `join.json`).

    Raises:
        CountError: records that are not of this election and precinct, or `issued` for a
            style that the precinct has not.
    """
    totals = count_records(election, records, figures.precinct_id)
    check_issued(election, figures.precinct_id, figures.issued)
    created = figures.created.astimezone(UTC).replace(microsecond=0)
    report = cvr_report(
        election,
        records,
        device_id=figures.device_id,
        created=created,
        precinct_id=figures.precinct_id,
    )
    files = {
        package.TOTALS: package.to_json_bytes(totals),
        package.PROTOCOL: package.to_json_bytes(protocol_of(election, figures, totals)),
        package.DEVICE: package.to_json_bytes(_device(election, profile, figures)),
        package.FIRMWARE: package.to_json_bytes(
            firmware_of(election, profile).model_dump(mode="json")
        ),
        package.CVR_REPORT: package.to_json_bytes(report),
        package.CVR_PARQUET: cvr_parquet_bytes(records),
        package.EVENTS: to_lines(events),
        **extra,
    }
    manifest = manifest_of(election, profile, figures, [*files, package.MANIFEST])
    files[package.MANIFEST] = package.to_json_bytes(manifest)
    return files


def manifest_of(
    election: Election, profile: Profile, figures: ExportFigures, files: Sequence[str]
) -> dict[str, Any]:
    """`manifest.json`: what the package is, and the names of its summed `files`."""
    return {
        "format": package.MANIFEST_FORMAT,
        "package_id": figures.package_id,
        "election_id": election.id,
        "election_hash": election.hash,
        "mode": figures.mode.value,
        "profile_id": profile.id,
        "profile_hash": profile.canonical_hash(),
        "precinct_id": figures.precinct_id,
        "device_id": figures.device_id,
        "export_number": figures.export_number,
        "created": utc_text(figures.created.astimezone(UTC).replace(microsecond=0)),
        "files": sorted(files),
    }


def check_issued(election: Election, precinct_id: str, issued: Mapping[str, int]) -> None:
    """Are papers issued told of styles that the precinct hands out? Raises CountError."""
    known = paper_keys(election, precinct_id)
    for style_id in issued:
        if style_id not in known:
            raise CountError(
                f"papers issued of style {style_id!r}: precinct {say_place(precinct_id)} hands out "
                f"{', '.join(known)}"
            )


def protocol_of(
    election: Election, figures: ExportFigures, totals: Mapping[str, Any]
) -> dict[str, Any]:
    """`protocol.json`, the commission's form: control sums by kind of paper (SEED-10, SEED-11)."""
    return {
        "format": PROTOCOL_FORMAT,
        "precinct_id": figures.precinct_id,
        "election_hash": election.hash,
        "polls_opened": figures.polls_opened,
        "polls_closed": figures.polls_closed,
        "box_counter": figures.box_counter,
        **({"box_counter_by": figures.box_counter_by} if figures.box_counter_by else {}),
        **control_sums(election, totals, figures.issued, figures.returned_by_style),
    }


def _device(election: Election, profile: Profile, figures: ExportFigures) -> dict[str, Any]:
    return {
        "format": DEVICE_FORMAT,
        "device_id": figures.device_id,
        "device_kind": figures.device_kind,
        "precinct_id": figures.precinct_id,
        "software_version": software_version(),
        "code_hash": code_hash(),
        "firmware_hash": firmware_of(election, profile).hash,
        "election_hash": election.hash,
        "profile_hash": profile.canonical_hash(),
        "counters": dict(figures.counters),
    }

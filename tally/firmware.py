"""Is the software that counted the certified one? (NVT-12, NVT-16)

A package holds the identity of its device's software (`firmware.json`); its log says the
hash that stood on the zero tape and the one at the close. Pure: the package comes verified.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from election.model import Election
from election.profile import Profile
from firmware_sim.errors import PackageError
from firmware_sim.eventlog import Event, EventLogError, from_lines
from firmware_sim.identity import FirmwareIdentity, code_hash_of, configured, differences
from firmware_sim.package import DEVICE, EVENTS, FIRMWARE, ResultsPackage, parse_document
from tally.errors import TallyError

#: What `--expect` may give: the certified build whole, or one of its hashes.
Certified = FirmwareIdentity | str

_HASH = re.compile(r"[0-9a-f]{64}")
#: Events that say which software it was at that time.
_SAYING = ("zero_tape_printed", "polls_closed")


class CertifiedValueError(TallyError):
    """What is given as the certified value is none."""


def certified_value(text: str, data: bytes | None) -> Certified:
    """The certified value: a file made by `device identity`, or a hash of 64 digits.

    Args:
        text: what was given; `data` is the content of the file of that name, None if none.

    Raises:
        CertifiedValueError: neither.
    """
    if data is not None:
        try:
            document = parse_document(data, FIRMWARE, where=text)
        except PackageError as error:
            raise CertifiedValueError(
                f"{error}. Make one with `ballotbench device identity --out {text}`"
            ) from error
        return FirmwareIdentity.model_validate(document)
    if _HASH.fullmatch(text.lower()):
        return text.lower()
    raise CertifiedValueError(f"--expect {text[:80]!r} is no file, and no hash of 64 digits")


def expected_hash(
    certified: Certified | None, configuration: tuple[Election, Profile] | None
) -> str | None:
    """What a tape or a log alone must say, which have only the hash of software with its
    configuration; None where nothing is expected.

    Args:
        configuration: the election's, for a certified build that is without one.

    Raises:
        CertifiedValueError: such a build, and no election.
    """
    if certified is None or isinstance(certified, str):
        return certified
    if certified.configuration is None:
        if configuration is None:
            raise CertifiedValueError(
                "--expect: the certified file is of a build without an election, and a tape or a "
                "log says only the hash of both: give --election too"
            )
        return configured(certified, *configuration).hash
    return certified.hash


def hash_findings(device_id: str, software: Sequence[str], expected: str | None) -> list[str]:
    """What is to be said of software that is known by its hashes alone."""
    if expected is None or tuple(software) == (expected,):
        return []
    if not software:
        return [f"device {device_id} does not say which software it ran"]
    ran = ", ".join(software)
    return [f"device {device_id} ran other software than the certified one: hash {ran}, not "
            f"{expected}"]  # fmt: skip


def identity_in(package: ResultsPackage) -> FirmwareIdentity | None:
    """What a package says of its software; None where it says nothing (version 0.1).

    Raises:
        PackageError: it is damaged, or not what `device.json` says.
    """
    if FIRMWARE not in package.files:
        if "firmware_hash" in package.document(DEVICE):
            raise PackageError(f"{package.name}: {DEVICE} tells of a {FIRMWARE} that is missing")
        return None
    identity = FirmwareIdentity.model_validate(package.document(FIRMWARE))
    if package.document(DEVICE).get("firmware_hash") != identity.hash:
        raise PackageError(f"{package.name}: {DEVICE} and {FIRMWARE} are of different software")
    return identity


def firmware_findings(package: ResultsPackage, certified: Certified | None = None) -> list[str]:
    """What is to be said of a package's software, a line each; empty where all is well.

    Without `certified` only whether it changed during the day.
    """
    try:
        found = identity_in(package)
    except PackageError as error:
        return [str(error).removeprefix(f"{package.name}: ")]
    if found is None:
        return ["the package says nothing of its software"] if certified is not None else []
    return [*_changes(package, found), *_against(certified, found)]


def software_in(events: Iterable[Event]) -> tuple[str, ...]:
    """The firmware hashes that a log tells, each once, in order."""
    said = (e.detail.get("firmware") for e in events if e.kind in _SAYING)
    return tuple(dict.fromkeys(str(value) for value in said if value is not None))


def recovered_findings(
    device_id: str, software: Sequence[str], other: str | None, certified: Certified | None
) -> list[str]:
    """What is to be said of the software of a device known by its medium alone.

    Args:
        software: the hashes that its log tells.
        other: the hash of the device that took over from it, None where there is none; what
            is to be said of that one's is said elsewhere.
    """
    expected = certified.hash if isinstance(certified, FirmwareIdentity) else certified
    wanted = other or expected
    if wanted is None or tuple(software) == (wanted,):
        return []
    if not software:
        return [f"the medium of device {device_id} says nothing of its software"]
    than = "its replacement" if other else "the certified one"
    ran = ", ".join(software)
    return [f"device {device_id} ran other software than {than}: hash {ran}, not {wanted}"]


def _changes(package: ResultsPackage, found: FirmwareIdentity) -> list[str]:
    try:
        events = from_lines(package.files[EVENTS])
    except EventLogError as error:
        return [f"the event log cannot be read: {error}"]
    lines = []
    for event in events:
        said = event.detail.get("firmware")
        if event.kind in _SAYING and said is not None and said != found.hash:
            what = event.detail.get("firmware_changed") or f"its hash was {said}"
            lines.append(f"the software changed during the day ({event.kind}): {what}")
    return lines


def _against(certified: Certified | None, found: FirmwareIdentity) -> list[str]:
    if certified is None:
        return []
    if isinstance(certified, str):
        if certified in (found.hash, found.software_hash, code_hash_of(found)):
            return []
        return [
            f"the software is not the certified one: hash {found.hash}, without configuration "
            f"{found.software_hash}; give the certified file to --expect to see which files"
        ]
    return differences(certified, found)

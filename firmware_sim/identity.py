"""Which software this is: every file of it, its libraries, its configuration, its election.

A `FirmwareIdentity` is taken once when a device starts, and again when the polls close. Its
hash goes on the zero tape and into the package, the whole of it (`firmware.json`) too, so
that `ballotbench verify --expect` can name the file that is not the certified one (NVT-12,
NVT-16). It says what the files were, not that the machine beneath is honest: whoever can
change the files can change what hashes them.

1. `files`: each installed file of the project's rooms, but Python's compiled copies;
2. `libraries`: each distribution that the project needs, and those that they need: version,
   and its list of files (`RECORD`) without what depends on where it was installed;
3. `configuration`: profile, thresholds, election definition; none for a build that is
   certified for every election.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import re
import sysconfig
from collections.abc import Iterator, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import rfc8785
from packaging.requirements import Requirement
from pydantic import BaseModel, ConfigDict, Field

from election.model import Election
from election.profile import Profile

ROOMS = ("election", "scanner", "hardware", "firmware_sim", "tally", "console")
PROJECT = "ballotbench"

_HASH = r"^[0-9a-f]{64}$"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Library(_Model):
    """A distribution: its version, and the SHA-256 of its list of files."""

    version: str
    record: str = Field(pattern=_HASH)


class Configuration(_Model):
    """What a device is set up for; thresholds are shares of a target's area, as decimal texts
    (the limits of fit and skew are in the code)."""

    election_id: str
    election_hash: str = Field(pattern=_HASH)
    profile_id: str
    profile_hash: str = Field(pattern=_HASH)
    thresholds: dict[str, str]


class FirmwareIdentity(_Model):
    """`firmware.json`: see the module."""

    format: Literal["ballotbench-firmware/1"] = "ballotbench-firmware/1"
    version: str
    python: str
    platform: str
    files: dict[str, str]
    libraries: dict[str, Library]
    configuration: Configuration | None = None

    @property
    def software_hash(self) -> str:
        """SHA-256 of everything but the configuration (RFC 8785), 64 hex digits: what is
        certified for every election."""
        whole = self.model_dump(mode="json", exclude={"configuration"})
        return hashlib.sha256(rfc8785.dumps(whole)).hexdigest()

    @property
    def hash(self) -> str:
        """SHA-256 of all of it (RFC 8785), 64 hex digits: what stands on the zero tape."""
        return hashlib.sha256(rfc8785.dumps(self.model_dump(mode="json"))).hexdigest()


@functools.cache
def identity_at_start() -> FirmwareIdentity:
    """The software as it was when this program first asked."""
    return measure()


def firmware_of(election: Election, profile: Profile) -> FirmwareIdentity:
    """The identity of this program, set up for an election, as of its start."""
    return configured(identity_at_start(), election, profile)


def configured(
    software: FirmwareIdentity, election: Election, profile: Profile
) -> FirmwareIdentity:
    """Software with its configuration."""
    configuration = Configuration(
        election_id=election.id,
        election_hash=election.hash,
        profile_id=profile.id,
        profile_hash=profile.canonical_hash(),
        thresholds={
            "marginal": repr(profile.marks.marginal),
            "definite": repr(profile.marks.definite),
            "write_in": repr(profile.marks.write_in),
        },
    )
    return software.model_copy(update={"configuration": configuration})


def measure() -> FirmwareIdentity:
    """Hash the files and lists as they are on the disk now."""
    return FirmwareIdentity(
        version=software_version(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        platform=sysconfig.get_platform(),
        files=dict(sorted(_files())),
        libraries={
            name: Library(version=found.version, record=_record_hash(found))
            for name, found in _distributions().items()
        },
    )


def files_now(start: FirmwareIdentity) -> FirmwareIdentity:
    """`start` with the project's files hashed anew: has one changed since?"""
    return start.model_copy(update={"files": dict(sorted(_files()))})


def at_close(start: FirmwareIdentity) -> dict[str, str]:
    """What the log says of the software when the polls close: its hash, and where a file has
    changed since the start, which (the first few)."""
    now = files_now(start)
    changed = differences(start, now)
    detail = {"firmware": now.hash}
    if changed:
        more = f"; and {len(changed) - 5} more" if len(changed) > 5 else ""
        detail["firmware_changed"] = "; ".join(changed[:5]) + more
    return detail


def differences(certified: FirmwareIdentity, found: FirmwareIdentity) -> list[str]:
    """Where software, or configuration if one is certified, is not what was certified.

    One line a difference, each naming its file, library or field; empty where all agree.
    """
    lines = [
        f"{field} is {getattr(found, field)}, certified {getattr(certified, field)}"
        for field in ("version", "python", "platform")
        if getattr(found, field) != getattr(certified, field)
    ]
    lines += _compare("file", certified.files, found.files)
    lines += _compare(
        "library",
        {name: f"{each.version} {each.record}" for name, each in certified.libraries.items()},
        {name: f"{each.version} {each.record}" for name, each in found.libraries.items()},
    )
    if certified.configuration is not None:
        expected = certified.configuration.model_dump()
        given = found.configuration.model_dump() if found.configuration is not None else {}
        lines += [
            f"configuration {name} is {given.get(name)}, certified {value}"
            for name, value in expected.items()
            if given.get(name) != value
        ]
    return lines


def code_hash() -> str:
    """`code_hash_of` this program as of its start."""
    return code_hash_of(identity_at_start())


def code_hash_of(identity: FirmwareIdentity) -> str:
    """SHA-256 over the rooms' files, 64 hex digits: of lines `<sha256>  <room>/<path>`,
    sorted by path."""
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(identity.files.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def software_version() -> str:
    """The installed version, e.g. "0.1.0"."""
    try:
        return metadata.version(PROJECT)
    except metadata.PackageNotFoundError:
        return "not installed"


def _compare(what: str, certified: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(certified.keys() | found.keys()):
        if name not in found:
            yield f"{what} {name} is missing"
        elif name not in certified:
            yield f"{what} {name} is not in the certified build"
        elif certified[name] != found[name]:
            yield f"{what} {name} is not the certified one"


def _files() -> Iterator[tuple[str, str]]:
    """(room/path, SHA-256) of every file but Python's own compiled copies."""
    for room in ROOMS:
        spec = find_spec(room)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            for path in Path(place).rglob("*"):
                if path.is_file() and path.suffix != ".pyc":
                    name = path.relative_to(place).as_posix()
                    yield f"{room}/{name}", hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _distributions() -> dict[str, metadata.Distribution]:
    """What the project needs, and what that needs in turn, by normal name (PEP 503)."""
    found: dict[str, metadata.Distribution] = {}
    missing: set[str] = set()
    waiting = [PROJECT]
    while waiting:
        name = _normal(waiting.pop())
        if name in found or name in missing:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            missing.add(name)
            continue
        for text in found[name].requires or ():
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
                waiting.append(wanted.name)
    found.pop(PROJECT, None)  # its files are hashed one by one
    return dict(sorted(found.items()))


def _record_hash(distribution: metadata.Distribution) -> str:
    lines = (distribution.read_text("RECORD") or "").splitlines()
    kept = sorted(line for line in lines if not _of_this_place(line.rsplit(",", 2)[0]))
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def _of_this_place(path: str) -> bool:
    """Is this written by the installer: scripts with a path in them, compiled copies, notes?"""
    name = path.rpartition("/")[2]
    return (
        path.startswith("..")
        or name.endswith(".pyc")
        or (
            ".dist-info/" in path
            and name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
        )
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()

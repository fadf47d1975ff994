"""The results package: what leaves a polling station, in one file that anyone can check.

A package is a zip in exactly one form: stored, entries sorted by name, every time
1980-01-01, every attribute fixed, no comments, no extra fields. The same files give the
same bytes, and reading rebuilds the zip and compares it byte for byte, so that a change
anywhere in it, also in a header that no program looks at, is refused.

`SHA256SUMS` covers every file but itself and its signatures; `SHA256SUMS.cms` is a
detached CMS over it, `SHA256SUMS.mldsa` a second signature where the device makes one. Sums
and CMS are checked with stock tools after unpacking (NVT-11, NVT-13):

    sha256sum -c SHA256SUMS
    openssl cms -verify -binary -inform DER -in SHA256SUMS.cms -content SHA256SUMS \
        -CAfile authority.pem -purpose any -out /dev/null

`read_package` establishes that a package is whole, not who made it: that is
`firmware_sim.trust.TrustStore.verify_package(package.sums, package.cms, package.mldsa, at=…)`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jsonschema import Draft202012Validator

from firmware_sim import zip_form
from firmware_sim.errors import PackageError

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.cms"
#: The second signature (`firmware_sim.post_quantum`), of devices that have such a key.
SECOND_SIGNATURE = "SHA256SUMS.mldsa"
PROTOCOL = "protocol.json"
TOTALS = "totals.json"
DEVICE = "device.json"
FIRMWARE = "firmware.json"
CVR_REPORT = "cvrs/report.json"
#: The same report compressed (RFC 1952), where a nation's records are kept: one of the two.
CVR_REPORT_GZ = "cvrs/report.json.gz"
CVR_PARQUET = "cvrs.parquet"
EVENTS = "log/events.jsonl"
#: Only in the package of a replacement device: `firmware_sim.medium.join`.
JOIN = "join.json"
#: The same log as NIST's Election Event Logging, signed for itself (`firmware_sim.eel`).
EEL = "log/eel.json"

#: What no check sum and no list of files can cover.
_NOT_SUMMED = (SUMS, SIGNATURE, SECOND_SIGNATURE)

#: What a package must hold beside `SHA256SUMS` and its signature, and one form of the report.
REQUIRED = (MANIFEST, PROTOCOL, TOTALS, DEVICE, CVR_PARQUET, EVENTS)

MANIFEST_FORMAT = "ballotbench-package/1"

#: Largest package looked at, bytes. A sheet's record is about 2 KiB in all forms together,
#: so this is some 100,000 sheets in one precinct.
MAX_PACKAGE_BYTES = 256 * 1024 * 1024
MAX_FILES = 64
#: Largest report taken out of its compressed form, bytes: 100,000 sheets and more.
MAX_REPORT_BYTES = 512 * 1024 * 1024

_SAFE_NAME = re.compile(
    r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,3}"
)

SCHEMAS = Path(__file__).with_name("schemas")
#: The published schema of each JSON file of ours (the CVR report's is NIST's).
SCHEMA_OF: Mapping[str, str] = MappingProxyType(
    {
        MANIFEST: "manifest.schema.json",
        PROTOCOL: "protocol.schema.json",
        TOTALS: "totals.schema.json",
        DEVICE: "device.schema.json",
        FIRMWARE: "firmware.schema.json",
        EVENTS: "event.schema.json",
        JOIN: "join.schema.json",
    }
)


@dataclass(frozen=True, slots=True)
class ResultsPackage:
    """A whole package: every file by name, and what the signature is over.

    `files` holds all files as bytes, `SHA256SUMS` and its signatures among them; `sums`, `cms`
    and `mldsa` (None if there is none) are those; `manifest` is `manifest.json` parsed and
    valid by its schema.
    """

    name: str
    files: Mapping[str, bytes]
    sums: bytes
    cms: bytes
    manifest: Mapping[str, Any]

    @property
    def mldsa(self) -> bytes | None:
        """`SHA256SUMS.mldsa`, if it is there."""
        return self.files.get(SECOND_SIGNATURE)

    def document(self, name: str, *, known: bool = False) -> dict[str, Any]:
        """One JSON file parsed (`totals.json`, `protocol.json`, …), valid by its schema.

        With `known` the schema is left out: the caller compares the whole with what it must be.

        Raises:
            PackageError: no such file, not JSON, or not what its schema says.
        """
        if name not in self.files:
            raise PackageError(f"{self.name}: has no {name}")
        return parse_document(self.files[name], name, where=self.name, known=known)

    def cvr_report(self) -> dict[str, Any]:
        """The cast vote records as NIST's report, from whichever form the package has.

        Raises:
            PackageError: it is not JSON, or not what it was compressed to be.
        """
        if CVR_REPORT in self.files:
            return self.document(CVR_REPORT)
        data = _decompressed(self.files[CVR_REPORT_GZ], f"{self.name}: {CVR_REPORT_GZ}")
        return parse_document(data, CVR_REPORT, where=self.name)


def to_json_bytes(value: Any) -> bytes:
    """The one JSON form used in packages: UTF-8, sorted keys, two spaces, a final newline."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False)
    return text.encode() + b"\n"


def compressed(data: bytes, level: int = 6) -> bytes:
    """RFC 1952 with no time and no name in it: the same bytes every time."""
    return gzip.compress(data, compresslevel=level, mtime=0)


def _decompressed(data: bytes, where: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(MAX_REPORT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise PackageError(f"{where}: is not gzip: {error}") from error
    if len(content) > MAX_REPORT_BYTES:
        raise PackageError(f"{where}: holds more than {MAX_REPORT_BYTES // 2**20} MiB")
    return content


def sums_of(files: Mapping[str, bytes]) -> bytes:
    """`SHA256SUMS` of these files: lines `<hex>  <name>`, sorted by name."""
    return "".join(
        f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n"
        for name in sorted(files)
        if name not in _NOT_SUMMED
    ).encode()


def build_package(
    files: Mapping[str, bytes],
    sign: Callable[[bytes], bytes],
    sign_second: Callable[[bytes], bytes | None] | None = None,
) -> bytes:
    """Make a package of `files`, adding `SHA256SUMS`, its signature by `sign`, and a second
    one by `sign_second`, if it gives one.

    Raises:
        PackageError: a required file is missing or a name cannot be in a package.
    """
    whole = {name: data for name, data in files.items() if name not in _NOT_SUMMED}
    for name in REQUIRED:
        if name not in whole:
            raise PackageError(f"a results package needs {name}")
    if (CVR_REPORT in whole) == (CVR_REPORT_GZ in whole):
        raise PackageError(f"a results package needs {CVR_REPORT} or {CVR_REPORT_GZ}")
    _check_names(list(whole), "the results package")
    whole[SUMS] = sums_of(whole)
    whole[SIGNATURE] = sign(whole[SUMS])
    second = sign_second(whole[SUMS]) if sign_second is not None else None
    if second is not None:
        whole[SECOND_SIGNATURE] = second
    return zip_form.write(whole)


def read_package(data: bytes, name: str) -> ResultsPackage:
    """Read a package strictly; `name` is what messages call it (its file name).

    Raises:
        PackageError: too large, not a zip, not in the one form, a file missing, altered or
            not listed, or a manifest that does not hold; the message says which.
    """
    files, in_form = _unzip(data, name)
    for required in (*REQUIRED, SUMS, SIGNATURE):
        if required not in files:
            raise PackageError(f"{name}: {required} is missing from the package")
    if CVR_REPORT not in files and CVR_REPORT_GZ not in files:
        raise PackageError(f"{name}: {CVR_REPORT} is missing from the package")
    if CVR_REPORT in files and CVR_REPORT_GZ in files:
        raise PackageError(f"{name}: holds the cast vote records twice")
    _compare_sums(files, name)
    if not in_form:
        raise _other_form(files, data, name)
    manifest = parse_document(files[MANIFEST], MANIFEST, where=name)
    listed = sorted(n for n in files if n not in _NOT_SUMMED)
    if manifest["files"] != listed:
        raise PackageError(f"{name}: {MANIFEST} does not list the files of the package")
    return ResultsPackage(
        name, MappingProxyType(files), files[SUMS], files[SIGNATURE], MappingProxyType(manifest)
    )


def parse_document(
    data: bytes, document: str, *, where: str, known: bool = False
) -> dict[str, Any]:
    """Parse one JSON document and check it by its published schema (if it has one, and unless
    it is `known` what it must be).

    Raises:
        PackageError: naming the document and its first wrong field.
    """
    try:
        value = json.loads(data, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise PackageError(f"{where}: {document} is not JSON: {error}") from error
    if not known:
        check_schema(value, document, where=where)
    if not isinstance(value, dict):
        raise PackageError(f"{where}: {document} is not a JSON object")
    return value


def check_schema(value: Any, document: str, *, where: str) -> None:
    """Check a parsed document by the schema of its name; no-op where it has none.

    Raises:
        PackageError: naming the first wrong field.
    """
    if document not in SCHEMA_OF:
        return
    fault = next(iter(_validator(document).iter_errors(value)), None)
    if fault is not None:
        field = fault.json_path.removeprefix("$.")
        raise PackageError(f"{where}: {document}: {field}: {fault.message[:200]}")


@lru_cache
def _validator(document: str) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / SCHEMA_OF[document]).read_text(encoding="utf-8"))
    return Draft202012Validator(schema)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return value


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def _compare_sums(files: Mapping[str, bytes], name: str) -> None:
    expected = sums_of(files)
    if files[SUMS] == expected:
        return
    given = set(files[SUMS].decode(errors="replace").splitlines())
    wrong = [line.split("  ", 1)[1] for line in expected.decode().splitlines() if line not in given]
    what = ", ".join(wrong) if wrong else SUMS
    raise PackageError(
        f"{name}: {what} does not match {SUMS}: altered after export or damaged in transfer"
    )


def _check_names(names: list[str], where: str) -> None:
    if len(names) > MAX_FILES:
        raise PackageError(f"{where}: holds {len(names)} files, more than {MAX_FILES}")
    for name in names:
        if not _SAFE_NAME.fullmatch(name):
            raise PackageError(f"{where}: {name!r} is not a name that a package may hold")
    if len({name.lower() for name in names}) != len(names):
        raise PackageError(f"{where}: a file name occurs twice")


def strict_zip(files: Mapping[str, bytes]) -> bytes:
    """Files as a zip in the one form of the module; for other signed files than packages.

    Raises:
        PackageError: a name that cannot be in one.
    """
    _check_names(list(files), "the file")
    return zip_form.write(files)


def read_strict_zip(data: bytes, name: str) -> dict[str, bytes]:
    """The files of a zip that is in the one form; nothing is trusted yet.

    Raises:
        PackageError: not a zip, or not in the one form.
    """
    files, in_form = _unzip(data, name)
    if not in_form:
        raise _other_form(files, data, name)
    return files


def _other_form(files: Mapping[str, bytes], data: bytes, name: str) -> PackageError:
    rebuilt = zip_form.write(files)
    at = next((i for i, (a, b) in enumerate(zip(rebuilt, data, strict=False)) if a != b), None)
    place = f"byte {at}" if at is not None else "the end"
    return PackageError(
        f"{name}: the zip is not in the one form a device writes (from {place}); "
        "it was altered or packed again: ask for the original file"
    )


def _unzip(data: bytes, name: str) -> tuple[dict[str, bytes], bool]:
    """The files of a zip, and whether it is in the one form."""
    if len(data) > MAX_PACKAGE_BYTES:
        raise PackageError(f"{name}: {len(data)} bytes is more than a results package may have")
    found = zip_form.read(data)
    if found is not None:
        _check_names(list(found), name)
        return found, True
    # Something is wrong with it: what, a reader of any zip can tell best.
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check_names([entry.filename for entry in entries], name)
            # Stored means that nothing can grow on unpacking; together they fit in the file.
            if any(e.compress_type != zipfile.ZIP_STORED or e.flag_bits & 1 for e in entries):
                raise PackageError(f"{name}: a file in it is compressed or encrypted")
            if sum(entry.file_size for entry in entries) > len(data):
                raise PackageError(f"{name}: its files claim more bytes than the package has")
            return {entry.filename: archive.read(entry) for entry in entries}, False
    except zipfile.BadZipFile as error:
        raise PackageError(f"{name}: is damaged or not a zip: {error}") from error
    except (
        NotImplementedError,
        EOFError,
        RuntimeError,
        ValueError,
        LookupError,
        OverflowError,
        OSError,
        MemoryError,
        struct.error,
        zlib.error,
    ) as error:
        raise PackageError(f"{name}: is damaged: the zip cannot be read") from error

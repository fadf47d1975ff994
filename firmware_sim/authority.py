"""The authority: makes its root, certifies regions and devices, withdraws them.

A self-signed root (`authority.pem`) certifies devices directly, or regions that certify
devices. What is withdrawn is in the revocation list of whoever issued it; a region that is
withdrawn takes its devices with it. A second root with an ML-DSA-65 key does the same beside
it (NVT-16, NVT-17).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.x509.oid import NameOID

from election.places import is_one_precinct, place_of, precincts_in
from firmware_sim.certificates import (
    PublicKey,
    Purpose,
    device_certificate,
    further_names,
    key_hash,
    region_certificate,
    root_certificate,
)
from firmware_sim.chain import load_list, region_of
from firmware_sim.errors import KeyFileError
from firmware_sim.issuing import (
    OpenIssuer,
    new_key,
    open_authority,
    open_issuer,
    write_ca,
)
from firmware_sim.keyfiles import (
    DEVICES,
    REGIONS,
    DeviceIdentity,
    DevicePaths,
    authority_paths,
    certificate_pem,
    checked_root,
    device_paths,
    identity_of,
    is_name,
    load_certificate,
    load_chain,
    names_of,
    private_pem,
    region_paths,
    write_new,
)

#: A certificate's common name has at most so many (RFC 5280, A.1, as the library counts it).
MOST_NAME_BYTES = 64


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region as `list_regions` tells it; `precincts` is empty where it may serve any."""

    region_id: str
    name: str
    precincts: tuple[str, ...]
    not_after: datetime
    revoked: datetime | None


def create_authority(
    directory: Path,
    *,
    name: str,
    now: datetime,
    valid_days: int,
    passphrase: bytes | None = None,
    post_quantum: bool = True,
) -> Path:
    """Make root keys, certificates and empty revocation lists in `directory`.

    Writes `authority.pem`, `authority.key` (PKCS #8, mode 0600, encrypted when a
    passphrase is given) and `revoked.pem`, and with `post_quantum` the same three with
    `-mldsa`. `now` is timezone-aware.

    Returns:
        The path of `authority.pem`.

    Raises:
        KeyFileError: an authority is already there, or the name is empty or too long.
    """
    _check_name("an authority", name)
    files = authority_paths(directory)
    if files.key.exists() or files.certificate.exists():
        raise KeyFileError(
            f"{directory}: there is an authority already; choose an empty directory "
            "(a second root would orphan every device of the first)"
        )
    made = []
    for second in (False, True) if post_quantum else (False,):
        key = new_key(post_quantum=second)
        root = root_certificate(key, name=name.strip(), now=now, valid_days=valid_days)
        made.append((authority_paths(directory, post_quantum=second), root, key))
    # Only now: what is refused leaves no folder behind.
    directory.mkdir(parents=True, exist_ok=True)
    for paths, root, key in made:
        write_ca(paths, root, key, passphrase, now)
    return files.certificate


def add_region(
    directory: Path,
    region_id: str,
    *,
    name: str,
    precincts: Sequence[str] = (),
    now: datetime,
    valid_days: int,
    passphrase: bytes | None = None,
    region_passphrase: bytes | None = None,
) -> Path:
    """Make a region's keys, certificates and empty lists under the authority in `directory`.

    Args:
        precincts: those that it may certify devices for; empty: any.
        passphrase: opens the authority's keys; `region_passphrase` protects the region's.

    Returns:
        The region's folder.

    Raises:
        KeyFileError: no authority, unusable id or name, or there is such a region that is
            not revoked.
    """
    for what, value in (("region", region_id), *(("precinct", each) for each in precincts)):
        _check_id(what, value)
    _check_name("a region", name)
    above = open_authority(directory, passphrase)
    root = above.first.issuer.certificate
    depth = root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    if depth == 0:
        raise KeyFileError(
            f"{directory}: this authority was made for devices only (path length 0); make a new "
            "one with `ballotbench keys init` to have regions"
        )
    files = region_paths(directory, region_id)
    if files.certificate.exists():
        raise KeyFileError(f"{files.certificate.parent}: there is a region {region_id} already")
    made = []
    for ca, second in ((above.first, False), (above.second, True)):
        if ca is None:
            continue
        key = new_key(post_quantum=second)
        certificate = region_certificate(
            ca.issuer,
            key.public_key(),
            region_id=region_id,
            name=name.strip(),
            precincts=precincts,
            now=now,
            valid_days=valid_days,
        )
        made.append((region_paths(directory, region_id, post_quantum=second), certificate, key))
    files.certificate.parent.mkdir(parents=True, exist_ok=True)
    for paths, certificate, key in made:
        write_ca(paths, certificate, key, region_passphrase, now)
    return files.certificate.parent


def revoke_region(
    directory: Path, region_id: str, now: datetime, *, passphrase: bytes | None = None
) -> int:
    """Withdraw a region, and so all its devices; idempotent. Returns its serial number.

    Raises:
        KeyFileError: no authority or no such region.
    """
    above = open_authority(directory, passphrase)
    certificate = load_certificate(region_paths(directory, region_id).certificate)
    serial = above.first.withdraw(certificate, now)
    files = region_paths(directory, region_id, post_quantum=True)
    if above.second is not None and files.certificate.exists():
        above.second.withdraw(load_chain(files.certificate, post_quantum=True)[0], now)
    return serial


def issue_device(
    directory: Path,
    device_id: str,
    *,
    precinct_id: str,
    now: datetime,
    valid_days: int,
    passphrase: bytes | None = None,
    region: str | None = None,
    purpose: Purpose = Purpose.RESULTS,
    device_passphrase: bytes | None = None,
) -> DevicePaths:
    """Make a device's keys and certificates under the authority, or a region of it.

    The certificate's common name is the device, its organisational unit the precinct (of a
    place of several, `election.places`, all are in it); its key may sign, nothing else. A
    device id may be issued again only after its former certificate was revoked.

    Args:
        passphrase: opens the keys of the authority, or of the region.
        device_passphrase: protects the device's keys; None: they are written unencrypted,
            mode 0600, for a device that starts unattended.

    Raises:
        KeyFileError: no authority, wrong passphrase, unusable id, or the device has a
            certificate that is still good.
    """
    issuer = prepare_issue(directory, device_id, precinct_id, region, passphrase)
    paths = device_paths(directory, device_id)
    key = new_key(post_quantum=False)
    certify_device(
        issuer,
        paths,
        key.public_key(),
        device_id=device_id,
        precinct_id=precinct_id,
        purpose=purpose,
        now=now,
        valid_days=valid_days,
        second_passphrase=device_passphrase,
    )
    write_new(paths.key, private_pem(key, device_passphrase), private=True)
    return paths


def prepare_issue(
    directory: Path,
    device_id: str,
    precinct_id: str,
    region: str | None,
    passphrase: bytes | None,
) -> OpenIssuer:
    """Open the issuer and clear away what is left of a revoked certificate of this id.

    Raises:
        KeyFileError: as `issue_device`.
    """
    _check_id("device", device_id)
    for each in precincts_in(precinct_id):
        _check_id("precinct", each)
    paths = device_paths(directory, device_id)
    issuer = open_issuer(directory, region, passphrase)
    if paths.certificate.exists():
        if _revoked_at(directory, load_chain(paths.certificate)) is None:
            raise KeyFileError(
                f"{paths.certificate}: device {device_id} has a certificate that is still good; "
                "revoke it first or choose another device id"
            )
        for path in paths.everything():
            path.unlink(missing_ok=True)
    paths.second[0].parent.mkdir(parents=True, exist_ok=True)
    return issuer


def certify_device(
    issuer: OpenIssuer,
    paths: DevicePaths,
    key: PublicKey,
    *,
    device_id: str,
    precinct_id: str,
    purpose: Purpose,
    now: datetime,
    valid_days: int,
    second_passphrase: bytes | None,
) -> x509.Certificate:
    """Certify a device's key, wherever it is kept; with a new ML-DSA key beside it.

    Writes the certificates, and the ML-DSA key protected by `second_passphrase`. Returns
    the certificate of `key`.

    Raises:
        KeyFileError: the issuer may not certify for this precinct, or has expired; or
            other than a device of results is to have several precincts.
    """
    try:
        place = place_of(precincts_in(precinct_id))
    except ValueError as error:
        raise KeyFileError(f"{error}: name each precinct once") from error
    if purpose is not Purpose.RESULTS and not is_one_precinct(place):
        raise KeyFileError(
            f"a certificate for a {purpose.value} is of one precinct: issue one for each"
        )
    second = mldsa.MLDSA65PrivateKey.generate() if issuer.second is not None else None
    promised = None if second is None else key_hash(second.public_key())
    parts = [(issuer.first, key, promised)]
    if issuer.second is not None and second is not None:
        parts.append((issuer.second, second.public_key(), None))
    chains = []
    for ca, public, promise in parts:
        certificate = device_certificate(
            ca.issuer,
            public,
            device_id=device_id,
            precinct_id=place,
            region_id=issuer.region_id,
            purpose=purpose,
            now=now,
            valid_days=valid_days,
            post_quantum_key=promise,
        )
        _check_scope(certificate, ca.between)
        chains.append((certificate, *ca.between))
    write_new(paths.certificate, certificate_pem(*chains[0]))
    if second is not None:
        write_new(paths.second[0], certificate_pem(*chains[1]))
        write_new(paths.second[1], private_pem(second, second_passphrase), private=True)
    return chains[0][0]


def revoke(
    directory: Path, device_id: str, now: datetime, *, passphrase: bytes | None = None
) -> int:
    """Put a device's certificates on its issuer's lists; idempotent. Returns its serial number.

    `passphrase` opens the keys of the region that issued it, or of the authority.

    Raises:
        KeyFileError: no authority or no such device.
    """
    paths = device_paths(directory, device_id)
    certificate = load_certificate(paths.certificate)
    issuer = open_issuer(directory, identity_of(certificate).region_id, passphrase)
    serial = issuer.first.withdraw(certificate, now)
    if issuer.second is not None and paths.second[0].exists():
        issuer.second.withdraw(load_chain(paths.second[0], post_quantum=True)[0], now)
    return serial


def list_devices(directory: Path) -> list[tuple[DeviceIdentity, datetime | None]]:
    """Every device certificate in `directory`, with the time it, or its region, was revoked,
    or None."""
    rows = []
    for path in sorted((directory / DEVICES).glob("*.pem")):
        chain = load_chain(path)
        rows.append((identity_of(chain[0]), _revoked_at(directory, chain)))
    return rows


def list_regions(directory: Path) -> list[RegionRow]:
    """Every region in `directory`, by id."""
    files = authority_paths(directory)
    root = checked_root(files.certificate)
    revoked = load_list(files.revoked, root).serials
    rows = []
    for folder in sorted((directory / REGIONS).glob("*/")):
        certificate = region_of(region_paths(directory, folder.name), root)
        below = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        names = [name.value for name in below.permitted_subtrees or ()]
        units = [n.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME) for n in names]
        title = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        rows.append(
            RegionRow(
                folder.name,
                str(title[0].value) if title else "",
                tuple(str(unit[0].value) for unit in units if unit),
                certificate.not_valid_after_utc,
                revoked.get(certificate.serial_number),
            )
        )
    return rows


def _revoked_at(directory: Path, chain: tuple[x509.Certificate, ...]) -> datetime | None:
    """When a device's certificate, or the region's above it, was withdrawn."""
    files = authority_paths(directory)
    root = checked_root(files.certificate)
    by_root = load_list(files.revoked, root).serials
    if len(chain) == 1:
        return by_root.get(chain[0].serial_number)
    region_id = identity_of(chain[0]).region_id or ""
    by_region = load_list(region_paths(directory, region_id).revoked, chain[1]).serials
    return by_root.get(chain[1].serial_number) or by_region.get(chain[0].serial_number)


def _check_name(what: str, name: str) -> None:
    """A certificate's name. The library counts UTF-8 bytes, where a Kazakh letter takes two."""
    try:
        size = len(name.strip().encode())
    except UnicodeEncodeError:  # bytes of an argument that are not UTF-8
        size = 0
    if not 1 <= size <= MOST_NAME_BYTES:
        raise KeyFileError(
            f"{what}'s name has 1 to {MOST_NAME_BYTES} letters, {MOST_NAME_BYTES // 2} of Kazakh "
            "or Russian (they take two bytes each); give a shorter --name"
        )


def _check_id(what: str, value: str) -> None:
    if not is_name(value):
        raise KeyFileError(
            f"{value!r} cannot be a {what} id: use 1 to 64 letters, digits, '.', '_', ':', '-'"
        )


def _check_scope(certificate: x509.Certificate, between: tuple[x509.Certificate, ...]) -> None:
    names = (certificate.subject, *further_names(certificate))
    for region, name in itertools.product(between, names):
        below = region.extensions.get_extension_for_class(x509.NameConstraints).value
        allowed = [name.value.rdns for name in below.permitted_subtrees or ()]
        if not any(name.rdns[: len(each)] == list(each) for each in allowed):
            precinct = names_of(name).get(NameOID.ORGANIZATIONAL_UNIT_NAME)
            raise KeyFileError(
                f"this region may not certify devices for precinct {precinct}: the authority "
                "gave it others (`ballotbench keys show`)"
            )

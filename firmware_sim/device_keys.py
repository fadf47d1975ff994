"""A device's keys, wherever they are kept: issuing them, and loading them to sign.

| kept in | opened by |
|---|---|
| a plain file, mode 0600 | nothing: a bench, or a device that starts unattended |
| an encrypted file | the PIN of one of its officials (`firmware_sim.people`) |
| a PKCS #11 token (`firmware_sim.hsm`) | the token's PIN, which may be sealed to officials too |

Where the keys directory has a register of people, keys are never written unprotected.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from firmware_sim.authority import certify_device, issue_device, prepare_issue
from firmware_sim.certificates import Purpose
from firmware_sim.chain import ChainTrust
from firmware_sim.errors import KeyFileError, SignatureError
from firmware_sim.hsm import (
    TokenKey,
    certificate_request,
    check_pair,
    open_token,
    requested_key,
)
from firmware_sim.keyfiles import (
    DevicePaths,
    authority_paths,
    checked_root,
    device_paths,
    identity_of,
    load_chain,
    read_file,
)
from firmware_sim.people import OpenSlot, PeopleRegister
from firmware_sim.trust import DeviceSigner, load_second

#: How a key begins that a passphrase protects (RFC 7468, 11).
_SEALED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """The token that is to make and hold a device's key."""

    module: str
    token: str
    pin: str


def issue(
    directory: Path,
    device_id: str,
    *,
    precinct_id: str,
    now: datetime,
    valid_days: int,
    passphrase: bytes | None = None,
    region: str | None = None,
    purpose: Purpose = Purpose.RESULTS,
    token: TokenPlace | None = None,
) -> DevicePaths:
    """Make a device's keys and certificates; protected by its officials' slots where there is
    a register of people, and in `token` if one is given. Otherwise as `issue_device`.

    Raises:
        KeyFileError: as `issue_device`; or the token cannot be used.
        PeopleError: there is a register, with no official of this precinct.
    """
    register = PeopleRegister.of(directory)
    if register is not None:
        register.check_holders(precinct_id, only=_only(device_id, purpose))
    if token is not None:
        paths = _issue_in_token(
            directory,
            device_id,
            token,
            precinct_id=precinct_id,
            now=now,
            valid_days=valid_days,
            passphrase=passphrase,
            region=region,
            purpose=purpose,
            people=register is not None,
        )
        secret: bytes | None = token.pin.encode()
    else:
        secret = secrets.token_hex(32).encode() if register is not None else None
        paths = issue_device(
            directory,
            device_id,
            precinct_id=precinct_id,
            now=now,
            valid_days=valid_days,
            passphrase=passphrase,
            region=region,
            purpose=purpose,
            device_passphrase=secret,
        )
    if register is not None and secret is not None:
        register.seal_secret(device_id, precinct_id, secret, only=_only(device_id, purpose))
    return paths


def _only(device_id: str, purpose: Purpose) -> str | None:
    """Whose slot alone opens a key: a member's own."""
    return device_id if purpose is Purpose.MEMBER else None


def load_signer(
    directory: Path,
    device_id: str,
    *,
    opened: Sequence[OpenSlot] = (),
    token_pin: str | None = None,
) -> DeviceSigner:
    """A device's signer, from a file or a token.

    Args:
        opened: people whose PINs were right; one of them must hold the key, if it is
            protected.
        token_pin: the token's PIN, where no official's slot holds it.

    Raises:
        KeyFileError, PeopleError: a file is missing or unreadable, files do not belong
            together, the register of people that the key was made under is not there or is
            another authority's, or nobody opens the key.
    """
    paths = device_paths(directory, device_id)
    check_register(directory, device_id)
    secret = _secret(directory, device_id, opened, given=token_pin is not None)
    if not paths.token.exists():
        return DeviceSigner.load(directory, device_id, passphrase=secret)
    pin = token_pin if token_pin is not None else (secret or b"").decode()
    if not pin:
        raise KeyFileError(
            f"the key of device {device_id} is in a token: its PIN is needed (--token-pin-file, "
            "or BALLOTBENCH_TOKEN_PIN)"
        )
    return _from_token(paths, pin)


def check_register(directory: Path, device_id: str) -> None:
    """A register that was taken away, or brought along with an authority of its own, would let
    anyone act in the officials' place.

    Raises:
        KeyFileError: it is so.
        PeopleError: the register is damaged or was altered.
    """
    paths = device_paths(directory, device_id)
    register = PeopleRegister.of(directory)
    if register is None:
        made_under = (
            TokenKey.load(paths.token).people
            if paths.token.exists()
            else paths.key.exists() and _SEALED in read_file(paths.key)
        )
        if made_under:
            raise KeyFileError(
                f"{directory}: people.json is not there, but the key of device {device_id} was "
                "made for the officials in it: it was taken away. Put the authority's back; until "
                "then nobody can act"
            )
        return
    root = checked_root(authority_paths(directory).certificate)
    try:
        ChainTrust(root, {}, complete=False).check_issued(load_chain(paths.certificate))
    except SignatureError as error:
        raise KeyFileError(
            f"{paths.certificate}: is not of this authority ({error.detail}), whose people.json "
            "lies beside it: one of them was put here by someone else"
        ) from error


def _from_token(paths: DevicePaths, pin: str) -> DeviceSigner:
    place = TokenKey.load(paths.token)
    chain = load_chain(paths.certificate)
    identity = identity_of(chain[0])
    public = chain[0].public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)  # noqa: S101 (checked when loaded)
    token = open_token(place.module, place.token, pin)
    try:
        raw = token.signer(place.key)
        check_pair(public, raw, f"{paths.token}: the key in token {place.token!r}")
        second = None
        if identity.promised is not None:
            passphrase = token.reveal(place.key, place.mldsa_passphrase)
            second = load_second(paths, identity, passphrase)
    except BaseException:
        token.close()
        raise
    return DeviceSigner(raw, chain, identity, second, token.close)


def _secret(
    directory: Path, device_id: str, opened: Sequence[OpenSlot], *, given: bool
) -> bytes | None:
    register = PeopleRegister.of(directory)
    if register is None or (given and not opened):
        return None
    return register.secret_of(device_id, opened)


def _issue_in_token(
    directory: Path,
    device_id: str,
    place: TokenPlace,
    *,
    precinct_id: str,
    now: datetime,
    valid_days: int,
    passphrase: bytes | None,
    region: str | None,
    purpose: Purpose,
    people: bool,
) -> DevicePaths:
    issuer = prepare_issue(directory, device_id, precinct_id, region, passphrase)
    # A token may still hold a former key of this device: each has a name of its own.
    label = f"{device_id}-{secrets.token_hex(4)}"
    second = secrets.token_hex(32).encode()
    with open_token(place.module, place.token, place.pin) as token:
        public = token.make_key(label)
        request = certificate_request(public, token.signer(label), device_id)
        hidden = token.hide(label, second)
    paths = device_paths(directory, device_id)
    certify_device(
        issuer,
        paths,
        requested_key(request),
        device_id=device_id,
        precinct_id=precinct_id,
        purpose=purpose,
        now=now,
        valid_days=valid_days,
        second_passphrase=second,
    )
    descriptor = TokenKey(
        module=place.module, token=place.token, key=label, mldsa_passphrase=hidden, people=people
    )
    descriptor.write(paths.token)
    return paths

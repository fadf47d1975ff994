"""A device's key in a PKCS #11 token: made there, signing there, never taken out.

`devices/ID.p11` (TOML) says where the key is. The token makes the P-256 key (sensitive, not
extractable), signs its own certificate request, and from then on every signature; what
CMS needs around it is assembled here. No PKCS #11 token of today holds ML-DSA-65 keys in a
way that python-pkcs11 reaches: that key is in an encrypted file, whose passphrase is sealed
by an AES key which the token does not let out either (`mldsa_passphrase`).

Needs the extra `hsm` (python-pkcs11) and the token's own module, e.g. SoftHSM's.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asn1crypto import algos, core, csr, keys, pem  # type: ignore[import-untyped]
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firmware_sim.errors import KeyFileError, SignatureError
from firmware_sim.keyfiles import read_file, write_new
from firmware_sim.signing import RawSign, lower_half, raw_to_der, verify_raw

#: AES block and initialisation vector, bytes.
_BLOCK = 16


class TokenKey(BaseModel):
    """`devices/ID.p11`: which module, token and key; `mldsa_passphrase` is hexadecimal; `people`:
    it was made where people are registered, and is used where they are only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = Field(default="ballotbench-token/1", pattern=r"^ballotbench-token/1$")
    module: str
    token: str
    key: str
    mldsa_passphrase: str = Field(pattern=r"^([0-9a-f]{2}){32,}$")
    people: bool = False

    @classmethod
    def load(cls, path: Path) -> TokenKey:
        """Read a descriptor. Raises KeyFileError."""
        try:
            return cls.model_validate(tomllib.loads(read_file(path).decode()))
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise KeyFileError(f"{path}: {where}: {error.errors()[0]['msg']}") from error
        except ValueError as error:
            raise KeyFileError(f"{path}: is not TOML: {error}") from error

    def write(self, path: Path) -> None:
        """Write it to a file that must not exist yet."""
        lines = [f"{name} = {json.dumps(value)}" for name, value in self.model_dump().items()]
        write_new(path, ("\n".join(lines) + "\n").encode())


@dataclass(frozen=True, slots=True)
class OpenToken:
    """A session with a token, its PIN accepted. `session` is python-pkcs11's.

    A PIN opens a token for the whole program: it is open once at a time, and is to be closed
    (also by `with`).
    """

    session: Any
    token: str

    def close(self) -> None:
        """Log out; what signed by this session signs no more."""
        self.session.close()

    def __enter__(self) -> OpenToken:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def make_key(self, label: str) -> ec.EllipticCurvePublicKey:
        """Make a P-256 key and an AES key of this label in the token; returns the public key.

        Raises:
            KeyFileError: the token cannot, or its key could be taken out.
        """
        import pkcs11
        from pkcs11.util.ec import encode_named_curve_parameters

        hidden = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
        try:
            curve = self.session.create_domain_parameters(
                pkcs11.KeyType.EC,
                {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")},
                local=True,
            )
            public, private = curve.generate_keypair(
                store=True, label=label, private_template=hidden
            )
            self.session.generate_key(
                pkcs11.KeyType.AES, 256, store=True, label=label, template=hidden
            )
            self._check_hidden(private)
            point = core.OctetString.load(public[pkcs11.Attribute.EC_POINT]).native
        except (pkcs11.PKCS11Error, ValueError) as error:
            raise self._failed("make a key", error) from error
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)

    def signer(self, label: str) -> RawSign:
        """Raw signatures by the token's key of this label.

        Raises:
            KeyFileError: there is no such key, or it could be taken out; when it signs: the
                token fails.
        """
        import pkcs11

        key = self._get(label, pkcs11.ObjectClass.PRIVATE_KEY)
        self._check_hidden(key)

        def sign(content: bytes) -> bytes:
            digest = hashlib.sha256(content).digest()
            try:
                raw: bytes = key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
            except pkcs11.PKCS11Error as error:
                raise self._failed("sign", error) from error
            return lower_half(raw)

        return sign

    def hide(self, label: str, secret: bytes) -> str:
        """Seal something by the token's AES key; hexadecimal."""
        import pkcs11

        key = self._get(label, pkcs11.ObjectClass.SECRET_KEY)
        vector = secrets.token_bytes(_BLOCK)
        try:
            sealed: bytes = key.encrypt(secret, mechanism_param=vector)
        except pkcs11.PKCS11Error as error:
            raise self._failed("seal a passphrase", error) from error
        return (vector + sealed).hex()

    def reveal(self, label: str, sealed: str) -> bytes:
        """What `hide` sealed. Raises KeyFileError: not by this key."""
        import pkcs11

        key = self._get(label, pkcs11.ObjectClass.SECRET_KEY)
        data = bytes.fromhex(sealed)
        try:
            secret: bytes = key.decrypt(data[_BLOCK:], mechanism_param=data[:_BLOCK])
        except pkcs11.PKCS11Error as error:
            raise self._failed("open the ML-DSA key's passphrase", error) from error
        return secret

    def _get(self, label: str, kind: Any) -> Any:
        import pkcs11

        try:
            return self.session.get_key(object_class=kind, label=label)
        except pkcs11.PKCS11Error as error:
            raise KeyFileError(f"token {self.token!r} has no key {label!r}") from error

    def _check_hidden(self, key: Any) -> None:
        import pkcs11

        if key[pkcs11.Attribute.EXTRACTABLE] or not key[pkcs11.Attribute.SENSITIVE]:
            raise KeyFileError(
                f"the key in token {self.token!r} could be taken out of it: it is not used. Make "
                "one with `ballotbench keys issue --token`"
            )

    def _failed(self, what: str, error: Exception) -> KeyFileError:
        return KeyFileError(f"token {self.token!r} could not {what}: {type(error).__name__}")


def open_token(module: str, token: str, pin: str) -> OpenToken:
    """Open a token by its user PIN.

    Raises:
        KeyFileError: no python-pkcs11, no such module or token, or the PIN is not accepted.
    """
    try:
        import pkcs11
    except ImportError as error:
        raise KeyFileError(
            "keys in tokens need python-pkcs11: install ballotbench with the extra hsm"
        ) from error
    try:
        found = pkcs11.lib(module).get_token(token_label=token)
        return OpenToken(found.open(rw=True, user_pin=pin), token)
    except pkcs11.NoSuchToken as error:
        raise KeyFileError(f"{module}: has no token {token!r}; is it plugged in?") from error
    except (pkcs11.PinIncorrect, pkcs11.PinLenRange, pkcs11.PinInvalid) as error:
        raise KeyFileError(f"token {token!r} does not accept the PIN") from error
    except pkcs11.PinLocked as error:
        raise KeyFileError(
            f"token {token!r} is locked after too many PINs: its security officer unlocks it"
        ) from error
    except pkcs11.UserAlreadyLoggedIn as error:
        raise KeyFileError(
            f"token {token!r} is open already in this program: close it before another signer"
        ) from error
    except pkcs11.MultipleTokensReturned as error:
        raise KeyFileError(f"{module}: has several tokens {token!r}; rename one") from error
    except pkcs11.PKCS11Error as error:
        why = str(error) or type(error).__name__
        raise KeyFileError(f"{module}: cannot be used as a PKCS #11 module: {why}") from error


def certificate_request(public: ec.EllipticCurvePublicKey, sign: RawSign, name: str) -> bytes:
    """A certificate request (PKCS #10, RFC 2986, PEM) signed by the key that it is for."""
    encoded = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": asn1_x509.Name.build({"common_name": name}),
            "subject_pk_info": keys.PublicKeyInfo.load(encoded),
            "attributes": [],
        }
    )
    request = csr.CertificationRequest(
        {
            "certification_request_info": info,
            "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            "signature": raw_to_der(sign(info.dump())),
        }
    )
    armored: bytes = pem.armor("CERTIFICATE REQUEST", request.dump())
    return armored


def requested_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """The key of a request, which is proved to sign. Raises KeyFileError."""
    try:
        parsed = x509.load_pem_x509_csr(request)
        key = parsed.public_key()
        genuine = parsed.is_signature_valid
    except ValueError as error:
        raise KeyFileError("the certificate request is damaged") from error
    if not genuine or not isinstance(key, ec.EllipticCurvePublicKey):
        raise KeyFileError("the certificate request is not signed by its own ECDSA key")
    return key


def check_pair(public: ec.EllipticCurvePublicKey, sign: RawSign, where: str) -> None:
    """Does what signs belong to this key? Raises KeyFileError."""
    challenge = b"ballotbench key check " + secrets.token_bytes(16)
    try:
        verify_raw(public, challenge, sign(challenge))
    except SignatureError as error:
        raise KeyFileError(f"{where}: does not sign with the key of the certificate") from error

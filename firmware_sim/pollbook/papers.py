"""What is asked of the pollbook on paper, signed: requests to change the list, and absentee
certificates (SEED-03, SEED-05)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from firmware_sim.pollbook.errors import RequestError
from firmware_sim.pollbook.iin import checked_iin
from firmware_sim.pollbook.signing import Signatory, Verify, open_document

REQUEST_FORMAT = "ballotbench-pollbook-request-1"
CERTIFICATE_FORMAT = "ballotbench-absentee-certificate-1"


class RequestKind(StrEnum):
    """What may be asked (Constitutional Law on Elections, art. 26: inclusion, exclusion,
    correction), and a move to another precinct's list."""

    MOVE = "move"
    CORRECT = "correct"
    INCLUDE = "include"
    EXCLUDE = "exclude"


@dataclass(frozen=True, slots=True)
class Request:
    """A request to change the entry of `iin`. `voter` are the entry's new fields (texts as in
    the CSV; empty for an exclusion); `voter["precinct"]` is where it is to be."""

    request_id: str
    election: str
    kind: RequestKind
    iin: str
    precinct: str
    voter: Mapping[str, str]
    ground: str

    def to_json(self) -> dict[str, Any]:
        """The document that is signed."""
        return {
            "format": REQUEST_FORMAT,
            "request_id": self.request_id,
            "election": self.election,
            "kind": str(self.kind),
            "iin": self.iin,
            "precinct": self.precinct,
            "voter": dict(self.voter),
            "ground": self.ground,
        }


_REQUEST_FIELDS = MappingProxyType(
    {
        "format": str,
        "request_id": str,
        "election": str,
        "kind": str,
        "iin": str,
        "precinct": str,
        "voter": dict,
        "ground": str,
    }
)


def open_request(data: bytes, verify: Verify) -> tuple[Request, Signatory]:
    """A request and who signed it. Raises RequestError, IinError."""
    fields, signatory = open_document(data, verify, fields=_REQUEST_FIELDS, what="request")
    if fields["format"] != REQUEST_FORMAT or fields["kind"] not in set(RequestKind):
        raise RequestError("request: is of another format or kind")
    if not all(isinstance(text, str) for text in fields["voter"].values()):
        raise RequestError("request: the voter's fields are texts")
    for name in ("request_id", "ground"):
        if not fields[name].strip() or len(fields[name]) > 500:
            raise RequestError(f"request: {name} is empty or over 500 characters")
    return (
        Request(
            fields["request_id"],
            fields["election"],
            RequestKind(fields["kind"]),
            checked_iin(fields["iin"]),
            fields["precinct"],
            fields["voter"],
            fields["ground"],
        ),
        signatory,
    )


@dataclass(frozen=True, slots=True)
class Certificate:
    """An absentee certificate: with it, and only with it, `iin` votes once at another
    precinct than `voter["precinct"]`."""

    number: str
    election: str
    voter: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The document that is signed."""
        return {
            "format": CERTIFICATE_FORMAT,
            "number": self.number,
            "election": self.election,
            "voter": dict(self.voter),
        }


_CERTIFICATE_FIELDS = MappingProxyType(
    {"format": str, "number": str, "election": str, "voter": dict}
)


def open_certificate(data: bytes, verify: Verify, *, election: str) -> Certificate:
    """A certificate signed for the precinct on whose list its holder stands.

    Raises:
        RequestError: another form or election, or signed for another place.
    """
    fields, signatory = open_document(
        data, verify, fields=_CERTIFICATE_FIELDS, what="absentee certificate"
    )
    voter = fields["voter"]
    if fields["format"] != CERTIFICATE_FORMAT or not all(
        isinstance(text, str) for text in voter.values()
    ):
        raise RequestError("absentee certificate: is of another format")
    if fields["election"] != election:
        raise RequestError("absentee certificate: is of another election")
    if signatory.place != voter.get("precinct"):
        raise RequestError(
            f"absentee certificate: is signed for {signatory.place}, but its holder's list is "
            f"that of {voter.get('precinct')}"
        )
    return Certificate(fields["number"], fields["election"], voter)

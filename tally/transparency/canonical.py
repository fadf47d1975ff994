"""JSON files in exactly one form, so that any changed byte is seen.

A file is read, checked by its model, written anew and compared: white space, the order of
names, the case of hex digits or the unused bits of base64 cannot differ unseen.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from firmware_sim.package import to_json_bytes
from tally.transparency.errors import LogError

#: Largest proof or checkpoint looked at, bytes; a proof of a nation's log is some 4 KiB.
MAX_FILE_BYTES = 1 << 20

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
#: Ids of commissions, people and logs, as certificates hold them.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
#: ISO 8601 in UTC, whole seconds.
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]


def _one_base64(text: str) -> str:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not base64") from error
    if base64.b64encode(data).decode() != text:
        raise ValueError("is not base64 in its one form")
    return text


Base64 = Annotated[str, AfterValidator(_one_base64)]

Model = TypeVar("Model", bound="Document")


class Document(BaseModel):
    """A frozen model that is a JSON file; numbers, words and truth are never mixed up."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def as_json(self) -> dict[str, Any]:
        """As JSON types."""
        return self.model_dump(mode="json")

    def as_bytes(self) -> bytes:
        """The file: sorted names, two spaces, a final newline."""
        return to_json_bytes(self.as_json())


def read_document(model: type[Model], data: bytes, where: str) -> Model:
    """A file as its model; `where` is what messages call it.

    Raises:
        LogError: names the first wrong field, or the first byte that is not in the one form.
    """
    if len(data) > MAX_FILE_BYTES:
        raise LogError(where, f"is larger than {MAX_FILE_BYTES >> 20} MiB")
    try:
        json.loads(data)
        found = model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise LogError(f"{where}: {field}" if field else where, first["msg"]) from error
    except (ValueError, RecursionError) as error:
        raise LogError(where, f"is not JSON: {str(error)[:200]}") from error
    whole = found.as_bytes()
    if whole != data:
        at = next((i for i, (a, b) in enumerate(zip(whole, data, strict=False)) if a != b), None)
        place = f"byte {at}" if at is not None else "the end"
        raise LogError(where, f"is not in the one form it is written in (from {place}): altered")
    return found

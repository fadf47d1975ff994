"""`pollbook.json`: the form of a pollbook's close sheet, and sums that any right one keeps.

Numbers, and ids of election, precinct and styles; nothing else (NVT-05).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT: Literal["ballotbench-pollbook-1"] = "ballotbench-pollbook-1"

Count = Annotated[int, Field(ge=0)]
Hour = Annotated[str, Field(pattern=r"^([01]\d|2[0-3])$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class VoterCounts(_Model):
    """People; what each figure is stands in `firmware_sim.pollbook.sums`."""

    registered: Count
    added: Count
    absentee_out: Count
    absentee_in: Count
    voted_list: Count
    voted_added: Count
    voted: Count
    mobile_requested: Count
    mobile: Count

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.voted != self.voted_list + self.absentee_in + self.voted_added:
            raise ValueError("voted is not the sum of its three kinds")
        if self.mobile > self.voted:
            raise ValueError("more voted with the portable box than voted")
        return self


class FactorCounts(_Model):
    """How voters were matched to their documents."""

    biometric: Count
    two_officials: Count


class PaperCounts(_Model):
    """Papers of one ballot style; null where nobody said how many were received."""

    received: Count | None
    handed_out: Count
    spoiled: Count
    issued: Count
    voters: Count
    unused: Count | None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.issued != self.handed_out - self.spoiled:
            raise ValueError("issued is not handed_out less spoiled")
        unused = None if self.received is None else self.received - self.handed_out
        if self.unused != unused:
            raise ValueError("unused is not received less handed_out")
        return self


class PollbookSheet(_Model):
    """The whole sheet."""

    format: Literal["ballotbench-pollbook-1"]
    election: str
    election_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    precinct: str
    closed: bool
    voters: VoterCounts
    second_factor: FactorCounts
    offline: Count
    by_hour: dict[Hour, Count]
    refusals: dict[str, Count]
    styles: dict[str, PaperCounts]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        voted = self.voters.voted
        if self.second_factor.biometric + self.second_factor.two_officials != voted:
            raise ValueError("second_factor does not add up to voted")
        if sum(self.by_hour.values()) != voted:
            raise ValueError("by_hour does not add up to voted")
        if self.offline > voted or any(style.voters > voted for style in self.styles.values()):
            raise ValueError("a figure is greater than voted")
        return self

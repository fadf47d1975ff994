"""One measured case as JSON: `{"method": …, "inputs": {…}}`, and what the method says of it.

| method | inputs | says |
|---|---|---|
| `alpha` | `assorter_values`, `upper_bound`, `population`, `null_mean`, `eta`, `c`, `d` | `p_value`, `last_p_value` |
| `betting-agrapa` | the same, with `first_bet` and `c` | `p_value`, `last_p_value` |
| `bravo-risk` | `risk_limit`, `votes`, `ballots`, `winners`, `sample`, `sample_size` | `p_value`, `confirmed` |
| `bravo-sample-size` | `risk_limit`, `votes`, `ballots`, `winners` | `sample_size_asn`, `sample_size_p0.7` … |
| `comparison-risk` | `risk_limit`, `votes`, `ballots`, `gamma`, `sample_size`, `overstatements_1` … | `p_value`, `confirmed` |
| `comparison-sample-size` | `risk_limit`, `votes`, `ballots`, `gamma` | `sample_size` |
| `draw-consistent` | `seed`, `batches`, `take`, `with_replacement` | `tickets` |
| `draw-sha256` | `seed`, `population`, `take` | `positions` |

`population` null means with replacement. `p_value` is the least so far, `last_p_value` that
after the last draw.
"""  # noqa: E501

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tally.audit import bravo, draws, martingales, supersimple
from tally.audit.errors import AuditError

MAX_BYTES: Final = 64 * 2**20

_Votes = Annotated[
    dict[str, Annotated[int, Field(ge=0, le=10**9)]], Field(min_length=2, max_length=1000)
]
_Limit = Annotated[float, Field(gt=0, lt=1)]
_Count = Annotated[int, Field(ge=0, le=10**9)]
_Cards = Annotated[int, Field(ge=1, le=10**9)]
_Seed = Annotated[str, Field(min_length=1, max_length=1000)]


class _Inputs(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Sequence(_Inputs):
    assorter_values: Annotated[list[float], Field(min_length=1, max_length=5_000_000)]
    upper_bound: Annotated[float, Field(gt=0)]
    population: _Cards | None = None
    null_mean: float = 0.5

    def null(self) -> martingales.Null:
        """What is tested."""
        return martingales.Null(self.upper_bound, self.null_mean, self.population)

    def values(self) -> martingales.Reals:
        """float64[draws]."""
        return np.array(self.assorter_values, dtype=np.float64)


class AlphaInputs(_Sequence):
    """Of `alpha`."""

    eta: float
    c: Annotated[float, Field(ge=0)]
    d: Annotated[float, Field(gt=0)]
    f: Annotated[float, Field(ge=0)] = 0.0


class BettingInputs(_Sequence):
    """Of `betting-agrapa`."""

    first_bet: Annotated[float, Field(ge=0)]
    c: Annotated[float, Field(gt=0, lt=1)]


class _ContestInputs(_Inputs):
    risk_limit: _Limit
    votes: _Votes
    ballots: _Cards
    winners: Annotated[int, Field(ge=1, le=1000)] = 1

    def contest(self) -> bravo.Contest:
        """The reported contest."""
        return bravo.Contest(self.votes, self.ballots, self.winners)


class BravoRiskInputs(_ContestInputs):
    """Of `bravo-risk`."""

    sample: dict[str, _Count]
    sample_size: _Count


class BravoSizeInputs(_ContestInputs):
    """Of `bravo-sample-size`."""


class ComparisonRiskInputs(_ContestInputs):
    """Of `comparison-risk`."""

    gamma: Annotated[float, Field(gt=1, le=100)] = supersimple.GAMMA
    sample_size: _Count
    overstatements_1: _Count = 0
    overstatements_2: _Count = 0
    understatements_1: _Count = 0
    understatements_2: _Count = 0


class ComparisonSizeInputs(_ContestInputs):
    """Of `comparison-sample-size`."""

    gamma: Annotated[float, Field(gt=1, le=100)] = supersimple.GAMMA


class ConsistentInputs(_Inputs):
    """Of `draw-consistent`."""

    seed: _Seed
    batches: Annotated[
        dict[str, Annotated[int, Field(ge=0, le=10**6)]], Field(min_length=1, max_length=10**5)
    ]
    take: Annotated[int, Field(ge=0, le=10**6)]
    with_replacement: bool


class PositionInputs(_Inputs):
    """Of `draw-sha256`."""

    seed: _Seed
    population: _Cards
    take: Annotated[int, Field(ge=0, le=10**6)]


class _Case(BaseModel):
    """A case may carry more than it is measured by: its id, source, what is expected."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    method: Literal[
        "alpha",
        "betting-agrapa",
        "bravo-risk",
        "bravo-sample-size",
        "comparison-risk",
        "comparison-sample-size",
        "draw-consistent",
        "draw-sha256",
    ]
    inputs: dict[str, Any]


def _alpha(given: AlphaInputs) -> dict[str, Any]:
    return _sequence(
        martingales.alpha(
            given.values(), given.null(), eta=given.eta, d=given.d, c=given.c, f=given.f
        )
    )


def _betting(given: BettingInputs) -> dict[str, Any]:
    return _sequence(
        martingales.agrapa(given.values(), given.null(), first_bet=given.first_bet, c=given.c)
    )


def _sequence(history: martingales.Reals) -> dict[str, Any]:
    return {"p_value": float(history.min()), "last_p_value": float(history[-1])}


def _bravo_risk(given: BravoRiskInputs) -> dict[str, Any]:
    found = bravo.risk(given.contest(), given.sample, given.sample_size)
    return {"p_value": found, "confirmed": found <= given.risk_limit}


def _bravo_size(given: BravoSizeInputs) -> dict[str, Any]:
    contest = given.contest()
    found = {"sample_size_asn": bravo.expected_size(contest, given.risk_limit)}
    if contest.winners == 1:
        found |= {
            f"sample_size_p{chance}": bravo.size_for(contest, given.risk_limit, chance)
            for chance in bravo.QUANTILES
        }
    return found


def _comparison_risk(given: ComparisonRiskInputs) -> dict[str, Any]:
    errors = supersimple.Errors(
        given.overstatements_1,
        given.overstatements_2,
        given.understatements_1,
        given.understatements_2,
    )
    found = supersimple.risk(given.contest(), given.sample_size, errors, given.gamma)
    return {"p_value": found, "confirmed": found <= given.risk_limit}


def _comparison_size(given: ComparisonSizeInputs) -> dict[str, Any]:
    size = supersimple.first_size(given.contest(), given.risk_limit, given.gamma)
    return {"sample_size": size}


def _consistent(given: ConsistentInputs) -> dict[str, Any]:
    tickets = draws.draw_tickets(
        given.seed, given.batches, given.take, with_replacement=given.with_replacement
    )
    return {"tickets": [[t.number, [t.batch, t.position], t.generation] for t in tickets]}


def _positions(given: PositionInputs) -> dict[str, Any]:
    return {"positions": draws.draw_positions(given.seed, given.population, given.take)}


_METHODS: Final[Mapping[str, tuple[type[_Inputs], Callable[[Any], dict[str, Any]]]]] = {
    "alpha": (AlphaInputs, _alpha),
    "betting-agrapa": (BettingInputs, _betting),
    "bravo-risk": (BravoRiskInputs, _bravo_risk),
    "bravo-sample-size": (BravoSizeInputs, _bravo_size),
    "comparison-risk": (ComparisonRiskInputs, _comparison_risk),
    "comparison-sample-size": (ComparisonSizeInputs, _comparison_size),
    "draw-consistent": (ConsistentInputs, _consistent),
    "draw-sha256": (PositionInputs, _positions),
}


def measure(document: Any, where: str = "case") -> dict[str, Any]:
    """What the method says of a parsed case.

    Raises:
        AuditError: names the field that is missing, unknown, or of no use.
    """
    case = _validated(_Case, document, where)
    model, method = _METHODS[case.method]
    given = _validated(model, case.inputs, f"{where}: inputs")
    try:
        return method(given)
    except AuditError as error:
        raise AuditError(f"{where}: inputs: {error}") from error


def read_case(path: Path) -> Any:
    """A case file parsed. Raises AuditError: cannot be read, too large, or not JSON."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise AuditError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise AuditError(f"{path}: is larger than {MAX_BYTES} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AuditError(f"{path}: is not JSON: {str(error)[:200]}") from error


def _validated(model: type[Any], value: Any, where: str) -> Any:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise AuditError(f"{where}{': ' + field if field else ''}: {first['msg']}") from error

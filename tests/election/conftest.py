"""The two example elections, as every test of this room uses them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from election.definition import load_election
from election.model import Election
from election.profile import Profile, load_profile

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def kz() -> Election:
    return load_election(EXAMPLES / "kz-majilis" / "election.json")


@pytest.fixture(scope="session")
def us() -> Election:
    return load_election(EXAMPLES / "us-general" / "election.json")


@pytest.fixture(scope="session")
def kz_rules() -> Profile:
    return load_profile("kz-majilis")


@pytest.fixture(scope="session")
def us_rules() -> Profile:
    return load_profile("us-general")


@pytest.fixture
def altered() -> Callable[[Election, Callable[[dict[str, Any]], object]], bytes]:
    """A definition after one change to its JSON."""

    def alter(election: Election, change: Callable[[dict[str, Any]], object]) -> bytes:
        value = json.loads(election.model_dump_json(exclude_none=True))
        change(value)
        return json.dumps(value, ensure_ascii=False).encode()

    return alter

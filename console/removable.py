"""A device's removable medium and the dead device that it stands in for, from the options of
`ballotbench device`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from firmware_sim.device import DeviceSetup
from firmware_sim.journal import Journal
from firmware_sim.medium import (
    ContinuousExport,
    RecordForm,
    load_recovery_certificate,
    load_replacement,
)
from firmware_sim.trust import TrustStore
from scanner.cvr import CastVoteRecord


class Following:
    """A medium that reads its journal itself, so that the time of the two is not mixed."""

    def __init__(self, export: ContinuousExport, journal: Journal) -> None:
        self._export, self._journal = export, journal

    def update(
        self,
        journal: Journal,
        document: Mapping[str, Any],
        record: CastVoteRecord | None = None,
    ) -> None:
        """See `firmware_sim.ledger.Medium`."""
        self._export.update(self._journal, document, record)


def with_replacement(
    setup: DeviceSetup,
    keys: Path,
    journal: Path,
    replaces: Path | None,
    replaces_box: int | None,
) -> DeviceSetup:
    """The set-up with the dead device that it replaces: as taken over before, else `replaces`.

    Raises:
        MediumError: that medium cannot be trusted, or is of another election or precinct.
        KeyFileError: `keys` holds no authority.
    """
    replacement = load_replacement(
        replaces,
        journal,
        TrustStore.load(keys),
        at=datetime.now(UTC),
        binding=setup.binding(),
        box_counter=replaces_box,
    )
    return replace(setup, replacement=replacement)


def open_medium(setup: DeviceSetup, keys: Path, folder: Path | None) -> ContinuousExport | None:
    """The continuous export of this device onto `folder`; None where none is asked for.

    Raises:
        MediumError: the folder is missing, or the medium of another device.
        KeyFileError: `keys` holds no recovery certificate of this authority.
    """
    if folder is None:
        return None
    return ContinuousExport(
        folder,
        form=RecordForm(setup.election, setup.profile, setup.precinct_id),
        signer=setup.signer,
        recovery=load_recovery_certificate(keys),
        randomness=secrets.token_bytes,
        replaces=() if setup.replacement is None else setup.replacement.pairs(),
    )

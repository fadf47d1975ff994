"""The door by which members sign: only what is complete, and only as it is (SEED-13).

Refused: a form with a figure absent, with breaches that it does not state, or drawn up by
other rules; a form whose record has gone on since. Breaches and skipped steps that the form
states are no reason: who signs a protocol that does not add up says so, not that it does.
"""

from __future__ import annotations

from collections.abc import Sequence

from election.model import Election
from election.profile import Profile
from firmware_sim.signing import Signer
from tally.protocol.findings import check_form
from tally.protocol.form import PrecinctForm, ProtocolError
from tally.protocol.record import CountRecord
from tally.protocol.sealed import write_protocol


class NotReadyError(ProtocolError):
    """A form that may not be signed yet."""


def check_ready(form: PrecinctForm, election: Election, profile: Profile) -> None:
    """Raises NotReadyError: the form may not be signed; says every reason."""
    reasons = [
        finding.sentence
        for finding in check_form(form, election, profile)
        if finding.kind in ("incomplete", "breach_unstated", "other_rules")
    ]
    if reasons:
        shown = "; ".join(reasons[:8]) + (f"; {len(reasons) - 8} more" if len(reasons) > 8 else "")
        raise NotReadyError(
            f"the protocol of {form.precinct_id} is signed only after its last figure: {shown}"
        )


def check_member(form: PrecinctForm, member: str) -> None:
    """Who signs was there, where the form says who was (SEED-14). Raises NotReadyError."""
    there = [each.id for each in form.members if each.present]
    if form.members and member not in there:
        raise NotReadyError(
            f"{member} is not among the members of {form.precinct_id} who were at the count "
            f"({', '.join(there)}): others do not sign its protocol"
        )


def check_record(form: PrecinctForm, record: CountRecord, *, at: str) -> None:
    """The form must be the record's as it is now; the record is closed for it.

    Raises:
        NotReadyError: another form, figures that are not settled, or steps that are neither
            done nor skipped.
    """
    state = record.state()
    if state.closed is not None:
        if state.closed != form.digest:
            raise NotReadyError(
                f"{record.path}: was closed for another form ({state.closed[:16]}…)"
            )
        return
    now = state.next_step()
    if now is not None and now.kind != "posting":
        raise NotReadyError(
            f"{record.path}: the step {now.id} is neither done nor skipped: signatures come last"
        )
    if all(file.sha256 != record.digest() for file in form.source.files):
        raise NotReadyError(f"{record.path}: has gone on since the form was drawn up: draw it anew")
    record.close(form.digest, at=at)


def sign_protocol(
    form: PrecinctForm, election: Election, profile: Profile, signers: Sequence[Signer]
) -> bytes:
    """A signed protocol of a form that is ready.

    Raises:
        NotReadyError: see the module. ProtocolError: as `write_protocol`.
    """
    check_ready(form, election, profile)
    for signer in signers:
        check_member(form, signer.identity.device_id)
    return write_protocol(form, signers)

"""The screen device: officer's code → ballot → summary → paper record → accepted or spoiled.

1. A ballot is activated by a code that an officer has the device make for one ballot style.
   It works once, on this device, until the device stops, and is never written down: nothing
   leads from a voter to a ballot (NVT-05).
2. A record is cast only when it is in the box: the device journals its intention, has the
   printer drop the record, and commits (`firmware_sim.sheets`). Before that the record is
   read from the paper (`readback`); paper that ran out in mid-print is spoiled, not counted.
3. A voter may spoil as many records as the profile says; then officers help.
4. A voter who leaves before printing leaves nothing; one who leaves a record under the glass
   leaves it to the officers, who do what the profile says (`[screen] left_record`).
   Nobody but the voter is ever shown what was chosen.
5. After a cut the record under the glass is still there. The voter, if still present,
   accepts or spoils it; what is recorded is what its text says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from election.errors import ElectionError
from election.paper_record.design import RecordLayout, design_record, record_languages
from election.paper_record.render import render_record
from election.places import paper_key, paper_keys
from firmware_sim.day import close_day, open_day
from firmware_sim.device import NOBODY, OutcomeKind, PrecinctDevice
from firmware_sim.dre.codes import Codes
from firmware_sim.dre.readback import ReadBack, as_interpreted
from firmware_sim.dre.session import Session, Stage
from firmware_sim.errors import StateError
from firmware_sim.judgement import question
from firmware_sim.reading import SheetReaderLike
from firmware_sim.roles import Action, Person
from firmware_sim.setup import DeviceSetup
from firmware_sim.states import DeviceState
from hardware.errors import HardwareError
from hardware.interface import PaperPlace
from hardware.paper_trail import PaperTrail
from scanner.errors import PageRefusedError
from scanner.reading import SheetInterpretation


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell the voter or officer: a stable word and a plain line in English."""

    word: str
    detail: str = ""


class Station:
    """One screen. Made once for a device; `device` is given after it (`attach`), as the
    device's reader is the station's `read_back`."""

    def __init__(
        self,
        setup: DeviceSetup,
        trail: PaperTrail,
        *,
        randomness: Callable[[int], bytes],
        monotonic: Callable[[], float],
    ) -> None:
        """`monotonic` gives seconds that only go forward (timeouts)."""
        self.setup = setup
        self.trail = trail
        self.stage = Stage.IDLE
        self.session: Session | None = None
        self.notice: Notice | None = None
        self._monotonic = monotonic
        self._touched = monotonic()
        self._codes = Codes(randomness)
        self._device: PrecinctDevice | None = None
        self._reader: SheetReaderLike | None = None
        self._seen: tuple[tuple[bytes, ...], SheetInterpretation | None] | None = None

    # --- making it -------------------------------------------------------------------

    def read_back(self, reader: SheetReaderLike) -> ReadBack:
        """The reader that the device is to be given, around that of the scanner module."""
        self._reader = reader
        return ReadBack(reader, self._expected)

    def attach(self, device: PrecinctDevice) -> None:
        """Take the device; settles what a cut left open and finds a record under the glass.

        Raises:
            HumanStepError: the place of a record cannot be known.
            HardwareError: the printer does not answer.
        """
        self._device = device
        device.recover()
        if self.trail.status().place is PaperPlace.HELD:
            # Its voter may stand there still; what it says is on the paper.
            self.stage = Stage.VERIFY
            self.notice = Notice("after_cut")
        self.touch()

    @property
    def device(self) -> PrecinctDevice:
        """The device behind the screen."""
        if self._device is None:
            raise StateError("the screen has no device yet")
        return self._device

    # --- officers --------------------------------------------------------------------

    def issue_code(self, paper: str, *, present: Sequence[Person] = NOBODY) -> str:
        """A code for one ballot of a style (`election.places.paper_key`): six figures, good once.

        Raises:
            StateError: the polls are not open, no such style, or too many codes are open.
            RoleError: those present may not.
        """
        by = self.device.authorise(Action.ACTIVATE_BALLOT, present)
        self._polls_open()
        if paper not in self.setup.check():
            raise StateError(f"the precinct has no ballot style {paper[:40]!r}")
        self._codes.check_room()
        # Which style it is for is not logged: that would tie a time to a kind of ballot.
        self.device.note("ballot_code_made", {"by": by})
        return self._codes.make(paper)

    def withdraw_codes(self, *, present: Sequence[Person] = NOBODY) -> None:
        """Take back every code that was not used. Raises RoleError."""
        by = self.device.authorise(Action.ACTIVATE_BALLOT, present)
        self.device.note("ballot_codes_withdrawn", {"by": by})
        self._codes.withdraw()

    def settling(self) -> Action:
        """What settling a record that was left asks for: whoever may spoil it, or cast it."""
        casts = self.setup.profile.screen.left_record == "cast"
        return Action.CAST_LEFT_RECORD if casts else Action.SETTLE_SHEET

    def settle_left(self, *, present: Sequence[Person] = NOBODY) -> None:
        """Officers settle a record that its voter left, as the profile says.

        Nothing of what the voter chose is shown or said, whatever comes of it (NVT-05).

        Raises:
            StateError: none was left.
            RoleError: those present may not.
        """
        if self.stage is not Stage.LEFT:
            raise StateError("no record was left under the glass")
        action = self.settling()
        by = self.device.authorise(action, present)
        if action is Action.SETTLE_SHEET:
            self.device.spoil_held(self._paper_under_glass())
            self.device.note("left_record_spoiled", {"by": by})
            self._end()
            return
        outcome = self.device.process_next()
        if outcome.kind is OutcomeKind.FAULT:
            # Still under the glass: to be tried again, or, after a pause, later.
            self._to(Stage.LEFT, Notice("printer", outcome.detail))
        elif outcome.kind in (OutcomeKind.REFUSED, OutcomeKind.RETURNED):
            self.device.note("left_record_refused", {"by": by})
            self._end()
            self.notice = Notice("left_refused")
        else:
            if outcome.kind is OutcomeKind.ACCEPTED:
                self.device.note("left_record_cast", {"by": by})
            self._end()

    def helped(self, *, present: Sequence[Person] = NOBODY, voter_is_gone: bool = False) -> None:
        """An officer has put right what was wrong: on with the voter's summary, or idle.

        Args:
            voter_is_gone: the voter did not wait: nothing of the ballot is shown again.

        Raises:
            StateError: nobody has asked for help.
            RoleError: those present may not.
        """
        if self.stage is not Stage.HELP:
            raise StateError("nobody has asked for help")
        by = self.device.authorise(Action.SETTLE_SHEET, present)
        if self.trail.status().place is PaperPlace.HELD:
            self.device.spoil_held(self._paper_under_glass())
        self.device.note("voter_helped", {"by": by})
        if self.session is None:
            self._end()
        elif voter_is_gone:
            self._end("left")
        elif self.session.spoiled > self.setup.profile.screen.spoils:
            self._end("spoiled_too_many")
        else:
            self._to(Stage.SUMMARY)

    def open(self, *, present: Sequence[Person] = NOBODY) -> None:
        """Open the polls, from wherever the day stands before; after a pause, resume.

        Raises:
            StateError, RoleError, HardwareError: as the device's own steps.
        """
        if self.device.state is DeviceState.PAUSED:
            self.device.resume(present=present)
        else:
            # Asked first, so that one person alone does not get half of the way.
            self.device.authorise(Action.OPEN_POLLS, present)
            open_day(self.device, present=present)

    def close(self, *, present: Sequence[Person] = NOBODY) -> None:
        """Close the polls and print the results tape; codes that were not used end.

        Raises:
            StateError: a voter is at the screen, or a record lies under the glass.
            RoleError, HardwareError: as the device's own steps.
        """
        if self.stage is not Stage.IDLE:
            raise StateError(
                f"the polls cannot be closed: the screen is at {self.stage.value}. Let its voter "
                "finish, or settle the record under the glass on the screen"
            )
        close_day(self.device, present=present)
        self._codes.withdraw()

    # --- the voter -------------------------------------------------------------------

    def activate(self, code: str) -> None:
        """Begin a ballot.

        Raises:
            StateError: the polls are not open, someone is voting, or no such code.
        """
        self._polls_open()
        self._at(Stage.IDLE)
        place = self.setup.precinct_id
        precinct, style_id = paper_keys(self.setup.election, place)[self._codes.use(code)]
        self.device.note("ballot_activated", {})
        language = record_languages(self.setup.election, style_id)[0]
        self.session = Session(
            self.setup.election, self.setup.profile, style_id, language, precinct
        )
        self._to(Stage.VOTING)

    def voter(self) -> Session:
        """The session, to choose in.

        Raises:
            StateError: nobody is voting, or the record is printed already.
        """
        self._at(Stage.VOTING, Stage.SUMMARY)
        self.touch()
        return self._session()

    def set_language(self, language: str) -> None:
        """Another language, for screen and record, before the record is printed."""
        self._at(Stage.VOTING, Stage.SUMMARY)
        session = self._session()
        if language not in record_languages(self.setup.election, session.style_id):
            raise StateError(f"this ballot is not shown in {language[:20]!r}")
        session.language = language
        self.touch()

    def to_summary(self) -> None:
        """Show everything chosen."""
        self._at(Stage.VOTING, Stage.SUMMARY)
        self._to(Stage.SUMMARY)

    def back_to_ballot(self) -> None:
        """Change choices."""
        self._at(Stage.SUMMARY)
        self._to(Stage.VOTING)

    def print_record(self) -> None:
        """Print the record and hold it under the glass.

        A printer that fails leads to *help*, nothing is counted.

        Raises:
            StateError: not at the summary, or the profile lets no such ballot be cast.
        """
        self._polls_open()
        self._at(Stage.SUMMARY)
        session = self._session()
        asked = question(self._interpreted(session), self.setup.profile.device)
        if asked is not None and not self.setup.profile.device.voter_may_cast:
            raise StateError(asked.words["en"])
        try:
            pdf = render_record(
                session.election,
                session.profile,
                self._layout(session),
                session.choices(),
                kind=self.device.mode.value,
                precinct_id=session.precinct_id,
            )
        except ElectionError as error:
            raise StateError(str(error)) from error
        try:
            self.trail.print_record(pdf)
        except HardwareError as error:
            self.device.note("record_not_printed", {})
            self._to(Stage.HELP, Notice("printer", str(error)))
            return
        self._to(Stage.VERIFY)

    def under_glass(self) -> SheetInterpretation | None:
        """What the record under the glass says, read from the paper; None where none is there
        or it cannot be read. For a voter who hears instead of reading."""
        held = self.trail.feed()
        if held is None or self._reader is None:
            return None
        if self._seen is None or self._seen[0] != held.images:
            try:
                self._seen = (held.images, self._reader.read_images(held.images))
            except PageRefusedError:
                self._seen = (held.images, None)
        return self._seen[1]

    def accept(self) -> None:
        """The voter has read the record and accepts it: into the box, and recorded.

        A record that does not say what was chosen is not taken: it is spoiled and the
        summary comes again.
        """
        self._at(Stage.VERIFY)
        self._cast()

    def spoil(self) -> None:
        """The voter does not accept the record."""
        self._at(Stage.VERIFY)
        self.device.spoil_held(self._paper_under_glass())
        self._after_spoiling(None)

    def leave(self) -> None:
        """The voter ends without casting anything."""
        self._at(Stage.VOTING, Stage.SUMMARY)
        self._end("left")

    def finish(self) -> None:
        """The thanks were read: ready for the next voter."""
        self._at(Stage.DONE)
        self._end()

    # --- time ------------------------------------------------------------------------

    def touch(self) -> None:
        """The voter is there."""
        self._touched = self._monotonic()

    def is_quiet(self) -> bool:
        """Should the voter be asked whether they are there?"""
        return self._quiet_s() >= self.setup.profile.screen.idle_s

    def tick(self) -> None:
        """Look at the time: a voter who is gone leaves nothing, or a record to officers."""
        rules = self.setup.profile.screen
        if self._quiet_s() < rules.idle_s + rules.leave_s:
            return
        if self.stage in (Stage.VOTING, Stage.SUMMARY):
            self._end("timeout")
        elif self.stage is Stage.VERIFY:
            self.device.note("voter_left_record", {})
            self._to(Stage.LEFT)
        elif self.stage is Stage.DONE:
            self._end()

    # --- inside ----------------------------------------------------------------------

    def _cast(self) -> None:
        outcome = self.device.process_next()
        if outcome.kind is OutcomeKind.ACCEPTED:
            # The screen says so only then.
            self.device.settled()
            self._to(Stage.DONE)
        elif outcome.kind in (OutcomeKind.REFUSED, OutcomeKind.RETURNED):
            self._after_spoiling(Notice("paper_differs", outcome.detail))
        elif outcome.kind is OutcomeKind.TRAY_EMPTY:
            # An earlier step was finished by recovery: the record is settled.
            self._end()
        else:
            # The record is still under the glass; accept or spoil may be tried again.
            self._to(self.stage, Notice("printer", outcome.detail))

    def _after_spoiling(self, notice: Notice | None) -> None:
        if self.session is None:
            # After a cut: the choices are gone with the power, the voter gets a new code.
            self._end()
            return
        self.session.spoiled += 1
        if self.session.spoiled > self.setup.profile.screen.spoils:
            self._to(Stage.HELP, notice or Notice("spoiled_too_many"))
        else:
            self._to(Stage.SUMMARY, notice or Notice("spoiled"))

    def _paper_under_glass(self) -> str:
        """What the record there is (`election.places.paper_key`): the voter's, or after a cut
        what the paper says."""
        place, session = self.setup.precinct_id, self.session
        if session is not None:
            return paper_key(place, session.precinct_id, session.style_id)
        papers = sorted(self.setup.check())
        seen = self.under_glass() if len(papers) > 1 else None
        key = seen and paper_key(place, seen.precinct_id or place, seen.ballot_style_id)
        # Half printed, perhaps: of which kind, nobody can say.
        return key if key in papers else papers[0]

    def _expected(self) -> SheetInterpretation | None:
        return None if self.session is None else self._interpreted(self.session)

    def _interpreted(self, session: Session) -> SheetInterpretation:
        return as_interpreted(
            session.election,
            session.profile,
            self._layout(session),
            session.choices(),
            kind=self.device.mode.value,
            precinct_id=session.precinct_id,
        )

    def _layout(self, session: Session) -> RecordLayout:
        return design_record(session.election, session.profile, session.style_id, session.language)

    def _quiet_s(self) -> float:
        return self._monotonic() - self._touched

    def _session(self) -> Session:
        if self.session is None:
            raise StateError("nobody is voting")
        return self.session

    def _polls_open(self) -> None:
        if self.device.state is not DeviceState.POLLS_OPEN:
            raise StateError("the polls are not open")

    def _at(self, *stages: Stage) -> None:
        if self.stage not in stages:
            raise StateError(f"not now: the screen is at {self.stage.value}")

    def _to(self, stage: Stage, notice: Notice | None = None) -> None:
        if stage is not Stage.VERIFY:
            self._seen = None
        self.stage = stage
        self.notice = notice
        self.touch()

    def _end(self, reason: str | None = None) -> None:
        """Forget the voter."""
        if reason is not None:
            self.device.note("voter_session_ended", {"reason": reason})
        self.session = None
        self._to(Stage.IDLE)

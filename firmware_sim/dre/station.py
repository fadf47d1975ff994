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
5. After a cut the record under the glass is still there. The voter, if still present,
   accepts or spoils it; what is recorded is what its text says.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from election.errors import ElectionError
from election.paper_record.design import RecordLayout, design_record, record_languages
from election.paper_record.render import render_record
from firmware_sim.device import NOBODY, OutcomeKind, PrecinctDevice
from firmware_sim.dre.readback import ReadBack, as_interpreted
from firmware_sim.dre.session import Session, Stage
from firmware_sim.errors import StateError
from firmware_sim.judgement import question
from firmware_sim.reading import SheetReaderLike
from firmware_sim.roles import Person
from firmware_sim.setup import DeviceSetup
from firmware_sim.states import DeviceState
from firmware_sim.voter import Question, VoterChoice
from hardware.errors import HardwareError
from hardware.interface import PaperPlace
from hardware.paper_trail import PaperTrail
from scanner.errors import PageRefusedError
from scanner.reading import SheetInterpretation

#: Figures of a code; so many wrong ones are borne before the screen asks for an officer.
CODE_DIGITS = 6
WRONG_CODES = 5
#: Codes that may be open at once.
OPEN_CODES = 20


class Informed:
    """The voter of a screen device: what there is to look at again stood on the summary."""

    def ask(self, question: Question) -> VoterChoice:
        """Cast: the voter saw it and accepted the record."""
        return VoterChoice.CAST


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
        self._randomness = randomness
        self._monotonic = monotonic
        self._touched = monotonic()
        self._codes: dict[str, str] = {}
        self._wrong_codes = 0
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

    def issue_code(self, style_id: str, *, present: Sequence[Person] = NOBODY) -> str:
        """A code for one ballot of a style: six figures, good once.

        Raises:
            StateError: the polls are not open, no such style, or too many codes are open.
        """
        self._polls_open()
        if style_id not in self.setup.check():
            raise StateError(f"the precinct has no ballot style {style_id[:40]!r}")
        if len(self._codes) >= OPEN_CODES:
            raise StateError("too many codes are open: have them used, or take them back")
        while True:
            number = int.from_bytes(self._randomness(8), "big") % 10**CODE_DIGITS
            code = f"{number:0{CODE_DIGITS}d}"
            if code not in self._codes:
                self._codes[code] = style_id
                return code

    def withdraw_codes(self) -> None:
        """Take back every code that was not used."""
        self._codes.clear()
        self._wrong_codes = 0

    def settle_left(self, *, present: Sequence[Person] = NOBODY) -> None:
        """Officers settle a record that its voter left, as the profile says.

        Raises:
            StateError: none was left.
        """
        if self.stage is not Stage.LEFT:
            raise StateError("no record was left under the glass")
        if self.setup.profile.screen.left_record == "cast":
            self._cast()
            self._close_if_done()
        else:
            self.device.spoil_held(self._style_under_glass())
            self._end()

    def helped(self) -> None:
        """An officer has put right what was wrong: on with the voter's summary, or idle."""
        if self.stage is not Stage.HELP:
            raise StateError("nobody has asked for help")
        if self.trail.status().place is PaperPlace.HELD:
            self.device.spoil_held(self._style_under_glass())
        over = self.session is None or self.session.spoiled > self.setup.profile.screen.spoils
        if over:
            self._end("spoiled_too_many" if self.session is not None else None)
        else:
            self._to(Stage.SUMMARY)

    # --- the voter -------------------------------------------------------------------

    def activate(self, code: str) -> None:
        """Begin a ballot.

        Raises:
            StateError: the polls are not open, someone is voting, or no such code.
        """
        self._polls_open()
        self._at(Stage.IDLE)
        given = code.replace(" ", "").replace("-", "")
        found = [c for c in self._codes if hmac.compare_digest(c.encode(), given.encode())]
        if not found or self._wrong_codes >= WRONG_CODES:
            self._wrong_codes += 1
            if self._wrong_codes >= WRONG_CODES:
                raise StateError("too many wrong codes: an officer must take the codes back")
            raise StateError("that is no code that can be used")
        self._wrong_codes = 0
        style_id = self._codes.pop(found[0])
        self.device.note("ballot_activated", {})
        language = record_languages(self.setup.election, style_id)[0]
        self.session = Session(self.setup.election, self.setup.profile, style_id, language)
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
                precinct_id=self.setup.precinct_id,
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
        self.device.spoil_held(self._style_under_glass())
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
            self._to(Stage.DONE)
        elif outcome.kind in (OutcomeKind.REFUSED, OutcomeKind.RETURNED):
            self._after_spoiling(Notice("paper_differs", outcome.detail))
        elif outcome.kind is OutcomeKind.TRAY_EMPTY:
            # An earlier step was finished by recovery: the record is settled.
            self._end()
        else:
            # The record is still under the glass; accept or spoil may be tried again.
            self._to(self.stage, Notice("printer", outcome.detail))

    def _close_if_done(self) -> None:
        """Nobody is there to read the thanks."""
        if self.stage is Stage.DONE:
            self._end()

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

    def _style_under_glass(self) -> str:
        """The style of the record there: the voter's, or after a cut what the paper says."""
        if self.session is not None:
            return self.session.style_id
        styles = sorted(self.setup.check())
        seen = self.under_glass() if len(styles) > 1 else None
        # Half printed, perhaps: of which kind, nobody can say.
        return styles[0] if seen is None else seen.ballot_style_id

    def _expected(self) -> SheetInterpretation | None:
        return None if self.session is None else self._interpreted(self.session)

    def _interpreted(self, session: Session) -> SheetInterpretation:
        return as_interpreted(
            session.election,
            session.profile,
            self._layout(session),
            session.choices(),
            kind=self.device.mode.value,
            precinct_id=self.setup.precinct_id,
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

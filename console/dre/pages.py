"""From the station's stage to a page, and from a page's form to the station."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from console.dre.officers import NotProvedError
from console.dre.words import KEYS, LANGUAGES, NAMES, several, word
from election.model import Contest
from election.paper_record.design import record_languages, texts_of
from election.places import is_one_precinct, paper_key, place_papers
from firmware_sim.dre import Session, Stage, Station
from firmware_sim.errors import StateError
from firmware_sim.failures import FAILURES, Failure
from firmware_sim.roles import RULES, Action, Person, Role, RoleError
from firmware_sim.states import STATE_WORDS, DeviceState

#: Refusals that are known by their words, and what is said of them.
_SAID = {
    "as many as allowed": "too_many",
    "written-in name": "bad_name",
    "no code": "bad_code",
    "wrong codes": "bad_code",
    "polls are not open": "closed",
    "a voter is at the screen": "busy",
}
Form = Mapping[str, list[str]]
#: Exports the results for those present; returns where they are.
Save = Callable[[Sequence[Person]], Path]


@dataclass(frozen=True, slots=True)
class Row:
    """A contest on the summary: its choices as they are read, and how many more there could be."""

    title: str
    lines: tuple[str, ...]
    missing: int


@dataclass(frozen=True, slots=True)
class Deed:
    """Something officers may do now: the form's word, what the button says, who may."""

    go: str
    text: str
    who: str


#: Stages in which a voter has the screen, and officers wait.
BUSY = (Stage.VOTING, Stage.SUMMARY, Stage.VERIFY)


class Pages:
    """What one screen shows: stage, place in the ballot, language, size, contrast.

    `identified`: officers have ids and PINs (else one code). `save` exports the results for
    those present and says where they are; None: no place was given.
    """

    def __init__(self, station: Station, *, identified: bool, save: Save | None = None) -> None:
        self._station = station
        self._identified = identified
        self._save_results = save
        self._templates = Environment(
            loader=PackageLoader("console.dre"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        self._languages = tuple(t for t in station.setup.election.languages if t in LANGUAGES)
        self._forget()

    @property
    def language(self) -> str:
        """The language of the next page."""
        session = self._station.session
        return session.language if session is not None else self._tag

    def tell(self, text: str) -> None:
        """Say something on the next page."""
        self._notice = text

    def tell_refused(self, error: NotProvedError) -> None:
        """Say why those who act are not believed."""
        if error.left:
            self.tell(several(error.key, self.language, error.left))
        else:
            self.tell(word(error.key, self.language))

    def tell_error(self, error: Exception, *, to_officers: bool = False) -> None:
        """Say why something was refused; to officers also in the device's own words."""
        language = self.language
        if isinstance(error, RoleError):
            self.tell(word("needs", language, who=self._who(error.action, language)))
            return
        key = next((key for part, key in _SAID.items() if part in str(error)), "refused")
        detail = f" ({error})" if to_officers and key == "refused" else ""
        self.tell(word(key, language) + detail)

    # --- pages -----------------------------------------------------------------------

    def voter(self, csrf: str) -> str:
        """The page of the present stage."""
        station, w = self._station, self.language
        stage = station.stage
        if stage is Stage.IDLE:
            open_ = station.device.state is DeviceState.POLLS_OPEN
            title = word("welcome" if open_ else "closed", w)
            return self._page("idle", csrf, title, open=open_)
        session = station.session
        if stage is Stage.VOTING and session is not None:
            return self._ballot(csrf, session)
        if stage is Stage.SUMMARY and session is not None:
            return self._page("summary", csrf, word("summary", w), rows=self._rows(session))
        if stage is Stage.VERIFY:
            held = station.trail.feed()
            left = None
            if session is not None:
                left = station.setup.profile.screen.spoils - session.spoiled
            return self._page(
                "verify",
                csrf,
                word("verify", w),
                rows=self._paper_rows(session),
                sides=0 if held is None else len(held.images),
                spoils_left=left,
            )
        if stage is Stage.DONE:
            texts = (word("done_note", w),)
            return self._page(
                "plain", csrf, word("done", w), texts=texts, button="finish", officer=False
            )
        note = word("left_note" if stage is Stage.LEFT else "help_note", w)
        return self._page(
            "plain", csrf, word("help", w), texts=(note,), button="", officer=True, tools=False
        )

    def officer(self, csrf: str) -> str:
        """The officers' page."""
        station, election = self._station, self._station.setup.election
        language = self._tag
        place = station.setup.precinct_id
        styles = [
            {
                "id": paper_key(place, precinct, style.id),
                "text": ("" if is_one_precinct(place) else f"{precinct} · ")
                + (
                    (style.name or {}).get(language)
                    or " · ".join(c.title[language] for c in election.style_contests(style.id)[:2])
                ),
            }
            for precinct, style in place_papers(election, place)
        ]
        state = station.device.state
        failures = [f for f in Failure if f in station.device.failures]
        return self._page(
            "officer",
            csrf,
            word("officer", language),
            action="/officer/do",
            styles=styles,
            open=state is DeviceState.POLLS_OPEN and station.stage is Stage.IDLE,
            busy=station.stage in BUSY,
            identified=self._identified,
            state=STATE_WORDS[state].get(language, STATE_WORDS[state]["en"]),
            failures=[FAILURES[f].words.get(language, f.value) for f in failures],
            deeds=self._deeds(language),
            no_export=state is DeviceState.RESULTS_PRINTED and self._save_results is None,
        )

    def _deeds(self, language: str) -> list[Deed]:
        """What officers may do at this stage of the screen and in this state of the day."""
        station, state = self._station, self._station.device.state
        deeds: list[tuple[str, str, Action]] = []
        if station.stage is Stage.LEFT:
            action = station.settling()
            casts = action is Action.CAST_LEFT_RECORD
            deeds.append(("settle", "settle_cast" if casts else "settle_spoil", action))
        elif station.stage is Stage.HELP:
            deeds.append(("helped", "helped", Action.SETTLE_SHEET))
            deeds.append(("gone", "gone", Action.SETTLE_SHEET))
        elif state is DeviceState.POLLS_OPEN:
            deeds.append(("issue", "make_code", Action.ACTIVATE_BALLOT))
            deeds.append(("withdraw", "withdraw", Action.ACTIVATE_BALLOT))
        if state is DeviceState.POLLS_OPEN:
            deeds.append(("pause", "pause", Action.PAUSE))
        elif state is DeviceState.PAUSED:
            deeds.append(("open", "resume", Action.RESUME))
        elif not state.is_closed:
            deeds.append(("open", "open_polls", Action.OPEN_POLLS))
        if state.may_have_early_count and station.stage is Stage.IDLE:
            deeds.append(("close", "close_polls", Action.CLOSE_POLLS))
        if state is DeviceState.POLLS_CLOSED:
            deeds.append(("close", "print_results", Action.PRINT_RESULTS))
        if state in (DeviceState.POLLS_CLOSED, DeviceState.RESULTS_PRINTED):
            deeds.append(("reopen", "reopen", Action.REOPEN_POLLS))
        if state in (DeviceState.RESULTS_PRINTED, DeviceState.EXPORTED) and self._save_results:
            deeds.append(("export", "export", Action.EXPORT))
        if state is DeviceState.EXPORTED:
            deeds.append(("seal", "seal", Action.SEAL))
        made = [Deed(go, word(text, language), self._who(a, language)) for go, text, a in deeds]
        for failure in Failure:
            clears = FAILURES[failure].clears
            if failure in station.device.failures and clears is not None:
                text = word("clear_failure", language, what=FAILURES[failure].words[language])
                made.append(Deed(f"clear:{failure.value}", text, self._who(clears, language)))
        return made

    def _who(self, action: Action, language: str) -> str:
        """Who takes an action together, in words; "" on a bench."""
        if not self._identified:
            return ""
        places = [
            f" {word('or', language)} ".join(
                word(f"role_{r}", language) for r in Role if r in place
            )
            for place in RULES[action].places
        ]
        if len(places) > 1:
            several_roles = f" {word('or', language)} "
            places = [f"({place})" if several_roles in place else place for place in places]
        return " + ".join(places)

    def _ballot(self, csrf: str, session: Session) -> str:
        language = session.language
        contests = session.contests
        contest = contests[self._at]
        allowed = session.allowed(contest)
        texts = texts_of(contest, language)
        options = [
            {
                "id": option.id,
                "text": texts[option.id],
                "note": (option.note or {}).get(language, ""),
            }
            for option in contest.options
        ]
        lines = [
            {"id": line, "name": session.written(contest.id, line)} for line in _write_ins(contest)
        ]
        rule = word("choose_one", language)
        if allowed > 1:
            rule = several("choose_many", language, allowed)
        return self._page(
            "ballot",
            csrf,
            contest.title[language],
            spoken=word("spoken_ballot", language),
            contest=contest,
            number=self._at + 1,
            count=len(contests),
            options=options,
            write_ins=lines,
            keys=KEYS.get(language, KEYS["en"]),
            allowed=allowed,
            chosen=session.chosen(contest.id),
            rule=rule,
        )

    def _rows(self, session: Session) -> tuple[Row, ...]:
        rows = []
        for contest in session.contests:
            texts = texts_of(contest, session.language)
            label = word("write_in", session.language)
            lines = tuple(
                texts.get(option) or f"{label}: {session.written(contest.id, option)}"
                for option in session.chosen(contest.id)
            )
            rows.append(Row(contest.title[session.language], lines, session.missing(contest.id)))
        return tuple(rows)

    def _paper_rows(self, session: Session | None) -> tuple[Row, ...]:
        """What the paper says, as read from it; a written-in name is the voter's own."""
        seen, language = self._station.under_glass(), self.language
        rows = []
        for read in seen.contests if seen is not None else ():
            contest = self._station.setup.election.contest(read.contest_id)
            texts = texts_of(contest, language)
            label = word("write_in", language)
            lines = tuple(
                texts.get(option)
                or (f"{label}: {session.written(contest.id, option)}" if session else label)
                for option in read.marked
            )
            rows.append(Row(contest.title[language], lines, 0))
        return tuple(rows)

    def _page(self, name: str, csrf: str, title: str, **values: object) -> str:
        language = self.language
        station = self._station
        told = station.notice.word if station.notice is not None else ""
        notice = self._notice or (word(told, language) if told else "")
        self._notice = ""
        languages = self._languages
        if station.session is not None:
            styled = record_languages(station.setup.election, station.session.style_id)
            languages = tuple(tag for tag in styled if tag in LANGUAGES) or styled
        busy = station.stage in BUSY
        common: dict[str, object] = {
            "lang": language,
            "languages": languages,
            "names": NAMES,
            "several": lambda key, n: several(key, language, n),
            "size": self._size,
            "contrast": self._contrast,
            "title": title,
            "csrf": csrf,
            "notice": notice,
            "spoken": "",
            "stage": station.stage.value,
            "quiet_s": station.setup.profile.screen.idle_s if busy else 0,
            "action": "/do",
            "tools": True,
            "w": lambda key, **more: word(key, language, **more),
        }
        return self._templates.get_template(f"{name}.html.j2").render({**common, **values})

    # --- forms -----------------------------------------------------------------------

    def look(self, go: str) -> bool:
        """Language, size or contrast; False where `go` is something else."""
        what, _, value = go.partition(":")
        if what == "lang" and value in NAMES:
            self._tag = value
            if self._station.stage in (Stage.VOTING, Stage.SUMMARY):
                self._station.set_language(value)
            elif self._station.session is not None:
                # The record is printed; only the screen changes.
                self._station.session.language = value
        elif what == "size" and value in ("1", "2", "3"):
            self._size = int(value)
        elif what == "contrast" and value in ("light", "dark"):
            self._contrast = value
        else:
            return False
        self._station.touch()
        return True

    def act(self, form: Form) -> None:
        """What the voter did.

        Raises:
            StateError, HardwareError: it is refused; nothing else was done.
        """
        station = self._station
        go = form.get("go", [""])[0]
        if station.stage is Stage.VOTING and go != "clear" and "contest" in form:
            self._save(form)
        if self.look(go):
            return
        what, _, value = go.partition(":")
        if what == "activate":
            language = self._tag
            station.activate(form.get("code", [""])[0][:20])
            self._at = 0
            self._keep_language(language)
        elif what == "here":
            station.touch()
        elif what in ("next", "back", "summary", "clear", "edit"):
            self._turn(what, value, form)
        elif what in ("print", "accept", "spoil", "leave", "finish"):
            {
                "print": station.print_record,
                "accept": station.accept,
                "spoil": station.spoil,
                "leave": station.leave,
                "finish": station.finish,
            }[what]()
        if station.stage is Stage.IDLE:
            self._forget()

    def check_officers_turn(self) -> None:
        """Raises StateError: a voter has the screen, so no PIN is tried and nothing done."""
        if self._station.stage in BUSY:
            raise StateError("a voter is at the screen")

    def officer_act(self, form: Form, present: Sequence[Person]) -> None:
        """What officers did who proved who they are. Raises as `act`, and RoleError."""
        station, language = self._station, self._tag
        go = form.get("go", [""])[0]
        what, _, value = go.partition(":")
        if what == "issue":
            code = station.issue_code(form.get("style", [""])[0], present=present)
            self.tell(word("made_code", language, code=f"{code[:3]} {code[3:]}"))
            return
        if what == "clear" and value in set(Failure):
            station.device.clear_failure(Failure(value), present=present)
        elif what == "export":
            if self._save_results is None:
                raise StateError(word("no_export", language))
            path = self._save_results(present)
            self.tell(word("exported_to", language, path=path))
            return
        elif what == "gone":
            station.helped(present=present, voter_is_gone=True)
        else:
            deeds = {
                "withdraw": station.withdraw_codes,
                "settle": station.settle_left,
                "helped": station.helped,
                "open": station.open,
                "pause": station.device.pause,
                "close": station.close,
                "reopen": station.device.reopen_polls,
                "seal": station.device.seal,
            }
            if what not in deeds:
                raise StateError("nothing was asked")
            deeds[what](present=present)
        said = station.notice
        if said is not None:
            # What came of it, where it is not what was asked (a record that was refused).
            station.notice = None
            self.tell(word(said.word, language))
        else:
            self.tell(word("done_so", language))

    def _turn(self, what: str, value: str, form: Form) -> None:
        """Another page of the ballot."""
        station = self._station
        session = station.voter()
        count = len(session.contests)
        if what == "clear":
            contest_id = form.get("contest", [""])[0]
            for option in session.chosen(contest_id):
                session.drop(contest_id, option)
        elif what == "edit":
            station.back_to_ballot()
            self._at = int(value) if value.isdecimal() and int(value) < count else 0
        elif what == "back":
            self._at = max(0, self._place(form) - 1)
        elif what == "next" and self._place(form) + 1 < count:
            self._at = self._place(form) + 1
        else:
            station.to_summary()

    def _place(self, form: Form) -> int:
        """The page that was sent, not the one now due: a second tap on *next* skips nothing."""
        ids = [contest.id for contest in self._station.voter().contests]
        sent = form.get("contest", [""])[0]
        return ids.index(sent) if sent in ids else self._at

    def _save(self, form: Form) -> None:
        """Take over what the page of a contest has chosen; all of it or nothing."""
        session = self._station.voter()
        contest = next((c for c in session.contests if c.id == form["contest"][0]), None)
        if contest is None:
            raise StateError("this ballot has no such contest")
        lines = _write_ins(contest)
        written = {line: form.get(f"written:{line}", [""])[0].strip() for line in lines}
        before = session.chosen(contest.id)
        names = {line: session.written(contest.id, line) for line in lines}
        wanted = list(dict.fromkeys(form.get("option", [])))
        new = [line for line in lines if written[line] and written[line] != names[line]]
        if session.allowed(contest) == 1 and wanted and any(written.values()):
            # A name newly written takes the place of a choice, a new choice that of a name.
            if new:
                wanted = []
            elif not set(wanted) & set(before):
                written = dict.fromkeys(lines, "")
        try:
            for option in before:
                session.drop(contest.id, option)
            count = len(wanted) + sum(bool(name) for name in written.values())
            if count > session.allowed(contest):
                raise StateError("as many as allowed are chosen: take one back first")
            for option in wanted:
                session.choose(contest.id, option)
            for line, name in written.items():
                session.write(contest.id, line, name)
        except StateError:
            for option in session.chosen(contest.id):
                session.drop(contest.id, option)
            for option in before:
                if option in names:
                    session.write(contest.id, option, names[option])
                else:
                    session.choose(contest.id, option)
            raise

    def _keep_language(self, language: str) -> None:
        session = self._station.voter()
        if language in record_languages(session.election, session.style_id):
            session.language = language

    def _forget(self) -> None:
        """As the next voter finds it."""
        self._tag = self._languages[0] if self._languages else "en"
        self._size, self._contrast = 1, "light"
        self._at = 0
        self._notice = ""


def _write_ins(contest: Contest) -> tuple[str, ...]:
    return contest.option_ids()[len(contest.options) :]

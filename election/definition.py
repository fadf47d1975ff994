"""Load an election definition and check it against itself before anyone relies on it.

In: one JSON file (I-JSON, RFC 7493: no repeated member names, no NaN), at most
`MAX_DEFINITION_BYTES`. Out: an `Election`, or a `DefinitionError` that names the file, the
field path and what is wrong. The checks, in order:

1. the file: readable, not too large, JSON, every field of the right form;
2. the definition against itself: ids unique, every reference leads somewhere, texts in
   every printed language, numbers that the page code can carry;
3. the definition against its jurisdiction profile, where one is given.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import rfc8785
from pydantic import ValidationError

from election.codes import PRECINCT_BITS, STYLE_BITS
from election.errors import DefinitionError
from election.model import Contest, Election, Text
from election.profile import Profile

#: A national definition (10,223 precincts) is about 5 MB; more is not a definition.
MAX_DEFINITION_BYTES = 64 * 1024 * 1024


class Problem(NamedTuple):
    """One thing wrong: the field path, what, and what to do."""

    field: str
    what: str
    advice: str


def load_election(path: str | Path) -> Election:
    """Load and check a definition file (steps 1 and 2 above).

    Raises:
        DefinitionError: names the file, the field path, what is wrong and what to do.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_DEFINITION_BYTES + 1)
    except OSError as error:
        raise DefinitionError(
            f"cannot be read: {error.strerror or error}",
            where=str(file),
            advice="Give the path of an election definition (JSON)",
        ) from error
    election = parse_election(data, str(file))
    _raise_first(election_problems(election), str(file))
    return election


def parse_election(data: bytes, where: str = "election definition") -> Election:
    """Parse a definition (step 1 above); `where` names its origin in errors.

    Raises:
        DefinitionError: names `where`, the field path, what is wrong and what to do.
    """
    value = parse_json(data, where)
    try:
        # Strict: "5" or true is no number, as in the published schema.
        election = Election.model_validate_json(json.dumps(value), strict=True)
        _ = election.hash  # the canonical form must exist: it identifies the election
    except ValidationError as error:
        raise _field_error(error, where) from error
    except (rfc8785.CanonicalizationError, UnicodeError, ValueError) as error:
        raise DefinitionError(
            f"has no canonical form (RFC 8785): {str(error)[:200]}",
            where=where,
            advice="Remove numbers beyond 2^53 and broken characters",
        ) from error
    return election


def parse_json(data: bytes, where: str) -> Any:
    """The JSON value (I-JSON, RFC 7493) in a definition file's bytes.

    Raises:
        DefinitionError: too large, not UTF-8, not JSON, a member that stands twice.
    """
    if len(data) > MAX_DEFINITION_BYTES:
        raise DefinitionError(
            f"is larger than {MAX_DEFINITION_BYTES // 1024**2} MiB",
            where=where,
            advice="Is this an election definition?",
        )
    try:
        value = json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_unique_members,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as error:
        raise DefinitionError(
            f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})",
            where=where,
            advice="Correct the file there",
        ) from error
    except (ValueError, RecursionError) as error:
        # ValueError: bad UTF-8, a repeated member, NaN, or a number of thousands of digits.
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DefinitionError(
            f"is not JSON that can be used: {reason[:200]}",
            where=where,
            advice="Write the definition as UTF-8 JSON",
        ) from error
    return value


def check_election(election: Election, profile: Profile | None = None) -> None:
    """Check a definition against itself and, where given, its profile (steps 2 and 3).

    Raises:
        DefinitionError: the first problem, with the number of further ones.
    """
    problems = election_problems(election)
    if profile is not None:
        problems += profile_problems(election, profile)
    _raise_first(problems, election.id)


def election_problems(election: Election) -> tuple[Problem, ...]:
    """Everything in a definition that contradicts itself; empty when all is well."""
    return (
        *_repeated_ids(election),
        *_impossible_date(election),
        *_dangling_references(election),
        *_wrong_district(election),
        *_contests_on_no_paper(election),
        *_impossible_contests(election),
        *_missing_texts(election),
        *_beyond_the_code(election),
    )


def profile_problems(election: Election, profile: Profile) -> tuple[Problem, ...]:
    """Everything in a definition that its jurisdiction's rules do not allow."""
    problems: list[Problem] = []
    if election.profile != profile.id:
        problems.append(
            Problem(
                "profile",
                f"the definition is for profile {election.profile!r}, not {profile.id!r}",
                "Give the profile that the definition names",
            )
        )
    for i, contest in enumerate(election.contests):
        problems += _contest_against_profile(f"contests.{i}", contest, profile)
    if profile.sheets == "one_contest":
        problems += [
            Problem(
                f"ballot_styles.{i}.contests",
                f"style {style.id!r} has {len(style.contests)} contests; "
                f"profile {profile.id!r} prints one contest a paper",
                "Make a style for each contest",
            )
            for i, style in enumerate(election.ballot_styles)
            if len(style.contests) != 1
        ]
    return tuple(problems)


def _contest_against_profile(path: str, contest: Contest, profile: Profile) -> Iterator[Problem]:
    """NVT-18: "against all" exactly where the law has it; marks as the rule allows them."""
    against = sum(option.kind == "against_all" for option in contest.options)
    if profile.marks.against_all and against != 1 and contest.kind != "measure":
        yield Problem(
            f"{path}.options",
            f"contest {contest.id!r} has {against} options of kind against_all, "
            f"profile {profile.id!r} asks for exactly one",
            'Give the contest one option with "kind": "against_all"',
        )
    if not profile.marks.against_all and against:
        yield Problem(
            f"{path}.options",
            f"contest {contest.id!r} has an option against all, "
            f"which profile {profile.id!r} does not know",
            "Remove it or use another profile",
        )
    if contest.write_ins and not profile.marks.write_ins:
        yield Problem(
            f"{path}.write_ins",
            f"contest {contest.id!r} has write-in lines, "
            f"which profile {profile.id!r} does not allow",
            "Set write_ins to 0",
        )
    if profile.marks.rule == "exactly_one" and contest.votes_allowed != 1:
        yield Problem(
            f"{path}.votes_allowed",
            f"contest {contest.id!r} allows {contest.votes_allowed} votes, "
            f"profile {profile.id!r} allows exactly one mark",
            "Set votes_allowed to 1",
        )


def _repeated_ids(election: Election) -> Iterator[Problem]:
    lists: tuple[tuple[str, Iterable[str]], ...] = (
        ("districts", (d.id for d in election.districts)),
        ("precincts", (p.id for p in election.precincts)),
        ("contests", (c.id for c in election.contests)),
        ("ballot_styles", (s.id for s in election.ballot_styles)),
        *(
            (f"contests.{i}.options", contest.option_ids())
            for i, contest in enumerate(election.contests)
        ),
    )
    for path, ids in lists:
        seen: set[str] = set()
        for i, identifier in enumerate(ids):
            if identifier in seen:
                yield Problem(
                    f"{path}.{i}.id", f"id {identifier!r} is used twice", "Give each its own id"
                )
            seen.add(identifier)


def _dangling_references(election: Election) -> Iterator[Problem]:
    districts = {district.id for district in election.districts}
    precincts = {precinct.id for precinct in election.precincts}
    contests = {contest.id for contest in election.contests}
    for i, contest in enumerate(election.contests):
        yield from _unknown(f"contests.{i}.district", (contest.district,), districts, "district")
    for i, precinct in enumerate(election.precincts):
        yield from _unknown(f"precincts.{i}.districts", precinct.districts, districts, "district")
    for i, style in enumerate(election.ballot_styles):
        path = f"ballot_styles.{i}"
        yield from _unknown(f"{path}.contests", style.contests, contests, "contest")
        yield from _unknown(f"{path}.precincts", style.precincts, precincts, "precinct")
        unlisted = tuple(style.languages or ())
        yield from _unknown(f"{path}.languages", unlisted, set(election.languages), "language")


def _wrong_district(election: Election) -> Iterator[Problem]:
    """A paper must not reach a precinct whose voters have no vote in one of its contests."""
    districts_of = {precinct.id: set(precinct.districts) for precinct in election.precincts}
    district_of = {contest.id: contest.district for contest in election.contests}
    for i, style in enumerate(election.ballot_styles):
        for contest_id in style.contests:
            district = district_of.get(contest_id)
            for precinct_id in style.precincts:
                if district is not None and district not in districts_of.get(
                    precinct_id, {district}
                ):
                    yield Problem(
                        f"ballot_styles.{i}.precincts",
                        f"style {style.id!r} brings contest {contest_id!r} of district "
                        f"{district!r} to precinct {precinct_id!r}, which is not in it",
                        "Take the precinct off the style or add the district to the precinct",
                    )


def _impossible_date(election: Election) -> Iterator[Problem]:
    try:
        date.fromisoformat(election.date)
    except ValueError:
        yield Problem("date", f"{election.date!r} is no day of the calendar", "Write YYYY-MM-DD")


def _unknown(path: str, used: Sequence[str], known: set[str], word: str) -> Iterator[Problem]:
    for name in used:
        if name not in known:
            yield Problem(
                path,
                f"names the {word} {name!r}, which the definition does not have",
                f"Define the {word} or correct the name",
            )
    for name, times in Counter(used).items():
        if times > 1:
            yield Problem(path, f"names the {word} {name!r} {times} times", "Name it once")


def _contests_on_no_paper(election: Election) -> Iterator[Problem]:
    """A contest that no paper carries gets no vote, and nobody would notice."""
    printed = {contest_id for style in election.ballot_styles for contest_id in style.contests}
    for i, contest in enumerate(election.contests):
        if contest.id not in printed:
            yield Problem(
                f"contests.{i}",
                f"contest {contest.id!r} is on no ballot style: nobody could vote in it",
                "Add it to a style or remove it",
            )


def _impossible_contests(election: Election) -> Iterator[Problem]:
    for i, contest in enumerate(election.contests):
        places = len(contest.options) + contest.write_ins
        if contest.votes_allowed > places:
            yield Problem(
                f"contests.{i}.votes_allowed",
                f"contest {contest.id!r} allows {contest.votes_allowed} votes "
                f"but has only {places} places to mark",
                "Lower votes_allowed or add options",
            )


def _missing_texts(election: Election) -> Iterator[Problem]:
    """Every text that some paper prints must be there in each of that paper's languages."""
    needed: dict[str, set[str]] = {}
    known = {contest.id for contest in election.contests}
    everywhere: set[str] = set()
    for style in election.ballot_styles:
        languages = set(election.style_languages(style.id))
        everywhere |= languages
        for contest_id in style.contests:
            if contest_id in known:
                needed.setdefault(contest_id, set()).update(languages)
    yield from _lacking("title", election.title, everywhere)
    districts = {district.id: district for district in election.districts}
    for i, contest in enumerate(election.contests):
        languages = needed.get(contest.id, set())
        path = f"contests.{i}"
        yield from _lacking(f"{path}.title", contest.title, languages)
        for j, option in enumerate(contest.options):
            yield from _lacking(f"{path}.options.{j}.name", option.name, languages)
            if option.note is not None:
                yield from _lacking(f"{path}.options.{j}.note", option.note, languages)
        if contest.district in districts:
            place = election.districts.index(districts[contest.district])
            name = districts[contest.district].name
            yield from _lacking(f"districts.{place}.name", name, languages)


def _lacking(path: str, text: Text, languages: set[str]) -> Iterator[Problem]:
    missing = sorted(languages - set(text))
    if missing:
        yield Problem(
            path,
            f"has no text in {', '.join(missing)}, which a ballot style prints",
            "Add the text or take the language off the style",
        )


def _beyond_the_code(election: Election) -> Iterator[Problem]:
    limits = (
        ("ballot_styles", len(election.ballot_styles), (1 << STYLE_BITS)),
        ("precincts", len(election.precincts), (1 << PRECINCT_BITS) - 1),
    )
    for path, count, limit in limits:
        if count > limit:
            yield Problem(
                path,
                f"{count} are more than the {limit} that the page code can tell apart",
                "Split the definition by region",
            )


def _raise_first(problems: Sequence[Problem], where: str) -> None:
    if not problems:
        return
    first, more = problems[0], len(problems) - 1
    advice = first.advice + (f" ({more} more problem{'s' * (more > 1)} after it)" if more else "")
    raise DefinitionError(first.what, where=f"{where}: {first.field}", advice=advice)


def _field_error(error: ValidationError, where: str) -> DefinitionError:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    first, more = problems[0], len(problems) - 1
    field = ".".join(str(part) for part in first["loc"]) or "the whole file"
    advice = "See election/schemas/election.schema.json"
    if more:
        advice += f" ({more} more problem{'s' * (more > 1)} after it)"
    what = first["msg"].removeprefix("Value error, ")
    return DefinitionError(what, where=f"{where}: {field}", advice=advice)


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {twice!r} stands twice in one object")
    return members


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")

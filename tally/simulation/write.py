"""Writing a made-up nation into a folder, territory by territory, in bounded memory.

    election.json  profile.toml  commissions.json
    keys/                        the authority and its regions (trust folder)
    packages/T-1/P-00001.zip …   one signed results package a precinct, or
    protocols/T-1/P-00001.zip …  one protocol signed by the members, in place of it
    turnout.csv                  who had voted by each hour, by region and in all
    truth.json                   totals by contest, as drawn; written last

The same plan draws the same votes; keys, and so signatures, are fresh each time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from election.profile import BUILT_IN, Profile, load_profile
from tally.errors import TallyError
from tally.simulation.packages import PackageMaker, make_authority
from tally.simulation.plan import Nation, NationPlan, make_nation, profile_id
from tally.simulation.protocols import ProtocolMaker

TRUTH_FORMAT = "ballotbench-nation-truth/1"

Truth = dict[str, dict[str, Any]]


def write_nation(
    plan: NationPlan,
    folder: Path,
    executor: Executor,
    *,
    protocols: bool = False,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Path:
    """Make the nation of a plan in `folder`, which must not exist or be empty: its packages,
    or with `protocols` its signed protocols alone, whose votes are drawn for themselves.

    `progress` is told files made and to be made. Returns the path of `truth.json`.

    Raises:
        TallyError: something is in the folder. OSError: not writable.
    """
    if folder.exists() and any(folder.iterdir()):
        raise TallyError(f"{folder}: is not empty; give a new folder")
    nation = make_nation(plan)
    folder.mkdir(parents=True, exist_ok=True)
    write_files(nation, folder)
    make_authority(nation, folder / "keys")
    territories = [t.id for t in nation.commissions.of_tier("territorial")]
    sums: dict[str, Counter[str]] = {}
    done = 0
    work = _protocols if protocols else _territory
    futures = [executor.submit(work, plan, str(folder), t) for t in territories]
    for future in futures:
        number, truth = future.result()
        done += number
        for contest, votes in truth.items():
            sums.setdefault(contest, Counter()).update(votes)
        progress(done, plan.precincts)
    document = {
        "format": TRUTH_FORMAT,
        "plan": asdict(plan),
        "election_hash": nation.election.hash,
        "contests": {c: dict(sorted(v.items())) for c, v in sorted(sums.items())},
    }
    path = folder / "truth.json"
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path


def write_files(nation: Nation, folder: Path) -> None:
    """The definition, its profile and its commissions."""
    (folder / "election.json").write_text(
        nation.election.model_dump_json(exclude_none=True), encoding="utf-8"
    )
    (folder / "commissions.json").write_text(
        nation.commissions.model_dump_json(exclude_none=True), encoding="utf-8"
    )
    (folder / "profile.toml").write_text(profile_text(nation.plan), encoding="utf-8")
    (folder / "turnout.csv").write_text(turnout_text(nation), encoding="utf-8")


#: Of those who vote, how many of a thousand have by the hour: as election days of Kazakhstan are
#: reported, at two-hour steps, with most of them in the morning.
_BY_HOUR = {8: 60, 10: 240, 12: 460, 14: 640, 16: 790, 18: 910, 20: 1000}


def turnout_text(nation: Nation) -> str:
    """Turnout over the day as `ballotbench publish --turnout` reads it."""
    by_region = np.bincount(nation.region, weights=nation.voted).astype(np.int64).tolist()
    voters = {f"R-{number + 1}": voted for number, voted in enumerate(by_region)}
    lines = ["time,commission_id,voted"]
    for hour, share in _BY_HOUR.items():
        came = {region: voted * share // 1000 for region, voted in voters.items()}
        came[nation.commissions.central.id] = sum(came.values())
        lines += [f"{hour:02}:00,{place},{number}" for place, number in came.items()]
    return "\n".join(lines) + "\n"


def profile_text(plan: NationPlan) -> str:
    """The profile: Kazakhstan's, or the same law on one sheet of many contests."""
    text = (BUILT_IN / "kz-majilis.toml").read_text(encoding="utf-8")
    if plan.papers == "apart":
        return text
    for old, new in (
        ('id = "kz-majilis"', f'id = "{profile_id(plan)}"'),
        ('sheets = "one_contest"', 'sheets = "many_contests"'),
        ('rule = "exactly_one"', 'rule = "up_to_n"'),
    ):
        text = text.replace(old, new, 1)
    # Votes lost on a valid sheet are not void sheets: that ratio holds for one contest only.
    start = text.index('[[control_ratios]]\nid = "votes_equal_valid"')
    following = text.find("[[", start + 2)
    return text[:start] + ("" if following < 0 else text[following:])


_MAKERS: dict[tuple[NationPlan, str], PackageMaker] = {}
_PROTOCOL_MAKERS: dict[tuple[NationPlan, str], ProtocolMaker] = {}


def _territory(plan: NationPlan, folder: str, territory: str) -> tuple[int, Truth]:
    """Make one territory's packages (in a worker); how many, and their votes."""
    key = (plan, folder)
    if key not in _MAKERS:
        _MAKERS.clear()
        nation = make_nation(plan)
        profile: Profile = load_profile(Path(folder) / "profile.toml")
        _MAKERS[key] = PackageMaker(nation, profile, Path(folder) / "keys")
    place = Path(folder) / "packages" / territory
    place.mkdir(parents=True, exist_ok=True)
    number = 0
    truth: dict[str, Counter[str]] = {}
    for made in _MAKERS[key].territory(territory):
        (place / f"{made.precinct_id}.zip").write_bytes(made.data)
        number += 1
        for contest, figures in made.totals["contests"].items():
            truth.setdefault(contest, Counter()).update(figures["votes"])
    return number, {contest: dict(votes) for contest, votes in truth.items()}


def _protocols(plan: NationPlan, folder: str, territory: str) -> tuple[int, Truth]:
    """As `_territory`, of protocols."""
    key = (plan, folder)
    if key not in _PROTOCOL_MAKERS:
        _PROTOCOL_MAKERS.clear()
        profile: Profile = load_profile(Path(folder) / "profile.toml")
        _PROTOCOL_MAKERS[key] = ProtocolMaker(make_nation(plan), profile, Path(folder) / "keys")
    place = Path(folder) / "protocols" / territory
    place.mkdir(parents=True, exist_ok=True)
    number = 0
    truth: dict[str, Counter[str]] = {}
    for made in _PROTOCOL_MAKERS[key].territory(territory):
        (place / f"{made.precinct_id}.zip").write_bytes(made.data)
        number += 1
        for contest, figures in made.form.contests.items():
            truth.setdefault(contest, Counter()).update(figures.votes)
    return number, {contest: dict(votes) for contest, votes in truth.items()}

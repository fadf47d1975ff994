"""A small nation published: packages, a count with gaps, a log, a site; see `Published`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from election.commissions import load_commissions
from election.definition import load_election
from firmware_sim.trust import DeviceSigner, Purpose, issue_device
from tally.national.count import Place, count_nation
from tally.national.store import NationalResult, read_store, write_store
from tally.publish.site import SitePlace, publish_site
from tally.simulation.plan import NationPlan
from tally.simulation.write import write_nation
from tally.transparency import EntryKind, add_checkpoint, append, create_log, entry_of, read_log

AT = datetime(2026, 3, 20, tzinfo=UTC)
PLAN = NationPlan(seed=11, precincts=24, ballots=3000, regions=2, territories=4, districts=2)
#: Not there when the count is made; and one whose package is not in the log.
MISSING, UNLOGGED = "P-00005", "P-00009"


@dataclass(frozen=True)
class Published:
    """A nation's folder, its store, log and site."""

    nation: Path
    store: Path
    log: Path
    site: Path

    @property
    def place(self) -> SitePlace:
        """As `publish_site` takes it, with everything given."""
        return SitePlace(
            str(self.store),
            str(self.nation / "election.json"),
            str(self.nation / "commissions.json"),
            str(self.nation / "turnout.csv"),
            (str(self.nation / "packages"),),
            str(self.log),
        )

    def result(self) -> NationalResult:
        """What was counted."""
        return read_store(self.store)

    def publish(self, out: Path, place: SitePlace | None = None, workers: int = 2) -> Path:
        """A site of it in a new folder."""
        with ThreadPoolExecutor(workers) as executor:
            return publish_site(place or self.place, out, executor)


def published(folder: Path) -> Published:
    """Make all of it in `folder`."""
    nation, store, log = folder / "nation", folder / "store", folder / "log"
    with ThreadPoolExecutor(2) as executor:
        write_nation(PLAN, nation, executor)
        next((nation / "packages").rglob(f"{MISSING}.zip")).unlink()
        election = load_election(nation / "election.json")
        tree = load_commissions(nation / "commissions.json", election)
        place = Place.of(
            nation / "election.json", nation / "profile.toml", nation / "keys", AT
        )  # fmt: skip
        files = sorted((nation / "packages").rglob("*.zip"))
        named = [(f.name, str(f)) for f in files]
        write_store(store, count_nation(place, named, executor, commissions=tree).result)
    create_log(log, "central-log", election.hash)
    issue_device(
        nation / "keys",
        "central-log",
        precinct_id="central",
        now=AT,
        valid_days=30,
        purpose=Purpose.LOG,
    )
    entries = [
        entry_of(f.read_bytes(), EntryKind.FILE, f.stem, now=AT)
        for f in files
        if f.stem != UNLOGGED
    ]
    append(log, entries)
    signer = DeviceSigner.load(nation / "keys", "central-log")
    add_checkpoint(log, now=AT, sign=signer.sign)
    made = Published(nation, store, log, folder / "site")
    made.publish(made.site)
    assert len(read_log(log)) == len(files) - 1
    return made


class Links(HTMLParser):
    """What a page refers to: `targets` of href and src."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [
            unquote(value)
            for name, value in attrs
            if name in ("href", "src", "data-find") and value is not None
        ]

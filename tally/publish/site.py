"""Writing the site: pages in chunks, by the processes of an executor, the same bytes each time.

index.html            the choice of a language
kk/ ru/ en/           overview, areas, contests, precincts: the same paths in each
assets/               one style sheet, one script (comforts only), names of precincts
data/                 the figures behind every page, with SHA256SUMS
sources/ proofs/      signed files and proofs of the public log, where given
site.json             what was published; written last: a folder without it is unfinished
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from election.commissions import load_commissions
from election.definition import load_election
from tally.exchange.tables import write_tables
from tally.national.store import RESULT, TABLES, read_store
from tally.publish.data import KINDS, SiteData
from tally.publish.errors import PublishError
from tally.publish.pages import Pages, environment
from tally.publish.turnout import read_turnout
from tally.publish.views import Site, slug
from tally.publish.words import LANGUAGES, words_of
from tally.transparency.log import read_checkpoint, read_log, stored_checkpoints
from tally.transparency.proof import prove_inclusions

FORMAT = "ballotbench-site/1"
SITE = "site.json"
#: Precincts that a worker writes at a time.
CHUNK = 256
#: Largest signed file that is taken into a site, bytes.
MOST_SOURCE = 16 * 2**20
_STATIC = Path(__file__).with_name("static")


@dataclass(frozen=True, slots=True)
class SitePlace:
    """Where everything is, as every worker finds it."""

    store: str
    election: str
    commissions: str | None = None
    turnout: str | None = None
    sources: tuple[str, ...] = ()
    log: str | None = None


@lru_cache(maxsize=1)
def _site(place: SitePlace, sources: tuple[tuple[str, str], ...], proofs: frozenset[str]) -> Site:
    election = load_election(place.election)
    tree = None if place.commissions is None else load_commissions(place.commissions, election)
    data = SiteData.of(read_store(Path(place.store)), election, tree)
    known = {area.id for kind in KINDS for area in data.areas.of_kind[kind]}
    day = {} if place.turnout is None else read_turnout(Path(place.turnout), known)
    return Site(data, day, dict(sources), proofs)


def publish_site(
    place: SitePlace,
    out: Path,
    executor: Executor,
    *,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Path:
    """Write the site into `out`, which must not exist or be empty; returns its first page.

    `progress` is told precincts written and to be written.

    Raises:
        PublishError: something is in the folder, or what is given does not belong together.
        TallyError, ElectionError: a file that cannot be used. OSError: not writable.
    """
    if out.exists() and any(out.iterdir()):
        raise PublishError(f"{out}: is not empty; give a new folder")
    site = _site(place, (), frozenset())
    out.mkdir(parents=True, exist_ok=True)
    sources = tuple(sorted(_copy_sources(site.data, place.sources, out / "sources")))
    proofs = frozenset(_write_proofs(site.data, place.log, out / "proofs"))
    number = len(site.data.areas.precinct_ids)
    futures = [
        executor.submit(
            write_precincts, place, str(out), sources, proofs, at, min(at + CHUNK, number)
        )
        for at in range(0, number, CHUNK)
    ]
    _write_rest(place, site, out)
    done = 0
    for future in futures:
        done += future.result()
        progress(done, number)
    document = {
        "format": FORMAT,
        "election_id": site.data.election.id,
        "election_hash": site.data.election.hash,
        "as_of": site.data.result.document["as_of"],
        "precincts": site.data.result.document["precincts"],
        "languages": list(LANGUAGES),
        "sources": len(sources),
        "proofs": len(proofs),
    }
    (out / SITE).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", "utf-8")
    return out / "index.html"


def write_precincts(
    place: SitePlace,
    out: str,
    sources: tuple[tuple[str, str], ...],
    proofs: frozenset[str],
    start: int,
    stop: int,
) -> int:
    """The pages of precincts from row `start` on, in every language (in a worker)."""
    site = _site(place, sources, proofs)
    for language in LANGUAGES:
        pages = Pages(site, language)
        _write(Path(out) / language, (pages.precinct(row) for row in range(start, stop)))
    return stop - start


def _write_rest(place: SitePlace, site: Site, out: Path) -> None:
    """All but the precincts' pages."""
    downloads = _write_data(place, site.data, out / "data")
    whole = Site(site.data, site.day, site.sources, site.proofs, downloads)
    shutil.copytree(_STATIC, out / "assets", ignore=shutil.ignore_patterns("__pycache__"))
    for language in LANGUAGES:
        pages = Pages(whole, language)
        for part in (pages.front(), pages.areas(), pages.contests()):
            _write(out / language, part)
        (out / "assets" / f"find-{language}.js").write_text(pages.finder(), "utf-8")
    title = site.data.election.title
    chooser = (
        environment()
        .get_template("chooser.html.j2")
        .render(
            languages=[(code, words_of(code)("language_name")) for code in LANGUAGES],
            titles=[words_of(code).pick(title) for code in LANGUAGES],
        )
    )
    (out / "index.html").write_text(chooser, "utf-8")


def _write(folder: Path, pages: Iterable[tuple[str, str]]) -> None:
    made: set[Path] = set()
    for name, text in pages:
        path = folder / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_text(text, "utf-8", newline="\n")


def _write_data(place: SitePlace, data: SiteData, folder: Path) -> list[tuple[str, int]]:
    """Open data; names and sizes, as the page lists them."""
    write_tables(data.result, data.election, folder, "csv", commissions=data.commissions)
    given = {name: Path(place.store) / name for name in (RESULT, *(f"{t}.parquet" for t in TABLES))}
    given["election.json"] = Path(place.election)
    if place.commissions is not None:
        given["commissions.json"] = Path(place.commissions)
    if place.turnout is not None:
        given["turnout.csv"] = Path(place.turnout)
    for name, path in given.items():
        shutil.copyfile(path, folder / name)
    files = sorted(folder.iterdir())
    sums = "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files)
    (folder / "SHA256SUMS").write_text(sums, "utf-8")
    return [(f.name, f.stat().st_size) for f in sorted(folder.iterdir())]


def _copy_sources(
    data: SiteData, folders: Sequence[str], out: Path
) -> Iterator[tuple[str, str]]:  # fmt: skip
    """Copy the signed files that were counted: precinct and file name, for those found.

    A file is taken by its SHA-256 alone, so that no other version of it can be published.

    Raises:
        PublishError: a file that stands for a precinct cannot be read.
    """
    wanted = {
        row["source_sha256"]: row["precinct_id"]
        for row in data.precinct_rows
        if row["source_sha256"] is not None
    }
    for folder in folders:
        for file in sorted(Path(folder).rglob("*.zip")):
            try:
                if file.stat().st_size > MOST_SOURCE:
                    continue
                content = file.read_bytes()
            except OSError as error:
                raise PublishError(f"{file}: cannot be read: {error.strerror or error}") from error
            precinct = wanted.pop(hashlib.sha256(content).hexdigest(), None)
            if precinct is not None:
                out.mkdir(exist_ok=True)
                name = f"{slug(precinct)}.zip"
                (out / name).write_bytes(content)
                yield precinct, name


def _write_proofs(data: SiteData, log: str | None, out: Path) -> Iterator[str]:
    """Write the proof that each counted file is in the log; the precincts that have one.

    Raises:
        LogError, PublishError: the log does not hold, or was never signed.
    """
    if log is None:
        return
    read = read_log(Path(log)).sound()
    if read.head.election_hash != data.election.hash:
        raise PublishError(f"{log}: is the log of another election")
    signed = stored_checkpoints(Path(log))
    if not signed:
        raise PublishError(f"{log}: has no signed checkpoint: ballotbench log checkpoint")
    size, path = signed[-1]
    found = [
        (row["precinct_id"], read.by_hash[row["source_sha256"]])
        for row in data.precinct_rows
        if read.by_hash.get(row["source_sha256"], size) < size
    ]
    proofs = prove_inclusions(read, [index for _, index in found], read_checkpoint(path))
    for (precinct, _), proof in zip(found, proofs, strict=True):
        out.mkdir(exist_ok=True)
        (out / f"{slug(precinct)}.json").write_bytes(proof.as_bytes())
        yield precinct

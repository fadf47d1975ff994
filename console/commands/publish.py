"""`ballotbench publish`: a national result as a static website."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout


def register(app: typer.Typer) -> None:
    """Add `publish` to the command line."""
    app.command("publish")(publish)


def publish(
    store: Annotated[Path, typer.Argument(help="Folder of national results (tally --national).")],
    election: Annotated[Path, typer.Argument(help="Election definition (JSON) that was counted.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder for the site.")],
    commissions: Annotated[
        Path | None, typer.Option(help="Tree of commissions: the site's tiers.")
    ] = None,
    sources: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of signed files; those that were counted (by their SHA-256) go into "
            "the site. Once for each."
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Transparency log: a proof goes into the site for each counted file."),
    ] = None,
    turnout: Annotated[
        Path | None, typer.Option(help="CSV of turnout by hour: time,commission_id,voted.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes; else all cores.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What was published, as JSON.")] = False,
) -> None:
    """Write results as a website of plain files: any file server, or none, shows it.

    Every figure down to each precinct in Kazakh, Russian and English, with the file that was
    counted, its proof, seats, turnout and open data.

    Example: ballotbench publish result nation/election.json --commissions
    nation/commissions.json --out site
    """
    from console.batch.executors import local_crew, usable_cores
    from console.common import progress
    from tally.publish.errors import PublishError
    from tally.publish.site import SITE, SitePlace, publish_site

    for folder in sources or ():
        if not folder.is_dir():
            raise PublishError(f"{folder}: is no folder of signed files")
    place = SitePlace(
        str(store.absolute()),
        str(election.absolute()),
        None if commissions is None else str(commissions.absolute()),
        None if turnout is None else str(turnout.absolute()),
        tuple(str(folder.absolute()) for folder in sources or ()),
        None if log is None else str(log.absolute()),
    )
    crew = local_crew(workers or usable_cores())
    with crew.executor, progress() as bars:
        task = bars.add_task("Writing pages", total=None)
        try:
            page = publish_site(
                place,
                out,
                crew.executor,
                progress=lambda done, of: bars.update(task, completed=done, total=of),
            )
        except OSError as error:
            raise PublishError(
                f"{error.filename or out}: {error.strerror or error}; the site is unfinished, "
                f"{SITE} is not there"
            ) from error
    if as_json:
        import json

        emit_json(json.loads((out / SITE).read_text(encoding="utf-8")) | {"page": str(page)})
    else:
        stdout.print(f"Written: {page}", markup=False, soft_wrap=True)

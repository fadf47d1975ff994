"""`ballotbench protocol print`: the form as PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stdout
from console.errors import ConsoleError
from console.intake import election_and_rules
from console.protocol.words import LANGUAGES
from firmware_sim.keyfiles import replace_file
from tally.protocol.findings import check_form
from tally.protocol.form import MAX_FORM_BYTES, parse_form
from tally.protocol.sealed import is_protocol, read_protocol


def print_pdf(
    protocol: Annotated[Path, typer.Argument(help="Form or signed protocol.")],
    election: Annotated[Path, typer.Option(help="Election definition.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="PDF to write.")],
    language: Annotated[str, typer.Option(help="Languages, e.g. kk,ru.")] = ",".join(LANGUAGES),
    profile: Annotated[str | None, typer.Option(help="Profile, if not the election's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Print a protocol as PDF: figures, conduct of the count, and the QR codes that prove them.

    A form that nobody has signed is printed as a draft.

    Example: ballotbench protocol print p1.protocol.zip --election election.json --out p1.pdf
    """
    # Drawing is slow to load: commands without a page do not pay for it.
    from tally.protocol.codes import code_texts
    from tally.protocol.printed import render_protocol

    languages = language.split(",")
    if foreign := [each for each in languages if each not in LANGUAGES]:
        raise ConsoleError(f"{foreign[0]!r}: a protocol is printed in {', '.join(LANGUAGES)}")
    definition, rules = election_and_rules(election, profile)
    with protocol.open("rb") as stream:
        data = stream.read(2 * MAX_FORM_BYTES + 1)
    names: list[str] = []
    codes: tuple[str, ...] = ()
    if is_protocol(data):
        sealed = read_protocol(data, protocol.name)
        form, names, codes = sealed.form, sorted(sealed.signatures), code_texts(sealed)
    else:
        form = parse_form(data, protocol.name)
    check_form(form, definition, rules)
    page = render_protocol(
        form, definition, rules, languages=languages, signed_by=names, codes=codes
    )
    replace_file(out, page)
    if as_json:
        emit_json({"pdf": str(out), "digest": form.digest, "codes": len(codes)})
        return
    state = f"{len(codes)} codes" if codes else "a draft: nobody has signed it"
    stdout.print(f"{out}: {state}", markup=False, highlight=False, soft_wrap=True)

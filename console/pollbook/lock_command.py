"""`ballotbench pollbook lock`: whose PIN opens a pollbook."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.officers import PinFileOption
from console.pollbook.locking import Opener, PeopleKeys, new_lock, unlocked
from console.pollbook.options import AsJson, BookArgument, say
from firmware_sim.pollbook.book import Book
from firmware_sim.pollbook.plain import encrypt_plain, precinct_of_plain
from firmware_sim.pollbook.vault import is_plain, read_header


def lock(
    book: BookArgument,
    keys: PeopleKeys = None,
    officer: Opener = None,
    pin_file: PinFileOption = None,
    new_officer: Annotated[
        list[str] | None,
        typer.Option(help="Whose new PIN opens the book; without: `desk`, or the register's."),
    ] = None,
    new_pin_file: Annotated[
        Path | None, typer.Option(help="File of lines ID PIN with the new PINs.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Encrypt a pollbook of a former version, or give one a new key and new PINs.

    Former PINs do not open it any more (a copy made before still opens by them).

    Example: ballotbench pollbook lock p101.book --pin-file pins --new-pin-file new-pins
    """
    plain = is_plain(book)
    precinct = precinct_of_plain(book) if plain else read_header(book).precinct
    unlock = None if plain else unlocked(book, officer=officer, keys=keys, pin_file=pin_file)
    fresh = new_lock(precinct, keys=keys, officers=new_officer or (), pin_file=new_pin_file)
    if unlock is None:
        encrypt_plain(book, fresh)
    else:
        with Book.open(book, unlock) as opened:
            opened.store.relock(fresh)
    holders = [holder.id for holder in read_header(book).holders]
    done = "Encrypted" if plain else "Locked anew"
    text = f"{done}: {book} opens by the PIN of {', '.join(holders)}."
    say(as_json, {"book": str(book), "was_encrypted": not plain, "opens": holders}, text)

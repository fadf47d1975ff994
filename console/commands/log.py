"""`ballotbench log`: the transparency log of protocols and decisions (SEED-16, NVT-11, NVT-13)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.common import emit_json, stderr, stdout
from console.files import replace_text
from console.intake import moment, trust_store
from console.officers import PinFileOption, SignedBy, first_line, signing_key
from election.definition import load_election
from firmware_sim.trust import DeviceSigner, Purpose
from tally.transparency import (
    EntryKind,
    EquivocationProof,
    LogError,
    SignedCheckpoint,
    add_checkpoint,
    append,
    check_log,
    create_log,
    entry_of,
    prove_consistency,
    prove_inclusion,
    read_checkpoint,
    read_log,
    stored_checkpoints,
)

LogFolder = Annotated[Path, typer.Argument(help="Folder of the log.")]
Trust = Annotated[Path, typer.Option(help="Folder of authority.pem and revoked.pem.")]
At = Annotated[str | None, typer.Option(help="Check certificates as of this time.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

app = typer.Typer(
    help="The public log of protocols and decisions: append, sign, prove, check.",
    no_args_is_help=True,
)


def register(parent: typer.Typer) -> None:
    """Add `log` to the command line."""
    parent.add_typer(app, name="log")


@app.command("create")
def create(
    folder: LogFolder,
    election: Annotated[Path, typer.Option(help="Election definition.")],
    log_id: Annotated[
        str, typer.Option("--id", help="Its name, as in the certificate that will sign for it.")
    ],
    as_json: AsJson = False,
) -> None:
    """Begin an empty log of an election.

    Example: ballotbench log create log --election election.json --id central-log
    """
    head = create_log(folder, log_id, load_election(election).hash)
    if as_json:
        emit_json({"folder": str(folder), **head.as_json()})
        return
    _say(
        f"Log {log_id} made: {folder}. Certify its key: ballotbench keys issue KEYS {log_id} "
        f"--precinct COMMISSION --for {Purpose.LOG}"
    )


@app.command("append")
def append_files(
    folder: LogFolder,
    files: Annotated[list[Path], typer.Argument(help="Files that were accepted.")],
    of: Annotated[str, typer.Option(help="Commission or precinct whose they are.")],
    kind: Annotated[EntryKind, typer.Option(help="What they are.")] = EntryKind.FILE,
    as_json: AsJson = False,
) -> None:
    """Log files by their hashes, through to the disk; a file that is there already stays once.

    `ballotbench chain receive` does this with all that a commission accepts.

    Example: ballotbench log append log p-1.zip --kind protocol --of p-1
    """
    now = datetime.now(UTC)
    entries = [entry_of(path.read_bytes(), kind, of, now=now) for path in files]
    indices = append(folder, entries)
    rows = [
        {"file": str(path), "index": index, "sha256": entry.sha256}
        for path, index, entry in zip(files, indices, entries, strict=True)
    ]
    if as_json:
        emit_json({"entries": rows})
        return
    for row in rows:
        _say(f"{row['file']}: entry {row['index']}")


@app.command("checkpoint")
def checkpoint(
    folder: LogFolder,
    keys: Annotated[Path, typer.Option(help="Directory that holds the log's key.")],
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File whose first line opens the key.")
    ] = None,
    signed_by: SignedBy = None,
    pin_file: PinFileOption = None,
    as_json: AsJson = False,
) -> None:
    """Sign the log as it is now: the file that everyone should get and keep.

    Example: ballotbench log checkpoint log --keys keys
    """
    log = read_log(folder)
    if passphrase_file is not None:
        secret = first_line(passphrase_file, "--passphrase-file").encode()
        signer = DeviceSigner.load(keys, log.head.log_id, passphrase=secret)
    else:
        signer, _ = signing_key(
            keys, log.head.log_id, signed_by=signed_by, officer=None, pin_file=pin_file
        )
    if signer.identity.purpose is not Purpose.LOG:
        raise LogError(
            str(folder),
            f"the certificate of {log.head.log_id} is not for logs: ballotbench keys issue … "
            f"--for {Purpose.LOG}",
        )
    _, path = add_checkpoint(folder, now=datetime.now(UTC), sign=signer.sign)
    if as_json:
        emit_json({"checkpoint": str(path), "size": len(log), "root": log.root().hex()})
        return
    _say(f"{len(log)} entries signed: {path}")


@app.command("prove")
def prove(
    folder: LogFolder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Proof to write (JSON).")],
    file: Annotated[
        Path | None, typer.Argument(help="Copy of a file: prove that it is in the log.")
    ] = None,
    since: Annotated[
        Path | None,
        typer.Option(help="Kept checkpoint: prove that the log still holds what it said."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a proof for someone to keep and check offline (`ballotbench verify --inclusion`).

    With --since, if the log does not hold what the kept checkpoint says, the proof that its
    keeper signed both is written instead, and the exit code is 1.

    Example: ballotbench log prove log p-1.zip --out p-1.proof.json

    Example: ballotbench log prove log --since kept.json --out still-whole.json
    """
    if (file is None) == (since is None):
        raise typer.BadParameter("give a file, or --since CHECKPOINT", param_hint="FILE")
    log = read_log(folder).sound()
    newest = _newest(folder)
    if since is not None:
        proof = prove_consistency(log, read_checkpoint(since), newest)
        replace_text(out, proof.as_bytes().decode())
        rewritten = isinstance(proof, EquivocationProof)
        if as_json:
            emit_json({"proof": str(out), "rewritten": rewritten})
        elif rewritten:
            _say(f"Finding: the log was rewritten since {since}. Proof of it, to publish: {out}")
        else:
            _say(f"The log holds all that {since} says. Proof: {out}")
        if rewritten:
            raise typer.Exit(1)
        return
    assert file is not None  # noqa: S101 (one of the two is given)
    data = file.read_bytes()
    index = next(
        (i for i, entry in enumerate(log.entries) if entry is not None and entry.is_of(data)), None
    )
    if index is None:
        raise LogError(str(file), f"is in no entry of {folder}: altered, or never logged")
    inclusion = prove_inclusion(log, index, newest)
    replace_text(out, inclusion.as_bytes().decode())
    if as_json:
        emit_json({"proof": str(out), "index": index, "entry": inclusion.entry.as_json()})
        return
    _say(f"{file} is entry {index} of {len(log)}. Proof: {out}")


@app.command("check")
def check(
    folder: LogFolder,
    trust: Trust,
    kept: Annotated[
        list[Path] | None, typer.Option("--kept", help="Checkpoint that somebody kept.")
    ] = None,
    files: Annotated[
        Path | None, typer.Option(help="Folder of all the logged files, compared one by one.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for proofs against the log.")
    ] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Check every line, every checkpoint, kept ones and files; exit 1 on a finding.

    Example: ballotbench log check log --trust keys --kept mine.json --files protocols
    """
    log = read_log(folder)
    findings: list[str] = []
    outside: list[tuple[str, SignedCheckpoint]] = []
    for path in kept or []:
        try:
            outside.append((str(path), read_checkpoint(path)))
        except LogError as error:
            findings.append(str(error))
    found = check_log(
        log,
        trust_store(trust),
        at=moment(at),
        kept=outside,
        files=None
        if files is None
        else ((str(p), p.read_bytes()) for p in sorted(files.rglob("*")) if p.is_file()),
    )
    findings += [finding.sentence for finding in found.findings]
    written = []
    for number, proof in enumerate(found.equivocations, 1):
        if out is not None:
            path = out / f"equivocation-{number}.json"
            replace_text(path, proof.as_bytes().decode())
            written.append(str(path))
    if as_json:
        emit_json(
            {
                "log_id": log.head.log_id,
                "entries": found.entries,
                "signed": found.signed,
                "checkpoints": found.checkpoints,
                "findings": findings,
                "proofs": written,
            }
        )
    else:
        for finding in findings:
            stderr.print(f"Finding: {finding}", markup=False, highlight=False, soft_wrap=True)
        for path_text in written:
            _say(f"Proof, to publish: {path_text}")
        _say(
            f"Log {log.head.log_id}: {found.entries} entries, {found.signed} of them under "
            f"{found.checkpoints} good checkpoints; {len(findings)} findings"
        )
    if findings:
        raise typer.Exit(1)


def _newest(folder: Path) -> SignedCheckpoint:
    stored = stored_checkpoints(folder)
    if not stored:
        raise LogError(str(folder), "has no checkpoint yet: ballotbench log checkpoint")
    return read_checkpoint(stored[-1][1])


def _say(line: str) -> None:
    stdout.print(line, markup=False, highlight=False, soft_wrap=True)

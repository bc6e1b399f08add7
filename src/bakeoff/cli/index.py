"""`bakeoff index DIR`."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from bakeoff.errors import BakeoffError


@click.command("index")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--store", default="", metavar="WHERE", help="Where the index is kept: a folder or postgresql://...  [default: DIR/.bakeoff]"
)
@click.option(
    "--embedder",
    default="minilm-int8",
    show_default=True,
    help="Model that embeds passages, for a new index; '' for words alone.",
)
@click.option(
    "--chunk-tokens",
    type=click.IntRange(32, 4096),
    help="Longest passage of running text in word pieces, for a new index.  [default: 210, about 160 words]",
)
@click.option(
    "--chunk-overlap",
    type=click.IntRange(0, 2048),
    help="Word pieces of whole sentences repeated at the start of the next passage, for a new index.  [default: 40]",
)
@click.option(
    "--chunk-least",
    type=click.IntRange(0, 4096),
    help="A heading begins a new passage where the one before holds this many word pieces, for a new index.  [default: 60]",
)
@click.option(
    "--ocr",
    type=click.Choice(["auto", "never", "always"]),
    default="auto",
    show_default=True,
    help="Read scanned pages off their picture.",
)
@click.option("--password-env", metavar="VAR", default="", help="Environment variable with the password of encrypted files.")
@click.option(
    "--access",
    type=click.Path(path_type=Path, dir_okay=False),
    help="YAML file: pattern of names to the list of who may read them.",
)
@click.option(
    "--remove",
    metavar="NAME",
    help="Take one document out of the index for good, and do nothing else. (While its file stays, the next run brings it back.)",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def index_command(
    folder: Path, store: str, embedder: str, chunk_tokens: int | None, chunk_overlap: int | None, chunk_least: int | None, ocr: str,
    password_env: str, access: Path | None, remove: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Make a folder of PDF files ready for `bakeoff ask`: new and changed files in, vanished ones out, the rest left alone.

    Stopped at any moment, the index is as before or as after each document; run it again to go on.
    """
    from bakeoff.verbs_documents import index_folder, remove_document

    if remove is not None:
        if not remove_document(folder, remove, store=store):
            raise BakeoffError(f"The corpus of {folder} has no document {remove!r}.", fix=f"see `bakeoff index {folder} --json`")
        click.echo(json.dumps({"removed": [remove]}) if as_json else f"Removed {remove}.")
        return
    password = None
    if password_env:
        password = os.environ.get(password_env)
        if password is None:
            raise BakeoffError(f"The environment variable {password_env} is not set.", fix=f"export {password_env}=... first")
    sizes = {"tokens": chunk_tokens, "overlap": chunk_overlap, "least": chunk_least}
    chunks = {name: size for name, size in sizes.items() if size is not None}
    from bakeoff.cli.progress import line

    with line(quiet=as_json) as progress:
        report = index_folder(
            folder, store=store, embedder=embedder, chunks=chunks, ocr=ocr, password=password, access=access, progress=progress
        )
    if as_json:
        click.echo(json.dumps(asdict(report), ensure_ascii=False))
        return
    click.echo(_said(report, folder, " --store ..." if store else ""))


def _said(report: Any, folder: Path, where: str) -> str:
    parts = [
        f"{len(names)} {word}"
        for word, names in (
            ("added", report.added),
            ("replaced", report.replaced),
            ("unchanged", report.unchanged),
            ("removed", report.removed),
        )
        if names
    ]
    lines = [f"{folder}: {', '.join(parts) or 'no PDF file'}."]
    if report.pages:
        times = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in report.seconds.items())
        lines.append(f"{report.pages:,} pages, {report.chunks:,} passages; {times}.")
    for name, notes in report.notes.items():
        lines += [f"- {name}: {note}" for note in notes]
    lines += [f"- These say the same, or nearly: {', '.join(names)}" for names in report.copies]
    for problem in report.problems:
        lines.append(f"- {problem.name} was left out: {problem.what}\n  Fix: {problem.fix}")
    if report.added or report.unchanged or report.replaced:
        lines.append(f'Ask it:  bakeoff ask {shlex.quote(str(folder))}{where} "..."')
    elif not (report.problems or report.removed):
        lines.append(
            "Put files that end in .pdf into it, or into folders below it, and index again. Names that begin with a dot are passed over."
        )
    return "\n".join(lines)

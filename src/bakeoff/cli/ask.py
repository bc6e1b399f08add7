"""`bakeoff ask DIR "question"`."""

from __future__ import annotations

import json
import shlex
import textwrap
from pathlib import Path
from typing import Any

import click

WIDTH = 100


@click.command("ask")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("question", required=False)
@click.option(
    "--batch",
    type=click.Path(path_type=Path, dir_okay=False),
    help='Ask each line of a file of {"question": ...}; prints JSON lines.',
)
@click.option(
    "--store", default="", metavar="WHERE", help="Where the index is kept: a folder or postgresql://...  [default: DIR/.bakeoff]"
)
@click.option(
    "--as",
    "principals",
    multiple=True,
    metavar="WHO",
    help="Ask as this user or group; may be given again.  [default: the owner]",
)
@click.option("--model", default="", help="Language model that words the answer; '' quotes the documents.  [default: quote]")
@click.option("--passages", type=click.IntRange(1, 100), default=10, show_default=True, help="Passages found.")
@click.option("--statements", type=click.IntRange(1, 20), default=4, show_default=True, help="Most statements of an answer.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Support below which it abstains.  [default: the corpus' own]")
@click.option("--open", "open_page", is_flag=True, help="Write a page with the cited pages and open it in the browser.")
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), help="Write that page to this file, and open nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole reply as JSON.")
def ask_command(
    folder: Path, question: str | None, batch: Path | None, store: str, principals: tuple[str, ...], model: str, passages: int, statements: int,
    threshold: float | None, open_page: bool, page: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Ask an indexed folder of PDF files: every sentence is cited to the page and place where it stands.

    What the documents do not support is not said: the answer is then "not in the corpus", with the nearest passages.
    """
    if (question is None) == (batch is None):
        raise click.UsageError("Give a question, or --batch FILE.")
    from bakeoff.tasks.documents.reply_json import reply_json
    from bakeoff.verbs_documents import ask_corpus, open_chat_model, open_corpus, read_batch, scope_of

    how: dict[str, Any] = {
        "passages": passages,
        "statements": statements,
        "threshold": threshold,
        "scope": scope_of(principals or None),
    }
    # The whole file is checked first: a bad line at its end must not cost an hour of answers.
    questions = [] if batch is None else list(read_batch(batch))
    with open_corpus(folder, store=store) as corpus:
        how["model"] = open_chat_model(model)
        if batch is not None:
            for name, each in questions:
                click.echo(json.dumps({"id": name, **reply_json(each, ask_corpus(corpus, each, **how))}, ensure_ascii=False))
            return
        assert question is not None  # the usage check above; for the type checker
        reply = ask_corpus(corpus, question, **how)
        click.echo(json.dumps(reply_json(question, reply), ensure_ascii=False) if as_json else said(reply))
        if not reply.passages and not corpus.store.documents(how["scope"]):
            click.echo(
                f"The index holds no document that may be read here. To read the folder: bakeoff index {shlex.quote(str(folder))}",
                err=True,
            )
        if open_page or page is not None:
            from bakeoff.verbs_documents import write_page

            written = write_page(corpus, question, reply, page, scope=how["scope"])
            click.echo(f"\nThe cited pages: {written}", err=as_json)
            if open_page:
                click.launch(written.resolve().as_uri())


def said(reply: Any) -> str:
    """A reply as text for a terminal."""
    from bakeoff.tasks.documents.reply_json import pages_of, wording_json, wording_said

    wording = wording_said(wording_json(reply))
    lines: list[str] = []
    if reply.abstained:
        lines.append("Not in the corpus." if reply.passages else "Not in the corpus: it holds nothing near this question.")
        lines += [textwrap.fill(wording, WIDTH)] if wording else []
        lines += ["", "The nearest passages:"] if reply.passages else []
        for passage in reply.passages[:3]:
            pages = pages_of(passage)
            where = f"page {pages[0]}" if len(pages) == 1 else f"pages {', '.join(str(page) for page in pages)}"
            lines.append(f"  {passage.document}, {where}")
            lines.append(
                textwrap.indent(textwrap.fill(textwrap.shorten(passage.chunk.text, 240, placeholder=" ..."), WIDTH - 4), "    ")
            )
        return "\n".join(lines)
    sources: dict[tuple[str, int], int] = {}
    for statement in reply.statements:
        marks = []
        for citation in statement.citations:
            marks.append(sources.setdefault((citation.document, citation.page), len(sources) + 1))
        text = f"{statement.text} {''.join(f'[{mark}]' for mark in sorted(set(marks)))}"
        lines += [textwrap.fill(text, WIDTH), ""]
    lines += [f"[{mark}] {document}, page {page}" for (document, page), mark in sources.items()]
    lines += ["", textwrap.fill(wording, WIDTH)] if wording else []
    return "\n".join(lines)

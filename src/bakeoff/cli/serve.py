"""`bakeoff serve RUN[:approach]`."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bakeoff.serve.server import Listening


@click.command("serve")
@click.argument("what", metavar="RUN[:APPROACH]", default="latest")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; others than this machine's need a token."
)
@click.option("--port", type=click.IntRange(0, 65_535), default=8321, show_default=True, help="Port; 0 takes a free one.")
@click.option(
    "--window-ms", type=click.FloatRange(0, 1000), default=2.0, show_default=True, help="How long an item waits for a batch."
)
@click.option("--max-batch", type=click.IntRange(1, 1024), default=32, show_default=True, help="Most items computed together.")
@click.option(
    "--max-queue", type=click.IntRange(1, 1_000_000), default=1024, show_default=True, help="Most items waiting; then 429."
)
@click.option(
    "--request-seconds", type=click.FloatRange(0.001, 86_400), default=30.0, show_default=True, help="Time limit; then 504."
)
@click.option(
    "--max-body",
    type=click.IntRange(1, 1 << 30),
    default=None,
    help="Largest request body in bytes.  [default: 1 MiB; for pictures 16 MiB]",
)
@click.option(
    "--drain-seconds", type=click.FloatRange(0, 3600), default=30.0, show_default=True, help="Longest time to finish on SIGTERM."
)
@click.option("--threads", type=click.IntRange(1, 256), help="Threads of the model.  [default: the study's, else 1]")
@click.option(
    "--context", type=click.IntRange(16), default=2048, show_default=True, help="Tokens that a bare language model holds."
)
@click.option(
    "--token-env", metavar="VAR", default="", help="Environment variable with the bearer token that requests must carry."
)
@click.option("--no-token", is_flag=True, help="Let other machines in without a token.")
@click.option(
    "--as",
    "principals",
    multiple=True,
    metavar="WHO",
    help="For a folder of documents: answer as this user or group.  [default: the owner]",
)
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of run folders.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when ready: url, models, pid.")
@click.option("--until-eof", is_flag=True, help="Stop too when standard input ends, as when the program that started it dies.")
def serve_command(
    what: str, host: str, port: int, window_ms: float, max_batch: int, max_queue: int, request_seconds: float, max_body: int | None,
    drain_seconds: float, threads: int | None, context: int, token_env: str, no_token: bool,
    principals: tuple[str, ...], runs: Path, as_json: bool, until_eof: bool,
) -> None:  # fmt: skip
    """Put an approach behind an HTTP endpoint: RUN is a run's name, its path or `latest`.

    Without :APPROACH it is the one that the verdict chose. A language model of the catalogue, hub:org/name or a .gguf file
    is served as it is, and so is a folder of PDFs that `bakeoff index` has read. Ctrl-C or SIGTERM finishes what was accepted, then leaves.
    """
    _hold_to(threads, what, runs)
    from bakeoff.run.saved import task_of
    from bakeoff.serve.settings import ServerSettings, usual_body
    from bakeoff.verbs import serve_run

    settings = ServerSettings(
        host=host, port=port, window_ms=window_ms, max_batch=max_batch, max_queue=max_queue, request_seconds=request_seconds,
        max_body_bytes=max_body or usual_body(task_of(what, runs)), drain_seconds=drain_seconds, token_env=token_env, no_token=no_token,
    )  # fmt: skip

    def ready(listening: Listening) -> None:
        if until_eof:
            threading.Thread(target=_drain_at_eof, args=(listening,), daemon=True).start()
        if as_json:
            click.echo(json.dumps({"url": listening.url, "models": list(listening.models), "pid": listening.pid}))
        else:
            click.echo(_welcome(listening, token_env))
        sys.stdout.flush()

    complete = serve_run(what, runs=runs, settings=settings, context=context, principals=principals or None, ready=ready)
    if not complete:
        click.echo(f"Stopped after {drain_seconds:g} s with requests unfinished; their clients were told.", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    # A model that is still computing cannot be stopped in good order; the process can.
    os._exit(0 if complete else 1)


def _hold_to(threads: int | None, what: str, runs: Path) -> None:
    """Set the number of threads before any library that reads it is imported."""
    from bakeoff.models.threads import environment

    if threads is None and "BAKEOFF_THREADS" in os.environ:
        return
    os.environ.update(environment(threads or _threads_of(what, runs)))


def _threads_of(what: str, runs: Path) -> int:
    """The threads with which the study measured this approach: served otherwise, its figures would not hold."""
    from bakeoff.run.saved import find_saved, is_corpus, is_language_model
    from bakeoff.verbs import load_document

    if is_language_model(what) or is_corpus(what):
        return 1
    ledger, name = find_saved(what, runs)
    study = ledger.study()
    if not name and ledger.finished:
        name = load_document(ledger.folder)[1].verdict.choice or ""
    return next((spec.threads for spec in study.approaches if spec.name == name and spec.threads), study.threads)


def _welcome(listening: Listening, token_env: str) -> str:
    first, *more = listening.models
    beside = f" (and {', '.join(more)})" if more else ""
    header = f' -H "Authorization: Bearer ${token_env}"' if token_env else ""
    body = json.dumps({"model": first, "messages": [{"role": "user", "content": listening.example}]})
    return (
        f"Serving {first}{beside} at {listening.url}\n"
        f"  try      curl {listening.url}/v1/chat/completions -H 'Content-Type: application/json'{header} -d '{body}'\n"
        f"  docs     {listening.url}/\n"
        f"  health   {listening.url}/healthz   metrics {listening.url}/metrics\n"
        "  stop     Ctrl-C: what was accepted is finished first"
    )


def _drain_at_eof(listening: Listening) -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    listening.drain()

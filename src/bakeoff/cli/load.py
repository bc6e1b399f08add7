"""`bakeoff load URL`."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from bakeoff.errors import BakeoffError

if TYPE_CHECKING:
    from rich.table import Table

    from bakeoff.decide.load_record import LoadDocument
    from bakeoff.decide.record import LoadStep, Percentiles
    from bakeoff.load.session import Tell, Told

DEFAULT_LIMIT = "p95 latency <= 500 ms"
SCENARIOS = {"single-stream": "single_stream", "offline": "offline", "server": "server"}


@click.command("load")
@click.argument("url")
@click.option("--model", default="", help="Model to ask for.  [default: the server's only one]")
@click.option(
    "--protocol", type=click.Choice(["auto", "chat", "answer"]), default="auto", show_default=True,
    help="chat: /v1/chat/completions, streaming. answer: /v1/answer.",
)  # fmt: skip
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Requests per second, instead of a search.")
@click.option("--limit", metavar="LIMIT", help=f"Search for the highest rate that keeps it.  [default: '{DEFAULT_LIMIT}']")
@click.option(
    "--seconds", type=click.FloatRange(min=0, min_open=True), default=15.0, show_default=True,
    help="Length of each scenario, and of each rate of a search.",
)  # fmt: skip
@click.option("--requests", type=click.IntRange(min=1), help="Most requests of each scenario, and of each rate.")
@click.option("--rates", type=click.IntRange(1, 50), default=8, show_default=True, help="Most rates that a search tries.")
@click.option(
    "--most-rate", type=click.FloatRange(min=0, min_open=True), default=2000.0, show_default=True,
    help="A search tries no higher rate.",
)  # fmt: skip
@click.option("--arrivals", type=click.Choice(["poisson", "constant"]), default="poisson", show_default=True, help="Of requests.")
@click.option(
    "--scenario", "scenarios", type=click.Choice(list(SCENARIOS)), multiple=True,
    help="Only this one; may be given again.  [default: all]",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the arrivals.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Client processes.")
@click.option("--max-tokens", type=click.IntRange(min=1), help="Most tokens of each answer.")
@click.option("--concurrency", type=click.IntRange(1, 10_000), default=8, show_default=True, help="In flight when offline.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0, show_default=True, help="Seconds for one request."
)
@click.option("--key-env", default="", metavar="NAME", help="Environment variable that holds the server's key.")
@click.option("--prompts", type=click.Path(path_type=Path), metavar="FILE", help="Prompts, one a line (.txt or .jsonl).")
@click.option("--run", metavar="RUN", help="Send the test items of this run.")
@click.option("--runs", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Folder of run folders.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write load.json and load.html there.")
@click.option("--check", is_flag=True, help="Exit with 3 if the limit is not shown to be kept, or the test is not valid.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, to standard output.")
@click.option("--quiet", is_flag=True, help="No progress.")
def load_command(
    url: str, model: str, protocol: str, rate: float | None, limit: str | None, seconds: float, requests: int | None, rates: int,
    most_rate: float, arrivals: str, scenarios: tuple[str, ...], seed: int, workers: int, max_tokens: int | None, concurrency: int,
    timeout: float, key_env: str, prompts: Path | None, run: str | None, runs: Path, out: Path | None, check: bool, as_json: bool,
    quiet: bool,
) -> None:  # fmt: skip
    """Test the server at URL under load: one request at a time, many at once, and at rates that it must keep up with.

    URL is an OpenAI-compatible server, or one with /v1/answer such as `bakeoff serve` starts. Ctrl-C stops and shows what was
    measured so far.
    """
    from bakeoff.verbs import load_url

    if out is not None and out.exists() and not out.is_dir():
        raise BakeoffError(f"--out {str(out)!r} is a file.", fix="name a folder")
    with stopping() as stop, progress(quiet or as_json) as tell:
        document = load_url(
            url,
            prompts=prompts,
            run=run,
            runs=runs,
            out=out,
            command=shlex.join(["bakeoff", *sys.argv[1:]]),
            model=model,
            protocol=protocol,
            rate=rate,
            limit=limit or (DEFAULT_LIMIT if rate is None else None),
            arrivals=arrivals,
            scenarios=[SCENARIOS[name] for name in scenarios] or list(SCENARIOS.values()),
            single_requests=requests,
            single_seconds=seconds,
            offline_requests=requests,
            offline_seconds=seconds,
            rates=rates,
            rate_requests=requests,
            rate_seconds=seconds,
            most_rate=most_rate,
            concurrency=concurrency,
            seed=seed,
            workers=workers,
            max_tokens=max_tokens,
            timeout_seconds=timeout,
            key_env=key_env,
            tell=tell,
            stop=stop,
        )
    if as_json:
        click.echo(document.model_dump_json(indent=1))
    else:
        show(document, out)
    if document.settings["stopped"]:
        raise SystemExit(130)
    if check and not (document.valid and (not document.result.limit or document.settings["kept"])):
        raise SystemExit(3)


@contextlib.contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks the test to stop; a second one ends it."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        click.echo("\nStopping: waiting for the requests in flight. Ctrl-C again gives them up.", err=True)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Tell | None]:
    """One live line on standard error while the block lasts; None where nobody would see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(Text(""), console=Console(stderr=True), transient=True, auto_refresh=False) as live:

        def tell(told: Told) -> None:
            live.update(Text(line(told), no_wrap=True, overflow="ellipsis"), refresh=True)

        yield tell


def line(told: Told) -> str:
    """What is happening, as one line."""
    from bakeoff.cli.progress import left
    from bakeoff.load.sentences import duration

    parts = [told.what]
    seen = told.seen
    if seen is not None:
        parts.append(f"{seen.sent:,} sent, {seen.completed:,} answered, {seen.in_flight:,} in flight")
        if seen.errors:
            parts.append(f"{seen.errors:,} failed")
        if seen.recent_seconds is not None:
            parts.append(f"lately {duration(seen.recent_seconds)}")
    remaining = left(told.seconds_left)
    return "  ".join([*parts, remaining] if remaining else parts)


def show(document: LoadDocument, out: Path | None) -> None:
    """The table, the sentences, and where the files are."""
    from rich.console import Console

    console = Console()
    console.print(f"{document.url}  {document.model}  ({document.protocol})", highlight=False, markup=False)
    console.print(table(document))
    console.print()
    for sentence in document.says:
        console.print(sentence, highlight=False, markup=False)
    if out is not None:
        console.print(
            f"\nReport  {out / 'load.html'}\nData    {out / 'load.json'}", highlight=False, soft_wrap=True, markup=False
        )


def table(document: LoadDocument) -> Table:
    """A row for each step, in the order in which they ran. A percentile without enough requests is a dash."""
    from rich.table import Table

    found = Table(box=None, padding=(0, 1, 0, 0))
    found.add_column("scenario", no_wrap=True)
    for name in ("asked/sent\nper s", "n", "errors", "TTFT\np50", "ms\np95", "\np99", "total\np50", "ms\np95", "\np99"):
        found.add_column(name, justify="right", no_wrap=True)
    found.add_column("result", no_wrap=True)
    result = document.result
    steps: list[LoadStep] = [step for step in (result.single, result.offline) if step is not None] + list(result.steps)
    for step in steps:
        judged = "valid" if step.outcome == "not_judged" else step.outcome
        found.add_row(
            step.scenario.removesuffix("_stream"),
            f"{_rate(step.rate_per_second)}/{_rate(step.achieved_per_second)}"
            if step.rate_per_second
            else _rate(step.achieved_per_second),
            f"{step.requests:,}",
            f"{step.errors:,}",
            *_three(step.first_token_seconds),
            *_three(step.total_seconds),
            judged if step.valid else "[red]not valid[/]",
        )
    return found


def _rate(value: float | None) -> str:
    return "" if value is None else f"{value:,.3g}" if value < 1000 else f"{value:,.0f}"


def _three(times: Percentiles) -> tuple[str, str, str]:
    return _ms(times.p50), _ms(times.p95), _ms(times.p99)


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1e3:,.0f}" if seconds >= 0.0995 else f"{seconds * 1e3:.3g}"

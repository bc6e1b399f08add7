"""The command line: this file only joins. Each verb has its own file, imported when it is used."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping

import click

from bakeoff import __version__
from bakeoff.errors import BakeoffError, nearest

VERBS: Mapping[str, tuple[str, str]] = {
    "run": ("bakeoff.cli.run", "Run a study: a shipped name, or a path to a .yaml file."),
    "new": ("bakeoff.cli.new", "Write a study for your own data, after looking at it."),
    "list": ("bakeoff.cli.show", "List studies, tasks, approaches, assets and runs."),
    "show": ("bakeoff.cli.show", "Show one study, approach, asset or run."),
    "assets": ("bakeoff.cli.assets_verb", "Fetch or check weights and data ahead of time."),
    "report": ("bakeoff.cli.report", "Rebuild a run's report and memo."),
    "decide": ("bakeoff.cli.decide", "Decide again with other limits, weights, volume or prices."),
    "serve": ("bakeoff.cli.serve", "Put an approach of a run, or a language model, behind an HTTP endpoint."),
    "load": ("bakeoff.cli.load", "Test a server under load: how many requests per second keep a latency limit."),
    "index": ("bakeoff.cli.index", "Make a folder of PDF files ready to be asked."),
    "ask": ("bakeoff.cli.ask", "Ask an indexed folder: every sentence cited to the place where it stands."),
    "doctor": ("bakeoff.cli.doctor", "What is installed, what is missing, what to type."),
}


class Verbs(click.Group):
    """A group whose commands are imported only when they are called."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module = importlib.import_module(VERBS[name][0])
        command: click.Command = getattr(module, f"{name}_command")
        return command

    def resolve_command(self, context: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS:
            raise click.UsageError(f"There is no command {args[0]!r}; {nearest(args[0], VERBS)}")
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="bakeoff")
def program() -> None:
    """One bench for every approach: compare them on the same items, and defend the choice.

    Start with `bakeoff run sentiment`, or with your own file: `bakeoff new text reviews.csv --target label`.
    """


def main() -> None:
    """The `bakeoff` command. Exit codes: 0 done, 1 a problem with a fix, 2 wrong usage, 3 done but a limit failed, 130 stopped."""
    try:
        program.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BakeoffError as error:
        say(error)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def say(error: BakeoffError) -> None:
    """Two lines: what, fix. Control characters in them are shown, not obeyed."""
    for word, text in (("error", error.what), ("  fix", error.fix)):
        if text:
            shown = "".join(c if c.isprintable() else " " if c in "\r\n\t" else c.encode("unicode_escape").decode() for c in text)
            colour = False if os.environ.get("NO_COLOR") else None
            click.echo(f"{click.style(word + ':', fg='red' if word == 'error' else 'green')} {shown}", err=True, color=colour)


if __name__ == "__main__":
    main()

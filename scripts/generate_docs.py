"""Write the reference pages that are generated from the program, or (``--check``) say which are out of date."""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"


def commands() -> str:
    """Every command with its help, as `--help` prints it."""
    from bakeoff.cli.main import VERBS, program

    lines = ["# Commands", "", "Generated from the program by `make docs`.", ""]

    def add(command: click.Command, path: str, parent: click.Context | None) -> None:
        context = click.Context(
            command, info_name=path.rsplit(" ", 1)[-1], parent=parent, max_content_width=100, terminal_width=100
        )
        lines.extend([f"## {path}", "", "```text", context.command.get_help(context), "```", ""])
        if isinstance(command, click.Group):
            names = VERBS if command is program else command.list_commands(context)
            for name in names:
                child = command.get_command(context, name)
                if child:
                    add(child, f"{path} {name}", context)

    add(program, "bakeoff", None)
    return "\n".join(lines)


def schema() -> str:
    """JSON Schema of the verdict document."""
    from bakeoff.decide.record import Document

    found = Document.model_json_schema()
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **found}, indent=1, sort_keys=True) + "\n"


def approaches() -> str:
    """Every built-in approach with its docstring and settings."""
    from bakeoff.registry import BUILT_IN, entries
    from bakeoff.run.plan import settings_with_defaults

    lines = [
        "# Approaches",
        "",
        "Generated from the program by `make docs`. In a study, leave out the part before the slash.",
        "",
    ]
    known = entries("bakeoff.approaches")
    for name in BUILT_IN["bakeoff.approaches"]:
        found = known[name].load()
        lines += [f"## `{name}`", "", "```text", inspect.getdoc(found) or "", "```", "", "| setting | default |", "| --- | --- |"]
        for setting, default in settings_with_defaults(found).items():
            lines.append(f"| `{setting}` | `{default.replace('|', chr(92) + '|')}` |")
        lines.append("")
    return "\n".join(lines)


def studies() -> str:
    """JSON Schema of a study file."""
    from bakeoff.study import Study

    return json.dumps(Study.model_json_schema(), indent=1, sort_keys=True) + "\n"


PAGES = {"commands.md": commands, "verdict.schema.json": schema, "approaches.md": approaches, "study.schema.json": studies}


def main(arguments: list[str]) -> int:
    stale = []
    for name, write in PAGES.items():
        page, path = write(), REFERENCE / name
        if not path.is_file() or path.read_text(encoding="utf-8") != page:
            stale.append(name)
            if "--check" not in arguments:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(page, encoding="utf-8")
    if "--check" in arguments and stale:
        print(f"Out of date: {', '.join(stale)}. Run `make docs`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

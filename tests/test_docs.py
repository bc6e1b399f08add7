"""The words around the program are true: commands, links, files, fields and examples are looked up or run."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from pydantic import BaseModel

from bakeoff import registry
from bakeoff.assets import catalogue
from bakeoff.cli.main import VERBS, program
from bakeoff.decide import record
from bakeoff.decide.limits import MEASURES, parse_limit
from bakeoff.errors import BakeoffError
from bakeoff.measure.checks import TITLES
from bakeoff.measure.timing import QUANTILES, samples_needed
from bakeoff.study import Anchor, ApproachSpec, Consistency, EdgeCases, LearningCurve, Serving, Study, Timing, parse_study
from bakeoff.testing import RULES, Bench

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FENCE = re.compile(r"^(?P<mark><!-- runs -->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
RUNS_BAKEOFF = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?(bakeoff .*)$")


class Block(NamedTuple):
    """A fenced block: its page, language and text, and whether it is marked as one that runs."""

    page: str
    language: str
    code: str
    runs: bool


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def blocks() -> tuple[Block, ...]:
    """Every fenced block of every page."""
    return tuple(
        Block(name, found["language"], found["code"], bool(found["mark"]))
        for name in NAMES
        for found in FENCE.finditer(read(name))
    )


def commands(name: str) -> set[str]:
    """Everything on a page that a person may type and that begins with ``bakeoff``: in blocks, indented, or in a sentence."""
    page = read(name)
    prose = FENCE.sub("", page)
    found = {m[1] for m in re.finditer(r"`(bakeoff [^`\n]+)`", prose)}
    shown = [block.code for block in blocks() if block.page == name and block.language in ("console", "sh")]
    shown.append("\n".join(line for line in prose.splitlines() if line.startswith("    ")))
    for text in shown:
        asked = [line for line in text.splitlines() if line.lstrip().startswith("$ ")] or text.splitlines()
        found |= {m[1] for line in asked if (m := RUNS_BAKEOFF.match(line))}
    return found


def wrong_in(line: str) -> str | None:
    """What is wrong with a command, or None: the verb, the sub-command and every option are looked up in the program."""
    words = shlex.split(line.split(" > ")[0].split(" | ")[0], comments=True)[1:]
    command: click.Command = program
    context = click.Context(program, info_name="bakeoff")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return f"there is no {words[0]!r}"
        command, words = found, words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help", "-h"}
    unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in known]
    return f"{unknown[0]} is no option of {command.name}" if unknown else None


# -- commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_command_exists(name: str) -> None:
    wrong = {line: why for line in commands(name) if (why := wrong_in(line))}
    assert not wrong


def test_the_look_up_of_commands_finds_what_is_wrong() -> None:
    assert wrong_in("bakeoff sing latest") == "there is no 'sing'"
    assert wrong_in("bakeoff serve latest --prot 1") == "--prot is no option of serve"
    assert wrong_in("bakeoff run sentiment --seed 3") == "--seed is no option of run"
    assert wrong_in("bakeoff assets push x") == "there is no 'push'"
    assert wrong_in("bakeoff run sentiment --budget 20m  # a limit") is None


def test_commands_are_found_in_every_form() -> None:
    assert {"bakeoff run reviews.yaml                        # or bakeoff run alone: the study of this folder", "bakeoff new text reviews.csv --target label     # looks at the file, says what it guessed, writes reviews.yaml"} <= commands("README.md")  # fmt: skip
    assert "bakeoff show sentiment" in commands("docs/tutorials/first-study.md")


def test_every_verb_is_used_somewhere() -> None:
    used = {line.split()[1] for name in NAMES if "reference/" not in name for line in commands(name) if len(line.split()) > 1}
    assert set(VERBS) <= used


@pytest.mark.parametrize("name", NAMES)
def test_every_make_target_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    asked = set(re.findall(r"(?:^|`|\$ )\s*make (?:[A-Z]+=\S+ )?([a-z-]+)", read(name), re.MULTILINE))
    assert asked <= targets


# -- links -------------------------------------------------------------------------------------------------------


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_resolves(name: str) -> None:
    prose = FENCE.sub("", read(name))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        assert file.exists(), target
        if anchor:
            headings = {slug(heading) for heading in re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)}
            assert anchor in headings, target


def test_the_index_leads_to_every_page() -> None:
    linked = {(DOCS / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", read("docs/index.md"))}
    missing = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page not in linked and page.name != "index.md"]
    assert not missing


# -- the file map ------------------------------------------------------------------------------------------------


def mapped() -> dict[str, str]:
    """Path below the repository -> comment, as the map of the README says. A deeper line belongs to the folder above it."""
    (block,) = [b.code for b in blocks() if b.page == "README.md" and "src/bakeoff/" in b.code]
    found: dict[str, str] = {}
    folders: list[tuple[int, str]] = []
    for line in block.splitlines():
        name, _, comment = line.strip().partition(" ")
        depth = len(line) - len(line.lstrip())
        folders = [(d, f) for d, f in folders if d < depth]
        path = "".join(folder for _, folder in folders) + name
        found[path] = comment.strip()
        if name.endswith("/"):
            folders.append((depth, name))
    return found


def test_the_map_names_every_file_of_the_package() -> None:
    source = ROOT / "src" / "bakeoff"
    files = {
        str(file.relative_to(ROOT))
        for file in source.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and not (file.name == "__init__.py" and file.stat().st_size == 0)
    }
    there = mapped()
    assert files - set(there) == set(), "not in the map of README.md"
    assert {path for path in there if not (ROOT / path).exists()} == set(), "in the map, but not there"
    assert [path for path in there if not path.endswith("/") and not there[path]] == [], "without a comment"


def test_the_map_names_what_lies_at_the_top() -> None:
    top = {f.name for f in ROOT.iterdir() if f.is_file() and not f.name.startswith(".") and f.suffix != ".egg-info"}
    assert top <= set(mapped())


# -- fields and names --------------------------------------------------------------------------------------------


def section(page: str, heading: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    level = heading.split(" ")[0]
    after = page.split(f"\n{heading}\n", 1)[1]
    return re.split(rf"^#{{1,{len(level)}}} ", after, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize(
    ("model", "heading"),
    [(Study, "## Fields"), (ApproachSpec, "## `approaches`"), (LearningCurve, "## `learning_curve`"), (Timing, "## `timing`"), (Anchor, "## `values`"),
     (Serving, "## `serving`"), (EdgeCases, "## `edge_cases`"), (Consistency, "## `consistency`")],
)  # fmt: skip
def test_every_field_of_a_study_has_its_row(model: type[BaseModel], heading: str) -> None:
    rows = section(read("docs/reference/study.md"), heading)
    named = re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE)
    assert named == [*dict.fromkeys(named)] and set(named) == set(model.model_fields)


@pytest.mark.parametrize(
    ("model", "heading"),
    [(Study, "## Fields"), (LearningCurve, "## `learning_curve`"), (Timing, "## `timing`"), (Serving, "## `serving`"), (EdgeCases, "## `edge_cases`"), (Consistency, "## `consistency`")],
)  # fmt: skip
def test_the_page_of_the_study_states_the_defaults(model: type[BaseModel], heading: str) -> None:
    rows = section(read("docs/reference/study.md"), heading)
    for name, field in model.model_fields.items():
        if isinstance(field.default, int | float):
            row = re.search(rf"^\| `{name}` \|[^|]*\|([^|]*)\|", rows, re.MULTILINE)
            assert row and f"{field.default:g}" in row[1], name


def test_every_limit_in_the_page_of_the_study_is_understood() -> None:
    rows = section(read("docs/reference/study.md"), "## `limits`")
    cells = [row.split("|")[1:-1] for row in rows.splitlines() if row.startswith("| ") and "---" not in row][1:]
    for measures, _, examples in cells:
        for example in re.findall(r"`([^`]+)`", examples):
            assert parse_limit(example).measure
        assert measures.strip()
    assert set(MEASURES) <= set(re.findall(r"`([^`]+)`", rows))
    with pytest.raises(BakeoffError):
        parse_limit("memory >= 1 GB")


@pytest.mark.parametrize(
    ("model", "heading"), [(record.Document, "## Top level"), (record.ApproachResult, "## An approach"), (record.Pair, "## Top level"), (record.Verdict, "## Top level"),
     (record.ServingResult, "## Behind an endpoint"), (record.LoadStep, "## Behind an endpoint"), (record.KindResult, "## Hard inputs and agreement"),
     (record.Flip, "## Hard inputs and agreement"), (record.Agreement, "## Hard inputs and agreement"), (record.Formats, "## Hard inputs and agreement"),
     (record.EdgeSet, "## Top level"), (record.ConsistencyResult, "## Top level"), (record.HostedReference, "## Top level"), (record.MatrixRow, "## Top level")],
)  # fmt: skip
def test_every_field_of_the_verdict_document_is_named(model: type[BaseModel], heading: str) -> None:
    named = set(re.findall(r"`(\w+)`", section(read("docs/reference/verdict.md"), heading)))
    assert set(model.model_fields) - named == set()


def test_every_file_of_a_run_is_named() -> None:
    page = read("docs/reference/run-folder.md")
    source = read("src/bakeoff/run/ledger.py") + read("src/bakeoff/run/engine.py") + read("src/bakeoff/verbs.py")
    written = set(re.findall(r"\"(?:[^\"]*/)?([a-z_]+\.(?:json|jsonl|yaml|parquet|html|md))\"", source))
    assert {"verdict.json", "items.jsonl", "answers.parquet", "wall.json"} <= written
    beside = {"load.json", "load.html"}  # what `bakeoff load --out` writes: no part of a run
    assert {name for name in written - beside if name not in page} == set()


def test_every_built_in_approach_is_named() -> None:
    page, readme = read("docs/reference/approaches.md"), read("README.md")
    for name in registry.BUILT_IN["bakeoff.approaches"]:
        assert f"## `{name}`" in page
        assert f"| `{name.split('/')[1]}` |" in readme


def test_every_check_is_explained_under_its_title() -> None:
    page = read("docs/reference/checks.md")
    assert re.findall(r"^## (BK\d{3}) (.*)$", page, re.MULTILINE) == list(TITLES.items())


def test_every_asset_is_in_its_page() -> None:
    page = read("docs/reference/assets.md")
    assert [name for name in catalogue() if f"| `{name}` |" not in page] == []


def test_counts_in_words_are_right() -> None:
    assert len(RULES) == 13 and "Thirteen rules" in read("docs/tutorials/first-plugin.md")
    assert len(TITLES) == 25 and "twenty-five checks" in read("README.md")


def test_the_samples_a_percentile_needs_are_as_the_program_has_them() -> None:
    page = read("docs/explanation/measuring-speed-and-memory.md")
    for name, quantile in QUANTILES.items():
        assert f"| {name} | {samples_needed(quantile)} |" in page


# -- examples ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "yaml"], ids=lambda b: b.page)
def test_studies_in_the_pages_can_be_read(block: Block) -> None:
    if block.code.startswith("study:"):
        assert parse_study(block.code, block.page).approaches
    else:
        # A part of a study: put into one, it must be understood as well.
        whole = "study: part\ntask: text\n"
        whole += "" if re.search(r"^data:", block.code, re.MULTILINE) else "data: {source: x.csv}\n"
        if not re.search(r"^approaches:", block.code, re.MULTILINE):
            code = re.sub(r"^(?=  - )", "approaches:\n", block.code, count=1)
            whole += code if code != block.code else "approaches: [majority]\n" + block.code
        else:
            whole += block.code
        assert parse_study(whole, block.page).approaches


@pytest.mark.parametrize("block", [b for b in blocks() if b.runs], ids=lambda b: b.page)
def test_marked_examples_run(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("verdict.json").write_text(sample().model_dump_json(), encoding="utf-8")
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block.code, block.page, "exec"), names)
    if "Shouting" in names:
        bench = Bench.for_text(names["Shouting"])
        for rule in RULES:
            bench.check(rule)
    else:
        assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("block", [b for b in blocks() if b.language == "python"], ids=lambda b: b.page)
def test_every_python_example_is_python_and_imports_what_there_is(block: Block) -> None:
    compile(block.code, block.page, "exec")
    for module, names in re.findall(r"^from (bakeoff[\w.]*) import (.+)$", block.code, re.MULTILINE):
        found = importlib.import_module(module)
        for name in names.split("  #")[0].split(","):
            assert hasattr(found, name.strip()) or importlib.util.find_spec(f"{module}.{name.strip()}"), f"{module}.{name}"


def test_examples_are_marked_to_run() -> None:
    assert len([b for b in blocks() if b.runs]) >= 3


def test_the_plugin_tutorial_begins_with_eight_lines_and_ends_with_the_package() -> None:
    codes = [b.code for b in blocks() if b.page == "docs/tutorials/first-plugin.md" and b.language in ("python", "toml")]
    package = ROOT / "tests" / "plugin_package"
    assert codes[0] == (package / "pyproject.toml").read_text(encoding="utf-8")
    assert len([line for line in codes[1].splitlines() if line.strip()]) == 8
    assert (package / "src" / "shouting" / "__init__.py").read_text(encoding="utf-8") in codes
    assert codes[1] in [b.code for b in blocks() if b.page == "README.md"]


def test_the_two_pages_that_quote_the_shipped_run_quote_the_same() -> None:
    quoted = re.compile(r"<!-- sentiment: what the shipped study printed -->\n```text\n(.*?)```\n<!-- /sentiment -->", re.DOTALL)
    (first,), (second,) = (quoted.findall(read(name)) for name in ("README.md", "docs/tutorials/first-study.md"))
    assert first == second


def sample() -> record.Document:
    """The report's sample document (a module beside the tests, not of the package), with the package's own prices."""
    path = ROOT / "tests" / "report" / "sample.py"
    spec = importlib.util.spec_from_file_location("report_sample_for_docs", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    document: record.Document = module.document()
    return document.model_copy(update={"study": document.study.model_copy(update={"prices": {}, "anchors": {}})})


# -- what no committed file may say ------------------------------------------------------------------------------

FORBIDDEN = {
    "a folder of the machine it was written on": re.compile("|".join(["/" + "work/", "/" + "tmp/lab", "/" + "root/"])),
    "a package registry's host": re.compile(
        r"\.".join(["pypi", "org"]) + "|" + "python" + r"hosted\." + "org|" + r"registry\." + "npmjs"
    ),
}
TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".sh", ".json", ".j2", ".css", ".js", ".lock", ".txt", ".cfg", ""}
OUTSIDE = {"__pycache__", "runs", "build", "dist"}


def committed() -> Iterator[Path]:
    """Text files of the checkout; what git ignores is not entered."""
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [
            f for f in inner if f not in OUTSIDE and not f.endswith(".egg-info") and (f == ".ci" or not f.startswith("."))
        ]
        yield from (Path(folder, file) for file in files if Path(file).suffix in TEXT)


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in committed()
        for what, pattern in FORBIDDEN.items()
        if pattern.search(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert found == []


def test_the_search_for_forbidden_words_sees_the_repository() -> None:
    seen = {str(path.relative_to(ROOT)) for path in committed()}
    assert {"README.md", "Makefile", ".ci/run", "src/bakeoff/contract.py", "docs/index.md"} <= seen
    assert FORBIDDEN["a folder of the machine it was written on"].search("see /" + "root/notes")

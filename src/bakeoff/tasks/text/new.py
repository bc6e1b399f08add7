"""A study for a person's own texts, written after looking at them: the Python behind ``bakeoff new text FILE``."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bakeoff.contract import Dataset, Json
from bakeoff.errors import RunError, shown
from bakeoff.study import Study, parse_study
from bakeoff.tasks.text.data import load_text, read_settings
from bakeoff.tasks.text.labels import looks_numeric

MOST_TO_TRAIN = 20_000
LONG_TEXT = 180
"""Mean words above which encoders and small language models see only the start of many texts."""
MANY_CLASSES = 6
"""Classes above which one example of each (256 tokens at most) no longer fits a small model's prompt of 2,048 tokens."""


def write_new_study(
    data_path: Path,
    *,
    target: str | None = None,
    text: str | None = None,
    group: str | None = None,
    name: str | None = None,
    out_dir: Path = Path(),
    settings: Mapping[str, Json] | None = None,
    force: bool = False,
) -> tuple[Study, tuple[str, ...]]:
    """Look at a file or folder of labelled texts, choose approaches, and write ``<name>.yaml`` into `out_dir`.

    Parameters
    ----------
    data_path : Path
        A file or folder as in `TextData.source`; relative to the working folder.
    target, text, group : str or None
        Columns. None for target and text means guessed; the guess is written down as if it had been given.
    name : str or None
        Name of the study, of letters, digits, dots, dashes and underscores; None means from the file's name.
    out_dir : Path
        An existing folder.
    settings : mapping or None
        Further keys of the `data` section, e.g. ``{'encoding': 'cp1252', 'drop_unlabelled': True}``.
    force : bool, default=False
        Write over a study of that name.

    Returns
    -------
    study : Study
        As `bakeoff.study.read_study` reads it from ``out_dir / (study.study + '.yaml')``.
    notes : tuple of str
        What was found and guessed.

    Raises
    ------
    BadData
        Where the data cannot be used, as it would be when run. Nothing is written.
    RunError
        If the file exists already, or the folder cannot be written to.
    """
    if str(data_path).startswith(("hub:", "asset:")):
        source = str(data_path)
    else:
        source = _source(data_path, out_dir)
    given: dict[str, Json] = {"source": source, "text": text, "target": target, "group": group, **(settings or {})}
    dataset = load_text(read_settings({key: value for key, value in given.items() if value is not None}), base=out_dir.absolute())
    found = dataset.facts["columns"]
    if not source.startswith("asset:"):
        given |= {"text": found["text"], "target": found["target"]}
    chosen = {key: value for key, value in given.items() if value is not None}
    label = _study_name(name or Path(source.partition(":")[2] or source).stem)
    written, says = _render(label, chosen, dataset)
    study = parse_study(written, f"{label}.yaml")
    _write(out_dir / f"{label}.yaml", written, force=force)
    counts = ", ".join(f"{shown(name, 30)} {count:,}" for name, count in list(dataset.facts["class_counts"].items())[:8])
    more = " and more" if len(dataset.facts["labels"]) > 8 else ""
    size = f"{len(dataset.items):,} texts of {dataset.facts['mean_words']} words on average, {len(dataset.facts['labels'])} classes: {counts}{more}."
    return study, (size, *dataset.notes, *says)


def _source(data_path: Path, out_dir: Path) -> str:
    """Relative to the study where the data lies beside or below it, so that both can move together; absolute otherwise."""
    path, base = data_path.resolve(), out_dir.resolve()
    return str(path.relative_to(base)) if path.is_relative_to(base) and path != base else str(path)


def _study_name(given: str) -> str:
    plain = re.sub(r"[^a-z0-9._-]+", "-", given.lower()).strip("-._")[:64].rstrip("-._")
    return plain or "texts"


def _render(name: str, data: dict[str, Json], dataset: Dataset) -> tuple[str, list[str]]:
    """The study's YAML, and sentences about what was chosen because of the data."""
    says = []
    labels = dataset.facts["labels"]
    classes = len(labels)
    if len(dataset.items) > MOST_TO_TRAIN and "limit" not in data:
        data = {**data, "limit": MOST_TO_TRAIN}
        says.append(f"`limit: {MOST_TO_TRAIN}` keeps training on a processor within hours; remove it to use every text.")
    if dataset.facts["mean_words"] > LONG_TEXT:
        says.append("Many texts are long: encoders and small language models read only their beginning.")
    few_shot = classes <= MANY_CLASSES
    if not few_shot:
        says.append(f"Left out `llm-few-shot`: examples of {classes} classes do not fit the prompt of a small local model.")
    bare = all(looks_numeric(label) for label in labels)
    if bare:
        says.append(
            "The labels are bare numbers, which tell a language model nothing: give them names under `wording` in the study."
        )
    lines = [
        "# A bake-off of texts. Run it:  bakeoff run " + name + ".yaml",
        f"# Looked at: {len(dataset.items):,} texts, {classes} classes, {dataset.facts['mean_words']} words a text on average.",
        f"study: {_scalar(name)}",
        f"question: {_scalar(_question(labels))}",
        "task: text",
        "data:",
        *(f"  {key}: {_scalar(value)}{_COMMENTS.get(key, '')}" for key, value in data.items()),
        *(
            ()
            if "group" in data
            else ("  # group: author       # items of one author (document, customer) are then never split apart",)
        ),
        *(() if dataset.suggested_test else ("  # test: 0.25          # share of the items held back for the comparison",)),
        "approaches:",
        "  - majority            # the floor: the most common label",
        "  - tfidf-linear        # words and letter groups, logistic regression",
        "  - embedding-linear    # sentence embeddings, logistic regression",
        "  - finetuned-encoder   # a small transformer, trained whole",
        "  - lora-encoder        # the same, with few trained weights",
        "  - {use: prompted-llm, name: llm-zero-shot, seeds: 1, settings: {shots: 0}}   # a local language model, told only the labels",
        ("  - " if few_shot else "  # - ")
        + f"{{use: prompted-llm, name: llm-few-shot, seeds: 1, settings: {{shots: {max(4, classes)}}}}}    # the same, shown examples",
        *((f"  # Names for the labels, for the two above: settings: {{shots: 0, wording: {_names(labels)}}}",) if bare else ()),
        "  # Any OpenAI-compatible server; the key is read from the environment. Texts are sent to it.",
        "  # - {use: endpoint, name: my-endpoint, seeds: 1, settings: {base_url: http://localhost:8000/v1, model: my-model}}",
        "seeds: 3                # train / validation splits and initialisations; the test items stay the same",
        "margin: 0.02            # a difference in accuracy smaller than this does not matter to you",
        "limits:",
        "  - p90 latency <= 200 ms",
        "volume: 10000           # texts a day, for the cost",
    ]
    return "\n".join(lines) + "\n", says


def _question(labels: Sequence[str]) -> str:
    if len(labels) > 4 or any(len(label) > 40 for label in labels):
        return f"Which of {len(labels)} classes does a text belong to?"
    return f"Is a text {', '.join(labels[:-1])} or {labels[-1]}?"


def _names(labels: Sequence[str]) -> str:
    return (
        "{" + ", ".join(f'"{label}": name{i}' for i, label in enumerate(labels[:4], 1)) + (", ...}" if len(labels) > 4 else "}")
    )


_COMMENTS = {"limit": "   # a stratified sample; remove to use every text"}


def _scalar(value: Json) -> str:
    """One YAML value on one line, quoted where it must be, however hostile."""
    style: Any = '"' if isinstance(value, str) and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", value) else None
    return yaml.safe_dump(value, default_style=style, allow_unicode=True, width=10**9).removesuffix("...\n").strip()


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write all of it or nothing, and never over another file unless told to."""
    if path.exists() and not force:
        raise RunError(f"{shown(str(path), 200)} exists already.", fix="give another --name, or --force to write over it")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".new")
    except OSError as error:
        raise RunError(
            f"{shown(str(path.parent), 200)} cannot be written to: {error.strerror}.",
            fix="name another folder, or free space in it",
        ) from error
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        draft.chmod(0o644)
        if force:
            draft.replace(path)
        else:
            _link(draft, path)
    except FileExistsError as error:
        raise RunError(
            f"{shown(str(path), 200)} exists already.", fix="give another --name, or --force to write over it"
        ) from error
    except OSError as error:
        raise RunError(
            f"{shown(str(path), 200)} cannot be written: {error.strerror}.", fix="name another folder, or free space in it"
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _link(draft: Path, path: Path) -> None:
    """A link fails where the name is taken, so two writers cannot both succeed; some file systems have none."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except OSError:
        draft.replace(path)

import io
import re

import pytest
import sample
from rich.console import Console

from bakeoff.report.table import terminal


def printed(document, width=120, **options):
    out = io.StringIO()
    Console(file=out, width=width, **options).print(terminal(document))
    return out.getvalue()


def test_verdict_table_and_what_the_order_means():
    said = printed(sample.document())
    assert " ".join(said.split()).startswith(sample.document().verdict.sentence)
    assert re.search(r"finetuned-encoder ← +88\.6% \(86\.5 to 90\.7\) +a", said)
    assert "the order is not a rank" in said
    assert "1 problem, 1 could not run" in said
    assert "n too small" in said and "failed" in said


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_fits_the_terminal_and_breaks_no_name_or_interval(width):
    lines = printed(sample.document(), width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("88.6% (86.5 to 90.7)" in line and "finetuned-encoder" in line for line in lines)


def test_markup_and_escapes_in_names_are_not_obeyed():
    made = sample.document()
    first = made.approaches[1].model_copy(update={"name": "[red]x[/red]\x1b[2J"})
    said = printed(made.model_copy(update={"approaches": [first, *made.approaches[2:]]}), force_terminal=False)
    assert "[red]x[/red]␛[2J" in said and "\x1b" not in said


def test_minimal_document():
    assert "No approach was measured." in printed(sample.minimal())

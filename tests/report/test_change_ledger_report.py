"""The section on changes in the report and the memo: every figure is there, noise is named, and the author's words are text."""

from __future__ import annotations

import re

from sample import document as sample_document

from bakeoff.decide.change_record import ChangedSetting, ChangeEntry, ChangeLedger, Foretold
from bakeoff.decide.parts import Range
from bakeoff.decide.record import Document
from bakeoff.report.change_ledger import change_ledger, summary
from bakeoff.report.memo import memo
from bakeoff.report.page import page

HOSTILE = "It helps <script>window.owned=1</script> | **much** [x](javascript:alert(1))"


def with_changes(*, compete: bool = False) -> Document:
    document = sample_document()
    entries = [
        ChangeEntry(
            name="wider",
            approach="tfidf-linear.wider",
            settings=[ChangedSetting(setting="words", before=[1, 2], after=[1, 3])],
            expect=HOSTILE,
            effect=Range(mid=0.031, low=0.012, high=0.05, n=872),
            p=0.004,
            p_raw=0.001,
            verdict="better",
            detectable=0.027,
            beats_base=1.0,
            seeds=[0, 1, 2],
            per_seed=[0.03, 0.04, 0.023],
            fit_ratio=Range(mid=1.91, low=1.8, high=2.1, n=3),
            p50_ratio=Range(mid=1.4, low=1.31, high=1.52, n=120),
            size_ratio=2.0,
            says="tfidf-linear.wider is better.",
        ),
        ChangeEntry(
            name="rare",
            approach="tfidf-linear.rare",
            settings=[ChangedSetting(setting="min_documents", before=2, after=3)],
            effect=Range(mid=-0.004, low=-0.02, high=0.012, n=872),
            p=0.6,
            p_raw=0.3,
            verdict="inside the noise",
            detectable=0.027,
            beats_base=1 / 3,
            seeds=[0, 1, 2],
            per_seed=[-0.01, 0.004, -0.006],
            says="inside the noise.",
        ),
        ChangeEntry(
            name="lost", approach="tfidf-linear.lost", settings=[], status="failed", failure="boom", says="It failed (boom)."
        ),
    ]
    foretold = Foretold(
        items=872, seeds=3, changes=3, detectable=0.03, says="With 872 test items a change worth 3.0 points is found."
    )
    ledger = ChangeLedger(base="tfidf-linear", compete=compete, foretold=foretold, entries=entries)
    return document.model_copy(update={"change_ledger": ledger})


def section(html: str) -> str:
    found = re.search(r'<section id="changes".*?</section>', html, re.S)
    assert found
    return found[0]


def ledger_in_memo() -> str:
    return memo(with_changes()).split("## What each change was worth")[1].split("\n## ")[0]


def test_the_section_holds_hypothesis_effect_cost_verdict_and_what_was_said_before() -> None:
    shown = section(page(with_changes()))
    for text in (
        "What each change was worth",
        "words</bdi>: ",
        "+3.1",
        "+1.2 to +5.0",
        "better",
        "3 of 3",
        "× 1.91",
        "1.80 to 2.10",
        "× 1.40",
        "× 2.00",
    ):
        assert text in shown, text
    assert "inside the noise" in shown and "less than about 2.7 points would not be seen" in shown
    assert "a change worth 3.0 points is found" in shown and "It failed (boom)." in shown
    assert "No expectation was written down." in shown
    assert shown.count("<svg") > 1 and 'href="#changes"' in page(with_changes())


def test_the_authors_words_are_text_in_the_report_and_in_the_memo() -> None:
    shown, written = section(page(with_changes())), ledger_in_memo()
    assert "<script>window" not in shown and "&lt;script&gt;window.owned" in shown
    assert "<script>window" not in written and r"\*\*much\*\*" in written and "](javascript:" not in written and r"\|" in written


def test_the_memo_has_one_line_for_each_change() -> None:
    written = ledger_in_memo()
    lines = [line for line in written.splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines] == ["| Change", "| ---", "| wider", "| rare", "| lost"]
    assert "+3.1 (+1.2 to +5.0)" in lines[2] and "× 1.91" in lines[2]


def test_without_changes_there_is_no_section() -> None:
    document = sample_document()
    assert change_ledger(document) is None
    assert 'id="changes"' not in page(document) and "What each change was worth" not in memo(document)


def test_the_summary_counts_the_verdicts_and_says_who_took_part() -> None:
    apart, inside = with_changes(), with_changes(compete=True)
    assert apart.change_ledger and inside.change_ledger
    said = summary(apart, apart.change_ledger)
    assert (
        said[0]
        == "3 changes to tfidf-linear, each alone, on the same items and seeds: 1 better, 1 inside the noise, 1 not measured."
    )
    assert "no candidates" in said[1] and said[2].startswith("tfidf-linear.wider is better than tfidf-linear: to use it, change")
    assert "compete" in summary(inside, inside.change_ledger)[1]

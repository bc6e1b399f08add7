"""How often "not in the corpus" is right: questions with their answer in the corpus, and the same ones with every page taken out that answers them.

    python benchmarks/abstention.py [--filings FOLDER --bank FILE [--store FOLDER]] [--train 1 2] [--structure 300]

*Made*: the default corpus (seed 0), judged by models that saw no question of the same document in any seed: they are trained on the corpora of other
seeds without it, fold by fold. *FHS*: the hand-written questions on the one real document of that corpus, judged by the shipped model, which never
saw that document. *Filings*: questions of the structure of a folder of PDFs, and FinanceBench's, judged by the shipped model. Prints for each the area under
the ROC curve with a 95% bootstrap interval (over documents where there are ten or more, else over questions with their twins), what is answered where
95, 90 and 80% are declined, what the default threshold does, and the CPU time of looking at a question. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bakeoff.measure.intervals import proportion
from bakeoff.tasks.documents.corpus import Corpus, open_store
from bakeoff.tasks.documents.made.corpus_made import make_corpus
from bakeoff.tasks.documents.made.made_questions import REAL
from bakeoff.tasks.documents.quality.evaluate_values import says
from bakeoff.tasks.documents.quality.question_file import Question, read_questions, without_gold
from bakeoff.tasks.documents.records import Page, Scope
from bakeoff.tasks.documents.reply.abstain import DEFAULT_THRESHOLD, abstention_curve, choose_threshold
from bakeoff.tasks.documents.reply.answer import extract
from bakeoff.tasks.documents.reply.answerable import features
from bakeoff.tasks.documents.reply.answerable_train import Seen, crossed, see, see_made, structure_questions
from bakeoff.tasks.documents.reply.support import DEFAULT

RESAMPLES = 2000


def rank_auc(supports: Sequence[float], known: Sequence[bool]) -> float:
    """Probability that an answerable question has more support than an unanswerable one, ties counted half."""
    there = np.array([s for s, k in zip(supports, known, strict=True) if k])
    absent = np.sort([s for s, k in zip(supports, known, strict=True) if not k])
    below, upto = np.searchsorted(absent, there, side="left"), np.searchsorted(absent, there, side="right")
    return float((below + upto).mean() / 2 / len(absent))


def auc_interval(supports: Sequence[float], known: Sequence[bool], clusters: Sequence[str]) -> tuple[float, float]:
    """95% percentile interval of `rank_auc`, whole clusters drawn with replacement."""
    rng = np.random.default_rng(0)
    s, k = np.asarray(supports), np.asarray(known)
    names = sorted(set(clusters))
    members = [np.flatnonzero(np.asarray(clusters) == name) for name in names]
    found = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([members[at] for at in rng.integers(0, len(names), len(names))])
        if 0 < k[drawn].sum() < len(drawn):
            found.append(rank_auc(s[drawn].tolist(), k[drawn].tolist()))
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def report(name: str, supports: Sequence[float], rows: Sequence[Seen], stems: Sequence[str]) -> dict:
    """Print and return what the supports of one set of questions are worth."""
    known = [row.answerable for row in rows]
    documents = [row.document for row in rows]
    clusters = documents if len(set(documents)) >= 10 else stems
    auc, (low, high) = rank_auc(supports, known), auc_interval(supports, known, clusters)
    print(f"{name}: {sum(known)} answerable, {len(known) - sum(known)} not; AUC {auc:.3f} ({low:.3f} to {high:.3f})")
    found: dict = {"auc": [auc, low, high], "n": [sum(known), len(known) - sum(known)]}
    for share in (0.95, 0.9, 0.8):
        chosen = choose_threshold(supports, known, declines=share)
        print(f"  {share:.0%} to decline: threshold {chosen.value:.3f} declines {chosen.declined}, answers {chosen.answered}")
        found[f"{share}"] = [chosen.value, *chosen.declined, *chosen.answered]
    declined = proportion(
        sum(s < DEFAULT_THRESHOLD for s, k in zip(supports, known, strict=True) if not k), len(known) - sum(known)
    )
    answered = proportion(sum(s >= DEFAULT_THRESHOLD for s, k in zip(supports, known, strict=True) if k), sum(known))
    print(f"  the default threshold {DEFAULT_THRESHOLD}: declines {declined}, answers {answered}")
    brier = sum((s - k) ** 2 for s, k in zip(supports, known, strict=True)) / len(known)
    print(f"  Brier score {brier:.3f}")
    return {**found, "default": [*declined, *answered], "brier": brier}


def answered_rightly(corpus: Corpus, questions: Sequence[Question]) -> list[bool]:
    """Whether an accepted answer is among the first four extracted statements of each question."""
    right = []
    for question in questions:
        scope = Scope(without=frozenset(question.without))

        def page_of(document: str, number: int, scope: Scope = scope) -> Page:
            return corpus.store.page(document, number, scope)

        reply = extract(question.question, corpus.find(question.question, scope=scope, limit=10), page_of, threshold=0.0)
        right.append(
            any(says(each.text, answer, question.kind, question.unit) for each in reply.statements for answer in question.answers)
        )
    return right


def stems_of(questions: Sequence[Question]) -> list[str]:
    """A question and its twin without the gold share a stem."""
    return [question.id.removesuffix("/without") for question in questions]


def main() -> None:
    """Print the figures and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--train", type=int, nargs="+", default=[1, 2], help="seeds that the models for the made corpus are trained on"
    )
    parser.add_argument("--structure", type=int, default=300)
    parser.add_argument("--filings", type=Path, help="a folder of PDFs")
    parser.add_argument("--store", type=Path, help="an index of that folder which is there already")
    parser.add_argument("--bank", type=Path, help="FinanceBench's questions on them")
    given = parser.parse_args()
    found: dict[str, dict] = {}
    with tempfile.TemporaryDirectory(prefix="bakeoff-abstention-") as home:
        others: list[Seen] = []
        for seed in given.train:
            others += see_made(Path(home) / f"other-{seed}", seed, structure=given.structure)
        folder = Path(home) / "corpus"
        made = make_corpus(folder, seed=0)
        with Corpus.create(folder) as corpus:
            corpus.index()
            questions = [*made.questions, *made.removed]
            rows = see(corpus, questions)
            looked = [(each.question, corpus.find(each.question, limit=10)) for each in questions[:200]]
            started = time.process_time()
            for question, passages in looked:
                DEFAULT.support(features(question, passages))
            each_takes = (time.process_time() - started) / len(looked)
            right = answered_rightly(corpus, questions)
        invented = [place for place, row in enumerate(rows) if row.document != REAL]
        real = [place for place, row in enumerate(rows) if row.document == REAL]
        stems = stems_of(questions)
        judged = [rows[place] for place in invented]
        supports = crossed([row for row in others if row.document != REAL], judged)
        found["made"] = report("made corpus, other documents", supports, judged, [stems[place] for place in invented])
        judged = [rows[place] for place in real]
        supports_real = [DEFAULT.support(row.row) for row in judged]
        found["fhs"] = report("FHS 3.0", supports_real, judged, [stems[place] for place in real])
        ordered = [right[place] for place in [*invented, *real]]
        found["made"]["augrc"] = abstention_curve([*supports, *supports_real], ordered).augrc
    answerable = [each for each, row in zip(right, rows, strict=True) if row.answerable]
    print(
        f"both: AUGRC {found['made']['augrc']:.3f}; accepted answer among four statements: {sum(answerable) / len(answerable):.3f}"
    )
    print(f"CPU time of looking at a question: {1000 * each_takes:.1f} ms")
    if given.filings:
        opened = (
            Corpus(open_store(str(given.store)), folder=given.filings)
            if given.store
            else Corpus.create(given.filings, store=tempfile.mkdtemp(prefix="bakeoff-filings-"))
        )
        with opened as corpus:
            if given.store is None:
                corpus.index()
            sets = {"filings, questions of their structure": structure_questions(corpus, most=200)}
            if given.bank:
                bank = read_questions(given.bank)
                sets["filings, FinanceBench"] = [*bank, *without_gold(bank)]
            for name, questions in sets.items():
                rows = see(corpus, questions)
                found[name] = report(name, [DEFAULT.support(row.row) for row in rows], rows, stems_of(questions))
    print(json.dumps({"cpu_ms": 1000 * each_takes, "right": sum(answerable) / len(answerable), **found}))


if __name__ == "__main__":
    main()

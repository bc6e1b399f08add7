"""How often "not in the corpus" is right: support on the made corpus, with and without the pages that answer, and the default model of support.

    python benchmarks/abstention.py [--embedder minilm-int8] [--seed 0] [--folds 6] [--penalty 10]

Makes the default corpus, asks its questions, and asks the answerable ones again with every page taken out that answers them. A model of support is
fitted on all folds of documents but one and judged on that one. Prints what each threshold declines and answers, with Clopper-Pearson intervals, then the model
that is fitted on everything (`bakeoff.tasks.documents.reply.support.DEFAULT`). The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from bakeoff.tasks.documents.corpus import Corpus
from bakeoff.tasks.documents.made.corpus_made import make_corpus
from bakeoff.tasks.documents.quality.evaluate_values import says
from bakeoff.tasks.documents.quality.question_file import Question
from bakeoff.tasks.documents.records import Page, Scope
from bakeoff.tasks.documents.reply.abstain import abstention_curve, choose_threshold
from bakeoff.tasks.documents.reply.answer import extract
from bakeoff.tasks.documents.reply.support import DEFAULT, features, fit


def observe(corpus: Corpus, questions: list[Question]) -> tuple[list[dict[str, float]], list[bool]]:
    """The features of each question, and whether extraction gives an accepted answer among its first four statements."""
    rows, right = [], []
    for question in questions:
        scope = Scope(without=frozenset(question.without))
        passages = corpus.find(question.question, scope=scope, limit=10)

        def page_of(document: str, number: int, scope: Scope = scope) -> Page:
            return corpus.store.page(document, number, scope)

        rows.append(features(question.question, passages))
        reply = extract(question.question, passages, page_of, threshold=0.0)
        right.append(
            any(says(each.text, answer, question.kind, question.unit) for each in reply.statements for answer in question.answers)
        )
    return rows, right


def main() -> None:
    """Print the tables and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--embedder", default="minilm-int8")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=int, default=6)
    parser.add_argument("--penalty", type=float, default=10.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bakeoff-abstention-") as home:
        folder = Path(home) / "corpus"
        made = make_corpus(folder, seed=given.seed)
        with Corpus.create(folder, embedder=given.embedder) as corpus:
            corpus.index()
            questions = [*made.questions, *made.removed]
            rows, right = observe(corpus, questions)
    known = [question.answerable for question in questions]
    documents = sorted({question.document for question in questions})
    fold = [documents.index(question.document) % given.folds for question in questions]
    crossed = [0.0] * len(rows)
    for held in range(given.folds):
        model = fit(
            [row for row, each in zip(rows, fold, strict=True) if each != held],
            [each for each, place in zip(known, fold, strict=True) if place != held],
            penalty=given.penalty,
        )
        for index, row in enumerate(rows):
            if fold[index] == held:
                crossed[index] = model.support(row)
    found: dict[str, dict] = {}
    for name, supports in (("fitted on other documents", crossed), ("the default", [DEFAULT.support(row) for row in rows])):
        curve = abstention_curve(supports, right)
        print(f"{name}: {len(questions)} questions, {sum(known)} answerable; AUGRC {curve.augrc:.3f}")
        found[name] = {"augrc": curve.augrc}
        for share in (0.8, 0.9, 0.95):
            chosen = choose_threshold(supports, known, declines=share)
            print(
                f"  threshold {chosen.value:.3f}: declines {chosen.declined} of the unanswerable, answers {chosen.answered} of the answerable"
            )
            found[name][f"{share}"] = [chosen.value, *chosen.declined, *chosen.answered]
    answerable = [each for each, there in zip(right, known, strict=True) if there]
    print(
        f"an accepted answer among four extracted statements: {sum(answerable) / len(answerable):.3f} of {len(answerable)} answerable questions"
    )
    model = fit(
        rows, known, penalty=given.penalty, fitted_on=f"the made corpus, {len(rows)} questions, {sum(known)} of them answerable"
    )
    print(model.to_json())
    print(json.dumps({"questions": len(questions), "right": sum(answerable) / len(answerable), "thresholds": found}))


if __name__ == "__main__":
    main()

"""How the model of support is trained: made corpora of several seeds, asked with and without the pages that answer.

Two sorts of questions: those of the corpus' script, which say things in other words, and those made of its structure (`generate_questions`), which
quote the labels of rows, defined terms and headings. Each answerable question comes twice, the second time with every page taken out that answers
it. Question for question the two differ in nothing but what was found, so a model can learn nothing from the question alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from bakeoff.errors import BadData, needs
from bakeoff.tasks.documents.corpus import Corpus
from bakeoff.tasks.documents.quality.question_file import Question, without_gold
from bakeoff.tasks.documents.quality.questions import generate_questions
from bakeoff.tasks.documents.records import EVERYTHING, Page, PageRef, Scope
from bakeoff.tasks.documents.reply.answerable import FEATURES, RETRIEVAL, UNKNOWN, features
from bakeoff.tasks.documents.reply.support import Ensemble, SupportModel, Tree

TREES, DEPTH, RATE, SHARE_OF_ROWS, SHARE_OF_FEATURES, LEAST_IN_LEAF = 250, 3, 0.05, 0.6, 0.3, 20
FOLDS = 6
PASSAGES = 10


@dataclass(frozen=True, slots=True)
class Seen:
    """A question as the model sees it.

    Parameters
    ----------
    row : mapping of str to float
        Its features.
    answerable : bool
    document : str
        What belongs together: questions of one document are never split between training and test.
    """

    row: Mapping[str, float]
    answerable: bool
    document: str


def see(corpus: Corpus, questions: Iterable[Question]) -> list[Seen]:
    """Ask the corpus each question, with the pages left out that the question names, and look at what was found."""
    found = []
    for each in questions:
        passages = corpus.find(each.question, scope=Scope(without=frozenset(each.without)), limit=PASSAGES)
        found.append(Seen(features(each.question, passages), each.answerable, each.document))
    return found


def structure_questions(corpus: Corpus, *, most: int, seed: int = 1) -> list[Question]:
    """Questions of the corpus' own structure, and each once more with all pages of its document taken out that print its answer."""
    documents = corpus.store.documents()
    pages = {
        facts.name: [corpus.store.page(facts.name, number, EVERYTHING) for number in range(1, facts.pages + 1)]
        for facts in documents
    }
    made = generate_questions(((facts, pages[facts.name]) for facts in documents), most=most, seed=seed)
    return [*made, *without_gold(made, {each.id: _telling(each, pages) for each in made})]


def _telling(question: Question, pages: Mapping[str, Sequence[Page]]) -> list[PageRef]:
    """The gold pages, and the pages of the same documents that print an answer of three characters or more. More may go than need be; none is left."""
    found = set(question.pages)
    for answer in question.answers:
        printed = answer.strip().strip("$£€").strip()
        if len(re.sub(r"\W", "", printed)) >= 3:
            pattern = re.compile(r"(?<![\w.,])" + re.escape(printed) + r"(?![\w]|[.,]\d)")
            for document in {page.document for page in question.pages}:
                found |= {PageRef(document, each.number) for each in pages[document] if pattern.search(each.text)}
    return sorted(found)


def see_made(folder: Path, seed: int, *, structure: int = 300, embedder: str = "minilm-int8") -> list[Seen]:
    """Make the corpus of a seed in a folder and ask its questions, and up to `structure` of its structure (0 for none)."""
    from bakeoff.tasks.documents.made.corpus_made import make_corpus

    made = make_corpus(folder, seed=seed)
    with Corpus.create(folder, embedder=embedder) as corpus:
        corpus.index()
        more = structure_questions(corpus, most=structure) if structure else []
        return see(corpus, [*made.questions, *made.removed, *more])


def train(rows: Sequence[Seen], *, calibrated: bool = True, fitted_on: str = "", seed: int = 0) -> SupportModel:
    """Fit the trees, and the calibration on documents that they have not seen. The same rows and seed give the same model.

    Parameters
    ----------
    rows : sequence of Seen
        Of both kinds, from at least two documents.
    calibrated : bool, default=True
        False leaves the sum of the trees as it is: for a model that only ranks.
    fitted_on : str
    seed : int
        Which rows and features each tree sees.

    Raises
    ------
    MissingExtra
        If scikit-learn is not installed.
    BadData
        If all questions are of one kind, or all of one document.
    """
    needs("sklearn", extra="text", why="Training the model of support")
    documents = sorted({each.document for each in rows})
    if len({each.answerable for each in rows}) < 2 or len(documents) < 2:
        raise BadData(
            f"Support is learned from questions of both kinds, of two documents or more; got {len(rows)} questions of {len(documents)}.",
            fix="add questions with and without an answer in the corpus",
        )
    whole = _fit(rows, seed)
    if not calibrated:
        return SupportModel(whole)
    from sklearn.linear_model import LogisticRegression

    totals = [0.0] * len(rows)
    for held in folds(documents):
        model = _fit([each for each in rows if each.document not in held], seed)
        for place, each in enumerate(rows):
            if each.document in held:
                totals[place] = model.total(each.row)
    scale = LogisticRegression(C=1e6, max_iter=1000).fit([[each] for each in totals], [each.answerable for each in rows])
    told = fitted_on or f"{len(rows)} questions, {sum(each.answerable for each in rows)} of them answerable"
    slope, offset = round(float(scale.coef_[0][0]), 6), round(float(scale.intercept_[0]), 6)
    return SupportModel(Ensemble(whole.names, whole.start, whole.trees, slope, offset, told))


def folds(documents: Iterable[str], count: int = FOLDS) -> list[AbstractSet[str]]:
    """Documents dealt into `count` sets by their order of name; empty ones are left out."""
    dealt = sorted(set(documents))
    return [frozenset(part) for start in range(count) if (part := dealt[start::count])]


def crossed(train_on: Sequence[Seen], judged: Sequence[Seen]) -> list[float]:
    """The support of each judged question, by a model that was trained on no question of its document, in whatever seed."""
    supports = [0.0] * len(judged)
    for held in folds(each.document for each in judged):
        model = train([each for each in train_on if each.document not in held])
        for place, each in enumerate(judged):
            if each.document in held:
                supports[place] = model.support(each.row)
    return supports


def _fit(rows: Sequence[Seen], seed: int) -> Ensemble:
    from sklearn.ensemble import GradientBoostingClassifier

    # Half of the rows once more as a corpus without vectors or a reranker would give them: then the trees do not lean on those alone.
    blind = [Seen({**each.row, **dict.fromkeys(RETRIEVAL, UNKNOWN)}, each.answerable, each.document) for each in rows[::2]]
    given = [*rows, *blind]
    fitted = GradientBoostingClassifier(
        n_estimators=TREES, max_depth=DEPTH, learning_rate=RATE, subsample=SHARE_OF_ROWS, max_features=SHARE_OF_FEATURES,
        min_samples_leaf=LEAST_IN_LEAF, random_state=seed,
    ).fit([[each.row[name] for name in FEATURES] for each in given], [each.answerable for each in given])  # fmt: skip
    share = float(fitted.init_.class_prior_[1])
    trees = tuple(_as_tree(each[0].tree_) for each in fitted.estimators_)

    return Ensemble(FEATURES, round(math.log(share / (1 - share)), 6), trees)


def _as_tree(tree) -> Tree:  # type: ignore[no-untyped-def]
    inner = [int(left) >= 0 for left in tree.children_left]
    return Tree(
        tuple(int(each) if more else -1 for each, more in zip(tree.feature, inner, strict=True)),
        tuple(round(float(each), 7) if more else 0.0 for each, more in zip(tree.threshold, inner, strict=True)),
        tuple(int(each) if more else -1 for each, more in zip(tree.children_left, inner, strict=True)),
        tuple(int(each) if more else -1 for each, more in zip(tree.children_right, inner, strict=True)),
        tuple(0.0 if more else round(RATE * float(each[0][0]), 6) for each, more in zip(tree.value, inner, strict=True)),
    )

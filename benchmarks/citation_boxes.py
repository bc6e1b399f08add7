"""Do citations point at the words? Boxes of cited quotes against the places where the words were printed.

Two sets of PDFs are made on the spot, and for each it is known to the point where every sentence and table cell stands:

- boxes: pages that make boxes hard (`made_box_set`): stored turned, sideways, cropped, in two columns, with tables whose cells have several lines, with
  words broken at line ends and sentences that go on over columns and pages
- corpus: the default corpus of `bakeoff run documents` (`corpus_made`)

They are indexed as `bakeoff index` does it (the parsing process, chunks, the SQLite store; no embedding model), and each known place is asked for in the two ways
in which citations are made:

- chunk: its words in a stored chunk, as an extracted statement cites them (`boxes.citations_of`)
- page: its words on the stored page, as the verifier finds a quote that a language model gives (`evidence.find`)

Counted for each place: whether it was found, the intersection over union of the citation's boxes with the printed ones (goal: at least 0.9 for at
least 99% of all places), and whether the text inside the boxes is the quote (goal: always). Words that stand several times on a page are taken where
they stand nearest to the place, so a place whose own words are missing counts as a miss.

    python benchmarks/citation_boxes.py [--folder F] [--set boxes|corpus|both] [--seed 0] [--pages N] [--json]

Without `--folder` the PDFs are made in a temporary folder. `--pages` looks at the first N pages of each file only. Every miss is listed with its
document and page. The last line is one JSON document; with `--json` it is the only one.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bakeoff.contract import Citation
from bakeoff.measure.intervals import proportion
from bakeoff.tasks.documents.boxes import citations_of, line_boxes
from bakeoff.tasks.documents.corpus import Corpus, IndexReport, Source
from bakeoff.tasks.documents.made.made_truth import Place, Truth
from bakeoff.tasks.documents.quality.evaluate_citations import box_score
from bakeoff.tasks.documents.records import Box, Chunk, Page
from bakeoff.tasks.documents.reply.evidence import Quote, find

LEAST_IOU, GOAL = 0.9, 0.99
ROUTES = ("chunk", "page")
SETS = ("boxes", "corpus")
NEAREST = 3
"""Of the occurrences of a quote, so many are compared in full: those whose boxes begin and end nearest to the place's."""


@dataclass(frozen=True)
class Result:
    """What became of one place by one route. `iou` and `exact` are None where its words were not found."""

    set: str
    route: str
    place: Place
    iou: float | None
    exact: bool | None

    @property
    def good(self) -> bool:
        """Found, with boxes that agree."""
        return self.iou is not None and self.iou >= LEAST_IOU

    @property
    def kinds(self) -> tuple[str, ...]:
        """What makes the place hard; 'plain' where nothing does. A place with several difficulties counts under each."""
        return self.place.traits or ("plain",)


class Document:
    """A stored document: its chunks by page, and its pages."""

    def __init__(self, name: str, chunks: Sequence[Chunk], page_of: Callable[[int], Page]) -> None:
        self.name = name
        self._page_of = page_of
        self._held: dict[int, Page] = {}
        self._chunks: dict[int, list[tuple[Chunk, str, list[int]]]] = {}
        for chunk in chunks:
            squeezed = _squeezed(chunk.text)
            for number in sorted({piece.page for piece in chunk.pieces}):
                self._chunks.setdefault(number, []).append((chunk, *squeezed))

    def page(self, number: int) -> Page:
        """One page, read once."""
        if number not in self._held:
            self._held[number] = self._page_of(number)
        return self._held[number]

    def by_chunk(self, place: Place) -> Iterator[Citation]:
        """Citations of the place's words, from every chunk that holds them."""
        wanted, _ = _squeezed(place.quote)
        for chunk, text, at in self._chunks.get(place.page, ()):
            begin = text.find(wanted)
            while begin >= 0:
                start, end = at[begin], at[begin + len(wanted) - 1] + 1
                touched = [self.page(number) for number in {piece.page for piece in chunk.pieces}]
                cited = citations_of(chunk, start, end, self.name, touched)
                if len(cited) == 1 and cited[0].page == place.page:
                    yield cited[0]
                begin = text.find(wanted, begin + 1)

    def by_page(self, place: Place) -> Iterator[Citation]:
        """Citations of the place's words, from its page."""
        page = self.page(place.page)
        for found in find(Quote(self.name, place.page, place.quote), page):
            yield Citation(self.name, place.page, place.quote, line_boxes(page.boxes, found.spans))


def _squeezed(text: str) -> tuple[str, list[int]]:
    """A text without white space, and where each of its characters stands in it."""
    kept = [(char, index) for index, char in enumerate(text) if not char.isspace()]
    return "".join(char for char, _ in kept), [index for _, index in kept]


def measure(name: str, truth: Truth, folder: Path, *, pages: int = 0) -> list[Result]:
    """Index the PDFs of a made set and look for each of its places, by both routes.

    Parameters
    ----------
    name : str
        Of the set.
    truth : Truth
        Figures are left out: they are cited by their box, not by words.
    folder : Path
        With the PDFs. The index is made in it, in ``index``, and must not be there yet.
    pages : int, default=0
        The first pages of each file only; 0 for all.
    """
    wanted: dict[str, list[Place]] = {}
    for place in truth.places:
        if place.kind != "figure" and (not pages or place.page <= pages):
            wanted.setdefault(place.document, []).append(place)
    results: list[Result] = []
    with Corpus.create(folder, embedder="", store=str(folder / "index")) as corpus:
        report = IndexReport()
        for file, places in sorted(wanted.items()):
            before = report.chunks
            corpus.add(Source(file, folder / file), ocr="never", report=report)
            chunks = corpus.store.chunks([(file, ordinal) for ordinal in range(report.chunks - before)])
            document = Document(file, chunks, partial(corpus.store.page, file))
            for place in places:
                page = document.page(place.page)
                for route, citations in zip(ROUTES, (document.by_chunk(place), document.by_page(place)), strict=True):
                    results.append(_judged(name, route, place, page, [each.boxes for each in citations]))
    return results


def _judged(name: str, route: str, place: Place, page: Page, found: Sequence[Sequence[Box]]) -> Result:
    """The best of the occurrences."""

    def far(boxes: Sequence[Box]) -> float:
        one, other = _around(boxes), _around(place.boxes)
        return sum(abs(a - b) for a, b in zip(one, other, strict=True))

    near = sorted((boxes for boxes in dict.fromkeys(tuple(boxes) for boxes in found) if boxes), key=far)[:NEAREST]
    scores = [box_score(boxes, place, page) for boxes in near]
    if not scores:
        return Result(name, route, place, None, None)
    best = max(scores, key=lambda score: (score.iou, score.exact))
    return Result(name, route, place, best.iou, best.exact)


def _around(boxes: Sequence[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Counts of some places: the share with boxes that agree, with its exact (Clopper-Pearson) interval, and the misses by cause."""
    share = proportion(sum(each.good for each in results), len(results), method="clopper-pearson")
    found = [each for each in results if each.iou is not None]
    return {
        "places": len(results),
        "good": sum(each.good for each in results),
        "share": share.mid,
        "low": share.low,
        "high": share.high,
        "not_found": len(results) - len(found),
        "below": sum(not each.good for each in found),
        "text_differs": sum(not each.exact for each in found),
        "lowest_iou": min((each.iou for each in found if each.iou is not None), default=None),
    }


def tables_of(results: Sequence[Result]) -> dict[str, Any]:
    """`summary` of each set and route: of all places, by kind of place, and by difficulty."""
    made: dict[str, Any] = {}
    for name in SETS:
        for route in ROUTES:
            mine = [each for each in results if (each.set, each.route) == (name, route)]
            if not mine:
                continue
            kinds = sorted({kind for each in mine for kind in each.kinds})
            made.setdefault(name, {})[route] = {
                "all": summary(mine),
                "by_place": {
                    kind: summary(part) for kind in ("text", "cell") if (part := [e for e in mine if e.place.kind == kind])
                },
                "by_difficulty": {kind: summary([each for each in mine if kind in each.kinds]) for kind in kinds},
            }
    return made


def misses_of(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Every place that was not found, has boxes that do not agree, or other text inside them."""
    return [
        {
            "set": each.set,
            "route": each.route,
            "document": each.place.document,
            "page": each.place.page,
            "kind": each.place.kind,
            "difficulties": list(each.place.traits),
            "iou": each.iou,
            "text_equal": each.exact,
            "quote": each.place.quote,
        }
        for each in results
        if not each.good or not each.exact
    ]


def show(tables: dict[str, Any], misses: Sequence[dict[str, Any]]) -> None:
    """Print the tables and the misses for people."""
    for name, routes in tables.items():
        for route, parts in routes.items():
            print(
                f"\n{name}, by {route}: places, boxes that agree (95% exact interval), not found, below {LEAST_IOU}, other text"
            )
            rows = [("all", parts["all"]), *parts["by_place"].items(), *parts["by_difficulty"].items()]
            for title, row in rows:
                interval = f"{row['share']:8.2%} ({row['low']:.2%} to {row['high']:.2%})"
                print(
                    f"  {title:16} {row['places']:6} {interval:30} {row['not_found']:5} {row['below']:5} {row['text_differs']:5}"
                )
    print(f"\n{len(misses)} misses")
    for miss in misses:
        what = "not found" if miss["iou"] is None else f"IoU {miss['iou']:.3f}" + ("" if miss["text_equal"] else ", other text")
        print(
            f"  {miss['document']}, page {miss['page']}, by {miss['route']}: {what}; {', '.join(miss['difficulties']) or 'plain'}"
        )
        print(f"    {miss['quote'][:150]}")


def main() -> int:
    """Print the tables and the JSON line; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="an empty or new folder to make the PDFs in; kept")
    parser.add_argument("--set", choices=(*SETS, "both"), default="both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pages", type=int, default=0, help="the first pages of each file; 0 for all")
    parser.add_argument("--json", action="store_true", help="print the JSON document only")
    given = parser.parse_args()
    if given.pages < 0:
        parser.error("--pages is at least 0")
    if given.folder is not None and given.folder.exists() and (not given.folder.is_dir() or any(given.folder.iterdir())):
        parser.error(f"{given.folder} is not an empty folder")
    from bakeoff.tasks.documents.made.corpus_made import make_corpus
    from bakeoff.tasks.documents.made.made_box_set import make_box_set

    results: list[Result] = []
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary:
        base = given.folder or Path(temporary)
        for name in SETS if given.set == "both" else (given.set,):
            folder = base / name
            truth = make_box_set(folder, seed=given.seed) if name == "boxes" else make_corpus(folder, seed=given.seed).truth
            results += measure(name, truth, folder, pages=given.pages)
    tables, misses = tables_of(results), misses_of(results)
    met = all(
        parts["all"]["share"] >= GOAL and not parts["all"]["text_differs"]
        for routes in tables.values()
        for parts in routes.values()
    )
    if not given.json:
        show(tables, misses)
        print(f"goals {'met' if met else 'missed'}; {time.perf_counter() - started:.0f} s")
    print(
        json.dumps(
            {
                "benchmark": "citation_boxes",
                "seed": given.seed,
                "pages": given.pages,
                "least_iou": LEAST_IOU,
                "goal": GOAL,
                "met": met,
                "sets": tables,
                "misses": misses,
            }
        )
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

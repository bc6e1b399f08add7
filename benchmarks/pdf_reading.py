"""How fast pages of PDFs are read on one core, step by step, and in how much memory.

Every step of every page is timed by the CPU time of this process, in one thread and without OCR:

- raw: characters with boxes, lines, fills, pictures (`raw.read_page`)
- visible: comparison of the text with the rendered page (`visible.judge`)
- text: reading order and blocks, without tables and figures (`structure.assemble`)
- tables, figures: `tables.find_tables`, `figures.find_figures`
- page: reading order and blocks, with the tables and figures that were found

"Text with boxes" is raw + visible + text; "everything" is raw + visible + tables + figures + page.

    python benchmarks/pdf_reading.py FOLDER [--pages 60] [--only NAME]

`--pages` reads at most that many pages of a file, evenly spaced. The last line is one JSON document. CPU time depends on the machine; the
shares of the steps do so much less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # numpy is imported later

STEPS = ("raw", "visible", "text", "tables", "figures", "page")
TEXT, EVERYTHING = ("raw", "visible", "text"), ("raw", "visible", "tables", "figures", "page")


def read_file(path: Path, most: int) -> dict[str, Any]:
    """CPU seconds of each step over the pages of one file, and what was found."""
    from bakeoff.tasks.documents.layout import figures, structure
    from bakeoff.tasks.documents.reading import raw, visible
    from bakeoff.tasks.documents.tabular import tables

    began = time.process_time()
    pdf = raw.open_pdf(path)
    row: dict[str, Any] = {"file": path.name, "pages_in_file": len(pdf), "open_seconds": time.process_time() - began}
    spent = dict.fromkeys(STEPS, 0.0)
    slowest = {"seconds": 0.0, "page": 0}
    pages = characters = hidden = failed = 0

    def timed(step: str, do: Callable[[], Any]) -> Any:
        start = time.process_time()
        try:
            return do()
        finally:
            spent[step] += time.process_time() - start

    step = max(1, -(-len(pdf) // most)) if most else 1
    for index in range(0, len(pdf), step):
        before = time.process_time()
        try:
            page = timed("raw", lambda index=index: raw.read_page(pdf, index))
            page = timed("visible", lambda index=index, page=page: visible.judge(pdf, index, page))
            timed("text", lambda page=page: structure.assemble(page, [], []))
            found = timed("tables", lambda page=page: tables.find_tables(page))
            drawn = timed("figures", lambda page=page, found=found: figures.find_figures(page, found))
            timed("page", lambda page=page, found=found, drawn=drawn: structure.assemble(page, found, drawn))
        except Exception as error:  # a page that fails is counted, the others are still timed
            failed += 1
            print(f"{path.name}, page {index + 1}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        pages += 1
        printed = [not char.isspace() for char in page.chars]
        characters += sum(printed)
        hidden += sum(1 for real, seen in zip(printed, page.visible.tolist(), strict=True) if real and not seen)
        took = time.process_time() - before
        if took > slowest["seconds"]:
            slowest = {"seconds": took, "page": index + 1}
    raw.release()
    pdf.close()
    return {
        **row,
        "pages": pages,
        "failed": failed,
        "characters": characters,
        "hidden_characters": hidden,
        "cpu_seconds": spent,
        "slowest_page": slowest,
    }


def speed(rows: list[dict[str, Any]], steps: tuple[str, ...]) -> float | None:
    """Pages per CPU second of some steps together; None where nothing was read."""
    spent = sum(row["cpu_seconds"][step] for row in rows for step in steps) + sum(row["open_seconds"] for row in rows)
    pages = sum(row["pages"] for row in rows)
    return pages / spent if pages and spent else None


def said(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pages", type=int, default=0, help="at most this many pages of a file; 0 reads all")
    parser.add_argument("--only", default="", help="files whose name holds this")
    given = parser.parse_args()
    paths = sorted(path for path in given.folder.rglob("*.pdf") if given.only in path.name)
    if not paths:
        parser.error(f"there is no PDF in {given.folder}")
    rows = []
    print("milliseconds of CPU time a page, and pages per CPU second")
    print(f"{'file':34} {'pages':>5} " + " ".join(f"{step:>8}" for step in STEPS) + f" {'text/s':>7} {'all/s':>7} {'hidden':>7}")
    for path in paths:
        row = read_file(path, given.pages)
        rows.append(row)
        per_page = [1000 * row["cpu_seconds"][step] / row["pages"] if row["pages"] else None for step in STEPS]
        print(
            f"{path.name[:34]:34} {row['pages']:>5} "
            + " ".join(f"{said(value):>8}" for value in per_page)
            + f" {said(speed([row], TEXT)):>7} {said(speed([row], EVERYTHING)):>7} {row['hidden_characters']:>7}"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    summary = {
        "benchmark": "pdf_reading",
        "files": rows,
        "pages": sum(row["pages"] for row in rows),
        "failed_pages": sum(row["failed"] for row in rows),
        "text_with_boxes_pages_per_cpu_second": speed(rows, TEXT),
        "everything_pages_per_cpu_second": speed(rows, EVERYTHING),
        "raw_and_visible_pages_per_cpu_second": speed(rows, ("raw", "visible")),
        "peak_rss_bytes": peak,
        "load_average": os.getloadavg()[0],
    }
    print(
        f"text with boxes {said(summary['text_with_boxes_pages_per_cpu_second'])} pages per CPU second, everything "
        f"{said(summary['everything_pages_per_cpu_second'])}; peak memory {peak / 2**20:.0f} MB; load {summary['load_average']:.1f}"
    )
    print(json.dumps(summary))


if __name__ == "__main__":
    main()

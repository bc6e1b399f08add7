"""The verifier against thousands of false statements made from real filings, and true ones in other words.

    python benchmarks/verifier.py [FOLDER] [--statements 10000] [--true 3000] [--seed 0] [--pages 600]

FOLDER holds PDFs (read as `bakeoff index` reads them); without it the written documents of the tests are used. The generator is the one of the tests
(`tests/tasks/documents/adversarial_statements.py`): each false statement is a sentence or row of the documents, changed the way mistakes and attacks change
them. Prints how many were accepted and how many true ones were kept, by kind, with Clopper-Pearson intervals. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from bakeoff.measure.intervals import proportion
from bakeoff.tasks.documents.records import Page
from bakeoff.tasks.documents.reply.verify import verify

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "tasks" / "documents"))


def read(folder: Path, most: int) -> dict[tuple[str, int], Page]:
    """The pages of the PDFs of a folder, at most `most` of each file."""
    from bakeoff.tasks.documents.reading.parse import parse_file

    pages: dict[tuple[str, int], Page] = {}
    for path in sorted(folder.rglob("*.pdf")):
        with parse_file(path, ocr="never") as parsed:
            for page in parsed.pages():
                if page.number <= most:
                    pages[path.name, page.number] = page
        print(f"{path.name}: {sum(name == path.name for name, _ in pages)} pages", flush=True)
    return pages


def main() -> None:
    """Print the tables and the JSON line."""
    import adversarial_base
    from adversarial_statements import adversarial, base_of, truthful

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--statements", type=int, default=10_000)
    parser.add_argument("--true", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pages", type=int, default=600)
    parser.add_argument("--show", type=int, default=20)
    given = parser.parse_args()
    if given.folder is None:
        base = base_of(adversarial_base.pages(), adversarial_base.ROLES)
    else:
        base = base_of(read(given.folder, given.pages), least_words=6)
    print(f"base: {len(base.sentences)} sentences, {len(base.items)} list items, {len(base.rows)} rows")
    false, true = adversarial(base, given.statements, given.seed), truthful(base, given.true, given.seed)
    started = time.process_time()
    accepted = [case for case in false if verify(case.statement, case.quotes, base.page_of)]
    verdicts = [verify(case.statement, case.quotes, base.page_of) for case in true]
    seconds = (time.process_time() - started) / (len(false) + len(true))
    made, made_true = Counter(case.kind for case in false), Counter(case.kind for case in true)
    let_in = Counter(case.kind for case in accepted)
    kept = Counter(case.kind for case, verdict in zip(true, verdicts, strict=True) if verdict)
    print("false statements: kind, made, accepted")
    for kind, count in sorted(made.items()):
        print(f"  {kind:24} {count:6} {let_in[kind]:6}")
    print("true statements: kind, made, kept")
    for kind, count in sorted(made_true.items()):
        print(f"  {kind:32} {count:6} {kept[kind]:6}")
    for case in accepted[: given.show]:
        print("accepted:", case.kind, "|", case.statement, "|", case.base)
    lost = [(case, verdict) for case, verdict in zip(true, verdicts, strict=True) if not verdict]
    for case, verdict in lost[: given.show]:
        print("lost:", case.kind, verdict.reason, "|", case.statement[:200])
    in_all = proportion(len(accepted), len(false), method="clopper-pearson")
    kept_all = proportion(sum(kept.values()), len(true), method="clopper-pearson")
    print(f"accepted {len(accepted)} of {len(false)} false statements ({in_all.low:.4%} to {in_all.high:.4%})")
    print(
        f"kept {sum(kept.values())} of {len(true)} true statements: {kept_all.mid:.2%} ({kept_all.low:.2%} to {kept_all.high:.2%}); {1000 * seconds:.2f} CPU ms a statement"
    )
    print(
        json.dumps(
            {
                "false": len(false),
                "accepted": len(accepted),
                "true": len(true),
                "kept": sum(kept.values()),
                "kinds": len(made),
                "seed": given.seed,
            }
        )
    )


if __name__ == "__main__":
    main()

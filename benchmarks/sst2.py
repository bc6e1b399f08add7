"""SST-2 with its published split: words against a fine-tuned encoder, and from how many labels the fine-tune pays.

    python benchmarks/sst2.py FOLDER [--seeds 1] [--runs runs] [--llm] [--resume]

FOLDER holds train.tsv, dev.tsv and test.tsv (text, tab, 0 or 1; no header). The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from bakeoff.cli.progress import watching
from bakeoff.study import Study
from bakeoff.verbs import run_study


def study(folder: Path, seeds: int, llm: bool) -> Study:
    """The study, as data."""
    approaches: list = ["majority", "tfidf-linear", "embedding-linear", "finetuned-encoder"]
    if llm:
        approaches.append({"use": "prompted-llm", "name": "llm-zero-shot", "seeds": 1})
    return Study.model_validate(
        {
            "study": "sst2",
            "question": "Is this sentence of a film review good or bad?",
            "task": "text",
            "data": {"source": str(folder.resolve())},
            "approaches": approaches,
            "seeds": seeds,
            "margin": 0.02,
            "learning_curve": {"approaches": ["tfidf-linear", "finetuned-encoder"]},
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--llm", action="store_true")
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args()
    with watching() as watch:
        document = run_study(study(given.folder, given.seeds, given.llm), runs=given.runs, resume=given.resume, watch=watch)
    print(document.verdict.sentence)
    for result in document.approaches:
        accuracy, cost = result.metrics.get("accuracy"), result.usd_per_1000
        if accuracy is None:
            print(f"{result.name}: {result.status} {result.failure or ''}")
            continue
        print(
            f"{result.name}: accuracy {accuracy.mid:.2%} ({accuracy.low:.2%} to {accuracy.high:.2%}, n = {accuracy.n}), "
            f"fit {result.fit_seconds or 0:.1f} s, p50 {1000 * (result.latency_seconds.p50 or 0):.2f} ms, "
            + (f"{1000 / result.throughput_per_second.mid:.2f} s and " if result.throughput_per_second else "")
            + (f"${cost.mid:.2g} per 1,000" if cost else "no price")
        )
    for pair in document.pairs:
        if {pair.a, pair.b} == {"tfidf-linear", "finetuned-encoder"}:
            print(pair.says, f"Holm-adjusted p = {pair.p:.2g}, McNemar {pair.mcnemar}")
    for curve in document.curves:
        print(
            curve.approach,
            [(point.n_train, round(point.metric.mid, 4), round(point.fit_seconds or 0, 1)) for point in curve.points],
        )
    for sentence in document.curves_say:
        print(sentence)
    for check in document.checks:
        if check.outcome not in ("passed", "not_applicable"):
            print(f"{check.code} {check.outcome}: {check.says}")
    print(document.report)
    print(
        json.dumps(
            {
                "benchmark": "sst2",
                "approaches": [a.model_dump(include={"name", "metrics", "fit_seconds"}) for a in document.approaches],
            }
        )
    )


if __name__ == "__main__":
    main()

"""Train the model of support that is shipped: src/bakeoff/tasks/documents/reply/weights/answerability.json.

    python scripts/train_answerability.py [--seeds 1 2] [--structure 300] [--out FILE]

Makes a corpus for each seed and asks it (`bakeoff.tasks.documents.reply.answerable_train`). Seed 0, whose questions are the test of
``benchmarks/abstention.py``, is refused, and the one real document of the made corpus is left out: it is a test too. About four minutes of one core.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bakeoff.tasks.documents.made.made_questions import REAL
from bakeoff.tasks.documents.reply import support
from bakeoff.tasks.documents.reply.answerable_train import Seen, see_made, train


def main() -> None:
    """Train, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--structure", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path(support.__file__).parent / support.WEIGHTS)
    given = parser.parse_args()
    if 0 in given.seeds:
        parser.error("seed 0 is what the model is judged on")
    rows: list[Seen] = []
    for seed in given.seeds:
        with tempfile.TemporaryDirectory(prefix="bakeoff-answerability-") as home:
            found = see_made(Path(home) / "corpus", seed, structure=given.structure)
        rows += [each for each in found if each.document != REAL]
        print(f"seed {seed}: {len(rows)} questions so far")
    seeds = " and ".join(map(str, given.seeds))
    told = f"made corpora of seeds {seeds}, {len(rows)} questions, {sum(each.answerable for each in rows)} of them answerable"
    model = train(rows, fitted_on=told)
    given.out.write_text(model.to_json() + "\n", encoding="utf-8")
    print(f"{told}: {given.out}, {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

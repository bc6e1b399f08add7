"""How long a question takes in a corpus of 100,000 chunks, beside LangChain with FAISS, in one run.

    python benchmarks/document_query.py [--chunks 100000] [--documents 400] [--questions 500] [--peer-python VENV/bin/python]
        [--threads 1]

The corpus is made in a temporary folder, the same for the same arguments: documents with a vocabulary of their own within a common one, whose words
follow Zipf's law; the frequent words are those of this repository's docs, function words included, the rare ones are made up. Three chunks of five are
running text of about 120 words, the others table rows of about 12. A chunk's vector is a fixed random projection of its terms, and not of any
meaning: how well things are found is measured elsewhere. A question is five to nine words of some chunk, with function words between.

Measured, each in a process of its own, on `--threads` threads, in turns (ours, peer, ours, peer):

- ours: lexical and dense search (100 hits each), both also as an asker who may read half of the documents, and the whole retrieval:
  the question embedded by the real MiniLM, both searches, fusion, reranking, ten passages, and each of its steps;
- LangChain's FAISS (`IndexFlatL2`, exact) with the same vectors: ``similarity_search_with_score_by_vector`` with k = 10, and k = 100. It answers by meaning
  alone. It is given the question's vector; the embedding that it would need is the one measured for ours.

The promise is that 95% of questions take at most 50 ms of wall time for the whole retrieval; the output says whether that holds. CPU time is what to compare
on a busy machine: the load, by the minute, stands beside the figures. A dash stands for what was not measured, or of which there are too
few samples. Without `--peer-python` (an interpreter with langchain-community and faiss-cpu), or without the model, that part is left out and
said so. The last line is one JSON document.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
DIMENSIONS = 384
VOCABULARY = 60_000
PROMISED_MS = 50.0
"""Wall milliseconds that the whole retrieval may take at the 95th percentile."""

WHOLE, STEP = "whole retrieval", "  of it "
QUANTILES = {50: 1, 95: 90, 99: 459}
"""Percentiles, and the samples that each needs to be known with 99% confidence (the median is shown of any number)."""


def words_by_rank() -> list[str]:
    """The words of this repository's docs by how often they stand there, then made-up ones."""
    import re
    from collections import Counter

    counts: Counter[str] = Counter()
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]):
        counts.update(re.findall(r"[a-z]{2,}|\d{2,}", path.read_text(encoding="utf-8").lower()))
    words = [word for word, _ in counts.most_common()]
    rng = np.random.default_rng(0)
    syllables = [a + b for a in "bcdfghklmnprstv" for b in ("a", "e", "i", "o", "u", "an", "er", "in", "or", "al")]
    known = set(words)
    while len(words) < VOCABULARY:
        word = "".join(syllables[i] for i in rng.integers(0, len(syllables), int(rng.integers(2, 5))))
        if word not in known:
            known.add(word)
            words.append(word)
    return words[:VOCABULARY]


class Writer:
    """Draws texts: half of a document's words from the whole vocabulary, half from its own part of it, both by Zipf's law (exponent 1.07)."""

    def __init__(self) -> None:
        self.words = np.array(words_by_rank())
        weights = 1 / np.arange(1, VOCABULARY + 1) ** 1.07
        self._cumulated = np.cumsum(weights / weights.sum())

    def draw(self, rng: np.random.Generator, topic: np.ndarray, n: int) -> list[str]:
        """`n` words of a document."""
        ranks = np.minimum(np.searchsorted(self._cumulated, rng.random(n)), VOCABULARY - 1)
        own = rng.random(n) < 0.5
        ranks[own] = topic[ranks[own] % len(topic)]
        return self.words[ranks].tolist()


def documents(chunks: int, count: int) -> Iterator[tuple[Any, list[Any]]]:
    """(facts, chunks) of each document."""
    from bakeoff.tasks.documents.records import Chunk, DocumentFacts, Piece

    writer = Writer()
    for n in range(count):
        rng = np.random.default_rng([1, n])
        topic = rng.integers(0, VOCABULARY, 2000)
        size = chunks * (n + 1) // count - chunks * n // count
        title = f"{' '.join(writer.draw(rng, topic, 3)).title()} {2000 + n % 25}"
        made = []
        for ordinal in range(size):
            row = ordinal % 5 >= 3
            drawn = writer.draw(rng, topic, int(rng.integers(8, 17) if row else rng.integers(60, 181)))
            text = " | ".join([*drawn[:6], f"{rng.integers(10**6):,}"]) if row else " ".join(drawn)
            page = 1 + ordinal // 5
            pieces = (Piece(0, len(text), page, 0),)
            made.append(
                Chunk(ordinal, "row" if row else "text", text, f"{title}\n{' '.join(drawn[:4])}", pieces, 0 if row else None)
            )
        readers = frozenset({"partner"}) if n % 2 else None
        yield DocumentFacts(f"{n:064x}", f"filing {n:05}.pdf", title, max(1, -(-size // 5)), readers), made


def build(folder: Path, chunks: int, count: int, asked: int) -> dict[str, Any]:
    """Make the corpus and what the peer is given, and time the making of ours."""
    from bakeoff.tasks.documents.index.store_sqlite import SqliteStore
    from bakeoff.tasks.documents.index.terms import terms_of

    projection: dict[str, Any] = {}
    rng = np.random.default_rng(7)
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=(chunks, DIMENSIONS))
    questions: list[str] = []
    took = {"terms": 0.0, "store": 0.0}
    done, terms_in_all = 0, 0
    with SqliteStore(folder / "corpus", create=True) as store, (folder / "texts.jsonl").open("w", encoding="utf-8") as texts:
        for facts, made in documents(chunks, count):
            started = time.process_time()
            terms = [terms_of(f"{chunk.context}\n{chunk.text}") for chunk in made]
            took["terms"] += time.process_time() - started
            rows = np.empty((len(made), DIMENSIONS), np.float32)
            for row, each in zip(rows, terms, strict=True):
                for term in each:
                    if term not in projection:
                        projection[term] = rng.standard_normal(DIMENSIONS).astype(np.float32)
                row[:] = np.sum([projection[term] for term in each], axis=0) if each else rng.standard_normal(DIMENSIONS)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            vectors[done : done + len(made)] = rows
            done += len(made)
            terms_in_all += sum(map(len, terms))
            started = time.process_time()
            store.add(facts, (), made, terms, rows)
            took["store"] += time.process_time() - started
            for chunk in made:
                texts.write(json.dumps(chunk.text) + "\n")
            few = max(1, -(-asked // count))
            for at in rng.integers(0, len(made), few).tolist():
                pool = made[at].text.replace("|", "").split()
                questions.append(
                    "what was the " + " of the ".join(pool[i] for i in rng.integers(0, len(pool), int(rng.integers(5, 10)))) + "?"
                )
    vectors.flush()
    (folder / "questions.json").write_text(json.dumps(questions[:asked]), encoding="utf-8")
    size = sum(path.stat().st_size for path in (folder / "corpus").iterdir())
    return {
        "terms_seconds": took["terms"],
        "store_seconds": took["store"],
        "file_bytes": size,
        "terms_per_chunk": terms_in_all / chunks,
    }


# What the measured processes do


class Clock:
    """Wall and CPU seconds of calls by name."""

    def __init__(self) -> None:
        self.wall: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}

    def time(self, name: str, call: Callable[[], Any]) -> Any:
        """The call's result; how long it took is kept."""
        wall, cpu = time.perf_counter(), time.process_time()
        result = call()
        self.add(name, time.perf_counter() - wall, time.process_time() - cpu)
        return result

    def add(self, name: str, wall: float, cpu: float) -> None:
        """What was timed elsewhere."""
        self.wall.setdefault(name, []).append(wall)
        self.cpu.setdefault(name, []).append(cpu)


def memory() -> dict[str, int]:
    """Resident bytes now, once what is free was given back, and the most there have been."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    unit = 1 if sys.platform == "darwin" else 1024
    return {"now": pages * resource.getpagesize(), "most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}


def load() -> float | None:
    """Processes that ran or wanted to, on average of the last minute; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def ask_ours(folder: Path, part: slice) -> dict[str, Any]:
    """Ask our store, and the whole retrieval where the model is there."""
    from bakeoff.errors import BakeoffError
    from bakeoff.tasks.documents.find.retrieve import RetrievalSettings, Retriever
    from bakeoff.tasks.documents.index.embed import Embedder, open_embedder
    from bakeoff.tasks.documents.index.store_sqlite import SqliteStore
    from bakeoff.tasks.documents.index.terms import terms_of
    from bakeoff.tasks.documents.records import Scope

    questions = json.loads((folder / "questions.json").read_text(encoding="utf-8"))[part]
    clock, left_out = Clock(), ""
    embedder: Embedder | None = None
    try:
        embedder = open_embedder("minilm-int8")
        embedder.encode([questions[0]])
    except BakeoffError as error:
        left_out = str(error)
    with_model = memory()
    store = clock.time("open", partial(SqliteStore, folder / "corpus", read_only=True))
    clock.time("first lexical", partial(store.lexical, terms_of(questions[0])))
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    clock.time("first dense", partial(store.dense, np.array(vectors[0])))
    public = Scope(principals=frozenset({"associate"}))
    retriever = None if embedder is None else Retriever(store, embedder, RetrievalSettings())
    if retriever is not None:
        retriever.search(questions[0])
    for n, question in enumerate(questions):
        terms, vector = terms_of(question), np.array(vectors[n * 97 % len(vectors)])
        clock.time("lexical", partial(store.lexical, terms))
        clock.time("dense", partial(store.dense, vector))
        clock.time("lexical, half readable", partial(store.lexical, terms, public))
        clock.time("dense, half readable", partial(store.dense, vector, public))
        if retriever is not None and embedder is not None:
            clock.time("embedding alone", partial(embedder.encode, [question]))
            found = clock.time(WHOLE, partial(retriever.search, question))
            for step, seconds in found.timings.items():
                clock.add(STEP + step, seconds, found.cpu[step])
    used = memory()
    used["corpus"] = used["now"] - with_model["now"]
    return {"wall": clock.wall, "cpu": clock.cpu, "memory": used, "load": load(), "left_out": left_out}


def ask_peer(folder: Path, part: slice) -> dict[str, Any]:
    """Ask LangChain's FAISS vector store. Nothing of ours is imported here."""
    from langchain_community.vectorstores import FAISS
    from langchain_core.embeddings import Embeddings

    class Given(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            raise NotImplementedError

        def embed_query(self, text: str) -> list[float]:
            raise NotImplementedError

    before = memory()
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    n_questions = len(json.loads((folder / "questions.json").read_text(encoding="utf-8"))[part])
    clock = Clock()
    with (folder / "texts.jsonl").open(encoding="utf-8") as lines:
        # Rows of an array, where an embedder would give lists of Python floats, which need ten times the memory while it builds.
        given = ((json.loads(line), vector) for line, vector in zip(lines, vectors, strict=True))
        store = clock.time("build", partial(FAISS.from_embeddings, given, Given()))
    for n in range(n_questions):
        vector = vectors[n * 97 % len(vectors)].tolist()
        for k in (10, 100):
            clock.time(f"dense, k = {k}", partial(store.similarity_search_with_score_by_vector, vector, k=k))
    used = memory()
    used["corpus"] = used["now"] - before["now"]
    return {"wall": clock.wall, "cpu": clock.cpu, "memory": used, "load": load(), "left_out": ""}


# The run


def held_to(threads: int) -> dict[str, str]:
    """The environment that holds a process to a number of threads."""
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BAKEOFF_THREADS"), str(threads))


def child(python: str, who: str, folder: Path, part: slice, threads: int) -> dict[str, Any]:
    """What a measured process says, or why there is nothing."""
    path = os.pathsep.join(filter(None, [str(ROOT / "src") if who == "ours" else "", os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [python, __file__, "--child", who, str(folder), str(part.start), str(part.stop)],
        capture_output=True, text=True, env={**os.environ, **held_to(threads), "PYTHONPATH": path}, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return {"left_out": lines[-1] if lines else f"it ended with code {done.returncode}"}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One record of several processes of one kind."""
    told = [part for part in parts if "wall" in part]
    if not told:
        return {"left_out": parts[0]["left_out"]}
    failed = "; ".join(f"one of its processes failed: {part['left_out']}" for part in parts if "wall" not in part)
    times: dict[str, Any] = {}
    for name in told[0]["wall"]:
        wall = np.concatenate([part["wall"][name] for part in told]) * 1e3
        cpu = np.concatenate([part["cpu"].get(name, []) for part in told]) * 1e3
        times[name] = {"n": len(wall)}
        for kind, values in (("wall_ms", wall), ("cpu_ms", cpu)):
            times[name][kind] = {
                f"p{q}": round(float(np.percentile(values, q)), 3) if len(values) >= needed else None
                for q, needed in QUANTILES.items()
            }
    memory = {name: max(part["memory"][name] for part in told) for name in told[0]["memory"]}
    loads = [part["load"] for part in told if part["load"] is not None]
    return {"times": times, "memory_bytes": memory, "load": loads, "left_out": failed or told[0]["left_out"]}


def promise(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether the whole retrieval is as quick as promised: `holds` is None where too few questions were asked to say."""
    wall = np.concatenate([part["wall"].get(WHOLE, []) for part in parts if "wall" in part] or [np.empty(0)]) * 1e3
    told: dict[str, Any] = {"at_most_ms": PROMISED_MS, "questions": len(wall), "within": int((wall <= PROMISED_MS).sum())}
    if len(wall) < QUANTILES[95]:
        return {**told, "p95_ms": None, "holds": None}
    p95 = float(np.percentile(wall, 95))
    return {**told, "p95_ms": round(p95, 3), "holds": p95 <= PROMISED_MS}


def promise_in_words(told: dict[str, Any]) -> str:
    """The same as a sentence."""
    asked = f"{told['within']} of {told['questions']} questions took at most {told['at_most_ms']:.0f} ms"
    if told["holds"] is None:
        return f"Whole retrieval, wall p95 at most {told['at_most_ms']:.0f} ms: NOT MEASURED, {QUANTILES[95]} questions are needed ({asked})"
    says = "HOLDS" if told["holds"] else "DOES NOT HOLD"
    return f"Whole retrieval, wall p95 at most {told['at_most_ms']:.0f} ms: {says}, p95 is {told['p95_ms']:.1f} ms ({asked})"


def shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--peer-python", default="", help="an interpreter with langchain-community and faiss-cpu")
    parser.add_argument("--threads", type=int, default=1, help="of the model, and of matrix products, for ours and for the peer")
    parser.add_argument("--keep", type=Path, help="make the corpus here and leave it")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="document-query-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        built = build(folder, options.chunks, options.documents, options.questions)
        half = options.questions // 2
        ours, peer = [], []
        for part in (slice(0, half), slice(half, options.questions)):
            ours.append(child(sys.executable, "ours", folder, part, options.threads))
            peer.append(
                child(options.peer_python, "peer", folder, part, options.threads)
                if options.peer_python
                else {"left_out": "no --peer-python was given"}
            )
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    record = {
        "chunks": options.chunks,
        "documents": options.documents,
        "threads": options.threads,
        "cores": os.cpu_count(),
        "built": built,
        "promise": promise(ours),
        "ours": joined(ours),
        "langchain_faiss": joined(peer),
    }
    print(
        f"{options.chunks:,} chunks of {built['terms_per_chunk']:.0f} terms in {options.documents:,} documents, {DIMENSIONS} dimensions; "
        f"{options.threads} threads on {os.cpu_count()} cores"
    )
    print(
        f"ours: {built['store_seconds']:.1f} s of CPU to store, {built['terms_seconds']:.1f} s to find terms, {built['file_bytes'] / 1e6:.0f} MB on disk"
    )
    for title, result in (("ours", record["ours"]), ("LangChain + FAISS", record["langchain_faiss"])):
        if result["left_out"]:
            print(f"{title}: left out: {result['left_out']}")
        if "times" in result:
            used = result["memory_bytes"]
            loads = ", ".join(f"{each:.1f}" for each in result["load"]) or "unknown"
            print(
                f"{title}: {used['corpus'] / 1e6:.0f} MB for the corpus, {used['most'] / 1e6:.0f} MB at most in the process; "
                f"load at the end of each process: {loads}"
            )
            print(f"  {'ms, wall (CPU)':26} {'p50':>20} {'p95':>20} {'p99':>20}")
            for name, figures in result["times"].items():
                cells = [f"{shown(figures['wall_ms'][f'p{q}'])} ({shown(figures['cpu_ms'][f'p{q}'])})" for q in QUANTILES]
                print(f"  {name:26} " + " ".join(f"{cell:>20}" for cell in cells) + f"   n = {figures['n']}")
    print(promise_in_words(record["promise"]))
    print(json.dumps(record))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        who, folder, start, stop = sys.argv[2:6]
        ask = {"ours": ask_ours, "peer": ask_peer}[who]
        print(json.dumps(ask(Path(folder), slice(int(start), int(stop)))))
    else:
        os.environ.update(held_to(1))
        main()

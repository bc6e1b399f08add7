"""The sample document with everything that a study can ask for on top: servers under load, hard inputs, consistency, prices.

Figures are invented, but shaped like measured ones: queues that grow near capacity, a stall, an invalid step, a step that
settles nothing, percentiles with too few requests, energy that could not be measured, and hostile text in the inputs.
"""

from __future__ import annotations

import math
import random
from typing import Any, Literal

import sample

from bakeoff.decide import record as r
from bakeoff.decide.load_record import LoadDocument
from bakeoff.measure.intervals import proportion

SERVED = ("tfidf-linear", "embedding-linear", "finetuned-encoder", "llm-zero-shot", "llm-few-shot")
SERVICE = {
    "tfidf-linear": 0.0021,
    "embedding-linear": 0.0079,
    "finetuned-encoder": 0.0162,
    "llm-zero-shot": 0.226,
    "llm-few-shot": 0.361,
}
FEWEST = {"p50": 7, "p90": 44, "p95": 90, "p99": 459}
LIMIT = 0.5


def share(k: int, n: int) -> r.Range:
    """k of n with its exact interval."""
    found = proportion(k, n, method="clopper-pearson")
    return r.Range(mid=found.mid, low=found.low, high=found.high, n=n)


def percentiles(times: list[float], failed: int = 0, samples: int = 60) -> r.Percentiles:
    """Percentiles of times of which `failed` more never ended."""
    ordered, n = sorted(times), len(times) + failed
    values: dict[str, Any] = {}
    for name, fewest in FEWEST.items():
        at = math.ceil(int(name[1:]) / 100 * n) - 1
        if n >= fewest and at < len(ordered):
            values[name] = ordered[at]
    kept = [ordered[round(i * (len(ordered) - 1) / (samples - 1))] for i in range(samples)] if len(ordered) > samples else ordered
    return r.Percentiles(
        **values,
        n=n,
        low={key: value * 0.95 for key, value in values.items()},
        high={key: value * 1.07 for key, value in values.items()},
        samples=kept,
    )


def in_order(total: list[float], failed: int, apart: float) -> list[tuple[float, float | None]]:
    """Requests due `apart` seconds after one another, at most 400 as of a real step; the failed ones evenly among them."""
    n, ended = len(total) + failed, iter(total)
    lost = {(2 * i + 1) * n // (2 * failed) for i in range(failed)}
    whole = [(round(i * apart, 6), None if i in lost else round(next(ended), 6)) for i in range(n)]
    runs = [whole[k * n // 400 : (k + 1) * n // 400] for k in range(400)] if n > 400 else [[one] for one in whole]
    return [max(run, key=lambda one: math.inf if one[1] is None else one[1]) for run in runs]


def step(
    name: str,
    rng: random.Random,
    *,
    scenario: Literal["single_stream", "server", "offline"] = "server",
    rate: float | None = None,
    requests: int = 200,
    failed: int = 0,
    because: tuple[str, ...] = (),
    capacity: float = 1.0,
    samples: int = 60,
    stall: float = 0.0,
) -> r.LoadStep:
    """One step of a server whose waits grow as the rate nears its capacity; it stands still for `stall` seconds from half-time."""
    busy = min(0.985, (rate or 0.0) / capacity)
    base, model = SERVICE[name], name.startswith("llm")
    service = [base * math.exp(rng.gauss(0, 0.13)) for _ in range(requests - failed)]
    wait = [rng.expovariate(1.0) * base * busy / (1 - busy) if busy else 0.0 for _ in service]
    total = [a + b for a, b in zip(service, wait, strict=True)]
    lasted = requests / rate if rate else sum(total)
    apart = lasted / requests
    if stall:
        total = [t + max(0.0, stall - (i * apart - lasted / 2)) if i * apart >= lasted / 2 else t for i, t in enumerate(total)]
    first = [w + s * (0.55 if model else 0.97) for s, w in zip(service, wait, strict=True)]
    return r.LoadStep(
        scenario=scenario,
        arrivals="poisson" if scenario == "server" else "closed",
        seed=7,
        rate_per_second=rate,
        achieved_per_second=None if rate is None else rate * (0.93 if because else 0.998),
        completed_per_second=(requests - failed) / lasted if scenario != "offline" else capacity,
        seconds=lasted,
        requests=requests,
        completed=requests - failed,
        errors=failed,
        error_kinds={"timeout": failed} if failed else {},
        total_seconds=percentiles(total, failed, samples),
        first_token_seconds=percentiles(first, failed, samples),
        service_seconds=percentiles([s + w * 0.7 for s, w in zip(service, wait, strict=True)], failed, samples),
        seconds_per_output_token=percentiles([s * 0.11 for s in service], 0, samples) if model else r.Percentiles(),
        between_tokens_seconds=percentiles([s * 0.1 for s in service], 0, samples) if model else r.Percentiles(),
        over_time=in_order(total, failed, apart),
        dispatch_delay_p99_seconds=0.0084 if because else 0.00042,
        tokens_in=requests * 31,
        tokens_out=requests * 3,
        valid=not because,
        invalid_because=list(because),
    )


def server(name: str, seed: int, samples: int = 60) -> r.ServingResult:
    """One approach behind an endpoint."""
    rng, capacity = random.Random(seed), 1 / SERVICE[name]
    late = "The client was late: p99 of the dispatch delay is 8.4 ms, above 1% of the median response."
    plan: list[tuple[float, int, int, tuple[str, ...]]] = [
        (0.1, 200, 0, ()),
        (0.2 if name.startswith("llm") else 0.5, 300, 0, ()),
        (0.35 if name.startswith("llm") else 0.8, 460, 0, ()),
        (0.92 if name.startswith("llm") else 0.91, 300, 0, ()),
        (1.1, 300, 40, ()),
    ]
    if name == "tfidf-linear":
        plan[-1] = (0.97, 460, 0, (late, "Sent at 93% of the rate asked for; 99% is the least."))
    if name == "llm-few-shot":
        plan = [(0.2, 48, 0, ()), (0.6, 48, 6, ())]
    steps = [
        judged(step(name, rng, rate=round(part * capacity, 3), requests=n, failed=failed, because=because, capacity=capacity, samples=samples))
        for part, n, failed, because in plan
    ]  # fmt: skip
    kept = [s for s in steps if s.outcome == "kept"]
    broken = [s.rate_per_second or 0.0 for s in steps if s.outcome == "broken"]
    return r.ServingResult(
        approach=name,
        protocol="chat",
        limit="p95 latency <= 500 ms",
        start_seconds=1.24 if name == "tfidf-linear" else 4.9,
        first_request_seconds=SERVICE[name] * 6.2,
        single=step(
            name, rng, scenario="single_stream", requests=40 if name == "llm-few-shot" else 200, failed=0, samples=samples
        ),
        offline=step(name, rng, scenario="offline", requests=240, capacity=capacity * 1.3, samples=samples),
        steps=steps,
        highest_rate=highest(kept[-1], broken) if kept else None,
        peak_bytes=1_420_000_000 if name.startswith("llm") else 310_000_000,
        energy_says="This machine shows no energy counter: there is no readable RAPL domain and no NVIDIA GPU.",
        context=r.Context(threads=1, load_average=0.31, device="cpu: 2 cores"),
    )


def judged(made: r.LoadStep) -> r.LoadStep:
    """The step with what became of the limit: kept or broken only where the percentile's whole interval is on one side."""
    times = made.total_seconds
    if not made.valid:
        return made
    if times.p95 is None:
        outcome = "broken" if times.n >= FEWEST["p95"] else "undecided"
    else:
        outcome = "kept" if times.high["p95"] <= LIMIT else "broken" if times.low["p95"] > LIMIT else "undecided"
    return made.model_copy(update={"outcome": outcome})


def highest(last: r.LoadStep, broken: list[float]) -> r.Range:
    best = last.rate_per_second or 0.0
    return r.Range(mid=best, low=best, high=min(broken) if broken else best, n=last.requests)


KINDS = {
    "negation": "a word turns the sentence",
    "double negation": "two words turn it twice",
    "irony": "praise that is none",
    "mixed": "good and bad in one text",
    "look-alikes": "letters of other alphabets",
    "prompt injection": "the text gives orders",
    "empty": "nothing to read",
}
CHANGES = {
    "typos": "two letters swapped",
    "case": "all capitals",
    "spacing": "doubled and missing spaces",
    "look-alikes": "letters of other alphabets",
    "long": "ten times as long",
}


def kind(name: str, n: int, right: int | None, pairs: int = 0, flips: int = 0, silent: int = 0) -> r.KindResult:
    judged = 0 if right is None else n
    return r.KindResult(
        kind=name,
        n=n,
        judged=judged,
        right=right or 0,
        unanswered=silent,
        accuracy=share(right, n) if right is not None else None,
        pairs=pairs,
        flips=flips,
        flip_rate=share(flips, pairs) if pairs else None,
    )


def flips(names: tuple[str, ...], count: int) -> list[r.Flip]:
    """Flips with typos, look-alikes, added spaces, long texts and hostile ones."""
    made = []
    base = "The plot was thin, though the acting was not bad at all."
    turned = {
        "typos": base.replace("acting", "actnig"),
        "case": base.upper(),
        "spacing": base.replace("was not", "was  not").replace("bad at", "badat"),
        "look-alikes": base.replace("acting", "\u0430cting"),
        "long": " ".join([base] * 10),
    }
    for i in range(count):
        name = list(CHANGES)[i % len(CHANGES)]
        given, shown = (base, turned[name]) if i >= 4 else (sample.HOSTILE[i], sample.HOSTILE[i].replace("e", "E"))
        made.append(
            r.Flip(
                approach=names[i % len(names)],
                id=f"typos-{i}",
                kind=name,
                base=given,
                shown=shown,
                expected=sample.LABELS[i % 2] if i % 5 else None,
                before=sample.LABELS[i % 2],
                after=sample.LABELS[1 - i % 2] if i != 7 else "(error)",
            )
        )
    return made


def edge_sets(names: tuple[str, ...], count: int = 24) -> list[r.EdgeSet]:
    rng = random.Random(11)
    skill = {"majority": 0.5, "tfidf-linear": 0.52, "embedding-linear": 0.6, "finetuned-encoder": 0.74, "lora-encoder": 0.71,
             "llm-zero-shot": 0.66, "llm-few-shot": 0.7}  # fmt: skip
    written: dict[str, list[r.KindResult]] = {}
    copied: dict[str, list[r.KindResult]] = {}
    for name in names:
        rows = []
        for index, key in enumerate(KINDS):
            n = (16, 8, 15, 22, 12, 14, 5)[index]
            hit = None if key == "empty" else sum(rng.random() < skill[name] - 0.05 * (index % 3) for _ in range(n))
            flipped = sum(rng.random() < 0.2 for _ in range(12)) if key == "look-alikes" else 0
            rows.append(kind(key, n, hit, 12 if key == "look-alikes" else 0, flipped, silent=1 if name == "llm-zero-shot" else 0))
        written[name] = rows
        copied[name] = [
            kind(key, 30, sum(rng.random() < skill[name] + 0.1 for _ in range(30)), 30,
                 0 if name == "majority" or (key == "case" and "linear" in name) else sum(rng.random() < 1 - skill[name] - 0.15 for _ in range(30)))
            for key in CHANGES
        ]  # fmt: skip

    def whole(rows: list[r.KindResult]) -> r.KindResult:
        judged = [k for k in rows if k.judged]
        return kind(
            "all",
            sum(k.judged for k in judged),
            sum(k.right for k in judged),
            sum(k.pairs for k in rows),
            sum(k.flips for k in rows),
        )

    both = flips(names, count)
    return [
        r.EdgeSet(
            name="changed-copies", source="generated", items=150, judged=150, kinds=CHANGES, results=copied,
            overall={n: whole(rows) for n, rows in copied.items()}, flips=both[3:], flips_of=143,
            wrong_by_all=["Not a bad film, was it? " + sample.SCRIPT],
        ),
        r.EdgeSet(
            name="sentiment-hard", source="written", items=92, judged=87, kinds=KINDS, results=written,
            overall={n: whole(rows) for n, rows in written.items()}, flips=both[:3], flips_of=3,
            wrong_by_all=[*sample.HOSTILE[:2], "I have never been so glad that a film was over."],
            notes=["Five inputs have no right answer: what an approach says to them is counted nowhere as right or wrong."],
        ),
    ]  # fmt: skip


def consistency(names: tuple[str, ...]) -> list[r.ConsistencyResult]:
    made = []
    for name in names:
        model = name.startswith("llm")
        alone = r.Agreement(items=24, repeats=5, raw=share(24, 24), parsed=share(24, 24))
        together = r.Agreement(
            items=24, repeats=5, concurrency=4, raw=share(20 if model else 24, 24), parsed=share(22 if model else 24, 24),
            errors=1 if model else 0,
        )  # fmt: skip
        values = {f"format {i}": share(46 + (i * 5) % 9, 60) for i in range(8)} if model else {}
        ordered = sorted(v.mid for v in values.values())
        formats = (
            r.Formats(
                items=60, metric=values, lowest=ordered[0], median=(ordered[3] + ordered[4]) / 2, highest=ordered[-1],
                agreement=share(41, 60),
            )
            if model
            else None
        )  # fmt: skip
        said = "the same every time when alone, 22 of 24 when 4 are asked at once" if model else "always the same"
        made.append(
            r.ConsistencyResult(
                approach=name, alone=alone, concurrent=together, formats=formats,
                kept_under_changes=share(118 if model else 131, 150), says=f"{name} answers {said}.",
            )
        )  # fmt: skip
    return made


def hosted() -> list[r.HostedReference]:
    made = []
    for model, usd in (("gpt-4o-mini", 0.0063), ("gpt-4o", 0.105), ("claude-3-5-haiku", 0.0368)):
        made.append(
            r.HostedReference(
                model=model, as_of="2025-06-01", source="list price", tokens_in=31.4, tokens_out=3.0,
                tokens_from="counted by llm-zero-shot's tokenizer on the test items", usd_per_1000=usd, usd_per_day=usd * 10,
                usd_per_million_in=usd / 0.0443, usd_per_million_out=4 * usd / 0.0443,
                break_evens=[
                    r.BreakEven(
                        a="finetuned-encoder", b=model, volume_per_day=r.Range(mid=1.152 / usd * 1000, low=1.1 / usd * 1000, high=1.2 / usd * 1000, n=20),
                        says=f"Above this, finetuned-encoder costs less a day than {model}.",
                    ),
                    r.BreakEven(a="llm-few-shot", b=model, volume_per_day=None, says=f"{model} is cheaper than llm-few-shot at every volume."),
                ],
            )
        )  # fmt: skip
    return made


def matrix(made: r.Document) -> r.Matrix:
    weights = {"quality": 0.5, "cost": 0.2, "latency": 0.2, "memory": 0.1}
    units = {"quality": "the metric's own", "cost": "USD per 1,000 items at the stated volume", "latency": "seconds, 90th percentile",
             "memory": "bytes, peak"}  # fmt: skip
    ends = {"quality": (0.7, 0.95), "cost": (1.0, 0.001), "latency": (1.0, 0.01), "memory": (8e9, 1e8)}
    results = {x.name: x for x in made.approaches if x.metrics}

    def level(x: r.ApproachResult, key: str) -> float | None:
        day = x.usd_per_day.mid / 10 if x.usd_per_day else None
        return {
            "quality": x.metrics["accuracy"].mid, "cost": day, "latency": x.latency_seconds.p90,
            "memory": float(x.peak_bytes) if x.peak_bytes else None,
        }[key]  # fmt: skip

    def worth(value: float | None, key: str) -> float | None:
        if value is None:
            return None
        worst, best = ends[key]
        at = (value - worst) / (best - worst) if key == "quality" else math.log(value / worst) / math.log(best / worst)
        return min(1.0, max(0.0, at))

    rows = [
        r.MatrixRow(
            criterion=key, title={"cost": "Cost", "quality": "Quality"}.get(key, key.capitalize()), unit=units[key], weight=weights[key],
            worst=ends[key][0], best=ends[key][1],
            cells={n: r.MatrixCell(level=level(x, key), value=worth(level(x, key), key)) for n, x in results.items()},
        )
        for key in weights
    ]  # fmt: skip
    totals = {n: sum(row.weight * (row.cells[n].value or 0.0) for row in rows) for n in results}
    rows.append(
        r.MatrixRow(criterion="flops", title="Arithmetic", unit="operations per item", weight=0.0,
                    cells={n: r.MatrixCell(level=x.flops_per_item) for n, x in results.items()})
    )  # fmt: skip
    return r.Matrix(rows=rows, totals=totals, says="finetuned-encoder has the highest weighted sum of those within the limits.")


FLOPS = {"tfidf-linear": 4.1e4, "embedding-linear": 1.02e9, "finetuned-encoder": 1.31e9, "lora-encoder": 1.33e9,
         "llm-zero-shot": 2.26e10, "llm-few-shot": 2.31e11, "majority": 0.0}  # fmt: skip


def served(*, flips: int = 24, samples: int = 50) -> r.Document:
    """The full sample document: everything that `sample.document` has, and every part that a study can ask for."""
    made = sample.document(samples=samples)
    counted = [
        x.model_copy(
            update={
                "flops_per_item": FLOPS[x.name],
                "flops_per_token": FLOPS[x.name] / 31.4 if x.name.startswith("llm") else None,
                "flops_basis": "counted by torch's flop counter" if "encoder" in x.name else "2 x parameters x tokens",
                "flops_leaves_out": ["tokenizing"] if x.name != "majority" else [],
            }
        )
        if x.name in FLOPS
        else x
        for x in made.approaches
    ]
    made = made.model_copy(update={"approaches": counted})
    servers = [server(name, i, samples) for i, name in enumerate(SERVED)]
    broken = r.ServingResult(approach="lora-encoder", status="failed", failure="The server did not answer /healthz within 60 s.")
    return made.model_copy(
        update={
            "serving": [*servers, broken],
            "edge_sets": edge_sets(sample.NAMES, flips),
            "consistency": consistency(SERVED),
            "hosted": hosted(),
            "matrix": matrix(made),
        }
    )


def load(*, name: str = "finetuned-encoder", samples: int = 400) -> LoadDocument:
    """The document of one load test, with an invalid step."""
    result = server(name, 3, samples)
    rng = random.Random(9)
    wrong = step(
        name,
        rng,
        rate=58.0,
        requests=300,
        because=("Sent at 93% of the rate asked for; 99% is the least.",),
        capacity=61.7,
        samples=samples,
    )
    broke = result.steps[-1].rate_per_second
    stalled = judged(step(name, rng, rate=broke, requests=300, failed=40, capacity=400.0, samples=samples, stall=2.0))
    return LoadDocument(
        url="http://127.0.0.1:8080", model=f"{name}</script><script>window.owned=1</script>", protocol="chat", started="2026-11-22T09:00:00Z",
        command="bakeoff load http://127.0.0.1:8080 --limit 'p95 latency <= 500 ms'", seed=7, workers=1,
        settings={"arrivals": "poisson", "rates": 5, "rate_seconds": 15.0},
        client=r.Context(threads=1, load_average=0.4, device="cpu: 2 cores", versions={"bakeoff": "0.1.0"}),
        result=result.model_copy(update={"approach": "", "steps": [*result.steps[:-1], stalled, wrong]}),
        histograms={"0/total": "HISTFAAAAB542pNpmSzMwMDAxQABzFCaEUwgABgADJkAnA=="},
        valid=False,
        says=["It kept p95 latency <= 500 ms up to 49.4 requests per second, and broke it at 67.9.",
              "One of 8 steps is invalid: the client was the bottleneck there."],
    )  # fmt: skip

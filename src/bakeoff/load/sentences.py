"""What a load test found, in sentences that need no knowledge of load tests. Every figure in them stands in the steps, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bakeoff.load.judge import LatencyLimit
from bakeoff.load.result import ERROR_KINDS
from bakeoff.load.sweep import Sweep, per_second

Step = Mapping[str, Any]


def all_of(
    steps: Mapping[str, Step],
    swept: Sweep | None,
    limit: LatencyLimit | None,
    *,
    first_request: float | None,
    concurrency: int,
    stopped: bool,
    inputs: int,
    counted: bool,
) -> tuple[str, ...]:
    """The sentences of a test, the answer first, what it must not be taken for last.

    Parameters
    ----------
    steps : mapping
        Step name ('single_stream', 'offline', 'server-1', ...) to the fields of `decide.record.LoadStep`.
    swept : Sweep or None
        The search for the highest rate, where there was one.
    limit : LatencyLimit or None
    first_request : float or None
        Seconds of the first request of all.
    concurrency : int
        Requests in flight in the offline scenario.
    stopped : bool
    inputs : int
        Different prompts or items that were sent.
    counted : bool
        Tokens were counted by events, because the server did not report them.
    """
    server = [step for name, step in steps.items() if name.startswith("server-")]
    said: list[str] = []
    if swept is not None:
        said.append(swept.says)
        at = [step for step in server if step["rate_per_second"] == swept.highest]
        if at:
            said.append(_waits(f"At {per_second(at[-1]['rate_per_second'])}", at[-1]))
    elif server:
        said += _at_rate(server[-1], limit)
    if "single_stream" in steps:
        said.append(_waits("One request at a time", steps["single_stream"]))
    if "offline" in steps and steps["offline"]["completed_per_second"]:
        step = steps["offline"]
        said.append(
            f"With {concurrency} requests always in flight it answers {per_second(step['completed_per_second'])}"
            f" (n = {step['completed']:,})."
        )
    if first_request is not None:
        said.append(f"The very first request took {duration(first_request)}; it is in no other figure.")
    said += _errors(steps)
    said += _validity(steps, swept)
    if stopped:
        said.append("The test was stopped before its end; the figures are of what was sent until then.")
    most = max((step["requests"] for step in steps.values()), default=0)
    if most > inputs:
        said.append(
            f"{inputs:,} different inputs were sent round and round. A server that keeps what it has seen answers repeats faster;"
            " give it more with --prompts."
        )
    if counted:
        said.append("The server reported no token counts, so events with text were counted; one may hold several tokens.")
    return tuple(said)


def duration(seconds: float) -> str:
    """Three significant figures with a unit: '48.1 ms', '2.03 s', '310 us'."""
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= size * 0.9995:
            return f"{seconds / size:.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:,.0f} {unit}"
    return f"{seconds / 1e-6:.2g} us"


def _at_rate(step: Step, limit: LatencyLimit | None) -> list[str]:
    rate = per_second(step["rate_per_second"])
    said = []
    if limit is not None:
        said.append(
            {
                "kept": f"It keeps {limit.text} at {rate}.",
                "broken": f"It does not keep {limit.text} at {rate}.",
                "undecided": f"Whether it keeps {limit.text} at {rate} is not settled by {step['requests']:,} requests; more would.",
            }.get(step["outcome"], f"Whether it keeps {limit.text} at {rate} was not judged.")
        )
    said.append(_waits(f"At {rate}", step))
    return said


def _waits(when: str, step: Step) -> str:
    """Typical and tail waits of one step."""
    times = step["total_seconds"]
    parts = []
    if times.get("p50") is not None:
        parts.append(f"half of all answers are there within {duration(times['p50'])}")
    tail = "p90" if step["scenario"] == "single_stream" else "p95"
    for name in dict.fromkeys((tail, "p99")):
        if times.get(name) is not None:
            low, high = times["low"].get(name), times["high"].get(name)
            interval = f" (95% interval {duration(low)} to {duration(high)})" if low is not None and high is not None else ""
            parts.append(f"{name[1:]}% within {duration(times[name])}{interval}")
    if not parts:
        return f"{when}: no percentile can be given for {step['requests']:,} requests, of which {step['errors']:,} failed."
    first = step["first_token_seconds"].get("p50")
    token = f"; the first token typically comes after {duration(first)}" if first is not None else ""
    return f"{when}, {_listed(parts)}{token} (n = {step['requests']:,})."


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]


def _errors(steps: Mapping[str, Step]) -> list[str]:
    failed = sum(step["errors"] for step in steps.values())
    asked = sum(step["requests"] for step in steps.values())
    if not failed:
        return [f"None of {asked:,} requests failed."] if asked else []
    kinds: dict[str, int] = {}
    for step in steps.values():
        for kind, count in step["error_kinds"].items():
            kinds[kind] = kinds.get(kind, 0) + count
    ordered = sorted(kinds.items(), key=lambda pair: -pair[1])
    shown = "; ".join(f"{count:,} times {kind_in_words(kind)}" for kind, count in ordered[:4])
    return [f"{failed:,} of {asked:,} requests failed and count as over every limit: {shown}."]


def kind_in_words(kind: str) -> str:
    """A kind of error as a person would say it."""
    if kind.startswith("http_"):
        meaning = {"http_429": ", too many requests", "http_503": ", not available", "http_500": ", an error inside it"}
        return f"the server refused with status {kind[5:]}{meaning.get(kind, '')}"
    return ERROR_KINDS.get(kind, kind.replace("_", " "))


def _validity(steps: Mapping[str, Step], swept: Sweep | None) -> list[str]:
    bad = {name: step for name, step in steps.items() if not step["valid"]}
    if not steps:
        return []
    if not bad:
        return ["The figures are valid: this client was never the bottleneck."]
    where = [
        per_second(step["rate_per_second"]) if step["rate_per_second"] else name.replace("_", " ") for name, step in bad.items()
    ]
    why = dict.fromkeys(reason.rstrip(".") for step in bad.values() for reason in step["invalid_because"])
    said = f"{len(bad)} of {len(steps)} steps are not valid ({_listed(list(dict.fromkeys(where)))}): {next(iter(why), 'no reason given')}."
    return [said, "What is not valid says something about this client or this machine, not about the server."]

"""An approach of a study behind a real endpoint: `bakeoff serve` in its own process, and requests to it over loopback.

It has the machine for itself, as timing has. What fails here is kept as what failed; the approach's own figures stay.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Literal

from bakeoff.contract import Trial
from bakeoff.errors import BakeoffError
from bakeoff.run.endpoint_process import EndpointProcess
from bakeoff.run.ledger import Ledger
from bakeoff.run.probing import as_dict, request_inputs
from bakeoff.study import Consistency, Serving, Study

MOST_TEXTS = 2_000
LONGEST_ANSWER_TOKENS = 64
SECONDS_FOR_ONE = 30.0
SEARCH = 2.0
"""Most time of the search for the highest rate, in usual steps: slow approaches need longer ones to settle anything."""
ENERGY_WINDOWS, ENERGY_SECONDS = 5, 2.0

Tell = Callable[..., None]
Protocol = Literal["chat", "answer"]


def run_serving(ledger: Ledger, study: Study, trial: Trial, tell: Tell) -> None:
    """Serve the trial's saved model, load it, ask it again, and keep what was measured.

    Writes the stages ``serving`` (the fields of `decide.record.ServingResult`) and ``consistency`` into the trial's measures.
    """
    settings = study.serving
    if settings is None:
        return
    measures = ledger.measures(trial)
    if (measures.get("failure") or {}).get("job") == "serving":
        del measures["failure"]
    tell(event="stage", stage="serving")
    try:
        measures |= _measured(ledger, study, settings, trial, measures, tell)
    except Exception as error:  # whatever went wrong with serving is an outcome of serving alone
        traceback.print_exc()
        what = error.what if isinstance(error, BakeoffError) else f"{type(error).__name__}: {error}"[:500]
        measures["serving"] = {"status": "failed", "failure": what}
        tell(event="failed", what=what)
    ledger.write_measures(trial, measures)


def _measured(
    ledger: Ledger, study: Study, settings: Serving, trial: Trial, measures: dict[str, Any], tell: Tell
) -> dict[str, Any]:
    from bakeoff.load.session import Told, load
    from bakeoff.measure.machine import describe

    threads = study.spec(trial.approach).threads or study.threads
    inputs = request_inputs(ledger, MOST_TEXTS)
    protocol: Protocol = "chat" if all(isinstance(one, str) for one in inputs) else "answer"
    options = [
        "--window-ms", f"{settings.window_ms:g}", "--max-batch", str(settings.max_batch),
        "--request-seconds", f"{SECONDS_FOR_ONE:g}", "--runs", str(ledger.folder.parent),
    ]  # fmt: skip
    log = ledger.trial_folder(trial) / "log.txt"
    planned = settings.single_seconds + settings.offline_seconds + settings.rates * settings.rate_seconds

    def told(news: Told) -> None:
        left = news.seconds_left
        done = 0.0 if left is None else max(0.0, min(0.99, 1 - left / planned))
        tell(event="progress", stage="serving", fraction=done, note=news.what)

    before = describe(threads=threads)
    with (
        EndpointProcess(ledger.folder, trial.approach, threads=threads, options=options, log=log) as endpoint,
        _why_it_ended(endpoint),
    ):
        loaded = load(
            endpoint.url,
            model=trial.approach,
            protocol=protocol,
            inputs=inputs,
            limit=settings.limit,
            single_requests=settings.single_requests,
            single_seconds=settings.single_seconds,
            offline_seconds=settings.offline_seconds,
            concurrency=settings.max_batch,
            rates=settings.rates,
            rate_seconds=settings.rate_seconds,
            most_rate=settings.highest_rate,
            search_seconds=SEARCH * settings.rates * settings.rate_seconds,
            max_tokens=LONGEST_ANSWER_TOKENS,
            timeout_seconds=SECONDS_FOR_ONE,
            tell=told,
        )
        peak = endpoint.peak_bytes()
        joules, energy_says = _energy(loaded.url, trial.approach, protocol, inputs, settings)
        found: dict[str, Any] = {
            "serving": {
                **loaded.serving,
                "start_seconds": endpoint.start_seconds,
                "peak_bytes": peak,
                "joules_per_item": joules,
                "energy_says": energy_says,
                "context": _context(before),
            }
        }
        if study.consistency is not None:
            tell(event="progress", stage="serving", fraction=0.99, note="the same again")
            kept = measures.get("consistency") or {"alone": None, "concurrent": None, "formats": None}
            asked = request_inputs(ledger, study.consistency.items)
            found["consistency"] = {**kept, **_again(loaded.url, trial.approach, protocol, asked, study.consistency)}
    return found


@contextlib.contextmanager
def _why_it_ended(endpoint: EndpointProcess) -> Iterator[None]:
    """Where the endpoint ends while it is measured, that is what failed, and not the connection to it."""
    broken: Exception | None = None
    try:
        yield
    except Exception as error:
        broken = error
    ended = endpoint.ended
    if ended:
        raise BakeoffError(
            f"The endpoint ended with {ended} while it was measured.", fix=f"see the end of {endpoint.log}"
        ) from broken
    if broken is not None:
        raise broken


def _again(url: str, model: str, protocol: Protocol, inputs: list[Any], settings: Consistency) -> dict[str, Any]:
    """The same inputs again and again, alone and while others are being answered."""
    from bakeoff.load.repeat import repeat
    from bakeoff.measure.consistency import agreement

    found = {}
    for name, at_once in (("alone", 1), ("concurrent", settings.concurrency)):
        said = repeat(
            url,
            inputs,
            model=model,
            protocol=protocol,
            repeats=settings.repeats,
            concurrency=at_once,
            timeout_seconds=SECONDS_FOR_ONE,
        )
        found[name] = as_dict(agreement(said.raw, said.parsed, concurrency=at_once))
    return found


def _energy(url: str, model: str, protocol: Protocol, inputs: list[Any], settings: Serving) -> tuple[dict[str, Any] | None, str]:
    """Joules per answer in batch, with its interval over windows; or None, and why it could not be measured."""
    from bakeoff.load.generator import run_step
    from bakeoff.load.result import StepSpec
    from bakeoff.load.workers import TargetSpec
    from bakeoff.measure.energy import EnergyMeter, joules_per_item

    with EnergyMeter() as meter:
        first = StepSpec("single_stream", requests=3, timeout_seconds=SECONDS_FOR_ONE)
        target = TargetSpec(protocol, url, inputs, model=model, max_tokens=LONGEST_ANSWER_TOKENS)
        run_step(target.make(), first)
    if meter.result.total_joules is None and not _too_short(meter.result.says):
        return None, " ".join(meter.result.says) or "This machine tells no energy."
    windows, counts = [], []
    for number in range(ENERGY_WINDOWS):
        step = StepSpec(
            "offline", seconds=ENERGY_SECONDS, concurrency=settings.max_batch, timeout_seconds=SECONDS_FOR_ONE, first=number * 97
        )
        with EnergyMeter() as meter:
            result = run_step(target.make(), step)
        windows.append(meter.result)
        counts.append(sum(one.error is None for one in result.outcomes))
    joules = joules_per_item(windows, counts)
    return (joules._asdict() if joules else None), " ".join(dict.fromkeys(says for one in windows for says in one.says))


def _too_short(says: tuple[str, ...]) -> bool:
    return any("too short" in one for one in says)


def _context(about: dict[str, Any]) -> dict[str, Any]:
    return {
        "threads": about["threads"],
        "load_average": about.get("load_average"),
        "device": str(about.get("device", "unknown")),
        "versions": dict(about.get("versions", {})),
    }

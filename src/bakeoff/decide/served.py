"""What was measured of each approach behind an endpoint, from the run folder into the document."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from bakeoff.contract import Trial
from bakeoff.decide.evidence import Evidence
from bakeoff.decide.record import ApproachResult, ServingResult
from bakeoff.errors import RunError


def served_of(evidence: Evidence, results: list[ApproachResult]) -> list[ServingResult]:
    """One entry for each approach that was, or should have been, put under load; empty where the study asks for none.

    Raises
    ------
    RunError
        If what the run folder holds about an approach is not what the bench writes.
    """
    asked = evidence.study.serving
    found = []
    for result in results:
        kept = evidence.measures[Trial(result.name, 0)].get("serving")
        if kept is not None:
            found.append(_read(evidence, result.name, kept))
        elif asked is not None and (result.name in asked.approaches or (not asked.approaches and _could_be(result))):
            found.append(ServingResult(approach=result.name, status="not_run", limit=asked.limit))
    return found


def _could_be(result: ApproachResult) -> bool:
    """Whether there is a saved model to put behind an endpoint."""
    return result.status == "done" and not result.remote and result.model_bytes is not None


def _read(evidence: Evidence, name: str, kept: Any) -> ServingResult:
    try:
        return ServingResult.model_validate({**kept, "approach": name})
    except (ValidationError, TypeError) as error:
        raise damaged(evidence, name, "serving", error) from error


def damaged(evidence: Evidence, name: str, stage: str, error: Exception) -> RunError:
    """The error for a stage of a trial's measures that cannot be read, with where and why."""
    where = evidence.ledger.trial_folder(Trial(name, 0)) / "measures.json"
    says = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    return RunError(f"{where} is damaged at {stage!r}: {says}.", fix="run the study again")

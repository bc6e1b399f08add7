"""What stands behind the endpoint: a fitted approach, a language model, or an approach and the language model it rests on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from bakeoff.contract import Approach, Generates, Streams
from bakeoff.errors import BakeoffError

if TYPE_CHECKING:
    from bakeoff.serve.observations import Observed

Kind = Literal["approach", "language_model"]
Accepts = Literal["text", "picture", "observation", "any"]


def accepted_by(task: str) -> Accepts:
    """What an item of a task is, as it travels."""
    known: dict[str, Accepts] = {"text": "text", "images": "picture", "control": "observation"}
    return known.get(task, "any")


def model_id(spec: str) -> str:
    """A model's name as clients write it: of ``hub:org/name@rev`` the ``org/name``, of a path its last part, without ``.gguf``."""
    name = spec.removeprefix("hub:").split("@")[0] if spec.startswith("hub:") else re.split(r"[/\\]", spec.rstrip("/\\"))[-1]
    return re.sub(r"[^A-Za-z0-9._:/-]+", "-", name.removesuffix(".gguf")) or "model"


@dataclass(frozen=True)
class Served:
    """What the server answers with.

    Parameters
    ----------
    name : str
        Id under which the approach (or, without one, the language model) is asked for.
    approach : Approach or None
        A fitted approach. It answers `/v1/answer`; its chat replies with the answer's value.
    lm : LocalLM or None
        A language model that generates. The server's one model thread is the only one to use it.
    lm_name : str
        Its id; '' takes `name`.
    accepts : {'text', 'picture', 'observation', 'any'}
        What an item is: a text, a picture as a ``data:`` address, an observation of an agent's environment, or any JSON value.
    """

    name: str
    approach: Approach | None = None
    lm: Any | None = None
    lm_name: str = ""
    accepts: Accepts = "text"

    def __post_init__(self) -> None:
        if self.approach is None and self.lm is None:
            raise BakeoffError("There is nothing to serve.", fix="give an approach, a language model, or both")
        if self.approach is not None and self.lm is not None and self.lm_name in ("", self.name):
            raise BakeoffError(f"Two models would be called {self.name!r}.", fix="give the language model another name")

    @classmethod
    def of(cls, name: str, approach: Approach, *, accepts: Accepts = "text") -> Served:
        """An approach, and beside it the language model that it rests on, where it can give one out (`Generates`)."""
        if not isinstance(approach, Generates):
            return cls(name, approach, accepts=accepts)
        lm_name, lm = approach.language_model()
        wanted = model_id(lm_name)
        return cls(name, approach, lm, wanted if wanted != name else f"{wanted}-lm", accepts)

    @cached_property
    def observed(self) -> Observed:
        """What an agent can be asked, where `accepts` is ``observation``. Its environments are opened here, once.

        Raises
        ------
        BakeoffError
            If one cannot be opened, or the approach is no agent.
        """
        from bakeoff.serve.observations import Observed

        if not hasattr(self.approach, "worlds_"):
            raise BakeoffError(f"{self.name!r} is no agent: it takes no observations.", fix="serve it as what it is")
        agent: Any = self.approach
        return Observed.of(agent)

    @property
    def models(self) -> dict[str, Kind]:
        """Every model id and what it is; the first is the one in use where a request names none."""
        found: dict[str, Kind] = {}
        if self.approach is not None:
            found[self.name] = "approach"
        if self.lm is not None:
            found[self.lm_name or self.name] = "language_model"
        return found

    @property
    def streams(self) -> bool:
        """Whether the approach gives its answer piece by piece."""
        return isinstance(self.approach, Streams)

"""Name -> where it is written. Built-ins and installed plugins come through the same door.

Each entry is an address, ``module:attribute``; nothing is imported until it is loaded, so listing is
free. A plugin is one file and one entry point::

    [project.entry-points."bakeoff.approaches"]
    "text/shout" = "my_package.shout:Shout"

Approaches are named ``task/approach``; tasks by their name alone (group ``bakeoff.tasks``); stores of document
corpora by the scheme of their address (group ``bakeoff.stores``). Two
packages that claim one name are an error, not a race. ``BAKEOFF_PLUGINS=0`` loads built-ins only.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bakeoff.contract import Requires
from bakeoff.errors import BakeoffError, nearest, needs

GROUPS = ("bakeoff.tasks", "bakeoff.approaches", "bakeoff.stores")

BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "bakeoff.tasks": {
        "text": "bakeoff.tasks.text.task:TextTask",
        "documents": "bakeoff.tasks.documents.task:DocumentsTask",
        "images": "bakeoff.tasks.images.task:ImagesTask",
        "control": "bakeoff.tasks.control.task:ControlTask",
    },
    "bakeoff.approaches": {
        "text/majority": "bakeoff.tasks.text.majority:Majority",
        "text/tfidf-linear": "bakeoff.tasks.text.tfidf_linear:TfidfLinear",
        "text/embedding-linear": "bakeoff.tasks.text.embedding_linear:EmbeddingLinear",
        "text/finetuned-encoder": "bakeoff.tasks.text.finetuned_encoder:FinetunedEncoder",
        "text/lora-encoder": "bakeoff.tasks.text.lora_encoder:LoraEncoder",
        "text/prompted-llm": "bakeoff.tasks.text.prompted_llm:PromptedLLM",
        "text/endpoint": "bakeoff.tasks.text.endpoint:Endpoint",
        "documents/cited": "bakeoff.tasks.documents.cited:Cited",
        "documents/cited-llm": "bakeoff.tasks.documents.cited_llm:CitedLLM",
        "documents/closed-book": "bakeoff.tasks.documents.closed_book:ClosedBook",
        "documents/langchain": "bakeoff.tasks.documents.langchain_peer:LangChainPipeline",
        "documents/llamaindex": "bakeoff.tasks.documents.llamaindex_peer:LlamaIndexPipeline",
        "images/majority": "bakeoff.tasks.images.majority:Majority",
        "images/hog-linear": "bakeoff.tasks.images.hog_linear:HogLinear",
        "images/cnn": "bakeoff.tasks.images.cnn:CNN",
        "images/resnet9": "bakeoff.tasks.images.resnet9:ResNet9",
        "images/transfer": "bakeoff.tasks.images.transfer:Transfer",
        "images/endpoint": "bakeoff.tasks.images.endpoint:Endpoint",
        "control/random": "bakeoff.tasks.control.random_agent:RandomAgent",
        "control/scripted": "bakeoff.tasks.control.scripted:Scripted",
        "control/cem": "bakeoff.tasks.control.cem:CEM",
        "control/q-table": "bakeoff.tasks.control.q_table:QTable",
        "control/dqn": "bakeoff.tasks.control.sb3_agents:DQN",
        "control/a2c": "bakeoff.tasks.control.sb3_agents:A2C",
        "control/ppo": "bakeoff.tasks.control.sb3_agents:PPO",
    },
    "bakeoff.stores": {},
}


@dataclass(frozen=True)
class Entry:
    """One registered name: where it is written (`address`) and which package brought it."""

    name: str
    address: str
    package: str

    def load(self) -> Any:
        """Import and return the object.

        Raises
        ------
        MissingExtra
            If the class names packages (``requires``) that are not installed.
        BakeoffError
            If a plugin's module cannot be imported.
        """
        module, _, attribute = self.address.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            if self.package == "bakeoff":
                raise
            raise BakeoffError(
                f"Plugin {self.package!r} says {self.name!r} is at {self.address}, which cannot be imported: {error}.",
                fix=f"reinstall or remove {self.package}",
            ) from error
        requires = getattr(found, "requires", Requires())
        needs(*requires.modules, extra=requires.extra, why=f"Approach {self.name!r}")
        return found


@cache
def entries(group: str) -> Mapping[str, Entry]:
    """All entries of a group by name, built-ins first, then installed plugins. Imports none of them."""
    found = {name: Entry(name, address, "bakeoff") for name, address in BUILT_IN[group].items()}
    if os.environ.get("BAKEOFF_PLUGINS", "1") == "0":
        return found
    from importlib.metadata import entry_points

    for point in entry_points(group=group):
        package = point.dist.name if point.dist else "an unnamed package"
        known = found.get(point.name)
        if known and known.address != point.value:
            raise BakeoffError(
                f"Both {known.package!r} and {package!r} call something {point.name!r}.",
                fix="uninstall one of them, or set BAKEOFF_PLUGINS=0 to leave out every plugin",
            )
        found[point.name] = Entry(point.name, point.value, package)
    return found


def approaches(task: str) -> Mapping[str, Entry]:
    """The approaches of one task, by their name without the task."""
    prefix = task + "/"
    return {name[len(prefix) :]: entry for name, entry in entries("bakeoff.approaches").items() if name.startswith(prefix)}


def approach(task: str, name: str) -> type:
    """The class of one approach. A wrong name is answered with the right ones (BakeoffError)."""
    known = approaches(task)
    if name not in known:
        raise BakeoffError(f"No approach for {task} is called {name!r}.", fix=nearest(name, known))
    return known[name].load()


def task(name: str) -> Any:
    """One task, made. A wrong name is answered with the right ones (BakeoffError)."""
    known = entries("bakeoff.tasks")
    if name not in known:
        raise BakeoffError(f"No task is called {name!r}.", fix=nearest(name, known))
    return known[name].load()()

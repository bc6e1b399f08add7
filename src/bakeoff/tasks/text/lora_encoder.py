"""A small pretrained encoder with low-rank adapters (LoRA): most of the fine-tune for a few percent of the weights.

Hu et al. 2021 (arXiv 2106.09685): freeze the encoder, and learn for each chosen linear layer a product of two thin
matrices. It trains about as fast as a whole fine-tune on a small encoder; what it saves is memory and disk (the
adapter is about a megabyte), which counts when one server holds many such classifiers over one encoder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bakeoff.contract import Answer, Flops, Item, Progress, Requires
from bakeoff.errors import BakeoffError, RunError
from bakeoff.tasks.text import encoder_training


@dataclass
class LoraEncoder:
    """A pretrained sentence encoder with low-rank adapters trained on top (peft).

    Parameters
    ----------
    model : str
        A catalogue name (`minilm`), `hub:org/name`, or a folder with safetensors.
    rank, alpha : int
        Rank of the adapters and their scale (the product is multiplied by alpha / rank).
    layers : sequence of str
        Names of the linear layers that get an adapter, or ``all-linear``.
    epochs, batch_size, learning_rate, head_learning_rate, weight_decay, dropout, longest, patience, fewest_steps, precision
        As in `finetuned-encoder`.
    """

    model: str = "minilm"
    rank: int = 8
    alpha: int = 16
    layers: Sequence[str] | str = ("query", "value")
    epochs: int = 3
    batch_size: int = 16
    learning_rate: float = 1e-3
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    dropout: float = 0.1
    longest: int = 128
    patience: int = 1
    fewest_steps: int = 60
    precision: str = "auto"

    asset_kind: ClassVar[str] = "safetensors"
    requires: ClassVar[Requires] = Requires(
        ("torch", "transformers", "datasets", "accelerate", "peft", "safetensors"), extra="encoders"
    )

    def assets(self) -> Sequence[str]:
        """The checkpoint."""
        return [self.model]

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> LoraEncoder:
        """Train adapters and head on `train`, keep the epoch with the lowest loss on `valid`."""
        import peft
        import transformers

        from bakeoff.assets import resolve

        transformers.set_seed(seed)
        self.labels_ = sorted({str(item.target) for item in train})
        self.tokenizer_, encoder = encoder_training.load_encoder(resolve(self.model, kind="safetensors"))
        layers = self.layers if self.layers == "all-linear" else list(self.layers)
        try:
            config = peft.LoraConfig(r=self.rank, lora_alpha=self.alpha, target_modules=layers, lora_dropout=self.dropout)
            adapted = peft.get_peft_model(encoder, config)
        except ValueError as error:
            raise BakeoffError(
                f"lora-encoder cannot adapt {self.model!r}: {str(error).splitlines()[0][:200]}",
                fix="set `layers: all-linear`, or name linear layers of this encoder",
            ) from error
        self.network_ = encoder_training.classifier(adapted, len(self.labels_), self.dropout)
        recipe = encoder_training.Recipe(
            self.epochs, self.batch_size, self.learning_rate, self.head_learning_rate, self.weight_decay,
            self.dropout, self.longest, self.patience, self.fewest_steps, self.precision,
        )  # fmt: skip
        self.chosen_ = encoder_training.train(
            self.network_, self.tokenizer_, train, valid, self.labels_, recipe, seed=seed, progress=progress
        )
        return self

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """Label with class probabilities."""
        yield from encoder_training.answers(self.network_, self.tokenizer_, self.labels_, items, self.longest, 32)

    def flops(self, items: Sequence[Item]) -> Flops:
        """Operations per answer, counted on some of these items; see `bakeoff.tasks.text.flops.of_network`."""
        from bakeoff.tasks.text.flops import of_network

        texts = [str(item.input) for item in items]
        return of_network(self.network_, encoder_training.encode(self.tokenizer_, texts, self.longest) if texts else [])

    def save(self, folder: Path) -> None:
        """Write the adapter, the head, the tokenizer and ``classifier.json``, which names the encoder by its setting."""
        from safetensors.torch import save_file

        self.network_.encoder.save_pretrained(folder / "adapter", safe_serialization=True)
        head = {name: tensor.contiguous() for name, tensor in self.network_.head.state_dict().items()}
        save_file(head, folder / "head.safetensors")
        (folder / "classifier.json").write_text(json.dumps({"labels": self.labels_, "model": self.model}), encoding="utf-8")

    def restore(self, folder: Path) -> LoraEncoder:
        """Read what `save` wrote, over the encoder of the setting `model`. RunError if it was trained over another one."""
        import peft
        from safetensors.torch import load_file

        from bakeoff.assets import resolve

        about = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        if about["model"] != self.model:
            raise RunError(
                f"{folder} was trained over the encoder {about['model']!r}, not {self.model!r}.",
                fix=f"set model to {about['model']}",
            )
        self.labels_ = about["labels"]
        self.tokenizer_, encoder = encoder_training.load_encoder(resolve(self.model, kind="safetensors"))
        adapted = peft.PeftModel.from_pretrained(encoder, str(folder / "adapter"), local_files_only=True)
        self.network_ = encoder_training.classifier(adapted, len(self.labels_), self.dropout)
        self.network_.head.load_state_dict(load_file(folder / "head.safetensors"))
        self.network_.eval()
        return self

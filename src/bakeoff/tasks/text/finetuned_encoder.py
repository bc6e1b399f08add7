"""A small pretrained encoder, fine-tuned whole on your labels.

When there are some hundreds of labelled items or more, this is usually the most accurate thing that still
answers in milliseconds on one core. It costs minutes of training and about 90 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bakeoff.contract import Answer, Flops, Item, Progress, Requires
from bakeoff.tasks.text import encoder_training


@dataclass
class FinetunedEncoder:
    """A pretrained sentence encoder fine-tuned whole, with early stopping on validation.

    Parameters
    ----------
    model : str
        A catalogue name (`minilm`), `hub:org/name`, or a folder with safetensors.
    epochs, batch_size, learning_rate, head_learning_rate, weight_decay, dropout
        The recipe; the learning rates are peaks of a linear schedule with 10% warm-up.
    longest : int
        Tokens read of each text.
    patience : int
        Epochs without a better validation loss before training stops.
    fewest_steps : int
        Small training sets get more epochs, until this many steps are reached.
    precision : {'auto', 'float32', 'bfloat16'}
        Of the matrix products in training; 'auto' is bfloat16 where the hardware has it. Answers are in float32.
    train_embeddings : bool
        Also train the word embeddings (half of a small encoder's parameters).
    """

    model: str = "minilm"
    epochs: int = 4
    batch_size: int = 16
    learning_rate: float = 5e-5
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    dropout: float = 0.1
    longest: int = 128
    patience: int = 1
    fewest_steps: int = 60
    precision: str = "auto"
    train_embeddings: bool = False

    asset_kind: ClassVar[str] = "safetensors"
    requires: ClassVar[Requires] = Requires(("torch", "transformers", "datasets", "accelerate", "safetensors"), extra="encoders")

    def assets(self) -> Sequence[str]:
        """The checkpoint."""
        return [self.model]

    def fit(self, train: Sequence[Item], valid: Sequence[Item], *, seed: int, progress: Progress) -> FinetunedEncoder:
        """Train on `train`, keep the epoch with the lowest loss on `valid`."""
        import transformers

        from bakeoff.assets import resolve

        transformers.set_seed(seed)
        self.labels_ = sorted({str(item.target) for item in train})
        self.tokenizer_, encoder = encoder_training.load_encoder(resolve(self.model, kind="safetensors"))
        if not self.train_embeddings:
            encoder.get_input_embeddings().weight.requires_grad_(False)
        self.network_ = encoder_training.classifier(encoder, len(self.labels_), self.dropout)
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
        """Write safetensors, the tokenizer and ``classifier.json``."""
        from safetensors.torch import save_file

        self.network_.encoder.config.save_pretrained(folder)
        self.tokenizer_.save_pretrained(folder)
        save_file(
            {name: tensor.contiguous() for name, tensor in self.network_.state_dict().items()}, folder / "classifier.safetensors"
        )
        (folder / "classifier.json").write_text(json.dumps({"labels": self.labels_}), encoding="utf-8")

    def restore(self, folder: Path) -> FinetunedEncoder:
        """Read what `save` wrote."""
        import torch
        from safetensors.torch import load_file
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        from bakeoff.models.threads import threads

        encoder_training.quiet_transformers()
        torch.set_num_threads(threads())
        self.labels_ = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))["labels"]
        self.tokenizer_ = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        state = load_file(folder / "classifier.safetensors")
        extra = {} if any(".pooler." in name for name in state) else _without_pooler(config)
        encoder = AutoModel.from_config(config, trust_remote_code=False, **extra)
        self.network_ = encoder_training.classifier(encoder, len(self.labels_), self.dropout)
        self.network_.load_state_dict(state)
        self.network_.eval()
        return self


def _without_pooler(config: object) -> dict[str, bool]:
    return {"add_pooling_layer": False} if getattr(config, "model_type", "") in ("bert", "roberta", "xlm-roberta") else {}

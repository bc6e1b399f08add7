"""Train a transformer encoder as a classifier: what `finetuned-encoder` and `lora-encoder` share.

The network is an encoder, the mean of its token vectors, dropout and one linear layer. The mean (not the
first token) because the default checkpoint was pretrained with it. Hugging Face's Trainer runs the loop;
the best epoch by validation loss is kept in memory and training stops once it has not improved for `patience` epochs.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bakeoff.contract import Answer, Item, Progress
from bakeoff.errors import AssetError, BadData, BadStudy, BakeoffError
from bakeoff.models.threads import threads


@dataclass(frozen=True)
class Recipe:
    """How long and how hard to train.

    `learning_rate` is the peak of a linear schedule with 10% warm-up; `longest` is in tokens; `patience` in
    epochs; `fewest_steps` stretches small training sets to at least this many steps (by more epochs). `precision` is
    ``float32``, ``bfloat16`` (matrix products only, weights stay float32), or ``auto``: bfloat16 where the processor or
    GPU multiplies it natively, which is two to four times as fast.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    head_learning_rate: float
    weight_decay: float
    dropout: float
    longest: int
    patience: int
    fewest_steps: int
    precision: str = "auto"


def classifier(encoder: Any, n_labels: int, dropout: float) -> Any:
    """An encoder with a mean-pooling classification head, as a torch module that the Trainer can train."""
    import torch
    from torch import nn

    class MeanPooledClassifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder
            self.dropout = nn.Dropout(dropout)
            self.head = nn.Linear(encoder.config.hidden_size, n_labels)
            nn.init.normal_(self.head.weight, std=0.02)
            nn.init.zeros_(self.head.bias)

        def forward(self, input_ids: Any, attention_mask: Any, labels: Any = None) -> dict[str, Any]:
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state  # (batch, tokens, width)
            mask = attention_mask.unsqueeze(-1).to(states.dtype)  # (batch, tokens, 1)
            pooled = (states * mask).sum(1) / mask.sum(1).clamp(min=1)  # (batch, width)
            logits = self.head(self.dropout(pooled))  # (batch, labels)
            if labels is None:
                return {"logits": logits}
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    return MeanPooledClassifier()


def load_encoder(folder: Path) -> tuple[Any, Any]:
    """Tokenizer and encoder of a checkpoint folder (safetensors only, no code from the checkpoint).

    Raises
    ------
    AssetError
        If the folder is no checkpoint that the library can load as an encoder.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    quiet_transformers()
    torch.set_num_threads(threads())
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
        # BERT's pooler is not part of this network: leaving it out saves its memory and its gradients.
        extra = {"add_pooling_layer": False} if kind in ("bert", "roberta", "xlm-roberta") else {}
        encoder = AutoModel.from_pretrained(folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, **extra)
    except Exception as error:  # the library raises a dozen kinds for a missing or foreign file
        says = str(error).strip().splitlines() or [type(error).__name__]
        raise AssetError(
            f"{folder} cannot be loaded as an encoder: {says[0][:200]}",
            fix="name a folder or hub:org/name with config.json, a tokenizer and model.safetensors",
        ) from error
    return tokenizer, encoder


def in_bfloat16(precision: str) -> bool:
    """Whether to multiply in bfloat16.

    Raises
    ------
    BadStudy
        If `precision` is none of auto, float32, bfloat16.
    """
    import torch

    if precision not in ("auto", "float32", "bfloat16"):
        raise BadStudy(f"precision is {precision!r}.", fix="use auto, float32 or bfloat16")
    if precision != "auto":
        return precision == "bfloat16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    # Without the instructions it would be emulated, and slower than float32.
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(native and native())


def quiet_transformers() -> None:
    """The library never prints."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def encode(tokenizer: Any, texts: Sequence[str], longest: int) -> list[list[int]]:
    """Token ids of each text, at most `longest` of them. Cut by characters first, so that a 1 MB cell costs little."""
    cut = [text[: longest * 16] for text in texts]
    ids: list[list[int]] = tokenizer(cut, truncation=True, max_length=longest, padding=False)["input_ids"]
    return ids


def train(
    model: Any,
    tokenizer: Any,
    train_items: Sequence[Item],
    valid_items: Sequence[Item],
    labels: Sequence[str],
    recipe: Recipe,
    *,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Train `model` in place and leave it at its best epoch. Returns what was chosen and the loss curve.

    Raises
    ------
    BadData
        If the training items hold fewer than two classes.
    BakeoffError
        If training diverged: no epoch had a validation loss that is a number.
    """
    import tempfile

    import datasets
    import torch
    import transformers

    if len(labels) < 2:
        raise BadData(
            "An encoder needs at least two classes in the training items.", fix="give more items, or items of another class"
        )
    # Imported for training alone: it would add some 90 MB to a model that only answers.
    datasets.utils.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    codes = {label: index for index, label in enumerate(labels)}

    def table(items: Sequence[Item]) -> Any:
        ids = encode(tokenizer, [str(item.input) for item in items], recipe.longest)
        return datasets.Dataset.from_dict(
            {"input_ids": ids, "length": [len(row) for row in ids], "labels": [codes[item.target] for item in items]}
        )

    usable = [item for item in valid_items if item.target in codes]
    steps_an_epoch = math.ceil(len(train_items) / recipe.batch_size)
    epochs = max(recipe.epochs, math.ceil(recipe.fewest_steps / steps_an_epoch))
    steps = epochs * steps_an_epoch
    started = time.perf_counter()
    best: dict[str, Any] = {"loss": math.inf, "epoch": 0, "state": None}
    curve: list[dict[str, float]] = []
    trainable = {name for name, parameter in model.named_parameters() if parameter.requires_grad}

    class KeepBest(transformers.TrainerCallback):
        """Keep the best weights in memory: checkpoints on disk would cost more than the epoch on a small model."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            progress(min(state.global_step / steps, 1.0), f"epoch {state.epoch or 0:.1f} of {epochs}")

        def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
            loss = metrics["eval_loss"]
            curve.append({"epoch": round(float(state.epoch or 0), 3), "valid_loss": float(loss)})
            if loss < best["loss"]:
                kept = {name: tensor.detach().clone() for name, tensor in model.state_dict().items() if name in trainable}
                best.update(loss=loss, epoch=len(curve), state=kept)
            elif len(curve) - best["epoch"] >= recipe.patience:
                control.should_training_stop = True

    head = [p for n, p in model.named_parameters() if p.requires_grad and n.startswith("head.")]
    body = [p for n, p in model.named_parameters() if p.requires_grad and not n.startswith("head.")]
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": recipe.learning_rate}, {"params": head, "lr": recipe.head_learning_rate}],
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, int(0.1 * steps), steps)
    with tempfile.TemporaryDirectory(prefix="bakeoff-trainer-") as scratch:
        arguments = transformers.TrainingArguments(
            output_dir=scratch,
            num_train_epochs=epochs,
            per_device_train_batch_size=recipe.batch_size,
            per_device_eval_batch_size=64,
            eval_strategy="epoch" if usable else "no",
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            seed=seed,
            data_seed=seed,
            train_sampling_strategy="group_by_length",
            length_column_name="length",
            disable_tqdm=True,
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            label_names=["labels"],
            use_cpu=not torch.cuda.is_available(),
            bf16=in_bfloat16(recipe.precision),
        )
        trainer = transformers.Trainer(
            model=model,
            args=arguments,
            train_dataset=table(train_items),
            eval_dataset=table(usable) if usable else None,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
            optimizers=(optimizer, schedule),
            callbacks=[KeepBest()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        # The Trainer leaves its bfloat16 wrapper on the model: answers would then differ from the restored model's.
        trainer.accelerator.unwrap_model(model, keep_fp32_wrapper=False)
    if best["state"] is not None:
        model.load_state_dict(best["state"], strict=False)
    elif curve:
        raise BakeoffError(
            f"Training diverged: the validation loss is {curve[-1]['valid_loss']} at learning rate {recipe.learning_rate:g}.",
            fix="set a smaller `learning_rate`, e.g. 5e-5",
        )
    model.eval()
    return {
        "epochs_run": len(curve) or epochs,
        "best_epoch": best["epoch"] or epochs,
        "valid_loss": None if math.isinf(best["loss"]) else float(best["loss"]),
        "curve": curve,
        "trained_parameters": sum(p.numel() for p in body + head),
        "search_seconds": time.perf_counter() - started,
    }


def answers(
    model: Any, tokenizer: Any, labels: Sequence[str], items: Iterable[Item], longest: int, batch_size: int
) -> Iterator[Answer]:
    """Label every item with class probabilities: sorted by length into batches, yielded in the items' order."""
    import torch

    waiting = list(items)
    if not waiting:
        return
    model.eval()
    single = len(waiting) == 1
    started = time.perf_counter()
    ids = encode(tokenizer, [str(item.input) for item in waiting], longest)
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    rows: list[list[float]] = [[] for _ in ids]
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            # Trained on a GPU the network is still there; restored it is wherever torch puts things.
            padded = tokenizer.pad({"input_ids": [ids[i] for i in chosen]}, return_tensors="pt").to(
                next(model.parameters()).device
            )
            logits = model(input_ids=padded["input_ids"], attention_mask=padded["attention_mask"])["logits"]
            for index, row in zip(chosen, torch.softmax(logits.double(), -1).tolist(), strict=True):
                rows[index] = row
    seconds = time.perf_counter() - started if single else None
    for index, row in enumerate(rows):
        yield Answer(
            value=labels[max(range(len(row)), key=row.__getitem__)],
            probabilities=dict(zip(labels, row, strict=True)),
            seconds=seconds,
            tokens_in=len(ids[index]),
        )

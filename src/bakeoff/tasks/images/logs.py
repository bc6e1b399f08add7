"""What a training writes while it runs: one line of CSV and one point of TensorBoard for every epoch."""

from __future__ import annotations

import csv
import functools
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

METRICS, EVENTS = "metrics.csv", "tensorboard"


def epoch_log(folder: Path, rows: Sequence[Mapping[str, float]] = ()) -> Any:
    """A Lightning logger of whole epochs, that goes on where an interrupted training stopped.

    Lightning's own CSV logger begins anew in a folder that has one, and with both loggers a resumed training would show the epochs after
    its last checkpoint twice.

    Parameters
    ----------
    folder : Path
        Made where it is missing. Gets ``metrics.csv`` (whole at any moment) and ``tensorboard/events...``.
    rows : sequence of mapping of str to float
        The epochs that are already done; whatever the folder says beyond them is dropped.

    Returns
    -------
    pytorch_lightning.loggers.Logger
        ``log_metrics(row, step)`` takes one epoch; ``finalize`` closes the files.
    """
    return _logger()(folder, rows)


def write_rows(file: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write rows of the same keys as CSV, replacing the file in one step."""
    held = io.StringIO()
    if rows:
        table = csv.DictWriter(held, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(held.getvalue(), encoding="utf-8")
    draft.replace(file)


@functools.cache
def _logger() -> type:
    """The class, made on first use: it inherits from Lightning, which this module does not import by itself."""
    from pytorch_lightning.loggers import Logger

    class EpochLog(Logger):
        name = "bakeoff"
        version = 0

        def __init__(self, folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
            super().__init__()
            from tensorboardX import SummaryWriter

            folder.mkdir(parents=True, exist_ok=True)
            self.file, self.rows = folder / METRICS, [dict(row) for row in rows]
            write_rows(self.file, self.rows)
            self.events = SummaryWriter(logdir=str(folder / EVENTS), purge_step=len(self.rows) + 1 if self.rows else None)

        def log_hyperparams(self, *_: Any, **__: Any) -> None:
            """The study's own record holds the settings."""

        def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
            self.rows.append(dict(metrics))
            write_rows(self.file, self.rows)
            for name, value in metrics.items():
                if name != "epoch":
                    self.events.add_scalar(name, value, step)

        def finalize(self, status: str) -> None:
            self.events.close()

    return EpochLog

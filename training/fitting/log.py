"""What a training says of itself: a progress bar, lines about validation, TensorBoard's events."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from training.fitting.job import LevelJob
from training.fitting.state import Progress
from training.progress import ProgressBar


class TrainingLog:
    """The log of one level, open inside of a `with` block."""

    def __init__(self, job: LevelJob) -> None:
        self._events = SummaryWriter(str(job.folder.path))
        self._bar = ProgressBar(f"context level {job.context_level}")
        self._open = ExitStack()

    def step(self, progress: Progress, fraction: float, loss: float, rate: float, seconds: float) -> None:
        """Tell of the step that was taken last."""
        for name, value in (("loss", loss), ("learning_rate", rate), ("seconds_per_step", seconds)):
            self._events.add_scalar(f"train/{name}", value, progress.step)
        self._bar.show(fraction, f"step {progress.step}, loss {loss:.3f}")

    def validation(self, progress: Progress, spacing_mm: float, scores: Sequence[float]) -> None:
        """Tell of the DSC of the validation cases."""
        mean = float(np.mean(scores))
        self._events.add_scalar(f"validation/dsc_{spacing_mm}mm", mean, progress.step)
        where = f"step {progress.step}, {progress.spent_s / 60:.1f} min, {spacing_mm} mm"
        print(f"{where}: validation DSC {mean:.4f} (min {min(scores):.3f}, {len(scores)} cases)", flush=True)

    def __enter__(self) -> Self:
        self._open.enter_context(self._bar)
        self._open.callback(self._events.close)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

"""Shards that tests hand to the sweep; in a module of their own, so that workers can import them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np


class MadeRows(NamedTuple):
    """Synthetic customers made where they are needed: eight planted segments, the same ones in every shard."""

    number: int
    rows: int
    columns: int = 30

    def points(self) -> np.ndarray:
        """The rows."""
        centres = np.random.default_rng(0).normal(scale=1.5, size=(8, self.columns)).astype(np.float32)
        rng = np.random.default_rng([1, self.number])
        points = rng.standard_normal((self.rows, self.columns), dtype=np.float32)
        points += centres[rng.choice(8, self.rows, p=[0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.05])]
        return points

    def weights(self) -> None:
        """Each stands for one customer."""


class DeadlyRows(NamedTuple):
    """Rows that end the process that reads them, the first time a signal file lies there and not yet again."""

    made: MadeRows
    folder: str

    def points(self) -> np.ndarray:
        """The rows, once the process has died."""
        mark = Path(self.folder) / "died"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.made.points()

    def weights(self) -> None:
        """Each stands for one customer."""


class SlowRows(NamedTuple):
    """Rows that leave time to end a node; each reading leaves a mark."""

    made: MadeRows
    folder: str

    def points(self) -> np.ndarray:
        """The rows."""
        (Path(self.folder) / f"{self.made.number}-{time.monotonic_ns()}").touch()
        return self.made.points()

    def weights(self) -> None:
        """Each stands for one customer."""

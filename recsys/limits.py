"""The limits of a plan: budget, capacity, expected loss, contacts and reach are all of one kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Limit:
    """One limit of a plan: the weights of all offers made add up to at most (or at least) `total`.

    `weight` broadcasts to (customers, products): use shape (n, 1), (1, m), (n, m) or (1, 1). `where` (n,) narrows the
    limit to some customers.
    """

    name: str
    sense: Literal["<=", ">="]
    total: float
    weight: np.ndarray
    where: np.ndarray | None = None


def broadcast_weights(limit: Limit) -> np.ndarray:
    """Weights that broadcast to (n, m), zero outside `where`."""
    return limit.weight if limit.where is None else limit.weight * limit.where[:, None]

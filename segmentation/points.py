"""Encoded customers as a table of numbers, checked once at the door, and what they weigh."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenefit.contracts.errors import ContractError

BLOCK = 65_536
# squared distances of larger values would leave float32
LARGEST = 1e15


def checked_points(X: Any) -> np.ndarray:
    """Encoded customers as float32 rows; the caller's own array where it is one already.

    Raises
    ------
    ContractError : not numbers, not two-dimensional, empty, or with missing, infinite or huge values.
    """
    try:
        with np.errstate(over="ignore"):  # too large for float32 becomes infinite and is refused below
            points = np.ascontiguousarray(X, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ContractError(
            f"not a table of numbers: {error}; encode the customers with CustomerEncoder first"
        ) from error
    if points.ndim != 2 or not points.size:
        raise ContractError(f"points of shape {points.shape} given; one row per customer and one column each needed")
    wild = [~(np.abs(points[start : start + BLOCK]) <= LARGEST) for start in range(0, len(points), BLOCK)]
    count = sum(int(block.sum()) for block in wild)
    if count:
        at = next(i for i, block in enumerate(wild) if block.any())
        row, column = np.argwhere(wild[at])[0]
        raise ContractError(
            f"{count:,} values are missing or infinite (first: row {at * BLOCK + row}, column {column}), or beyond "
            f"{LARGEST:g}; encode the customers with CustomerEncoder first"
        )
    return points


def checked_weights(sample_weight: Any, rows: int) -> np.ndarray | None:
    """How many customers each row stands for; None when each stands for one.

    Raises
    ------
    ContractError : not one number per row, or zero, negative, missing or infinite.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.ascontiguousarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ContractError(f"sample_weight holds no numbers: {error}; give one positive number per row") from error
    if weights.shape != (rows,):
        raise ContractError(
            f"sample_weight of shape {weights.shape} given for {rows:,} rows; give one positive number per row"
        )
    wrong = ~(np.isfinite(weights) & (weights > 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ContractError(
            f"{int(wrong.sum()):,} sample weights are zero, negative, missing or infinite (first: row {row}, "
            f"{weights[row]}); drop those rows or give them a positive weight"
        )
    return weights

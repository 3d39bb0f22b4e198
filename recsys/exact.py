"""Matrix products that give the same bytes on any number of threads."""

from __future__ import annotations

import numpy as np


def product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """`left @ right` on one BLAS thread: with more, the last bit of a sum depends on how it was split."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        result: np.ndarray = left @ right
    return result

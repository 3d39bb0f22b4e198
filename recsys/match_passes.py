"""The passes over all customers, ranges of them side by side; equal bytes on any number of threads.

Ranges depend on the number of customers alone and their sums are added in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from recsys.match_layout import Laid, Layout
from recsys.match_newton import Slope

RANGE = 2_000  # customers; fewer are not worth a thread
RANGES = 32


def slope(
    layout: Layout, room: np.ndarray, prices: np.ndarray, tau: float, curved: bool, most: int, group: np.ndarray
) -> Slope:
    """The smoothed dual of some customers at some prices; `room` is their share of the totals."""
    from recsys.match_kernels import smooth_pass
    from recsys.match_kernels_several import smooth_pass_of_several

    paid, laid = layout.prices(prices), layout.laid
    heat: Any = np.float32(tau)
    if most == 1:
        parts = _ranges(laid, lambda first, last: smooth_pass(first, last, laid, paid, heat, curved))
    else:
        parts = _ranges(
            laid, lambda first, last: smooth_pass_of_several(first, last, laid, paid, heat, curved, most, group)
        )
    worth, use, half = (sum(part[which] for part in parts) for which in range(3))
    transform = layout.transform
    hessian = np.zeros((len(prices), len(prices)))
    if curved:
        hessian = transform @ symmetric(half, layout.counts.shape[1]) @ transform.T / tau
    at = float(prices @ room)
    return Slope(at + float(worth[0]), room - transform @ use, hessian, at + float(worth[1]))


def choices(layout: Layout, prices: np.ndarray, most: int, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Everybody's best offers at the prices (n, most), −1 for none, and the margin by which they are the best."""
    from recsys.match_kernels import choice_pass

    paid, laid = layout.prices(prices), layout.laid
    picked = np.empty((len(laid.values), most), np.int32)
    margin = np.empty(len(laid.values), np.float32)
    _ranges(laid, lambda first, last: choice_pass(first, last, laid, paid, most, group, picked, margin))
    return picked, margin


def near(
    layout: Layout, rows: np.ndarray, prices: np.ndarray, most: int, group: np.ndarray, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each of `rows`, the offers within `width` of those chosen: (numbers of rows, offers)."""
    from recsys.match_kernels import near_offers

    wide: Any = np.float32(width)
    found: tuple[np.ndarray, np.ndarray] = near_offers(rows, layout.laid, layout.prices(prices), most, group, wide)
    return found


def symmetric(half: np.ndarray, offers: int) -> np.ndarray:
    """The whole matrix: the pass writes offers × offers in full, offers × limits above and limits × limits below."""
    whole = half.copy()
    whole[offers:, :offers] = half[:offers, offers:].T
    low = np.tril(half[offers:, offers:])
    whole[offers:, offers:] = low + np.tril(low, -1).T
    return whole


def _ranges(laid: Laid, work: Callable[[int, int], Any]) -> list[Any]:
    """`work` on every range, in order of the ranges."""
    import numba

    n = len(laid.values)
    count = int(np.clip(n // RANGE, 1, RANGES))
    edges = [(part * n // count, (part + 1) * n // count) for part in range(count)]
    threads = min(numba.get_num_threads(), count)
    if threads == 1:
        return [work(*edge) for edge in edges]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads, "match") as pool:
        return list(pool.map(lambda edge: work(*edge), edges))

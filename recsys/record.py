"""What a customer made of earlier offers: how many came, how many were taken, of which kind, how long ago."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PRIOR = 0.5  # offers at the common rate that a customer's own rate leans on


class Offers(NamedTuple):
    """Offers made, one row each: whose, campaign and its kind by code, from and to when (µs), when taken (µs or inf).

    Shapes (n,). `kind` counts from 0.
    """

    who: np.ndarray
    kind: np.ndarray
    starts: np.ndarray
    closes: np.ndarray
    took: np.ndarray


def own_record(offers: Offers, rows: np.ndarray, kinds: int) -> np.ndarray:
    """Facts of each of `rows` from offers that began before it, and from takes before it began.

    Returns
    -------
    Shape (rows, 5 + 2 · kinds): offers had, taken, share taken (leaning on everybody's), days since the last take
    (NaN without one), offers still open; then offers had and taken by kind.
    """
    facts = np.zeros((len(rows), 5 + 2 * kinds))
    starts = offers.starts[rows]
    for start in np.unique(starts):
        asked = np.flatnonzero(starts == start)
        facts[asked] = _as_of(offers, float(start), offers.who[rows[asked]], kinds)
    return facts


def _as_of(offers: Offers, start: float, who: np.ndarray, kinds: int) -> np.ndarray:
    customers = int(max(offers.who.max(), who.max())) + 1
    had = offers.starts < start
    took = had & (offers.took < start)

    def count(some: np.ndarray) -> np.ndarray:
        counts: np.ndarray = np.bincount(offers.who[some], minlength=customers)[who].astype(float)
        return counts

    common = took.sum() / max(1, had.sum())
    latest = np.full(customers, -np.inf)
    np.maximum.at(latest, offers.who[took], offers.took[took])
    since = (start - latest[who]) / 86_400_000_000
    n, taken = count(had), count(took)
    by_kind = [count(some & (offers.kind == kind)) for kind in range(kinds) for some in (had, took)]
    return np.column_stack([
        n, taken, (taken + PRIOR * common) / (n + PRIOR), np.where(np.isfinite(since), since, np.nan),
        count(had & (offers.closes > start)), *by_kind,
    ])  # fmt: skip

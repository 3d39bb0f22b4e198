"""Who did what how often: sparse customer × item matrices with an as-of cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from scenefit.contracts.errors import ContractError


class Interactions:
    """Behaviour as integer codes, sorted by time, so that any as-of matrix is a slice.

    `customers` and `items` are the ids behind the codes, `at` is in microseconds since 1970.

    Raises
    ------
    ContractError : an event lies at or after `until`.
    """

    def __init__(
        self,
        customers: Sequence[str],
        items: Sequence[str],
        who: np.ndarray,
        what: np.ndarray,
        at: np.ndarray,
        until: pd.Timestamp,
    ) -> None:
        late = at >= microseconds(until)
        if late.any():
            raise ContractError(
                f"interactions: {int(late.sum()):,} events at or after {until.isoformat()}; "
                "the future must not be learned from, cut the events first"
            )
        order = np.argsort(at, kind="stable")
        self.customers = np.asarray(customers, dtype=object)
        self.items = np.asarray(items, dtype=object)
        self.who = np.ascontiguousarray(who[order], dtype=np.int32)
        self.what = np.ascontiguousarray(what[order], dtype=np.int32)
        self.at = np.ascontiguousarray(at[order], dtype=np.int64)

    def matrix(
        self, before: pd.Timestamp, since: pd.Timestamp | None = None, rows: np.ndarray | None = None
    ) -> sparse.csr_matrix:
        """Counts of behaviour with since <= at < before, shape (rows or all customers, items), float32."""
        start = 0 if since is None else np.searchsorted(self.at, microseconds(since), "left")
        stop = np.searchsorted(self.at, microseconds(before), "left")
        who, what = self.who[start:stop], self.what[start:stop]
        if rows is not None:
            wanted = np.zeros(len(self.customers), dtype=bool)
            wanted[rows] = True
            inside = wanted[who]
            who, what = who[inside], what[inside]
        shape = (len(self.customers), len(self.items))
        counts = sparse.csr_matrix((np.ones(len(who), np.float32), (who, what)), shape=shape)
        counts.sum_duplicates()
        return counts if rows is None else counts[rows]


@dataclass(frozen=True)
class Takes:
    """Offers taken (and accounts held), sorted by time: who, which product, when (µs), and whether by a draw."""

    who: np.ndarray
    product: np.ndarray
    at: np.ndarray
    drawn: np.ndarray

    def __post_init__(self) -> None:
        if (np.diff(self.at) < 0).any():
            raise ContractError("takes: not sorted by time; sort them by `at`, so that any moment is a cut")

    def held(self, before: pd.Timestamp, rows: np.ndarray, customers: int, products: int) -> np.ndarray:
        """Takes and holdings before a moment, shape (rows, products), float32."""
        stop = np.searchsorted(self.at, microseconds(before), "left")
        shape = (customers, products)
        counts = sparse.csr_matrix((np.ones(stop, np.float32), (self.who[:stop], self.product[:stop])), shape=shape)
        return counts[rows].toarray()

    def between(self, start: pd.Timestamp, end: pd.Timestamp) -> tuple[np.ndarray, np.ndarray]:
        """Distinct (customer, product) drawn with start <= at < end."""
        inside = self.drawn & (self.at >= microseconds(start)) & (self.at < microseconds(end))
        pairs = np.unique(np.stack([self.who[inside], self.product[inside]]), axis=1)
        return pairs[0], pairs[1]


def microseconds(moment: pd.Timestamp) -> int:
    """Microseconds since 1970 of a moment."""
    return int(moment.value // 1000)

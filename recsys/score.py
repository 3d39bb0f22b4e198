"""Scoring from tastes: the best offers of everybody, tile by tile, streamed to a file where they do not fit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from recsys.ranking import Ranking, check_bits, joined, pick
from scenefit.contracts.errors import ContractError

if TYPE_CHECKING:
    import pyarrow as pa

# scores of a tile: they stay in the second-level cache until the best are picked
TILE = 320_000
# a product of fewer rows spends its time on laying out the other side
ROWS = 256
# customers handed to a thread at once
SHARE = 16_384
# customers ranked before they are written: a row group of the file
CHUNK = 131_072


class TableWriter(Protocol):
    """What a Parquet writer can do."""

    def write_table(self, table: Any) -> None: ...


def top_offers(
    customers: np.ndarray, items: np.ndarray, n: int, eligible: np.ndarray | None = None, threads: int = 1
) -> Ranking:
    """The best n offers per customer by the product of taste vectors; ties go to the lower id.

    Parameters
    ----------
    customers, items : shape (customers, factors), (offers, factors); scored in float32
    eligible : bits (customers, words) as `recsys.ranking.pack` makes them; None: everything
    threads : changes the time and nothing else; one inside a task that itself runs beside others

    Raises
    ------
    ContractError : n is not positive, a score is NaN, or shapes do not fit.

    Notes
    -----
    Rows with fewer than n eligible offers stay short; nothing ineligible ever appears.

    >>> top_offers(np.eye(2), np.array([[1.0, 0.0], [2.0, 1.0]]), 1).ids.tolist()
    [1, 1]
    """
    from threadpoolctl import threadpool_limits

    _check(customers, items, n, eligible)
    wide = min(n, len(items))
    ids, best = np.empty((len(customers), wide), np.int32), np.empty((len(customers), wide), np.float32)
    counts = np.empty(len(customers), np.int64)
    columns = np.ascontiguousarray(items.T, dtype=np.float32)

    def fill(first: int) -> None:
        tile = max(ROWS, TILE // max(1, len(items)))
        scores = np.empty((min(tile, SHARE), len(items)), np.float32)
        for start in range(first, min(first + SHARE, len(customers)), tile):
            rows = slice(start, min(start + tile, first + SHARE, len(customers)))
            part = scores[: rows.stop - rows.start]
            np.matmul(customers[rows].astype(np.float32, copy=False), columns, out=part)
            bits = None if eligible is None else eligible[rows]
            counts[rows] = pick(part, bits, ids[rows], best[rows], start)

    # one BLAS thread each: a product's last bit would depend on how it was split
    with threadpool_limits(1, "blas"):
        _run(fill, range(0, len(customers), SHARE), threads)
    return joined(counts, ids, best)


def rankings(
    customers: np.ndarray,
    items: np.ndarray,
    n: int,
    eligible: np.ndarray | None = None,
    threads: int = 1,
    chunk: int = CHUNK,
) -> Iterator[Ranking]:
    """`top_offers` of some customers after the other: what is held never grows with their number."""
    _check(customers, items, n, eligible)
    for start in range(0, len(customers), chunk):
        rows = slice(start, start + chunk)
        yield top_offers(customers[rows], items, n, None if eligible is None else eligible[rows], threads)


def stream(
    ranked: Iterable[Ranking],
    writer: TableWriter,
    customer_ids: Sequence[Any] | np.ndarray | None = None,
    offer_ids: Sequence[Any] | np.ndarray | None = None,
) -> int:
    """Write rankings of one part of the customers after the other; how many rows were written.

    Parameters
    ----------
    ranked : as `rankings` gives them, or `top_n` of any model's scores, in the order of the customers
    writer : a `pyarrow.parquet.ParquetWriter` with `schema(customer_ids, offer_ids)`
    customer_ids, offer_ids : ids behind the positions; None: the positions themselves

    Raises
    ------
    ContractError : there are more customers than ids.
    """
    first = rows = 0
    for ranking in ranked:
        table = offers_table(ranking, first, customer_ids, offer_ids)
        writer.write_table(table)
        first += len(ranking.indptr) - 1
        rows += table.num_rows
    return rows


def offers_table(
    ranking: Ranking,
    first: int = 0,
    customer_ids: Sequence[Any] | np.ndarray | None = None,
    offer_ids: Sequence[Any] | np.ndarray | None = None,
) -> pa.Table:
    """A ranking as a table: one row per customer and offer, rank from 1, score; `first` is the first customer.

    Raises
    ------
    ContractError : there are more customers than ids.
    """
    import pyarrow as pa

    counts = np.diff(ranking.indptr)
    if customer_ids is not None and first + len(counts) > len(customer_ids):
        raise ContractError(
            f"offers: customer {first + len(counts) - 1:,} is ranked, but there are {len(customer_ids):,} ids; "
            "give one each"
        )
    who = first + np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(ranking.ids)) - np.repeat(ranking.indptr[:-1], counts) + 1
    columns = [
        pa.array(who)
        if customer_ids is None
        else pa.array(customer_ids[first : first + len(counts)]).take(pa.array(who - first)),
        pa.array(ranking.ids) if offer_ids is None else pa.array(offer_ids).take(pa.array(ranking.ids)),
        pa.array(rank.astype(np.int32)),
        pa.array(ranking.scores.astype(np.float32, copy=False)),
    ]
    return pa.table(columns, schema=schema(customer_ids, offer_ids))


def schema(
    customer_ids: Sequence[Any] | np.ndarray | None = None, offer_ids: Sequence[Any] | np.ndarray | None = None
) -> pa.Schema:
    """Columns of `offers_table`: customer_id, offer_id, rank, score."""
    import pyarrow as pa

    who = pa.int64() if customer_ids is None else pa.array(customer_ids[:1]).type
    what = pa.int32() if offer_ids is None else pa.array(offer_ids[:1]).type
    return pa.schema([
        pa.field("customer_id", who, nullable=False),
        pa.field("offer_id", what, nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
    ])  # fmt: skip


def _run(fill: Any, starts: range, threads: int) -> None:
    if threads == 1 or len(starts) < 2:
        for first in starts:
            fill(first)
        return
    from concurrent.futures import ThreadPoolExecutor

    # products and loops let go of the interpreter; every place of the output is written by one thread
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, starts))


def _check(customers: np.ndarray, items: np.ndarray, n: int, eligible: np.ndarray | None) -> None:
    if customers.ndim != 2 or items.ndim != 2 or customers.shape[1] != items.shape[1]:
        raise ContractError(
            f"top_offers: customers {customers.shape} and items {items.shape}; give a vector each, of equal length"
        )
    if n < 1:
        raise ContractError(f"top_offers: n is {n}; ask for at least one offer per customer")
    if eligible is not None:
        check_bits(eligible, len(customers), len(items))

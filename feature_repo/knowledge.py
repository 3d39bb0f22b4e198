"""What a snapshot could have known: one digest per moment over the raw rows that existed for it.

Every row is a fact that becomes known at a moment of its own. The digest of a snapshot covers the facts known before
it, so that data appended later leaves it as it was, and a change of any earlier fact does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from feature_repo.definition import digest

HOUR = 3_600_000_000
DAY = 24 * HOUR


class Fact(NamedTuple):
    """Columns of a raw table that become known together.

    `moment` is the SQL of that moment in microseconds; None where the table does not tell, and every snapshot is taken
    to know the row. `where` leaves out rows that hold no such fact.
    """

    table: str
    columns: tuple[str, ...]
    moment: str | None
    where: str = "true"


# columns that no feature reads are left out; a test holds this list against the views
FACTS = (
    Fact("events", (
        "customer_id", "at", "ingested_at", "kind", "scene_id", "merchant_id", "product_id", "campaign_id", "channel",
        "amount", "cost", "device_id", "session_id", "ip_city",
    ), "epoch_us(ingested_at)"),
    Fact("customers", (
        "customer_id", "kind", "birth_year", "region", "city", "city_tier", "occupation", "income_band",
        "household_size", "home_owner", "registered_at",
    ), "epoch_us(registered_at)"),
    Fact("accounts", ("account_id", "customer_id", "product_id", "opened_at"), "epoch_us(opened_at)"),
    Fact("accounts", ("account_id", "closed_at"), "epoch_us(greatest(opened_at, closed_at))", "closed_at IS NOT NULL"),
    Fact("applications", ("customer_id", "at"), 'epoch_us("at")'),
    # a due counts once its day of grace is over; when it was paid is known from then on, or when it is paid
    Fact("repayments", ("account_id", "customer_id", "due_at", "due"), f"epoch_us(due_at) + {DAY}"),
    Fact("repayments", ("account_id", "due_at", "paid_at"),
         f"greatest(epoch_us(due_at) + {DAY}, epoch_us(paid_at))", "paid_at IS NOT NULL"),
    Fact("bureau", ("customer_id", "at", "score", "inquiries_90d", "total_debt"), 'epoch_us("at")'),
    Fact("products", ("product_id", "version", "kind", "valid_from"), "epoch_us(valid_from)"),
    Fact("campaigns", ("campaign_id", "starts_at"), "epoch_us(starts_at)"),
    Fact("scenes", ("scene_id", "parent_id"), None),
    Fact("merchants", ("merchant_id", "scene_id"), None),
)  # fmt: skip


def known_digests(connection: duckdb.DuckDBPyConnection, instants: Sequence[pd.Timestamp]) -> dict[pd.Timestamp, str]:
    """One digest per instant over the facts known before it; the order of rows and the number of threads do not count.

    Each raw table is read once, whatever the number of instants. Digests are comparable under one version of DuckDB.

    Parameters
    ----------
    connection : with a relation per raw table

    >>> from scenefit.runtime.store import connect
    >>> known_digests(connect(), [])
    {}
    """
    ordered = sorted(set(instants))
    if not ordered:
        return {}
    edges = np.array([instant.value // 1000 for instant in ordered], dtype=np.int64)
    texts = [[] for _ in ordered]  # type: list[list[str]]
    for fact in FACTS:
        sums, counts = _known(connection, fact, edges)
        for text, total, count in zip(texts, sums, counts, strict=True):
            text.append(f"{fact.table} {fact.columns} {total} {count}")
    return {instant: digest(*text) for instant, text in zip(ordered, texts, strict=True)}


def _known(connection: duckdb.DuckDBPyConnection, fact: Fact, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of hashes (modulo 2**64) and number of the facts known before each edge."""
    found = _by_hour(connection, fact, edges)
    place = np.searchsorted(edges, found["known"].to_numpy(), side="right")
    sums, counts = np.zeros(len(edges) + 1, np.uint64), np.zeros(len(edges) + 1, np.int64)
    np.add.at(sums, place, found["total"].to_numpy())
    np.add.at(counts, place, found["number"].to_numpy())
    return np.cumsum(sums)[:-1], np.cumsum(counts)[:-1]


def _by_hour(connection: duckdb.DuckDBPyConnection, fact: Fact, edges: np.ndarray) -> pa.Table:
    """Hashes summed by hour of becoming known; by the very moment in hours that hold an edge.

    So the result is small whatever the number of rows, and no edge falls inside a sum.
    """
    columns = ", ".join(f'"{column}"' for column in fact.columns)
    moment = fact.moment or "0"
    hours = pa.table({"hour": np.unique(edges[edges % HOUR != 0] // HOUR)})
    connection.register("split_hours", hours)
    try:
        return connection.sql(
            f"""
            SELECT known, (sum(fact) % 18446744073709551616::HUGEINT)::UBIGINT AS total, count(*) AS number
            FROM (
                SELECT hash(ROW({columns})) AS fact,
                    CASE WHEN moment // {HOUR} IN (SELECT hour FROM split_hours) THEN moment
                        ELSE moment // {HOUR} * {HOUR} END AS known
                FROM (SELECT *, {moment} AS moment FROM {fact.table} WHERE {fact.where})
            )
            GROUP BY known
            """
        ).to_arrow_table()
    finally:
        connection.unregister("split_hours")

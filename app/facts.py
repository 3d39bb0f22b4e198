"""What the flow reads from the raw tables, as arrays of integer codes: one DuckDB query each, cut at an as-of.

Codes are positions in sorted id lists, so equal data gives equal arrays whatever the order of files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from recsys.interactions import Interactions, Takes
from scenefit.contracts.errors import NotEligible
from scenefit.contracts.schema import frame_of


@dataclass(frozen=True)
class Catalogue:
    """The people and the live products of a run; codes elsewhere are positions in these."""

    customers: np.ndarray
    products: pd.DataFrame


def read_catalogue(connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp) -> Catalogue:
    """People known and products live at `as_of`.

    Raises
    ------
    NotEligible : nobody is known yet, or no product is live.
    """
    customers = _arrays(
        connection, "SELECT customer_id FROM customers WHERE registered_at < ? ORDER BY customer_id", [as_of]
    )["customer_id"]
    if not len(customers):
        raise NotEligible(f"customers: nobody is registered before {as_of.isoformat()}; choose a later as_of")
    products = frame_of(
        connection.sql(
            "SELECT * FROM products WHERE state = 'live' AND valid_from <= $t AND coalesce(valid_to > $t, true) "
            "QUALIFY row_number() OVER (PARTITION BY product_id ORDER BY version DESC) = 1 ORDER BY product_id",
            params={"t": as_of},
        ).to_arrow_table()
    )
    if products.empty:
        raise NotEligible(f"products: none is live at {as_of.isoformat()}; check state, valid_from and valid_to")
    ids = np.asarray(customers, dtype=object)
    number_people(connection, ids)
    codes = pd.DataFrame({"product_id": products["product_id"].astype(object), "product": np.arange(len(products))})
    connection.register("offers", codes)
    return Catalogue(ids, products)


def number_people(connection: duckdb.DuckDBPyConnection, customers: np.ndarray) -> None:
    """Make people known to a connection: their codes are their positions."""
    codes = np.arange(len(customers), dtype=np.int32)
    connection.register("people", pd.DataFrame({"customer_id": customers, "who": codes}))


def read_behaviour(
    connection: duckdb.DuckDBPyConnection,
    catalogue: Catalogue,
    grain: str,
    as_of: pd.Timestamp,
    most: int,
    counted_before: pd.Timestamp,
) -> Interactions:
    """Visits and purchases before `as_of` as customer × item codes.

    The `most` frequent items are kept, counted before the judged window begins, so that it does not choose its own
    questions.
    """
    item = {"merchant": "merchant_id", "scene": "scene_id"}[grain]
    seen = f"kind IN ('visit', 'browse', 'purchase') AND {item} IS NOT NULL AND \"at\" < $t AND ingested_at < $t"
    items = _arrays(
        connection,
        f"SELECT item FROM (SELECT {item} AS item, count(*) AS n FROM events WHERE {seen} GROUP BY ALL "
        f"ORDER BY n DESC, item LIMIT $most) ORDER BY item",
        {"t": min(as_of, counted_before), "most": most},
    )["item"]
    names = pd.DataFrame({"item": np.asarray(items, dtype=object), "what": np.arange(len(items), dtype=np.int32)})
    connection.register("items", names)
    rows = _arrays(
        connection,
        f'SELECT who, what, epoch_us("at") AS "at" FROM events JOIN people USING (customer_id) '
        f"JOIN items ON items.item = events.{item} WHERE {seen} ORDER BY ALL",
        {"t": as_of},
    )
    return Interactions(list(catalogue.customers), list(items), rows["who"], rows["what"], rows["at"], as_of)


def read_takes(connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp) -> Takes:
    """Draws and accounts of live products before `as_of`."""
    rows = _arrays(
        connection,
        'SELECT who, product, epoch_us("at") AS "at", true AS drawn FROM events JOIN people USING (customer_id) '
        "JOIN offers USING (product_id) WHERE kind = 'draw' AND \"at\" < $t AND ingested_at < $t "
        "UNION ALL SELECT who, product, epoch_us(opened_at), false FROM accounts JOIN people USING (customer_id) "
        'JOIN offers USING (product_id) WHERE opened_at < $t ORDER BY "at", who, product, drawn',
        {"t": as_of},
    )
    return Takes(rows["who"].astype(np.int64), rows["product"].astype(np.int64), rows["at"], rows["drawn"].astype(bool))


def read_open_accounts(
    connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp, shape: tuple[int, int]
) -> np.ndarray:
    """Who held which product at `as_of`, shape (customers, products) bool; what is charged off is still owed."""
    rows = _arrays(
        connection,
        "SELECT DISTINCT who, product FROM accounts JOIN people USING (customer_id) JOIN offers USING (product_id) "
        "WHERE opened_at < $t AND (status = 'charged off' OR coalesce(closed_at >= $t, status = 'open'))",
        {"t": as_of},
    )
    held = np.zeros(shape, dtype=bool)
    held[rows["who"], rows["product"]] = True
    return held


def read_contacts(
    connection: duckdb.DuckDBPyConnection, since: pd.Timestamp, until: pd.Timestamp, customers: int
) -> np.ndarray:
    """Messages sent per customer with since <= at < until, shape (customers,)."""
    rows = _arrays(
        connection,
        "SELECT who, count(*) AS n FROM events JOIN people USING (customer_id) "
        'WHERE kind = \'sent\' AND "at" >= $s AND "at" < $u AND ingested_at < $u GROUP BY who',
        {"s": since, "u": until},
    )
    counts = np.zeros(customers, np.int64)
    counts[rows["who"]] = rows["n"]
    return counts


def read_amounts(connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp, products: pd.DataFrame) -> np.ndarray:
    """Mean amount taken per product; where never taken, the middle of its range; shape (products,)."""
    rows = _arrays(
        connection,
        "SELECT product, sum(amount)::DOUBLE / count(amount) AS mean FROM events JOIN offers USING (product_id) "
        "WHERE kind = 'draw' AND amount > 0 AND \"at\" < $t AND ingested_at < $t GROUP BY product",
        {"t": as_of},
    )
    low, high = (products[name].to_numpy(float, na_value=np.nan) for name in ("amount_min", "amount_max"))
    amounts = (low + high) / 2
    amounts[rows["product"]] = rows["mean"]
    typical = float(np.nanmean(amounts)) if np.isfinite(amounts).any() else 0.0
    return np.where(np.isfinite(amounts), amounts, typical)


def read_scene_tree(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Scenes with their names, the top level first."""
    return frame_of(connection.sql("SELECT * FROM scenes ORDER BY parent_id IS NOT NULL, scene_id").to_arrow_table())


def read_offers_made(connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp, horizon_days: int) -> pd.DataFrame:
    """One row per (campaign, customer) assigned to an offer: what was offered, and the first moment it was taken.

    An arm with one product: any draw of it within the horizon of the assignment counts, booked on the campaign or not,
    as in `read_arm_results`. An arm without one: draws booked on the campaign until it ends. Columns: campaign_id,
    kind, channel, starts_at, closes_at (from then on the outcome is known), who, product (−1: none), took_at (µs or
    missing).
    """
    return connection.execute(
        """
        WITH offered AS (
            SELECT c.campaign_id, coalesce(c.kind, '') AS kind, c.channel, c.starts_at, p.who, s.customer_id,
                   coalesce(o.product, -1) AS product, a.product_id, s."at" AS assigned_at,
                   CASE WHEN a.product_id IS NULL THEN c.ends_at ELSE s."at" + to_days($h) END AS closes_at
            FROM assignments s JOIN campaigns c USING (campaign_id) JOIN arms a USING (campaign_id, arm)
            JOIN people p USING (customer_id) LEFT JOIN offers o USING (product_id)
            WHERE s.arm <> 'control' AND c.starts_at < $t AND s."at" < $t
              AND (a.product_id IS NULL OR o.product IS NOT NULL)
        ), drawn AS (
            SELECT customer_id, campaign_id, product_id, "at" FROM events
            WHERE kind = 'draw' AND "at" < $t AND ingested_at < $t
        ), taken AS (
            SELECT f.campaign_id, f.customer_id, min(epoch_us(d."at")) AS took_at
            FROM offered f JOIN drawn d ON d.customer_id = f.customer_id
             AND CASE WHEN f.product_id IS NULL THEN d.campaign_id = f.campaign_id ELSE d.product_id = f.product_id END
             AND d."at" >= f.assigned_at AND d."at" < f.closes_at
            GROUP BY ALL
        )
        SELECT campaign_id, kind, channel, starts_at, closes_at, who, product, took_at
        FROM offered LEFT JOIN taken USING (campaign_id, customer_id) ORDER BY starts_at, campaign_id, who
        """,
        {"t": as_of, "h": horizon_days},
    ).df()


def read_arm_results(connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp, horizon_days: int) -> pd.DataFrame:
    """Takers and sizes of every treated arm with one product and its control, by intention to treat.

    A taker is anyone assigned who drew the arm's product within the horizon after the assignment, through the campaign
    or not: only then are treated and control counted alike. Whoever was assigned less than a horizon ago is not
    counted yet, taken or not.

    An arm is randomised when everybody in it and in its control has a logged propensity. Where propensities differ
    between people, each counts 1 / propensity; then `customers` and `control` are effective sizes, (Σw)² / Σw², and
    the takers their weighted share of them (Hájek 1971; Kish 1965). `p_treated`, `p_control` are the propensities where
    they are constant.
    """
    return connection.execute(
        """
        WITH arm AS (
            SELECT a.campaign_id, c.name_en, c.name_zh, a.arm, a.product_id, c.starts_at
            FROM arms a JOIN campaigns c USING (campaign_id)
            WHERE a.product_id IS NOT NULL AND a.arm <> 'control' AND c.ends_at <= $t
        ), drawn AS (
            SELECT customer_id, product_id, "at" FROM events
            WHERE kind = 'draw' AND "at" < $t AND ingested_at < $t
        ), person AS (
            SELECT arm.campaign_id, arm.arm, s.arm = 'control' AS control, s.customer_id, s.propensity,
                   -- weights in whole millionths: sums of integers do not depend on the order of rows
                   coalesce(round(1e6 / nullif(s.propensity, 0))::HUGEINT, 1000000) AS weight,
                   EXISTS (SELECT 1 FROM drawn d WHERE d.customer_id = s.customer_id AND d.product_id = arm.product_id
                           AND d."at" >= s."at" AND d."at" < s."at" + to_days($h)) AS took
            FROM arm JOIN assignments s ON s.campaign_id = arm.campaign_id AND s.arm IN (arm.arm, 'control')
                 AND s."at" + to_days($h) <= $t
        ), counted AS (
            SELECT campaign_id, arm, control, count(*) FILTER (propensity > 0) = count(*) AS drawn,
                   round(sum(weight)::DOUBLE ** 2 / sum(weight * weight)::DOUBLE, 6) AS size,
                   (sum(weight) FILTER (took))::DOUBLE / sum(weight)::DOUBLE AS share,
                   CASE WHEN min(propensity) = max(propensity) THEN min(propensity) END AS p
            FROM person GROUP BY ALL
        )
        SELECT arm.*, t.size AS customers, round(coalesce(t.share, 0) * t.size, 6) AS takers, c.size AS control,
               round(coalesce(c.share, 0) * c.size, 6) AS takers_control, t.drawn AND c.drawn AS randomised,
               t.p AS p_treated, c.p AS p_control
        FROM arm JOIN counted t ON t.campaign_id = arm.campaign_id AND t.arm = arm.arm AND NOT t.control
        JOIN counted c ON c.campaign_id = arm.campaign_id AND c.arm = arm.arm AND c.control
        ORDER BY arm.starts_at, arm.campaign_id, arm.arm
        """,
        {"t": as_of, "h": horizon_days},
    ).df()


def read_objections(connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp) -> pd.DataFrame:
    """Opt-outs and complaints before `as_of`: customer_id, channel (empty: all of them), at."""
    return frame_of(
        connection.sql(
            "SELECT customer_id, CASE WHEN kind = 'opt_out' THEN channel END AS channel, \"at\" FROM events "
            "WHERE kind IN ('opt_out', 'complaint') AND \"at\" < $t AND ingested_at < $t ORDER BY ALL",
            params={"t": as_of},
        ).to_arrow_table()
    )


def _arrays(connection: duckdb.DuckDBPyConnection, query: str, values: object = None) -> dict[str, Any]:
    found: dict[str, Any] = connection.execute(query, values).fetchnumpy()
    return found

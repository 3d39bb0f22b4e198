"""Purchases, mailings and redeemed coupons of The Complete Journey as events.

The functions read tables of one DuckDB connection: `lines` (transactions), `shelf` (product to scene), `families`
(coupon to family and breadth), `campaigns` (with starts_at), `mailed`, `coupons`, `redeemed` (with day and noon).
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from scenefit.contracts.schema import conform
from scenefit.contracts.tables import ASSIGNMENTS, EVENTS

# A coupon handed in at the till is booked as a line of its own, without goods and without a catalogue entry
_COUPON_LINE = "sales_value = 0 AND quantity = 0 AND product_id NOT IN (SELECT product_id FROM shelf)"


def purchases(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """One purchase per basket and category, worth what the till took."""
    return conform(connection.sql(f"""
        SELECT 'purchase/' || basket_id || '/' || coalesce(scene_id, 'none') AS event_id,
               'household-' || any_value(household_id) AS customer_id,
               min(moment) AS "at", min(moment) AS ingested_at, 'purchase' AS kind, scene_id,
               'store-' || any_value(store_id) AS merchant_id,
               sum(sales_value)::DECIMAL(18, 2) AS amount,
               'basket-' || basket_id AS session_id
        FROM lines LEFT JOIN shelf USING (product_id)
        WHERE NOT ({_COUPON_LINE})
        GROUP BY basket_id, scene_id
    """).to_arrow_table(), EVENTS)  # fmt: skip


def coupon_lines(connection: duckdb.DuckDBPyConnection) -> int:
    """Till lines left out of the purchases because they hold a coupon and no goods."""
    return _number(connection, f"SELECT count(*) FROM lines WHERE {_COUPON_LINE}")


def assignments(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Who was mailed by which campaign; nobody drew lots, so no propensity is known."""
    return conform(connection.sql("""
        SELECT 'campaign-' || campaign_id AS campaign_id, 'household-' || household_id AS customer_id,
               'all' AS arm, starts_at AS "at"
        FROM mailed JOIN campaigns USING (campaign_id) ORDER BY 1, 2
    """).to_arrow_table(), ASSIGNMENTS)  # fmt: skip


def mailings(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """One letter sent per campaign and household, at the start of the campaign; arrival is not recorded."""
    return conform(connection.sql("""
        SELECT 'sent/' || campaign_id || '/' || household_id AS event_id, 'household-' || household_id AS customer_id,
               starts_at AS "at", starts_at AS ingested_at, 'sent' AS kind,
               'campaign-' || campaign_id AS campaign_id, 'all' AS arm, 'mail' AS channel
        FROM mailed JOIN campaigns USING (campaign_id)
    """).to_arrow_table(), EVENTS)  # fmt: skip


def redemptions(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Every redeemed coupon with the covered spend and the discount found on that day's receipts.

    Each receipt line counts for one coupon only: of those redeemed that day the one over fewest products, then the
    lower coupon and the earlier campaign. `spend` is empty without a covered line, `discount` where no line has one.
    """
    return connection.sql("""
        WITH claimed AS (
            SELECT r.household_id, r.coupon_upc, r.campaign_id, r.day, sales_value,
                   coupon_disc + coupon_match_disc AS discount,
                   row_number() OVER (PARTITION BY basket_id, l.product_id
                                      ORDER BY breadth, r.coupon_upc, r.starts_at, r.campaign_id) AS claim
            FROM redeemed r
            JOIN families USING (coupon_upc)
            JOIN (SELECT DISTINCT coupon_upc, product_id FROM coupons) c USING (coupon_upc)
            JOIN lines l ON l.household_id = r.household_id AND l.day = r.day AND l.product_id = c.product_id
        ), found AS (
            SELECT household_id, coupon_upc, campaign_id, day, sum(sales_value)::DECIMAL(18, 2) AS spend,
                   nullif(sum(discount), 0)::DECIMAL(18, 2) AS discount
            FROM claimed WHERE claim = 1 GROUP BY ALL
        )
        SELECT r.*, family_id, spend, discount
        FROM redeemed r JOIN families USING (coupon_upc)
        LEFT JOIN found USING (household_id, coupon_upc, campaign_id, day)
        ORDER BY household_id, coupon_upc, campaign_id, day
    """).to_arrow_table()


def draws(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Redeemed coupons as taken offers; reads the table `taken` that `redemptions` gives."""
    return conform(connection.sql("""
        SELECT 'draw/' || campaign_id || '/' || household_id || '/' || coupon_upc || '/' || day AS event_id,
               'household-' || household_id AS customer_id, noon AS "at", noon AS ingested_at, 'draw' AS kind,
               'coupon/' || family_id AS product_id, 'campaign-' || campaign_id AS campaign_id,
               'all' AS arm, 'mail' AS channel, spend AS amount, discount AS cost
        FROM taken
    """).to_arrow_table(), EVENTS)  # fmt: skip


def _number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0

"""Coupon families of The Complete Journey as offers, and its mailings as campaigns."""

from __future__ import annotations

import duckdb
import pandas as pd
import pyarrow as pa

from scenefit.contracts.schema import conform
from scenefit.contracts.tables import ARMS, CAMPAIGNS, PRODUCTS
from scenefit.sources.journey_catalogue import family_names

HELD_OUT = (18, 19, 20, 21, 22)  # campaigns on which predictions are judged
SHRINK = 10  # redemptions' worth of the overall mean: few receipts say little about a family
TYPICAL = 5  # covered receipts below which a family's spend is taken from all families


def offers(connection: duckdb.DuckDBPyConnection, scenes: pd.Series) -> pa.Table:
    """One offer per coupon family, with its usual discount and spend.

    Both come from redemptions in campaigns that are not held out. The discount is the mean per redemption,
    drawn towards the mean of all families by `SHRINK`; the spend is the 10th to the 90th percentile.
    Reads the tables `taken`, `families`, `coupons` and `campaigns`.

    Parameters
    ----------
    scenes : vertical scenes by family id
    """
    frame = connection.sql(f"""
        WITH learnt AS (SELECT * FROM taken WHERE campaign_id NOT IN {HELD_OUT}),
        usual AS (
            SELECT coalesce(avg(discount), 0) AS discount,
                   quantile_disc(spend, 0.1) AS low, quantile_disc(spend, 0.9) AS high FROM learnt
        ), each_family AS (
            SELECT family_id, coalesce(sum(discount), 0) AS total, count(discount) AS receipts, count(spend) AS covered,
                   quantile_disc(spend, 0.1) AS low, quantile_disc(spend, 0.9) AS high
            FROM learnt GROUP BY family_id
        ), first_mailed AS (
            SELECT family_id, min(starts_at) AS valid_from
            FROM families JOIN coupons USING (coupon_upc) JOIN campaigns USING (campaign_id) GROUP BY family_id
        )
        SELECT family_id, valid_from,
               (coalesce(total, 0)::DOUBLE + {SHRINK} * usual.discount) / (coalesce(receipts, 0) + {SHRINK})
                   AS incentive,
               CASE WHEN covered >= {TYPICAL} THEN e.low ELSE usual.low END AS amount_min,
               CASE WHEN covered >= {TYPICAL} THEN e.high ELSE usual.high END AS amount_max
        FROM first_mailed LEFT JOIN each_family e USING (family_id) CROSS JOIN usual
        ORDER BY family_id
    """).to_arrow_table()  # fmt: skip
    ids = frame["family_id"].to_pylist()
    names = family_names()
    listed = scenes.to_dict()
    columns = {
        "product_id": pa.array([f"coupon/{family}" for family in ids]),
        "version": pa.array([1] * len(ids)),
        "kind": pa.array(["coupon"] * len(ids)),
        "name_en": pa.array([f"Coupon: {names[family].en}" for family in ids]),
        "name_zh": pa.array([f"优惠券：{names[family].zh}" for family in ids]),
        "scenes": pa.array([listed.get(family) for family in ids], pa.list_(pa.string())),
        "state": pa.array(["live"] * len(ids)),
    }
    kept = frame.select(["incentive", "amount_min", "amount_max", "valid_from"])
    return conform(pa.table(columns | dict(zip(kept.column_names, kept.columns, strict=True))), PRODUCTS)


def campaigns(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """The mailings with their real dates."""
    return conform(connection.sql("""
        SELECT 'campaign-' || campaign_id AS campaign_id,
               'Campaign ' || campaign_id || ' (type ' || kind || ')' AS name_en,
               '第 ' || campaign_id || ' 期活动（' || kind || ' 类）' AS name_zh,
               kind, 'mail' AS channel, starts_at, ends_at
        FROM campaigns ORDER BY 1
    """).to_arrow_table(), CAMPAIGNS)  # fmt: skip


def arms(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """One arm per campaign: a booklet of coupons for everybody on the list."""
    query = "SELECT 'campaign-' || campaign_id AS campaign_id, 'all' AS arm FROM campaigns ORDER BY 1"
    return conform(connection.sql(query).to_arrow_table(), ARMS)

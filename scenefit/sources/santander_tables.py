"""The Santander panel as contract tables: who held which of 24 bank products, and who took one when.

docs/santander-panel.md says what every column stands for, what is assumed and what is absent.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from scenefit.contracts.errors import ContractError
from scenefit.contracts.schema import conform
from scenefit.contracts.tables import ACCOUNTS, CUSTOMERS, EVENTS, PRODUCTS, SCENES
from scenefit.runtime.workspace import Dataset
from scenefit.sources.complete_journey import Imported
from scenefit.sources.santander import Panel, read_santander_panel
from scenefit.sources.santander_names import FAMILIES, OFFERED

ZONE = "Europe/Madrid"
ASSUMPTIONS_EN = (
    "Money is euro; the panel holds no amounts.",
    "Only customers who acquired a product in a listed month are listed for it: nothing here is a chance to take at "
    "all, and no figure holds for the bank's customers as a whole.",
    "A product is taken on the last day of its month, at noon: the panel knows months only.",
    "A product already held when a customer is first listed counts as opened on the last day of the month before.",
    "A product that is no longer held when a customer is listed again counts as given up the day it is found missing; "
    "of customers who are not listed again nothing is known, and their accounts stay open.",
    "The bank sees no visits or purchases: each product taken is also booked as a purchase in the family of the "
    "product, without amount, and stands in for behaviour.",
    "A customer counts as registered on the day of the first holdings listed.",
    "Margins, APR, costs, credit, default, demographics, campaigns and consents are not in the data.",
)
ASSUMPTIONS_ZH = (
    "金额单位为欧元；数据不含任何金额。",
    "每月只列出当月新增产品的客户：任何数字都不代表“是否会办理”的概率，也不代表全行客户。",
    "产品视为在当月最后一个统计日中午办理：数据只精确到月。",
    "客户首次被列出时已持有的产品，视为在上月最后一个统计日开立。",
    "客户再次被列出时已不再持有的产品，视为在发现之日终止；未再列出的客户情况未知，其账户保持开立。",
    "银行看不到访问和消费：每次办理同时记为该产品类别下一笔无金额的消费，以代替行为数据。",
    "客户的注册日视为其首次列出持有情况之日。",
    "数据不含毛利、年利率、成本、授信、违约、人口属性、活动和同意记录。",
)


def read_santander(path: Path) -> Imported:
    """The panel of a Parquet file in the contract.

    Raises
    ------
    StoreError : the file is not there or cannot be read.
    ContractError : the content breaks a rule; names column and values.
    """
    return santander_tables(read_santander_panel(path))


def santander_tables(panel: Panel) -> Imported:
    """A panel in the contract.

    Raises
    ------
    ContractError : a product is not one of the bank's 24.
    """
    strange = sorted(set(panel.products) - set(OFFERED))
    if strange:
        raise ContractError(
            f"santander-panel.product: {len(strange)} names, such as {strange[0]!r}, are not products of this bank, "
            f"which has {sorted(OFFERED)}; keep these rows out or rename them"
        )
    seen = _sightings(panel)
    spells = _spells(seen)
    first = seen.groupby("customer", sort=True)["at"].min()
    tables = {
        "customers": _customers(first),
        "scenes": _scenes(),
        "products": _products(panel.products, first.min()),
        "accounts": _accounts(spells, panel.products),
        "events": _events(panel),
    }
    counts = {
        "months": [month.month for month in panel.months],
        "acquirers": [len(month.customers) for month in panel.months],
        "acquisitions": int(sum(month.acquired.sum() for month in panel.months)),
        "spells": len(spells),
        "spells_ended": int(spells["closed_at"].notna().sum()),
    }
    dataset = Dataset(
        name="santander-panel", until=_end(panel.months[-1].month), synthetic=False, currency="EUR", timezone=ZONE,
        behaviour="scene", assumptions_en=ASSUMPTIONS_EN, assumptions_zh=ASSUMPTIONS_ZH,
        origin={"source": "Santander Product Recommendation, monthly acquirers", "counts": counts},
    )  # fmt: skip
    return Imported(dataset, tables)


def _noon(month: str) -> pd.Timestamp:
    """Noon of the day that ends a month of the panel, as UTC."""
    return (pd.Timestamp(month) + pd.Timedelta(hours=12)).tz_localize(ZONE).tz_convert("UTC")


def _end(month: str) -> pd.Timestamp:
    """The midnight after that day."""
    return (pd.Timestamp(month) + pd.Timedelta(days=1)).tz_localize(ZONE).tz_convert("UTC")


def _day_before(month: str) -> str:
    """The day that ended the month before, such as 2016-02-28 for 2016-03-28."""
    return f"{pd.Timestamp(month) - pd.DateOffset(months=1):%Y-%m-%d}"


def _sightings(panel: Panel) -> pd.DataFrame:
    """Customer, product code, moment and whether it was held then; what held products did later is not told."""
    parts = []
    for month in panel.months:
        size = month.held.shape[1]
        who, what = np.repeat(month.customers, size), np.tile(np.arange(size), len(month.customers))
        parts.append(pd.DataFrame({
            "customer": who, "product": what, "at": _noon(_day_before(month.month)), "held": month.held.ravel(),
        }))  # fmt: skip
        row, what = np.nonzero(month.acquired)
        parts.append(pd.DataFrame({
            "customer": month.customers[row], "product": what, "at": _noon(month.month), "held": True,
        }))  # fmt: skip
    seen = pd.concat(parts, ignore_index=True).sort_values(["customer", "product", "at", "held"], ignore_index=True)
    # the end of one month is the start of the next: what was taken then was held
    return seen.drop_duplicates(["customer", "product", "at"], keep="last", ignore_index=True)


def _spells(seen: pd.DataFrame) -> pd.DataFrame:
    """Times of ownership: customer, product, opened_at and closed_at (NaT: not known to have ended)."""
    same = (seen[["customer", "product"]] == seen[["customer", "product"]].shift()).all(axis=1)
    changed = ~same | (seen["held"] != seen["held"].shift())
    turns = seen[changed].copy()
    follows = (turns[["customer", "product"]] == turns[["customer", "product"]].shift(-1)).all(axis=1)
    turns["closed_at"] = turns["at"].shift(-1).where(follows)
    return turns[turns["held"]].rename(columns={"at": "opened_at"}).drop(columns="held").reset_index(drop=True)


def _customers(first: pd.Series) -> pa.Table:
    frame = pd.DataFrame({"customer_id": _name(first.index), "kind": "customer", "registered_at": first.to_numpy()})
    frame["registered_at"] = frame["registered_at"].astype("datetime64[us, UTC]")
    return conform(pa.Table.from_pandas(frame, preserve_index=False), CUSTOMERS)


def _scenes() -> pa.Table:
    columns = {
        "scene_id": list(FAMILIES),
        "name_en": [en for en, _ in FAMILIES.values()],
        "name_zh": [zh for _, zh in FAMILIES.values()],
    }
    return conform(pa.table(columns), SCENES)


def _products(names: tuple[str, ...], since: pd.Timestamp) -> pa.Table:
    offered = [OFFERED[name] for name in names]
    columns = {
        "product_id": [_product(name) for name in names],
        "version": pa.array([1] * len(names)),
        "kind": [one.family for one in offered],
        "name_en": [one.en for one in offered],
        "name_zh": [one.zh for one in offered],
        "valid_from": pa.array([since] * len(names), pa.timestamp("us", tz="UTC")),
        "state": ["live"] * len(names),
    }
    return conform(pa.table(columns), PRODUCTS)


def _accounts(spells: pd.DataFrame, names: tuple[str, ...]) -> pa.Table:
    customer, product = _name(spells["customer"]), np.array([_product(n) for n in names])[spells["product"]]
    opened = spells["opened_at"].astype("datetime64[us, UTC]")
    frame = pd.DataFrame({
        "account_id": customer + "/" + pd.Series(product) + "/" + opened.dt.strftime("%Y-%m-%d"),
        "customer_id": customer, "product_id": product, "opened_at": opened,
        "closed_at": spells["closed_at"].astype("datetime64[us, UTC]"),
        "status": np.where(spells["closed_at"].isna(), "open", "closed"),
    }).sort_values("account_id", ignore_index=True)  # fmt: skip
    return conform(pa.Table.from_pandas(frame, preserve_index=False), ACCOUNTS)


def _events(panel: Panel) -> pa.Table:
    """Each acquisition as an offer taken, and as a purchase in its family's scene."""
    parts = []
    ids = np.array([_product(name) for name in panel.products])
    families = np.array([OFFERED[name].family for name in panel.products])
    for month in panel.months:
        row, what = np.nonzero(month.acquired)
        customer = _name(pd.Series(month.customers[row]))
        for kind in ("draw", "purchase"):
            parts.append(pd.DataFrame({
                "event_id": kind + "/" + month.month + "/" + customer + "/" + pd.Series(ids[what]),
                "customer_id": customer, "at": _noon(month.month), "ingested_at": _noon(month.month), "kind": kind,
                "scene_id": families[what], "product_id": ids[what] if kind == "draw" else None,
            }))  # fmt: skip
    frame = pd.concat(parts, ignore_index=True).sort_values(["at", "event_id"], ignore_index=True)
    for name in ("at", "ingested_at"):
        frame[name] = frame[name].astype("datetime64[us, UTC]")
    return conform(pa.Table.from_pandas(frame, preserve_index=False), EVENTS)


def _name(numbers: pd.Series | pd.Index) -> pd.Series:
    return "client-" + pd.Series(np.asarray(numbers)).astype(str)


def _product(name: str) -> str:
    """ind_tjcr_fin_ult1 becomes bank/tjcr."""
    return f"bank/{name.removeprefix('ind_').removesuffix('_ult1').removesuffix('_fin')}"

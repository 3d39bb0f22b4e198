"""Which coupon of a grocer's booklet: the work behind its table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

# booklets of some two hundred coupons; the last one is judged, the others had ended before it went out
LEARNED, JUDGED = (27, 8, 13), 18


def coupons(folder: Path) -> list[list[Any]]:
    """Households that redeemed a coupon of campaign 18: which of its 209, from purchases before it began.

    Terms and strength of `NextCoupon` were chosen on campaign 13, learned from campaigns 27 and 8.
    """
    from benchmarks.recsys_datasets_sides import _interval
    from recsys.coupons import NextCoupon
    from recsys.metrics import per_customer

    source = folder / "dunnhumby_complete_journey"
    tables = {n: pd.read_parquet(source / f"{n}.parquet") for n in ("campaigns", "coupons", "coupon_redemptions")}
    behaviour, starts = _purchases(source), _starts(source)
    learned = [_redeemed(tables, behaviour, number, starts[number]) for number in LEARNED]
    mailing, who, redeemed = _redeemed(tables, behaviour, JUDGED, starts[JUDGED])
    bought = behaviour.matrix(mailing.start) @ mailing.covers.T
    everybody = np.asarray(bought[mailing.mailed].sum(axis=0)).ravel()
    scores = {
        "popularity of what it covers": np.tile(everybody, (len(who), 1)),
        "own past purchases": bought[who].toarray(),
        "next coupon": NextCoupon().fit(behaviour, learned).probabilities(behaviour, mailing, who),
    }
    wanted = sparse.csr_matrix(redeemed)
    each = {name: per_customer(block, wanted, 10).ndcg for name, block in scores.items()}
    n = f"customers, {len(who):,}"
    apart = each["next coupon"] - each["own past purchases"]
    return [
        *(["NDCG@10", name, _interval(values), n] for name, values in each.items()),
        ["NDCG@10, difference", "next coupon − own past purchases", _interval(apart), n],
    ]


def _purchases(source: Path) -> Any:
    """Lines with goods as behaviour: households and products by number."""
    from recsys.interactions import Interactions

    lines = pd.read_parquet(
        source / "transactions.parquet", columns=["household_id", "product_id", "quantity", "transaction_timestamp"]
    )
    lines = lines[lines["quantity"] > 0]
    products = pd.read_parquet(source / "products.parquet", columns=["product_id"])["product_id"]
    covered = pd.read_parquet(source / "coupons.parquet", columns=["product_id"])["product_id"]
    mailed = pd.read_parquet(source / "campaigns.parquet", columns=["household_id"])["household_id"]
    items = np.unique(np.concatenate([lines["product_id"], products, covered]))
    people = np.unique(np.concatenate([lines["household_id"], mailed]))
    at = lines["transaction_timestamp"].astype("datetime64[us]").astype("int64").to_numpy()
    who, what = np.searchsorted(people, lines["household_id"]), np.searchsorted(items, lines["product_id"])
    return Interactions(list(people), list(items), who, what, at, pd.Timestamp(at.max() + 1, unit="us", tz="UTC"))


def _starts(source: Path) -> dict[int, pd.Timestamp]:
    plan = pd.read_parquet(source / "campaign_descriptions.parquet")
    starts = plan["start_date"].astype("datetime64[us]").dt.tz_localize("UTC")
    return dict(zip(plan["campaign_id"].astype(int), starts, strict=True))


def _redeemed(tables: dict[str, pd.DataFrame], behaviour: Any, number: int, start: pd.Timestamp) -> Any:
    """One campaign: its coupons, who was mailed, who redeemed which."""
    from recsys.coupons import Mailing, Redemptions

    mailed, listed, redeemed = (
        tables[name][tables[name]["campaign_id"] == number] for name in ("campaigns", "coupons", "coupon_redemptions")
    )
    coupon, codes = np.unique(listed["coupon_upc"], return_inverse=True)
    shape = (len(coupon), len(behaviour.items))
    item = np.searchsorted(behaviour.items.astype(np.int64), listed["product_id"])
    covers = sparse.csr_matrix((np.ones(len(listed), np.float32), (codes, item)), shape=shape).sign()
    people = behaviour.customers.astype(np.int64)
    redeemed = redeemed[redeemed["coupon_upc"].isin(coupon)]
    takers, row = np.unique(redeemed["household_id"], return_inverse=True)
    took = np.zeros((len(takers), len(coupon)), dtype=bool)
    took[row, np.searchsorted(coupon, redeemed["coupon_upc"])] = True
    mailing = Mailing(covers, start, np.searchsorted(people, mailed["household_id"]))
    return Redemptions(mailing, np.searchsorted(people, takers), took)

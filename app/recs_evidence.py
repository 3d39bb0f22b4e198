"""New products: on what the share of takers of each one rests, and until when evidence of similar ones stands in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from app import facts
from app.recs_documents import plain_records
from recsys.cold import EXPIRES_DAYS, EXPIRES_OFFERS, Attributes, evidence_table
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Workspace

# a page counts offers of the past; more would spill to disk
MEMORY = "1GB"


def evidence_document(
    workspace: Workspace, as_of: pd.Timestamp, horizon_days: int, memory: str = MEMORY
) -> dict[str, Any]:
    """Every live product at a moment, the newest first: offers made, takes, starting evidence and when it is gone.

    Counted are offers of a single product whose outcome is known, booked as in the response model.

    Raises
    ------
    StoreError, NotEligible : there is no data, or no product is live.
    """
    with connect(memory) as connection:
        raw_views(connection, workspace)
        products = facts.read_catalogue(connection, as_of).products
        made = facts.read_offers_made(connection, as_of, horizon_days)
        first = connection.execute("SELECT product_id, min(valid_from) AS at FROM products GROUP BY product_id").df()
    m = len(products)
    known = made[(made["product"] >= 0) & (made["closes_at"] <= as_of)]
    offers = np.bincount(known["product"], minlength=m).astype(float)
    takes = np.bincount(known.loc[known["took_at"].notna(), "product"], minlength=m).astype(float)
    launched = pd.to_datetime(first.set_index("product_id")["at"].reindex(products["product_id"]), utc=True)
    days = (as_of - launched).dt.total_seconds().to_numpy() / 86_400
    table = evidence_table(attributes(products), takes, offers, days)
    ids = products["product_id"].astype(str).to_numpy(object)
    table = table.assign(
        product_id=ids,
        launched=[at.isoformat() for at in launched],
        gone_at=[(at + pd.Timedelta(days=EXPIRES_DAYS)).isoformat() for at in launched],
        nearest=pd.Series([None if j < 0 else str(ids[j]) for j in table["nearest"]], dtype=object),
    ).sort_values(["days", "product_id"], ignore_index=True)
    return {
        "as_of": as_of.isoformat(),
        "expires_offers": EXPIRES_OFFERS,
        "expires_days": EXPIRES_DAYS,
        "products": plain_records(table),
    }


def attributes(products: pd.DataFrame) -> Attributes:
    """What is known of products before anybody is offered them."""
    apr = products["apr"].to_numpy(float, na_value=np.nan)
    tenor = products[["tenor_min", "tenor_max"]].astype(float).mean(axis=1).to_numpy()
    scenes = [frozenset() if of is None else frozenset(map(str, of)) for of in products["scenes"]]
    return Attributes(products["kind"].astype(str).to_numpy(), apr, tenor, scenes)

"""Four public data sets as customers: one row each, with columns that the segments are found in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd


class Customers(NamedTuple):
    """Customers of a data set, what they spent where that is known, and the moment of the features."""

    frame: pd.DataFrame
    spend: np.ndarray | None
    as_of: pd.Timestamp | None


def cc_general(folder: Path) -> Customers:
    """Credit card holders: half a year of balance, purchases, cash advances and payments."""
    cards = pd.read_parquet(folder / "cc_general" / "credit_card_usage.parquet").drop(columns=["Recnum", "CUST_ID"])
    cards = cards.rename(columns=str.lower).rename(columns={"prc_full_payment": "share_of_full_payments"})
    return Customers(cards, cards["purchases"].to_numpy(), None)


def customer_personality(folder: Path) -> Customers:
    """Buyers of food and wine: two years of spend by category, channels, visits, and the day they joined.

    Birth year, education and marital status stay out: protected. The answers to campaigns stay out: outcomes.
    """
    raw = pd.read_parquet(folder / "customer_personality" / "marketing_campaign.parquet")
    spend = {"Wines": "wine", "Fruits": "fruit", "MeatProducts": "meat", "FishProducts": "fish",
             "SweetProducts": "sweets", "GoldProds": "gold"}  # fmt: skip
    frame = pd.DataFrame({f"spend_on_{name}": raw[f"Mnt{column}"] for column, name in spend.items()})
    for channel in ("Deals", "Web", "Catalog", "Store"):
        frame[f"{channel.lower()}_purchases"] = raw[f"Num{channel}Purchases"]
    frame["web_visits_a_month"], frame["days_since_purchase"] = raw["NumWebVisitsMonth"], raw["Recency"]
    frame["income"], frame["small_children"], frame["teenagers"] = raw["Income"], raw["Kidhome"], raw["Teenhome"]
    frame["joined"] = pd.to_datetime(raw["Dt_Customer"])
    total = frame[[f"spend_on_{name}" for name in spend.values()]].sum(axis=1)
    return Customers(frame, total.to_numpy(dtype=np.float64), pd.Timestamp("2014-07-01"))


def online_retail(folder: Path) -> Customers:
    """Buyers of a gift wholesaler: a year of invoices and returns."""
    lines = pd.read_parquet(folder / "online_retail" / "invoices.parquet").dropna(subset="CustomerID")
    lines = lines.assign(amount=lines["Quantity"] * lines["UnitPrice"])
    end = lines["InvoiceDate"].max().normalize() + pd.Timedelta(days=1)
    bought, returned = lines[lines["Quantity"] > 0], lines[lines["Quantity"] < 0]
    invoices = bought.groupby(["CustomerID", "InvoiceNo"], observed=True).agg(
        at=("InvoiceDate", "first"), amount=("amount", "sum"), lines=("StockCode", "size")
    )
    by = invoices.reset_index().groupby("CustomerID")
    frame = pd.DataFrame(
        {
            "days_since_purchase": (end - by["at"].max()).dt.days,
            "purchases_365d": by["at"].count(),
            "spend_365d": by["amount"].sum(),
            "mean_ticket_365d": by["amount"].mean(),
            "lines_per_purchase": by["lines"].mean(),
            "different_articles": bought.groupby("CustomerID")["StockCode"].nunique(),
            "first_purchase": by["at"].min(),
        }
    )
    recent = invoices.reset_index().assign(late=lambda f: f["at"] >= end - pd.Timedelta(days=91))
    frame["share_bought_in_last_quarter"] = recent.groupby("CustomerID")["late"].mean()
    back = -returned.groupby("CustomerID")["amount"].sum().reindex(frame.index).fillna(0.0)
    frame["share_returned"] = (back / frame["spend_365d"]).clip(0, 1).where(frame["spend_365d"] > 0)
    frame["abroad"] = lines.groupby("CustomerID")["Country"].first().ne("United Kingdom").reindex(frame.index)
    return Customers(frame.reset_index(drop=True), frame["spend_365d"].to_numpy(), end)


def complete_journey(folder: Path) -> Customers:
    """Households of a supermarket chain: a year of baskets by department, hour and weekday. Survey answers stay out."""
    home = folder / "dunnhumby_complete_journey"
    lines = pd.read_parquet(home / "transactions.parquet")
    kinds = pd.read_parquet(home / "products.parquet", columns=["product_id", "department"]).set_index("product_id")
    lines["department"] = kinds["department"].reindex(lines["product_id"]).to_numpy()
    baskets = lines.groupby(["household_id", "basket_id"]).agg(
        at=("transaction_timestamp", "first"), amount=("sales_value", "sum"), store=("store_id", "first")
    ).reset_index()  # fmt: skip
    end = lines["transaction_timestamp"].max().normalize() + pd.Timedelta(days=1)
    hour = baskets["at"].dt.hour
    baskets["weekend"], baskets["night"] = baskets["at"].dt.dayofweek >= 5, (hour >= 21) | (hour < 6)
    by = baskets.groupby("household_id")
    discount = lines.groupby("household_id")[["retail_disc", "coupon_disc", "sales_value"]].sum()
    frame = pd.DataFrame(
        {
            "days_since_purchase": (end - by["at"].max()).dt.days,
            "purchases_365d": by["at"].count(),
            "spend_365d": by["amount"].sum(),
            "mean_ticket_365d": by["amount"].mean(),
            "stores_visited": by["store"].nunique(),
            "weekend_share_365d": by["weekend"].mean(),
            "night_share_365d": by["night"].mean(),
            "discount_share": discount["retail_disc"] / (discount["sales_value"] + discount["retail_disc"]),
            "coupon_share": discount["coupon_disc"] / discount["sales_value"],
        }
    )
    spend = lines.pivot_table(index="household_id", columns="department", values="sales_value", aggfunc="sum")
    largest = spend.sum().nlargest(8).index
    shares = spend[largest].fillna(0.0).div(frame["spend_365d"], axis=0)
    shares.columns = [f"share_of_{name.lower().replace(' ', '_').replace('-', '_')}" for name in largest]
    return Customers(frame.join(shares).reset_index(drop=True), frame["spend_365d"].to_numpy(), end)


TABLES: dict[str, Callable[[Path], Customers]] = {
    "cc_general": cc_general,
    "customer_personality": customer_personality,
    "online_retail": online_retail,
    "complete_journey": complete_journey,
}

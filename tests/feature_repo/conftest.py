"""A small firm made by hand, so that every feature can be checked with pencil and paper."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from feature_repo import history
from feature_repo.views import VIEWS
from scenefit.contracts.schema import conform
from scenefit.contracts.tables import RAW
from scenefit.runtime.store import connect, replace_raw
from scenefit.runtime.workspace import Dataset, Workspace

D = pd.Timestamp("2026-01-01", tz="UTC")
US = pd.Timedelta(microseconds=1)


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the caller's own settings."""
    for name in list(os.environ):
        if name.upper().startswith("SCENEFIT_"):
            monkeypatch.delenv(name)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "w")


def ago(days: float, more: str = "0h") -> pd.Timestamp:
    return D - pd.Timedelta(days=days) - pd.Timedelta(more)


def rows(name: str, columns: list[str], *values: tuple[object, ...]) -> pa.Table:
    frame = pd.DataFrame(list(values), columns=columns)
    for column in RAW[name].columns:
        if column.name in frame and column.kind == "instant":
            frame[column.name] = pd.to_datetime(frame[column.name], utc=True)
    return conform(pa.Table.from_pandas(frame, preserve_index=False), RAW[name])


EVENT = [
    "event_id", "customer_id", "at", "ingested_at", "kind", "scene_id", "merchant_id", "campaign_id", "amount",
    "product_id", "channel", "cost", "device_id", "session_id", "ip_city",
]  # fmt: skip


def event(number: int, who: str, at: pd.Timestamp, kind: str, **more: object) -> tuple[object, ...]:
    known = dict.fromkeys(EVENT[5:]) | {"ingested_at": at} | more
    return (f"e{number}", who, at, known["ingested_at"], kind, *(known[name] for name in EVENT[5:]))


EVENTS = (
    event(1, "ann", ago(1, "8h30m"), "visit", scene_id="travel"),  # 23:30 in Shanghai
    event(2, "ann", ago(11), "purchase", merchant_id="m1", amount=100.10),  # Sunday 08:00 in Shanghai
    event(3, "ann", ago(28), "purchase", scene_id="home", amount=200.20),
    event(4, "ann", ago(28) - US, "purchase", scene_id="home", amount=50.00),
    event(5, "ann", D, "purchase", scene_id="home", amount=999.00),
    event(6, "ann", ago(0, "2h"), "purchase", scene_id="home", amount=999.00, ingested_at=D),
    event(7, "ann", ago(365) - US, "browse", scene_id="medical"),
    event(8, "ann", ago(100), "sent", campaign_id="k1"),
    event(9, "bob", ago(5), "sent", campaign_id="k1"),
    event(10, "bob", ago(4), "click", campaign_id="k1"),
    event(11, "bob", ago(40), "sent", campaign_id="k2"),
    event(12, "bob", ago(3), "draw", amount=1000.00),
)

TABLES = {
    "customers": rows(
        "customers", ["customer_id", "kind", "birth_year", "registered_at", "income_band", "home_owner"],
        ("ann", "customer", 1990, ago(400), "05-08k", True), ("bob", "lead", None, ago(10), "00-05k", None),
        ("cy", "visitor", None, D, "99-99k", None),
    ),
    "scenes": rows(
        "scenes", ["scene_id", "parent_id", "name_en", "name_zh"],
        ("travel", None, "Travel", "旅游"), ("flights", "travel", "Flights", "机票"), ("home", None, "Home", "家装"),
        ("medical", None, "Medical", "医疗"),
    ),
    "merchants": rows("merchants", ["merchant_id", "scene_id", "name_en", "name_zh"],
                      ("m1", "flights", "Air", "航空"), ("m2", "home", "Tiles", "瓷砖")),
    "products": rows("products", ["product_id", "version", "kind", "name_en", "name_zh", "valid_from", "state"],
                     ("p1", 1, "loan", "Loan", "贷款", ago(900), "live"),
                     ("p2", 1, "card", "Card", "卡", ago(900), "live")),
    "accounts": rows("accounts", ["account_id", "customer_id", "product_id", "opened_at", "closed_at", "status"],
                     ("a1", "ann", "p1", ago(80), ago(5), "closed"), ("a2", "ann", "p2", ago(20), D, "closed"),
                     ("a3", "ann", "p1", D, None, "open")),
    "repayments": rows("repayments", ["account_id", "customer_id", "due_at", "due", "paid", "paid_at"],
                       ("a1", "ann", ago(60), 10.0, 10.0, ago(60, "-12h")), ("a1", "ann", ago(30), 10.0, 10.0, ago(20)),
                       ("a1", "ann", ago(35), 12.5, 12.5, D), ("a2", "ann", ago(0, "12h"), 10.0, 0.0, None)),
    "bureau": rows("bureau", ["customer_id", "at", "score", "inquiries_90d", "total_debt"],
                   ("ann", ago(100), 600.0, 1, 5.0), ("ann", ago(2, "1h"), 650.0, 3, 7.5), ("ann", D, 700.0, 9, 9.0)),
    "campaigns": rows("campaigns", ["campaign_id", "name_en", "name_zh", "channel", "starts_at", "ends_at"],
                      ("k1", "One", "一", "sms", ago(120), D), ("k2", "Two", "二", "push", ago(45), D),
                      ("k3", "Three", "三", "sms", D, ago(-30))),
    "events": rows("events", EVENT, *EVENTS),
}  # fmt: skip


def rows_of(workspace: Workspace, view: str, moment: pd.Timestamp = D) -> pd.DataFrame:
    """The rows of one view at a moment, whatever services read it."""
    history.build(workspace, [moment], views=[view])
    with connect() as connection:
        data = connection.sql(history.snapshot_sql(workspace, view, moment)).to_arrow_table()
    return data.to_pandas().set_index(VIEWS[view].keys).sort_index()


@pytest.fixture
def firm(tmp_path: Path) -> Callable[..., Workspace]:
    """A workspace of the hand-made tables; keywords replace tables, None leaves one out."""

    def make(folder: str = "firm", **other: pa.Table | None) -> Workspace:
        workspace = Workspace(tmp_path / folder)
        with replace_raw(workspace, Dataset("firm", D + pd.Timedelta(days=60), synthetic=True)) as writer:
            for name, table in (TABLES | other).items():
                if table is not None:
                    writer.add(name, table)
        return workspace

    return make

"""Views beside the customer's own, and what holds for all: the future and the order of rows change nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
import pytest

from feature_repo import features, history
from feature_repo.views import STORED, VIEWS
from feature_repo.writer import partitions
from scenefit.contracts.schema import conform
from scenefit.contracts.tables import RAW
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Workspace

from .conftest import EVENT, EVENTS, TABLES, US, D, ago, event, rows, rows_of

Firm = Callable[..., Workspace]
KINDS = ("visit", "purchase", "sent", "delivered", "click", "apply", "draw")
# what the hand-made firm lacks: devices, channels, costs, a scene mix with a past
SHARED = (
    event(31, "ann", ago(3), "visit", scene_id="home", device_id="d1", session_id="s1", ip_city="Wuhan"),
    event(32, "bob", ago(2), "visit", scene_id="travel", device_id="d1", session_id="s2", ip_city="Xi'an"),
    event(33, "ann", ago(120), "purchase", scene_id="medical", amount=3.30),
    event(34, "ann", ago(2), "sent", campaign_id="k2", channel="sms", cost=0.10),
    event(35, "ann", ago(2), "delivered", campaign_id="k2", channel="sms"),
    event(36, "ann", ago(1), "click", campaign_id="k2", channel="sms"),
    event(37, "ann", ago(1), "click", campaign_id="k1", channel="push"),
)


def test_the_last_hours_are_half_open_windows_too(firm: Firm) -> None:
    hour = pd.Timedelta(hours=1)
    recent = [
        event(1, "ann", D - hour, "visit", scene_id="home"), event(2, "ann", D - hour - US, "visit", scene_id="home"),
        event(3, "ann", D - 24 * hour, "purchase", merchant_id="m1", amount=5.50),
        event(4, "ann", D - 24 * hour - US, "purchase", scene_id="home", amount=4.50),
        event(5, "ann", D - 168 * hour, "purchase", amount=1.00), event(6, "ann", D - 168 * hour - US, "visit"),
        event(7, "ann", D, "visit"), event(8, "ann", D - hour, "visit", ingested_at=D),
        event(9, "ann", D - 24 * hour, "sent"), event(10, "ann", D - 24 * hour - US, "sent"),
    ]  # fmt: skip
    workspace = firm(events=rows("events", EVENT, *recent))
    ann = rows_of(workspace, "customer_recent").loc["ann"]
    expected = {
        "hours_since_activity": 0, "visits_1h": 1, "visits_24h": 2, "visits_7d": 2, "purchases_1h": 0,
        "purchases_24h": 1, "purchases_7d": 3, "spend_1h": 0, "spend_24h": 5.50, "spend_7d": 11.00, "scenes_24h": 2,
        "scenes_7d": 2, "contacts_24h": 1, "contacts_7d": 2,
    }  # fmt: skip
    assert ann[list(expected)].astype(float).to_dict() == expected
    assert ann["last_scene_id"] == "home"
    assert rows_of(workspace, "customer_recent").index.tolist() == ["ann"]


def test_who_was_not_active_for_a_week_ends_as_zeros_for_one_ttl(firm: Firm) -> None:
    view = VIEWS["customer_recent"]
    assert view.ttl == pd.Timedelta(days=2)
    workspace = firm(
        events=rows("events", EVENT, event(1, "ann", ago(7) - US, "visit"), event(2, "bob", ago(1), "sent"))
    )
    ended = rows_of(workspace, "customer_recent").loc["ann"]
    assert np.isnan(ended["hours_since_activity"])
    assert ended[["visits_7d", "contacts_7d"]].tolist() == [0, 0]
    assert history.as_of(D, "recent_v1", workspace).empty
    assert rows_of(workspace, "customer_recent", D + view.ttl).empty


def test_of_two_scenes_at_one_moment_the_first_by_id_is_the_last_one(firm: Firm) -> None:
    both = [event(number, "ann", ago(1), "visit", scene_id=scene) for number, scene in enumerate(("travel", "home"))]
    frame = rows_of(firm(events=rows("events", EVENT, *both)), "customer_recent")
    assert frame.loc["ann", "last_scene_id"] == "home"


def test_a_scene_is_described_by_the_people_in_it(firm: Firm) -> None:
    sent = event(70, "ann", ago(2), "sent")
    past = [event(71 + i, "bob", ago(100), "visit", scene_id="home") for i in range(6)]
    frame = rows_of(firm(events=rows("events", EVENT, *EVENTS, sent, *past)), "scene_daily")
    assert frame.index.tolist() == ["home", "medical", "travel"]
    counts = ["scene_people_90d", "scene_buyers_90d", "scene_sales_90d"]
    assert frame.loc["home", counts].tolist() == [1, 1, 250.20]
    assert frame.loc["travel", counts].tolist() == [1, 1, 100.10]
    assert frame.loc["medical", counts].tolist() == [0, 0, 0]
    assert frame["scene_ticket_90d"].tolist() == pytest.approx([125.10, np.nan, 100.10], nan_ok=True)
    assert frame["scene_growth_90d"].tolist() == pytest.approx([(2 - 6) / (2 + 6), np.nan, 1.0], nan_ok=True)
    assert frame["scene_reached_share_90d"].tolist() == pytest.approx([1.0, np.nan, 1.0], nan_ok=True)


def test_a_campaign_is_described_by_its_course(firm: Firm) -> None:
    frame = rows_of(firm(), "campaign_daily")
    assert frame.index.tolist() == ["k1", "k2"]
    course = ["campaign_days_since_start", "campaign_people_365d", "campaign_sent_365d", "campaign_clicks_365d",
              "campaign_draws_365d", "campaign_response_rate_365d"]  # fmt: skip
    assert frame.loc["k1", course].tolist() == [119, 2, 2, 1, 0, 0.5]
    assert frame.loc["k2", course].tolist() == [44, 1, 1, 0, 0, 0]
    # no delivery, application or cost is known of anybody
    assert frame[["campaign_delivered_365d", "campaign_applies_365d", "campaign_cost_365d"]].isna().all(axis=None)
    more = [
        event(80, "ann", ago(9), "sent", campaign_id="k2", cost=0.10),
        event(81, "ann", ago(9), "delivered", campaign_id="k2", cost=0.05),
        event(82, "ann", ago(8), "apply", campaign_id="k2"),
    ]
    k2 = rows_of(firm("more", events=rows("events", EVENT, *EVENTS, *more)), "campaign_daily").loc["k2"]
    assert k2[["campaign_sent_365d", "campaign_delivered_365d", "campaign_applies_365d"]].tolist() == [2, 1, 1]
    assert k2["campaign_cost_365d"] == pytest.approx(0.15)
    assert k2["campaign_response_rate_365d"] == 0.5


def test_a_device_tells_how_many_people_share_it(firm: Firm) -> None:
    people = rows("customers", ["customer_id", "kind", "registered_at", "city"],
                  ("ann", "customer", ago(400), "Wuhan"), ("bob", "customer", ago(400), "Xi'an"))  # fmt: skip
    used = [
        event(1, "ann", ago(1, "8h30m"), "visit", device_id="d1", session_id="s1", ip_city="Wuhan"),  # at night
        event(2, "bob", ago(90), "visit", device_id="d1", session_id="s2", ip_city="Wuhan"),
        event(3, "bob", ago(90) - US, "visit", device_id="d1", session_id="s3", ip_city="Yichang"),
        event(4, "bob", ago(91), "visit", device_id="d2"),
        event(5, "bob", ago(0, "1h"), "visit", device_id="d1", session_id="s4", ingested_at=D),
        event(6, "bob", ago(90) - pd.Timedelta(VIEWS["device_daily"].ttl) - US, "visit", device_id="d3"),
        event(7, "bob", ago(3), "visit"),
    ]
    frame = rows_of(firm(customers=people, events=rows("events", EVENT, *used)), "device_daily")
    expected = {
        "device_days_since_seen": 1, "device_events_90d": 2, "device_people_90d": 2, "device_sessions_90d": 2,
        "device_ip_cities_90d": 1, "device_home_cities_90d": 2, "device_night_share_90d": 0.5,
    }  # fmt: skip
    assert frame.loc["d1", list(expected)].astype(float).to_dict() == expected
    # d2 has left the window and ends as zeros, d3 has left the TTL after it
    assert frame.index.tolist() == ["d1", "d2"]
    assert frame.loc["d2", ["device_events_90d", "device_people_90d"]].tolist() == [0, 0]
    assert frame.loc["d2", ["device_days_since_seen", "device_sessions_90d"]].isna().all()


def test_without_optional_tables_and_columns_views_are_empty_rather_than_broken(firm: Firm) -> None:
    optional = dict.fromkeys(("merchants", "accounts", "repayments", "bureau", "campaigns"))
    events = TABLES["events"].select(["event_id", "customer_id", "at", "ingested_at", "kind", "scene_id", "amount"])
    bare = firm(events=conform(events, RAW["events"]), **optional)
    built = history.build(bare, [D])
    assert {name for name, count in built.items() if not count} == {"merchant_daily", "campaign_daily", "device_daily"}
    answers = ["days_since_response", "last_response_channel", "scene_shift_90d", "newest_account_kind"]
    assert rows_of(bare, "customer_daily")[answers].isna().all(axis=None)


def test_the_future_changes_no_feature(firm: Firm) -> None:
    seen = [e for e in (*EVENTS, *SHARED) if e[3] < D]
    known = {"scene_id": "home", "campaign_id": "k1", "amount": 9.0, "cost": 1.0, "channel": "sms", "device_id": "d1"}
    planted = [event(900 + i, who, D + i * US, kind, **known)
               for i, (who, kind) in enumerate(product(("ann", "bob"), KINDS))]  # fmt: skip
    whole = firm("whole", events=rows("events", EVENT, *EVENTS, *SHARED, *planted))
    cut = firm("cut", events=rows("events", EVENT, *seen))
    for view in STORED:
        pd.testing.assert_frame_equal(rows_of(whole, view.name), rows_of(cut, view.name))


def test_the_order_of_raw_rows_changes_no_byte(firm: Firm) -> None:
    rng = np.random.default_rng(3)
    tables = TABLES | {"events": rows("events", EVENT, *EVENTS, *SHARED)}
    mixed = {name: table.take(rng.permutation(table.num_rows)) for name, table in tables.items()}
    one, two = firm("one", **tables), firm("two", **mixed)
    history.build(one, [D])
    history.build(two, [D], threads=2)
    for view in STORED:
        (a,), (b,) = (partitions(workspace.features / view.source) for workspace in (one, two))
        assert a.file.read_bytes() == b.file.read_bytes(), view.name


def test_what_is_known_later_changes_an_old_moment_only_when_asked_to(firm: Firm) -> None:
    view = VIEWS["customer_daily"]
    with connect() as connection:
        raw_views(connection, firm())
        features.stage(connection, D, D + pd.Timedelta(days=3), "Asia/Shanghai", view.ttl)
        found = []
        for known_at in (None, D, D + US):
            features.fix_moment(connection, D, "Asia/Shanghai", known_at)
            found.append(
                features.snapshot(connection, view, D, known_at).to_pandas().set_index("customer_id").loc["ann"]
            )
    # e6 happened before D and was ingested at D; e5 happened at D
    assert [ann["purchases_28d"] for ann in found] == [2, 2, 3]
    assert [ann["spend_28d"] for ann in found] == [300.30, 300.30, 1299.30]
    assert [ann["event_timestamp"] for ann in found] == [D] * 3
    assert [ann["created"] for ann in found] == [D, D, D + US]


def test_a_merchant_and_a_product_are_described_too(firm: Firm) -> None:
    workspace = firm()
    assert history.build(workspace, [D]) == {
        "customer_daily": 2, "customer_scene": 3, "customer_risk": 2, "customer_recent": 1, "scene_daily": 3,
        "merchant_daily": 2, "product_daily": 2, "campaign_daily": 2, "device_daily": 0, "customer_labels": 2,
    }  # fmt: skip

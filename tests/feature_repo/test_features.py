"""Known answers by hand, and nothing from the future."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feature_repo import features, history
from feature_repo.views import STORED, VIEWS
from feature_repo.views_supply import MERCHANT_DAILY
from feature_repo.writer import partition_of, partitions, write
from scenefit.contracts.errors import ContractError, SettingsError
from scenefit.runtime.store import connect, read_parquet
from scenefit.runtime.workspace import Workspace

from .conftest import EVENT, EVENTS, TABLES, D, ago, event, rows

Firm = Callable[..., Workspace]


def base(workspace: Workspace, service: str = "offers_v1", keys: str | list[str] = "customer_id") -> pd.DataFrame:
    history.build(workspace, [D])
    return history.as_of(D, service, workspace).set_index(keys)


def test_behaviour_of_one_customer_in_half_open_windows(firm: Firm) -> None:
    ann = base(firm()).loc["ann"]
    expected = {
        "days_since_activity": 1, "days_since_purchase": 10,
        "visits_28d": 1, "visits_365d": 1,
        "purchases_28d": 2, "purchases_90d": 3, "purchases_365d": 3,
        "active_days_28d": 3, "active_days_365d": 3, "trend_28d": (3 - 1) / (3 + 1),
        "spend_28d": 300.30, "spend_90d": 350.30, "spend_365d": 350.30,
        "mean_ticket_365d": 350.30 / 3, "max_ticket_365d": 200.20, "relative_ticket_365d": 1.0,
        "scenes_365d": 2, "scene_entropy_365d": log(2), "top_scene_share_365d": 0.5,
        "night_share_365d": 1 / 4, "weekend_share_365d": 1 / 4,
        "tenure_days": 400, "home_owner": 1, "income_rank": 2, "is_lead": 0,
    }  # fmt: skip
    assert ann[list(expected)].astype(float).to_dict() == pytest.approx(expected, rel=1e-9)
    assert ann["top_scene_id"] == "home"


def test_contacts_and_answers_are_drawn_to_the_mean_of_all(firm: Firm) -> None:
    frame = base(firm())
    told = ["contacts_30d", "contacts_90d", "days_since_contact", "clicks_90d", "draws_365d"]
    assert frame.loc["bob", told].tolist() == [1, 2, 4, 1, 1]
    # one of three campaigns received was answered
    assert frame.loc["bob", "response_rate_365d"] == pytest.approx((1 + 5 / 3) / (2 + 5))
    assert frame.loc["ann", "response_rate_365d"] == pytest.approx((0 + 5 / 3) / (1 + 5))


def test_who_is_not_yet_known_has_no_row(firm: Firm) -> None:
    assert base(firm()).index.tolist() == ["ann", "bob"]


def test_accounts_are_open_until_they_close(firm: Firm) -> None:
    frame = base(firm())
    assert frame.loc["ann", ["accounts_open", "accounts_ever", "account_kinds_open"]].tolist() == [1, 2, 1]
    assert frame.loc["bob", ["accounts_open", "accounts_ever", "account_kinds_open"]].tolist() == [0, 0, 0]


def test_risk_sees_repayments_as_they_stood(firm: Firm) -> None:
    ann = base(firm(), "default_v1").loc["ann"]
    expected = {
        "bureau_score": 650, "bureau_inquiries_90d": 3, "bureau_debt": 7.5, "bureau_age_days": 2,
        "dues_365d": 3, "late_share_365d": 2 / 3, "late30_share_365d": 1 / 3, "max_days_late_365d": 35,
        "overdue_now": 1, "overdue_amount_now": 12.5,
    }  # fmt: skip
    assert ann[list(expected)].astype(float).to_dict() == pytest.approx(expected)
    assert base(firm(), "default_v1").loc["bob"][["bureau_score", "dues_365d"]].isna().all()


def test_scene_rows_count_what_falls_into_the_top_level_scene(firm: Firm) -> None:
    frame = base(firm(), "segments_v1", ["customer_id", "scene_id"])
    assert frame.index.tolist() == [("ann", "home"), ("ann", "travel")]
    travel = frame.loc[("ann", "travel")]
    assert travel[["scene_visits_365d", "scene_purchases_365d", "scene_spend_365d"]].tolist() == [1, 1, 100.10]
    assert travel["scene_activity_share_365d"] == 0.5
    assert travel["scene_spend_share_365d"] == pytest.approx(100.10 / 350.30)
    assert travel["spend_365d"] == 350.30


def test_without_credit_tables_holdings_are_unknown_rather_than_none(firm: Firm) -> None:
    frame = base(firm(accounts=None, repayments=None, bureau=None), "default_v1")
    assert frame[["accounts_open", "bureau_score", "dues_365d", "applications_365d"]].isna().all(axis=None)
    assert frame.loc["ann", "purchases_28d"] == 2


def test_without_any_contact_pressure_is_unknown_rather_than_none(firm: Firm) -> None:
    behaviour = [e for e in EVENTS if e[4] in ("visit", "purchase")]
    frame = base(firm(events=rows("events", EVENT, *behaviour)))
    assert frame[["contacts_30d", "clicks_90d", "response_rate_365d"]].isna().all(axis=None)
    assert frame.loc["bob", "purchases_28d"] == 0
    assert np.isnan(frame.loc["bob", "night_share_365d"])


def test_a_kind_of_event_that_is_not_recorded_is_unknown_rather_than_zero(firm: Firm) -> None:
    no_visit = [e for e in EVENTS if e[4] not in ("visit", "browse")]
    frame = base(firm(events=rows("events", EVENT, *no_visit)), "segments_v1", ["customer_id", "scene_id"])
    assert frame[["visits_28d", "scene_visits_365d", "applies_365d"]].isna().all(axis=None)
    assert frame.loc[("ann", "travel"), ["purchases_28d", "scene_purchases_365d", "draws_365d"]].tolist() == [2, 1, 0]


def test_the_future_changes_no_feature(firm: Firm) -> None:
    seen = [e for e in EVENTS if e[3] < D]
    whole, cut = firm("whole"), firm("cut", events=rows("events", EVENT, *seen))
    for service in ("default_v1", "segments_v1"):
        pd.testing.assert_frame_equal(base(whole, service), base(cut, service))


def test_the_order_of_raw_rows_changes_no_byte(firm: Firm) -> None:
    mixed = np.random.default_rng(3).permutation(len(EVENTS))
    one, two = firm("one"), firm("two", events=TABLES["events"].take(mixed))
    for workspace in (one, two):
        history.build(workspace, [D])
    for view in STORED:
        (a,), (b,) = (partitions(workspace.features / view.source) for workspace in (one, two))
        assert a.file.read_bytes() == b.file.read_bytes(), view.name


def test_a_shop_with_enough_purchases_is_its_own_yardstick(firm: Firm) -> None:
    sales = [event(100 + i, "bob", ago(9), "purchase", merchant_id="m1", amount=10.0) for i in range(39)]
    frame = base(firm(events=rows("events", EVENT, *EVENTS, *sales)))
    typical = round((39 * 1000 + 10010) / 40)  # cents; 40 purchases at m1
    assert frame.loc["bob", "relative_ticket_365d"] == pytest.approx(1000 / typical)


def test_a_merchant_and_a_product_are_described_too(firm: Firm) -> None:
    workspace = firm()
    assert history.build(workspace, [D]) == {
        "customer_daily": 2, "customer_scene": 3, "customer_risk": 2, "merchant_daily": 2, "product_daily": 2,
    }  # fmt: skip


def test_a_time_zone_that_does_not_exist_is_refused(firm: Firm) -> None:
    connection = connect()
    with pytest.raises(SettingsError, match="time zone 'Asia/Atlantis' is unknown"):
        features.stage(connection, D, D, "Asia/Atlantis", pd.Timedelta(days=1))
    connection.close()


def test_a_key_that_repeats_is_refused(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D])
    (found,) = partitions(workspace.features / "merchant_daily")
    data = read_parquet(found.file)
    doubled = pa.concat_tables([data.slice(0, 1), data])
    with pytest.raises(ContractError, match=r"merchant_daily: 1 rows repeat a key, such as .*'m1'"):
        write(partition_of(workspace.features / "merchant_daily", D, "0" * 16), doubled, MERCHANT_DAILY)


def test_bytes_do_not_depend_on_how_many_pieces_the_query_came_in(firm: Firm, tmp_path: Path) -> None:
    view = VIEWS["merchant_daily"]
    values = {key: [f"m{i:05d}" for i in range(3_000)] for key in view.keys}
    values |= {name: [D] * 3_000 for name in ("event_timestamp", "created")}
    values |= {name: list(range(3_000)) for name in view.names}
    whole = pa.table(values, view.arrow)
    pieces = pa.concat_tables([whole.slice(0, 700), whole.slice(700)])
    one, two = (partition_of(tmp_path / name, D, "0" * 16) for name in ("one", "two"))
    write(one, whole, view)
    write(two, pieces, view)
    assert one.file.read_bytes() == two.file.read_bytes()

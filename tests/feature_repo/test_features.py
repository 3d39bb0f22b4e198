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
from feature_repo.services import SERVICES
from feature_repo.views import VIEWS
from feature_repo.views_supply import MERCHANT_DAILY
from feature_repo.writer import partition_of, partitions, write
from scenefit.contracts.errors import ContractError, SettingsError
from scenefit.runtime.store import connect, read_parquet
from scenefit.runtime.workspace import Workspace

from .conftest import EVENT, EVENTS, D, ago, event, rows

Firm = Callable[..., Workspace]


def base(workspace: Workspace, service: str = "offers_v1", keys: str | list[str] = "customer_id") -> pd.DataFrame:
    history.build(workspace, [D], views=sorted({view.source for view in SERVICES[service].views}))
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


def test_time_of_day_is_shared_out_over_four_parts(firm: Firm) -> None:
    ann = base(firm(), "offers_v2").loc["ann"]
    shares = {"night_share_365d": 0.25, "morning_share_365d": 0.75, "afternoon_share_365d": 0, "evening_share_365d": 0}
    assert ann[list(shares)].to_dict() == shares
    # business time is UTC+8
    for hour, part in [(22, "morning"), (4, "afternoon"), (10, "evening"), (15, "night"), (21, "night")]:
        at = pd.Timestamp("2025-12-20", tz="UTC") + pd.Timedelta(hours=hour)
        frame = base(firm(f"at{hour}", events=rows("events", EVENT, event(1, "bob", at, "visit"))), "offers_v2")
        assert frame.loc["bob", f"{part}_share_365d"] == 1, hour


def test_the_scene_mix_shifts_from_nothing_to_everything(firm: Firm) -> None:
    def shift(now: list[str], before: list[str]) -> float:
        visits = [event(i, "ann", ago(10), "visit", scene_id=scene) for i, scene in enumerate(now)]
        visits += [event(50 + i, "ann", ago(120), "visit", scene_id=scene) for i, scene in enumerate(before)]
        folder = f"{'-'.join(now)}.{'-'.join(before)}"
        frame = base(firm(folder, events=rows("events", EVENT, *visits)), "offers_v2")
        return float(frame.loc["ann", "scene_shift_90d"])

    assert shift(["home", "travel"], ["travel", "flights", "home", "home"]) == 0
    assert shift(["home"], ["travel", "medical"]) == 1
    # halves of which one scene is common: entropy of the whole less the mean entropy of the halves, over ln 2
    whole = -(0.5 * log(0.5) + 2 * 0.25 * log(0.25))
    assert shift(["home", "travel"], ["home", "medical"]) == pytest.approx((whole - log(2)) / log(2), abs=1e-6)
    assert np.isnan(shift(["home"], []))


def test_tickets_vary_by_their_standard_deviation_over_their_mean(firm: Firm) -> None:
    frame = base(firm(), "offers_v2")
    tickets = np.array([100.10, 200.20, 50.00])
    assert frame.loc["ann", "ticket_variation_365d"] == pytest.approx(tickets.std() / tickets.mean(), rel=1e-12)
    assert np.isnan(frame.loc["bob", "ticket_variation_365d"])


def test_the_account_opened_last_is_told_of(firm: Firm) -> None:
    frame = base(firm(), "offers_v2")
    opened = ["days_since_account_opened", "accounts_opened_365d", "newest_account_kind"]
    assert frame.loc["ann", opened].tolist() == [19, 2, "card"]
    assert frame.loc["bob", opened[1]] == 0
    assert frame.loc["bob", [opened[0], opened[2]]].isna().all()
    # a version of a product that is not valid yet is not known
    later = rows("products", ["product_id", "version", "kind", "name_en", "name_zh", "valid_from", "state"],
                 ("p2", 1, "card", "Card", "卡", ago(900), "live"),
                 ("p2", 2, "line", "Line", "额度", D, "live"))  # fmt: skip
    assert base(firm("later", products=later), "offers_v2").loc["ann", opened[2]] == "card"


def test_contact_pressure_counts_what_went_unanswered(firm: Firm) -> None:
    frame = base(firm(), "offers_v2")
    pressure = ["contacts_per_week_90d", "contacts_unanswered_365d"]
    # bob was registered 10 days ago; his click came after both messages, his draw answers no campaign
    assert frame.loc["bob", pressure].tolist() == [2 * 7 / 10, 0]
    assert frame.loc["bob", ["days_between_contacts_90d", "days_since_response"]].tolist() == [35, 3]
    assert frame.loc["ann", pressure].tolist() == [0, 1]
    assert frame.loc["ann", ["days_between_contacts_90d", "days_since_response", "last_response_channel"]].isna().all()


def test_the_last_answer_tells_its_channel_and_what_came_since(firm: Firm) -> None:
    told = [
        event(1, "ann", ago(50), "sent", campaign_id="k1"), event(2, "ann", ago(45), "sent", campaign_id="k1"),
        event(3, "ann", ago(44), "reply", campaign_id="k1", channel="sms"),
        event(4, "ann", ago(40), "click", campaign_id="k1", channel="wechat"),
        event(5, "ann", ago(40), "click", campaign_id="k2", channel="push"),
        event(6, "ann", ago(39), "sent", campaign_id="k2"), event(7, "ann", ago(31), "sent", campaign_id="k2"),
    ]  # fmt: skip
    ann = base(firm(events=rows("events", EVENT, *told)), "offers_v2").loc["ann"]
    assert ann["last_response_channel"] == "push"
    assert ann[["days_since_response", "contacts_unanswered_365d"]].tolist() == [39, 2]
    assert ann["days_between_contacts_90d"] == pytest.approx(19 / 3)
    assert ann["contacts_per_week_90d"] == pytest.approx(4 * 7 / 90)


def test_repayment_behaviour_is_a_streak_and_a_habit(firm: Firm) -> None:
    ann = base(firm(), "default_v2").loc["ann"]
    # the newest due was paid ten days late
    assert ann[["on_time_streak_365d", "early_share_365d", "late_share_90d"]].tolist() == [0, 0, 2 / 3]
    dues = rows(
        "repayments", ["account_id", "customer_id", "due_at", "due", "paid", "paid_at"],
        ("a1", "ann", ago(200), 10.0, 10.0, ago(195)), ("a1", "ann", ago(150), 10.0, 10.0, ago(152)),
        ("a1", "ann", ago(100), 10.0, 10.0, ago(100)), ("a1", "ann", ago(40), 10.0, 10.0, ago(41.5)),
        ("a2", "bob", ago(30), 10.0, 10.0, ago(30)), ("a2", "bob", ago(400), 10.0, 10.0, ago(300)),
    )  # fmt: skip
    frame = base(firm("better", repayments=dues), "default_v2")
    assert frame.loc["ann", ["on_time_streak_365d", "early_share_365d"]].tolist() == [3, 0.5]
    assert frame.loc["ann", "late_share_90d"] == 0
    assert frame.loc["bob", ["on_time_streak_365d", "early_share_365d"]].tolist() == [1, 0]


def test_signals_of_distress(firm: Firm) -> None:
    applied = rows("applications", ["application_id", "customer_id", "product_id", "at", "decision"],
                   ("x1", "ann", "p1", ago(30), "declined"), ("x2", "ann", "p1", ago(30, "1h"), "declined"),
                   ("x3", "ann", "p1", ago(90), "pending"), ("x4", "ann", "p1", D, "pending"))  # fmt: skip
    frame = base(firm(applications=applied), "default_v2")
    assert frame.loc["ann", ["applications_30d", "applications_90d", "applications_365d"]].tolist() == [1, 3, 3]
    assert frame.loc["bob", ["applications_30d", "applications_90d"]].tolist() == [0, 0]
    assert frame.loc["ann", ["bureau_score_change", "bureau_inquiries_change"]].tolist() == [50, 2]
    assert frame.loc["ann", "night_purchase_share_90d"] == 0
    assert np.isnan(frame.loc["bob", "night_purchase_share_90d"])
    at_night = event(60, "bob", ago(1, "8h30m"), "purchase"), event(61, "bob", ago(1), "purchase")
    frame = base(firm("night", events=rows("events", EVENT, *EVENTS, *at_night)), "default_v2")
    assert frame.loc["bob", "night_purchase_share_90d"] == 0.5


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


def test_a_shop_with_enough_purchases_is_its_own_yardstick(firm: Firm) -> None:
    sales = [event(100 + i, "bob", ago(9), "purchase", merchant_id="m1", amount=10.0) for i in range(39)]
    frame = base(firm(events=rows("events", EVENT, *EVENTS, *sales)))
    typical = round((39 * 1000 + 10010) / 40)  # cents; 40 purchases at m1
    assert frame.loc["bob", "relative_ticket_365d"] == pytest.approx(1000 / typical)


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

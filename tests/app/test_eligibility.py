"""Who may be offered what on which channel, by hand: every rule, their order, and what data does not state."""

import duckdb
import numpy as np
import pandas as pd
import pytest

from app import facts
from app.eligibility import applied_rules, by_product, grid_for, instalments, rules_as_facts
from app.eligibility_facts import Background, monthly_income, read_cooling, read_inquiries, read_monthly_due
from recsys.eligible import stage_grid
from scenefit.contracts.reach import Gate, Reach
from scenefit.runtime.settings import LimitSettings

AT = pd.Timestamp("2026-06-30", tz="UTC")
CHANNELS = ["sms", "call"]
STATED = frozenset(("accounts", "repayments", "bureau", "consents", "blocklists"))


def products(**changes):
    return pd.DataFrame(
        {"product_id": ["P1", "P2"], "apr": [0.12, np.nan], "tenor_min": [12.0, 12.0], "tenor_max": [12.0, 12.0],
         "age_min": [18.0, np.nan], "age_max": [np.nan, np.nan], "pd_max": [0.05, np.nan]} | changes
    )  # fmt: skip


def offers():
    return pd.DataFrame(
        {"offer_id": ["P1@sms", "P1@call", "P2@sms", "P2@call"], "product_id": ["P1", "P1", "P2", "P2"],
         "channel": CHANNELS * 2}
    )  # fmt: skip


def background(n, **changes):
    everybody = np.ones(n, bool)
    reach = Reach(everybody, np.zeros(n, np.int16), (), (Gate("consent", everybody),), np.ones((n, 2), bool))
    nothing = np.zeros((n, 2), bool)
    known = Background(
        birth_year=np.full(n, 1990.0), active=~nothing, held=nothing, cooling=nothing, monthly_due=np.zeros(n),
        monthly_income=np.full(n, 1e6), inquiries=np.zeros(n), pd_now=np.zeros(n), reach=reach, stated=STATED,
    )  # fmt: skip
    return known._replace(**changes)


def grid(known, table=None):
    rules = applied_rules(
        known, products() if table is None else table, np.array([1_200.0, 1_200.0]), offers(), 2026, LimitSettings(),
        CHANNELS,
    )  # fmt: skip
    return stage_grid(rules, len(known.birth_year), 4, AT)


def reasons(known, table=None):
    found = grid(known, table)
    return np.asarray(found.reasons, object)[found.reason].tolist()


def test_who_passes_every_rule_is_eligible_on_every_channel():
    assert reasons(background(1)) == [["eligible"] * 4]


def test_each_rule_speaks_of_its_own_pairs():
    own = np.array([[True, False], [False, False], [False, True]])
    assert reasons(background(3, held=own))[0] == ["already has it", "already has it", "eligible", "eligible"]
    assert reasons(background(3, cooling=own))[2][2:] == ["cooling-off"] * 2
    assert reasons(background(3, active=~own))[2][2:] == ["not active in its scenes"] * 2
    assert (
        reasons(background(3, birth_year=np.array([np.nan, 2010, 1990.0])))[:2]
        == [["age limits"] * 2 + ["eligible"] * 2] * 2
    )
    assert reasons(background(2, inquiries=np.array([6.0, np.nan]))) == [["several lenders"] * 4, ["eligible"] * 4]


def test_a_product_may_ask_for_less_risk_than_the_policy_and_never_for_more():
    found = reasons(background(4, pd_now=np.array([0.04, 0.1, 0.3, np.nan])), products(pd_max=[0.05, 0.5]))
    assert [[row[0], row[2]] for row in found] == [
        ["eligible", "eligible"], ["likely default", "eligible"], ["likely default"] * 2, ["eligible", "eligible"],
    ]  # fmt: skip


def test_instalments_may_take_half_of_the_income_and_no_more():
    # 1,200 over a year at 12 %: 106.62 a month; without a rate 100
    assert instalments(products(), np.array([1_200.0, 1_200.0])) == pytest.approx([106.6185, 100.0], abs=1e-3)
    income, due = np.array([1_000.0, 1_000.0, 1_000.0, np.nan]), np.array([390.0, 395.0, 401.0, 9_999.0])
    found = reasons(background(4, monthly_income=income, monthly_due=due))
    assert [[row[0], row[2]] for row in found] == [
        ["eligible", "eligible"], ["debt burden", "eligible"], ["debt burden"] * 2, ["eligible", "eligible"],
    ]  # fmt: skip


def test_contact_policy_comes_last_and_a_block_list_first():
    passes = np.array([False, True])
    gates = (
        Gate("consent", passes), Gate("not blocked", ~passes), Gate("contact cap", ~passes),
        Gate("not on list: friends", ~passes),
    )  # fmt: skip
    reach = Reach(np.zeros(2, bool), np.full(2, -1, np.int16), (), gates, np.zeros((2, 2), bool))
    found = reasons(background(2, reach=reach, held=np.array([[True, False], [True, True]])))
    assert found == [["already has it"] * 2 + ["no consent"] * 2, ["hard stop"] * 4]


def test_a_closed_channel_closes_its_offers_alone():
    is_open = np.array([[True, False]])
    known = background(1)
    assert reasons(known._replace(reach=known.reach._replace(open_channels=is_open))) == [
        ["eligible", "channel closed"] * 2
    ]


def test_a_product_counts_by_the_channel_that_gets_furthest():
    reason = np.array([[3, 0, 2, 5], [1, 1, 255, 4]], np.uint8)
    assert by_product(reason, offers(), ["P1", "P2"]).tolist() == [[0, 5], [1, 255]]


def test_a_rule_without_its_table_lets_pass_and_says_so():
    known = background(1, stated=frozenset(("accounts",)))
    said = {rule["code"]: rule for rule in rules_as_facts(grid(known).rules)}
    assert "not stated in the data" in said["debt burden"]["en"]
    assert "数据未提供" in said["several lenders"]["zh"]
    assert "not stated" not in said["already has it"]["en"]


def test_the_grid_of_a_person_asks_every_stage():
    own = np.array([[True, False], [False, False]])
    known = background(2, held=own, pd_now=np.array([0.9, 0.0])).of(np.array([0]))
    rules = applied_rules(known, products(), np.array([1_200.0, 1_200.0]), offers(), 2026, LimitSettings(), CHANNELS)
    found = grid_for(rules, ["c1"], offers(), AT)
    assert found.columns.tolist() == [
        "customer_id", "offer_id", "eligibility", "applicability", "suitability", "contact",
    ]  # fmt: skip
    assert found.iloc[0].tolist() == ["c1", "P1@sms", "", "already has it", "likely default", ""]
    assert found.iloc[2].tolist() == ["c1", "P2@sms", "", "", "likely default", ""]


def test_bands_of_income_stand_for_their_middle_and_open_ones_for_their_lower_end():
    found = monthly_income(pd.Series(["05-08k", "20k+", None, "high"]))
    assert found[:2].tolist() == [6_500, 20_000]
    assert np.isnan(found[2:]).all()
    assert np.isnan(monthly_income(pd.Series([None, None], dtype="string"))).all()


@pytest.fixture
def connection():
    found = duckdb.connect()
    found.execute("SET TimeZone = 'UTC'")
    facts.number_people(found, np.array(["c1", "c2", "c3"], object))
    found.register("offers", pd.DataFrame({"product_id": ["P1", "P2"], "product": [0, 1]}))
    yield found
    found.close()


def rows(connection, name, columns, *values):
    connection.register(name, pd.DataFrame(list(values), columns=columns.split()))


def test_cooling_off_counts_declines_and_messages_of_the_last_days(connection):
    day = pd.Timedelta(days=1)
    rows(connection, "applications", "customer_id product_id decision at",
         ("c1", "P1", "declined", AT - 30 * day), ("c1", "P2", "approved", AT - day),
         ("c2", "P1", "declined", AT - 31 * day), ("c2", "P2", "declined", AT))  # fmt: skip
    rows(connection, "events", "customer_id product_id kind at ingested_at",
         ("c3", "P2", "sent", AT - day, AT - day), ("c3", "P1", "sent", AT - day, AT),
         ("c2", "P1", "draw", AT - day, AT - day))  # fmt: skip
    found = read_cooling(connection, AT, 30, (3, 2))
    assert np.argwhere(found).tolist() == [[0, 0], [2, 1]]


def test_the_monthly_due_is_of_the_last_month_and_of_accounts_still_owed(connection):
    day = pd.Timedelta(days=1)
    rows(connection, "accounts", "account_id customer_id opened_at closed_at status",
         ("a1", "c1", AT - 90 * day, pd.NaT, "open"), ("a2", "c1", AT - 90 * day, AT - day, "closed"),
         ("a3", "c2", AT - 90 * day, AT - day, "charged off"))  # fmt: skip
    rows(connection, "repayments", "account_id customer_id due_at due",
         ("a1", "c1", AT - 40 * day, 100.0), ("a1", "c1", AT - 10 * day, 110.0), ("a1", "c1", AT, 120.0),
         ("a2", "c1", AT - 10 * day, 50.0), ("a3", "c2", AT - 31 * day, 70.0))  # fmt: skip
    assert read_monthly_due(connection, AT, 3).tolist() == [110, 70, 0]


@pytest.mark.parametrize("day", [1, 15, 28, 30, 31])
def test_an_instalment_a_month_counts_once_on_every_day(connection, day):
    months = pd.date_range("2025-12-01", "2027-01-01", freq="MS", tz="UTC")
    due = [one + pd.Timedelta(days=min(day, one.days_in_month) - 1) for one in months]
    rows(connection, "accounts", "account_id customer_id opened_at closed_at status",
         ("a1", "c1", months[0], pd.NaT, "open"), ("a2", "c2", months[0], pd.NaT, "open"),
         ("a3", "c3", months[0], months[1], "closed"))  # fmt: skip
    weeks = pd.date_range("2025-12-01", "2027-01-01", freq="7D", tz="UTC")
    rows(connection, "repayments", "account_id customer_id due_at due",
         *(("a1", "c1", at, 1_000.0) for at in due), *(("a2", "c2", at, 250.0) for at in weeks))  # fmt: skip
    days = pd.date_range("2026-02-02", "2026-12-31", freq="36h", tz="UTC")
    listed = ["2026-03-02", "2026-05-02", "2026-03-20", "2026-03-30 12:00", "2026-03-31", "2026-04-30 12:00"]
    for at in (*days, *(pd.Timestamp(told, tz="UTC") for told in listed)):
        assert read_monthly_due(connection, at, 3).tolist() == [1_000, 1_000, 0], at


def test_the_newest_bureau_answer_before_the_moment_counts(connection):
    day = pd.Timedelta(days=1)
    rows(connection, "bureau", "customer_id at inquiries_90d",
         ("c1", AT - 5 * day, 7), ("c1", AT - 2 * day, 2), ("c2", AT, 9))  # fmt: skip
    found = read_inquiries(connection, AT, 3)
    assert found[0] == 2
    assert np.isnan(found[1:]).all()

"""What the flow reads, on a handful of rows counted by hand."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas import Timedelta, Timestamp

from app import facts
from recsys.interactions import microseconds
from scenefit.contracts.errors import NotEligible
from scenefit.contracts.tables import RAW
from scenefit.runtime.store import connect, raw_views, replace_raw
from scenefit.runtime.workspace import Dataset, Workspace

DAY = Timedelta(days=1)
START = Timestamp("2026-01-01", tz="UTC")
UNTIL = START + 100 * DAY
HORIZON = 10


def day(number):
    return START + number * DAY


def event(kind, who, at, known=0, **more):
    return {"customer_id": who, "kind": kind, "at": day(at), "ingested_at": day(at + known)} | more


def draw(who, at, product="P2", campaign=None, known=0, amount=None):
    return event("draw", who, at, known, product_id=product, campaign_id=campaign, amount=amount)


EVENTS = [
    # behaviour: a went to m1 twice and to m2 once; what becomes known on day 60 is unknown on day 50
    event("visit", "a", 1, merchant_id="m1", scene_id="travel"),
    event("purchase", "a", 2, merchant_id="m1", scene_id="travel"),
    event("browse", "a", 3, merchant_id="m2", scene_id="home"),
    event("visit", "b", 4, merchant_id="m1", scene_id="travel"),
    event("visit", "b", 5, known=55, merchant_id="m2", scene_id="home"),
    event("visit", "c", 70, merchant_id="m3", scene_id="home"),
    # campaign k1 offers P2 from day 10 to day 20, horizon to day 30
    draw("a", 15, campaign="k1", amount=100.0),
    draw("a", 18, campaign="k1", amount=300.0),
    draw("b", 29.5, campaign="k1"),
    draw("c", 30, campaign="k1"),
    draw("d", 12, product="P1", campaign="k1"),
    # without the campaign: counts by intention to treat, not as taken through it
    draw("e", 15),
    draw("f", 19.5),
    # campaign k2 is a booklet from day 40 to day 45: any draw of it counts
    draw("a", 42, product="P1", campaign="k2"),
    draw("b", 43, campaign="k2", known=20),
    event("sent", "a", 10),
    event("sent", "a", 12),
    event("sent", "b", 20),
    event("delivered", "a", 12),
]
ARMS = {
    "k1": (("offer", "P2", 0.6), ("control", None, 0.4)),
    "k2": (("booklet", None, None),),
    "k3": (("offer", "P9", 0.5),),
}
ASSIGNED = [
    *(("k1", who, "offer", 10) for who in "abcd"), *(("k1", who, "control", 10) for who in "efg"),
    ("k2", "a", "booklet", 40), ("k2", "b", "booklet", 40), ("k2", "c", "booklet", 52), ("k3", "a", "offer", 40),
]  # fmt: skip

ACCOUNTS = (
    ("a", 5, None, "open"), ("b", 5, 60, "closed"), ("c", 5, 40, "closed"), ("d", 5, 40, "charged off"),
    ("e", 55, None, "open"),
)  # fmt: skip


def frames():
    campaigns = {"k1": (10, 20, None), "k2": (40, 45, "B"), "k3": (40, 45, None)}
    return {
        "customers": [{"customer_id": who, "kind": "customer", "registered_at": day(-2)} for who in "gfedcba"]
        + [{"customer_id": "late", "kind": "lead", "registered_at": day(60)}],
        "scenes": [{"scene_id": "travel"}, {"scene_id": "home"}, {"scene_id": "flights", "parent_id": "travel"}],
        "products": [
            {"product_id": "P2", "version": 1, "state": "live", "amount_min": 100.0, "amount_max": 1_000.0},
            {"product_id": "P2", "version": 2, "state": "live", "amount_min": 100.0, "amount_max": 2_000.0},
            {"product_id": "P1", "version": 1, "state": "live", "amount_min": 100.0, "amount_max": 300.0},
            {"product_id": "P3", "version": 1, "state": "draft"},
            {"product_id": "P4", "version": 1, "state": "live", "valid_from": day(51)},
            {"product_id": "P5", "version": 1, "state": "live", "valid_to": day(50)},
        ],
        "accounts": [
            {"account_id": f"acc-{who}", "customer_id": who, "product_id": "P1", "opened_at": day(opened),
             "closed_at": closed and day(closed), "status": status}
            for who, opened, closed, status in ACCOUNTS
        ],
        "campaigns": [
            {"campaign_id": name, "kind": kind, "channel": "sms", "starts_at": day(start), "ends_at": day(end)}
            for name, (start, end, kind) in campaigns.items()
        ],
        "arms": [
            {"campaign_id": name, "arm": arm, "product_id": product, "share": share}
            for name, arms in ARMS.items()
            for arm, product, share in arms
        ],
        "assignments": [{"campaign_id": k, "customer_id": w, "arm": arm, "at": day(at)} for k, w, arm, at in ASSIGNED],
        "events": [row | {"event_id": f"e{i:02d}"} for i, row in enumerate(EVENTS)],
    }  # fmt: skip


FILLERS = {"valid_from": day(0), "name_en": "name", "name_zh": "名称", "kind": "loan"}


def table(name, rows):
    """Rows as a contract table; what a test does not care about gets a filler."""
    columns = RAW[name].columns
    filled = [{c.name: row.get(c.name, None if c.nullable else FILLERS.get(c.name)) for c in columns} for row in rows]
    return pa.Table.from_pandas(pd.DataFrame(filled), preserve_index=False)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    made = Workspace(tmp_path_factory.mktemp("facts"))
    with replace_raw(made, Dataset("by hand", UNTIL, synthetic=True)) as writer:
        for name, rows in frames().items():
            writer.add(name, table(name, rows))
    return made


@pytest.fixture
def connection(workspace):
    with connect() as opened:
        raw_views(opened, workspace)
        yield opened


@pytest.fixture
def catalogue(connection):
    return facts.read_catalogue(connection, day(50))


def test_people_known_and_products_live_at_the_moment(catalogue):
    assert catalogue.customers.tolist() == list("abcdefg")
    assert catalogue.products[["product_id", "version"]].values.tolist() == [["P1", 1], ["P2", 2]]


def test_nobody_known_or_nothing_live_is_said_so(connection):
    with pytest.raises(NotEligible, match="nobody is registered before 2025-12-30"):
        facts.read_catalogue(connection, day(-2))
    with pytest.raises(NotEligible, match="products: none is live at 2025-12-31"):
        facts.read_catalogue(connection, day(-1))


def test_behaviour_is_what_was_known_by_then(connection, catalogue):
    behaviour = facts.read_behaviour(connection, catalogue, "merchant", day(50), 10, day(50))
    assert behaviour.items.tolist() == ["m1", "m2"]
    assert behaviour.matrix(day(50)).toarray()[:3].tolist() == [[2, 1], [1, 0], [0, 0]]
    later = facts.read_behaviour(connection, catalogue, "scene", day(80), 10, day(80))
    assert later.items.tolist() == ["home", "travel"]
    assert later.matrix(day(80)).toarray()[:3].tolist() == [[1, 2], [1, 1], [1, 0]]


def test_only_the_most_frequent_items_are_kept(connection, catalogue):
    assert facts.read_behaviour(connection, catalogue, "merchant", day(50), 1, day(50)).items.tolist() == ["m1"]
    nothing = facts.read_behaviour(connection, catalogue, "merchant", day(0), 5, day(0))
    assert nothing.matrix(day(0)).shape == (7, 0)


def test_takes_are_draws_and_accounts_in_order_of_time(connection, catalogue):
    takes = facts.read_takes(connection, day(19))
    drawn = [
        (catalogue.customers[w], p, a)
        for w, p, a, d in zip(takes.who, takes.product, takes.at, takes.drawn, strict=True)
        if d
    ]
    assert drawn == [
        ("d", 0, microseconds(day(12))), ("a", 1, microseconds(day(15))), ("e", 1, microseconds(day(15))),
        ("a", 1, microseconds(day(18))),
    ]  # fmt: skip
    assert (~takes.drawn).sum() == 4
    assert takes.between(day(15), day(18))[0].tolist() == [0, 4]


def test_an_account_is_held_from_opening_to_closing_and_a_lost_one_for_good(connection, catalogue):
    held = facts.read_open_accounts(connection, day(50), (7, 2))
    assert held[:, 0].tolist() == [True, True, False, True, False, False, False]
    assert not held[:, 1].any()
    assert facts.read_open_accounts(connection, day(60), (7, 2))[:, 0].tolist() == [
        True,
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    assert not facts.read_open_accounts(connection, day(61), (7, 2))[1, 0]


def test_contacts_count_messages_sent_in_a_half_open_window(connection, catalogue):
    assert facts.read_contacts(connection, day(10), day(20), 7).tolist() == [2, 0, 0, 0, 0, 0, 0]
    assert facts.read_contacts(connection, day(12), day(20.5), 7).tolist() == [1, 1, 0, 0, 0, 0, 0]


def test_the_usual_amount_is_the_mean_of_what_was_taken_else_the_middle_of_the_range(connection, catalogue):
    assert facts.read_amounts(connection, day(50), catalogue.products).tolist() == [200.0, 200.0]
    assert facts.read_amounts(connection, day(16), catalogue.products).tolist() == [200.0, 100.0]
    assert facts.read_amounts(connection, day(10), catalogue.products).tolist() == [200.0, 1050.0]


def test_scenes_come_with_the_top_level_first(connection):
    assert facts.read_scene_tree(connection)["scene_id"].tolist() == ["home", "travel", "flights"]


def test_offers_made_and_the_first_moment_they_were_taken(connection, catalogue):
    made = facts.read_offers_made(connection, day(50), HORIZON)
    known = made.assign(who=catalogue.customers[made["who"]])
    first = known[known["campaign_id"] == "k1"]
    assert first[["who", "product", "channel"]].values.tolist() == [[who, 1, "sms"] for who in "abcd"]
    # within ten days of day 10 only a drew it: b and c came later, d drew another product
    assert first["took_at"].tolist()[0] == microseconds(day(15))
    assert first["took_at"].isna().tolist() == [False, True, True, True]
    assert set(first["closes_at"]) == {day(20)}


def test_any_draw_of_a_booklet_counts_and_the_unknown_does_not_exist_yet(connection, catalogue):
    booklet = facts.read_offers_made(connection, day(50), HORIZON).query("campaign_id == 'k2'")
    # c is assigned on day 52 only; what b drew becomes known on day 63
    assert booklet[["who", "product", "kind"]].values.tolist() == [[0, -1, "B"], [1, -1, "B"]]
    assert booklet["took_at"].isna().tolist() == [False, True]
    later = facts.read_offers_made(connection, day(70), HORIZON).query("campaign_id == 'k2'")
    assert later["took_at"].isna().tolist() == [False, False, True]


def test_campaigns_for_products_that_are_not_live_teach_nothing(connection, catalogue):
    assert "k3" not in set(facts.read_offers_made(connection, day(50), HORIZON)["campaign_id"])


def test_effects_count_everybody_assigned_by_what_they_drew_themselves(connection, catalogue):
    results = facts.read_arm_results(connection, day(50), HORIZON).to_dict("records")
    assert len(results) == 1
    # within ten days of day 10: a drew P2, b and c later, d another product; of the controls e and f drew by themselves
    counted = {
        name: results[0][name] for name in ("campaign_id", "arm", "customers", "takers", "control", "takers_control")
    }
    assert counted == {
        "campaign_id": "k1", "arm": "offer", "customers": 4, "takers": 1, "control": 3, "takers_control": 2,
    }  # fmt: skip
    assert facts.read_arm_results(connection, day(50), 20).to_dict("records")[0]["takers"] == 2


def test_effects_wait_until_everybody_had_their_time(connection, catalogue):
    assert facts.read_arm_results(connection, day(20), HORIZON)["customers"].tolist() == [4]
    assert facts.read_arm_results(connection, day(20), HORIZON + 1).empty


def test_arrays_do_not_depend_on_the_order_of_rows(tmp_path, connection, catalogue):
    other = Workspace(tmp_path / "other")
    with replace_raw(other, Dataset("by hand", UNTIL, synthetic=True)) as writer:
        for name, rows in frames().items():
            writer.add(name, table(name, rows[::-1]))
    with connect() as opened:
        raw_views(opened, other)
        again = facts.read_catalogue(opened, day(50))
        assert again.customers.tolist() == catalogue.customers.tolist()
        for read in (facts.read_takes, lambda c, t: facts.read_behaviour(c, again, "merchant", t, 10, t)):
            one, two = read(connection, day(50)), read(opened, day(50))
            assert all(np.array_equal(getattr(one, name), getattr(two, name)) for name in ("who", "at"))


def test_the_judged_window_does_not_choose_the_items(connection, catalogue):
    chosen = facts.read_behaviour(connection, catalogue, "merchant", day(80), 1, day(2))
    assert chosen.items.tolist() == ["m1"]


def test_without_propensities_an_arm_is_not_called_randomised(connection, catalogue):
    result = facts.read_arm_results(connection, day(50), HORIZON).iloc[0]
    # the assignments of this workspace carry no propensity, though its arms state shares
    assert not result["randomised"]

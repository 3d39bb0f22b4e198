"""A scene of one's own: what belongs to it, when, whose it is, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scenefit.contracts.errors import ContractError, NotEligible
from segmentation.scene_made import Places, SceneDefinition, new_scene, resolved

NOW = pd.Timestamp("2026-07-01", tz="UTC")
DAY = pd.Timedelta(days=1)


@pytest.fixture
def places() -> Places:
    scenes = pd.DataFrame(
        {
            "scene_id": ["travel", "travel.outdoor", "travel.outdoor.tents", "home"],
            "parent_id": [None, "travel", "travel.outdoor", None],
        }
    )
    merchants = pd.DataFrame({"merchant_id": ["m1", "m2", "m3"], "scene_id": ["travel.outdoor.tents", "home", None]})
    return Places(scenes, merchants, ("n001", "n002"))


@pytest.fixture
def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d"],
            "kind": ["customer", "lead", "visitor", "customer"],
            "acts_365d": [4, 1, 0, 2],
            "spend_365d": [200.0, 0.0, 0.0, 10.0],
        }
    )


def events(*rows: tuple[object, ...]) -> pd.DataFrame:
    """who, days before NOW, kind, scene, merchant, source, amount; known a second later."""
    frame = pd.DataFrame(
        list(rows), columns=["customer_id", "days", "kind", "scene_id", "merchant_id", "source", "amount"]
    )
    at = NOW - pd.to_timedelta(frame["days"].astype(float), unit="D")
    known = at + pd.Timedelta(seconds=1)
    return frame.drop(columns="days").assign(at=at, ingested_at=known, amount=frame["amount"].astype(float))


def camping(**parts: tuple[str, ...]) -> SceneDefinition:
    return SceneDefinition("camping", "Camping", "露营", **parts)


def test_merchants_categories_with_all_below_and_sources_make_a_scene(places, people):
    seen = events(
        ("a", 1, "visit", "travel.outdoor.tents", "m1", None, None),
        ("b", 2, "browse", None, "m1", None, None),
        ("c", 3, "visit", "home", "m2", "n001", None),
        ("d", 4, "visit", "home", "m2", None, None),
    )

    def members(**parts: tuple[str, ...]) -> list[str]:
        return new_scene(camping(**parts), seen, people, places, as_of=NOW).members["customer_id"].tolist()

    assert members(merchants=("m1",)) == ["a", "b"]
    # an event without a scene stands in that of its merchant, and a category holds what is below it
    assert members(categories=("travel",)) == ["a", "b"]
    assert members(sources=("n001",)) == ["c"]
    assert members(merchants=("m2",), sources=("n001",)) == ["c", "d"]


def test_its_row_keeps_the_contract_and_members_keep_their_kind(places, people):
    seen = events(("a", 1, "visit", "home", "m2", None, None), ("b", 1, "visit", "home", "m2", None, None),
                  ("c", 1, "visit", "home", "m2", None, None))  # fmt: skip
    made = new_scene(camping(categories=("home",)), seen, people, places, as_of=NOW)
    assert made.scene.iloc[0][["scene_id", "name_en", "name_zh"]].tolist() == ["camping", "Camping", "露营"]
    assert made.members[["customer_id", "kind"]].to_numpy().tolist() == [
        ["a", "customer"],
        ["b", "lead"],
        ["c", "visitor"],
    ]
    assert (made.figures.customers, made.figures.leads, made.figures.visitors) == (1, 1, 1)


def test_figures_and_features_by_hand(places, people):
    seen = events(
        ("a", 10, "visit", "home", "m2", None, None),
        ("a", 20, "purchase", "home", "m2", None, 30.0),
        ("a", 120, "purchase", "home", "m2", None, 50.0),
    )
    made = new_scene(camping(categories=("home",)), seen, people, places, as_of=NOW)
    row = made.members.iloc[0]
    assert row[["scene_visits_90d", "scene_purchases_90d", "scene_purchases_365d"]].tolist() == [1, 1, 2]
    assert (row["scene_spend_90d"], row["scene_spend_365d"], row["scene_mean_ticket_365d"]) == (30.0, 80.0, 40.0)
    # ten whole days are not over before the eleventh begins
    assert row["scene_days_since_activity"] == 9
    assert row["scene_activity_share_365d"] == 0.75
    assert row["scene_spend_share_365d"] == 0.4
    assert row["scene_trend_90d"] == pytest.approx(1 / 3)
    assert made.figures == (1, 0, 0, 1, 2, 1, 80.0, 40.0)


def test_the_window_is_half_open_and_nothing_is_known_too_early(places, people):
    seen = events(
        ("a", 0, "visit", "home", "m2", None, None),
        ("b", 365, "visit", "home", "m2", None, None),
        ("c", 365.001, "visit", "home", "m2", None, None),
        ("d", 1, "sent", "home", "m2", None, None),
    )
    late = events(("d", 1, "visit", "home", "m2", None, None)).assign(ingested_at=NOW)
    made = new_scene(camping(categories=("home",)), pd.concat([seen, late]), people, places, as_of=NOW)
    assert made.members["customer_id"].tolist() == ["b"]
    assert np.isnan(made.figures.mean_ticket)
    with pytest.raises(NotEligible, match="scene 'camping': nobody visited or bought there in the 365 days before"):
        new_scene(camping(merchants=("m3",)), seen, people, places, as_of=NOW)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (camping(merchants=("m11",)), "merchant 'm11' is unknown. Did you mean 'm1'?"),
        (camping(categories=("travel.outdor",)), "category 'travel.outdor' is unknown. Did you mean 'travel.outdoor'?"),
        (camping(sources=("zzz", "yyy")), r"traffic source 'zzz' \(and 1 more\) is unknown. The data has 2"),
        (camping(), "nothing makes this scene"),
        (SceneDefinition("home", "Home", "家", merchants=("m1",)), "the data has a scene of this id already"),
        (SceneDefinition("../x", "X", "甲", merchants=("m1",)), "an id begins with a small letter"),
        (SceneDefinition("ｃamping", "X", "甲", merchants=("m1",)), "an id begins with a small letter"),
        (SceneDefinition("camping", " ", "甲", merchants=("m1",)), "a name is empty"),
        (SceneDefinition("camping", "X", "甲", merchants=("m1",), parent_id="trvel"), "Did you mean 'travel'?"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_way_out(places, definition, message):
    with pytest.raises(ContractError, match=message.replace("?", r"\?")):
        resolved(definition, places)


def test_people_of_events_must_be_known(places, people):
    seen = events(("zoe", 1, "visit", "home", "m2", None, None))
    with pytest.raises(ContractError, match="1 customer ids are not among the people, such as 'zoe'"):
        new_scene(camping(categories=("home",)), seen, people, places, as_of=NOW)

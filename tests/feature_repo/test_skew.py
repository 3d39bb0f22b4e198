"""What is served against what the snapshots say: every difference found, and nobody named."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd
import pytest

from feature_repo import history, online
from feature_repo.definition import Feature, View
from feature_repo.entities import CUSTOMER
from feature_repo.online import OnlineValue
from feature_repo.skew import EXAMPLES, REASONS, STALE, Skew, _joined, compare, skew
from feature_repo.views_customer import CUSTOMER_SERVING, TTL
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.workspace import Workspace

from .conftest import EVENT, EVENTS, D, ago, event, rows

Firm = Callable[..., Workspace]
YOUNG, OLD = D, ago(1)
NOTHING = OnlineValue(None, None)
VIEW = View(
    "made", "made", (CUSTOMER,),
    (
        Feature("visits", "int", "", "", "", ("events.kind",)),
        Feature("spend", "float", "", "", "", ("events.amount",)),
        Feature("owner", "bool", "", "", "", ("customers.home_owner",)),
        Feature("scene", "str", "", "", "", ("events.scene_id",)),
        Feature("street", "str", "", "", "", ("addresses.text",)),
    ),
    TTL, "day", "", "",
)  # fmt: skip


def offline(*people: dict[str, object]) -> pd.DataFrame:
    """Values as `history.as_of` gives them: numbers and truth values as floats."""
    frame = pd.DataFrame(people, columns=VIEW.names, index=[f"p{number}" for number in range(len(people))])
    return frame.astype({"visits": "float64", "spend": "float64", "owner": "float64"})


def served(event_time: pd.Timestamp = YOUNG, **values: object) -> dict[str, OnlineValue]:
    return {name: OnlineValue(values.get(name), event_time) for name in VIEW.names}


def compared(snapshot: pd.DataFrame, *answers: dict[str, OnlineValue]) -> Skew:
    return compare("made_v1", D, [VIEW], {"made": YOUNG}, snapshot, answers)


def of(found: Skew, feature: str) -> dict[str, int]:
    row = found.features.set_index("feature").loc[feature].drop("view")
    return {name: int(count) for name, count in row.items() if count}


PERSON: dict[str, object] = {"visits": 3, "spend": 0.1 + 0.2, "owner": True, "scene": "home", "street": "1 Elm"}


def test_the_same_values_and_nulls_are_no_skew() -> None:
    nobody = dict.fromkeys(VIEW.names)
    found = compared(offline(PERSON, nobody, nobody), served(**PERSON), served(), dict.fromkeys(VIEW.names, NOTHING))
    assert (found.customers, found.compared, found.differences, found.share) == (3, 15, 0, 0.0)
    assert found.examples.empty


def test_an_unchanged_value_of_an_older_snapshot_is_no_skew() -> None:
    # a refresh leaves alone what did not change
    assert compared(offline(PERSON), served(OLD, **PERSON)).differences == 0


@pytest.mark.parametrize(
    ("feature", "value"),
    [
        ("visits", 4),
        ("visits", 3.0),  # equal, but a model would be served another type
        ("visits", True),
        ("spend", 0.3),  # the last digit counts: both come from one file
        ("spend", 1),
        ("owner", False),
        ("owner", 1),
        ("scene", "Home"),
        ("scene", ""),
    ],
)
def test_another_value_or_type_is_found(feature: str, value: object) -> None:
    found = compared(offline(PERSON), served(**(PERSON | {feature: value})))
    assert (found.differences, found.share) == (1, 0.2)
    assert of(found, feature) == {"compared": 1, "different": 1}
    example = found.examples.iloc[0]
    assert (example["row"], example["feature"], example["online"]) == (0, feature, value)
    assert example["reason"] == REASONS["different"]


def test_what_one_side_lacks_is_told_apart() -> None:
    nobody = dict.fromkeys(VIEW.names)
    found = compared(offline(PERSON, nobody), dict.fromkeys(VIEW.names, NOTHING), served(scene="home"))
    assert of(found, "scene") == {"compared": 2, "missing_online": 1, "missing_offline": 1}
    assert of(found, "visits") == {"compared": 2, "equal": 1, "missing_online": 1}
    reasons = found.examples.groupby("feature")["reason"].agg(list)["scene"]
    assert reasons == [REASONS["missing_online"], REASONS["missing_offline"]]


def test_a_difference_that_an_older_snapshot_explains_says_so() -> None:
    found = compared(offline(PERSON), served(OLD, **(PERSON | {"visits": 2, "scene": None})))
    assert of(found, "visits") == {"compared": 1, "different": 1, "stale": 1}
    assert of(found, "scene") == {"compared": 1, "missing_online": 1, "stale": 1}
    assert set(found.examples["reason"]) == {STALE}
    assert set(found.examples["online_event_time"]) == {OLD}


def test_examples_name_nobody_and_show_no_personal_data() -> None:
    found = compared(offline(PERSON, PERSON), served(**PERSON), served(**(PERSON | {"street": "2 Elm", "visits": 9})))
    assert "p1" not in found.examples.to_json()
    assert "Elm" not in found.examples.to_json()
    shown = found.examples.set_index("feature")
    assert shown["row"].tolist() == [1, 1]
    assert shown.loc["street", ["offline", "online"]].tolist() == ["…", "…"]
    assert shown.loc["visits", ["offline", "online"]].tolist() == [3, 9]


def test_parts_make_one_report() -> None:
    wrong = served(**(PERSON | {"visits": 9}))
    parts = [compared(offline(PERSON, PERSON), served(**PERSON), wrong), compared(offline(PERSON), wrong)]
    whole = _joined(parts)
    assert (whole.customers, whole.compared, whole.differences) == (3, 15, 2)
    assert whole.features["feature"].tolist() == VIEW.names
    assert whole.examples["row"].tolist() == [1, 2]

    many = _joined([compared(offline(PERSON), wrong)] * (EXAMPLES + 5))
    assert many.examples["row"].tolist() == list(range(EXAMPLES))
    assert many.differences == EXAMPLES + 5


def test_nothing_compared_is_no_skew() -> None:
    found = _joined([compared(offline())])
    assert (found.customers, found.compared, found.share) == (0, 0, 0.0)


def test_the_report_is_plain_json() -> None:
    found = compared(
        offline(PERSON, PERSON), served(OLD, **(PERSON | {"visits": 2})), dict.fromkeys(VIEW.names, NOTHING)
    )
    document = json.loads(json.dumps(found.document(), allow_nan=False))
    assert {name: document[name] for name in ("service", "at", "customers", "compared", "differences", "share")} == {
        "service": "made_v1", "at": "2026-01-01T00:00:00+00:00", "customers": 2, "compared": 10, "differences": 6,
        "share": 0.6,
    }  # fmt: skip
    assert document["features"][0] == {
        "view": "made", "feature": "visits", "compared": 2, "equal": 0, "different": 1, "missing_online": 1,
        "missing_offline": 0, "stale": 1,
    }  # fmt: skip
    assert document["examples"][0]["online_event_time"].startswith("2025-12-31T00:00:00")
    assert document["examples"][1]["online_event_time"] is None


@pytest.fixture
def refreshed(firm: Firm) -> Workspace:
    """Snapshots of two days, between which bob buys something; the older one is online."""
    workspace = firm(events=rows("events", EVENT, *EVENTS, event(20, "bob", ago(0, "1h"), "purchase", amount=5.00)))
    history.build(workspace, [OLD, YOUNG])
    online.materialize(workspace, OLD)
    return workspace


def test_a_refreshed_store_has_no_skew_and_one_that_missed_a_day_has(refreshed: Workspace) -> None:
    before = skew(refreshed, at=OLD)
    assert (before.customers, before.differences) == (3, 0)
    assert before.features["feature"].tolist() == CUSTOMER_SERVING.names

    missed = skew(refreshed, at=YOUNG)
    assert of(missed, "purchases_90d") == {"compared": 3, "equal": 2, "different": 1, "stale": 1}
    assert missed.differences == missed.features["stale"].sum()
    assert set(missed.examples["reason"]) == {STALE}

    online.materialize(refreshed, YOUNG)
    assert skew(refreshed, at=YOUNG).differences == 0
    # without further refreshes a row that did not change for long is over first online, where its event time is older:
    # nothing is served rather than something stale
    neglected = skew(refreshed, at=YOUNG + TTL)
    assert neglected.differences == neglected.features["missing_online"].sum() > 0
    with pytest.raises(StoreError, match=r"no snapshot of customer_serving within 35 days"):
        skew(refreshed)


def test_a_sample_is_the_same_for_one_seed(refreshed: Workspace) -> None:
    first, again = skew(refreshed, at=YOUNG, customers=2, seed=1), skew(refreshed, at=YOUNG, customers=2, seed=1)
    assert first.customers == 2
    assert first.document() == again.document()
    drawn = {skew(refreshed, at=YOUNG, customers=1, seed=seed).differences for seed in range(8)}
    assert len(drawn) > 1
    assert skew(refreshed, at=YOUNG, customers=None).document() == skew(refreshed, at=YOUNG, customers=99).document()


def test_only_services_with_snapshots_online_are_compared(refreshed: Workspace) -> None:
    with pytest.raises(SettingsError, match=r"'serving_v0' is unknown; choose one of .*'serving_v1'"):
        skew(refreshed, "serving_v0", at=YOUNG)
    with pytest.raises(SettingsError, match=r"'live_v1': \['customer_live'\] are fed by a stream"):
        skew(refreshed, "live_v1", at=YOUNG)
    with pytest.raises(SettingsError, match=r"'offers_v1' is not served online"):
        skew(refreshed, "offers_v1", at=YOUNG)

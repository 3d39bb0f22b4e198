"""Labels are dated by when they became known."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from feature_repo import history
from feature_repo.definition import EVENT_TIME
from feature_repo.labels import CUSTOMER_LABELS, WINDOW, known_at
from scenefit.contracts.errors import StoreError
from scenefit.runtime.workspace import Workspace

from .conftest import EVENT, EVENTS, US, D, ago, event, rows

Firm = Callable[..., Workspace]
LABELS = ["customer_labels"]


def test_a_label_tells_of_the_28_days_before_it_was_known(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D], views=LABELS)
    base = history.as_of(D, "labels_v1", workspace).set_index("customer_id")
    # bob took an offer 3 days ago; ann bought exactly 28 days ago and 11 days ago; nobody has applied
    assert base["took_28d"].to_dict() == {"ann": 0.0, "bob": 1.0}
    assert base["bought_28d"].to_dict() == {"ann": 1.0, "bob": 0.0}
    assert base["applied_28d"].isna().all()


@pytest.mark.parametrize(("at", "taken"), [(ago(28), 1.0), (ago(28) - US, 0.0), (D - US, 1.0), (D, 0.0)])
def test_the_window_is_half_open(firm: Firm, at: pd.Timestamp, taken: float) -> None:
    other = [event(1, "bob", ago(90), "draw"), event(2, "ann", at, "draw")]
    workspace = firm(events=rows("events", EVENT, *other))
    history.build(workspace, [D], views=LABELS)
    base = history.as_of(D, "labels_v1", workspace).set_index("customer_id")
    assert base.loc["ann", "took_28d"] == taken


def test_features_are_read_as_of_the_past_and_labels_at_the_end_of_their_window(firm: Firm) -> None:
    workspace = firm()
    start = ago(28)
    history.build(workspace, {"customer_daily": [start], "customer_labels": [D]})
    people = pd.DataFrame({"customer_id": ["ann"], EVENT_TIME: [start]})
    features = history.training_frame(people, "offers_v1", workspace)
    labels = history.training_frame(people.assign(**{EVENT_TIME: known_at(people[EVENT_TIME])}), "labels_v1", workspace)
    assert known_at(people[EVENT_TIME]).tolist() == [D]
    # the purchase at the very start of the window belongs to the label, the one a microsecond before to the features
    assert features["purchases_28d"].tolist() == [1.0]
    assert labels["bought_28d"].tolist() == [1.0]


def test_the_label_of_an_earlier_window_does_not_answer_in_place_of_a_missing_one(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [ago(1)], views=LABELS)
    with pytest.raises(StoreError, match="no snapshot of customer_labels within"):
        history.as_of(D, "labels_v1", workspace)


def test_a_conversion_that_comes_in_late_corrects_the_label(firm: Firm) -> None:
    late = event(50, "ann", ago(2), "draw", ingested_at=D + 3 * US)
    workspace = firm(events=rows("events", EVENT, *EVENTS, late))
    history.build(workspace, [D], views=LABELS)
    spine = pd.DataFrame({"customer_id": "ann", EVENT_TIME: [D]})
    assert history.training_frame(spine, "labels_v1", workspace)["took_28d"].tolist() == [0.0]
    assert history.correct(workspace, [D], D + pd.Timedelta("3d"), views=LABELS) == {"customer_labels": 1}
    # labels are read in hindsight: what is learned from them is not held back by when they became known
    assert history.training_frame(spine, "labels_v1", workspace)["took_28d"].tolist() == [1.0]
    assert history.as_of(D, "labels_v1", workspace).set_index("customer_id").loc["ann", "took_28d"] == 1.0


def test_a_label_answers_for_its_own_moment_alone(firm: Firm) -> None:
    # a minute later the window would begin inside what features know
    workspace = firm()
    history.build(workspace, [D], views=LABELS)
    moments = [D, D + pd.Timedelta("1min"), D + pd.Timedelta("1h")]
    spine = pd.DataFrame({"customer_id": "bob", EVENT_TIME: moments})
    found = history.training_frame(spine, "labels_v1", workspace)["took_28d"]
    assert found.isna().tolist() == [False, True, True]


def test_the_names_of_labels_tell_their_window() -> None:
    assert all(name.endswith(f"_{WINDOW.days}d") for name in CUSTOMER_LABELS.names)

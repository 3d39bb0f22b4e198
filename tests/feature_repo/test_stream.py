"""Of all events of a person the newest is what is live."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feature_repo.definition import CREATED, EVENT_TIME
from feature_repo.stream import live_rows
from feature_repo.views_live import CUSTOMER_LIVE
from feature_repo.writer import append
from scenefit.contracts.errors import ContractError
from scenefit.contracts.tables import RAW

from .conftest import EVENT, EVENTS, US, D, ago, event, rows


def live(*events: tuple[object, ...]) -> pd.DataFrame:
    return live_rows(rows("events", EVENT, *events)).to_pandas().set_index("customer_id")


def test_the_newest_event_is_the_one_that_happened_last_whenever_it_came_in() -> None:
    late, known_late = ago(1), D
    frame = live(
        event(1, "ann", late, "purchase", merchant_id="m1", amount=12.34, ingested_at=late + US),
        event(2, "ann", ago(2), "visit", scene_id="home", ingested_at=known_late),
        event(3, "bob", ago(3), "click", campaign_id="k1", channel="sms"),
    )
    assert frame.index.tolist() == ["ann", "bob"]
    ann, bob = frame.loc["ann"], frame.loc["bob"]
    assert [ann[EVENT_TIME], ann[CREATED]] == [late, late + US]
    assert [ann["live_kind"], ann["live_merchant_id"], ann["live_amount"]] == ["purchase", "m1", 12.34]
    assert [bob["live_kind"], bob["live_campaign_id"], bob["live_channel"]] == ["click", "k1", "sms"]
    assert bob[["live_scene_id", "live_merchant_id", "live_amount"]].isna().all()


def test_of_events_at_one_moment_the_one_known_last_counts_then_the_last_by_id() -> None:
    at = ago(1)
    twice = event(1, "ann", at, "visit"), event(2, "ann", at, "browse", ingested_at=at - US + 2 * US)
    assert live(*twice)["live_kind"].tolist() == ["browse"]
    assert live(event(4, "ann", at, "visit"), event(3, "ann", at, "browse"))["live_kind"].tolist() == ["visit"]


def test_the_order_of_events_changes_nothing() -> None:
    table = rows("events", EVENT, *EVENTS)
    mixed = table.take(np.random.default_rng(5).permutation(len(EVENTS)))
    assert live_rows(table).equals(live_rows(mixed))
    assert live_rows(pa.concat_tables([table.slice(0, 3), table.slice(3)])).equals(live_rows(table))


def test_no_events_give_no_rows_and_one_gives_one() -> None:
    empty = live_rows(RAW["events"].arrow.empty_table())
    assert empty.num_rows == 0
    assert empty.schema.equals(CUSTOMER_LIVE.arrow)
    assert live_rows(rows("events", EVENT, EVENTS[0])).num_rows == 1


def test_rows_are_what_the_log_of_the_view_takes(tmp_path) -> None:
    (file,) = append(tmp_path, live_rows(rows("events", EVENT, EVENTS[0], EVENTS[11])).slice(0, 1), CUSTOMER_LIVE)
    assert file.parent.name == "dt=2025-12-30"


def test_what_is_not_an_event_is_refused() -> None:
    with pytest.raises(ContractError, match="events: column 'at' is missing"):
        live_rows(rows("events", EVENT, *EVENTS).drop_columns(["at"]))

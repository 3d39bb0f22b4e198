"""New days cost new days only; late events correct old snapshots without rewriting what was known."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from feature_repo import history
from feature_repo.definition import CREATED, EVENT_TIME
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.store import connect
from scenefit.runtime.workspace import Workspace

from .conftest import EVENT, EVENTS, D, ago, event, rows

Firm = Callable[..., Workspace]
DAY = pd.Timedelta(days=1)
CUSTOMER = ["customer_daily"]


def files(workspace: Workspace) -> dict[str, int]:
    return {str(f.relative_to(workspace.features)): f.stat().st_mtime_ns for f in workspace.features.rglob("*.parquet")}


def events(*more: tuple[object, ...]) -> dict[str, object]:
    return {"events": rows("events", EVENT, *EVENTS, *more)}


def purchases(workspace: Workspace, *asked: tuple[str, pd.Timestamp]) -> list[float]:
    spine = pd.DataFrame(list(asked), columns=["customer_id", EVENT_TIME])
    return history.training_frame(spine, "offers_v1", workspace)["purchases_28d"].tolist()


def test_data_of_a_later_day_leaves_earlier_snapshots_as_they_are(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [ago(28), D])
    before = files(workspace)
    firm(**events(event(99, "ann", D + DAY, "purchase", scene_id="home", amount=5.0)))
    history.build(workspace, [ago(28), D, D + 2 * DAY])
    after = files(workspace)
    assert {name: after[name] for name in before} == before
    assert len(after) > len(before)
    assert purchases(workspace, ("ann", D), ("ann", D + 2 * DAY)) == [2.0, 4.0]


def test_a_changed_old_event_replaces_every_snapshot_that_knew_it(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [ago(28), D])
    before = set(files(workspace))
    changed = [event(2, "ann", ago(11), "visit", scene_id="home") if row[0] == "e2" else row for row in EVENTS]
    firm(events=rows("events", EVENT, *changed))
    history.build(workspace, [ago(28), D])
    kept = before & set(files(workspace))
    assert {Path(name).parent.name for name in kept} == {"dt=2025-12-04"}
    assert purchases(workspace, ("ann", D)) == [1.0]


def test_a_backfill_keeps_what_exists_and_adds_the_days_between(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [ago(2)], views=CUSTOMER)
    before = files(workspace)
    rows_of = history.backfill(workspace, ago(4), D, every=timedelta(days=2), views=CUSTOMER)
    assert history.snapshots(workspace, "customer_daily") == [ago(4), ago(2), D]
    assert rows_of == {"customer_daily": 6}
    assert {name: files(workspace)[name] for name in before} == before


def test_views_may_be_kept_at_moments_of_their_own(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, {"customer_daily": [ago(7), D], "merchant_daily": [D]})
    assert history.snapshots(workspace, "customer_daily") == [ago(7), D]
    assert history.snapshots(workspace, "merchant_daily") == [D]
    assert history.snapshots(workspace, "product_daily") == []


def test_a_late_event_corrects_the_snapshot_from_the_moment_it_was_known(firm: Firm) -> None:
    # e6 happened two hours before D and was ingested at D
    workspace = firm()
    history.build(workspace, [D], views=CUSTOMER)
    later = D + 3 * DAY
    assert history.correct(workspace, [D], later, views=CUSTOMER) == {"customer_daily": 1}
    assert purchases(workspace, ("ann", D), ("ann", later - DAY), ("ann", later), ("bob", later)) == [2, 2, 3, 0]
    assert history.as_of(later - DAY, "offers_v1", workspace).set_index("customer_id").loc["ann", "purchases_28d"] == 2
    base = history.as_of(later, "offers_v1", workspace)
    assert base["customer_id"].tolist() == ["ann", "bob"]
    spine = base[["customer_id"]].assign(**{EVENT_TIME: later})
    joined = history.training_frame(spine, "offers_v1", workspace)
    pd.testing.assert_frame_equal(joined.drop(columns=EVENT_TIME), base.drop(columns=EVENT_TIME), check_exact=True)
    with connect() as connection:
        query = history.snapshot_sql(workspace, "customer_daily", later)
        found = connection.sql(f"SELECT customer_id, {CREATED} FROM ({query}) ORDER BY 1").fetchall()
    assert [(who, pd.Timestamp(created)) for who, created in found] == [("ann", later), ("bob", D)]


def test_correcting_twice_adds_nothing_and_a_newer_snapshot_goes_before(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D, D + 2 * DAY], views=CUSTOMER)
    history.correct(workspace, [D], D + DAY, views=CUSTOMER)
    before = files(workspace)
    assert history.correct(workspace, [D], D + DAY, views=CUSTOMER) == {"customer_daily": 1}
    assert files(workspace).keys() == before.keys()
    assert history.correct(workspace, [D], D + 2 * DAY, views=CUSTOMER) == {"customer_daily": 0}
    assert files(workspace).keys() == before.keys()
    # at D + 2 days e6 and e5 are both in the snapshot of that day, which knew more than any correction of D
    spine = pd.DataFrame({"customer_id": "ann", EVENT_TIME: [D, D + DAY, D + 2 * DAY]})
    assert history.training_frame(spine, "offers_v1", workspace)["purchases_365d"].tolist() == [3, 4, 5]


def test_corrections_of_overtaken_data_go_with_their_snapshot(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D], views=CUSTOMER)
    history.correct(workspace, [D], D + DAY, views=CUSTOMER)
    firm(events=rows("events", EVENT, *EVENTS[:4]))
    with pytest.raises(StoreError, match="made from other data"):
        history.as_of(D, "offers_v1", workspace)
    history.build(workspace, [D], views=CUSTOMER)
    assert len(files(workspace)) == 1


def test_requests_that_cannot_be_met_say_why(firm: Firm) -> None:
    workspace = firm()
    with pytest.raises(SettingsError, match=r"snapshots of \['customer_serving'\]: choose stored views among"):
        history.build(workspace, [D], views=["customer_serving"])
    with pytest.raises(SettingsError, match=r"backfill from 2026-01-01.* to 2025-12-31.*: holds no moment"):
        history.backfill(workspace, D, ago(1))
    with pytest.raises(SettingsError, match="is not after the snapshots"):
        history.correct(workspace, [D], D)
    with pytest.raises(StoreError, match=r"there are none.*scenefit features build"):
        history.correct(workspace, [D], D + DAY, views=CUSTOMER)
    history.build(workspace, [D], views=CUSTOMER)
    with pytest.raises(StoreError, match=r"2025-12-31.* has no snapshot of customer_daily to correct"):
        history.correct(workspace, [ago(1)], D + DAY, views=CUSTOMER)


def test_late_data_is_corrected_at_once_without_a_build_between(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [ago(28), D], views=CUSTOMER)
    late = event(99, "ann", ago(2), "purchase", scene_id="home", amount=7.0, ingested_at=D + DAY)
    firm(**events(late))
    before = files(workspace)
    assert history.correct(workspace, [D], D + 2 * DAY, views=CUSTOMER) == {"customer_daily": 1}
    assert {name: files(workspace)[name] for name in before} == before
    # e2, e3, and then e6 and e99
    assert purchases(workspace, ("ann", D + DAY), ("ann", D + 2 * DAY)) == [2, 4]


def test_builds_at_once_keep_each_others_snapshots(firm: Firm) -> None:
    workspace = firm()
    days = [ago(21), ago(14), ago(7), D]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda day: history.build(workspace, [day], views=CUSTOMER), days))
    assert history.snapshots(workspace, "customer_daily") == days
    assert len(history.as_of(D, "offers_v1", workspace)) == 2


def test_a_stray_file_among_snapshots_is_refused(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D], views=CUSTOMER)
    file = next((workspace.features / "customer_daily").rglob("*.parquet"))
    shutil.copy(file, file.with_name("part-zz-backup.parquet"))
    with pytest.raises(StoreError, match=r"part-zz-backup\.parquet: no snapshot of customer_daily.*move it away"):
        history.as_of(D, "offers_v1", workspace)
    with pytest.raises(StoreError, match="move it away"):
        purchases(workspace, ("ann", D))


def test_a_snapshot_that_was_cut_off_is_written_again(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D], views=CUSTOMER)
    file = next((workspace.features / "customer_daily").rglob("*.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:1000])
    with pytest.raises(StoreError, match="customer_daily: feature files cannot be read"):
        history.correct(workspace, [D], D + DAY, views=CUSTOMER)
    history.build(workspace, [D], views=CUSTOMER)
    assert file.read_bytes() == whole


def test_a_damaged_manifest_or_snapshot_is_named(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D])
    file = next((workspace.features / "customer_daily").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(StoreError, match=r"feature files cannot be read .*remove the damaged file"):
        history.as_of(D, "offers_v1", workspace)
    (workspace.features / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match=r"manifest\.json: is damaged .*; remove it and build"):
        history.as_of(D, "offers_v1", workspace)

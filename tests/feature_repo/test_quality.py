"""The quality report of a workspace: freshness, volume and drift of its snapshots, kept and read again."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo import history, manifest, quality, writer
from feature_repo.definition import CREATED
from feature_repo.purposes import feature_sources
from feature_repo.quality import Bands
from feature_repo.views import STORED, VIEWS
from feature_repo.views_customer import TTL
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.store import read

from .conftest import EVENT, EVENTS, D, ago, event, rows

DAYS = [ago(28), D]


def line(frame: pd.DataFrame, **where: str) -> pd.Series:
    """The one row of a report with these values."""
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def built(workspace, *views: str):
    """With snapshots of the named views (none: of all) at both days."""
    history.build(workspace, DAYS, views=views or None)
    return workspace


def report(firm, time=D, **options):
    workspace = built(firm(), "customer_daily")
    return quality.quality(workspace, time, **options)


def test_each_feature_of_each_stored_view_has_its_line(firm):
    found = quality.quality(built(firm()), D)
    assert list(found.views["view"]) == [view.name for view in STORED]
    measured = set(found.views.loc[found.views["event_timestamp"].notna(), "view"])
    assert list(zip(found.features["view"], found.features["feature"], strict=True)) == [
        (view.name, name) for view in STORED if view.name in measured for name in view.names
    ]
    spend = line(found.features, view="customer_daily", feature="spend_90d")
    # ann bought for 100.10, 200.20 and 50.00, bob for nothing
    assert spend[["rows", "nulls", "distinct", "mean", "std", "min", "p50", "max"]].tolist() == [
        2, 0, 2, 175.15, 175.15, 0, 0, 350.3
    ]  # fmt: skip
    assert found.synthetic
    assert found.features.query("feature == 'occupation'")["reason"].tolist() == ["empty in every row"]


def test_the_baseline_is_the_snapshot_before_the_newest_unless_one_is_asked_for(firm):
    found = report(firm)
    people = line(found.views, view="customer_daily")
    assert (people["event_timestamp"], people["baseline"]) == (D, ago(28))
    assert (people["rows"], people["rows_before"], people["alert"]) == (2, 1, "alert")
    assert (people["reason"], people["reason_zh"]) == ("rows went from 1 to 2", "行数由 1 变为 2")
    itself = report(firm, baseline=D)
    assert (itself.views["baseline"].dropna() == D).all()
    assert (itself.features["psi"].dropna() == 0).all()
    assert set(itself.features["alert"]) <= {"ok", ""}
    alone = report(firm, time=ago(1))
    assert alone.views["baseline"].isna().all()
    assert alone.features["psi"].isna().all()
    assert set(alone.features["alert"]) == {""}
    assert line(alone.views, view="customer_daily")["alert"] == "watch"


@pytest.mark.parametrize(
    ("later", "alert", "reason"),
    [
        (timedelta(days=2), "ok", ""),
        (timedelta(days=2, microseconds=1), "watch", "the newest snapshot is 2 days old; its cadence is day"),
        (TTL, "watch", "the newest snapshot is 35 days old; its cadence is day"),
        (TTL + timedelta(days=1), "alert", "past its TTL of 35 days: features are empty. Build one"),
    ],
)
def test_a_snapshot_grows_old(firm, later, alert, reason):
    found = report(firm, time=D + later, baseline=D)
    people = line(found.views, view="customer_daily")
    assert people["age_days"] == later / timedelta(days=1)
    assert people["alert"] == alert
    assert reason in people["reason"]
    # what is too old to be used is still described
    assert line(found.features, view="customer_daily", feature="spend_90d")["max"] == 350.3


def test_nothing_built_is_an_alert_not_a_crash(firm):
    found = quality.quality(firm(), D)
    assert len(found.features) == 0
    assert set(found.views["alert"]) == {"alert"}
    assert found.views["reason"].str.contains("there is no snapshot at or before this moment").all()
    assert found.views["event_timestamp"].isna().all()


def test_snapshots_of_replaced_data_are_not_measured(firm):
    workspace = built(firm(), "customer_daily")
    firm(events=rows("events", EVENT, *EVENTS[:4]))
    people = line(quality.quality(workspace, D).views, view="customer_daily")
    assert (people["rows"], people["alert"]) == (0, "alert")
    assert "2 files were made from other data or definitions" in people["reason"]


def test_only_what_is_present_counts(firm):
    # ann's visit to the medical scene has left the window: its zeros are no behaviour of today
    workspace = built(firm(), "customer_scene")
    scenes = line(quality.quality(workspace, D).views, view="customer_scene")
    assert (scenes["rows"], scenes["rows_before"]) == (2, 2)
    assert history.newest_snapshot(workspace, "customer_scene", D).rows == 3


def test_an_empty_view_is_described(firm):
    found = quality.quality(built(firm(merchants=None), "merchant_daily"), D)
    trade = line(found.views, view="merchant_daily")
    assert (trade["rows"], trade["rows_before"]) == (0, 0)
    empty = found.features.query("view == 'merchant_daily'")
    assert empty["null_share"].isna().all()
    assert empty["psi"].isna().all()


def crowd(folder: str, firm, spend: float, seed: int = 0):
    """A workspace in which 300 people buy once in each of two months; `spend` times as much in the second."""
    rng = np.random.default_rng(seed)
    amounts = rng.lognormal(3, 0.5, (300, 2)).round(2)
    events = [
        event(2 * i + month, f"c{i:03d}", ago(1 + 28 * (1 - month)), "purchase", scene_id="home",
              amount=float(amounts[i, month] * (spend if month else 1)))
        for i in range(300) for month in (0, 1)
    ]  # fmt: skip
    registered = [(f"c{i:03d}", "customer", ago(400), "nurse" if i < 281 else "pilot") for i in range(300)]
    people = rows("customers", ["customer_id", "kind", "registered_at", "occupation"], *registered)
    happened = rows("events", EVENT, *events)
    firm_of_crowd = firm(folder, customers=people, events=happened, accounts=None, bureau=None, repayments=None)
    return built(firm_of_crowd, "customer_daily", "customer_scene")


def test_drift_is_found_where_it_was_planted(firm):
    steady = quality.quality(crowd("steady", firm, 1), D).features.set_index(["view", "feature"])
    moved = quality.quality(crowd("moved", firm, 2), D).features.set_index(["view", "feature"])
    assert steady.loc[("customer_daily", "spend_28d"), "alert"] == "ok"
    assert moved.loc[("customer_daily", "spend_28d"), "alert"] == "alert"
    assert "distribution moved: PSI" in moved.loc[("customer_daily", "spend_28d"), "reason"]
    assert "分布偏移" in moved.loc[("customer_daily", "spend_28d"), "reason_zh"]
    sources = feature_sources()
    same = [name for name in steady.index if "events.amount" not in sources[":".join(name)]]
    assert len(same) > 50
    pd.testing.assert_frame_equal(steady.loc[same], moved.loc[same])
    loose = quality.quality(crowd("moved", firm, 2), D, bands=Bands(psi_watch=9, psi_alert=10)).features
    assert line(loose, view="customer_daily", feature="spend_28d")["alert"] == "ok"


def test_nothing_rests_on_fewer_than_twenty_people(firm):
    found = quality.quality(crowd("jobs", firm, 1), D).features
    # 281 nurses and 19 pilots: whoever sees the one share knows the other
    assert json.loads(line(found, view="customer_daily", feature="occupation")["top"]) == [[None, 1.0]]
    shown = quality.quality(crowd("jobs", firm, 1), D, bands=Bands(fewest=19)).features
    assert json.loads(line(shown, view="customer_daily", feature="occupation")["top"]) == [
        ["nurse", 281 / 300], ["pilot", 19 / 300]
    ]  # fmt: skip


def test_threads_parts_and_the_order_of_people_change_nothing(firm, monkeypatch):
    workspace = crowd("one", firm, 1.2)
    first = quality.quality(workspace, D)
    file = quality.save(workspace, first)
    before = file.read_bytes()
    quality.save(workspace, quality.quality(workspace, D, threads=4))
    assert file.read_bytes() == before
    monkeypatch.setattr(quality, "CELLS", 700)
    quality.save(workspace, quality.quality(workspace, D))
    assert file.read_bytes() == before
    customers, events = read(workspace, "customers").to_pandas(), read(workspace, "events").to_pandas()
    turned = {f"c{i:03d}": f"c{(i * 7) % 300:03d}" for i in range(300)}
    people = pa.Table.from_pandas(customers.assign(customer_id=customers["customer_id"].map(turned)))
    happened = pa.Table.from_pandas(events.assign(customer_id=events["customer_id"].map(turned)))
    other = firm("two", customers=people, events=happened, accounts=None, bureau=None, repayments=None)
    built(other, "customer_daily", "customer_scene")
    pd.testing.assert_frame_equal(quality.quality(other, D).features, first.features, check_exact=True)


def test_a_correction_counts_from_the_moment_it_is_known(firm):
    workspace, view, known = built(firm(), "customer_daily"), VIEWS["customer_daily"], D + timedelta(days=2)
    snapshot = history.newest_snapshot(workspace, "customer_daily", D)
    noted = manifest.read_manifest(workspace, workspace.dataset()).plus({known: "rows that came late"})
    manifest.write_manifest(workspace, noted)
    old = pq.ParquetFile(snapshot.file).read().slice(1)
    late = {CREATED: pa.array([known.to_pydatetime()], old.schema.field(CREATED).type), "spend_90d": pa.array([400.0])}
    new = pa.table({name: late.get(name, old[name]) for name in old.column_names}, schema=old.schema)
    folder = manifest.folder_of(workspace, view)
    writer.write(writer.partition_of(folder, D, noted.digest(view, known), known), new, view)
    spend = [
        line(quality.quality(workspace, time, views=[view.name]).features, feature="spend_90d")
        for time in (known - timedelta(microseconds=1), known)
    ]
    assert [(row["rows"], row["max"]) for row in spend] == [(2, 350.3), (2, 400.0)]
    # a later snapshot is compared with the corrected one
    history.build(workspace, [known + timedelta(days=1)], views=[view.name])
    after = line(quality.quality(workspace, known + timedelta(days=1)).features, view=view.name, feature="spend_90d")
    assert (350.3 + 400) / 2 in json.loads(after["histogram"])["edges"]


def test_a_narrow_view_is_measured_when_asked_for(firm):
    found = report(firm, views=["customer_serving"])
    assert list(found.features["feature"]) == VIEWS["customer_serving"].names
    wide = report(firm).features.query("view == 'customer_daily'").set_index("feature")
    pd.testing.assert_frame_equal(
        found.features.set_index("feature").drop(columns="view"),
        wide.loc[VIEWS["customer_serving"].names].drop(columns="view"),
    )


def test_the_report_is_kept_and_read_again(firm):
    workspace = built(firm(), "customer_daily")
    with pytest.raises(StoreError, match=r"there is no quality report; make one with `scenefit features quality"):
        quality.load(workspace)
    made = quality.quality(workspace, D, bands=Bands(slack=timedelta(hours=36)))
    quality.save(workspace, made)
    kept = quality.load(workspace)
    for part in ("features", "views"):
        pd.testing.assert_frame_equal(getattr(kept, part), getattr(made, part), check_exact=True)
    assert dataclasses.replace(kept, features=None, views=None) == dataclasses.replace(made, features=None, views=None)
    assert kept.fingerprint == workspace.dataset().fingerprint


def test_a_damaged_report_is_refused_with_the_way_out(firm):
    workspace = built(firm(), "customer_daily")
    file = quality.save(workspace, quality.quality(workspace, D))
    whole = json.loads(file.read_text("utf8"))
    for wrong, message in (
        ("{", "damaged"),
        ("[]", "damaged"),
        (json.dumps(whole | {"form": 0}), "has form 0, this program reads 1"),
        (json.dumps({name: whole[name] for name in whole if name != "views"}), "damaged .*'views'"),
        (json.dumps(whole | {"views": [whole["views"][0] | {"alert": "red"}]}), "damaged .*unknown values: 'red'"),
        (json.dumps(whole | {"bands": {"psi": 1}}), "damaged"),
    ):
        file.write_text(wrong, "utf8")
        with pytest.raises(StoreError, match=rf"{message}.*make one with `scenefit features quality"):
            quality.load(workspace)


def test_bad_requests_say_what_to_do(firm):
    workspace = built(firm(), "customer_daily")
    with pytest.raises(SettingsError, match=r"view 'customers' has no snapshots; choose of \[.*'customer_daily'"):
        quality.quality(workspace, D, views=["customers"])
    with pytest.raises(SettingsError, match=r"quality as of .*has no time zone"):
        quality.quality(workspace, D.tz_localize(None))
    with pytest.raises(SettingsError, match=r"the baseline 2026-01-02.* is later than 2026-01-01"):
        quality.quality(workspace, D, baseline=D + timedelta(days=1))
    history.newest_snapshot(workspace, "customer_daily", D).file.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"feature files cannot be read .*remove the damaged file and build"):
        quality.quality(workspace, D)

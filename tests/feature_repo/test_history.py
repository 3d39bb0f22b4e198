"""Snapshots on disk, training frames and the base at one moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pandas as pd
import pytest

from feature_repo import building, history
from feature_repo.definition import EVENT_TIME
from feature_repo.views import STORED
from feature_repo.views_customer import TTL
from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from scenefit.runtime.workspace import Workspace

from .conftest import EVENT, EVENTS, US, D, ago, rows

Firm = Callable[..., Workspace]
DAYS = [ago(28), D]


def spine(*rows_: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows_), columns=["customer_id", EVENT_TIME])


def test_building_again_does_nothing_and_a_second_workspace_gets_equal_bytes(firm: Firm) -> None:
    one, two = firm("one"), firm("two")
    rows_of = history.build(one, DAYS)
    files = sorted(one.features.rglob("*.parquet"))
    before = [(file.stat().st_mtime_ns, file.read_bytes()) for file in files]
    assert history.build(one, DAYS) == rows_of
    assert [(file.stat().st_mtime_ns, file.read_bytes()) for file in files] == before
    history.build(two, DAYS[::-1], threads=2)
    assert [file.read_bytes() for file in sorted(two.features.rglob("*.parquet"))] == [content for _, content in before]
    assert sorted(f.relative_to(two.features) for f in two.features.rglob("*")) == sorted(
        f.relative_to(one.features) for f in one.features.rglob("*")
    )


def test_snapshots_of_replaced_data_are_refused_then_removed(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, DAYS)
    firm(events=rows("events", EVENT, *EVENTS[:4]))
    with pytest.raises(StoreError, match="made from other data"):
        history.as_of(D, "offers_v1", workspace)
    with pytest.raises(StoreError, match="made from other data"):
        history.training_frame(spine(("ann", D)), "offers_v1", workspace)
    history.build(workspace, [D])
    assert history.snapshots(workspace, "customer_daily") == [D]
    assert len(list(workspace.features.rglob("*.parquet"))) == len(STORED)


@pytest.mark.parametrize(
    ("service", "later"),
    [("offers_v1", "0h"), ("offers_v1", "3d"), ("segments_v1", "3d"), ("default_v1", "0h"), ("serving_v1", "0h")],
)
def test_the_base_at_one_moment_equals_the_point_in_time_join(firm: Firm, service: str, later: str) -> None:
    workspace = firm()
    history.build(workspace, DAYS)
    time = D + pd.Timedelta(later)
    base = history.as_of(time, service, workspace)
    assert (base[EVENT_TIME] == D).all()
    keys = [name for name in ("customer_id", "scene_id") if name in base]
    shuffled = base[keys].sample(frac=1, random_state=1).assign(**{EVENT_TIME: time})
    joined = history.training_frame(shuffled, service, workspace).sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(joined.drop(columns=EVENT_TIME), base.drop(columns=EVENT_TIME), check_exact=True)


def test_training_rows_stay_as_given(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, DAYS)
    given = pd.DataFrame(
        {
            "note": ["x", "y", "z", "x"],
            EVENT_TIME: [D, ago(1), D - US, D],
            "customer_id": ["bob", "ann", None, "bob"],
        },
        index=[7, 3, 3, 9],
    )
    before = given.copy()
    frame = history.training_frame(given, "offers_v1", workspace)
    pd.testing.assert_frame_equal(given, before)
    pd.testing.assert_frame_equal(frame[given.columns], given)
    assert frame["contacts_90d"].tolist()[0::3] == [2, 2]
    # at ago(1) the snapshot of ago(28) is the newest; it saw nothing of ann but one purchase a moment before
    assert frame["purchases_365d"].tolist()[1] == 1
    assert frame["purchases_365d"].isna().tolist() == [False, False, True, False]


def test_a_snapshot_serves_from_its_instant_to_the_end_of_its_ttl(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D])
    times = [D - US, D, D + TTL, D + TTL + US]
    frame = history.training_frame(spine(*(("ann", t) for t in times)), "offers_v1", workspace)
    assert frame["visits_28d"].notna().tolist() == [False, True, True, False]
    assert history.as_of(D + TTL, "offers_v1", workspace)["customer_id"].tolist() == ["ann", "bob"]
    with pytest.raises(
        StoreError, match=r"no snapshot of customer_daily within 35 days before 2026-02-05.*there are 2026-01-01"
    ):
        history.as_of(D + TTL + US, "offers_v1", workspace)
    with pytest.raises(StoreError, match="no snapshot"):
        history.as_of(D - US, "offers_v1", workspace)


def test_activity_that_left_the_window_is_not_answered_by_an_older_snapshot(firm: Firm) -> None:
    # the visit to the medical scene is 365 days and a microsecond old at D, inside the window a day before
    workspace = firm()
    history.build(workspace, [ago(1), D])
    ask = pd.DataFrame({"customer_id": "ann", "scene_id": "medical", EVENT_TIME: [ago(1), D]})
    assert history.training_frame(ask, "segments_v1", workspace)["scene_visits_365d"].tolist() == [1, 0]
    assert "medical" not in history.as_of(D, "segments_v1", workspace)["scene_id"].tolist()
    assert "medical" in history.as_of(ago(1), "segments_v1", workspace)["scene_id"].tolist()


def test_bad_requests_say_what_to_do(firm: Firm) -> None:
    workspace = firm()
    with pytest.raises(StoreError, match=r"no usable snapshots of customer_daily: there are none.*history\.build"):
        history.as_of(D, "offers_v1", workspace)
    with pytest.raises(SettingsError, match=r"feature service 'offers' is unknown; choose one of .*'default_v1'"):
        history.as_of(D, "offers", workspace)
    with pytest.raises(SettingsError, match=r"service live_v1: \['customer_live'\] are pushed row by row"):
        history.as_of(D, "live_v1", workspace)
    with pytest.raises(SettingsError, match="has no time zone"):
        history.build(workspace, [pd.Timestamp("2026-01-01")])
    with pytest.raises(SettingsError, match=r"2030-01-01.* lies after the end of the data 2026-03-02"):
        history.build(workspace, [pd.Timestamp("2030-01-01", tz="UTC")])
    with pytest.raises(SettingsError, match="no instant is given"):
        history.build(workspace, [])
    history.build(workspace, [D])
    good = spine(("ann", D))
    for frame, message in (
        (good.drop(columns="customer_id"), r"column 'customer_id' occurs 0 times"),
        (good.assign(spend_28d=1.0), r"\['spend_28d'\] are features of the service"),
        (good.assign(event_timestamp="2026-01-01"), r"'event_timestamp' is object"),
        (good.assign(event_timestamp=pd.NaT), r"1 rows have no 'event_timestamp'"),
    ):
        with pytest.raises(ContractError, match=message):
            history.training_frame(frame, "offers_v1", workspace)


def test_no_training_rows_give_a_frame_with_all_columns(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D])
    none = spine(("ann", D)).iloc[:0]
    frame = history.training_frame(none, "offers_v1", workspace)
    assert len(frame) == 0
    assert "spend_28d" in frame


def test_an_interrupted_build_leaves_whole_files_only(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = firm()
    real = building.snapshot

    def interrupted(connection: object, view: object, moment: pd.Timestamp) -> object:
        if view.name == "customer_risk":
            raise KeyboardInterrupt
        return real(connection, view, moment)

    monkeypatch.setattr(building, "snapshot", interrupted)
    with pytest.raises(KeyboardInterrupt):
        history.build(workspace, [D])
    monkeypatch.undo()
    assert not list(workspace.features.rglob(".*"))
    assert history.build(workspace, [D])["customer_risk"] == 2


def test_computing_and_reading_snapshots_needs_no_feast(firm: Firm) -> None:
    code = (
        "import sys, pandas as pd, pathlib; from feature_repo import history;"
        "from scenefit.runtime.workspace import Workspace;"
        "w = Workspace(pathlib.Path(sys.argv[1])); d = pd.Timestamp(sys.argv[2]);"
        "history.build(w, [d]); assert len(history.as_of(d, 'segments_v1', w)) == 2;"
        "assert 'feast' not in sys.modules and 'ray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(firm().root), D.isoformat()], check=True)

"""The offline store in a Feast repository that knows nothing of this project, against Feast's own DuckDB store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.store import quiet_feast

T = pd.Timestamp("2026-01-10", tz="UTC")
HOUR = pd.Timedelta(hours=1)
STORE = "feature_repo.offline.AsofOfflineStore"
FEATURES = ["driver_hourly_stats:conv_rate", "driver_hourly_stats:acc_rate", "driver_hourly_stats:avg_daily_trips"]

SETTINGS = """\
    project: drivers
    provider: local
    registry: data/registry.db
    offline_store:
      type: {store}
    online_store:
      type: sqlite
      path: data/online_store.db
    entity_key_serialization_version: 3
    """
DEFINITIONS = """\
    from datetime import timedelta

    from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
    from feast.types import Float32, Int64

    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    driver_stats_source = FileSource(
        name="driver_hourly_stats_source",
        path={path!r},
        timestamp_field="event_timestamp",
        created_timestamp_column="created",
    )
    driver_stats = FeatureView(
        name="driver_hourly_stats",
        entities=[driver],
        ttl=timedelta(days=1),
        schema=[
            Field(name="conv_rate", dtype=Float32),
            Field(name="acc_rate", dtype=Float32),
            Field(name="avg_daily_trips", dtype=Int64),
        ],
        online=True,
        source=driver_stats_source,
    )
    driver_activity = FeatureService(name="driver_activity", features=[driver_stats])
    """


def repository(folder: Path, store: str, data: Path) -> Path:
    """A repository as `feast init` lays it out."""
    folder.mkdir()
    (folder / "data").mkdir()
    (folder / "feature_store.yaml").write_text(dedent(SETTINGS).format(store=store))
    (folder / "definitions.py").write_text(dedent(DEFINITIONS).format(path=str(data)))
    return folder


def write(file: Path, rows: list[tuple[int, int, int, float]]) -> None:
    """Statistics of a driver: (driver, hours to event, further hours to creation, rate)."""
    frame = pd.DataFrame(rows, columns=["driver_id", "at", "late", "conv_rate"])
    pq.write_table(
        pa.table({
            "driver_id": pa.array(frame["driver_id"], pa.int64()),
            "event_timestamp": pa.array(T + frame["at"] * HOUR, pa.timestamp("us", tz="UTC")),
            "created": pa.array(T + (frame["at"] + frame["late"]) * HOUR, pa.timestamp("us", tz="UTC")),
            "conv_rate": pa.array(frame["conv_rate"], pa.float32()),
            "acc_rate": pa.array(frame["conv_rate"] / 2, pa.float32()),
            "avg_daily_trips": pa.array(np.arange(len(frame)), pa.int64()),
        }),
        file,
    )  # fmt: skip


class Pair:
    """Two repositories over the same file: one with this project's store, one with Feast's."""

    def __init__(self, root: Path) -> None:
        self.file = root / "driver_stats.parquet"
        write(self.file, [(1, 0, 0, 0.5)])
        with quiet_feast():
            from feast import FeatureStore

            self.ours = FeatureStore(repo_path=repository(root / "ours", STORE, self.file))
            self.stock = FeatureStore(repo_path=repository(root / "stock", "duckdb", self.file))
            namespace: dict[str, object] = {}
            exec((root / "ours" / "definitions.py").read_text(), namespace)
            objects = [namespace[name] for name in ("driver", "driver_stats", "driver_activity")]
            for store in (self.ours, self.stock):
                store.apply(objects)

    def ask(self, store: object, rows: pd.DataFrame, *, known: bool) -> pd.DataFrame:
        with quiet_feast():
            frame: pd.DataFrame = store.get_historical_features(  # type: ignore[attr-defined]
                entity_df=rows, features=FEATURES, filter_by_created_timestamp=known
            ).to_df()
        return frame


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    return Pair(tmp_path_factory.mktemp("third"))


histories = st.lists(
    st.tuples(st.integers(1, 3), st.integers(-40, 20), st.integers(0, 30), st.sampled_from([0.25, 0.5, 1.0])),
    min_size=1, max_size=15, unique_by=lambda row: row[:3],
)  # fmt: skip
asked = st.lists(st.tuples(st.integers(1, 4), st.integers(-45, 60)), min_size=1, max_size=10)


# Feast's own store announces what its libraries will change
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=12, deadline=None)
@given(history=histories, questions=asked, known=st.booleans())
def test_feasts_own_duckdb_store_finds_the_same_values(
    pair: Pair, history: list[tuple[int, int, int, float]], questions: list[tuple[int, int]], known: bool
) -> None:
    write(pair.file, history)
    rows = pd.DataFrame({
        "driver_id": [driver for driver, _ in questions],
        "event_timestamp": [T + hour * HOUR for _, hour in questions],
        "label": range(len(questions)),
    })  # fmt: skip
    ours = pair.ask(pair.ours, rows, known=known)
    assert ours["label"].tolist() == list(range(len(questions)))
    # its rows come in any order
    stock = pair.ask(pair.stock, rows, known=known).sort_values("label", ignore_index=True)
    pd.testing.assert_frame_equal(ours, stock[ours.columns], check_dtype=False)


@pytest.mark.filterwarnings("ignore")
def test_both_stores_pull_the_same_rows(pair: Pair) -> None:
    write(pair.file, [(1, 0, 0, 0.5), (1, 3, 0, 0.25), (2, 1, 0, 1.0), (2, 1, 4, 0.5), (3, 30, 0, 1.0)])
    source = pair.ours.get_feature_view("driver_hourly_stats").batch_source
    columns = (source, ["driver_id"], ["conv_rate"], "event_timestamp", "created")
    edges = (T.to_pydatetime(), (T + 5 * HOUR).to_pydatetime())
    frames = []
    for store in (pair.ours, pair.stock):
        with quiet_feast():
            offline = store._get_provider().offline_store
            frames.append([
                pull(store.config, *columns, *edges).to_df().sort_values(["driver_id", "event_timestamp", "created"],
                                                                         ignore_index=True)
                for pull in (offline.pull_latest_from_table_or_query, offline.pull_all_from_table_or_query)
            ])  # fmt: skip
    for ours, stock in zip(*frames, strict=True):
        pd.testing.assert_frame_equal(ours, stock[ours.columns], check_dtype=False)
    assert [len(frame) for frame in frames[0]] == [2, 4]


@pytest.mark.slow
def test_the_stock_command_line_works_unmodified(tmp_path: Path) -> None:
    file = tmp_path / "driver_stats.parquet"
    write(file, [(1, 0, 0, 0.5), (1, 3, 0, 0.25), (2, 1, 0, 1.0), (2, 30, 0, 0.5)])
    folder = repository(tmp_path / "repo", STORE, file)
    feast(folder, "apply")
    assert "driver_hourly_stats" in feast(folder, "feature-views", "list")
    feast(folder, "materialize", T.strftime("%Y-%m-%dT%H:%M:%S"), (T + 5 * HOUR).strftime("%Y-%m-%dT%H:%M:%S"))
    rows = [{"driver_id": driver} for driver in (1, 2, 3)]
    with quiet_feast():
        from feast import FeatureStore

        store = FeatureStore(repo_path=folder)
        read = store.get_online_features(FEATURES[:1], rows).to_dict()
        found = store.get_historical_features(
            pd.DataFrame({"driver_id": [3, 1, 2], "event_timestamp": T + 4 * HOUR}),
            store.get_feature_service("driver_activity"),
        ).to_df()
    assert read["conv_rate"] == [0.25, 1.0, None]
    assert found["conv_rate"].fillna(-1).tolist() == [-1, 0.25, 1.0]
    assert store.get_feature_view("driver_hourly_stats").ttl == timedelta(days=1)
    assert sorted(path.name for path in (folder / "data").iterdir()) == ["online_store.db", "registry.db"]


def feast(folder: Path, *arguments: str) -> str:
    """What the stock command says in a repository."""
    command = [str(Path(sys.executable).with_name("feast")), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout

"""Asking without a frame: whole spans and queries; saving, pulling and dividing what was asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.retrieval import Division, Limits, Lookup, retrieve
from feature_repo.store import quiet_feast
from feature_repo.timeline import Source
from scenefit.contracts.errors import ContractError, ScenefitError, StoreError

from .test_offline import HOUR, TTL, Shop, T, spine

# saved datasets are announced as experimental
pytestmark = pytest.mark.filterwarnings("ignore:.*experimental:RuntimeWarning")

US = pd.Timedelta("1us")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    return Shop(tmp_path_factory.mktemp("modes"))


def between(shop: Shop, start: pd.Timestamp | None, end: pd.Timestamp | None, *features: str, **more: bool) -> pa.Table:
    edges = {name: edge.to_pydatetime() for name, edge in (("start_date", start), ("end_date", end)) if edge}
    with quiet_feast():
        return shop.store.get_historical_features(
            entity_df=None, features=list(features or ("visits:count",)), **edges, **more
        ).to_arrow()


def query(shop: Shop, text: str, *features: str) -> pd.DataFrame:
    with quiet_feast():
        frame: pd.DataFrame = shop.store.get_historical_features(text, list(features or ("visits:count",))).to_df()
    return frame


HISTORY = [(1, 0, 0, 10), (2, 0, 0, 20), (1, 5, 0, 15), (1, 5, 9, 16), (2, 60, 0, 26)]


def test_a_span_yields_every_person_and_moment_in_it_both_ends_included(shop: Shop) -> None:
    shop.write(HISTORY)
    found = between(shop, T, T + 60 * HOUR)
    assert found.column_names == ["person_id", "event_timestamp", "count"]
    assert found.to_pydict() == {
        "person_id": [1, 2, 1, 2],
        "event_timestamp": [T, T, T + 5 * HOUR, T + 60 * HOUR],
        "count": [10, 20, 16, 26],
    }
    assert between(shop, T + US, T + 60 * HOUR - US)["count"].to_pylist() == [16]
    assert between(shop, T + US, T + 2 * US).num_rows == 0


def test_in_a_span_a_correction_counts_only_when_it_was_known(shop: Shop) -> None:
    shop.write(HISTORY)
    found = between(shop, T, T + 60 * HOUR, filter_by_created_timestamp=True)
    assert found["count"].to_pylist() == [10, 20, 15, 26]


def test_a_span_equals_asking_for_its_rows(shop: Shop) -> None:
    rng = np.random.default_rng(4)
    shop.write([(int(who), int(at), 0, n) for n, (who, at) in enumerate(rng.integers(0, 30, (300, 2)))])
    features = ("visits:count", "visits_ever:word", "total:count")
    with quiet_feast():
        found = shop.store.get_historical_features(
            entity_df=None, features=list(features), full_feature_names=True,
            start_date=(T + 4 * HOUR).to_pydatetime(), end_date=(T + 20 * HOUR).to_pydatetime(),
        ).to_arrow()  # fmt: skip
    asked = shop.ask(found.select(["person_id", "event_timestamp"]).to_pandas(), *features, full=True)
    assert found.num_rows > 100
    pd.testing.assert_frame_equal(found.to_pandas(), asked)


def test_without_a_beginning_a_span_is_as_long_as_the_ttl(shop: Shop) -> None:
    now = pd.Timestamp.now("UTC").floor("h")
    age = int((now - T) / HOUR)
    shop.write([(1, age - 1, 0, 1), (1, age - 49, 0, 2), (1, age + 5, 0, 3)])
    with quiet_feast():
        job = shop.store.get_historical_features(entity_df=None, features=["visits:count"])
        assert job.to_arrow()["count"].to_pylist() == [1]
    assert job.metadata.keys == ["person_id"]
    assert job.metadata.max_event_timestamp - job.metadata.min_event_timestamp == TTL


def test_spans_that_mean_nothing_are_refused(shop: Shop) -> None:
    with pytest.raises(ContractError, match=r"start_date 2026-01-10 .* is after end_date 2026-01-09"):
        between(shop, T, T - 24 * HOUR)


def test_rows_may_be_found_by_a_query(shop: Shop) -> None:
    shop.write(HISTORY)
    text = f"SELECT 'x' AS label, person_id, ts + INTERVAL 1 HOUR AS event_timestamp FROM '{shop.file}' ORDER BY n DESC"
    frame = query(shop, text)
    assert frame.columns.tolist() == ["label", "person_id", "event_timestamp", "count"]
    assert frame["count"].tolist() == [26, 20, 16, 16, 10]
    by_variable = text.replace(f"'{shop.file}'", "read_parquet(getvariable('root') || '/visits.parquet')")
    pd.testing.assert_frame_equal(query(shop, by_variable), frame)


def test_moments_of_a_query_without_zone_are_utc(shop: Shop) -> None:
    shop.write([(1, 0, 0, 7)])
    for moment in ("TIMESTAMP '2026-01-10'", "TIMESTAMPTZ '2026-01-10 08:00:00+08'", "DATE '2026-01-10'"):
        frame = query(shop, f"SELECT 1 AS person_id, {moment} AS event_timestamp")
        assert frame["count"].tolist() == [7]
        assert frame["event_timestamp"].tolist() == [T]


def test_a_query_reads_below_the_root_and_does_nothing_else(shop: Shop, tmp_path: Path) -> None:
    outside = tmp_path / "outside.parquet"
    pq.write_table(pa.table({"person_id": [1]}), outside)
    link = shop.file.parent / "link.parquet"
    link.symlink_to(outside)
    root = shop.file.parent
    rows = spine((1, 1))
    assert len(rows) == 1
    refused = {
        f"SELECT * FROM '{outside}'": "file system operations are disabled",
        f"SELECT * FROM '{link}'": "file system operations are disabled",
        f"SELECT * FROM '{root}/../outside.parquet'": "file system operations are disabled",
        "SELECT * FROM rows": "Table with name rows does not exist",
        "SELECT content FROM read_text('/etc/hostname')": "file system operations are disabled",
        "SELECT 1 AS person_id, now() AS": "syntax error",
        f"COPY (SELECT 1) TO '{root}/x.csv'": "must be one SELECT; it is COPY",
        f"ATTACH '{root}/x.db'": "must be one SELECT; it is ATTACH",
        "SELECT 1; SELECT 2": "must be one SELECT; it is SELECT, SELECT",
        "SET lock_configuration = false": "must be one SELECT; it is SET",
        "": "must be one SELECT; it is empty",
        "SELECT 1 AS person_id, now() AS event_timestamp, 2 AS person_id": "'person_id.*twice",
    }
    for text, reason in refused.items():
        with pytest.raises(ContractError, match=f"(?s){reason}"):
            query(shop, text)
    link.unlink()
    assert sorted(path.name for path in root.iterdir() if path.suffix not in {".db", ".parquet"}) == []


def test_a_refused_query_is_shown_with_the_way_out(shop: Shop) -> None:
    with pytest.raises(ContractError) as refusal:
        query(shop, "SELECT prson_id FROM range(3) AS t(person_id)")
    assert "prson_id" in str(refusal.value)
    assert "Query: SELECT prson_id FROM range(3)" in str(refusal.value)
    assert f"files below {shop.file.parent}, by absolute path" in str(refusal.value)


@pytest.mark.parametrize("path", ["saved/set.parquet", "saved/folder"])
def test_a_saved_dataset_is_read_back_as_it_was(shop: Shop, path: str) -> None:
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    shop.write(HISTORY)
    rows = spine((2, 61), (1, 6), (1, 6), (3, 1), (1, 0))
    with quiet_feast():
        for asked in (rows, rows.head(2)):
            job = shop.store.get_historical_features(asked, ["visits:count", "visits:word"])
            shop.store.create_saved_dataset(
                from_=job, name="set", storage=SavedDatasetFileStorage(path), allow_overwrite=True
            )
            saved = shop.store.get_saved_dataset("set").to_df()
            pd.testing.assert_frame_equal(saved[job.to_df().columns], job.to_df(), check_dtype=False)
    assert [file.name for file in (shop.file.parent / "saved").iterdir() if file.name.startswith(".")] == []


def test_a_failed_save_leaves_what_was_there(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    shop.write(HISTORY)
    target = shop.file.parent / "kept.parquet"
    with quiet_feast():
        job = shop.store.get_historical_features(spine((1, 1)), ["visits:count"])
        job.persist(SavedDatasetFileStorage("kept.parquet"))
        before = target.read_bytes()

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("feature_repo.offline.pq.write_table", full)
        with pytest.raises(StoreError, match=r"kept\.parquet: cannot be written: the disk is full"):
            job.persist(SavedDatasetFileStorage("kept.parquet"), allow_overwrite=True)
        monkeypatch.undo()
        target.with_name("folder").mkdir(exist_ok=True)
        target.with_name("odd").write_text("a file")
        with pytest.raises(StoreError, match="nor a file a folder"):
            job.persist(SavedDatasetFileStorage("odd"), allow_overwrite=True)
    assert target.read_bytes() == before
    assert not list(target.parent.glob(".kept*"))
    for rest in (target, target.with_name("odd")):
        rest.unlink()
    target.with_name("folder").rmdir()


@pytest.mark.parametrize("latest", [True, False])
def test_a_view_without_entity_is_materialised_like_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], latest: bool
) -> None:
    from feast import FeatureView, Field
    from feast.types import Int64

    shop = Shop(tmp_path)
    shop.store.config.materialization_config.pull_latest_features = latest
    shop.write(HISTORY)
    with quiet_feast():
        source = shop.store.get_feature_view("visits").batch_source
        schema = [Field(name="count", dtype=Int64)]
        shop.store.apply([FeatureView(name="all", entities=[], ttl=TTL, schema=schema, source=source, online=True)])
        shop.store.materialize(T.to_pydatetime(), (T + 20 * HOUR).to_pydatetime(), feature_views=["all"])
        # Feast reads it online beside a view with an entity
        read = shop.store.get_online_features(["all:count", "visits:word"], [{"person_id": 1}]).to_dict()
    assert read["count"] == [16]


def test_the_newest_row_of_all_is_pulled_where_there_is_no_key(shop: Shop) -> None:
    from feature_repo.offline import AsofOfflineStore

    shop.write(HISTORY)
    source = shop.store.get_feature_view("visits").batch_source
    edges = (T.to_pydatetime(), (T + 10 * HOUR).to_pydatetime())
    pull = AsofOfflineStore.pull_latest_from_table_or_query
    newest = pull(shop.store.config, source, [], ["n"], "ts", "made", *edges).to_arrow()
    assert newest.select(["n", "ts", "made"]).to_pydict() == {
        "n": [16], "ts": [T + 5 * HOUR], "made": [T + 14 * HOUR]
    }  # fmt: skip
    # no feature named: all columns of the files
    each = pull(shop.store.config, source, ["person_id"], [], "ts", None, *edges).to_arrow()
    assert sorted(each.column_names) == ["made", "n", "person_id", "ts", "word"]
    assert each["person_id"].to_pylist() == [1, 2]


def test_naive_edges_of_a_pull_are_utc(shop: Shop) -> None:
    from feature_repo.offline import AsofOfflineStore

    shop.write(HISTORY)
    source = shop.store.get_feature_view("visits").batch_source
    edge = dt.datetime(2026, 1, 10)  # noqa: DTZ001 Feast hands such moments over
    for pull in (AsofOfflineStore.pull_latest_from_table_or_query, AsofOfflineStore.pull_all_from_table_or_query):
        found = pull(shop.store.config, source, ["person_id"], ["n"], "ts", "made", edge, edge).to_arrow()
        assert found["n"].to_pylist() == [10, 20]


def test_sources_of_another_kind_are_refused(shop: Shop) -> None:
    from feast import FileSource
    from feast.data_format import DeltaFormat
    from feast.data_source import RequestSource

    from feature_repo.offline import AsofOfflineStore

    store = AsofOfflineStore()
    for source, reason in (
        (FileSource(path="s3://bucket/f.parquet", timestamp_field="ts"), "s3://bucket.*local Parquet files"),
        (FileSource(path="t", file_format=DeltaFormat(), timestamp_field="ts"), "DeltaFormat; this store reads Parq"),
        (RequestSource(name="r", schema=[]), "RequestSource: this store reads local"),
    ):
        with pytest.raises(StoreError, match=reason):
            store.validate_data_source(shop.store.config, source)


@pytest.mark.parametrize("wrong", [{"partitions": 0}, {"backend": "spark"}, {"threads": 0}, {"root": "${NOT_SET}"}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    from feature_repo.offline import AsofOfflineStoreConfig

    with pytest.raises(ValueError, match=next(iter(wrong))):
        AsofOfflineStoreConfig(**wrong)


def many(folder: Path) -> tuple[pa.Table, list[Lookup]]:
    """Two views, one by person and one by person and scene, each of three files."""
    rng = np.random.default_rng(8)
    for view, keys in (("person", ["who"]), ("scene", ["who", "scene"])):
        (folder / view).mkdir()
        for day in range(3):
            who = np.arange(500).repeat(1 if view == "person" else 3)
            table = pa.table({
                "who": pa.array([f"c{n}" for n in who]),
                "scene": pa.array(np.arange(len(who)) % 3),
                "at": pa.array([T + day * 24 * HOUR] * len(who), pa.timestamp("us", tz="UTC")),
                f"{view}_value": rng.random(len(who)),
                f"{view}_word": pa.array([f"w{n % 7}" for n in who]),
            }).filter(pa.array(rng.random(len(who)) < 0.7))  # fmt: skip
            kept = [name for name in table.column_names if name in keys or name not in {"who", "scene"}]
            pq.write_table(table.select(kept), folder / view / f"part-{day}.parquet")
    rows = pa.table({
        "scene": pa.array(rng.integers(0, 4, 2_000), mask=rng.random(2_000) < 0.05),
        "who": pa.array([f"c{n}" for n in rng.integers(0, 550, 2_000)], mask=rng.random(2_000) < 0.05),
        "moment": pa.array([T + float(h) * HOUR for h in rng.uniform(-5, 90, 2_000)], pa.timestamp("us", tz="UTC")),
    })  # fmt: skip
    lookups = [
        Lookup(view, Source(folder / view, "at", unique=True), tuple((key, key) for key in keys),
               tuple((f"{view}_{kind}", f"{view}_{kind}") for kind in ("value", "word")), dt.timedelta(hours=30))
        for view, keys in (("person", ["who"]), ("scene", ["who", "scene"]))
    ]  # fmt: skip
    return rows, lookups


@pytest.mark.parametrize("parts", [2, 7, 5_000])
def test_a_divided_retrieval_is_the_undivided_one(tmp_path: Path, parts: int) -> None:
    rows, lookups = many(tmp_path)
    limits = Limits(tmp_path)
    if parts > 1_000:
        rows = rows.slice(0, 8)
    whole = retrieve(rows, "moment", lookups, known_only=True, limits=limits)
    assert whole["scene_word"].null_count < len(rows)
    divided = retrieve(rows, "moment", lookups, known_only=True, limits=limits, division=Division(parts))
    assert divided.equals(whole)


@pytest.mark.ray
@pytest.mark.slow
def test_a_retrieval_divided_on_ray_is_the_undivided_one(tmp_path: Path) -> None:
    rows, lookups = many(tmp_path)
    limits = Limits(tmp_path)
    whole = retrieve(rows, "moment", lookups, known_only=True, limits=limits)
    on_ray = Division(4, backend="ray")
    assert retrieve(rows, "moment", lookups, known_only=True, limits=limits, division=on_ray).equals(whole)
    (tmp_path / "scene" / "part-1.parquet").write_bytes(b"half a file")
    with pytest.raises(StoreError, match=r"part-1\.parquet: not a whole Parquet file"):
        retrieve(rows, "moment", lookups, known_only=True, limits=limits, division=on_ray)


def test_a_failing_part_says_why(tmp_path: Path) -> None:
    rows, lookups = many(tmp_path)
    (tmp_path / "person" / "part-0.parquet").write_bytes(b"half a file")
    with pytest.raises(ScenefitError, match=r"part-0\.parquet: not a whole Parquet file"):
        retrieve(rows, "moment", lookups, known_only=False, limits=Limits(tmp_path), division=Division(3))


def test_partitions_are_a_setting_of_the_store(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.write([(person, 0, 0, person) for person in range(200)])
    rows = spine(*((person, 1) for person in range(250)))
    whole = shop.ask(rows, "visits:count", "total:count", full=True)
    shop.store.config.offline_store.partitions = 3
    pd.testing.assert_frame_equal(shop.ask(rows, "visits:count", "total:count", full=True), whole)

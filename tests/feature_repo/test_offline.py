"""The offline store alone, in a Feast repository that is not ours, against a join written out by hand."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.store import quiet_feast
from scenefit.contracts.errors import ContractError, StoreError

# saved datasets are announced as experimental
pytestmark = pytest.mark.filterwarnings("ignore:.*experimental:RuntimeWarning")

T = pd.Timestamp("2026-01-10", tz="UTC")
HOUR = pd.Timedelta(hours=1)
TTL = timedelta(hours=48)


class Shop:
    """A Feast repository of two views over the same files: `visits` forgets after 48 hours, `visits_ever` never."""

    def __init__(self, root: Path) -> None:
        with quiet_feast():
            warnings.simplefilter("ignore", RuntimeWarning)  # on-demand views are announced as experimental
            from feast import Entity, FeatureStore, FeatureView, Field, FileSource
            from feast.on_demand_feature_view import on_demand_feature_view
            from feast.repo_config import RepoConfig
            from feast.types import Float64, Int64, String
            from feast.value_type import ValueType

            self.file = root / "visits.parquet"
            self.write([(1, 0, 0, 1)])
            person = Entity(name="person", join_keys=["person_id"], value_type=ValueType.INT64)
            source = FileSource(
                path="visits.parquet",
                timestamp_field="ts",
                created_timestamp_column="made",
                field_mapping={"n": "count"},
            )
            schema = [
                Field(name="person_id", dtype=Int64),
                Field(name="count", dtype=Int64),
                Field(name="word", dtype=String),
            ]
            views = [
                FeatureView(
                    name=name, entities=[person], ttl=ttl, schema=schema, source=source, online=name == "visits"
                )
                for name, ttl in (("visits", TTL), ("visits_ever", timedelta(0)))
            ]

            @on_demand_feature_view(sources=[views[0]], schema=[Field(name="double", dtype=Float64)], mode="pandas")
            def doubled(inputs: pd.DataFrame) -> pd.DataFrame:
                return pd.DataFrame({"double": inputs["count"] * 2.0})

            self.store = FeatureStore(
                config=RepoConfig(
                    project="shop",
                    provider="local",
                    registry=str(root / "registry.db"),
                    repo_path=root,
                    offline_store={"type": "feature_repo.offline.AsofOfflineStore", "root": str(root)},
                    online_store={"type": "sqlite", "path": str(root / "online.db")},
                    entity_key_serialization_version=3,
                    materialization={"pull_latest_features": True},
                )
            )
            total = FeatureView(name="total", entities=[], ttl=TTL, schema=[Field(name="count", dtype=Int64)],
                                source=source, online=False)  # fmt: skip
            self.store.apply([person, source, *views, total, doubled])

    def write(self, history: list[tuple[int, int, int, int]], unit: str = "us") -> None:
        """Rows (person, hours to event, further hours to creation, value)."""
        frame = pd.DataFrame(history, columns=["person_id", "ts", "made", "n"]).astype("int64")
        frame["made"] = T + (frame["ts"] + frame["made"]) * HOUR
        frame["ts"] = T + frame["ts"] * HOUR
        frame[["made", "ts"]] = frame[["made", "ts"]].astype(f"datetime64[{unit}, UTC]")
        pq.write_table(pa.Table.from_pandas(frame.assign(word="w"), preserve_index=False), self.file)

    def ask(self, spine: pd.DataFrame, *features: str, full: bool = False, known: bool = False) -> pd.DataFrame:
        with quiet_feast():
            job = self.store.get_historical_features(
                entity_df=spine,
                features=list(features or ("visits:count",)),
                full_feature_names=full,
                filter_by_created_timestamp=known,
            )
            return job.to_arrow().to_pandas()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    return Shop(tmp_path_factory.mktemp("shop"))


def spine(*rows: tuple[object, float]) -> pd.DataFrame:
    people, hours = zip(*rows, strict=True)
    return pd.DataFrame({"person_id": pd.array(people, "Int64"), "event_timestamp": [T + h * HOUR for h in hours]})


def answer(
    history: list[tuple[int, int, int, int]], person: int, hour: float, *, ttl: float | None, known: bool
) -> float:
    """The join as one would do it with a ruler: newest event, then newest creation."""
    usable = [
        (at, at + late, value)
        for who, at, late, value in history
        if who == person and at <= hour and (not known or at + late <= hour) and (ttl is None or hour <= at + ttl)
    ]
    return max(usable)[2] if usable else float("nan")


histories = st.lists(
    st.tuples(st.integers(1, 2), st.integers(-60, 20), st.integers(0, 40), st.integers(0, 10**6)),
    min_size=1, max_size=12, unique_by=lambda row: row[:3],
)  # fmt: skip
asked = st.lists(st.tuples(st.integers(1, 3), st.integers(-70, 60)), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, questions=asked, known=st.booleans())
def test_every_row_gets_what_the_ruler_says(
    shop: Shop, history: list[tuple[int, int, int, int]], questions: list[tuple[int, int]], known: bool
) -> None:
    shop.write(history)
    frame = shop.ask(spine(*questions), "visits:count", "visits_ever:count", full=True, known=known)
    for view, ttl in (("visits__count", 48.0), ("visits_ever__count", None)):
        expected = [answer(history, who, hour, ttl=ttl, known=known) for who, hour in questions]
        np.testing.assert_array_equal(frame[view].astype(float), expected)


def test_the_ttl_ends_after_its_last_microsecond(shop: Shop) -> None:
    shop.write([(1, 0, 0, 7)])
    moments = [T - pd.Timedelta("1us"), T, T + TTL, T + TTL + pd.Timedelta("1us")]
    frame = shop.ask(pd.DataFrame({"person_id": 1, "event_timestamp": moments}))
    assert frame["count"].isna().tolist() == [True, False, False, True]


def test_of_two_corrections_the_newest_wins_unless_it_was_not_known_yet(shop: Shop) -> None:
    shop.write([(1, 0, 0, 10), (1, 0, 5, 11)])
    assert shop.ask(spine((1, 2))).loc[0, "count"] == 11
    assert shop.ask(spine((1, 2), (1, 5)), known=True)["count"].tolist() == [10, 11]


def test_rows_order_and_further_columns_stay(shop: Shop) -> None:
    rng = np.random.default_rng(5)
    shop.write([(person, 0, 0, person) for person in range(2_000)])
    given_ = pd.DataFrame(
        {
            "label": rng.random(5_000),
            "event_timestamp": T + HOUR,
            "person_id": pd.array(rng.integers(0, 2_500, 5_000), "Int64"),
        },
        index=rng.permutation(5_000),
    )
    given_.loc[given_.index[7], "person_id"] = pd.NA
    frame = shop.ask(given_)
    assert frame["label"].tolist() == given_["label"].tolist()
    found = frame["count"].to_numpy(float)
    people = given_["person_id"].to_numpy(float, na_value=np.nan)
    np.testing.assert_array_equal(found, np.where(people < 2_000, people, np.nan))


@pytest.mark.parametrize(
    "kind", ["datetime64[us, UTC]", "datetime64[ns, UTC]", "datetime64[ns]", "datetime64[us, Asia/Shanghai]"]
)
@pytest.mark.parametrize("stored", ["us", "ns"])
def test_moments_may_come_in_any_unit_and_zone(shop: Shop, kind: str, stored: str) -> None:
    shop.write([(1, 0, 0, 3), (1, 1, 0, 4)], unit=stored)
    rows = spine((1, 0.5), (1, 1))
    moments = rows["event_timestamp"]
    moments = moments.dt.tz_localize(None).astype(kind) if "," not in kind else moments.astype(kind)
    assert shop.ask(rows.assign(event_timestamp=moments))["count"].tolist() == [3, 4]


def test_a_view_may_be_joined_by_another_key_under_another_name(shop: Shop) -> None:
    from feast import FeatureService

    shop.write([(1, 0, 0, 3), (2, 0, 0, 4)])
    with quiet_feast():
        view = shop.store.get_feature_view("visits")
        friend = view.with_name("friend").with_join_key_map({"person_id": "friend_id"})
        service = FeatureService(name="pair", features=[view.with_name("own")[["count"]], friend[["count"]]])
        shop.store.apply([service])
        rows = spine((1, 1)).assign(friend_id=pd.array([2], "Int64"))
        frame = shop.store.get_historical_features(
            entity_df=rows, features=shop.store.get_feature_service("pair"), full_feature_names=True
        ).to_df()
    assert frame[["own__count", "friend__count"]].to_numpy().tolist() == [[3, 4]]


def test_a_view_without_entity_has_one_value_for_all(shop: Shop) -> None:
    shop.write([(1, 0, 0, 3), (1, 2, 0, 4)])
    assert shop.ask(spine((1, 1), (8, 2), (9, -1)), "total:count")["count"].fillna(-1).tolist() == [3, 4, -1]


def test_on_demand_features_are_computed_from_the_joined_ones(shop: Shop) -> None:
    shop.write([(1, 0, 0, 21)])
    frame = shop.ask(spine((1, 1)), "visits:count", "doubled:double")
    assert frame.loc[0, ["count", "double"]].tolist() == [21, 42.0]


def test_six_threads_ask_at_once(shop: Shop) -> None:
    shop.write([(person, 0, 0, person) for person in range(500)])
    rows = spine(*((person, 1) for person in range(500)))
    with quiet_feast(), ThreadPoolExecutor(6) as pool:
        asked_ = [
            pool.submit(lambda: shop.store.get_historical_features(rows, ["visits:count"]).to_arrow())
            for _ in range(12)
        ]
        results = [job.result()["count"].to_pylist() for job in asked_]
    assert results == [list(range(500))] * 12


def test_a_training_set_can_be_saved_and_is_not_overwritten_by_accident(shop: Shop) -> None:
    from feast.errors import SavedDatasetLocationAlreadyExists
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    shop.write([(1, 0, 0, 8)])
    with quiet_feast():
        job = shop.store.get_historical_features(spine((1, 1)), ["visits:count"])
        storage = SavedDatasetFileStorage("saved/set.parquet")
        shop.store.create_saved_dataset(from_=job, name="set", storage=storage, allow_overwrite=True)
        assert shop.store.get_saved_dataset("set").to_df()["count"].tolist() == [8]
        with pytest.raises(SavedDatasetLocationAlreadyExists):
            job.persist(storage)


def test_materialising_takes_the_newest_row_of_each_person(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.write([(1, 0, 0, 1), (1, 2, 0, 2), (1, 9, 0, 9), (2, 1, 0, 5), (2, 1, 3, 6)])
    with quiet_feast():
        shop.store.materialize((T - HOUR).to_pydatetime(), (T + 3 * HOUR).to_pydatetime(), feature_views=["visits"])
        read = shop.store.get_online_features(["visits:count"], [{"person_id": 1}, {"person_id": 2}, {"person_id": 3}])
    assert read.to_dict()["count"] == [2, 6, None]


def test_all_rows_of_a_span_can_be_pulled(shop: Shop) -> None:
    from feature_repo.offline import AsofOfflineStore

    shop.write([(1, 0, 0, 1), (1, 2, 0, 2), (2, 5, 0, 3)])
    source = shop.store.get_feature_view("visits").batch_source
    pull = AsofOfflineStore.pull_all_from_table_or_query
    for start, end, values in ((None, None, [1, 2, 3]), (T, T + 2 * HOUR, [1, 2]), (T + HOUR, None, [2, 3])):
        edges = [edge and edge.to_pydatetime() for edge in (start, end)]
        table = pull(shop.store.config, source, ["person_id"], ["n"], "ts", "made", *edges).to_arrow()
        assert table["n"].to_pylist() == values


def test_refusals_name_the_cause(shop: Shop) -> None:
    rows = spine((1, 1))
    with pytest.raises(ContractError, match="column 'person_id' is missing"):
        shop.ask(rows.rename(columns={"person_id": "id"}))
    with pytest.raises(ContractError, match="column 'count' exists already"):
        shop.ask(rows.assign(count=1))
    with pytest.raises(ContractError, match=r"entity_df must be a pandas frame.*got dict"), quiet_feast():
        shop.store.get_historical_features({"person_id": [1]}, ["visits:count"])
    with pytest.raises(ContractError, match=r"columns \['person_id'\] occur twice"):
        shop.ask(pd.concat([rows, rows[["person_id"]]], axis=1))
    with pytest.raises(ContractError, match="column 'event_timestamp' holds no moments"):
        shop.ask(rows.assign(event_timestamp="soon"))
    shop.file.unlink()
    with pytest.raises(StoreError, match=r"visits\.parquet: no Parquet files"):
        shop.ask(rows)

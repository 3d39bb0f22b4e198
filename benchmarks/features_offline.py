"""Point-in-time joins, whole-base audiences and retrievals at once: against hand-written SQL, Polars and stock Feast.

Data is synthetic. Every side runs in a process of its own: one call that is not measured, then several that are.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.features_histories import CREATED, DAILY, HISTORIES, HOURLY, LINE, TIME, History, prepare
from benchmarks.figures import Comparison, Part, Spread, spread
from benchmarks.harness import CACHE, check_same, compare, python_side
from benchmarks.report import Table
from benchmarks.workspaces import from_root, world

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

CORES = 2
CALLS, SHORT_CALLS = 3, 15  # what takes a tenth of a second is measured more often
AT_ONCE, TASKS = 6, 24
BASE = 50_000  # customers of the audience
SERVICE = "offers_v1"

HAND, OURS, POLARS, STOCK = "DuckDB by hand", "Scenefit", "Polars join_asof", "Feast's duckdb store"
READ, AS_OF = "plain read of the Parquet", "history.as_of"
JOIN = "one retrieval"
JOINS = (
    f"{DAILY.asked:,} rows × {DAILY.features} features, {DAILY.moments} days of {DAILY.entities:,} customers",
    f"{HOURLY.asked:,} rows × {HOURLY.features} features, {HOURLY.moments} hours of {HOURLY.entities:,} merchants",
)
AUDIENCE = f"audience of {BASE:,} customers as of one time"
TOGETHER = f"{AT_ONCE} retrievals at once in one process"


def comparisons(repeats: int) -> tuple[Comparison, ...]:
    """Daily join, hourly join, audience, retrievals at once; each with proof that the sides found the same."""
    found = []
    for name, history in zip(JOINS, (DAILY, HOURLY), strict=True):
        sides = [
            python_side(side, "benchmarks.features_offline:join", {"side": side, "history": history.name},
                        partial(prepare, history))
            for side in (HAND, OURS, POLARS, STOCK)
        ]  # fmt: skip
        found.append(compare(name, sides, repeats))
    workspace = _audience_workspace()
    sides = [
        python_side(side, "benchmarks.features_offline:audience", {"side": side, "workspace": from_root(workspace)})
        for side in (READ, AS_OF)
    ]
    found.append(compare(AUDIENCE, sides, repeats))
    for comparison in found:
        check_same([m for round_ in comparison.rounds for m in round_], lambda answer: answer["checksum"])
    sides = [
        python_side(side, "benchmarks.features_offline:at_once", {"side": side}, partial(prepare, HOURLY))
        for side in (OURS, STOCK)
    ]
    # Feast's own store is expected to fail here, so that results cannot be compared
    return (*found, compare(TOGETHER, sides, max(1, repeats // 2)))


def shares(found: tuple[Comparison, ...]) -> Table:
    """How many retrievals at once succeed; no times, because a side that fails does less work."""
    together = found[-1]
    rows = []
    for side in together.sides:
        share = spread(m.answer["succeeded"] / m.answer["asked"] for m in together.of(side))
        rows.append((side, str(len(together.rounds)), f"{share.median:.0%}", f"{share.low:.0%}"))
    return Table(TOGETHER, ("side", "rounds", "succeed (median)", "succeed (worst round)"), tuple(rows))


def findings(found: tuple[Comparison, ...]) -> tuple[str, ...]:
    """What follows, against the goals."""
    *joins, audience_, together = found
    goals = ((1.1, 1.3), (1.3, None))
    sentences = [line for joined, goal in zip(joins, goals, strict=True) for line in _against_hand(joined, *goal)]
    read = audience_.ratio(AS_OF, READ, JOIN)
    assert read is not None
    sentences.append(f"{audience_.name}: {read.median:.2f} × the plain read; goal ≤ 1.5: {_kept(read.median <= 1.5)}")
    shares = [
        f"{side} {spread(m.answer['succeeded'] / m.answer['asked'] for m in together.of(side)).low:.0%}"
        for side in together.sides
    ]
    sentences.append(f"{together.name}, share that succeeds in the worst round: {', '.join(shares)}; goal 100 %")
    return tuple(sentences)


def _against_hand(joined: Comparison, time_goal: float, memory_goal: float | None) -> list[str]:
    wall, cpu = joined.ratio(OURS, HAND, JOIN), joined.ratio(OURS, HAND, JOIN, "cpu")
    stock = joined.ratio(STOCK, HAND, JOIN)
    assert wall is not None
    assert cpu is not None
    assert stock is not None
    sentences = [
        f"{joined.name}: {_times(wall)} the wall time and {_times(cpu)} the CPU time of the hand-written join; goal "
        f"≤ {time_goal:g}: {_kept(max(wall.median, cpu.median) <= time_goal)}. {STOCK} takes {_times(stock)}"
    ]
    if memory_goal is not None:
        memory = spread(
            a.answer["memory"] / b.answer["memory"] for a, b in zip(joined.of(OURS), joined.of(HAND), strict=True)
        )
        sentences.append(
            f"{joined.name}: {_times(memory)} the memory of the hand-written join, on top of loaded libraries; goal "
            f"≤ {memory_goal:g}: {_kept(memory.median <= memory_goal)}"
        )
    return sentences


def join(side: str, history: str) -> dict[str, Any]:
    """One side of a point-in-time join: figures per call, and a checksum of what was found."""
    import pyarrow.parquet as pq

    asked = HISTORIES[history]
    ways: dict[str, Callable[[History, pa.Table], Callable[[], pa.Table]]]
    ways = {HAND: _hand, OURS: partial(_feast, "ours"), POLARS: _polars, STOCK: partial(_feast, "stock")}
    call = ways[side](asked, pq.read_table(asked.rows))
    return _measured(call, lambda table: checksum(table, asked.columns))


def audience(side: str, workspace: str) -> dict[str, Any]:
    """The whole base with all features of a service at the end of the data, as a frame."""
    from feature_repo import history
    from feature_repo.services import SERVICES
    from scenefit.runtime.workspace import Workspace

    place = Workspace(Path(workspace))
    until = place.dataset().until
    service = SERVICES[SERVICE]

    def by_door() -> pd.DataFrame:
        return history.as_of(until, SERVICE, place)

    def by_hand() -> pd.DataFrame:
        import pyarrow.parquet as pq

        from scenefit.contracts.schema import frame_of

        file = history.newest_snapshot(place, service.base.name, until).file
        numbers = {feature.name for feature in service.features if feature.kind != "str"}
        table = pq.ParquetFile(file).read([*service.base.keys, TIME, *[feature.name for feature in service.features]])
        for position, name in enumerate(table.column_names):
            if name in numbers:
                table = table.set_column(position, name, table[name].cast("float64"))
        return frame_of(table)

    columns = [*service.base.keys, TIME, *(feature.name for feature in service.features)]
    call = {READ: by_hand, AS_OF: by_door}[side]
    return _measured(call, lambda frame: _frame_checksum(frame, columns), SHORT_CALLS)


def at_once(side: str) -> dict[str, Any]:
    """Retrievals by several threads: how many end well, and in what time."""
    import pyarrow.parquet as pq

    call = _feast("ours" if side == OURS else "stock", HOURLY, pq.read_table(HOURLY.rows).slice(0, 2_000))
    reference = checksum(call(), HOURLY.columns)
    cpu, wall = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tasks = [pool.submit(call) for _ in range(TASKS)]
        good = [task for task in tasks if task.exception() is None]
    part = Part(f"{TASKS} retrievals", time.perf_counter() - wall, time.process_time() - cpu)
    same = sum(checksum(task.result(), HOURLY.columns) == reference for task in good)
    return {"parts": [part], "asked": TASKS, "succeeded": same}


def checksum(table: pa.Table, columns: list[str]) -> str:
    """A digest of the features in the order of the asking rows."""
    import numpy as np
    import pyarrow.compute as pc

    ordered = table.take(pc.sort_indices(table[LINE]))
    digest = hashlib.sha256(str(table.num_rows).encode())
    for name in columns:
        values = ordered[name].to_numpy().astype(np.float64)
        # every missing value has the same bytes
        digest.update(np.where(np.isnan(values), -np.inf, values).tobytes())
    return digest.hexdigest()[:16]


def _frame_checksum(frame: pd.DataFrame, columns: list[str]) -> str:
    import pandas as pd

    hashes = pd.util.hash_pandas_object(frame[columns].sort_values(columns[0], ignore_index=True), index=False)
    return hashlib.sha256(hashes.to_numpy().tobytes()).hexdigest()[:16]


def _measured(call: Callable[[], Any], proof: Callable[[Any], str], calls: int = CALLS) -> dict[str, Any]:
    """Median of several calls after one that is not measured; memory is what the calls add to the loaded process."""
    import gc

    before = _memory("VmRSS")
    call()
    walls, cpus = [], []
    for _ in range(calls):
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        result = call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    memory = _memory("VmHWM") - before
    part = Part(JOIN, spread(walls).median, spread(cpus).median)
    return {"parts": [part], "memory": memory, "checksum": proof(result)}


def _memory(field: str) -> float:
    """Megabytes of this process, by the kernel's name for them."""
    lines = Path("/proc/self/status").read_text("utf8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def _hand(history: History, rows: pa.Table) -> Callable[[], pa.Table]:
    """The join as one writes it in DuckDB: rows in their order, features empty beyond the TTL."""
    import duckdb

    age = f"epoch_us(asked.{TIME}) - epoch_us(past.{TIME}) <= {int(history.ttl.total_seconds() * 1e6)}"
    values = ", ".join(f"CASE WHEN {age} THEN past.{name} END AS {name}" for name in history.columns)
    sql = (
        f"SELECT asked.*, {values} FROM rows AS asked "
        f"ASOF LEFT JOIN read_parquet('{history.files}/*/*.parquet') AS past "
        f"ON asked.entity_id = past.entity_id AND asked.{TIME} >= past.{TIME} ORDER BY asked.{LINE}"
    )

    def call() -> pa.Table:
        with duckdb.connect() as connection:
            connection.execute(f"SET threads = {CORES}; SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
            connection.register("rows", rows)
            return connection.sql(sql).to_arrow_table()

    return call


def _polars(history: History, rows: pa.Table) -> Callable[[], pa.Table]:
    import polars as pl

    def call() -> pa.Table:
        past = pl.scan_parquet(f"{history.files}/*/*.parquet", hive_partitioning=False).drop(CREATED).sort(TIME)
        asked = pl.from_arrow(rows).lazy().sort(TIME)  # type: ignore[union-attr]
        joined = asked.join_asof(past, on=TIME, by="entity_id", tolerance=history.ttl, check_sortedness=False)
        return joined.sort(LINE).collect().to_arrow()

    return call


def _feast(store: str, history: History, rows: pa.Table) -> Callable[[], pa.Table]:
    """Retrieval by Feast's door, from this project's store or Feast's own over DuckDB."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import feast
    from feast.repo_config import RepoConfig
    from feast.types import Float64, String

    kinds = {"ours": {"type": "feature_repo.offline.AsofOfflineStore", "threads": CORES}, "stock": {"type": "duckdb"}}
    folder = CACHE / "stores" / f"{history.name}-{store}"
    folder.mkdir(parents=True, exist_ok=True)
    entity = feast.Entity(name="entity", join_keys=["entity_id"], value_type=feast.ValueType.STRING)
    source = feast.FileSource(
        name="history", path=f"{history.files}/*/*.parquet", timestamp_field=TIME, created_timestamp_column=CREATED,
        tags={"unique_rows": "true", "partitioned_by": "dt"},
    )  # fmt: skip
    schema = [
        feast.Field(name="entity_id", dtype=String),
        *(feast.Field(name=n, dtype=Float64) for n in history.columns),
    ]
    view = feast.FeatureView(name="history", entities=[entity], ttl=history.ttl, source=source, schema=schema)
    opened = feast.FeatureStore(config=RepoConfig(
        project="benchmark", provider="local", registry=str(folder / "registry.db"), repo_path=folder,
        offline_store=kinds[store], online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    ))  # fmt: skip
    opened.apply([entity, source, view])
    frame = rows.to_pandas()
    features = [f"history:{name}" for name in history.columns]
    return lambda: opened.get_historical_features(frame, features).to_arrow()


def _audience_workspace() -> Path:
    """A world with features at the end of its data."""
    from feature_repo import history
    from scenefit.runtime.workspace import Workspace

    place = Workspace(world(BASE))
    history.build(place, [place.dataset().until], threads=CORES)
    return place.root


def _times(found: Spread) -> str:
    return f"{found.median:.2f} × ({found.low:.2f}–{found.high:.2f})"


def _kept(kept: bool) -> str:
    return "kept" if kept else "missed"

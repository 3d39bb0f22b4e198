"""What the sides of the audience benchmark do, each in a process of its own; all data is synthetic."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.figures import Part, timed
from benchmarks.harness import CACHE
from scenefit.contracts.errors import ScenefitError

if TYPE_CHECKING:
    import duckdb

CORES = 2
# edits between two looks at the clock, which costs as much as an edit on some machines
AT_ONCE = 10
AUDIENCES = 200
# numpy and Polars take minutes for all pairs: these audiences and their pairs stand for them
EVERY = 19
# ours is too fast for one look at the clock
AGAIN = 20
PROVINCES = ("Guangdong", "Zhejiang", "Jiangsu", "Sichuan", "Hunan")
SCENES = ("travel", "3c", "education", "home")
# the seven conditions for DuckDB, the second one edited
CONDITIONS = (
    "age >= 22 AND age < 46", "income > $1", "risk < 0.3", "days_late < 5", "sms", "scene IN ('travel', '3c')",
    "province IN ('Guangdong', 'Zhejiang', 'Jiangsu')",
)  # fmt: skip
# conditions of each count: the first, the first two, …; then all but one
ASKED = [list(range(j + 1)) for j in range(7)] + [[k for k in range(7) if k != j] for j in range(7)]
Counts = tuple[list[int], list[int]]


def edits(rows: int, rounds: int) -> dict[str, Any]:
    """One rule of seven edited again and again: waterfall and leave-one-out by all engines, in turns, same numbers."""
    columns = _columns(rows)
    connection = _connection(columns)
    engines = {
        "ours": _ours(columns),
        "DuckDB": _duckdb_patterns(connection),
        "DuckDB, 14 counts": _duckdb_counts(connection),
        "Polars": _polars(columns),
    }
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    # the first round warms every engine: columns read, plans made
    for number in range(rounds + 1):
        incomes = [4000 + 100 * (number * AT_ONCE + k) for k in range(AT_ONCE)]
        found = {}
        for name, engine in engines.items():
            wall, cpu = time.perf_counter(), time.process_time()
            found[name] = [engine(income) for income in incomes]
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            seconds[name].append((wall / AT_ONCE, cpu / AT_ONCE))
        if any(counts != found["ours"] for counts in found.values()):
            raise ScenefitError(f"audience benchmark: different counts for incomes above {incomes}: {found}")
    parts = []
    for name, taken in seconds.items():
        walls, cpus = zip(*taken[1:], strict=True)
        parts.append(Part(name, statistics.median(walls), statistics.median(cpus)))
    return {"parts": parts, "size": found["ours"][-1][0][-1]}


def stored(ids: int) -> Path:
    """A folder of roaring bitmaps: 200 audiences of 0.05 to 40 % of the ids, every fourth in one stretch; made once."""
    from pyroaring import BitMap

    folder = CACHE / f"audiences-{ids}"
    if (folder / "done").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number, share in enumerate(np.exp(rng.uniform(np.log(0.0005), np.log(0.4), AUDIENCES))):
        many = int(ids * share)
        if number % 4:
            chosen = np.flatnonzero(rng.random(ids, dtype=np.float32) < share)
        else:
            chosen = rng.integers(0, ids - many) + np.flatnonzero(rng.random(many, dtype=np.float32) < 0.9)
        bitmap = BitMap(chosen.astype(np.uint32))
        bitmap.run_optimize()
        (folder / f"{number:03d}.roaring").write_bytes(bitmap.serialize())
    (folder / "done").touch()
    return folder


def overlap(folder: str) -> dict[str, Any]:
    """Ours on all pairs: the stored bitmaps are read and the matrix is counted."""
    from segmentation.audience_overlap import overlap_counts

    parts: list[Part] = []
    with timed("read", parts):
        bitmaps = _bitmaps(folder, 1)
    with timed("overlap", parts):
        counts = overlap_counts(bitmaps)
    return {"parts": parts, "members": int(counts.trace()), "pairs": len(bitmaps) * (len(bitmaps) - 1) // 2}


def overlap_part(folder: str) -> dict[str, Any]:
    """The pairs of every 19th audience: ours, sorted NumPy arrays and Polars joins, same numbers."""
    import polars as pl

    from segmentation.audience_overlap import overlap_counts

    bitmaps = _bitmaps(folder, EVERY)
    arrays = [np.frombuffer(one.to_array(), dtype=np.uint32) for one in bitmaps]
    frames = [pl.DataFrame({"id": one}) for one in arrays]
    pairs = [(i, j) for i in range(len(arrays)) for j in range(i + 1, len(arrays))]
    parts: list[Part] = []
    with timed("ours", parts):
        for _ in range(AGAIN):
            counts = overlap_counts(bitmaps)
    name, wall, cpu = parts.pop()
    parts.append(Part(name, wall / AGAIN, None if cpu is None else cpu / AGAIN))
    with timed("NumPy", parts):
        by_numpy = [len(np.intersect1d(arrays[i], arrays[j], assume_unique=True)) for i, j in pairs]
    with timed("Polars", parts):
        by_polars = [frames[i].join(frames[j], on="id", how="semi").height for i, j in pairs]
    if not [int(counts[i, j]) for i, j in pairs] == by_numpy == by_polars:
        raise ScenefitError("audience benchmark: ours, NumPy and Polars count different overlaps")
    return {"parts": parts, "pairs": len(pairs)}


def _columns(rows: int) -> dict[str, np.ndarray]:
    """Seven columns as finance customers have them, a tenth of the incomes unknown."""
    rng = np.random.default_rng(7)
    return {
        "age": rng.integers(18, 80, rows),
        "income": np.where(rng.random(rows) < 0.1, np.nan, rng.lognormal(8.5, 0.6, rows)),
        "risk": rng.random(rows),
        "days_late": rng.poisson(3, rows),
        "sms": rng.random(rows) < 0.7,
        "scene": np.array(SCENES, dtype=object)[rng.integers(0, len(SCENES), rows)],
        "province": np.array(PROVINCES, dtype=object)[rng.integers(0, len(PROVINCES), rows)],
    }


def _ours(columns: dict[str, np.ndarray]) -> Callable[[int], Counts]:
    import pandas as pd

    from segmentation.audience import AudienceStore, People
    from segmentation.rules import And, Between, Compare, In, Rule, RuleContext

    frame = pd.DataFrame({"customer_id": [f"C{i:08d}" for i in range(len(columns["age"]))], **columns})
    people = People(frame, RuleContext(), None, None, "benchmark", pd.Timestamp("2026-06-30", tz="UTC"))
    # nothing is saved, so the folder is never made
    store = AudienceStore(CACHE / "audiences-none", people)
    scene, province = In(column="scene", values=SCENES[:2]), In(column="province", values=PROVINCES[:3])

    def edit(income: int) -> Counts:
        conditions = (
            Between(column="age", low=22, high=46), Compare(column="income", op=">", value=income),
            Compare(column="risk", op="<", value=0.3), Compare(column="days_late", op="<", value=5),
            Compare(column="sms", op="==", value=True), scene, province,
        )  # fmt: skip
        found = store.edit(Rule(where=And(of=conditions)))
        return found.after.tolist(), found.without.tolist()

    return edit


def _connection(columns: dict[str, np.ndarray]) -> duckdb.DuckDBPyConnection:
    """DuckDB in memory, texts as enums."""
    import duckdb
    import pandas as pd

    connection = duckdb.connect(config={"threads": CORES})
    connection.register("given", pd.DataFrame(columns))
    connection.execute(f"CREATE TYPE scenes AS ENUM {SCENES}")
    connection.execute(f"CREATE TYPE provinces AS ENUM {PROVINCES}")
    connection.execute(
        "CREATE TABLE customers AS SELECT * REPLACE (CASE WHEN isnan(income) THEN NULL ELSE income END AS income, "
        "scene::scenes AS scene, province::provinces AS province) FROM given"
    )
    connection.unregister("given")
    return connection


def _duckdb_counts(connection: duckdb.DuckDBPyConnection) -> Callable[[int], Counts]:
    """As one writes it: fourteen counts over the conditions."""
    names = [f"c{j}" for j in range(len(CONDITIONS))]
    counts = ", ".join(f"count(*) FILTER (WHERE {' AND '.join(names[j] for j in some)})" for some in ASKED)
    inner = ", ".join(f"({condition}) AS {name}" for condition, name in zip(CONDITIONS, names, strict=True))
    query = f"SELECT {counts} FROM (SELECT {inner} FROM customers)"

    def edit(income: int) -> Counts:
        row = connection.execute(query, [income]).fetchall()[0]
        return list(row[:7]), list(row[7:])

    return edit


def _duckdb_patterns(connection: duckdb.DuckDBPyConnection) -> Callable[[int], Counts]:
    """The fastest form found: customers by which conditions they fit, the fourteen counts summed from these."""
    inner = ", ".join(f"coalesce({condition}, false) AS c{j}" for j, condition in enumerate(CONDITIONS))
    query = f"SELECT c0, c1, c2, c3, c4, c5, c6, count(*) FROM (SELECT {inner} FROM customers) GROUP BY ALL"

    def edit(income: int) -> Counts:
        rows = connection.execute(query, [income]).fetchall()
        counts = [sum(row[7] for row in rows if all(row[j] for j in some)) for some in ASKED]
        return counts[:7], counts[7:]

    return edit


def _polars(columns: dict[str, np.ndarray]) -> Callable[[int], Counts]:
    """Polars, texts as enums; the conditions become columns once."""
    import polars as pl

    texts = {"scene": pl.Enum(SCENES), "province": pl.Enum(PROVINCES)}
    frame = pl.DataFrame({name: pl.Series(values, dtype=texts.get(name)) for name, values in columns.items()})
    frame = frame.with_columns(pl.col("income").fill_nan(None))

    def edit(income: int) -> Counts:
        conditions = [
            pl.col("age").is_between(22, 46, closed="left"), pl.col("income") > income, pl.col("risk") < 0.3,
            pl.col("days_late") < 5, pl.col("sms"), pl.col("scene").is_in(SCENES[:2]),
            pl.col("province").is_in(PROVINCES[:3]),
        ]  # fmt: skip
        names = [f"c{j}" for j in range(7)]
        flags = frame.lazy().select([one.alias(name) for one, name in zip(conditions, names, strict=True)])
        counts = [pl.all_horizontal([names[k] for k in some]).sum().alias(str(j)) for j, some in enumerate(ASKED)]
        row = flags.select(counts).collect().row(0)
        return list(row[:7]), list(row[7:])

    return edit


def _bitmaps(folder: str, every: int) -> Sequence[Any]:
    from pyroaring import BitMap

    files = sorted(Path(folder).glob("*.roaring"))[::every]
    return [BitMap.deserialize(file.read_bytes()) for file in files]

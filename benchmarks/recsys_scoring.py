"""Masked top-10 against implicit and a bare matrix product, and a million customers streamed; synthetic vectors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from benchmarks.figures import Comparison, Part
from benchmarks.harness import check_same, compare, python_side
from benchmarks.report import Report, Table

FACTORS, N, STREAMED = 64, 10, 1_000_000
# customers and offers: few offers for many, and many merchants for some
SIZES = ((200_000, 300), (5_000, 20_000))
GOALS = {300: (15.0, 0.2), 20_000: (1.7, None)}
GOAL_SECONDS, GOAL_MB = 10.0, 1.5 * 1024
OURS, IMPLICIT, LIKED, GEMM = "ours", "implicit, nothing barred", "implicit, barred as liked", "bare product"
WORK = "top-10"
COMPARED = 200


class Tastes(NamedTuple):
    """Synthetic vectors, and bits of what each customer may be offered: half of the offers."""

    customers: np.ndarray
    offers: np.ndarray
    bits: np.ndarray


def tastes(customers: int, offers: int) -> Tastes:
    """Normal vectors and random eligibility; the same for every side."""
    rng = np.random.default_rng([7, offers])
    words = (offers + 63) // 64
    return Tastes(
        rng.standard_normal((customers, FACTORS), np.float32),
        rng.standard_normal((offers, FACTORS), np.float32),
        rng.integers(0, 2**64, (customers, words), dtype=np.uint64),
    )


@contextmanager
def precisely(name: str, parts: list[Part]) -> Iterator[None]:
    """Append wall and CPU seconds of the block to `parts`; finer than the clock ticks of whole process trees."""
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    parts.append(Part(name, time.perf_counter() - wall, time.process_time() - cpu))


def ours(customers: int, offers: int) -> dict[str, Any]:
    """Chunked product and compiled top-10 with a bitmask for each customer, on one thread."""
    from recsys.score import top_offers

    made = tastes(customers, offers)
    top_offers(made.customers[:COMPARED], made.offers, N, made.bits[:COMPARED])
    parts: list[Part] = []
    with precisely(WORK, parts):
        found = top_offers(made.customers, made.offers, N, made.bits)
    return _answer(parts, found.ids.reshape(customers, N), found.scores)


def implicit_liked(customers: int, offers: int) -> dict[str, Any]:
    """implicit's recommend, told that everything barred is liked already; on one thread."""
    from scipy import sparse

    from recsys.ranking import unpack

    made = tastes(customers, offers)
    parts: list[Part] = []
    with precisely("barred offers as a sparse matrix", parts):
        step = max(1, 20_000_000 // offers)
        blocks = [
            sparse.csr_matrix(~unpack(made.bits[s : s + step], offers), dtype=np.float32)
            for s in range(0, customers, step)
        ]
        barred = sparse.vstack(blocks, format="csr")
    ids, scores = _recommended(made, barred, parts)
    return _answer(parts, ids, scores)


def implicit_free(customers: int, offers: int) -> dict[str, Any]:
    """implicit's recommend without anything barred: less work than ours."""
    from scipy import sparse

    made = tastes(customers, offers)
    parts: list[Part] = []
    nothing = sparse.csr_matrix((customers, offers), dtype=np.float32)
    _recommended(made, nothing, parts)
    return {"parts": [list(part) for part in parts]}


def bare_product(customers: int, offers: int) -> dict[str, Any]:
    """The matrix product alone, in the same tiles: nobody who scores everything can be faster."""
    from threadpoolctl import threadpool_limits

    from recsys.score import ROWS, TILE

    made = tastes(customers, offers)
    columns, tile = np.ascontiguousarray(made.offers.T), max(ROWS, TILE // offers)
    scores = np.empty((tile, offers), np.float32)
    parts: list[Part] = []
    with threadpool_limits(1, "blas"):
        np.matmul(made.customers[:tile], columns, out=scores[: min(tile, customers)])
        with precisely(WORK, parts):
            for start in range(0, customers, tile):
                part = made.customers[start : start + tile]
                np.matmul(part, columns, out=scores[: len(part)])
    return {"parts": [list(part) for part in parts]}


def streamed(customers: int, offers: int) -> dict[str, Any]:
    """Everybody ranked from vectors and written to Parquet, part by part, on two threads."""
    import pyarrow.parquet as pq

    from recsys.score import rankings, schema, stream, top_offers

    made = tastes(customers, offers)
    top_offers(made.customers[:COMPARED], made.offers, N, made.bits[:COMPARED])
    parts: list[Part] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "offers.parquet"
        with precisely("ranked and written", parts), pq.ParquetWriter(path, schema(), compression="zstd") as writer:
            rows = stream(rankings(made.customers, made.offers, N, made.bits, threads=2), writer)
        size = path.stat().st_size
    return {"parts": [list(part) for part in parts], "rows": rows, "megabytes": size / 1e6}


def report(repeats: int | None = None, sizes: tuple[tuple[int, int], ...] = SIZES, many: int = STREAMED) -> Report:
    """Users per CPU-second of each side, and CPU-seconds and memory of the stream."""
    found = [_compared(customers, offers, repeats or 5) for customers, offers in sizes]
    whole = compare(
        f"stream: {many:,} customers × 300 offers",
        [python_side(OURS, "benchmarks.recsys_scoring:streamed", {"customers": many, "offers": 300})],
        repeats or 3,
    )
    rates = [rates_table(one, customers, offers) for one, (customers, offers) in zip(found, sizes, strict=True)]
    findings = [finding(one, offers) for one, (_, offers) in zip(found, sizes, strict=True)]
    return Report(
        "recsys_scoring",
        "masked top-10 of every customer (synthetic vectors)",
        (*found, whole),
        tuple(rates),
        (*findings, stream_finding(whole, many)),
    )


def rates_table(found: Comparison, customers: int, offers: int) -> Table:
    """Users per CPU-second of the ranking alone."""
    rows = []
    for side in found.sides:
        cpu = found.cpu(side, WORK)
        rows.append((side, "" if cpu is None else f"{customers / cpu.median:,.0f}"))
    return Table(f"{offers:,} offers: users per CPU-second", ("side", "users / CPU-s"), tuple(rows))


def finding(found: Comparison, offers: int) -> str:
    """How many times implicit's users per CPU-second, and which share of the bare product's."""
    goal, least = GOALS.get(offers, (None, None))
    told = []
    for side, wanted in ((LIKED, goal), (IMPLICIT, goal)):
        ratio = found.ratio(side, OURS, WORK, "cpu")
        if ratio is not None:
            told.append(f"{ratio.median:.1f} × {side}{_goal(ratio.median, wanted)}")
    share = found.ratio(GEMM, OURS, WORK, "cpu")
    if share is not None:
        told.append(f"{share.median:.2f} × the {GEMM}{_goal(share.median, least)}")
    return f"{offers:,} offers, users per CPU-second: " + ", ".join(told)


def stream_finding(found: Comparison, many: int) -> str:
    """CPU-seconds and peak memory of a million customers, vectors included."""
    cpu, peak = found.cpu(OURS, "ranked and written"), found.peak(OURS).median
    seconds = float("nan") if cpu is None else cpu.median
    return (
        f"{many:,} customers × 300 offers ranked and written in {seconds:.1f} CPU-s (goal ≤ {GOAL_SECONDS:g}: "
        f"{_kept(seconds <= GOAL_SECONDS)}), peak {peak:,.0f} MB with the vectors (goal ≤ {GOAL_MB:,.0f}: "
        f"{_kept(peak <= GOAL_MB)})"
    )


def _compared(customers: int, offers: int, repeats: int) -> Comparison:
    arguments = {"customers": customers, "offers": offers}
    functions = {OURS: "ours", LIKED: "implicit_liked", IMPLICIT: "implicit_free", GEMM: "bare_product"}
    sides = [
        python_side(name, f"benchmarks.recsys_scoring:{function}", arguments) for name, function in functions.items()
    ]
    found = compare(f"top-{N}: {customers:,} customers × {offers:,} offers, half of them barred", sides, repeats)
    equal = [measured for round_ in found.rounds for measured in round_ if measured.side in (OURS, LIKED)]
    check_same(equal, lambda answer: (answer["first"], answer["sum"]))
    return found


def _recommended(made: Tastes, liked: Any, parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(factors=FACTORS, num_threads=1)
        model.user_factors, model.item_factors = made.customers, made.offers
        users = np.arange(len(made.customers))
        model.recommend(users[:COMPARED], liked[:COMPARED], N=N)
        with precisely(WORK, parts):
            ids, scores = model.recommend(users, liked, N=N)
    return ids, scores


def _answer(parts: list[Part], ids: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    # the sum in few digits: products of other tilings differ in the last bits
    total = float(np.asarray(scores, np.float64).sum())
    return {"parts": [list(part) for part in parts], "first": ids[:COMPARED].tolist(), "sum": f"{total:.4g}"}


def _goal(value: float, wanted: float | None) -> str:
    return "" if wanted is None else f" (goal ≥ {wanted:g}: {_kept(value >= wanted)})"


def _kept(kept: bool) -> str:
    return "kept" if kept else "missed"

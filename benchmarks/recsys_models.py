"""EASE against LensKit with the same best items, and new customers folded in together against one by one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environments import environment
from benchmarks.figures import Comparison, Part, timed
from benchmarks.harness import CACHE, ROOT, Side, compare, python_side
from benchmarks.recsys_accuracy_tables import ml1m
from benchmarks.report import Report
from benchmarks.workspaces import from_root
from scenefit.contracts.errors import ScenefitError

PEER_PINS = ("lenskit==2025.8.1",)
OURS, PEER = "ours", "LensKit"
TOGETHER, AS_IT_COMES, ONE_THREAD = "together", "one by one, as implicit comes", "one by one, on one thread"
STRENGTH, TOP = 500.0, 20
FIRST = 2_000
# customers folded in together, and one by one: the latter takes milliseconds each
CUSTOMERS, ONE_BY_ONE, VISITS, MERCHANTS = 50_000, 500, 12, 1_500
GOAL_EASE, GOAL_FOLDED = 5.0, 200.0
# LensKit inverts in float32: items that score alike to its last digits may change places
LEAST_SHARED = 0.995


def report(repeats: int | None = None) -> Report:
    """EASE on MovieLens-1M, UltraGCN's split; fold-in of synthetic customers."""
    path = train()
    against = ease_comparison(path, repeats or 3)
    folded = compare(
        f"new customers folded into ALS: {CUSTOMERS:,} together, {ONE_BY_ONE} one by one (synthetic)",
        [_folding(TOGETHER, "together"), _folding(AS_IT_COMES, "one_by_one", threads=0),
         _folding(ONE_THREAD, "one_by_one", threads=1)],
        repeats or 3,
    )  # fmt: skip
    return Report(
        "recsys_models", "EASE on MovieLens-1M, fold-in", (against, folded), (),
        (ease_finding(against), folded_finding(folded)),
    )  # fmt: skip


def train() -> Path:
    """Pairs of the training half as a file that every side reads; made once."""
    path = CACHE / "recsys-ml1m.npz"
    if not path.exists():
        folder = Path(os.environ.get("SCENEFIT_DATASETS") or ROOT.parent / "shared" / "data")
        pairs = ml1m(folder).train.tocoo()
        path.parent.mkdir(parents=True, exist_ok=True)
        half_made = path.with_name(f"{path.stem}.part.npz")
        np.savez(half_made, users=pairs.row, items=pairs.col)
        half_made.rename(path)
    return path


def ease_comparison(path: Path, repeats: int) -> Comparison:
    """Plain EASE on both sides; the items ranked must be the same.

    Raises
    ------
    ScenefitError : the peer's environment cannot be made, or the items differ.
    """
    python = str(environment("lenskit", PEER_PINS))
    code = "from benchmarks.recsys_models_peer import main; main()"
    command = (python, "-c", code, from_root(path), str(STRENGTH), str(TOP), from_root(_out(PEER)))
    found = compare(f"EASE, fit and best {TOP} of everybody", [_side(OURS, "ease", path), Side(PEER, command)], repeats)
    shared = shared_items(np.load(_out(OURS)), np.load(_out(PEER)))
    if shared < LEAST_SHARED:
        raise ScenefitError(
            f"benchmark recsys_models: ours and LensKit share {shared:.2%} of the best {TOP} items; "
            "their times cannot be compared, make the work equal first"
        )
    return found


def ease(path: str, out: str) -> dict[str, Any]:
    """Our EASE with LensKit's settings: no dropout, nobody damped."""
    from recsys.ease import Ease
    from recsys.ranking import pack

    matrix = _matrix(path)
    users = np.arange(matrix.shape[0])
    parts: list[Part] = []
    with timed("fit", parts):
        model = Ease(STRENGTH, dropout=0.0, damping=0.0).fit(matrix)
    # the first use loads the compiled loops
    model.recommend(users[:FIRST], TOP)
    with timed("best items", parts):
        found = model.recommend(users, TOP, pack(matrix.toarray() == 0))
    known = np.diff(matrix.indptr) > 0
    np.save(out, found.ids.reshape(len(users), TOP)[known].astype(np.int64))
    return {"parts": parts, "rows": int(known.sum())}


def together(out: str) -> dict[str, Any]:
    """Everybody at once, many times over."""
    model, matrix = _als()
    model.fold_in(matrix[:ONE_BY_ONE])
    parts: list[Part] = []
    with timed("fold-in", parts):
        vectors = model.fold_in(matrix)
    np.save(out, vectors[:ONE_BY_ONE])
    return {"parts": parts, "customers": CUSTOMERS}


def one_by_one(out: str, threads: int) -> dict[str, Any]:
    """implicit's recalculate_user for some customers; 0 threads: as it comes, which is all cores."""
    from contextlib import nullcontext
    from warnings import catch_warnings, simplefilter

    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    model, matrix = _als()
    with threadpool_limits(1, "blas") if threads else nullcontext(), catch_warnings():
        simplefilter("ignore")  # it warns of the very thing that is measured: BLAS on all cores
        peer = AlternatingLeastSquares(model.factors, model.regularization, model.alpha, num_threads=threads)
        peer.item_factors = model.item_factors_.copy()
        peer.recalculate_user(0, matrix[[0]])
        parts: list[Part] = []
        with timed("fold-in", parts):
            vectors = np.vstack([peer.recalculate_user(i, matrix[[i]]) for i in range(ONE_BY_ONE)])
    np.save(out, vectors)
    return {"parts": parts, "customers": ONE_BY_ONE}


def shared_items(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Share of the best items that both name, whatever their order."""
    return float(np.mean([len(np.intersect1d(a, b)) / len(a) for a, b in zip(ours, theirs, strict=True)]))


def ease_finding(found: Comparison) -> str:
    """How much of LensKit's CPU our fit and ranking take."""
    mine, theirs = (_cpu(found, side, "fit") + _cpu(found, side, "best items") for side in (OURS, PEER))
    shared = shared_items(np.load(_out(OURS)), np.load(_out(PEER)))
    kept = "kept" if theirs / mine >= GOAL_EASE else "missed"
    return (
        f"EASE, fit and best {TOP} of everybody: LensKit takes {theirs / mine:.1f} × our CPU time ({theirs:.1f} "
        f"against {mine:.1f} CPU s; goal ≥ {GOAL_EASE:g}: {kept}); {shared:.2%} of the items are the same"
    )


def folded_finding(found: Comparison) -> str:
    """How much faster customers are folded in together, per customer."""
    each = {side: _cpu(found, side, "fold-in") / found.of(side)[0].answer["customers"] for side in found.sides}
    apart = max(
        float(np.abs(np.load(_out(TOGETHER)) - np.load(_out(side))).max()) for side in (AS_IT_COMES, ONE_THREAD)
    )
    times = each[AS_IT_COMES] / each[TOGETHER]
    kept = "kept" if times >= GOAL_FOLDED else "missed"
    return (
        f"Fold-in, CPU time per customer: {each[TOGETHER] * 1e6:.1f} µs together, {each[AS_IT_COMES] * 1e6:,.0f} µs "
        f"one by one as implicit comes, on all cores ({times:.0f} ×; goal ≥ {GOAL_FOLDED:g}: {kept}), "
        f"{each[ONE_THREAD] * 1e6:.0f} µs one by one held to one thread ({each[ONE_THREAD] / each[TOGETHER]:.0f} ×); "
        f"largest difference of a vector {apart:.1e}"
    )


def _als() -> Any:
    """ALS as the main job sets it, and synthetic customers with a dozen visits each."""
    from scipy import sparse

    from recsys.als import AlternatingLeastSquares

    rng = np.random.default_rng(7)
    rows, items = np.repeat(np.arange(CUSTOMERS), VISITS), rng.integers(0, MERCHANTS, CUSTOMERS * VISITS)
    matrix = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, items)), shape=(CUSTOMERS, MERCHANTS))
    matrix.sum_duplicates()
    model = AlternatingLeastSquares(factors=32, regularization=20.0, alpha=4.0, iterations=2)
    return model.fit(matrix), matrix


def _matrix(path: str) -> Any:
    from scipy import sparse

    pairs = np.load(path)
    return sparse.csr_matrix((np.ones(len(pairs["users"]), np.float32), (pairs["users"], pairs["items"])))


def _cpu(found: Comparison, side: str, part: str) -> float:
    spread = found.cpu(side, part)
    return float("nan") if spread is None else spread.median


def _out(side: str) -> Path:
    return CACHE / f"recsys-models-{side.replace(',', '').replace(' ', '-')}.npy"


def _side(name: str, function: str, path: Path) -> Side:
    return python_side(
        name, f"benchmarks.recsys_models:{function}", {"path": from_root(path), "out": from_root(_out(name))}
    )


def _folding(name: str, function: str, **arguments: int) -> Side:
    return python_side(name, f"benchmarks.recsys_models:{function}", {"out": from_root(_out(name)), **arguments})

"""A plan for more customers than fit into memory: shards on disk, of which only prices and a small Hessian travel.

A shard is a folder of plain arrays that passes read through memory maps; `pmap` runs shards side by side, on this
machine or on Ray. One offer per customer. Values and weights are float32: that is the problem solved, and its bound is
added up in float64 (method: docs/matching.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recsys.limits import TOLERANCE
from recsys.match_core import Columns, Solved, core_programme, whole_offers
from recsys.match_layout import Layout
from recsys.match_newton import LAST, TEMPERATURES, Slope, descent
from recsys.match_passes import slope
from recsys.match_shard import (
    Asked,
    Fixed,
    ShardCore,
    exact,
    least_margins,
    opened_shard,
    shard_core,
    shard_weights,
    smoothed,
)
from scenefit.contracts.errors import ContractError, Infeasible, NotEligible, StoreError
from scenefit.runtime.parallel import Backend, pmap

SAMPLED = 20_000  # customers of all shards together whose prices start those of all
CORE = 8_000
ROUNDS = 8
GROWTH = 1.7
CLOSE = 1e-7
ENOUGH = 3e-7
MET = 1e-7
DEAREST = 1e5  # of the typical worth: passing a limit for more would only be noise in the programme


class ShardedPlan(NamedTuple):
    """A plan over shards: its figures as of `recsys.plan.Plan`; the offers lie as `plan.npy` in each shard's folder."""

    value: float
    upper_bound: float
    gap: float
    usage: dict[str, float]
    shadow_prices: dict[str, float]
    customers: int
    offered: int


def solve_shards(
    shards: Sequence[Path], totals: Sequence[float], backend: Backend = "local", cores: int = 2
) -> ShardedPlan:
    """The most valuable plan over all shards, at most one offer per customer; `totals` in the order of the limits.

    Raises
    ------
    ContractError : shards of different limits, totals that do not fit.
    StoreError : a shard cannot be read.
    Infeasible : the limits cannot be met together.
    """
    names, senses, sizes = _described(shards, totals)
    sign = np.array([1.0 if sense == "<=" else -1.0 for sense in senses])
    room, ask = sign * np.asarray(totals, np.float64), _Fleet(shards, backend, cores)
    sample, share = _sampled(shards, sizes)
    prices, scale, most = _first_prices(sample, room * share)
    found = descent(ask.smooth(room), prices, [t * scale for t in LAST], most, 1e-6)
    prices, bound, target = found.best, np.inf, min(CORE, sum(sizes))
    reference = found.exact + 1e-6 * abs(found.exact)
    cap = DEAREST * scale / _typical(sample)
    hard = np.minimum(3.0 * prices + 10.0 * scale / _typical(sample), cap)
    for _ in range(ROUNDS):
        parts = ask.core(prices, ask.width(prices, target))
        columns, fixed = _joined(parts)
        if not len(columns.who):
            raise NotEligible(
                f"match: none of {sum(sizes):,} customers may get any offer; loosen the eligibility rules"
            )
        solved = _programme(columns, room - fixed.use, hard)
        new = ask.bound(solved.prices) + float(solved.prices @ room)
        if new <= min(bound, reference):
            bound, prices = new, solved.prices
        short = solved.slack > MET * np.maximum(1.0, np.abs(room))
        if (
            not short.any()
            and np.isfinite(bound)
            and bound - solved.objective - fixed.value <= CLOSE * max(1.0, abs(bound))
        ):
            break
        hard, target = np.where(short, np.minimum(10.0 * hard, cap), hard), min(int(target * GROWTH), sum(sizes))
    if not np.isfinite(bound):
        bound = ask.bound(prices) + float(prices @ room)
    if short.any():
        raise Infeasible(_conflict(names, senses, totals, solved, short))
    made = whole_offers(
        columns, solved.amounts, _margins(columns, prices), room - fixed.use, 1, np.arange(columns.offer.max() + 1),
        ENOUGH * abs(bound), everything=False,
    )  # fmt: skip
    if made is None:
        raise Infeasible("match: the limits can be met in parts of offers, but not in whole ones; loosen the tightest")
    _write_plan(shards, parts, columns, made[0])
    use = fixed.use + columns.weights[:, made[0]].sum(axis=1)
    if (use > room + TOLERANCE * np.maximum(1.0, np.abs(room))).any():
        raise Infeasible("match: the plan in whole offers passes a limit; loosen the tightest a little")
    value = fixed.value + float(columns.worth[made[0]].sum())
    return ShardedPlan(
        value, bound, (bound - value) / max(abs(bound), 1e-9),
        dict(zip(names, (sign * use).tolist(), strict=True)),
        dict(zip(names, (sign * prices + 0.0).tolist(), strict=True)), sum(sizes), fixed.offered + int(made[0].sum()),
    )  # fmt: skip


class _Fleet:
    """Passes over all shards by `pmap`; of a shard only sums and its torn customers come back."""

    def __init__(self, shards: Sequence[Path], backend: Backend, cores: int) -> None:
        self.shards, self.backend, self.cores = [str(shard) for shard in shards], backend, cores

    def _each(self, task: Any, asked: Asked) -> list[Any]:
        return pmap(task, self.shards, asked, backend=self.backend, cores=self.cores)

    def smooth(self, room: np.ndarray) -> Any:
        """The smoothed dual of everybody, as `descent` asks for it."""

        def dual(prices: np.ndarray, tau: float, curved: bool) -> Slope:  # noqa: ARG001 a pass always gives all
            parts = self._each(smoothed, Asked(prices, tau, 0.0))
            at = float(prices @ room)
            return Slope(
                at + sum(p.smoothed for p in parts), room + sum(p.gradient for p in parts),
                np.asarray(sum(p.hessian for p in parts)), at + sum(p.exact for p in parts),
            )  # fmt: skip

        return dual

    def width(self, prices: np.ndarray, target: int) -> float:
        """The margin below which `target` customers of all shards lie."""
        found = np.concatenate(self._each(least_margins, Asked(prices, 0.0, float(target))))
        return float(np.partition(found, target - 1)[target - 1]) if target < len(found) else float(found.max())

    def core(self, prices: np.ndarray, width: float) -> list[ShardCore]:
        """Each shard's torn customers."""
        return self._each(shard_core, Asked(prices, 0.0, width))

    def bound(self, prices: np.ndarray) -> float:
        """What everybody's best offers are worth at the prices, float64."""
        return float(sum(self._each(exact, Asked(prices, 0.0, 0.0))))


def _programme(columns: Columns, room: np.ndarray, hard: np.ndarray) -> Solved:
    solved = core_programme(columns, room, 1, np.arange(columns.offer.max() + 1), penalty=hard)
    if solved is None:
        raise Infeasible("match: the programme of the torn customers has no solution; loosen the limits")
    return solved


def _described(shards: Sequence[Path], totals: Sequence[float]) -> tuple[list[str], list[str], list[int]]:
    """Names and senses of the limits, the same in all shards, and the customers of each."""
    if not shards:
        raise ContractError("match: no shards; write some with write_shard")
    try:
        told = [json.loads((shard / "shard.json").read_text("utf8")) for shard in shards]
    except (OSError, ValueError) as error:
        raise StoreError(f"match: a shard cannot be read ({error}); write it again") from error
    limits = told[0]["limits"]
    for shard, one in zip(shards, told, strict=True):
        if one["limits"] != limits:
            raise ContractError(f"match: shard {shard.name} has other limits than {shards[0].name}; write them alike")
    if len(totals) != len(limits) or not np.isfinite(totals).all():
        raise ContractError(f"match: {len(totals)} totals for {len(limits)} limits; give one finite total each")
    return [name for name, _ in limits], [sense for _, sense in limits], [one["customers"] for one in told]


def _sampled(shards: Sequence[Path], sizes: Sequence[int]) -> tuple[Layout, float]:
    """Some customers of every shard as one, and which share of all they are."""
    rng, parts, everybody = np.random.default_rng(0), [], sum(sizes)
    for shard, size in zip(shards, sizes, strict=True):
        wanted = min(size, max(1, round(SAMPLED * size / everybody)))
        parts.append(opened_shard(shard).rows(np.sort(rng.choice(size, wanted, replace=False))))
    laid = [part.laid for part in parts]
    lengths = np.concatenate([np.diff(one.own_indptr) for one in laid])
    joined = laid[0]._replace(
        own_indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        **{name: np.concatenate([getattr(one, name) for one in laid]) for name in ("values", "pair", "own_limit",
                                                                                   "own_weight")},
    )  # fmt: skip
    whole = Layout(joined, parts[0].counts, parts[0].blocks, parts[0].owns)
    return whole, len(joined.values) / everybody


def _first_prices(sample: Layout, room: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Prices of the sample, the typical worth of a served customer, and prices nobody would pay."""
    best = np.maximum(sample.laid.values.max(axis=1), 0.0).astype(np.float64)
    scale = float(best[best > 0].mean()) if (best > 0).any() else 1.0
    most = 20.0 * max(1.0, float(best.max())) / np.maximum(_typical(sample) * 0.05, 1e-12)
    start = np.full(len(room), 1e-3) * np.minimum(most, 1.0)
    group = np.arange(sample.counts.shape[1])
    found = descent(
        lambda prices, tau, curved: slope(sample, room, prices, tau, curved, 1, group),
        start, [t * scale for t in TEMPERATURES], most, 1e-6,
    )  # fmt: skip
    return found.last, scale, most


def _typical(sample: Layout) -> np.ndarray:
    """What an offer that counts towards a limit typically uses of it."""
    who, offer = np.nonzero(sample.laid.values > np.float32(-1e29))
    some = np.random.default_rng(0).permutation(len(who))[:SAMPLED]
    weights = np.abs(shard_weights(sample, who[some], offer[some]))
    counted = np.maximum((weights > 0).sum(axis=1), 1)
    typical: np.ndarray = weights.sum(axis=1) / counted
    return np.where(typical > 0, typical, 1.0)


def _joined(cores: Sequence[ShardCore]) -> tuple[Columns, Fixed]:
    """The torn customers of all shards as one programme."""
    sizes = [int(core.columns.number.max(initial=-1)) + 1 for core in cores]
    starts = np.cumsum([0, *sizes[:-1]])
    number = np.concatenate([core.columns.number + start for core, start in zip(cores, starts, strict=True)])
    _, number = np.unique(number, return_inverse=True)
    columns = Columns(
        number,
        np.concatenate([core.columns.who for core in cores]),
        np.concatenate([core.columns.offer for core in cores]),
        np.concatenate([core.columns.worth for core in cores]),
        np.concatenate([core.columns.weights for core in cores], axis=1),
    )
    use = np.sum([core.fixed.use for core in cores], axis=0)
    return columns, Fixed(use, sum(c.fixed.value for c in cores), sum(c.fixed.offered for c in cores))


def _margins(columns: Columns, prices: np.ndarray) -> np.ndarray:
    """By how much each core customer's best is better than the next, nothing among them."""
    people = int(columns.number.max(initial=-1)) + 1
    ranked = np.full((people, int(columns.offer.max()) + 2), -np.inf)
    ranked[:, -1] = 0.0
    ranked[columns.number, columns.offer] = columns.worth - prices @ columns.weights
    ranked = -np.sort(-ranked, axis=1)
    margin: np.ndarray = ranked[:, 0] - ranked[:, 1]
    return margin


def _write_plan(shards: Sequence[Path], cores: Sequence[ShardCore], columns: Columns, made: np.ndarray) -> None:
    """Add the torn customers' offers to each shard's plan."""
    first = 0
    for shard, core in zip(shards, cores, strict=True):
        last = first + len(core.columns.who)
        own = np.flatnonzero(made[first:last]) + first
        plan = np.load(shard / "plan.npy")
        plan[columns.who[own]] = columns.offer[own]
        np.save(shard / "plan.npy", plan)
        first = last


def _conflict(
    names: Sequence[str], senses: Sequence[str], totals: Sequence[float], solved: Solved, short: np.ndarray
) -> str:
    moved = [
        f"{names[k]!r} ({senses[k]} {totals[k]:,.6g}) would have to move by {solved.slack[k]:,.6g}"
        for k in np.flatnonzero(short).tolist()
    ]
    return f"match: the limits cannot be met together: {'; '.join(moved[:5])}. Loosen one of them"

"""One shard of a plan's customers on disk: written once, read through memory maps by every pass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from recsys.limits import Limit, check_limits
from recsys.match_core import Columns
from recsys.match_layout import Laid, Layout, layout
from recsys.match_newton import Slope
from recsys.match_passes import choices, near, slope
from scenefit.contracts.errors import ContractError, StoreError

BLOCK = 50_000  # customers looked at at once


class Asked(NamedTuple):
    """What a pass over one shard needs besides the shard."""

    prices: np.ndarray
    tau: float
    width: float


class Fixed(NamedTuple):
    """What the customers with one clear best offer use, earn and count."""

    use: np.ndarray
    value: float
    offered: int


class ShardCore(NamedTuple):
    """One shard's torn customers (their pairs, `who` within the shard) and what the others use."""

    columns: Columns
    fixed: Fixed


def write_shard(folder: Path, values: np.ndarray, eligible: np.ndarray, limits: Sequence[Limit]) -> Path:
    """Lay one shard's customers out on disk; totals of its limits do not matter.

    Raises
    ------
    ContractError : values or weights are not finite, or shapes do not fit.
    """
    n, m = values.shape
    check_limits(limits, n, m)
    if not np.isfinite(values).all():
        raise ContractError(f"match: a value in {folder.name} is not finite; every value must be")
    laid = layout(values, eligible, limits)
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (*laid.laid._asdict().items(), ("counts", laid.counts), ("blocks", laid.blocks),
                        ("owns", laid.owns)):  # fmt: skip
        np.save(folder / f"{name}.npy", array)
    described = {"limits": [[limit.name, limit.sense] for limit in limits], "customers": n}
    (folder / "shard.json").write_text(json.dumps(described, ensure_ascii=False), "utf8")
    return folder


def smoothed(shard: str, asked: Asked, rng: np.random.Generator) -> Slope:  # noqa: ARG001
    opened = opened_shard(Path(shard))
    m = opened.counts.shape[1]
    return slope(opened, np.zeros(len(asked.prices)), asked.prices, asked.tau, True, 1, np.arange(m))


def least_margins(shard: str, asked: Asked, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    opened = opened_shard(Path(shard))
    margin = choices(opened, asked.prices, 1, np.arange(opened.counts.shape[1]))[1]
    kept = min(int(asked.width), len(margin))
    least: np.ndarray = np.partition(margin, kept - 1)[:kept]
    return least


def shard_core(shard: str, asked: Asked, rng: np.random.Generator) -> ShardCore:  # noqa: ARG001
    opened = opened_shard(Path(shard))
    group = np.arange(opened.counts.shape[1])
    picked, margin = choices(opened, asked.prices, 1, group)
    torn = np.flatnonzero(margin <= asked.width)
    number, offer = near(opened, torn, asked.prices, 1, group, asked.width)
    clear = (picked[:, 0] >= 0) & (margin > asked.width)
    who = np.flatnonzero(clear)
    what = picked[who, 0].astype(np.int64)
    np.save(Path(shard) / "plan.npy", np.where(clear, picked[:, 0], -1).astype(np.int32))
    value = float(opened.laid.values[who, what].sum(dtype=np.float64))
    use = np.zeros(len(asked.prices))
    for first in range(0, len(who), BLOCK):
        part = slice(first, first + BLOCK)
        use += shard_weights(opened, who[part], what[part]).sum(axis=1)
    people = torn[number]
    worth = opened.laid.values[people, offer].astype(np.float64)
    columns = Columns(number, people, offer, worth, shard_weights(opened, people, offer))
    return ShardCore(columns, Fixed(use, value, len(who)))


def exact(shard: str, asked: Asked, rng: np.random.Generator) -> float:  # noqa: ARG001
    opened = opened_shard(Path(shard))
    laid, total = opened.laid, 0.0
    by_offer, by_block, by_own = asked.prices @ opened.counts, asked.prices[opened.blocks], asked.prices[opened.owns]
    for first in range(0, len(laid.values), BLOCK):
        last = min(first + BLOCK, len(laid.values))
        reduced = laid.values[first:last].astype(np.float64) - by_offer
        for b, price in enumerate(by_block):
            columns = slice(laid.block_start[b], laid.block_start[b + 1])
            reduced[:, laid.block_offer[columns]] -= price * laid.pair[first:last, columns]
        entries = slice(laid.own_indptr[first], laid.own_indptr[last])
        row = np.repeat(np.arange(last - first), np.diff(laid.own_indptr[first : last + 1]))
        limit, weight = laid.own_limit[entries], laid.own_weight[entries].astype(np.float64) * 1.0
        same = laid.own_vector[limit] < 0
        reduced -= np.bincount(row[same], (weight * by_own[limit])[same], last - first)[:, None]
        if not same.all():
            vectors = laid.vectors[laid.own_vector[limit[~same]]].astype(np.float64)
            np.subtract.at(reduced, row[~same], (weight * by_own[limit])[~same][:, None] * vectors)
        total += float(np.maximum(reduced.max(axis=1), 0.0).sum())
    return total


def shard_weights(opened: Layout, who: np.ndarray, offer: np.ndarray) -> np.ndarray:
    """What pairs use of every limit, floors turned round, (limits, pairs) float64."""
    laid = opened.laid
    weights = opened.counts[:, offer].copy()
    for b, limit in enumerate(opened.blocks):
        place = laid.block_place[b, offer]
        weights[limit] += np.where(place >= 0, laid.pair[who, np.maximum(place, 0)], np.float32(0.0))
    lengths = laid.own_indptr[who + 1] - laid.own_indptr[who]
    pair = np.repeat(np.arange(len(who)), lengths)
    starts = np.cumsum(lengths) - lengths
    entries = np.repeat(laid.own_indptr[who] - starts, lengths) + np.arange(len(pair))
    own, weight = laid.own_limit[entries], laid.own_weight[entries].astype(np.float64)
    vector = laid.own_vector[own]
    times = np.ones(len(pair))
    if (vector >= 0).any():
        times[vector >= 0] = laid.vectors[vector[vector >= 0], offer[pair[vector >= 0]]]
    np.add.at(weights, (opened.owns[own], pair), weight * times)
    return weights


def opened_shard(folder: Path) -> Layout:
    """A shard's arrays through memory maps."""
    try:
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in (*Laid._fields, "counts", "blocks",
                                                                                   "owns")}  # fmt: skip
    except (OSError, ValueError) as error:
        raise StoreError(f"match: the shard {folder.name} cannot be read ({error}); write it again") from error
    # the compiled passes know plain arrays, one type for all shards
    plain = {name: array.view(np.ndarray) for name, array in arrays.items()}
    return Layout(Laid(*(plain[name] for name in Laid._fields)), plain["counts"], plain["blocks"], plain["owns"])

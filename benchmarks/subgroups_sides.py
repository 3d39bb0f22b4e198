"""What our sides of the subgroup benchmark do, each in a process of its own; all customers are synthetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.figures import Part, timed
from benchmarks.harness import CACHE

ATTRIBUTES, VALUES = 12, 5
SHARES = (0.35, 0.25, 0.20, 0.12, 0.08)
BASE = 0.04
# extra rate of three planted rules: attribute and value of each condition
PLANTED: tuple[tuple[float, tuple[tuple[int, int], ...]], ...] = (
    (0.08, ((0, 1), (3, 2), (7, 0))),
    (0.10, ((1, 3), (5, 1))),
    (0.02, ((2, 0),)),
)
SUPPORT = 100


def customers(rows: int) -> Path:
    """A file of synthetic customers; made once."""
    path = CACHE / f"subgroups-{rows}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        half_made = path.with_name(f"{path.stem}.part.npz")
        np.savez(half_made, **drawn(rows, 0)._asdict())
        half_made.rename(path)
    return path


class Customers(NamedTuple):
    """Codes of 12 attributes of 5 values, an outcome with three planted rules, and who was reached."""

    codes: np.ndarray
    outcome: np.ndarray
    reached: np.ndarray


def drawn(rows: int, seed: int) -> Customers:
    """Synthetic customers."""
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.choice(VALUES, rows, p=SHARES).astype(np.int8) for _ in range(ATTRIBUTES)])
    rate = np.full(rows, BASE)
    for extra, conditions in PLANTED:
        rate += extra * np.all([codes[attribute] == value for attribute, value in conditions], axis=0)
    return Customers(codes, rng.random(rows) < rate, rng.random(rows) < 0.4)


def best(path: str, depth: int, top: int) -> dict[str, Any]:
    """The best rules by weighted relative accuracy, masks and packing included and left out; then every rule."""
    from segmentation.bits import packed
    from segmentation.search import best_rules, every_rule

    codes, outcome, _ = _read(path)
    parts: list[Part] = []
    with timed("first use: compiled loops loaded", parts):
        _best(codes[:, :2_000], outcome[:2_000], 2, top)
    with timed("masks and search", parts):
        found = _best(codes, outcome, depth, top)
    fits, attribute = _fits(codes), _attribute()
    target = packed(outcome)
    with timed("search after packing", parts):
        best_rules(fits, attribute, target, len(outcome), depth=depth, support=1, top=top)
    with timed("every rule after packing", parts):
        every = every_rule(fits, attribute, target[None], depth=depth, support=SUPPORT)
    return {"parts": parts, "best": found, "rules": every.tried}


def permutations(path: str, depth: int, times: int) -> dict[str, Any]:
    """Westfall–Young: shuffle the outcome, and the smallest p of all rules each time."""
    from segmentation.bits import packed
    from segmentation.search import every_rule, least_p

    codes, outcome, _ = _read(path)
    fits, attribute = _fits(codes), _attribute()
    parts: list[Part] = []
    with timed("first use: compiled loops loaded", parts):
        few = packed(outcome[None, :2_000])
        least_p(_fits(codes[:, :2_000]), attribute, few, 2_000, depth=depth, support=SUPPORT)
    with timed(f"{times} permutations", parts):
        rng = np.random.default_rng(0)
        permuted = packed(np.stack([rng.permutation(outcome) for _ in range(times)]))
        smallest = least_p(fits, attribute, permuted, len(outcome), depth=depth, support=SUPPORT)
    rules = every_rule(fits, attribute, permuted[:0], depth=depth, support=SUPPORT).tried
    return {"parts": parts, "rules": rules, "critical": float(np.quantile(smallest, 0.05, method="lower"))}


def mined(path: str, depth: int) -> dict[str, Any]:
    """The whole of SubgroupMiner.fit: selectors, search, evidence, covering, confirmation."""
    import pandas as pd

    from segmentation.subgroups import SubgroupMiner

    codes, outcome, reached = _read(path)
    names = np.array([f"v{value}" for value in range(VALUES)], dtype=object)
    frame = pd.DataFrame({f"a{i}": names[column] for i, column in enumerate(codes)})
    parts: list[Part] = []
    with timed("first use: compiled loops loaded", parts):
        SubgroupMiner(depth=depth).fit(frame[:2_000], outcome[:2_000], reached[:2_000])
    with timed("fit", parts):
        miner = SubgroupMiner(depth=depth).fit(frame, outcome, reached)
    return {"parts": parts, "tried": int(miner.tried_), "confirmed": int(miner.rules_["confirmed"].sum())}


def _best(codes: np.ndarray, outcome: np.ndarray, depth: int, top: int) -> list[Any]:
    from segmentation.bits import packed
    from segmentation.search import best_rules

    target = packed(outcome)
    found = best_rules(
        _fits(codes), _attribute(), target, len(outcome), depth=depth, support=1, quality="wracc", top=top
    )
    rules = [[divmod(int(s), VALUES) for s in rule if s >= 0] for rule in found.selectors]
    base = outcome.mean()
    gains = (found.counts[:, 1] - found.counts[:, 0] * base) / len(outcome)
    return [[float(gain), [list(condition) for condition in rule]] for gain, rule in zip(gains, rules, strict=True)]


def _fits(codes: np.ndarray) -> np.ndarray:
    """Bits of who has which value, attribute by attribute: no more than a few masks lie in memory at once."""
    from segmentation.bits import packed

    return np.concatenate([packed(np.stack([column == value for value in range(VALUES)])) for column in codes])


def _attribute() -> np.ndarray:
    return np.repeat(np.arange(ATTRIBUTES), VALUES)


def _read(path: str) -> Customers:
    with np.load(path) as file:
        return Customers(**file)

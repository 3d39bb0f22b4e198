"""Customers split in two: one part to find rules on, one that nobody looks at until the found ones are tested."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scenefit.contracts.errors import ContractError
from segmentation.bits import count, packed
from segmentation.qualities import Design, Kind, Tally
from segmentation.search import counts

# finer strata of propensity change a weighted rate by less than its own error
STRATA = 8


class Outcomes(NamedTuple):
    """What is known of each customer beside attributes, checked; all of shape (n,)."""

    outcome: np.ndarray
    unreached: np.ndarray
    cell: np.ndarray  # cell of the design, -1: the outcome does not count


class Half(NamedTuple):
    """One part of the customers in bits, uint64 words: who fits each selector, who counts and has the outcome."""

    rows: int
    attribute: np.ndarray  # int, shape (selectors,): two selectors of one attribute never stand in one rule
    fits: np.ndarray  # (selectors, words)
    outcome: np.ndarray  # (words,)
    cells: np.ndarray  # (cells, words)
    unreached: np.ndarray  # (words,)
    design: Design

    @property
    def planes(self) -> np.ndarray:
        """What is counted of every rule: the outcomes first."""
        hits = self.cells & self.outcome
        if self.design.kind == "counts":
            return np.vstack([hits, self.unreached])
        return np.vstack([hits, self.cells, self.unreached])

    @property
    def whole(self) -> Tally:
        """Everybody of this part, as one group."""
        return tally(np.concatenate([[self.rows], count(self.planes)])[None, :], self.design)

    def tally(self, rules: np.ndarray, masked: np.ndarray | None = None) -> Tally:
        """What the rules count here; only those marked where a bitmap is given."""
        fits = self.fits if masked is None else self.fits & masked
        return tally(counts(rules, fits, self.planes), self.design)

    def members(self, rule: np.ndarray) -> np.ndarray:
        """Bits of those who fit a rule."""
        bits: np.ndarray = np.bitwise_and.reduce(self.fits[rule[rule >= 0]], axis=0)
        return bits

    def with_selectors(self, attribute: np.ndarray, masks: np.ndarray) -> Half:
        """The same customers with further selectors at the end; `masks` are bool over the rows of this part."""
        return self._replace(
            attribute=np.concatenate([self.attribute, attribute]), fits=np.vstack([self.fits, packed(masks)])
        )


def tally(counted: np.ndarray, design: Design) -> Tally:
    """Counts of `planes`, the size before them, as a tally."""
    cells = len(design.weight)
    hits = counted[:, 1 : 1 + cells]
    members = counted[:, :1] if design.kind == "counts" else counted[:, 1 + cells : 1 + 2 * cells]
    return Tally(counted[:, 0], members, hits, counted[:, -1])


def half(masks: np.ndarray, attribute: np.ndarray, known: Outcomes, design: Design, rows: np.ndarray) -> Half:
    """These rows in bits; `masks` has shape (selectors, n)."""
    cells = np.arange(len(design.weight))[:, None] == known.cell[rows]
    return Half(
        len(rows), attribute, packed(masks[:, rows]), packed(known.outcome[rows]), packed(cells),
        packed(known.unreached[rows]), design,
    )  # fmt: skip


def split(n: int, later: np.ndarray | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to mine and rows to confirm on: the earlier and the later period, else halves drawn by `seed`."""
    if later is not None:
        return np.flatnonzero(~later), np.flatnonzero(later)
    order = np.random.default_rng(seed).permutation(n)
    return order[: n // 2], order[n // 2 :]


def design(
    outcome: np.ndarray, reached: np.ndarray | None, treatment: np.ndarray | None, propensity: np.ndarray | None
) -> tuple[Outcomes, Design]:
    """Whose outcome counts, in which cell and with which weight.

    Cells are the arms, each cut into at most `STRATA` strata of like propensity: exact where there are no more
    different propensities than that.

    Raises
    ------
    ContractError : propensities without contacts, or of 1 where there is a control arm.
    """
    n = len(outcome)
    unreached = np.ones(n, dtype=bool) if reached is None else ~reached
    if treatment is None and propensity is None:
        one = np.ones(1)
        return Outcomes(outcome, unreached, np.zeros(n, dtype=np.int64)), Design("counts", one, one, np.ones(1, bool))
    if treatment is None and reached is None:
        raise ContractError("propensity: given without `reached`; say who was contacted with that probability")
    weight = np.ones(n)
    if propensity is not None:
        if treatment is not None and (propensity >= 1).any():
            raise ContractError(
                f"propensity: {int((propensity >= 1).sum()):,} values are 1, so that nobody like them can be in the "
                "control arm; leave these customers out"
            )
        weight = 1 / propensity if treatment is None else 1 / np.where(treatment, propensity, 1 - propensity)
    arm = np.ones(n, dtype=bool) if treatment is None else treatment
    seen = reached if treatment is None and reached is not None else np.ones(n, dtype=bool)
    cell = np.full(n, -1, dtype=np.int64)
    sides: list[bool] = []
    weights: list[float] = []
    squares: list[float] = []
    for side in (True,) if treatment is None else (True, False):
        rows = np.flatnonzero(seen & (arm == side))
        for stratum in _strata(weight[rows]):
            cell[rows[stratum]] = len(sides)
            sides.append(side)
            weights.append(float(weight[rows[stratum]].mean()))
            squares.append(float((weight[rows[stratum]] ** 2).mean()))
    kind: Kind = "weights" if treatment is None else "arms"
    return (
        Outcomes(outcome, unreached, cell),
        Design(kind, np.asarray(weights), np.asarray(squares), np.asarray(sides, dtype=bool)),
    )


def _strata(weight: np.ndarray) -> list[np.ndarray]:
    """Positions of like weights, by ascending weight."""
    different = np.unique(weight)
    cuts = different[1:]
    if len(different) > STRATA:
        cuts = np.unique(np.quantile(weight, np.arange(1, STRATA) / STRATA))
    place = np.searchsorted(cuts, weight, side="right")
    return [np.flatnonzero(place == i) for i in range(len(cuts) + 1) if (place == i).any()]

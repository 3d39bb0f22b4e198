"""More people like these: a ladder of methods, each tried on seeds it has not seen, and the expansion they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, NotEligible, NotFitted, SettingsError
from scenefit.runtime.parallel import pmap
from segmentation.lookalike_facts import Expansion, checked_risk, fairness, mean_risk
from segmentation.lookalike_probes import (
    STRANGERS,
    Probe,
    centroid,
    curved,
    landmarks,
    positive_unlabelled,
    prototypes,
)
from segmentation.lookalike_scores import NOTHING, best, lengths_of, matrix, over, scores_of
from segmentation.lookalike_trial import SHARES, found_seeds, trial

FOLDS = 5
# a random sample of strangers must hold some who are no seeds
FEWEST_OTHERS = 0.01


class Alike(NamedTuple):
    """Customers most like one, best first, and the cosine of each."""

    positions: np.ndarray
    likeness: np.ndarray


class _Ground(NamedTuple):
    """What every rung stands on: vectors and lengths of all, positions of random strangers, landmarks."""

    vectors: np.ndarray
    lengths: np.ndarray
    strangers: np.ndarray
    marks: np.ndarray


class LookalikeExpander:
    """Finds more customers like given ones.

    Four rungs are tried on five hidden fifths of the seeds: likeness to the seeds' centroid, to the nearest of several
    prototypes, a logistic regression of seeds against random strangers, and the same with nearness to landmarks. A rung
    is shipped only if it finds more hidden seeds than the centroid beyond chance. Customers whose vector is zero
    (nothing is known of them) are never picked.

    Parameters
    ----------
    minimum : fewer usable seeds are refused: 100 give recall at 5 % to about ±10 points
    cores : threads; the result does not depend on it

    Attributes
    ----------
    report_ : recall and gain over the centroid of each rung at 1, 5 and 10 % of the population, with intervals
    method_ : the rung that is shipped
    scores_ : (n,) its scores, float32; −inf where nothing is known of a customer
    seeds_, unusable_ : positions of the seeds learned from, and of those without a vector
    """

    def __init__(self, minimum: int = 100, seed: int = 0, cores: int = 1):
        self.minimum = minimum
        self.seed = seed
        self.cores = cores

    def fit(
        self,
        vectors: np.ndarray,
        seeds: Sequence[int] | Sequence[str] | np.ndarray,
        customers: Sequence[str] | None = None,
        *,
        bad: np.ndarray | None = None,
        protected: pd.DataFrame | None = None,
    ) -> Self:
        """Try all rungs, choose one and score everybody.

        Parameters
        ----------
        vectors : (n, d) of all customers, seeds included; only their directions count
        seeds : positions, or ids where `customers` are given; each counts once
        bad : (n,) PD or 0/1, NaN where unknown; shown, never learned from
        protected : one row per customer; shown, never learned from

        Raises
        ------
        ContractError : vectors with gaps or all alike, unknown seeds, tables of another length.
        NotEligible : fewer usable seeds than the minimum, or nobody else.
        """
        if self.minimum < 2 * FOLDS:
            raise SettingsError(f"look-alikes: minimum {self.minimum}; each of {FOLDS} folds needs two seeds at least")
        self._vectors = matrix(vectors)
        self._customers = None if customers is None else pd.Index(customers)
        self._lengths = lengths_of(self._vectors, self.cores)
        asked = np.unique(self._positions(seeds))
        known = self._lengths[asked] > NOTHING
        self.seeds_, self.unusable_ = asked[known], asked[~known]
        self._enough()
        self._bad = checked_risk(bad, len(self._vectors))
        self._protected = protected
        if protected is not None and len(protected) != len(self._vectors):
            raise ContractError(
                f"look-alikes: {len(protected):,} rows of protected columns for {len(self._vectors):,} customers"
            )
        self._choose()
        return self

    def expand(self, size: int | None = None, share: float | None = None) -> np.ndarray:
        """Positions of the customers most like the seeds, best first, without the seeds; ties by position.

        Parameters
        ----------
        size, share : one of them; the share is of all customers

        Raises
        ------
        SettingsError : both or none, or more than there are.
        """
        self._fitted()
        if (size is None) == (share is None):
            raise SettingsError("look-alikes: give either a size or a share")
        wanted = size if size is not None else int((share or 0.0) * len(self.scores_))
        others = self.scores_.copy()
        others[self.seeds_] = -np.inf
        there = int(np.isfinite(others).sum())
        if not 1 <= wanted <= there:
            raise SettingsError(
                f"look-alikes: {wanted:,} customers asked for; there are 1 to {there:,} besides the seeds"
            )
        return best(others, wanted)

    def shown(self, positions: np.ndarray) -> Expansion:
        """What an expansion brings along: overlap with the seeds, mean risk, fairness."""
        self._fitted()
        chosen = np.asarray(positions)
        selected = np.zeros(len(self.scores_), dtype=bool)
        selected[chosen] = True
        top = best(self.scores_, min(len(chosen), int(np.isfinite(self.scores_).sum())))
        everybody = np.arange(len(self.scores_))
        risks = (
            (float("nan"),) * 3
            if self._bad is None
            else tuple(mean_risk(self._bad, who) for who in (chosen, self.seeds_, everybody))
        )
        groups = pd.DataFrame() if self._protected is None else self._protected
        return Expansion(
            len(chosen), float(np.isin(self.seeds_, top).mean()), risks[0], risks[1], risks[2],
            fairness(groups, selected),
        )  # fmt: skip

    def like(self, customer: int | str, top: int = 20) -> Alike:
        """The customers most like one, himself left out.

        Raises
        ------
        ContractError : no such customer, or nothing is known of him.
        """
        self._fitted()
        position = int(self._positions(np.array([customer]))[0])
        return most_alike(self._vectors, self._lengths, position, top, f"customer {customer!r}")

    def _choose(self) -> None:
        """Fit all rungs with each fifth of the seeds hidden and with none, and score everybody by all of them."""
        # before any thread limit: what a task is the first to load would run on threads of its own
        import sklearn.linear_model  # noqa: F401
        from threadpoolctl import threadpool_limits

        n, rng = len(self._vectors), np.random.default_rng(self.seed)
        fold = rng.permutation(len(self.seeds_)) % FOLDS
        strangers = np.flatnonzero(self._lengths > NOTHING)
        if len(strangers) > STRANGERS:
            strangers = np.sort(rng.choice(strangers, STRANGERS, replace=False))
        known = [self.seeds_[fold != part] for part in range(FOLDS)] + [self.seeds_]
        with threadpool_limits(1):
            marks = landmarks(self._vectors[strangers] / self._lengths[strangers, None], rng)
        shared = _Ground(self._vectors, self._lengths, strangers, marks)
        ladders = pmap(_ladder, known, shared, self.seed, "local", cores=self.cores)
        probes = [probe for ladder in ladders for probe in ladder]
        scores = scores_of(self._vectors, self._lengths, probes, marks, self.cores)
        scores = scores.reshape(FOLDS + 1, -1, n)
        methods = [probe.method for probe in ladders[0]]
        units = [(part, m) for part in range(FOLDS) for m in range(len(methods))]
        hits = pmap(_hits, units, (scores, self.seeds_, fold), self.seed, "local", cores=self.cores)
        found = np.zeros((len(methods), len(SHARES), len(self.seeds_)), dtype=bool)
        for (part, m), hit in zip(units, hits, strict=True):
            found[m][:, fold == part] = hit
        self.report_, self.method_ = trial(methods, found, rng)
        self.scores_ = scores[FOLDS, methods.index(self.method_)].copy()

    def _positions(self, asked: Sequence[int] | Sequence[str] | np.ndarray) -> np.ndarray:
        """Positions of customers given by position or by id."""
        given = np.asarray(asked)
        n = len(self._vectors)
        if self._customers is None:
            if given.ndim != 1 or (len(given) and given.dtype.kind not in "iu"):
                raise ContractError(
                    "look-alikes: seeds are positions (whole numbers) unless `customers` names everybody"
                )
            wrong = given[(given < 0) | (given >= n)] if len(given) else given
            if len(wrong):
                raise ContractError(f"look-alikes: there is no position {wrong[0]}; customers are 0 to {n - 1}")
            return given.astype(np.int64)
        if len(self._customers) != n or not self._customers.is_unique:
            raise ContractError(
                f"look-alikes: {len(self._customers):,} ids, of which {self._customers.nunique():,} different, for "
                f"{n:,} vectors; give one each"
            )
        found = self._customers.get_indexer(pd.Index(given))
        if (found < 0).any():
            unknown = given[found < 0].tolist()
            raise ContractError(
                f"look-alikes: {len(unknown):,} ids are unknown, such as {unknown[:3]}; take them out or give vectors "
                "of everybody"
            )
        return found.astype(np.int64)

    def _enough(self) -> None:
        usable = len(self.seeds_)
        if usable < self.minimum:
            without = f" ({len(self.unusable_):,} more have no vector)" if len(self.unusable_) else ""
            raise NotEligible(
                f"look-alikes: {usable:,} usable seeds{without}; at least {self.minimum:,} are needed. "
                "Widen the audience"
            )
        known = int((self._lengths > NOTHING).sum())
        if known - usable < max(1.0, FEWEST_OTHERS * known):
            raise NotEligible(
                f"look-alikes: {usable:,} of the {known:,} customers of whom anything is known are seeds; nobody is "
                "left to find. Narrow the audience"
            )

    def _fitted(self) -> None:
        if not hasattr(self, "scores_"):
            raise NotFitted("look-alikes: not fitted; call fit first")


def alike(vectors: np.ndarray, customers: Sequence[str] | np.ndarray, customer: str, top: int = 20) -> Alike:
    """The customers most like one, from vectors alone: nothing is tried and nothing learned.

    Parameters
    ----------
    vectors : (n, d), one of each customer; only their directions count

    Raises
    ------
    ContractError : no such customer, or nothing is known of him.
    """
    found = pd.Index(customers).get_indexer(pd.Index([customer]))
    if found[0] < 0:
        raise ContractError(
            f"look-alikes: there is no customer {customer!r} among {len(customers):,}; write the id as in the data"
        )
    values = matrix(vectors)
    return most_alike(values, lengths_of(values, 1), int(found[0]), top, f"customer {customer!r}")


def most_alike(vectors: np.ndarray, lengths: np.ndarray, position: int, top: int, name: str) -> Alike:
    """The customers whose vectors point most nearly where that of one does, himself left out."""
    from threadpoolctl import threadpool_limits

    if lengths[position] <= NOTHING:
        raise ContractError(f"look-alikes: nothing is known of {name}, so nobody is like him or her")
    # one thread: several would add up in an order of their own
    with threadpool_limits(1):
        products = vectors @ (vectors[position] / lengths[position])
    cosines = over(products, lengths)
    cosines[position] = -np.inf
    positions = best(cosines, min(top, int(np.isfinite(cosines).sum())))
    return Alike(positions, cosines[positions])


def _ladder(known: np.ndarray, shared: _Ground, rng: np.random.Generator) -> list[Probe]:
    """All rungs, learned from the known seeds; hidden ones may be among the strangers, as in life."""
    vectors, lengths, strangers, marks = shared
    seeds = vectors[known] / lengths[known, None]
    others = strangers[~np.isin(strangers, known)]
    apart = vectors[others] / lengths[others, None]
    return [
        centroid(seeds),
        prototypes(seeds, rng),
        positive_unlabelled(seeds, apart, rng),
        curved(seeds, apart, marks, rng),
    ]


def _hits(
    unit: tuple[int, int], shared: tuple[np.ndarray, np.ndarray, np.ndarray], _: np.random.Generator
) -> np.ndarray:
    scores, seeds, fold = shared
    part, method = unit
    return found_seeds(scores[part, method], seeds[fold == part], seeds[fold != part], SHARES)

"""How good a ranking is: tie-aware hit, NDCG and friends; discrimination and calibration of probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from recsys.metrics import PerCustomer, exposure, per_customer, spread
from recsys.models import Recommender
from scenefit.contracts.errors import ContractError

BLOCK = 4_000_000  # customer × item cells compared at once: bounds memory whatever the number of customers


EVERYBODY = "everybody"
ACCURACY = ("ndcg", "recall", "map", "mrr", "hit")


class RankingQuality(NamedTuple):
    """Means over customers with at least one target."""

    ndcg: float
    hit: float
    recall: float
    customers: int


class Judged(NamedTuple):
    """A model on held-out data: metrics of each customer, and the places each group's items were shown in."""

    each: PerCustomer
    shown: np.ndarray


def evaluate(
    model: Recommender, train: sparse.csr_matrix, test: sparse.csr_matrix, k: int = 10, mask_seen: bool = False
) -> RankingQuality:
    """Quality at k of a fitted model on held-out `test`, customers described by `train`.

    `mask_seen` leaves out of the ranking (and of the targets) what `train` already holds.
    """
    users = np.flatnonzero(np.diff(test.indptr) > 0)
    blocks = [
        per_customer(model.scores(part, train[part]), test[part], k, train[part] if mask_seen else None)
        for part in (users[rows] for rows in _blocks(len(users), test.shape[1]))
    ]
    return _mean(blocks)


def ranking_quality(
    scores: np.ndarray, targets: sparse.csr_matrix, k: int = 10, seen: sparse.csr_matrix | None = None
) -> RankingQuality:
    """Tie-aware quality at k of scores (customers, items) against binary targets of the same shape.

    Raises
    ------
    ContractError : shapes differ, k is not positive, or a score is NaN (it would rank above everything).

    Notes
    -----
    Formulas and the treatment of ties are those of `recsys.metrics.per_customer`.

    >>> one = sparse.csr_matrix(np.array([[0, 1, 0]]))
    >>> ranking_quality(np.array([[0.0, 1.0, 0.5]]), one, k=1).hit
    1.0
    >>> ranking_quality(np.zeros((1, 3)), one, k=1).hit
    0.0
    """
    if scores.shape != targets.shape or k < 1:
        raise ContractError(
            f"ranking_quality: scores {scores.shape}, targets {targets.shape}, k {k}; shapes must agree"
        )
    blocks = [
        per_customer(scores[rows], targets[rows], k, None if seen is None else seen[rows])
        for rows in _blocks(*scores.shape)
    ]
    return _mean(blocks)


def judged(
    scored: Recommender | np.ndarray,
    train: sparse.csr_matrix,
    test: sparse.csr_matrix,
    k: int = 10,
    mask_seen: bool = True,
    groups: np.ndarray | None = None,
) -> Judged:
    """Metrics of each customer with something in `test`, for a fitted model or its scores (customers, items).

    Parameters
    ----------
    train, test : shape (customers, items); what a customer did before and after the cut
    mask_seen : leave what `train` holds out of ranking and targets
    groups : shape (customers,), number of each one's group from 0; None: one group

    Raises
    ------
    ContractError : shapes differ, k is not positive, or a score is NaN.
    """
    if train.shape != test.shape or k < 1:
        raise ContractError(f"judged: train {train.shape}, test {test.shape}, k {k}; shapes must agree, k be positive")
    code = np.zeros(test.shape[0], np.int64) if groups is None else groups
    if len(code) != test.shape[0]:
        raise ContractError(f"judged: {len(code):,} groups for {test.shape[0]:,} customers; give each one a group")
    users = np.flatnonzero(np.diff(test.indptr) > 0)
    blocks, shown = [], np.zeros((int(code.max(initial=0)) + 1, test.shape[1]))
    for rows in _blocks(len(users), test.shape[1]):
        part = users[rows]
        scores = scored[part] if isinstance(scored, np.ndarray) else scored.scores(part, train[part])
        if scores.shape != (len(part), test.shape[1]):
            raise ContractError(
                f"judged: scores of {scores.shape[1]} items, test of {test.shape[1]}; give test the ranked items alone"
            )
        seen = train[part] if mask_seen else None
        found = per_customer(scores, test[part], k, seen)
        blocks.append(found._replace(users=part[found.users]))
        held = exposure(scores[found.users], k, None if seen is None else seen[found.users])
        for group in np.unique(code[blocks[-1].users]):
            shown[group] += held[code[blocks[-1].users] == group].sum(axis=0)
    nobody = PerCustomer(users[:0], *(np.zeros(0) for _ in range(5)))
    parts = zip(*(blocks or [nobody]), strict=True)
    return Judged(PerCustomer(*(np.concatenate(values) for values in parts)), shown)


def quality_table(
    scored: Recommender | np.ndarray,
    train: sparse.csr_matrix,
    test: sparse.csr_matrix,
    k: int = 10,
    groups: Sequence[str] | np.ndarray | None = None,
    mask_seen: bool = True,
) -> pd.DataFrame:
    """All metrics of a fitted model, or of scores: everybody first, then each group; one row each.

    Parameters
    ----------
    groups : shape (customers,), name of each customer's subgroup; None: everybody alone

    Raises
    ------
    ContractError : shapes differ, k is not positive, a score is NaN, or a customer has no group.

    Notes
    -----
    Columns: group, customers, ndcg, recall, map, mrr, hit (means over customers with a target, see
    `recsys.metrics.per_customer`), coverage, gini, novelty (see `recsys.metrics.spread`). Recall is over all test
    items of a customer, also those no model can know.
    """
    names, code = _coded(np.full(test.shape[0], EVERYBODY, object) if groups is None else groups)
    found = judged(scored, train, test, k, mask_seen, code)
    of = code[found.each.users]
    rows = [_row(EVERYBODY, found.each, np.ones(len(of), bool))]
    shown = [found.shown.sum(axis=0)]
    if groups is not None:
        rows += [_row(name, found.each, of == number) for number, name in enumerate(names)]
        shown += list(found.shown)
    owners = np.asarray((train > 0).sum(axis=0)).ravel()
    spreads = [spread(places, owners, train.shape[0])._asdict() for places in shown]
    return pd.DataFrame([{**row, **wide} for row, wide in zip(rows, spreads, strict=True)])


def worst_to_best(table: pd.DataFrame, smallest: int = 20) -> pd.Series:
    """For each accuracy metric, the worst group's value over the best group's; 1 is equal service.

    Groups of fewer than `smallest` customers do not count: their means are chance. NaN with fewer than two groups.
    """
    groups = table[(table["group"] != EVERYBODY) & (table["customers"] >= smallest)]
    values = groups[list(ACCURACY)]
    if len(values) < 2:
        return pd.Series(np.nan, index=list(ACCURACY))
    return (values.min() / values.max().replace(0, np.nan)).rename("worst_to_best")


def _row(name: str, each: PerCustomer, some: np.ndarray) -> dict[str, object]:
    count = int(some.sum())
    means = {metric: float(getattr(each, metric)[some].mean()) if count else float("nan") for metric in ACCURACY}
    return {"group": name, "customers": count, **means}


def _coded(groups: Sequence[str] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = pd.Series(np.asarray(groups, dtype=object))
    if values.isna().any():
        raise ContractError(
            f"quality_table: {int(values.isna().sum()):,} customers without a group, the first in row "
            f"{int(values.isna().argmax())}; give everybody one, such as 'unknown'"
        )
    code, names = pd.factorize(values.astype(str), sort=True)
    return np.asarray(names, object), code.astype(np.int64)


def _blocks(customers: int, items: int) -> list[slice]:
    step = max(1, BLOCK // max(1, items))
    return [slice(start, start + step) for start in range(0, customers, step)]


def _mean(blocks: list[PerCustomer]) -> RankingQuality:
    parts = [np.column_stack([block.ndcg, block.hit, block.recall]) for block in blocks]
    rows = np.concatenate(parts) if parts else np.zeros((0, 3))
    if not len(rows):
        return RankingQuality(float("nan"), float("nan"), float("nan"), 0)
    ndcg, hit, recall = rows.mean(axis=0).tolist()
    return RankingQuality(ndcg, hit, recall, len(rows))


class ProbabilityQuality(NamedTuple):
    """Discrimination and calibration of probabilities for a yes/no outcome."""

    auc: float
    ap: float
    ece: float
    base_rate: float
    rows: int


def probability_quality(p: np.ndarray, y: np.ndarray, bins: int = 10) -> ProbabilityQuality:
    """AUC (ties count half), average precision and expected calibration error over equal-count bins.

    Equal probabilities always share a bin, so the order of the rows does not matter. Raises nothing for a single
    class: discrimination is NaN then, because there is nothing to tell apart.
    """
    y = np.asarray(y, dtype=np.float64)
    if not len(y):
        return ProbabilityQuality(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    ece = _calibration_error(np.asarray(p, dtype=np.float64), y, bins)
    if y.min() == y.max():
        return ProbabilityQuality(float("nan"), float("nan"), ece, float(y.mean()), len(y))
    from sklearn.metrics import average_precision_score, roc_auc_score

    return ProbabilityQuality(
        float(roc_auc_score(y, p)), float(average_precision_score(y, p)), ece, float(y.mean()), len(y)
    )


def _calibration_error(p: np.ndarray, y: np.ndarray, bins: int) -> float:
    """Mean distance between promised and observed share, over bins of equally many rows."""
    order = np.argsort(p, kind="stable")
    p, y = p[order], y[order]
    which = np.searchsorted(p, p, "left") * bins // len(p)
    return float(np.abs(np.bincount(which, p - y)).sum() / len(p))

"""What a recommender may be given: weights without gaps, histories of the fitted items, rows that it knows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from recsys.ranking import Ranking, top_n
from scenefit.contracts.errors import ContractError, NotFitted

BLOCK = 16_000_000  # scores held at once: 64 MB, whatever the number of customers


def checked_weights(matrix: sparse.csr_matrix, model: str) -> sparse.csr_matrix:
    """Weights (customers, items) as float32, one per pair, items in order; what was given stays as it is.

    Duplicate pairs are added up, because two visits are more than one; stored zeros are dropped.

    Raises
    ------
    ContractError : not a sparse matrix, no item, or a weight that is NaN, infinite or negative.
    """
    if not sparse.issparse(matrix) or matrix.ndim != 2 or matrix.shape[1] < 1:
        raise ContractError(
            f"{model}: a sparse matrix of shape (customers, items) is needed, with at least one item; "
            f"this is {type(matrix).__name__} of shape {getattr(matrix, 'shape', None)}"
        )
    rows = sparse.csr_matrix(matrix)
    wrong = np.flatnonzero(~(np.isfinite(rows.data) & (rows.data >= 0)))
    if len(wrong):
        row = int(np.searchsorted(rows.indptr, wrong[0], "right")) - 1
        raise ContractError(
            f"{model}: {len(wrong):,} weights are NaN, infinite or negative, the first is {rows.data[wrong[0]]} for "
            f"customer {row} and item {int(rows.indices[wrong[0]])}; leave out what did not happen"
        )
    if rows.dtype == np.float32 and rows.has_canonical_format and rows.data.all():
        return rows
    own = sparse.csr_matrix(rows, dtype=np.float32, copy=True)
    own.sum_duplicates()
    own.eliminate_zeros()
    return own


def checked_history(
    model: object, users: np.ndarray, history: sparse.csr_matrix, items: int | None
) -> sparse.csr_matrix:
    """A history as `checked_weights` gives it, of as many rows as users and as many items as were fitted.

    Raises
    ------
    NotFitted : `items` is None: the model has not learned yet.
    ContractError : the shape is another one, or the weights are not usable.
    """
    name = type(model).__name__
    if items is None:
        raise NotFitted(f"{name}: not fitted; call fit(matrix) first")
    if history.shape != (len(users), items):
        raise ContractError(
            f"{name}: a history of shape {history.shape} for {len(users):,} users and the {items:,} items that it "
            f"was fitted on; give one row per user and the same items in the same order"
        )
    return checked_weights(history, name)


def recommended(model: Any, users: np.ndarray, n: int, eligible: np.ndarray | None) -> Ranking:
    """The n best eligible items for rows of the fitted matrix, in blocks of rows; short where fewer are eligible.

    Raises
    ------
    NotFitted : the model has not learned yet.
    ContractError : a user is no row of the fitted matrix, or the eligibility has another number of rows.
    """
    name = type(model).__name__
    history: sparse.csr_matrix | None = getattr(model, "history_", None)
    if history is None:
        raise NotFitted(f"{name}: not fitted; call fit(matrix) first")
    users = np.asarray(users, dtype=np.int64)
    strange = users[(users < 0) | (users >= history.shape[0])]
    if len(strange):
        raise ContractError(
            f"{name}: users {strange[:5].tolist()} are no rows of the fitted matrix (0 … {history.shape[0] - 1}); "
            "rank new customers by top_n(model.scores(users, history), n)"
        )
    if eligible is not None and len(eligible) != len(users):
        raise ContractError(f"{name}: {len(eligible):,} rows of eligibility for {len(users):,} users; give one each")
    step = max(1, BLOCK // history.shape[1])
    parts = []
    for start in range(0, max(1, len(users)), step):
        rows = users[start : start + step]
        bits = None if eligible is None else eligible[start : start + step]
        parts.append(top_n(model.scores(rows, history[rows]), n, bits))
    sizes = np.concatenate([np.diff(part.indptr) for part in parts])
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Ranking(indptr, np.concatenate([p.ids for p in parts]), np.concatenate([p.scores for p in parts]))

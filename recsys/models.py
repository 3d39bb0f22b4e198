"""Recommenders behind one door: fit on weights, rank for customers, never an ineligible id."""

from __future__ import annotations

from typing import Any, Literal, Protocol, Self

import numpy as np
from scipy import sparse

from recsys.als import AlternatingLeastSquares
from recsys.blend import Blend
from recsys.ease import Ease
from recsys.ials import FrequencyScaledAls
from recsys.neighbours import Bm25Neighbours, ItemNeighbours, TfIdfNeighbours, WalkNeighbours
from recsys.popularity import GroupPopularity, Popularity
from recsys.ranking import Ranking

__all__ = [
    "RECOMMENDERS",
    "AlternatingLeastSquares",
    "Blend",
    "Bm25Neighbours",
    "Ease",
    "FrequencyScaledAls",
    "GroupPopularity",
    "ItemNeighbours",
    "Popularity",
    "Recommender",
    "TfIdfNeighbours",
    "WalkNeighbours",
]


class Recommender(Protocol):
    """What every model of this room can do; `reproducible` says for which numbers of threads bytes are equal."""

    @property
    def reproducible(self) -> Literal["any threads", "one thread"]: ...

    def fit(self, matrix: sparse.csr_matrix) -> Self: ...

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray: ...

    def recommend(self, users: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking: ...


# every class can be made without arguments; its settings have the reason beside them
RECOMMENDERS: dict[str, type[Any]] = {
    "popularity": Popularity,
    "group_popularity": GroupPopularity,
    "als": AlternatingLeastSquares,
    "cosine": ItemNeighbours,
    "tfidf": TfIdfNeighbours,
    "bm25": Bm25Neighbours,
    "walk": WalkNeighbours,
    "ease": Ease,
    "ials": FrequencyScaledAls,
    "blend": Blend,
}

"""Three public data sets cut into train and test, the settings found for each, and the grid they were sought in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

HIDDEN = 0.1  # share of train that settings are sought on, where no time is known
LATER = 0.2  # last share of the days, where it is

Settings = dict[str, Any]


class Halves(NamedTuple):
    """What was known and what is to be found, shape (customers, items)."""

    train: sparse.csr_matrix
    test: sparse.csr_matrix


class DataSet(NamedTuple):
    """A data set's split, the cut of its train that settings are sought on, and how both were made."""

    split: Callable[[Path], Halves]
    cut: Callable[[Path], Halves]
    told: str


def ml1m(folder: Path) -> Halves:
    """MovieLens-1M as UltraGCN split it: random, no time known."""
    return _listed(folder / "ml1m_ultragcn_split")


def lastfm(folder: Path) -> Halves:
    """Last.fm as LightGCN split it: random, no time known; listened or not, however often."""
    return _listed(folder / "lastfm_lightgcn")


def ml100k(folder: Path) -> Halves:
    """MovieLens 100K: the last fifth of the ratings, of people and titles that were known before."""
    ratings = _ratings(folder)
    return later(ratings, _shape(ratings))


def ml100k_cut(folder: Path) -> Halves:
    """The first four fifths of the ratings, cut once more in time."""
    ratings = _ratings(folder)
    before = ratings[ratings["timestamp"] < ratings["timestamp"].quantile(1 - LATER)]
    return later(before, _shape(ratings))


def hidden(halves: Halves) -> Halves:
    """Train with a tenth of its entries hidden at random (seed 0); the test is not looked at."""
    entries = halves.train.tocoo()
    gone = np.random.default_rng(0).random(entries.nnz) < HIDDEN

    def part(some: np.ndarray) -> sparse.csr_matrix:
        where = (entries.row[some], entries.col[some])
        return sparse.csr_matrix((entries.data[some], where), shape=entries.shape)

    return Halves(part(~gone), part(gone))


def later(ratings: pd.DataFrame, shape: tuple[int, int]) -> Halves:
    """Ratings before and from the moment after which a fifth of them lies; of people known before, and new to them."""
    moment = ratings["timestamp"].quantile(1 - LATER)
    before, after = ratings[ratings["timestamp"] < moment], ratings[ratings["timestamp"] >= moment]
    train = _binary(before["user_id"], before["item_id"], shape)
    known = after[after["user_id"].isin(before["user_id"])]
    test = _binary(known["user_id"], known["item_id"], shape)
    fresh = sparse.csr_matrix(test - test.multiply(train))
    fresh.eliminate_zeros()
    return Halves(train, fresh)


DATA: dict[str, DataSet] = {
    "ml1m_ultragcn_split": DataSet(ml1m, lambda folder: hidden(ml1m(folder)), "random split, as published"),
    "lastfm_lightgcn": DataSet(lastfm, lambda folder: hidden(lastfm(folder)), "random split, as published"),
    "ml100k": DataSet(ml100k, ml100k_cut, "the last fifth in time, new titles of people known before"),
}

# every combination is tried on the cut of train; the highest sum of Recall@20 and NDCG@20 stays, as both are judged
GRID: dict[str, Mapping[str, tuple[Any, ...]]] = {
    "als": {"regularization": (10.0, 20.0, 30.0, 50.0), "alpha": (2.0, 4.0, 10.0), "factors": (64,)},
    "cosine": {"neighbours": (20, 100, 500)},
    "tfidf": {"neighbours": (20, 100, 500)},
    "bm25": {"neighbours": (100, 500), "b": (0.3, 0.5, 0.75)},
    "walk": {"neighbours": (100, 500), "beta": (0.2, 0.4, 0.6, 0.8)},
    "ease": {"strength": (30.0, 100.0, 300.0, 500.0), "dropout": (0.2, 0.4, 0.6), "damping": (0.3, 0.7, 1.0)},
    "ials": {"unobserved": (0.1, 0.15, 0.2, 0.3), "regularization": (0.003, 0.01, 0.015, 0.03)},
}

# what `python -m benchmarks.recsys_accuracy --search` found on the cuts of train
SETTINGS: dict[str, dict[str, Settings]] = {
    "ml1m_ultragcn_split": {
        "als": {"regularization": 50.0, "alpha": 4.0, "factors": 64},
        "cosine": {"neighbours": 20},
        "tfidf": {"neighbours": 20},
        "bm25": {"neighbours": 100, "b": 0.75},
        "walk": {"neighbours": 100, "beta": 0.6},
        "ease": {"strength": 300.0, "dropout": 0.4, "damping": 0.7},
        "ials": {"unobserved": 0.2, "regularization": 0.01},
    },
    "lastfm_lightgcn": {
        "als": {"regularization": 30.0, "alpha": 10.0, "factors": 64},
        "cosine": {"neighbours": 500},
        "tfidf": {"neighbours": 500},
        "bm25": {"neighbours": 500, "b": 0.3},
        "walk": {"neighbours": 500, "beta": 0.2},
        "ease": {"strength": 30.0, "dropout": 0.6, "damping": 0.3},
        "ials": {"unobserved": 0.15, "regularization": 0.01},
    },
    "ml100k": {
        "als": {"regularization": 30.0, "alpha": 4.0, "factors": 64},
        "cosine": {"neighbours": 20},
        "tfidf": {"neighbours": 20},
        "bm25": {"neighbours": 500, "b": 0.75},
        "walk": {"neighbours": 100, "beta": 0.6},
        "ease": {"strength": 30.0, "dropout": 0.6, "damping": 0.7},
        "ials": {"unobserved": 0.15, "regularization": 0.015},
    },
}


def trials(model: str) -> list[Settings]:
    """Every combination of a model's grid."""
    names = list(GRID[model])
    return [dict(zip(names, values, strict=True)) for values in product(*GRID[model].values())]


def _listed(folder: Path) -> Halves:
    halves = [pd.read_parquet(folder / f"{part}.parquet", columns=["user", "item"]) for part in ("train", "test")]
    shape = tuple(int(max(half[name].max() for half in halves)) + 1 for name in ("user", "item"))
    train, test = (_binary(half["user"], half["item"], shape) for half in halves)
    return Halves(train, test)


def _ratings(folder: Path) -> pd.DataFrame:
    ratings: pd.DataFrame = pd.read_parquet(folder / "ml100k" / "inter.parquet").astype(float)
    return ratings


def _shape(ratings: pd.DataFrame) -> tuple[int, int]:
    return int(ratings["user_id"].max()) + 1, int(ratings["item_id"].max()) + 1


def _binary(users: pd.Series, items: pd.Series, shape: tuple[int, ...]) -> sparse.csr_matrix:
    where = (users.to_numpy(np.int64), items.to_numpy(np.int64))
    found = sparse.csr_matrix((np.ones(len(users), np.float32), where), shape=shape)
    found.sum_duplicates()
    found.data[:] = 1.0
    return found

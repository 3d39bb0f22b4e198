"""The champion judged on what it has not seen; settings judged one window earlier."""

import numpy as np
import pandas as pd
import pytest

from recsys.interactions import Interactions, Takes, microseconds
from recsys.judging import judged_offers, validation_quality
from recsys.training import Labels, Material, next_offer_quality
from scenefit.contracts.errors import NotFitted

DAY = pd.Timedelta(days=1)
WINDOWS, PEOPLE, PRODUCTS = 4, 300, 4
EDGES = tuple(pd.Timestamp("2026-01-01", tz="UTC") + 28 * DAY * w for w in range(WINDOWS + 1))


def material(last_window=None):
    """Taste decides visits and takes; `last_window` replaces what is taken in the last window."""
    rng = np.random.default_rng(0)
    taste = rng.integers(0, PRODUCTS, PEOPLE)
    start, end = microseconds(EDGES[0] - 56 * DAY), microseconds(EDGES[-1])
    who = rng.integers(0, PEOPLE, 6_000)
    what = np.where(rng.random(6_000) < 0.7, taste[who], rng.integers(0, 8, 6_000))
    at = np.sort(rng.integers(start, end, 6_000))
    buyer = rng.integers(0, PEOPLE, 1_200)
    bought = np.where(rng.random(1_200) < 0.8, taste[buyer], rng.integers(0, PRODUCTS, 1_200))
    bought_at = np.sort(rng.integers(start, end, 1_200))
    if last_window is not None:
        bought = np.where(bought_at >= microseconds(EDGES[-2]), last_window, bought)
    takes = Takes(buyer, bought, bought_at, np.ones(1_200, bool))
    parts = [takes.between(EDGES[w], EDGES[w + 1]) for w in range(WINDOWS)]
    window = np.repeat(np.arange(WINDOWS), [len(people) for people, _ in parts])
    people, product = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    labels = Labels(people, product, window, np.column_stack([np.sin(people), np.cos(people)]))
    behaviour = Interactions([f"c{i}" for i in range(PEOPLE)], [f"m{i}" for i in range(8)], who, what, at, EDGES[-1])
    als = {"factors": 4, "regularization": 1.0, "alpha": 2.0, "iterations": 5}
    return Material(behaviour, takes, labels, EDGES, PRODUCTS, als, seed=0)


def test_the_means_are_those_of_the_run():
    found, run = judged_offers(material()), next_offer_quality(material())
    assert found.quality.mean() == pytest.approx(run.model.ndcg, abs=1e-12)
    assert found.baseline.mean() == pytest.approx(run.popularity.ndcg, abs=1e-12)
    assert len(found.customers) == run.model.customers


def test_what_was_taken_last_does_not_reach_the_promises():
    one, other = judged_offers(material()), judged_offers(material(last_window=2))
    np.testing.assert_array_equal(one.customers, other.customers)
    assert one.probabilities.tobytes() == other.probabilities.tobytes()
    assert (one.taken != other.taken).any()


def test_settings_are_judged_without_the_last_window():
    rng = np.random.default_rng(0)
    one = validation_quality({"factors": 2}, 1.0, material(), rng)
    assert one == validation_quality({"factors": 2}, 1.0, material(last_window=2), rng)
    assert one != validation_quality({"factors": 4}, 1.0, material(), rng)


def test_a_share_of_the_customers_is_the_same_in_every_trial():
    shared, rng = material(), np.random.default_rng(0)
    some = validation_quality({"factors": 2}, 0.5, shared, rng)
    assert some == validation_quality({"factors": 2}, 0.5, shared, rng)
    assert some != validation_quality({"factors": 2}, 1.0, shared, rng)


def test_a_window_without_takes_cannot_be_judged():
    empty = material()
    labels = empty.labels
    kept = labels.window < WINDOWS - 1
    some = Labels(labels.who[kept], labels.product[kept], labels.window[kept], labels.profile[kept])
    with pytest.raises(NotFitted, match="nothing was taken after 2026-03-26"):
        judged_offers(Material(empty.behaviour, empty.takes, some, EDGES, PRODUCTS, empty.als, seed=0))

"""Learning in time order: what came later, or happened to oneself, must not reach a model."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys.interactions import Interactions, Takes, microseconds
from recsys.training import (
    Labels,
    Material,
    _affinity,
    learn_next_offer,
    learn_response,
    next_item_quality,
    next_offer_probabilities,
    next_offer_quality,
    product_fit,
)
from scenefit.contracts.errors import ContractError, NotFitted

CUSTOMERS, ITEMS, PRODUCTS, WINDOWS = 400, 10, 4, 4
DAY = pd.Timedelta(days=1)
EDGES = tuple(pd.Timestamp("2026-01-01", tz="UTC") + 28 * DAY * w for w in range(WINDOWS + 1))
BEGIN = EDGES[0] - 56 * DAY
ALS = {"factors": 4, "regularization": 1.0, "alpha": 2.0, "iterations": 5}


def random_times(rng, n, start, end):
    return np.sort(rng.integers(microseconds(start), microseconds(end), n))


def material(extra_visits_from=None, extra_takes_from=None):
    """A small past in which taste decides what is taken; optionally with more behaviour or takes from a moment on."""
    rng = np.random.default_rng(0)
    taste = rng.integers(0, PRODUCTS, CUSTOMERS)
    n = 12_000
    who = rng.integers(0, CUSTOMERS, n)
    what = np.where(rng.random(n) < 0.7, taste[who] + PRODUCTS * rng.integers(0, 2, n), rng.integers(0, ITEMS, n))
    at = random_times(rng, n, BEGIN, EDGES[-1])
    buyer = rng.integers(0, CUSTOMERS, 1_500)
    bought = np.where(rng.random(1_500) < 0.8, taste[buyer], rng.integers(0, PRODUCTS, 1_500))
    bought_at = random_times(rng, 1_500, BEGIN, EDGES[-1])
    if extra_visits_from is not None:
        late = random_times(rng, 3_000, extra_visits_from, EDGES[-1])
        who, what = np.append(who, rng.integers(0, CUSTOMERS, 3_000)), np.append(what, rng.integers(0, ITEMS, 3_000))
        at = np.append(at, late)
    if extra_takes_from is not None:
        late = random_times(rng, 2_000, extra_takes_from, EDGES[-1])
        buyer = np.append(buyer, rng.integers(0, CUSTOMERS, 2_000))
        bought = np.append(bought, rng.integers(0, PRODUCTS, 2_000))
        bought_at = np.append(bought_at, late)
    order = np.argsort(bought_at, kind="stable")
    takes = Takes(buyer[order], bought[order], bought_at[order], np.ones(len(order), bool))
    customers = [f"c{i:03d}" for i in range(CUSTOMERS)]
    behaviour = Interactions(customers, [f"m{i}" for i in range(ITEMS)], who, what, at, EDGES[-1])
    return Material(behaviour, takes, labels(takes), EDGES, PRODUCTS, ALS, seed=0)


def labels(takes):
    parts = [takes.between(EDGES[w], EDGES[w + 1]) for w in range(WINDOWS)]
    window = np.repeat(np.arange(WINDOWS), [len(who) for who, _ in parts])
    who, product = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    return Labels(who, product, window, profile_of(who, window))


def profile_of(who, window):
    return np.column_stack([np.sin(who), np.cos(who * (window + 1.0))])


def offers_made(n=2_400, seed=3):
    """Campaigns a week long; a taker's chance depends on the customer, not on time."""
    rng = np.random.default_rng(seed)
    starts = pd.DatetimeIndex([EDGES[0] + 14 * DAY * c for c in range(7)])
    campaign = np.sort(rng.integers(0, len(starts), n))
    who = rng.integers(0, CUSTOMERS, n)
    took = rng.random(n) < 0.15 + 0.2 * (who % 3 == 0)
    took_at = np.where(took, starts.asi8[campaign] // (1000 if starts.unit == "ns" else 1) + 3 * 86_400_000_000, np.nan)
    return pd.DataFrame({
        "campaign_id": [f"k{c}" for c in campaign], "kind": np.where(campaign % 2, "A", "B"),
        "channel": np.where(campaign % 2, "sms", "call"),
        "starts_at": starts[campaign], "closes_at": starts[campaign] + 7 * DAY, "who": who,
        "product": rng.integers(0, PRODUCTS, n), "took_at": took_at,
    })  # fmt: skip


def learned_bytes(learned):
    return learned.als.item_factors_.tobytes() + learned.head.coef_.tobytes() + learned.head.intercept_.tobytes()


def test_learning_twice_gives_equal_bytes():
    assert learned_bytes(learn_next_offer(material(), 0, 3)) == learned_bytes(learn_next_offer(material(), 0, 3))


def test_what_happens_after_the_cut_changes_nothing_that_was_learned():
    plain = learn_next_offer(material(), 0, 2)
    # the last window learned from starts at edge 1 and ends at edge 2
    assert learned_bytes(learn_next_offer(material(extra_visits_from=EDGES[1]), 0, 2)) == learned_bytes(plain)
    assert learned_bytes(learn_next_offer(material(extra_takes_from=EDGES[2]), 0, 2)) == learned_bytes(plain)


def test_what_happens_before_the_cut_does():
    plain = learn_next_offer(material(), 0, 2)
    assert learned_bytes(learn_next_offer(material(extra_visits_from=BEGIN), 0, 2)) != learned_bytes(plain)
    assert learned_bytes(learn_next_offer(material(extra_takes_from=EDGES[1]), 0, 2)) != learned_bytes(plain)


def test_a_prediction_knows_nothing_from_its_moment_on():
    rows = np.arange(50)
    profile = profile_of(rows, 3)
    plain, planted = material(), material(extra_visits_from=EDGES[3], extra_takes_from=EDGES[3])
    learned = learn_next_offer(plain, 0, 3)
    p = [next_offer_probabilities(m, learned, rows, profile, EDGES[3]).tobytes() for m in (plain, planted)]
    assert p[0] == p[1]


def test_the_future_is_refused_before_anything_is_learned():
    with pytest.raises(ContractError, match="the future must not be learned from"):
        Interactions(["a"], ["x"], np.zeros(1), np.zeros(1), np.array([microseconds(EDGES[-1])]), EDGES[-1])


def test_taste_ranks_better_than_popularity_on_the_last_window():
    quality = next_offer_quality(material(), k=1)
    assert quality.model.customers == quality.popularity.customers
    assert quality.model.hit > quality.popularity.hit + 0.2


def test_the_order_of_labels_does_not_matter():
    whole = material()
    order = np.random.default_rng(1).permutation(len(whole.labels.who))
    shuffled = replace(whole, labels=Labels(*(values[order] for values in vars(whole.labels).values())))
    one, other = next_offer_quality(whole), next_offer_quality(shuffled)
    np.testing.assert_allclose(one.model, other.model, atol=0.01)
    assert one.popularity == other.popularity


def test_no_take_in_the_last_window_leaves_nothing_to_judge():
    whole = material()
    kept = whole.labels.window < WINDOWS - 1
    early = replace(whole, labels=Labels(*(values[kept] for values in vars(whole.labels).values())))
    with pytest.raises(NotFitted, match="nothing was taken after 2026-03-26; quality cannot be measured"):
        next_offer_quality(early)
    with pytest.raises(NotFitted, match="nothing was taken in the learning windows"):
        learn_next_offer(early, WINDOWS - 1, WINDOWS)


def test_next_items_beat_popularity_and_new_ones_are_judged_apart():
    quality = next_item_quality(material(), k=3)
    assert quality.everything.model.ndcg > quality.everything.popularity.ndcg
    assert 0 < quality.new.model.customers < quality.everything.model.customers


def test_nobody_acted_in_the_last_window():
    whole = material()
    all_ = whole.behaviour
    kept = all_.at < microseconds(EDGES[-2])
    early = Interactions(all_.customers, all_.items, all_.who[kept], all_.what[kept], all_.at[kept], EDGES[-1])
    with pytest.raises(NotFitted, match="nobody did anything after 2026-03-26"):
        next_item_quality(replace(whole, behaviour=early))


def test_product_fit_of_an_average_customer_is_zero():
    taken = np.array([99, 299])
    np.testing.assert_allclose(product_fit(np.array([[0.25, 0.75], [0.5, 0.5]]), taken)[0], 0, atol=0.01)
    np.testing.assert_allclose(product_fit(np.array([[0.5, 0.5]]), taken)[0, 0], np.log(2), atol=0.01)


def test_response_is_judged_on_held_out_campaigns_only():
    offers = offers_made()
    learned = learn_response(material(), offers, profile_of(offers["who"].to_numpy(), 0), ["k5", "k6"])
    assert learned.campaigns == ("k5", "k6")
    assert learned.quality.rows == offers["campaign_id"].isin(["k5", "k6"]).sum()
    assert learned.channels == ("call", "sms")
    assert learned.usual.sum() == pytest.approx(1)
    assert learned.by_product


def test_quality_of_response_does_not_know_what_came_after_the_campaigns():
    offers = offers_made()
    profile = profile_of(offers["who"].to_numpy(), 0)
    plain = learn_response(material(), offers, profile, ["k5"])
    after = offers.loc[offers["campaign_id"] == "k5", "starts_at"].iloc[0]
    planted = learn_response(material(extra_visits_from=after, extra_takes_from=after), offers, profile, ["k5"])
    assert planted.quality == plain.quality
    # k6 comes after k5: whatever happened in it must not matter either
    other = offers.assign(took_at=offers["took_at"].mask(offers["campaign_id"] == "k6"))
    assert learn_response(material(), other, profile, ["k5"]).quality == plain.quality


def test_product_fit_never_comes_from_ones_own_takes():
    offers, whole = offers_made(), material()
    profile = profile_of(offers["who"].to_numpy(), 0)
    fit, known = _affinity(whole, offers, profile, EDGES[-1])
    assert known.all()
    customer = int(np.intersect1d(offers["who"], whole.labels.who)[0])
    changed = whole.labels.product.copy()
    own = whole.labels.who == customer
    changed[own] = (changed[own] + 1) % PRODUCTS
    again, _ = _affinity(replace(whole, labels=replace(whole.labels, product=changed)), offers, profile, EDGES[-1])
    same_half = (offers["who"] % 2 == customer % 2).to_numpy()
    assert fit[same_half].tobytes() == again[same_half].tobytes()
    assert (fit[~same_half] != again[~same_half]).any()


def test_no_product_fit_is_learned_before_the_first_window_has_ended():
    offers = offers_made()
    fit, _ = _affinity(material(), offers, profile_of(offers["who"].to_numpy(), 0), EDGES[1] - DAY)
    assert not fit.any()


def test_without_an_earlier_campaign_there_is_nothing_to_learn_from():
    offers = offers_made()
    profile = profile_of(offers["who"].to_numpy(), 0)
    with pytest.raises(NotFitted, match=r"no campaign with offers ended before .* bring older campaigns"):
        learn_response(material(), offers, profile, sorted(set(offers["campaign_id"])))

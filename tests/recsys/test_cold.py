"""Where nothing is known yet: priors by level, starting evidence of new products and its end."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.cold import (
    Attributes,
    ShrunkenRates,
    StartingEvidence,
    blended,
    evidence_table,
    likeness,
    own_rate,
    read_rates,
    starting_evidence,
)
from scenefit.contracts.errors import ContractError, NotFitted

NONE = frozenset()


def people(*groups):
    """(scene, segment, takers, people) of one product each."""
    took = np.concatenate([np.arange(n) < k for _, _, k, n in groups]).astype(float)[:, None]
    scene = np.concatenate([[s] * n for s, _, _, n in groups])
    segment = np.concatenate([[s] * n for _, s, _, n in groups])
    return took, [scene, segment]


def products():
    return Attributes(
        kind=np.array(["loan", "loan", "card", "loan"], dtype=object),
        apr=np.array([0.10, 0.20, 0.20, 0.10]),
        tenor=np.array([12.0, 36.0, np.nan, 12.0]),
        scenes=[frozenset({"travel"}), frozenset({"home"}), NONE, frozenset({"travel"})],
    )


def test_a_segment_is_drawn_to_its_scene_and_the_scene_to_everybody():
    took, levels = people(("travel", "t1", 10, 20), ("travel", "t2", 0, 20), ("home", "h1", 5, 40))
    model = ShrunkenRates(weight=20).fit(took, levels)

    everybody = 15.5 / 81
    travel = (10 + 20 * everybody) / 60
    first = (10 + 20 * travel) / 40
    found = model.probabilities([np.array(["travel", "travel", "sea"]), np.array(["t1", "new", "s1"])])
    np.testing.assert_allclose(found[:, 0], [first, travel, everybody])


def test_the_same_cell_in_two_segments_is_two_groups():
    took, levels = people(("a", "young", 20, 20), ("b", "young", 0, 20))
    found = ShrunkenRates(weight=1).fit(took, levels).probabilities([np.array(["a", "b"]), np.array(["young"] * 2)])
    assert found[0, 0] > 0.9
    assert found[1, 0] < 0.1


def test_no_levels_leave_the_rate_of_everybody():
    assert ShrunkenRates().fit(np.array([[1.0], [0.0]]), []).probabilities([]).tolist() == [[0.5]]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=60), st.floats(0.1, 1e4))
def test_shrunken_rates_stay_probabilities(rows, weight):
    group = np.array([str(g) for g, _ in rows])
    took = np.array([[float(t)] for _, t in rows])
    found = ShrunkenRates(weight).fit(took, [group]).probabilities([np.array(["0", "1", "2", "3", "never seen"])])
    assert ((found > 0) & (found < 1)).all()


def test_who_did_nothing_gets_the_prior_and_who_did_much_the_model():
    model, prior = np.array([[0.8, 0.1]] * 3), np.array([[0.2, 0.3]] * 3)
    found = blended(model, prior, np.array([0.0, 3.0, 1e9]), weight=3, most=1)
    np.testing.assert_allclose(found, [[0.2, 0.3], [0.5, 0.2], [0.8, 0.1]], atol=1e-6)


def test_a_model_that_knows_the_profile_shares_the_answer_with_the_prior():
    model, prior = np.array([[0.8, 0.2]] * 2), np.array([[0.2, 0.8]] * 2)
    found = blended(model, prior, np.array([0.0, 3.0]), weight=3)
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.65, 0.35]])


def test_kept_rates_answer_as_before():
    took, levels = people(("travel", "t1", 10, 20), ("home", "h1", 5, 40))
    model = ShrunkenRates().fit(took, levels)
    again = read_rates(json.loads(json.dumps(model.parts())))
    assert again.probabilities(levels).tobytes() == model.probabilities(levels).tobytes()


def test_likeness_is_the_mean_over_what_both_state():
    found = likeness(products(), 0)
    # same kind, far APR, far tenor, other scene; other kind, far APR, no tenor, everywhere against travel; a twin
    np.testing.assert_allclose(found, [0.0, 1 / 4, 0.0, 1.0])


def test_a_new_product_starts_where_its_twin_stands():
    takes, offers = np.array([0.0, 90.0, 50.0, 10.0]), np.array([0.0, 100.0, 100.0, 100.0])
    found = starting_evidence(products(), 0, takes, offers, weight=80)
    # the twin counts 1, the other loan (1/4)³ = 1/64
    assert found.rate == pytest.approx((10 + 90 / 64) / (100 + 100 / 64))
    assert found.offers == 80
    assert found.likeness.sum() == pytest.approx(1)
    assert found.alpha + found.beta == pytest.approx(80)


def test_evidence_never_counts_for_more_than_the_offers_behind_it():
    takes, offers = np.array([0.0, 0.0, 0.0, 5.0]), np.array([0.0, 0.0, 0.0, 30.0])
    assert starting_evidence(products(), 0, takes, offers, weight=500).offers == pytest.approx(30)


def test_nothing_alike_ever_offered_is_said():
    with pytest.raises(NotFitted, match="no similar product was ever offered"):
        starting_evidence(products(), 0, np.zeros(4), np.zeros(4))


@given(st.floats(0, 1), st.floats(1, 1e4), st.integers(0, 5_000), st.floats(0, 200), st.floats(0, 1))
def test_an_estimate_is_a_probability_and_lies_between_prior_and_own_rate(rate, weight, offers, days, own):
    found = own_rate(StartingEvidence(rate, weight, np.ones(1)), own * offers, offers, days)
    if np.isnan(found.rate):
        assert offers == 0
        assert days >= 90
        return
    assert -1e-12 <= found.rate <= 1 + 1e-12
    assert 0 <= found.borrowed <= 1
    bounds = sorted([rate, own]) if offers else [rate, rate]
    assert bounds[0] - 1e-9 <= found.rate <= bounds[1] + 1e-9


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 1_000), st.integers(1, 1_000))
def test_more_own_evidence_comes_nearer_to_the_own_rate(rate, own, offers, more):
    prior = StartingEvidence(rate, 300.0, np.ones(1))
    few, many = (own_rate(prior, own * n, n, days=10).rate for n in (offers, offers + more))
    assert abs(many - own) <= abs(few - own) + 1e-12


@pytest.mark.parametrize(("offers", "days"), [(2_000, 1), (10, 90)])
def test_starting_evidence_expires_by_offers_or_days(offers, days):
    found = own_rate(StartingEvidence(0.9, 1e6, np.ones(1)), takes=0.1 * offers, offers=offers, days=days)
    assert found.rate == pytest.approx(0.1)
    assert found.borrowed == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ShrunkenRates().fit(np.full((2, 1), 0.5), []), "neither 0 nor 1"),
        (lambda: ShrunkenRates().fit(np.ones((2, 1)), [np.array(["a"])]), r"levels of \[1\]"),
        (lambda: ShrunkenRates().fit(np.ones((2, 1)), []).probabilities([np.array(["a"])]), "1 levels given, 0 were"),
        (lambda: blended(np.ones((2, 1)), np.ones((1, 1)), np.ones(2)), "shapes must agree"),
        (lambda: blended(np.ones((1, 1)), np.ones((1, 1)), -np.ones(1)), "negative"),
        (lambda: own_rate(StartingEvidence(0.1, 1.0, np.ones(1)), 5, 2, 1), "between 0 and the offers"),
        (lambda: own_rate(StartingEvidence(0.1, 1.0, np.ones(1)), 1, 2, -1), "days since launch"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ContractError, match=message):
        call()


def test_not_fitted_is_said():
    with pytest.raises(NotFitted, match="call fit first"):
        ShrunkenRates().probabilities([])
    with pytest.raises(NotFitted, match="nobody to learn"):
        ShrunkenRates().fit(np.zeros((0, 2)), [])


def test_what_each_product_rests_on_and_until_when():
    products = Attributes(np.array(["loan"] * 4), np.full(4, 0.1), np.full(4, 12.0), [frozenset()] * 4)
    table = evidence_table(
        products,
        takes=np.array([50.0, 0, 0, 4]),
        offers=np.array([1000.0, 0, 0, 100]),
        days=np.array([400.0, 30, 90, 45]),
    )
    assert table["state"].tolist() == ["own", "borrowed", "unknown", "borrowed"]
    new = table.iloc[1]
    # 54 of 1,100 offers of its twins were taken; a third of the 90 days is over
    assert new["start_rate"] == pytest.approx(54 / 1100)
    assert (new["start_offers"], new["borrowed"], new["days_left"], new["offers_left"]) == (200, 1.0, 60, 2000)
    # 200 offers' worth of it, half faded, beside 100 own ones
    assert table["borrowed"].iloc[3] == pytest.approx(0.5)
    assert np.isnan(table["rate"].iloc[2])


def test_a_product_without_any_offered_twin_borrows_nothing():
    products = Attributes(np.array(["loan"]), np.array([0.1]), np.array([12.0]), [frozenset()])
    row = evidence_table(products, np.zeros(1), np.zeros(1), np.zeros(1)).iloc[0]
    assert (row["state"], row["nearest"], row["borrowed"]) == ("unknown", -1, 0.0)

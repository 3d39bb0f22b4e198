"""Probabilities that keep their promise: bins, error by group, lift, and corrections only where they help."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.calibrate import (
    calibration_by,
    calibration_error,
    correction,
    lift_by_bin,
    offer_correction,
    read_offer_correction,
    reliability,
)
from recsys.evaluate import probability_quality
from scenefit.contracts.errors import ContractError


def promised(n, seed=0, bent=1.0):
    """Promises and what came of them; `bent` other than 1 makes the promises too sure or too timid."""
    rng = np.random.default_rng(seed)
    true = rng.beta(1, 4, n)
    y = (rng.random(n) < true).astype(float)
    logit = bent * np.log(true / (1 - true))
    return 1 / (1 + np.exp(-logit)), y


def test_bins_hold_equally_many_rows_and_compare_promise_with_outcome():
    table = reliability(np.array([0.1, 0.2, 0.6, 0.8]), np.array([0, 1, 0, 1]), bins=2)
    np.testing.assert_allclose(table["promised"], [0.15, 0.7])
    assert table["observed"].tolist() == [0.5, 0.5]
    assert table["rows"].tolist() == [2, 2]
    assert ((table["observed_low"] < 0.5) & (table["observed_high"] > 0.5)).all()


def test_equal_promises_share_a_bin_whatever_the_order():
    p, y = np.array([0.3] * 6 + [0.9]), np.array([1, 1, 1, 0, 0, 0, 1])
    table = reliability(p, y, bins=5)
    assert table["rows"].tolist() == [6, 1]
    order = np.array([6, 3, 0, 4, 1, 5, 2])
    np.testing.assert_allclose(reliability(p[order], y[order], bins=5), table)


def test_the_error_equals_the_one_of_the_evaluation():
    p, y = promised(2_000, bent=2.0)
    assert calibration_error(p, y) == pytest.approx(probability_quality(p, y).ece)


def test_each_offer_is_judged_by_itself():
    p = np.array([0.2, 0.2, 0.9, 0.9])
    table = calibration_by(p, np.array([0, 0, 1, 1]), np.array(["b", "b", "a", "a"]))
    assert table["group"].tolist() == ["a", "b"]
    np.testing.assert_allclose(table["ece"], [0.1, 0.2])
    assert table["rows"].tolist() == [2, 2]


def test_lift_compares_the_best_bin_with_everybody():
    p, y = np.array([0.9, 0.8, 0.2, 0.1]), np.array([1, 1, 0, 0])
    table = lift_by_bin(p, y, bins=2)
    assert table["lift"].tolist() == [2.0, 0.0]
    assert table["captured"].tolist() == [1.0, 1.0]
    assert table["bin"].tolist() == [1, 2]


def test_what_is_right_already_is_left_alone():
    p, y = promised(4_000)
    found = correction(p, y, np.random.default_rng(0))
    assert found.method == "none"
    np.testing.assert_array_equal(found.apply(p), p)


@pytest.mark.parametrize("bent", [2.5, 0.4])
def test_what_is_too_sure_or_too_timid_is_put_right_on_rows_not_learned_from(bent):
    p, y = promised(4_000, bent=bent)
    found = correction(p, y, np.random.default_rng(0))
    assert found.method != "none"
    assert found.low > 0
    assert found.after < 0.4 * found.before
    fresh_p, fresh_y = promised(4_000, seed=9, bent=bent)
    assert calibration_error(found.apply(fresh_p), fresh_y) < 0.4 * calibration_error(fresh_p, fresh_y)
    if found.method == "temperature":
        assert found.slope == pytest.approx(1 / bent, rel=0.2)


def test_a_bend_that_no_temperature_follows_takes_steps():
    rng = np.random.default_rng(1)
    p = rng.random(6_000)
    y = (rng.random(6_000) < np.where(p < 0.5, 0.1, 0.6)).astype(float)
    assert correction(p, y, np.random.default_rng(0)).method == "isotonic"


def test_few_rows_are_not_corrected_by():
    p, y = promised(300, bent=4.0)
    assert correction(p, y, np.random.default_rng(0)).method == "none"


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80), st.integers(1, 12))
def test_every_row_is_in_one_bin(rows, bins):
    p, y = np.array([p for p, _ in rows]), np.array([float(y) for _, y in rows])
    table = reliability(p, y, bins)
    assert table["rows"].sum() == len(p)
    assert len(table) <= bins
    assert (table["low"] <= table["promised"] + 1e-12).all()
    assert 0 <= calibration_error(p, y, bins) <= 1


def test_no_rows_give_an_empty_curve():
    assert reliability(np.array([]), np.array([])).empty
    assert np.isnan(calibration_error(np.array([]), np.array([])))


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        ([0.1], [1, 0], "one outcome each"),
        ([1.2], [1], r"outside \[0, 1\]"),
        ([np.nan], [1], "NaN"),
        ([0.2], [2], "0 nor 1"),
    ],
)
def test_what_is_no_probability_or_outcome_is_refused(p, y, message):
    with pytest.raises(ContractError, match=message):
        reliability(np.array(p), np.array(y))


def test_groups_must_fit():
    with pytest.raises(ContractError, match="groups for"):
        calibration_by(np.array([0.1]), np.array([1]), np.array(["a", "b"]))


def _offers(n: int, off: tuple[float, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Promises, outcomes and offers of a model whose log-odds are off by `off` for each offer."""
    rng = np.random.default_rng(seed)
    z, offers = rng.normal(-2, 1, n), rng.integers(0, len(off), n)
    y = rng.random(n) < 1 / (1 + np.exp(-(z + np.array(off)[offers])))
    return 1 / (1 + np.exp(-z)), y.astype(float), offers


def test_offers_that_are_off_each_in_their_own_way_are_put_right() -> None:
    p, y, offers = _offers(20_000, (-0.8, 0.0, 0.8))
    found = offer_correction(p, y, offers, 3, np.random.default_rng(0))
    assert found.low > 0
    shifts = np.array(found.shifts) + found.common.shift
    np.testing.assert_allclose(shifts, [-0.8, 0.0, 0.8], atol=0.2)
    assert calibration_by(found.apply(p, offers), y, offers.astype(str))["ece"].max() < 0.02


def test_honest_promises_are_left_to_the_byte() -> None:
    p, y, offers = _offers(5_000, (0.0, 0.0, 0.0))
    found = offer_correction(p, y, offers, 3, np.random.default_rng(0))
    assert not found.needed
    assert found.apply(p, offers).tobytes() == p.tobytes()


def test_an_offer_made_rarely_stays_with_the_others() -> None:
    p, y, offers = _offers(20_000, (-0.8, 0.8))
    rare = np.concatenate([np.zeros(3), np.ones(1)])
    found = offer_correction(
        np.append(p, [0.1, 0.1, 0.1, 0.1]), np.append(y, rare), np.append(offers, [2, 2, 2, 2]), 4,
        np.random.default_rng(0),
    )  # fmt: skip
    assert abs(found.shifts[2]) < 0.3
    assert found.shifts[3] == 0
    # of no single product: what is common to all alone
    alone = found.apply(np.array([0.1]), np.array([-1]))
    assert alone == pytest.approx(found.common.apply(np.array([0.1])))


def test_a_correction_survives_json() -> None:
    p, y, offers = _offers(20_000, (-0.8, 0.0, 0.8))
    found = offer_correction(p, y, offers, 3, np.random.default_rng(0))
    parts = json.loads(json.dumps(found._asdict() | {"common": found.common._asdict()}))
    assert read_offer_correction(parts).apply(p, offers).tobytes() == found.apply(p, offers).tobytes()


def test_an_offer_beyond_the_known_ones_is_refused() -> None:
    with pytest.raises(ContractError, match="each −1 to 1"):
        offer_correction(np.array([0.5]), np.array([1.0]), np.array([2]), 2, np.random.default_rng(0))

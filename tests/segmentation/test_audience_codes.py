"""Coded columns answer as the columns themselves do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.audience_codes import coded_fits, level_codes, number_codes
from segmentation.rule_values import compared
from segmentation.rules import Between, Compare, In, Percentile

OPERATORS = ("==", "!=", "<", "<=", ">", ">=")
NUMBERS = st.lists(
    st.one_of(st.just(np.nan), st.integers(-3, 3).map(float), st.floats(-1e9, 1e9)), min_size=1, max_size=60
)


@given(values=NUMBERS, bound=st.one_of(st.integers(-4, 4), st.floats(-2e9, 2e9)), op=st.sampled_from(OPERATORS))
@settings(deadline=None)
def test_numbers_of_any_kind(values: list[float], bound: float, op: str) -> None:
    given_values = np.array(values)
    codes = number_codes(given_values)

    if codes is None:
        assert np.isnan(given_values).all()
        return
    # every value there is, and one beside
    for value in (bound, *given_values[~np.isnan(given_values)][:5]):
        expected = compared(given_values, op, value) & ~np.isnan(given_values)
        assert np.array_equal(codes.fits(op, float(value)), expected)


@pytest.mark.parametrize("shape", ["smooth", "few", "mostly zero", "one", "whole"])
def test_many_numbers_with_gaps(shape: str) -> None:
    rng = np.random.default_rng(1)
    values = {
        "smooth": rng.normal(size=20_000), "few": rng.integers(0, 5, 20_000), "one": np.full(20_000, 7),
        "mostly zero": np.where(rng.random(20_000) < 0.7, 0, rng.exponential(size=20_000)),
        "whole": rng.integers(0, 100_000, 20_000),
    }[shape].astype(float)  # fmt: skip
    values[rng.random(20_000) < 0.1] = np.nan
    codes = number_codes(values)

    assert codes is not None
    assert len(codes.low) <= 255
    for op in OPERATORS:
        for value in (*np.nanquantile(values, [0, 0.01, 0.5, 0.99, 1]), 0.0, -1e12, 1e12):
            expected = compared(values, op, value) & ~np.isnan(values)
            assert np.array_equal(codes.fits(op, float(value)), expected), (op, value)


@pytest.mark.parametrize("levels", [3, 40, 300])
def test_texts_of_few_and_many_levels(levels: int) -> None:
    rng = np.random.default_rng(2)
    texts = pd.Series(rng.choice([None, *(f"level {k}" for k in range(levels))], 3000), name="city", dtype="string")
    codes = level_codes(texts.astype("category"))

    for wanted in (("level 1",), ("level 0", "nowhere", "level 0"), tuple(f"level {k}" for k in range(0, levels, 2))):
        expected = texts.isin(wanted).to_numpy(bool)
        assert np.array_equal(coded_fits(In(column="city", values=wanted), codes), expected)
    other = coded_fits(Compare(column="city", op="!=", value="level 1"), codes)
    assert np.array_equal(other, ((texts != "level 1") & texts.notna()).to_numpy(bool))


def test_what_codes_cannot_answer_is_left_to_the_rule() -> None:
    numbers, texts = number_codes(np.array([1.0, 2.0])), level_codes(pd.Series(["a", "b"], dtype="category"))

    assert coded_fits(Compare(column="x", op="==", value=True), numbers) is None
    assert coded_fits(Compare(column="x", op="==", value="a"), numbers) is None
    assert coded_fits(Percentile(column="x", low=0.5, high=1), numbers) is None
    assert coded_fits(In(column="x", values=("a", 1)), texts) is None
    assert coded_fits(Between(column="x", low=1, high=2), texts) is None

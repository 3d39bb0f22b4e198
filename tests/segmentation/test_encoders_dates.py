"""Moments as attributes: how long ago, and where in the week and the month."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from scenefit.contracts.errors import ContractError
from segmentation.columns import in_days
from segmentation.encoders import CustomerEncoder

AS_OF = pd.Timestamp("2026-03-01", tz="Asia/Shanghai")


def joined(n=3000, seed=0):
    days = np.random.default_rng(seed).integers(1, 365, n)
    return pd.DataFrame({"joined_at": AS_OF - pd.to_timedelta(days, unit="D"), "trend_28d": np.arange(n) % 7.0})


def test_a_moment_becomes_recency_and_a_calendar_of_one_unit_each():
    encoder = CustomerEncoder(as_of=AS_OF)
    points = encoder.fit_transform(joined())
    assert encoder.get_feature_names_out().tolist() == [
        "joined_at (days ago)",
        "joined_at (weekday sin)", "joined_at (weekday cos)",
        "joined_at (monthday sin)", "joined_at (monthday cos)",
        "trend_28d",
    ]  # fmt: skip
    assert_allclose(points[:, 0].var(), 1, atol=1e-3)
    assert_allclose(points[:, 1:5].var(axis=0).sum(), 1, atol=1e-3)


def test_sunday_lies_beside_monday():
    encoder = CustomerEncoder(as_of=AS_OF).fit(joined())
    week = pd.DataFrame({"joined_at": pd.date_range("2026-02-02", periods=7, tz="Asia/Shanghai"), "trend_28d": 0.0})
    circle = encoder.transform(week)[:, 1:3]
    steps = np.linalg.norm(circle - np.roll(circle, 1, axis=0), axis=1)
    assert_allclose(steps, steps[0], rtol=1e-5)


def test_the_day_is_that_of_the_business_zone():
    frame = pd.DataFrame({"joined_at": pd.date_range("2026-01-01", periods=28, tz="UTC", freq="D")})
    late = pd.DataFrame({"joined_at": [pd.Timestamp("2026-01-31 17:00", tz="UTC")]})  # 1 February, 01:00 in Shanghai
    local = pd.DataFrame({"joined_at": [pd.Timestamp("2026-02-01 01:00")]})  # without a zone: local already
    encoder = CustomerEncoder(as_of=AS_OF).fit(frame)
    assert_array_equal(encoder.transform(late), encoder.transform(local))


def test_recency_moves_with_the_as_of_time_and_the_calendar_does_not():
    frame = joined(200)
    encoder = CustomerEncoder(as_of=AS_OF).fit(frame)
    now, later = encoder.transform(frame), encoder.transform(frame, as_of=AS_OF + pd.Timedelta(days=30))
    assert (later[:, 0] > now[:, 0]).all()
    assert_array_equal(later[:, 1:], now[:, 1:])


def test_a_gap_is_flagged_and_stands_in_the_middle_of_the_calendar():
    frame = joined(500)
    frame.loc[:49, "joined_at"] = pd.NaT
    encoder = CustomerEncoder(as_of=AS_OF)
    points = pd.DataFrame(encoder.fit_transform(frame), columns=encoder.get_feature_names_out())
    assert (points.loc[:49, "joined_at (days ago) (missing)"] > 0).all()
    assert (points.filter(like="day ").loc[:49] == 0).all(axis=None)


def test_dates_and_moments_are_one():
    moments = pd.Series(pd.to_datetime(["2026-01-05", "2026-01-20", "2026-02-03"]))
    as_dates = pd.Series([date(2026, 1, 5), date(2026, 1, 20), date(2026, 2, 3)], dtype=object)
    encoder = CustomerEncoder(as_of=AS_OF).fit(pd.DataFrame({"day": moments}))
    assert_array_equal(
        encoder.transform(pd.DataFrame({"day": moments})), encoder.transform(pd.DataFrame({"day": as_dates}))
    )


def test_a_moment_after_the_question_is_refused():
    frame = joined(50)
    frame.loc[3, "joined_at"] = AS_OF
    with pytest.raises(ContractError, match=r"'joined_at': 1 of 50 moments are at or after .*2026-03-01.*first: row 3"):
        CustomerEncoder(as_of=AS_OF).fit(frame)


def test_moments_without_an_as_of_time_are_refused():
    with pytest.raises(ContractError, match="'joined_at' holds moments; give as_of"):
        CustomerEncoder().fit(joined(50))


def test_one_single_moment_says_nothing():
    frame = pd.DataFrame({"joined_at": [pd.Timestamp("2026-01-01")] * 5, "x": np.arange(5)})
    assert CustomerEncoder(as_of=AS_OF).fit(frame).dropped_["joined_at"].startswith("constant")


def test_never_any_moment_says_nothing():
    frame = pd.DataFrame({"joined_at": pd.to_datetime([None] * 5), "x": np.arange(5)})
    assert CustomerEncoder(as_of=AS_OF).fit(frame).dropped_ == {"joined_at": "no value in any row"}


def test_rules_and_profiles_read_days():
    shown = in_days(pd.DataFrame({"joined_at": [AS_OF - pd.Timedelta(hours=36), pd.NaT], "x": [1, 2]}), AS_OF)
    assert shown["joined_at (days ago)"].tolist()[0] == 1.5
    assert shown["x"].tolist() == [1, 2]


def test_shuffling_customers_changes_no_calendar():
    frame = joined(999)
    order = np.random.default_rng(1).permutation(999)
    encoder = CustomerEncoder(as_of=AS_OF)
    assert_array_equal(encoder.fit_transform(frame)[order], encoder.fit_transform(frame.iloc[order]))

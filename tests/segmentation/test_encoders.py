"""Customers as points: every attribute weighs alike, and nothing odd slips through."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from scenefit.contracts.errors import ContractError, NotFitted, SettingsError
from segmentation.encoders import CustomerEncoder, read_encoder


def customers(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    spend = rng.lognormal(5, 1.5, n)
    return pd.DataFrame(
        {
            "spend_365d": np.where(rng.random(n) < 0.2, np.nan, spend),
            "trend_28d": rng.normal(size=n),
            "occupation": pd.Series(rng.choice(["nurse", "driver", "teacher"], n, p=[0.6, 0.3, 0.1]), dtype="string"),
            "home_owner": rng.random(n) < 0.3,
        }
    )


def variance_by_attribute(encoder, points):
    homes = [str(name).split("=")[0].split(" (")[0] for name in encoder.get_feature_names_out()]
    return pd.Series(points.var(axis=0), index=homes).groupby(level=0).sum()


def test_every_attribute_carries_one_unit_of_variance():
    encoder = CustomerEncoder()
    points = encoder.fit_transform(customers())
    assert points.dtype == np.float32
    assert_allclose(variance_by_attribute(encoder, points), 1, atol=0.03)


def test_known_points_by_hand():
    frame = pd.DataFrame({"trend_28d": [-1.0, 1.0, -1.0, 1.0], "city": ["a", "a", "b", "b"]})
    encoder = CustomerEncoder()
    points = encoder.fit_transform(frame)
    root2 = 2**0.5
    assert encoder.get_feature_names_out().tolist() == ["trend_28d", "city=a", "city=b"]
    assert_allclose(points, [[-1, root2, 0], [1, root2, 0], [-1, 0, root2], [1, 0, root2]], rtol=1e-6)


def test_skewed_amounts_are_taken_as_logarithms_and_symmetric_ones_are_not():
    frame = customers()
    encoder = CustomerEncoder().fit(frame)
    assert {plan.name: plan.log for plan in encoder.plans_ if hasattr(plan, "log")} == {
        "spend_365d": True,
        "trend_28d": False,
        "home_owner": False,
    }


def test_a_gap_becomes_the_median_and_a_flag():
    frame = pd.DataFrame({"trend_28d": [1.0, 2.0, 3.0, np.nan]})
    encoder = CustomerEncoder()
    points = encoder.fit_transform(frame)
    assert encoder.get_feature_names_out().tolist() == ["trend_28d", "trend_28d (missing)"]
    assert points[3, 0] == points[1, 0] == 0
    assert_allclose(points[:, 1], [0, 0, 0, (1 / 0.75) ** 0.5], rtol=1e-6)


def test_columns_with_the_same_gaps_share_one_flag():
    frame = pd.DataFrame({"ticket_mean": [1.0, 2.0, None], "ticket_max": [5.0, 2.0, None], "visits_28d": [1, None, 2]})
    names = CustomerEncoder().fit(frame).get_feature_names_out().tolist()
    assert names == ["ticket_mean", "ticket_mean (missing)", "ticket_max", "visits_28d", "visits_28d (missing)"]


def test_columns_that_say_nothing_are_dropped_with_the_reason():
    frame = customers().assign(
        country="CN",
        nothing=np.nan,
        one=1,
        no_text=pd.Series([None] * 2000, dtype=object),
        id=lambda f: f.index.astype(str),
    )
    dropped = CustomerEncoder(rare=0.01).fit(frame).dropped_
    assert set(dropped) == {"country", "nothing", "one", "no_text", "id"}
    assert dropped["nothing"] == dropped["no_text"] == "no value in any row"
    assert "constant" in dropped["country"]
    assert "constant: 1" in dropped["one"]
    assert "2,000 texts is rarer" in dropped["id"]


def test_protected_columns_stay_out_unless_asked_for():
    frame = customers().assign(
        gender=lambda f: np.where(f.home_owner, "f", "m"), birth_year=np.arange(2000) % 50 + 1950
    )
    assert set(CustomerEncoder().fit(frame).dropped_) == {"gender", "birth_year"}
    assert CustomerEncoder(protected=()).fit(frame).dropped_ == {}
    assert CustomerEncoder(protected=["trend_28d"]).fit(frame).dropped_ == {"trend_28d": "protected"}


def test_rare_and_unseen_texts_fall_into_other():
    seen = pd.DataFrame({"city": ["a"] * 500 + ["b"] * 497 + ["c", "d", "e"]})
    encoder = CustomerEncoder(rare=0.01).fit(seen)
    assert encoder.get_feature_names_out().tolist() == ["city=a", "city=b", "city=(other)"]
    rare, unseen, gap = encoder.transform(pd.DataFrame({"city": ["c", "never seen", None]}))
    assert_array_equal(rare, unseen)
    assert_array_equal(rare, gap)
    assert rare[2] > 0


def test_an_unseen_text_without_rare_levels_is_the_absence_of_all():
    encoder = CustomerEncoder().fit(pd.DataFrame({"city": ["a", "b"] * 50}))
    assert_array_equal(encoder.transform(pd.DataFrame({"city": ["z"]})), [[0, 0]])


def test_a_missing_text_is_a_level_of_its_own():
    encoder = CustomerEncoder().fit(pd.DataFrame({"city": ["a", None] * 50}))
    assert encoder.get_feature_names_out().tolist() == ["city=(missing)", "city=a"]


def test_no_block_outvotes_another():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(5000, 7)), columns=[f"f{i}" for i in range(7)])
    blocks = {"behaviour": ["f0", "f1", "f2", "f3"], "credit": ["f4", "f5"]}
    points = CustomerEncoder(blocks=blocks).fit_transform(frame)
    assert_allclose([points[:, :4].var(0).sum(), points[:, 4:6].var(0).sum(), points[:, 6].var()], 1, atol=0.01)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [({"a": ["f0"], "b": ["f0"]}, "blocks 'a' and 'b'"), ({"a": ["nowhere"]}, "names column 'nowhere'")],
)
def test_blocks_must_name_each_column_once_and_only_real_ones(blocks, message):
    with pytest.raises(SettingsError, match=message):
        CustomerEncoder(blocks=blocks).fit(pd.DataFrame({"f0": [1.0, 2.0], "f1": [1.0, 2.0]}))


def test_shuffling_customers_shuffles_points_and_nothing_else():
    frame = customers()
    order = np.random.default_rng(1).permutation(len(frame))
    assert_array_equal(
        CustomerEncoder().fit_transform(frame)[order], CustomerEncoder().fit_transform(frame.iloc[order])
    )


def test_columns_are_taken_by_name():
    frame = customers()
    encoder = CustomerEncoder().fit(frame)
    assert_array_equal(encoder.transform(frame), encoder.transform(frame[frame.columns[::-1]]))


def test_a_feature_table_of_another_version_is_refused():
    frame = customers()
    encoder = CustomerEncoder().fit(frame)
    with pytest.raises(ContractError, match=r"'trend_28d' is missing.*same feature service"):
        encoder.transform(frame.drop(columns="trend_28d"))
    with pytest.raises(ContractError, match="'mood' was not there at fit"):
        encoder.transform(frame.assign(mood=1))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([1.0, np.inf, 2.0], "1 of 3 values are infinite .first: row 1"),
        (pd.to_datetime(["2026-01-01"] * 3, utc=True), "days before the as-of time"),
        ([1, "two", 3.0], "mixed"),
        ([[1], [2], [3]], "one column per entry"),
        ([1j, 2, 3], "complex"),
    ],
)
def test_values_that_are_no_attribute_are_refused(column, message):
    with pytest.raises(ContractError, match=message):
        CustomerEncoder().fit(pd.DataFrame({"odd": column, "fine": [1.0, 2.0, 3.0]}))


def test_infinities_are_refused_at_transform_too():
    encoder = CustomerEncoder().fit(pd.DataFrame({"x": [1.0, 2.0, 4.0]}))
    with pytest.raises(ContractError, match="'x': 1 of 1 values are infinite"):
        encoder.transform(pd.DataFrame({"x": [-np.inf]}))


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(ContractError, match="0 rows"):
        CustomerEncoder().fit(pd.DataFrame({"x": []}))
    with pytest.raises(ContractError, match="no column is left"):
        CustomerEncoder().fit(pd.DataFrame({"x": [1, 1]}))
    with pytest.raises(ContractError, match="more than once"):
        CustomerEncoder().fit(pd.DataFrame([[1, 2]], columns=["x", "x"]))
    with pytest.raises(SettingsError, match="rare is 2"):
        CustomerEncoder(rare=2).fit(customers())
    with pytest.raises(NotFitted, match="call fit first"):
        CustomerEncoder().transform(customers())
    with pytest.raises(NotFitted, match="call fit first"):
        CustomerEncoder().get_feature_names_out()


def test_one_extreme_spender_does_not_leave_the_map():
    frame = pd.DataFrame({"trend_28d": np.r_[np.random.default_rng(0).normal(size=1000), 1e6]})
    assert np.abs(CustomerEncoder().fit_transform(frame)).max() <= 5


@parametrize_with_checks([CustomerEncoder(), CustomerEncoder(skew="quantile")])
@pytest.mark.filterwarnings("ignore")
def test_it_is_a_scikit_learn_transformer(estimator, check):
    check(estimator)


def test_refusals_are_errors_of_scikit_learn_as_well():
    with pytest.raises(NotFittedError):
        CustomerEncoder().transform(customers())
    with pytest.raises(ValueError, match="infinite"):
        CustomerEncoder().fit(pd.DataFrame({"x": [1.0, np.inf]}))


def test_its_output_can_be_a_frame():
    frame = CustomerEncoder().set_output(transform="pandas").fit_transform(customers())
    assert frame.columns[:2].tolist() == ["spend_365d", "spend_365d (missing)"]


def test_protected_columns_come_in_one_by_one_when_asked_for_by_name():
    frame = customers().assign(gender=["f", "m"] * 1000, birth_year=np.arange(2000) % 50 + 1950)
    assert set(CustomerEncoder(include=["birth_year"]).fit(frame).dropped_) == {"gender"}
    with pytest.raises(SettingsError, match="include names column 'mood'"):
        CustomerEncoder(include=["mood"]).fit(frame)


def test_a_text_column_that_turned_into_numbers_is_refused():
    encoder = CustomerEncoder().fit(pd.DataFrame({"tier": ["a", "b"] * 50}))
    with pytest.raises(ContractError, match="'tier' held texts at fit but holds number values now"):
        encoder.transform(pd.DataFrame({"tier": [1, 2]}))
    with pytest.raises(ContractError, match="'x' must hold numbers but has values such as 'high'"):
        CustomerEncoder().fit(pd.DataFrame({"x": [1, 2]})).transform(pd.DataFrame({"x": ["high"]}))


def test_a_single_category_is_dropped_with_the_reason():
    encoder = CustomerEncoder().fit(pd.DataFrame({"country": ["CN"] * 10, "x": np.arange(10)}))
    assert encoder.dropped_ == {"country": "constant: 'CN' in every row"}


def test_quantiles_straighten_what_logarithms_cannot():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"net_spend": -rng.lognormal(0, 1.5, 5000), "trend_28d": rng.normal(size=5000)})
    points = CustomerEncoder(skew="quantile").fit_transform(frame)
    assert abs(pd.Series(points[:, 0]).skew()) < 0.05
    assert_allclose(points.var(axis=0), 1, atol=0.01)
    # a symmetric column stays as it is
    assert_array_equal(points[:, 1], CustomerEncoder().fit_transform(frame)[:, 1])
    # order is kept
    assert (np.diff(points[np.argsort(frame.net_spend), 0]) >= 0).all()


def test_equal_values_get_the_middle_of_the_ranks_they_share():
    frame = pd.DataFrame({"buys": [0.0] * 60 + [1.0] * 20 + [5.0] * 19 + [400.0]})
    encoder = CustomerEncoder(skew="quantile").fit(frame)
    (plan,) = encoder.plans_
    # 60 of 100 lie at 0: their middle rank is .3, whose normal score is -.524
    assert_allclose(encoder.transform(frame)[0, 0] * plan.scale + plan.centre, -0.524, atol=0.02)


def test_a_stored_encoder_encodes_alike():
    frame = customers().assign(joined=pd.date_range("2025-01-01", periods=2000, freq="h"))
    for skew in ("log", "quantile"):
        encoder = CustomerEncoder(skew=skew, as_of=pd.Timestamp("2026-01-01")).fit(frame)
        again = read_encoder(json.loads(json.dumps(encoder.facts())))
        assert_array_equal(again.transform(frame), encoder.transform(frame))
        assert_array_equal(again.get_feature_names_out(), encoder.get_feature_names_out())
    with pytest.raises(ContractError, match="fit again"):
        read_encoder({"plans": [{"kind": "PicklePlan"}]})
    with pytest.raises(NotFitted, match="call fit first"):
        CustomerEncoder().facts()


def test_no_settings_other_than_the_known():
    with pytest.raises(SettingsError, match="skew is 'cube'; choose 'log' or 'quantile'"):
        CustomerEncoder(skew="cube").fit(customers())

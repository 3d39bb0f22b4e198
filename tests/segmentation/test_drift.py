"""The population stability index: exact by hand, quiet without change, loud with one."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

from scenefit.contracts.errors import ContractError
from segmentation.drift import ALARM, FALSE_ALARMS, SEGMENT_SIZES, WATCH, drift, psi


def customers(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "spend": rng.lognormal(5 + shift, 1, n),
            "visits": rng.poisson(2, n),
            "ticket": np.where(rng.random(n) < 0.3, np.nan, rng.gamma(2, 50, n)),
            "city": pd.Series(rng.choice(list("abcde"), n, p=[0.4, 0.3, 0.15, 0.1, 0.05]), dtype="string"),
            "owner": rng.random(n) < 0.3,
        }
    )


def test_the_index_by_hand():
    found = psi(np.array([200, 300, 500]), np.array([250, 250, 500]))
    assert_allclose(found.psi, -0.05 * np.log(0.2 / 0.25) + 0.05 * np.log(0.3 / 0.25))
    assert_allclose(found.chance, chi2.isf(FALSE_ALARMS, 2) * 2 / 1000)
    assert (found.bins, found.band) == (3, "stable")


def test_the_index_is_the_same_both_ways_and_0_without_change():
    before, after = np.array([100, 250, 650]), np.array([300, 200, 500])
    assert psi(before, after).psi == pytest.approx(psi(after, before).psi)
    assert psi(before, 2 * before).psi == 0


@pytest.mark.parametrize(("share", "band"), [(0.55, "stable"), (0.67, "watch"), (0.80, "alarm")])
def test_the_customary_bands(share, band):
    found = psi(np.array([5000, 5000]), np.array([10_000 * (1 - share), 10_000 * share]))
    assert found.band == band
    assert (found.psi >= WATCH) == (band != "stable")
    assert (found.psi >= ALARM) == (band == "alarm")


def test_a_large_index_of_few_customers_is_chance():
    found = psi(np.array([10, 12]), np.array([14, 8]))
    assert found.psi > WATCH
    assert found.psi < found.chance
    assert found.band == "stable"


def test_thin_bins_are_joined_to_a_neighbour():
    found = psi(np.array([100, 1, 100]), np.array([100, 0, 100]))
    assert found.bins == 2
    assert psi(np.array([3, 2]), np.array([1, 1])).bins == 1
    assert np.isnan(psi(np.array([3, 2]), np.array([1, 1])).psi)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "m"), [(200, 200), (1000, 300), (20_000, 5000)])
def test_without_change_fewer_than_one_in_twenty_exceeds_chance(n, m, seed):
    rng = np.random.default_rng(seed)
    alarms = [
        (found := psi(rng.multinomial(n, shares), rng.multinomial(m, shares))).psi > found.chance
        for shares in rng.dirichlet(np.full(10, 2.0), 400)
    ]
    assert np.mean(alarms) < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_a_table_without_change_seldom_holds_any_alarm(seed):
    rng = np.random.default_rng(seed)
    alarms = []
    for _ in range(20):
        before, after = (customers(1500, int(rng.integers(2**31))) for _ in range(2))
        groups = tuple(rng.choice(["t/1", "t/2", "t/3"], 1500, p=[0.6, 0.3, 0.1]) for _ in range(2))
        alarms.append((drift(before, after, groups).band != "stable").any())
    assert sum(alarms) <= 1


def test_a_change_is_found_where_it_happened():
    before, after = customers(4000, 1), customers(4000, 2)
    groups = np.random.default_rng(0).choice(["t/1", "t/2"], 4000)
    after.loc[groups == "t/2", "spend"] *= 4
    table = drift(before, after, (groups, groups)).set_index(["segment_id", "feature"])
    assert table.loc[("t/2", "spend"), "band"] == "alarm"
    assert table.loc[("t/1", "spend"), "band"] == "stable"
    assert table.loc[("", SEGMENT_SIZES), "psi"] == 0
    assert (table.drop(index=[("t/2", "spend"), ("", "spend")]).band == "stable").all()


def test_new_texts_and_new_gaps_are_a_change():
    before, after = customers(3000, 1), customers(3000, 2)
    after.loc[:1000, "city"] = "z"
    after["owner"] = after.owner.astype("boolean").where(after.index > 1000)
    table = drift(before, after).set_index("feature")
    assert table.loc["city", "band"] == table.loc["owner", "band"] == "alarm"
    assert table.loc["visits", "band"] == "stable"


def test_a_segment_that_is_new_has_nothing_to_be_compared_with():
    before, after = customers(500, 1), customers(500, 2)
    table = drift(before, after, (np.repeat("t/1", 500), np.repeat(["t/1", "t/2"], 250)))
    new = table[table.segment_id == "t/2"]
    assert new.psi.isna().all()
    assert (new.band == "stable").all()
    assert table.set_index("feature").loc[SEGMENT_SIZES, "band"] == "alarm"


def test_bad_input():
    with pytest.raises(ContractError, match="same bins"):
        psi(np.array([1, 2]), np.array([1, 2, 3]))
    with pytest.raises(ContractError, match="negative"):
        psi(np.array([1, -2]), np.array([1, 2]))
    with pytest.raises(ContractError, match=r"columns differ .*'owner'"):
        drift(customers(10, 1), customers(10, 1).drop(columns="owner"))
    with pytest.raises(ContractError, match="'visits' holds number values before and text after"):
        drift(customers(10, 1), customers(10, 1).astype({"visits": "string"}))
    with pytest.raises(ContractError, match="0 customers before"):
        drift(customers(0, 1), customers(10, 1))
    with pytest.raises(ContractError, match="one per customer"):
        drift(customers(10, 1), customers(10, 1), (np.repeat("a", 3), np.repeat("a", 10)))

"""A bank's panel: one row per month, customer and product; what is read is what is checked."""

import numpy as np
import pandas as pd
import pytest

from scenefit.contracts.errors import ContractError, StoreError
from scenefit.sources.santander import panel_of, read_santander_panel


def frame():
    """Two months, three customers, two products; the rows in no order."""
    rows = [
        ("2016-03-28", 7, "card", 0, 1), ("2016-03-28", 7, "fund", 1, 0),
        ("2016-01-28", 9, "fund", 0, 0), ("2016-01-28", 9, "card", 0, 1),
        ("2016-01-28", 4, "card", 1, 0), ("2016-01-28", 4, "fund", 0, 1),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["month", "ncodpers", "product", "held_prev", "acquired"])


def test_months_come_in_order_and_customers_by_number():
    panel = panel_of(frame())
    assert panel.products == ("card", "fund")
    assert [month.month for month in panel.months] == ["2016-01-28", "2016-03-28"]
    january = panel.months[0]
    assert january.customers.tolist() == [4, 9]
    assert january.held.tolist() == [[True, False], [False, False]]
    assert january.acquired.tolist() == [[False, True], [True, False]]


def test_the_score_of_others_is_never_read(tmp_path):
    path = tmp_path / "panel.parquet"
    frame().assign(peer_score=0.5).to_parquet(path)
    np.testing.assert_array_equal(read_santander_panel(path).months[0].held, panel_of(frame()).months[0].held)
    with pytest.raises(ContractError, match="peer_score"):
        panel_of(frame().assign(peer_score=0.5))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda f: f.drop(columns="acquired"), "column 'acquired' is missing"),
        (lambda f: pd.concat([f, f.head(1)]), "repeat a key"),
        (lambda f: f.assign(held_prev=2), "values above 1"),
        (lambda f: f.assign(held_prev=1, acquired=1), "only what was not held can be acquired"),
        (lambda f: f.iloc[1:], "customers of 2016-03-28, such as 7, do not have one row"),
    ],
)
def test_a_broken_panel_is_refused(broken, message):
    with pytest.raises(ContractError, match=message):
        panel_of(broken(frame()))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"nothing\.parquet cannot be read"):
        read_santander_panel(tmp_path / "nothing.parquet")


@pytest.mark.data
def test_the_real_panel_has_the_acquirers_that_it_states(datasets):
    panel = read_santander_panel(datasets / "santander_acquirers" / "panel_2016_01_03_04.parquet")
    assert len(panel.products) == 24
    assert [len(month.customers) for month in panel.months] == [26_268, 27_735, 26_736]
    assert all(month.acquired.any(axis=1).all() for month in panel.months)

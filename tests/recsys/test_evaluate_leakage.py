"""A feature that knows the future is refused, and named: by its stamp, by computing it again, by knowing too much."""

import numpy as np
import pandas as pd
import pytest

from recsys.interactions import Interactions, microseconds
from recsys.leakage import refuse_future
from scenefit.contracts.errors import ContractError

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2026-03-01", tz="UTC")
N = 3_000


def visits():
    """Visits over sixty days around the start of the outcome, and who took an offer in the thirty days from it."""
    rng = np.random.default_rng(0)
    who = rng.integers(0, N, 20 * N)
    at = START + pd.to_timedelta(rng.uniform(-30, 30, 20 * N), unit="D")
    events = pd.DataFrame({"who": who, "at": at, "amount": rng.exponential(50, 20 * N)})
    took = rng.random(N) < 0.1
    # a taker pays fees of the product afterwards: they are spending, but spending of the future
    fees = pd.DataFrame({"who": np.flatnonzero(took), "at": START + 5 * DAY, "amount": 10_000.0})
    return pd.concat([events, fees], ignore_index=True), took


def spending(events, until=None):
    """Two features; `until` cuts the events, as the feature must do itself."""
    kept = events if until is None else events[events["at"] < until]
    sums = kept.groupby("who")["amount"]
    return pd.DataFrame({
        "spent": sums.sum().reindex(range(N), fill_value=0.0), "largest": sums.max().reindex(range(N), fill_value=0.0),
    })  # fmt: skip


BEFORE = pd.Series([START] * N)


def test_features_of_the_past_pass():
    events, took = visits()
    past = spending(events, START)
    known_at = pd.DataFrame(dict.fromkeys(past.columns, BEFORE - DAY))
    refuse_future(past, BEFORE, known_at, rebuilt=spending(events, START), outcome=took)


def test_a_feature_that_looks_beyond_the_cut_changes_when_the_future_is_removed():
    events, _ = visits()
    planted = spending(events, START).assign(largest=spending(events)["largest"])
    with pytest.raises(ContractError, match=r"feature 'largest' changes in .* once events from the outcome's start"):
        refuse_future(planted, BEFORE, rebuilt=spending(events, START))


def test_a_feature_that_tells_the_outcome_is_refused_without_any_stamp():
    events, took = visits()
    planted = spending(events, START).assign(largest=spending(events)["largest"])
    with pytest.raises(ContractError, match=r"feature 'largest' alone tells the outcome \(AUC 1.000"):
        refuse_future(planted, BEFORE, outcome=took)


def test_a_value_that_only_takers_have_is_refused_too():
    _, took = visits()
    first_bill = pd.DataFrame({"first_bill": np.where(took, 5.0, np.nan)})
    with pytest.raises(ContractError, match="a gap in feature 'first_bill' alone tells the outcome"):
        refuse_future(first_bill, BEFORE, outcome=took)


def test_a_stamp_at_the_start_of_the_outcome_is_the_future():
    past = spending(visits()[0], START)
    known_at = pd.DataFrame({"spent": BEFORE - DAY, "largest": BEFORE - DAY})
    known_at.loc[7, "largest"] = START
    with pytest.raises(
        ContractError, match="feature 'largest' knows the future in 1 of 3,000 rows; row 7 became known"
    ):
        refuse_future(past, BEFORE, known_at)
    past.loc[7, "largest"] = np.nan
    refuse_future(past, BEFORE, known_at)


def test_behaviour_after_the_cut_cannot_be_learned_from():
    events, _ = visits()
    at = np.array([microseconds(moment) for moment in events["at"]])
    people, items = [f"c{i}" for i in range(N)], ["shop"]
    with pytest.raises(ContractError, match="the future must not be learned from"):
        Interactions(people, items, events["who"].to_numpy(), np.zeros(len(at), int), at, START)
    kept = at < microseconds(START)
    behaviour = Interactions(people, items, events["who"].to_numpy()[kept], np.zeros(kept.sum(), int), at[kept], START)
    assert behaviour.matrix(START).sum() == kept.sum()


def test_few_takers_are_no_evidence():
    took = np.zeros(N, bool)
    took[:5] = True
    refuse_future(pd.DataFrame({"row": -np.arange(N, dtype=float)}), BEFORE, outcome=took)


def test_words_and_gaps_are_compared_as_well():
    given = pd.DataFrame({"city": ["a", None, "c"]})
    before = BEFORE.iloc[:3]
    refuse_future(given, before, rebuilt=given.copy(), outcome=np.array([True, False, True]))
    with pytest.raises(ContractError, match="feature 'city' changes in 1 of 3 rows"):
        refuse_future(given, before, rebuilt=pd.DataFrame({"city": ["a", "b", "c"]}))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"known_at": pd.DataFrame({"other": BEFORE})}, "no moments for \\['spent', 'largest'\\]"),
        ({"rebuilt": pd.DataFrame({"spent": np.zeros(N)})}, "other rows or columns"),
        ({"outcome": np.ones(3)}, "3 outcomes for 3,000 rows"),
        ({"before": BEFORE.iloc[:2]}, "3,000 rows of features for 2 moments"),
    ],
)
def test_what_does_not_fit_is_refused(more, message):
    with pytest.raises(ContractError, match=message):
        refuse_future(**{"features": spending(visits()[0], START), "before": BEFORE, **more})

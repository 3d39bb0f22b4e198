"""Probability of default: promised shares come true, and reasons are the planted ones."""

import numpy as np
import pandas as pd
import pytest
from pandas import Timedelta, Timestamp
from threadpoolctl import threadpool_limits

from recsys.evaluate import probability_quality
from risk.default import DefaultModel, ever_late, matured
from scenefit.contracts.errors import ContractError, NotFitted

DAY = Timedelta(days=1)
NOW = Timestamp("2026-06-30", tz="UTC")


def borrowers(n, seed):
    """Debt and an earlier default raise the risk; the third number says nothing; income is not always known."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame({
        "debt": rng.lognormal(9, 1, n), "had_default": (rng.random(n) < 0.06).astype(float),
        "noise": rng.normal(size=n), "income": rng.lognormal(9, 0.5, n), "city": "x", "constant": 3.0,
    })  # fmt: skip
    unknown = rng.random(n) < 0.2
    features.loc[unknown, "income"] = np.nan
    logits = -2.6 + 0.7 * (np.log(features["debt"]) - 9) + 1.6 * features["had_default"] + 0.6 * unknown
    return features, rng.random(n) < 1 / (1 + np.exp(-logits))


@pytest.fixture(scope="module")
def model():
    return DefaultModel().fit(*borrowers(20_000, 0))


def test_what_is_promised_comes_true_on_new_accounts(model):
    features, defaulted = borrowers(20_000, 1)
    quality = probability_quality(model.predict_proba(features), defaulted)
    assert quality.ece < 0.01
    assert quality.auc > 0.7


def test_the_mean_promise_is_the_share_that_defaulted(model):
    """Re-weighted classes would promise about one half."""
    features, defaulted = borrowers(20_000, 0)
    assert model.predict_proba(features).mean() == pytest.approx(defaulted.mean(), rel=0.01)


def test_a_flag_that_few_have_counts_although_no_quantile_sees_it(model):
    features, _ = borrowers(2_000, 2)
    without, with_ = (model.predict_proba(features.assign(had_default=flag)).mean() for flag in (0.0, 1.0))
    assert with_ > 2 * without


def test_a_flag_that_few_lack_counts_as_well():
    rng = np.random.default_rng(0)
    flag = (rng.random(5_000) < 0.95).astype(float)
    model = DefaultModel().fit(pd.DataFrame({"flag": flag}), rng.random(5_000) < 0.5 - 0.4 * flag)
    low, high = model.predict_proba(pd.DataFrame({"flag": [1.0, 0.0]}))
    assert high > 2 * low


def test_not_knowing_is_a_bin_of_its_own(model):
    features, _ = borrowers(2_000, 2)
    known = features.assign(income=9_000.0)
    assert model.predict_proba(features.assign(income=np.nan)).mean() > 1.3 * model.predict_proba(known).mean()


def test_a_feature_that_is_constant_but_for_gaps_still_tells_who_has_none():
    rng = np.random.default_rng(0)
    gap = rng.random(4_000) < 0.3
    model = DefaultModel().fit(pd.DataFrame({"score": np.where(gap, np.nan, 1.0)}), rng.random(4_000) < 0.1 + 0.4 * gap)
    assert model.predict_proba(pd.DataFrame({"score": [1.0, np.nan]})) == pytest.approx([0.1, 0.5], abs=0.03)


def test_texts_and_constants_are_no_features(model):
    assert model.features_ == ["debt", "had_default", "noise", "income"]


def test_reasons_point_at_the_planted_causes(model):
    person = pd.DataFrame({"debt": [1e6, 10.0, 1e6], "had_default": [1.0, 0.0, 0.0], "noise": 0.0, "income": 9_000.0})
    reasons = model.reasons(person, most=2)
    assert set(reasons[0]) == {"had_default", "debt"}
    assert "debt" not in reasons[1]
    assert reasons[2][0] == "debt"


def test_one_person_alone_has_the_reasons_they_have_in_a_crowd(model):
    features, _ = borrowers(50, 3)
    assert [model.reasons(features.iloc[[i]])[0] for i in range(50)] == model.reasons(features)


def test_equal_bytes_on_any_number_of_threads_and_in_any_batch(model):
    features, _ = borrowers(5_000, 4)
    answers = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            answers.append(model.predict_proba(features).tobytes())
    assert answers[0] == answers[1]
    halves = np.concatenate([model.predict_proba(features[:1_234]), model.predict_proba(features[1_234:])])
    assert halves.tobytes() == answers[0]


def test_the_error_of_a_share_is_the_one_by_hand():
    """One flag, nothing shrunk: the variance of the log-odds of a share p of n is 1 / (n p (1 - p))."""
    rng = np.random.default_rng(0)
    flag = np.repeat([0.0, 1.0], 5_000)
    late = rng.random(10_000) < np.where(flag == 1, 0.3, 0.1)
    model = DefaultModel(c=1e6).fit(pd.DataFrame({"flag": flag}), late)
    people = pd.DataFrame({"flag": [0.0, 1.0]})
    p = np.array([late[flag == value].mean() for value in (0.0, 1.0)])
    assert model.predict_proba(people) == pytest.approx(p, rel=1e-3)
    assert model.logit_error(people) == pytest.approx(1 / np.sqrt(5_000 * p * (1 - p)), rel=0.01)


def test_who_is_like_few_others_is_known_less_well(model):
    features, _ = borrowers(5_000, 4)
    rare = features["had_default"] == 1
    errors = model.logit_error(features)
    assert errors[rare].mean() > 1.1 * errors[~rare].mean()
    assert (errors > 0).all()


def test_errors_are_equal_bytes_on_any_number_of_threads_and_in_any_batch():
    features, defaulted = borrowers(20_000, 4)
    answers = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            answers.append(DefaultModel().fit(features, defaulted).logit_error(features[:5_000]))
    assert answers[0].tobytes() == answers[1].tobytes()
    model = DefaultModel().fit(features, defaulted)
    halves = np.concatenate([model.logit_error(features[:1_234]), model.logit_error(features[1_234:5_000])])
    assert halves.tobytes() == answers[0].tobytes()


def test_a_model_kept_without_its_covariance_says_so(model):
    features, _ = borrowers(40, 0)
    bare = DefaultModel()
    with pytest.raises(NotFitted, match="not fitted; call fit first"):
        bare.logit_error(features)
    bare.features_, bare.edges_ = model.features_, model.edges_
    bare.coef_, bare.intercept_ = model.coef_, model.intercept_
    with pytest.raises(NotFitted, match="kept without the covariance of its coefficients; fit it again"):
        bare.logit_error(features)


@pytest.mark.parametrize(("defaulted", "said"), [(np.zeros(40, bool), "0 of 40"), (np.ones(40, bool), "40 of 40")])
def test_both_outcomes_are_needed(defaulted, said):
    features, _ = borrowers(40, 0)
    with pytest.raises(NotFitted, match=f"{said} accounts defaulted; both outcomes are needed"):
        DefaultModel().fit(features, defaulted)


def test_it_says_what_is_missing(model):
    features, defaulted = borrowers(40, 0)
    with pytest.raises(NotFitted, match="not fitted; call fit first"):
        DefaultModel().predict_proba(features)
    with pytest.raises(ContractError, match="column 'debt' is missing; it was fitted on"):
        model.predict_proba(features.drop(columns="debt"))
    with pytest.raises(NotFitted, match="no feature varies"):
        DefaultModel().fit(features[["constant", "city"]], defaulted)
    with pytest.raises(ContractError, match="40 accounts with 39 outcomes"):
        DefaultModel().fit(features, defaulted[:39])


def dues(*rows):
    frame = pd.DataFrame(rows, columns=["account_id", "due_at", "paid_at"])
    return frame.assign(paid_at=pd.to_datetime(frame["paid_at"], utc=True))


def test_late_is_more_than_thirty_days_after_the_due_date():
    found = ever_late(
        dues(
            ("on the day", NOW - 90 * DAY, NOW - 90 * DAY),
            ("within grace", NOW - 90 * DAY, NOW - 60 * DAY),
            ("past grace", NOW - 90 * DAY, NOW - 60 * DAY + Timedelta(microseconds=1)),
            ("never", NOW - 90 * DAY, None),
            ("once is enough", NOW - 120 * DAY, None),
            ("once is enough", NOW - 90 * DAY, NOW - 90 * DAY),
        ),
        NOW,
    )
    late = {"never": True, "on the day": False, "once is enough": True, "past grace": True, "within grace": False}
    assert found.to_dict() == late


def test_only_what_was_known_by_then_counts():
    rows = dues(
        ("grace not over", NOW - 30 * DAY, None),
        ("paid later", NOW - 40 * DAY, NOW + DAY),
        ("grace over", NOW - 31 * DAY, None),
    )
    assert ever_late(rows, NOW).to_dict() == {"grace over": True, "paid later": True}
    assert ever_late(rows, NOW - 20 * DAY).empty


def test_an_account_matures_after_so_many_days():
    accounts = pd.DataFrame(
        {"account_id": ["old", "just", "young"], "opened_at": [NOW - d * DAY for d in (91, 90, 89)]}
    )
    assert matured(accounts, NOW, 90)["account_id"].tolist() == ["old", "just"]


@pytest.mark.data
def test_card_holders_of_taiwan(datasets):
    """UCI default of credit card clients, 30 % held out, protected columns left out."""
    cards = pd.read_parquet(datasets / "uci_credit_card_default_tw" / "uci_credit_card.parquet")
    features = cards.drop(columns=["ID", "class", "SEX", "EDUCATION", "MARRIAGE", "AGE"]).astype(float)
    defaulted = cards["class"].astype(int).to_numpy() == 1
    held_out = np.random.default_rng(0).random(len(cards)) < 0.3
    model = DefaultModel().fit(features[~held_out], defaulted[~held_out])
    quality = probability_quality(model.predict_proba(features[held_out]), defaulted[held_out])
    assert quality.auc >= 0.75
    assert quality.ece <= 0.02
    assert model.predict_proba(features[~held_out]).mean() == pytest.approx(defaulted[~held_out].mean(), rel=0.01)

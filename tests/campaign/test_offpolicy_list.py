"""What our list would really have brought: told from a randomised past, refused from any other."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from campaign.offpolicy_list import _profit, bad_rate_of, realised, wilson
from recsys.backtest import restricted
from recsys.backtest_list import past_list
from tests.recsys.made_case import made_case

UNTIL = pd.Timestamp("2026-07-01", tz="UTC")
PEOPLE = 6_000


@pytest.fixture(scope="module")
def case():
    """People of whom the rules forbid none; takers in the thousands."""
    free = made_case(PEOPLE)
    return made_case(PEOPLE, reason=np.zeros_like(free.reason), p_take=np.minimum(3 * free.p_take, 1), limits=())


def past_of(case, seed=0, **columns):
    """Half of all people drawn and texted product p2, half held out; takes follow the chances of the case."""
    rng = np.random.default_rng(seed)
    contacted = rng.random(PEOPLE) < 0.5
    took = rng.random(PEOPLE) < np.where(contacted, case.p_take[:, 2], 0.0)
    bad = rng.random(PEOPLE) < case.pd_given_take
    frame = pd.DataFrame(
        {
            "customer_id": case.customers,
            "contacted_at": "2026-05-01T00:00:00Z",
            "arm": np.where(contacted, "contacted", "control"),
            "product_id": np.where(contacted, "p2", ""),
            "channel": np.where(contacted, "sms", ""),
            "took": took.astype(int),
            "went_bad": np.where(took, bad.astype(float), np.nan),
            "propensity": 0.5,
        }
    )
    frame = frame.assign(**columns)
    return past_list(frame, case.customers, UNTIL)


def test_a_list_by_value_beats_a_random_one_and_the_truth_is_covered(case):
    found = realised(case, past_of(case), np.random.default_rng(1))
    assert found.refused == ()
    takers, performing, profit = found.readings
    assert [one.name for one in found.readings] == ["takers", "performing", "profit"]
    assert found.contacts_ours <= found.contacts_theirs
    assert takers.gain.low > 0
    assert performing.ours.value <= takers.ours.value
    assert profit.gain.low > 0
    assert takers.past == pytest.approx(case.p_take[:, 2].mean() / 2, rel=0.15)
    assert 0 < found.bad_rate.low < found.bad_rate.share < found.bad_rate.high < 0.3


@pytest.mark.slow
def test_the_reading_covers_what_the_list_truly_brings(case):
    """Among people texted p2, ours are those of most value: their true mean chance is known."""
    from recsys.backtest import listed, same_size, their_offers
    from recsys.case import case_value

    covered = 0
    for seed in range(8):
        past = past_of(case, seed)
        value = case_value(case)
        fewer = restricted(case, np.ones(PEOPLE, bool), {("p2", "sms")})
        ours = listed(same_size(fewer, value, their_offers(case, past, value), past, ()).assignment)
        truth = case.p_take[ours.who, ours.offer].sum() / PEOPLE
        takers = realised(case, past, np.random.default_rng(seed)).readings[0].ours
        covered += takers.low <= truth <= takers.high
    assert covered >= 6


def test_without_propensities_nothing_realised_is_claimed(case):
    found = realised(case, past_of(case, propensity=np.nan), np.random.default_rng(0))
    assert found.readings == ()
    assert found.refused[0].code == "no propensity"


def test_without_a_control_or_another_product_nothing_is_claimed(case):
    found = realised(case, past_of(case, arm="contacted", product_id="p2"), np.random.default_rng(0))
    assert found.refused[0].code == "no control"


def test_propensities_that_do_not_fit_are_refused(case):
    found = realised(case, past_of(case, propensity=0.2), np.random.default_rng(0))
    assert found.readings == ()
    assert found.refused[0].code == "thin or unfitting"
    assert "and not 1" in found.refused[0].said


def test_too_few_takers_are_refused(case):
    past = past_of(case, took=0, went_bad=np.nan)
    found = realised(case, past, np.random.default_rng(0))
    assert "0 takers were treated as our list would have, 20 are needed" in found.refused[0].said


def test_loans_that_nobody_judged_give_takers_alone(case):
    found = realised(case, past_of(case, went_bad=np.nan), np.random.default_rng(0))
    assert [one.name for one in found.readings] == ["takers"]
    assert found.bad_rate is None
    assert found.refused[0].code == "no bad rate"


def test_a_share_of_takers_with_its_interval():
    found, known = wilson(0.8, 70.0), binomtest(56, 70).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_fewer_than_twenty_takers_have_no_bad_rate():
    took = np.ones(19, bool)
    assert bad_rate_of(took, np.zeros(19), np.ones(19)) is None
    assert bad_rate_of(np.ones(20, bool), np.r_[np.ones(5), np.zeros(15)], np.ones(20)).share == 0.25


@pytest.fixture(scope="module")
def two_channels():
    """Everybody takes with 2 % by text message and 10 % by call."""
    chances = np.tile(np.array([0.02, 0.1] * 3, np.float32), (PEOPLE, 1))
    return made_case(
        PEOPLE, p_take=chances, reason=np.zeros((PEOPLE, 6), np.uint8), limits=(), pd_given_take=np.full(PEOPLE, 0.02)
    )


def called_or_texted(case, propensity, seed=1, **columns):
    """Half held out; of the others half called, half texted, all with p1."""
    rng = np.random.default_rng(seed)
    contacted, called = rng.random(PEOPLE) < 0.5, rng.random(PEOPLE) < 0.5
    took = contacted & (rng.random(PEOPLE) < np.where(called, 0.1, 0.02))
    channel = np.where(contacted, np.where(called, "call", "sms"), "")
    told = {
        "arm": np.where(contacted, "contacted", "control"), "product_id": np.where(contacted, "p1", ""),
        "channel": channel, "took": took.astype(int), "went_bad": np.where(took, 0.0, np.nan),
        "propensity": np.where(contacted, propensity, 0.5),
    }  # fmt: skip
    return past_of(case, **(told | columns))


def test_a_call_is_not_judged_by_what_text_messages_brought(two_channels):
    found = realised(two_channels, called_or_texted(two_channels, 0.25), np.random.default_rng(1))
    truth = 0.1 * found.contacts_ours / PEOPLE
    takers = found.readings[0].ours
    assert takers.low <= truth <= takers.high
    assert takers.value == pytest.approx(truth, rel=0.15)


def test_a_propensity_that_leaves_out_the_draw_of_the_channel_is_refused(two_channels):
    found = realised(two_channels, called_or_texted(two_channels, 0.5), np.random.default_rng(1))
    assert found.readings == ()
    assert "and not 1" in found.refused[0].said


def test_channels_stated_of_some_contacts_only_are_refused(two_channels):
    past = called_or_texted(two_channels, 0.25)
    past.channel[np.flatnonzero(past.contacted)[:3]] = ""
    found = realised(two_channels, past, np.random.default_rng(1))
    assert "3 contacts state no channel, others were made with call, sms" in found.refused[0].said


def test_without_a_control_two_channels_are_a_choice_too(two_channels):
    called = np.random.default_rng(5).random(PEOPLE) < 0.5
    past = past_of(
        two_channels, arm="contacted", product_id="p1", channel=np.where(called, "call", "sms"),
        took=(np.random.default_rng(6).random(PEOPLE) < np.where(called, 0.1, 0.02)).astype(int), went_bad=np.nan,
    )  # fmt: skip
    takers = realised(two_channels, past, np.random.default_rng(1)).readings[0]
    assert takers.ours.value == pytest.approx(0.1, abs=0.02)
    assert takers.past == pytest.approx(0.06, abs=0.01)


def test_only_pairs_that_the_past_tried_are_open_to_our_list(two_channels):
    tried = {("p1", "sms"), ("p2", "call")}
    fewer = restricted(two_channels, np.ones(PEOPLE, bool), tried)
    assert fewer.allowed[0].tolist() == [True, False, False, True, False, False]
    anything_of_p3 = restricted(two_channels, np.ones(PEOPLE, bool), {("p3", "")})
    assert anything_of_p3.allowed[0].tolist() == [False, False, False, False, True, True]


def test_a_control_took_what_the_campaign_offered_most(two_channels):
    past = called_or_texted(two_channels, 0.25, product_id="p3")
    contacted, control = np.flatnonzero(past.contacted), np.flatnonzero(~past.contacted)
    past.product[contacted[0]] = "p1"
    past.product[control] = ""
    past.product[control[1]] = "p2"
    past.took[control[:2]] = True
    # margins of p3 and p2: nothing was paid for contact or incentive
    assert _profit(two_channels, past, control[:2], np.zeros(2)).tolist() == [260.0, 500.0]

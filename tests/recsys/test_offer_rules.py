"""Whom each standing rule forbids what, by hand."""

from datetime import time

import numpy as np
import pandas as pd
import pytest

from recsys import offer_rules as rules
from scenefit.contracts.errors import ContractError
from scenefit.contracts.quiet import QuietHours

NOW = pd.Timestamp("2026-06-30T14:00", tz="UTC")
DAY = pd.Timedelta(days=1)


def test_drafts_and_retired_products_reach_nobody():
    state = np.array(["draft", "live", "retired", "live", "live"], object)
    start = [NOW - DAY, NOW, NOW - DAY, NOW + DAY, None]
    end = [None, None, None, None, NOW]
    assert rules.not_live(state, start, end, NOW).tolist() == [[True, False, True, True, True]]
    with pytest.raises(ContractError, match="has the state 'secret'; it is draft, live or retired"):
        rules.not_live(np.array(["secret"]), [None], [None], NOW)


def test_half_the_income_may_go_into_instalments():
    # 10,000 a month: 5,000 at most, 4,000 of them due already
    found = rules.overburdened(
        np.array([4_000.0, 4_000.0]), np.array([1_000.0, 1_001.0]), np.array([1e4, np.nan]), most=0.5
    )
    assert found.tolist() == [[False, True], [False, False]]
    with pytest.raises(ContractError, match="debt burden: instalments of the offers hold nan at place 1"):
        rules.overburdened(np.zeros(1), np.array([1.0, np.nan]), np.ones(1), 0.5)
    with pytest.raises(ContractError, match="debt burden: the share of the income is nan"):
        rules.overburdened(np.zeros(1), np.ones(1), np.ones(1), float("nan"))


def test_lenders_and_risk():
    assert rules.several_lenders(np.array([3.0, 4.0, np.nan]), 3).tolist() == [[False], [True], [False]]
    found = rules.likely_default(np.array([0.05, 0.2, np.nan]), np.array([0.1, 0.3]))
    assert found.tolist() == [[False, False], [True, False], [False, False]]
    with pytest.raises(ContractError, match="likely default: the highest accepted probabilities of default hold nan"):
        rules.likely_default(np.array([0.1]), np.array([np.nan]))


def test_a_channel_is_closed_for_the_offers_on_it():
    is_open = np.array([[True, False], [False, True]])
    found = rules.channel_closed(is_open, ["sms", "call"], ["call", "sms", "call"])
    assert found.tolist() == [[True, False, True], [False, True, False]]
    with pytest.raises(ContractError, match="nothing is known of channel 'fax'; known are sms, call"):
        rules.channel_closed(is_open, ["sms", "call"], ["fax"])


def test_channels_that_ring_rest_in_quiet_hours():
    # 14:00 UTC is 22:00 in Shanghai
    hours = QuietHours(time(21), time(8))
    assert rules.in_quiet_hours(["call", "email"], NOW, hours).tolist() == [[True, False]]
    assert not rules.in_quiet_hours(["call"], NOW - DAY / 2, hours).any()

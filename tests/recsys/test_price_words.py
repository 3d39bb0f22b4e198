"""Shadow prices in words, known answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.case import LimitSpec
from recsys.price_words import money, price_words, sentence
from scenefit.contracts.errors import ContractError

BUDGET = LimitSpec("budget", "<=", 500_000.0, "cost")
PLACES = LimitSpec("capacity p1", "<=", 100, "offers", None, {"product_id": ["p1"]})
FLOOR = LimitSpec("reach s", ">=", 50, "offers", {"segment_id": ["travel/1"]})


def test_limits_that_bind_say_what_more_is_worth():
    assert sentence(BUDGET, 3.2, 5e5, "en") == "¥10k more budget earns ¥32k."
    assert sentence(PLACES, 12.5, 100, "en", {"p1": "Travel"}) == "One more place in product Travel is worth ¥12.5."
    assert sentence(PLACES, 12.5, 100, "zh", {"p1": "旅行"}) == "产品“旅行”的名额每增加 1 个，价值增加 ¥12.5。"
    assert sentence(FLOOR, -4.0, 50, "en") == "The floor in segment travel/1 costs ¥4 per person."
    assert sentence(FLOOR, -4.0, 50, "zh") == "客群“travel/1”的触达下限每人减少价值 ¥4。"


def test_a_slack_limit_is_said_to_be_slack():
    assert "not used up: ¥1k of ¥500k" in sentence(BUDGET, 0.0, 1_000.0, "en")
    assert "未用满" in sentence(BUDGET, 0.0, 1_000.0, "zh")
    assert "met with room: 70, at least 50" in sentence(FLOOR, 0.0, 70, "en")
    assert sentence(FLOOR, 0.0, 50, "en") == "'reach s' is met exactly at 50; less of it earns nothing."
    assert sentence(FLOOR, 0.0, 50, "zh") == "“reach s”恰好用到 50，再降低也不提升价值。"


def test_a_full_limit_without_a_price_says_only_what_more_would_do():
    # less of it may well cost: the price of the other side is not known
    assert sentence(PLACES, 0.0, 100, "en") == "'capacity p1' is met exactly at 100; more of it earns nothing."
    assert sentence(PLACES, 0.0, 100, "zh") == "“capacity p1”恰好用到 100，再增加也不提升价值。"


def test_the_most_telling_limit_comes_first():
    prices = {"budget": 0.0, "capacity p1": 2.0, "reach s": -5.0}
    usage = {"budget": 1.0, "capacity p1": 100.0, "reach s": 50.0}
    words = price_words([BUDGET, PLACES, FLOOR], prices, usage)
    assert [word.name for word in words] == ["reach s", "capacity p1", "budget"]
    assert [word.slack for word in words] == [False, False, True]


@given(st.floats(0.01, 1e12))
def test_money_keeps_three_digits(amount):
    sizes = {"k": 1e3, "m": 1e6, "bn": 1e9, "": 1.0}
    text = money(amount, "en")[1:].replace(",", "")
    word = text.lstrip("0123456789.")
    assert float(text.removesuffix(word)) * sizes[word] == pytest.approx(amount, rel=0.006, abs=1e-4)


def test_bad_prices_and_languages_are_refused():
    with pytest.raises(ContractError, match="not negative for a ceiling"):
        sentence(BUDGET, -1.0, 0.0, "en")
    with pytest.raises(ContractError, match="no language 'fr'"):
        sentence(BUDGET, 1.0, 0.0, "fr")
    with pytest.raises(ContractError, match="'budget' has the price nan"):
        price_words([BUDGET], {"budget": float("nan")}, {"budget": 1.0})
    with pytest.raises(ContractError, match="'budget' has the usage None"):
        price_words([BUDGET], {"budget": 1.0}, {})

"""The rules most offers fall under, as data, and whom each one forbids what: plain masks over (customers, offers).

Sentences are what a customer may be told. Law-shaped numbers are arguments, dated by the rule and to be confirmed with
counsel, never constants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from recsys.eligible import Message, OfferRule
from scenefit.contracts.errors import ContractError
from scenefit.contracts.quiet import QuietHours, quiet

COUNSEL = "confirm with your counsel"
CAPS_PASS: tuple[Message, ...] = ("service", "mandatory")
_ALL = (
    OfferRule("product not live", "eligibility", "the product is not offered at this time", "该产品当前不可推荐",
              "product version: state and dates", hard_stop=True),
    OfferRule("hard stop", "eligibility", "stands on a block list", "在黑名单中",
              f"block lists, dated and sourced; {COUNSEL}", hard_stop=True),
    OfferRule("age limits", "eligibility", "outside the product's age limits, or the age is not known",
              "不在产品年龄范围内，或年龄未知", f"product terms; {COUNSEL}"),
    OfferRule("already has it", "applicability", "holds the product already", "已持有该产品", "open accounts"),
    OfferRule("cooling-off", "applicability", "was sent or declined this product lately", "近期已推送或被拒该产品",
              "setting limits.cooling_off_days"),
    OfferRule("not active in its scenes", "applicability", "not active in any scene of the product",
              "在该产品的场景中不活跃", "scenes of the product"),
    OfferRule("debt burden", "suitability", "instalments would take too much of the income", "月供占收入比例过高",
              f"setting limits.debt_burden_max; {COUNSEL}"),
    OfferRule("several lenders", "suitability", "asked several lenders lately", "近期多头借贷申请",
              f"setting limits.inquiries_max; {COUNSEL}"),
    # how likely one person is to default stays with risk
    OfferRule("likely default", "suitability", "kept from it by the risk rules", "未通过风控规则",
              "risk appetite of policy and product"),
    # consents are read for the purpose of the message: nothing is left for a bypass to do
    OfferRule("no consent", "contact", "gave no consent on any channel", "未授权任何渠道",
              f"consents to the purpose of the message; {COUNSEL}"),
    OfferRule("channel closed", "contact", "may not be contacted on this channel", "该渠道不可触达",
              f"consents to the channel; {COUNSEL}"),
    OfferRule("objected", "contact", "opted out or complained", "已退订或投诉",
              f"opt-outs and complaints; {COUNSEL}", hard_stop=True),
    OfferRule("on a list", "contact", "stands on a list of people not to contact", "在免打扰名单中",
              "suppression lists", hard_stop=True),
    OfferRule("contact cap reached", "contact", "was contacted often enough lately", "近期触达已达上限",
              "setting limits.contacts", bypass=CAPS_PASS),
    OfferRule("channel cap reached", "contact", "every open channel has reached its cap", "可用渠道均已达触达上限",
              "setting limits.channel_caps", bypass=CAPS_PASS),
    OfferRule("quiet hours", "contact", "people are left in peace at this hour", "当前为免打扰时段",
              f"setting quiet hours; {COUNSEL}", bypass=("mandatory",)),
    OfferRule("hold-out", "contact", "held out, so that effects stay measurable", "属于全局留出组",
              "setting limits.hold_out", bypass=CAPS_PASS),
)  # fmt: skip
RULES: Mapping[str, OfferRule] = MappingProxyType({rule.code: rule for rule in _ALL})


def not_live(state: np.ndarray, valid_from: Sequence, valid_to: Sequence, at: pd.Timestamp) -> np.ndarray:
    """Offers of products that are a draft, retired or not sold at a moment; (1, m) bool.

    `state` (m,) of "draft", "live", "retired"; `valid_from` included, `valid_to` not, NaT for no bound.

    Raises
    ------
    ContractError : a state that no product can have.
    """
    state = np.asarray(state, object)
    odd = [one for one in state if one not in ("draft", "live", "retired")]
    if odd:
        raise ContractError(f"product not live: a product has the state {odd[0]!r}; it is draft, live or retired")
    start, end = (pd.to_datetime(pd.Series(list(dates), dtype=object), utc=True) for dates in (valid_from, valid_to))
    sold = (state == "live") & ~(start > at).to_numpy(bool) & ~(end <= at).to_numpy(bool)
    return ~sold[None, :]


def overburdened(monthly_due: np.ndarray, instalment: np.ndarray, income: np.ndarray, most: float) -> np.ndarray:
    """Pairs with which instalments would exceed a share of the income; (n, m) bool, unknown incomes pass.

    Parameters
    ----------
    monthly_due : (n,) instalments of a month already due; `instalment` (m,) that a taker adds; currency units
    income : (n,) of a month, NaN for unknown
    most : share of the income

    Raises
    ------
    ContractError : an amount is NaN or negative.
    """
    _number("debt burden", "the share of the income", most)
    _numbers("debt burden", "instalments already due", monthly_due)
    _numbers("debt burden", "instalments of the offers", instalment)
    room = most * np.asarray(income, float) - monthly_due
    too_much: np.ndarray = instalment[None, :] > room[:, None]
    return too_much


def several_lenders(lenders: np.ndarray, most: float) -> np.ndarray:
    """Who asked more than `most` lenders lately; (n, 1) bool, NaN for unknown passes."""
    _number("several lenders", "the number of lenders", most)
    many: np.ndarray = np.asarray(lenders, float)[:, None] > most
    return many


def likely_default(pd_now: np.ndarray, pd_max: np.ndarray) -> np.ndarray:
    """Pairs whose probability of default lies above what the product accepts; (n, m) bool.

    `pd_now` (n,), NaN where none was learned, which passes; `pd_max` (m,), a number for every offer.
    """
    _numbers("likely default", "the highest accepted probabilities of default", pd_max)
    risky: np.ndarray = np.asarray(pd_now, float)[:, None] > np.asarray(pd_max, float)[None, :]
    return risky


def channel_closed(is_open: np.ndarray, channels: Sequence[str], offered_on: Sequence[str]) -> np.ndarray:
    """Pairs whose channel is closed to the person; (n, m) bool.

    `is_open` (n, channels) as `contracts.reach` gives it, `offered_on` (m,) channel of each offer.
    """
    place = pd.Index(list(channels)).get_indexer(pd.Index(list(offered_on)))
    if (place < 0).any():
        unknown = list(offered_on)[int(np.flatnonzero(place < 0)[0])]
        raise ContractError(f"channel closed: nothing is known of channel {unknown!r}; known are {', '.join(channels)}")
    closed: np.ndarray = ~np.asarray(is_open, bool)[:, place]
    return closed


def in_quiet_hours(offered_on: Sequence[str], at: pd.Timestamp, hours: QuietHours) -> np.ndarray:
    """Offers on channels that ring while people are left in peace; (1, m) bool. Binds the moment of sending."""
    closed = quiet(at, hours.zone, (hours.start, hours.end), hours.holidays)
    rings: np.ndarray = np.isin(np.asarray(list(offered_on), object), list(hours.channels))[None, :] & closed
    return rings


def _number(rule: str, what: str, value: float) -> None:
    if not np.isfinite(value) or value < 0:
        raise ContractError(f"{rule}: {what} is {value}; give a number from 0, or leave the rule out")


def _numbers(rule: str, what: str, values: np.ndarray) -> None:
    numbers = np.asarray(values, float)
    odd = np.flatnonzero(np.isnan(numbers) | (numbers < 0))
    if len(odd):
        raise ContractError(f"{rule}: {what} hold {numbers[odd[0]]} at place {odd[0]}; give a number from 0 everywhere")

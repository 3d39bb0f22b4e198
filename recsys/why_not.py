"""Why an offer is not made to a customer: the first stage that removed it, in words."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from recsys.offer_rules import RULES
from risk.policy import Decision
from scenefit.contracts.errors import ContractError

Stage = Literal["offered", "eligibility", "value", "rank", "choice", "limits"]

STAGES: dict[Stage, tuple[str, str]] = {
    "offered": ("is offered", "已推荐"),
    "eligibility": ("not eligible", "不符合条件"),
    "value": ("expected to cost more than it brings", "预期成本高于收益"),
    "rank": ("worth less than the ranked offers", "价值低于已入榜的产品"),
    "choice": ("another offer is worth more", "另一产品价值更高"),
    "limits": ("kept back by the limits of the plan: budget, capacity, expected loss or reach",
               "受方案限额约束：预算、额度、预期损失或触达下限"),
}  # fmt: skip


class WhyNot(NamedTuple):
    """One offer of one customer: the stage that removed it (or that it is offered), the rule's code, two sentences."""

    offer: int
    stage: Stage
    rule: str
    en: str
    zh: str


def why_not(decision: Decision, value: np.ndarray, assignment: np.ndarray, customer: int) -> list[WhyNot]:
    """For every offer of a customer, in order, the first stage that said no.

    Stages, in order: a rule of the policy forbids it (the first one speaks), it is expected to lose, it is worth less
    than those that were ranked, the plan gives the customer an offer worth at least as much, or the limits of the
    plan do not reach this far.

    Parameters
    ----------
    value : (n, m) expected value in currency units, NaN for eligible offers that were not ranked
    assignment : (n,) offer of the plan, −1 for none

    Raises
    ------
    ContractError : shapes differ, or there is no such customer.
    """
    if value.shape != decision.reason.shape or len(assignment) != len(value):
        raise ContractError(
            f"why not: decision {decision.reason.shape}, value {value.shape}, plan {assignment.shape}; they must be of "
            "the same customers and offers"
        )
    if not 0 <= customer < len(value):
        raise ContractError(f"why not: customer {customer} of {len(value):,}; count from 0")
    given = int(assignment[customer])
    worth = float(value[customer, given]) if given >= 0 else float("nan")
    return [
        _judged(offer, decision.reasons[int(rule)] if rule else "", float(earns), given, worth)
        for offer, (rule, earns) in enumerate(zip(decision.reason[customer], value[customer], strict=True))
    ]


def _judged(offer: int, rule: str, earns: float, given: int, worth: float) -> WhyNot:
    if rule:
        # a rule that nobody wrote a sentence for speaks by its own name
        known = RULES.get(rule)
        return WhyNot(offer, "eligibility", rule, *((known.en, known.zh) if known else (rule, rule)))
    if offer == given:
        return WhyNot(offer, "offered", "", *STAGES["offered"])
    stage: Stage = "limits"
    if np.isnan(earns):
        stage = "rank"
    elif earns <= 0:
        stage = "value"
    elif given >= 0 and earns <= worth:
        stage = "choice"
    return WhyNot(offer, stage, "", *STAGES[stage])

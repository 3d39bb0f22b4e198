"""Features computed when they are asked for, from stored features and what the caller brings along.

Each function takes whole columns and gives whole columns, by name; an empty input gives an empty output. It uses
builtins alone: Feast keeps its text in the registry and runs it where this package need not be.
"""

from __future__ import annotations

from feature_repo.definition import Feature, OnDemand, Request
from feature_repo.views_customer import CUSTOMER_SERVING
from feature_repo.views_risk import CUSTOMER_CREDIT


def loan_burden(given: dict[str, list[float | None]]) -> dict[str, list[float | None]]:
    """Monthly instalment of a loan, beside what the person spends and owes."""
    columns = ("loan_amount", "loan_apr", "loan_months", "spend_90d", "bureau_debt")
    found: dict[str, list[float | None]] = {
        name: [] for name in ("loan_instalment", "instalment_to_spend", "debt_after_to_spend")
    }
    for amount, apr, months, spend, debt in zip(*(given[name] for name in columns), strict=True):
        instalment = None
        if amount is not None and apr is not None and apr >= 0 and months is not None and months >= 1:
            rate = apr / 12
            # an annuity; without interest, or with so little that 1 + rate cannot hold it, the amount in equal parts
            discount = 1 - (1 + rate) ** -months
            instalment = amount * rate / discount if discount > 0 else amount / months
        monthly = spend / 3 if spend else None
        after = None if amount is None or debt is None else debt + amount
        found["loan_instalment"].append(instalment)
        found["instalment_to_spend"].append(None if instalment is None or monthly is None else instalment / monthly)
        found["debt_after_to_spend"].append(None if after is None or monthly is None else after / monthly)
    return found


def price_fit(given: dict[str, list[float | None]]) -> dict[str, list[float | None]]:
    """A price against what the person usually pays."""
    ratios: list[float | None] = []
    for price, spend, purchases in zip(given["price"], given["spend_90d"], given["purchases_90d"], strict=True):
        ratios.append(price * purchases / spend if price is not None and spend and purchases else None)
    return {"price_to_ticket": ratios}


LOAN_BURDEN = OnDemand(
    name="loan_burden",
    sources=(CUSTOMER_SERVING.only("spend_90d"), CUSTOMER_CREDIT.only("bureau_debt")),
    request=(
        Request("loan_amount", "float", "currency", "Amount asked for", "申请金额"),
        Request("loan_apr", "float", "1/year", "Yearly rate of the offer", "年利率"),
        Request("loan_months", "int", "month", "Number of monthly instalments", "分期月数"),
    ),
    outputs=(
        Feature("loan_instalment", "float", "currency/month", "Monthly instalment (annuity)", "月供（等额本息）", ()),
        Feature("instalment_to_spend", "float", "1",
                "Instalment over monthly spend of the last 90 days; empty: no spend",
                "月供与近 90 天月均消费之比；空：无消费", ()),
        Feature("debt_after_to_spend", "float", "month",
                "Debt by the newest bureau record and this loan, in months of the spend of the last 90 days",
                "征信总负债加本笔借款，相当于近 90 天月均消费的月数", ()),
    ),
    compute=loan_burden,
    en="What a loan would weigh on a person who asks for it",
    zh="申请人承担该笔借款的压力",
)  # fmt: skip

PRICE_FIT = OnDemand(
    name="price_fit",
    sources=(CUSTOMER_SERVING.only("purchases_90d", "spend_90d"),),
    request=(Request("price", "float", "currency", "Price shown", "展示价格"),),
    outputs=(
        Feature("price_to_ticket", "float", "1",
                "Price over the mean amount of a purchase of the last 90 days; empty: no purchase",
                "价格与近 90 天笔均消费之比；空：无购买", ()),
    ),
    compute=price_fit,
    en="How a price compares with what the person usually pays",
    zh="价格相对个人日常单笔消费的高低",
)  # fmt: skip

ON_DEMAND = {part.name: part for part in (LOAN_BURDEN, PRICE_FIT)}

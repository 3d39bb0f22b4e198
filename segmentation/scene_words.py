"""Why a merchant, partner or scene stands where it stands in the order of opening, in English and Chinese."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from segmentation.phrases import Lang


def opening_reason(row: Mapping[Any, Any], lang: Lang, currency: str = "CNY") -> str:
    """One option of the opening order in a sentence.

    >>> row = {"open": 40, "rate": 0.05, "rate_low": 0.03, "rate_high": 0.08, "base": 0.025, "value_per_taker": 900.0,
    ...        "cost": 120.0, "affordable_share": float("nan")}
    >>> for part in opening_reason(row, "en").split("; "):
    ...     print(part)
    40 people reachable and not contacted
    5.0% (3.0%–8.0%) of those active took a product, 2.0 times the base
    CNY 900 expected per taker, CNY 120 cost of the source
    ability to pay not known for enough people
    """
    parts = [_people(row, lang), _need(row, lang), _worth(row, lang, currency), _risk(row, lang)]
    return {"en": "; ", "zh": "；"}[lang].join(part for part in parts if part)


def _people(row: Mapping[Any, Any], lang: Lang) -> str:
    if lang == "zh":
        return f"{row['open']:,.0f}人可触达且未触达"
    return f"{row['open']:,.0f} people reachable and not contacted"


def _need(row: Mapping[Any, Any], lang: Lang) -> str:
    share = f"{row['rate']:.1%}", f"{row['rate_low']:.1%}–{row['rate_high']:.1%}"
    times = row["rate"] / row["base"] if row["base"] > 0 else math.nan
    if lang == "zh":
        told = f"活跃者中{share[0]}（{share[1]}）已提用产品"
        return told + (f"，为基准的{times:.1f}倍" if math.isfinite(times) else "，尚无基准")
    told = f"{share[0]} ({share[1]}) of those active took a product"
    return told + (f", {times:.1f} times the base" if math.isfinite(times) else ", no base to compare with")


def _worth(row: Mapping[Any, Any], lang: Lang, currency: str) -> str:
    value, cost = row["value_per_taker"], row["cost"]
    if not math.isfinite(value):
        return {"en": "value not known: too few of them have a score in the run",
                "zh": "价值未知：运行结果中有评分的人太少"}[lang]  # fmt: skip
    paid = f"{currency} {cost:,.0f}" if cost > 0 else ""
    if lang == "zh":
        return f"每位提用者预期{currency} {value:,.0f}" + (f"，来源成本{paid}" if paid else "，来源无成本记录")
    told = f"{currency} {value:,.0f} expected per taker"
    return told + (f", {paid} cost of the source" if paid else ", no cost of the source on record")


def _risk(row: Mapping[Any, Any], lang: Lang) -> str:
    share = row["affordable_share"]
    if not math.isfinite(share):
        return {"en": "ability to pay not known for enough people", "zh": "偿付能力已知的人太少"}[lang]
    if lang == "zh":
        return f"{share:.0%}的违约概率在限额内"
    return f"default likely within limits for {share:.0%}"

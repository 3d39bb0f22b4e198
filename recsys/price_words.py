"""What a plan's shadow prices mean, as sentences: what a little more of each limit would earn or save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from recsys.case import LimitSpec
from scenefit.contracts.errors import ContractError

LANGUAGES = ("zh", "en")
NEGLIGIBLE = 1e-9  # of a price, in currency per unit
FULL = 1e-6  # relative room up to which a limit counts as used up


class PriceWords(NamedTuple):
    """One limit in words; `earns` is what one more `step` of a ceiling earns, or one less of a floor saves."""

    name: str
    step: float
    earns: float
    slack: bool
    en: str
    zh: str


def price_words(
    specs: Sequence[LimitSpec],
    prices: Mapping[str, float],
    usage: Mapping[str, float],
    names: Mapping[str, Mapping[str, str]] | None = None,
    currency: str = "¥",
) -> list[PriceWords]:
    """Every limit of a plan as a sentence in Chinese and English, the most telling first.

    Parameters
    ----------
    prices, usage : of the plan, by limit name
    names : language → id → what to call it; for products, segments, channels and limit names; else the id itself

    Raises
    ------
    ContractError : a limit has no price or usage, or one that is not finite or has the wrong sign.
    """
    said = []
    for spec in specs:
        for what, table in (("price", prices), ("usage", usage)):
            if spec.name not in table or not np.isfinite(table[spec.name]):
                there = ", ".join(map(str, table)) or "none"
                raise ContractError(
                    f"price words: limit {spec.name!r} has the {what} {table.get(spec.name)}; give a finite number "
                    f"for every limit (there are: {there})"
                )
        price, used = float(prices[spec.name]), float(usage[spec.name])
        step = _step(spec)
        slack = abs(price) * step < NEGLIGIBLE
        both = {lang: sentence(spec, price, used, lang, (names or {}).get(lang), currency) for lang in LANGUAGES}
        said.append(PriceWords(spec.name, step, abs(price) * step, slack, both["en"], both["zh"]))
    return sorted(said, key=lambda words: (words.slack, -words.earns))


def sentence(
    spec: LimitSpec,
    price: float,
    used: float,
    lang: str,
    names: Mapping[str, str] | None = None,
    currency: str = "¥",
) -> str:
    """One limit's price in words; a limit that is not used up is said to have room.

    Raises
    ------
    ContractError : an unknown language, or a price of the wrong sign.

    >>> sentence(LimitSpec("budget", "<=", 500_000.0, "cost"), 3.2, 500_000.0, "en")
    '¥10k more budget earns ¥32k.'
    >>> sentence(LimitSpec("budget", "<=", 500_000.0, "cost"), 3.2, 500_000.0, "zh")
    '预算每增加 ¥1 万，价值增加 ¥3.2 万。'
    """
    if lang not in LANGUAGES:
        raise ContractError(f"price words: there is no language {lang!r}; there are {', '.join(LANGUAGES)}")
    sign = 1 if spec.sense == "<=" else -1
    if not np.isfinite(price) or sign * price < -NEGLIGIBLE:
        must = "not negative for a ceiling" if sign > 0 else "not positive for a floor"
        raise ContractError(f"price words: limit {spec.name!r} has the price {price}; it must be finite and {must}")
    called = names or {}
    step = _step(spec)
    if abs(price) * step < NEGLIGIBLE:
        return _slack(spec, used, lang, called, currency)
    worth = money(abs(price) * step, lang, currency)
    return _floor(spec, worth, step, lang, called, currency) if sign < 0 else _ceiling(
        spec, worth, step, lang, called, currency
    )  # fmt: skip


def money(amount: float, lang: str, currency: str = "¥") -> str:
    """An amount as people say it: 万 and 亿 in Chinese, k, m and bn in English, three digits that matter.

    >>> money(1_234_567, "zh"), money(1_234_567, "en"), money(12.3456, "en")
    ('¥123 万', '¥1.23m', '¥12.3')
    """
    if not np.isfinite(amount):
        raise ContractError(f"price words: the amount is {amount}; give a finite number")
    sign = "-" if amount < 0 else ""
    return f"{sign}{currency}{_scaled(abs(amount), lang)}"


def quantity(amount: float, of: str, lang: str, currency: str = "¥") -> str:
    """A limit's amount in its unit: money for cost and loss, else a count."""
    return money(amount, lang, currency) if of in ("cost", "loss") else f"{amount:,.6g}"


def _scaled(amount: float, lang: str) -> str:
    scales = ((1e8, " 亿"), (1e4, " 万")) if lang == "zh" else ((1e9, "bn"), (1e6, "m"), (1e3, "k"))
    for size, word in scales:
        # what rounds up to the next scale is said in it
        if float(f"{amount:.3g}") >= size:
            return _digits(amount / size) + word
    return _digits(amount)


def _digits(number: float) -> str:
    rounded = float(f"{number:.3g}")
    if rounded and abs(rounded) < 1e-4:
        return f"{rounded:.2e}"
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.4f}".rstrip("0").rstrip(".")


def _step(spec: LimitSpec) -> float:
    """How much more to speak of: one place or taker; of money a power of ten up to 10,000, a tenth of the total."""
    if spec.of in ("offers", "takers"):
        return 1.0
    tenth = max(abs(spec.total) / 10, 1.0)
    return float(10 ** min(4, int(np.floor(np.log10(tenth)))))


def _whom(spec: LimitSpec, lang: str, called: Mapping[str, str]) -> str:
    """Whom and what a limit counts, "" for everything: "product P", "segment S", "channel sms in region 310000"."""
    words = {
        "product_id": ("product", "产品"), "channel": ("channel", "渠道"), "offer_id": ("offer", "产品渠道"),
        "segment_id": ("segment", "客群"), "scene_id": ("scene", "场景"), "region": ("region", "地区"),
        "kind": ("kind", "产品类型"), "city_tier": ("city tier", "城市级别"),
    }  # fmt: skip
    parts = []
    for column, values in (*(spec.offers or {}).items(), *(spec.where or {}).items()):
        en, zh = words.get(column, (column, column))
        listed = [called.get(str(value), str(value)) for value in values]
        some = listed if len(listed) <= 3 else [*listed[:3], "等" if lang == "zh" else "…"]
        parts.append(f"{zh}“{'、'.join(some)}”" if lang == "zh" else f"{en} {', '.join(some)}")
    return "、".join(parts) if lang == "zh" else " in ".join(parts)


def _ceiling(spec: LimitSpec, worth: str, step: float, lang: str, called: Mapping[str, str], currency: str) -> str:
    whom = _whom(spec, lang, called)
    more = money(step, lang, currency)
    if lang == "zh":
        of_whom = f"{whom}的" if whom else ""
        return {
            "cost": f"{of_whom}预算每增加 {more}，价值增加 {worth}。",
            "loss": f"{of_whom}预期损失上限每放宽 {more}，价值增加 {worth}。",
            "offers": f"{of_whom or '总'}名额每增加 1 个，价值增加 {worth}。",
            "takers": f"{of_whom}预期办理人数上限每增加 1 人，价值增加 {worth}。",
        }[_counted(spec)]
    about = f" for {whom}" if whom else ""
    return {
        "cost": f"{more} more budget{about} earns {worth}.",
        "loss": f"{more} more expected loss allowed{about} earns {worth}.",
        "offers": f"One more place{f' in {whom}' if whom else ''} is worth {worth}.",
        "takers": f"One more expected taker allowed{about} is worth {worth}.",
    }[_counted(spec)]


def _floor(spec: LimitSpec, worth: str, step: float, lang: str, called: Mapping[str, str], currency: str) -> str:
    whom = _whom(spec, lang, called)
    each = money(step, lang, currency)
    if lang == "zh":
        of_whom = f"{whom}的" if whom else ""
        return {
            "cost": f"{of_whom}投入下限每 {each} 减少价值 {worth}。",
            "loss": f"{of_whom}预期损失下限每 {each} 减少价值 {worth}。",
            "offers": f"{of_whom}触达下限每人减少价值 {worth}。",
            "takers": f"{of_whom}预期办理人数下限每人减少价值 {worth}。",
        }[_counted(spec)]
    about = f" in {whom}" if whom else ""
    return {
        "cost": f"The floor on spending{about} costs {worth} per {each}.",
        "loss": f"The floor on expected loss{about} costs {worth} per {each}.",
        "offers": f"The floor{about} costs {worth} per person.",
        "takers": f"The floor on takers{about} costs {worth} per taker.",
    }[_counted(spec)]


def _slack(spec: LimitSpec, used: float, lang: str, called: Mapping[str, str], currency: str) -> str:
    """A limit that does not bind: how much of it is used, and what moving it would change."""
    name = called.get(spec.name, spec.name)
    now, total = (quantity(amount, _counted(spec), lang, currency) for amount in (used, spec.total))
    full = abs(spec.total - used) <= FULL * max(1.0, abs(spec.total))
    if lang == "zh":
        if full:
            more = "再增加也不提升价值" if spec.sense == "<=" else "再降低也不提升价值"
            return f"“{name}”恰好用到 {total}，{more}。"
        if spec.sense == "<=":
            return f"“{name}”未用满：已用 {now}，上限 {total}；再增加也不提升价值。"
        return f"“{name}”已超额达到：{now}，下限 {total}；不减少价值。"
    if full:
        more = "more of it earns nothing" if spec.sense == "<=" else "less of it earns nothing"
        return f"{name!r} is met exactly at {total}; {more}."
    if spec.sense == "<=":
        return f"{name!r} is not used up: {now} of {total}; more of it would earn nothing."
    return f"{name!r} is met with room: {now}, at least {total}; it costs nothing."


def _counted(spec: LimitSpec) -> str:
    if spec.of not in ("cost", "loss", "offers", "takers"):
        raise ContractError(
            f"price words: limit {spec.name!r} counts {spec.of!r}; it can count offers, cost, loss or takers"
        )
    return spec.of

"""How the parts of a rule are said, in English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from segmentation.phrases import Lang, Unit, phrase
from segmentation.rule_values import Comparison, Moment

_NUMBERS: dict[Lang, dict[Comparison, str]] = {
    "en": {"==": "is", "!=": "is not", "<": "below", "<=": "at most", ">": "above", ">=": "at least"},
    "zh": {"==": "为", "!=": "不为", "<": "低于", "<=": "不高于", ">": "高于", ">=": "不低于"},
}
_MOMENTS: dict[Lang, dict[Comparison, str]] = {
    "en": {"==": "on", "!=": "not on", "<": "before", "<=": "not after", ">": "after", ">=": "not before"},
    "zh": {"==": "为", "!=": "不为", "<": "早于", "<=": "不晚于", ">": "晚于", ">=": "不早于"},
}
# event kind: what was done, in words that fit before and after "at least 3 times"
_DEEDS: dict[str, tuple[str, str]] = {
    "visit": ("visited", "到访"),
    "browse": ("browsed", "浏览"),
    "purchase": ("purchased", "购买"),
    "sent": ("was sent a message", "被发送消息"),
    "delivered": ("received a message", "收到消息"),
    "bounced": ("had a message bounce", "消息退回"),
    "impression": ("saw an offer", "看到优惠"),
    "click": ("clicked", "点击"),
    "reply": ("replied", "回复"),
    "apply": ("applied", "申请"),
    "approve": ("was approved", "获批"),
    "draw": ("drew", "支用"),
    "repay": ("repaid", "还款"),
    "opt_out": ("opted out", "退订"),
    "complaint": ("complained", "投诉"),
}


def named(column: str, lang: Lang) -> str:
    """What a column is called."""
    spoken = phrase(column)
    return spoken.zh if lang == "zh" else spoken.en


def said(column: str, value: bool | float | str | Moment, lang: Lang) -> str:
    """A value of a column in its unit."""
    if isinstance(value, bool):
        return {("en", True): "yes", ("en", False): "no", ("zh", True): "是", ("zh", False): "否"}[lang, value]
    if isinstance(value, Moment):
        return value.at.replace("T", " ")
    return value if isinstance(value, str) else exact(value, phrase(column).unit)


def exact(value: float, unit: Unit) -> str:
    """A number as people write it with every digit: two rules that differ are never said alike.

    >>> exact(0.285, "share"), exact(12345.67, "money"), exact(3.0, ""), exact(1e-9, "")
    ('28.5%', '12,345.67', '3', '1e-09')
    """
    if value and not 1e-6 <= abs(value) < 1e16:
        return repr(value)
    number = Decimal(repr(value))
    number = number.scaleb(2) if unit == "share" else number
    shown = f"{number:,f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return f"{shown}%" if unit == "share" else shown


def compared_words(column: str, op: Comparison, value: bool | float | str | Moment, lang: Lang) -> str:
    """A column against one value."""
    spoken = phrase(column)
    if spoken.unit == "truth" and op == "==":
        yes, no = (spoken.high_zh, spoken.low_zh) if lang == "zh" else (spoken.high_en, spoken.low_en)
        return yes if value else no
    word = (_MOMENTS if isinstance(value, Moment) else _NUMBERS)[lang][op]
    gap = "" if lang == "zh" else " "
    return f"{named(column, lang)}{gap}{word}{gap}{said(column, value, lang)}"


def band_words(column: str, low: float | Moment, high: float | Moment, lang: Lang) -> str:
    """A column between two values."""
    first, last = said(column, low, lang), said(column, high, lang)
    if lang == "zh":
        return f"{named(column, lang)}在{first}（含）至{last}（不含）之间"
    return f"{named(column, lang)} from {first} to {'before' if isinstance(high, Moment) else 'below'} {last}"


def one_of_words(column: str, values: Sequence[bool | float | str | Moment], lang: Lang) -> str:
    """A column that holds one of several values."""
    listed = [said(column, value, lang) for value in values]
    if lang == "zh":
        return f"{named(column, lang)}为{'或'.join(listed)}"
    return f"{named(column, lang)} is {' or '.join(listed)}"


def share_words(column: str, low: float, high: float, lang: Lang) -> str:
    """A column's place among everybody.

    >>> share_words("spend_365d", 0.8, 1, "en"), share_words("spend_365d", 0.8, 1, "zh")
    ('spend in 365 days in the top 20%', '近一年消费额处于前20%')
    """
    name = named(column, lang)
    if high >= 1:
        share = exact(round(1 - low, 12), "share")
        return f"{name}处于前{share}" if lang == "zh" else f"{name} in the top {share}"
    share = exact(high, "share")
    if low <= 0:
        return f"{name}处于后{share}" if lang == "zh" else f"{name} in the bottom {share}"
    first = exact(low, "share")
    if lang == "zh":
        return f"{name}由低到高位于{first}至{share}"
    return f"{name} from the {first} place to the {share} place counted from the lowest"


def deed_words(
    events: Sequence[str], at_least: int, within_days: int, places: Sequence[tuple[str, str]], lang: Lang
) -> str:
    """What somebody did, how often and where; `places` are pairs such as ("scene", "travel")."""
    if lang == "zh":
        deed = "或".join(_DEEDS[event][1] for event in events)
        called = {"scene": "场景", "product": "产品", "merchant": "商户"}
        where = "在" + "、".join(f"{called[what]}{name}" for what, name in places) if places else ""
        return f"近{within_days}天内{where}{deed}至少{at_least}次"
    deed = " or ".join(_DEEDS[event][0] for event in events)
    times = "once" if at_least == 1 else f"{at_least} times"
    words = {"scene": "in scene", "product": "with product", "merchant": "at merchant"}
    where = "".join(f" {words[what]} {name}" for what, name in places)
    days = "day" if within_days == 1 else f"{within_days} days"
    return f"{deed} at least {times} within the last {days}{where}"


def joined(parts: Sequence[tuple[str, bool]], word: str, lang: Lang) -> str:
    """Conditions in a row; those marked are put into parentheses because they mix and with or."""
    opened, closed = ("（", "）") if lang == "zh" else ("(", ")")
    said_parts = [f"{opened}{text}{closed}" if mixed else text for text, mixed in parts]
    between = {("en", "and"): " and ", ("en", "or"): " or ", ("zh", "and"): "，且", ("zh", "or"): "，或"}[lang, word]
    return between.join(said_parts)


def negated(text: str, lang: Lang) -> str:
    """What must not hold."""
    return f"不满足（{text}）" if lang == "zh" else f"not ({text})"

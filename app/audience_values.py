"""Widgets for a condition on one column: which column, which way, which value; and which conditions they can say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.audience_columns import ColumnFacts
from app.i18n import Speech, plain
from segmentation.rule_values import LARGEST_WHOLE
from segmentation.rules import (
    And,
    Between,
    Compare,
    Condition,
    Did,
    In,
    InAudience,
    InSegment,
    Missing,
    Not,
    Or,
    Percentile,
)

NUMBER_WAYS = (">=", "<=", "between", "==", "<", ">", "!=", "top", "bottom", "missing", "known")
TEXT_WAYS = ("in", "not in", "missing", "known")
BOOL_WAYS = ("yes", "no", "missing", "known")
ON_COLUMN = (Compare, Between, In, Missing, Percentile)
MOST_TIMES, MOST_DAYS = 1000, 3660


def editable(condition: Condition, columns: Mapping[str, ColumnFacts]) -> bool:
    """Whether widgets that start from a condition say exactly this condition; others are edited as text."""
    if isinstance(condition, Did):
        windows = condition.at_least <= MOST_TIMES and condition.within_days <= MOST_DAYS
        return windows and condition.product is None and condition.merchant is None
    if isinstance(condition, InSegment | InAudience | And | Or):
        return True
    inner = condition.of if isinstance(condition, Not) else condition
    if not isinstance(inner, ON_COLUMN) or inner.column not in columns:
        return False
    return started(condition, columns[inner.column]) is not None


def started(part: Condition, facts: ColumnFacts) -> Condition | None:
    """What the widgets say before anybody touches them: the same people by the editor's own spelling.

    None where they could only say something else: a value beyond or between the marks of a slider, an unknown level,
    numbers listed one by one, truth values in an order.
    """
    if isinstance(part, Missing) or (isinstance(part, Not) and isinstance(part.of, Missing)):
        return part
    if facts.kind == "bool":
        if not (isinstance(part, Compare) and part.op in ("==", "!=") and isinstance(part.value, bool | int)):
            return None
        if part.value not in (0, 1):
            return None
        return Compare(column=part.column, op="==", value=facts.truths[(part.op == "==") == bool(part.value)])
    return _started_levels(part, facts) if facts.kind == "text" else _started_number(part, facts)


def _started_levels(part: Condition, facts: ColumnFacts) -> Condition | None:
    if isinstance(part, Compare):
        # `!=` leaves gaps out, `is none of` takes them along
        known = part.op == "==" and isinstance(part.value, str) and part.value in facts.levels
        return In(column=part.column, values=(part.value,)) if known else None
    listed = part.of if isinstance(part, Not) else part
    if not isinstance(listed, In) or len(set(listed.values)) < len(listed.values):
        return None
    return part if all(isinstance(v, str) and v in facts.levels for v in listed.values) else None


def _started_number(part: Condition, facts: ColumnFacts) -> Condition | None:
    if isinstance(part, Compare):
        return part if _kept(part.value, facts) else None
    if isinstance(part, Between):
        ends = (part.low, part.high)
        return part if all(_kept(end, facts) and on_slider(float(end), facts) for end in ends) else None  # type: ignore[arg-type]
    if not isinstance(part, Percentile):
        return None
    way, share = ("top", 1 - part.low) if part.high == 1 else ("bottom", part.high)
    percent = round(share * 100)
    whole = abs(share * 100 - percent) < 1e-9 and 1 <= percent <= 99 and (way == "top" or part.low == 0)
    return _placed(part.column, way, percent) if whole else None


def _kept(value: object, facts: ColumnFacts) -> bool:
    """Whether a field for numbers gives the value back as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > LARGEST_WHOLE:
        return False
    return whole_or_not(float(value), facts) == value


def on_slider(value: float, facts: ColumnFacts) -> bool:
    """Whether a slider of the column has a mark at the value."""
    steps = (value - facts.low) / facts.step
    return facts.low <= value <= facts.high and abs(steps - round(steps)) < 1e-6


def column_condition(part: Any, columns: dict[str, ColumnFacts], say: Speech, key: str) -> Condition:
    """The condition as the widgets say it; one that they cannot say stays as it is (see `editable`)."""
    inner: Any = part.of if isinstance(part, Not) else part
    column = str(inner.column)
    if not editable(part, columns):
        as_text(part, say)
        return part  # type: ignore[no-any-return]
    first, second, third = st.columns([6, 5, 5], vertical_alignment="bottom")
    options = list(columns)
    with first:
        chosen = str(st.selectbox(say.t("Feature"), options, index=options.index(column), format_func=say.label,
                                  key=f"{key}_column", label_visibility="collapsed"))  # fmt: skip
    facts = columns[chosen]
    ways = {"number": NUMBER_WAYS, "text": TEXT_WAYS, "bool": BOOL_WAYS}[facts.kind]
    start = _way(part, facts) if chosen == column else ways[0]
    with second:
        way = str(st.selectbox(say.t("How"), ways, index=ways.index(start) if start in ways else 0,
                               format_func=say.label, key=f"{key}_way_{chosen}",
                               label_visibility="collapsed"))  # fmt: skip
    before = part if chosen == column else None
    # levels want the whole width, a slider does not
    with st.container() if way in ("in", "not in") else third:
        made = _valued(chosen, way, facts, before, say, f"{key}_value_{chosen}_{way}")
    # untouched, the condition keeps its own spelling
    untouched = chosen == column and way == start and made == started(part, facts)
    return part if untouched else made


def as_text(part: Condition, say: Speech) -> None:
    """A condition that no widget can say, in words."""
    st.markdown(plain(part.sentence("zh" if say.lang == "zh" else "en")))
    st.caption(say.t("This condition is edited as text."))


def _way(part: Any, facts: ColumnFacts) -> str:
    """Which way of the editor a stored condition is."""
    if isinstance(part, Compare):
        if facts.kind == "bool":
            return "yes" if (part.op == "==") == bool(part.value) else "no"
        return "in" if isinstance(part.value, str) else part.op
    if isinstance(part, Not):
        return "not in" if isinstance(part.of, In) else "known"
    if isinstance(part, Percentile):
        return "top" if part.high == 1 else "bottom"
    return {"missing": "missing", "between": "between", "in": "in"}[part.kind]


def _valued(column: str, way: str, facts: ColumnFacts, before: Any, say: Speech, key: str) -> Condition:
    """The value a way asks for; none for those that ask for nothing."""
    asks_nothing: dict[str, Condition] = {
        "missing": Missing(column=column),
        "known": Not(of=Missing(column=column)),
        "yes": Compare(column=column, op="==", value=facts.truths[1]),
        "no": Compare(column=column, op="==", value=facts.truths[0]),
    }
    if way in asks_nothing:
        return asks_nothing[way]
    if facts.kind == "text":
        return _levels(column, way, facts, before, say, key)
    if way in ("top", "bottom"):
        return _share(column, way, before, say, key)
    if way == "between":
        return _band(column, facts, before, say, key)
    value = before.value if isinstance(before, Compare) and isinstance(before.value, int | float) else facts.usual
    moved = whole_or_not(_moved(say.label(column), float(value), facts, key), facts)
    return Compare.model_validate({"column": column, "op": way, "value": moved})


def _levels(column: str, way: str, facts: ColumnFacts, before: Any, say: Speech, key: str) -> Condition:
    listed = before.of if isinstance(before, Not) else before
    had = [str(v) for v in listed.values] if isinstance(listed, In) else []
    if isinstance(before, Compare) and isinstance(before.value, str):
        had = [before.value]
    options = list(facts.levels)
    chosen = st.multiselect(say.label(column), options, default=had or options[:1], key=key,
                            label_visibility="collapsed")  # fmt: skip
    # an empty choice would be a condition that nobody fits; the first level stands in until one is chosen
    kept = tuple(chosen) or (options[0],)
    listed_now = In(column=column, values=kept)
    return Not(of=listed_now) if way == "not in" else listed_now


def _share(column: str, way: str, before: Any, say: Speech, key: str) -> Condition:
    share = 0.2
    if isinstance(before, Percentile):
        share = 1 - before.low if before.high == 1 else before.high
    percent = st.slider(say.label(column), 1, 99, round(share * 100), format="%d%%", key=key,
                        label_visibility="collapsed")  # fmt: skip
    return _placed(column, way, percent)


def _placed(column: str, way: str, percent: int) -> Percentile:
    """The top or bottom so many per cent of everybody."""
    share = percent / 100
    if way == "top":
        return Percentile(column=column, low=round(1 - share, 4), high=1)
    return Percentile(column=column, low=0, high=share)


def _band(column: str, facts: ColumnFacts, before: Any, say: Speech, key: str) -> Condition:
    low, high = facts.usual, facts.high
    if isinstance(before, Between) and isinstance(before.low, int | float) and isinstance(before.high, int | float):
        low, high = float(before.low), float(before.high)
    if low >= high:
        low = facts.low
    start, stop = st.slider(say.label(column), facts.low, facts.high, (low, high), step=facts.step,
                            key=key, label_visibility="collapsed", format=_format(facts))  # fmt: skip
    if not start < stop:
        start, stop = (start, start + facts.step) if start < facts.high else (start - facts.step, start)
    return Between(column=column, low=whole_or_not(start, facts), high=whole_or_not(stop, facts))


def _moved(label: str, value: float, facts: ColumnFacts, key: str) -> float:
    """A slider where the value lies on it, else a field to type in."""
    if on_slider(value, facts):
        return float(st.slider(label, facts.low, facts.high, float(value), step=facts.step, key=key,
                               label_visibility="collapsed", format=_format(facts)))  # fmt: skip
    most = float(LARGEST_WHOLE)
    return float(st.number_input(label, -most, most, float(value), step=facts.step, key=key, format="%.12g",
                                 label_visibility="collapsed"))  # fmt: skip


def whole_or_not(value: float, facts: ColumnFacts) -> int | float:
    return int(value) if facts.whole and float(value).is_integer() else float(f"{value:.12g}")


def _format(facts: ColumnFacts) -> str:
    if facts.whole:
        return "%d"
    return f"%.{max(0, -int(f'{facts.step:e}'.split('e')[1]))}f"

"""Widgets for a condition on one column: which column, which way, which value."""

from __future__ import annotations

from typing import Any

import streamlit as st

from app.audience_columns import ColumnFacts
from app.i18n import Speech, plain
from segmentation.rules import Between, Compare, Condition, In, Missing, Not, Percentile

NUMBER_WAYS = (">=", "<=", "between", "==", "<", ">", "!=", "top", "bottom", "missing", "known")
TEXT_WAYS = ("in", "not in", "missing", "known")
BOOL_WAYS = ("yes", "no", "missing")
ON_COLUMN = (Compare, Between, In, Missing, Percentile)


def column_condition(part: Any, columns: dict[str, ColumnFacts], say: Speech, key: str) -> Condition:
    """The condition as the widgets say it; one on a column that is gone stays as it is."""
    inner: Any = part.of if isinstance(part, Not) else part
    column = str(inner.column)
    first, second, third = st.columns([6, 5, 5], vertical_alignment="bottom")
    options = list(columns)
    if column not in options:
        st.markdown(plain(part.sentence("zh" if say.lang == "zh" else "en")))
        return part  # type: ignore[no-any-return]
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
        return _valued(chosen, way, facts, before, say, f"{key}_value_{chosen}_{way}")


def _way(part: Any, facts: ColumnFacts) -> str:
    """Which way of the editor a stored condition is."""
    if isinstance(part, Compare):
        if facts.kind == "bool":
            return "yes" if (part.op == "==") == bool(part.value) else "no"
        return {"==": "in", "!=": "not in"}[part.op] if isinstance(part.value, str) else part.op
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
    options = list(dict.fromkeys([*facts.levels, *had]))
    chosen = st.multiselect(say.label(column), options, default=had or options[:1], key=key,
                            label_visibility="collapsed")  # fmt: skip
    # an empty choice would be a condition that nobody fits; the first level stands in until one is chosen
    kept = tuple(chosen) or (options[0],)
    if way == "not in":
        return (
            Compare(column=column, op="!=", value=kept[0]) if len(kept) == 1 else Not(of=In(column=column, values=kept))
        )
    return In(column=column, values=kept)


def _share(column: str, way: str, before: Any, say: Speech, key: str) -> Condition:
    share = 0.2
    if isinstance(before, Percentile):
        share = 1 - before.low if before.high == 1 else before.high
    percent = st.slider(say.label(column), 1, 99, round(share * 100), format="%d%%", key=key,
                        label_visibility="collapsed")  # fmt: skip
    part = percent / 100
    return (
        Percentile(column=column, low=round(1 - part, 4), high=1)
        if way == "top"
        else Percentile(column=column, low=0, high=part)
    )


def _band(column: str, facts: ColumnFacts, before: Any, say: Speech, key: str) -> Condition:
    low, high = facts.usual, facts.high
    if isinstance(before, Between) and isinstance(before.low, int | float) and isinstance(before.high, int | float):
        low, high = float(before.low), float(before.high)
    if low >= high:
        low = facts.low
    start, stop = st.slider(say.label(column), min(facts.low, low), max(facts.high, high), (low, high), step=facts.step,
                            key=key, label_visibility="collapsed", format=_format(facts))  # fmt: skip
    if not start < stop:
        stop = start + facts.step
    return Between(column=column, low=whole_or_not(start, facts), high=whole_or_not(stop, facts))


def _moved(label: str, value: float, facts: ColumnFacts, key: str) -> float:
    """A slider where the value lies on it, else a field to type in."""
    steps = (value - facts.low) / facts.step
    if facts.low <= value <= facts.high and abs(steps - round(steps)) < 1e-6:
        return float(st.slider(label, facts.low, facts.high, float(value), step=facts.step, key=key,
                               label_visibility="collapsed", format=_format(facts)))  # fmt: skip
    return float(st.number_input(label, value=float(value), step=facts.step, key=key, label_visibility="collapsed"))


def whole_or_not(value: float, facts: ColumnFacts) -> int | float:
    return int(value) if facts.whole and float(value).is_integer() else float(f"{value:.12g}")


def _format(facts: ColumnFacts) -> str:
    if facts.whole:
        return "%d"
    return f"%.{max(0, -int(f'{facts.step:e}'.split('e')[1]))}f"

"""The rule editor: a tree of conditions by native widgets, and the same rule as typed text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from app.audience_columns import ColumnFacts
from app.audience_values import (
    MOST_DAYS,
    MOST_TIMES,
    ON_COLUMN,
    as_text,
    column_condition,
    editable,
    whole_or_not,
)
from app.audiences import Desk, read_rule
from app.i18n import Speech, plain
from scenefit.contracts.errors import ScenefitError
from segmentation.rules import (
    And,
    Compare,
    Condition,
    Did,
    In,
    InAudience,
    InScene,
    InSegment,
    Missing,
    Not,
    Or,
    Rule,
)

STATE, REVISION, SPOKEN = "audience_rule", "audience_revision", "audience_lang"
# deeper groups are typed
DEEPEST = 3
EVENTS = ("visit", "browse", "purchase", "impression", "click", "reply", "apply", "approve", "draw", "repay")
# the condition a new audience starts from
ADDABLE = ("column", "did", "segment", "audience", "any")


class Vocabulary(NamedTuple):
    """What conditions may name."""

    columns: dict[str, ColumnFacts]
    scenes: dict[str, str]
    segments: dict[str, str]
    audiences: Sequence[str]


def current_rule(start: Rule, lang: str) -> Rule:
    """The rule being edited in this session."""
    if STATE not in st.session_state:
        put_rule(start)
    if st.session_state.get(SPOKEN) != lang:
        # widgets keep the labels they were made with, so they are made anew
        st.session_state[SPOKEN] = lang
        st.session_state[REVISION] += 1
    return Rule.read(st.session_state[STATE])


def put_rule(rule: Rule) -> None:
    """Replace the rule; the widgets start anew from it."""
    st.session_state[STATE] = rule.model_dump_json()
    st.session_state[REVISION] = st.session_state.get(REVISION, 0) + 1


def tree_editor(rule: Rule, words: Vocabulary, say: Speech) -> Rule:
    """The rule by widgets; what comes back is what they say now, and the rule itself where nobody touched them."""
    edited = _group(list(rule.conditions), words, say, (), "and")
    found = Rule(where=And(of=tuple(edited)) if isinstance(rule.where, And) else edited[0])
    if found.model_dump_json() != rule.model_dump_json():
        # the widgets hold these values already, so they must not start anew
        st.session_state[STATE] = found.model_dump_json()
    return found


def _rule_of(parts: list[Condition]) -> Rule:
    """The rule of conditions that must all hold; one alone needs no `all of`."""
    return Rule(where=parts[0] if len(parts) == 1 else And(of=tuple(parts)))


def text_editor(found: Desk, rule: Rule, say: Speech) -> None:
    """The rule as typed; a mistake is shown where it stands, a name that nobody knows by the names there are."""
    text = rule.text()
    # an edit by widgets is another text, which a box of the same key would not show
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    key = f"rule_text_{st.session_state.get(REVISION, 0)}_{digest}"
    typed = st.text_area(say.t("The rule as text"), value=text, key=key, height=160,
                         help=say.t("One condition per line is allowed; join them by and, or, not."))  # fmt: skip
    if st.button(say.t("Use this text"), key="use_text", type="primary"):
        try:
            asked = read_rule(found, typed)
            # segments, audiences and columns of scenes are looked up only when people are counted
            found.store.count(asked)
        except ScenefitError as error:
            st.error(say.t("The text is no rule yet:"))
            st.code(str(error), language=None)
            return
        put_rule(asked)
        st.rerun()
    with st.expander(say.t("As JSON")):
        st.code(rule.model_dump_json(indent=1), language="json")


def _group(
    parts: list[Condition], words: Vocabulary, say: Speech, place: tuple[int, ...], join: str
) -> list[Condition]:
    edited: list[Condition] = []
    for number, part in enumerate(parts):
        here = (*place, number)
        if number:
            st.caption(say.t("and") if join == "and" else say.t("or"))
        with st.container(border=True):
            edited.append(_condition(part, words, say, here, alone=len(parts) == 1))
    _adder(words, say, place)
    return edited


def _condition(part: Condition, words: Vocabulary, say: Speech, place: tuple[int, ...], alone: bool) -> Condition:
    # a column has ways of its own to say `not missing` and `none of`
    own_word = isinstance(part, Not) and isinstance(part.of, Missing | In) and editable(part, words.columns)
    negated, inner = (True, part.of) if isinstance(part, Not) and not own_word else (False, part)
    by_widgets = editable(inner, words.columns) and (len(place) < DEEPEST or not isinstance(inner, And | Or))
    head, tools = st.columns([12, 3], vertical_alignment="center")
    with tools, st.container(horizontal=True, gap="small", horizontal_alignment="right"):
        flip = st.checkbox(say.t("not"), value=negated, key=_key(place, "not"), width="content")
        st.button("✕", key=_key(place, "drop"), on_click=_drop, args=(place,), disabled=alone,
                  help=say.t("Remove this condition"), type="tertiary")  # fmt: skip
    made = inner
    if own_word or isinstance(inner, ON_COLUMN):
        with head:
            made = column_condition(inner, words.columns, say, _key(place, "on"))
    else:
        if title := _title(inner, words, say):
            head.markdown(f"**{title}**")
        if by_widgets:
            made = _body(inner, words, say, place)
        else:
            as_text(inner, say)
    return Not(of=made) if flip else made


def _title(part: Condition, words: Vocabulary, say: Speech) -> str:
    """What kind of condition it is."""
    if isinstance(part, InScene):
        return f"{say.t('Scene')}: {plain(words.scenes.get(part.scene, part.scene))}"
    titles = {"did": say.t("what people did"), "in_segment": say.t("Segment"), "in_audience": say.t("Audience"),
              "or": say.t("at least one of"), "and": say.t("all of")}  # fmt: skip
    return titles.get(part.kind, "")


def _body(part: Condition, words: Vocabulary, say: Speech, place: tuple[int, ...]) -> Condition:
    if isinstance(part, Did):
        return _did(part, words, say, place)
    if isinstance(part, InSegment):
        found = _pick(say.t("Segment"), {part.segment: part.segment} | words.segments, part.segment, place)
        return InSegment(segment=found)
    if isinstance(part, InAudience):
        names = {name: name for name in (part.audience, *words.audiences)}
        return InAudience(audience=_pick(say.t("Audience"), names, part.audience, place))
    if isinstance(part, And | Or):
        parts = _group(list(part.of), words, say, place, "or" if isinstance(part, Or) else "and")
        return Or(of=tuple(parts)) if isinstance(part, Or) else And(of=tuple(parts))
    return part


def _pick(label: str, names: dict[str, str], value: str, place: tuple[int, ...]) -> str:
    options = list(names)
    chosen = st.selectbox(label, options, index=options.index(value), format_func=lambda o: names[o],
                          label_visibility="collapsed", key=_key(place, "pick"))  # fmt: skip
    return str(chosen)


def _did(part: Did, words: Vocabulary, say: Speech, place: tuple[int, ...]) -> Condition:
    what, times, days, where = st.columns([4, 2, 2, 4], vertical_alignment="bottom")
    events = list(dict.fromkeys([*EVENTS, *part.events]))
    chosen = what.multiselect(say.t("did"), events, default=list(part.events), format_func=say.label,
                              key=_key(place, "events"))  # fmt: skip
    least = times.number_input(say.t("at least (times)"), 1, MOST_TIMES, part.at_least, key=_key(place, "times"))
    window = days.number_input(say.t("within (days)"), 1, MOST_DAYS, part.within_days, key=_key(place, "days"))
    scenes = (
        {"": say.t("any scene")}
        | words.scenes
        | ({part.scene: words.scenes.get(part.scene, part.scene)} if part.scene else {})
    )
    options = list(scenes)
    scene = where.selectbox(say.t("Scene"), options, index=options.index(part.scene or ""),
                            format_func=lambda s: scenes[s], key=_key(place, "scene"))  # fmt: skip
    return Did(
        events=tuple(chosen) or part.events, at_least=int(least), within_days=int(window), scene=scene or None,
        product=part.product, merchant=part.merchant,
    )  # fmt: skip


def _adder(words: Vocabulary, say: Speech, place: tuple[int, ...]) -> None:
    kinds = [kind for kind in ADDABLE if _possible(kind, words, place)]
    names = {"column": say.t("a feature"), "did": say.t("what people did"), "segment": say.t("a segment"),
             "audience": say.t("another audience"), "any": say.t("alternatives (or)")}  # fmt: skip
    with st.popover(say.t("Add a condition"), icon=":material/add:"):
        for kind in kinds:
            st.button(names[kind], key=_key(place, f"add_{kind}"), on_click=_add, args=(place, kind, words),
                      width="stretch", type="tertiary")  # fmt: skip


def _possible(kind: str, words: Vocabulary, place: tuple[int, ...]) -> bool:
    if kind == "any":
        return len(place) < DEEPEST - 1
    return bool({"segment": words.segments, "audience": words.audiences}.get(kind, True))


def _added(kind: str, words: Vocabulary) -> Condition:
    first = next(iter(words.columns))
    start = _start(first, words.columns[first])
    if kind == "did":
        return Did(events=("purchase",), at_least=1, within_days=90)
    if kind == "segment":
        return InSegment(segment=next(iter(words.segments)))
    if kind == "audience":
        return InAudience(audience=words.audiences[0])
    return Or(of=(start, start)) if kind == "any" else start


def _start(column: str, facts: ColumnFacts) -> Condition:
    if facts.kind == "number":
        return Compare(column=column, op=">=", value=whole_or_not(facts.usual, facts))
    return (
        In(column=column, values=facts.levels[:1])
        if facts.kind == "text"
        else Compare(column=column, op="==", value=facts.truths[1])
    )


def _add(place: tuple[int, ...], kind: str, words: Vocabulary) -> None:
    _changed(place, lambda parts: [*parts, _added(kind, words)])


def _drop(place: tuple[int, ...]) -> None:
    _changed(place[:-1], lambda parts: [part for i, part in enumerate(parts) if i != place[-1]])


def _changed(place: tuple[int, ...], change: Any) -> None:
    """Put the rule with the parts of one group changed; what the widgets held stays."""
    rule = Rule.read(st.session_state[STATE])
    changed = _within(And(of=rule.conditions), place, change)
    assert isinstance(changed, And)
    put_rule(_rule_of(list(changed.of)))


def _within(group: Condition, place: tuple[int, ...], change: Any) -> Condition:
    if isinstance(group, Not):
        return Not(of=_within(group.of, place, change))
    assert isinstance(group, And | Or)
    parts = list(group.of)
    if place:
        parts[place[0]] = _within(parts[place[0]], place[1:], change)
    else:
        parts = change(parts)
    return Or(of=tuple(parts)) if isinstance(group, Or) else And(of=tuple(parts))


def _key(place: tuple[int, ...], what: str) -> str:
    return f"r{st.session_state.get(REVISION, 0)}_{'_'.join(map(str, place)) or 'top'}_{what}"

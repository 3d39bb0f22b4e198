"""The conditions of an audience: its steps in order, and one spelling for rules that mean the same."""

from __future__ import annotations

import json
from typing import Any

from segmentation.rule_trees import parts_of
from segmentation.rules import And, Condition, InAudience, Rule


def steps(rule: Rule) -> tuple[Condition, ...]:
    """Conditions that all must hold, in the order given; an `and` inside an `and` is opened.

    >>> from segmentation.rules import And, Compare, Rule
    >>> old, far = Compare(column="age", op=">=", value=60), Compare(column="km", op=">", value=9)
    >>> steps(Rule(where=And(of=(old, And(of=(far,)))))) == (old, far)
    True
    """
    return tuple(_opened(rule.where))


def rule_of(conditions: tuple[Condition, ...]) -> Rule:
    """The rule that asks for all of these conditions."""
    return Rule(where=conditions[0] if len(conditions) == 1 else And(of=conditions))


def audiences_read(condition: Condition) -> tuple[str, ...]:
    """Ids of the stored audiences that a condition reads, wherever they stand in it."""
    return tuple(dict.fromkeys(_audiences_read(condition)))


def canonical(condition: Condition) -> str:
    """JSON that is the same for conditions that differ only in order, nesting, repetition or double negation.

    >>> from segmentation.rules import Compare, In, Not
    >>> one, other = In(column="city", values=("b", "a", "b")), In(column="city", values=("a", "b"))
    >>> canonical(one) == canonical(other) == canonical(Not(of=Not(of=one)))
    True
    """
    return json.dumps(_plain(condition.model_dump(mode="json")), ensure_ascii=False, sort_keys=True)


def _opened(condition: Condition) -> list[Condition]:
    if isinstance(condition, And):
        return [part for inner in condition.of for part in _opened(inner)]
    return [condition]


def _audiences_read(condition: Condition) -> list[str]:
    if isinstance(condition, InAudience):
        return [condition.audience]
    return [found for part in parts_of(condition) for found in _audiences_read(part)]


def _plain(tree: dict[str, Any]) -> dict[str, Any]:
    kind = tree["kind"]
    if kind in ("and", "or"):
        parts: dict[str, dict[str, Any]] = {}
        for part in map(_plain, tree["of"]):
            for one in part["of"] if part["kind"] == kind else [part]:
                parts[_text(one)] = one
        ordered = [parts[key] for key in sorted(parts)]
        return ordered[0] if len(ordered) == 1 else {**tree, "of": ordered}
    if kind == "not":
        inner = _plain(tree["of"])
        return inner["of"] if inner["kind"] == "not" else {**tree, "of": inner}
    if kind == "in":
        values = {_text(value): value for value in tree["values"]}
        ordered_values = [values[key] for key in sorted(values)]
        if len(ordered_values) == 1:
            return {"kind": "compare", "column": tree["column"], "op": "==", "value": ordered_values[0]}
        return {**tree, "values": ordered_values}
    if isinstance(tree.get("of"), dict):
        return {**tree, "of": _plain(tree["of"])}
    return tree


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)

"""The space a decision tree's node stands for, as a rule that a person can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from segmentation.rules import And, Between, Compare, Rule

# a condition that raises the agreement by less than this is not worth reading
PAYS = 0.005
# digits of a threshold that a person reads
DIGITS = 3


class Cut(NamedTuple):
    """One column a tree may ask about; `whole` when it holds whole numbers alone."""

    column: str
    kind: Literal["number", "bool", "level"]
    level: str | None
    whole: bool


class Question(NamedTuple):
    """One answer on the way to a node: feature at most `threshold`, or above it."""

    feature: int
    above: bool
    threshold: float


Box = tuple[Question, ...]


def boxes(tree: Any) -> list[Box]:
    """The answers that lead to each node of a scikit-learn tree, at most two per feature; () for the root."""
    found: list[Box] = [()] * tree.node_count
    for node in range(tree.node_count):
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if left < 0:
            continue
        feature, threshold = int(tree.feature[node]), float(tree.threshold[node])
        found[left] = _narrowed(found[node], Question(feature, False, threshold))
        found[right] = _narrowed(found[node], Question(feature, True, threshold))
    return found


def shortened(box: Box, agreement: Callable[[Box], float]) -> Box:
    """The box without the conditions that add next to nothing to its agreement."""
    current = agreement(box)
    while len(box) > 1:
        shorter = [box[:i] + box[i + 1 :] for i in range(len(box))]
        values = [agreement(one) for one in shorter]
        best = int(np.argmax(values))
        if values[best] < current - PAYS:
            break
        box, current = shorter[best], max(current, values[best])
    return box


def rule_of(box: Box, cuts: list[Cut]) -> Rule | None:
    """The box as a rule; None for the root, which asks nothing."""
    conditions: list[Compare | Between] = []
    for feature in dict.fromkeys(question.feature for question in box):
        low = next((q.threshold for q in box if q.feature == feature and q.above), None)
        high = next((q.threshold for q in box if q.feature == feature and not q.above), None)
        conditions.append(_condition(cuts[feature], low, high))
    if not conditions:
        return None
    return Rule(where=conditions[0] if len(conditions) == 1 else And(of=tuple(conditions)))


def _narrowed(box: Box, question: Question) -> Box:
    """The box with one more answer; a tighter bound replaces the looser one in its place."""
    for i, known in enumerate(box):
        if (known.feature, known.above) == (question.feature, question.above):
            return (*box[:i], question, *box[i + 1 :])
    return (*box, question)


def _condition(cut: Cut, low: float | None, high: float | None) -> Compare | Between:
    if cut.kind != "number":
        above = low is not None
        if cut.level is None:
            return Compare(column=cut.column, op="==", value=above)
        return Compare(column=cut.column, op="==" if above else "!=", value=cut.level)
    bottom = None if low is None else _edge(low, cut.whole)
    top = None if high is None else _edge(high, cut.whole)
    if bottom is not None and top is not None:
        if bottom >= top and low is not None and high is not None:
            # rounding must not empty a narrow band
            bottom, top = low, high
        return Between(column=cut.column, low=bottom, high=top)
    if bottom is not None:
        return Compare(column=cut.column, op=">=", value=bottom)
    assert top is not None
    return Compare(column=cut.column, op="<", value=top)


def _edge(threshold: float, whole: bool) -> int | float:
    """A threshold between two values as the number a person would write."""
    if whole:
        return int(np.floor(threshold)) + 1
    rounded = float(f"{threshold:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded

"""Segments as short rules on raw features: a shallow decision tree that imitates them, and how well it does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, SettingsError
from segmentation.boxes import Box, Cut, Question, boxes, rule_of, shortened
from segmentation.columns import column_kind, numbers, protected_names, texts
from segmentation.distances import content_order
from segmentation.rules import Rule

# more levels than a person would read in one rule
LEVELS = 12
# a leaf of fewer customers is chance
LEAF = 20


class SegmentRule(NamedTuple):
    """One segment as a single rule, and how much of it that rule is; shares measured on held-out rows.

    precision : share of the rule's customers who are in the segment
    recall : share of the segment's customers whom the rule finds
    leaves : the rules of all leaves of the surrogate tree that stand for the segment; together they are the segment
        as the tree sees it, gaps apart
    """

    label: int
    rule: Rule | None
    precision: float
    recall: float
    leaves: tuple[Rule, ...]


@dataclass(frozen=True)
class Surrogate:
    """A shallow tree that imitates the segments; all shares are measured on rows it has not seen.

    fidelity : share of customers whom the tree puts into their segment
    fidelity_by_segment : (k,) the same among the customers of each segment, NaN where none was held out
    baseline : share of the largest segment, which a tree without any question would reach
    """

    fidelity: float
    fidelity_by_segment: np.ndarray
    baseline: float
    held_out: int
    rules: tuple[SegmentRule, ...]


def surrogate(
    frame: pd.DataFrame,
    labels: np.ndarray,
    depth: int = 4,
    held_out: float = 0.3,
    most: int = 50_000,
    left_out: Collection[str] | None = None,
    seed: int = 0,
) -> Surrogate:
    """Segments as rules on the features they were found in.

    Parameters
    ----------
    frame, labels : features before encoding, shape (n, d), and segment of each row, 0 ... k - 1
    depth : most questions in a row
    held_out : share of the rows on which fidelity, precision and recall are measured
    most : rows used, a random part when there are more
    left_out : columns no rule may name; None takes those that the contract marks as protected

    Notes
    -----
    One tree tells all segments apart and gives the fidelity. Each segment's own rule comes from a tree of this
    segment against the rest: of all its nodes the one whose customers agree best with the segment (F1), without the
    conditions that add nothing. A rule's condition fits no gap, so a rule leaves out customers whose value is missing
    while the tree still guesses them: that is why precision and recall are those of the rule as it will be applied.
    After Moshkovitz et al. (2020), Explainable k-means and k-medians clustering, ICML, threshold trees explain
    clusters; this one is fitted by CART in scikit-learn. Row order and threads change nothing.
    """
    from sklearn.tree import DecisionTreeClassifier

    labels = np.asarray(labels)
    _check(frame, labels, depth, held_out)
    cuts, design = _design(frame, protected_names() if left_out is None else frozenset(left_out))
    key = np.column_stack([np.nan_to_num(design, nan=-1.5e30), labels.astype(np.float32)])
    order = content_order(key, seed)[:most]
    test, train = np.split(order, [max(1, round(len(order) * held_out))])
    leaf = min(LEAF, max(1, len(train) // 20))
    tree = DecisionTreeClassifier(max_depth=depth, min_samples_leaf=leaf, random_state=0).fit(
        design[train], labels[train]
    )
    hit, k = tree.predict(design[test]) == labels[test], int(labels.max()) + 1
    by_segment = _share_by_segment(hit, labels[test], k)
    leaves = _leaves(tree, cuts)
    rules = []
    for label in range(k):
        best = _best_box(tree, cuts, design[train], labels[train] == label)
        precision, recall = _quality(best, frame.iloc[test], labels[test] == label)
        rules.append(SegmentRule(label, best, precision, recall, tuple(leaves.get(label, ()))))
    baseline = (labels[test] == np.bincount(labels[train]).argmax()).mean()
    return Surrogate(float(hit.mean()), by_segment, float(baseline), len(test), tuple(rules))


def _check(frame: pd.DataFrame, labels: np.ndarray, depth: int, held_out: float) -> None:
    if len(frame) != len(labels) or len(labels) < 2:
        raise ContractError(f"surrogate: {len(frame):,} rows but {len(labels):,} labels; give one each, two at least")
    if depth < 1 or not 0 < held_out < 1:
        raise SettingsError(f"surrogate: depth {depth}, held_out {held_out}; at least 1, and a share between 0 and 1")


def _share_by_segment(hit: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    sizes = np.bincount(labels, minlength=k)
    return np.divide(np.bincount(labels, hit, k), sizes, out=np.full(k, np.nan), where=sizes > 0)


def _design(frame: pd.DataFrame, left_out: frozenset[str]) -> tuple[list[Cut], np.ndarray]:
    """The questions a tree may ask, and the numbers it asks them of; gaps stay gaps."""
    cuts: list[Cut] = []
    parts: list[np.ndarray] = []
    for name in (name for name in frame.columns if name not in left_out):
        kind = column_kind(frame[name])
        if kind == "text":
            values = texts(frame[name])
            known = values.notna().to_numpy(dtype=bool)
            for level in sorted(values.value_counts().index[:LEVELS]):
                cuts.append(Cut(str(name), "level", str(level), True))
                same = values.eq(level).fillna(False).to_numpy(dtype=bool)
                parts.append(np.where(known, same, np.nan))
        elif kind != "empty":
            found = numbers(frame[name])
            seen = found[~np.isnan(found)]
            if len(seen) and seen.min() < seen.max():
                whole = bool((seen == np.round(seen)).all())
                cuts.append(Cut(str(name), "bool" if kind == "bool" else "number", None, whole))
                parts.append(found)
    if not cuts:
        raise ContractError(
            f"surrogate: no column of {list(map(str, frame.columns))} varies; give the features the segments have"
        )
    # scikit-learn's trees work in float32 and refuse infinities
    most = float(np.finfo(np.float32).max)
    return cuts, np.clip(np.column_stack(parts), -most, most).astype(np.float32)


def _leaves(tree: Any, cuts: list[Cut]) -> dict[int, list[Rule]]:
    """Rules of the tree's leaves by the segment they stand for, the largest leaf first."""
    found: dict[int, list[Rule]] = {}
    spaces = boxes(tree.tree_)
    ends = np.flatnonzero(tree.tree_.children_left < 0)
    for node in sorted(ends, key=lambda node: (-tree.tree_.n_node_samples[node], node)):
        label = int(tree.classes_[tree.tree_.value[node][0].argmax()])
        rule = rule_of(spaces[node], cuts)
        if rule is not None:
            found.setdefault(label, []).append(rule)
    return found


def _best_box(shared: Any, cuts: list[Cut], design: np.ndarray, inside: np.ndarray) -> Rule | None:
    """The node of a tree of one segment against the rest that agrees best with it, as a rule; None without any.

    The tree grows under the same limits as the `shared` one.
    """
    from sklearn.base import clone

    if inside.all() or not inside.any():
        return None
    apart = clone(shared).set_params(class_weight="balanced").fit(design, inside)
    found = [(f1(_inside(box, design), inside), len(box), box) for box in boxes(apart.tree_) if box]
    if not found:
        return None
    _, _, box = max(found, key=lambda one: (round(one[0], 9), -one[1]))
    return rule_of(shortened(box, lambda part: f1(_inside(part, design), inside)), cuts)


def _inside(box: Box, design: np.ndarray) -> np.ndarray:
    fits = np.ones(len(design), dtype=bool)
    for question in box:
        fits &= _answers(question, design)
    return fits


def _answers(question: Question, design: np.ndarray) -> np.ndarray:
    values = design[:, question.feature]
    return values > question.threshold if question.above else values <= question.threshold


def f1(found: np.ndarray, meant: np.ndarray) -> float:
    """Harmonic mean of precision and recall.

    >>> f1(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    both = int((found & meant).sum())
    return 2 * both / max(int(found.sum()) + int(meant.sum()), 1)


def _quality(rule: Rule | None, frame: pd.DataFrame, inside: np.ndarray) -> tuple[float, float]:
    if rule is None:
        return float("nan"), float("nan")
    found = rule.mask(frame)
    both = int((found & inside).sum())
    precision = both / int(found.sum()) if found.any() else float("nan")
    return precision, both / int(inside.sum()) if inside.any() else float("nan")

"""Subgroups worth reaching: rules whose members respond more than chance allows and whom marketing does not reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, SettingsError
from segmentation.bits import count, packed
from segmentation.columns import protected_names
from segmentation.evidence import Interval, benjamini_hochberg, chance_of_at_least, holm, lift_interval
from segmentation.rules import And, Rule
from segmentation.selectors import Selector, selectors

# two rules are one group in two wordings above this Jaccard overlap of unreached members
SAME_GROUP = 0.5
SINGLE = -1


class Half(NamedTuple):
    """One half of the customers in bits: who fits each selector, who has the outcome, who is not reached."""

    rows: int
    positives: int
    fits: np.ndarray  # uint64 (selectors, words)
    outcome: np.ndarray  # uint64 (words,)
    unreached: np.ndarray  # uint64 (words,)

    def members(self, first: int, second: int) -> np.ndarray:
        """Bits of those who fit the rule."""
        members: np.ndarray = self.fits[first] if second == SINGLE else self.fits[first] & self.fits[second]
        return members


class Tried(NamedTuple):
    """Rules that were tried on the mining half; `second` is SINGLE for rules of one condition."""

    first: np.ndarray
    second: np.ndarray
    size: np.ndarray
    hits: np.ndarray

    def only(self, keep: np.ndarray) -> Tried:
        """The rules at these positions or under this mask."""
        return Tried(*(values[keep] for values in self))


class Found(NamedTuple):
    """Rules beyond chance with their evidence on the mining half; `unreached` counts both halves."""

    rules: Tried
    p: np.ndarray
    q: np.ndarray
    lift: Interval
    unreached: np.ndarray

    def only(self, keep: np.ndarray) -> Found:
        """The rules at these positions, in this order."""
        lift = Interval(self.lift.low[keep], self.lift.high[keep])
        return Found(self.rules.only(keep), self.p[keep], self.q[keep], lift, self.unreached[keep])


class SubgroupMiner:
    """Groups inside a scene that respond better than the scene and are not reached yet, with the proof.

    Rules are conjunctions of up to `depth` conditions. Half of the customers, drawn by `seed`, serve to find rules,
    the other half to confirm them: a rule found on the very customers that it is tested on proves nothing.

    Parameters
    ----------
    depth : conditions per rule, 1 or 2
    support : least members of a rule on the mining half; below 100 a rare outcome shows nothing
    top : rules reported at most
    q : false discovery rate of the mining half, and chance of any false confirmation on the other half
    bins : quantile bins of a number
    protected : columns never mined; None takes those that the contract marks as protected, () mines all
    seed : draws the halves

    Attributes
    ----------
    rules_ : frame, best first: the columns of the table subgroups without scene_id, and `rule` (JSON of a Rule).
        It holds every rule that was sent to confirmation, also those that failed there (`confirmed` is False)
    tried_ : number of rules with enough support; all of them enter the correction

    Notes
    -----
    1. p: exact hypergeometric tail; q: Benjamini-Hochberg (1995) over all rules tried. 2. A second condition must
    raise the rate of either single condition by more than chance (exact, corrected alike). 3. Ranking: (lower end of
    the lift - 1) x members not reached, over both halves. 4. Covering: a rule that shares more than half of its
    unreached members (Jaccard) with a better one is left out. 5. Confirmation: exact p on the other half, Holm (1979)
    over the rules sent there; `confirm_p` is the adjusted one.

    The lift's interval comes from the mining half and flatters the best of many rules; `confirm_rate` does not. Where
    contacts were not at random, the outcome of the reached says little about the unreached. Both halves are of one
    period: a rule that holds on both may still not hold next year.
    """

    def __init__(
        self,
        depth: int = 2,
        support: int = 100,
        top: int = 5,
        q: float = 0.05,
        bins: int = 5,
        protected: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.depth = depth
        self.support = support
        self.top = top
        self.q = q
        self.bins = bins
        self.protected = protected
        self.seed = seed

    def fit(self, frame: pd.DataFrame, target: np.ndarray, reached: np.ndarray | None = None) -> SubgroupMiner:
        """Mine and confirm.

        Parameters
        ----------
        frame : attributes, one row per customer
        target : shape (n,), 1 or true for those with the outcome
        reached : shape (n,), true for those whom marketing contacted; None: nobody was
        """
        self._check_settings()
        outcome = _truths(target, len(frame), "target")
        contacted = np.zeros(len(frame), dtype=bool) if reached is None else _truths(reached, len(frame), "reached")
        left_out = protected_names() if self.protected is None else frozenset(self.protected)
        columns = [name for name in frame.columns if name not in left_out]
        conditions = [s for name in columns for s in selectors(frame[name], self.bins, self.support)]
        order = np.random.default_rng(self.seed).permutation(len(frame))
        masks = [condition.mask(frame) for condition in conditions]
        mining = _half(masks, outcome, ~contacted, order[: len(order) // 2])
        confirming = _half(masks, outcome, ~contacted, order[len(order) // 2 :])
        tried = _tried(mining, [s.column for s in conditions], self.depth, self.support)
        self.tried_ = len(tried.size)
        found = _found(tried, mining, confirming, self.q)
        sent = found.only(_covering(found, (mining, confirming), self.top))
        rules = [_rule(conditions, int(i), int(j)) for i, j in zip(sent.rules.first, sent.rules.second, strict=True)]
        self.rules_ = _table(sent, rules, mining, confirming, self.q)
        return self

    def _check_settings(self) -> None:
        if self.depth not in (1, 2):
            raise SettingsError(f"depth is {self.depth!r}; rules have 1 or 2 conditions")
        if self.support < 1 or self.top < 1 or self.bins < 2 or not 0 < self.q < 1:
            raise SettingsError(
                f"support {self.support}, top {self.top}, bins {self.bins}, q {self.q}: support and top must be at "
                "least 1, bins at least 2, q between 0 and 1"
            )


def _truths(values: np.ndarray, n: int, name: str) -> np.ndarray:
    """Zeros and ones as bool, one per customer."""
    given = np.asarray(values)
    if given.shape != (n,):
        raise ContractError(f"{name}: shape {given.shape} for {n:,} customers; give one value per customer")
    allowed = given == (given != 0) if given.dtype.kind in "bifu" else np.zeros(n, dtype=bool)
    if not allowed.all():
        bad = given[~allowed]
        raise ContractError(
            f"{name}: {len(bad):,} values are neither 0 nor 1, such as {bad[:3].tolist()}; say yes or no per customer"
        )
    return given.astype(bool)


def _half(masks: list[np.ndarray], outcome: np.ndarray, unreached: np.ndarray, rows: np.ndarray) -> Half:
    words = (len(rows) + 63) // 64
    fits = np.zeros((len(masks), words), dtype=np.uint64)
    for i, mask in enumerate(masks):
        fits[i] = packed(mask[rows])
    return Half(len(rows), int(outcome[rows].sum()), fits, packed(outcome[rows]), packed(unreached[rows]))


def _tried(half: Half, columns: list[str], depth: int, support: int) -> Tried:
    """Every rule with enough members, but for conditions that everybody fits."""
    sizes = count(half.fits)
    usable = np.flatnonzero((sizes >= support) & (sizes < half.rows))
    home = np.asarray(columns, dtype=object)[usable]
    fits = half.fits[usable]
    parts = [Tried(usable, np.full(len(usable), SINGLE), sizes[usable], count(fits & half.outcome))]
    for i in range(len(usable) if depth == 2 else 0):
        others = i + 1 + np.flatnonzero(home[i + 1 :] != home[i])
        both = fits[others] & fits[i]
        size = count(both)
        enough = size >= support
        pair = Tried(np.full(len(others), usable[i]), usable[others], size, size)
        hits = count(both[enough] & half.outcome)
        parts.append(pair.only(enough)._replace(hits=hits))
    return Tried(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _found(tried: Tried, mining: Half, confirming: Half, q: float) -> Found:
    """Rules beyond chance whose conditions all pay and that have someone left to reach, best first."""
    p = np.ones(len(tried.size))
    # a rule no better than the base has p near 1/2 or above; 1 keeps it in the count of looks
    better = tried.hits * mining.rows > tried.size * mining.positives
    p[better] = chance_of_at_least(tried.hits[better], tried.size[better], mining.positives, mining.rows)
    adjusted = benjamini_hochberg(p)
    keep = np.flatnonzero(better & (adjusted <= q))
    keep = keep[_pays(tried.only(keep), mining, q)]
    rules = tried.only(keep)
    lift = lift_interval(rules.hits, rules.size, mining.positives, mining.rows)
    unreached = _counted(rules, mining, mining.unreached) + _counted(rules, confirming, confirming.unreached)
    worth = np.maximum(lift.low - 1, 0) * unreached
    best_first = np.argsort(-worth, kind="stable")
    found = Found(rules, p[keep], adjusted[keep], lift, unreached)
    return found.only(best_first[worth[best_first] > 0])


def _pays(rules: Tried, half: Half, q: float) -> np.ndarray:
    """Which rules beat both of their conditions alone by more than chance; single conditions always do."""
    pays = np.ones(len(rules.size), dtype=bool)
    pairs = np.flatnonzero(rules.second != SINGLE)
    sizes, hits = count(half.fits), count(half.fits & half.outcome)
    chances = [
        chance_of_at_least(rules.hits[pairs], rules.size[pairs], hits[condition], sizes[condition])
        for condition in (rules.first[pairs], rules.second[pairs])
    ]
    # many pairs ask the same question, so this look is corrected too
    pays[pairs] = benjamini_hochberg(np.maximum(*chances)) <= q
    return pays


def _counted(rules: Tried, half: Half, marked: np.ndarray | None) -> np.ndarray:
    """Members of each rule in this half, or only those marked."""
    counts = np.zeros(len(rules.size), dtype=np.int64)
    for i, (first, second) in enumerate(zip(rules.first, rules.second, strict=True)):
        members = half.members(first, second)
        counts[i] = count(members if marked is None else members & marked)
    return counts


def _covering(found: Found, halves: tuple[Half, Half], top: int) -> np.ndarray:
    """The best rules that are different groups, at most `top`, as positions."""
    chosen: list[int] = []
    groups: list[np.ndarray] = []
    for i, (first, second) in enumerate(zip(found.rules.first, found.rules.second, strict=True)):
        group = np.concatenate([half.members(first, second) & half.unreached for half in halves])
        if all(count(group & other) <= SAME_GROUP * count(group | other) for other in groups):
            chosen.append(i)
            groups.append(group)
        if len(chosen) == top:
            break
    return np.asarray(chosen, dtype=np.intp)


def _rule(conditions: list[Selector], first: int, second: int) -> Rule:
    if second == SINGLE:
        return Rule(where=conditions[first])
    return Rule(where=And(of=(conditions[first], conditions[second])))


def _table(sent: Found, rules: list[Rule], mining: Half, confirming: Half, q: float) -> pd.DataFrame:
    """The rules with their evidence from both halves."""
    size = _counted(sent.rules, confirming, None)
    hits = _counted(sent.rules, confirming, confirming.outcome)
    confirm_p = holm(chance_of_at_least(hits, size, confirming.positives, confirming.rows))
    base = mining.positives / max(mining.rows, 1)
    rate = sent.rules.hits / sent.rules.size
    columns: dict[str, object] = {
        "rank": np.arange(1, len(rules) + 1),
        "rule_en": np.asarray([rule.sentence("en") for rule in rules], dtype=object),
        "rule_zh": np.asarray([rule.sentence("zh") for rule in rules], dtype=object),
        "size": sent.rules.size + size,
        "unreached": sent.unreached,
        "rate": rate,
        "base": np.full(len(rules), base),
        "lift": rate / base if len(rules) else rate,
        "lift_low": sent.lift.low,
        "lift_high": sent.lift.high,
        "p": sent.p,
        "q": sent.q,
        "confirmed": confirm_p <= q,
        "confirm_rate": np.divide(hits, size, out=np.full(len(rules), np.nan), where=size > 0),
        "confirm_p": confirm_p,
        "rule": np.asarray([rule.model_dump_json() for rule in rules], dtype=object),
    }
    return pd.DataFrame(columns)

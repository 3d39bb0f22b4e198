"""Subgroups worth reaching: rules whose members respond more than chance allows and whom marketing does not reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, SettingsError
from scenefit.runtime.parallel import Backend, pmap
from segmentation.columns import protected_names
from segmentation.halves import design, half, split
from segmentation.mined_rules import Sent, sent
from segmentation.mining_inputs import Customers, checked
from segmentation.qualities import QUALITIES, Quality
from segmentation.selectors import Selector, fits, selectors
from segmentation.separation import CORRECTIONS, Ask, Correction, Halves
from segmentation.subgroup_table import subgroup_table

# selectors by depth beyond which numbers are cut more coarsely: every rule is tried, and their number is a power
MOST_SELECTORS = {1: 100_000, 2: 4_000, 3: 320, 4: 110}
DEEPEST = max(MOST_SELECTORS)


class SubgroupMiner:
    """Groups inside a scene that respond better than the scene and are not reached yet, with the proof.

    Rules are conjunctions of up to `depth` conditions. Half of the customers, drawn by `seed`, serve to find rules,
    the other half to confirm them: a rule found on the very customers that it is tested on proves nothing. Where a
    later period is marked, the earlier one is mined and the later one confirms.

    Parameters
    ----------
    depth : conditions per rule, 1 to 4
    support : least members of a rule on the mining half; below 100 a rare outcome shows nothing
    top : rules reported at most
    q : false discovery rate of the mining half, and chance of any false confirmation on the other half
    quality : what rules are ranked by, see `qualities.worth`; "uplift" needs `treatment`
    correction : "bh" over all rules tried, or "westfall-young" by `permutations` shuffled outcomes
    bins : quantile bins of a number; fewer where depth 3 or 4 would have too many rules, see `bins_`
    protected : columns never mined; None takes those that the contract marks as protected, () mines all
    seed : draws the halves and the permutations

    Attributes
    ----------
    rules_ : frame, best first: the columns of the table subgroups without scene_id. It holds every rule that was sent
        to confirmation, also those that failed there (`confirmed` is False)
    tried_ : number of rules with enough support; all of them enter the correction
    looks_ : number of intervals and sets that were looked at besides, where two columns meet and to draw edges
    bins_ : quantile bins used
    note_ : why the list is empty, "" where it is not

    Notes
    -----
    1. p: exact hypergeometric tail; q: Benjamini-Hochberg (1995) over all rules tried. 2. The sharpest rules, first
    where two columns meet (see `pair_tables`), then of all tried, are parted one after the other (see `separation`),
    their edges and sets sharpened, a condition dropped or added where it pays (see `refinement`); q of a rule changed
    so is Bonferroni's over twice the looks of the way it was found. 3. Ranking, by
    default: (lower end of the lift - 1) x members not reached, over both halves. 4. Of rules that are one group in two
    wordings the first is told (see `covering`). 5. Confirmation: exact p on the other half, Holm (1979) over the rules
    sent there; `confirm_p` is the adjusted one.

    The lift's interval comes from the mining half and flatters the best of many rules; those of the confirming half do
    not. Where contacts were not at random, the outcome of the reached says little about the unreached: see `proof`.
    Without a later period both halves are of one time: a rule that holds on both may still not hold next year.
    """

    def __init__(
        self,
        depth: int = 2,
        support: int = 100,
        top: int = 5,
        q: float = 0.05,
        quality: Quality = "opportunity",
        correction: Correction = "bh",
        permutations: int = 999,
        bins: int = 5,
        protected: Sequence[str] | None = None,
        seed: int = 0,
    ) -> None:
        self.depth = depth
        self.support = support
        self.top = top
        self.q = q
        self.quality = quality
        self.correction = correction
        self.permutations = permutations
        self.bins = bins
        self.protected = protected
        self.seed = seed

    def fit(
        self,
        frame: pd.DataFrame,
        target: np.ndarray,
        reached: np.ndarray | None = None,
        treatment: np.ndarray | None = None,
        *,
        propensity: np.ndarray | None = None,
        bad: np.ndarray | None = None,
        later: np.ndarray | None = None,
        protected_values: pd.DataFrame | None = None,
    ) -> SubgroupMiner:
        """Mine and confirm; what each table and array means: `mining_inputs.Customers`.

        Raises
        ------
        SettingsError : a setting out of range, or a quality and data that do not go together.
        ContractError : wrong lengths or values; no column to mine.
        EmptyArm : treatment without two arms.
        """
        self._check_settings()
        people = checked(Customers(frame, target, reached, treatment, propensity, bad, later, protected_values))
        self._check_ask(people)
        conditions = self._conditions(frame)
        masks, attribute = _masks(frame, conditions)
        known, plan = design(people.target, people.reached, people.treatment, people.propensity)
        rows = split(len(frame), people.later, self.seed)
        mining, confirming = (half(masks, attribute, known, plan, part) for part in rows)
        halves = Halves(mining, confirming, tuple(conditions))
        ask = Ask(
            self.depth, self.support, self.top, self.q, self.quality, self.correction, self.permutations, self.seed
        )
        found = sent(frame, halves, *rows, ask)
        self.tried_, self.looks_ = found.tried, found.looks
        self.rules_ = subgroup_table(found, people, self.q, self.quality)
        self.note_ = "" if len(self.rules_) else _why_empty(found, mining.rows, int(mining.whole.hits.sum()), ask)
        return self

    def _conditions(self, frame: pd.DataFrame) -> list[Selector]:
        left_out = protected_names() if self.protected is None else frozenset(self.protected)
        columns = [name for name in frame.columns if name not in left_out]
        if not columns:
            raise ContractError(
                f"frame: no column to mine: {list(map(str, frame.columns))} are all protected; give attributes, or "
                "protected=() to mine them all the same"
            )
        for bins in range(self.bins, 1, -1):
            self.bins_ = bins
            found = [s for name in columns for s in selectors(frame[name], bins, self.support)]
            if len(found) <= MOST_SELECTORS[self.depth]:
                break
        return found

    def _check_settings(self) -> None:
        if self.depth not in range(1, DEEPEST + 1):
            raise SettingsError(f"depth is {self.depth!r}; rules have 1 to {DEEPEST} conditions")
        if self.support < 1 or self.top < 1 or self.bins < 2 or not 0 < self.q < 1:
            raise SettingsError(
                f"support {self.support}, top {self.top}, bins {self.bins}, q {self.q}: support and top must be at "
                "least 1, bins at least 2, q between 0 and 1"
            )
        if self.quality not in QUALITIES:
            raise SettingsError(f"quality {self.quality!r} is unknown; choose one of {', '.join(QUALITIES)}")
        if self.correction not in CORRECTIONS:
            raise SettingsError(f"correction {self.correction!r} is unknown; choose one of {', '.join(CORRECTIONS)}")
        if self.correction == "westfall-young" and 1 / (self.permutations + 1) > self.q:
            raise SettingsError(
                f"permutations is {self.permutations}: the least p is then 1 / {self.permutations + 1}, above q "
                f"{self.q}; take at least {int(np.ceil(1 / self.q)) - 1}"
            )

    def _check_ask(self, people: Customers) -> None:
        if (self.quality == "uplift") != (people.treatment is not None):
            raise SettingsError(
                f"quality is {self.quality!r} and treatment is {'missing' if people.treatment is None else 'given'}: "
                "uplift compares a treated arm with a control arm, the other qualities know no arms; give both or none"
            )
        if self.correction == "westfall-young" and (people.treatment is not None or people.propensity is not None):
            raise SettingsError(
                "correction 'westfall-young' shuffles outcomes, which arms and propensities do not allow; take 'bh'"
            )


def mine_scenes(
    scenes: Mapping[str, Customers],
    miner: Mapping[str, Any] | None = None,
    seed: int = 0,
    backend: Backend = "auto",
    *,
    cores: int = 2,
    address: str | None = None,
) -> pd.DataFrame:
    """Subgroups of many scenes, mined side by side: the table subgroups; equal bytes on threads and on Ray.

    Parameters
    ----------
    scenes : scene id → its people
    miner : settings of `SubgroupMiner` but for the seed
    """
    names = sorted(scenes)
    size = max((len(scenes[name].frame) for name in names), default=0)
    mined = pmap(
        _mined, names, (dict(scenes), dict(miner or {})), seed, backend, size=size, cores=cores, address=address
    )
    tables = [table for table in mined if len(table)]
    if not tables:
        return mined[0] if mined else pd.DataFrame()
    return pd.concat(tables, ignore_index=True)


def _mined(name: str, shared: tuple[dict[str, Customers], dict[str, Any]], rng: np.random.Generator) -> pd.DataFrame:
    scenes, settings = shared
    people = scenes[name]
    fitted = SubgroupMiner(**settings, seed=int(rng.integers(2**31))).fit(
        *people[:4], propensity=people.propensity, bad=people.bad, later=people.later,
        protected_values=people.protected_values,
    )  # fmt: skip
    return fitted.rules_.assign(scene_id=name)


def _masks(frame: pd.DataFrame, conditions: list[Selector]) -> tuple[np.ndarray, np.ndarray]:
    """Who fits each condition, bool of shape (conditions, n), and the position of its column."""
    names = [condition.column for condition in conditions]
    masks = np.zeros((len(conditions), len(frame)), dtype=bool)
    for name in dict.fromkeys(names):
        at = [i for i, other in enumerate(names) if other == name]
        masks[at] = fits(frame[name], [conditions[i] for i in at])
    place = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return masks, np.array([place[name] for name in names], dtype=np.int64)


def _why_empty(found: Sent, rows: int, hits: int, ask: Ask) -> str:
    if ask.support > rows:
        return f"support {ask.support:,} is above the {rows:,} customers of the mining half"
    if not hits or hits == rows:
        return f"the outcome is the same for all {rows:,} customers of the mining half"
    if not found.tried:
        return f"no condition has {ask.support:,} members on the mining half and leaves anybody out"
    return f"none of {found.tried:,} rules is beyond chance on the mining half and has anybody left to reach"

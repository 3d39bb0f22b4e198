"""The answer to an edited rule: how many, who is lost at each step, what each step costs, and why nobody is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError
from scenefit.contracts.reach import Reach
from segmentation.audience_funnel import disjoint, funnel
from segmentation.bits import packed
from segmentation.phrases import Lang
from segmentation.rules import Condition

EVERYBODY, CONDITION = "all", "condition"
# gates of reach in Chinese; in English they go by their own names
_GATES = {
    EVERYBODY: "全体",
    "consent": "有授权",
    "consent (not stated in the data)": "数据未含授权信息",
    "no objection": "未提出异议",
    "not blocked": "不在禁止名单",
    "contact cap": "未超触达上限",
    "channel caps": "未超渠道上限",
    "outside quiet hours": "不在免打扰时段",
    "outside hold-out": "不在全局对照组",
}
_ON_LIST = "not on list: "


class Step(NamedTuple):
    """One step of an audience: a condition of the rule, or a reason not to contact people (`gate`)."""

    condition: Condition | None
    gate: str
    words: np.ndarray


class Conflict(NamedTuple):
    """The conditions because of which nobody is left: one that fits nobody, or two that exclude each other.

    Empty `steps` mean that only three or more conditions together exclude everybody.
    """

    steps: tuple[Step, ...]

    def sentence(self, lang: Lang = "en") -> str:
        """Why nobody is left, in words."""
        said = [
            gate_words(step.gate, lang) if step.condition is None else step.condition.sentence(lang)
            for step in self.steps
        ]
        if len(said) == 1:
            return f"没有人满足：{said[0]}" if lang == "zh" else f"Nobody fits: {said[0]}"
        if len(said) == 2:
            return f"互相矛盾：{said[0]} ↔ {said[1]}" if lang == "zh" else f"Nobody fits both: {said[0]}; {said[1]}"
        if lang == "zh":
            return "没有人同时满足全部条件，虽然任意两个条件都有人满足"
        return "Nobody fits all conditions, although any two of them have people in common"


@dataclass(frozen=True)
class Edit:
    """What a rule finds.

    after, without : (s,) customers left after each step, and customers if only that step were left out
    everybody : customers before the first step
    """

    steps: tuple[Step, ...]
    everybody: int
    after: np.ndarray
    without: np.ndarray

    @property
    def size(self) -> int:
        """How many fit all steps."""
        return int(self.after[-1])

    @property
    def conflict(self) -> Conflict | None:
        """Why nobody is left; None where somebody is."""
        return None if self.size else conflict_of(self.steps)

    @property
    def waterfall(self) -> pd.DataFrame:
        """Who is lost at each step.

        Returns
        -------
        DataFrame : step (`all`, `condition`, or a step of reach), condition (JSON, empty for others), customers left
            after the step, removed by it
        """
        left = [self.everybody, *self.after.tolist()]
        return pd.DataFrame(
            {
                "step": [EVERYBODY, *(step.gate or CONDITION for step in self.steps)],
                "condition": ["", *(_json(step) for step in self.steps)],
                "customers": left,
                "removed": [0, *(before - now for before, now in pairwise(left))],
            }
        )

    @property
    def leave_one_out(self) -> pd.DataFrame:
        """What each step costs.

        Returns
        -------
        DataFrame : step, condition, customers if only that step were left out, extra over the size
        """
        return pd.DataFrame(
            {
                "step": [step.gate or CONDITION for step in self.steps],
                "condition": [_json(step) for step in self.steps],
                "customers": self.without,
                "extra": self.without - self.size,
            }
        )


def gate_words(step: str, lang: Lang = "en") -> str:
    """A step of reach in words.

    >>> gate_words("outside hold-out", "zh"), gate_words("not on list: staff", "zh"), gate_words("consent")
    ('不在全局对照组', '不在名单“staff”中', 'consent')
    """
    if lang == "en":
        return step
    if step.startswith(_ON_LIST):
        return f"不在名单“{step.removeprefix(_ON_LIST)}”中"
    return _GATES.get(step, step)


def reach_steps(reach: Reach | None, n: int) -> tuple[Step, ...]:
    """The gates of reach as steps of the same waterfall.

    Raises
    ------
    ContractError : the reach of other people.
    """
    if reach is None:
        return ()
    if len(reach.mask) != n or (len(reach.waterfall) > 1 and not reach.gates):
        raise ContractError(
            f"reach of {len(reach.mask):,} people with {len(reach.gates)} gates for {n:,} people; "
            "give reachable(...) of the same customers in the same order"
        )
    return tuple(Step(None, gate.step, packed(gate.passes)) for gate in reach.gates)


def edit_of(everybody: np.ndarray, steps: Sequence[Step], n: int) -> Edit:
    """Waterfall and leave-one-out of the steps, in the order given."""
    after, without = funnel(everybody, [step.words for step in steps])
    return Edit(tuple(steps), n, after, without)


def conflict_of(steps: Sequence[Step]) -> Conflict:
    """Why nobody fits all steps."""
    return Conflict(tuple(steps[j] for j in disjoint([step.words for step in steps])))


def _json(step: Step) -> str:
    return "" if step.condition is None else step.condition.model_dump_json()

"""The tasks of a run that are naturally many: one function each, fanned out by `pmap`.

A task gets the shared material and returns plain tables and arrays; it reads no disk, clock or setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from recsys.evaluate import ProbabilityQuality
from recsys.training import Learned, Material
from risk.default import DefaultModel
from scenefit.contracts.errors import NotFitted

NOTHING_TO_LEARN_ZH = {
    "segments": "该场景的数据不足以分群",
    "subgroups": "该场景的数据不足以挖掘子群",
    "behaviour": "留出期内没有行为记录，无法评估",
    "offers": "学习期或留出期内无人提用产品，无法学习或评估",
    "champion": "学习期内无人提用产品，无法学习",
    "response": "缺少已结束且有人响应、有人未响应的活动，无法学习响应概率",
    "default": "没有开立时间足够长且有还款记录的账户，预期损失按零计",
}

Kind = Literal["segments", "subgroups", "behaviour", "offers", "champion", "response", "default"]


@dataclass(frozen=True)
class Task:
    """One piece of work: its kind, and the scene it is about where there is one."""

    kind: Kind
    scene: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind} {self.scene}".strip()


class SceneMembers(NamedTuple):
    """People active in a scene: their codes and features, the outcome mined for and who was reached.

    bad : 1 where an account of theirs went late, 0 where none did, NaN without one
    protected : what is never mined and on which mined groups are compared for fairness
    """

    who: np.ndarray
    features: pd.DataFrame
    outcome: np.ndarray
    reached: np.ndarray
    bad: np.ndarray | None = None
    protected: pd.DataFrame | None = None


class Borrowers(NamedTuple):
    """Accounts to learn default from, oldest first, and everybody's features now."""

    features: pd.DataFrame
    defaulted: np.ndarray
    everybody: pd.DataFrame


class Shared(NamedTuple):
    """What all tasks may read."""

    segmented: Mapping[str, SceneMembers]
    mined: Mapping[str, SceneMembers]
    material: Material
    offers: pd.DataFrame
    offers_profile: np.ndarray
    held_out: tuple[str, ...]
    borrowers: Borrowers | None
    sweep: Mapping[str, Any]
    miner: Mapping[str, Any]
    blocks: Mapping[str, list[str]]

    def after_learning(self) -> Shared:
        """What a plan still needs; the rest would stand in memory beside its matrices."""
        return self._replace(
            segmented={}, mined={}, offers=pd.DataFrame(), offers_profile=np.zeros((0, 0)), borrowers=None
        )


class Segmented(NamedTuple):
    """Segments of one scene: member codes, segment ids, confidence, profiles and the criteria by k."""

    who: np.ndarray
    segment: np.ndarray
    confidence: np.ndarray
    profiles: pd.DataFrame
    criteria: pd.DataFrame
    k: int
    tie_set: tuple[int, ...]


class DefaultLearned(NamedTuple):
    """Probability of default of everybody, the standard error of its log-odds, quality on the latest accounts, the
    model to keep."""

    pd_now: np.ndarray
    logit_error: np.ndarray
    quality: ProbabilityQuality
    model: DefaultModel


class Absent(NamedTuple):
    """Why a part of the run has nothing to show."""

    absent: str
    absent_zh: str


def work(task: Task, shared: Shared, rng: np.random.Generator) -> object:
    """Do one task; a model that has nothing to learn from says so instead of guessing."""
    seed = int(rng.integers(2**31))
    try:
        if task.kind == "segments":
            return segments(task.scene, shared.segmented[task.scene], shared, seed)
        if task.kind == "subgroups":
            return subgroups(task.scene, shared.mined[task.scene], shared, seed)
        return _learn(task, shared)
    except NotFitted as error:
        return Absent(str(error), NOTHING_TO_LEARN_ZH[task.kind])


def _learn(task: Task, shared: Shared) -> object:
    from recsys import training

    windows = len(shared.material.edges) - 1
    if task.kind == "behaviour":
        return training.next_item_quality(shared.material)
    if task.kind == "offers":
        return training.next_offer_quality(shared.material)
    if task.kind == "champion":
        return training.learn_next_offer(shared.material, 1, windows)
    if task.kind == "response":
        return training.learn_response(shared.material, shared.offers, shared.offers_profile, shared.held_out)
    if shared.borrowers is None:
        raise NotFitted(
            "default: no account with repayments has been open for long enough; expected loss is taken as zero"
        )
    return probability_of_default(shared.borrowers)


def segments(scene: str, members: SceneMembers, shared: Shared, seed: int) -> Segmented:
    """Segments of the people active in a scene, named and described."""
    from segmentation.encoders import CustomerEncoder
    from segmentation.profile import profiles, segment_ids
    from segmentation.sweep import SegmentSweep

    columns = set(members.features.columns)
    blocks = {name: [c for c in names if c in columns] for name, names in shared.blocks.items()}
    encoder = CustomerEncoder(blocks={name: names for name, names in blocks.items() if names})
    sweep = SegmentSweep(**shared.sweep, seed=seed).fit(encoder.fit_transform(members.features))
    return Segmented(
        who=members.who,
        segment=segment_ids(scene, sweep.labels_),
        confidence=sweep.confidence_,
        profiles=profiles(members.features, sweep.labels_, scene),
        criteria=sweep.report_.assign(scene_id=scene),
        k=sweep.k_,
        tie_set=tuple(sweep.tie_set_),
    )


def subgroups(scene: str, members: SceneMembers, shared: Shared, seed: int) -> pd.DataFrame:
    """Mined groups of a scene that respond better than the scene and are not reached yet.

    Raises
    ------
    PurposeError : a rule reads what marketing may not use; nothing of the scene is kept then.
    """
    from feature_repo.purposes import feature_purposes, feature_sources
    from segmentation.rules import Rule
    from segmentation.subgroups import SubgroupMiner

    miner = SubgroupMiner(**shared.miner, seed=seed).fit(
        members.features, members.outcome, members.reached, bad=members.bad, protected_values=members.protected
    )
    permitted, sources = feature_purposes(), feature_sources()
    for rule in miner.rules_["rule"]:
        Rule.read(rule).require("marketing", permitted, sources)
    return miner.rules_.assign(scene_id=scene)


def probability_of_default(borrowers: Borrowers) -> DefaultLearned:
    """PD of everybody; its quality on the latest third of the accounts, learned from those before."""
    from recsys.evaluate import probability_quality

    cut = len(borrowers.defaulted) * 2 // 3
    earlier = DefaultModel().fit(borrowers.features.iloc[:cut], borrowers.defaulted[:cut])
    quality = probability_quality(earlier.predict_proba(borrowers.features.iloc[cut:]), borrowers.defaulted[cut:])
    model = DefaultModel().fit(borrowers.features, borrowers.defaulted)
    everybody = borrowers.everybody
    return DefaultLearned(model.predict_proba(everybody), model.logit_error(everybody), quality, model)


__all__ = [
    "Absent", "Borrowers", "DefaultLearned", "Learned", "SceneMembers", "Segmented", "Shared", "Task", "work",
]  # fmt: skip

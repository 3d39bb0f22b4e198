"""Past campaigns as planned: scene, channel, dates, arms with products and shares, and who approved them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scenefit.contracts.tables.consents import CHANNELS
from scenefit.contracts.world import clock, products
from scenefit.contracts.world.columns import contract_table, instants, numbered, numbers, texts, whole_numbers
from scenefit.contracts.world.scenes import SCENE_IDS, TOP

COUNT = 24
FIRST_DAY, LAST_DAY = 66, 341  # of the year of events
LENGTH = 28  # days
ARMS = ("control", "A", "B", "C")
POLICIES = ("past-1", "past-2")  # equal chances; chances by city tier
KINDS = (("acquire", "拉新"), ("activate", "促活"), ("cross-sell", "交叉营销"), ("win-back", "召回"))
STEPS = ("draft", "risk sign-off", "second person", "live")


@dataclass(frozen=True)
class Campaigns:
    """One row per campaign; arms in the order of ARMS, product −1 where the arm is not used."""

    scene: np.ndarray
    channel: np.ndarray
    kind: np.ndarray
    start: np.ndarray  # day of the year of events
    arms: np.ndarray  # arms in use, control included
    product: np.ndarray  # (campaigns, 4)
    share: np.ndarray  # (campaigns, 2, 4): in large cities, elsewhere

    @property
    def policy(self) -> np.ndarray:
        """Position in POLICIES: 1 where the chances depend on the city tier."""
        return (self.share[:, 0] != self.share[:, 1]).any(axis=1).astype(int)

    def propensities(self, campaign: int, tier: np.ndarray) -> np.ndarray:
        """P(arm | person), shape (people, 4)."""
        return self.share[campaign][np.where(tier <= 2, 0, 1)]


def campaigns(rng: np.random.Generator) -> Campaigns:
    """Three campaigns per vertical scene over ten months, each with a control arm."""
    scene = np.concatenate([rng.permutation(len(TOP)) for _ in range(COUNT // len(TOP))])
    start = np.linspace(FIRST_DAY, LAST_DAY, COUNT).astype(int)
    arms = rng.integers(2, 5, COUNT)
    product = np.full((COUNT, len(ARMS)), -1)
    share = np.zeros((COUNT, 2, len(ARMS)))
    for i in range(COUNT):
        own = _on_sale(start[i]) & products.SERVES[:, scene[i]]
        any_scene = _on_sale(start[i]) & products.ANYWHERE
        # products of the scene come first, then those for every scene
        queue = np.concatenate([rng.permutation(np.flatnonzero(own)), rng.permutation(np.flatnonzero(any_scene))])
        product[i, 1 : arms[i]] = queue[: arms[i] - 1]
        control = rng.choice([0.20, 0.25, 0.30, 0.35])
        share[i, :, 0] = control
        share[i, :, 1 : arms[i]] = (1 - control) / (arms[i] - 1)
        if i % 3 == 2:  # the later practice: large cities got more of the first offer, others more of the control
            share[i, 0, : arms[i]] *= np.where(np.arange(arms[i]) == 1, 1.5, 1.0)
            share[i, 1, : arms[i]] *= np.where(np.arange(arms[i]) == 0, 1.5, 1.0)
            share[i] = np.round(share[i] / share[i].sum(axis=1, keepdims=True), 4)
            share[i, :, 0] += 1 - share[i].sum(axis=1)
    channel = rng.permutation(np.resize([0, 1, 3, 0, 1, 4, 2, 3], COUNT))
    return Campaigns(scene, channel, rng.integers(0, len(KINDS), COUNT), start, arms, product, share)


def campaigns_table(plan: Campaigns) -> pa.Table:
    """Campaigns with names and dates."""
    begin = clock.START + plan.start * clock.DAY
    month = (begin + 8 * clock.HOUR).astype("M8[us]").astype("M8[M]")
    rows = list(zip(plan.scene, plan.kind, month.astype(str), strict=True))
    return contract_table(
        "campaigns",
        {
            "campaign_id": campaign_ids(),
            "name_en": [f"{TOP[s][1]}: {KINDS[k][0]} {m}" for s, k, m in rows],
            "name_zh": [f"{TOP[s][2]}{KINDS[k][1]} {m}" for s, k, m in rows],
            "kind": [KINDS[k][0] for k in plan.kind],
            "scene_id": texts(SCENE_IDS, plan.scene),
            "channel": texts(CHANNELS, plan.channel),
            "starts_at": instants(begin),
            "ends_at": instants(begin + LENGTH * clock.DAY),
        },
    )


def arms_table(plan: Campaigns) -> pa.Table:
    """Arms with product and share; the share is empty where no single one holds for everybody."""
    campaign, arm = np.nonzero(np.arange(len(ARMS))[None, :] < plan.arms[:, None])
    share = np.where(plan.policy[campaign] == 0, plan.share[campaign, 0, arm], np.nan)
    return contract_table(
        "arms",
        {
            "campaign_id": texts(campaign_ids(), campaign),
            "arm": texts(ARMS, arm),
            "product_id": texts(products.IDS, plan.product[campaign, arm]),
            "share": numbers(share),
        },
    )


def approvals_table(plan: Campaigns) -> pa.Table:
    """Who let products and campaigns go live, by two people and the risk colleagues."""
    states = [terms.state for terms in products.PRODUCTS]
    kinds = ["product"] * len(states) + ["campaign"] * COUNT
    names = [*products.IDS, *campaign_ids().to_pylist()]
    live = np.concatenate([products.FIRST_SALE, clock.START + plan.start * clock.DAY])
    stopped = np.concatenate([products.LAST_SALE, clock.START + (plan.start + LENGTH) * clock.DAY])
    ended = np.array([s == "retired" for s in states] + [True] * COUNT) & (stopped < clock.END)
    steps = [
        (i, step, live[i] - (len(STEPS) - place) * 2 * clock.DAY + 10 * clock.HOUR)
        for i in range(len(names))
        for place, step in enumerate(STEPS if i >= len(states) or states[i] != "draft" else STEPS[:1])
    ] + [(int(i), "stopped", stopped[i]) for i in np.flatnonzero(ended)]
    by = {"draft": "product desk", "risk sign-off": "risk desk", "second person": "head of products",
          "live": "release desk", "stopped": "product desk"}  # fmt: skip
    return contract_table(
        "approvals",
        {
            "object_kind": [kinds[i] for i, _, _ in steps],
            "object_id": [names[i] for i, _, _ in steps],
            "version": whole_numbers(np.ones(len(steps))),
            "step": [step for _, step, _ in steps],
            "by": [by[step] for _, step, _ in steps],
            "at": instants(np.array([at for _, _, at in steps])),
        },
    )


def campaign_ids() -> pa.Array:
    """k01, k02 …"""
    return numbered("k", np.arange(1, COUNT + 1), 2)


def _on_sale(day: int) -> np.ndarray:
    return (day >= products.FROM_DAY) & (min(day + LENGTH, clock.DAYS) <= products.TO_DAY) & products.SOLD

"""What only the maker of a synthetic world knows about takes and defaults, beside what a run of it believes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from app import flow
from app.kept_case import read_case
from app.synthetic import write_world
from recsys.case import Case
from recsys.value import Terms
from scenefit.contracts.world import World, clock, customers, demand, make_world, people, products
from scenefit.contracts.world.columns import chance, sigmoid
from scenefit.contracts.world.parameters import BLOCK
from scenefit.runtime.settings import Settings
from scenefit.runtime.workspace import Workspace

CHANNEL, SMS = "sms", 0
DRAWS = 8  # of pure chance, over which the knowable is averaged


class Truth(NamedTuple):
    """P(take) of every person and product with one text message and without, and the person's P(default).

    offered, without : (n, products); 0 for products that are not on sale; default : (n,)
    """

    ids: np.ndarray
    offered: np.ndarray
    without: np.ndarray
    default: np.ndarray


def true_chances(size: int, seed: int, difficulty: str) -> Truth:
    """Truth about everybody in a world, made again from its seed; the first of each block stand in truth/takes."""
    world, parts = make_world(size, seed, difficulty), []
    for block in world.blocks:
        here = min(BLOCK, size - block * BLOCK)
        crowd = people.people(here, world.ground.style, world.settings, chance(seed, block, "people"))
        wants = demand.demand(crowd, world.ground.pull, world.settings, chance(seed, block, "demand"))
        parts.append(_truth(world, block, crowd, wants))
    return _joined(parts)


def knowable_chances(size: int, seed: int, difficulty: str) -> Truth:
    """The mean of the truth over what is pure chance to everybody: random utility, and risk that no column shows.

    Taste, needs, income and segment are known exactly, as no data tells them.
    """
    world, parts = make_world(size, seed, difficulty), []
    p = world.settings
    for block in world.blocks:
        here = min(BLOCK, size - block * BLOCK)
        quiet = people.people(here, world.ground.style, replace(p, risk_noise=0.0), chance(seed, block, "people"))
        drawn = []
        for draw in range(DRAWS):
            rng = chance(seed, block, f"knowable {draw}")
            unseen = np.where(quiet.ring >= 0, 0.0, rng.normal(0, p.risk_noise, here))
            crowd = replace(quiet, risk=quiet.risk + unseen)
            drawn.append(_truth(world, block, crowd, demand.demand(crowd, world.ground.pull, p, rng)))
        means = (np.mean([one[k] for one in drawn], axis=0) for k in (1, 2, 3))
        parts.append(Truth(drawn[0].ids, *means))
    return _joined(parts)


def _truth(world: World, block: int, crowd: people.People, wants: demand.Demand) -> Truth:
    shape, p = wants.yearly.shape, world.settings
    person, product = (index.ravel() for index in np.indices(shape))
    day = np.full(len(person), float(clock.DAYS - p.window_days))
    message = np.full(len(person), SMS)
    both = demand.take_probability(crowd, wants, world.ground.seasons, person, product, day, message, p)
    without, offered = (np.where(products.LIVE, one.reshape(shape), 0.0) for one in both)
    ids = np.asarray(customers.customer_ids(block, len(crowd)).to_pylist(), dtype=object)
    return Truth(ids, offered, without, sigmoid(crowd.risk))


def _joined(parts: list[Truth]) -> Truth:
    return Truth(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def run_case(folder: Path, size: int, seed: int, difficulty: str) -> Case:
    """The case of a run over that world; a run that the folder holds already is taken up."""
    workspace = Workspace(folder)
    if not (folder / "latest").is_file():
        write_world(workspace, size, seed, difficulty)
        flow.run(workspace, Settings(), backend="local", quiet=True)
    return read_case(workspace.latest())


def by_message(case: Case) -> Case:
    """The case with text messages as its only channel; its limits are left behind."""
    kept = (case.offers["channel"] == CHANNEL).to_numpy(bool)
    return replace(
        case,
        offers=case.offers[kept].reset_index(drop=True),
        p_take=case.p_take[:, kept],
        p_unoffered=case.p_unoffered[kept],
        terms=Terms(*(part[kept] for part in case.terms)),
        contact_cost=case.contact_cost[kept],
        reason=case.reason[:, kept],
        limits=(),
    )


def aligned(truth: Truth, case: Case) -> Truth:
    """Truth in the order of a case's people and offers."""
    row = pd.Index(truth.ids).get_indexer(pd.Index(case.customers))
    column = pd.Index(products.IDS).get_indexer(pd.Index(case.offers["product_id"]))
    return Truth(case.customers, truth.offered[row][:, column], truth.without[row][:, column], truth.default[row])

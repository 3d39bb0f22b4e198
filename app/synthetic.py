"""A synthetic world written into a workspace, block by block; labelled synthetic wherever it is shown."""

from __future__ import annotations

import numpy as np

from scenefit.contracts.world import Block, World, make_world
from scenefit.runtime.parallel import Backend, pmap
from scenefit.runtime.store import replace_raw
from scenefit.runtime.workspace import Dataset, Workspace


def write_world(
    workspace: Workspace,
    customers: int,
    seed: int,
    difficulty: str = "normal",
    backend: Backend = "local",
    cores: int = 2,
) -> Dataset:
    """Make a world and write it as the workspace's data; equal arguments give equal bytes.

    Only a few blocks are in memory at a time, so the size of the world is bounded by the disk.
    """
    world = make_world(customers, seed, difficulty)
    dataset = Dataset(
        name=world.dataset_name,
        until=world.until,
        synthetic=True,
        assumptions_en=tuple(world.assumptions_en),
        assumptions_zh=tuple(world.assumptions_zh),
        origin={"customers": customers, "seed": seed, "difficulty": difficulty, "world": world.version},
    )
    numbers = list(world.blocks)
    with replace_raw(workspace, dataset) as writer:
        for name, table in world.static().items():
            writer.add(name, table)
        for name, table in world.truth_static().items():
            writer.add_truth(name, table)
        for start in range(0, len(numbers), 2 * cores):
            for block in pmap(_block, numbers[start : start + 2 * cores], world, backend=backend, cores=cores):
                for name, table in block.tables.items():
                    writer.add(name, table)
                for name, table in block.truth.items():
                    writer.add_truth(name, table)
    return workspace.dataset()


def _block(number: int, world: World, rng: np.random.Generator) -> Block:  # noqa: ARG001
    # a block has its own seed, so that it does not depend on how many others are made
    return world.block(number)

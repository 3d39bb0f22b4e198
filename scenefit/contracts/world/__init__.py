"""A synthetic world with known truth, made from a seed: data to build on, and truth to be measured against."""

from scenefit.contracts.world.parameters import WORLD_VERSION
from scenefit.contracts.world.world import Block, World, make_world

__all__ = ["WORLD_VERSION", "Block", "World", "make_world"]

"""Tasks that tests hand to the parallel map; in a module of their own, so that workers can import them."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np
from threadpoolctl import threadpool_info

from scenefit.contracts.errors import ContractError


class Scene:
    """An item with a name."""

    def __init__(self, name: str) -> None:
        self.name = name


class TwoArguments(Exception):
    """An exception that does not survive pickling."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def draw(item: int, shared: np.ndarray, rng: np.random.Generator) -> bytes:
    """Random numbers mixed with shared ones, as bytes."""
    return (rng.normal(size=50) @ shared[:50, :7] * item).tobytes()


def slow_first(item: int, shared: Any, rng: np.random.Generator) -> int:
    """The item, the first one last."""
    time.sleep(0.1 if item == 0 else 0)
    return item


def threads(item: int, shared: Any, rng: np.random.Generator) -> tuple[set[int], int]:
    """How many threads BLAS and OpenMP, and numba, would use."""
    return {pool["num_threads"] for pool in threadpool_info()}, numba.get_num_threads()


def writes(item: int, shared: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether the shared array may be written to."""
    return bool(shared.flags.writeable)


def fails(item: Any, shared: Any, rng: np.random.Generator) -> int:
    """Fail on the item named travel."""
    if getattr(item, "name", item) == "travel":
        raise ValueError("no such colour")
    return 1


def fails_oddly(item: Any, shared: Any, rng: np.random.Generator) -> None:
    """Fail with an exception that cannot be sent to another process."""
    raise TwoArguments(1, 2)


def breaks_contract(item: Any, shared: Any, rng: np.random.Generator) -> None:
    """Fail with an error of our own tree."""
    raise ContractError("visits: column 'at' is missing")


def interrupted(item: int, folder: str, rng: np.random.Generator) -> None:
    """Ctrl-C at item 1; all others leave a mark."""
    if item == 1:
        raise KeyboardInterrupt
    time.sleep(0.05)
    (Path(folder) / str(item)).touch()


def dies_once(item: int, shared: tuple[str, np.ndarray], rng: np.random.Generator) -> bytes:
    """Kill the worker on the first try of item 2."""
    folder, numbers = shared
    mark = Path(folder) / "died"
    if item == 2 and folder and not mark.exists():
        mark.touch()
        os._exit(1)
    return draw(item, numbers, rng)

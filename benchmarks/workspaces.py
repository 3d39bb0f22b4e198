"""Synthetic worlds that benchmarks share, made once per size and kept in the cache folder."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from benchmarks.harness import CACHE, Side, measure
from scenefit.contracts.world import make_world

SEED = 7


def scenefit_command(*arguments: str) -> tuple[str, ...]:
    """The `scenefit` command of this checkout."""
    return (sys.executable, "-m", "app.cli", *arguments)


def world(customers: int) -> Path:
    """Workspace with a synthetic world of that many customers; made when it is not there."""
    made = make_world(customers, SEED)
    folder = CACHE / "worlds" / f"{customers}-seed{SEED}-world{made.version}"
    if not (folder / "raw" / "dataset.json").is_file():
        measure(Side("world", world_command(folder, customers)))
    return folder


def world_command(folder: Path, customers: int) -> tuple[str, ...]:
    """Make the world of that size in a folder."""
    options = ("--customers", str(customers), "--seed", str(SEED), "--json")
    return scenefit_command("world", "--workspace", str(folder.resolve()), *options)


def fresh(folder: Path, origin: Path) -> Path:
    """A workspace with the data of `origin` and nothing else: no features, no runs."""
    shutil.rmtree(folder, ignore_errors=True)
    # hard links: the same bytes without the time and room of a copy
    shutil.copytree(origin / "raw", folder / "raw", copy_function=os.link)
    return folder

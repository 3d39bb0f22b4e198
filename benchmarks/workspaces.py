"""Synthetic worlds that benchmarks share, made once per size and kept in the cache folder."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from benchmarks.harness import CACHE, ROOT, Side, measure

SEED = 7


def scenefit_command(*arguments: str) -> tuple[str, ...]:
    """The `scenefit` command of this checkout."""
    return (sys.executable, "-m", "app.cli", *arguments)


def world(customers: int) -> Path:
    """Workspace with a synthetic world of that many customers; made when it is not there."""
    folder = CACHE / "worlds" / f"{customers}-seed{SEED}-{_generator()}"
    if not (folder / "raw" / "dataset.json").is_file():
        measure(Side("world", world_command(folder, customers)))
    return folder


def world_command(folder: Path, customers: int) -> tuple[str, ...]:
    """Make the world of that size in a folder."""
    options = ("--customers", str(customers), "--seed", str(SEED), "--json")
    return scenefit_command("world", "--workspace", from_root(folder), *options)


def from_root(folder: Path) -> str:
    """A folder of the cache as measured processes name it: they run in the root of the checkout."""
    return str(folder.relative_to(ROOT))


def fresh(folder: Path, origin: Path) -> Path:
    """A workspace with the data of `origin` and nothing else: no features, no runs."""
    shutil.rmtree(folder, ignore_errors=True)
    # hard links: the same bytes without the time and room of a copy
    shutil.copytree(origin / "raw", folder / "raw", copy_function=os.link)
    return folder


def _generator() -> str:
    """Changes whenever the code does that a world's bytes depend on."""
    digest = hashlib.sha256()
    for file in sorted((ROOT / "scenefit" / "contracts").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:8]

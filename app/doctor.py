"""Is this installation sound: rooms from this distribution, libraries at work, workspace readable."""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from scenefit.contracts.errors import ScenefitError
from scenefit.runtime.workspace import Workspace

ROOMS = ("scenefit", "feature_repo", "segmentation", "risk", "recsys", "campaign", "app")
LIBRARIES = (
    "duckdb",
    "feast",
    "highspy",
    "implicit",
    "numba",
    "numpy",
    "pandas",
    "pyarrow",
    "ray",
    "scikit-learn",
    "streamlit",
)
LEAST_FREE = 2 << 30  # bytes; a 50,000-customer run needs well under one GiB


class Finding(NamedTuple):
    """One check: what, whether it is well, and what to know or do."""

    check: str
    ok: bool
    detail: str


def findings(workspace: Workspace) -> list[Finding]:
    """All checks, those that failed included."""
    return [*rooms(), *libraries(), disk(workspace), data(workspace)]


def rooms() -> list[Finding]:
    """Each room must come from beside this file: other packages of the same name exist and would overwrite ours."""
    home = Path(__file__).resolve().parents[1]
    found = []
    for name in ROOMS:
        place = Path(import_module(name).__file__ or "").resolve()
        ok = place.parent.parent == home
        found.append(Finding(f"room {name}", ok, str(place.parent) if ok else f"comes from {place.parent}, not {home}; "
                             "uninstall the package of the same name and install Scenefit again"))  # fmt: skip
    return found


def libraries() -> list[Finding]:
    """The libraries of the main job are installed."""
    found = []
    for name in LIBRARIES:
        try:
            found.append(Finding(f"library {name}", True, version(name)))
        except PackageNotFoundError:
            found.append(Finding(f"library {name}", False, "not installed; run `make install`"))
    return found


def disk(workspace: Workspace) -> Finding:
    """Room on the disk of the workspace."""
    place = next(p for p in (workspace.root, *workspace.root.resolve().parents) if p.exists())
    if not place.is_dir():
        return Finding("disk", False, f"{place} is a file; choose another --workspace")
    free = shutil.disk_usage(place).free
    writable = os.access(place, os.W_OK)
    detail = f"{free / 2**30:.1f} GiB free at {place}" + ("" if writable else ", but no permission to write")
    return Finding("disk", free >= LEAST_FREE and writable, detail)


def data(workspace: Workspace) -> Finding:
    """The workspace's data, if any."""
    try:
        dataset = workspace.dataset()
    except ScenefitError as error:
        return Finding("data", not (workspace.raw / "dataset.json").exists(), str(error))
    return Finding(
        "data", True, f"{dataset.name}, {dataset.rows.get('customers', 0):,} customers, until {dataset.until:%Y-%m-%d}"
    )

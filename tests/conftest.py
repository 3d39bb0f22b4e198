"""What every test may ask for: the folder of real data sets, a small synthetic workspace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SMALL = """
[flow]
scene_members = 100
max_scenes = 3
label_windows = 3
[segments]
k_max = 4
seeds = 2
[subgroups]
support = 30
[recommend]
factors = 8
iterations = 3
"""


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Folder of real data sets: SCENEFIT_DATASETS, else ../shared/data beside the checkout."""
    folder = Path(os.environ.get("SCENEFIT_DATASETS", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        message = f"real data sets are not at {folder}; set SCENEFIT_DATASETS"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of 2,500 synthetic people with a finished run; tests may not change it."""
    from app.flow import run
    from app.synthetic import write_world
    from scenefit.runtime.settings import read_settings
    from scenefit.runtime.workspace import Workspace

    root = tmp_path_factory.mktemp("small_run") / "w"
    write_world(Workspace(root), customers=2_500, seed=7)
    (root / "scenefit.toml").write_text(SMALL, "utf8")
    run(Workspace(root), read_settings(root), backend="local", quiet=True)
    return root

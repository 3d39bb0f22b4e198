"""What every test may ask for: the folder of real data sets, a small synthetic workspace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


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

"""A tiny world, and the command line over it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.synthetic import write_world
from scenefit.runtime.settings import FILE
from scenefit.runtime.workspace import Workspace, write_text
from tests.faults.command_line import SMALL, Ended


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of 400 people, made once."""
    # a run imports it in a thread beside the first step, which a test that fails the first step would leave behind
    import_module("feature_repo.registry")
    root = tmp_path_factory.mktemp("tiny") / "w"
    write_world(Workspace(root), 400, seed=0)
    return root


@pytest.fixture
def workspace(tiny_world: Path, tmp_path: Path) -> Workspace:
    """A copy of it, with an earlier run that `latest` points at."""
    place = Workspace(shutil.copytree(tiny_world, tmp_path / "w"))
    write_text(place.root / FILE, SMALL)
    write_text(place.runs / "earlier" / "manifest.json", '{"run_id": "earlier"}')
    write_text(place.root / "latest", "earlier")
    return place


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Call the command line in this process."""

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["scenefit", *map(str, words)])
        code: Any = 0
        try:
            main()
        except SystemExit as leave:
            code = leave.code
        return Ended(code, *capsys.readouterr())

    return call

"""A small finished run made by the contract, for pages and report."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app.cli import main
from app.serve import MAIN
from scenefit.runtime.workspace import Workspace
from tests.faults.command_line import Ended


@pytest.fixture(scope="session")
def run_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with one finished run; tests may not change it."""
    return made_run(tmp_path_factory.mktemp("made"))


@pytest.fixture
def own_workspace(tmp_path: Path) -> Workspace:
    """A workspace of the test's own, to break."""
    return made_run(tmp_path / "own")


def made_run(root: Path) -> Workspace:
    # by path: tests are no package
    spec = importlib.util.spec_from_file_location("made_run", Path(__file__).with_name("made_run.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.make_run(root)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Open a page of a workspace without a browser."""

    def show(workspace: Workspace, view: str = "", lang: str = "en") -> AppTest:
        monkeypatch.setenv("SCENEFIT_WORKSPACE", str(workspace.root))
        page = AppTest.from_file(str(MAIN), default_timeout=60)
        page.session_state["lang"] = lang
        page.run()
        if view:
            page.switch_page(f"views/{view}.py").run()
        assert not page.exception
        return page

    return show


@pytest.fixture
def scenefit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Call `scenefit …` in this process."""

    def call(*words: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["scenefit", *map(str, words)])
        code: Any = 0
        try:
            main()
        except SystemExit as leave:
            code = leave.code
        return Ended(code, *capsys.readouterr())

    return call

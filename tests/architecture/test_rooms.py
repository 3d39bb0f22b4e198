"""Rooms stay apart, light to open, and ours."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from app.doctor import ROOMS, rooms

HOME = Path(__file__).parents[2]
SOURCES = [file for room in ROOMS for file in (HOME / room).rglob("*.py")]


def test_the_import_contract_holds():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=HOME, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_every_room_comes_from_this_checkout():
    assert [finding for finding in rooms() if not finding.ok] == []


def test_no_other_distribution_owns_a_room():
    owners = packages_distributions()
    # an editable installation lists no files, so a room without an owner is ours as well
    assert {room: owners[room] for room in ROOMS if owners.get(room, ["scenefit"]) != ["scenefit"]} == {}


def test_ray_is_imported_in_one_file():
    importing = {
        str(file.relative_to(HOME))
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text("utf8")))
        if (isinstance(node, ast.Import) and any(name.name.split(".")[0] == "ray" for name in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ray")
    }
    assert importing == {"scenefit/runtime/parallel.py"}


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "base", "misc", "manager", "handler", "factory"])
def test_no_file_is_named_after_nothing(name):
    assert [file for file in SOURCES if file.stem == name] == []


def test_no_pages_folder_and_no_pickles():
    assert not (HOME / "app" / "pages").exists()
    tracked = subprocess.run(["git", "ls-files"], cwd=HOME, capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in tracked if name.endswith((".pkl", ".pickle", ".joblib"))] == []


def test_kernels_read_no_clock_and_no_global_chance():
    """`now`, `today`, `time.time` and numpy's global generator are for shells; kernels take as_of and rng."""
    for room in ("segmentation", "risk", "recsys", "campaign", "scenefit/contracts"):
        for file in (HOME / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf8"))):
                if isinstance(node, ast.Attribute):
                    name = ast.unparse(node)
                    assert name not in {"datetime.now", "pd.Timestamp.now", "time.time", "date.today"}, (
                        f"{file}: {name}"
                    )
                    assert not name.startswith(("np.random.seed", "np.random.rand", "np.random.choice")), (
                        f"{file}: {name}"
                    )


@pytest.mark.parametrize("statement", ["import app.cli", "import app.engine", "import recsys.match"])
def test_opening_a_door_loads_no_heavy_package(statement):
    # the pages' own start is tested in tests/app
    heavy = "[m for m in ('feast', 'ray', 'matplotlib', 'sklearn') if m in sys.modules]"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, json; {statement}; print(json.dumps({heavy}))"],
        capture_output=True, text=True, check=True, cwd=HOME,
    )  # fmt: skip
    assert json.loads(done.stdout) == []


def test_no_path_of_a_machine_and_no_package_host_in_the_tree():
    tracked = subprocess.run(["git", "ls-files"], cwd=HOME, capture_output=True, text=True, check=True).stdout.split()
    mine = "tests/architecture/test_rooms.py"
    for name in tracked:
        file = HOME / name
        if name == mine or not file.is_file() or file.suffix in {".png", ".parquet"}:
            continue
        text = file.read_text("utf8")
        for mark in ("/home/", "/root/", "index-url http", "/simple/"):
            assert mark not in text, f"{name} holds {mark}"

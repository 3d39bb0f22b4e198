"""Stock `feast` commands, unmodified, in the folder of definitions: over files and over servers."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import feature_repo
from feature_repo import history, online, store
from feature_repo.online import OnlineValue
from feature_repo.services import SERVICES
from feature_repo.views import VIEWS
from scenefit.runtime.workspace import Workspace

from .conftest import D, ago
from .servers import free_port, new_database, postgres_url, valkey_address

__all__ = ["postgres_url", "valkey_address"]

HERE = Path(feature_repo.__file__).parent
FEAST = str(Path(sys.executable).with_name("feast"))
STARTED_WITHIN = 120.0

pytestmark = pytest.mark.slow


@pytest.fixture
def workspace(firm: Callable[..., Workspace]) -> Workspace:
    workspace = firm()
    history.build(workspace, [ago(1), D])
    return workspace


@pytest.fixture(autouse=True)
def nothing_written_into_the_package() -> Iterator[None]:
    def files() -> list[Path]:
        return sorted(path for path in HERE.rglob("*") if "__pycache__" not in path.parts and path.suffix != ".py")

    before = files()
    yield
    assert files() == before


def environment(workspace: Workspace, **more: str) -> dict[str, str]:
    return os.environ | {"SCENEFIT_WORKSPACE": str(workspace.root), "PYTHONDONTWRITEBYTECODE": "1"} | more


def feast(variables: dict[str, str], *command: str) -> str:
    """What a stock command prints."""
    done = subprocess.run(
        [FEAST, *command], cwd=HERE, env=variables, capture_output=True, text=True, check=False, timeout=STARTED_WITHIN
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def refresh(variables: dict[str, str]) -> None:
    """The older snapshot online, then what came since."""
    feast(variables, "materialize", "2025-12-30T00:00:00", "2025-12-31T00:00:00", "-v", "customer_serving")
    feast(variables, "materialize-incremental", "2026-01-01T00:00:00", "-v", "customer_serving")


@contextmanager
def served(variables: dict[str, str], port: int) -> Iterator[str]:
    """`feast ui` on that port, until the block ends."""
    command = [FEAST, "ui", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, cwd=HERE, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ui:
        try:
            end = time.monotonic() + STARTED_WITHIN
            while True:
                assert ui.poll() is None
                assert time.monotonic() < end
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/api/v1"
        finally:
            ui.terminate()


def names(address: str, what: str, key: str) -> set[str]:
    """Names of registered objects, as the page of `feast ui` gets them."""
    with urllib.request.urlopen(f"{address}/{what}?project=scenefit&limit=100", timeout=30) as answer:
        return {item["spec"]["name"] for item in json.load(answer)[key]}


def test_apply_and_materialize_over_files(workspace: Workspace) -> None:
    variables = environment(workspace)
    feast(variables, "apply")
    refresh(variables)
    # ours takes over what stock Feast registered and wrote
    assert online.read(workspace, "ann", at=D)["purchases_90d"] == OnlineValue(3, D)
    assert not store.apply(workspace).changed


@pytest.fixture
def grpc() -> None:
    """What `feast ui` imports, and Feast does not ask for by itself."""
    if importlib.util.find_spec("grpc") is None:
        message = "feast ui needs grpcio, grpcio-reflection and grpcio-health-checking"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


@pytest.mark.usefixtures("grpc")
def test_ui_shows_every_definition(workspace: Workspace) -> None:
    store.open_store(workspace)
    with served(environment(workspace), free_port()) as address:
        assert {view.name for view in VIEWS.values() if not view.stream and not view.label} <= names(
            address, "feature_views", "featureViews"
        )
        assert names(address, "feature_services", "featureServices") == SERVICES.keys()


def test_apply_and_materialize_over_servers(workspace: Workspace, valkey_address: str, postgres_url: str) -> None:
    url = new_database(postgres_url)
    variables = environment(
        workspace,
        FEAST_FS_YAML_FILE_PATH="env/feature_store.cluster.yaml",
        SCENEFIT_REGISTRY=url,
        SCENEFIT_VALKEY=valkey_address,
    )
    feast(variables, "apply")
    refresh(variables)
    (workspace.root / "scenefit.toml").write_text(
        f'[features]\nonline = "valkey"\nvalkey_address = "{valkey_address}"\nregistry = "{url}"\n', "utf8"
    )
    assert online.read(workspace, "bob", at=D)["purchases_90d"] == OnlineValue(0, D)
    assert not (workspace.root / "feast").exists()
    assert not store.apply(workspace).changed

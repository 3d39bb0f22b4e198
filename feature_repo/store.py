"""The Feast store of a workspace: definitions applied, paths filled in, nothing written elsewhere."""

from __future__ import annotations

import importlib.resources
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import yaml

from feature_repo.definition import digest
from feature_repo.entities import ENTITIES
from feature_repo.services import SERVICES
from feature_repo.views import VIEWS
from scenefit.runtime.workspace import Workspace, disk_errors, write_text

if TYPE_CHECKING:
    from feast import FeatureStore

VARIABLE = "${SCENEFIT_WORKSPACE}"


def open_store(workspace: Workspace, *, memory_limit: str = "2GB", threads: int = 1) -> FeatureStore:
    """A Feast store over the workspace, with the present definitions.

    Each caller opens its own: a store is not shared between threads.

    Raises
    ------
    PurposeError : a service uses a feature outside its purpose.
    StoreError : the workspace cannot be written.
    """
    root = workspace.root.resolve()
    folder = root / "feast"
    stamp = folder / "definitions.txt"
    present = digest(ENTITIES, VIEWS, SERVICES)
    with quiet_feast():
        if not stamp.is_file() or stamp.read_text("utf8") != present or not (folder / "registry.db").is_file():
            _apply(root, folder)
            write_text(stamp, present)
        return _store(root, folder / "registry.db", memory_limit, threads)


def historical_features(
    workspace: Workspace, spine: pd.DataFrame, service: str, *, memory_limit: str = "2GB", threads: int = 1
) -> pa.Table:
    """The spine's rows with the service's features, by Feast's point-in-time join."""
    store = open_store(workspace, memory_limit=memory_limit, threads=threads)
    with quiet_feast():
        return store.get_historical_features(
            entity_df=spine, features=store.get_feature_service(service), filter_by_created_timestamp=True
        ).to_arrow()


@contextmanager
def quiet_feast() -> Iterator[None]:
    """Hold back the deprecations that Feast and its libraries announce to their own authors."""
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning, PendingDeprecationWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)
        yield


def configuration(root: Path) -> dict[str, Any]:
    """feature_store.yaml with the workspace filled in."""
    text = importlib.resources.files("feature_repo").joinpath("feature_store.yaml").read_text("utf8")
    # filled in after parsing: a path may hold characters that mean something in YAML
    filled: dict[str, Any] = _filled(yaml.safe_load(text), str(root))
    return filled


def _apply(root: Path, folder: Path) -> None:
    """Register the definitions in a copy of the registry that then replaces it: Feast rewrites the file in place."""
    from feature_repo.registry import OBJECTS, check_purposes

    check_purposes(OBJECTS)
    target = folder / "registry.db"
    temporary = folder / f".registry.{os.getpid()}.db"
    with disk_errors(target):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if target.is_file():
                shutil.copyfile(target, temporary)
            store = _store(root, temporary, "2GB", 1)
            store.apply(OBJECTS)  # type: ignore[arg-type]
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def _store(root: Path, registry: Path, memory_limit: str, threads: int) -> FeatureStore:
    from feast import FeatureStore
    from feast.repo_config import RepoConfig

    values = configuration(root)
    values["registry"]["path"] = str(registry)
    values["offline_store"] |= {"memory_limit": memory_limit, "threads": threads}
    return FeatureStore(config=RepoConfig(**values, repo_path=root))


def _filled(value: Any, root: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, root) for key, item in value.items()}
    return value.replace(VARIABLE, root) if isinstance(value, str) else value

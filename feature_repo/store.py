"""The Feast store of a workspace: definitions registered, places filled in from its settings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from feature_repo.configuration import configuration
from feature_repo.registering import Applied, place, register, registered
from feature_repo.services import SERVICES
from scenefit.contracts.errors import StoreError
from scenefit.runtime.settings import read_settings
from scenefit.runtime.workspace import Workspace

if TYPE_CHECKING:
    from feast import FeatureStore
    from feast.repo_config import RepoConfig

__all__ = ["Applied", "apply", "historical_features", "load_feast", "only_writer", "open_store", "quiet_feast"]


def open_store(workspace: Workspace, *, memory_limit: str = "2GB", threads: int = 1) -> FeatureStore:
    """A Feast store over the workspace, with the present definitions.

    Definitions that are new or changed are registered first; such as this program no longer has stay until `apply`,
    because another one may share the registry. Each caller opens its own: a store is not shared between threads.

    Raises
    ------
    PurposeError : a service uses a feature outside its purpose.
    SettingsError : a setting cannot be kept, such as a server whose client is not installed.
    StoreError : the registry is damaged, of a newer Feast or out of reach, or the workspace cannot be written.
    """
    config = _config(workspace, memory_limit, threads)
    with quiet_feast(), _registry_answers(config):
        return registered(config)


def apply(workspace: Workspace) -> Applied:
    """Register the definitions, remove such as there no longer are, and say what changed.

    Raises
    ------
    As `open_store`.
    """
    config = _config(workspace, "2GB", 1)
    with quiet_feast(), _registry_answers(config):
        return register(config)


@contextmanager
def only_writer(store: FeatureStore) -> Iterator[None]:
    """Nobody else writes the registry meanwhile: for whoever materialises.

    The store is opened before, never inside: opening may have to register, and would wait for itself.
    """
    from feature_repo.registry_storage import sole_writer

    with _registry_answers(store.config), sole_writer(store.config):
        yield


def load_feast() -> None:
    """Import Feast and what stands on it, which takes seconds; also ahead of time, in a thread of its own.

    One at a time: two threads in the middle of Feast's circular imports see half of a module.
    """
    with _LOADING:
        for name in ("feature_repo.registry", "feature_repo.offline"):
            import_module(name)


def historical_features(
    workspace: Workspace, spine: pd.DataFrame, service: str, *, memory_limit: str = "2GB", threads: int = 1
) -> pa.Table:
    """The spine's rows with the service's features, by Feast's point-in-time join."""
    store = open_store(workspace, memory_limit=memory_limit, threads=threads)
    # a label tells of the past, and what came in late is part of it; a feature is what was known then
    known_only = not all(view.label for view in SERVICES[service].views)
    with quiet_feast():
        return store.get_historical_features(
            entity_df=spine, features=store.get_feature_service(service), filter_by_created_timestamp=known_only
        ).to_arrow()


class _Quiet:
    """Filters of warnings are the whole process's: the first to come holds them back, the last to go restores them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._kept = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._kept = warnings.catch_warnings()
                self._kept.__enter__()
                for category in (DeprecationWarning, FutureWarning, PendingDeprecationWarning, ResourceWarning):
                    warnings.simplefilter("ignore", category)
                warnings.filterwarnings("ignore", "On demand feature view is an experimental", RuntimeWarning)
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._kept.__exit__(None, None, None)


_QUIET = _Quiet()
_LOADING = Lock()


@contextmanager
def quiet_feast() -> Iterator[None]:
    """Hold back the deprecations that Feast and its libraries announce to their own authors; in any thread."""
    _QUIET.enter()
    try:
        yield
    finally:
        _QUIET.leave()


def _config(workspace: Workspace, memory_limit: str, threads: int) -> RepoConfig:
    root = workspace.root.resolve()
    settings = read_settings(root)
    values = configuration(root, settings.features)
    load_feast()
    values["offline_store"] |= {
        "memory_limit": memory_limit,
        "threads": threads,
        "partitions": settings.features.partitions,
        "backend": settings.runtime.backend,
        "cores": settings.runtime.cores,
        "ray_address": settings.runtime.ray_address,
    }
    with quiet_feast():
        from feast.repo_config import RepoConfig

        return RepoConfig(**values, repo_path=root)


@contextmanager
def _registry_answers(config: RepoConfig) -> Iterator[None]:
    if config.registry.registry_type != "sql":
        yield
        return
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        raise StoreError(
            f"{place(config)}: does not answer ({str(error.orig).strip().splitlines()[0]}); start the server, or "
            "correct features.registry and the password in PGPASSWORD"
        ) from error

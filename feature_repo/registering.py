"""Registers the definitions, and tells whether a registry holds the present ones."""

from __future__ import annotations

import copy
import hashlib
import importlib.metadata
import json
import re
import weakref
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from feature_repo.configuration import CONNECT
from scenefit.contracts.errors import StoreError

if TYPE_CHECKING:
    from feast import FeatureStore
    from feast.repo_config import RepoConfig

KINDS = {
    "entities": "entity",
    "data_sources": "source",
    "feature_views": "view",
    "stream_feature_views": "stream view",
    "on_demand_feature_views": "on-demand view",
    "label_views": "label view",
    "feature_services": "service",
}
# moments of registration; byte code of functions, whose text stands beside it; and a class that Feast itself leaves
# out when it registers a view again
PASSING = {"meta", "body", "dataSourceClassType"}


class Applied(NamedTuple):
    """What registering changed, each as kind and name, such as "view customer_daily"."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]


def registered(config: RepoConfig) -> FeatureStore:
    """A store whose registry holds the present definitions: they are registered if it does not.

    What is registered beyond them stays: another program may share the registry.
    """
    store = _current(config)
    if store is None:
        from feature_repo.registry_storage import sole_writer

        with sole_writer(config):
            # somebody else may have registered them while we waited
            store = _current(config)
            if store is None:
                _register(config, remove=False)
                store = _store(config)
    return store


def register(config: RepoConfig) -> Applied:
    """Register the definitions, remove such as there no longer are, and say what changed."""
    from feature_repo.registry_storage import sole_writer

    with sole_writer(config):
        # refuses what a newer Feast wrote
        _current(config)
        before = _definitions(config)
        _register(config, remove=True)
        after = _definitions(config)
    both = sorted(after.keys() & before.keys())
    return Applied(
        tuple(sorted(after.keys() - before.keys())),
        tuple(name for name in both if after[name] != before[name]),
        tuple(sorted(before.keys() - after.keys())),
        tuple(name for name in both if after[name] == before[name]),
    )


def place(config: RepoConfig) -> str:
    """Where the registry is, for messages."""
    return f"feature registry {config.registry.path} (project {config.project})"


def _store(config: RepoConfig, *, tables: Literal["verify", "auto"] = "verify") -> FeatureStore:
    from feast import FeatureStore

    store = FeatureStore(config=config)
    if config.registry.registry_type == "sql":
        from sqlalchemy import create_engine

        # Feast never closes the connections of a registry: the pool is ours, and goes when the registry goes
        pool = create_engine(config.registry.path, pool_size=2, pool_pre_ping=True, connect_args=CONNECT).pool
        config.registry.sqlalchemy_config_kwargs = {"pool": pool}
        config.registry.schema_mode = tables
        try:
            weakref.finalize(store.registry, pool.dispose)
        except Exception:
            pool.dispose()
            raise
    return store


def _existing(config: RepoConfig) -> FeatureStore | None:
    """The store, if there is a registry at all; opening one makes nothing."""
    from feast.infra.registry.sql import FeastRegistrySchemaError

    if config.registry.registry_type != "sql" and not Path(config.registry.path).is_file():
        return None
    try:
        return _store(config)
    except FeastRegistrySchemaError:
        return None


def _current(config: RepoConfig) -> FeatureStore | None:
    """The store, if its registry holds the present definitions.

    Raises
    ------
    StoreError : the registry was written by a newer Feast.
    """
    from feast.errors import ProjectObjectNotFoundException

    store = _existing(config)
    if store is None:
        return None
    try:
        tags = store.registry.get_project(config.project, allow_cache=True).tags
    except ProjectObjectNotFoundException:
        return None
    written, present = tags.get("feast", "0"), _stamp()["feast"]
    if _number(written) > _number(present):
        raise StoreError(
            f"{place(config)}: was written by Feast {written}, this program has {present}, which may not read all "
            "of it; install the newer one, or start another registry (features.project, or remove the file)"
        )
    return store if tags.items() >= _stamp().items() else None


def _register(config: RepoConfig, *, remove: bool) -> None:
    """Register the definitions; their stamp comes last, so that half of them never counts as all."""
    from feast import Project
    from feast.infra.registry.caching_registry import CachingRegistry

    from feature_repo.registry import OBJECTS, check_purposes

    check_purposes(OBJECTS)
    store = _store(config, tables="auto")
    if isinstance(store.registry, CachingRegistry):
        # else Feast reads the whole database again after each object it writes
        store.registry.cache_mode = "thread"
    # registering writes into the objects, and what it writes is of one registry
    objects: list[Any] = copy.deepcopy(OBJECTS)
    store.apply(objects, objects_to_delete=_gone(store, objects) if remove else [], partial=not remove)
    store.registry.apply_project(Project(name=config.project, tags=dict(_stamp())))


def _gone(store: FeatureStore, objects: list[Any]) -> list[Any]:
    """Registered objects that are no longer defined."""
    from feast.feature_view import DUMMY_ENTITY_NAME

    kept = {item.name for item in objects} | {DUMMY_ENTITY_NAME}
    kept |= {item.batch_source.name for item in objects if getattr(item, "batch_source", None) is not None}
    registry, project = store.registry, store.project
    found: list[Any] = [
        *registry.list_feature_services(project),
        *registry.list_all_feature_views(project),
        *registry.list_data_sources(project),
        *registry.list_entities(project),
    ]
    return [item for item in found if item.name not in kept]


def _definitions(config: RepoConfig) -> dict[str, str]:
    """Everything registered, by kind and name."""
    from feast.feature_view import DUMMY_ENTITY_NAME

    store = _existing(config)
    if store is None:
        return {}
    proto = store.registry.proto()
    found = {}
    for field, kind in KINDS.items():
        for item in getattr(proto, field):
            spec = getattr(item, "spec", item)
            if spec.project == config.project and spec.name != DUMMY_ENTITY_NAME:
                found[f"{kind} {spec.name}"] = _content(spec)
    return found


@cache
def _stamp() -> Mapping[str, str]:
    """What the registry remembers of who wrote it."""
    from feature_repo.registry import OBJECTS

    objects: list[Any] = OBJECTS
    protos = [item.to_proto() for item in objects]
    digest = hashlib.sha256("\n".join(_content(getattr(proto, "spec", proto)) for proto in protos).encode())
    return MappingProxyType({"definitions": digest.hexdigest()[:16], "feast": importlib.metadata.version("feast")})


def _content(spec: Any) -> str:
    """A definition as text that is the same in every process and at any time."""
    from google.protobuf.json_format import MessageToDict

    # JSON, because protobuf's own bytes keep tags in an order that changes from process to process
    return json.dumps(_lasting(MessageToDict(spec)), sort_keys=True)


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(item) for key, item in value.items() if key not in PASSING}
    return [_lasting(item) for item in value] if isinstance(value, list) else value


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])

"""The online store of a workspace, opened: each view with its place, for as long as its owner lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from feature_repo.definition import View
from feature_repo.online_rows import OnlineRows, StoredRow
from feature_repo.store import open_store, quiet_feast
from scenefit.contracts.errors import SettingsError
from scenefit.runtime.workspace import Workspace

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView
    from feast.repo_config import RepoConfig


class GatedStore(Protocol):
    """What an online store must offer beside Feast's own doors (see `online_stores`)."""

    def place(self, config: RepoConfig) -> str: ...
    def identity(self, config: RepoConfig) -> str: ...
    def lifetime_seconds(self, config: RepoConfig) -> int | None: ...
    def write(self, config: RepoConfig, table: FeatureView, rows: OnlineRows) -> int: ...
    def read(
        self, config: RepoConfig, table: FeatureView, keys: Sequence[bytes], names: Sequence[str]
    ) -> list[StoredRow | None]: ...
    def event_times(self, config: RepoConfig, table: FeatureView, keys: Sequence[bytes]) -> list[int | None]: ...
    def disconnect(self) -> None: ...


@dataclass(frozen=True)
class OnlineView:
    """One view in the opened online store."""

    view: View
    store: GatedStore
    feast: FeatureStore
    table: FeatureView

    @property
    def place(self) -> str:
        """Where the rows are, for messages."""
        return self.store.place(self.feast.config)

    @property
    def identity(self) -> str:
        """Tells this store from another."""
        return self.store.identity(self.feast.config)

    @property
    def life(self) -> timedelta:
        """How long a row is of use online: the TTL, or less if the store forgets sooner."""
        seconds = self.store.lifetime_seconds(self.feast.config)
        return self.view.ttl if seconds is None else min(self.view.ttl, timedelta(seconds=seconds))

    def write(self, rows: OnlineRows) -> int:
        """Write what is not older than the stored rows; rows written."""
        return self.store.write(self.feast.config, self.table, rows)

    def read(self, keys: Sequence[bytes], names: Sequence[str]) -> list[StoredRow | None]:
        """Stored rows of the keys, in order."""
        return self.store.read(self.feast.config, self.table, keys, names)

    def event_times(self, keys: Sequence[bytes]) -> list[int | None]:
        """Stored event times (microseconds) of the keys, in order."""
        return self.store.event_times(self.feast.config, self.table, keys)

    def record(self, instant: pd.Timestamp) -> None:
        """Tell Feast's registry what is online, for its own commands and page."""
        with quiet_feast():
            # as registered now: another process may have refreshed since this one opened
            table = self.feast.get_feature_view(self.view.name)
            ends = [pd.Timestamp(end) for _, end in table.materialization_intervals]
            if max(ends, default=None) is None or max(ends) < instant:
                moment = instant.to_pydatetime()
                self.feast.registry.apply_materialization(table, self.feast.project, moment, moment)


def open_online(
    workspace: Workspace, views: Sequence[View], *, memory_limit: str = "2GB", threads: int = 1
) -> dict[str, OnlineView]:
    """The views in the online store that the workspace's settings name, by view name.

    Raises
    ------
    SettingsError : the store is none of those that refuse older rows.
    """
    from feast.infra.online_stores.helpers import get_online_store_from_config

    feast = open_store(workspace, memory_limit=memory_limit, threads=threads)
    with quiet_feast():
        store: Any = get_online_store_from_config(feast.config.online_store)
        if not hasattr(store, "event_times"):
            raise SettingsError(
                f"online store {feast.config.online_store.type!r} lets older rows replace newer ones; name one of "
                "feature_repo.online_stores in feature_store.yaml"
            )
        return {view.name: OnlineView(view, store, feast, feast.get_feature_view(view.name)) for view in views}

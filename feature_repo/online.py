"""One customer's features at once, from the embedded online store."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import pandas as pd

from feature_repo.definition import View
from feature_repo.entities import CUSTOMER
from feature_repo.history import newest_snapshot
from feature_repo.services import SERVICES
from feature_repo.store import open_store, quiet_feast
from feature_repo.views import VIEWS
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.workspace import Workspace


class OnlineValue(NamedTuple):
    """One feature as served, and the snapshot it comes from; both None when there is none within the TTL."""

    value: object
    event_time: pd.Timestamp | None


def materialize(workspace: Workspace, time: pd.Timestamp, *, memory_limit: str = "2GB", threads: int = 1) -> int:
    """Copy the newest snapshot at or before `time` of every online view into the online store; rows written.

    Raises
    ------
    StoreError : no such snapshot within the TTL, or a newer one is online already.
    """
    store = open_store(workspace, memory_limit=memory_limit, threads=threads)
    rows = 0
    for view in (view for view in VIEWS.values() if view.online):
        partition = newest_snapshot(workspace, view.name, time)
        with quiet_feast():
            intervals = store.get_feature_view(view.name).materialization_intervals
        newest = max((pd.Timestamp(end) for _, end in intervals), default=partition.instant)
        if newest > partition.instant:
            raise StoreError(
                f"{workspace.root}: {view.name} of {newest.isoformat()} is online, which is newer than "
                f"{partition.instant.isoformat()}; name a later time, "
                f"or remove {workspace.root / 'feast'} to start over"
            )
        with quiet_feast(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            instant = partition.instant.to_pydatetime()
            store.materialize(instant, instant, feature_views=[view.name])
        rows += partition.rows
    return rows


def read(
    workspace: Workspace, customer_id: str, service: str = "serving_v1", *, at: pd.Timestamp | None = None
) -> dict[str, OnlineValue]:
    """One customer's features by name, each with its event time.

    Feast serves values however old; here a value older than its view's TTL is None.

    Parameters
    ----------
    at : the moment of the decision (a server passes its clock); None stands for the end of the workspace's data

    Raises
    ------
    SettingsError : the service is unknown or has views that are not online.
    """
    views = _online_views(service)
    moment = workspace.dataset().until if at is None else at
    store = open_store(workspace)
    with quiet_feast():
        answer = store.get_online_features(
            features=store.get_feature_service(service), entity_rows=[{CUSTOMER.key: customer_id}]
        ).to_dict(include_event_timestamps=True)
    served = {}
    for view in views:
        for name in view.names:
            seconds = answer[f"{name}__ts"][0]
            event_time = pd.Timestamp(seconds, unit="s", tz="UTC") if seconds else None
            fresh = event_time is not None and event_time <= moment <= event_time + view.ttl
            served[name] = OnlineValue(answer[name][0], event_time) if fresh else OnlineValue(None, None)
    return served


def _online_views(service: str) -> tuple[View, ...]:
    online = sorted(name for name, known in SERVICES.items() if all(view.online for view in known.views))
    if service not in online:
        raise SettingsError(f"feature service {service!r} is not served online; choose one of {online}")
    return SERVICES[service].views

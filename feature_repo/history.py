"""Snapshots of all features, training frames that never look ahead, and the whole base at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.building import backfill, build, correct
from feature_repo.definition import EVENT_TIME, Feature, Service, View
from feature_repo.manifest import current, folder_of, newest, read_manifest, rows_sql
from feature_repo.services import SERVICES
from feature_repo.views import VIEWS
from feature_repo.writer import Partition, damage_named, partitions
from scenefit.contracts.errors import ContractError, SettingsError
from scenefit.contracts.schema import frame_of
from scenefit.runtime.store import connect
from scenefit.runtime.workspace import Workspace

__all__ = [
    "as_of",
    "backfill",
    "build",
    "correct",
    "newest_snapshot",
    "snapshot_sql",
    "snapshots",
    "training_frame",
]


def training_frame(
    entities: pd.DataFrame,
    service: str,
    workspace: Workspace,
    *,
    purpose: str | None = None,
    memory_limit: str = "2GB",
    threads: int = 1,
) -> pd.DataFrame:
    """The given rows with the service's features as known at each row's `event_timestamp`.

    Rows, order, index and further columns are kept. A feature comes from the newest snapshot whose event time and
    creation are at or before `event_timestamp` and within the view's TTL (inclusive), else it is empty. Numbers and
    truth values are float64, texts are Arrow-backed, whatever the data: a frame always has the same types.

    Parameters
    ----------
    entities : join keys of the service, `event_timestamp` (moments without time zone are taken as UTC) and, for
        features computed on demand, the values they are asked with
    purpose : what the model is for, where it is not what the service was declared for

    Raises
    ------
    ContractError : a column is missing, doubled or of the wrong type.
    PurposeError : a feature does not permit the purpose.
    StoreError : the workspace has no snapshots of its present data.
    """
    definition = _service(service, purpose)
    spine = _spine(entities, definition)
    dataset = workspace.dataset()
    for view in definition.views:
        if not view.stream:
            current(workspace, view, dataset)
    from feature_repo.store import historical_features

    joined = historical_features(workspace, spine, service, memory_limit=memory_limit, threads=threads)
    asked = [*definition.features, *(output for part in definition.on_demand for output in part.features)]
    features = _frame(joined.select([feature.name for feature in asked]), asked)
    return pd.concat([entities, features.set_axis(entities.index)], axis=1)


def as_of(time: pd.Timestamp, service: str, workspace: Workspace, *, purpose: str | None = None) -> pd.DataFrame:
    """The service's features for everybody, from the newest snapshot at or before `time`; sorted by key.

    Read straight from the snapshot files; equal to `training_frame` over the same rows at `time`.
    `event_timestamp` is the instant of the snapshot. Features computed on demand are left out: nobody asks here.

    Raises
    ------
    PurposeError : a feature does not permit the purpose.
    StoreError : no snapshot at or before `time` within the TTL.
    """
    definition = _service(service, purpose)
    streams = [view.name for view in definition.views if view.stream]
    if streams:
        raise SettingsError(
            f"service {service}: {streams} are pushed row by row and have no snapshot; read one person online "
            "(`scenefit features read`), or rows of the past with training_frame"
        )
    dataset = workspace.dataset()
    parts = {view: [p.file for p in newest(workspace, view, dataset, time)] for view in definition.views}
    with damage_named(workspace.features):
        data = _side_by_side(definition, parts)
        if data is None:
            data = _joined(definition, parts)
    return _frame(data, definition.features)


def snapshots(workspace: Workspace, view: str) -> list[pd.Timestamp]:
    """Instants for which a view has snapshots of the present data, oldest first."""
    dataset = workspace.dataset()
    declared = _view(view)
    manifest = read_manifest(workspace, dataset)
    files = partitions(folder_of(workspace, declared))
    return [p.instant for p in files if not p.corrects and p.digest == manifest.digest(declared, p.created)]


def newest_snapshot(workspace: Workspace, view: str, time: pd.Timestamp) -> Partition:
    """The newest snapshot of a view at or before `time`.

    Raises
    ------
    StoreError : there is none within the TTL.
    """
    return newest(workspace, _view(view), workspace.dataset(), time)[0]


def snapshot_sql(workspace: Workspace, view: str | View, time: pd.Timestamp) -> str:
    """A DuckDB query for a view as of `time`: keys, `event_timestamp`, `created` and features, in no order.

    The newest snapshot at or before `time`; where corrections were known by then, the latest row of each key.

    Raises
    ------
    StoreError : no snapshot at or before `time` within the TTL.
    """
    declared = _view(view) if isinstance(view, str) else view
    files = [partition.file for partition in newest(workspace, declared, workspace.dataset(), time)]
    return rows_sql(declared, files)


def _side_by_side(service: Service, parts: dict[View, list[Path]]) -> pa.Table | None:
    """Snapshot files put beside each other as they are; None where rows have to be matched or picked first.

    Files are sorted by key; where their keys agree there is nothing to join.
    """
    base = service.base
    if base.present != "true" or any(view.keys != base.keys or len(files) > 1 for view, files in parts.items()):
        return None
    tables = {
        view: pq.ParquetFile(files[0]).read([*base.keys, *([EVENT_TIME] if view is base else []), *view.names])
        for view, files in parts.items()
    }
    data = tables[base].select([*base.keys, EVENT_TIME])
    if any(not table.select(base.keys).equals(data.select(base.keys)) for table in tables.values()):
        return None
    for view, table in tables.items():
        for name in view.names:
            data = data.append_column(name, table[name])
    return data


def _joined(service: Service, parts: dict[View, list[Path]]) -> pa.Table:
    """Rows of the finest view, with those of the others found by key; corrected rows in place of the first ones."""
    base = service.base
    keys = ", ".join(f'"{key}"' for key in base.keys)
    columns = f'{keys}, base."{EVENT_TIME}"' + "".join(f', "{feature.name}"' for feature in service.features)
    joins = "".join(
        f" LEFT JOIN (SELECT {_columns(view)} FROM ({rows_sql(view, files)})) USING ({', '.join(view.keys)})"
        for view, files in parts.items()
        if view is not base
    )
    with connect() as connection:
        return connection.sql(
            f"SELECT {columns} FROM (SELECT * FROM ({rows_sql(base, parts[base])}) WHERE {base.present}) AS base{joins}"
            f" ORDER BY {keys}"
        ).to_arrow_table()


def _view(name: str) -> View:
    if name not in VIEWS:
        raise SettingsError(f"feature view {name!r} is unknown; choose one of {sorted(VIEWS)}")
    return VIEWS[name]


def _service(name: str, purpose: str | None) -> Service:
    if name not in SERVICES:
        raise SettingsError(f"feature service {name!r} is unknown; choose one of {sorted(SERVICES)}")
    if purpose is not None and purpose != SERVICES[name].purpose:
        from feature_repo.purposes import require_service

        require_service(name, purpose)
    return SERVICES[name]


def _spine(entities: pd.DataFrame, service: Service) -> pd.DataFrame:
    needed = [*service.keys, EVENT_TIME, *service.request]
    for name in needed:
        count = list(entities.columns).count(name)
        if count != 1:
            raise ContractError(
                f"training rows for {service.name}: column {name!r} occurs {count} times in {list(entities.columns)}; "
                f"the service needs {needed} once each"
            )
    computed = [name for part in service.on_demand for name in part.names]
    doubled = [n for n in [*(f.name for f in service.features), *computed] if n in entities.columns]
    if doubled:
        raise ContractError(
            f"training rows for {service.name}: {doubled} are features of the service; rename or drop them"
        )
    times = entities[EVENT_TIME]
    if not pd.api.types.is_datetime64_any_dtype(times):
        raise ContractError(
            f"training rows for {service.name}: {EVENT_TIME!r} is {times.dtype}, such as {list(times.head(3))}; "
            "convert it with pd.to_datetime(…, utc=True)"
        )
    if times.isna().any():
        raise ContractError(
            f"training rows for {service.name}: {times.isna().sum():,} rows have no {EVENT_TIME!r} "
            f"(first: row {int(np.argmax(times.isna()))}); every row needs one"
        )
    return entities[needed].reset_index(drop=True)


def _frame(data: pa.Table, features: Sequence[Feature]) -> pd.DataFrame:
    numbers = {feature.name for feature in features if feature.kind != "str"}
    for position, name in enumerate(data.column_names):
        if name in numbers:
            data = data.set_column(position, name, data[name].cast(pa.float64()))
    return frame_of(data)


def _columns(view: View) -> str:
    return ", ".join(f'"{name}"' for name in (*view.keys, *view.names))

"""Snapshots of all features, training frames that never look ahead, and the whole base at one moment."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from feature_repo.definition import EVENT_TIME, Feature, Service, View, digest
from feature_repo.features import definition_digest, fix_moment, snapshot, stage
from feature_repo.services import SERVICES
from feature_repo.views import STORED, VIEWS
from feature_repo.writer import Partition, drop, partition_of, partitions, write
from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from scenefit.contracts.schema import frame_of
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Dataset, Workspace


def build(
    workspace: Workspace,
    days: Sequence[pd.Timestamp],
    *,
    memory_limit: str = "2GB",
    threads: int = 1,
) -> dict[str, int]:
    """Compute and write the snapshots of all views for the given instants; rows per view.

    A snapshot that exists for the same raw data and definition is left alone; those of other data are removed.

    Raises
    ------
    SettingsError : no instant, one without time zone, or one after the end of the data.
    StoreError : no data, damaged files, full disk.
    """
    dataset = workspace.dataset()
    instants = _instants(days, dataset)
    wanted = {
        view: [partition_of(_folder(workspace, view), i, _digest(view, dataset)) for i in instants] for view in STORED
    }
    for view in STORED:
        drop([p for p in partitions(_folder(workspace, view)) if p.digest != _digest(view, dataset)])
    missing = sorted({p.instant for files in wanted.values() for p in files if not p.file.is_file()})
    if missing:
        spill = workspace.features / ".spill"
        connection = connect(memory_limit, threads, spill)
        try:
            raw_views(connection, workspace)
            stage(connection, missing[0], missing[-1], dataset.timezone, max(view.ttl for view in STORED))
            for instant in missing:
                fix_moment(connection, instant, dataset.timezone)
                for view, files in wanted.items():
                    for partition in files:
                        if partition.instant == instant and not partition.file.is_file():
                            write(partition, snapshot(connection, view, instant), view)
        finally:
            connection.close()
            shutil.rmtree(spill, ignore_errors=True)
    return {view.name: sum(partition.rows for partition in files) for view, files in wanted.items()}


def training_frame(
    entities: pd.DataFrame,
    service: str,
    workspace: Workspace,
    *,
    memory_limit: str = "2GB",
    threads: int = 1,
) -> pd.DataFrame:
    """The given rows with the service's features as known at each row's `event_timestamp`.

    Rows, order, index and further columns are kept. A feature comes from the newest snapshot whose event time and
    creation are at or before `event_timestamp` and within the view's TTL (inclusive), else it is empty. Numbers and
    truth values are float64, texts are Arrow-backed, whatever the data: a frame always has the same types.

    Parameters
    ----------
    entities : join keys of the service and `event_timestamp`; moments without time zone are taken as UTC

    Raises
    ------
    ContractError : a column is missing, doubled or of the wrong type.
    StoreError : the workspace has no snapshots of its present data.
    """
    definition = _service(service)
    spine = _spine(entities, definition)
    dataset = workspace.dataset()
    for view in definition.views:
        _current(workspace, view, dataset)
    from feature_repo.store import historical_features

    joined = historical_features(workspace, spine, service, memory_limit=memory_limit, threads=threads)
    features = _frame(joined.select([feature.name for feature in definition.features]), definition.features)
    return pd.concat([entities, features.set_axis(entities.index)], axis=1)


def as_of(time: pd.Timestamp, service: str, workspace: Workspace) -> pd.DataFrame:
    """The service's features for everybody, from the newest snapshot at or before `time`; sorted by key.

    Read straight from the snapshot files; equal to `training_frame` over the same rows at `time`.
    `event_timestamp` is the instant of the snapshot.

    Raises
    ------
    StoreError : no snapshot at or before `time` within the TTL.
    """
    definition = _service(service)
    dataset = workspace.dataset()
    base = definition.base
    keys = ", ".join(f'"{key}"' for key in base.keys)
    newest = {view: _newest(workspace, view, dataset, time) for view in definition.views}
    columns = f'{keys}, base."{EVENT_TIME}"' + "".join(f', "{feature.name}"' for feature in definition.features)
    joins = "".join(
        f" LEFT JOIN (SELECT {_columns(view)} FROM read_parquet({_quoted(newest[view])}))"
        f" USING ({', '.join(view.keys)})"
        for view in definition.views
        if view is not base
    )
    connection = connect()
    try:
        data = connection.sql(
            f"SELECT {columns} FROM (SELECT * FROM read_parquet({_quoted(newest[base])}) WHERE {base.present}) AS base"
            f"{joins} ORDER BY {keys}"
        ).to_arrow_table()
    finally:
        connection.close()
    return _frame(data, definition.features)


def snapshots(workspace: Workspace, view: str) -> list[pd.Timestamp]:
    """Instants for which a view has snapshots of the present data, oldest first."""
    dataset = workspace.dataset()
    declared = VIEWS[view]
    return [p.instant for p in partitions(_folder(workspace, declared)) if p.digest == _digest(declared, dataset)]


def newest_snapshot(workspace: Workspace, view: str, time: pd.Timestamp) -> Partition:
    """The newest snapshot of a view at or before `time`.

    Raises
    ------
    StoreError : there is none within the TTL.
    """
    return _newest(workspace, VIEWS[view], workspace.dataset(), time)


def _service(name: str) -> Service:
    if name not in SERVICES:
        raise SettingsError(f"feature service {name!r} is unknown; choose one of {sorted(SERVICES)}")
    return SERVICES[name]


def _folder(workspace: Workspace, view: View) -> Path:
    return workspace.features / view.source


def _digest(view: View, dataset: Dataset) -> str:
    stored = VIEWS[view.source]
    return digest(dataset.fingerprint, dataset.timezone, definition_digest(stored))


def _instants(days: Sequence[pd.Timestamp], dataset: Dataset) -> list[pd.Timestamp]:
    given = [pd.Timestamp(day) for day in days]
    if not given:
        raise SettingsError("snapshots: no instant is given; name at least one")
    for day in given:
        if pd.isna(day) or day.tz is None:
            raise SettingsError(f"snapshot {day}: has no time zone; give a moment such as 2026-01-01T00:00+00:00")
        if day > dataset.until:
            raise SettingsError(
                f"snapshot {day.isoformat()}: lies after the end of the data {dataset.until.isoformat()}; "
                "choose an earlier moment or bring newer data"
            )
    return sorted({day.tz_convert("UTC").as_unit("us") for day in given})


def _current(workspace: Workspace, view: View, dataset: Dataset) -> list[Partition]:
    found = partitions(_folder(workspace, view))
    current = [partition for partition in found if partition.digest == _digest(view, dataset)]
    if not current or len(current) < len(found):
        reason = "they were made from other data or definitions" if found else "there are none"
        raise StoreError(
            f"{_folder(workspace, view)}: no usable snapshots of {view.name}: {reason}. "
            "Make them with feature_repo.history.build (a run does so)"
        )
    return current


def _newest(workspace: Workspace, view: View, dataset: Dataset, time: pd.Timestamp) -> Partition:
    if time.tz is None:
        raise SettingsError(f"as of {time}: has no time zone; give a moment such as 2026-01-01T00:00+00:00")
    current = _current(workspace, view, dataset)
    usable = [partition for partition in current if partition.instant <= time <= partition.instant + view.ttl]
    if not usable:
        known = ", ".join(partition.instant.isoformat() for partition in current)
        raise StoreError(
            f"{_folder(workspace, view)}: no snapshot of {view.name} within {view.ttl.days} days before "
            f"{time.isoformat()}; there are {known}. Make one with feature_repo.history.build"
        )
    return usable[-1]


def _spine(entities: pd.DataFrame, service: Service) -> pd.DataFrame:
    needed = [*service.keys, EVENT_TIME]
    for name in needed:
        count = list(entities.columns).count(name)
        if count != 1:
            raise ContractError(
                f"training rows for {service.name}: column {name!r} occurs {count} times in {list(entities.columns)}; "
                f"the service needs {needed} once each"
            )
    doubled = [feature.name for feature in service.features if feature.name in entities.columns]
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


def _quoted(partition: Partition) -> str:
    return "'" + str(partition.file).replace("'", "''") + "'"

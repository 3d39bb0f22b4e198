"""A Feast offline store that keeps every entity row, in order: DuckDB ASOF joins on a connection of their own.

Use it in any Feast repository over Parquet files:

    offline_store: {type: feature_repo.offline.AsofOfflineStore, root: ${SCENEFIT_WORKSPACE}}

Feast finds the class by this name, and its settings by the name plus `Config`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL, FeatureView
from feast.infra.offline_stores.file_source import FileSource, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.saved_dataset import SavedDatasetStorage
from feast.utils import compute_non_entity_date_range
from pydantic import PositiveInt, StrictStr, field_validator

from feature_repo import spine
from feature_repo.footers import aware
from feature_repo.retrieval import Division, Limits, Lookup, connection, newest_rows, retrieve, rows_between
from feature_repo.timeline import Source, Span, history, parquet_files, scan
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.workspace import disk_errors, fresh_folder

EVENT_TIME = "event_timestamp"


class AsofOfflineStoreConfig(FeastConfigBaseModel):
    """Settings of the store.

    `root` is the folder against which relative source paths are read, and the only one a query may read. A retrieval
    is divided into `partitions` by join key, worked on by `cores` tasks at once on threads or on Ray; then every
    task has one thread and a `memory_limit` of its own. Ray workers on other machines must see the same files.
    """

    type: StrictStr = "feature_repo.offline.AsofOfflineStore"
    root: StrictStr | None = None
    threads: PositiveInt = 1
    memory_limit: StrictStr = "2GB"
    partitions: PositiveInt = 1
    backend: Literal["local", "ray", "auto"] = "local"
    cores: PositiveInt = 2
    ray_address: StrictStr | None = None

    @field_validator("root")
    @classmethod
    def root_is_set(cls, root: str | None) -> str | None:
        """An unset variable stays in the text; refuse it before a folder of that name is made."""
        if root is not None and "$" in root:
            raise ValueError(f"root is {root!r}: set the variable, such as SCENEFIT_WORKSPACE=/path/to/workspace")
        return root


class AsofRetrievalJob(RetrievalJob):
    """A retrieval that runs when its result is asked for."""

    def __init__(
        self,
        result: Callable[[], pa.Table],
        root: Path,
        metadata: RetrievalMetadata | None = None,
        on_demand: list[OnDemandFeatureView] | None = None,
        full_feature_names: bool = False,
    ) -> None:
        self._result = result
        self._root = root
        self._metadata = metadata
        self._on_demand = on_demand or []
        self._full_feature_names = full_feature_names

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002
        return self._result()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:  # noqa: ARG002
        frame: pd.DataFrame = self._result().to_pandas()
        return frame

    @property
    def full_feature_names(self) -> bool:
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        return self._metadata

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Save the result as a Parquet file, or a folder with one where the path does not end so; whole or not at all.

        Raises
        ------
        StoreError : the storage is of another kind, or cannot be written.
        """
        if not isinstance(storage, SavedDatasetFileStorage):
            raise StoreError(f"saved dataset: storage {type(storage).__name__} is unknown; use SavedDatasetFileStorage")
        uri = storage.file_options.uri
        target = self._root / uri
        if target.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=uri)
        if target.exists() and target.is_dir() == (target.suffix == ".parquet"):
            raise StoreError(f"{target}: a folder cannot replace a file, nor a file a folder; choose another path")
        result = self.to_arrow(timeout=timeout)
        if target.suffix != ".parquet":
            with fresh_folder(target) as folder:
                pq.write_table(result, folder / "part-0.parquet", compression="zstd")
            return
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                pq.write_table(result, temporary, compression="zstd")
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)


class AsofOfflineStore(OfflineStore):
    """Point-in-time joins over Parquet files: all rows, their order, TTL inclusive, newest correction wins."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """The rows of `entity_df` with each view's newest features at or before their event time.

        Parameters
        ----------
        entity_df : a frame, or a SELECT of DuckDB over files below `root`, with join keys and event_timestamp. None
            stands for every key and event time in the files from `start_date` to `end_date`, both inclusive, sorted
            by event time and key: rows come from the views with all join keys, features of every view are those at
            the row's event time. `end_date` defaults to now, `start_date` to the longest TTL, or 30 days, before it
        """
        lookups = [_lookup(config, view, _wanted(view, feature_refs, full_feature_names)) for view in feature_views]
        limits, known_only = _limits(config), filter_by_created_timestamp
        if entity_df is None:
            span = Span(*compute_non_entity_date_range(feature_views, start_date, end_date))
            keys = list(dict.fromkeys(name for lookup in lookups for _, name in lookup.keys))
            if span.first and span.last and span.first > span.last:
                raise ContractError(f"historical features: start_date {span.first} is after end_date {span.last}")

            def result() -> pa.Table:
                rows = rows_between(lookups, span, EVENT_TIME, limits)
                return retrieve(rows, EVENT_TIME, lookups, known_only=known_only, limits=limits, division=division)
        else:
            asked = spine.from_query(entity_df, limits) if isinstance(entity_df, str) else _from_frame(entity_df)
            span, keys = asked.span, [name for name in asked.rows.column_names if name != asked.time]

            def result() -> pa.Table:
                return retrieve(*asked, lookups, known_only=known_only, limits=limits, division=division)

        division = _division(config)
        return AsofRetrievalJob(
            result,
            limits.folder,
            RetrievalMetadata(feature_refs, keys, span.first, span.last),
            OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            full_feature_names,
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """The newest row of each entity with start_date <= event time <= end_date, sorted by entity."""
        source = _source(config, data_source, timestamp_field, created_timestamp_column)
        span = Span(aware(start_date), aware(end_date))
        limits = _limits(config)

        def rows() -> pa.Table:
            with connection(limits) as opened:
                scanned = scan(opened, source, span, join_key_columns, feature_name_columns)
                columns = _pulled(scanned.columns, source, join_key_columns, feature_name_columns)
                return _with_dummy(newest_rows(opened, source, scanned, join_key_columns, columns), join_key_columns)

        return AsofRetrievalJob(rows, limits.folder)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Every row with start_date <= event time <= end_date, as the files have them; an open end is unbounded."""
        source = _source(config, data_source, timestamp_field, created_timestamp_column)
        span = Span(start_date and aware(start_date), end_date and aware(end_date))
        limits = _limits(config)

        def rows() -> pa.Table:
            with connection(limits) as opened:
                opened.execute("SET preserve_insertion_order = true")
                scanned = scan(opened, source, span, join_key_columns, feature_name_columns)
                columns = _pulled(scanned.columns, source, join_key_columns, feature_name_columns)
                found = opened.sql(
                    f"SELECT {', '.join(map(history, columns))} FROM {scanned.sql} AS history WHERE {scanned.where}"
                ).to_arrow_table()
                return _with_dummy(found, join_key_columns)

        return AsofRetrievalJob(rows, limits.folder)

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:  # noqa: ARG002
        """Refuse sources of another kind; files may come later, after the first build."""
        _file_source(data_source)

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """Column names and Arrow types of the newest file."""
        schema = pq.read_schema(parquet_files(_root(config) / _file_source(data_source).path)[-1])
        return [(field.name, str(field.type)) for field in schema]


def _from_frame(entity_df: object) -> spine.Spine:
    if not isinstance(entity_df, pd.DataFrame):
        raise ContractError(
            "historical features: entity_df must be a pandas frame with join keys and event_timestamp, or a SELECT "
            f"that yields them; got {type(entity_df).__name__}"
        )
    return spine.from_frame(entity_df)


def _lookup(config: RepoConfig, view: FeatureView, wanted: dict[str, str]) -> Lookup:
    """What is wanted of one view, in names of its files."""
    source = _file_source(view.batch_source)
    column_of = {feature: column for column, feature in (source.field_mapping or {}).items()}
    renamed = view.projection.join_key_map
    return Lookup(
        view.name,
        _source(config, source, source.timestamp_field, source.created_timestamp_column or None),
        tuple(
            (column_of.get(column.name, column.name), renamed.get(column.name, column.name))
            for column in view.entity_columns
            if column.name != DUMMY_ENTITY_ID
        ),
        tuple((column_of.get(feature, feature), name) for feature, name in wanted.items()),
        view.ttl if view.ttl else None,
    )


def _wanted(view: FeatureView, feature_refs: list[str], full_feature_names: bool) -> dict[str, str]:
    """Requested features of one view, by the name they get in the result."""
    prefix = view.projection.name_to_use()  # type: ignore[no-untyped-call]
    shown = view.projection.name_alias or view.name
    features = [ref.split(":", 1)[1] for ref in feature_refs if ref.split(":", 1)[0] == prefix]
    return {feature: f"{shown}__{feature}" if full_feature_names else feature for feature in features}


def _pulled(columns: Iterable[str], source: Source, keys: list[str], features: list[str]) -> list[str]:
    # Feast asks for no features where it means all
    wanted = [*keys, *(features or columns), source.event_time, *([source.created] if source.created else [])]
    return list(dict.fromkeys(wanted))


def _with_dummy(rows: pa.Table, keys: list[str]) -> pa.Table:
    """Views without entity have one in Feast's online store, of a fixed name."""
    return rows if keys else rows.append_column(DUMMY_ENTITY_ID, pa.array([DUMMY_ENTITY_VAL] * rows.num_rows))


def _source(config: RepoConfig, data_source: DataSource, event_time: str, created: str | None) -> Source:
    source = _file_source(data_source)
    return Source(
        _root(config) / source.path,
        event_time,
        created or None,
        unique=source.tags.get("unique_rows") == "true",
        by_day=source.tags.get("partitioned_by") == "dt",
    )


def _root(config: RepoConfig) -> Path:
    return Path(config.offline_store.root or config.repo_path or ".")


def _limits(config: RepoConfig) -> Limits:
    return Limits(_root(config), config.offline_store.threads, config.offline_store.memory_limit)


def _division(config: RepoConfig) -> Division:
    set_to = config.offline_store
    return Division(set_to.partitions, set_to.backend, set_to.cores, set_to.ray_address)


def _file_source(source: DataSource | None) -> FileSource:
    if not isinstance(source, FileSource) or "://" in source.path:
        shown = source.path if isinstance(source, FileSource) else type(source).__name__
        raise StoreError(
            f"feature source {shown}: this store reads local Parquet files (FileSource); copy the data there"
        )
    if not isinstance(source.file_format, ParquetFormat | None):
        raise StoreError(
            f"feature source {source.path}: its format is {type(source.file_format).__name__}; this store reads Parquet"
        )
    return source

"""A Feast offline store that keeps every entity row, in order: DuckDB ASOF joins on a connection of their own.

Use it in any Feast repository over Parquet files:

    offline_store: {type: feature_repo.offline.AsofOfflineStore, root: ${SCENEFIT_WORKSPACE}}

Feast finds the class by this name, and its settings by the name plus `Config`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast.data_source import DataSource
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.infra.offline_stores.file_source import FileSource, SavedDatasetFileStorage
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.saved_dataset import SavedDatasetStorage
from pydantic import StrictStr, field_validator

from feature_repo.timeline import UNBOUNDED, Span, named, parquet_files, quoted, timeline
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.store import connect
from scenefit.runtime.workspace import disk_errors

ROW = "__row"


class AsofOfflineStoreConfig(FeastConfigBaseModel):
    """Settings of the store: `root` is the folder against which relative source paths are read."""

    type: StrictStr = "feature_repo.offline.AsofOfflineStore"
    root: StrictStr | None = None
    threads: int = 1
    memory_limit: StrictStr = "2GB"

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
        """Save the result as one Parquet file, whole or not at all."""
        if not isinstance(storage, SavedDatasetFileStorage):
            raise StoreError(f"saved dataset: storage {type(storage).__name__} is unknown; use SavedDatasetFileStorage")
        uri = storage.file_options.uri
        target = self._root / uri
        if target.exists() and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(location=uri)
        temporary = target.with_name(f".{target.name}.part")
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                pq.write_table(self.to_arrow(timeout=timeout), temporary, compression="zstd")
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
        start_date: datetime | None = None,  # noqa: ARG004
        end_date: datetime | None = None,  # noqa: ARG004
    ) -> RetrievalJob:
        """The rows of `entity_df` with each view's newest features at or before their event time."""
        if not isinstance(entity_df, pd.DataFrame):
            raise ContractError(
                "historical features: entity_df must be a pandas frame with join keys and event_timestamp; "
                f"got {type(entity_df).__name__}. Run the query first and pass its frame"
            )
        time = infer_event_timestamp_from_entity_df(dict(zip(entity_df.columns, entity_df.dtypes, strict=True)))
        moments = _utc(entity_df[time])
        span = Span(*(None if pd.isna(edge) else edge.to_pydatetime() for edge in (moments.min(), moments.max())))
        spine = pa.Table.from_pandas(entity_df.assign(**{time: moments}), preserve_index=False)
        wanted = [(view, _wanted(view, feature_refs, full_feature_names)) for view in feature_views]
        return AsofRetrievalJob(
            lambda: _joined(config, spine, time, span, wanted, filter_by_created_timestamp),
            _root(config),
            RetrievalMetadata(feature_refs, [c for c in entity_df.columns if c != time], span.first, span.last),
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
        """The newest row of each entity with start_date <= event time <= end_date."""
        columns = _pulled(join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column)
        span = Span(_aware(start_date), _aware(end_date))
        newest = ", ".join(f"{named(c)} DESC" for c in (timestamp_field, created_timestamp_column) if c)
        keys = ", ".join(map(named, join_key_columns))
        latest = f"QUALIFY row_number() OVER ({f'PARTITION BY {keys} ' if keys else ''}ORDER BY {newest}) = 1"
        return _pull(config, data_source, columns, join_key_columns, timestamp_field, span, latest)

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
        """Every row with start_date <= event time <= end_date; an open end is unbounded."""
        columns = _pulled(join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column)
        span = Span(_aware(start_date), _aware(end_date))
        return _pull(config, data_source, columns, join_key_columns, timestamp_field, span, "")

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:  # noqa: ARG002
        """Refuse sources of another kind; files may come later, after the first build."""
        _file_source(data_source)

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """Column names and Arrow types of the newest file."""
        schema = pq.read_schema(parquet_files(_path(config, data_source))[-1])
        return [(field.name, str(field.type)) for field in schema]


def _joined(
    config: RepoConfig,
    spine: pa.Table,
    time: str,
    span: Span,
    wanted: list[tuple[FeatureView, dict[str, str]]],
    known_only: bool,
) -> pa.Table:
    """The spine, and beside it the features of each view."""
    connection = _connection(config)
    try:
        connection.register("spine", spine.append_column(ROW, pa.array(np.arange(spine.num_rows))))
        result = spine
        for view, names in wanted:
            features = _asof(connection, config, view, names, spine.column_names, time, span, known_only)
            for name in names.values():
                if name in result.column_names:
                    raise ContractError(
                        f"historical features: column {name!r} exists already; rename it in entity_df or ask for "
                        "full_feature_names"
                    )
                result = result.append_column(name, features[name])
        return result
    finally:
        connection.close()


def _asof(
    connection: duckdb.DuckDBPyConnection,
    config: RepoConfig,
    view: FeatureView,
    wanted: dict[str, str],
    given: list[str],
    time: str,
    span: Span,
    known_only: bool,
) -> pa.Table:
    """Features of one view, in the order of the spine."""
    source = _file_source(view.batch_source)
    column_of = {feature: column for column, feature in (source.field_mapping or {}).items()}
    renamed = view.projection.join_key_map
    joined = [(column_of.get(c.name, c.name), renamed.get(c.name, c.name))
              for c in view.entity_columns if c.name != DUMMY_ENTITY_ID]  # fmt: skip
    for _, key in joined:
        if key not in given:
            raise ContractError(f"historical features of {view.name}: column {key!r} is missing; entity_df has {given}")
    keys = [key for key, _ in joined]
    ttl = view.ttl if view.ttl else timedelta(0)
    history = timeline(
        connection,
        _path(config, source),
        keys,
        [column_of.get(feature, feature) for feature in wanted],
        source.timestamp_field,
        source.created_timestamp_column or None,
        Span(span.first - ttl if ttl and span.first else None, span.last),
        known_only=known_only,
        unique=source.tags.get("unique_rows") == "true",
        by_day=source.tags.get("partitioned_by") == "dt",
    )
    fresh = f"epoch_us(spine.{named(time)}) - epoch_us(f.__at) <= {ttl // timedelta(microseconds=1)}" if ttl else "true"
    values = ", ".join(
        f"CASE WHEN {fresh} THEN f.{named(column_of.get(feature, feature))} END AS {named(name)}"
        for feature, name in wanted.items()
    )
    on = " AND ".join(f"spine.{named(key)} = f.{named(column)}" for column, key in joined)
    return connection.sql(
        f"SELECT {values} FROM spine ASOF LEFT JOIN ({history}) AS f "
        f"ON {f'{on} AND ' if on else ''}spine.{named(time)} >= f.__known ORDER BY spine.{ROW}"
    ).to_arrow_table()


def _wanted(view: FeatureView, feature_refs: list[str], full_feature_names: bool) -> dict[str, str]:
    """Requested features of one view, by the name they get in the result."""
    prefix = view.projection.name_to_use()  # type: ignore[no-untyped-call]
    shown = view.projection.name_alias or view.name
    features = [ref.split(":", 1)[1] for ref in feature_refs if ref.split(":", 1)[0] == prefix]
    return {feature: f"{shown}__{feature}" if full_feature_names else feature for feature in features}


def _pull(
    config: RepoConfig,
    data_source: DataSource,
    columns: list[str],
    keys: list[str],
    timestamp_field: str,
    span: Span,
    condition: str,
) -> RetrievalJob:
    source = _file_source(data_source)

    def rows() -> pa.Table:
        files = parquet_files(_path(config, source), span if source.tags.get("partitioned_by") == "dt" else UNBOUNDED)
        order = ", ".join(map(named, [*keys, timestamp_field]))
        connection = _connection(config)
        try:
            return connection.sql(
                f"SELECT {', '.join(map(named, columns))} FROM read_parquet({quoted(files)}) "
                f"WHERE {span.condition(timestamp_field)} {condition} ORDER BY {order}"
            ).to_arrow_table()
        finally:
            connection.close()

    return AsofRetrievalJob(rows, _root(config))


def _pulled(keys: list[str], features: list[str], timestamp_field: str, created: str | None) -> list[str]:
    return list(dict.fromkeys([*keys, *features, timestamp_field, *([created] if created else [])]))


def _connection(config: RepoConfig) -> duckdb.DuckDBPyConnection:
    connection = connect(config.offline_store.memory_limit, config.offline_store.threads)
    connection.execute("SET preserve_insertion_order = false")
    return connection


def _root(config: RepoConfig) -> Path:
    return Path(config.offline_store.root or config.repo_path or ".")


def _path(config: RepoConfig, source: DataSource) -> Path:
    return _root(config) / _file_source(source).path


def _file_source(source: DataSource | None) -> FileSource:
    if not isinstance(source, FileSource) or "://" in source.path:
        shown = source.path if isinstance(source, FileSource) else type(source).__name__
        raise StoreError(
            f"feature source {shown}: this store reads local Parquet files (FileSource); copy the data there"
        )
    return source


def _utc(moments: pd.Series) -> pd.Series:
    return pd.to_datetime(moments, utc=True).dt.floor("us").dt.as_unit("us")


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)

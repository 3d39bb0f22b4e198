"""The rows that ask for features: given as a frame, or found by a query that may read one folder and change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import duckdb
import pandas as pd
import pyarrow as pa
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df

from feature_repo.retrieval import Limits, connection
from feature_repo.timeline import Span
from scenefit.contracts.errors import ContractError


class Spine(NamedTuple):
    """Rows with the name of their column of moments, which are UTC and in microseconds."""

    rows: pa.Table
    time: str

    @property
    def span(self) -> Span:
        """First and last moment."""
        moments = self.rows[self.time].to_pandas()
        return Span(*(None if pd.isna(edge) else edge.to_pydatetime() for edge in (moments.min(), moments.max())))


def from_frame(frame: pd.DataFrame) -> Spine:
    """The rows of a frame; moments without time zone are UTC.

    Raises
    ------
    ContractError : a column is doubled, or moments are none.
    """
    doubled = sorted(set(frame.columns[frame.columns.duplicated()]))
    if doubled:
        raise ContractError(f"historical features: columns {doubled} occur twice in entity_df; rename or drop them")
    time = infer_event_timestamp_from_entity_df(dict(zip(frame.columns, frame.dtypes, strict=True)))
    moments = _utc(frame[time], time)
    return Spine(pa.Table.from_pandas(frame.assign(**{time: moments}), preserve_index=False), time)


def from_query(query: str, limits: Limits) -> Spine:
    """The rows a DuckDB query finds in the files below `limits.folder`, and nowhere else.

    Paths are absolute, or begin with `getvariable('root')`; nothing can be written, fetched or loaded. Moments without
    time zone are UTC.

    Raises
    ------
    ContractError : it is no single SELECT, or fails; with what DuckDB says.
    """
    with connection(limits) as opened:
        _lock(opened, limits.folder)
        try:
            rows = _selected(opened, query)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise ContractError(
                f"historical features: the query of entity_df fails: {str(error).strip()}\nQuery: {query}\n"
                f"It may read files below {limits.folder.resolve()}, by absolute path or by "
                "getvariable('root') || '/…', and nothing else"
            ) from error
    kinds = rows.schema.empty_table().to_pandas().dtypes
    time = infer_event_timestamp_from_entity_df(dict(zip(rows.column_names, kinds, strict=True)))
    moments = pa.array(_utc(rows[time].to_pandas(), time), pa.timestamp("us", tz="UTC"))
    return Spine(rows.set_column(rows.column_names.index(time), time, moments), time)


def _lock(opened: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """From here on the connection reads one folder and its settings stay."""
    root = str(folder.resolve())
    opened.execute("SET preserve_insertion_order = true")
    opened.execute("SET VARIABLE root = ?", [root])
    # names in the query are tables, never variables of this program
    opened.execute("SET python_enable_replacements = false")
    opened.execute("SET allowed_directories = ?", [[root]])
    opened.execute("SET enable_external_access = false")
    opened.execute("SET lock_configuration = true")


def _selected(opened: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    statements = opened.extract_statements(query)
    kinds = [statement.type.name for statement in statements]
    if kinds != ["SELECT"]:
        raise ContractError(
            f"historical features: entity_df must be one SELECT; it is {', '.join(kinds) or 'empty'}: {query!r}"
        )
    found: pa.Table = opened.sql(query).to_arrow_table()
    doubled = sorted({name for name in found.column_names if found.column_names.count(name) > 1})
    if doubled:
        raise ContractError(f"historical features: the query yields columns {doubled} twice; name them apart: {query}")
    return found


def _utc(moments: pd.Series, name: str) -> pd.Series:
    try:
        return pd.to_datetime(moments, utc=True).dt.floor("us").dt.as_unit("us")
    except (ValueError, TypeError, AttributeError) as error:
        raise ContractError(
            f"historical features: column {name!r} holds no moments ({error}); such as {list(moments.head(3))}. "
            "Convert it with pd.to_datetime(…, utc=True)"
        ) from error

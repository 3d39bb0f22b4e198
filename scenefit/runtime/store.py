"""Tables on disk: Parquet under a workspace, checked on every write and read; DuckDB over it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from scenefit.contracts.errors import ContractError, StoreError
from scenefit.contracts.schema import Table, arrow_of, check_arrow, split
from scenefit.contracts.tables import RAW
from scenefit.runtime.workspace import Dataset, Workspace, disk_errors, replace_folders, scratch_folder, write_text


@dataclass
class RawWriter:
    """Collects the tables of one data set; each added part is checked, then written as its own file."""

    folder: Path
    until: pd.Timestamp
    rows: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, data: pa.Table) -> None:
        """Append one part of the table `name`; bad rows of an event stream go to quarantine.

        Raises
        ------
        ContractError : the part breaks the contract.
        """
        table = _contract(name)
        if table.stream:
            good, bad = split(data, table, self.until)
            if bad.num_rows:
                self.rejected[name] = self.rejected.get(name, 0) + bad.num_rows
                self._write("quarantine", name, bad)
        else:
            good = check_arrow(data, table, self.until)
        self.rows[name] = self.rows.get(name, 0) + good.num_rows
        self._write("raw", name, good)

    def add_truth(self, name: str, data: pa.Table) -> None:
        """Append planted truth of a synthetic world, kept apart from raw/."""
        self._write("truth", name, data)

    def _write(self, area: str, name: str, data: pa.Table) -> None:
        folder = self.folder / area / name
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"part-{sum(1 for _ in folder.iterdir()):05d}.parquet"
        pq.write_table(data, part, compression="zstd", write_statistics=True)


@contextmanager
def replace_raw(workspace: Workspace, dataset: Dataset) -> Iterator[RawWriter]:
    """Replace a workspace's data as a whole; on any error the previous data stays.

    Raises
    ------
    ContractError : a required table is missing or empty, or keys repeat across parts.
    """
    with scratch_folder(workspace.raw) as folder:
        writer = RawWriter(folder, dataset.until)
        yield writer
        for name, table in RAW.items():
            if not table.optional and not writer.rows.get(name):
                rejected = writer.rejected.get(name, 0)
                detail = f"all {rejected:,} rows were refused" if rejected else "it is missing or has no rows"
                raise ContractError(f"{name}: the table is required, but {detail}. Provide {table.grain}")
        _unique_over_parts(folder / "raw")
        finished = replace(dataset, rows=dict(sorted(writer.rows.items())), fingerprint=_fingerprint(folder / "raw"))
        write_text(folder / "raw" / "dataset.json", _dataset_json(finished))
        areas = {workspace.truth: folder / "truth", workspace.quarantine: folder / "quarantine",
                 workspace.raw: folder / "raw"}  # fmt: skip
        replace_folders({target: source if source.exists() else None for target, source in areas.items()})


def verify(workspace: Workspace) -> None:
    """Make sure that raw/ keeps the contract: unchanged since it was checked, or checked again file by file.

    Raises
    ------
    StoreError : a required table is gone, a file is damaged.
    ContractError : files changed since the import and break the contract.
    """
    dataset = workspace.dataset()
    for name, table in RAW.items():
        if not table.optional and not any((workspace.raw / name).glob("*.parquet")):
            raise StoreError(f"{workspace.raw / name}: the required table is not there; import the data again")
    if _fingerprint(workspace.raw) == dataset.fingerprint:
        return
    for name, table in RAW.items():
        for file in sorted((workspace.raw / name).glob("*.parquet")):
            check_arrow(read_parquet(file), table, dataset.until)
    _unique_over_parts(workspace.raw)
    raise StoreError(
        f"{workspace.raw}: files changed since the import, though they keep the contract; import the data again "
        "so that results can be traced to it"
    )


def read(workspace: Workspace, name: str, columns: list[str] | None = None) -> pa.Table:
    """One raw table, checked; empty with the right columns when an optional table is absent.

    Raises
    ------
    StoreError : a file is damaged or unreadable.
    ContractError : the content breaks the contract.
    """
    table = _contract(name)
    files = sorted((workspace.raw / name).glob("*.parquet"))
    if not files:
        if not table.optional:
            raise StoreError(f"{workspace.raw / name}: the required table is not there; import the data again")
        return table.arrow.empty_table().select(columns or table.names)
    data = check_arrow(pa.concat_tables([read_parquet(file) for file in files]), table)
    return data.select(columns) if columns else data


def read_parquet(file: Path) -> pa.Table:
    """A Parquet file as Arrow.

    Raises
    ------
    StoreError : not there, cut off or not Parquet.
    """
    if not file.is_file():
        raise StoreError(f"{file}: there is no such file")
    try:
        data = pq.ParquetFile(file).read()
        # a damaged text would else fail wherever it is first shown
        data.validate(full=True)
        return data
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{file}: not a whole Parquet file ({str(error).splitlines()[0]}); write or copy it again"
        ) from error


def write_table(folder: Path, table: Table, frame: pd.DataFrame) -> None:
    """Write one derived table, sorted by key so that equal content gives equal bytes."""
    data = check_arrow(arrow_of(frame, table.name), table)
    ordered = data.sort_by([(column, "ascending") for column in table.key]).combine_chunks()
    with disk_errors(folder):
        pq.write_table(ordered, folder / f"{table.name}.parquet", compression="zstd")


def connect(memory_limit: str = "2GB", threads: int = 1, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection of one's own: UTC, bounded memory; connections are never shared between threads."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET threads = {int(threads)}")
    connection.execute("SET memory_limit = ?", [memory_limit])
    if spill is not None:
        # DuckDB makes the folder itself, but not those above it
        with disk_errors(spill):
            spill.parent.mkdir(parents=True, exist_ok=True)
        connection.execute("SET temp_directory = ?", [str(spill)])
    return connection


def raw_views(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """A view per raw table; absent optional tables become empty ones with the right columns.

    Raises
    ------
    StoreError : a file is damaged, or its columns are not the contract's.
    """
    for name, table in RAW.items():
        files = sorted((workspace.raw / name).glob("*.parquet"))
        if not files:
            connection.register(name, table.arrow.empty_table())
            continue
        for file in files:
            _same_schema(file, table)
        connection.read_parquet([str(file) for file in files]).create_view(name)


def _same_schema(file: Path, table: Table) -> None:
    try:
        schema = pq.read_schema(file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{file}: not a whole Parquet file ({str(error).splitlines()[0]}); import the data again"
        ) from error
    different = [f.name for f in table.arrow if f.name not in schema.names or schema.field(f.name).type != f.type]
    different += [name for name in schema.names if name not in table.names]
    if different:
        raise StoreError(f"{file}: columns {different} are not the contract's; import the data again")


def _contract(name: str) -> Table:
    if name not in RAW:
        raise ContractError(f"table {name!r} is unknown; the contract has {sorted(RAW)}")
    return RAW[name]


def _unique_over_parts(raw: Path) -> None:
    with connect(spill=raw / ".spill") as connection:
        for name, table in RAW.items():
            files = [str(file) for file in sorted((raw / name).glob("*.parquet"))]
            if len(files) < 2 or not table.key:
                continue
            keys = ", ".join(f'"{column}"' for column in table.key)
            repeated = connection.execute(
                f"SELECT {keys} FROM read_parquet(?) GROUP BY {keys} HAVING count(*) > 1 ORDER BY ALL LIMIT 3", [files]
            ).fetchall()
            if repeated:
                shown = "; ".join(", ".join(f"{k}={_shown(v)}" for k, v in zip(table.key, row, strict=True))
                                  for row in repeated)  # fmt: skip
                raise ContractError(
                    f"{name}: rows of different parts repeat a key ({shown}); there must be {table.grain}. "
                    "Remove the repeats"
                )


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)


def _fingerprint(raw: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(raw.rglob("*.parquet")):
        digest.update(str(file.relative_to(raw)).encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _dataset_json(dataset: Dataset) -> str:
    values = asdict(dataset) | {"until": dataset.until.isoformat()}
    return json.dumps(values, ensure_ascii=False, indent=1, sort_keys=True, default=str)

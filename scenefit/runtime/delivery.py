"""A released table as a file: CSV, Parquet or XLSX, through one path that disarms formulas, whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from scenefit.contracts.schema import arrow_of
from scenefit.runtime.workspace import disk_errors

# what a spreadsheet takes for the start of a formula, in half and full width, behind any white or invisible letter
FORMULA = r"^[\p{Z}\p{C}]*[=+\-@＝＋－＠\t\r]|^[\t\r\n]"
# a text that is a number and nothing else is no formula: -5 stays -5
NUMBER = r"^[+\-]?[0-9]+(\.[0-9]+)?([eE][+\-]?[0-9]+)?$"
DISARMED = "'"
SHEET_ROWS, SHEET_COLUMNS, CELL_LETTERS = 1_048_575, 16_384, 32_767
# a spreadsheet's numbers carry fifteen digits
SHEET_INTEGER = 10**15


class Delivered(NamedTuple):
    """What was handed over: where to, in which form, how many rows, their fingerprint, and cells made harmless.

    `target` is a file's name or a host, never a whole path; `reference` is what the receiver calls it.
    """

    target: str
    form: str
    rows: int
    sha256: str
    size: int
    disarmed: int = 0
    reference: str = ""


class Cells(NamedTuple):
    """A table whose texts no spreadsheet takes for formulas, and how many were changed for that."""

    data: pa.Table
    disarmed: int


def write_file(
    table: pd.DataFrame,
    target: Path,
    account: Callable[[Delivered], str] | None = None,
    *,
    overwrite: bool = False,
) -> Delivered:
    """Write a table as the form its name ends in; on any error nothing is left behind and old files stay.

    Equal tables give equal bytes. CSV is UTF-8 without a byte-order mark, every text in quotes; moments are UTC.

    Parameters
    ----------
    account : receipt of what was written; its text is laid beside the file (`….receipt.json`) in the same step, the
        file last, so that no file stands without its receipt

    Raises
    ------
    SettingsError : the name ends in none of .csv, .parquet, .xlsx.
    StoreError : a file is there already and `overwrite` is false, or the disk refuses.
    ContractError : the table has no rows or holds what the form cannot.
    """
    form = target.suffix.lower().lstrip(".")
    if form not in WRITERS:
        raise SettingsError(f"{target.name}: an export ends in one of {sorted(WRITERS)}; rename it, such as people.csv")
    if not len(table):
        raise ContractError(f"{target.name}: the table has no rows, so nothing is written")
    receipt = target.with_name(target.name + ".receipt.json")
    _vacant(target, receipt, overwrite)
    cells = safe_cells(table, target.name)
    temporary = {file: file.with_name(f".{file.name}.{os.getpid()}") for file in (receipt, target)}
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            WRITERS[form](cells.data, temporary[target])
            written = _sealed(temporary[target], target.name, form, cells)
            if account is None:
                del temporary[receipt]
            else:
                temporary[receipt].write_text(account(written), "utf8")
            _vacant(target, receipt, overwrite)
            _place(temporary)
        finally:
            for file in temporary.values():
                file.unlink(missing_ok=True)
    return written


def safe_cells(table: pd.DataFrame, name: str) -> Cells:
    """The table with an apostrophe before every text and header that a spreadsheet would take for a formula.

    Numbers, and texts that are numbers, stay as they are.

    Raises
    ------
    ContractError : a column name repeats, or a cell is infinite, no single value, or not valid Unicode.
    """
    data = arrow_of(table, name)
    doubled = sorted({column for column in data.column_names if data.column_names.count(column) > 1})
    if doubled:
        raise ContractError(f"{name}: column {doubled[0]!r} occurs more than once; keep one of them")
    arrays, disarmed = [], 0
    for column in data.column_names:
        array, changed = _safe_column(data[column], f"{name}.{column}")
        arrays.append(array)
        disarmed += changed
    headers, changed = _safe_column(pa.chunked_array([pa.array(data.column_names, pa.string())]), name)
    return Cells(pa.Table.from_arrays(arrays, names=headers.to_pylist()), disarmed + changed)


def content_sha256(table: pd.DataFrame, name: str) -> str:
    """Fingerprint of what a table says, whatever form it is written in.

    Raises
    ------
    ContractError : see `safe_cells`.
    """
    sink = pa.BufferOutputStream()
    _csv(safe_cells(table, name).data, sink)
    return hashlib.sha256(memoryview(sink.getvalue())).hexdigest()


def _safe_column(values: pa.ChunkedArray, where: str) -> tuple[pa.ChunkedArray, int]:
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        try:
            values.validate(full=True)
            armed = pc.and_(pc.match_substring_regex(values, FORMULA),
                            pc.invert(pc.match_substring_regex(values, NUMBER)))  # fmt: skip
        except pa.ArrowException as error:
            raise ContractError(f"{where}: a text is not valid Unicode; mend or leave out the column") from error
        armed = pc.fill_null(armed, False)
        harmless = pc.binary_join_element_wise(pa.scalar(DISARMED, kind), values, pa.scalar("", kind))
        return pc.if_else(armed, harmless, values), int(pc.sum(armed).as_py() or 0)
    if pa.types.is_floating(kind):
        if pc.any(pc.is_inf(values)).as_py():
            raise ContractError(f"{where}: infinite numbers; give finite ones or leave them empty")
        # not-a-number is a gap
        return pc.if_else(pc.is_nan(values), pa.scalar(None, kind), values), 0
    if pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp("us", "UTC" if kind.tz else None)), 0
    if not (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind)
            or pa.types.is_date(kind) or pa.types.is_null(kind)):  # fmt: skip
        raise ContractError(f"{where}: {kind} is no single value of a cell; split the column or leave it out")
    return values, 0


def _csv(data: pa.Table, file: Path | pa.NativeFile) -> None:
    from pyarrow import csv

    csv.write_csv(data, file)


def _parquet(data: pa.Table, file: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(data.combine_chunks(), file, compression="zstd")


def _xlsx(data: pa.Table, file: Path) -> None:
    import xlsxwriter

    if data.num_rows > SHEET_ROWS or data.num_columns > SHEET_COLUMNS:
        raise ContractError(
            f"an XLSX sheet holds {SHEET_ROWS:,} rows and {SHEET_COLUMNS:,} columns, not {data.num_rows:,} × "
            f"{data.num_columns:,}; export CSV or Parquet"
        )
    # texts are written as texts, whatever they look like
    plain = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
             "constant_memory": True}  # fmt: skip
    with file.open("wb") as stream, xlsxwriter.Workbook(stream, plain) as book:
        # the moment of writing would make equal tables differ
        book.set_properties({"created": datetime(2000, 1, 1)})  # noqa: DTZ001 - the format has no zone
        sheet = book.add_worksheet()
        columns = [_sheet_values(data[name], name) for name in data.column_names]
        for row, values in enumerate(zip(*columns, strict=True)):
            for position, value in enumerate(values):
                if isinstance(value, str):
                    sheet.write_string(row, position, value)
                elif isinstance(value, bool):
                    sheet.write_boolean(row, position, value)
                elif value is not None:
                    sheet.write_number(row, position, value)


def _sheet_values(values: pa.ChunkedArray, header: str) -> list[object]:
    """Header and cells as a sheet holds them: texts, truth values and numbers; moments as ISO 8601 texts."""
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        cells = [None if moment is None else moment.isoformat() for moment in values.to_pylist()]
    elif pa.types.is_integer(kind):
        cells = [n if n is None or abs(n) < SHEET_INTEGER else str(n) for n in values.to_pylist()]
    elif pa.types.is_decimal(kind):
        cells = values.cast(pa.float64(), safe=False).to_pylist()
    else:
        cells = values.to_pylist()
    long = [len(cell) for cell in (header, *cells) if isinstance(cell, str) and len(cell) > CELL_LETTERS]
    if long:
        raise ContractError(
            f"{header[:40]}: an XLSX cell holds {CELL_LETTERS:,} letters, not {long[0]:,}; export CSV or Parquet"
        )
    return [header, *cells]


WRITERS: Mapping[str, Callable[[pa.Table, Path], None]] = {"csv": _csv, "parquet": _parquet, "xlsx": _xlsx}


def _vacant(target: Path, receipt: Path, overwrite: bool) -> None:
    for file in (target, receipt):
        if file.exists() and not (overwrite and file.is_file()):
            raise StoreError(f"{file}: is there already and stays; choose another name or ask to overwrite it")


def _sealed(file: Path, name: str, form: str, cells: Cells) -> Delivered:
    """Fingerprint of the finished file, its bytes safely on the disk."""
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return Delivered(name, form, cells.data.num_rows, digest, file.stat().st_size, cells.disarmed)


def _place(temporary: Mapping[Path, Path]) -> None:
    """Move each finished file to its place in the given order; all of them or, on any error, none."""
    kept: dict[Path, Path] = {}
    placed: list[Path] = []
    try:
        for target, source in temporary.items():
            if target.exists():
                old = target.with_name(f".{target.name}.{os.getpid()}.old")
                target.rename(old)
                kept[target] = old
            source.rename(target)
            placed.append(target)
    except BaseException:
        for target in placed:
            target.unlink(missing_ok=True)
        for target, old in kept.items():
            old.rename(target)
        raise
    for old in kept.values():
        old.unlink(missing_ok=True)

"""The features of a service at one moment as a file that may leave the workspace, with a receipt.

The file says in its own metadata what it is: purpose, service, moment, data, and a digest of its content.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.history import as_of
from feature_repo.purposes import require_export, require_service
from feature_repo.services import SERVICES
from scenefit.contracts.errors import StoreError
from scenefit.contracts.schema import arrow_of
from scenefit.runtime.store import read_parquet
from scenefit.runtime.workspace import Workspace, disk_errors

METADATA = b"scenefit.export"


class Receipt(NamedTuple):
    """What was exported, for whom to see it later: plain values, as the audit chain and the file's metadata keep them.

    `sha256` is that of the content (names, types, values in order), whatever the file's compression; `fingerprint`
    that of the data set. `columns` leaves out the keys and the moment.
    """

    service: str
    purpose: str
    as_of: str
    rows: int
    columns: tuple[str, ...]
    fingerprint: str
    synthetic: bool
    sha256: str


def export(
    workspace: Workspace, service: str, time: pd.Timestamp, purpose: str, target: Path, *, overwrite: bool = False
) -> Receipt:
    """Write everybody's features of a service as of `time` to one Parquet file, for one purpose.

    The file appears whole or not at all; equal content gives equal bytes. The caller enters the receipt in the audit
    chain (`receipt._asdict()`).

    Raises
    ------
    PurposeError : a feature does not permit the purpose, or is made of personal identifiers.
    StoreError : `target` exists, or cannot be written; no snapshot at or before `time` within the TTL.
    SettingsError : the service is unknown, or `time` has no time zone.
    """
    require_service(service, purpose)
    definition = SERVICES[service]
    require_export([*definition.keys, *(feature.name for feature in definition.features)], purpose, definition.views)
    if target.is_dir():
        raise StoreError(f"{target}: is a folder; name the file to write, such as {target / f'{service}.parquet'}")
    if target.exists() and not overwrite:
        raise StoreError(f"{target}: exists already; choose another name, or say that it may be overwritten")
    dataset = workspace.dataset()
    data = _plain(arrow_of(as_of(time, service, workspace), f"export of {service}"))
    receipt = Receipt(
        service, purpose, time.tz_convert("UTC").isoformat(), data.num_rows,
        tuple(feature.name for feature in definition.features), dataset.fingerprint, dataset.synthetic,
        content_digest(data),
    )  # fmt: skip
    note = json.dumps(receipt._asdict(), ensure_ascii=False, sort_keys=True).encode()
    _write_whole(target, data.replace_schema_metadata({METADATA: note}))
    return receipt


def receipt_of(file: Path) -> Receipt:
    """The receipt that an exported file carries, once its content has proved to be what was exported.

    Raises
    ------
    StoreError : no export, damaged, or changed since.
    """
    data = read_parquet(file)
    try:
        receipt = Receipt(**json.loads((data.schema.metadata or {})[METADATA]))
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(f"{file}: carries no receipt of an export; export it again") from error
    found = content_digest(data)
    if found != receipt.sha256:
        raise StoreError(
            f"{file}: the content is not what was exported (SHA-256 {found[:12]}…, receipt {receipt.sha256[:12]}…); "
            "export it again"
        )
    return receipt._replace(columns=tuple(receipt.columns))


def content_digest(data: pa.Table) -> str:
    """SHA-256 over names, types and values of a table, in order; equal for equal content, however it is stored."""
    digest = hashlib.sha256()
    for field in data.schema:
        digest.update(f"{field.name}\0{field.type}\0{data.num_rows}\0".encode())
        for part in _values(data[field.name].combine_chunks()):
            digest.update(part)
    return digest.hexdigest()


def _plain(data: pa.Table) -> pa.Table:
    # pandas hands texts back in either of two widths
    schema = pa.schema([pa.field(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type)
                        for f in data.schema])  # fmt: skip
    return data.cast(schema).combine_chunks()


def _values(column: pa.ChunkedArray | pa.Array) -> list[bytes]:
    array = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
    gaps = np.packbits(array.is_null().to_numpy(zero_copy_only=False)).tobytes()
    if pa.types.is_string(array.type):
        # what stands under a gap is anybody's guess
        filled = array.fill_null("")
        return [gaps, pc.binary_length(filled).to_numpy().tobytes(), "".join(filled.to_pylist()).encode()]
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    return [gaps, array.fill_null(0).to_numpy(zero_copy_only=False).tobytes()]


def _write_whole(target: Path, data: pa.Table) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(data, temporary, compression="zstd")
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

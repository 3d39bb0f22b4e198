"""The numbers of customers: every id keeps its number for good, so that stored bitmaps stay valid as people come."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scenefit.contracts.errors import StoreError
from segmentation.audience_files import place

FOLDER = "_ids"
# roaring bitmaps hold 32-bit numbers
MOST = 2**32
_PART = re.compile(r"(?P<first>\d{10})-(?P<count>\d{10})-(?P<digest>[0-9a-f]{16})\.parquet")


class Numbered(NamedTuple):
    """Numbers of the people asked about (n,); those from `known` on are provisional: not written down yet."""

    numbers: np.ndarray
    known: int


class IdDictionary:
    """Customer id ↔ number, kept in files that are only ever added to.

    A file's name tells its first number, how many ids it holds and the head of their SHA-256: nothing is ever
    rewritten, and a file that is missing or changed is noticed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER
        self._parts: tuple[str, ...] | None = None
        self._ids = pa.array([], pa.large_string())

    def ids(self) -> Any:
        """All ids in the order of their numbers, an Arrow array.

        Raises
        ------
        StoreError : a file is missing or damaged.
        """
        names = tuple(sorted(file.name for file in self.folder.glob("*.parquet")))
        if names != self._parts:
            found = [self._read(name) for name in names]
            self._ids = pa.concat_arrays(found) if found else pa.array([], pa.large_string())
            self._parts = names
            self._check_order(names)
        return self._ids

    def numbered(self, customers: pd.Series) -> Numbered:
        """Numbers of customers; new ones get the next numbers, provisionally until `extend` writes them down."""
        asked, known = _strings(customers), self.ids()
        if len(known) and asked.equals(known):
            return Numbered(np.arange(len(known), dtype=np.int64), len(known))
        places = pc.index_in(asked, value_set=known)
        numbers = pc.fill_null(places, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        new = numbers < 0
        numbers[new] = len(known) + np.arange(int(new.sum()))
        return Numbered(numbers, len(known))

    def extend(self, customers: pd.Series) -> None:
        """Write down the customers that have no number yet; only under the folder's lock.

        Raises
        ------
        StoreError : more ids than 32 bits can count.
        """
        numbers, known = self.numbered(customers)
        new = _strings(customers).filter(pa.array(numbers >= known))
        if not len(new):
            return
        if known + len(new) > MOST:
            raise StoreError(f"{self.folder}: {known + len(new):,} ids; an id dictionary holds at most {MOST:,}")
        table = pa.table({"customer_id": new})
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd", use_dictionary=False)
        content = sink.getvalue()
        digest = hashlib.sha256(content).hexdigest()[:16]
        place(self.folder / f"{known:010d}-{len(new):010d}-{digest}.parquet", content)

    def customers(self, numbers: np.ndarray) -> np.ndarray:
        """Ids of numbers, ascending, an array of str."""
        found: np.ndarray = self.ids().take(pa.array(numbers)).to_numpy(zero_copy_only=False)
        return np.sort(found)

    def _read(self, name: str) -> Any:
        file, stated = self.folder / name, _PART.fullmatch(name)
        if stated is None:
            raise StoreError(f"{file}: is no file of the id dictionary; move it away")
        content = file.read_bytes()
        if not hashlib.sha256(content).hexdigest().startswith(stated["digest"]):
            raise StoreError(
                f"{file}: damaged, its digest is another one; bring it back from a backup: "
                "without it nobody knows whom the stored audiences mean"
            )
        column = pq.read_table(io.BytesIO(content)).column("customer_id").cast(pa.large_string())
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)

    def _check_order(self, names: tuple[str, ...]) -> None:
        expected = 0
        for name in names:
            first, count = int(name[:10]), int(name[11:21])
            if first != expected:
                self._parts = None
                raise StoreError(
                    f"{self.folder}: the ids from number {expected:,} to {first - 1:,} are missing; "
                    "bring the file back from a backup"
                )
            expected = first + count


def _strings(customers: pd.Series) -> Any:
    found = pa.array(customers.array, from_pandas=True)
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    return found.cast(pa.large_string())

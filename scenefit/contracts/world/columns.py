"""From arrays to Arrow columns without touching single values, and one stream of chance per noun."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pyarrow as pa

from scenefit.contracts.schema import ARROW, conform
from scenefit.contracts.tables import RAW

STATIC = 1 << 32  # the block number of what belongs to no block
REFERENCE = STATIC + 1  # the block number of the reference population


def chance(seed: int, block: int, noun: str) -> np.random.Generator:
    """A stream of random numbers of its own for every (seed, block, noun): making one thing never shifts another."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block, crc32(noun.encode()))))


def contract_table(name: str, columns: dict[str, object]) -> pa.Table:
    """A raw table in the order and types of its contract."""
    return conform(pa.table(columns), RAW[name]).cast(RAW[name].arrow)


def numbered(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
    """Ids such as c00000042: a prefix and a number of fixed width."""
    rest = np.asarray(numbers, dtype=np.int64)
    start = len(prefix)
    letters = np.empty((len(rest), start + width), dtype=np.uint8)
    letters[:, :start] = np.frombuffer(prefix.encode("ascii"), dtype=np.uint8)
    for place in range(start + width - 1, start - 1, -1):
        letters[:, place] = 48 + rest % 10
        rest = rest // 10
    return _fixed(letters)


def hexadecimal(values: np.ndarray) -> pa.Array:
    """Unsigned 64-bit numbers as 16 hexadecimal digits."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    shifts = np.arange(60, -1, -4, dtype=np.uint64)
    return _fixed(digits[(values.astype(np.uint64)[:, None] >> shifts) & np.uint64(15)])


def texts(names: Sequence[str] | pa.Array, codes: np.ndarray) -> pa.Array:
    """The names at these positions; a negative position is empty."""
    words = names if isinstance(names, pa.Array) else pa.array(list(names), pa.string())
    whole = np.asarray(codes, dtype=np.int64)
    return words.take(pa.array(whole, mask=whole < 0))


def whole_numbers(values: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Whole numbers, empty where `missing`."""
    return pa.array(np.asarray(values, dtype=np.int64), mask=missing)


def numbers(values: np.ndarray) -> pa.Array:
    """Numbers; NaN is empty."""
    return pa.array(np.asarray(values, dtype=np.float64), from_pandas=True)


def instants(micros: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Moments from microseconds since 1970 UTC, empty where `missing`."""
    return pa.array(np.asarray(micros, dtype=np.int64), mask=missing).cast(ARROW["instant"])


def picked(probabilities: np.ndarray, rows: np.ndarray, u: np.ndarray) -> np.ndarray:
    """One category per row of `rows`, drawn from that row of `probabilities` with the uniform numbers `u`."""
    cumulative = np.cumsum(probabilities, axis=1)
    bounds = cumulative[:, :-1] / cumulative[:, -1:]
    return (bounds[rows] <= u[:, None]).sum(axis=1)


def inner(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left @ right.T, summed in a fixed order: a matrix product's last bit depends on the number of threads."""
    total = np.zeros((len(left), len(right)))
    for k in range(left.shape[1]):
        total += left[:, k, None] * right[None, :, k]
    return total


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Probability of a log odds."""
    return 1.0 / (1.0 + np.exp(-x))


def _fixed(letters: np.ndarray) -> pa.Array:
    rows, width = letters.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters.tobytes()))

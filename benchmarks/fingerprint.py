"""One hash of a nested result, so that two sides can be shown to have found the same."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scenefit.contracts.errors import ScenefitError


def fingerprint(value: object) -> str:
    """SHA-256 over types, shapes and bytes of everything inside.

    >>> fingerprint({"a": np.arange(3)}) == fingerprint({"a": np.arange(3)})
    True
    >>> fingerprint([1]) == fingerprint([1.0])
    False
    """
    digest = hashlib.sha256()
    _add(digest, value)
    return digest.hexdigest()


def _add(digest: Any, value: object) -> None:
    digest.update(f"<{type(value).__name__}>".encode())
    if value is None or isinstance(value, str | bytes | bool | int | float | np.generic | range | pd.Timestamp | type):
        digest.update(repr(value).encode())
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(repr(value.tolist()).encode() if value.dtype == object else np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        _add(digest, list(value.items()))
    elif isinstance(value, list | tuple):
        for part in value:
            _add(digest, part)
    else:
        _add(digest, _inside(value))


def _inside(value: Any) -> object:
    if isinstance(value, pd.DataFrame):
        return [(str(name), value[name]) for name in value.columns]
    if isinstance(value, pd.Series | pd.Index):
        return str(value.dtype), value.to_numpy()
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if sparse.issparse(value):
        rows, columns, values = sparse.find(value)
        return tuple(value.shape), rows, columns, values
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if hasattr(value, "__dict__"):
        return sorted(vars(value).items())
    raise ScenefitError(f"a result of type {type(value).__name__} cannot be compared; teach benchmarks.fingerprint")

"""Models on disk: arrays, JSON and skops files under a SHA-256 manifest; never a pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scenefit.contracts.errors import StoreError
from scenefit.runtime.workspace import disk_errors, fresh_folder

# classes of scikit-learn that skops asks about; all are plain trees and calibrators without code of their own
TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
)


class Saved(NamedTuple):
    """A model as stored: named arrays, plain facts, scikit-learn estimators."""

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]
    estimators: dict[str, Any]


def save(
    folder: Path,
    arrays: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
    estimators: Mapping[str, Any] | None = None,
) -> None:
    """Write a model; an existing one of that name is replaced whole."""
    with fresh_folder(folder) as place, disk_errors(folder):
        for name, array in arrays.items():
            np.save(place / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)
        for name, estimator in (estimators or {}).items():
            (place / f"{name}.skops").write_bytes(_dumped(estimator))
        (place / "facts.json").write_text(json.dumps(dict(facts), ensure_ascii=False, indent=1, sort_keys=True), "utf8")
        digests = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(place.iterdir())}
        (place / "sha256.json").write_text(json.dumps(digests, indent=1, sort_keys=True), "utf8")


def load(folder: Path) -> Saved:
    """Read a model back.

    Raises
    ------
    StoreError : not there, a file missing or changed, or a class outside the allow-list.
    """
    manifest = folder / "sha256.json"
    if not manifest.is_file():
        raise StoreError(f"{folder}: no model there; fit and save one first")
    try:
        digests = json.loads(manifest.read_text("utf8"))
    except ValueError as error:
        raise StoreError(f"{manifest}: damaged ({error}); restore it or fit the model again") from error
    for name, digest in digests.items():
        file = folder / name
        if not file.is_file() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            raise StoreError(f"{file}: missing or changed since it was saved; restore it or fit the model again")
    arrays = {name[:-4]: _array(folder / name) for name in digests if name.endswith(".npy")}
    estimators = {name[:-6]: _estimator(folder / name) for name in digests if name.endswith(".skops")}
    return Saved(arrays, json.loads((folder / "facts.json").read_text("utf8")), estimators)


def _dumped(estimator: object) -> bytes:
    # skops loads all of scikit-learn, which models of plain arrays do not need
    import skops.io

    return _canonical(skops.io.dumps(estimator))


def _estimator(file: Path) -> object:
    import skops.io

    unknown = sorted(set(skops.io.get_untrusted_types(file=file)) - set(TRUSTED))
    if unknown:
        raise StoreError(f"{file}: holds classes that are not allowed: {unknown}; do not load it")
    estimator: object = skops.io.load(file, trusted=list(TRUSTED))
    return estimator


def _array(file: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise StoreError(f"{file}: not a plain array ({error}); do not load it, fit the model again") from error
    return array


def _canonical(archive: bytes) -> bytes:
    """The skops archive without the moment of writing and the memory addresses it numbers its parts by."""
    import io
    import zipfile

    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        schema = json.loads(source.read("schema.json"))
        files: dict[str, str] = {}
        _renumber(schema, {}, files)
        contents = {"schema.json": json.dumps(schema, indent=1).encode()}
        contents |= {files[name]: source.read(name) for name in source.namelist() if name in files}
        for name in sorted(contents):
            copy.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), contents[name])
    return target.getvalue()


def _renumber(node: Any, numbers: dict[object, int], files: dict[str, str]) -> None:
    """Number the parts in the order in which they stand; parts that were one object stay one."""
    if isinstance(node, list):
        for part in node:
            _renumber(part, numbers, files)
    if not isinstance(node, dict):
        return
    if "__id__" in node:
        # whether equal texts and numbers were one object is an accident of the interpreter
        key = ("text", len(numbers)) if node.get("is_json") else node["__id__"]
        node["__id__"] = numbers.setdefault(key, len(numbers) + 1)
    if isinstance(node.get("file"), str):
        name = node["file"]
        node["file"] = files.setdefault(name, f"{len(files) + 1}{Path(name).suffix}")
    for part in node.values():
        _renumber(part, numbers, files)

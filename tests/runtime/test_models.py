"""Models on disk: what was saved is loaded, byte by byte, and nothing else."""

from __future__ import annotations

import errno
import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from scenefit.contracts.errors import StoreError
from scenefit.runtime.models import load, save

X = np.random.default_rng(0).normal(size=(200, 3))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)


def estimators() -> dict[str, object]:
    """A linear and a calibrated tree model, fitted anew."""
    trees = HistGradientBoostingClassifier(max_iter=2, random_state=0)
    return {
        "linear": LogisticRegression().fit(X, Y),
        "trees": CalibratedClassifierCV(trees, cv=2).fit(X, Y),
    }


@pytest.fixture(scope="module")
def saved_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model, made once."""
    place = tmp_path_factory.mktemp("models") / "model"
    save(place, {"coef": X}, {"names": ["a", "旅游"], "rate": 0.1}, estimators())
    return place


@pytest.fixture
def folder(saved_once: Path, tmp_path: Path) -> Path:
    """A saved model to do with as one likes."""
    return shutil.copytree(saved_once, tmp_path / "model")


def test_what_was_saved_is_loaded(folder: Path) -> None:
    saved = load(folder)

    assert np.array_equal(saved.arrays["coef"], X)
    assert saved.facts == {"names": ["a", "旅游"], "rate": 0.1}
    for name, estimator in estimators().items():
        assert np.array_equal(saved.estimators[name].predict_proba(X), estimator.predict_proba(X))


def test_equal_models_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    keep_addresses_apart = estimators()
    save(tmp_path / "again", {"coef": X}, {"rate": 0.1, "names": ["a", "旅游"]}, estimators())

    assert keep_addresses_apart
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


@pytest.mark.slow
def test_equal_models_of_two_processes_give_equal_bytes(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tests.runtime.test_models import estimators, save;"
        "save(Path(sys.argv[1]), {}, {}, estimators())"
    )
    for name in ("one", "two"):
        subprocess.run([sys.executable, "-c", program, tmp_path / name], check=True, cwd=Path(__file__).parents[2])

    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_no_file_is_a_pickle(folder: Path) -> None:
    assert sorted(file.suffix for file in folder.iterdir()) == [".json", ".json", ".npy", ".skops", ".skops"]
    for file in folder.glob("*.skops"):
        with zipfile.ZipFile(file) as archive:
            assert {Path(name).suffix for name in archive.namelist()} == {".json", ".npy"}
            for name in archive.namelist():
                assert not archive.read(name).startswith(b"\x80"), "a pickle begins with its protocol"


def test_arrays_of_objects_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allow_pickle=False"):
        save(tmp_path / "model", {"objects": np.array([{}], dtype=object)}, {})

    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["coef.npy", "facts.json", "linear.skops"])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(StoreError, match=f"{name}: missing or changed since it was saved; restore it or fit"):
        load(folder)


def test_a_missing_file_is_refused(folder: Path) -> None:
    (folder / "trees.skops").unlink()

    with pytest.raises(StoreError, match=r"trees\.skops: missing or changed"):
        load(folder)


def test_a_file_that_is_not_in_the_list_is_not_loaded(folder: Path) -> None:
    np.save(folder / "other.npy", X)

    assert list(load(folder).arrays) == ["coef"]


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_a_damaged_list_is_refused(folder: Path, text: str) -> None:
    (folder / "sha256.json").write_text(text)

    with pytest.raises(StoreError, match=r"sha256\.json: damaged"):
        load(folder)


def test_no_model_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no model there; fit and save one first"):
        load(tmp_path / "none")


class Unknown:
    """A class of nobody's allow-list."""


def test_a_class_outside_the_allow_list_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "model", {}, {}, {"thing": Unknown()})

    with pytest.raises(StoreError, match=r"thing\.skops: holds classes that are not allowed: \[.*Unknown.*\]; do not"):
        load(tmp_path / "model")


def test_a_pickle_in_disguise_is_not_run(folder: Path) -> None:
    import hashlib

    class Trap:
        def __reduce__(self) -> tuple:
            return pytest.fail, ("a pickle was run",)

    (folder / "coef.npy").write_bytes(pickle.dumps(Trap()))
    digests = json.loads((folder / "sha256.json").read_text())
    digests["coef.npy"] = hashlib.sha256((folder / "coef.npy").read_bytes()).hexdigest()
    (folder / "sha256.json").write_text(json.dumps(digests))

    with pytest.raises(StoreError, match=r"coef\.npy: not a plain array"):
        load(folder)


def test_a_full_disk_leaves_the_old_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def full(*_: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StoreError, match="the disk is full"):
        save(folder, {"coef": X}, {})

    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == ["model"]

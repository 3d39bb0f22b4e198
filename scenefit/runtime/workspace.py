"""One folder holds everything of one firm or experiment; nothing else is global."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from scenefit.contracts.errors import StoreError

CONTRACT_VERSION = 1  # of the raw tables; a workspace of another version is refused, not guessed at


@dataclass(frozen=True)
class Dataset:
    """What raw/ holds and what must be known to read it (raw/dataset.json).

    `until` is the exclusive end of the data: nothing in it is later. `behaviour` says which item describes wide
    behaviour: the merchant or the scene. `synthetic` data is labelled so wherever its figures are shown.
    """

    name: str
    until: pd.Timestamp
    synthetic: bool
    currency: str = "CNY"
    timezone: str = "Asia/Shanghai"
    behaviour: str = "merchant"
    held_out_campaigns: tuple[str, ...] = ()
    assumptions_en: tuple[str, ...] = ()
    assumptions_zh: tuple[str, ...] = ()
    origin: dict[str, object] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    fingerprint: str = ""
    contract: int = CONTRACT_VERSION


@dataclass(frozen=True)
class Workspace:
    """The folders of one workspace. Opening touches nothing; writing creates."""

    root: Path

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def truth(self) -> Path:
        """Planted truth of a synthetic world; no model may read it."""
        return self.root / "truth"

    @property
    def features(self) -> Path:
        return self.root / "features"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def quarantine(self) -> Path:
        """Rows of event streams set aside with a reason."""
        return self.root / "quarantine"

    @property
    def catalogue(self) -> Path:
        return self.root / "catalogue.db"

    def dataset(self) -> Dataset:
        """The data set in raw/.

        Raises
        ------
        StoreError : no data yet, or of another contract version.
        """
        file = self.raw / "dataset.json"
        if not file.is_file():
            raise StoreError(
                f"{self.root}: no data in this workspace. Make some with `scenefit world --workspace {self.root}` "
                f"or bring your own with `scenefit import … --workspace {self.root}`"
            )
        try:
            values = json.loads(file.read_text("utf8"))
            values["until"] = pd.Timestamp(values["until"])
            for name in ("held_out_campaigns", "assumptions_en", "assumptions_zh"):
                values[name] = tuple(values[name])
            found = Dataset(**values)
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{file}: damaged ({error}); import the data again") from error
        if found.contract != CONTRACT_VERSION:
            raise StoreError(
                f"{file}: contract version {found.contract}, this program reads {CONTRACT_VERSION}; "
                "import the data again"
            )
        return found

    def latest(self) -> Path:
        """Folder of the newest finished run.

        Raises
        ------
        StoreError : there is none.
        """
        pointer = self.root / "latest"
        if not pointer.is_file():
            raise StoreError(f"{self.root}: no finished run. Start one with `scenefit run --workspace {self.root}`")
        folder = self.runs / pointer.read_text("utf8").strip()
        if not (folder / "manifest.json").is_file():
            raise StoreError(
                f"{folder}: the run is incomplete or gone. Start one with `scenefit run --workspace {self.root}`"
            )
        return folder


@contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """A folder to fill beside `target`, which it replaces whole when the block ends well.

    An error, Ctrl-C or a full disk leaves the previous `target` as it was and no rubbish behind.
    """
    with scratch_folder(target) as temporary:
        yield temporary
        replace_folders({target: temporary})


@contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """An empty folder beside `target`, gone when the block ends; its errors speak of `target`."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    with disk_errors(target):
        # a killed process of the same number may have left one
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def replace_folders(moves: Mapping[Path, Path | None]) -> None:
    """Move each new folder to its target (None: the target goes); all of them or, on any error, none."""
    retired: dict[Path, Path] = {}
    placed: list[Path] = []
    try:
        for target in moves:
            if target.exists():
                old = target.with_name(f".{target.name}.{os.getpid()}.old")
                shutil.rmtree(old, ignore_errors=True)
                retired[target] = old
                target.rename(old)
        for target, source in moves.items():
            if source is not None:
                placed.append(target)
                source.rename(target)
    except BaseException:
        for target in placed:
            shutil.rmtree(target, ignore_errors=True)
        for target, old in retired.items():
            if old.exists():
                old.rename(target)
        raise
    for old in retired.values():
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Replace a small file in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(text, "utf8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def disk_errors(target: Path) -> Iterator[None]:
    """Errors of the file system as sentences."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full; free space and run again",
            errno.EDQUOT: "the disk quota is used up; free space and run again",
            errno.EACCES: "no permission; choose another --workspace or change its rights",
            errno.EROFS: "the file system is read-only; choose another --workspace",
            errno.ENOTDIR: "a part of the path is a file; choose another --workspace",
            errno.EEXIST: "a file stands where a folder must be; choose another --workspace",
        }
        reason = reasons.get(error.errno or 0)
        if reason is None:
            raise
        raise StoreError(f"{target}: cannot be written: {reason}. What was there before is unchanged") from error

"""Files of stored audiences: written whole or not at all, one writer at a time."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.workspace import disk_errors

LOCK = "_lock"
# seconds between two looks at a lock that somebody else holds
LOOK = 0.05
# an id is a folder's name: nothing that could leave the folder, hide or clash on any disk
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_VERSION = re.compile(r"v(\d{4,})\.json")
_EVENT = re.compile(r"e(\d{4,})\.json")


def checked_id(audience_id: str) -> str:
    """The id itself.

    Raises
    ------
    ContractError : it is not made of lower-case letters, digits and hyphens alone.
    """
    if not isinstance(audience_id, str) or not _ID.fullmatch(audience_id):
        raise ContractError(
            f"audience id {audience_id!r}: write 1 to 63 lower-case letters, digits and hyphens, "
            "a letter or digit first, such as young-travellers"
        )
    return audience_id


def audience_ids(folder: Path) -> list[str]:
    """Ids of the stored audiences, sorted."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if _ID.fullmatch(entry.name) and version_numbers(entry))


def is_stored(folder: Path, name: str) -> bool:
    """Whether an audience of this id is stored; False for what is no id at all."""
    return bool(_ID.fullmatch(name)) and bool(version_numbers(folder / name))


def known_id(folder: Path, audience_id: str) -> str:
    """The id of an audience that exists.

    Raises
    ------
    StoreError : there is none; the message tells similar ones.
    """
    checked_id(audience_id)
    if version_numbers(folder / audience_id):
        return audience_id
    there = audience_ids(folder)
    near = get_close_matches(audience_id, there, 3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(there[:20]) or 'none yet'}"
    raise StoreError(f"audience {audience_id!r} does not exist. {hint}")


def version_numbers(folder: Path) -> list[int]:
    """Versions of one audience, ascending."""
    return _numbers(folder, _VERSION)


def event_numbers(folder: Path) -> list[int]:
    """Events noted of one audience, ascending."""
    return _numbers(folder, _EVENT)


@contextmanager
def writing(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """The right to write into the folder, for one writer at a time; a killed writer leaves no lock behind.

    Parameters
    ----------
    patience : seconds to wait for another writer to finish

    Raises
    ------
    StoreError : somebody else is writing.
    """
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(handle, folder, patience)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path, patience: float) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise StoreError(
                    f"{folder}: somebody else is saving an audience right now; nothing was written. Try again in a "
                    "moment"
                ) from error
            time.sleep(LOOK)
        else:
            return


def place(file: Path, content: bytes) -> None:
    """Put a file in its place in one step; on any error the place is as it was."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    with disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)


def place_json(file: Path, values: Mapping[str, object]) -> None:
    """Put a JSON object in its place in one step."""
    place(file, json.dumps(values, ensure_ascii=False, indent=1).encode())


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object of a file.

    Raises
    ------
    StoreError : missing or damaged.
    """
    try:
        values = json.loads(file.read_text("utf8"))
    except FileNotFoundError as error:
        raise StoreError(f"{file}: is gone; list the audiences again") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{file}: damaged ({error}); {way_out(file)}") from error
    if not isinstance(values, dict):
        raise StoreError(f"{file}: damaged (no JSON object); {way_out(file)}")
    return values


def way_out(file: Path) -> str:
    """What to do about a damaged file of an audience."""
    return f"bring it back from a backup, or delete {file.stem}.* in {file.parent.name}/ and work with another version"


def _numbers(folder: Path, pattern: re.Pattern[str]) -> list[int]:
    if not folder.is_dir():
        return []
    return sorted(int(found[1]) for file in folder.iterdir() if (found := pattern.fullmatch(file.name)))

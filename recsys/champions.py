"""Champion and challengers of one model in a folder: registered, promoted, rolled back; nothing is ever overwritten."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from scenefit.runtime import models
from scenefit.runtime.models import Saved
from scenefit.runtime.workspace import disk_errors, write_text

Deed = Literal["registered", "promoted", "rolled back", "pinned", "unpinned"]
LOCK = "_lock"
FEWEST = 100  # customers judged by both; with fewer an interval tells nothing
_VERSION = re.compile(r"v(\d{4,})")
_EVENT = re.compile(r"e(\d{4,})\.json")


class Judged(NamedTuple):
    """Quality customer by customer on held-out data, so that two versions can be compared in pairs.

    `on` names the data and window; `baseline` is what popularity reaches for the same customers.
    """

    on: str
    customers: np.ndarray
    quality: np.ndarray
    baseline: np.ndarray


class Better(NamedTuple):
    """How much better one version is than another on the customers both were judged by, with a 95 % interval."""

    mean: float
    low: float
    high: float
    customers: int
    against: str


class Event(NamedTuple):
    """One line of the history; `detail` says why. The hash of the event before makes a change visible."""

    number: int
    deed: Deed
    version: int
    before: int | None
    at: str
    by: str
    reason: str
    detail: dict[str, Any]
    previous: str


class Version(NamedTuple):
    """A registered version: its facts and whether it decides."""

    number: int
    champion: bool
    facts: dict[str, Any]


def register(
    folder: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any], judged: Judged, at: str, by: str
) -> int:
    """Keep a fitted model as a challenger; its version number.

    Parameters
    ----------
    facts : plain facts that belong to the model: data fingerprint, as-of, settings, metrics, features
    at : moment in ISO 8601
    """
    if not len(judged.customers) == len(judged.quality) == len(judged.baseline):
        raise ContractError("champions: customers, quality and baseline differ in length; give one of each per person")
    if not (np.isfinite(judged.quality).all() and np.isfinite(judged.baseline).all()):
        raise ContractError("champions: a quality is not a number; judge only customers who took something")
    kept = {
        "judged_customers": judged.customers.astype(str), "judged_quality": judged.quality.astype(np.float64),
        "judged_baseline": judged.baseline.astype(np.float64),
    }  # fmt: skip
    with _writing(folder):
        number = max(version_numbers(folder), default=0) + 1
        models.save(_place(folder, number), {**arrays, **kept}, {**facts, "judged_on": judged.on})
        _note(folder, "registered", number, champion(folder), at, by, "", {})
    return number


def promote(
    folder: Path,
    number: int,
    at: str,
    by: str,
    rng: np.random.Generator,
    reason: str = "",
    force: bool = False,
) -> Event:
    """Make a version the champion.

    Refused where it is not better than the champion (than popularity, where there is none) by a paired interval on
    the same held-out customers, unless forced with a reason; both stand in the history.

    Raises
    ------
    SettingsError : not better, not comparable, forced without a reason, or the champion already.
    StoreError : no such version, or somebody else is changing the models at this moment.
    """
    with _writing(folder):
        version = read_version(folder, number)
        before = champion(folder)
        if before == number:
            raise SettingsError(f"champions: version {number} is the champion already; nothing to promote")
        if force and not reason.strip():
            raise SettingsError("champions: a forced promotion needs a reason; say why in a sentence")
        rival = None if before is None else read_version(folder, before)
        found = None
        try:
            found = better(version, rival, number, before, rng)
        except SettingsError:
            if not force:
                raise
        if found is not None and found.low <= 0 and not force:
            raise SettingsError(
                f"champions: version {number} is not surely better than {found.against}: {found.mean:+.4f} with 95 % "
                f"interval {found.low:+.4f} to {found.high:+.4f} over {found.customers:,} customers. "
                "Keep it as a challenger, or force it with a reason"
            )
        detail = {"forced": force, "better": None if found is None else found._asdict()}
        return _note(folder, "promoted", number, before, at, by, reason.strip(), detail)


def roll_back(folder: Path, at: str, by: str, reason: str) -> Event:
    """Make the champion before this one decide again.

    Raises
    ------
    SettingsError : no reason is given, or there was no champion before.
    StoreError : somebody else is changing the models at this moment.
    """
    if not reason.strip():
        raise SettingsError("champions: a roll-back needs a reason; say what went wrong in a sentence")
    with _writing(folder):
        stack = _champions(history(folder))
        if len(stack) < 2:
            raise SettingsError("champions: there was no champion before this one; promote another version instead")
        read_version(folder, stack[-2])
        return _note(folder, "rolled back", stack[-2], stack[-1], at, by, reason.strip(), {})


def pin(folder: Path, at: str, by: str, reason: str = "") -> Event:
    """Let the champion decide in runs from now on, whichever version it is then; the version of this moment is noted.

    Raises
    ------
    SettingsError : there is no champion, or it decides already.
    StoreError : somebody else is changing the models at this moment.
    """
    with _writing(folder):
        number = champion(folder)
        if number is None:
            raise SettingsError("champions: there is no champion that could decide; promote a version first")
        if pinned(folder) is not None:
            raise SettingsError(f"champions: the champion, version {number}, decides in runs already; nothing to pin")
        read_version(folder, number)
        return _note(folder, "pinned", number, None, at, by, reason.strip(), {})


def unpin(folder: Path, at: str, by: str, reason: str = "") -> Event:
    """Let every run decide by the model that it learns itself again.

    Raises
    ------
    SettingsError : the champion does not decide in runs.
    StoreError : somebody else is changing the models at this moment.
    """
    with _writing(folder):
        number = pinned(folder)
        if number is None:
            raise SettingsError("champions: runs decide by their own model already; nothing to unpin")
        return _note(folder, "unpinned", number, number, at, by, reason.strip(), {})


def pinned(folder: Path) -> int | None:
    """The version that decides in the next run; None where a run decides by the model that it learns itself."""
    events = history(folder)
    last = next((event.deed for event in reversed(events) if event.deed in ("pinned", "unpinned")), "unpinned")
    return _champions(events)[-1] if last == "pinned" else None


def champion(folder: Path) -> int | None:
    """The version that decides; None while there is none."""
    stack = _champions(history(folder))
    return stack[-1] if stack else None


def versions(folder: Path) -> list[Version]:
    """Every registered version, oldest first."""
    current = champion(folder)
    return [Version(n, n == current, read_version(folder, n).facts) for n in version_numbers(folder)]


def version_numbers(folder: Path) -> list[int]:
    """Numbers of the registered versions, ascending."""
    if not folder.is_dir():
        return []
    return sorted(int(found[1]) for entry in folder.iterdir() if (found := _VERSION.fullmatch(entry.name)))


def read_version(folder: Path, number: int) -> Saved:
    """A registered version as it was kept: what is predicted from it does not change when another is promoted.

    Raises
    ------
    StoreError : no such version, or its files changed.
    """
    there = version_numbers(folder)
    if number not in there:
        raise StoreError(f"{folder}: no version {number}; there are: {', '.join(map(str, there)) or 'none yet'}")
    return models.load(_place(folder, number))


def history(folder: Path) -> list[Event]:
    """Everything that happened, oldest first.

    Raises
    ------
    StoreError : an event was changed, cut out or cannot be read.
    """
    place, previous, events = folder / "history", "", list[Event]()
    if not place.is_dir():
        return events
    files = {int(found[1]): entry for entry in place.iterdir() if (found := _EVENT.fullmatch(entry.name))}
    for expected in range(1, max(files, default=0) + 1):
        text = files[expected].read_text("utf8") if expected in files else ""
        try:
            event = Event(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise StoreError(f"{place}: event {expected} is gone or damaged; restore it from a backup") from error
        if event.previous != previous or event.number != expected:
            raise StoreError(f"{place}: event {expected} does not follow from the one before; restore it from a backup")
        events.append(event)
        previous = hashlib.sha256(text.encode()).hexdigest()
    return events


def better(version: Saved, rival: Saved | None, number: int, before: int | None, rng: np.random.Generator) -> Better:
    """How much better a version is than its rival (popularity, where there is none), in pairs of customers.

    Raises
    ------
    SettingsError : they were judged on other data, or on too few common customers.
    """
    from recsys.significance import compare

    customers, quality = version.arrays["judged_customers"], version.arrays["judged_quality"]
    against, other = "popularity", version.arrays["judged_baseline"]
    if rival is not None:
        against = f"version {before}"
        if rival.facts["judged_on"] != version.facts["judged_on"]:
            raise SettingsError(
                f"champions: version {number} was judged on {version.facts['judged_on']}, {against} on "
                f"{rival.facts['judged_on']}; fit both settings as of the same moment, or force it with a reason"
            )
        _, mine, theirs = np.intersect1d(customers, rival.arrays["judged_customers"], return_indices=True)
        quality, other = quality[mine], rival.arrays["judged_quality"][theirs]
    if len(quality) < FEWEST:
        raise SettingsError(
            f"champions: only {len(quality):,} customers were judged by version {number} and {against}, "
            f"{FEWEST} are needed; use a longer window, or force it with a reason"
        )
    interval = compare(quality, other, rng)
    return Better(float(np.mean(quality - other)), float(interval.low), float(interval.high), len(quality), against)


def _champions(events: list[Event]) -> list[int]:
    """Champions that have not been rolled back, oldest first."""
    stack = list[int]()
    for event in events:
        if event.deed == "promoted":
            stack.append(event.version)
        elif event.deed == "rolled back":
            stack.pop()
    return stack


def _note(
    folder: Path, deed: Deed, number: int, before: int | None, at: str, by: str, reason: str, detail: dict[str, Any]
) -> Event:
    events = history(folder)
    last = folder / "history" / f"e{len(events):04d}.json"
    previous = hashlib.sha256(last.read_bytes()).hexdigest() if events else ""
    event = Event(len(events) + 1, deed, number, before, at, by, reason, detail, previous)
    text = json.dumps(event._asdict(), ensure_ascii=False, indent=1, sort_keys=True)
    write_text(folder / "history" / f"e{event.number:04d}.json", text)
    return event


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """The right to change the models, for one at a time; a killed process leaves no lock behind."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(
                f"{folder}: somebody else is changing the models right now; nothing was changed. "
                "Look at what they did and try again"
            ) from error
        yield
    finally:
        os.close(handle)


def _place(folder: Path, number: int) -> Path:
    return folder / f"v{number:04d}"

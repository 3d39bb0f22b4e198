"""What is written down of a stored audience: versions that never change, and what happened to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from scenefit.contracts.errors import ContractError, SettingsError, StoreError
from segmentation.audience_files import (
    checked_id,
    event_numbers,
    place,
    place_json,
    read_json,
    version_numbers,
    way_out,
)
from segmentation.rules import Rule

Kind = Literal["snapshot", "live", "list"]
# of the files; others are refused, not guessed at
FORMAT = 1
LONGEST_NAME = 200


@dataclass(frozen=True)
class AudienceVersion:
    """One version of a stored audience.

    A snapshot keeps the members it was saved with; a live one is its rule, and `size` is that of the day it was
    saved; a list has members and no rule. `fingerprint` names the people it was counted on, `parent` is the version
    before it, `origin` says where it comes from, `digest` is the SHA-256 of the stored bitmap.
    """

    audience_id: str
    version: int
    kind: Kind
    name_en: str
    name_zh: str
    rule: Rule | None
    size: int
    by: str
    at: pd.Timestamp
    as_of: pd.Timestamp
    fingerprint: str
    parent: int | None
    origin: Mapping[str, Any] | None
    digest: str


class Label(NamedTuple):
    """What people say of a version: its names, who saved it and when, where it comes from."""

    name_en: str
    name_zh: str
    by: str
    at: pd.Timestamp
    origin: Mapping[str, Any] | None


@dataclass(frozen=True)
class Event:
    """Something done with a stored audience, such as an export or a look-alike made from it."""

    kind: str
    version: int
    by: str
    at: pd.Timestamp
    details: Mapping[str, Any]


def written(folder: Path, version: AudienceVersion, bitmap: bytes) -> None:
    """Write a version: the bitmap first, then the record that makes it exist."""
    stem = f"v{version.version:04d}"
    place(folder / f"{stem}.roaring", bitmap)
    place_json(
        folder / f"{stem}.json",
        {
            "format": FORMAT,
            **{name: value for name, value in vars(version).items() if name not in ("rule", "at", "as_of")},
            "rule": None if version.rule is None else json.loads(version.rule.model_dump_json()),
            "at": version.at.isoformat(),
            "as_of": version.as_of.isoformat(),
        },
    )


def read_version(folder: Path, number: int | None = None) -> AudienceVersion:
    """A version of the audience in a folder, the newest one without a number.

    Raises
    ------
    StoreError : it does not exist, is damaged or of another format.
    """
    there = version_numbers(folder)
    if number is not None and number not in there:
        raise StoreError(f"audience {folder.name!r} has no version {number}; there are {there}")
    file = folder / f"v{number or there[-1]:04d}.json"
    values = read_json(file)
    stated = values.pop("format", None)
    if stated != FORMAT:
        raise StoreError(f"{file}: format {stated}, this program reads {FORMAT}; {way_out(file)}")
    try:
        values["rule"] = None if values["kind"] == "list" else Rule.read(json.dumps(values["rule"]))
        values["at"], values["as_of"] = pd.Timestamp(values["at"]), pd.Timestamp(values["as_of"])
        found = AudienceVersion(**values)
    except (ContractError, KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{file}: damaged ({error}); {way_out(file)}") from error
    if (found.audience_id, f"v{found.version:04d}") != (folder.name, file.stem):
        raise StoreError(f"{file}: is the record of {found.audience_id} version {found.version}; {way_out(file)}")
    return found


def read_members(folder: Path, version: AudienceVersion) -> Any:
    """The stored bitmap of a version (roaring, over the id dictionary).

    Raises
    ------
    StoreError : missing or damaged.
    """
    from pyroaring import BitMap

    file = folder / f"v{version.version:04d}.roaring"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StoreError(f"{file}: cannot be read ({error.strerror}); {way_out(file)}") from error
    if hashlib.sha256(content).hexdigest() != version.digest:
        raise StoreError(f"{file}: damaged, its digest is another one; {way_out(file)}")
    return BitMap.deserialize(content)


def noted(folder: Path, event: Event) -> None:
    """Write down an event; only under the folder's lock."""
    number = (event_numbers(folder) or [0])[-1] + 1
    place_json(folder / f"e{number:04d}.json", {"format": FORMAT, **vars(event), "at": event.at.isoformat()})


def read_events(folder: Path) -> list[Event]:
    """Events of the audience in a folder, the first one first.

    Raises
    ------
    StoreError : a record is damaged.
    """
    found = []
    for number in event_numbers(folder):
        file = folder / f"e{number:04d}.json"
        values = read_json(file)
        values.pop("format", None)
        try:
            found.append(Event(**{**values, "at": pd.Timestamp(values["at"])}))
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"{file}: damaged ({error}); bring it back from a backup, or delete it") from error
    return found


def checked_label(audience_id: str, kind: str, label: Label) -> None:
    """Refuse ids, kinds, names, people, moments and origins that could not be told later."""
    checked_id(audience_id)
    checked_texts(label.by, label.at, {"name_en": label.name_en, "name_zh": label.name_zh}, label.origin)
    if kind not in ("snapshot", "live", "list"):
        raise SettingsError(f"audience: kind {kind!r} is unknown; take 'snapshot' or 'live'")
    origin = label.origin
    if origin is not None and not isinstance(origin.get("kind"), str):
        raise ContractError(f'audience: origin {dict(origin)} has no kind; give one such as {{"kind": "subgroup"}}')


def checked_texts(by: str, at: pd.Timestamp, names: Mapping[str, str], details: Mapping[str, Any] | None) -> None:
    """Refuse nameless people and audiences, moments without a zone, and details that are no JSON with a kind."""
    for name, text in {"by": by, **names}.items():
        if not isinstance(text, str) or not text.strip() or len(text) > LONGEST_NAME:
            raise SettingsError(f"audience: {name} is {str(text)[:40]!r}; give 1 to {LONGEST_NAME} characters")
    if at.tzinfo is None:
        raise SettingsError(f"audience: the moment {at} has no time zone; give it in UTC")
    if details is None:
        return
    try:
        json.dumps(dict(details), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ContractError(f"audience: the origin or details {dict(details)} are no JSON ({error})") from error

"""Where an audience comes from and what became of it: from the mined rule over its versions to exports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from scenefit.contracts.errors import StoreError
from segmentation.audience_conditions import audiences_read
from segmentation.audience_files import version_numbers
from segmentation.audience_versions import Event, read_events, read_version

LISTED = (
    "audience_id", "version", "kind", "name_en", "name_zh", "size", "by", "at", "as_of", "origin", "stale", "problem",
)  # fmt: skip
# an export is written down before it leaves and after: what is only begun may have left all the same
STARTED, DONE, FAILED, UNFINISHED = "export started", "export", "export failed", "export unfinished"
COLUMNS = ("depth", "audience_id", "at", "event", "version", "size", "by", "details")


def listed(folder: Path, versions: Sequence[tuple[str, int | None]], fingerprint: str) -> pd.DataFrame:
    """Versions of audiences in one table; one that is damaged is listed with its problem instead of hiding the others.

    Returns
    -------
    DataFrame : audience_id, version, kind, name_en, name_zh, size (when saved), by, at, as_of, origin (its kind),
        stale (saved on people of another fingerprint), problem (why it cannot be read, empty otherwise)
    """
    rows: list[tuple[object, ...]] = []
    for name, number in versions:
        try:
            one = read_version(folder / name, number)
        except StoreError as error:
            shown = number or version_numbers(folder / name)[-1]
            rows.append((name, shown, "", "", "", None, "", pd.NaT, pd.NaT, "", False, str(error)))
            continue
        origin = "" if one.origin is None else str(one.origin["kind"])
        rows.append((
            name, one.version, one.kind, one.name_en, one.name_zh, one.size, one.by, one.at, one.as_of, origin,
            one.fingerprint != fingerprint, "",
        ))  # fmt: skip
    table = pd.DataFrame(rows, columns=list(LISTED)).astype({"size": "Int64"})
    # a column of gaps alone has no zone, and cannot be cast to one
    moments = {name: pd.to_datetime(table[name], utc=True).dt.as_unit("us") for name in ("at", "as_of")}
    return table.assign(**moments)


def lineage_table(folder: Path, audience_id: str) -> pd.DataFrame:
    """Every step of an audience's life, and of those it was made from, in the order of time.

    Returns
    -------
    DataFrame : depth (0 the audience itself, 1 what it was made from or reads, …), audience_id, at, event (`origin`,
        `saved`, or the kind of an event such as `export`; `export unfinished` is one that was begun and neither
        finished nor given up, so that its rows may have left), version, size, by, details (JSON)
    """
    rows: list[tuple[object, ...]] = []
    waiting, seen = [(audience_id, 0)], {audience_id}
    while waiting:
        name, depth = waiting.pop(0)
        home = folder / name
        for number in version_numbers(home):
            version = read_version(home, number)
            shared = (depth, name, version.at)
            if version.origin is not None:
                rows.append((*shared, "origin", number, None, version.by, _json(version.origin)))
            details = {"kind": version.kind, "as_of": version.as_of.isoformat(), "parent": version.parent}
            rows.append((*shared, "saved", number, version.size, version.by, _json(details)))
            read = () if version.rule is None else audiences_read(version.rule.where)
            for source in (*read, (version.origin or {}).get("audience_id")):
                if isinstance(source, str) and source not in seen:
                    seen.add(source)
                    waiting.append((source, depth + 1))
        for event in told_events(read_events(home)):
            rows.append((depth, name, event.at, event.kind, event.version, None, event.by, _json(event.details)))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"size": "Int64", "at": "datetime64[us, UTC]"})
    return table.sort_values("at", kind="stable").reset_index(drop=True)


def told_events(events: Sequence[Event]) -> list[Event]:
    """Events without the beginnings of exports that came to an end; the other beginnings are called unfinished."""
    waiting: dict[tuple[object, object], list[int]] = {}
    ended: set[int] = set()
    for position, event in enumerate(events):
        delivery = _delivery(event.details)
        if event.kind == STARTED:
            waiting.setdefault(delivery, []).append(position)
        elif event.kind in (DONE, FAILED) and delivery in waiting:
            # one that failed says nothing of an earlier attempt; one that is done has delivered the same
            starts = waiting.pop(delivery) if event.kind == DONE else [waiting[delivery].pop()]
            ended.update(starts)
            if not waiting.get(delivery):
                waiting.pop(delivery, None)
    return [
        replace(event, kind=UNFINISHED) if event.kind == STARTED else event
        for position, event in enumerate(events)
        if position not in ended
    ]


def _delivery(details: Mapping[str, object]) -> tuple[object, object]:
    return details.get("delivery_id"), details.get("target")


def _json(values: object) -> str:
    return json.dumps(values, ensure_ascii=False)

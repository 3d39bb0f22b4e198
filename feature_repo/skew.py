"""Train/serve skew: what a model learned from, against what it is served, for the same people at one moment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from feature_repo.definition import Feature, View
from feature_repo.entities import CUSTOMER
from feature_repo.history import as_of, newest_snapshot
from feature_repo.online import MOST_AT_ONCE, OnlineValue, Reader
from feature_repo.services import SERVICES
from scenefit.contracts.errors import SettingsError
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Workspace

EXAMPLES = 20
BLOCK = 5_000
PYTHON = {"int": int, "float": float, "bool": bool, "str": str}
DIFFERENT, MISSING_ONLINE, MISSING_OFFLINE = "different", "missing_online", "missing_offline"
STALE = "an older snapshot is online; refresh the online store"
REASONS = {
    DIFFERENT: "one snapshot, two values: a correction since it was put online, or a fault",
    MISSING_ONLINE: "nothing is online that is valid at this moment",
    MISSING_OFFLINE: "online, but not in the snapshot",
}


@dataclass(frozen=True)
class Skew:
    """Values served online against values of the snapshots, at one moment.

    Attributes
    ----------
    customers : people compared
    features : one row per view and feature: compared, equal, different, missing_online, missing_offline, and stale,
        which says how many of those that are not equal have an older snapshot online
    examples : the first differences; `row` numbers the people compared and names nobody, and a feature that rests on
        personal data shows no values
    """

    service: str
    at: pd.Timestamp
    customers: int
    features: pd.DataFrame
    examples: pd.DataFrame

    @property
    def compared(self) -> int:
        """Values compared: people times features."""
        return int(self.features["compared"].sum())

    @property
    def differences(self) -> int:
        """Values that are not the same on both sides."""
        return self.compared - int(self.features["equal"].sum())

    @property
    def share(self) -> float:
        """Share of the values that differ; zero where nothing is compared."""
        return self.differences / self.compared if self.compared else 0.0

    def document(self) -> dict[str, Any]:
        """The whole report for JSON."""
        return {
            "service": self.service,
            "at": self.at.isoformat(),
            "customers": self.customers,
            "compared": self.compared,
            "differences": self.differences,
            "share": self.share,
            "features": _records(self.features),
            "examples": _records(self.examples),
        }


def skew(
    workspace: Workspace,
    service: str = "serving_v1",
    *,
    at: pd.Timestamp | None = None,
    customers: int | None = 2000,
    seed: int = 0,
) -> Skew:
    """Whether people are served what the snapshots say about them at a moment.

    Whoever the snapshot or the raw customers table names may be drawn, so that people who left are looked up as well.

    Parameters
    ----------
    at : the moment; None stands for the end of the data
    customers : how many people are drawn; None stands for all

    Raises
    ------
    SettingsError : the service is unknown, not served online, or fed by a stream, which has no snapshots.
    StoreError : there is no snapshot within the TTL, or the online store does not answer.
    """
    moment = workspace.dataset().until if at is None else at
    views = _views(service)
    offline = as_of(moment, service, workspace).set_index(CUSTOMER.key)
    drawn = _drawn(workspace, offline.index, customers, seed)
    instants = {view.name: newest_snapshot(workspace, view.name, moment).instant for view in views}
    # in blocks: the answers for everybody need not fit into memory
    blocks = [drawn[start : start + BLOCK] for start in range(0, len(drawn), BLOCK)]
    with Reader(workspace) as reader:
        parts = [
            compare(service, moment, views, instants, offline.reindex(block), _served(reader, block, service, moment))
            for block in blocks or [[]]
        ]
    return _joined(parts)


def compare(
    service: str,
    at: pd.Timestamp,
    views: Sequence[View],
    instants: dict[str, pd.Timestamp],
    offline: pd.DataFrame,
    online: Sequence[dict[str, OnlineValue]],
) -> Skew:
    """The report on people's values, offline and online in the same order.

    Texts, whole numbers, truth values and nulls must be the same, and of the declared type; so must fractions, because
    both sides come from the same file.

    Parameters
    ----------
    instants : of each view the moment of the snapshot that `offline` is read from
    """
    counts: list[tuple[object, ...]] = []
    examples: list[tuple[object, ...]] = []
    for view in views:
        for feature in view.features:
            served = [answer[feature.name] for answer in online]
            verdicts = _verdicts(offline[feature.name], [value.value for value in served], feature)
            older = np.array([value.event_time is not None and value.event_time < instants[view.name]
                              for value in served], dtype=bool)  # fmt: skip
            stale = older & (verdicts != "equal")
            counts.append((view.name, feature.name, len(verdicts), *(int((verdicts == kind).sum()) for kind in (
                "equal", DIFFERENT, MISSING_ONLINE, MISSING_OFFLINE)), int(stale.sum())))  # fmt: skip
            if len(examples) < EXAMPLES:
                examples += list(_examples(view, feature, offline[feature.name], served, verdicts, stale))
    columns = ["view", "feature", "compared", "equal", DIFFERENT, MISSING_ONLINE, MISSING_OFFLINE, "stale"]
    shown = ["row", "view", "feature", "offline", "online", "online_event_time", "reason"]
    return Skew(
        service,
        at,
        len(online),
        pd.DataFrame(counts, columns=columns),
        pd.DataFrame(examples[:EXAMPLES], columns=shown),
    )


def _joined(parts: Sequence[Skew]) -> Skew:
    """One report on the people of all parts, in order."""
    places = ["view", "feature"]
    features = pd.concat([part.features for part in parts]).groupby(places, sort=False).sum().reset_index()
    before = np.cumsum([0, *(part.customers for part in parts)])
    examples = [
        part.examples.assign(row=part.examples["row"] + first)
        for part, first in zip(parts, before, strict=False)
        if len(part.examples)
    ]
    first = parts[0]
    return Skew(
        first.service,
        first.at,
        int(before[-1]),
        features,
        pd.concat(examples, ignore_index=True).head(EXAMPLES) if examples else first.examples,
    )


def _served(reader: Reader, people: Sequence[str], service: str, at: pd.Timestamp) -> list[dict[str, OnlineValue]]:
    return [
        answer
        for start in range(0, len(people), MOST_AT_ONCE)
        for answer in reader.read_some(people[start : start + MOST_AT_ONCE], service, at)
    ]


def _views(service: str) -> tuple[View, ...]:
    if service not in SERVICES:
        raise SettingsError(f"feature service {service!r} is unknown; choose one of {sorted(SERVICES)}")
    views = SERVICES[service].views
    streams = [view.name for view in views if getattr(view, "stream", False)]
    if streams:
        raise SettingsError(
            f"feature service {service!r}: {streams} are fed by a stream and have no snapshots to compare with; "
            "name a service of snapshots, such as 'serving_v1'"
        )
    return views


def _drawn(workspace: Workspace, known: pd.Index, customers: int | None, seed: int) -> list[str]:
    """Ids of the people to compare, sorted."""
    connection = connect()
    try:
        raw_views(connection, workspace)
        registered = connection.sql(f"SELECT {CUSTOMER.key} FROM customers").to_arrow_table()[CUSTOMER.key].to_pylist()
    finally:
        connection.close()
    everybody = sorted({*registered, *known})
    if customers is None or customers >= len(everybody):
        return everybody
    chosen = np.random.default_rng(seed).choice(len(everybody), customers, replace=False)
    return [everybody[place] for place in np.sort(chosen)]


def _verdicts(offline: pd.Series, online: list[Any], feature: Feature) -> np.ndarray:
    """Of each person "equal", or in which way the two sides are not."""
    there = offline.notna().to_numpy()
    here = pd.Series(online, dtype=object).notna().to_numpy()
    typed = np.array([type(value) is PYTHON[feature.kind] for value in online], dtype=bool)
    values = offline.astype(object).to_numpy()
    same = np.array([left == right for left, right in zip(values, online, strict=True)], dtype=bool)
    verdicts = np.full(len(there), DIFFERENT, dtype=object)
    verdicts[(there & here & typed & same) | (~there & ~here)] = "equal"
    verdicts[there & ~here] = MISSING_ONLINE
    verdicts[~there & here] = MISSING_OFFLINE
    return verdicts


def _examples(
    view: View,
    feature: Feature,
    offline: pd.Series,
    served: Sequence[OnlineValue],
    verdicts: np.ndarray,
    stale: np.ndarray,
) -> Iterator[tuple[object, ...]]:
    for row in np.flatnonzero(verdicts != "equal")[:EXAMPLES]:
        value, event_time = served[row]
        left = offline.iloc[row]
        pair = (None if pd.isna(left) else left, value)
        reason = STALE if stale[row] else REASONS[verdicts[row]]
        yield int(row), view.name, feature.name, *(("…", "…") if feature.pii else pair), event_time, reason


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; moments as text, nothing as null."""
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso", date_unit="us"))
    return records

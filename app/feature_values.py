"""One customer's features from either side, and an online store that holds something to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from feature_repo import history
from feature_repo.entities import CUSTOMER
from feature_repo.services import SERVICES
from feature_repo.views import STORED, VIEWS
from scenefit.contracts.errors import SettingsError
from scenefit.runtime.workspace import Workspace


class FeatureValue(NamedTuple):
    """One feature as read, and the moment it speaks of (ISO 8601, UTC); both None when there is none in the TTL."""

    feature: str
    value: object
    event_time: str | None


def online_values(workspace: Workspace, customer: str, service: str, at: pd.Timestamp) -> list[FeatureValue]:
    """What a decision at that moment is served."""
    from feature_repo import online

    found = online.read(workspace, customer, service, at=at)
    return [
        FeatureValue(name, served.value, None if served.event_time is None else served.event_time.isoformat())
        for name, served in found.items()
    ]


def offline_values(workspace: Workspace, customer: str, service: str, at: pd.Timestamp) -> list[FeatureValue]:
    """What the newest snapshot at or before that moment says.

    Raises
    ------
    SettingsError : the service is unknown, or describes something finer than a customer.
    """
    if service in SERVICES and SERVICES[service].keys != [CUSTOMER.key]:
        per_customer = sorted(name for name, known in SERVICES.items() if known.keys == [CUSTOMER.key])
        raise SettingsError(
            f"feature service {service!r} has one row per {', '.join(SERVICES[service].keys)}; "
            f"choose one with a row per customer: {per_customer}"
        )
    frame = history.as_of(at, service, workspace)
    row = frame[frame[CUSTOMER.key] == customer].to_dict("records")
    time = row[0]["event_timestamp"].isoformat() if row else None
    values = row[0] if row else {}
    return [
        FeatureValue(feature.name, _plain(values.get(feature.name), feature.kind), time)
        for feature in SERVICES[service].features
    ]


def lacking(workspace: Workspace, service: str, at: pd.Timestamp) -> list[str]:
    """Stored views behind a service, or behind anything served online, that have no usable snapshot at a moment.

    Bringing a service online brings all online views there.

    Raises
    ------
    SettingsError : there is no service of that name.
    """
    if service not in SERVICES:
        raise SettingsError(f"feature service {service!r} is unknown; choose one of {sorted(SERVICES)}")
    sources = {view.source for view in (*SERVICES[service].views, *VIEWS.values()) if view.online}
    return [
        view.name
        for view in STORED
        if view.name in sources
        and not any(at - view.ttl <= instant <= at for instant in history.snapshots(workspace, view.name))
    ]


def nothing_online(workspace: Workspace, service: str, at: pd.Timestamp) -> bool:
    """Whether none of the first hundred people of the snapshot is served anything at a moment."""
    from feature_repo.online import MOST_AT_ONCE, Reader

    if any(view.stream or not view.online for view in SERVICES[service].views):
        # the comparison itself says why it is refused
        return False
    people = [str(customer) for customer in history.as_of(at, service, workspace)[CUSTOMER.key].head(MOST_AT_ONCE)]
    with Reader(workspace) as reader:
        answers = reader.read_some(people, service, at)
    return bool(people) and all(served.event_time is None for answer in answers for served in answer.values())


def _plain(value: object, kind: str) -> object:
    """As its kind is written: frames hold whole numbers and truth values as float64."""
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return None
    written: dict[str, Callable[[Any], object]] = {"int": int, "float": float, "bool": bool, "str": str}
    return written[kind](value)

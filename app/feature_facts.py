"""The catalogue of features as plain rows, and how fresh each view is: what command line and page show alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from feature_repo.definition import EVENT_TIME, Feature, OnDemand, View
from feature_repo.footers import footer
from feature_repo.on_demand import ON_DEMAND
from feature_repo.services import SERVICES
from feature_repo.views import VIEWS
from scenefit.contracts.errors import SettingsError
from scenefit.contracts.schema import ANY_PURPOSE
from scenefit.runtime.workspace import Workspace

HOUR = pd.Timedelta(hours=1)


class FeatureFact(NamedTuple):
    """One feature of one view: what it means, what it is made of, who answers for it, who may read it and who does.

    `source` is the view whose snapshots hold it (a narrow view reads a wide one's); empty for one computed on demand.
    """

    view: str
    source: str
    feature: str
    kind: str
    unit: str
    en: str
    zh: str
    purposes: tuple[str, ...]
    protected: bool
    pii: bool
    owner: str
    cadence: str
    ttl_hours: float
    online: bool
    services: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def id(self) -> str:
        """Unique among all features: `view:feature`."""
        return f"{self.view}:{self.feature}"


class Freshness(NamedTuple):
    """The newest snapshot of the present data at or before a moment, how old it is then, and how many there are."""

    view: str
    cadence: str
    ttl_hours: float
    newest: pd.Timestamp | None
    age_hours: float | None
    snapshots: int


def feature_facts() -> tuple[FeatureFact, ...]:
    """Every declared feature, view by view in the order of declaration, then those computed on demand."""
    stored = [_fact(view, feature) for view in VIEWS.values() for feature in view.features]
    computed = [_computed(part, feature) for part in ON_DEMAND.values() for feature in part.features]
    return (*stored, *computed)


def chosen_facts(
    views: Iterable[str] = (), services: Iterable[str] = (), purposes: Iterable[str] = ()
) -> list[FeatureFact]:
    """Features of any of the views, read by any of the services, permitted for any of the purposes; empty: all.

    Raises
    ------
    SettingsError : a view, service or purpose that does not exist.
    """
    for kind, asked, known in (
        ("view", set(views), {*VIEWS, *ON_DEMAND}),
        ("service", set(services), set(SERVICES)),
        ("purpose", set(purposes), set(ANY_PURPOSE)),
    ):
        unknown = sorted(asked - known)
        if unknown:
            raise SettingsError(f"feature {kind} {unknown[0]!r} is unknown; choose among {sorted(known)}")
    wanted = (set(views), set(services), set(purposes))
    return [
        fact
        for fact in feature_facts()
        if all(
            not asked or asked.intersection(of_fact)
            for asked, of_fact in zip(wanted, ((fact.view,), fact.services, fact.purposes), strict=True)
        )
    ]


def freshness(workspace: Workspace, at: pd.Timestamp | None = None) -> dict[str, Freshness]:
    """How fresh each view is at a moment (default: the end of the data), by name of view.

    Raises
    ------
    StoreError : the workspace holds no data.
    """
    moment = workspace.dataset().until if at is None else at
    stored = {view.name: _freshness(workspace, view, moment) for view in VIEWS.values() if not view.stream}
    return stored | stream_freshness(workspace, moment)


def stream_freshness(workspace: Workspace, at: pd.Timestamp) -> dict[str, Freshness]:
    """The newest event of each view that is fed by a stream, by name of view; `snapshots` counts its files."""
    return {view.name: _stream(workspace, view, at) for view in VIEWS.values() if view.stream}


def _freshness(workspace: Workspace, view: View, at: pd.Timestamp) -> Freshness:
    # not at the top: pages read definitions only
    from feature_repo import history

    instants = [instant for instant in history.snapshots(workspace, view.name) if instant <= at]
    newest = max(instants, default=None)
    age = None if newest is None else (at - newest) / HOUR
    return Freshness(view.name, view.cadence, view.ttl / HOUR, newest, age, len(instants))


def _stream(workspace: Workspace, view: View, at: pd.Timestamp) -> Freshness:
    days = sorted((workspace.features / view.source).glob("dt=*"))
    files = [file for day in days for file in day.glob("part-*.parquet")]
    ends = [footer(file, EVENT_TIME, None).last for file in files if file.parent == days[-1]]
    newest = max((end for end in ends if end is not None), default=None)
    age = None if newest is None else max((at - newest) / HOUR, 0.0)
    return Freshness(view.name, view.cadence, view.ttl / HOUR, newest, age, len(files))


def _fact(view: View, feature: Feature) -> FeatureFact:
    readers = [
        service.name
        for service in SERVICES.values()
        if any(part.name == view.name and feature.name in part.names for part in service.views)
    ]
    return FeatureFact(
        view.name, view.source, feature.name, feature.kind, feature.unit, feature.en, feature.zh,
        tuple(sorted(feature.purposes)), feature.protected, feature.pii, view.owner, view.cadence, view.ttl / HOUR,
        view.online, tuple(readers), feature.columns,
    )  # fmt: skip


def _computed(part: OnDemand, feature: Feature) -> FeatureFact:
    """A feature computed on demand: it has no snapshots, and lives as long as what it is made of."""
    readers = [service.name for service in SERVICES.values() if part.name in [p.name for p in service.on_demand]]
    return FeatureFact(
        part.name, "", feature.name, feature.kind, feature.unit, feature.en, feature.zh,
        tuple(sorted(feature.purposes)), feature.protected, feature.pii, part.owner, part.cadence,
        min(view.ttl for view in part.sources) / HOUR, all(view.online for view in part.sources), tuple(readers),
        feature.columns,
    )  # fmt: skip

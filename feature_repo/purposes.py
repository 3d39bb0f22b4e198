"""What every declared feature may be used for: the door for training, rules, audiences and exports."""

from __future__ import annotations

from collections.abc import Iterable

from feature_repo.definition import CREATED, EVENT_TIME, Feature, OnDemand, Service, View
from feature_repo.on_demand import ON_DEMAND
from feature_repo.services import SERVICES
from feature_repo.views import VIEWS
from scenefit.contracts import purposes
from scenefit.contracts.errors import PurposeError, SettingsError
from scenefit.contracts.schema import ANY_PURPOSE, Purpose
from scenefit.contracts.tables import RAW

MOMENTS = (EVENT_TIME, CREATED)


def feature_purposes(views: Iterable[View | OnDemand] | None = None) -> dict[str, frozenset[Purpose]]:
    """Permitted purposes by feature name, and by `view:name`; of everything declared, stored or on
    demand, unless views are given.

    A name that several views have permits what all of them permit.
    """
    found: dict[str, frozenset[Purpose]] = {}
    for view, feature in _declared(views):
        found[f"{view.name}:{feature.name}"] = feature.purposes
        found[feature.name] = found.get(feature.name, ANY_PURPOSE) & feature.purposes
    return found


def feature_sources(views: Iterable[View | OnDemand] | None = None) -> dict[str, tuple[str, ...]]:
    """The raw columns (`table.column`) a feature is made of, by feature name and by `view:name`."""
    found: dict[str, tuple[str, ...]] = {}
    for view, feature in _declared(views):
        found[f"{view.name}:{feature.name}"] = feature.columns
        found[feature.name] = tuple(dict.fromkeys((*found.get(feature.name, ()), *feature.columns)))
    return found


def require_service(service: str | Service, purpose: str) -> None:
    """Refuse a service whose features do not all permit the purpose, such as a model's or an audience's.

    Raises
    ------
    PurposeError : names service, view, feature and the raw columns that forbid it.
    SettingsError : there is no service of that name.
    """
    if isinstance(service, str) and service not in SERVICES:
        raise SettingsError(f"feature service {service!r} is unknown; choose one of {sorted(SERVICES)}")
    definition = SERVICES[service] if isinstance(service, str) else service
    parts: list[View | OnDemand] = [*definition.views, *definition.on_demand]
    for part in parts:
        for feature in part.features:
            path = f"service {definition.name} > {part.name} > {feature.name}"
            purposes.require(path, purpose, feature.purposes, feature.columns)


def require_export(columns: Iterable[str], purpose: str, views: Iterable[View | OnDemand] | None = None) -> None:
    """Refuse to export a column outside its purposes, or a personal identifier for any purpose but service.

    Parameters
    ----------
    columns : feature names (or `view:name`), join keys, `event_timestamp`, `created`
    views : where the features are looked up; everything declared unless some are given

    Raises
    ------
    PurposeError : names view, feature and the raw columns that forbid it.
    """
    declared = list(_declared(views))
    for name in columns:
        if name in MOMENTS:
            purposes.require(f"export > {name}", purpose, ANY_PURPOSE)
            continue
        matches = [(v.name, f) for v, f in declared if name in (f.name, f"{v.name}:{f.name}")]
        if not matches:
            _require_key(name, purpose)
        for view, feature in matches:
            path = f"export > {view} > {feature.name}"
            purposes.require(path, purpose, feature.purposes, feature.columns)
            _require_impersonal(path, purpose, feature.columns)


def _require_key(name: str, purpose: str) -> None:
    keys = {key for view in VIEWS.values() for key in view.keys}
    # a key permits what it permits wherever the raw tables hold it
    held = [f"{table}.{name}" for table, contract in RAW.items() if name in contract.names] if name in keys else []
    known = {name: purposes.permitted(held)} if held else {}
    purposes.require_columns("export", purpose, [name], known, {name: held})
    _require_impersonal(f"export > {name}", purpose, held)


def _require_impersonal(path: str, purpose: str, columns: Iterable[str]) -> None:
    personal = [reference for reference in columns if purposes.source_column(reference).pii]
    if personal and purpose != "service":
        raise PurposeError(
            f"{path}: made of personal identifiers {personal}, which leave the workspace for 'service' alone, "
            f"not {purpose!r}; leave it out"
        )


def _declared(views: Iterable[View | OnDemand] | None) -> Iterable[tuple[View | OnDemand, Feature]]:
    if views is None:
        views = [*VIEWS.values(), *ON_DEMAND.values()]
    return ((view, feature) for view in views for feature in view.features)

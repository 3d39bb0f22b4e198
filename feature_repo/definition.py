"""What an entity, a feature, a view, an on-demand feature and a service are: plain values, readable without Feast.

`registry.py` turns them into Feast objects; the kernels and `history.as_of` read them directly, so that neither
computing a snapshot nor opening a page loads Feast.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

import pyarrow as pa

from scenefit.contracts.errors import ContractError, PurposeError
from scenefit.contracts.purposes import permitted, require, source_column
from scenefit.contracts.schema import ARROW, Column, Purpose

FeatureKind = Literal["int", "float", "bool", "str"]
Cadence = Literal["day", "hour", "stream", "request"]
# whole columns in, whole columns out, by name: how Feast calls an on-demand function offline and online
Compute = Callable[[dict[str, list[float | None]]], dict[str, list[float | None]]]

EVENT_TIME = "event_timestamp"
CREATED = "created"


@dataclass(frozen=True)
class Entity:
    """Whom or what a feature describes, and the column that names it."""

    name: str
    key: str
    en: str
    zh: str


@dataclass(frozen=True)
class Feature:
    """One feature: its meaning in two languages, and the raw columns (`table.column`) it is made of.

    Purposes, protection and PII are not declared but inherited from those columns. `only_for` narrows the purposes
    further, where what is made of the columns tells more than they do.
    """

    name: str
    kind: FeatureKind
    unit: str
    en: str
    zh: str
    columns: tuple[str, ...]
    only_for: tuple[Purpose, ...] | None = None

    @property
    def purposes(self) -> frozenset[Purpose]:
        """Uses that every source column permits, and the feature itself."""
        allowed = permitted(self.columns)
        return allowed if self.only_for is None else allowed & frozenset(self.only_for)

    @property
    def protected(self) -> bool:
        return any(column.protected for column in self._sources)

    @property
    def pii(self) -> bool:
        return any(column.pii for column in self._sources)

    @property
    def _sources(self) -> list[Column]:
        return [source_column(reference) for reference in self.columns]


@dataclass(frozen=True)
class View:
    """Features of one entity at one cadence, as one wide table of snapshots.

    `source` is the folder under features/ (a narrow view may read a wide one's). `ttl` is how old a snapshot may be
    when it is used, inclusive. `present` is an SQL condition: rows that fail it only say that something ended, and
    `as_of` leaves them out. A `stream` is pushed row by row and has no query. A `label` is what models learn to
    foretell: its event time is the end of the window it tells about, when it became known.
    """

    name: str
    source: str
    entities: tuple[Entity, ...]
    features: tuple[Feature, ...]
    ttl: timedelta
    cadence: Cadence
    en: str
    zh: str
    owner: str = "feature team"
    online: bool = False
    present: str = "true"
    stream: bool = False
    label: bool = False

    @property
    def keys(self) -> list[str]:
        return [entity.key for entity in self.entities]

    @property
    def names(self) -> list[str]:
        """Feature names in order."""
        return [feature.name for feature in self.features]

    @property
    def arrow(self) -> pa.Schema:
        """The schema of a snapshot file: keys, moments, features."""
        return pa.schema(
            [pa.field(key, pa.string(), nullable=False) for key in self.keys]
            + [pa.field(name, ARROW["instant"], nullable=False) for name in (EVENT_TIME, CREATED)]
            + [pa.field(feature.name, ARROW[feature.kind]) for feature in self.features]
        )

    def only(self, *names: str) -> View:
        """The view narrowed to some features.

        Raises
        ------
        ContractError : a name the view does not have.
        """
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise ContractError(f"view {self.name}: has no feature {unknown[0]!r}; it has {self.names}")
        return replace(self, features=tuple(feature for feature in self.features if feature.name in names))

    def unprotected(self) -> View:
        """The view without features that rest on protected attributes."""
        return replace(self, features=tuple(feature for feature in self.features if not feature.protected))


@dataclass(frozen=True)
class Request:
    """One value that the caller brings along with the question, such as the amount asked for."""

    name: str
    kind: FeatureKind
    unit: str
    en: str
    zh: str


@dataclass(frozen=True)
class OnDemand:
    """Features computed when they are asked for, from stored features and what the caller brings along.

    Outputs inherit purposes, protection and PII from all features they could be made of: those of `sources`, which
    are views narrowed to what is read. `compute` stands on its own (builtins alone), because Feast keeps its text.

    Raises
    ------
    ContractError : an output is not a number, or declares columns of its own.
    """

    name: str
    sources: tuple[View, ...]
    request: tuple[Request, ...]
    outputs: tuple[Feature, ...]
    compute: Compute = field(repr=False)
    en: str
    zh: str
    owner: str = "feature team"

    def __post_init__(self) -> None:
        for output in self.outputs:
            if output.kind != "float" or output.columns:
                raise ContractError(
                    f"on-demand {self.name} > {output.name}: declares {output.kind} of {list(output.columns)}; outputs "
                    "are of kind 'float', and their columns are those of the sources"
                )

    @property
    def features(self) -> tuple[Feature, ...]:
        """The outputs, with the columns and permitted purposes of all inputs."""
        inputs = [feature for view in self.sources for feature in view.features]
        columns = tuple(dict.fromkeys(column for feature in inputs for column in feature.columns))
        purposes = permitted(columns).intersection(*(feature.purposes for feature in inputs))
        return tuple(replace(output, columns=columns, only_for=tuple(sorted(purposes))) for output in self.outputs)

    @property
    def purposes(self) -> frozenset[Purpose]:
        """Uses that every input permits."""
        return self.features[0].purposes

    @property
    def names(self) -> list[str]:
        """Output names in order."""
        return [output.name for output in self.outputs]

    @property
    def cadence(self) -> Cadence:
        return "request"

    def values(self, inputs: Mapping[str, Sequence[float | None]]) -> dict[str, list[float | None]]:
        """The outputs for whole columns of inputs: stored features and request values, by name.

        Raises
        ------
        ContractError : an input is missing.
        """
        needed = [feature.name for view in self.sources for feature in view.features]
        needed += [request.name for request in self.request]
        missing = [name for name in needed if name not in inputs]
        if missing:
            raise ContractError(f"on-demand {self.name}: input {missing[0]!r} is missing; it needs {needed}")
        return self.compute({name: list(inputs[name]) for name in needed})


@dataclass(frozen=True)
class Service:
    """The features one consumer may read, for one purpose; a version in the name, because models remember it.

    Raises
    ------
    PurposeError : a feature does not permit the purpose, or is protected without leave.
    ContractError : labels stand beside features, an on-demand feature without its sources.
    """

    name: str
    purpose: Purpose
    views: tuple[View, ...]
    en: str
    zh: str
    protected: bool = False
    on_demand: tuple[OnDemand, ...] = ()

    def __post_init__(self) -> None:
        parts: tuple[View | OnDemand, ...] = (*self.views, *self.on_demand)
        for part in parts:
            for feature in part.features:
                path = f"service {self.name} > {part.name} > {feature.name}"
                require(path, self.purpose, feature.purposes, feature.columns)
                if feature.protected and not self.protected:
                    raise PurposeError(
                        f"{path}: rests on the protected columns {protected_columns(feature.columns)}; "
                        "leave it out (`view.unprotected()`)"
                    )
        if len({view.label for view in self.views}) > 1:
            raise ContractError(
                f"service {self.name}: {[view.name for view in self.views if view.label]} are labels, the others are "
                "features; give labels a service of their own, a model must not read them"
            )
        for computed in self.on_demand:
            for source in computed.sources:
                held = [view.names for view in self.views if view.name == source.name]
                absent = [name for name in source.names if not held or name not in held[0]]
                if absent:
                    raise ContractError(
                        f"service {self.name} > {computed.name}: reads {source.name} > {absent[0]}, which the service "
                        "does not hold; add it to the service's views"
                    )

    @property
    def keys(self) -> list[str]:
        """Join keys of the finest view."""
        return self.base.keys

    @property
    def base(self) -> View:
        """The view whose rows are the service's rows: the one with most keys."""
        return max(self.views, key=lambda view: len(view.keys))

    @property
    def features(self) -> list[Feature]:
        """The stored features; those computed on demand are `on_demand`."""
        return [feature for view in self.views for feature in view.features]

    @property
    def request(self) -> list[str]:
        """Names of the values that the caller brings along for features computed on demand."""
        return list(dict.fromkeys(request.name for part in self.on_demand for request in part.request))


def protected_columns(columns: tuple[str, ...]) -> list[str]:
    """Those of the raw columns that are protected attributes."""
    return [reference for reference in columns if source_column(reference).protected]


def digest(*parts: object) -> str:
    """A short name for a definition: equal values, equal digest."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:16]

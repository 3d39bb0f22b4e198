"""What an entity, a feature, a view and a service are: plain values, readable without Feast.

`registry.py` turns them into Feast objects; the kernels and `history.as_of` read them directly, so that neither
computing a snapshot nor opening a page loads Feast.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import reduce
from typing import Literal

import pyarrow as pa

from scenefit.contracts.errors import ContractError, PurposeError
from scenefit.contracts.schema import ANY_PURPOSE, ARROW, Column, Purpose
from scenefit.contracts.tables import RAW

FeatureKind = Literal["int", "float", "bool", "str"]

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

    Purposes, protection and PII are not declared but inherited from those columns.
    """

    name: str
    kind: FeatureKind
    unit: str
    en: str
    zh: str
    columns: tuple[str, ...]

    @property
    def purposes(self) -> frozenset[Purpose]:
        """Uses that every source column permits."""
        return reduce(frozenset.__and__, (column.purposes for column in self._sources), ANY_PURPOSE)

    @property
    def protected(self) -> bool:
        return any(column.protected for column in self._sources)

    @property
    def pii(self) -> bool:
        return any(column.pii for column in self._sources)

    @property
    def _sources(self) -> list[Column]:
        return [raw_column(reference) for reference in self.columns]


@dataclass(frozen=True)
class View:
    """Features of one entity at one cadence, as one wide table of snapshots.

    `source` is the folder under features/ (a narrow view may read a wide one's). `ttl` is how old a snapshot may be
    when it is used, inclusive. `present` is an SQL condition: rows that fail it only say that something ended, and
    `as_of` leaves them out.
    """

    name: str
    source: str
    entities: tuple[Entity, ...]
    features: tuple[Feature, ...]
    ttl: timedelta
    cadence: str
    en: str
    zh: str
    owner: str = "feature team"
    online: bool = False
    present: str = "true"

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
class Service:
    """The features one consumer may read, for one purpose; a version in the name, because models remember it.

    Raises
    ------
    PurposeError : a feature does not permit the purpose, or is protected without leave.
    """

    name: str
    purpose: Purpose
    views: tuple[View, ...]
    en: str
    zh: str
    protected: bool = False

    def __post_init__(self) -> None:
        for view in self.views:
            for feature in view.features:
                require_purpose(f"{self.name} > {view.name}", self.purpose, feature.name, feature.purposes,
                                feature.columns)  # fmt: skip
                if feature.protected and not self.protected:
                    raise PurposeError(
                        f"service {self.name} > {view.name} > {feature.name}: rests on the protected columns "
                        f"{protected_columns(feature.columns)}; leave it out (`view.unprotected()`)"
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
        return [feature for view in self.views for feature in view.features]


def require_purpose(
    path: str, purpose: str, feature: str, permitted: frozenset[Purpose] | frozenset[str], columns: tuple[str, ...]
) -> None:
    """Refuse a feature outside its permitted purposes.

    Raises
    ------
    PurposeError : names the path from service to raw column.
    """
    if purpose in permitted:
        return
    closed = [reference for reference in columns if purpose not in raw_column(reference).purposes]
    raise PurposeError(
        f"service {path} > {feature}: made of {closed or list(columns)}, which permit {sorted(permitted)}, "
        f"not {purpose!r}; leave it out or read it from a service of a permitted purpose"
    )


def protected_columns(columns: tuple[str, ...]) -> list[str]:
    """Those of the raw columns that are protected attributes."""
    return [reference for reference in columns if raw_column(reference).protected]


def raw_column(reference: str) -> Column:
    """The raw column named `table.column`.

    Raises
    ------
    ContractError : the contract has no such table or column.
    """
    table, _, name = reference.partition(".")
    if table not in RAW or name not in RAW[table].names:
        raise ContractError(
            f"source column {reference!r} is not in the contract; write 'table.column', see docs/tables.md"
        )
    return RAW[table].column(name)


def digest(*parts: object) -> str:
    """A short name for a definition: equal values, equal digest."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:16]

"""Rules as parameterised DuckDB SQL: names from an allow-list, values as parameters alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from scenefit.contracts.errors import ContractError
from segmentation.rule_places import require_order
from segmentation.rule_scenes import SceneTree, with_below
from segmentation.rule_values import (
    NUMERIC,
    ZONE,
    Comparison,
    Held,
    Moment,
    known_column,
    require_kind,
)

Literal = bool | float | str
_OPERATORS: dict[Comparison, str] = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class Query(NamedTuple):
    """SQL text with `?` in the place of every value, and the values in order."""

    text: str
    parameters: tuple[Literal, ...] = ()


class RuleTables(NamedTuple):
    """Names of the tables that a rule's SQL reads; those that the rule does not ask for may be left out.

    customers : customer_id and the allowed columns
    events : customer_id, at, ingested_at, kind, scene_id, product_id, merchant_id
    scenes : scene_id, customer_id and the allowed scene columns, one row per scene and active person
    segments : customer_id, segment_id
    audiences : audience_id, customer_id
    as_of : end of every window of events (not included); with a time zone
    scene_parents : the tree of scenes, which takes events of scenes below along; without it a scene is itself alone
    """

    customers: str = "customers"
    events: str | None = None
    scenes: str | None = None
    segments: str | None = None
    audiences: str | None = None
    as_of: datetime | None = None
    zone: str = ZONE
    scene_parents: SceneTree | None = None


class Source(NamedTuple):
    """The rows that a condition reads: everybody, or the people of one scene."""

    tables: RuleTables
    columns: Mapping[str, Held]
    scene_columns: Mapping[str, Held]
    scene: str | None = None
    depth: int = 0

    @property
    def alias(self) -> str:
        """Short name of the rows; one per nesting of scenes."""
        return f"p{self.depth}"

    @property
    def person(self) -> str:
        """The customer id of a row."""
        return f"{self.alias}.customer_id"

    def holds(self, column: str) -> Held:
        """What an allowed column holds; ContractError for any other name."""
        allowed = self.columns if self.scene is None else self.scene_columns
        return allowed[known_column(column, allowed)]

    def inside(self, scene: str) -> Source:
        """The rows of a scene."""
        return self._replace(scene=scene, depth=self.depth + 1)

    def rows(self) -> Query:
        """FROM and WHERE of these rows, to be followed by AND."""
        if self.scene is None:
            return Query(f"FROM {quoted(self.tables.customers)} AS {self.alias} WHERE TRUE")
        table = table_of(self.tables.scenes, "scenes", f"scene {self.scene!r}")
        return Query(f"FROM {table} AS {self.alias} WHERE {self.alias}.scene_id = ?", (self.scene,))


def quoted(name: str) -> str:
    """An identifier as SQL takes it whatever it is made of.

    >>> quoted('a"; DROP TABLE customers; --')
    '"a""; DROP TABLE customers; --"'
    """
    if not name or "\0" in name:
        raise ContractError(f"rule: {name!r} is no name of a table or column; give one without NUL characters")
    return '"' + name.replace('"', '""') + '"'


def table_of(name: str | None, what: str, asked: str) -> str:
    """A table's quoted name; ContractError where the rule asks for one that is not given."""
    if name is None:
        raise ContractError(f"rule: {asked} needs the table of {what}, which is not given; give RuleTables({what}=...)")
    return quoted(name)


def certain(text: str, parameters: Iterable[Literal] = ()) -> Query:
    """A condition that is false where SQL would say unknown."""
    return Query(f"coalesce({text}, FALSE)", tuple(parameters))


def chained(parts: Sequence[Query], word: str) -> Query:
    """Conditions joined by AND or OR."""
    text = f" {word} ".join(part.text for part in parts)
    return Query(f"({text})", tuple(value for part in parts for value in part.parameters))


def compared_query(source: Source, column: str, op: Comparison, value: Literal | Moment) -> Query:
    """A column against one value, as `rule_values.fits` compares them."""
    holds = source.holds(column)
    require_kind(column, holds, value)
    if holds == "empty":
        return Query("FALSE")
    expression = _value(source, column, holds)
    if isinstance(value, Moment):
        span = value.span(source.tables.zone, holds == "local moment")
        if op in ("==", "!="):
            word = "" if op == "==" else "NOT "
            return certain(f"{word}({expression} >= ? AND {expression} < ?)", span)
        edge = span.start if op in ("<", ">=") else span.end
        return certain(f"{expression} {'<' if op in ('<', '<=') else '>='} ?", (edge,))
    if holds in NUMERIC:
        # SQL takes NaN for the largest number, a rule takes it for a gap
        return certain(f"{expression} {_OPERATORS[op]} ? AND NOT isnan({expression})", (float(value),))
    return certain(f"{expression} {_OPERATORS[op]} ?", (value,))


def one_of_query(source: Source, column: str, values: Sequence[Literal | Moment]) -> Query:
    """A column that holds one of several values."""
    holds = source.holds(column)
    if holds == "text" and all(isinstance(value, str) for value in values):
        marks = ", ".join("?" * len(values))
        words = tuple(value for value in values if isinstance(value, str))
        return certain(f"{_value(source, column, holds)} IN ({marks})", words)
    return chained([compared_query(source, column, "==", value) for value in values], "OR")


def missing_query(source: Source, column: str) -> Query:
    """A column without a value."""
    holds = source.holds(column)
    if holds == "empty":
        return Query("TRUE")
    if holds not in NUMERIC:
        return Query(f"({source.alias}.{quoted(column)} IS NULL)")
    expression = _value(source, column, holds)
    return Query(f"({expression} IS NULL OR isnan({expression}))")


def share_query(source: Source, column: str, low: float, high: float) -> Query:
    """A place among everybody, as `rule_values.placed` counts it."""
    holds = source.holds(column)
    require_order(column, holds)
    if holds == "empty":
        return Query("FALSE")
    everybody = source._replace(depth=source.depth + 100)
    expression, rows = _value(everybody, column, holds), everybody.rows()
    present = f"{expression} IS NOT NULL" + (f" AND NOT isnan({expression})" if holds in NUMERIC else "")
    ranked = (
        f"SELECT {everybody.person}, rank() OVER (ORDER BY {expression}) - 1 AS lower, count(*) OVER () AS present "
        f"{rows.text} AND {present}"
    )
    share = "CAST(lower AS DOUBLE) / CAST(present AS DOUBLE)"
    chosen = f"SELECT customer_id FROM ({ranked}) AS ranks WHERE {share} >= ? AND {share} < ?"
    return certain(f"{source.person} IN ({chosen})", (*rows.parameters, low, high))


def deeds_query(
    source: Source, events: Sequence[str], at_least: int, within_days: int, places: Sequence[tuple[str, str]]
) -> Query:
    """Who did something at least so often in the window, as `rule_context.event_counts` counts."""
    tables = source.tables
    table = table_of(tables.events, "events", f"'did {' or '.join(events)}'")
    if tables.as_of is None or tables.as_of.tzinfo is None:
        raise ContractError(
            f"rule: 'did {' or '.join(events)}' needs the as-of time with its zone; give RuleTables(as_of=...)"
        )
    end = (tables.as_of - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    start = end - within_days * 86_400_000_000
    meant = [
        (what, with_below(name, tables.scene_parents or {}) if what == "scene" else (name,)) for what, name in places
    ]
    where = "".join(f" AND e.{quoted(f'{what}_id')} IN ({', '.join('?' * len(names))})" for what, names in meant)
    at = "epoch_us(CAST(e.at AS TIMESTAMPTZ))"
    text = (
        f"SELECT e.customer_id FROM {table} AS e WHERE e.kind IN ({', '.join('?' * len(events))}) "
        f"AND {at} >= ? AND {at} < ? AND epoch_us(CAST(e.ingested_at AS TIMESTAMPTZ)) < ?{where} "
        "GROUP BY e.customer_id HAVING count(*) >= ?"
    )
    names = [name for _, several in meant for name in several]
    return certain(f"{source.person} IN ({text})", (*events, start, end, end, *names, at_least))


def members_query(source: Source, table: str, column: str, name: str) -> Query:
    """Who is listed in a table under this name."""
    return certain(f"{source.person} IN (SELECT m.customer_id FROM {table} AS m WHERE m.{quoted(column)} = ?)", (name,))


def scene_query(source: Source, scene: str, condition: Query) -> Query:
    """Who fits a condition that was written for `source.inside(scene)`."""
    here = source.inside(scene)
    rows = here.rows()
    text = f"{source.person} IN (SELECT {here.person} {rows.text} AND {condition.text})"
    return certain(text, (*rows.parameters, *condition.parameters))


def _value(source: Source, column: str, holds: Held) -> str:
    """A column's values in the shape in which rules compare them: floats, truth values, texts, microseconds."""
    plain = f"{source.alias}.{quoted(column)}"
    if holds in ("moment", "local moment"):
        return f"epoch_us(CAST({plain} AS {'TIMESTAMPTZ' if holds == 'moment' else 'TIMESTAMP'}))"
    return f"CAST({plain} AS {({'number': 'DOUBLE', 'flag': 'DOUBLE', 'bool': 'BOOLEAN'}).get(holds, 'VARCHAR')})"

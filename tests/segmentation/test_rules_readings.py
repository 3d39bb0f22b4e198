"""One rule, three readings: its mask, its SQL in DuckDB and a person going through it row by row agree on everybody."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segmentation.rule_context import RuleContext, event_counts
from segmentation.rule_sql import RuleTables
from segmentation.rule_values import holdings
from segmentation.rules import (
    And,
    Between,
    Compare,
    Did,
    In,
    InAudience,
    InScene,
    InSegment,
    Missing,
    Moment,
    Not,
    Or,
    Percentile,
    Rule,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
AS_OF = datetime(2026, 3, 1, tzinfo=SHANGHAI)
ODD = 'odd "name" `of` c'
CITIES = ["north", "南", "", "'; DROP TABLE customers; --", "=1+1"]
KINDS = ["visit", "purchase", "click"]
SCENES = ["travel", "3C"]
PARENTS = {"travel": None, "3C": "travel", "nowhere": "3C"}
WITH_ABOVE = {None: (), "travel": ("travel",), "3C": ("3C", "travel")}
AMOUNTS = [-2.5, -0.0, 0.0, 0.1, 1.0, 3.0, 7.25, 1e9]
DAYS = ["2026-02-14", "2026-02-27", "2026-02-28"]
TIMES = ["2026-02-27T16:00Z", "2026-02-28T00:00", "2026-02-14T08:30:00.5+08:00"]


class World(NamedTuple):
    """The same people for each of the three readers."""

    frame: pd.DataFrame
    context: RuleContext
    tables: RuleTables
    database: duckdb.DuckDBPyConnection
    rows: list[dict]
    events: list[dict]
    scenes: dict[str, list[dict]]
    segments: dict[str, str]
    audiences: dict[str, set[str]]
    scene_columns: dict

    def __repr__(self):
        return f"World({len(self.rows)} people)"


def gaps(rng, values, share=0.25):
    return [None if rng.random() < share else value for value in values]


def amounts(rng, n):
    return np.array([np.nan if v is None else v for v in gaps(rng, rng.choice(AMOUNTS, n))], dtype=float)


def instants(rng, n):
    edges = [datetime.fromisoformat(text) for text in TIMES] + [datetime.fromisoformat(day) for day in DAYS]
    aware = [(at if at.tzinfo else at.replace(tzinfo=SHANGHAI)).astimezone(UTC) for at in edges]
    shifts = [0, 1, -1, 3_600_000_000]
    return [aware[i] + timedelta(microseconds=shifts[j]) for i, j in zip(
        rng.integers(len(aware), size=n), rng.integers(len(shifts), size=n), strict=True)]  # fmt: skip


def people(rng, ids, text_type):
    n = len(ids)
    joined = gaps(rng, instants(rng, n))
    born = [None if day is None else date.fromisoformat(day) for day in gaps(rng, rng.choice(DAYS, n))]
    return pd.DataFrame(
        {
            "customer_id": pd.Series(ids, dtype=object),
            "spend": amounts(rng, n),
            "visits": rng.integers(0, 5, n),
            "city": pd.Series(gaps(rng, rng.choice(CITIES, n)), dtype=object).astype(text_type),
            "owner": pd.Series(gaps(rng, rng.random(n) < 0.5), dtype=object),
            "joined": pd.to_datetime(pd.Series(joined), utc=True).astype("datetime64[us, UTC]"),
            "born": pd.Series(born, dtype=object),
            "blank": pd.Series([None] * n, dtype=object),
            ODD: pd.Series(amounts(rng, n)).astype("Float64"),
            "lead": np.array([np.nan if v is None else v for v in gaps(rng, rng.integers(0, 2, n))], dtype=float),
        }
    )


def happenings(rng, ids, n):
    at = [AS_OF - timedelta(days=int(d), microseconds=int(u)) for d, u in zip(
        rng.integers(0, 8, n), rng.integers(-1, 2, n), strict=True)]  # fmt: skip
    late = rng.choice([0, 0, 1, 3 * 86_400], n)
    return pd.DataFrame(
        {
            "customer_id": rng.choice([*ids, "somebody else"], n),
            "at": pd.Series(at).dt.tz_convert("UTC").astype("datetime64[us, UTC]"),
            "ingested_at": (pd.Series(at) + pd.to_timedelta(late, unit="s")).dt.tz_convert("UTC"),
            "kind": rng.choice(KINDS, n),
            "scene_id": pd.Series(gaps(rng, rng.choice(SCENES, n)), dtype=object),
            "product_id": pd.Series(gaps(rng, rng.choice(["loan", "card"], n)), dtype=object),
            "merchant_id": pd.Series(gaps(rng, rng.choice(["m1", "m2"], n)), dtype=object),
        }
    )


def plain(frame):
    rows = frame.astype(object).to_dict("records")
    return [{name: None if pd.isna(value) else value for name, value in row.items()} for row in rows]


def database(tables, keep_nan):
    """The tables in DuckDB, which from then on reads no file and changes no setting."""
    connection = duckdb.connect()
    for name, frame in tables.items():
        # pandas hands NaN over as NULL, Arrow as NaN: a rule takes both for a gap
        given = pa.Table.from_pandas(frame, preserve_index=False)
        if keep_nan and "spend" in frame.columns:
            place = given.column_names.index("spend")
            given = given.set_column(place, "spend", pa.array(frame["spend"].to_numpy(), from_pandas=False))
        connection.register("given", given)
        connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM given')
        connection.unregister("given")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def world(seed, text_type, keep_nan, n=30):
    rng = np.random.default_rng(seed)
    ids = [f"c{i:03d}" for i in range(n)]
    frame = people(rng, ids, text_type)
    scenes = {
        # people of a scene who are not among the customers are nobody's concern, but they have places there
        name: people(rng, sorted(rng.choice([*ids, "x1", "x2"], 18, replace=False)), text_type)
        for name in SCENES
    }
    events = happenings(rng, ids, 200)
    segments = pd.DataFrame({"customer_id": ids, "segment_id": [f"travel/{i % 3}" for i in range(n)]})
    audiences = {"vip": np.array(ids[::4], dtype=object), "a'b": np.array(ids[5:9], dtype=object)}
    listed = pd.DataFrame([(name, one) for name, ids_ in audiences.items() for one in ids_],
                          columns=["audience_id", "customer_id"])  # fmt: skip
    inside = pd.concat([scene.assign(scene_id=name) for name, scene in scenes.items()], ignore_index=True)
    customers = frame["customer_id"].to_numpy()
    return World(
        frame,
        RuleContext(customers, AS_OF, event_counts(events, customers, AS_OF, PARENTS), scenes, segments, audiences),
        RuleTables("people", "events", "in_scenes", "segments", "audiences", AS_OF, scene_parents=PARENTS),
        database({"people": frame, "events": events, "in_scenes": inside, "segments": segments,
                  "audiences": listed}, keep_nan),
        plain(frame),
        plain(events),
        {name: plain(scene) for name, scene in scenes.items()},
        dict(zip(segments["customer_id"], segments["segment_id"], strict=True)),
        {name: set(ids_) for name, ids_ in audiences.items()},
        holdings(inside),
    )  # fmt: skip


@pytest.fixture(scope="module")
def worlds():
    made = [world(1, object, False), world(2, pd.StringDtype("pyarrow"), True), world(3, "category", False)]
    yield made
    for one in made:
        one.database.close()


def holds(node, row, world, rows):  # noqa: PLR0911 one line per kind of condition
    """Whether one person fits, read as the words say; `rows` is everybody among whom the person stands."""
    match node:
        case And():
            return all(holds(part, row, world, rows) for part in node.of)
        case Or():
            return any(holds(part, row, world, rows) for part in node.of)
        case Not():
            return not holds(node.of, row, world, rows)
        case InScene():
            here = world.scenes[node.scene]
            own = [other for other in here if other["customer_id"] == row["customer_id"]]
            return bool(own) and holds(node.of, own[0], world, here)
        case InSegment():
            return world.segments.get(row["customer_id"]) == node.segment
        case InAudience():
            return row["customer_id"] in world.audiences[node.audience]
        case Did():
            return times(node, row["customer_id"], world.events) >= node.at_least
        case Missing():
            return row[node.column] is None
        case _:
            return row[node.column] is not None and value_fits(node, row[node.column], rows)


def times(did, customer, events):
    count = 0
    for event in events:
        if event["customer_id"] == customer and event["kind"] in did.events and event["ingested_at"] < AS_OF:
            recent = timedelta(0) < AS_OF - event["at"] <= timedelta(days=did.within_days)
            there = did.product in (None, event["product_id"]) and did.merchant in (None, event["merchant_id"])
            count += recent and there and did.scene in (None, *WITH_ABOVE[event["scene_id"]])
    return count


def value_fits(node, value, rows):
    match node:
        case Compare():
            return stands(node.op, value, node.value)
        case Between():
            return stands(">=", value, node.low) and stands("<", value, node.high)
        case In():
            return any(stands("==", value, wanted) for wanted in node.values)
    others = [row[node.column] for row in rows if row[node.column] is not None]
    share = Fraction(sum(other < value for other in others), len(others))
    return Fraction(str(node.low)) <= share < Fraction(str(node.high))


def stands(op, value, wanted):
    if isinstance(wanted, Moment):
        value, wanted = on_one_clock(value, wanted.at)
    return {
        "==": value == wanted, "!=": value != wanted, **({} if isinstance(value, str | bool) else {
            "<": value < wanted, "<=": value <= wanted, ">": value > wanted, ">=": value >= wanted})
    }[op]  # fmt: skip


def on_one_clock(value, text):
    """Column value and literal as two days, or as two moments in Shanghai."""
    if isinstance(value, datetime):
        local = value.astimezone(SHANGHAI)
    else:
        local = datetime(value.year, value.month, value.day, tzinfo=SHANGHAI)
    if len(text) == 10:
        return local.date(), date.fromisoformat(text)
    wanted = datetime.fromisoformat(text)
    return local, wanted if wanted.tzinfo else wanted.replace(tzinfo=SHANGHAI)


LITERALS = {
    "spend": st.sampled_from(AMOUNTS) | st.integers(-3, 8),
    "visits": st.integers(-1, 6) | st.sampled_from([0.5, 2.0]),
    ODD: st.sampled_from(AMOUNTS),
    "city": st.sampled_from([*CITIES, "nowhere"]),
    "owner": st.booleans(),
    "lead": st.booleans() | st.integers(0, 2),
    "joined": st.sampled_from(DAYS + TIMES).map(lambda text: Moment(at=text)),
    "born": st.sampled_from(DAYS + TIMES).map(lambda text: Moment(at=text)),
    "blank": st.integers(0, 1) | st.just("a") | st.booleans(),
}
ORDERED = ("spend", "visits", ODD, "joined", "born")
STEPS = [0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0]


@st.composite
def leaf(draw):
    column = draw(st.sampled_from(sorted(LITERALS)))
    values = LITERALS[column]
    shape = draw(st.sampled_from(["compare", "compare", "in", "missing", "between", "place"]))
    if shape == "missing":
        return Missing(column=column)
    if shape == "in":
        return In(column=column, values=tuple(draw(st.lists(values, min_size=1, max_size=3))))
    if shape == "place":
        low, high = sorted(draw(st.lists(st.sampled_from(STEPS), min_size=2, max_size=2, unique=True)))
        return Percentile(column=draw(st.sampled_from(ORDERED)), low=low, high=high)
    if shape == "between" and column in ORDERED:
        low, high = draw(values), draw(values)
        try:
            return Between(column=column, low=low, high=high)
        except ValueError:
            return Compare(column=column, op=">=", value=low)
    ops = ["==", "!="] + (["<", "<=", ">", ">="] if column in ORDERED else [])
    return Compare(column=column, op=draw(st.sampled_from(ops)), value=draw(values))


@st.composite
def deed(draw):
    return Did(
        events=tuple(draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=2, unique=True))),
        at_least=draw(st.integers(1, 4)),
        within_days=draw(st.integers(1, 9)),
        scene=draw(st.none() | st.sampled_from([*SCENES, "nowhere"])),
        product=draw(st.none() | st.just("loan")),
        merchant=draw(st.none() | st.just("m1")),
    )


LEAVES = st.one_of(
    leaf(), leaf(), leaf(), deed(),
    st.sampled_from(["travel/0", "travel/2"]).map(lambda name: InSegment(segment=name)),
    st.sampled_from(["vip", "a'b"]).map(lambda name: InAudience(audience=name)),
)  # fmt: skip
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(of=tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: Or(of=tuple(parts))),
        inner.map(lambda part: Not(of=part)),
        st.tuples(st.sampled_from(SCENES), inner).map(lambda pair: InScene(scene=pair[0], of=pair[1])),
    ),
    max_leaves=8,
)


def agree(rule, world):
    mask = rule.mask(world.frame, world.context)
    assert mask.dtype == bool
    expected = [holds(rule.where, row, world, world.rows) for row in world.rows]
    assert mask.tolist() == expected
    query = rule.sql(world.tables, holdings(world.frame), world.scene_columns)
    found = [one for (one,) in world.database.execute(query.text, list(query.parameters)).fetchall()]
    assert found == world.frame["customer_id"][mask].tolist()
    assert Rule.read(rule.model_dump_json()) == rule
    assert Rule.parse(rule.text()) == rule
    assert rule.sentence("en")
    assert rule.sentence("zh")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CONDITIONS.map(lambda where: Rule(where=where)), st.integers(0, 2))
def test_mask_sql_and_a_person_agree_and_text_and_json_bring_the_rule_back(worlds, rule, which):
    agree(rule, worlds[which])


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CONDITIONS.map(lambda where: Rule(where=where)))
def test_two_thousand_rules_are_read_alike_in_every_world(worlds, rule):
    for one in worlds:
        agree(rule, one)


def test_the_worlds_hold_every_kind_of_value_and_gap(worlds):
    kinds = [set(holdings(one.frame).values()) for one in worlds]
    assert all(found == {"number", "flag", "bool", "text", "moment", "local moment", "empty"} for found in kinds)
    keeps = worlds[1].database.execute("SELECT count(*) FROM people WHERE isnan(spend)").fetchone()[0]
    assert keeps > 0

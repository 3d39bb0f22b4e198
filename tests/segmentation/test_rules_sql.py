"""Rules as SQL: names come from the allow-list, values are parameters, and a locked database finds the same people."""

from datetime import UTC, datetime

import duckdb
import numpy as np
import pandas as pd
import pytest

from scenefit.contracts.errors import ContractError
from segmentation.rule_sql import Query, RuleTables, quoted
from segmentation.rule_values import holdings
from segmentation.rules import And, Compare, Did, In, InAudience, InScene, InSegment, Missing, Moment, Or, Rule

COLUMNS = {"spend": "number", "city": "text", "joined": "moment", "empty": "empty", "owner": "bool"}
ATTACKS = [
    "'; DROP TABLE customers; --",
    '" OR 1=1 --',
    "$1",
    "?",
    "=cmd|' /C calc'!A0",
    "a\\'b",
    "%",
    "{{7*7}}",
    "\u202e南",
]


@pytest.fixture
def database():
    connection = duckdb.connect()
    connection.execute("CREATE TABLE customers (customer_id VARCHAR, spend DOUBLE, city VARCHAR)")
    connection.executemany(
        "INSERT INTO customers VALUES (?, ?, ?)", [[f"c{i}", float(i), city] for i, city in enumerate(ATTACKS)]
    )
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    yield connection
    connection.close()


def test_a_rule_becomes_one_select_with_its_values_beside_it():
    rule = Rule(where=And(of=(Compare(column="spend", op=">=", value=3), In(column="city", values=("a", "b")))))
    assert rule.sql(RuleTables(), COLUMNS) == Query(
        'SELECT p0.customer_id FROM "customers" AS p0 WHERE TRUE AND '
        '(coalesce(CAST(p0."spend" AS DOUBLE) >= ? AND NOT isnan(CAST(p0."spend" AS DOUBLE)), FALSE) AND '
        'coalesce(CAST(p0."city" AS VARCHAR) IN (?, ?), FALSE)) ORDER BY p0.customer_id',
        (3.0, "a", "b"),
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_texts_that_look_like_sql_or_formulas_are_values(database, attack):
    query = Rule(where=Compare(column="city", op="==", value=attack)).sql(RuleTables(), COLUMNS)
    assert attack not in query.text or attack == "?"
    found = database.execute(query.text, list(query.parameters)).fetchall()
    assert found == [(f"c{ATTACKS.index(attack)}",)]
    assert database.execute("SELECT count(*) FROM customers").fetchone() == (len(ATTACKS),)


@pytest.mark.parametrize("name", ['a"b', "a; DROP TABLE customers", "select", "南", "a.b", "`", "a'b", " "])
def test_names_are_quoted_whatever_they_are_made_of(name):
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE {quoted(name)} (customer_id VARCHAR, {quoted(name + '2')} DOUBLE)")
        connection.execute(f"INSERT INTO {quoted(name)} VALUES ('c1', 1), ('c2', 2)")
        rule = Rule(where=Compare(column=name + "2", op=">", value=1))
        query = rule.sql(RuleTables(customers=name), {name + "2": "number"})
        assert connection.execute(query.text, list(query.parameters)).fetchall() == [("c2",)]


def test_a_column_outside_the_allow_list_is_never_read(database):
    tables = RuleTables(scenes="customers")
    for column in ('spend" OR 1=1 --', "customer_id", "phone"):
        with pytest.raises(ContractError, match="is unknown"):
            Rule(where=Missing(column=column)).sql(tables, COLUMNS)
    with pytest.raises(ContractError, match=r"column 'spend' is unknown\. The data has \['visits'\]"):
        Rule(where=InScene(scene="travel", of=Missing(column="spend"))).sql(tables, COLUMNS, {"visits": "number"})


def test_a_locked_database_reads_no_file(database):
    with pytest.raises(duckdb.PermissionException):
        database.execute("SELECT * FROM read_csv('/etc/hostname')")
    with pytest.raises(duckdb.InvalidInputException):
        database.execute("SET enable_external_access = true")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Compare(column="spend", op="==", value="1"), "holds number values but is compared with '1', a text"),
        (Compare(column="owner", op="==", value=1), "holds bool values but is compared with 1, a number"),
        (Compare(column="joined", op="==", value=3), "holds moment values but is compared with 3, a number"),
        (Did(events=("visit",), within_days=1), r"needs the table of events.*RuleTables\(events=\.\.\.\)"),
        (InSegment(segment="t/1"), "needs the table of segments"),
        (InAudience(audience="vip"), "needs the table of audiences"),
        (InScene(scene="travel", of=Missing(column="spend")), "needs the table of scenes"),
    ],
)
def test_sql_is_refused_for_what_a_mask_refuses(condition, message):
    with pytest.raises(ContractError, match=message):
        Rule(where=condition).sql(RuleTables(), COLUMNS, COLUMNS)


@pytest.mark.parametrize("as_of", [None, datetime(2026, 1, 1)])  # noqa: DTZ001
def test_events_need_an_as_of_time_with_its_zone(as_of):
    with pytest.raises(ContractError, match="needs the as-of time with its zone"):
        Rule(where=Did(events=("visit",), within_days=1)).sql(RuleTables(events="events", as_of=as_of), COLUMNS)


def test_business_time_decides_which_day_a_date_is():
    rule = Rule(where=Compare(column="joined", op="==", value=Moment(at="2026-01-31")))
    noon = datetime(2026, 1, 31, tzinfo=UTC).timestamp() * 1e6
    utc, shanghai = (rule.sql(RuleTables(zone=zone), COLUMNS).parameters for zone in ("UTC", "Asia/Shanghai"))
    assert utc == (noon, noon + 86_400_000_000)
    assert shanghai == (noon - 8 * 3_600_000_000, noon + 16 * 3_600_000_000)


def test_an_empty_column_fits_nothing_and_is_always_missing():
    assert "FALSE" in Rule(where=Compare(column="empty", op="!=", value="a")).sql(RuleTables(), COLUMNS).text
    assert "TRUE AND TRUE" in Rule(where=Missing(column="empty")).sql(RuleTables(), COLUMNS).text


def test_the_widest_and_deepest_rules_run():
    frame = pd.DataFrame({"customer_id": [f"c{i}" for i in range(9)], "x": np.arange(9.0)})
    wide = Or(of=tuple(Compare(column="x", op="==", value=i * 4) for i in range(990)))
    deep = Compare(column="x", op=">", value=6)
    for i in range(14):
        deep = Or(of=(And(of=(deep, Compare(column="x", op=">", value=i / 10))), Compare(column="x", op="<", value=1)))
    with duckdb.connect() as connection:
        connection.register("customers", frame)
        for rule in (Rule(where=wide), Rule(where=deep)):
            query = rule.sql(RuleTables(), holdings(frame))
            found = [one for (one,) in connection.execute(query.text, list(query.parameters)).fetchall()]
            assert found == frame["customer_id"][rule.mask(frame)].tolist()
            assert len(found) == 3


def test_true_and_false_are_1_and_0_in_a_column_of_flags():
    rule = Rule.parse("lead is true")
    assert rule.sql(RuleTables(), {"lead": "flag"}).parameters == (1.0,)
    with pytest.raises(ContractError, match="column 'lead' holds number values but is compared with True, a bool"):
        rule.sql(RuleTables(), {"lead": "number"})


def test_a_scene_takes_those_below_it_along():
    did = Rule(where=Did(events=("visit",), within_days=1, scene="travel"))
    tables = RuleTables(events="events", as_of=datetime(2026, 2, 1, tzinfo=UTC))
    assert did.sql(tables, COLUMNS).parameters[-2:] == ("travel", 1)
    tree = {"travel.flight": "travel", "travel": None, "home": None}
    assert did.sql(tables._replace(scene_parents=tree), COLUMNS).parameters[-3:] == ("travel", "travel.flight", 1)


def test_only_columns_that_a_rule_can_read_are_allowed():
    frame = pd.DataFrame({"n": [2], "f": [1], "t": ["a"], "l": [[1, 2]], "m": pd.to_datetime(["2026-01-01"])})
    assert holdings(frame) == {"n": "number", "f": "flag", "t": "text", "m": "local moment"}

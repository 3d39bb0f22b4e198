"""Rules: a mask equals a naive reading, gaps, days, events and members are what the words say."""

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from scenefit.contracts.errors import ContractError
from segmentation.rule_context import RuleContext, event_counts
from segmentation.rule_scenes import with_below
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

NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-5, 5, allow_nan=False))
TEXTS = st.sampled_from(["north", "south", "西安", ""])
COLUMNS = {"visits": NUMBERS, "city": TEXTS, "owner": st.booleans()}


@st.composite
def conditions(draw, depth=2):
    if depth and draw(st.booleans()):
        return And(of=tuple(draw(st.lists(conditions(depth - 1), min_size=1, max_size=3))))
    column = draw(st.sampled_from(sorted(COLUMNS)))
    value = draw(COLUMNS[column])
    shape = draw(st.sampled_from(["compare", "in", "between"]))
    if shape == "in":
        return In(column=column, values=tuple(draw(st.lists(COLUMNS[column], min_size=1, max_size=3))))
    if shape == "between" and column == "visits":
        low, high = sorted((value, draw(NUMBERS.filter(lambda other: other != value))))
        return Between(column=column, low=low, high=high)
    ops = ["==", "!="] + (["<", "<=", ">", ">="] if column == "visits" else [])
    return Compare(column=column, op=draw(st.sampled_from(ops)), value=value)


@st.composite
def frames(draw):
    rows = draw(st.lists(st.tuples(*(st.none() | COLUMNS[name] for name in COLUMNS)), min_size=1, max_size=12))
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    return pd.DataFrame(
        {
            "visits": pd.Series(columns["visits"], dtype="float64"),
            "city": pd.Series(columns["city"], dtype=draw(st.sampled_from([object, pd.StringDtype("pyarrow")]))),
            "owner": pd.Series(columns["owner"], dtype=draw(st.sampled_from([object, "boolean"]))),
        }
    )


def fits(condition, row):
    """One row read one condition at a time, as a person would."""
    if isinstance(condition, And):
        return all(fits(part, row) for part in condition.of)
    value = row[condition.column]
    if value is None:
        return False
    if isinstance(condition, In):
        return value in condition.values
    if isinstance(condition, Between):
        return condition.low <= value < condition.high
    other = condition.value
    return {
        "==": lambda: value == other, "!=": lambda: value != other, "<": lambda: value < other,
        "<=": lambda: value <= other, ">": lambda: value > other, ">=": lambda: value >= other,
    }[condition.op]()  # fmt: skip


def naive_rows(frame):
    for row in frame.astype(object).to_dict("records"):
        yield {
            name: None if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) else value
            for name, value in row.items()
        }


@settings(max_examples=500, deadline=None)
@given(conditions(), frames())
def test_a_mask_is_what_a_person_reading_row_by_row_would_say(condition, frame):
    before = frame.copy()
    mask = Rule(where=condition).mask(frame)
    assert mask.dtype == bool
    assert mask.tolist() == [fits(condition, row) for row in naive_rows(frame)]
    pd.testing.assert_frame_equal(frame, before)


@settings(max_examples=200, deadline=None)
@given(conditions())
def test_a_stored_rule_comes_back_as_it_was(condition):
    rule = Rule(where=condition)
    again = Rule.read(rule.model_dump_json())
    assert again == rule
    assert again.model_dump_json() == rule.model_dump_json()


@settings(max_examples=100, deadline=None)
@given(conditions(), st.sampled_from(["en", "zh"]))
def test_every_rule_can_be_said(condition, lang):
    assert Rule(where=condition).sentence(lang)


def test_a_column_of_gaps_fits_nothing():
    frame = pd.DataFrame({"city": pd.Series([None, None], dtype=object)})
    assert_array_equal(Rule(where=Compare(column="city", op="!=", value="a")).mask(frame), [False, False])


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (Compare(column="visit", op="==", value=1), "column 'visit' is unknown. Did you mean 'visits'"),
        (Compare(column="zzz", op="==", value=1), "The data has"),
        (Compare(column="visits", op="==", value="many"), "holds number values but is compared with 'many', a text"),
        (Compare(column="visits", op="==", value=True), "holds number values but is compared with True, a bool"),
        (Compare(column="city", op="==", value=3), "holds text values but is compared with 3, a number"),
    ],
)
def test_rules_that_do_not_fit_the_data_are_refused(condition, message):
    frame = pd.DataFrame({"visits": [1, 2], "city": ["a", "b"]})
    with pytest.raises(ContractError, match=message):
        Rule(where=condition).mask(frame)


FRAME = pd.DataFrame(
    {
        "spend": [10.0, 20.0, 20.0, 40.0, np.nan],
        "city": ["a", None, "b", "a", "c"],
        "joined": pd.to_datetime(
            ["2026-01-30T16:00Z", "2026-01-31T15:59:59.999999Z", "2026-01-31T16:00Z", None, "2026-01-01T00:00Z"],
            format="ISO8601",
        ),
    }
)
PEOPLE = np.array(["c1", "c2", "c3", "c4", "c5"], dtype=object)
AS_OF = datetime(2026, 2, 1, tzinfo=UTC)


def who(condition, context=None):
    return np.flatnonzero(Rule(where=condition).mask(FRAME, context)).tolist()


def test_a_gap_fits_nothing_but_what_is_not_asked():
    cheap = Compare(column="spend", op="<", value=15)
    assert who(cheap) == [0]
    assert who(Not(of=cheap)) == [1, 2, 3, 4]
    assert who(Compare(column="spend", op="!=", value=20)) == [0, 3]
    assert who(Not(of=Compare(column="spend", op="==", value=20))) == [0, 3, 4]
    assert who(Missing(column="city")) == [1]
    assert who(Or(of=(cheap, Missing(column="spend")))) == [0, 4]


def test_a_date_is_the_whole_day_in_business_time():
    day = Moment(at="2026-01-31")
    assert who(Compare(column="joined", op="==", value=day)) == [0, 1]
    assert who(Compare(column="joined", op="<=", value=day)) == [0, 1, 4]
    assert who(Compare(column="joined", op=">", value=day)) == [2]
    assert who(Compare(column="joined", op="!=", value=day)) == [2, 4]
    assert who(Compare(column="joined", op="==", value=day), RuleContext(zone="UTC")) == [1, 2]
    assert who(Compare(column="joined", op=">=", value=Moment(at="2026-01-31T16:00Z"))) == [2]


def test_days_of_columns_without_a_zone_are_business_days():
    local = pd.DataFrame({"born": pd.to_datetime(["2026-01-31", "2026-01-31 23:59", "2026-02-01"], format="mixed")})
    assert Compare(column="born", op="==", value=Moment(at="2026-01-31")).mask(local).tolist() == [True, True, False]
    # 16:00 UTC is midnight in Shanghai
    late = Compare(column="born", op=">=", value=Moment(at="2026-01-31T16:00Z"))
    assert late.mask(local).tolist() == [False, False, True]


def test_moments_kept_as_objects_are_read_as_the_moments_they_are():
    zone = timezone(timedelta(hours=8))
    moments = [None, datetime(2026, 1, 31, 23, tzinfo=zone), datetime(2026, 1, 31, 16, tzinfo=UTC)]
    frame = pd.DataFrame({"at": pd.Series(moments, dtype=object)})
    day = Compare(column="at", op="==", value=Moment(at="2026-01-31"))
    assert day.mask(frame).tolist() == [False, True, False]
    assert Percentile(column="at", low=0.5, high=1.0).mask(frame).tolist() == [False, False, True]


def test_equal_values_stand_at_one_place_and_neighbouring_bands_share_nobody():
    # places of the four known amounts: 0, 1/4, 1/4, 3/4
    assert who(Percentile(column="spend", low=0.75, high=1.0)) == [3]
    assert who(Percentile(column="spend", low=0.25, high=0.75)) == [1, 2]
    assert who(Percentile(column="spend", low=0.5, high=0.75)) == []
    assert who(Percentile(column="spend", low=0.0, high=0.25)) == [0]
    assert who(Percentile(column="spend", low=0.0, high=1.0)) == [0, 1, 2, 3]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(1, 9))
def test_bands_part_everybody_and_the_top_never_holds_more_than_its_share(values, tenths):
    frame = pd.DataFrame({"x": values})
    cut = tenths / 10
    top = Percentile(column="x", low=cut, high=1.0).mask(frame)
    bottom = Percentile(column="x", low=0.0, high=cut).mask(frame)
    assert (top ^ bottom).all()
    assert top.sum() * 10 <= (10 - tenths) * len(values)


def happened(customer, at, kind="purchase", scene="travel", known=None):
    return {"customer_id": customer, "at": pd.Timestamp(at), "ingested_at": pd.Timestamp(known or at), "kind": kind,
            "scene_id": scene, "product_id": None}  # fmt: skip


EVENTS = pd.DataFrame([
    happened("c1", "2026-01-31T00:00Z"), happened("c1", "2026-01-31T12:00Z", scene="3C"),
    happened("c2", "2026-01-30T23:59:59.999999Z"), happened("c3", "2026-02-01T00:00Z"),
    happened("c4", "2026-01-31T12:00Z", known="2026-02-01T00:00Z"), happened("c5", "2026-01-31T12:00Z", kind="visit"),
    happened("nobody", "2026-01-31T12:00Z"),
])  # fmt: skip


def test_events_count_from_the_window_s_start_to_before_its_end_once_they_are_known():
    context = RuleContext(PEOPLE, AS_OF, event_counts(EVENTS, PEOPLE, AS_OF))
    assert who(Did(events=("purchase",), within_days=1), context) == [0]
    assert who(Did(events=("purchase",), within_days=2), context) == [0, 1]
    assert who(Did(events=("purchase",), at_least=2, within_days=1), context) == [0]
    assert who(Did(events=("purchase",), at_least=2, within_days=1, scene="travel"), context) == []
    assert who(Did(events=("visit", "purchase"), within_days=1), context) == [0, 4]
    assert who(Did(events=("purchase",), within_days=1, product="loan"), context) == []
    assert event_counts(EVENTS, PEOPLE, AS_OF)(Did(events=("purchase",), within_days=1)).tolist() == [2, 0, 0, 0, 0]


def test_what_was_done_below_a_scene_was_done_in_it():
    tree = {"shopping": None, "3C": "shopping", "3C.phones": "3C", "travel": None}
    below = event_counts(pd.concat([EVENTS, pd.DataFrame([happened("c2", "2026-01-31T12:00Z", scene="3C.phones")])]),
                         PEOPLE, AS_OF, tree)  # fmt: skip
    context = RuleContext(PEOPLE, AS_OF, below)
    assert who(Did(events=("purchase",), within_days=1, scene="shopping"), context) == [0, 1]
    assert who(Did(events=("purchase",), within_days=1, scene="3C"), context) == [0, 1]
    assert who(Did(events=("purchase",), within_days=1, scene="3C.phones"), context) == [1]
    assert with_below("a", {"a": "b", "b": "a"}) == ("a", "b")


def test_true_and_false_are_read_where_a_column_holds_only_0_and_1():
    frame = pd.DataFrame({"lead": [1.0, 0.0, np.nan], "visits": [1, 2, 0]})
    assert Rule.parse("lead = true").mask(frame).tolist() == [True, False, False]
    assert Rule.parse("lead is false").mask(frame).tolist() == [False, True, False]
    assert Rule.parse("lead is not true").mask(frame).tolist() == [False, True, False]
    assert Rule.parse("lead in (true, false)").mask(frame).tolist() == [True, True, False]
    with pytest.raises(ContractError, match=r"column 'visits' holds number values but is compared with True, a bool"):
        Rule.parse("visits = true").mask(frame)


def test_members_and_people_of_a_scene_are_found_by_their_ids():
    travel = pd.DataFrame({"customer_id": ["c4", "zz", "c1"], "visits": [1.0, 9.0, np.nan]})
    segments = pd.DataFrame({"customer_id": ["c1", "c9", "c2"], "segment_id": ["travel/0", "travel/0", "travel/1"]})
    context = RuleContext(PEOPLE, scenes={"travel": travel}, segments=segments,
                          audiences={"vip": np.array(["c5", "c2"])})  # fmt: skip
    assert who(InSegment(segment="travel/0"), context) == [0]
    assert who(InAudience(audience="vip"), context) == [1, 4]
    often = Compare(column="visits", op=">=", value=1)
    assert who(InScene(scene="travel", of=often), context) == [3]
    # not in the scene's words reaches only people of the scene
    assert who(InScene(scene="travel", of=Not(of=often)), context) == [0]
    assert who(Not(of=InScene(scene="travel", of=often)), context) == [0, 1, 2, 4]
    # places are counted among all people of the scene
    assert who(InScene(scene="travel", of=Percentile(column="visits", low=0.0, high=0.5)), context) == [3]


@pytest.mark.parametrize(
    ("condition", "context", "message"),
    [
        (Did(events=("visit",), within_days=1), None, "needs events, which are not given; give RuleContext"),
        (InSegment(segment="t/1"), None, "ids of the frame's rows are not given"),
        (InSegment(segment="t/1"), RuleContext(PEOPLE), "no segments are given; run `scenefit run` first"),
        (InSegment(segment="t/1"), RuleContext(PEOPLE, segments=pd.DataFrame(
            {"customer_id": ["c1"], "segment_id": ["t/2"]})), "segment 't/1' is unknown. Did you mean 't/2'"),
        (InAudience(audience="vip"), RuleContext(PEOPLE), "audience 'vip' is unknown. There is none yet"),
        (InAudience(audience="vip"), RuleContext(PEOPLE[:2]), "2 customer ids for 5 rows"),
        (InScene(scene="trvel", of=Missing(column="a")), RuleContext(PEOPLE, scenes={"travel": FRAME}),
         "scene 'trvel' is unknown. Did you mean 'travel'"),
        (InScene(scene="t", of=Missing(column="a")),
         RuleContext(PEOPLE, scenes={"t": pd.DataFrame({"customer_id": ["c1", "c1"], "a": [1, 2]})}),
         "lists a customer twice"),
        (Compare(column="sp\u0435nd", op="==", value=1), None, "Did you mean 'spend'.*CYRILLIC SMALL LETTER IE"),
        (Compare(column="joined", op="==", value="2026-01-31"), None, "holds moment values but is compared with"),
        (Compare(column="spend", op="==", value=Moment(at="2026-01-31")), None, "compared with 2026-01-31, a moment"),
        (Percentile(column="city", low=0.0, high=0.5), None, "holds text values, which have no order"),
        (In(column="spend", values=(1, "x")), None, "holds number values but is compared with 'x', a text"),
    ],
)  # fmt: skip
def test_what_is_absent_is_said_with_the_way_out(condition, context, message):
    with pytest.raises(ContractError, match=message):
        who(condition, context)


def test_events_must_have_their_columns_and_an_as_of_time_with_a_zone():
    with pytest.raises(ContractError, match=r"columns \['kind'\] are missing"):
        event_counts(EVENTS.drop(columns="kind"), PEOPLE, AS_OF)
    with pytest.raises(ContractError, match="has no time zone"):
        event_counts(EVENTS, PEOPLE, datetime(2026, 2, 1))  # noqa: DTZ001
    with pytest.raises(ContractError, match="column 'merchant_id' is missing"):
        event_counts(EVENTS, PEOPLE, AS_OF)(Did(events=("visit",), within_days=1, merchant="m"))


def test_a_frame_must_call_each_column_by_one_text():
    twice = pd.DataFrame([[1, 2]], columns=["x", "x"])
    with pytest.raises(ContractError, match="column 'x' stands 2 times in the data"):
        Missing(column="x").mask(twice)
    with pytest.raises(ContractError, match="column '0' is unknown"):
        Missing(column="0").mask(pd.DataFrame([[1]]))

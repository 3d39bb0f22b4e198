"""The figures of one feature: by hand, whatever the order of the rows, and for next to nothing."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo import distribution
from feature_repo.definition import Feature
from feature_repo.quality import feature_line
from feature_repo.quality_bands import Bands, Finding, banded, worst
from scenefit.contracts.errors import SettingsError

KINDS = {"int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "str": pa.string()}
VALUES = {
    "int": st.integers(-(2**62), 2**62) | st.integers(0, 3),
    "float": st.floats() | st.sampled_from([0.0, -0.0, 0.5]),
    "bool": st.booleans(),
    "str": st.sampled_from(["a", "b", "西安", ""]),
}


@st.composite
def columns(draw, count=2):
    kind = draw(st.sampled_from(sorted(KINDS)))
    lists = [draw(st.lists(st.none() | VALUES[kind], max_size=40)) for _ in range(count)]
    return kind, *(pa.chunked_array([values], KINDS[kind]) for values in lists)


def described(kind: str, now, before=None, **options):
    if not isinstance(now, pa.ChunkedArray):
        now = pa.chunked_array([now], KINDS[kind])
    if before is not None and not isinstance(before, pa.ChunkedArray):
        before = pa.chunked_array([before], KINDS[kind])
    return feature_line(Feature("x", kind, "", "", "", ()), now, before, Bands(**options))


def test_the_figures_of_twenty_numbers_by_hand():
    line = described("int", [*range(20, 0, -1), None, None, None, None, None])
    assert (line["rows"], line["nulls"], line["null_share"], line["distinct"]) == (25, 5, 0.2, 20)
    assert line["mean"] == 10.5
    assert line["std"] == pytest.approx(math.sqrt((20**2 - 1) / 12), abs=1e-12)
    assert [line[name] for name in ("min", "p05", "p25", "p50", "p75", "p95", "max")] == [1, 1, 5, 10, 15, 19, 20]
    histogram = json.loads(line["histogram"])
    assert histogram["edges"] == [1, 1.5, 3.5, 5.5, 7.5, 9.5, 11.5, 13.5, 15.5, 17.5, 20]
    assert histogram["shares"] == [0.04] + [0.08] * 8 + [0.12]
    assert histogram["before"] is None
    assert (line["psi"], line["alert"], line["reason"]) == (None, "", "")


def test_a_value_that_most_people_have_gets_a_bin_of_its_own():
    before = distribution.numbers(pa.chunked_array([[0] * 80 + [1] * 10 + [5] * 10]))
    now = distribution.numbers(pa.chunked_array([[0] * 20 + [1] * 70 + [7] * 10]))
    edges = distribution.bin_edges(before, now)
    assert edges.tolist() == [0, 0.5, 7]
    assert distribution.bin_counts(before, edges).tolist() == [80, 20]
    assert distribution.bin_counts(now, edges).tolist() == [20, 80]
    # one value for everybody before: everything else has moved
    line = described("float", [2.0] * 50 + [2.1] * 50, [2.0] * 100)
    assert json.loads(line["histogram"]) == {"edges": [2.0, 2.1, 2.1], "shares": [0.5, 0.5], "before": [1.0, 0.0]}
    assert line["alert"] == "alert"


def test_a_value_that_many_share_may_move_a_little():
    # rates drawn to a mean that moves from 3.10 % to 3.12 %
    before = [0.031] * 60 + [0.026] * 20 + [0.19] * 20
    now = [0.0312] * 60 + [0.0261] * 20 + [0.1902] * 20
    assert described("float", now, before)["psi"] == 0
    assert described("float", [0.04] * 60 + now[60:], before)["psi"] == 0
    assert described("float", [0.12] * 60 + now[60:], before)["alert"] == "alert"


def test_the_stability_index_by_hand():
    # shares (9/10, 1/10) against (5/10, 5/10) after one more row in each bin
    by_hand = 0.4 * math.log(1.8) - 0.4 * math.log(0.2)
    assert distribution.stability_index([8, 0], [4, 4]) == pytest.approx(by_hand, abs=1e-15)
    assert distribution.stability_index([4, 4], [8, 0]) == pytest.approx(by_hand, abs=1e-15)
    assert math.isnan(distribution.stability_index([0, 0], [4, 4]))


def test_chance_alone_gives_no_alert_in_small_views():
    rng = np.random.default_rng(7)
    alerts = psis = 0
    for _ in range(200):
        line = described("float", rng.normal(size=60), rng.normal(size=60))
        alerts += line["alert"] in ("watch", "alert")
        psis += line["psi"] >= 0.1
    assert psis > 150
    assert alerts <= 2
    assert described("float", rng.normal(2, size=60), rng.normal(size=60))["alert"] == "alert"


@given(columns(count=1))
def test_a_feature_against_itself_has_not_moved(column):
    kind, values = column
    line = described(kind, values, values)
    assert line["psi"] in ((0.0,) if len(values) else (None,))
    assert line["alert"] == ("alert" if "infinite" in line["reason"] else "ok" if len(values) else "")


@given(columns(), st.randoms())
def test_the_order_of_rows_and_parts_changes_nothing(column, random):
    kind, now, before = column

    def shuffled(values):
        order = list(range(len(values)))
        random.shuffle(order)
        mixed = values.take(pa.array(order, pa.int64()))
        return pa.chunked_array([*mixed.slice(0, 3).chunks, *mixed.slice(3).chunks], values.type)

    assert described(kind, shuffled(now), shuffled(before)) == pytest.approx(described(kind, now, before), abs=0,
                                                                             nan_ok=True)  # fmt: skip


@given(columns())
def test_shares_add_up_whatever_the_values(column):
    kind, now, before = column
    line = described(kind, now, before, fewest=2)
    if not len(now):
        assert line["null_share"] is None
        return
    if kind == "str":
        shares = [share for _, share in json.loads(line["top"])]
        assert all(share * len(now) >= 1.999 for share in shares)
        assert sum(shares) + line["null_share"] == pytest.approx(1, abs=1e-9) or line["rows"] - line["nulls"] < 2
        return
    histogram = json.loads(line["histogram"])
    assert len(histogram["edges"]) == (len(histogram["shares"]) + 1 if histogram["shares"] else 0)
    assert histogram["edges"] == sorted(histogram["edges"])
    infinite = line["rows"] - line["nulls"] - round(sum(histogram["shares"]) * line["rows"])
    assert bool(infinite) == ("infinite" in line["reason"])
    assert line["psi"] is None or line["psi"] >= 0


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("now", [[], [None]])
@pytest.mark.parametrize("before", [None, [], [None]])
def test_nothing_and_one_empty_row_are_described(kind, now, before):
    line = described(kind, now, before)
    assert line["distinct"] == 0
    assert line["alert"] in ("", "ok")


def test_gaps_that_come_and_go():
    full, gappy = [1.0] * 1000, [1.0] * 900 + [None] * 100
    calm = {"psi_watch": 9, "psi_alert": 9}
    assert described("float", gappy, full, **calm)["reason"] == "share without value went from 0.0% to 10.0%"
    assert described("float", gappy, full, **calm)["reason_zh"] == "缺失占比由 0.0% 变为 10.0%"
    assert described("float", gappy, full, **calm)["alert"] == "watch"
    assert described("float", full, gappy, **calm)["alert"] == "watch"
    assert described("float", gappy, full, nulls_watch=0.11, **calm)["alert"] == "ok"
    assert described("float", [1.0] * 800 + [None] * 200, full, **calm)["alert"] == "alert"
    # being without value is a bin as well
    assert described("float", gappy, full)["reason"].startswith("distribution moved: PSI 0.47")
    # three of four rows, where chance does that
    assert described("float", [1.0, None, None, None], [1.0] * 4)["alert"] == "ok"
    # NaN is no value either
    assert described("float", [math.nan] * 100 + [1.0] * 900)["nulls"] == 100


def test_features_that_tell_nobody_apart_are_said():
    assert described("int", [3, 3, 3])["reason"] == "one value in every row"
    assert described("int", [3, 3, None])["reason"] == ""
    assert described("str", [None, None])["reason_zh"] == "全部为空"
    # as many people as before in bins of one value each: only the constancy is new
    now_same = described("int", [0] * 100, [0] * 95 + [9] * 5, psi_watch=9, psi_alert=9)
    assert (now_same["alert"], now_same["reason"]) == ("watch", "one value in every row")
    assert described("int", [0] * 100, [0] * 100)["alert"] == "ok"


def test_infinite_values_are_an_alert_and_enter_no_figure():
    line = described("float", [1.0, 3.0, math.inf, -math.inf])
    assert (line["mean"], line["max"], line["nulls"]) == (2.0, 3.0, 0)
    assert line["alert"] == "alert"
    assert line["reason"] == "2 rows are infinite: a division by zero in the definition"


def test_the_same_sum_in_another_order_is_no_other_value():
    line = described("float", [0.1 + 0.2] * 60, [0.3] * 60)
    assert (line["psi"], line["distinct"]) == (0.0, 1)


def test_levels_that_appear_and_vanish_are_named_when_enough_people_have_them():
    before = ["nurse"] * 500 + ["pilot"] * 30 + ["diver"] * 5
    now = ["nurse"] * 500 + ["baker"] * 30 + ["mayor"] * 1
    line = described("str", now, before)
    assert line["reason"].endswith("new levels: baker; vanished levels: pilot")
    assert line["reason_zh"].endswith("新增取值：baker；消失取值：pilot")
    assert line["alert"] in ("watch", "alert")
    assert "mayor" not in line["reason"] + line["top"]
    several = described("str", [f"l{i}" for i in range(5) for _ in range(20)], ["old"] * 100)
    assert "new levels: l0, l1, l2 … (5)" in several["reason"]


def test_rare_levels_are_shown_together_and_never_by_difference():
    counts = distribution.Levels(1000, 100, {"a": 600, "b": 250, "c": 31, "d": 15, "e": 4})
    assert distribution.shown_levels(counts, 20, 20) == [("a", 0.6), ("b", 0.25), (None, 0.05)]
    assert distribution.shown_levels(counts, 1, 20) == [("a", 0.6), (None, 0.3)]
    assert distribution.shown_levels(counts, 20, 1) == [
        ("a", 0.6), ("b", 0.25), ("c", 0.031), ("d", 0.015), ("e", 0.004)
    ]  # fmt: skip
    assert distribution.shown_levels(distribution.Levels(19, 0, {"a": 19}), 20, 20) == []
    assert distribution.shown_levels(distribution.Levels(0, 0, {}), 20, 20) == []


def test_bands_bind_from_their_limit_on():
    assert [banded(value, 0.1, 0.25) for value in (0.0999, 0.1, 0.2499, 0.25, math.nan)] == [
        "ok", "watch", "watch", "alert", ""
    ]  # fmt: skip
    assert worst([Finding("ok", "", ""), Finding("watch", "", ""), Finding("", "", "")]) == "watch"
    assert worst([]) == ""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"psi_watch": 0.3}, r"psi_watch 0\.3 and psi_alert 0\.25 must be positive"),
        ({"nulls_watch": 0}, "nulls_watch 0 and"),
        ({"rows_alert": -1}, "rows_alert -1 must"),
        ({"confidence": 1}, "confidence 1 must lie between"),
        ({"fewest": 0}, "fewest 0 and levels 20 be at least 1"),
    ],
)
def test_bands_that_cannot_be_are_refused(wrong, message):
    with pytest.raises(SettingsError, match=message):
        Bands(**wrong)

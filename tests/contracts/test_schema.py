"""The check at the door: what a table may hold, and the sentence for everything it may not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenefit.contracts.errors import ContractError
from scenefit.contracts.schema import Column, Table, check, check_arrow, money, split

VISITS = Table(
    "visits",
    grain="one row per visit",
    key=("visit_id",),
    stream=True,
    columns=(
        Column("visit_id", "str"),
        Column("at", "instant"),
        Column("ingested_at", "instant", nullable=True),
        Column("kind", "str", nullable=True, values=("shop", "site")),
        Column("pages", "int", nullable=True, low=0, high=100),
        Column("share", "float", nullable=True, low=0, high=1),
        Column("spend", "money", unit="CNY", nullable=True, low=0),
        Column("member", "bool", nullable=True),
        Column("tags", "strs", nullable=True),
    ),
)
NOON = pd.Timestamp("2026-06-01T12:00Z")
SHANGHAI = timezone(timedelta(hours=8))


def visits(**columns: object) -> pd.DataFrame:
    """Two good visits, with columns put in place of theirs."""
    return pd.DataFrame({"visit_id": ["v1", "v2"], "at": [NOON, NOON + pd.Timedelta(hours=1)], **columns})


def refusal(frame: pd.DataFrame, until: pd.Timestamp | None = None) -> str:
    """The sentence with which the frame is refused."""
    with pytest.raises(ContractError) as caught:
        check(frame, VISITS, until)
    return str(caught.value)


def test_columns_come_back_in_contract_order_and_types() -> None:
    frame = check(visits(pages=[3, 4])[["pages", "at", "visit_id"]], VISITS)

    assert list(frame.columns) == VISITS.names
    assert frame["visit_id"].tolist() == ["v1", "v2"]
    assert str(frame["at"].dtype) == "datetime64[us, UTC]"
    assert frame["pages"].tolist() == [3, 4]


def test_nullable_columns_may_be_absent() -> None:
    assert check(visits(), VISITS)["spend"].isna().all()


def test_the_callers_frame_is_left_alone() -> None:
    frame = visits(pages=[3.0, np.nan])
    before = frame.copy(deep=True)

    check(frame, VISITS)

    pd.testing.assert_frame_equal(frame, before)


def test_an_empty_table_keeps_its_columns_and_types() -> None:
    frame = check(pd.DataFrame(columns=["visit_id", "at"]), VISITS)

    assert len(frame) == 0
    assert list(frame.columns) == VISITS.names
    assert str(frame["at"].dtype) == "datetime64[us, UTC]"


def test_a_column_of_gaps_only_is_fine_whatever_pandas_makes_of_it() -> None:
    frame = check(
        visits(kind=[np.nan, np.nan], tags=[None, None], member=[np.nan] * 2, ingested_at=[np.nan] * 2), VISITS
    )

    assert frame[["kind", "tags", "member", "ingested_at"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (
            visits().drop(columns="at"),
            "visits: column 'at' is missing; the data has ['visit_id']. Map or add it (a moment with time zone)",
        ),
        (
            visits(colour=["red", "blue"]),
            "visits: column 'colour' is not in the contract, which has ['visit_id', 'at',",
        ),
        (
            pd.concat([visits(), visits()[["at"]]], axis=1),
            "visits: column 'at' occurs more than once; keep one of them",
        ),
        (
            visits(pages=["3", "4"]),
            "visits.pages: is string, must be a whole number; values such as '3', '4'. Convert the column",
        ),
        (visits(visit_id=[1, 2]), "visits.visit_id: is int64, must be text; values such as 1, 2. Convert the column"),
        (visits(visit_id=[b"a", b"b"]), "visits.visit_id: is binary, must be text"),
        (visits(member=[0, 1]), "visits.member: is int64, must be true or false; values such as 0, 1"),
        (visits(share=[True, False]), "visits.share: is bool, must be a number; values such as True, False"),
        (visits(tags=[[1], [2]]), "visits.tags: is list<"),
        (visits(tags=["a", "b"]), "visits.tags: is string, must be a list of texts; values such as 'a', 'b'"),
        (visits(at=["2026-06-01", "2026-06-02"]), "visits.at: is string, must be a moment with time zone"),
        (
            visits(pages=[1, "two"]),
            "visits.pages: values of mixed types ['int', 'str'], such as 1, 'two'; give the whole column one type",
        ),
        (visits(tags=[["a"], "b"]), "visits.tags: values of mixed types ['list', 'str'], such as ['a'], 'b'"),
        (visits(share=[1j, 2j]), "visits.share: values that no table can hold, such as 1j, 2j"),
        (visits(pages=[2**70, 1]), "visits.pages: values that no table can hold, such as 1180591620717411303424, 1"),
        (visits(visit_id=["a", "\ud800"]), "visits.visit_id: values that no table can hold, such as 'a', '\\ud800'"),
        (visits(pages=[1.5, 2.0]), "visits.pages: not every value is a whole number: Float value 1.5"),
        (visits(visit_id=["v1", np.nan]), "visits.visit_id: 1 of 2 rows have no value (first: row 1); every row needs"),
        (visits(visit_id=[None, "v2"]), "visits.visit_id: 1 of 2 rows have no value (first: row 0); every row needs"),
        (visits(at=[NOON, pd.NaT]), "visits.at: 1 of 2 rows have no value (first: row 1)"),
        (
            visits(visit_id=["v1", "v1"]),
            "visits: 1 rows repeat a key (visit_id='v1'); there must be one row per visit. Remove the repeats",
        ),
        (
            visits(kind=["shop", "fair"]),
            "visits.kind: unknown values: 'fair' in 1 rows; must be one of ['shop', 'site']",
        ),
        (visits(pages=[-1, 5]), "visits.pages: values below 0: -1 in 1 rows; check unit and sign"),
        (visits(pages=[101, 5]), "visits.pages: values above 100: 101 in 1 rows"),
        (visits(share=[0.5, 80.0]), "visits.share: values above 1: 80.0 in 1 rows"),
        (visits(share=[0.5, np.inf]), "visits.share: infinite values: inf in 1 rows; give finite numbers or leave"),
        (visits(spend=[-0.01, 5.0]), "visits.spend: values below 0 CNY: Decimal('-0.01') in 1 rows"),
        (visits(spend=[np.inf, 5.0]), "visits.spend: infinite amounts or more than sixteen digits: inf in 1 rows"),
        (visits(spend=[1e17, 5.0]), "visits.spend: infinite amounts or more than sixteen digits: 1e+17 in 1 rows"),
        (visits(spend=[10**17, 5]), "visits.spend: not every value is money with two decimals"),
        (visits(spend=[Decimal("1.005"), Decimal(2)]), "visits.spend: not every value is money with two decimals"),
    ],
)
def test_bad_content_is_refused_in_one_sentence(frame: pd.DataFrame, sentence: str) -> None:
    assert refusal(frame).startswith(sentence)


def test_values_on_the_bounds_pass() -> None:
    assert check(visits(pages=[0, 100], share=[0.0, 1.0], spend=[0.0, 1.0]), VISITS)["pages"].tolist() == [0, 100]


def test_whole_numbers_with_gaps_arrive_as_floats_and_stay_whole() -> None:
    assert check_arrow(pa.Table.from_pandas(visits(pages=[7.0, np.nan])), VISITS)["pages"].to_pylist() == [7, None]


def test_categories_are_texts() -> None:
    assert check(visits(kind=pd.Categorical(["shop", "site"])), VISITS)["kind"].tolist() == ["shop", "site"]


class TestMoments:
    """Every moment is stored in UTC; what is not one moment for everybody is refused."""

    def test_another_zone_is_converted(self) -> None:
        local = pd.to_datetime(["2026-06-01 20:00", "2026-06-01 21:00"]).tz_localize("Asia/Shanghai")

        assert check(visits(at=local), VISITS)["at"].tolist() == [NOON, NOON + pd.Timedelta(hours=1)]

    def test_nanoseconds_are_cut_to_microseconds(self) -> None:
        fine = pd.to_datetime(["2026-06-01T12:00:00.123456789Z", "2026-06-01T13:00:00.000000001Z"])

        assert check(visits(at=fine), VISITS)["at"][0] == pd.Timestamp("2026-06-01T12:00:00.123456Z")

    def test_without_zone_is_refused(self) -> None:
        naive = pd.to_datetime(["2026-06-01 20:00", "2026-06-01 21:00"])

        assert refusal(visits(at=naive)) == (
            "visits.at: moments without time zone, such as 2026-06-01T20:00:00, 2026-06-01T21:00:00; "
            "say which zone they are in (tz_localize), then they are stored in UTC"
        )

    @pytest.mark.parametrize("second", [UTC, None])
    def test_several_zones_in_one_column_are_refused(self, second: timezone | None) -> None:
        mixed = pd.Series([datetime(2026, 6, 1, tzinfo=SHANGHAI), datetime(2026, 6, 1, tzinfo=second)], dtype=object)

        assert refusal(visits(at=mixed)).startswith("visits.at: moments of several time zones ['UTC")
        assert "bring all rows into one (tz_convert)" in refusal(visits(at=mixed))

    def test_the_end_of_the_data_is_exclusive(self) -> None:
        last = NOON + pd.Timedelta(hours=1)

        check(visits(), VISITS, last + pd.Timedelta(microseconds=1))
        assert refusal(visits(), last) == (
            "visits.at: moments at or after 2026-06-01 13:00 UTC: 2026-06-01T13:00:00Z in 1 rows; "
            "the data ends there; check clock, unit and time zone"
        )

    def test_the_end_may_be_given_in_any_zone(self) -> None:
        end = (NOON + pd.Timedelta(hours=1)).tz_convert("Asia/Shanghai")

        assert "at or after 2026-06-01 13:00 UTC" in refusal(visits(), end)

    def test_nothing_is_known_before_it_happened(self) -> None:
        early = [NOON, NOON]

        assert refusal(visits(ingested_at=early)).startswith("visits: 'at' lies after 'ingested_at': 2026-06-01T13:00")

    def test_seconds_read_as_days_show_as_a_wrong_unit(self) -> None:
        far = pd.Series(np.array([10**13, 0], dtype="datetime64[s]")).dt.tz_localize("UTC")
        later = pd.Series(np.array([10**12, 0], dtype="datetime64[s]")).dt.tz_localize("UTC")

        assert refusal(visits(at=far)).startswith("visits.at: moments out of range")
        assert refusal(visits(at=later)).startswith("visits.at: moments after the year 9999, such as 33658-")


class TestMoney:
    """Amounts are exact to the cent."""

    @given(st.lists(st.integers(-(10**14), 10**14), min_size=1, max_size=50))
    def test_cents_survive_the_way_through_floats(self, cents: list[int]) -> None:
        amounts = np.array(cents, dtype=np.float64) / 100

        assert [int(amount * 100) for amount in money(amounts).to_pylist()] == cents

    @given(st.lists(st.one_of(st.none(), st.integers(-(10**9), 10**9)), max_size=70))
    def test_nan_is_no_amount(self, cents: list[int | None]) -> None:
        amounts = np.array([np.nan if c is None else c / 100 for c in cents], dtype=np.float64)

        assert money(amounts).to_pylist() == [None if c is None else Decimal(c) / 100 for c in cents]

    def test_half_a_cent_goes_to_the_even_one(self) -> None:
        assert money(np.array([0.125, 0.375, -0.125])).to_pylist() == [
            Decimal("0.12"),
            Decimal("0.38"),
            Decimal("-0.12"),
        ]

    def test_whole_numbers_and_decimals_are_amounts_too(self) -> None:
        for amounts in ([3, 4], [Decimal("3.00"), Decimal("4.0")], np.array([3, 4], dtype=np.float32)):
            assert check_arrow(pa.Table.from_pandas(visits(spend=amounts)), VISITS)["spend"].to_pylist() == [3, 4]

    def test_the_largest_amount_fits(self) -> None:
        assert check(visits(spend=[Decimal("9999999999999999.99"), None]), VISITS)["spend"].notna().tolist() == [
            True,
            False,
        ]


class TestQuarantine:
    """Bad rows of an event stream are set aside with a reason; none is lost."""

    BAD = pa.Table.from_pandas(pd.DataFrame({
        "visit_id": ["v1", None, "v3", "v1", "v5", "v6", "v7", "v8"],
        "at": [NOON] * 4 + [NOON + pd.Timedelta(days=9)] + [NOON] * 3,
        "kind": ["shop", "shop", "fair", "site", "shop", "shop", None, None],
        "share": [0.1, 0.1, 0.1, 0.1, 0.1, np.inf, -1.0, 0.2],
    }), preserve_index=False)  # fmt: skip

    def test_every_bad_row_says_why(self) -> None:
        good, bad = split(self.BAD, VISITS, NOON + pd.Timedelta(days=1))

        assert good["visit_id"].to_pylist() == ["v1", "v8"]
        assert list(zip(bad["visit_id"].to_pylist(), bad["reason"].to_pylist(), strict=True)) == [
            (None, "visit_id missing"), ("v3", "kind unknown"), ("v1", "duplicate key"), ("v5", "future"),
            ("v6", "share infinite"), ("v7", "share below 0"),
        ]  # fmt: skip

    def test_a_good_row_is_not_the_repeat_of_a_bad_one(self) -> None:
        frame = visits(visit_id=["v1", "v1"], pages=[-5, 5])

        good, bad = split(pa.Table.from_pandas(frame), VISITS)

        assert good["pages"].to_pylist() == [5]
        assert bad["reason"].to_pylist() == ["pages below 0"]

    def test_a_wrong_shape_is_refused_as_a_whole(self) -> None:
        with pytest.raises(ContractError, match="column 'at' is missing"):
            split(self.BAD.drop_columns("at"), VISITS)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["a", "b", "c", "d", None]),
                st.sampled_from(["shop", "fair", None]),
                st.integers(-1, 2),
            ),
            max_size=30,
        ),
        st.integers(1, 5),
    )
    def test_good_and_bad_rows_are_all_rows_in_their_order(self, rows: list[tuple], chunk: int) -> None:
        ids, kinds, pages = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
        data = pa.table({
            "visit_id": pa.array(ids, pa.string()), "kind": pa.array(kinds, pa.string()),
            "pages": pa.array(pages, pa.int64()), "share": pa.array(np.arange(len(rows)) / 100),
            "at": pa.array([NOON] * len(rows), pa.timestamp("us", "UTC")),
        })  # fmt: skip
        chunked = pa.concat_tables([data.slice(i, chunk) for i in range(0, len(rows), chunk)] or [data])

        good, bad = split(chunked, VISITS)

        order = [round(share * 100) for part in (good, bad) for share in part["share"].to_pylist()]
        assert sorted(order) == list(range(len(rows)))
        assert good["share"].to_pylist() == sorted(good["share"].to_pylist())
        assert bad["share"].to_pylist() == sorted(bad["share"].to_pylist())
        assert bad["reason"].null_count == 0
        assert check_arrow(good, VISITS).num_rows == good.num_rows
        assert good.schema == VISITS.arrow
        kept = {i for i, k, p in rows if i is not None and k != "fair" and p >= 0}
        assert set(good["visit_id"].to_pylist()) == kept

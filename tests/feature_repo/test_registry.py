"""What Feast is told is what we declare; purposes bind; the catalogue is current."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import feature_repo
from feature_repo.definition import Feature, OnDemand, Request, Service, digest
from feature_repo.on_demand import LOAN_BURDEN, ON_DEMAND
from feature_repo.services import SERVICES
from feature_repo.views import STORED, VIEWS
from scenefit.contracts.errors import ContractError, PurposeError
from scenefit.contracts.tables import RAW

HERE = Path(feature_repo.__file__).parent
# by service: how many stored features it holds, and a digest of their names in order
HELD = {
    "segments_v1": (55, "e78e699e924e6a8f"),
    "segments_v2": (68, "9e7fb7aa84833750"),
    "offers_v1": (44, "d4f5ca1232041fbc"),
    "offers_v2": (57, "f82df025ab73cb19"),
    "default_v1": (55, "aee7a54727f83565"),
    "default_v2": (76, "1a5303b69df35d2c"),
    "serving_v1": (8, "522fbc25f8779a6f"),
    "live_v1": (6, "d1c244f318f340ca"),
    "recent_v1": (15, "bb87658d8ba224f0"),
    "affordability_v1": (3, "dcaa608023c96637"),
    "checkout_v1": (2, "cca44e78260e5549"),
    "labels_v1": (3, "5f6d7ee4022b5042"),
}


def test_feast_knows_every_definition_as_declared() -> None:
    from feast import FeatureService, FeatureView, OnDemandFeatureView
    from feast.labeling import LabelView

    from feature_repo.registry import OBJECTS

    def of(*kinds: type) -> dict[str, Any]:
        return {item.name: item for item in OBJECTS if isinstance(item, kinds)}

    views, labels, on_demand, services = of(FeatureView), of(LabelView), of(OnDemandFeatureView), of(FeatureService)
    assert (views | labels).keys() == VIEWS.keys()
    assert labels.keys() == {name for name, view in VIEWS.items() if view.label}
    assert on_demand.keys() == ON_DEMAND.keys()
    assert services.keys() == SERVICES.keys()
    for name, view in VIEWS.items():
        told = (views | labels)[name]
        assert [field.name for field in told.features] == view.names
        assert [column.name for column in told.entity_columns] == view.keys
        assert told.ttl == view.ttl
        assert told.online == view.online
        assert told.owner == view.owner
        assert told.tags == {"zh": view.zh, "cadence": view.cadence}
        assert not Path(told.batch_source.path).is_absolute()
        assert not getattr(told, "offline", False)
    for name, part in ON_DEMAND.items():
        read = {p.name: [f.name for f in p.features] for p in on_demand[name].source_feature_view_projections.values()}
        assert read == {source.name: source.names for source in part.sources}
        assert [field.name for field in on_demand[name].features] == part.names
        assert on_demand[name].mode == "python"
    for name, service in SERVICES.items():
        shown = [(p.name, [f.name for f in p.features]) for p in services[name].feature_view_projections]
        assert shown == [(part.name, part.names) for part in (*service.views, *service.on_demand)]


def test_a_stream_view_is_pushed_and_its_log_is_what_training_reads() -> None:
    from feast import FeatureView, PushSource

    from feature_repo.registry import OBJECTS

    streams = {item.name: item for item in OBJECTS if isinstance(item, FeatureView) and item.stream_source is not None}
    assert streams.keys() == {name for name, view in VIEWS.items() if view.stream} == {"customer_live"}
    assert isinstance(streams["customer_live"].stream_source, PushSource)
    assert streams["customer_live"].batch_source.path == "features/customer_live"
    assert not any(view.stream for view in STORED)


def test_a_version_of_a_service_never_changes_what_it_holds() -> None:
    """Models and past decisions know a service by its name: extend by a new version, then write its names here."""
    held = {name: (len(service.features), digest(*(f"{v.name}:{f.name}" for v in service.views for f in v.features)))
            for name, service in SERVICES.items()}  # fmt: skip
    assert held == HELD
    for name in ("segments", "offers", "default"):
        first, second = ({f.name for f in SERVICES[f"{name}_{version}"].features} for version in ("v1", "v2"))
        assert first < second


def test_every_source_column_is_in_the_contract_and_every_feature_is_said_in_both_languages() -> None:
    for view in (*VIEWS.values(), *ON_DEMAND.values()):
        assert len(set(view.names)) == len(view.names)
        for feature in view.features:
            assert feature.columns
            assert feature.en
            assert feature.zh
            for reference in feature.columns:
                table, column = reference.split(".")
                assert RAW[table].column(column)


def test_feature_names_differ_between_the_views_of_a_service() -> None:
    for service in SERVICES.values():
        names = [feature.name for part in (*service.views, *service.on_demand) for feature in part.features]
        names += service.request
        assert len(names) == len(set(names))


def test_a_bureau_feature_is_refused_in_marketing_when_the_service_is_declared() -> None:
    with pytest.raises(
        PurposeError, match=r"offers > customer_risk > bureau_score.*'bureau\.score'.*permit \['risk'\]"
    ):
        Service("offers", "marketing", (VIEWS["customer_risk"],), "", "")
    with pytest.raises(
        PurposeError, match=r"offers > device_daily > device_days.*'events\.device_id'.*not 'marketing'"
    ):
        Service("offers", "marketing", (VIEWS["device_daily"],), "", "")


def test_repayment_behaviour_is_for_risk_though_its_columns_permit_more() -> None:
    dues = [f for f in VIEWS["customer_risk"].features if any(c.startswith("repayments.") for c in f.columns)]
    assert len(dues) == 9
    assert all(feature.purposes == {"risk"} for feature in dues)
    with pytest.raises(PurposeError, match=r"offers > customer_risk > late_share_365d.*'repayments\.due_at'.*not"):
        Service("offers", "marketing", (VIEWS["customer_risk"].only("late_share_365d"),), "", "")


def test_an_on_demand_feature_permits_what_all_of_its_inputs_permit() -> None:
    assert LOAN_BURDEN.purposes == {"risk"}
    assert all(feature.purposes == {"risk"} for feature in LOAN_BURDEN.features)
    assert {"events.amount", "bureau.total_debt"} <= set(LOAN_BURDEN.features[0].columns)
    with pytest.raises(PurposeError, match=r"offers > loan_burden > loan_instalment.*total_debt.*not 'marketing'"):
        Service("offers", "marketing", (VIEWS["customer_serving"],), "", "", on_demand=(LOAN_BURDEN,))
    narrow = VIEWS["customer_serving"].only("accounts_open")
    with pytest.raises(ContractError, match=r"loan_burden: reads customer_serving > spend_90d, which .* does not hold"):
        Service("credit", "risk", (narrow,), "", "", on_demand=(LOAN_BURDEN,))


def test_an_on_demand_feature_declares_no_columns_of_its_own() -> None:
    output = Feature("x", "float", "", "", "", ("events.amount",))
    with pytest.raises(ContractError, match=r"on-demand fit > x: declares float of \['events\.amount'\]"):
        OnDemand("fit", (), (Request("price", "float", "", "", ""),), (output,), lambda given: given, "", "")


def test_labels_never_stand_beside_features() -> None:
    with pytest.raises(ContractError, match=r"mixed: \['customer_labels'\] are labels, the others are features"):
        Service("mixed", "marketing", (VIEWS["customer_serving"], VIEWS["customer_labels"]), "", "")


def test_a_bureau_feature_is_refused_in_marketing_when_feast_is_told() -> None:
    from feast import FeatureService

    from feature_repo.registry import OBJECTS, check_purposes, customer_risk, loan_burden

    check_purposes(OBJECTS)
    smuggled = FeatureService(
        name="offers_v3", features=[customer_risk[["applications_365d", "bureau_debt"]]], tags={"purpose": "marketing"}
    )
    with pytest.raises(PurposeError, match=r"offers_v3 > customer_risk > bureau_debt.*total_debt.*not 'marketing'"):
        check_purposes([*OBJECTS, smuggled])
    nameless = FeatureService(name="offers_v4", features=[customer_risk[["dues_365d"]]])
    with pytest.raises(PurposeError, match="not ''"):
        check_purposes([nameless])
    asked = FeatureService(name="offers_v5", features=[loan_burden], tags={"purpose": "marketing"})
    with pytest.raises(PurposeError, match=r"offers_v5 > loan_burden.*total_debt.*not 'marketing'"):
        check_purposes([*OBJECTS, asked])


def test_a_protected_feature_enters_no_service_of_feast_that_does_not_say_so() -> None:
    from feast import FeatureService

    from feature_repo.registry import check_purposes, customer_daily

    silent = FeatureService(name="audit_v1", features=[customer_daily[["age"]]], tags={"purpose": "marketing"})
    with pytest.raises(
        PurposeError, match=r"audit_v1 > customer_daily > age: rests on protected .*birth_year.*protected = true"
    ):
        check_purposes([silent])
    said = {"purpose": "marketing", "protected": "true"}
    check_purposes([FeatureService(name="audit_v1", features=[customer_daily[["age"]]], tags=said)])


def test_an_on_demand_view_that_claims_more_than_its_sources_permit_is_refused() -> None:
    from feast import FeatureService, Field, OnDemandFeatureView
    from feast.types import Float64

    from feature_repo.registry import check_purposes, customer_credit

    claims = OnDemandFeatureView(
        name="debt_twice", schema=[Field(name="twice", dtype=Float64)], sources=[customer_credit[["bureau_debt"]]],
        udf=lambda given: {"twice": [2 * debt for debt in given["bureau_debt"]]}, mode="python",
        tags={"purposes": "marketing,risk", "columns": "events.amount"},
    )  # fmt: skip
    smuggled = FeatureService(name="offers_v6", features=[claims], tags={"purpose": "marketing"})
    with pytest.raises(PurposeError, match=r"offers_v6 > debt_twice > customer_credit > bureau_debt.*not 'marketing'"):
        check_purposes([claims, smuggled])


def test_protected_attributes_enter_no_service_unless_asked_for() -> None:
    assert [f.name for v in VIEWS.values() for f in v.features if f.protected] == ["age"]
    assert all(not feature.protected for service in SERVICES.values() for feature in service.features)
    with pytest.raises(PurposeError, match=r"audit > customer_daily > age: .*'customers\.birth_year'"):
        Service("audit", "marketing", (VIEWS["customer_daily"],), "", "")
    assert Service("audit", "marketing", (VIEWS["customer_daily"].only("age"),), "", "", protected=True).features


def test_purposes_are_the_intersection_of_the_columns() -> None:
    both = Feature("x", "int", "", "", "", ("events.amount", "bureau.score"))
    assert both.purposes == {"risk"}
    assert Feature("x", "int", "", "", "", ("addresses.text",)).purposes == {"risk", "service"}
    assert Feature("x", "int", "", "", "", ("addresses.text",)).pii
    with pytest.raises(ContractError, match=r"'events\.price' is not in the contract"):
        _ = Feature("x", "int", "", "", "", ("events.price",)).purposes


def test_a_query_that_differs_from_its_declaration_is_refused(firm) -> None:
    from feature_repo import features
    from scenefit.runtime.store import connect, raw_views

    from .conftest import D

    view = VIEWS["merchant_daily"]
    wrong = dataclasses.replace(view, features=view.features[:-1])
    connection = connect()
    raw_views(connection, firm())
    features.stage(connection, D, D, "Asia/Shanghai", view.ttl)
    features.fix_moment(connection, D, "Asia/Shanghai")
    with pytest.raises(ContractError, match=r"differ in \['merchant_mean_ticket_365d'\]"):
        features.snapshot(connection, wrong, D)
    connection.close()


def test_feast_apply_would_import_the_registry_and_nothing_else() -> None:
    from feast.repo_operations import get_repo_files

    assert [file.name for file in get_repo_files(HERE)] == ["registry.py"]


def test_the_feature_catalogue_is_current() -> None:
    from feature_repo.document import feature_catalogue

    page = HERE.parent / "docs" / "features.md"
    assert page.read_text("utf8") == feature_catalogue(), "run python -m feature_repo.document > docs/features.md"


@pytest.mark.slow
def test_stock_feast_commands_work_in_the_folder_and_write_into_the_workspace(firm) -> None:
    from feature_repo import history, online

    from .conftest import D

    workspace = firm()
    history.build(workspace, [D])
    before = sorted(HERE.rglob("*"))
    feast = [str(Path(sys.executable).with_name("feast"))]
    environment = os.environ | {"SCENEFIT_WORKSPACE": str(workspace.root), "PYTHONDONTWRITEBYTECODE": "1"}
    for command in (["apply"], ["materialize", "2025-12-31T00:00:00", "2026-01-01T00:00:00", "-v", "customer_serving"]):
        done = subprocess.run(feast + command, cwd=HERE, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert sorted(HERE.rglob("*")) == before
    assert online.read(workspace, "ann", at=D)["purchases_90d"].value == 3
    del environment["SCENEFIT_WORKSPACE"]
    unset = subprocess.run([*feast, "apply"], cwd=HERE, env=environment, capture_output=True, text=True, check=False)
    assert "set the variable" in unset.stdout + unset.stderr
    assert sorted(HERE.rglob("*")) == before


def test_stored_views_have_their_query() -> None:
    assert {view.name for view in STORED} | {"staging", "known"} == {file.stem for file in (HERE / "sql").glob("*.sql")}

"""What Feast is told is what we declare; purposes bind; the catalogue is current."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

import feature_repo
from feature_repo.definition import Feature, Service
from feature_repo.services import SERVICES
from feature_repo.views import STORED, VIEWS
from scenefit.contracts.errors import ContractError, PurposeError
from scenefit.contracts.tables import RAW

HERE = Path(feature_repo.__file__).parent


def test_feast_knows_every_definition_as_declared() -> None:
    from feast import FeatureService, FeatureView

    from feature_repo.registry import OBJECTS

    views = {item.name: item for item in OBJECTS if isinstance(item, FeatureView)}
    services = {item.name: item for item in OBJECTS if isinstance(item, FeatureService)}
    assert views.keys() == VIEWS.keys()
    assert services.keys() == SERVICES.keys()
    for name, view in VIEWS.items():
        assert [field.name for field in views[name].features] == view.names
        assert [column.name for column in views[name].entity_columns] == view.keys
        assert views[name].ttl == view.ttl
        assert not Path(views[name].batch_source.path).is_absolute()
        assert not views[name].offline
    for name, service in SERVICES.items():
        shown = [(p.name, [f.name for f in p.features]) for p in services[name].feature_view_projections]
        assert shown == [(view.name, view.names) for view in service.views]


def test_every_source_column_is_in_the_contract_and_every_feature_is_said_in_both_languages() -> None:
    for view in VIEWS.values():
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
        names = [feature.name for feature in service.features]
        assert len(names) == len(set(names))


def test_a_bureau_feature_is_refused_in_marketing_when_the_service_is_declared() -> None:
    with pytest.raises(
        PurposeError, match=r"offers > customer_risk > bureau_score.*'bureau\.score'.*permit \['risk'\]"
    ):
        Service("offers", "marketing", (VIEWS["customer_risk"],), "", "")


def test_a_bureau_feature_is_refused_in_marketing_when_feast_is_told() -> None:
    from feast import FeatureService

    from feature_repo.registry import OBJECTS, check_purposes, customer_risk

    check_purposes(OBJECTS)
    smuggled = FeatureService(
        name="offers_v2", features=[customer_risk[["dues_365d", "bureau_debt"]]], tags={"purpose": "marketing"}
    )
    with pytest.raises(PurposeError, match=r"offers_v2 > customer_risk > bureau_debt.*total_debt.*not 'marketing'"):
        check_purposes([*OBJECTS, smuggled])
    nameless = FeatureService(name="offers_v3", features=[customer_risk[["dues_365d"]]])
    with pytest.raises(PurposeError, match="not ''"):
        check_purposes([nameless])


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

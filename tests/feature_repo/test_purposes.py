"""One rule at five doors: service, apply, training, rule and export refuse exactly what a source column forbids."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo import export, history
from feature_repo.definition import Feature, OnDemand, Service, View
from feature_repo.on_demand import ON_DEMAND
from feature_repo.purposes import feature_purposes, feature_sources, require_export, require_service
from feature_repo.services import SERVICES
from feature_repo.views import VIEWS
from feature_repo.views_customer import CUSTOMER_DAILY
from scenefit.contracts.errors import PurposeError, SettingsError, StoreError
from scenefit.contracts.schema import ANY_PURPOSE
from scenefit.contracts.tables import RAW
from segmentation.rules import And, Compare, Rule

from .conftest import D

# a service holds either labels or features
DECLARED = {
    f"{view.name}:{feature.name}": (view, feature)
    for view in VIEWS.values()
    if not view.label
    for feature in view.features
    if not feature.protected
}
PURPOSES = sorted(ANY_PURPOSE)
SOME = st.lists(st.sampled_from(sorted(DECLARED)), min_size=1, max_size=6, unique=True)


def forbidding(feature: Feature, purpose: str) -> list[str]:
    """Source columns that do not permit the purpose, straight from the contract."""
    split = (reference.split(".") for reference in feature.columns)
    return [f"{table}.{name}" for table, name in split if purpose not in RAW[table].column(name).purposes]


def refused(feature: Feature, purpose: str) -> bool:
    """Whether a source column forbids it, or the feature is declared for less than its columns permit."""
    return bool(forbidding(feature, purpose)) or (feature.only_for is not None and purpose not in feature.only_for)


def narrowed_views(chosen: list[str]) -> tuple[View, ...]:
    pairs = [DECLARED[name] for name in chosen]
    names = dict.fromkeys(view.name for view, _ in pairs)
    return tuple(VIEWS[name].only(*(f.name for v, f in pairs if v.name == name)) for name in names)


def outcome(door: Callable[[], object]) -> str:
    """What the door says when it refuses; empty when it lets through."""
    try:
        door()
    except PurposeError as error:
        return str(error)
    return ""


def feast_apply(views: tuple[View, ...], purpose: str) -> None:
    import feast

    from feature_repo import registry

    known = {item.name: item for item in registry.OBJECTS if isinstance(item, feast.FeatureView)}
    chosen = [known[view.name][view.names] for view in views]
    registry.check_purposes([feast.FeatureService(name="probe", features=chosen, tags={"purpose": purpose})])


@settings(max_examples=150, deadline=None)
@given(SOME, st.sampled_from(PURPOSES))
def test_every_door_refuses_exactly_what_a_source_column_forbids(chosen, purpose):
    views = narrowed_views(chosen)
    bad = [(view, feature) for view in views for feature in view.features if refused(feature, purpose)]
    said = {
        "service": outcome(lambda: Service("probe", purpose, views, "", "")),
        "apply": outcome(lambda: feast_apply(views, purpose)),
    }
    for door, message in said.items():
        assert bool(message) == bool(bad), door
    # training asks a service that was declared for a purpose which all its features permit
    common = frozenset.intersection(*(feature.purposes for view in views for feature in view.features))
    if common:
        service = Service("probe", min(common), views, "", "")
        said["training"] = outcome(lambda: require_service(service, purpose))
        assert bool(said["training"]) == bool(bad)
    for door, message in said.items():
        if message:
            view, feature = bad[0]
            assert f"probe > {view.name} > {feature.name}" in message, door
            assert all(f"'{column}'" in message for column in forbidding(feature, purpose)), door


@settings(max_examples=100, deadline=None)
@given(SOME, st.sampled_from(PURPOSES))
def test_a_rule_is_refused_exactly_when_it_reads_a_forbidden_column(chosen, purpose):
    pairs = [DECLARED[name] for name in chosen]
    rule = Rule(where=And(of=tuple(Compare(column=feature.name, op="==", value=1) for _, feature in pairs)))
    views = [view for view, _ in pairs]
    message = outcome(lambda: rule.require(purpose, feature_purposes(views), feature_sources(views)))
    named = set(rule.columns)
    bad = {f.name for view in views for f in view.features if f.name in named and refused(f, purpose)}
    assert bool(message) == bool(bad)
    if message:
        first = next(name for name in rule.columns if name in bad)
        assert message.startswith(f"rule > {first}: made of ")


@settings(max_examples=100, deadline=None)
@given(SOME, st.sampled_from(PURPOSES))
def test_an_export_is_refused_for_forbidden_columns_and_for_personal_identifiers(chosen, purpose):
    views = narrowed_views(chosen)
    names = [f"{view.name}:{feature.name}" for view in views for feature in view.features]
    message = outcome(lambda: require_export(names, purpose, views))
    bad = [
        (view, feature)
        for view in views
        for feature in view.features
        if refused(feature, purpose) or (feature.pii and purpose != "service")
    ]
    assert bool(message) == bool(bad)
    if message:
        assert message.startswith(f"export > {bad[0][0].name} > {bad[0][1].name}: made of ")


def test_every_feature_is_known_by_its_name_and_within_its_view():
    known = feature_purposes()
    assert known["bureau_debt"] == known["customer_risk:bureau_debt"] == {"risk"}
    assert known["spend_28d"] == known["customer_daily:spend_28d"] == ANY_PURPOSE
    assert feature_sources()["bureau_debt"] == ("bureau.at", "bureau.total_debt")
    assert {name for name in known if ":" not in name} >= {f.name for view in VIEWS.values() for f in view.features}
    assert all(known[f"{part.name}:{f.name}"] == f.purposes for part in ON_DEMAND.values() for f in part.features)


def test_a_name_of_several_views_permits_what_all_of_them_permit():
    open_one = View("a", "a", (), (Feature("x", "int", "", "", "", ("events.amount",)),), D - D, "day", "", "")
    closed = View("b", "b", (), (Feature("x", "int", "", "", "", ("bureau.score",)),), D - D, "day", "", "")
    known = feature_purposes([open_one, closed])
    assert (known["x"], known["a:x"], known["b:x"]) == ({"risk"}, ANY_PURPOSE, {"risk"})
    assert feature_sources([open_one, closed])["x"] == ("events.amount", "bureau.score")


def test_what_is_computed_on_demand_permits_what_its_inputs_permit():
    inputs = (VIEWS["customer_daily"].only("spend_90d"), VIEWS["customer_risk"].only("bureau_debt"))
    burden = OnDemand("burden", inputs, (), (Feature("debt_share", "float", "1", "", "", ()),), dict, "", "")
    service = Service("burden_v1", "risk", inputs, "", "", on_demand=(burden,))
    require_service(service, "risk")
    with pytest.raises(PurposeError, match="burden_v1 > customer_risk > bureau_debt"):
        require_service(service, "marketing")
    require_export(["debt_share", "burden:debt_share"], "risk", [burden])
    with pytest.raises(PurposeError, match=r"export > burden > debt_share: made of \['bureau\.total_debt'\]"):
        require_export(["debt_share"], "marketing", [burden])


def test_training_for_marketing_may_not_read_a_service_of_risk(firm):
    workspace = firm()
    history.build(workspace, [D], views=["customer_daily", "customer_scene", "customer_risk"])
    with pytest.raises(PurposeError, match=r"service default_v1 > customer_risk > bureau_score: .*'bureau\.score'"):
        require_service("default_v1", "marketing")
    with pytest.raises(PurposeError, match="default_v1 > customer_risk > bureau_score"):
        history.as_of(D, "default_v1", workspace, purpose="marketing")
    asked = pd.DataFrame({"customer_id": ["ann"], "event_timestamp": [D]})
    with pytest.raises(PurposeError, match=r"default_v1 > customer_risk > bureau_score: .*bureau\.score"):
        history.training_frame(asked, "default_v1", workspace, purpose="marketing")
    assert len(history.training_frame(asked, "default_v1", workspace, purpose="risk")) == 1
    require_service("offers_v1", "risk")
    with pytest.raises(SettingsError, match=r"feature service 'offers' is unknown; choose one of"):
        require_service("offers", "risk")


def test_keys_and_moments_go_along_and_unknown_columns_do_not():
    require_export(["customer_id", "scene_id", "event_timestamp", "created", "spend_28d"], "marketing")
    for name in ("phone", "customer_daily:bureau_debt", "nothing"):
        with pytest.raises(PurposeError, match=rf"export > {name}: what it may be used for is not known"):
            require_export([name], "service")
    with pytest.raises(PurposeError, match="the purpose is not 'sales'"):
        require_export(["event_timestamp"], "sales")


def test_personal_identifiers_leave_for_service_alone():
    text = Feature("address", "str", "", "", "", ("addresses.text",))
    view = View("post", "post", (), (text,), D - D, "day", "", "")
    require_export(["address"], "service", [view])
    with pytest.raises(PurposeError, match=r"personal identifiers \['addresses.text'\].*not 'risk'; leave it out"):
        require_export(["address"], "risk", [view])


def test_an_export_says_what_it_is_and_repeats_to_the_byte(firm, tmp_path):
    workspace = firm()
    history.build(workspace, [D], views=["customer_daily", "customer_scene", "customer_risk"])
    target = tmp_path / "out" / "offers.parquet"
    receipt = export.export(workspace, "offers_v1", D, "marketing", target)
    assert receipt[:4] == ("offers_v1", "marketing", "2026-01-01T00:00:00+00:00", 2)
    assert receipt.columns == tuple(feature.name for feature in SERVICES["offers_v1"].features)
    assert receipt.fingerprint == workspace.dataset().fingerprint
    assert receipt.synthetic
    assert export.receipt_of(target) == receipt
    again = tmp_path / "again.parquet"
    assert export.export(workspace, "offers_v1", D, "marketing", again) == receipt
    assert again.read_bytes() == target.read_bytes()
    assert [file.name for file in target.parent.iterdir()] == ["offers.parquet"]
    other = export.export(workspace, "offers_v1", D, "risk", again, overwrite=True)
    assert (other.purpose, other.sha256) == ("risk", receipt.sha256)


def test_the_exported_file_is_the_audience_as_of_the_moment(firm, tmp_path):
    import pandas as pd

    workspace = firm()
    history.build(workspace, [D], views=["customer_daily", "customer_scene", "customer_risk"])
    export.export(workspace, "segments_v1", D, "marketing", tmp_path / "a.parquet")
    found = pd.read_parquet(tmp_path / "a.parquet", dtype_backend="numpy_nullable")
    known = history.as_of(D, "segments_v1", workspace)
    pd.testing.assert_frame_equal(found, known.convert_dtypes(), check_dtype=False)


def test_an_export_is_refused_before_anything_is_written(firm, tmp_path):
    workspace = firm()
    history.build(workspace, [D], views=["customer_daily", "customer_scene", "customer_risk"])
    target = tmp_path / "risk.parquet"
    with pytest.raises(PurposeError, match="default_v1 > customer_risk > bureau_score"):
        export.export(workspace, "default_v1", D, "marketing", target)
    with pytest.raises(SettingsError, match="'offers' is unknown"):
        export.export(workspace, "offers", D, "marketing", target)
    with pytest.raises(StoreError, match="no snapshot"):
        export.export(workspace, "offers_v1", D - CUSTOMER_DAILY.ttl, "marketing", target)
    assert not target.exists()
    target.write_text("mine")
    with pytest.raises(StoreError, match=r"risk\.parquet: exists already; choose another name"):
        export.export(workspace, "default_v1", D, "risk", target)
    assert target.read_text() == "mine"
    with pytest.raises(StoreError, match="is a folder; name the file"):
        export.export(workspace, "default_v1", D, "risk", tmp_path)


def test_a_changed_export_no_longer_matches_its_receipt(firm, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    workspace = firm()
    history.build(workspace, [D], views=["customer_daily", "customer_scene", "customer_risk"])
    target: Path = tmp_path / "offers.parquet"
    export.export(workspace, "offers_v1", D, "marketing", target)
    data = pq.read_table(target)
    place = data.column_names.index("spend_90d")
    pq.write_table(data.set_column(place, "spend_90d", pa.array([1e6, 1e6])), target)
    with pytest.raises(StoreError, match="the content is not what was exported"):
        export.receipt_of(target)
    pq.write_table(data.replace_schema_metadata(None), target)
    with pytest.raises(StoreError, match="carries no receipt"):
        export.receipt_of(target)
    target.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match="not a whole Parquet file"):
        export.receipt_of(target)


def test_the_content_digest_sees_values_gaps_and_borders_of_texts_but_no_storage():
    import pyarrow as pa

    def digest(values, kind=None):
        return export.content_digest(pa.table({"x": pa.array(values, kind)}))

    assert len({digest(["ab", "c"]), digest(["a", "bc"]), digest(["abc", None]), digest(["abc", ""]),
                digest([1.0, 0.0]), digest([1.0, None]), digest([1, 0])}) == 7  # fmt: skip
    parts = pa.table({"x": pa.chunked_array([["a"], [None, "西安"]])})
    assert export.content_digest(parts) == digest(["a", None, "西安"])
    assert export.content_digest(parts.slice(1)) == digest([None, "西安"])
    assert export.content_digest(pa.table({"x": pa.array([], pa.string())})) != digest([""])

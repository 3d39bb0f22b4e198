"""Everything Feast knows of this repository: the plain definitions as Feast objects.

`feast apply` imports this file, and only this file (.feastignore), as a top-level module; every object it finds by
name at the top level is registered. Source paths are relative to the store's `root`, so that a registry holds no
path of a machine.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from typing import Any

with warnings.catch_warnings():
    # third-party warnings at import are not the reader's to act on
    warnings.simplefilter("ignore")
    import feast
    from feast import types
    from feast.data_format import ParquetFormat
    from feast.labeling import LabelView
    from feast.value_type import ValueType

from feature_repo.definition import CREATED, EVENT_TIME, Entity, Feature, OnDemand, Service, View
from feature_repo.entities import CAMPAIGN, CUSTOMER, DEVICE, MERCHANT, PRODUCT, SCENE
from feature_repo.labels import CUSTOMER_LABELS
from feature_repo.on_demand import LOAN_BURDEN, PRICE_FIT
from feature_repo.services import SERVICES
from feature_repo.views_customer import CUSTOMER_DAILY, CUSTOMER_SERVING
from feature_repo.views_device import DEVICE_DAILY
from feature_repo.views_live import CUSTOMER_LIVE
from feature_repo.views_recent import CUSTOMER_RECENT
from feature_repo.views_risk import CUSTOMER_CREDIT, CUSTOMER_RISK
from feature_repo.views_scene import CUSTOMER_SCENE, SCENE_DAILY
from feature_repo.views_supply import CAMPAIGN_DAILY, MERCHANT_DAILY, PRODUCT_DAILY
from scenefit.contracts.errors import PurposeError
from scenefit.contracts.purposes import require

FEAST_TYPES = {"int": types.Int64, "float": types.Float64, "bool": types.Bool, "str": types.String}


def feast_entity(entity: Entity) -> feast.Entity:
    """The entity for Feast."""
    return feast.Entity(
        name=entity.name,
        join_keys=[entity.key],
        value_type=ValueType.STRING,
        description=entity.en,
        tags={"zh": entity.zh},
    )


def feast_source(view: View) -> feast.FileSource:
    """The folder of snapshots, relative to the store's root; a stream's log may hold a key and event time twice."""
    once = {} if view.stream else {"unique_rows": "true"}
    return feast.FileSource(
        name=view.source,
        path=f"features/{view.source}",
        file_format=ParquetFormat(),
        timestamp_field=EVENT_TIME,
        created_timestamp_column=CREATED,
        description=view.en,
        tags=once | {"partitioned_by": "dt"},
        owner=view.owner,
    )


def feast_push(view: View, log: feast.FileSource) -> feast.PushSource:
    """What a stream view is pushed through; its log of files is what training reads."""
    return feast.PushSource(name=f"{view.name}_push", batch_source=log, description=view.en, owner=view.owner)


def feast_view(
    view: View, source: feast.FileSource | feast.PushSource, entities: list[feast.Entity]
) -> feast.FeatureView:
    """The view for Feast, each feature with its inherited purposes."""
    return feast.FeatureView(
        name=view.name,
        entities=entities,
        ttl=view.ttl,
        schema=_schema(view),
        source=source,
        online=view.online,
        description=view.en,
        tags=_tags(view),
        owner=view.owner,
    )


def feast_labels(view: View, source: feast.FileSource, entities: list[feast.Entity]) -> LabelView:
    """The labels for Feast: read in training, never materialised or served."""
    return LabelView(
        name=view.name,
        entities=entities,
        ttl=view.ttl,
        schema=_schema(view),
        source=source,
        online=False,
        description=view.en,
        tags=_tags(view),
        owner=view.owner,
    )


def feast_request(part: OnDemand) -> feast.RequestSource:
    """What the caller brings along."""
    return feast.RequestSource(
        name=f"{part.name}_request",
        schema=[feast.Field(name=r.name, dtype=FEAST_TYPES[r.kind], description=r.en) for r in part.request],
        description=part.en,
        owner=part.owner,
    )


def feast_on_demand(
    part: OnDemand, views: list[feast.FeatureView], request: feast.RequestSource
) -> feast.OnDemandFeatureView:
    """The on-demand features for Feast, reading only the features they are made of.

    Their columns and purposes are tags of the view: Feast compares declared outputs with what it infers, tags and all.
    """
    first = part.features[0]
    return feast.OnDemandFeatureView(
        name=part.name,
        schema=[feast.Field(name=output.name, dtype=FEAST_TYPES[output.kind]) for output in part.outputs],
        sources=[*(view[source.names] for view, source in zip(views, part.sources, strict=True)), request],
        udf=part.compute,  # type: ignore[arg-type]
        udf_string=inspect.getsource(part.compute),
        mode="python",
        description=part.en,
        tags=_meaning(first) | {"zh": part.zh, "cadence": part.cadence},
        owner=part.owner,
    )


def feast_service(service: Service, views: Sequence[Any], on_demand: Sequence[Any] = ()) -> feast.FeatureService:
    """The service for Feast."""
    narrowed = [view[part.names] for view, part in zip(views, service.views, strict=True)]
    return feast.FeatureService(
        name=service.name,
        features=[*narrowed, *on_demand],
        description=service.en,
        tags={"zh": service.zh, "purpose": service.purpose, "protected": str(service.protected).lower()},
        owner=service.views[0].owner,
    )


def check_purposes(objects: list[Any]) -> None:
    """Refuse services that would use a feature, a label or an on-demand feature outside its permitted purposes.

    On-demand features permit what their sources among the objects permit, whatever their own tags say.

    Raises
    ------
    PurposeError : names service, view, feature and the raw columns that forbid it.
    """
    on_demand = {item.name: item for item in objects if isinstance(item, feast.OnDemandFeatureView)}
    for service in (item for item in objects if isinstance(item, feast.FeatureService)):
        purpose = service.tags.get("purpose", "")
        for projection in service.feature_view_projections:
            path = f"service {service.name} > {projection.name}"
            for field in projection.features if projection.name not in on_demand else []:
                _require(f"{path} > {field.name}", purpose, field.tags)
                if field.tags.get("protected") == "true" and service.tags.get("protected") != "true":
                    raise PurposeError(
                        f"{path} > {field.name}: rests on protected columns, among {field.tags.get('columns')}; "
                        "leave it out, or declare the service with protected = true"
                    )
            if projection.name in on_demand:
                _require(path, purpose, on_demand[projection.name].tags)
                for source in on_demand[projection.name].source_feature_view_projections.values():
                    for field in source.features:
                        _require(f"{path} > {source.name} > {field.name}", purpose, field.tags)


def _require(path: str, purpose: str, tags: dict[str, str]) -> None:
    columns = [column for column in tags.get("columns", "").split(",") if column]
    require(path, purpose, tags.get("purposes", "").split(","), columns)


def _schema(view: View) -> list[feast.Field]:
    keys = [feast.Field(name=key, dtype=types.String) for key in view.keys]
    return keys + [_field(feature) for feature in view.features]


def _tags(view: View) -> dict[str, str]:
    return {"zh": view.zh, "cadence": view.cadence}


def _field(feature: Feature) -> feast.Field:
    return feast.Field(
        name=feature.name,
        dtype=FEAST_TYPES[feature.kind],
        description=feature.en,
        tags={"zh": feature.zh, "unit": feature.unit, **_meaning(feature)},
    )


def _meaning(feature: Feature) -> dict[str, str]:
    """What a feature is made of, and what that permits."""
    return {
        "columns": ",".join(feature.columns),
        "purposes": ",".join(sorted(feature.purposes)),
        "protected": str(feature.protected).lower(),
        "pii": str(feature.pii).lower(),
    }


customer = feast_entity(CUSTOMER)
scene = feast_entity(SCENE)
merchant = feast_entity(MERCHANT)
product = feast_entity(PRODUCT)
campaign = feast_entity(CAMPAIGN)
device = feast_entity(DEVICE)

customer_source = feast_source(CUSTOMER_DAILY)
customer_scene_source = feast_source(CUSTOMER_SCENE)
customer_risk_source = feast_source(CUSTOMER_RISK)
customer_recent_source = feast_source(CUSTOMER_RECENT)
customer_live_source = feast_source(CUSTOMER_LIVE)
customer_live_push = feast_push(CUSTOMER_LIVE, customer_live_source)
customer_labels_source = feast_source(CUSTOMER_LABELS)
scene_source = feast_source(SCENE_DAILY)
merchant_source = feast_source(MERCHANT_DAILY)
product_source = feast_source(PRODUCT_DAILY)
campaign_source = feast_source(CAMPAIGN_DAILY)
device_source = feast_source(DEVICE_DAILY)
loan_burden_request = feast_request(LOAN_BURDEN)
price_fit_request = feast_request(PRICE_FIT)

customer_daily = feast_view(CUSTOMER_DAILY, customer_source, [customer])
customer_serving = feast_view(CUSTOMER_SERVING, customer_source, [customer])
customer_scene = feast_view(CUSTOMER_SCENE, customer_scene_source, [customer, scene])
customer_risk = feast_view(CUSTOMER_RISK, customer_risk_source, [customer])
customer_credit = feast_view(CUSTOMER_CREDIT, customer_risk_source, [customer])
customer_recent = feast_view(CUSTOMER_RECENT, customer_recent_source, [customer])
customer_live = feast_view(CUSTOMER_LIVE, customer_live_push, [customer])
customer_labels = feast_labels(CUSTOMER_LABELS, customer_labels_source, [customer])
scene_daily = feast_view(SCENE_DAILY, scene_source, [scene])
merchant_daily = feast_view(MERCHANT_DAILY, merchant_source, [merchant])
product_daily = feast_view(PRODUCT_DAILY, product_source, [product])
campaign_daily = feast_view(CAMPAIGN_DAILY, campaign_source, [campaign])
device_daily = feast_view(DEVICE_DAILY, device_source, [device])
loan_burden = feast_on_demand(LOAN_BURDEN, [customer_serving, customer_credit], loan_burden_request)
price_fit = feast_on_demand(PRICE_FIT, [customer_serving], price_fit_request)

segments_v1 = feast_service(SERVICES["segments_v1"], [customer_daily, customer_scene])
segments_v2 = feast_service(SERVICES["segments_v2"], [customer_daily, customer_scene])
offers_v1 = feast_service(SERVICES["offers_v1"], [customer_daily])
offers_v2 = feast_service(SERVICES["offers_v2"], [customer_daily])
default_v1 = feast_service(SERVICES["default_v1"], [customer_daily, customer_risk])
default_v2 = feast_service(SERVICES["default_v2"], [customer_daily, customer_risk])
serving_v1 = feast_service(SERVICES["serving_v1"], [customer_serving])
live_v1 = feast_service(SERVICES["live_v1"], [customer_live])
recent_v1 = feast_service(SERVICES["recent_v1"], [customer_recent])
affordability_v1 = feast_service(SERVICES["affordability_v1"], [customer_serving, customer_credit], [loan_burden])
checkout_v1 = feast_service(SERVICES["checkout_v1"], [customer_serving], [price_fit])
labels_v1 = feast_service(SERVICES["labels_v1"], [customer_labels])

OBJECTS = [
    customer, scene, merchant, product, campaign, device,
    customer_source, customer_scene_source, customer_risk_source, customer_recent_source, customer_live_source,
    customer_live_push, customer_labels_source, scene_source, merchant_source, product_source, campaign_source,
    device_source, loan_burden_request, price_fit_request,
    customer_daily, customer_serving, customer_scene, customer_risk, customer_credit, customer_recent, customer_live,
    customer_labels, scene_daily, merchant_daily, product_daily, campaign_daily, device_daily, loan_burden, price_fit,
    segments_v1, segments_v2, offers_v1, offers_v2, default_v1, default_v2, serving_v1, live_v1, recent_v1,
    affordability_v1, checkout_v1, labels_v1,
]  # fmt: skip
check_purposes(OBJECTS)

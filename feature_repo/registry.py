"""Everything Feast knows of this repository: the plain definitions as Feast objects.

`feast apply` imports this file, and only this file (.feastignore), as a top-level module; every object it finds by
name at the top level is registered. Source paths are relative to the store's `root`, so that a registry holds no
path of a machine.
"""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    # third-party warnings at import are not the reader's to act on
    warnings.simplefilter("ignore")
    import feast
    from feast import types
    from feast.data_format import ParquetFormat
    from feast.value_type import ValueType

from feature_repo.definition import CREATED, EVENT_TIME, Entity, Feature, Service, View, require_purpose
from feature_repo.entities import CUSTOMER, MERCHANT, PRODUCT, SCENE
from feature_repo.services import SERVICES
from feature_repo.views_customer import CUSTOMER_DAILY, CUSTOMER_SERVING
from feature_repo.views_risk import CUSTOMER_RISK
from feature_repo.views_scene import CUSTOMER_SCENE
from feature_repo.views_supply import MERCHANT_DAILY, PRODUCT_DAILY

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
    """The folder of snapshots, relative to the store's root."""
    return feast.FileSource(
        name=view.source,
        path=f"features/{view.source}",
        file_format=ParquetFormat(),
        timestamp_field=EVENT_TIME,
        created_timestamp_column=CREATED,
        description=view.en,
        tags={"unique_rows": "true", "partitioned_by": "dt"},
        owner=view.owner,
    )


def feast_view(view: View, source: feast.FileSource, entities: list[feast.Entity]) -> feast.FeatureView:
    """The view for Feast, each feature with its inherited purposes."""
    keys = [feast.Field(name=key, dtype=types.String) for key in view.keys]
    return feast.FeatureView(
        name=view.name,
        entities=entities,
        ttl=view.ttl,
        schema=keys + [_field(feature) for feature in view.features],
        source=source,
        online=view.online,
        description=view.en,
        tags={"zh": view.zh, "cadence": view.cadence},
        owner=view.owner,
    )


def feast_service(service: Service, views: list[feast.FeatureView]) -> feast.FeatureService:
    """The service for Feast."""
    return feast.FeatureService(
        name=service.name,
        features=[view[part.names] for view, part in zip(views, service.views, strict=True)],
        description=service.en,
        tags={"zh": service.zh, "purpose": service.purpose, "protected": str(service.protected).lower()},
        owner=service.views[0].owner,
    )


def check_purposes(objects: list[Any]) -> None:
    """Refuse services that would use a feature outside its permitted purposes.

    Raises
    ------
    PurposeError : names service, view, feature and the raw columns that forbid it.
    """
    for service in (item for item in objects if isinstance(item, feast.FeatureService)):
        for projection in service.feature_view_projections:
            for field in projection.features:
                require_purpose(
                    f"{service.name} > {projection.name}",
                    service.tags.get("purpose", ""),
                    field.name,
                    frozenset(field.tags.get("purposes", "").split(",")),
                    tuple(field.tags.get("columns", "").split(",")),
                )


def _field(feature: Feature) -> feast.Field:
    return feast.Field(
        name=feature.name,
        dtype=FEAST_TYPES[feature.kind],
        description=feature.en,
        tags={
            "zh": feature.zh,
            "unit": feature.unit,
            "columns": ",".join(feature.columns),
            "purposes": ",".join(sorted(feature.purposes)),
            "protected": str(feature.protected).lower(),
            "pii": str(feature.pii).lower(),
        },
    )


customer = feast_entity(CUSTOMER)
scene = feast_entity(SCENE)
merchant = feast_entity(MERCHANT)
product = feast_entity(PRODUCT)

customer_source = feast_source(CUSTOMER_DAILY)
customer_scene_source = feast_source(CUSTOMER_SCENE)
customer_risk_source = feast_source(CUSTOMER_RISK)
merchant_source = feast_source(MERCHANT_DAILY)
product_source = feast_source(PRODUCT_DAILY)

customer_daily = feast_view(CUSTOMER_DAILY, customer_source, [customer])
customer_serving = feast_view(CUSTOMER_SERVING, customer_source, [customer])
customer_scene = feast_view(CUSTOMER_SCENE, customer_scene_source, [customer, scene])
customer_risk = feast_view(CUSTOMER_RISK, customer_risk_source, [customer])
merchant_daily = feast_view(MERCHANT_DAILY, merchant_source, [merchant])
product_daily = feast_view(PRODUCT_DAILY, product_source, [product])

segments_v1 = feast_service(SERVICES["segments_v1"], [customer_daily, customer_scene])
offers_v1 = feast_service(SERVICES["offers_v1"], [customer_daily])
default_v1 = feast_service(SERVICES["default_v1"], [customer_daily, customer_risk])
serving_v1 = feast_service(SERVICES["serving_v1"], [customer_serving])

OBJECTS = [
    customer, scene, merchant, product,
    customer_source, customer_scene_source, customer_risk_source, merchant_source, product_source,
    customer_daily, customer_serving, customer_scene, customer_risk, merchant_daily, product_daily,
    segments_v1, offers_v1, default_v1, serving_v1,
]  # fmt: skip
check_purposes(OBJECTS)

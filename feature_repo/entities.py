"""Whom and what features describe."""

from feature_repo.definition import Entity

CUSTOMER = Entity("customer", "customer_id", "A person: customer, lead or visitor", "个人：客户、线索或访客")
SCENE = Entity("scene", "scene_id", "A vertical scene of the top level", "顶层垂直场景")
MERCHANT = Entity("merchant", "merchant_id", "A merchant", "商户")
PRODUCT = Entity("product", "product_id", "A product offered", "产品")
CAMPAIGN = Entity("campaign", "campaign_id", "A marketing campaign", "营销活动")
DEVICE = Entity("device", "device_id", "A device that people use, such as a phone", "设备（如手机）")

ENTITIES = (CUSTOMER, SCENE, MERCHANT, PRODUCT, CAMPAIGN, DEVICE)

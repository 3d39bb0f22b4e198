"""Every view by name, and those that have files of their own."""

from feature_repo.labels import CUSTOMER_LABELS
from feature_repo.views_customer import CUSTOMER_DAILY, CUSTOMER_SERVING
from feature_repo.views_device import DEVICE_DAILY
from feature_repo.views_live import CUSTOMER_LIVE
from feature_repo.views_recent import CUSTOMER_RECENT
from feature_repo.views_risk import CUSTOMER_CREDIT, CUSTOMER_RISK
from feature_repo.views_scene import CUSTOMER_SCENE, SCENE_DAILY
from feature_repo.views_supply import CAMPAIGN_DAILY, MERCHANT_DAILY, PRODUCT_DAILY

VIEWS = {
    view.name: view
    for view in (
        CUSTOMER_DAILY, CUSTOMER_SCENE, CUSTOMER_RISK, CUSTOMER_RECENT, CUSTOMER_LIVE, SCENE_DAILY, MERCHANT_DAILY,
        PRODUCT_DAILY, CAMPAIGN_DAILY, DEVICE_DAILY, CUSTOMER_LABELS, CUSTOMER_SERVING, CUSTOMER_CREDIT,
    )
}  # fmt: skip
# snapshots that a query makes; a stream has a log instead, a narrow view reads a wide one's files
STORED = tuple(view for view in VIEWS.values() if view.name == view.source and not view.stream)

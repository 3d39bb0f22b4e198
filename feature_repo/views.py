"""Every view by name, and those that have files of their own."""

from feature_repo.views_customer import CUSTOMER_DAILY, CUSTOMER_SERVING
from feature_repo.views_risk import CUSTOMER_RISK
from feature_repo.views_scene import CUSTOMER_SCENE
from feature_repo.views_supply import MERCHANT_DAILY, PRODUCT_DAILY

VIEWS = {
    view.name: view
    for view in (CUSTOMER_DAILY, CUSTOMER_SCENE, CUSTOMER_RISK, MERCHANT_DAILY, PRODUCT_DAILY, CUSTOMER_SERVING)
}
STORED = tuple(view for view in VIEWS.values() if view.name == view.source)

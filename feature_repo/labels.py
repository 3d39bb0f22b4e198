"""What models learn to foretell: labels, kept apart from features and dated by when they became known."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from feature_repo.definition import Feature, View
from feature_repo.entities import CUSTOMER
from feature_repo.views_customer import ACTED

WINDOW = timedelta(days=28)

CUSTOMER_LABELS = View(
    name="customer_labels",
    source="customer_labels",
    entities=(CUSTOMER,),
    features=(
        Feature("took_28d", "bool", "", "Took an offer in the 28 days before; empty: none known of anybody",
                "此前 28 天内提用过；空：尚无此类记录", ACTED),
        Feature("applied_28d", "bool", "", "Applied in the 28 days before; empty: none known of anybody",
                "此前 28 天内申请过；空：尚无此类记录", ACTED),
        Feature("bought_28d", "bool", "", "Bought something in the 28 days before; empty: none known of anybody",
                "此前 28 天内购买过；空：尚无此类记录", ACTED),
    ),
    # the label of another window is another label, be it a minute earlier: it would tell what features knew already
    ttl=timedelta(microseconds=1),
    cadence="day",
    en="What people registered before the snapshot did in the 28 days that end there",
    zh="快照前已注册者在截至快照的 28 天内的行为",
    label=True,
)  # fmt: skip


def known_at(times: pd.Series) -> pd.Series:
    """When the labels of features as of the given moments are known: at the end of the 28 days that begin there.

    Read `labels_v1` at these moments to get what happened after `times`; there must be a snapshot at exactly these
    moments. Labels are read in hindsight: late events count once `history.correct` has added them.
    """
    return times + pd.Timedelta(WINDOW)

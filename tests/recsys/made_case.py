"""A small made-up case of a plan, for tests: three products on two channels, two scenes, a budget and a floor."""

import numpy as np
import pandas as pd

from recsys.case import Case, LimitSpec
from recsys.value import Terms


def made_case(n=400, seed=0, **changes):
    """Random people; `changes` replaces fields of the case."""
    rng = np.random.default_rng(seed)
    products, channels = ["p1", "p2", "p3"], ["sms", "call"]
    offers = pd.DataFrame(
        {
            "offer_id": [f"{p}@{c}" for p in products for c in channels],
            "product_id": np.repeat(products, 2),
            "channel": channels * 3,
            "kind": np.repeat(["instalment", "credit line", "card"], 2),
            "name_en": np.repeat(["Travel", "Digital", "Daily"], 2),
            "name_zh": np.repeat(["旅行", "数码", "日用"], 2),
            "apr": np.repeat([0.12, 0.15, 0.18], 2),
        }
    )
    m = len(offers)
    cost = np.array([0.05, 1.5] * 3)
    base = 0.1 * rng.random((n, 3)) ** 2
    p_take = np.minimum(np.repeat(base, 2, axis=1) * np.array([1.0, 1.6] * 3), 1).astype(np.float32)
    reason = np.zeros((n, m), np.uint8)
    reason[rng.random(n) < 0.2] = 1
    reason[(rng.random((n, 3)) < 0.2).repeat(2, axis=1) & (reason == 0)] = 2
    segment = rng.integers(0, 4, n)
    groups = pd.DataFrame(
        {
            "scene_id": np.array(["travel", "digital"], object)[segment // 2],
            "segment_id": np.array(["travel/0", "travel/1", "digital/0", "digital/1"], object)[segment],
            "region": np.array(["310000", "440000", ""], object)[rng.integers(0, 3, n)],
        }
    )
    fields = {
        "customers": np.array([f"c{i:06d}" for i in range(n)], object),
        "offers": offers,
        "p_take": p_take,
        "p_unoffered": np.zeros(m),
        "pd_given_take": 0.2 * rng.random(n) ** 2,
        "terms": Terms(np.repeat([8_000.0, 5_000.0, 2_000.0], 2), np.repeat([700.0, 500.0, 260.0], 2),
                       np.repeat([20.0, 10.0, 5.0], 2)),
        "contact_cost": cost,
        "lgd": 0.6,
        "reason": reason,
        "reasons": ("eligible", "not reachable", "already has it"),
        "groups": groups,
        "protected": pd.DataFrame({"gender": np.array(["f", "m", ""], object)[rng.integers(0, 3, n)]}),
        "limits": (
            LimitSpec("budget", "<=", 0.4 * n, "cost"),
            LimitSpec("expected loss", "<=", 2.0 * n, "loss"),
            LimitSpec("capacity p1", "<=", n // 6, "offers", None, {"product_id": ["p1"]}),
            LimitSpec("calls", "<=", n // 10, "offers", None, {"channel": ["call"]}),
            LimitSpec("reach digital/1", ">=", n // 40, "offers", {"segment_id": ["digital/1"]}),
        ),
        "logit_error": np.full(n, 0.15),
        "pd_error": np.full(n, 0.2),
        "facts": {"currency": "CNY", "run_id": "made", "as_of": "2026-06-30T00:00:00+00:00"},
    }  # fmt: skip
    return Case(**{**fields, **changes})

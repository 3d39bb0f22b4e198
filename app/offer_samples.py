"""Customers to look at on the page of offers, and how their ids are shown."""

from __future__ import annotations

from app.finished_run import FinishedRun

SAMPLES = 6


def masked(customer: str) -> str:
    """A customer id that others looking on cannot note down.

    >>> masked("c0001234567"), masked("17")
    ('c0••••••567', '••')
    """
    if len(customer) < 6:
        return "•" * len(customer)
    return customer[:2] + "•" * (len(customer) - 5) + customer[-3:]


def sample_customers(run: FinishedRun) -> list[str]:
    """A few customers to look at: one per scene of the plan, and one with offers but no place in it."""
    plan, scores = run.tables["plan"], run.tables["scores"]
    planned = plan.sort_values("customer_id").drop_duplicates("scene_id")["customer_id"].head(SAMPLES).tolist()
    rest = scores.loc[~scores["customer_id"].isin(plan["customer_id"]), "customer_id"].head(1).tolist()
    return [str(c) for c in dict.fromkeys(planned + rest)]

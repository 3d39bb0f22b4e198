"""A plan's problem, prepared once and solved for any totals of its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from recsys.limits import Limit
from recsys.match import Plan, match_offers
from scenefit.contracts.errors import ContractError


class Problem:
    """Values, eligibility and limits of a plan; `solve` may be called again with other totals, from known prices.

    Parameters
    ----------
    values : (n, m) worth of offering, currency units
    eligible : bits (n, words)
    per_customer : at most so many offers each
    exclusive : (m,) group of each offer; a customer gets at most one of a group; None: no groups
    """

    def __init__(
        self,
        values: np.ndarray,
        eligible: np.ndarray,
        limits: Sequence[Limit],
        per_customer: int = 1,
        exclusive: np.ndarray | None = None,
    ) -> None:
        self.values = values
        self.eligible = eligible
        self.limits = list(limits)
        self.per_customer = per_customer
        self.exclusive = exclusive

    def solve(self, totals: Mapping[str, float] | None = None, start: np.ndarray | None = None) -> Plan:  # noqa: ARG002
        """The most valuable plan; `totals` replaces totals by limit name, `start` (limits,) are prices to begin at.

        Raises
        ------
        ContractError, NotEligible, Infeasible : as `match_offers`.
        """
        changed = dict(totals or {})
        unknown = sorted(set(changed) - {limit.name for limit in self.limits})
        if unknown:
            raise ContractError(f"match: there is no limit {unknown[0]!r}; there are {[x.name for x in self.limits]}")
        limits = [replace(limit, total=float(changed.get(limit.name, limit.total))) for limit in self.limits]
        return match_offers(self.values, self.eligible, limits, self.per_customer)

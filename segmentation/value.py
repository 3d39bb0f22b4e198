"""What customers are worth: present value of what they hold, and how unevenly value is spread."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, NotEligible, SettingsError

# longest remaining time counted, and the time counted for a balance without instalments
LONGEST = 120
REVOLVING = 12
# longer in arrears is in default (the usual definition of the Basel framework)
DEFAULT_DAYS = 90


class Pareto(NamedTuple):
    """How unevenly value is spread over customers.

    curve : share_of_customers, share_of_value, the most valuable first; starts at 0, 0
    gini : 0 all alike, 1 all with one; above 1 where some customers cost more than they bring
    top_fifth : share of the value that the most valuable fifth brings
    """

    curve: pd.DataFrame
    gini: float
    top_fifth: float


def present_values(
    accounts: pd.DataFrame,
    repayments: pd.DataFrame,
    as_of: pd.Timestamp,
    funding_cost: float,
    discount: float,
    lgd: float,
    default: pd.Series | None = None,
) -> pd.DataFrame:
    """What each account held today is worth: margin still to come less the loss expected on it, in currency units.

    One row per open account with a balance: `account_id`, `customer_id`, `balance`, `months`, `margin`, `loss`,
    `value`. Sum over `customer_id` for customers; who holds no such account has no row, which is not the same as 0.

    Parameters
    ----------
    accounts, repayments : tables of these names; what opened, fell due or was paid at or after `as_of` does not count
    funding_cost, discount : per year; `lgd` share of the balance lost in a default
    default : customer id → probability of default within a year; None, or a customer not in it: taken as 0, so that
        only accounts in default lose

    Notes
    -----
    With B_t the balance before month t, a the APR, c the cost of funds, v = (1 + discount)^(-1/12), h the monthly
    hazard 1 - (1 - PD)^(1/12) and s_t = (1 - h)^t the chance of being alive after t months:
    margin = Σ s_t B_t (a - c) / 12 v^t, loss = Σ (s_(t-1) - s_t) lgd B_t v^t, for t = 1 ... n (discounted cash flows
    with survival: Thomas 2009, Consumer Credit Models, 4). The balance runs down as an annuity with the account's last
    instalment D: B_(t+1) = max(B_t (1 + a/12) - D, 0). An account without instalments, or whose instalment does not
    cover its interest, keeps its balance for 12 months. An account that is charged off or has an instalment unpaid for
    90 days is in default: no margin, loss = lgd · balance.
    """
    _check_terms(funding_cost, discount, lgd)
    held = _held(accounts, as_of)
    instalment, lost = _schedule(held, repayments[repayments["due_at"] < as_of], as_of)
    risk = np.zeros(len(held)) if default is None else _risk(default, held["customer_id"])
    balance = held["balance"].astype(np.float64).to_numpy()
    apr = held["apr"].astype(np.float64).fillna(0.0).to_numpy()
    margin, loss, months = _run_down(balance, apr, instalment, risk, funding_cost, discount, lgd)
    margin, loss = np.where(lost, 0.0, margin), np.where(lost, lgd * balance, loss)
    return pd.DataFrame(
        {
            "account_id": held["account_id"].to_numpy(dtype=object),
            "customer_id": held["customer_id"].to_numpy(dtype=object),
            "balance": balance,
            "months": np.where(lost, 0, months),
            "margin": margin,
            "loss": loss,
            "value": margin - loss,
        }
    )


def customer_values(values: pd.DataFrame, customers: pd.Index) -> np.ndarray:
    """Present value of each customer over all accounts, shape (n,); NaN for those who hold none."""
    # sorted: equal sums whatever the order of the accounts
    ordered = values.sort_values(["customer_id", "account_id"], kind="stable")
    found: np.ndarray = ordered.groupby("customer_id")["value"].sum().reindex(customers).to_numpy(dtype=np.float64)
    return found


def pareto(values: np.ndarray) -> Pareto:
    """How unevenly value is spread: the curve of the share of value over the share of customers, and its Gini.

    Gaps are left out. The Gini is twice the area between the curve and the diagonal (Lorenz 1905), here from above
    because the most valuable stand first.

    >>> found = pareto(np.array([6.0, 2.0, 1.0, 1.0, 0.0]))
    >>> round(found.gini, 4), found.top_fifth
    (0.52, 0.6)
    """
    seen = np.asarray(values, dtype=np.float64)
    seen = np.sort(seen[~np.isnan(seen)])[::-1]
    total = float(seen.sum())
    if not len(seen) or not np.isfinite(total) or total <= 0:
        raise NotEligible(
            f"Pareto curve: {len(seen):,} customers with a total value of {total:g}; shares need a positive total"
        )
    share = np.r_[0.0, np.cumsum(seen) / total]
    people = np.arange(len(share)) / len(seen)
    area = float(((share[1:] + share[:-1]) / 2).sum() / len(seen))
    curve = pd.DataFrame({"share_of_customers": people, "share_of_value": share})
    return Pareto(curve, 2 * area - 1, float(np.interp(0.2, people, share)))


def _check_terms(funding_cost: float, discount: float, lgd: float) -> None:
    if not (0 <= lgd <= 1 and discount > -1 and np.isfinite([funding_cost, discount]).all()):
        raise SettingsError(
            f"present value: funding_cost {funding_cost}, discount {discount}, lgd {lgd}; "
            "give rates per year and a share in [0, 1]"
        )


def _held(accounts: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Accounts open at `as_of` with something owed."""
    needed = ["account_id", "customer_id", "opened_at", "closed_at", "balance", "apr", "status"]
    missing = [name for name in needed if name not in accounts.columns]
    if missing:
        raise ContractError(f"present value: accounts lack {missing}; give the table `accounts`")
    begun = accounts["opened_at"] < as_of
    ended = accounts["closed_at"].notna() & (accounts["closed_at"] < as_of)
    owed = accounts["balance"].astype(np.float64).fillna(0.0) > 0
    return accounts[begun & ~ended & owed].sort_values("account_id", kind="stable")


def _schedule(held: pd.DataFrame, dues: pd.DataFrame, as_of: pd.Timestamp) -> tuple[np.ndarray, np.ndarray]:
    """Last instalment of each account, 0 without any, and whether the account is in default."""
    last = dues.sort_values(["account_id", "due_at"], kind="stable").drop_duplicates("account_id", keep="last")
    amounts = last.set_index("account_id")["due"].astype(np.float64)
    unpaid = dues["paid_at"].isna() | (dues["paid_at"] >= as_of)
    overdue = unpaid & (dues["due_at"] < as_of - pd.Timedelta(days=DEFAULT_DAYS))
    lost = held["account_id"].isin(dues.loc[overdue, "account_id"]) | held["status"].eq("charged off")
    instalment = amounts.reindex(held["account_id"]).fillna(0.0).to_numpy(dtype=np.float64)
    return instalment, lost.to_numpy(dtype=bool)


def _risk(default: pd.Series, customers: pd.Series) -> np.ndarray:
    found = default.reindex(customers).fillna(0.0).to_numpy(dtype=np.float64)
    outside = (found < 0) | (found > 1)
    if outside.any():
        raise ContractError(
            f"present value: probability of default {found[outside][0]:g} of customer "
            f"{customers.iloc[int(outside.argmax())]!r}; give one in [0, 1]"
        )
    return found


def _run_down(
    balance: np.ndarray,
    apr: np.ndarray,
    instalment: np.ndarray,
    risk: np.ndarray,
    funding_cost: float,
    discount: float,
    lgd: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margin, loss and months counted, month by month over all accounts at once."""
    revolving = instalment <= balance * apr / 12
    left, alive = balance.copy(), np.ones(len(balance))
    hazard = 1 - (1 - risk) ** (1 / 12)
    margin, loss, months = np.zeros(len(balance)), np.zeros(len(balance)), np.zeros(len(balance), dtype=np.int64)
    for month in range(1, LONGEST + 1):
        running = (left > 0.005) & ~(revolving & (month > REVOLVING))
        if not running.any():
            break
        factor = np.where(running, (1 + discount) ** (-month / 12), 0.0)
        margin += alive * (1 - hazard) * left * (apr - funding_cost) / 12 * factor
        loss += alive * hazard * lgd * left * factor
        alive = alive * (1 - hazard)
        months += running
        left = np.where(revolving, left, np.maximum(left * (1 + apr / 12) - instalment, 0.0))
    return margin, loss, months

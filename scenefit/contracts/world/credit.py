"""Accounts, applications, repayments and bureau records: what became of the money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scenefit.contracts.schema import money
from scenefit.contracts.world import clock, products
from scenefit.contracts.world.columns import contract_table, instants, numbered, numbers, picked, sigmoid, texts
from scenefit.contracts.world.contacts import Contacts
from scenefit.contracts.world.deals import Deals
from scenefit.contracts.world.demand import Demand
from scenefit.contracts.world.parameters import Parameters
from scenefit.contracts.world.people import CUSTOMER, People
from scenefit.contracts.world.permissions import NEVER
from scenefit.contracts.world.segments import MONTHLY

PER_BLOCK = 1_000_000
CHARGED_OFF = 120  # days unpaid after which the firm gives the account up
OPEN, CLOSED, LOST = range(3)


@dataclass(frozen=True)
class Accounts:
    """One row per account, in the order of opening. `bad` and `pd` are truth; `broken` is the first due not paid."""

    customer: np.ndarray
    product: np.ndarray
    opened: np.ndarray
    amount: np.ndarray
    tenor: np.ndarray
    pd: np.ndarray
    bad: np.ndarray
    broken: np.ndarray  # 1 … tenor

    def __len__(self) -> int:
        return len(self.customer)


@dataclass(frozen=True)
class Dues:
    """One row per account and due date before the end of the data."""

    account: np.ndarray
    number: np.ndarray
    at: np.ndarray
    due: np.ndarray
    paid: np.ndarray
    paid_at: np.ndarray  # NEVER: not in full


def accounts(
    crowd: People, wants: Demand, known: Deals, sent: Contacts, p: Parameters, rng: np.random.Generator
) -> Accounts:
    """Accounts drawn in the year of events and before it."""
    drawn = known.drawn < clock.END
    person, product, opened = old_accounts(crowd, wants, p, rng)
    low, high = products.AMOUNTS[product].T
    amount = np.round(low * (high / low) ** np.clip(rng.normal(0.45, 0.2, len(person)), 0, 1), -2)
    tenor_low, tenor_high = products.TENORS[product].T
    tenor = tenor_low + 3 * rng.integers(0, (tenor_high - tenor_low) // 3 + 1)
    person = np.concatenate([person, known.customer[drawn]])
    product = np.concatenate([product, known.product[drawn]])
    opened = np.concatenate([opened, known.drawn[drawn]])
    order = np.lexsort((product, person, opened))
    person, product = person[order], product[order]
    tenor = np.concatenate([tenor, known.tenor[drawn]])[order]
    contacted = np.bincount(sent.customer[sent.sent < NEVER], minlength=len(crowd))[person]
    odds = crowd.risk[person] + p.risk_apr * (products.APR[product] - 0.12) + p.risk_contact * contacted
    pd = sigmoid(odds)
    # whoever breaks does so early: half in the first fifth of the term
    early = np.ceil(tenor * rng.random(len(person)) ** 2.3).astype(int)
    return Accounts(
        customer=person, product=product, opened=opened[order],
        amount=np.concatenate([amount, known.amount[drawn]])[order], tenor=tenor,
        pd=pd, bad=rng.random(len(person)) < pd, broken=np.clip(early, 1, tenor),
    )  # fmt: skip


def old_accounts(
    crowd: People, wants: Demand, p: Parameters, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accounts from before the year of events: person, product, moment of opening."""
    years = np.maximum(clock.START - crowd.registered, 0) / clock.DAY / 365
    liked = wants.yearly * wants.granted
    can = (crowd.kind == CUSTOMER) & (liked.sum(axis=1) > 0)
    person = np.repeat(np.arange(len(crowd)), rng.poisson(p.old_accounts * years * can))
    product = picked(np.where(can[:, None], liked, 1.0), person, rng.random(len(person)))
    since = np.maximum(crowd.registered[person], products.FIRST_SALE[product])
    opened = since + ((clock.START - since) * rng.random(len(person))).astype(np.int64)
    kept = since < clock.START
    return person[kept], product[kept], opened[kept]


def dues(held: Accounts, rng: np.random.Generator) -> Dues:
    """Monthly instalments, paid around the due date by most, late by some, not at all after the break."""
    account = np.repeat(np.arange(len(held)), held.tenor)
    number = np.arange(len(account)) - np.repeat(np.cumsum(held.tenor) - held.tenor, held.tenor) + 1
    opening = (held.opened[account] - clock.START) // clock.DAY
    at = clock.START + (opening + np.rint(30.4375 * number).astype(np.int64)) * clock.DAY + 10 * clock.HOUR
    rows = at < clock.END
    account, number, at = account[rows], number[rows], at[rows]
    monthly = products.APR[held.product[account]] / 12
    due = np.round(held.amount[account] * monthly / (1 - (1 + monthly) ** -held.tenor[account].astype(float)), 2)
    late = rng.random(len(at)) < 0.04 + 0.5 * held.pd[account]
    days = np.where(late, rng.exponential(9, len(at)), -5 * rng.random(len(at)))
    paid_at = at + (days * clock.DAY).astype(np.int64)
    misses = held.bad[account] & (number >= held.broken[account])
    full = ~misses & (paid_at < clock.END)
    some = misses & (number == held.broken[account]) & (rng.random(len(at)) < 0.3)
    paid = np.where(full, due, np.where(some, np.round(due * 0.6 * rng.random(len(at)), 2), 0.0))
    return Dues(account, number, at, due, paid, np.where(full, np.maximum(paid_at, held.opened[account]), NEVER))


def accounts_table(ids: pa.Array, block: int, held: Accounts, owed: Dues) -> pa.Table:
    """Accounts with what is owed now."""
    full = owed.paid_at < NEVER
    count = np.bincount(owed.account[full], minlength=len(held))
    growth = 1 + products.APR[held.product] / 12
    left = held.amount * (growth**held.tenor - growth**count) / (growth**held.tenor - 1)
    final = np.zeros(len(held), dtype=np.int64)
    np.maximum.at(final, owed.account[full], owed.paid_at[full])
    first_missed = np.full(len(held), NEVER)
    missed = held.bad[owed.account] & (owed.number == held.broken[owed.account])
    first_missed[owed.account[missed]] = owed.at[missed]
    lost = first_missed < clock.END - CHARGED_OFF * clock.DAY
    status = np.where(lost, LOST, np.where(count == held.tenor, CLOSED, OPEN))
    ended = np.where(lost, np.where(lost, first_missed, 0) + CHARGED_OFF * clock.DAY, final)
    return contract_table(
        "accounts",
        {
            "account_id": account_ids(block, len(held)),
            "customer_id": texts(ids, held.customer),
            "product_id": texts(products.IDS, held.product),
            "opened_at": instants(held.opened),
            "closed_at": instants(ended, missing=status == OPEN),
            "limit": money(held.amount),
            "balance": money(np.where(status == CLOSED, 0.0, np.maximum(left, 0.0))),
            "apr": numbers(products.APR[held.product]),
            "status": texts(("open", "closed", "charged off"), status),
        },
    )


def repayments_table(ids: pa.Array, block: int, held: Accounts, owed: Dues) -> pa.Table:
    """Every instalment due so far, and what was paid towards it."""
    return contract_table(
        "repayments",
        {
            "account_id": texts(account_ids(block, len(held)), owed.account),
            "customer_id": texts(ids, held.customer[owed.account]),
            "due_at": instants(owed.at),
            "due": money(owed.due),
            "paid": money(owed.paid),
            "paid_at": instants(owed.paid_at, missing=owed.paid_at == NEVER),
        },
    )


def applications_table(ids: pa.Array, block: int, known: Deals, rng: np.random.Generator) -> pa.Table:
    """Applications of the year with decision; what is decided later is still pending."""
    declined = known.declined < clock.END
    decision = np.where(known.approved < clock.END, 0, np.where(declined, 1, 2))
    reasons = ("risk score beyond the product's limit", "income not shown", "documents incomplete")
    reason = np.searchsorted([0.7, 0.9], rng.random(len(known)), side="right")
    return contract_table(
        "applications",
        {
            "application_id": numbered("q", block * PER_BLOCK + np.arange(len(known)), 11),
            "customer_id": texts(ids, known.customer),
            "product_id": texts(products.IDS, known.product),
            "at": instants(known.applied),
            "amount": money(known.amount),
            "decision": texts(("approved", "declined", "pending"), decision),
            "reason": texts(reasons, np.where(declined, reason, -1)),
        },
    )


def bureau_table(ids: pa.Array, crowd: People, rng: np.random.Generator) -> pa.Table:
    """One inquiry for most customers: a score that sees part of the risk, other inquiries, debt elsewhere."""
    person = np.flatnonzero((crowd.kind == CUSTOMER) & (rng.random(len(crowd)) < 0.75))
    since = np.maximum(crowd.registered[person], clock.START)
    at = since + ((clock.END - since) * rng.random(len(person))).astype(np.int64)
    risk = crowd.risk[person]
    score = np.clip(np.rint(560 - 55 * (risk + rng.normal(0, 0.9, len(person)))), 350, 950)
    debt = MONTHLY[crowd.income[person]] * np.exp(rng.normal(0.6, 1.0, len(person)) + 0.25 * np.minimum(risk + 3, 5))
    return contract_table(
        "bureau",
        {
            "customer_id": texts(ids, person),
            "at": instants(at),
            "score": numbers(np.where(rng.random(len(person)) < 0.06, np.nan, score)),
            "inquiries_90d": rng.poisson(np.exp(-0.2 + 0.35 * np.minimum(risk + 3, 5))),
            "total_debt": money(np.round(debt, 2)),
        },
    )


def account_ids(block: int, count: int) -> pa.Array:
    """a00000000001 …: numbered by block."""
    return numbered("a", block * PER_BLOCK + np.arange(count), 11)

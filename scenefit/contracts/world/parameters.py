"""Every number that shapes the synthetic world, in one place; changed only together with the version and an ADR."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256

WORLD_VERSION = 1
BLOCK = 10_000  # customers made at once: large enough for whole-column work, small enough for two in memory


@dataclass(frozen=True)
class Parameters:
    """How the world behaves. Rates are per year, shares in [0, 1], weights act on log rates."""

    # who they are
    lead_share: float = 0.09
    visitor_share: float = 0.03
    churned_share: float = 0.18
    missing: float = 0.10  # share of empty occupations, incomes and educations
    separation: float = 1.1  # distance of the segments' taste from the common centre
    # what they do
    sessions: float = 8.6  # a year, of a customer who stays
    merchant_taste: float = 0.9
    local_pull: float = 1.6  # log odds of a merchant in one's own city
    scene_taste: float = 0.45
    scene_noise: float = 0.5
    located: float = 0.25  # share of sessions with a place
    # what they want
    log_applications: float = -4.75  # log of the mean applications a year, per person and product
    product_taste: float = 0.9
    scene_need: float = 0.6
    price: float = 0.25
    kind_spread: float = 0.5  # of the segments' liking for kinds of product
    product_spread: float = 0.5  # of products' general popularity
    random_utility: float = 0.6
    drawn: float = 0.92  # of the approved
    # what marketing does
    contact_rate: float = 0.18  # of the permitted, per campaign, at average interest in its scene
    log_response: float = -2.8  # log hazard of applying that one delivered offer adds
    window_days: int = 28  # after which an offer is forgotten
    need_factor: float = 2.4  # of planted subgroups, in their scene
    contact_factor: float = 0.10  # of planted subgroups: how little of the usual contact they get
    opt_out: float = 0.004  # of delivered messages
    complaint: float = 0.0006
    # who pays back
    log_odds_bad: float = -3.15
    risk_noise: float = 0.8  # what no column shows
    risk_income: float = 0.28  # per income band below the middle
    risk_night: float = 0.45
    risk_apr: float = 2.5  # per 1.00 of APR
    risk_contact: float = 0.06  # per contact
    old_accounts: float = 0.2  # opened before the year of events, per year since registration
    # who belongs together
    ring_share: float = 0.004  # of the people
    ring_odds_bad: float = 1.0
    writing_noise: float = 0.30  # share of addresses written in an unusual way
    posts: int = 1_500


DIFFICULTIES: dict[str, Parameters] = {
    "easy": replace(
        Parameters(), separation=1.7, missing=0.04, merchant_taste=1.2, product_taste=1.1, random_utility=0.3,
        log_applications=-5.0, log_response=-2.8, need_factor=3.2, contact_factor=0.05, risk_noise=0.45,
        writing_noise=0.15,
    ),
    "normal": Parameters(),
    "hard": replace(
        Parameters(), separation=0.7, missing=0.20, merchant_taste=0.6, product_taste=0.6, random_utility=1.0,
        log_applications=-4.6, log_response=-2.9, need_factor=1.7, contact_factor=0.25, risk_noise=1.2,
        writing_noise=0.50,
    ),
}  # fmt: skip


def parameters_digest() -> str:
    """SHA-256 of all difficulties' parameters: what a test pins to the version."""
    values = {name: asdict(parameters) for name, parameters in DIFFICULTIES.items()}
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

"""Who was assigned to which arm of which past campaign, what reached them, and who objected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from scenefit.contracts.tables.consents import CHANNELS
from scenefit.contracts.world import clock
from scenefit.contracts.world.campaigns import ARMS, COUNT, Campaigns, campaign_ids
from scenefit.contracts.world.columns import contract_table, instants, numbers, picked, texts
from scenefit.contracts.world.demand import DELIVERED
from scenefit.contracts.world.parameters import Parameters
from scenefit.contracts.world.people import VISITOR, People
from scenefit.contracts.world.permissions import NEVER, Permissions

CONTROL = 0
SOME_MINUTES = 8.0  # mean time from sending to delivery


@dataclass(frozen=True)
class Contacts:
    """One row per campaign and person assigned, in the order of campaigns; moments in microseconds, NEVER: not so."""

    campaign: np.ndarray
    customer: np.ndarray
    arm: np.ndarray
    propensity: np.ndarray
    sent: np.ndarray
    delivered: np.ndarray
    objected: np.ndarray  # opted out
    complained: np.ndarray


def contacts(
    crowd: People, plan: Campaigns, given: Permissions, p: Parameters, rng: np.random.Generator
) -> tuple[Contacts, np.ndarray]:
    """All assignments of a block, and the moments of opting out per person and channel.

    Campaign follows campaign, because whoever opts out of a channel is not written to there again.
    """
    opted_out = np.full((len(crowd), len(CHANNELS)), NEVER)
    parts = []
    for campaign in range(COUNT):
        part = one_campaign(campaign, crowd, plan, given, opted_out, p, rng)
        channel = plan.channel[campaign]
        np.minimum.at(opted_out, (part.customer, channel), part.objected)
        parts.append(part)
    names = list(Contacts.__dataclass_fields__)
    return Contacts(*(np.concatenate([getattr(part, name) for part in parts]) for name in names)), opted_out


def one_campaign(
    campaign: int,
    crowd: People,
    plan: Campaigns,
    given: Permissions,
    opted_out: np.ndarray,
    p: Parameters,
    rng: np.random.Generator,
) -> Contacts:
    """Assignments of one campaign: people who look interested in its scene, then arms by the logged chances."""
    channel, scene = int(plan.channel[campaign]), int(plan.scene[campaign])
    start = clock.START + int(plan.start[campaign]) * clock.DAY
    permitted = given.holds(channel, start) & (opted_out[:, channel] > start) & (crowd.kind != VISITOR)
    interest = np.minimum(np.sqrt(crowd.mix[:, scene] * crowd.mix.shape[1]), 3.0)
    reached = np.where(crowd.subgroup >= 0, p.contact_factor, 1.0)
    chosen = np.flatnonzero(permitted & (rng.random(len(crowd)) < p.contact_rate * interest * reached))
    chances = plan.propensities(campaign, crowd.tier[chosen])
    arm = picked(chances, np.arange(len(chosen)), rng.random(len(chosen)))
    day = rng.integers(0, 3, len(chosen))
    sent = start + day * clock.DAY + clock.office_hours(rng.random(len(chosen)))
    # consent is asked again at the moment of sending: a campaign runs for three days
    may = sent < np.minimum(given.withdrawn[chosen, channel], given.expires[chosen, channel])
    sent = np.where((arm != CONTROL) & may, sent, NEVER)
    arrives = (sent < NEVER) & (rng.random(len(chosen)) < DELIVERED[channel])
    minutes = (rng.exponential(SOME_MINUTES, len(chosen)) * 60 * clock.SECOND).astype(np.int64)
    delivered = _after(np.where(arrives, sent, NEVER), minutes)
    u, hours = rng.random(len(chosen)), (rng.exponential(20, len(chosen)) * clock.HOUR).astype(np.int64)
    objected = np.where(u < p.opt_out, _after(delivered, hours), NEVER)
    complained = np.where(u < p.complaint, _after(delivered, hours * 2), NEVER)
    return Contacts(
        campaign=np.full(len(chosen), campaign), customer=chosen, arm=arm,
        propensity=chances[np.arange(len(chosen)), arm],
        sent=sent, delivered=delivered, objected=objected, complained=complained,
    )  # fmt: skip


def assignments_table(ids: pa.Array, plan: Campaigns, known: Contacts) -> pa.Table:
    """Arms drawn, with their chances, six hours before the campaign starts."""
    return contract_table(
        "assignments",
        {
            "campaign_id": texts(campaign_ids(), known.campaign),
            "customer_id": texts(ids, known.customer),
            "arm": texts(ARMS, known.arm),
            "propensity": numbers(known.propensity),
            "at": instants(clock.START + plan.start[known.campaign] * clock.DAY - 6 * clock.HOUR),
        },
    )


def _after(moment: np.ndarray, micros: np.ndarray) -> np.ndarray:
    return np.where(moment < NEVER, np.where(moment < NEVER, moment, 0) + micros, NEVER)

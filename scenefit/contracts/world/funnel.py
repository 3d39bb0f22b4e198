"""Events of campaigns and applications: sent, delivered, seen, clicked, applied, approved, drawn, objected."""

from __future__ import annotations

import numpy as np

from scenefit.contracts.world import clock
from scenefit.contracts.world.behaviour import KINDS
from scenefit.contracts.world.campaigns import Campaigns
from scenefit.contracts.world.contacts import Contacts
from scenefit.contracts.world.deals import Deals
from scenefit.contracts.world.demand import COST
from scenefit.contracts.world.permissions import NEVER

# P(seen | delivered), P(clicked | seen) of those who do not apply: sms push email wechat call mail display
SEEN = np.array([0.55, 0.30, 0.22, 0.45, 0.90, 0.50, 0.35])
CLICKED = np.array([0.07, 0.10, 0.08, 0.14, 0.05, 0.02, 0.03])
BOUNCES = 0.7  # of the failed; the rest stays silent
REPLIES = 0.006  # of the delivered, on channels that people can answer
ANSWERABLE = (0, 3)


def delivery_events(
    plan: Campaigns, sent: Contacts, known: Deals, rng: np.random.Generator
) -> list[dict[str, np.ndarray]]:
    """What campaigns sent, what became of it, and what people did before applying or instead."""
    total = len(sent.campaign)
    channel = plan.channel[sent.campaign]
    rows = np.flatnonzero(sent.sent < NEVER)
    out = [_from_contacts(rows, sent.sent[rows], "sent", plan, sent)]
    out[0] |= {
        "cost": COST[channel[rows]],
        "propensity": sent.propensity[rows],
        "policy": plan.policy[sent.campaign[rows]],
    }
    arrived = sent.delivered < NEVER
    failed = np.flatnonzero((sent.sent < NEVER) & ~arrived & (rng.random(total) < BOUNCES))
    gap = (rng.exponential(600, total) * clock.SECOND).astype(np.int64)
    out.append(_from_contacts(failed, sent.sent[failed] + gap[failed], "bounced", plan, sent))
    reached = np.flatnonzero(arrived)
    out.append(_from_contacts(reached, sent.delivered[reached], "delivered", plan, sent))
    applied = np.full(total, NEVER)
    answering = known.contact >= 0
    applied[known.contact[answering]] = known.applied[answering]
    applies = applied < NEVER
    seen = arrived & (applies | (rng.random(total) < SEEN[channel]))
    clicked = seen & (applies | (rng.random(total) < CLICKED[channel]))
    # those who apply saw and clicked before they did
    waits = np.where(arrived, np.where(applies, applied, 0) - np.where(arrived, sent.delivered, 0), 0)
    look = np.where(applies, 0.9 * waits * rng.random(total), rng.exponential(9, total) * clock.HOUR)
    seen_at = np.where(arrived, sent.delivered, 0) + look.astype(np.int64)
    click_gap = np.where(applies, 0.1 * waits * rng.random(total), rng.exponential(90, total) * clock.SECOND)
    for name, mask, at in (("impression", seen, seen_at), ("click", clicked, seen_at + click_gap.astype(np.int64))):
        some = np.flatnonzero(mask)
        out.append(_from_contacts(some, at[some], name, plan, sent))
    reply = np.flatnonzero(arrived & np.isin(channel, ANSWERABLE) & (rng.random(total) < REPLIES))
    out.append(_from_contacts(reply, sent.delivered[reply] + gap[reply], "reply", plan, sent))
    for name, moment in (("opt_out", sent.objected), ("complaint", sent.complained)):
        some = np.flatnonzero(moment < NEVER)
        out.append(_from_contacts(some, moment[some], name, plan, sent))
    return out


def deal_events(plan: Campaigns, sent: Contacts, known: Deals) -> list[dict[str, np.ndarray]]:
    """Apply, approve and draw, with the campaign they are booked on; organic ones name none."""
    out = []
    for name, moment in (("apply", known.applied), ("approve", known.approved), ("draw", known.drawn)):
        rows = np.flatnonzero(moment < NEVER)
        answering = known.contact[rows] >= 0
        contact = np.where(answering, known.contact[rows], 0)
        campaign = sent.campaign[contact] if len(sent.campaign) else contact
        arm = sent.arm[contact] if len(sent.arm) else contact
        out.append(
            {
                "customer": known.customer[rows],
                "at": moment[rows],
                "kind": np.full(len(rows), KINDS.index(name)),
                "scene": known.scene[rows],
                "product": known.product[rows],
                "campaign": np.where(answering, campaign, -1),
                "arm": np.where(answering, arm, -1),
                "channel": np.where(answering, plan.channel[campaign], -1),
                "amount": known.amount[rows],
            }
        )
    return out


def _from_contacts(
    rows: np.ndarray, at: np.ndarray, kind: str, plan: Campaigns, sent: Contacts
) -> dict[str, np.ndarray]:
    campaign, arm = sent.campaign[rows], sent.arm[rows]
    return {
        "customer": sent.customer[rows],
        "at": at,
        "kind": np.full(len(rows), KINDS.index(kind)),
        "scene": plan.scene[campaign],
        "product": plan.product[campaign, arm],
        "campaign": campaign,
        "arm": arm,
        "channel": plan.channel[campaign],
    }

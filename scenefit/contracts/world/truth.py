"""What only the maker of the world knows. Kept apart from the raw tables; no model may read it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from scenefit.contracts.world import clock, products
from scenefit.contracts.world.addresses import SHARED, Homes
from scenefit.contracts.world.campaigns import ARMS, Campaigns, campaign_ids
from scenefit.contracts.world.columns import numbered, numbers, sigmoid, texts
from scenefit.contracts.world.contacts import Contacts
from scenefit.contracts.world.credit import Accounts, account_ids
from scenefit.contracts.world.demand import Demand, take_probability
from scenefit.contracts.world.parameters import Parameters
from scenefit.contracts.world.people import People, Taste
from scenefit.contracts.world.scenes import SCENE_IDS, STYLE, TOP
from scenefit.contracts.world.segments import SEGMENTS, SUBGROUPS

SAMPLE = 1_000  # people of each block whose take probabilities are kept for every product
SMS = 0


def customers_truth(ids: pa.Array, block: int, crowd: People, lives: Homes, takes: np.ndarray) -> pa.Table:
    """Per person: segment, subgroup, taste, need, risk, household, ring, and the product taken most if offered."""
    best = np.where(takes.max(axis=1) > 0, takes.argmax(axis=1), -1)
    columns: dict[str, object] = {
        "customer_id": ids,
        "segment": texts([s.en for s in SEGMENTS], crowd.segment),
        "subgroup": texts([s.id for s in SUBGROUPS], crowd.subgroup),
        "need": numbers(_own_scene_need(crowd)),
        "pd": numbers(sigmoid(crowd.risk)),
        "household_id": _in_block("h", block, crowd.household),
        "ring_id": _in_block("r", block, crowd.ring),
        "shared_place": texts(SHARED, lives.shared),
        "best_product": texts(products.IDS, best),
        "best_take": numbers(takes.max(axis=1)),
    }
    columns |= {f"taste_{k}": numbers(crowd.taste[:, k]) for k in range(STYLE)}
    columns |= {f"mix_{top[0]}": numbers(crowd.mix[:, k]) for k, top in enumerate(TOP)}
    return pa.table(columns)


def takes_if_offered(crowd: People, wants: Demand, seasons: np.ndarray, p: Parameters) -> np.ndarray:
    """P(take | one text message on the last day), shape (people, products); 0 for products not on sale."""
    shape = wants.yearly.shape
    person, product = (index.ravel() for index in np.indices(shape))
    day = np.full(len(person), float(clock.DAYS - p.window_days))
    _, offered = take_probability(crowd, wants, seasons, person, product, day, np.full(len(person), SMS), p)
    return np.where(products.LIVE[None, :], offered.reshape(shape), 0.0)


def takes_table(ids: pa.Array, takes: np.ndarray) -> pa.Table:
    """The first people of the block with their take probability for every product: one column each."""
    columns = {name: numbers(takes[:SAMPLE, j]) for j, name in enumerate(products.IDS)}
    return pa.table({"customer_id": ids[:SAMPLE]} | columns)


def treatments_table(
    ids: pa.Array,
    crowd: People,
    wants: Demand,
    plan: Campaigns,
    sent: Contacts,
    seasons: np.ndarray,
    p: Parameters,
) -> pa.Table:
    """Per assigned person and offer arm of the campaign: P(take the arm's product) without and with the offer.

    The difference is the effect of being assigned to the arm, failed deliveries included; its mean over all
    assigned people is the arm's true average effect.
    """
    row, arm = np.nonzero(plan.product[sent.campaign] >= 0)
    campaign, person = sent.campaign[row], sent.customer[row]
    product = plan.product[campaign, arm]
    day, channel = plan.start[campaign].astype(float) + 1, plan.channel[campaign]
    without, offered = take_probability(crowd, wants, seasons, person, product, day, channel, p)
    return pa.table(
        {
            "campaign_id": texts(campaign_ids(), campaign),
            "customer_id": texts(ids, person),
            "arm": texts(ARMS, arm),
            "take_without": numbers(without),
            "take_with": numbers(offered),
        }
    )


def addresses_truth(written: pa.Table, block: int, dwelling: np.ndarray) -> pa.Table:
    """Per address as written: the dwelling it means."""
    return written.select(["customer_id", "use"]).append_column("dwelling_id", _in_block("d", block, dwelling))


def accounts_truth(block: int, held: Accounts) -> pa.Table:
    """Per account: true probability of going bad, and whether it does, sooner or later."""
    return pa.table({"account_id": account_ids(block, len(held)), "pd": numbers(held.pd), "bad": pa.array(held.bad)})


def arm_effects(treatments: pa.Table) -> pa.Table:
    """True average effect of each campaign arm in a reference population, with its standard error."""
    frame = treatments.to_pandas()
    frame["effect"] = frame["take_with"] - frame["take_without"]
    groups = frame.groupby(["campaign_id", "arm"], sort=True)
    table = groups.agg(
        take_without=("take_without", "mean"),
        effect=("effect", "mean"),
        effect_se=("effect", "sem"),
        people=("effect", "size"),
    )
    return pa.Table.from_pandas(table.reset_index(), preserve_index=False)


def products_truth(pull: products.Appeal) -> pa.Table:
    """Per product: days from approval to drawing on average, popularity, style."""
    columns: dict[str, object] = {
        "product_id": list(products.IDS),
        "draw_delay_days": numbers(products.SPEED),
        "approve_delay_days": numbers(products.SPEED * 0.25),
        "popularity": numbers(pull.popularity),
    }
    columns |= {f"style_{k}": numbers(pull.style[:, k]) for k in range(STYLE)}
    return pa.table(columns)


def segments_truth(style: Taste) -> pa.Table:
    """The latent segments with their share and style."""
    columns: dict[str, object] = {
        "segment": [s.en for s in SEGMENTS],
        "segment_zh": [s.zh for s in SEGMENTS],
        "share": numbers(np.array([s.share for s in SEGMENTS])),
    }
    columns |= {f"style_{k}": numbers(style.segments[:, k]) for k in range(STYLE)}
    return pa.table(columns)


def subgroups_truth(p: Parameters) -> pa.Table:
    """The planted subgroups that campaigns pass by: who they are, their scene, how strongly they differ."""
    return pa.table(
        {
            "subgroup": [s.id for s in SUBGROUPS],
            "definition_en": [s.en for s in SUBGROUPS],
            "definition_zh": [s.zh for s in SUBGROUPS],
            "scene_id": [SCENE_IDS[s.scene] for s in SUBGROUPS],
            "need_factor": [p.need_factor] * len(SUBGROUPS),
            "contact_factor": [p.contact_factor] * len(SUBGROUPS),
        }
    )


def _in_block(prefix: str, block: int, codes: np.ndarray) -> pa.Array:
    """Ids that no other block gives; empty where the code is negative."""
    if not len(codes):
        return pa.array([], pa.string())
    known = numbered(prefix, block * 100_000 + np.maximum(codes, 0), 10)
    return texts(known, np.where(codes < 0, -1, np.arange(len(codes))))


def _own_scene_need(crowd: People) -> np.ndarray:
    """Attention for the scene of one's planted subgroup, relative to the average scene; of nobody else's."""
    scene = np.array([s.scene for s in SUBGROUPS])[np.maximum(crowd.subgroup, 0)]
    need = crowd.mix[np.arange(len(crowd)), scene] * len(TOP)
    return np.where(crowd.subgroup >= 0, need, np.nan)

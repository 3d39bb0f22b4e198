"""A seeded world of any size with known truth: static tables, and customers in blocks that do not know each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from scenefit.contracts.errors import ContractError, SettingsError
from scenefit.contracts.world import (
    addresses,
    behaviour,
    campaigns,
    clock,
    contacts,
    credit,
    customers,
    deals,
    demand,
    events,
    funnel,
    identities,
    opinions,
    people,
    permissions,
    products,
    scenes,
    truth,
)
from scenefit.contracts.world.columns import REFERENCE, STATIC, chance
from scenefit.contracts.world.parameters import BLOCK, DIFFICULTIES, WORLD_VERSION, Parameters
from scenefit.contracts.world.segments import SEGMENTS

MOST = 99_999_999  # customers that an id of eight digits can name
REFERENCE_PEOPLE = 10_000


@dataclass(frozen=True)
class Block:
    """Raw tables of up to 10,000 customers, and the truth about them, both by table name."""

    tables: dict[str, pa.Table]
    truth: dict[str, pa.Table]


@dataclass(frozen=True)
class Ground:
    """What all blocks share: styles, merchants, products' pull, campaigns, seasons."""

    style: people.Taste
    shops: scenes.Merchants
    pull: products.Appeal
    plan: campaigns.Campaigns
    seasons: np.ndarray


@dataclass(frozen=True)
class Crowd:
    """One block before it becomes tables: people, wishes, consents, contacts and applications."""

    people: people.People
    wants: demand.Demand
    given: permissions.Permissions
    sent: contacts.Contacts
    opted_out: np.ndarray
    known: deals.Deals


@dataclass(frozen=True)
class World:
    """A synthetic data set; ask for the static tables and for each block of customers."""

    n_customers: int
    seed: int
    difficulty: str
    settings: Parameters

    @property
    def dataset_name(self) -> str:
        """Name under which figures are shown: says that the data is synthetic."""
        return f"synthetic world {self.version} ({self.difficulty}, {self.n_customers:,} customers, seed {self.seed})"

    @property
    def version(self) -> int:
        return WORLD_VERSION

    @property
    def until(self) -> pd.Timestamp:
        """Exclusive end of the data, UTC."""
        return clock.UNTIL

    @property
    def parameters(self) -> dict[str, object]:
        """Everything that determines the bytes, for the manifest."""
        return {
            "version": self.version,
            "n_customers": self.n_customers,
            "seed": self.seed,
            "difficulty": self.difficulty,
        } | asdict(self.settings)

    @property
    def assumptions_en(self) -> tuple[str, ...]:
        return (
            "All people, merchants, products, messages and posts are synthetic; no figure describes a real market.",
            "Merchants, addresses and places use real city names with invented streets, brands and numbers.",
            "Margins are not given; they follow from APR and funding cost.",
            "An offer never lowers anybody's chance to take: effects are zero or positive.",
        )

    @property
    def assumptions_zh(self) -> tuple[str, ...]:
        return (
            "所有人物、商户、产品、消息和帖子均为合成数据，任何数字都不代表真实市场。",
            "商户、地址与地点使用真实城市名，街道、品牌和号码均为虚构。",
            "未给出利润率；由年化利率与资金成本推算。",
            "营销触达不会降低任何人的办理概率：效应为零或正。",
        )

    @property
    def blocks(self) -> range:
        """Numbers of the blocks, in the order of customer ids."""
        return range(-(-self.n_customers // BLOCK))

    @cached_property
    def ground(self) -> Ground:
        """What all blocks share; depends on seed and parameters alone."""
        p = self.settings
        style = people.taste(self._chance("taste"), p.separation)
        return Ground(
            style=style,
            shops=scenes.merchants(self._chance("merchants"), style.scenes),
            pull=products.appeal(
                self._chance("products"), len(SEGMENTS), style.scenes, p.product_spread, p.kind_spread
            ),
            plan=campaigns.campaigns(self._chance("campaigns")),
            seasons=clock.seasons(),
        )

    def static(self) -> dict[str, pa.Table]:
        """Raw tables that belong to no customer."""
        ground = self.ground
        return {
            "scenes": scenes.scenes_table(),
            "merchants": scenes.merchants_table(ground.shops),
            "partners": scenes.partners_table(),
            "products": products.products_table(self.n_customers),
            "campaigns": campaigns.campaigns_table(ground.plan),
            "arms": campaigns.arms_table(ground.plan),
            "approvals": campaigns.approvals_table(ground.plan),
            "opinions": opinions.opinions(self.settings.posts, self._chance("opinions"))[0],
        }

    def truth_static(self) -> dict[str, pa.Table]:
        """Truth that belongs to no customer; campaign effects are means over a reference population."""
        ground, crowd = self.ground, self._crowd(REFERENCE, REFERENCE_PEOPLE)
        ids = customers.customer_ids(0, REFERENCE_PEOPLE)
        treatments = truth.treatments_table(
            ids, crowd.people, crowd.wants, ground.plan, crowd.sent, ground.seasons, self.settings
        )
        return {
            "arm_effects": truth.arm_effects(treatments),
            "products": truth.products_truth(ground.pull),
            "segments": truth.segments_truth(ground.style),
            "subgroups": truth.subgroups_truth(self.settings),
            "opinions": opinions.opinions(self.settings.posts, self._chance("opinions"))[1],
            "bursts": opinions.bursts_truth(),
        }

    def block(self, i: int) -> Block:
        """Tables and truth of one block; depends on seed, number and parameters, not on other blocks.

        Raises
        ------
        ContractError : the world has no such block.
        """
        if i not in self.blocks:
            raise ContractError(f"world: block {i} does not exist; there are blocks 0 to {len(self.blocks) - 1}")
        size = min(BLOCK, self.n_customers - i * BLOCK)
        return block_of(i, self._crowd(i, size), self.ground, self.settings, self.seed)

    def _crowd(self, i: int, size: int) -> Crowd:
        ground, p = self.ground, self.settings
        crowd = people.people(size, ground.style, p, self._chance("people", i))
        wants = demand.demand(crowd, ground.pull, p, self._chance("demand", i))
        given = permissions.permissions(crowd, self._chance("permissions", i))
        sent, opted_out = contacts.contacts(crowd, ground.plan, given, p, self._chance("contacts", i))
        known = deals.deals(crowd, wants, ground.plan, sent, ground.seasons, p, self._chance("deals", i))
        known = deals.in_scene_of_campaign(known, ground.plan, sent)
        return Crowd(crowd, wants, given, sent, opted_out, known)

    def _chance(self, noun: str, block: int = STATIC) -> np.random.Generator:
        return chance(self.seed, block, noun)


def make_world(n_customers: int, seed: int = 0, difficulty: str = "normal") -> World:
    """A synthetic world of `n_customers` people; same arguments, same bytes.

    Raises
    ------
    SettingsError : no customers, too many, a negative seed, or an unknown difficulty.

    >>> make_world(25_000).blocks
    range(0, 3)
    """
    if not (isinstance(n_customers, int | np.integer) and 1 <= n_customers <= MOST):
        raise SettingsError(f"world: n_customers = {n_customers}; give a whole number from 1 to {MOST:,}")
    if seed < 0:
        raise SettingsError(f"world: seed = {seed}; give 0 or a positive whole number")
    if difficulty not in DIFFICULTIES:
        raise SettingsError(f"world: difficulty = {difficulty!r}; choose one of {list(DIFFICULTIES)}")
    return World(int(n_customers), int(seed), difficulty, DIFFICULTIES[difficulty])


def block_of(i: int, crowd: Crowd, ground: Ground, p: Parameters, seed: int) -> Block:
    """Raw tables and truth of a block's crowd."""
    folk, sent, known = crowd.people, crowd.sent, crowd.known
    ids = customers.customer_ids(i, len(folk))

    def rng(noun: str) -> np.random.Generator:
        return chance(seed, i, noun)

    owned = identities.devices(folk, rng("devices"))
    happened = happenings(crowd, ground, owned, p, rng("behaviour"), rng("funnel"))
    held = credit.accounts(folk, crowd.wants, known, sent, p, rng("accounts"))
    owed = credit.dues(held, rng("dues"))
    took = np.isin(np.arange(len(folk)), held.customer)
    lives = addresses.homes(folk, rng("homes"))
    written, dwelling = addresses.addresses_table(ids, folk, lives, p, rng("addresses"))
    takes = truth.takes_if_offered(folk, crowd.wants, ground.seasons, p)
    upset = np.flatnonzero(sent.complained < clock.END)
    tables = {
        "customers": customers.customers_table(ids, i, folk, took, p, rng("customers")),
        "identities": identities.identities_table(ids, folk, owned, rng("identities")),
        "consents": permissions.consents_table(ids, folk, crowd.given, crowd.opted_out, rng("consents")),
        "blocklists": permissions.blocklists_table(
            ids, folk, sent.customer[upset], sent.complained[upset], rng("blocklists")
        ),
        "accounts": credit.accounts_table(ids, i, held, owed),
        "applications": credit.applications_table(ids, i, known, rng("applications")),
        "repayments": credit.repayments_table(ids, i, held, owed),
        "bureau": credit.bureau_table(ids, folk, rng("bureau")),
        "events": events.events_table(happened, ids, owned.hashes, len(ground.shops.scene), i, rng("ingestion")),
        "addresses": written,
        "assignments": contacts.assignments_table(ids, ground.plan, sent),
    }
    return Block(
        tables,
        {
            "customers": truth.customers_truth(ids, i, folk, lives, takes),
            "takes": truth.takes_table(ids, takes),
            "treatments": truth.treatments_table(ids, folk, crowd.wants, ground.plan, sent, ground.seasons, p),
            "accounts": truth.accounts_truth(i, held),
            "addresses": truth.addresses_truth(written, i, dwelling),
        },
    )


def happenings(
    crowd: Crowd,
    ground: Ground,
    owned: identities.Devices,
    p: Parameters,
    acting: np.random.Generator,
    answering: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Behaviour, delivery and funnel of a block as one stream of columns."""
    acts = behaviour.behaviour(crowd.people, ground.shops, ground.seasons, p, acting)
    acts["device"] = owned.used(acts["customer"], acts["device"])
    parts = [acts, *funnel.delivery_events(ground.plan, crowd.sent, crowd.known, answering)]
    return events.stacked(parts + funnel.deal_events(ground.plan, crowd.sent, crowd.known))

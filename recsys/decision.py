"""What was decided for one customer, with the trace of every offer, and the room that limits have left."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from recsys.case import LimitSpec
from recsys.coarse import coarse
from scenefit.contracts.errors import ContractError

Stage = Literal[
    "eligibility", "applicability", "suitability", "contact", "scene", "channel", "value", "price", "room",
    "arbitration", "offered",
]  # fmt: skip

# stages that are not rules, in a sentence, English and Chinese
WORDS: Mapping[str, tuple[str, str]] = MappingProxyType({
    "scene": ("not an offer of the scene asked for", "不属于所请求的场景"),
    "channel": ("not on the channel asked for", "不在所请求的渠道上"),
    "value": ("expected to cost more than it brings", "预期成本高于收益"),
    "price": ("worth less than what it takes from {limits} earns elsewhere", "所占用的{limits}用在别处收益更高"),
    "room": ("{limits} has no room left", "{limits}已无余量"),
    "same": ("another offer it excludes is worth more: {winner}", "与之互斥的另一推荐价值更高：{winner}"),
    "arbitration": ("worth less than the offers made, the first of them {winner}", "价值低于已选推荐，首选为{winner}"),
    "offered": ("offered at rank {rank}", "推荐，排名第 {rank}"),
})  # fmt: skip


class Paid(NamedTuple):
    """What an offer takes of one limit and what that costs at the limit's price, currency units (below 0: a floor).

    `counts` is what the limit counts, as `LimitSpec.of`.
    """

    limit: str
    counts: str
    weight: float
    price: float
    amount: float


class Traced(NamedTuple):
    """One offer of one decision: the stage that removed it (or "offered"), why, and what it is worth.

    Money in currency units, costs negative: margin, loss, incentive and contact add up to `value`; `value` less what
    is paid for the limits is `reduced`. `rank` counts from 1 over all offers worth their price, 0 for the others.
    """

    offer: int
    offer_id: str
    stage: Stage
    rule: str
    en: str
    zh: str
    p_take: float
    margin: float
    loss: float
    incentive: float
    contact: float
    value: float
    paid: tuple[Paid, ...]
    reduced: float
    rank: int


@dataclass(frozen=True)
class Room:
    """What is left of every ceiling, by limit name; whoever decides one after another hands it on.

    Raises
    ------
    ContractError : an amount is not a number.
    """

    left: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, amount in self.left.items():
            if math.isnan(amount):
                raise ContractError(f"room: limit {name!r} has {amount} left; give a number")
        object.__setattr__(self, "left", MappingProxyType(dict(self.left)))

    def after(self, decision: Decision) -> Room:
        """What is left once the offers of a decision are made."""
        return Room({name: amount - decision.usage.get(name, 0.0) for name, amount in self.left.items()})


def full_room(specs: Sequence[LimitSpec], used: Mapping[str, float] | None = None) -> Room:
    """Room of every ceiling before anything is offered, or after what was used already."""
    used = used or {}
    return Room({s.name: float(s.total) - used.get(s.name, 0.0) for s in specs if s.sense == "<="})


@dataclass(frozen=True)
class Decision:
    """The offers for one customer at one moment, best first, and the trace of every offer there is.

    `usage` is what the offers that are made (the first `made` of `offers`) take of each limit.
    """

    decision_id: str
    policy: str
    customer: str
    at: str
    scene: str | None
    channel: str | None
    message: str
    offers: tuple[str, ...]
    made: int
    usage: Mapping[str, float]
    trace: tuple[Traced, ...]

    def of(self, offer_id: str) -> Traced:
        """The trace of one offer.

        Raises
        ------
        ContractError : there is no such offer.
        """
        for one in self.trace:
            if one.offer_id == offer_id:
                return one
        raise ContractError(
            f"decision {self.decision_id}: there is no offer {offer_id!r}; there are "
            f"{', '.join(one.offer_id for one in self.trace)}"
        )

    def record(self, risk: bool = False) -> dict[str, Any]:
        """The decision as plain values; only risk sees the loss of one person.

        Others see margin and loss as one figure, nothing of what is paid for a limit on losses, and chance and money
        to two digits that matter: exact ones would give the person's probability of default by division. Ranks stay.
        """
        rows = [_in_full(one) if risk else _in_outline(one) for one in self.trace]
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("trace", "usage")}
        usage = dict(self.usage) if risk else {}
        return {**plain, "offers": list(self.offers), "usage": usage, "trace": rows}

    def json(self, risk: bool = False) -> str:
        """The decision as one line of JSON, see `record`; the same decision gives the same bytes."""
        return json.dumps(self.record(risk), ensure_ascii=False, sort_keys=True, allow_nan=False)


def _in_full(one: Traced) -> dict[str, Any]:
    return one._asdict() | {"paid": [part._asdict() for part in one.paid]}


def _in_outline(one: Traced) -> dict[str, Any]:
    row = one._asdict()
    row["margin_after_loss"] = row.pop("margin") + row.pop("loss")
    for name in ("p_take", "margin_after_loss", "incentive", "contact", "value", "reduced"):
        row[name] = coarse(row[name])
    row["paid"] = [{"limit": part.limit, "amount": coarse(part.amount)} for part in one.paid if part.counts != "loss"]
    return row

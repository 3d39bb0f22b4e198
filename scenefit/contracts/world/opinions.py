"""What the public says: short posts in Chinese and English about products and scenes, with two planted bursts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scenefit.contracts.world import clock, products
from scenefit.contracts.world.columns import contract_table, instants, numbered, whole_numbers
from scenefit.contracts.world.scenes import TOP

BAD, PLAIN, GOOD = -1, 0, 1
SITES = ("forum (synthetic)", "app store (synthetic)", "microblog (synthetic)", "complaint site (synthetic)")
# opening, judgement by sentiment, detail, ending: put together at random
ZH_OPENING = ("用了{x}一个月，", "刚办完{x}，", "说说{x}：", "朋友推荐的{x}，", "第二次用{x}了，", "{x}")
ZH = {
    GOOD: ("审批很快", "利息写得清楚", "客服有耐心", "提前还款没收费", "额度够用", "比想象中省心", "体验不错"),
    PLAIN: ("还在等审核", "中规中矩", "想问下有没有人办过", "流程和别家差不多", "先观望一下", "资料要交不少"),
    BAD: ("催收电话打个不停", "利息算下来太高", "多扣了一笔手续费", "客服一直踢皮球", "说好的免息没有",
          "审批拖了半个月", "后悔了"),
}  # fmt: skip
ZH_DETAIL = ("", "，金额不大", "，主要是分期用", "，家里装修用的", "，出门旅行救急", "，工资日还款", "，身边同事也在用")
ZH_ENDING = ("。", "！", "……", "，希望改进。", "，供参考。", " 🤔", "")
EN_OPENING = ("Used {x} for a month: ", "Just signed up for {x}, ", "About {x} - ", "{x} again, ", "My take on {x}: ")
EN = {
    GOOD: ("approved within minutes", "the fee table is clear", "support was patient", "early repayment cost nothing"),
    PLAIN: ("still waiting for the review", "does what it says", "has anybody tried it?", "same steps as elsewhere"),
    BAD: ("they keep calling me", "far too expensive in the end", "charged me twice", "nobody answers complaints"),
}
EN_DETAIL = ("", ", small amount", ", needed it for the flat", ", for a trip", ", paying on payday")
EN_ENDING = (".", "!", " ...", " Hope it helps.", "")


class Burst(NamedTuple):
    """A planted wave of posts about one subject."""

    id: str
    subject: str
    day: int
    days: int
    posts: int
    sentiment: int


BURSTS = (Burst("burst-fees", "P09", 297, 3, 90, BAD), Burst("burst-travel", "travel", 226, 4, 70, GOOD))


def opinions(posts: int, rng: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """Posts, and the truth about each: its sentiment and the burst it belongs to."""
    names = {terms.id: (terms.zh, terms.en) for terms in products.PRODUCTS} | {t[0]: (t[2], t[1]) for t in TOP}
    subjects = np.array(list(names))
    subject = subjects[rng.integers(0, len(subjects), posts)]
    sentiment = rng.choice([BAD, PLAIN, GOOD], posts, p=[0.28, 0.27, 0.45])
    day = rng.random(posts) * clock.DAYS
    wave = np.full(posts, -1)
    for code, burst in enumerate(BURSTS):
        subject = np.append(subject, [burst.subject] * burst.posts)
        mostly = np.where(rng.random(burst.posts) < 0.85, burst.sentiment, PLAIN)
        sentiment = np.append(sentiment, mostly)
        day = np.append(day, burst.day + burst.days * rng.random(burst.posts) ** 1.5)
        wave = np.append(wave, np.full(burst.posts, code))
    order = np.argsort(day, kind="stable")
    moment = clock.START + day[order].astype(np.int64) * clock.DAY
    at = moment + clock.time_of_day(np.full(len(order), 0.2), rng.random(len(order)), rng.random(len(order)))
    site = np.where(sentiment[order] == BAD, rng.choice(4, len(order), p=[0.2, 0.2, 0.2, 0.4]), 0)
    site = np.where(sentiment[order] == BAD, site, rng.integers(0, 3, len(order)))
    rows = zip(subject[order], sentiment[order], rng.random(len(order)), strict=True)
    table = contract_table(
        "opinions",
        {
            "post_id": numbered("o", np.arange(1, len(order) + 1), 6),
            "at": instants(at),
            "source": [SITES[s] for s in site],
            "subject": [str(s) for s in subject[order]],
            "text": [post(names[s], int(mood), u < 0.75, rng) for s, mood, u in rows],
        },
    )
    truth = pa.table(
        {
            "post_id": table["post_id"],
            "sentiment": whole_numbers(sentiment[order]),
            "burst_id": pa.array([BURSTS[w].id if w >= 0 else None for w in wave[order]], pa.string()),
        }
    )
    return table, truth


def post(name: tuple[str, str], mood: int, chinese: bool, rng: np.random.Generator) -> str:
    """One post, put together from parts."""
    parts = (ZH_OPENING, ZH[mood], ZH_DETAIL, ZH_ENDING) if chinese else (EN_OPENING, EN[mood], EN_DETAIL, EN_ENDING)
    opening, judgement, detail, ending = (options[rng.integers(len(options))] for options in parts)
    return opening.replace("{x}", name[0] if chinese else name[1]) + judgement + detail + ending


def bursts_truth() -> pa.Table:
    """The planted waves: subject, first and last moment, number of posts."""
    return pa.table(
        {
            "burst_id": [burst.id for burst in BURSTS],
            "subject": [burst.subject for burst in BURSTS],
            "starts_at": instants(np.array([clock.START + b.day * clock.DAY for b in BURSTS])),
            "ends_at": instants(np.array([clock.START + (b.day + b.days + 1) * clock.DAY for b in BURSTS])),
            "posts": [burst.posts for burst in BURSTS],
            "sentiment": [burst.sentiment for burst in BURSTS],
        }
    )

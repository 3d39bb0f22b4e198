"""What is told of the response model: reliability, lift and profit of held-out campaigns, all and by channel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.kept_case import write_case
from app.recs_response import RESPONSE, response_document, response_parts
from recsys.calibrate import Correction, OfferCorrection, offer_correction
from recsys.evaluate import ProbabilityQuality
from recsys.profit_by_tenth import LastOffers, profit_by_tenth
from recsys.response import Offered, Response
from recsys.training import HeldOut, ResponseLearned
from scenefit.contracts.errors import ContractError
from scenefit.runtime import models
from tests.recsys.made_case import made_case

N = 2_000


def learned(seed: int = 0, channels: tuple[str, ...] = ("call", "sms")) -> ResponseLearned:
    rng = np.random.default_rng(seed)
    profile, product = rng.normal(size=(N, 1)), rng.integers(0, 3, N)
    p = 1 / (1 + np.exp(2 - profile[:, 0]))
    took = rng.random(N) < p
    model = Response(3).fit(Offered(profile, np.ones((N, 1)), product, np.zeros(N)), took)
    held = HeldOut(np.arange(N) % 300, product, rng.integers(0, len(channels), N), p, took)
    right = offer_correction(p, took, product, 3, rng)
    quality = ProbabilityQuality(0.7, 0.3, 0.01, float(took.mean()), N)
    return ResponseLearned(model, np.ones(1), channels, True, quality, ("C9",), held, right)


def kept(folder: Path, response: ResponseLearned, case: bool = True) -> Path:
    models.save(folder / RESPONSE, *response_parts(response, ["p0", "p1", "p2"]))
    if case:
        write_case(folder, made_case(300))
    return folder


def test_what_is_kept_answers_as_it_did(tmp_path: Path) -> None:
    response = learned()
    told = response_document(kept(tmp_path, response))
    assert told is not None
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert (told["offers"], told["takers"]) == (N, int(response.held_out.took.sum()))
    assert sum(row["rows"] for row in told["curve"]) == N
    assert told["lift"][0]["lift"] > 2
    assert [part["channel"] for part in told["channels"]] == ["call", "sms"]
    assert sum(part["offers"] for part in told["channels"]) == N


def test_profit_is_what_takers_brought_less_every_contact_by_hand(tmp_path: Path) -> None:
    response, case = learned(), made_case(300)
    told = response_document(kept(tmp_path, response))
    assert told is not None
    held, total = response.held_out, 0.0
    ids = list(case.offers["product_id"])
    known = 0
    for who, product, channel, took in zip(held.who, held.product, held.channel, held.took, strict=True):
        if f"p{product}" not in ids:
            continue
        known += 1
        at = ids.index(f"p{product}")
        worth = case.terms.margin[at] - case.pd_given_take[who] * case.lgd * case.terms.amount[at]
        contact = {"call": 1.5, "sms": 0.05}[response.channels[channel]]
        total += took * (worth - case.terms.incentive[at]) - contact
    assert known > 0
    assert sum(row["contacts"] for row in told["profit"]) == known
    assert told["profit"][-1]["total"] == pytest.approx(total)


def test_a_channel_of_a_few_offers_is_not_told_of(tmp_path: Path) -> None:
    response = learned()
    channel = np.where(np.arange(N) < 19, 0, 1)
    told = response_document(kept(tmp_path, response._replace(held_out=response.held_out._replace(channel=channel))))
    assert told is not None
    assert [part["channel"] for part in told["channels"]] == ["sms"]


def test_without_a_case_there_is_no_profit_and_without_held_out_offers_nothing(tmp_path: Path) -> None:
    told = response_document(kept(tmp_path / "a", learned(), case=False))
    assert told is not None
    assert told["profit"] is None
    assert response_document(tmp_path / "nothing") is None
    models.save(tmp_path / "old" / RESPONSE, {"coef": np.ones(2)}, {"intercept": 0.0})
    assert response_document(tmp_path / "old") is None


def test_offers_without_a_product_or_a_known_channel_bring_no_profit_figure(tmp_path: Path) -> None:
    response = learned(channels=("pigeon", "sms"))
    held = response.held_out._replace(product=np.where(np.arange(N) < 100, -1, response.held_out.product))
    told = response_document(kept(tmp_path, response._replace(held_out=held)))
    assert told is not None
    assert told["channels"][0]["channel"] == "pigeon"
    assert told["channels"][0]["profit"] is None
    assert told["channels"][1]["profit"] is not None


def test_the_correction_comes_back_and_acts_on_every_product(tmp_path: Path) -> None:
    response = learned()
    right = OfferCorrection(Correction("temperature", 0, 0, 0, slope=1.0, shift=-1.0), (0.5, 0.0, 0.0), 0.1, 0.05, 0.2)
    told = response_document(kept(tmp_path, response._replace(correction=right)))
    assert told is not None
    assert (told["correction"]["method"], told["correction"]["by_offer"]) == ("temperature", True)
    ones = np.ones((2, 1))
    plain = response.model.matrix(ones, ones, np.zeros((2, 3)))
    moved = response._replace(correction=right).matrix(ones, ones, np.zeros((2, 3)))
    odds = np.log(moved / (1 - moved)) - np.log(plain / (1 - plain))
    np.testing.assert_allclose(odds, [[-0.5, -1.0, -1.0]] * 2, atol=1e-9)


def test_profit_needs_one_value_for_each_offer() -> None:
    with pytest.raises(ContractError, match="give one value each"):
        profit_by_tenth(LastOffers(np.ones(2), np.ones(2), np.ones(1), np.ones(2)))


def test_the_best_depth_is_where_the_total_is_largest() -> None:
    p, took = np.linspace(1, 0, 100), np.arange(100) < 30
    table = profit_by_tenth(LastOffers(p, took, np.full(100, 10.0), np.ones(100)))
    assert table["best"].tolist() == [False, False, True] + [False] * 7
    assert table["total"].iloc[2] == 30 * 9

"""What a better rate proves: could the group differ only because marketing chose whom to reach?"""

from __future__ import annotations

from typing import Literal

import numpy as np

from segmentation.bits import count
from segmentation.evidence import chance_of_at_least, holm
from segmentation.halves import Half

Proof = Literal["randomised", "weighted", "observational", "unproven"]
PROOFS: tuple[Proof, ...] = ("randomised", "weighted", "observational", "unproven")

# reach counts as selective below this chance, corrected over the rules asked about
SELECTIVE = 0.01
# one-sided 95 %
Z_ONE_SIDED = 1.6448536269514722


def proofs(rules: np.ndarray, confirming: Half, *, propensity: bool, contacts: bool) -> list[Proof]:
    """How far each rule's evidence carries, judged on the customers that confirm it.

    randomised: treated against control, and the treated share inside is that outside. weighted: by known
    propensities. observational: reach had no part in it, or the group is better also among the reached and among the
    not reached taken apart. unproven: reach (or treatment) went by the very attributes of the rule, and apart from
    reach nothing is shown, such as where only those reached can have the outcome.

    Parameters
    ----------
    propensity : propensities were given
    contacts : it is known who was reached
    """
    if propensity:
        return ["weighted"] * len(rules)
    if not contacts and confirming.design.kind != "arms":
        return ["observational"] * len(rules)
    if confirming.design.kind == "arms":
        treated = np.bitwise_or.reduce(confirming.cells[confirming.design.treated], axis=0)
        return ["unproven" if chosen else "randomised" for chosen in _selective(rules, confirming, treated)]
    chosen = _selective(rules, confirming, confirming.unreached)
    apart = _better_apart(rules, confirming)
    return ["unproven" if c and not a else "observational" for c, a in zip(chosen, apart, strict=True)]


def _selective(rules: np.ndarray, half: Half, marked: np.ndarray) -> np.ndarray:
    """Whether the share of those marked differs inside and outside by more than chance (exact, two-sided, Holm)."""
    members = [half.members(rule) for rule in rules]
    size = np.array([count(bits) for bits in members], dtype=np.int64)
    inside = np.array([count(bits & marked) for bits in members], dtype=np.int64)
    total = int(count(marked))
    more = chance_of_at_least(inside, size, total, half.rows)
    fewer = chance_of_at_least(size - inside, size, half.rows - total, half.rows)
    return holm(np.minimum(1.0, 2 * np.minimum(more, fewer))) <= SELECTIVE


def _better_apart(rules: np.ndarray, half: Half) -> np.ndarray:
    """Whether the rate ratio inside to outside, reached and not reached taken apart, is above 1 beyond doubt.

    The Mantel-Haenszel ratio with the variance of Greenland and Robins (1985), Biometrics 41, 55. Without any outcome
    among those not reached there is nothing to take apart.
    """
    if not count(half.outcome & half.unreached):
        return np.zeros(len(rules), dtype=bool)
    top, bottom, spread = (np.zeros(len(rules)) for _ in range(3))
    for stratum in (half.unreached, half.cells[0] & ~half.unreached):
        n, positives = int(count(stratum)), int(count(stratum & half.outcome))
        if not n:
            continue
        members = [half.members(rule) & stratum for rule in rules]
        inside = np.array([count(bits) for bits in members], dtype=np.float64)
        hits = np.array([count(bits & half.outcome) for bits in members], dtype=np.float64)
        top += hits * (n - inside) / n
        bottom += (positives - hits) * inside / n
        spread += (inside * (n - inside) * positives - hits * (positives - hits) * n) / n**2
    shown = (top > 0) & (bottom > 0)
    lower = np.full(len(rules), -np.inf)
    ratio, error = np.log(top[shown] / bottom[shown]), np.sqrt(spread[shown] / (top[shown] * bottom[shown]))
    lower[shown] = ratio - Z_ONE_SIDED * error
    # every outcome inside: better, however few
    return (lower > 0) | ((top > 0) & (bottom == 0))

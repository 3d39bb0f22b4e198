"""What a list of ours would have earned on a past that another policy decided, from its logged propensities.

It refuses rather than guess: where what was shown never agrees with the policy, where the propensities do not fit what
was logged, and where few weighted people are left.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from scenefit.contracts.errors import ContractError, EmptyArm, NotFitted

Method = Literal["ips", "snips", "dr"]
LEAST_EFFECTIVE = 100.0  # below this a rate of 5 % is not known to within 4 points
FURTHEST = 4.0  # standard errors that the mean weight may lie from 1
ROUNDED = 0.02  # propensities are often logged with two digits
DRAWS = 1_000
Z = 1.959963984540054


class Estimate(NamedTuple):
    """Mean reward under a policy with its 95 % interval.

    effective : (Σw)² / Σw², the number of equally weighted people that would tell as much
    clipped : share of the rows of positive weight whose weight was cut
    mean_weight : before any cut; 1 where the propensities fit
    """

    value: float
    low: float
    high: float
    error: float
    effective: float
    clipped: float
    mean_weight: float
    rows: int
    method: str


class _Sums(NamedTuple):
    """An estimate as the ratio of two sums over rows."""

    above: np.ndarray
    below: np.ndarray


def estimate(
    reward: np.ndarray,
    shown: np.ndarray,
    propensity: np.ndarray,
    policy_probability: np.ndarray,
    method: Method = "snips",
    model: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
    clusters: np.ndarray | None = None,
    clip: float | None = None,
    least: float = LEAST_EFFECTIVE,
) -> Estimate:
    """What a policy would have earned per person, had it decided in the past.

    Parameters
    ----------
    reward : (n,) what the shown action earned
    shown : (n,) index of the action that was shown; "not contacted" is an action too
    propensity : (n,) probability in (0, 1] with which the past showed that action to that person
    policy_probability : (n, actions) probability with which the judged policy shows each
    model : (n, actions) expected reward, learned on other people; for "dr" only
    rng : draws a percentile interval by the bootstrap; without one it is the normal one
    clusters : (n,) what was randomised together (areas, days); None: each row by itself
    clip : largest weight; cutting trades bias for variance and is reported
    least : smallest effective sample at which an estimate is given

    Raises
    ------
    ContractError : shapes differ, a value is not finite, or a propensity is outside (0, 1].
    EmptyArm : no row, or nobody was shown what the policy would show.
    NotFitted : the effective sample is too thin, the propensities do not fit, or "dr" has no model.

    Notes
    -----
    w = policy(shown) / propensity. IPS: mean of w·r (Horvitz and Thompson 1952). SNIPS: Σw·r / Σw (Swaminathan and
    Joachims 2015). DR: mean of Σ_a policy(a)·q(a) + w·(r − q(shown)) (Dudík, Langford and Li 2011).

    >>> r, shown, p = np.array([1.0, 0, 1, 0]), np.array([0, 0, 1, 1]), np.full(4, 0.5)
    >>> always_first = np.array([[1.0, 0.0]] * 4)
    >>> estimate(r, shown, p, always_first, "ips", least=1).value
    0.5
    """
    weight, raw = weights(shown, propensity, policy_probability, clip)
    _check_rewards(reward, weight, clusters)
    effective = _supported(raw, weight, least, clusters)
    sums = _sums(reward, shown, weight, policy_probability, method, model)
    value = float(sums.above.sum() / sums.below.sum())
    parts = [_by_cluster(part, clusters) for part in sums]
    error = _error(parts[0] - value * parts[1], float(sums.below.sum()))
    low, high = value - Z * error, value + Z * error
    if rng is not None:
        low, high = _percentiles(_drawn([parts], rng)[0])
    cut = float((weight < raw).sum() / max(1, (raw > 0).sum()))
    return Estimate(value, low, high, error, effective, cut, float(raw.mean()), len(reward), method)


def gain(
    reward: np.ndarray,
    shown: np.ndarray,
    propensity: np.ndarray,
    policy_probability: np.ndarray,
    method: Method = "snips",
    model: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
    clusters: np.ndarray | None = None,
    clip: float | None = None,
    least: float = LEAST_EFFECTIVE,
) -> Estimate:
    """What a policy would have earned per person more than the past did; arguments and errors as `estimate`.

    Both are judged on the same people, so their errors partly cancel.
    """
    found = estimate(reward, shown, propensity, policy_probability, method, model, None, clusters, clip, least)
    weight, _ = weights(shown, propensity, policy_probability, clip)
    sums = _sums(reward, shown, weight, policy_probability, method, model)
    past = float(np.mean(reward))
    ours = [_by_cluster(part, clusters) for part in sums]
    theirs = [_by_cluster(part, clusters) for part in (reward.astype(float), np.ones(len(reward)))]
    total = float(sums.below.sum())
    influence = (ours[0] - found.value * ours[1]) / total - (theirs[0] - past * theirs[1]) / len(reward)
    error, value = _error(influence, 1.0), found.value - past
    low, high = value - Z * error, value + Z * error
    if rng is not None:
        drawn = _drawn([ours, theirs], rng)
        low, high = _percentiles(drawn[0] - drawn[1])
    return found._replace(value=value, low=low, high=high, error=error)


def weights(
    shown: np.ndarray, propensity: np.ndarray, policy_probability: np.ndarray, clip: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """How much each row of the past counts under a policy: cut at `clip`, and uncut; (n,), (n,).

    Raises
    ------
    ContractError, EmptyArm : as `estimate`.
    """
    n = len(shown)
    if n == 0:
        raise EmptyArm("off-policy: no row was logged; give the past campaign's rows")
    if policy_probability.ndim != 2 or len(policy_probability) != n or np.shape(propensity) != (n,):
        raise ContractError(
            f"off-policy: {n:,} rows shown, propensities of shape {np.shape(propensity)}, policy of shape "
            f"{policy_probability.shape}; give ({n},) and ({n}, actions)"
        )
    wrong = ~((propensity > 0) & (propensity <= 1))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ContractError(
            f"off-policy: {int(wrong.sum()):,} propensities lie outside (0, 1], the first {propensity[row]} in row "
            f"{row}; log the probability with which the past showed what it showed"
        )
    if shown.min() < 0 or shown.max() >= policy_probability.shape[1]:
        raise ContractError(
            f"off-policy: actions {shown.min()} to {shown.max()} were shown, the policy knows "
            f"{policy_probability.shape[1]}; number them from 0"
        )
    sums = policy_probability.sum(axis=1)
    if not (policy_probability >= 0).all() or not np.allclose(sums, 1, atol=1e-6):
        raise ContractError(
            f"off-policy: the policy's probabilities add up to {sums.min():.6g} to {sums.max():.6g} per person; they "
            "must be at least 0 and add up to 1, with 'not contacted' as an action"
        )
    raw: np.ndarray = policy_probability[np.arange(n), shown] / propensity
    if clip is not None and clip <= 0:
        raise ContractError(f"off-policy: weights are to be cut at {clip}; give a number above 0 or None")
    return (raw if clip is None else np.minimum(raw, clip)), raw


def effective_sample(weight: np.ndarray) -> float:
    """How many equally weighted rows tell as much (Kish 1965); 0 where all weights are 0.

    >>> effective_sample(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    square = float((weight**2).sum())
    return float(weight.sum() ** 2 / square) if square > 0 else 0.0


def _supported(raw: np.ndarray, weight: np.ndarray, least: float, clusters: np.ndarray | None) -> float:
    """The effective sample, once it is sure that the past can answer."""
    if not (raw > 0).any():
        raise EmptyArm(
            f"off-policy: none of {len(raw):,} people was shown what the policy would show; the past cannot tell. "
            "Run a small randomised campaign with logged propensities"
        )
    mean = float(raw.mean())
    # what was randomised together strays together
    error = _error(_by_cluster(raw - mean, clusters), float(len(raw)))
    if abs(mean - 1) > FURTHEST * error + ROUNDED:
        raise NotFitted(
            f"off-policy: the mean of policy / propensity is {mean:.3f} ± {error:.3f} and not 1: the logged "
            "propensities are not those that decided, or some of what the policy shows was never tried. Correct the "
            "propensities, or judge the policy only where the past was random"
        )
    effective = effective_sample(weight)
    if effective < least:
        raise NotFitted(
            f"off-policy: the effective sample is {effective:,.0f} of {len(raw):,} rows, at least {least:,.0f} are "
            "needed; collect more random contacts, or judge a policy closer to the past"
        )
    return effective


def _check_rewards(reward: np.ndarray, weight: np.ndarray, clusters: np.ndarray | None) -> None:
    if np.shape(reward) != weight.shape or not np.isfinite(reward).all():
        raise ContractError(
            f"off-policy: {np.shape(reward)} rewards for {len(weight):,} rows, {int((~np.isfinite(reward)).sum()):,} "
            "of them not finite; give one finite reward per row"
        )
    if clusters is not None and np.shape(clusters) != weight.shape:
        raise ContractError(f"off-policy: {len(clusters):,} clusters for {len(weight):,} rows; give one per row")


def _sums(
    reward: np.ndarray,
    shown: np.ndarray,
    weight: np.ndarray,
    policy_probability: np.ndarray,
    method: Method,
    model: np.ndarray | None,
) -> _Sums:
    ones = np.ones(len(reward))
    if method == "ips":
        return _Sums(weight * reward, ones)
    if method == "snips":
        return _Sums(weight * reward, weight)
    if method != "dr":
        raise ContractError(f"off-policy: the method {method!r} is unknown; choose ips, snips or dr")
    if model is None:
        raise NotFitted("off-policy: 'dr' needs a model of the expected reward; give model or choose 'snips'")
    if model.shape != policy_probability.shape or not np.isfinite(model).all():
        raise ContractError(
            f"off-policy: the model has shape {model.shape}, the policy {policy_probability.shape}; "
            "give one finite expected reward per row and action"
        )
    expected = model[np.arange(len(reward)), shown]
    return _Sums((policy_probability * model).sum(axis=1) + weight * (reward - expected), ones)


def _by_cluster(part: np.ndarray, clusters: np.ndarray | None) -> np.ndarray:
    if clusters is None:
        return part
    return np.bincount(np.unique(clusters, return_inverse=True)[1], weights=part)


def _error(influence: np.ndarray, total: float) -> float:
    """Standard error of a ratio of sums from what each row or cluster adds to it."""
    n = len(influence)
    return float(np.sqrt((influence**2).sum() * n / max(1, n - 1)) / abs(total))


def _drawn(ratios: list[list[np.ndarray]], rng: np.random.Generator) -> np.ndarray:
    """Ratios of sums over rows drawn again with replacement; (ratios, DRAWS)."""
    n = len(ratios[0][0])
    parts = np.stack([part for ratio in ratios for part in ratio], axis=1)
    sums = np.empty((DRAWS, parts.shape[1]))
    for draw in range(DRAWS):
        sums[draw] = np.bincount(rng.integers(0, n, n), minlength=n) @ parts
    above, below = sums[:, ::2].T, sums[:, 1::2].T
    # a draw without any weight says nothing
    found: np.ndarray = np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)
    return found


def _percentiles(drawn: np.ndarray) -> tuple[float, float]:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)

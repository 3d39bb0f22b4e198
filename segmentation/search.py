"""All rules of up to four conditions, counted; the best of them; and how good the best would be by chance alone.

Knows nothing of names: a selector is a bitmap (see `segmentation.bits`) and the attribute it asks about, a plane is a
bitmap to count rules in, such as those with the outcome. Two selectors of one attribute never stand in one rule. The
number of threads changes nothing.
"""

from __future__ import annotations

import numpy as np

from scenefit.contracts.errors import ContractError, SettingsError
from segmentation.bits import count, packed, unpacked
from segmentation.search_best import Ranking, best_of
from segmentation.search_bounds import quality_named
from segmentation.search_pool import (
    CELLS,
    NONE,
    Found,
    Level,
    Pool,
    check_search,
    counted_rules,
    levels,
    no_counts,
    padded,
    pool_of,
    threads_pay,
)

# a tail takes about as long as reading that many words
TAIL_WORDS = 1 << 15


def every_rule(
    fits: np.ndarray,
    attribute: np.ndarray,
    planes: np.ndarray,
    *,
    depth: int,
    support: int,
    testable: np.ndarray | None = None,
) -> Found:
    """All rules with at least `support` members: shorter ones first, then in the order of their selectors.

    Parameters
    ----------
    fits : uint64 (s, words), who fits each selector
    attribute : int (s,), what each selector asks about
    planes : uint64 (p, words)
    depth : conditions per rule at most, 1 to 4
    testable : int64, for each size from 0 on the least members in the first plane; rules with fewer are tried but
        not listed, so that millions of hopeless ones take no room
    """
    pool = pool_of(fits, attribute, planes)
    check_search(depth, support)
    if testable is not None:
        _check_testable(testable, pool)
    tried, selectors, counted = 0, [padded(np.empty((0, 1), np.int32), depth)], [no_counts(pool)]
    for level in levels(pool, depth, support):
        tried += len(level.counts)
        listed = level if testable is None else level.only(level.counts[:, 1] >= testable[level.counts[:, 0]])
        selectors.append(padded(listed.selectors, depth))
        counted.append(listed.counts)
    return Found(np.concatenate(selectors), np.concatenate(counted), tried)


def best_rules(
    fits: np.ndarray,
    attribute: np.ndarray,
    planes: np.ndarray,
    rows: int,
    *,
    depth: int,
    support: int,
    quality: str = "wracc",
    top: int = 10,
) -> Found:
    """The `top` rules of highest quality among all with at least `support` members, best first.

    Candidates are left out only where their bound says that neither they nor any longer rule can come in. Of equal
    rules the one with the lower selectors comes first. `tried` counts what was not left out.

    Parameters
    ----------
    planes : uint64 (p, words), what the quality counts, see `segmentation.search_bounds.quality_named`; (words,) will
        do for one plane
    rows : number of customers

    Notes
    -----
    Optimistic estimates: Grosskreutz, Rüping and Wrobel (2008), ECML PKDD, 440. A longer rule is bounded by the
    counts of three of its parts before it is counted itself.
    """
    pool = pool_of(fits, attribute, np.atleast_2d(planes))
    check_search(depth, support)
    ranked = quality_named(quality)
    if len(pool.planes) != len(ranked.planes):
        raise ContractError(
            f"planes: {len(pool.planes)} given, quality {quality!r} counts {len(ranked.planes)}: "
            f"{', '.join(ranked.planes)}; give one bitmap for each"
        )
    if top < 1:
        raise SettingsError(f"top is {top}; ask for at least one rule")
    ranking = Ranking(ranked, np.concatenate([[rows], count(pool.planes)]).astype(np.int64), support, top, depth)
    return best_of(pool, ranking)


def counts(selectors: np.ndarray, fits: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """Size and members in each plane of given rules, int64 (r, planes + 1): the same rules on other customers.

    Parameters
    ----------
    selectors : int (r, depth), −1 where a rule has no further condition; each rule has at least one
    """
    rules = np.asarray(selectors)
    pool = pool_of(fits, np.arange(len(fits)), planes)
    if rules.ndim != 2 or (len(rules) and (rules.shape[1] == 0 or rules.max() >= len(pool.fits))):
        most = rules.max() if rules.size else "no conditions"
        raise ContractError(f"selectors: shape {rules.shape}, highest {most}; there are {len(pool.fits)} selectors")
    if len(rules) and (rules.max(axis=1) < 0).any():
        raise ContractError(f"selectors: rule {int((rules.max(axis=1) < 0).argmax())} has no condition; leave it out")
    if not len(rules):
        return no_counts(pool)
    return counted_rules(pool, *_heads(rules))


def permuted_hits(found: Found, fits: np.ndarray, permuted: np.ndarray) -> np.ndarray:
    """Members of each rule in each permuted outcome, int32 (r, b).

    Parameters
    ----------
    permuted : uint64 (b, words)
    """
    hits = np.empty((len(found.selectors), len(permuted)), dtype=np.int32)
    step = max(1, CELLS // (len(permuted) + 1))
    for start in range(0, len(hits), step):
        hits[start : start + step] = counts(found.selectors[start : start + step], fits, permuted)[:, 1:]
    return hits


def least_p(
    fits: np.ndarray, attribute: np.ndarray, permuted: np.ndarray, rows: int, *, depth: int, support: int
) -> np.ndarray:
    """The smallest p of all rules under each permuted outcome, float64 (b,): what chance alone brings forth.

    p is the exact upper tail of the hypergeometric distribution with half of the probability of what was seen (mid-p,
    Lancaster 1961), the same as `mid_p`; 1 where no rule has enough members. Westfall and Young (1993): a rule is
    beyond chance at level a when its p lies below the a-quantile of these.

    Parameters
    ----------
    permuted : uint64 (b, words), the outcome shuffled over customers: all with equally many bits
    """
    pool = pool_of(fits, attribute, permuted)
    check_search(depth, support)
    positives = np.unique(count(pool.planes))
    if len(positives) > 1:
        raise ContractError(
            f"permuted: outcomes hold {positives[0]:,} to {positives[-1]:,} customers; shuffle one outcome over the "
            f"same {rows:,} customers"
        )
    least = np.ones(len(pool.planes))
    if not len(pool.fits) or not len(positives):
        return least
    # hits are counted among the drawn alone: of a rare outcome they fill a fraction of the words
    words = max(len(fits), 64) * (int(positives[0]) // 64 + 1)
    for start in range(0, len(least), step := max(1, CELLS // words)):
        few = slice(start, start + step)
        drawn = _drawn(pool, pool.planes[few], rows)
        for level in levels(pool._replace(planes=pool.planes[:0]), depth, support):
            least[few] = np.minimum(least[few], _least(level, drawn, int(positives[0]), rows))
    return least


def mid_p(hits: np.ndarray, size: np.ndarray, positives: int, rows: int) -> np.ndarray:
    """p of rules to compare with `least_p`, to the last bit the same function; p below 1e-290 is told as about that.

    Raises
    ------
    ContractError : counts that cannot be: more hits than members or positives, more members than rows.
    """
    hit, members = np.asarray(hits, dtype=np.int64), np.asarray(size, dtype=np.int64)
    least = np.maximum(0, members + positives - rows)
    odd = (hit < least) | (hit > np.minimum(members, positives)) | (members > rows) | (positives > rows)
    if odd.any():
        i = int(odd.argmax())
        raise ContractError(
            f"rule {i}: {hit[i]:,} hits among {members[i]:,} members cannot be with {positives:,} positives among "
            f"{rows:,} customers; count all of them on the same customers"
        )
    from segmentation.search_kernels import fill_mid_p, fill_mid_p_part

    p, order = np.empty(len(hit)), np.argsort(members, kind="stable")
    if threads_pay(len(hit) * TAIL_WORDS):
        fill_mid_p(members, hit, order, positives, rows, p)
    else:
        fill_mid_p_part(members, hit, order, positives, rows, 0, len(hit), p)
    return p


def _heads(rules: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rules as a head and a last selector: neighbours often share the head, which is then intersected once."""
    heads = rules.astype(np.int32)
    at = rules.shape[1] - 1 - (rules[:, ::-1] >= 0).argmax(axis=1)
    last = heads[np.arange(len(rules)), at]
    heads[np.arange(len(rules)), at] = NONE
    new = np.r_[True, (heads[1:] != heads[:-1]).any(axis=1)]
    return heads[new], np.cumsum(new) - 1, last


def _drawn(pool: Pool, permuted: np.ndarray, rows: int) -> np.ndarray:
    """Who fits each selector among those whom each permutation draws: uint64 (b, s, words of the drawn)."""
    places = np.stack([np.flatnonzero(line) for line in unpacked(permuted, rows)])
    return np.stack([packed(unpacked(line, rows)[places]) for line in pool.fits], axis=1)


def _least(level: Level, drawn: np.ndarray, positives: int, rows: int) -> np.ndarray:
    """The smallest p of these rules under each permutation."""
    from segmentation.search_kernels import PARTS, fill_hits, fill_least, fill_least_part, fill_part

    least = np.ones((PARTS, len(drawn)))
    no_planes = np.empty((0, drawn.shape[2]), np.uint64)
    step = max(1, CELLS // len(drawn))
    for start in range(0, len(level.counts), step):
        rules = level.only(slice(start, start + step))
        hits = np.zeros((len(drawn), len(rules.counts), 1), np.int64)
        work = _heads(rules.selectors)
        if threads_pay(hits.size * drawn.shape[2]):
            fill_hits(drawn, no_planes, *work, hits)
        else:
            for b, line in enumerate(drawn):
                fill_part(line, no_planes, *work, 0, len(rules.counts), hits[b])
        sizes = np.ascontiguousarray(rules.counts[:, 0])
        asked = (sizes, hits[:, :, 0], np.argsort(sizes, kind="stable"), positives, rows)
        if threads_pay(len(sizes) * TAIL_WORDS):
            fill_least(*asked, least)
        else:
            fill_least_part(*asked, 0, len(sizes), least[0])
    smallest: np.ndarray = least.min(axis=0)
    return smallest


def _check_testable(testable: np.ndarray, pool: Pool) -> None:
    largest = int(count(pool.fits).max(initial=0))
    if len(testable) <= largest:
        raise ContractError(
            f"testable: {len(testable)} sizes, but a selector has {largest:,} members; give one for each size from 0"
        )
    if not len(pool.planes):
        raise ContractError("testable: there is no plane to count hits in; give the outcome as the first plane")

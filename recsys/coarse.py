"""Figures of one person, coarse enough that nobody reads a probability of default off them."""

from __future__ import annotations


def coarse(amount: float) -> float:
    """A figure of one person to two digits that matter: more would tell how likely the person is to default.

    >>> coarse(1234.0), coarse(-0.0567), coarse(0.0)
    (1200.0, -0.057, 0.0)
    """
    return float(f"{amount:.2g}")

"""Business time of the world: one year of days in Shanghai, its seasons, weekdays and hours."""

from __future__ import annotations

import numpy as np
import pandas as pd

UNTIL = pd.Timestamp("2026-07-01", tz="Asia/Shanghai").tz_convert("UTC")  # exclusive end of all data
SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
DAYS = 365
END = int(UNTIL.value) // 1_000
START = END - DAYS * DAY  # midnight in Shanghai, as END is: China keeps no summer time
YEAR = 2026

# one row per vertical scene (order of scenes.TOP), January to December; the last row is for what has no season
MONTHS = np.array([
    [1.1, 1.7, 0.8, 1.0, 1.3, 0.9, 1.6, 1.7, 0.9, 1.6, 0.6, 0.7],
    [0.7, 0.6, 1.3, 1.4, 1.4, 1.1, 0.8, 0.8, 1.2, 1.2, 1.0, 0.8],
    [0.8, 1.4, 1.3, 0.8, 0.7, 0.8, 1.4, 1.7, 1.4, 0.7, 0.6, 0.6],
    [1.0, 0.8, 0.8, 0.8, 0.9, 1.6, 0.9, 1.0, 1.2, 0.9, 1.9, 1.1],
    [0.9, 0.8, 1.1, 1.1, 1.0, 1.0, 1.2, 1.1, 1.0, 0.9, 1.0, 1.0],
    [1.4, 1.2, 0.9, 0.9, 0.9, 1.1, 0.9, 0.9, 1.0, 1.0, 1.2, 1.1],
    [1.2, 0.6, 1.0, 0.9, 1.0, 0.9, 0.8, 0.9, 1.3, 1.2, 1.1, 1.3],
    [0.9, 0.8, 1.0, 1.1, 1.6, 0.8, 0.6, 0.8, 1.2, 1.6, 0.9, 0.7],
    [1.0] * 12,
])  # fmt: skip
WEEKEND = np.array([1.2, 1.7, 1.1, 1.2, 0.7, 1.2, 1.5, 1.5, 1.0])
PROMOTIONS = (("2025-11-09", 3), ("2025-12-12", 1), ("2026-06-16", 3))  # days that shops make loud
PROMOTED = (3, 5)  # electronics and daily retail

# weight of each hour: by day, in the evening, at night
HOURS = np.array([
    [0, 0, 0, 0, 0, 1, 3, 6, 9, 10, 10, 9, 12, 9, 8, 8, 8, 7, 6, 4, 3, 2, 1, 0],
    [1, 0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 3, 5, 4, 3, 3, 3, 5, 8, 12, 15, 14, 9, 4],
    [14, 12, 9, 6, 3, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 3, 5, 8, 13, 15],
], dtype=float)  # fmt: skip


def seasons() -> np.ndarray:
    """Share of a year's demand before each day, shape (scenes + 1, 366): 0 at the start, 1 at the end."""
    dates = np.datetime64("2025-07-01") + np.arange(DAYS)
    month = dates.astype("M8[M]").astype(int) % 12
    weekday = (dates.astype(int) + 3) % 7
    weights = MONTHS[:, month] * np.where(weekday[None, :] >= 5, WEEKEND[:, None], 1.0)
    for first, length in PROMOTIONS:
        day = int((np.datetime64(first) - dates[0]).astype(int))
        weights[PROMOTED, day : day + length] *= 3.0
    total = np.cumsum(weights, axis=1)
    return np.hstack([np.zeros((len(total), 1)), total / total[:, -1:]])


def share_between(season: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Share of the year's demand in the days [low, high)."""
    axis = np.arange(DAYS + 1)
    return np.maximum(np.interp(high, axis, season) - np.interp(low, axis, season), 0.0)


def days_between(season: np.ndarray, low: np.ndarray, high: np.ndarray, u: np.ndarray) -> np.ndarray:
    """A day (with fraction) per row in [low, high), dense where the season is."""
    axis = np.arange(DAYS + 1)
    first, last = np.interp(low, axis, season), np.interp(high, axis, season)
    return np.minimum(np.interp(first + u * (last - first), season, axis), DAYS - 1e-6)


def time_of_day(night: np.ndarray, choice: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Microseconds after midnight; `night` is the person's share of nightly sessions."""
    profile = np.where(choice < night, 2, np.where(choice < night + 0.45 * (1 - night), 0, 1))
    cumulative = np.cumsum(HOURS, axis=1) / HOURS.sum(axis=1, keepdims=True)
    hours = np.empty(len(u))
    for row in range(len(HOURS)):
        chosen = profile == row
        hours[chosen] = np.interp(u[chosen], np.concatenate([[0.0], cumulative[row]]), np.arange(25))
    return np.minimum((hours * HOUR).astype(np.int64), DAY - 1)


def office_hours(u: np.ndarray) -> np.ndarray:
    """Microseconds after midnight between nine and twenty: when messages may be sent."""
    return ((9 + 11 * u) * HOUR).astype(np.int64)

"""When people are left in peace: quiet hours and holidays, in business time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from scenefit.contracts.errors import Infeasible, SettingsError

BUSINESS_ZONE = "Asia/Shanghai"
# what rings or lights up; a letter or an e-mail waits until it is opened
RINGING = ("sms", "push", "wechat", "call")
# no calendar holds more holidays in a row
FARTHEST = 60


class QuietHours(NamedTuple):
    """From `start` (included) to `end` (not included), local time, over midnight when `end` is earlier.

    `holidays` are quiet the whole day; `channels` are those that keep quiet.
    """

    start: time = time(21)
    end: time = time(8)
    zone: str = BUSINESS_ZONE
    holidays: frozenset[date] = frozenset()
    channels: tuple[str, ...] = RINGING


def quiet(
    as_of: pd.Timestamp,
    zone: str = BUSINESS_ZONE,
    hours: tuple[time, time] = (time(21), time(8)),
    holidays: Collection[date] = (),
) -> bool:
    """Whether people are left in peace at a moment.

    Parameters
    ----------
    hours : start (included) and end (not included) in local time; equal ones are no quiet hours at all
    holidays : local days that are quiet from midnight to midnight

    Raises
    ------
    SettingsError : a moment without a zone, or a zone that does not exist.

    >>> quiet(pd.Timestamp("2026-06-01T13:00Z")), quiet(pd.Timestamp("2026-06-01T12:59Z"))  # 21:00, 20:59 in Shanghai
    (True, False)
    """
    local = _local(as_of, zone)
    if local.date() in holidays:
        return True
    start, end = hours
    now = local.time()
    return start <= now < end if start <= end else now >= start or now < end


def open_again(
    as_of: pd.Timestamp,
    zone: str = BUSINESS_ZONE,
    hours: tuple[time, time] = (time(21), time(8)),
    holidays: Collection[date] = (),
) -> pd.Timestamp:
    """The next moment at which people may be contacted again (UTC); `as_of` itself when it is not quiet.

    Raises
    ------
    Infeasible : all of the next sixty days are quiet.

    >>> open_again(pd.Timestamp("2026-06-01T13:00Z"))
    Timestamp('2026-06-02 00:00:00+0000', tz='UTC')
    """
    if not quiet(as_of, zone, hours, holidays):
        return as_of.tz_convert("UTC")
    day = _local(as_of, zone).date()
    for ahead in range(FARTHEST + 1):
        # quiet can end at midnight, when a holiday is over, or when the quiet hours end
        for clock in sorted({time(0), hours[1]}):
            wall = datetime.combine(day + timedelta(days=ahead), clock, ZoneInfo(zone))
            moment = pd.Timestamp(wall).tz_convert("UTC")
            if moment > as_of and not quiet(moment, zone, hours, holidays):
                return moment
    raise Infeasible(
        f"quiet hours: the {FARTHEST} days after {day} are all quiet; correct the holidays or the hours {hours}"
    )


def _local(as_of: pd.Timestamp, zone: str) -> pd.Timestamp:
    if as_of.tzinfo is None:
        raise SettingsError(f"quiet hours: the moment {as_of} has no time zone; give one in UTC")
    try:
        return as_of.tz_convert(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SettingsError(f"quiet hours: there is no time zone {zone!r}; give one such as Asia/Shanghai") from error

"""Who may be contacted: lists on top of a reach, and the hours in which channels that ring stay shut."""

from __future__ import annotations

from datetime import time

import numpy as np
import pandas as pd
import pytest

from app.contactable import quiet_hours, without
from scenefit.contracts.reach import reachable
from scenefit.runtime.settings import LimitSettings, Settings

NOW = pd.Timestamp("2026-06-01T04:00Z")
IDS = [f"c{i}" for i in range(200)]


def test_lists_on_top_of_a_reach_are_those_asked_from_the_start() -> None:
    objections = pd.DataFrame({"customer_id": IDS[:9], "channel": ["sms"] * 5 + [None] * 4, "at": NOW})
    lists = {"a": IDS[3:60], "b": IDS[50:70]}

    after = without(reachable(IDS, ["sms", "email"], NOW, hold_out=0.1, objections=objections),
                    {name: np.isin(IDS, ids) for name, ids in lists.items()})  # fmt: skip
    asked = reachable(IDS, ["sms", "email"], NOW, hold_out=0.1, objections=objections, suppressions=lists)

    assert after.waterfall == asked.waterfall
    assert after.on_channel == asked.on_channel
    assert after.mask.tolist() == asked.mask.tolist()
    assert after.channel.tolist() == asked.channel.tolist()
    assert after.open_channels.tolist() == asked.open_channels.tolist()
    assert [gate.step for gate in after.gates] == [gate.step for gate in asked.gates]


@pytest.mark.parametrize(
    ("start", "end", "shut"),
    [
        (21, 8, (time(21), time(8))),
        (22, 24, (time(22), time.max)),
        (24, 7, (time(0), time(7))),
        (0, 24, (time(0), time.max)),
        (9, 9, None),
    ],
)
def test_hours_of_the_settings_are_hours_of_the_business_clock(start: int, end: int, shut: tuple[time, time]) -> None:
    settings = Settings(limits=LimitSettings(quiet_from=start, quiet_until=end))

    found = quiet_hours(settings, "Asia/Tokyo")

    assert (None if found is None else (found.start, found.end)) == shut
    assert found is None or found.zone == "Asia/Tokyo"

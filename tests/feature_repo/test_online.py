"""One customer, read online."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from feature_repo import history, online
from feature_repo.online import OnlineValue
from feature_repo.views_customer import CUSTOMER_SERVING, TTL
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.workspace import Workspace

from .conftest import US, D, ago

Firm = Callable[..., Workspace]


def test_a_customer_is_read_as_the_newest_snapshot_has_it(firm: Firm, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = firm()
    history.build(workspace, [ago(28), D])
    assert online.materialize(workspace, D + pd.Timedelta("2d")) == 2
    assert capsys.readouterr() == ("", "")
    ann = online.read(workspace, "ann", at=D + pd.Timedelta("2d"))
    offline = history.as_of(D, "serving_v1", workspace).set_index("customer_id").loc["ann"]
    assert list(ann) == CUSTOMER_SERVING.names
    for name, (value, event_time) in ann.items():
        assert value == offline[name]
        assert event_time == D


def test_beyond_its_ttl_and_before_its_time_a_value_is_none(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D])
    online.materialize(workspace, D)
    assert online.read(workspace, "ann", at=D + TTL)["purchases_90d"] == OnlineValue(3, D)
    for at in (D + TTL + US, D - US, None):  # None: the data end 60 days after the snapshot
        assert set(online.read(workspace, "ann", at=at).values()) == {OnlineValue(None, None)}


def test_an_unknown_customer_has_no_values(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [D])
    online.materialize(workspace, D)
    assert set(online.read(workspace, "nobody", at=D).values()) == {OnlineValue(None, None)}


def test_an_older_snapshot_does_not_replace_a_newer_one(firm: Firm) -> None:
    workspace = firm()
    history.build(workspace, [ago(1), D])
    online.materialize(workspace, D)
    with pytest.raises(StoreError, match=r"2026-01-01.* is online, which is newer than 2025-12-31"):
        online.materialize(workspace, ago(1))
    assert online.materialize(workspace, D) == 2


def test_only_online_services_are_served(firm: Firm) -> None:
    with pytest.raises(SettingsError, match=r"'offers_v1' is not served online; choose one of \['serving_v1'\]"):
        online.read(firm(), "ann", "offers_v1")

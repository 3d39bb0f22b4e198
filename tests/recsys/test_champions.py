"""Champion and challengers: who decides, why, since when, and that nothing is lost or overwritten."""

import fcntl
import json
import os

import numpy as np
import pytest

from recsys import champions
from recsys.champions import Judged
from scenefit.contracts.errors import ContractError, SettingsError, StoreError

AT, BY = "2026-07-01T00:00:00+00:00", "lee"


def judged(mean, n=400, seed=0, on="june", first=0):
    """Quality of n customers around a mean; the same customers differ by little from version to version."""
    people = np.random.default_rng(1).normal(0, 0.1, n)
    own = np.random.default_rng(seed).normal(0, 0.02, n)
    names = np.array([f"c{i + first:05d}" for i in range(n)])
    return Judged(on, names, mean + people + own, 0.4 + people)


def add(folder, mean, seed=0, **changes):
    arrays = {"coef": np.full(3, mean)}
    return champions.register(folder, arrays, {"settings": {"factors": 8}}, judged(mean, seed=seed, **changes), AT, BY)


def promote(folder, number, **more):
    return champions.promote(folder, number, AT, BY, np.random.default_rng(0), **more)


def test_a_challenger_decides_nothing_until_promoted(tmp_path):
    assert add(tmp_path, 0.5) == 1
    assert champions.champion(tmp_path) is None
    event = promote(tmp_path, 1)
    assert champions.champion(tmp_path) == 1
    assert event.detail["better"]["against"] == "popularity"
    assert event.detail["better"]["low"] > 0
    assert [v.champion for v in champions.versions(tmp_path)] == [True]


def test_a_challenger_that_is_not_surely_better_is_refused_unless_forced_with_a_reason(tmp_path):
    add(tmp_path, 0.5)
    promote(tmp_path, 1)
    add(tmp_path, 0.5, seed=2)
    with pytest.raises(SettingsError, match=r"version 2 is not surely better than version 1: .* over 400 customers"):
        promote(tmp_path, 2)
    with pytest.raises(SettingsError, match="needs a reason"):
        promote(tmp_path, 2, force=True, reason=" ")
    assert champions.champion(tmp_path) == 1
    event = promote(tmp_path, 2, force=True, reason="smaller and as good")
    assert champions.champion(tmp_path) == 2
    assert (event.detail["forced"], event.reason) == (True, "smaller and as good")


def test_worse_than_popularity_is_refused_where_there_is_no_champion(tmp_path):
    add(tmp_path, 0.3)
    with pytest.raises(SettingsError, match="not surely better than popularity"):
        promote(tmp_path, 1)


def test_roll_back_returns_to_the_champion_before(tmp_path):
    for number, mean in enumerate((0.5, 0.55, 0.6), start=1):
        add(tmp_path, mean, seed=number)
        promote(tmp_path, number)
    assert champions.roll_back(tmp_path, AT, BY, "complaints").version == 2
    assert champions.champion(tmp_path) == 2
    champions.roll_back(tmp_path, AT, BY, "still")
    assert champions.champion(tmp_path) == 1
    with pytest.raises(SettingsError, match="no champion before"):
        champions.roll_back(tmp_path, AT, BY, "once more")
    promote(tmp_path, 3)
    assert champions.champion(tmp_path) == 3


def test_a_roll_back_needs_a_reason(tmp_path):
    with pytest.raises(SettingsError, match="needs a reason"):
        champions.roll_back(tmp_path, AT, BY, "")


def test_what_is_pinned_to_a_version_stays_when_another_is_promoted(tmp_path):
    add(tmp_path, 0.5)
    before = champions.read_version(tmp_path, 1).arrays["coef"].tobytes()
    add(tmp_path, 0.6, seed=1)
    promote(tmp_path, 2)
    assert champions.read_version(tmp_path, 1).arrays["coef"].tobytes() == before


def test_the_history_is_only_added_to_and_shows_who_why_and_what_before(tmp_path):
    add(tmp_path, 0.5)
    promote(tmp_path, 1)
    first = (tmp_path / "history" / "e0001.json").read_bytes()
    add(tmp_path, 0.6, seed=1)
    promote(tmp_path, 2)
    champions.roll_back(tmp_path, AT, "wu", "too many complaints")
    events = champions.history(tmp_path)
    assert [(e.deed, e.version, e.before) for e in events] == [
        ("registered", 1, None), ("promoted", 1, None), ("registered", 2, 1), ("promoted", 2, 1), ("rolled back", 1, 2),
    ]  # fmt: skip
    assert (events[-1].by, events[-1].reason) == ("wu", "too many complaints")
    assert (tmp_path / "history" / "e0001.json").read_bytes() == first


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_changed_history_is_seen(tmp_path, damage):
    add(tmp_path, 0.5)
    promote(tmp_path, 1)
    file = tmp_path / "history" / "e0001.json"
    if damage == "gone":
        file.unlink()
    else:
        file.write_text(json.dumps(json.loads(file.read_text()) | {"by": "nobody"}))
    with pytest.raises(StoreError, match="restore it from a backup"):
        champions.champion(tmp_path)


def test_of_two_who_promote_at_once_one_is_told(tmp_path):
    add(tmp_path, 0.5)
    handle = os.open(tmp_path / champions.LOCK, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with pytest.raises(StoreError, match="somebody else is changing the models right now; nothing was changed"):
            promote(tmp_path, 1)
    finally:
        os.close(handle)
    assert champions.champion(tmp_path) is None
    promote(tmp_path, 1)


def test_versions_judged_on_other_data_are_not_compared(tmp_path):
    add(tmp_path, 0.5)
    promote(tmp_path, 1)
    add(tmp_path, 0.9, on="july")
    with pytest.raises(SettingsError, match="judged on july, version 1 on june"):
        promote(tmp_path, 2)
    event = promote(tmp_path, 2, force=True, reason="the old data is gone")
    assert event.detail["better"] is None


def test_few_common_customers_tell_nothing(tmp_path):
    add(tmp_path, 0.5)
    promote(tmp_path, 1)
    add(tmp_path, 0.9, first=350)
    with pytest.raises(SettingsError, match="only 50 customers were judged"):
        promote(tmp_path, 2)


def test_the_champion_is_not_promoted_twice(tmp_path):
    add(tmp_path, 0.5)
    promote(tmp_path, 1)
    with pytest.raises(SettingsError, match="is the champion already"):
        promote(tmp_path, 1)


def test_a_version_that_is_not_there_or_was_changed_is_named(tmp_path):
    with pytest.raises(StoreError, match="no version 3; there are: none yet"):
        champions.read_version(tmp_path, 3)
    add(tmp_path, 0.5)
    np.save(tmp_path / "v0001" / "coef.npy", np.zeros(3))
    with pytest.raises(StoreError, match="changed since it was saved"):
        promote(tmp_path, 1)


def test_qualities_that_do_not_fit_are_refused(tmp_path):
    bad = judged(0.5)._replace(quality=np.full(400, np.nan))
    with pytest.raises(ContractError, match="not a number"):
        champions.register(tmp_path, {}, {}, bad, AT, BY)
    with pytest.raises(ContractError, match="differ in length"):
        champions.register(tmp_path, {}, {}, judged(0.5)._replace(baseline=np.zeros(2)), AT, BY)
    assert champions.version_numbers(tmp_path) == []


def test_runs_decide_by_their_own_model_until_the_champion_is_pinned(tmp_path):
    add(tmp_path, 0.5)
    with pytest.raises(SettingsError, match="no champion that could decide; promote a version first"):
        champions.pin(tmp_path, AT, BY)
    promote(tmp_path, 1)
    assert champions.pinned(tmp_path) is None
    with pytest.raises(SettingsError, match="own model already"):
        champions.unpin(tmp_path, AT, BY)
    assert champions.pin(tmp_path, AT, BY, "steady").version == 1
    assert champions.pinned(tmp_path) == 1
    with pytest.raises(SettingsError, match="version 1, decides in runs already"):
        champions.pin(tmp_path, AT, BY)
    assert champions.unpin(tmp_path, AT, BY).before == 1
    assert champions.pinned(tmp_path) is None
    assert [e.deed for e in champions.history(tmp_path)] == ["registered", "promoted", "pinned", "unpinned"]


def test_a_pin_follows_promotion_and_roll_back(tmp_path):
    add(tmp_path, 0.5)
    promote(tmp_path, 1)
    champions.pin(tmp_path, AT, BY)
    add(tmp_path, 0.6)
    assert champions.pinned(tmp_path) == 1
    promote(tmp_path, 2)
    assert champions.pinned(tmp_path) == 2
    champions.roll_back(tmp_path, AT, BY, "complaints")
    assert champions.pinned(tmp_path) == 1

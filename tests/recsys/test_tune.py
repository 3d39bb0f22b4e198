"""A search for settings: what survives the rungs, what is kept of it, and that a resumed one is the same search."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recsys.tune import Choice, Range, kept_trials, search
from scenefit.contracts.errors import NotFitted, SettingsError, StoreError

SPACE = {"strength": Range(0.01, 100.0, log=True), "factors": Range(2, 64, whole=True), "kind": Choice(("a", "b"))}


def judged(settings, share, shared, rng):
    """Best at strength 1 and kind a; a small share is noisy."""
    return shared - abs(np.log10(settings["strength"])) - (settings["kind"] == "b") + rng.normal(0, 0.01 / share)


def judged_or_dead(settings, share, shared, rng):
    """As above, but the process dies once when the marker file is there."""
    marker = Path(shared)
    if settings["kind"] == "b" and marker.exists():
        marker.unlink()
        os._exit(9)
    return judged(settings, share, 0.0, rng)


def sometimes_bad(settings, share, shared, rng):
    if settings["kind"] == "b":
        raise ValueError("no such kind")
    return float("nan") if settings["factors"] > 60 else judged(settings, share, 0.0, rng)


def bytes_of(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_better_half_goes_on_to_the_next_rung(tmp_path):
    found = search(judged, SPACE, tmp_path, 1.0, trials=16, shares=(0.25, 0.5, 1.0))
    by_rung = [[t.number for t in found.trials if t.rung == rung] for rung in range(3)]
    assert [len(rung) for rung in by_rung] == [16, 8, 4]
    assert set(by_rung[2]) <= set(by_rung[1]) <= set(by_rung[0])
    first = sorted((t for t in found.trials if t.rung == 0), key=lambda t: -t.score)
    assert sorted(t.number for t in first[:8]) == by_rung[1]
    assert found.best["kind"] == "a"
    assert found.score == max(t.score for t in found.trials if t.rung == 2)


def test_settings_in_use_are_tried_first(tmp_path):
    used = {"strength": 1.0, "factors": 8, "kind": "a"}
    found = search(judged, SPACE, tmp_path, 1.0, trials=4, shares=(1.0,), first=[used])
    assert found.trials[0].settings == used
    assert found.best == used


def test_every_trial_is_kept_as_a_line(tmp_path):
    found = search(judged, SPACE, tmp_path, 1.0, trials=4)
    lines = (tmp_path / "trials.jsonl").read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == [t.number for t in found.trials]
    assert kept_trials(tmp_path) == found.trials


def test_a_resumed_search_equals_an_uninterrupted_one_to_the_byte(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    search(judged, SPACE, whole, 1.0, trials=8)
    search(judged, SPACE, broken, 1.0, trials=8)
    (broken / "trials.jsonl").unlink()
    for file in [*(broken / "trials").glob("rung-01*"), *(broken / "trials").glob("rung-00-trial-0000[2-5]*")]:
        file.unlink()
    (broken / "trials" / ".rung-00-trial-00002.json.99999999").write_text('{"half')
    search(judged, SPACE, broken, 1.0, trials=8)
    assert bytes_of(whole) == bytes_of(broken)


def test_a_killed_process_loses_only_what_it_was_at(tmp_path):
    marker = tmp_path / "marker"
    marker.touch()
    script = (
        "from pathlib import Path; import sys; sys.path.insert(0, sys.argv[1])\n"
        "from recsys.tune import search; from test_tune import SPACE, judged_or_dead\n"
        "search(judged_or_dead, SPACE, Path(sys.argv[2]), sys.argv[3], trials=8, shares=(0.5, 1.0), cores=1)\n"
    )
    words = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path / "a"), str(marker)]
    assert subprocess.run(words, check=False).returncode == 9
    assert not (tmp_path / "a" / "trials.jsonl").exists()
    search(judged_or_dead, SPACE, tmp_path / "a", str(marker), trials=8, shares=(0.5, 1.0))
    search(judged_or_dead, SPACE, tmp_path / "b", str(marker), trials=8, shares=(0.5, 1.0))
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


@pytest.mark.slow
def test_ray_finds_the_same_also_where_a_worker_dies(tmp_path):
    from scenefit.runtime.parallel import stop_ray

    marker = tmp_path / "marker"
    search(judged_or_dead, SPACE, tmp_path / "local", str(marker), trials=6, shares=(1.0,))
    marker.touch()
    try:
        search(judged_or_dead, SPACE, tmp_path / "ray", str(marker), trials=6, shares=(1.0,), backend="ray")
    finally:
        stop_ray()
    assert not marker.exists()
    assert bytes_of(tmp_path / "local") == bytes_of(tmp_path / "ray")


def test_bad_trials_are_named_and_do_not_end_the_search(tmp_path):
    found = search(sometimes_bad, SPACE, tmp_path, None, trials=12, shares=(1.0,))
    assert found.failed
    assert {t.settings["kind"] for t in found.failed if "no such kind" in t.error} == {"b"}
    assert found.best["kind"] == "a"
    assert all(t.score is None for t in found.failed)


def test_where_all_fail_the_message_names_them(tmp_path):
    with pytest.raises(NotFitted, match=r"all 3 trials of rung 0 failed. trial 0 .*no such kind"):
        search(sometimes_bad, {"kind": Choice(("b",))}, tmp_path, None, trials=3)


def test_another_search_in_the_same_folder_is_refused(tmp_path):
    search(judged, SPACE, tmp_path, 1.0, trials=2, fingerprint="data 1")
    with pytest.raises(SettingsError, match=r"another search \(different: fingerprint, seed\)"):
        search(judged, SPACE, tmp_path, 1.0, trials=2, fingerprint="data 2", seed=1)


def test_a_damaged_trial_is_named(tmp_path):
    search(judged, SPACE, tmp_path, 1.0, trials=2)
    next((tmp_path / "trials").glob("rung-00*")).write_text("{")
    with pytest.raises(StoreError, match="delete it and resume"):
        search(judged, SPACE, tmp_path, 1.0, trials=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trials": 0}, "one trial"),
        ({"keep": 0.0}, "keep in"),
        ({"shares": (1.0, 0.5)}, "ascending"),
        ({"shares": (0.0, 1.0)}, "ascending"),
        ({"first": [{}, {}, {}], "trials": 2}, "no more given than tried"),
        ({"space": {}}, "at least one setting"),
        ({"space": {"a": Range(0.0, 1.0, log=True)}}, "log needs > 0"),
        ({"space": {"a": Choice(())}}, "nothing to choose from"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(tmp_path, change, message):
    space = change.pop("space", SPACE)
    with pytest.raises(SettingsError, match=message):
        search(judged, space, tmp_path, 1.0, **change)

"""One way through by commands alone: mine, confirm, make an audience, relax, expand, suppress, export, receipt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.command_line import Ended


def document(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended
    return json.loads(ended.out)


def test_a_mined_and_confirmed_group_becomes_an_exported_audience(tmp_path: Path, scenefit: Callable[..., Ended]):
    place = ("-w", tmp_path / "w", "--json")
    # a seed in which the small easy world holds a group that is confirmed; no statement on how often one is
    scenefit("world", "--customers", 15_000, "--difficulty", "easy", "--seed", 2, *place)
    (tmp_path / "w" / "scenefit.toml").write_text("[flow]\nlabel_windows = 3\n[recommend]\niterations = 3\n", "utf8")
    document(scenefit("run", "--backend", "local", *place))
    document(scenefit("subgroups", "mine", "--depth", 1, "--support", 50, "--backend", "local", *place))
    rules = document(scenefit("subgroups", "show", *place))["rules"]
    confirmed = [rule for rule in rules if rule["confirmed"]]
    assert confirmed
    best = confirmed[0]
    assert best["confirm_p"] <= 0.05
    mined = f"{best['scene_id']}/{best['rank']}"
    made = document(scenefit("audience", "save", "found", "--subgroup", mined, *place))
    assert made["origin"]["confirmed"] is True
    near = 'in audience "found" and city_tier >= 3'
    first = document(scenefit("audience", "save", "near", "--rule", near, *place))
    ways = document(scenefit("audience", "relax", 100, "--audience", "near", *place))["ways"]
    (tmp_path / "wider.json").write_text(ways[0]["rule"], "utf8")
    wider = document(scenefit("audience", "save", "near", "--rule-file", tmp_path / "wider.json", *place))
    assert wider["version"] == 2
    assert wider["size"] == first["size"] + ways[0]["extra"]
    changed = document(scenefit("audience", "diff", "near@1", "near@2", *place))
    assert changed["joined"] == ways[0]["extra"]
    assert changed["left"] == 0
    grown = document(scenefit("audience", "lookalike", "found", "--size", 300, "--keep-as", "found-like", *place))
    assert grown["added"] == 300
    document(scenefit("audience", "save", "quiet", "--rule", "contacts_90d >= 2", *place))
    out = ("--to", "partner", "--channel", "sms", "--suppress", "quiet", "--out", tmp_path / "out.parquet")
    receipt = document(scenefit("audience", "export", "found-like", *out, *place))
    assert receipt["members"] - sum(step["customers"] for step in receipt["removed"]) == receipt["written"] > 0
    events = [
        (s["audience_id"], s["event"]) for s in document(scenefit("audience", "lineage", "found-like", *place))["steps"]
    ]
    assert ("found", "origin") in events
    assert ("found", "lookalike") in events
    assert ("found-like", "export") in events

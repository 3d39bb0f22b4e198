"""The log: one JSON object per line, and nothing in it that identifies a person."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from scenefit.contracts.errors import SettingsError
from scenefit.contracts.tables import RAW
from scenefit.runtime.log import MASKED, configure, logger


@pytest.fixture(autouse=True)
def plain_afterwards() -> Iterator[None]:
    """Leave the library's own settings behind."""
    yield
    structlog.reset_defaults()


def test_a_line_is_json_with_room_level_and_moment(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    logger("segmentation").info("fitted", scene="旅游", k=4)

    out, err = capsys.readouterr()
    line = json.loads(err)
    assert out == ""
    assert "旅游" in err
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "fitted", "level": "info", "room": "segmentation", "scene": "旅游", "k": 4}


def test_below_its_level_it_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logger("app").info("started")
    logger("app").warning("slow")

    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["slow"]


def test_what_identifies_a_person_is_masked_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    logger("risk").info("seen", phone="13800138000", row={"phone": "13800138000", "city": "Chengdu"},
                        rows=[{"lat": 30.6, "n": 1}])  # fmt: skip

    line = capsys.readouterr().err
    assert "13800138000" not in line
    assert "30.6" not in line
    assert json.loads(line)["row"] == {"phone": "***", "city": "Chengdu"}
    assert json.loads(line)["rows"] == [{"lat": "***", "n": 1}]


def test_every_personal_column_of_the_contract_is_masked() -> None:
    personal = {column.name for table in RAW.values() for column in table.columns if column.pii}

    assert personal <= MASKED


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(SettingsError, match="log level 'loud' is unknown; choose one of"):
        configure("loud")

"""Settings: defaults, file, environment; read once, and every mistake named."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from scenefit.contracts.errors import SettingsError
from scenefit.runtime.settings import FILE, Settings, read_settings, valkey_password


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the caller's own settings."""
    import os

    for name in list(os.environ):
        if name.upper().startswith("SCENEFIT_"):
            monkeypatch.delenv(name)


def settings_of(folder: Path, toml: str) -> Settings:
    """Settings of a workspace with that file."""
    (folder / FILE).write_text(toml, "utf8")
    return read_settings(folder)


def refusal(folder: Path, toml: str) -> str:
    """The sentence with which the file is refused."""
    with pytest.raises(SettingsError) as caught:
        settings_of(folder, toml)
    return str(caught.value)


def test_without_file_and_environment_the_defaults_hold(tmp_path: Path) -> None:
    assert read_settings(tmp_path).model_dump() == read_settings().model_dump() == Settings().model_dump()
    assert read_settings().flow.horizon_days == 28


def test_a_file_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    found = settings_of(tmp_path, "seed = 7\n[flow]\nhorizon_days = 14\n[runtime]\nbackend = 'local'\n")

    assert (found.seed, found.flow.horizon_days, found.runtime.backend) == (7, 14, "local")
    assert found.flow.history_days == Settings().flow.history_days


def test_the_environment_reaches_into_sections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEFIT_SEGMENTS__SMALLEST", "0.1")
    monkeypatch.setenv("SCENEFIT_SEED", "3")

    assert read_settings(tmp_path).segments.smallest == 0.1
    assert read_settings(tmp_path).seed == 3


def test_arguments_come_before_environment_before_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE).write_text("seed = 1\n[flow]\nhorizon_days = 7\nlabel_windows = 3\n")
    assert read_settings(tmp_path).seed == 1

    monkeypatch.setenv("SCENEFIT_SEED", "2")
    monkeypatch.setenv("SCENEFIT_FLOW__HORIZON_DAYS", "14")
    found = read_settings(tmp_path)
    # the file still speaks where the environment does not, inside one section too
    assert (found.seed, found.flow.horizon_days, found.flow.label_windows) == (2, 14, 3)

    assert read_settings(tmp_path, seed=3).seed == 3


def test_settings_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings_of(tmp_path, "seed = 1")
    monkeypatch.setenv("SCENEFIT_SEED", "2")

    assert found.seed == 1
    with pytest.raises(ValidationError, match="frozen"):
        found.seed = 2
    with pytest.raises(ValidationError, match="frozen"):
        found.flow.horizon_days = 2


def test_other_variables_of_the_program_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEFIT_WORKSPACE", "w")
    monkeypatch.setenv("SCENEFIT_DATASETS", "d")

    assert read_settings().model_dump() == Settings().model_dump()


@pytest.mark.parametrize(
    ("toml", "sentence"),
    [
        ("sed = 1", "sed = 1: there is no such setting. Correct or remove them"),
        ("[flow]\nhorizon = 1", "flow.horizon = 1: there is no such setting"),
        ("[flows]\nhorizon_days = 1", "flows = {'horizon_days': 1}: there is no such setting"),
        ("[flow]\nhorizon_days = 'soon'", "flow.horizon_days = 'soon': Input should be a valid integer"),
        ("[flow]\nhorizon_days = 0", "flow.horizon_days = 0: Input should be greater than or equal to 1"),
        ("[flow]\nhorizon_days = 1.5", "flow.horizon_days = 1.5: Input should be a valid integer"),
        ("[limits]\nhold_out = 1.0", "limits.hold_out = 1.0: Input should be less than 1"),
        ("[limits]\nbudget_per_person = inf", "limits.budget_per_person = inf: Input should be a finite number"),
        ("[value]\nlgd = nan", "value.lgd = nan: Input should be a finite number"),
        ("[runtime]\nbackend = 'spark'", "runtime.backend = 'spark': Input should be 'auto', 'ray' or 'local'"),
        ("[runtime]\nmemory_limit = 'much'", "runtime.memory_limit = 'much': String should match pattern"),
        ("[segments]\nk_min = 9", "segments = {'k_min': 9}: Value error, k_min is 9, above k_max, which is 8"),
        ("[value.contact_cost]\nsms = -1", "value.contact_cost.sms = -1: Input should be greater than or equal to 0"),
        (
            "[value.contact_cost]\npigeon = 1",
            "value.contact_cost = {'pigeon': 1}: Value error, the channels are ['pigeon']; name one or more of ['sms',",
        ),
        ("[value.contact_cost]\n", "value.contact_cost = {}: Value error, the channels are []; name one or more of"),
        (
            "[features]\nonline = 'redis'",
            "features.online = 'redis': Input should be 'sqlite' or 'valkey'. Correct or remove them",
        ),
        ("[features]\nvalkey_address = 'cache'", "features.valkey_address = 'cache': String should match pattern"),
        ("[features]\nvalkey_address = 'a,b=c:1'", "features.valkey_address = 'a,b=c:1': String should match pattern"),
        (
            "[features]\nvalkey_address = 'cache:70000'",
            "features.valkey_address = 'cache:70000': Value error, port 70000 does not exist; choose one",
        ),
        ("[features]\nkey_ttl_days = 0", "features.key_ttl_days = 0: Input should be greater than or equal to 1"),
        ("[features]\npartitions = 0", "features.partitions = 0: Input should be greater than or equal to 1"),
        ("[features]\nproject = 'a-b'", "features.project = 'a-b': String should match pattern"),
        (
            "[features]\nregistry = 'mysql://db/features'",
            "features.registry = 'mysql://db/features': Value error, write postgresql+psycopg://user@host:port/database",
        ),
        (
            "[features]\nregistry = 'postgresql+psycopg://me@db'",
            "features.registry = 'postgresql+psycopg://me@db': Value error, write postgresql+psycopg://user@host:port/",
        ),
        ("flow = 3", "flow = 3: Input should be a valid dictionary"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(tmp_path: Path, toml: str, sentence: str) -> None:
    assert refusal(tmp_path, toml).startswith(f"settings ({tmp_path / FILE} or SCENEFIT_* variables): {sentence}")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, "seed = -1\n[flow]\nhorizon_days = 0")

    assert "seed = -1" in message
    assert "flow.horizon_days = 0" in message


@pytest.mark.parametrize("content", [b"[flow\n", b"\xff\xfe", b"seed = \n", b"seed = 1\nseed = 2\n"])
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)

    with pytest.raises(SettingsError, match=r"scenefit\.toml cannot be read: .*\. It must be TOML"):
        read_settings(tmp_path)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE).write_text("seed = 1")
    opened = Path.open

    def closed(path: Path, *mode: str, **options: object) -> object:
        if path.name == FILE:
            raise PermissionError(13, "Permission denied")
        return opened(path, *mode, **options)

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(SettingsError, match=r"scenefit\.toml cannot be read: .*Permission denied"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "SCENEFIT_SEED",
            "many",
            r"settings \(SCENEFIT_\* variables\): seed = 'many': Input should be a valid integer",
        ),
        ("SCENEFIT_FLOW__HORIZN", "1", r"flow\.horizn = '1': there is no such setting"),
        ("SCENEFIT_FLWO__HORIZON_DAYS", "1", r"SCENEFIT_FLWO__HORIZON_DAYS: there is no section 'flwo'; choose one of"),
        ("SCENEFIT_FLOW", "{", r"settings \(SCENEFIT_\* variables\): .*\"flow\".*A whole section is written as JSON"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=sentence):
        read_settings()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:geheim@db:5432/features",
        "postgresql+psycopg://me:ge@heim:x@db/features",
        "postgresql+psycopg://me@db/features?password=geheim",
        "postgresql+psycopg://:geheim@db/features",
    ],
)
def test_a_password_in_settings_is_refused_and_never_shown(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"a password does not belong in settings; .*PGPASSWORD") as caught:
        settings_of(tmp_path, f"[features]\nregistry = '{url}'")

    shown = "".join(traceback.format_exception(caught.value))
    assert "heim" not in shown
    assert "postgresql+psycopg://" in str(caught.value)


def test_a_password_beside_another_mistake_is_not_shown_either(tmp_path: Path) -> None:
    toml = "features = ['postgresql+psycopg://me:geheim@db/features', 'x']"
    assert "geheim" not in refusal(tmp_path, toml)


def test_servers_are_named_by_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEFIT_FEATURES__ONLINE", "valkey")
    monkeypatch.setenv("SCENEFIT_VALKEY_PASSWORD", "geheim")
    found = settings_of(tmp_path, "[features]\nregistry = 'postgresql+psycopg://me@db/features'").features

    assert (found.online, found.registry) == ("valkey", "postgresql+psycopg://me@db/features")
    # the password is no setting: whatever prints or keeps the settings cannot show it
    assert valkey_password() == "geheim"
    assert "geheim" not in repr(found) + found.model_dump_json()
    assert settings_of(tmp_path, "[features]\nregistry = ''").features.registry is None
    monkeypatch.setenv("SCENEFIT_VALKEY_PASSWORD", "")
    assert valkey_password() is None


def test_caps_of_single_channels_and_quiet_hours(tmp_path: Path) -> None:
    found = settings_of(tmp_path, "[limits]\nquiet_from = 22\nquiet_until = 24\n[limits.channel_caps]\ncall = 1\n")

    assert found.limits.channel_caps == {"call": 1}
    assert (found.limits.quiet_from, found.limits.quiet_until) == (22, 24)
    assert (Settings().limits.channel_caps, Settings().limits.quiet_from, Settings().limits.quiet_until) == ({}, 21, 8)
    assert "there is no channel 'fax'" in refusal(tmp_path, "[limits.channel_caps]\nfax = 1\n")
    assert "limits.quiet_from = 25" in refusal(tmp_path, "[limits]\nquiet_from = 25\n")

"""Where a workspace's features lie, by its settings; and every setting that cannot be kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from feature_repo import store
from feature_repo.configuration import configuration
from scenefit.contracts.errors import SettingsError, StoreError
from scenefit.runtime.settings import FeatureSettings
from scenefit.runtime.workspace import Workspace

pytestmark = pytest.mark.usefixtures("no_variables")


def test_without_settings_everything_is_a_file_of_the_workspace(tmp_path: Path) -> None:
    found = configuration(tmp_path, FeatureSettings())
    assert found["registry"]["path"] == f"{tmp_path}/feast/registry.db"
    assert found["online_store"] == {
        "type": "feature_repo.online_stores.GatedSqliteOnlineStore",
        "path": f"{tmp_path}/feast/online.db",
    }


def test_a_workspace_with_signs_of_yaml_in_its_name_is_filled_in_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "a: {b} #c"
    assert configuration(root, FeatureSettings())["offline_store"]["root"] == str(root)


def test_servers_are_taken_from_the_settings(tmp_path: Path) -> None:
    settings = FeatureSettings(
        project="bank", online="valkey", valkey_address="cache.bank.example:6380", valkey_tls=True, valkey_timeout=0.5,
        key_ttl_days=40, registry="postgresql+psycopg://scenefit@db.bank.example/features", registry_cache_seconds=60,
    )  # fmt: skip
    found = configuration(tmp_path, settings)
    assert found["project"] == "bank"
    assert found["online_store"] == {
        "type": "feature_repo.online_stores.GatedRedisOnlineStore",
        "connection_string": "cache.bank.example:6380,socket_timeout=0.5,socket_connect_timeout=0.5,ssl=true",
        "key_ttl_seconds": 40 * 86_400,
    }
    assert found["registry"] == {
        "registry_type": "sql",
        "path": "postgresql+psycopg://scenefit@db.bank.example/features",
        "cache_ttl_seconds": 60,
        "serve_features_while_materializing": True,
    }
    assert (
        configuration(tmp_path, settings.model_copy(update={"key_ttl_days": None}))["online_store"]["key_ttl_seconds"]
        is None
    )


@pytest.mark.parametrize("password", ["12345", 'a"b\\c=d', "geheim", "密码 word"])
def test_a_password_comes_from_the_environment_and_arrives_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    from feast.infra.online_stores.redis import RedisOnlineStore

    monkeypatch.setenv("SCENEFIT_VALKEY_PASSWORD", password)
    found = configuration(tmp_path, FeatureSettings(online="valkey"))
    nodes, options = RedisOnlineStore._parse_connection_string(found["online_store"]["connection_string"])
    assert nodes == [{"host": "127.0.0.1", "port": "6379"}]
    assert options["password"] == password


def test_a_password_that_feast_would_cut_is_refused_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCENEFIT_VALKEY_PASSWORD", "very,secret")
    with pytest.raises(SettingsError, match="SCENEFIT_VALKEY_PASSWORD: has a comma") as refused:
        configuration(tmp_path, FeatureSettings(online="valkey"))
    assert "secret" not in str(refused.value)


@pytest.fixture
def neither_redis_nor_psycopg(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name in ("redis", "psycopg") else find(name, *more)
    )


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("online = 'valkey'", r"features\.online = 'valkey' needs the package redis.*install scenefit\[valkey\]"),
        (
            "registry = 'postgresql+psycopg://h/db'",
            r"features\.registry needs the package psycopg.*install scenefit\[postgres\]",
        ),
    ],
)
@pytest.mark.usefixtures("neither_redis_nor_psycopg")
def test_a_server_without_its_client_is_refused_with_the_way_out(
    workspace: Workspace, setting: str, sentence: str
) -> None:
    workspace.root.mkdir()
    (workspace.root / "scenefit.toml").write_text(f"[features]\n{setting}\n")
    with pytest.raises(SettingsError, match=sentence):
        store.open_store(workspace)


def test_a_registry_server_that_is_away_is_named_without_password(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from .servers import free_port

    monkeypatch.setenv("PGPASSWORD", "secret")
    address = f"127.0.0.1:{free_port()}"
    workspace.root.mkdir()
    (workspace.root / "scenefit.toml").write_text(f"[features]\nregistry = 'postgresql+psycopg://me@{address}/db'\n")
    with pytest.raises(StoreError, match=rf"me@{address}/db \(project scenefit\): does not answer .*refused") as caught:
        store.open_store(workspace)
    assert "secret" not in str(caught.value)
    assert not (workspace.root / "feast").exists()

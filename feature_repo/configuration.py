"""feature_store.yaml with the places that a workspace's settings name."""

from __future__ import annotations

import importlib.resources
import importlib.util
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from scenefit.contracts.errors import SettingsError
from scenefit.runtime.settings import FeatureSettings, valkey_password

VARIABLE = "${SCENEFIT_WORKSPACE}"
CONNECT = {"connect_timeout": 5, "application_name": "scenefit"}


def configuration(root: Path, settings: FeatureSettings) -> dict[str, Any]:
    """feature_store.yaml with the workspace filled in, and other places where the settings name them.

    Raises
    ------
    SettingsError : a server is named whose client is not installed, or a password cannot be passed on.
    """
    text = importlib.resources.files("feature_repo").joinpath("feature_store.yaml").read_text("utf8")
    # filled in after parsing: a path may hold characters that mean something in YAML
    values: dict[str, Any] = _filled(yaml.safe_load(text), str(root))
    values["project"] = settings.project
    values["registry"]["cache_ttl_seconds"] = settings.registry_cache_seconds
    if settings.online == "valkey":
        _require("redis", "valkey", "features.online = 'valkey'")
        values["online_store"] = _valkey(settings)
    if settings.registry is not None:
        _require("psycopg", "postgres", "features.registry")
        values["registry"] = _postgres(settings, settings.registry)
    return values


def _valkey(settings: FeatureSettings) -> dict[str, Any]:
    seconds = settings.valkey_timeout
    options = [settings.valkey_address, f"socket_timeout={seconds}", f"socket_connect_timeout={seconds}"]
    if settings.valkey_tls:
        options.append("ssl=true")
    password = valkey_password()
    if password is not None:
        if "," in password:
            raise SettingsError(
                "SCENEFIT_VALKEY_PASSWORD: has a comma, which Feast's connection string cannot hold; choose another"
            )
        # as JSON: Feast would take a password of digits for a number
        options.append(f"password={json.dumps(password)}")
    days = settings.key_ttl_days
    return {
        "type": "feature_repo.online_stores.GatedRedisOnlineStore",
        "connection_string": ",".join(options),
        "key_ttl_seconds": None if days is None else int(timedelta(days=days).total_seconds()),
    }


def _postgres(settings: FeatureSettings, url: str) -> dict[str, Any]:
    return {
        "registry_type": "sql",
        "path": url,
        "cache_ttl_seconds": settings.registry_cache_seconds,
        # a server goes on answering while values are refreshed
        "serve_features_while_materializing": True,
    }


def _require(package: str, extra: str, setting: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise SettingsError(
            f"settings: {setting} needs the package {package}, which is not installed; install scenefit[{extra}] "
            "or leave the setting out"
        )


def _filled(value: Any, root: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, root) for key, item in value.items()}
    return value.replace(VARIABLE, root) if isinstance(value, str) else value

"""The online stores by the names that a feature_store.yaml gives them; Feast takes their settings from beside them."""

from __future__ import annotations

from typing import Any

from feature_repo.online_sqlite import GatedSqliteOnlineStore, GatedSqliteOnlineStoreConfig

__all__ = ["GatedSqliteOnlineStore", "GatedSqliteOnlineStoreConfig"]


def __getattr__(name: str) -> Any:
    # the package `redis` is an extra: whoever stays with SQLite need not have it
    if name in ("GatedRedisOnlineStore", "GatedRedisOnlineStoreConfig"):
        import feature_repo.online_redis

        return getattr(feature_repo.online_redis, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

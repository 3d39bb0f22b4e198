"""The registry as a file that is always whole, and one writer at a time wherever it lies."""

from __future__ import annotations

import fcntl
import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feast.infra.registry.file import FileRegistryStore
from feast.infra.registry.registry import REGISTRY_SCHEMA_VERSION
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.repo_config import RepoConfig
from google.protobuf.message import DecodeError

from feature_repo.configuration import CONNECT
from scenefit.contracts.errors import StoreError
from scenefit.runtime.workspace import disk_errors


class WholeFileRegistryStore(FileRegistryStore):
    """Feast's registry file, replaced in one step: Feast's own store writes in place, and a reader may see half.

    Use it in any Feast repository:

        registry: {path: registry.db, registry_store_type: feature_repo.registry_storage.WholeFileRegistryStore}
    """

    def get_registry_proto(self) -> Registry:
        """All definitions.

        Raises
        ------
        FileNotFoundError : nothing was registered yet; Feast makes the file.
        StoreError : the file is damaged or of another schema.
        """
        try:
            found: Registry = super().get_registry_proto()  # type: ignore[no-untyped-call]
        except DecodeError as error:
            raise StoreError(
                f"{self._filepath}: is no whole feature registry ({error}); remove it. The definitions are "
                "registered anew, and values that are online stay"
            ) from error
        if found.registry_schema_version not in ("", REGISTRY_SCHEMA_VERSION):
            raise StoreError(
                f"{self._filepath}: a feature registry of schema {found.registry_schema_version}, this Feast reads "
                f"{REGISTRY_SCHEMA_VERSION}; install the version of Feast that wrote it, or remove the file"
            )
        return found

    def _write_registry(self, registry_proto: Registry) -> None:
        registry_proto.version_id = str(uuid.uuid4())
        registry_proto.last_updated.GetCurrentTime()
        # a name of its own: threads of one process may write at once
        temporary = self._filepath.with_name(f".{self._filepath.name}.{uuid.uuid4().hex}")
        with disk_errors(self._filepath):
            self._filepath.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(registry_proto.SerializeToString())
                temporary.replace(self._filepath)
            finally:
                temporary.unlink(missing_ok=True)


@contextmanager
def sole_writer(config: RepoConfig) -> Iterator[None]:
    """Nobody else of this kind writes the registry meanwhile: other threads and processes wait their turn.

    Readers do not wait. The lock ends with the process that holds it.
    """
    if config.registry.registry_type == "sql":
        with _advisory_lock(config.registry.path, config.project):
            yield
    else:
        with _file_lock(Path(config.registry.path)):
            yield


@contextmanager
def _file_lock(registry: Path) -> Iterator[None]:
    with disk_errors(registry):
        registry.parent.mkdir(parents=True, exist_ok=True)
        handle = registry.with_suffix(".lock").open("a")
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _advisory_lock(url: str, project: str) -> Iterator[None]:
    from sqlalchemy import NullPool, create_engine, text

    # one number per project, the same in every process
    number = int.from_bytes(hashlib.sha256(f"scenefit registry {project}".encode()).digest()[:8], signed=True)
    with create_engine(url, poolclass=NullPool, connect_args=CONNECT).connect() as connection:
        connection.execute(text("SET lock_timeout = '60s'"))
        connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": number})
        # the lock is the connection's, not the transaction's: none stays open meanwhile
        connection.commit()
        yield

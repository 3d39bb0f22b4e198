"""A long command as a job and an audit line in the workspace's catalogue, whatever its end."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from app.errors import meant
from scenefit.runtime.catalogue import audit, catalogue, end_job, start_job
from scenefit.runtime.workspace import Workspace, disk_errors


@contextmanager
def audited(workspace: Workspace, action: str, detail: Mapping[str, Any]) -> Iterator[None]:
    """Enter the block as a job; done, failed and cancelled all end it and leave an audit line."""
    owner = person()
    with disk_errors(workspace.root), catalogue(workspace.catalogue) as connection:
        job = start_job(connection, action, owner, _now())
    state, message = "failed", ""
    try:
        yield
        state = "done"
    except KeyboardInterrupt:
        state = "cancelled"
        raise
    except Exception as error:
        cause = meant(error)
        if isinstance(cause, KeyboardInterrupt):
            state = "cancelled"
        message = str(cause)
        if cause is not error:
            raise cause from error
        raise
    finally:
        with catalogue(workspace.catalogue) as connection:
            end_job(connection, job, state, message, _now())
            audit(connection, owner, action, f"job {job}", {**detail, "state": state}, _now())


def person() -> str:
    """Whoever runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # containers run with numbers that no name belongs to
        return f"uid {os.getuid()}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

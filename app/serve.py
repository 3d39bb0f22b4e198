"""Start the pages over one workspace."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from scenefit.contracts.errors import SettingsError
from scenefit.runtime.workspace import Workspace

MAIN = Path(__file__).parent / "main.py"
FONT = '"Source Sans", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif'
FLAGS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.maxUploadSize": "50",
    "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false",
    # what went wrong is for the log; a page shows sentences
    "client.showErrorDetails": "none",
    "client.toolbarMode": "viewer",
    "theme.base": "light",
    "theme.primaryColor": "#2563eb",
    "theme.font": FONT,
    "theme.headingFont": FONT,
    "theme.baseRadius": "medium",
    "theme.paddingTop": "1.5rem",
    "theme.metricValueFontSize": "1.6rem",
    "theme.headingFontSizes": '["2rem", "1.6rem", "1.3rem"]',
    "theme.sidebar.backgroundColor": "#f6f8fb",
}


def command(port: int = 8501, address: str = "127.0.0.1") -> list[str]:
    """The command line that serves the pages."""
    flags = [f"--{name}={value}" for name, value in FLAGS.items()]
    return [sys.executable, "-m", "streamlit", "run", str(MAIN), f"--server.port={port}",
            f"--server.address={address}", *flags]  # fmt: skip


def serve(workspace: Path, port: int = 8501, address: str = "127.0.0.1") -> NoReturn:
    """Show the newest run of a workspace in the browser; this process becomes the server.

    Raises
    ------
    StoreError : the workspace has no finished run.
    SettingsError : the port is taken, or the address is not this machine's.
    """
    Workspace(workspace).latest()
    check_port(port, address)
    sys.stdout.flush()
    line = command(port, address)
    os.execve(line[0], line, {**os.environ, "SCENEFIT_WORKSPACE": str(workspace.resolve())})  # noqa: S606 (no shell wanted)


def check_port(port: int, address: str) -> None:
    """Refuse a port that cannot be had, before the server starts."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as error:
            raise SettingsError(
                f"{address}:{port} cannot be used ({error}); choose another --port, or stop what uses this one"
            ) from error

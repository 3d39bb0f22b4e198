"""Feast may be loaded ahead of time while it is already asked for."""

from __future__ import annotations

import subprocess
import sys


def test_two_threads_that_need_feast_at_once_both_get_it() -> None:
    code = (
        "import pathlib, threading, time, warnings; warnings.simplefilter('ignore');"
        "from feature_repo import store; from scenefit.runtime.workspace import Workspace;"
        "ahead = threading.Thread(target=store.load_feast); ahead.start(); time.sleep(0.7);"
        "store._config(Workspace(pathlib.Path('.')), '1GB', 1); ahead.join(); print('both')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "both"), done.stderr
    assert "Exception in thread" not in done.stderr

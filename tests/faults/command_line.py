"""What tests of the command line share: how a command ended, what must survive it, the settings of a tiny world."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from app.errors import EXIT_CODES
from scenefit.runtime.workspace import Workspace

HOME = Path(__file__).parents[2]
# what a world of 400 people needs to be run at all
SMALL = """
[flow]
scene_members = 60
label_windows = 2
[segments]
k_max = 3
seeds = 2
[subgroups]
support = 20
[recommend]
factors = 4
iterations = 2
[runtime]
backend = "local"
"""


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def kept(place: Workspace) -> dict[str, bytes]:
    """What must survive a failed command: data, runs and the pointer to the latest, hidden files included."""
    # features are a cache, the catalogue tells of the failure
    passing = {"features", "feast", "catalogue.db", "catalogue.db-wal", "catalogue.db-shm"}
    files = (file for file in sorted(place.root.rglob("*")) if file.is_file())
    names = ((file, file.relative_to(place.root)) for file in files)
    return {str(name): file.read_bytes() for file, name in names if name.parts[0] not in passing}


def sentence_of(ended: Ended, error: type[BaseException]) -> str:
    """The one sentence on stderr, its exit code checked."""
    assert ended.code == EXIT_CODES[error], ended
    assert ended.err.startswith("scenefit: ")
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) == 1
    return ended.err.removeprefix("scenefit: ").strip()

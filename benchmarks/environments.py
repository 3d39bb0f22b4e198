"""A peer with other pins in an environment of its own: NumPy 1 beside ours, sorting the same numbers.

Peers that hold older packages never enter the project's environment: `environment(name, pins)` makes one under the
cache folder, once, and gives its interpreter to a `Side`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import CACHE, Side, check_same, compare, measure
from benchmarks.report import Report
from scenefit.contracts.errors import ScenefitError

NUMPY_1 = ("numpy==1.26.4",)
SHOW_VERSION = "import json, numpy; print(json.dumps({'numpy': numpy.__version__}))"
SORT = (
    "import json, numpy; x = numpy.random.default_rng(7).random(5_000_000); "
    "print(json.dumps({'sum': float(numpy.sort(x)[::1000].sum())}))"
)


def report(repeats: int | None = None) -> Report:
    """The same sort here and in an environment with NumPy 1."""
    older = environment("numpy-1", NUMPY_1)
    sides = [Side("ours", (sys.executable, "-c", SORT)), Side("numpy 1", (str(older), "-c", SORT))]
    found = compare("sorting five million numbers", sides, repeats or 3)
    check_same([m for round_ in found.rounds for m in round_], lambda answer: answer["sum"])
    finding = f"versions: ours {numpy_version(Path(sys.executable))}, the peer's {numpy_version(older)}"
    return Report("environments", "a peer with other pins", (found,), (), (finding,))


def numpy_version(python: Path) -> str:
    """Version of NumPy that an interpreter imports."""
    return str(measure(Side("version", (str(python), "-c", SHOW_VERSION))).answer["numpy"])


def environment(name: str, pins: Sequence[str], cache: Path = CACHE) -> Path:
    """Interpreter of a virtual environment that holds exactly these pins; made when it is not there.

    Parameters
    ----------
    pins : requirements with exact versions, such as "numpy==1.26.4"

    Raises
    ------
    ScenefitError : a pin is not exact, or the installation fails; nothing half made is left.
    """
    loose = [pin for pin in pins if "==" not in pin or "*" in pin]
    if loose or not pins:
        raise ScenefitError(f"environment {name!r}: {loose or 'no pins'}; give exact versions such as numpy==1.26.4")
    folder = cache / name
    python, receipt = folder / "bin" / "python", folder / "pins.txt"
    wanted = "\n".join([f"# python {sys.version.split()[0]}", *sorted(pins), ""])
    if receipt.is_file() and receipt.read_text("utf8") == wanted and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _install(name, folder, python, pins)
        # written last: without it the environment is made again
        receipt.write_text(wanted, "utf8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return python


def _install(name: str, folder: Path, python: Path, pins: Sequence[str]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # uv stands in the project's own development extra; it links wheels from its cache instead of copying them
    uv = [sys.executable, "-m", "uv"]
    for command in (
        [*uv, "venv", "--quiet", "--python", sys.executable, str(folder)],
        [*uv, "pip", "install", "--quiet", "--python", str(python), *pins],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines()[-5:]
            raise ScenefitError(
                f"environment {name!r} with {', '.join(pins)} cannot be made: {' '.join(said) or done.returncode}. "
                "Check the pins and the network"
            )

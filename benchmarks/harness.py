"""Measures sides in turns, A B A B, each in a process of its own, so that memory and caches do not mix."""

from __future__ import annotations

import json
import os
import select
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.figures import Comparison, Measurement, Part
from benchmarks.processes import Watch
from scenefit.contracts.errors import ScenefitError

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "benchmarks"
# how often a measured process is looked at: costs the machine about 2 % of one core
LOOK_EVERY = 0.1
SHOWN_OF_ERROR = 15


@dataclass(frozen=True)
class Side:
    """One way to do the work: a command, and what to lay ready (unmeasured) before each round.

    The command may end its output with a JSON object: its `parts` ([name, wall, cpu] each) become figures, the rest
    can be compared between sides. It runs in the root of the checkout, without SCENEFIT_* settings of the caller.
    """

    name: str
    command: tuple[str, ...]
    prepare: Callable[[], object] | None = None
    timeout: float = 1800.0


def python_side(
    name: str, function: str, arguments: Mapping[str, Any], prepare: Callable[[], object] | None = None
) -> Side:
    """A side that calls `function` ("module:name") of this checkout with JSON arguments; it returns a dict."""
    # "-c" and not "-m": Ray puts the folder of the started file on its workers' path, where our ray.py would lie
    code = "from benchmarks.call import main; main()"
    return Side(name, (sys.executable, "-c", code, function, json.dumps(dict(arguments))), prepare)


def turns(sides: Sequence[Side], repeats: int) -> list[list[Side]]:
    """Rounds in which each side runs once: A B, A B.

    Raises
    ------
    ScenefitError : no side, no round, or two sides of one name.
    """
    names = [side.name for side in sides]
    if not names or len(set(names)) < len(names) or repeats < 1:
        raise ScenefitError(
            f"benchmark sides {names} in {repeats} rounds cannot be compared; give distinct names and ≥ 1 round"
        )
    return [list(sides) for _ in range(repeats)]


def compare(name: str, sides: Sequence[Side], repeats: int) -> Comparison:
    """Figures of sides, measured in turns.

    Raises
    ------
    ScenefitError : a side failed; the message says how.
    """
    before = os.getloadavg()[0]
    rounds: list[tuple[Measurement, ...]] = []
    for number, round_ in enumerate(turns(sides, repeats), start=1):
        measured = []
        for side in round_:
            measured.append(measure(side))
            _tell(f"{name}, round {number}/{repeats}: {side.name} {measured[-1].wall:.1f} s")
        rounds.append(tuple(measured))
    commands = tuple(shlex.join(["python", *side.command[1:]]) for side in sides)
    return Comparison(name, tuple(s.name for s in sides), commands, tuple(rounds), before, os.getloadavg()[0])


def measure(side: Side) -> Measurement:
    """Run one side once in a process of its own.

    Raises
    ------
    ScenefitError : it cannot be started, fails or takes too long; the message ends with what it said.
    """
    if side.prepare is not None:
        side.prepare()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCENEFIT_")}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        try:
            # a session of its own: Ctrl-C reaches us alone, and we end what we started
            process = subprocess.Popen(
                side.command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=ROOT, env=environment,
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise ScenefitError(
                f"benchmark side {side.name!r} cannot be started: {error}. Check {side.command[0]}"
            ) from error
        watch = Watch(process.pid)
        try:
            ended, reaped = _finish(process, watch, started + side.timeout)
        finally:
            watch.end()
            if process.returncode is None:
                process.kill()
                process.wait()
        if process.returncode:
            raise ScenefitError(_failure(side, process.returncode, err))
        answer = _answer(out)
    parts = tuple(Part(*part) for part in answer.pop("parts", ()))
    # two lower bounds of the same sum: reaped children, and all processes that were seen
    return Measurement(side.name, ended - started, max(reaped, watch.cpu()), watch.peak, parts, answer)


def check_same(measured: Sequence[Measurement], of: Callable[[dict[str, Any]], object]) -> None:
    """Make sure that measurements found the same; `of` picks from an answer what must be equal.

    Raises
    ------
    ScenefitError : the work differed, so that times cannot be compared.
    """
    first = of(measured[0].answer)
    for other in measured[1:]:
        found = of(other.answer)
        if found != first:
            raise ScenefitError(
                f"benchmark sides {measured[0].side!r} and {other.side!r} found different results: "
                f"{_difference(first, found)}. Their times cannot be compared; make the work equal first"
            )


def _finish(process: subprocess.Popen[bytes], watch: Watch, deadline: float) -> tuple[float, float]:
    """Moment of the end and CPU seconds of the process and the children it reaped."""
    handle = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        pause = 0.002
        # at once: it may have ended before the first pause is over
        watch.look()
        while not poll.poll(pause * 1000):
            watch.look()
            if time.perf_counter() > deadline:
                process.kill()
            # short processes are looked at more often
            pause = min(LOOK_EVERY, pause * 1.5)
        ended = time.perf_counter()
        watch.look()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        os.close(handle)
    return ended, usage.ru_utime + usage.ru_stime


def _answer(out: BinaryIO) -> dict[str, Any]:
    """The JSON object a process printed: all of its output, or the last line; empty when it printed none."""
    out.seek(0)
    text = out.read().decode("utf8", errors="replace").strip()
    for candidate in (text, text.rpartition("\n")[2]):
        try:
            found = json.loads(candidate)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}


def _failure(side: Side, code: int, err: BinaryIO) -> str:
    err.seek(0)
    said = err.read().decode("utf8", errors="replace").strip().splitlines()[-SHOWN_OF_ERROR:]
    how = (
        f"was ended by signal {-code} (or took longer than {side.timeout:g} s)"
        if code < 0
        else f"failed with exit code {code}"
    )
    return f"benchmark side {side.name!r} {how}. Run it alone: {shlex.join(side.command)}\n" + "\n".join(said)


def _difference(first: object, second: object) -> str:
    if isinstance(first, dict) and isinstance(second, dict):
        keys = sorted(k for k in first.keys() | second.keys() if first.get(k) != second.get(k))
        return f"they differ in {', '.join(map(str, keys))}"
    return f"{str(first)[:60]} against {str(second)[:60]}"


def _tell(line: str) -> None:
    if sys.stderr.isatty():
        print(line, file=sys.stderr)

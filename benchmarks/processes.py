"""CPU and memory of a process and all it starts, read from Linux's /proc.

Whoever reaps a child inherits its CPU time, so waiting for the root counts most of the tree exactly. Servers that
nobody reaps (Ray's workers) are only seen by looking at them while they live: both are done here.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICK = 1 / os.sysconf("SC_CLK_TCK")


class Stat(NamedTuple):
    """One process: CPU seconds of its own, and of the children it has reaped."""

    pid: int
    parent: int
    started: int  # with the pid, the identity of a process: pids are used again
    own: float
    reaped: float


class Memory(NamedTuple):
    """Megabytes of one process now, and the most it ever held."""

    private: float
    shareable: float
    most: float


def processes() -> dict[int, Stat]:
    """Every process of the machine by pid."""
    found = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        # a process may end between listing and reading
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found[int(entry.name)] = stat((entry / "stat").read_text("utf8", errors="replace"))
    return found


def stat(line: str) -> Stat:
    """A line of /proc/<pid>/stat.

    >>> stat("7 (a) b) S 3 7 7 0 -1 0 0 0 0 0 150 50 20 10 20 0 1 0 9000 0 0").parent
    3
    """
    # the name stands in parentheses and may itself hold spaces and parentheses
    pid, rest = line.split(" ", 1)
    values = rest.rpartition(")")[2].split()
    user, system, reaped_user, reaped_system = (int(value) for value in values[11:15])
    return Stat(
        int(pid), int(values[1]), int(values[19]), (user + system) * TICK, (reaped_user + reaped_system) * TICK
    )  # fmt: skip


def family(roots: Iterable[int], table: dict[int, Stat]) -> list[Stat]:
    """The processes `roots` and all their descendants that are alive."""
    children: dict[int, list[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, []).append(process.pid)
    open_, seen = [pid for pid in roots if pid in table], set[int]()
    while open_:
        pid = open_.pop()
        if pid not in seen:
            seen.add(pid)
            open_ += children.get(pid, [])
    return [table[pid] for pid in sorted(seen)]


def tree_cpu() -> float:
    """CPU seconds so far of this process and all it started, reaped or alive."""
    times = os.times()
    mine = times.user + times.system + times.children_user + times.children_system
    return mine + sum(p.own + p.reaped for p in family([os.getpid()], processes()) if p.pid != os.getpid())


def memory(pid: int) -> Memory:
    """Memory of a process; zeros once it has ended."""
    values: dict[str, float] = {}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in (PROC / str(pid) / "status").read_text("utf8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                values[name] = int(value.split()[0]) / 1024
    shareable = values.get("RssFile", 0.0) + values.get("RssShmem", 0.0)
    return Memory(values.get("RssAnon", 0.0), shareable, values.get("VmHWM", 0.0))


@dataclass
class Watch:
    """What a process and its descendants used, as seen by looking at them now and then."""

    root: int
    seen: dict[tuple[int, int], Stat] = field(default_factory=dict)
    peak: float = 0.0  # MB

    def look(self) -> None:
        """Look once."""
        table = processes()
        # descendants whose parent has ended belong to init now: they are known by what was seen before
        alive = family([self.root, *(p.pid for p in self._alive(table))], table)
        self.seen.update({(p.pid, p.started): p for p in alive})
        held = [memory(p.pid) for p in alive]
        if held:
            # pages that several processes map are counted once: the largest such part stands for all
            together = sum(m.private for m in held) + max(m.shareable for m in held)
            self.peak = max(self.peak, together, *(m.most for m in held))

    def cpu(self) -> float:
        """CPU seconds of every process seen; a lower bound, because the last moments of each are missing."""
        return sum(process.own for process in self.seen.values())

    def end(self) -> None:
        """Kill what is still alive."""
        for process in self._alive(processes()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)

    def _alive(self, table: dict[int, Stat]) -> list[Stat]:
        return [p for key, p in self.seen.items() if (now := table.get(p.pid)) and (now.pid, now.started) == key]

"""Steps of a long job: a progress line on a terminal, nothing when piped; seconds of each step kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Steps:
    """Names the step at work and remembers how long each took (wall seconds)."""

    quiet: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the block as the step `name`."""
        started = time.perf_counter()
        if self.quiet or not sys.stderr.isatty():
            yield
        else:
            from rich.console import Console

            console = Console(stderr=True)
            with console.status(name):
                yield
            console.print(f"[green]✓[/] {name} [dim]{time.perf_counter() - started:.1f} s[/]", highlight=False)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

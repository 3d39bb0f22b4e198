"""The tasks of a 50,000-customer run on Ray and on local threads; and tasks with next to no work, and with only work.

Ray's start-up stands apart, because a run overlaps it with reading; the rest is what `pmap` takes on either side.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figures import Comparison, Part, timed
from benchmarks.harness import check_same, compare, python_side
from benchmarks.report import Report, seconds
from benchmarks.workspaces import from_root, world

if TYPE_CHECKING:
    import numpy as np

CUSTOMERS = 50_000
CORES = 2
BACKENDS = ("local", "ray")
NO_WORK = 1_000
WORK = 8
START, TASKS = "Ray start-up", "tasks"


def report(repeats: int | None = None) -> Report:
    """Three comparisons of local threads and Ray, in turns, with equal results."""
    rounds = repeats or 3
    workspace = world(CUSTOMERS)
    comparisons = tuple(
        compare(
            name, [python_side(b, f"benchmarks.ray:{function}", arguments | {"backend": b}) for b in BACKENDS], rounds
        )
        for name, function, arguments in (
            (f"the tasks of a {CUSTOMERS // 1000} k run", "run_tasks", {"workspace": from_root(workspace)}),
            (f"{NO_WORK:,} tasks with no work", "no_work", {"count": NO_WORK}),
            (f"{WORK} tasks of pure Python", "pure_python", {"count": WORK}),
            (f"{WORK} tasks of NumPy", "array_work", {"count": WORK}),
        )
    )
    for comparison in comparisons:
        check_same([m for round_ in comparison.rounds for m in round_], lambda answer: answer["found"])
    sentences = ("Results were equal on both sides in every round.", start_sentence(comparisons))
    return Report(
        "ray", "Ray against threads on one machine", comparisons, (), (*sentences, *map(verdict, comparisons))
    )


def verdict(comparison: Comparison) -> str:
    """Who was faster at the tasks, and whether Ray's start-up changes that."""
    warm = comparison.ratio("ray", "local", TASKS)
    local, ray, start = (comparison.wall(*side).median for side in (("local", TASKS), ("ray", TASKS), ("ray", START)))
    after = f"its start-up of {start:.1f} s"
    if warm is None or warm.low <= 1 <= warm.high:
        return f"{comparison.name}: a tie within the spread; Ray loses by {after}"
    if ray >= local:
        return f"{comparison.name}: Ray loses, {warm.median:.2f} × the time of threads, and {after} on top"
    turned = "less than threads even with" if ray + start < local else "but more than threads once one adds"
    return f"{comparison.name}: Ray takes {warm.median:.2f} × the time of threads, {turned} {after}"


def start_sentence(comparisons: tuple[Comparison, ...]) -> str:
    """What starting Ray took."""
    found = ", ".join(seconds(comparison.wall("ray", START)) for comparison in comparisons)
    return f"Ray's start-up, wall seconds in the comparisons below: {found}"


def run_tasks(workspace: str, backend: str) -> dict[str, Any]:
    """The tasks a run fans out, over its own material; the hash of each result."""
    from app.tasks import work
    from benchmarks.fingerprint import fingerprint
    from scenefit.runtime.parallel import pmap

    seed, shared, tasks = _material(Path(workspace))
    parts = _started(backend)
    with timed(TASKS, parts):
        results = pmap(work, tasks, shared, seed=seed, backend=_backend(backend), cores=CORES)
    return _answer(parts, {task.name: fingerprint(result) for task, result in zip(tasks, results, strict=True)})


def no_work(count: int, backend: str) -> dict[str, Any]:
    """Tasks that return what they get: the cost of handing out work."""
    return _mapped(_same, list(range(count)), backend)


def pure_python(count: int, backend: str) -> dict[str, Any]:
    """Tasks in the interpreter: threads take turns at its lock, processes do not."""
    return _mapped(_collatz, [400_000 + i for i in range(count)], backend)


def array_work(count: int, backend: str) -> dict[str, Any]:
    """Tasks in NumPy, which lets go of the interpreter's lock: what the rooms mostly do."""
    return _mapped(_sorted_sum, [4_000_000 + i for i in range(count)], backend)


def _mapped(task: Any, items: list[int], backend: str) -> dict[str, Any]:
    from scenefit.runtime.parallel import pmap

    parts = _started(backend)
    # a Ray worker is a fresh process: the first task of each pays for its imports
    with timed("first task of each core", parts):
        pmap(_same, range(CORES), backend=_backend(backend), cores=CORES)
    with timed(TASKS, parts):
        found = pmap(task, items, backend=_backend(backend), cores=CORES)
    return _answer(parts, found)


def _same(item: int, shared: None, rng: np.random.Generator) -> int:  # noqa: ARG001
    return item


def _collatz(limit: int, shared: None, rng: np.random.Generator) -> int:  # noqa: ARG001
    longest = 0
    for start in range(limit - 100_000, limit):
        steps, n = 0, start
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        longest = max(longest, steps)
    return longest


def _sorted_sum(count: int, shared: None, rng: np.random.Generator) -> float:  # noqa: ARG001
    import numpy as np

    return sum(float(np.sort(rng.random(count))[:: count // 1000].sum()) for _ in range(10))


def _material(workspace: Path) -> tuple[int, Any, list[Any]]:
    """Seed, shared material and tasks of a run, read as the flow reads them."""
    from app.material import material, read_inputs, snapshot_days, windows
    from feature_repo import history
    from scenefit.runtime.settings import read_settings
    from scenefit.runtime.store import connect, raw_views
    from scenefit.runtime.workspace import Workspace

    place, settings = Workspace(workspace), read_settings(workspace)
    dataset = place.dataset()
    edges = windows(dataset, dataset.until, settings)
    # features that are there already are left alone
    history.build(place, snapshot_days(place, edges, settings), threads=CORES)
    with connect(settings.runtime.memory_limit) as connection:
        raw_views(connection, place)
        inputs = read_inputs(connection, place, dataset, edges, settings)
        shared, tasks = material(connection, place, inputs, settings)
    return settings.seed, shared, tasks


def _started(backend: str) -> list[Part]:
    from scenefit.runtime.parallel import start_ray

    parts: list[Part] = []
    if backend == "ray":
        with timed(START, parts):
            start_ray(CORES).result()
    return parts


def _backend(name: str) -> Any:
    if name not in BACKENDS:
        raise ValueError(f"backend {name!r} is none of {BACKENDS}")
    return name


def _answer(parts: list[Part], found: object) -> dict[str, Any]:
    from scenefit.runtime.parallel import stop_ray

    stop_ray()
    return {"parts": parts, "found": found}

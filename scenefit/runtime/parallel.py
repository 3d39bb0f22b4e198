"""One map for work that is naturally many: on Ray or on local threads, with equal results. The only `import ray`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any, Literal, TypeVar

import numpy as np

from scenefit.contracts.errors import ScenefitError, SettingsError

Item = TypeVar("Item")
Result = TypeVar("Result")
Backend = Literal["auto", "ray", "local"]
Task = Callable[[Item, Any, np.random.Generator], Result]

# Ray costs seconds to start and ~1 ms per task. Not a measured crossover: the only size measured, 50,000 people x 24
# tasks, was a tie on a loaded machine (`python -m benchmarks ray` prints both sides)
RAY_FROM = 1_000_000
PENDING_PER_CORE = 2
RETRIES = 3


def pmap(
    task: Task[Item, Result],
    items: Iterable[Item],
    shared: Any = None,
    seed: int = 0,
    backend: Backend = "auto",
    *,
    size: int = 0,
    cores: int = 2,
    address: str | None = None,
) -> list[Result]:
    """Results of `task(item, shared, rng)` in the order of the items.

    Parameters
    ----------
    task : a module-level function; it gets one thread for BLAS, OpenMP and numba on both backends. A library that
        the task itself is the first to load escapes the limit on local threads: limit it after its import
    shared : put once, not per item; arrays arrive read-only on Ray
    seed : each item draws from its own generator, spawned from this seed by position
    backend : "auto" takes Ray when an address is given or size x items says it pays
    size : rows one item works on, declared by the caller (only "auto" reads it)
    cores : how many items run at once on this machine

    Raises
    ------
    ScenefitError : names the item that failed; errors of our own tree pass with a note.
    """
    work = list(items)
    chosen = choose(backend, size, len(work), address)
    if not work:
        return []
    seeds = np.random.SeedSequence(seed).spawn(len(work))
    if chosen == "ray":
        return _on_ray(task, work, shared, seeds, cores, address)
    return _on_threads(task, work, shared, seeds, cores)


def choose(backend: Backend, size: int, items: int, address: str | None = None) -> Literal["ray", "local"]:
    """Where the work runs: by declared sizes or a cluster's address, never by the clock.

    >>> choose("auto", size=1_000, items=10), choose("auto", size=5_000_000, items=10)
    ('local', 'ray')
    """
    if backend in ("ray", "local"):
        return backend
    if backend != "auto":
        raise SettingsError(f"backend {backend!r} is unknown; choose auto, ray or local")
    return "ray" if address or size * items >= RAY_FROM else "local"


def start_ray(cores: int = 2, address: str | None = None) -> Future[None]:
    """Begin a Ray session in the background, so that its seconds of start-up overlap with other work.

    Wait for the result before the first `pmap`; a failed start is raised there.
    """
    started: Future[None] = Future()
    Thread(target=_hold_ray, args=(started, cores, address), name="ray-session", daemon=True).start()
    return started


def stop_ray() -> None:
    """End this process's Ray session, if there is one."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        ray.shutdown()


def _hold_ray(started: Future[None], cores: int, address: str | None) -> None:
    try:
        ray = _ray(cores, address)
    except Exception as error:
        started.set_exception(error)
        return
    started.set_result(None)
    # Ray's servers die with the thread that started them (PR_SET_PDEATHSIG), so it lives as long as the session
    while ray.is_initialized():
        time.sleep(0.5)


def _ray(cores: int, address: str | None) -> Any:
    # a bank's machine must not call out, and an idle GPU variable is not ours to warn about
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if not ray.is_initialized():
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "ignore_reinit_error": True}
        if address:
            ray.init(address=address, **options)
        else:
            ray.init(num_cpus=cores, include_dashboard=False, object_store_memory=1 << 29, **options)
    return ray


def _on_ray(
    task: Task[Item, Result],
    items: Sequence[Item],
    shared: Any,
    seeds: Sequence[np.random.SeedSequence],
    cores: int,
    address: str | None,
) -> list[Result]:
    ray = _ray(cores, address)
    remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_in_worker)
    reference = ray.put(shared)
    limit = PENDING_PER_CORE * max(cores, int(ray.cluster_resources().get("CPU", cores)))
    pending: dict[Any, int] = {}
    results: dict[int, Result] = {}
    try:
        for i, item in enumerate(items):
            if len(pending) >= limit:
                _collect(ray, pending, results, items)
            pending[remote.remote(task, item, i, reference, seeds[i])] = i
        while pending:
            _collect(ray, pending, results, items)
    except BaseException:
        for task_reference in pending:
            ray.cancel(task_reference, force=True)
        raise
    return [results[i] for i in range(len(items))]


def _collect(ray: Any, pending: dict[Any, int], results: dict[int, Any], items: Sequence[Any]) -> None:
    done, _ = ray.wait(list(pending), num_returns=1)
    for reference in done:
        position = pending.pop(reference)
        try:
            results[position] = ray.get(reference)
        except ray.exceptions.TaskCancelledError as error:
            raise KeyboardInterrupt from error
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, ScenefitError):
                raise error.cause from error
            raise _named(error.cause or error, items[position], position) from error
        except ray.exceptions.RayError as error:
            raise _named(error, items[position], position) from error


def _on_threads(
    task: Task[Item, Result],
    items: Sequence[Item],
    shared: Any,
    seeds: Sequence[np.random.SeedSequence],
    cores: int,
) -> list[Result]:
    from threadpoolctl import threadpool_limits

    # the outer limit keeps BLAS at one thread while inner limits come and go; OpenMP counts per thread
    with threadpool_limits(1), ThreadPoolExecutor(max(1, min(cores, len(items))), "pmap") as pool:
        work = enumerate(zip(items, seeds, strict=True))
        futures = [pool.submit(_single_threaded, task, item, i, shared, seed) for i, (item, seed) in work]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _in_worker(
    task: Task[Item, Result], item: Item, position: int, shared: Any, seed: np.random.SeedSequence
) -> Result:
    # a task may be the first to import numba; a worker process is ours alone, so its environment may say so
    if "numba" not in sys.modules:
        os.environ["NUMBA_NUM_THREADS"] = "1"
    return _single_threaded(task, item, position, shared, seed)


def _single_threaded(
    task: Task[Item, Result], item: Item, position: int, shared: Any, seed: np.random.SeedSequence
) -> Result:
    from threadpoolctl import threadpool_limits

    if "numba" in sys.modules:
        # an import, not the entry itself: another thread may still be at work on it
        import numba

        # before the limit, because it loads its own OpenMP
        numba.set_num_threads(1)
    with threadpool_limits(1):
        try:
            return task(item, shared, np.random.default_rng(seed))
        except Exception as error:
            # named here, because not every exception survives the way back from another process
            raise _named(error, item, position) from error


def _named(error: BaseException, item: object, position: int) -> BaseException:
    label = getattr(item, "name", item)
    text = f"{label}" if len(f"{label}") < 80 else f"{type(item).__name__}"
    if isinstance(error, ScenefitError):
        error.add_note(f"while working on item {position} ({text})")
        return error
    return ScenefitError(
        f"item {position} ({text}) failed: {type(error).__name__}: {error}. Run it alone with backend=local to debug"
    )

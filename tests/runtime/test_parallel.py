"""One map on local threads or on Ray, with equal results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scenefit.contracts.errors import ContractError, ScenefitError, SettingsError
from scenefit.runtime.parallel import Backend, choose, pmap, start_ray, stop_ray
from tests.runtime import tasks

NUMBERS = np.random.default_rng(3).normal(size=(200, 7))


@pytest.fixture(scope="module")
def session() -> Iterator[None]:
    """One Ray session for all tests of this file."""
    start_ray(cores=2).result(timeout=120)
    yield
    stop_ray()
    # without a session there is nothing to stop
    stop_ray()


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Both places in turn."""
    if request.param == "ray":
        request.getfixturevalue("session")
    return request.param


@pytest.mark.ray
def test_local_and_ray_give_equal_bytes(session: None) -> None:
    local, ray = (pmap(tasks.draw, range(20), NUMBERS, seed=5, backend=where) for where in ("local", "ray"))

    assert local == ray


@pytest.mark.ray
def test_a_killed_worker_is_replaced_and_gives_equal_bytes(session: None, tmp_path: Path) -> None:
    undisturbed = pmap(tasks.draw, range(4), NUMBERS, seed=5, backend="local")

    assert pmap(tasks.dies_once, range(4), (str(tmp_path), NUMBERS), seed=5, backend="ray") == undisturbed
    assert (tmp_path / "died").exists()


@pytest.mark.ray
def test_shared_arrays_are_read_only_on_ray(session: None) -> None:
    assert pmap(tasks.writes, [0, 1], NUMBERS, backend="ray") == [False, False]


def test_results_come_in_the_order_of_the_items(backend: Backend) -> None:
    assert pmap(tasks.slow_first, iter(range(6)), backend=backend) == list(range(6))


def test_an_item_draws_alike_however_many_follow(backend: Backend) -> None:
    few, many = (pmap(tasks.draw, range(1, n), NUMBERS, seed=5, backend=backend) for n in (3, 9))

    assert few == many[:2]
    assert len(set(many)) == len(many)


def test_the_seed_decides(backend: Backend) -> None:
    one, again, other = (pmap(tasks.draw, [1], NUMBERS, seed=seed, backend=backend) for seed in (1, 1, 2))

    assert one == again != other


def test_the_number_of_cores_does_not_matter(backend: Backend) -> None:
    one, three = (pmap(tasks.draw, range(9), NUMBERS, backend=backend, cores=cores) for cores in (1, 3))

    assert one == three


def test_a_task_has_one_thread_of_every_kind(backend: Backend) -> None:
    assert pmap(tasks.threads, range(4), backend=backend) == [({1}, 1)] * 4


def test_the_item_that_failed_is_named(backend: Backend) -> None:
    with pytest.raises(ScenefitError) as caught:
        pmap(tasks.fails, [tasks.Scene("daily"), tasks.Scene("travel")], backend=backend)

    assert str(caught.value) == (
        "item 1 (travel) failed: ValueError: no such colour. Run it alone with backend=local to debug"
    )


def test_an_exception_that_cannot_travel_is_named_too(backend: Backend) -> None:
    with pytest.raises(ScenefitError, match=r"item 0 \(daily\) failed: TwoArguments: 1 and 2\."):
        pmap(tasks.fails_oddly, ["daily"], backend=backend)


def test_errors_of_our_own_pass_with_a_note(backend: Backend) -> None:
    with pytest.raises(ContractError) as caught:
        pmap(tasks.breaks_contract, ["daily"], backend=backend)

    assert str(caught.value) == "visits: column 'at' is missing"
    assert caught.value.__notes__ == ["while working on item 0 (daily)"]


def test_ctrl_c_cancels_what_has_not_begun(backend: Backend, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pmap(tasks.interrupted, range(60), str(tmp_path), backend=backend)

    assert len(list(tmp_path.iterdir())) < 59


def test_no_items_give_no_results() -> None:
    assert pmap(tasks.draw, [], NUMBERS) == []
    assert pmap(tasks.draw, [], NUMBERS, backend="ray") == []


@pytest.mark.parametrize(
    ("backend", "size", "items", "address", "chosen"),
    [
        ("local", 10**9, 100, "auto", "local"),
        ("ray", 0, 1, None, "ray"),
        ("auto", 0, 1_000_000, None, "local"),
        ("auto", 99_999, 10, None, "local"),
        ("auto", 100_000, 10, None, "ray"),
        ("auto", 0, 1, "10.0.0.1:6379", "ray"),
    ],
)
def test_where_work_runs_follows_from_declared_sizes(
    backend: Backend, size: int, items: int, address: str | None, chosen: str
) -> None:
    assert choose(backend, size, items, address) == chosen


@pytest.mark.parametrize("items", [[], [1]])
def test_an_unknown_backend_is_refused(items: list[int]) -> None:
    with pytest.raises(SettingsError, match="backend 'spark' is unknown; choose auto, ray or local"):
        pmap(tasks.draw, items, NUMBERS, backend="spark")  # type: ignore[arg-type]

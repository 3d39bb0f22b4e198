"""The store of a workspace: where its settings say, with the present definitions, whoever else is at work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from feature_repo import store
from feature_repo.services import SERVICES
from feature_repo.views import VIEWS
from scenefit.contracts.errors import StoreError
from scenefit.runtime.workspace import Workspace

pytestmark = pytest.mark.usefixtures("no_variables")


def registry(workspace: Workspace) -> Path:
    return workspace.root / "feast" / "registry.db"


def rewritten(workspace: Workspace, **tags: str) -> None:
    """The registry with another stamp, as another program would have left it."""
    from feast import Project

    opened = store.open_store(workspace)
    with store.quiet_feast():
        known = opened.registry.get_project(opened.project).tags
        opened.registry.apply_project(Project(name=opened.project, tags=known | tags))


def written_by_another(workspace: Workspace) -> None:
    """A registry with a view and a service that this program does not have."""
    from feast import FeatureService, FeatureView

    opened = store.open_store(workspace)
    with store.quiet_feast():
        wide = opened.get_feature_view("customer_risk")
        former = FeatureView(
            name="customer_former", source=wide.batch_source, entities=[opened.get_entity("customer")], ttl=wide.ttl,
            schema=[*wide.entity_columns, *wide.features], online=False,
        )  # fmt: skip
        opened.apply([former, FeatureService(name="former_v1", features=[former])])


def test_opening_registers_every_definition_once_and_then_writes_nothing(workspace: Workspace) -> None:
    opened = store.open_store(workspace)
    assert {view.name for view in opened.list_feature_views()} <= VIEWS.keys()
    assert {service.name for service in opened.list_feature_services()} == SERVICES.keys()

    before = registry(workspace).read_bytes()
    again = store.open_store(workspace, memory_limit="1GB", threads=2)
    assert registry(workspace).read_bytes() == before
    assert (again.config.offline_store.memory_limit, again.config.offline_store.threads) == ("1GB", 2)
    assert again.config.offline_store.root == str(workspace.root.resolve())


def test_applying_says_what_changed(workspace: Workspace) -> None:
    first = store.apply(workspace)
    assert {"view customer_daily", "service serving_v1", "entity customer", "source customer_daily"} <= set(first.added)
    assert first[1:] == ((), (), ())

    second = store.apply(workspace)
    assert second == ((), (), (), first.added)


def test_what_another_program_registered_stays_until_it_is_removed_by_name(workspace: Workspace) -> None:
    expected = store.apply(workspace).added
    written_by_another(workspace)
    rewritten(workspace, definitions="of another program")

    # opening notices and registers anew, but takes nothing away from whoever shares the registry
    opened = store.open_store(workspace)
    assert "former_v1" in {service.name for service in opened.list_feature_services()}

    changed = store.apply(workspace)
    assert changed == ((), (), ("service former_v1", "view customer_former"), expected)
    assert "former_v1" not in {service.name for service in store.open_store(workspace).list_feature_services()}


def test_a_changed_definition_is_registered_again(workspace: Workspace) -> None:
    from feast import FeatureService

    opened = store.open_store(workspace)
    with store.quiet_feast():
        opened.apply([FeatureService(name="serving_v1", features=[opened.get_feature_view("customer_risk")])])

    assert store.apply(workspace).changed == ("service serving_v1",)
    assert store.apply(workspace).changed == ()


def test_a_registry_of_an_older_feast_is_written_anew_one_of_a_newer_is_refused(workspace: Workspace) -> None:
    store.open_store(workspace)
    rewritten(workspace, feast="0.40.1")
    opened = store.open_store(workspace)
    assert opened.registry.get_project("scenefit").tags["feast"].startswith("0.67")

    rewritten(workspace, feast="0.100.0")
    for refused in (store.open_store, store.apply):
        with pytest.raises(StoreError, match=r"registry\.db .*was written by Feast 0\.100\.0, this program has 0\.67"):
            refused(workspace)


def test_a_stock_registry_without_stamp_is_taken_over(workspace: Workspace) -> None:
    store.open_store(workspace)
    stamped = registry(workspace).read_bytes()
    rewritten(workspace, definitions="", feast="")
    assert registry(workspace).read_bytes() != stamped

    assert store.open_store(workspace).get_feature_service("serving_v1")
    assert store.apply(workspace).unchanged


@pytest.mark.parametrize("content", [b"\xff\xff no registry", b"\x0a\xff\x01"])
def test_a_damaged_registry_is_refused_and_made_anew_once_it_is_gone(workspace: Workspace, content: bytes) -> None:
    store.open_store(workspace)
    registry(workspace).write_bytes(content)
    with pytest.raises(StoreError, match=r"registry\.db: is no whole feature registry .*remove it"):
        store.open_store(workspace)

    registry(workspace).unlink()
    assert store.open_store(workspace).get_feature_service("serving_v1")


def test_half_a_registry_never_counts_as_the_whole(workspace: Workspace) -> None:
    store.open_store(workspace)
    whole = registry(workspace).read_bytes()
    for length in (0, len(whole) // 3, len(whole) - 5):
        registry(workspace).write_bytes(whole[:length])
        try:
            opened = store.open_store(workspace)
        except StoreError as error:
            assert "remove it" in str(error)  # noqa: PT017
        else:
            assert {service.name for service in opened.list_feature_services()} == SERVICES.keys()


def test_a_registry_of_another_schema_is_refused(workspace: Workspace) -> None:
    from feast.protos.feast.core.Registry_pb2 import Registry

    store.open_store(workspace)
    found = Registry.FromString(registry(workspace).read_bytes())
    found.registry_schema_version = "2"
    registry(workspace).write_bytes(found.SerializeToString())
    with pytest.raises(StoreError, match=r"registry\.db: a feature registry of schema 2, this Feast reads 1"):
        store.open_store(workspace)


def test_registering_anew_keeps_what_is_online(workspace: Workspace) -> None:
    from datetime import UTC, datetime

    opened = store.open_store(workspace)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    with store.quiet_feast(), store.only_writer(opened):
        view = opened.get_feature_view("customer_serving")
        opened.registry.apply_materialization(view, opened.project, moment, moment)
    rewritten(workspace, definitions="of another program")

    again = store.open_store(workspace).get_feature_view("customer_serving")
    assert [end for _, end in again.materialization_intervals] == [moment]
    # and no other workspace learns of it
    other = store.open_store(Workspace(workspace.root.with_name("other"))).get_feature_view("customer_serving")
    assert other.materialization_intervals == []


def test_threads_that_open_a_new_workspace_at_once_all_get_the_whole(workspace: Workspace) -> None:
    gate = threading.Barrier(6)

    def opened(_: int) -> set[str]:
        gate.wait()
        return {service.name for service in store.open_store(workspace).list_feature_services()}

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(opened, range(6))) == [set(SERVICES)] * 6


def test_readers_see_a_whole_registry_while_it_is_written(workspace: Workspace) -> None:
    opened = store.open_store(workspace)
    stop = threading.Event()
    seen: set[int] = set()

    def reading() -> None:
        from feature_repo.registry_storage import WholeFileRegistryStore

        reader = WholeFileRegistryStore(opened.config.registry, workspace.root)
        while not stop.is_set():
            seen.add(len(reader.get_registry_proto().feature_services))

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(reading) for _ in range(2)]
        for _ in range(200):
            opened.registry.commit()
        stop.set()
        for reader in readers:
            reader.result()
    assert seen == {len(SERVICES)}
    assert sorted(file.name for file in registry(workspace).parent.iterdir() if "registry" in file.name) == [
        "registry.db", "registry.lock",
    ]  # fmt: skip


def test_a_write_that_fails_leaves_the_former_registry(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = store.open_store(workspace)
    before = registry(workspace).read_bytes()

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreError, match=r"registry\.db: cannot be written: the disk is full"):
        opened.registry.commit()
    monkeypatch.undo()
    assert registry(workspace).read_bytes() == before


def test_a_workspace_that_cannot_be_written_is_named(workspace: Workspace) -> None:
    workspace.root.mkdir()
    (workspace.root / "feast").write_text("a file")
    with pytest.raises(StoreError, match=r"feast.*(a part of the path is a file|a file stands where a folder must be)"):
        store.open_store(workspace)


def test_warnings_are_held_back_in_all_threads_and_then_as_before() -> None:
    before = list(warnings.filters)
    gate = threading.Barrier(4)

    def warned(number: int) -> None:
        with store.quiet_feast():
            gate.wait()
            # leaving one after the other, in any order
            for _ in range(number * 50):
                warnings.warn("old", DeprecationWarning, stacklevel=1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(warned, range(4)))
    assert list(warnings.filters) == before


@pytest.mark.slow
def test_processes_that_register_at_once_leave_one_whole_registry(workspace: Workspace) -> None:
    program = textwrap.dedent("""
        import json, sys
        from pathlib import Path
        from feature_repo import store
        from scenefit.runtime.workspace import Workspace
        changed = store.apply(Workspace(Path(sys.argv[1])))
        print(json.dumps(changed._asdict()))
    """)
    # each hashes in another order, which must not look like a change
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(workspace.root)], stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
        )
        for seed in (1, 2, 3)
    ]  # fmt: skip
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    # one of them was first; the others found everything as it should be
    added = [set(answer["added"]) for answer in answers if answer["added"]]
    assert len(added) == 1
    assert all(set(answer["unchanged"]) == added[0] for answer in answers if not answer["added"])
    assert not any(answer["changed"] or answer["removed"] for answer in answers)
    assert store.apply(workspace).unchanged == tuple(sorted(added[0]))

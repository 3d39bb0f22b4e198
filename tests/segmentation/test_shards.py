"""Customers in shards: the segments of all rows together, wherever the shards lie and whoever dies."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal

from scenefit.contracts.errors import ContractError, StoreError
from scenefit.runtime.parallel import stop_ray
from segmentation.shards import ArrayRows, NpyRows, ParquetRows, Shards, facts, rows_at
from segmentation.sweep import SegmentSweep
from tests.segmentation.shard_rows import DeadlyRows, MadeRows, SlowRows

SETTINGS = {"k_range": [4, 8], "n_seeds": 3, "sample": 2000, "silhouette_sample": 1000, "resamples": 2}


@pytest.fixture(scope="module")
def points():
    return np.concatenate([MadeRows(number, 1500, 6).points() for number in range(3)])


@pytest.fixture(scope="module")
def together(points):
    return SegmentSweep(**SETTINGS).fit(points)


@pytest.fixture
def ray_session():
    yield
    stop_ray()


def same(one: SegmentSweep, other: SegmentSweep) -> None:
    assert one.tie_set_ == other.tie_set_
    assert one.centers_.tobytes() == other.centers_.tobytes()
    assert one.labels_.tobytes() == other.labels_.tobytes()
    assert one.confidence_.tobytes() == other.confidence_.tobytes()
    assert one.report_.equals(other.report_)
    assert one.criteria_.equals(other.criteria_)


@pytest.mark.parametrize("edges", [[0, 4500], [0, 1, 4500], [0, 700, 1400, 4000, 4500]])
def test_any_cut_gives_the_segments_of_all_rows(points, together, edges):
    shards = [ArrayRows(points[a:b]) for a, b in pairwise(edges)]
    same(SegmentSweep(**SETTINGS, cores=2).fit_shards(shards), together)


def test_files_give_the_segments_of_all_rows(points, together, tmp_path):
    np.save(tmp_path / "rows.npy", points)
    names = tuple("abcdef")
    pq.write_table(pa.table(dict(zip(names, points[3000:].T, strict=True))), tmp_path / "rest.parquet")
    path = str(tmp_path / "rows.npy")
    shards = [NpyRows(path, 0, 1000), NpyRows(path, 1000, 3000), ParquetRows(str(tmp_path / "rest.parquet"), names)]
    same(SegmentSweep(**SETTINGS).fit_shards(shards), together)


def test_weights_travel_with_their_shards(points, tmp_path):
    heavy = np.where(np.arange(4500) % 2, 2.0, 1.0)
    np.save(tmp_path / "rows.npy", points)
    np.save(tmp_path / "heavy.npy", heavy)
    names = tuple("abcdef")
    columns = dict(zip((*names, "w"), (*points[3000:].T, heavy[3000:]), strict=True))
    pq.write_table(pa.table(columns), tmp_path / "rest.parquet")
    shards = [
        NpyRows(str(tmp_path / "rows.npy"), 0, 3000, str(tmp_path / "heavy.npy")),
        ParquetRows(str(tmp_path / "rest.parquet"), names, "w"),
    ]
    same(SegmentSweep(**SETTINGS).fit_shards(shards), SegmentSweep(**SETTINGS).fit(points, heavy))


def test_rows_come_in_the_order_asked_for(points):
    shards = Shards([ArrayRows(points[:2000]), ArrayRows(points[2000:])])
    positions = np.array([4499, 3, 2000, 1999, 3])
    assert_array_equal(rows_at(shards, facts(shards, 0), positions), points[positions])


def test_shards_that_cannot_be_are_refused(points, tmp_path):
    np.save(tmp_path / "rows.npy", points)
    sweep = SegmentSweep(**SETTINGS)
    with pytest.raises(ContractError, match="no shards given"):
        sweep.fit_shards([])
    with pytest.raises(ContractError, match=r"shards have \[5, 6\] columns"):
        sweep.fit_shards([ArrayRows(points), ArrayRows(points[:, :5])])
    with pytest.raises(ContractError, match=r"weights: \[False, True\]"):
        sweep.fit_shards([ArrayRows(points), ArrayRows(points, np.ones(len(points)))])
    with pytest.raises(ContractError, match="1 values are missing or infinite"):
        sweep.fit_shards([ArrayRows(points), ArrayRows(np.full((1, 6), [1, 2, 3, 4, 5, np.nan], dtype=np.float32))])
    with pytest.raises(StoreError, match=r"absent\.npy cannot be read"):
        sweep.fit_shards([NpyRows(str(tmp_path / "absent.npy"), 0, 5)])
    with pytest.raises(StoreError, match="has 4,500 rows, but rows 0-5000 were asked for"):
        sweep.fit_shards([NpyRows(str(tmp_path / "rows.npy"), 0, 5000)])
    with pytest.raises(StoreError, match=r"column 'a' of .*absent\.parquet cannot be read"):
        sweep.fit_shards([ParquetRows(str(tmp_path / "absent.parquet"), ("a",))])
    pq.write_table(pa.table({"a": [1.0, 2.0]}), tmp_path / "narrow.parquet")
    with pytest.raises(StoreError, match="column 'b' of"):
        sweep.fit_shards([ParquetRows(str(tmp_path / "narrow.parquet"), ("b",))])


@pytest.mark.slow
@pytest.mark.ray
def test_ray_gives_the_same_segments_also_when_a_worker_is_killed(together, tmp_path, ray_session):
    made = [MadeRows(number, 1500, 6) for number in range(3)]
    same(SegmentSweep(**SETTINGS, backend="ray").fit_shards(made), together)
    deadly = [made[0], DeadlyRows(made[1], str(tmp_path)), made[2]]
    same(SegmentSweep(**SETTINGS, backend="ray").fit_shards(deadly), together)
    assert (tmp_path / "died").exists()


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(1800)
def test_ten_million_rows_on_three_nodes_of_which_one_dies(tmp_path, ray_session):
    import threading
    import time

    import ray
    from ray.cluster_utils import Cluster

    shards = [SlowRows(MadeRows(number, 500_000), str(tmp_path)) for number in range(20)]
    settings = {"k_range": [8], "n_seeds": 2, "sample": 20_000, "silhouette_sample": 4000, "resamples": 0}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 1 << 28})
    doomed, _ = (cluster.add_node(num_cpus=1, object_store_memory=1 << 28) for _ in range(2))
    ray.init(address=cluster.address, log_to_driver=False, logging_level="error")

    def end_a_node() -> None:
        # once every shard has been read for the first time, and some for a second
        while len(list(tmp_path.iterdir())) < 30:
            time.sleep(0.1)
        cluster.remove_node(doomed, allow_graceful=False)
        (tmp_path / "node ended").touch()

    killer = threading.Thread(target=end_a_node)
    killer.start()
    try:
        found = SegmentSweep(**settings, backend="ray", cores=3).fit_shards(shards)
    finally:
        killer.join(timeout=600)
        ray.shutdown()
        cluster.shutdown()
    assert (tmp_path / "node ended").exists()
    assert len(found.labels_) == 10_000_000
    same(found, SegmentSweep(**settings, cores=2).fit_shards([shard.made for shard in shards]))

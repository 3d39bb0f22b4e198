"""LensKit's EASE, in an environment of its own: fit, then the best items of every customer.

`python -c "from benchmarks.recsys_models_peer import main; main()" train.npz STRENGTH TOP ids.npy`
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

WARM = 50


def main() -> None:
    """Print seconds of fit and ranking as JSON; write ids (customers, top)."""
    path, strength, top, out = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    pairs = np.load(path)
    found, parts = ranked(pairs["users"], pairs["items"], strength, top)
    np.save(out, found)
    print(json.dumps({"parts": parts, "rows": len(found)}))


def ranked(users: np.ndarray, items: np.ndarray, strength: float, top: int) -> tuple[np.ndarray, list[Any]]:
    """Best items not touched yet of each customer, by its own batch runner in one process."""
    import pandas as pd
    from lenskit.batch import recommend
    from lenskit.data import from_interactions_df
    from lenskit.knn.ease import EASEScorer
    from lenskit.pipeline import topn_pipeline

    data = from_interactions_df(pd.DataFrame({"user_id": users, "item_id": items}))
    everybody = np.unique(users)
    parts = []
    wall, cpu = time.perf_counter(), time.process_time()
    pipeline = topn_pipeline(EASEScorer(regularization=strength), n=top)
    pipeline.train(data)
    parts.append(("fit", time.perf_counter() - wall, time.process_time() - cpu))
    recommend(pipeline, everybody[:WARM].tolist(), top, n_jobs=1)
    wall, cpu = time.perf_counter(), time.process_time()
    lists = recommend(pipeline, everybody.tolist(), top, n_jobs=1)
    parts.append(("best items", time.perf_counter() - wall, time.process_time() - cpu))
    return np.stack([np.asarray(one.ids(), np.int64)[:top] for _, one in lists]), parts

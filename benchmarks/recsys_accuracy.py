"""How well every recommender ranks what people turn to, on three public data sets, as it comes and tuned.

`python -m benchmarks.recsys_accuracy` prints the tables from stated settings; with `--page` it puts them into
docs/recommenders.md; with `--search` it tries the grids on cuts of train and prints every trial.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Comparison
from benchmarks.harness import ROOT, Side, compare, python_side
from benchmarks.recsys_accuracy_tables import DATA, GRID, SETTINGS, Halves, Settings, trials
from benchmarks.report import Report, Table, markdown, replace_section

PAGE = ROOT / "docs" / "recommenders.md"
NAME = "recsys_accuracy"
COMMAND = "python -m benchmarks.recsys_accuracy"
K = 20
METRICS = ("recall", "ndcg", "map", "mrr", "hit", "coverage", "gini", "novelty")
# implicit's own defaults, for the distance that settings make
PEER = ("als", {"factors": 100, "regularization": 0.01, "alpha": 1.0, "iterations": 15})
# EASE without dropout and damping, for what these bring
PLAIN = ("ease", {"strength": 500.0, "dropout": 0.0, "damping": 0.0})
BLENDED = ("ease", "ials", "als", "bm25")
GOALS = {"as it comes": (0.278, 0.266), "tuned": (0.283, 0.269), "blend": (0.286, 0.273)}
COMES, TUNED, PEERS, PUBLISHED = "as it comes", "tuned", "implicit's defaults", "as first published"


def report(repeats: int | None = None) -> Report:
    """Every data set in a process of its own."""
    found = compare("every model fitted and judged", [side(name, "measured") for name in DATA], repeats or 1)
    answers = {name: found.of(name)[0].answer for name in found.sides}
    tables = [table for name, answer in answers.items() for table in (quality(name, answer), gains(name, answer))]
    return Report(NAME, "recommenders on public data", (found,), tuple(tables), findings(answers))


def searched() -> Report:
    """Every trial of the grids on the cuts of train."""
    found = compare("grids on cuts of train", [side(name, "tried") for name in DATA], 1)
    return Report(NAME, "settings sought", (found,), tuple(trial_table(found, name) for name in DATA), ())


def side(name: str, function: str) -> Side:
    """One data set."""
    folder = os.environ.get("SCENEFIT_DATASETS") or os.path.relpath(ROOT.parent / "shared" / "data", ROOT)
    return python_side(name, f"benchmarks.recsys_accuracy:{function}", {"name": name, "folder": folder})


def measured(name: str, folder: str) -> dict[str, Any]:
    """Every row of a data set's table, and paired differences between the blend and every single model."""
    from recsys.metrics import spread

    halves, cut = DATA[name].split(Path(folder)), DATA[name].cut(Path(folder))
    owners = np.asarray((halves.train > 0).sum(axis=0)).ravel()
    rows, each = [], {}
    for model, how, settings in asked(name):
        found, seconds = judged_model(model, settings, halves, cut if "members" in settings else None)
        wide = spread(found.shown.sum(axis=0), owners, halves.train.shape[0])._asdict()
        means = {metric: float(getattr(found.each, metric).mean()) for metric in METRICS[:5]}
        rows.append({"model": model, "how": how, "settings": settings, "cpu": seconds, **means, **wide})
        each[f"{model}, {how}"] = found.each
    facts = [*halves.train.shape, int(halves.train.nnz), int(halves.test.nnz), len(found.each.users)]
    return {"rows": rows, "differences": differences(each), "facts": facts}


def asked(name: str) -> list[tuple[str, str, Settings]]:
    """Models of a data set's table: as they come, two for comparison, then tuned."""
    from recsys.models import RECOMMENDERS

    # no groups are known here
    comes: list[tuple[str, str, Settings]] = [(m, COMES, {}) for m in RECOMMENDERS if m != "group_popularity"]
    tuned: list[tuple[str, str, Settings]] = [(model, TUNED, settings) for model, settings in SETTINGS[name].items()]
    members = {model: SETTINGS[name][model] for model in BLENDED}
    return [
        (PEER[0], PEERS, PEER[1]),
        (PLAIN[0], PUBLISHED, PLAIN[1]),
        *comes,
        *tuned,
        ("blend", TUNED, {"members": members}),
    ]


def judged_model(model: str, settings: Settings, halves: Halves, cut: Halves | None = None) -> tuple[Any, float]:
    """Metrics of each customer, and CPU seconds of the fit and everybody's scores; `cut` is what a blend chooses on."""
    from recsys.blend import Validation
    from recsys.evaluate import judged
    from recsys.models import RECOMMENDERS

    made = dict(settings)
    if "members" in made:
        made["members"] = {name: RECOMMENDERS[name](**own) for name, own in made["members"].items()}
    started = time.process_time()
    fitted = RECOMMENDERS[model](**made)
    fitted = fitted.fit(halves.train) if cut is None else fitted.fit(halves.train, Validation(*cut))
    scores = fitted.scores(np.arange(halves.train.shape[0]), halves.train)
    seconds = time.process_time() - started
    return judged(scores, halves.train, halves.test, K), seconds


def differences(each: dict[str, Any]) -> list[dict[str, Any]]:
    """The tuned blend less every tuned single model on the same customers, p-values corrected for all of them."""
    from recsys.significance import compare as paired
    from recsys.significance import holm

    blend, rows = each[f"blend, {TUNED}"], []
    for name, other in each.items():
        if name.endswith(TUNED) and other is not blend:
            for metric in ("ndcg", "recall"):
                found = paired(getattr(blend, metric), getattr(other, metric), np.random.default_rng(0))
                rows.append({"against": name.split(",")[0], "metric": metric, **found._asdict()})
    for row, p in zip(rows, holm(np.array([row["p"] for row in rows])), strict=True):
        row["corrected"] = float(p)
    return rows


def tried(name: str, folder: str) -> dict[str, Any]:
    """Recall and NDCG of every trial on the cut of train."""
    halves = DATA[name].cut(Path(folder))
    rows = []
    for model in GRID:
        for settings in trials(model):
            found, seconds = judged_model(model, settings, halves)
            quality = {metric: float(getattr(found.each, metric).mean()) for metric in ("recall", "ndcg")}
            rows.append({"model": model, "settings": settings, "cpu": seconds, **quality})
    return {"rows": rows}


def quality(name: str, answer: dict[str, Any]) -> Table:
    """Metrics of every model."""
    customers, items, known, wanted, judged = answer["facts"]
    title = (
        f"{name}: {customers:,} rows × {items:,} items, {known:,} known, {wanted:,} to find for {judged:,} customers; "
        f"{DATA[name].told}"
    )
    header = ("model", "settings", f"Recall@{K}", f"NDCG@{K}", "MAP@7", "MRR", f"hit@{K}", "coverage", "Gini",
              "novelty, bits", "CPU s")  # fmt: skip
    rows = [
        (row["model"], told(row), *(f"{row[metric]:.4f}" for metric in METRICS[:4]), f"{row['hit']:.3f}",
         f"{row['coverage']:.2f}", f"{row['gini']:.3f}", f"{row['novelty']:.2f}", f"{row['cpu']:.1f}")
        for row in answer["rows"]
    ]  # fmt: skip
    return Table(title, header, tuple(rows))


def gains(name: str, answer: dict[str, Any]) -> Table:
    """How much the tuned blend finds more than each tuned single model."""
    rows = [
        (row["against"], row["metric"], f"{row['mean']:+.4f}", f"{row['low']:+.4f} to {row['high']:+.4f}",
         f"{row['corrected']:.4f}")
        for row in answer["differences"]
    ]  # fmt: skip
    header = ("against", f"metric at {K}", "gain", "95 % interval", "p, corrected by Holm")
    return Table(f"{name}: the blend against each single model, paired over customers", header, tuple(rows))


def trial_table(found: Comparison, name: str) -> Table:
    """Trials of a data set, the best of each model marked."""
    rows = found.of(name)[0].answer["rows"]
    best = {
        model: max((r for r in rows if r["model"] == model), key=lambda r: r["recall"] + r["ndcg"]) for model in GRID
    }
    told_rows = [
        (row["model"], plain(row["settings"]), f"{row['recall']:.4f}", f"{row['ndcg']:.4f}", f"{row['cpu']:.1f}",
         "taken" if row is best[row["model"]] else "")
        for row in rows
    ]  # fmt: skip
    return Table(f"{name}: trials on a cut of train", ("model", "settings", f"Recall@{K}", f"NDCG@{K}", "CPU s", ""),
                 tuple(told_rows))  # fmt: skip


def findings(answers: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """Goals on MovieLens-1M, and the blend's gain over the best single model everywhere."""
    rows = answers["ml1m_ultragcn_split"]["rows"]
    single = [row for row in rows if row["model"] != "blend"]
    candidates = {
        COMES: [row for row in rows if row["how"] == COMES],
        TUNED: [row for row in single if row["how"] == TUNED],
        "blend": [row for row in rows if row["model"] == "blend" and row["how"] == TUNED],
    }
    said = []
    for goal, (recall, ndcg) in GOALS.items():
        best = max(candidates[goal], key=lambda row: min(row["recall"] / recall, row["ndcg"] / ndcg))
        kept = best["recall"] >= recall and best["ndcg"] >= ndcg
        said.append(
            f"MovieLens-1M, {goal}: {best['model']} Recall@{K} {best['recall']:.4f}, NDCG@{K} {best['ndcg']:.4f} "
            f"(goal ≥ {recall}/{ndcg}: {'kept' if kept else 'missed'})"
        )
    return (*said, *(gain(name, answer) for name, answer in answers.items()))


def gain(name: str, answer: dict[str, Any]) -> str:
    """The blend against the best single model of a data set."""
    single = [row for row in answer["rows"] if row["how"] == TUNED and row["model"] != "blend"]
    best = max(single, key=lambda row: row["ndcg"])["model"]
    row = next(r for r in answer["differences"] if r["against"] == best and r["metric"] == "ndcg")
    word = "above" if row["low"] > 0 else "below" if row["high"] < 0 else "not apart from"
    return (
        f"{name}: the blend's NDCG@{K} is {row['mean']:+.4f} ({row['low']:+.4f} to {row['high']:+.4f}) against the "
        f"best single model, {best}: {word} it"
    )


def told(row: dict[str, Any]) -> str:
    """How a row's model was set."""
    if "members" in row["settings"]:
        return "the tuned members, weights chosen on the cut of train"
    return f"{row['how']}: {plain(row['settings'])}" if row["settings"] else str(row["how"])


def plain(settings: Settings) -> str:
    """Settings as text."""
    return ", ".join(f"{name} {value:g}" for name, value in settings.items())


def main() -> int:
    """Print the report as Markdown, and put it into the page when asked."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", action="store_true", help="put the tables into docs/recommenders.md as well")
    parser.add_argument("--search", action="store_true", help="try the grids on cuts of train instead")
    asked_for = parser.parse_args()
    if asked_for.search:
        print(markdown(searched(), f"{COMMAND} --search"))
        return 0
    text = markdown(report(), COMMAND)
    print(text)
    if asked_for.page:
        replace_section(PAGE, NAME, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

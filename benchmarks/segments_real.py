"""What segments mean on four public data sets, how stable they are, and how well they keep their identity.

`python -m benchmarks.segments_real` prints the tables; with `--page` it puts them into docs/segments.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT, Side, compare, python_side
from benchmarks.report import Report, Table, markdown, replace_section
from benchmarks.segments_tables import TABLES, Customers

PAGE = ROOT / "docs" / "segments.md"
NAME = "segments_real"
COMMAND = "python -m benchmarks.segments_real"
FITS = 5
PART = 0.8


def report(repeats: int | None = None) -> Report:
    """Every data set in a process of its own, then the synthetic worlds."""
    real = compare("segments of real customers", [side(name) for name in TABLES], repeats or 1)
    worlds = compare("synthetic worlds", [python_side("worlds", "benchmarks.segments_synthetic:measured", {})], 1)
    answers = {name: real.of(name)[0].answer for name in real.sides}
    made = worlds.of("worlds")[0].answer
    return Report(
        NAME,
        "segments of public data sets, and their identity in synthetic worlds",
        (real, worlds),
        (
            found_table(answers),
            against_table(answers),
            skew_table(answers, made),
            *identity_tables(made),
            coverage_table(made),
        ),
        findings(answers, made),
    )


def side(name: str) -> Side:
    """One data set: encoder, sweep, description, comparison with a Gaussian mixture."""
    folder = os.environ.get("SCENEFIT_DATASETS") or os.path.relpath(ROOT.parent / "shared" / "data", ROOT)
    return python_side(name, "benchmarks.segments_real:measured", {"name": name, "folder": folder})


def measured(name: str, folder: str) -> dict[str, Any]:
    """Everything the tables tell of one data set."""
    from segmentation.columns import in_days
    from segmentation.describe import Outcomes, describe
    from segmentation.encoders import CustomerEncoder
    from segmentation.sweep import SegmentSweep
    from segmentation.value import pareto

    customers = TABLES[name](Path(folder))
    encoder = CustomerEncoder(as_of=customers.as_of)
    points = encoder.fit_transform(customers.frame)
    sweep = SegmentSweep().fit(points)
    frame = customers.frame if customers.as_of is None else in_days(customers.frame, customers.as_of)
    told = describe(frame, sweep.labels_, name, outcomes=Outcomes(value=customers.spend))
    at_k = sweep.report_.set_index("k").loc[sweep.k_]
    columns = ["name_en", "name_zh", "size", "share", "precision", "recall", "rule_en"]
    return {
        "customers": len(frame),
        "columns": [int(customers.frame.shape[1]), int(points.shape[1])],
        "k": int(sweep.k_),
        "tie_set": [int(k) for k in sweep.tie_set_],
        "silhouette": float(at_k["silhouette"]),
        "stability": float(at_k["stability"]),
        "fidelity": told.surrogate.fidelity,
        "baseline": told.surrogate.baseline,
        "segments": told.segments[[*columns, "value_share"]].to_dict("records"),
        "top_fifth": None if customers.spend is None else pareto(customers.spend).top_fifth,
        "against": against(points, frame, int(sweep.k_)),
        "quantile": skewed(customers, frame, int(sweep.k_)),
    }


def against(points: np.ndarray, frame: Any, k: int) -> dict[str, dict[str, float]]:
    """k-means and a diagonal Gaussian mixture at one k: how stable their labels are, and how well told in rules."""
    from segmentation.surrogate import surrogate

    found = {}
    for kind in ("k-means", "Gaussian mixture"):
        labelings = [_labels(kind, points, k, fit) for fit in range(FITS)]
        mean, spread = _agreement(labelings)
        whole = _labels(kind, points, k, None)
        found[kind] = {"stability": mean, "spread": spread, "fidelity": surrogate(frame, whole).fidelity,
                       "smallest": float(np.bincount(whole, minlength=k).min() / len(whole))}  # fmt: skip
    return found


def skewed(customers: Customers, frame: Any, k: int) -> dict[str, float]:
    """The same k after normal scores instead of logarithms."""
    from segmentation.encoders import CustomerEncoder
    from segmentation.surrogate import surrogate

    points = CustomerEncoder(as_of=customers.as_of, skew="quantile").fit_transform(customers.frame)
    mean, spread = _agreement([_labels("k-means", points, k, fit) for fit in range(FITS)])
    fidelity = surrogate(frame, _labels("k-means", points, k, None)).fidelity
    return {"stability": mean, "spread": spread, "fidelity": fidelity}


def _labels(kind: str, points: np.ndarray, k: int, fit: int | None) -> np.ndarray:
    """Labels of all customers by a model of a random four fifths of them, or of all (fit None)."""
    from sklearn.mixture import GaussianMixture

    from segmentation.sweep import SegmentSweep

    rng = np.random.default_rng(fit)
    rows = np.arange(len(points)) if fit is None else rng.choice(len(points), round(PART * len(points)), replace=False)
    if kind == "k-means":
        labels: np.ndarray = SegmentSweep(k_range=[k], seed=fit or 0).fit(points[rows]).predict(points)
        return labels
    # a level that hardly varies within a component would have no variance: reg_covar keeps it finite
    mixture = GaussianMixture(k, covariance_type="diag", n_init=4, reg_covar=1e-3, max_iter=300, random_state=fit or 0)
    found: np.ndarray = mixture.fit(points[rows].astype(np.float64)).predict(points.astype(np.float64))
    return found


def _agreement(labelings: list[np.ndarray]) -> tuple[float, float]:
    """Mean and standard deviation of the adjusted Rand index over all pairs."""
    from sklearn.metrics import adjusted_rand_score

    pairs = [adjusted_rand_score(a, b) for i, a in enumerate(labelings) for b in labelings[:i]]
    return float(np.mean(pairs)), float(np.std(pairs))


def found_table(answers: dict[str, dict[str, Any]]) -> Table:
    """What was found in each data set."""
    rows = []
    for name, found in answers.items():
        names = "; ".join(f"{one['name_en']} / {one['name_zh']} ({one['share']:.0%})" for one in found["segments"])
        rows.append((
            name, f"{found['customers']:,}", f"{found['columns'][0]} → {found['columns'][1]}", str(found["k"]),
            ", ".join(map(str, found["tie_set"])), f"{found['stability']:.2f}",
            f"{found['fidelity']:.2f} ({found['baseline']:.2f})", names,
        ))  # fmt: skip
    header = ("data set", "customers", "columns → encoded", "k", "tie set", "stability between seeds",
              "surrogate fidelity (largest segment)", "segments")  # fmt: skip
    return Table("Segments of real customers", header, tuple(rows))


def against_table(answers: dict[str, dict[str, Any]]) -> Table:
    """k-means against scikit-learn's diagonal Gaussian mixture."""
    rows = [
        (name, str(found["k"]), kind, f"{one['stability']:.2f} ± {one['spread']:.2f}", f"{one['fidelity']:.2f}",
         f"{one['smallest']:.1%}")
        for name, found in answers.items() for kind, one in found["against"].items()
    ]  # fmt: skip
    header = ("data set", "k", "model", "stability (ARI)", "surrogate fidelity", "smallest segment")
    return Table("k-means and a diagonal Gaussian mixture on the same points, at k of the sweep", header, tuple(rows))


def skew_table(answers: dict[str, dict[str, Any]], made: dict[str, Any]) -> Table:
    """What logarithms and normal scores do to skewed numbers."""
    rows = [
        (name, *(f"{one['stability']:.2f} ± {one['spread']:.2f}, {one['fidelity']:.2f}"
                 for one in (found["against"]["k-means"], found["quantile"])), "")
        for name, found in answers.items()
    ]  # fmt: skip
    planted = made["skew"]
    rows.append(("planted groups (synthetic): ARI with the truth", *(
        f"{planted[kind][0]:.3f} ± {planted[kind][1]:.3f}" for kind in ("log", "quantile", "raw"))))  # fmt: skip
    header = ("data set", "log: stability, fidelity", "quantile: stability, fidelity", "standardised only")
    return Table("What a skewed number becomes", header, tuple(rows))


def identity_tables(made: dict[str, Any]) -> tuple[Table, Table]:
    """Customers who keep their segment over a refit, and false alarms of the stability index; both synthetic."""
    kept = [
        (f"{one['apart']:g}", f"{one['n']:,}", one["news"],
         *(f"{one[way][0]:.2%} ± {one[way][1]:.2%}" for way in ("free", "held")), f"{one['worst']:.2%}",
         f"{one['swept'][0]:.2%} ± {one['swept'][1]:.2%}", one["k"])
        for one in made["identity"]
    ]  # fmt: skip
    alarms = [
        (one["what"], f"{one['draws']:,}", f"{one['alarms'][0]:.2%} ± {one['alarms'][1]:.2%}", f"{one['most']:.2%}")
        for one in made["psi"]
    ]
    header = ("distance of groups", "customers per fit", "news (false)", "carried on", "carried on, borders held",
              "worst world", "sought anew, k steady", "k before → after")  # fmt: skip
    return (
        Table("Same distribution, fresh sample: customers who keep their segment (synthetic, mean ± sd over worlds)",
              header, tuple(kept)),
        Table("No change: how often the stability index alarms (synthetic, mean ± sd over 5 seeds)",
              ("counts", "draws per seed", "beyond chance", "worst seed"), tuple(alarms)),
    )  # fmt: skip


def coverage_table(made: dict[str, Any]) -> Table:
    """How far the intervals of lifts can be trusted; synthetic."""
    rows = [(one["what"], f"{one['n']:,}", f"{one['held'][0]:.1%} ± {one['held'][1]:.1%}") for one in made["coverage"]]
    title = "95 % intervals of lifts that hold the truth (synthetic; a segment of a tenth, mean ± sd over 5 seeds)"
    return Table(title, ("feature", "customers", "hold the truth"), tuple(rows))


def findings(answers: dict[str, dict[str, Any]], made: dict[str, Any]) -> tuple[str, ...]:
    """The sentences that follow from the tables."""
    worlds = made["identity"]
    good, free = (sum(one[way][0] >= 0.99 for one in worlds) for way in ("held", "free"))
    most = max(one["most"] for one in made["psi"])
    fifth = [f"{name} {found['top_fifth']:.0%}" for name, found in answers.items() if found["top_fifth"]]
    return (
        f"Customers who keep their segment on a fresh sample (goal ≥ 99 %): in {good} of {len(worlds)} settings with "
        f"border customers held, in {free} by the nearest centre alone",
        f"False alarms of the stability index (goal < 5 %): at most {most:.2%} in any seed",
        f"The most valuable fifth of the customers brings, of all spend: {', '.join(fifth)}",
    )


def main() -> int:
    """Print the report as Markdown, and put it into the page when asked."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--page", action="store_true", help="put the tables into docs/segments.md as well")
    asked = parser.parse_args()
    text = markdown(report(), COMMAND)
    print(text)
    if asked.page:
        replace_section(PAGE, NAME, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

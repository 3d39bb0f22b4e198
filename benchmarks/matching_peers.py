"""Other solvers on the same linear programme, each in a process of its own; reads a file, knows nothing of ours.

`python -c "from benchmarks.matching_peers import main; main()" highs problem.npz SECONDS CROSSOVER`
`… pdlp problem.npz SECONDS PRECISION` in an environment with OR-Tools: never in one process with HiGHS
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np


def main() -> None:
    """Print what the solver found, and its seconds, as JSON."""
    solver, path, seconds, how = sys.argv[1:5]
    with np.load(path) as file:
        problem = {name: file[name] for name in file.files}
    wall, cpu = time.perf_counter(), time.process_time()
    programme = linear_programme(problem)
    if solver == "highs":
        model = highs_model(*programme)
        built = ["model building", time.perf_counter() - wall, time.process_time() - cpu]
        solve: Any = lambda: highs(model, float(seconds), how == "crossover")  # noqa: E731
    else:
        model = pdlp_model(*programme)
        built = ["model building", time.perf_counter() - wall, time.process_time() - cpu]
        solve = lambda: pdlp(model, float(seconds), float(how))  # noqa: E731
    wall, cpu = time.perf_counter(), time.process_time()
    status, amounts = solve()
    solved = ["plan", time.perf_counter() - wall, time.process_time() - cpu]
    worth, upper, rows = programme
    found = np.clip(amounts, 0.0, None)
    over = np.maximum(rows @ found - upper, 0.0) / np.maximum(1.0, np.abs(upper))
    answer = {"status": status, "value": float(worth @ found), "violation": float(over.max())}
    print(json.dumps({"parts": [built, solved], **answer}))


def linear_programme(problem: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, Any]:
    """Worth of each eligible pair, totals of the rows, and the rows: limits first, then one per customer; all ≤."""
    from scipy import sparse

    who, offer = np.nonzero(problem["eligible"])
    pairs, offers = np.arange(len(who)), problem["values"].shape[1]
    customers = len(problem["values"])
    floored = problem["floor"]
    first = offers + 2 + len(floored)
    row = [
        offer, np.full(len(who), offers), np.full(len(who), offers + 1),
        offers + 2 + problem["group"][who].astype(int), first + who,
    ]  # fmt: skip
    one = np.ones(len(who))
    worth = [one, problem["cost"][who, offer], problem["loss"][who, offer], -one, one]
    rows = sparse.csc_matrix(
        (np.concatenate(worth).astype(float), (np.concatenate(row), np.tile(pairs, 5))),
        shape=(first + customers, len(who)),
    )
    upper = np.concatenate(
        [problem["capacity"], [problem["budget"], problem["loss_cap"]], -floored, np.ones(customers)]
    )
    return problem["values"][who, offer].astype(float), upper.astype(float), rows


def highs_model(worth: np.ndarray, upper: np.ndarray, rows: Any) -> Any:
    """The programme as HiGHS takes it."""
    import highspy

    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = rows.shape
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_, model.col_lower_ = worth, np.zeros(len(worth))
    model.col_upper_ = np.full(len(worth), highspy.kHighsInf)
    model.row_lower_, model.row_upper_ = np.full(len(upper), -highspy.kHighsInf), upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = rows.indptr, rows.indices, rows.data
    return model


def highs(model: Any, seconds: float, crossover: bool) -> tuple[str, np.ndarray]:
    """HiGHS' interior point on one thread, with or without its crossover to a vertex."""
    import highspy

    # its stub leaves the class untyped
    engine: Any = highspy
    solver = engine.Highs()
    solver.silent()
    for option, value in {
        "solver": "ipm", "threads": 1, "time_limit": seconds, "run_crossover": "on" if crossover else "off",
    }.items():  # fmt: skip
        solver.setOptionValue(option, value)
    solver.passModel(model)
    solver.run()
    status = solver.modelStatusToString(solver.getModelStatus())
    return status, np.asarray(solver.getSolution().col_value)


def pdlp_model(worth: np.ndarray, upper: np.ndarray, rows: Any) -> Any:
    """The programme as OR-Tools' PDLP takes it."""
    from ortools.pdlp.python import pdlp as ortools

    model = ortools.QuadraticProgram()
    model.objective_vector, model.constraint_matrix = -worth, rows
    model.constraint_lower_bounds, model.constraint_upper_bounds = np.full(len(upper), -np.inf), upper
    model.variable_lower_bounds, model.variable_upper_bounds = np.zeros(len(worth)), np.full(len(worth), np.inf)
    return model


def pdlp(model: Any, seconds: float, precision: float) -> tuple[str, np.ndarray]:
    """OR-Tools' first-order method to a relative precision, on one thread."""
    from ortools.pdlp import solve_log_pb2, solvers_pb2
    from ortools.pdlp.python import pdlp as ortools

    asked = solvers_pb2.PrimalDualHybridGradientParams()
    asked.termination_criteria.simple_optimality_criteria.eps_optimal_relative = precision
    asked.termination_criteria.simple_optimality_criteria.eps_optimal_absolute = 1e-6
    asked.termination_criteria.time_sec_limit = seconds
    asked.num_threads = 1
    found = ortools.primal_dual_hybrid_gradient(model, asked)
    reason = solve_log_pb2.TerminationReason.Name(found.solve_log.termination_reason)
    return reason.removeprefix("TERMINATION_REASON_").lower(), np.asarray(found.primal_solution)

"""iALS with a penalty that grows with how much a row holds: the strongest factor model on public rankings."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

import numpy as np
from scipy import sparse

from recsys.exact import product
from recsys.histories import checked_history, checked_weights, recommended
from recsys.ranking import Ranking
from scenefit.contracts.errors import NotFitted, SettingsError

START = 0.1  # length of a vector before learning, as in the paper
FOLDED = 32  # conjugate-gradient steps of a new customer, who starts from nothing; usually fewer are needed
PARTS = 16  # pieces of work per thread, so that none waits long for another


class FrequencyScaledAls:
    """Tastes of customers and items as vectors, where rich histories are held shorter than thin ones.

    Rendle, Krichene, Zhang & Koren (2022), "Revisiting the performance of iALS on item recommendation benchmarks",
    RecSys: squared loss of 1 on what was touched and `unobserved` · score² on everything, with the ridge
    `regularization` · (entries of the row + `unobserved` · entries of a full row) ** `exponent`.

    Parameters
    ----------
    factors : length of the vectors; more costs time and seldom harms
    regularization : λ; smaller follows each history more closely
    unobserved : α₀, how much it counts that something was not touched
    exponent : ν; 1 holds frequent items shorter, 0 holds all alike
    epochs : rounds over customers and items
    steps : conjugate-gradient steps per vector and round, from where it stood before

    Notes
    -----
    Rows are solved apart from each other, each on one thread: any number of threads gives equal bytes. An exact solve
    costs entries · factors² a round, steps of conjugate gradients entries · factors each.
    """

    reproducible: ClassVar[Literal["any threads", "one thread"]] = "any threads"

    def __init__(
        self,
        factors: int = 128,
        regularization: float = 0.01,
        unobserved: float = 0.2,
        exponent: float = 1.0,
        epochs: int = 16,
        steps: int = 3,
        seed: int = 0,
    ) -> None:
        self.factors = factors
        self.regularization = regularization
        self.unobserved = unobserved
        self.exponent = exponent
        self.epochs = epochs
        self.steps = steps
        self.seed = seed

    def fit(self, matrix: sparse.csr_matrix) -> Self:
        """Learn item vectors from weights of shape (customers, items).

        Raises
        ------
        SettingsError : a setting makes no sense.
        """
        if min(self.factors, self.epochs, self.steps) < 1 or min(self.regularization, self.unobserved) <= 0:
            raise SettingsError(
                f"FrequencyScaledAls: factors {self.factors}, epochs {self.epochs}, steps {self.steps}, "
                f"regularization {self.regularization}, unobserved {self.unobserved}; all must be above 0"
            )
        rows = checked_weights(matrix, "FrequencyScaledAls")
        columns = sparse.csr_matrix(rows.T.tocsr())
        rng = np.random.default_rng(self.seed)
        scale = START / np.sqrt(self.factors)
        users, items = ((scale * rng.standard_normal((size, self.factors))).astype(np.float32) for size in rows.shape)
        for _ in range(self.epochs):
            self._solve(rows, items, users, self.steps)
            self._solve(columns, users, items, self.steps)
        self.item_factors_ = items
        self.history_ = rows
        return self

    def fold_in(self, history: sparse.csr_matrix) -> np.ndarray:
        """Vectors (rows, factors) of customers with this history; zeros where there is none."""
        if not hasattr(self, "item_factors_"):
            raise NotFitted("FrequencyScaledAls: not fitted; call fit(matrix) first")
        vectors = np.zeros((history.shape[0], self.factors), np.float32)
        self._solve(checked_weights(history, "FrequencyScaledAls"), self.item_factors_, vectors, FOLDED)
        return vectors

    def scores(self, users: np.ndarray, history: sparse.csr_matrix) -> np.ndarray:
        """Scores (users, items) of customers with this history."""
        items = len(self.item_factors_) if hasattr(self, "item_factors_") else None
        rows = checked_history(self, users, history, items)
        return product(self.fold_in(rows), self.item_factors_.T)

    def recommend(self, users: np.ndarray, n: int, eligible: np.ndarray | None = None) -> Ranking:
        """The n best eligible items for each of `users` (rows of the fitted matrix)."""
        return recommended(self, users, n, eligible)

    def _solve(self, rows: sparse.csr_matrix, others: np.ndarray, vectors: np.ndarray, steps: int) -> None:
        """Bring each row's vector nearer to its optimum, given the vectors of the other side."""
        import numba

        from recsys.ials_kernels import solve_rows

        entries = np.diff(rows.indptr)
        penalties = self.regularization * (entries + self.unobserved * len(others)) ** self.exponent
        gram = np.float32(self.unobserved) * product(others.T, others)
        # numba compiles once per kind of array: a read-only one, or 64-bit indices, would be another kind
        arguments = (
            np.array(rows.indptr, np.int64), np.array(rows.indices, np.int32), np.array(rows.data, np.float32),
            others, np.ascontiguousarray(gram), penalties.astype(np.float32), steps, vectors,
        )  # fmt: skip
        solve: Any = solve_rows
        threads = numba.get_num_threads()
        if threads == 1:
            solve(0, len(vectors), *arguments)
            return
        # pieces of equally many entries
        edges = np.searchsorted(rows.indptr, np.linspace(0, rows.nnz, threads * PARTS + 1)[1:-1])
        bounds = [0, *edges.tolist(), len(vectors)]
        with ThreadPoolExecutor(threads, "ials") as pool:
            list(pool.map(lambda part: solve(*part, *arguments), pairwise(bounds)))

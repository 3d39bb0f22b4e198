"""Search for good settings: random trials, halved from rung to rung, each kept as a line so that it can be resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from scenefit.contracts.errors import NotFitted, SettingsError, StoreError
from scenefit.runtime.parallel import Backend, pmap
from scenefit.runtime.workspace import disk_errors, write_text

SEARCH = "search.json"
TRIALS = "trials.jsonl"
Settings = dict[str, Any]
# quality on a time-ordered validation window: settings, share of the material to use, shared material, chance
Judge = Callable[[Settings, float, Any, np.random.Generator], float]


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both possible; spread evenly over their logarithms where `log`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def drawn(self, rng: np.random.Generator) -> float | int:
        """One number of the range."""
        if self.log:
            value = float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        else:
            value = float(rng.uniform(self.low, self.high))
        # rounded: settings are read by people and stored as text
        return round(value) if self.whole else float(f"{value:.4g}")


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Any, ...]

    def drawn(self, rng: np.random.Generator) -> Any:
        """One of the values."""
        return self.values[int(rng.integers(len(self.values)))]


Space = Mapping[str, Range | Choice]


class Trial(NamedTuple):
    """Settings tried at a rung on a share of the material: the score (more is better), or what went wrong."""

    number: int
    rung: int
    share: float
    settings: Settings
    score: float | None
    error: str = ""


class Search(NamedTuple):
    """What a search found: the best settings and their score, every trial in order, and those that failed."""

    best: Settings
    score: float
    trials: list[Trial]
    failed: list[Trial]


class _Job(NamedTuple):
    """One trial to be run, and the file that keeps it."""

    trial: Trial
    file: str
    seed: int

    @property
    def name(self) -> str:
        return f"trial {self.trial.number} {json.dumps(self.trial.settings, sort_keys=True)}"


def search(
    judge: Judge,
    space: Space,
    folder: Path,
    shared: Any,
    *,
    trials: int = 16,
    shares: Sequence[float] = (0.25, 0.5, 1.0),
    keep: float = 0.5,
    seed: int = 0,
    fingerprint: str = "",
    first: Sequence[Settings] = (),
    backend: Backend = "local",
    cores: int = 2,
) -> Search:
    """The best settings by successive halving; a search begun in `folder` goes on where it stopped.

    Every trial is judged on the first share of the material, the better `keep` of them on the next, and so on; one
    share alone is a plain random search. A trial draws settings and chance from its own number, so that a resumed
    search equals an uninterrupted one to the byte, whatever was killed in between.

    Parameters
    ----------
    judge : a module-level function, so that it can run on Ray; it must judge on a window later than it learns from
    first : settings tried before any that are drawn, such as those in use
    fingerprint : of the material; trials on other data are not taken over

    Raises
    ------
    SettingsError : the numbers make no sense, or the folder holds another search.
    NotFitted : every trial failed; the message names them.

    Notes
    -----
    Jamieson & Talwalkar (2016), "Non-stochastic best arm identification and hyperparameter optimization".
    """
    _check(space, trials, shares, keep, first)
    _begin(folder, space, trials, shares, keep, seed, fingerprint, first)
    drawn = [dict(one) for one in first] + [_drawn(space, seed, number) for number in range(len(first), trials)]
    alive, tried = list(range(trials)), list[Trial]()
    for rung, share in enumerate(shares):
        wanted = [Trial(number, rung, float(share), drawn[number], None) for number in alive]
        done = _run(judge, wanted, folder, shared, seed, backend, cores)
        tried += done
        good = [trial for trial in done if trial.score is not None]
        if not good:
            told = "; ".join(f"trial {t.number} {t.settings}: {t.error}" for t in done[:3])
            raise NotFitted(f"tune: all {len(done)} trials of rung {rung} failed. {told}. Mend the data or the space")
        ranked = sorted(good, key=lambda trial: (-(trial.score or 0.0), trial.number))
        alive = sorted(trial.number for trial in ranked[: max(1, round(keep * len(done)))])
    write_text(folder / TRIALS, "".join(_line(trial) for trial in tried))
    best = ranked[0]
    return Search(best.settings, float(best.score or 0.0), tried, [trial for trial in tried if trial.error])


def kept_trials(folder: Path) -> list[Trial]:
    """Every trial of a search so far, finished or not, by rung and number.

    Raises
    ------
    StoreError : a trial's file is damaged.
    """
    return [_read(file) for file in sorted((folder / "trials").glob("rung-*.json"))]


def _run(
    judge: Judge, wanted: list[Trial], folder: Path, shared: Any, seed: int, backend: Backend, cores: int
) -> list[Trial]:
    files = [folder / "trials" / f"rung-{t.rung:02d}-trial-{t.number:05d}.json" for t in wanted]
    todo = [_Job(t, str(file), seed) for t, file in zip(wanted, files, strict=True) if not file.is_file()]
    pmap(_tried, todo, (judge, shared), seed=seed, backend=backend, cores=cores)
    return [_read(file) for file in files]


def _tried(job: _Job, shared: tuple[Judge, Any], rng: np.random.Generator) -> None:  # noqa: ARG001
    """Judge one trial and keep it. Its chance comes from its number: `rng` counts places, which a resume shifts."""
    judge, material = shared
    trial = job.trial
    own = np.random.default_rng([job.seed, trial.rung, trial.number])
    try:
        score = float(judge(trial.settings, trial.share, material, own))
        found = trial._replace(score=score) if np.isfinite(score) else trial._replace(error=f"score is {score}")
    except MemoryError:
        raise
    except Exception as error:
        # one bad trial must not end a search of hours; it is kept and named
        found = trial._replace(error=f"{type(error).__name__}: {error}")
    write_text(Path(job.file), _line(found))


def _line(trial: Trial) -> str:
    return json.dumps(trial._asdict(), ensure_ascii=False, sort_keys=True) + "\n"


def _read(file: Path) -> Trial:
    try:
        return Trial(**json.loads(file.read_text("utf8")))
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"{file}: damaged ({error}); delete it and resume, the trial is run again") from error


def _drawn(space: Space, seed: int, number: int) -> Settings:
    rng = np.random.default_rng([seed, number])
    return {name: space[name].drawn(rng) for name in sorted(space)}


def _begin(
    folder: Path, space: Space, trials: int, shares: Sequence[float], keep: float, seed: int, fingerprint: str,
    first: Sequence[Settings],
) -> None:  # fmt: skip
    """Write down what is searched, or make sure that the folder holds this very search."""
    described = {
        "space": {name: repr(one) for name, one in space.items()}, "trials": trials, "shares": list(shares),
        "keep": keep, "seed": seed, "fingerprint": fingerprint, "first": [dict(one) for one in first],
    }  # fmt: skip
    text, file = json.dumps(described, ensure_ascii=False, indent=1, sort_keys=True), folder / SEARCH
    with disk_errors(folder):
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        for left in (folder / "trials").glob(".*"):
            # half a file of a killed worker; another process may clean up at the same time
            if left.name.rpartition(".")[2] != str(os.getpid()):
                left.unlink(missing_ok=True)
    if not file.is_file():
        write_text(file, text)
    elif file.read_text("utf8") != text:
        there = json.loads(file.read_text("utf8"))
        differing = sorted(name for name in described if described[name] != there.get(name))
        raise SettingsError(
            f"{folder}: holds another search (different: {', '.join(differing)}); resume it with the same settings and "
            "data, or give a new folder"
        )


def _check(space: Space, trials: int, shares: Sequence[float], keep: float, first: Sequence[Settings]) -> None:
    if not space or trials < 1 or len(first) > trials or not 0 < keep <= 1:
        raise SettingsError(
            f"tune: {len(space)} settings, {trials} trials, {len(first)} given, keep {keep}; at least one setting and "
            "one trial, no more given than tried, keep in (0, 1]"
        )
    if not shares or any(not 0 < share <= 1 for share in shares) or list(shares) != sorted(shares):
        raise SettingsError(f"tune: shares {list(shares)}; write them ascending in (0, 1], such as 0.25 0.5 1")
    for name, one in space.items():
        if isinstance(one, Range) and not (one.low <= one.high and (one.low > 0 or not one.log)):
            raise SettingsError(f"tune: {name} from {one.low} to {one.high}; low must not exceed high, log needs > 0")
        if isinstance(one, Choice) and not one.values:
            raise SettingsError(f"tune: {name} has nothing to choose from; give values")

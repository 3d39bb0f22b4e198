"""Steps of a long job: shown on a terminal, silent in a pipe, always timed."""

from __future__ import annotations

import io
import sys

import pytest

from scenefit.runtime import progress
from scenefit.runtime.progress import Steps


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that shows what the test puts there."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_seconds_of_a_step_are_kept_and_added_up(clock: list[float]) -> None:
    steps = Steps(quiet=True)
    for seconds in (2.0, 3.0):
        with steps.step("features"):
            clock[0] += seconds
    with steps.step("plan"):
        clock[0] += 1.0

    assert steps.seconds == {"features": 5.0, "plan": 1.0}


def test_a_pipe_stays_empty(capsys: pytest.CaptureFixture[str]) -> None:
    with Steps().step("features"):
        pass

    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_the_step(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())

    with Steps().step("features"):
        pass

    assert "features" in sys.stderr.getvalue()
    assert capsys.readouterr().out == ""


def test_a_terminal_stays_empty_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())

    with Steps(quiet=True).step("features"):
        pass

    assert sys.stderr.getvalue() == ""


def test_an_error_passes_through_a_step() -> None:
    steps = Steps()

    with pytest.raises(ValueError, match="bug"), steps.step("features"):
        raise ValueError("bug")

    assert "features" not in steps.seconds

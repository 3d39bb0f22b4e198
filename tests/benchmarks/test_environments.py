"""Environments of peers: exact pins, made once, made again when the pins change."""

import pytest

from benchmarks.environments import NUMPY_1, environment, numpy_version
from scenefit.contracts.errors import ScenefitError


@pytest.mark.parametrize("pins", [(), ("numpy",), ("numpy>=1.26",), ("numpy==1.26.*",)])
def test_pins_must_be_exact(pins, tmp_path):
    with pytest.raises(ScenefitError, match=r"give exact versions such as numpy==1\.26\.4"):
        environment("loose", pins, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_peer_with_numpy_1_lives_in_its_own_environment(tmp_path):
    python = environment("numpy-1", NUMPY_1, tmp_path)
    assert numpy_version(python) == "1.26.4"
    receipt = tmp_path / "numpy-1" / "pins.txt"
    made = receipt.stat().st_mtime_ns
    assert environment("numpy-1", NUMPY_1, tmp_path) == python
    assert receipt.stat().st_mtime_ns == made
    receipt.write_text("of another list", "utf8")
    environment("numpy-1", NUMPY_1, tmp_path)
    assert receipt.stat().st_mtime_ns > made


@pytest.mark.slow
def test_pins_that_do_not_exist_leave_nothing_behind(tmp_path):
    with pytest.raises(ScenefitError, match=r"environment 'none' with numpy==1\.0\.999 cannot be made"):
        environment("none", ("numpy==1.0.999",), tmp_path)
    assert not list(tmp_path.iterdir())

"""The harness: turns, processes of their own, children counted, failures that say what to do."""

import json
import os
import sys
import time
from dataclasses import replace

import pytest

from benchmarks.__main__ import NAMES, main
from benchmarks.figures import WHOLE
from benchmarks.harness import Side, check_same, compare, measure, python_side, turns
from benchmarks.report import Report, Table, document, figures, markdown, replace_section
from scenefit.contracts.errors import ScenefitError

BURN = """
import time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
"""
WAITED_CHILD = (
    BURN
    + """
import multiprocessing
child = multiprocessing.get_context("fork").Process(target=burn, args=(0.4,))
child.start()
child.join()
"""
)
# like a server of Ray's: its parent never waits for it
UNWAITED_CHILD = (
    BURN
    + """
import os, time
if os.fork() == 0:
    burn(0.4)
    time.sleep(60)
time.sleep(0.9)
os._exit(0)
"""
)


def say(name, text, **options):
    return Side(name, (sys.executable, "-c", text), **options)


def test_sides_take_turns():
    sides = [say("A", ""), say("B", "")]
    assert [side.name for round_ in turns(sides, 2) for side in round_] == ["A", "B", "A", "B"]


@pytest.mark.parametrize(("names", "repeats"), [([], 1), (["A", "A"], 1), (["A"], 0)])
def test_nothing_to_compare_is_refused(names, repeats):
    with pytest.raises(ScenefitError, match="distinct names and ≥ 1 round"):
        turns([say(name, "") for name in names], repeats)


def test_sides_run_in_the_order_of_their_turns(tmp_path):
    log = tmp_path / "log"
    sides = [say(name, f"open({str(log)!r}, 'a').write({name!r})") for name in "AB"]
    found = compare("order", sides, 3)
    assert log.read_text("utf8") == "ABABAB"
    assert len(found.of("A")) == len(found.of("B")) == 3
    assert found.load_before >= 0
    assert found.commands[0].startswith("python -c ")


def test_what_is_laid_ready_is_not_measured():
    started = time.perf_counter()
    found = measure(say("A", "", prepare=lambda: time.sleep(0.5)))
    assert found.wall <= time.perf_counter() - started - 0.5


def test_cpu_of_a_child_counts():
    assert measure(say("A", WAITED_CHILD)).cpu == pytest.approx(0.45, abs=0.15)


def test_cpu_of_a_child_nobody_waits_for_counts_and_it_is_ended():
    found = measure(say("A", UNWAITED_CHILD))
    assert found.cpu == pytest.approx(0.42, abs=0.15)
    assert found.wall < 3


def test_waiting_is_wall_time_and_not_cpu():
    found = measure(say("A", "import time; time.sleep(0.5)"))
    assert found.wall >= 0.5
    assert found.cpu < found.wall - 0.3


def test_memory_is_the_measured_process_s_alone():
    ballast = bytearray(200 << 20)
    ballast[:: 1 << 12] = b"\1" * len(ballast[:: 1 << 12])
    small, large = (measure(say("A", f"x = b'1' * ({mb} << 20); import time; time.sleep(.3)")) for mb in (1, 150))
    assert small.peak < 60
    assert large.peak - small.peak == pytest.approx(149, abs=10)


def test_memory_of_children_adds_up():
    two = "import os, time; x = b'1' * (1 << 20); p = os.fork(); y = bytes(b'2') * (100 << 20); time.sleep(.4)"
    assert measure(say("A", two)).peak == pytest.approx(210, abs=20)


def test_a_side_may_tell_of_its_parts_and_what_it_found():
    answer = {"parts": [["load", 1.5, None], ["fit", 2.0, 3.5]], "found": [1, 2]}
    found = measure(say("A", f"print('hello'); print({json.dumps(answer)!r})"))
    assert found.part("fit").cpu == 3.5
    assert found.part("load").cpu is None
    assert found.part(WHOLE).wall == found.wall
    assert found.answer == {"found": [1, 2]}


def test_a_function_of_ours_runs_in_a_process_of_its_own():
    found = measure(python_side("A", "benchmarks.ray:no_work", {"count": 3, "backend": "local"}))
    assert found.answer == {"found": [0, 1, 2]}
    assert [part.name for part in found.parts] == ["first task of each core", "tasks"]


def test_settings_of_the_caller_stay_outside(monkeypatch):
    monkeypatch.setenv("SCENEFIT_SEED", "99")
    found = measure(say("A", "import json, os; print(json.dumps({'seed': os.environ.get('SCENEFIT_SEED')}))"))
    assert found.answer == {"seed": None}


def test_a_failing_side_is_named_with_its_last_words():
    with pytest.raises(
        ScenefitError, match=r"side 'B' failed with exit code 3\. Run it alone: (.|\n)*no such campaign"
    ):
        measure(say("B", "import sys; print('no such campaign', file=sys.stderr); sys.exit(3)"))


def test_a_side_that_takes_too_long_is_ended():
    started = time.perf_counter()
    with pytest.raises(ScenefitError, match=r"side 'B' was ended by signal 9 \(or took longer than 0.3 s\)"):
        measure(say("B", "import time; time.sleep(60)", timeout=0.3))
    assert time.perf_counter() - started < 5


def test_a_side_that_cannot_start_is_named():
    with pytest.raises(ScenefitError, match="side 'B' cannot be started"):
        measure(Side("B", ("/no/such/program",)))


def test_sides_that_found_different_things_are_not_compared():
    sides = [say("A", 'print(\'{"found": {"x": 1, "y": 2}}\')'), say("B", 'print(\'{"found": {"x": 1, "y": 3}}\')')]
    found = compare("unequal", sides, 1)
    check_same(found.of("A"), lambda answer: answer["found"])
    with pytest.raises(ScenefitError, match="'A' and 'B' found different results: they differ in y"):
        check_same(found.rounds[0], lambda answer: answer["found"])


@pytest.fixture(scope="module")
def report():
    sides = [say(name, 'print(\'{"parts": [["work", 0.5, 0.25]], "found": 1}\')') for name in ("ours", "peer")]
    table = Table("Extra", ("size", "s"), (("10 k", "1.0"),))
    return Report("demo", "a demonstration", (compare("both", sides, 2),), (table,), ("Ours is as fast.",))


def test_json_holds_every_measurement_and_its_sums(report):
    made = json.loads(json.dumps(document([report], "python -m benchmarks demo")))
    assert made["command"] == "python -m benchmarks demo"
    assert made["machine"]["cores"] == len(os.sched_getaffinity(0))
    one = made["reports"][0]
    assert (one["name"], one["findings"]) == ("demo", ["Ours is as fast."])
    comparison = one["comparisons"][0]
    assert set(comparison["load"]) == {"before", "after"}
    assert list(comparison["sides"]) == ["ours", "peer"]
    peer = comparison["sides"]["peer"]
    assert peer["parts"]["work"]["wall"] == {"median": 0.5, "low": 0.5, "high": 0.5}
    assert peer["parts"]["work"]["cpu_ratio"] == {"median": 1.0, "low": 1.0, "high": 1.0}
    assert len(peer["runs"]) == 2
    assert peer["runs"][0]["parts"] == [{"name": "work", "wall": 0.5, "cpu": 0.25}]
    assert "answer" not in peer["runs"][0]
    assert peer["peak_mb"]["low"] > 1


def test_tables_show_sides_parts_and_ratios(report):
    rows = figures(report.comparisons[0]).rows
    assert [row[:2] for row in rows] == [("ours", "work"), ("ours", WHOLE), ("peer", "work"), ("peer", WHOLE)]
    assert rows[0][2:] == ("0.500", "0.250", "", "", "")
    assert rows[2][2:] == ("0.500", "0.250", "", "1.00", "1.00")


def test_markdown_shows_the_command_and_the_load(report):
    text = markdown(report, "python -m benchmarks demo")
    assert "    python -m benchmarks demo" in text
    assert "- Ours is as fast." in text
    assert "| 10 k | 1.0 |" in text
    assert "Load of the machine before → after (1 minute): both:" in text


def test_a_busy_machine_is_told(report):
    comparison, cores = report.comparisons[0], len(os.sched_getaffinity(0))
    calm = replace(report, comparisons=(replace(comparison, load_before=0.1, load_after=cores),))
    busy = replace(report, comparisons=(replace(comparison, load_before=0.1, load_after=cores + 1.5),))
    assert "Others were at work" not in markdown(calm, "x")
    assert "Others were at work" in markdown(busy, "x")


def test_a_section_of_the_page_is_replaced_and_the_rest_stays(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text("top\n<!-- demo -->\nold\n<!-- /demo -->\nend\n", "utf8")
    replace_section(page, "demo", "\n## new\\1\n")
    assert page.read_text("utf8") == "top\n<!-- demo -->\n## new\\1\n<!-- /demo -->\nend\n"
    with pytest.raises(ScenefitError, match="add the lines <!-- other --> and <!-- /other -->"):
        replace_section(page, "other", "")


def test_every_benchmark_says_what_it_measures(capsys):
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(NAMES)
    assert all(len(line.split()) > 5 for line in lines)


def test_an_unknown_benchmark_names_the_known(capsys):
    with pytest.raises(SystemExit) as left:
        main(["rune"])
    assert left.value.code == 2
    assert "no benchmark is called rune; there are run, ray, world" in capsys.readouterr().err

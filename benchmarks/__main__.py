"""`python -m benchmarks NAME [NAME …] [--json] [--repeats N]`: measure claims and print what was found."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module

from benchmarks.harness import ROOT
from benchmarks.report import Report, document, markdown, replace_section
from scenefit.contracts.errors import ScenefitError

NAMES = ("run", "ray", "world", "environments", "features", "segmentation", "subgroups", "audiences", "lookalikes",
         "recsys", "recsys_scenes", "matching", "decisions", "backtest_real")  # fmt: skip
PAGE = ROOT / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure claims, each against a peer.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one or more of: {', '.join(NAMES)}")
    parser.add_argument("--list", action="store_true", help="say what each benchmark measures")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of Markdown")
    parser.add_argument("--repeats", type=_rounds, metavar="N", help="rounds, instead of the benchmark's own number")
    parser.add_argument("--page", action="store_true", help="put the tables into docs/benchmarks.md as well")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    if asked.list or not asked.names:
        print("\n".join(f"{name:<14}{_title(name)}" for name in NAMES))
        return 0
    try:
        _measure_all(asked)
    except ScenefitError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted; the measured processes were ended", file=sys.stderr)
        return 130
    return 0


def _measure_all(asked: argparse.Namespace) -> None:
    reports = []
    for name in asked.names:
        found: Report = import_module(f"benchmarks.{name}").report(asked.repeats)
        reports.append(found)
        if not asked.json:
            print(markdown(found, _command([name], asked.repeats)))
        if asked.page:
            replace_section(PAGE, name, markdown(found, _command([name], asked.repeats)))
    if asked.json:
        print(json.dumps(document(reports, _command(asked.names, asked.repeats)), ensure_ascii=False, indent=1))


def _command(names: Sequence[str], repeats: int | None) -> str:
    return " ".join(["python -m benchmarks", *names, *([f"--repeats {repeats}"] if repeats else [])])


def _title(name: str) -> str:
    return (import_module(f"benchmarks.{name}").__doc__ or "").splitlines()[0]


def _rounds(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} rounds measure nothing; take 1 or more")
    return value


if __name__ == "__main__":
    sys.exit(main())

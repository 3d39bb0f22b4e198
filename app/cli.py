"""The command line: `scenefit world | import | run | features | segments | subgroups | audience | app | …`.

Every command takes `--json` for machines. Heavy rooms are imported inside the commands: `scenefit --help` loads none.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import typer

from app import audience_cli, features_cli, match_cli, product_cli, recs_cli, segments_cli, subgroups_cli
from app.console import AsJson, Folder, entered, moment, print_json, workspace_at
from scenefit import __version__

app = typer.Typer(
    name="scenefit",
    help="Credit products matched to the subgroups of vertical scenes, under risk and budget limits.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
imports = typer.Typer(help="Bring data into a workspace.", no_args_is_help=True)
app.add_typer(imports, name="import")
app.add_typer(features_cli.app, name="features")
app.add_typer(segments_cli.app, name="segments")
app.add_typer(subgroups_cli.app, name="subgroups")
app.add_typer(audience_cli.app, name="audience")
app.add_typer(recs_cli.app, name="recs")
app.add_typer(match_cli.app, name="match")
app.add_typer(product_cli.app, name="product")


class Where(StrEnum):
    """Where parallel work runs."""

    auto = "auto"
    ray = "ray"
    local = "local"


class Difficulty(StrEnum):
    """How noisy a synthetic world is."""

    easy = "easy"
    normal = "normal"
    hard = "hard"


@app.command()
def world(
    workspace: Folder = Path("workspace"),
    customers: Annotated[int, typer.Option(min=1, help="How many people.")] = 50_000,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    difficulty: Annotated[Difficulty, typer.Option(help="Noise and overlap.")] = Difficulty.normal,
    backend: Annotated[Where, typer.Option(help="Where blocks are made.")] = Where.local,
    as_json: AsJson = False,
) -> None:
    """Make a synthetic world with known truth (replaces the workspace's data)."""
    from app.synthetic import write_world
    from scenefit.runtime.settings import read_settings

    settings = read_settings(workspace)
    place = workspace_at(workspace)
    with entered(place, "world", {"customers": customers, "seed": seed, "difficulty": difficulty.value}):
        made = write_world(place, customers, seed, difficulty.value, backend.value, settings.runtime.cores)
    _data_summary(made, workspace, as_json)


@imports.command("complete-journey")
def import_complete_journey(
    workspace: Folder = Path("workspace"),
    src: Annotated[
        Path | None, typer.Option(help="Folder of its tables; without it the installed extra complete-journey.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """84.51°'s Complete Journey: a year of purchases, coupons and campaigns of real households."""
    from app.importing import import_journey

    place = workspace_at(workspace)
    with entered(place, "import complete-journey", {"src": str(src) if src else "extra"}):
        made = import_journey(place, src)
    _data_summary(made, workspace, as_json)


@imports.command("santander-panel")
def import_santander_panel(
    src: Annotated[Path, typer.Option(help="The panel's Parquet file: one row per month, customer and product.")],
    workspace: Folder = Path("workspace"),
    as_json: AsJson = False,
) -> None:
    """A bank's panel: who held which of 24 products, and who took one, in three months of 2016."""
    from app.importing import import_santander

    place = workspace_at(workspace)
    with entered(place, "import santander-panel", {"src": str(src)}):
        made = import_santander(place, src)
    _data_summary(made, workspace, as_json)


@app.command()
def run(
    workspace: Folder = Path("workspace"),
    as_of: Annotated[
        str | None, typer.Option(help="Moment of the plan, such as 2026-06-01; default: end of data.")
    ] = None,
    backend: Annotated[Where | None, typer.Option(help="Where scene and model tasks run.")] = None,
    as_json: AsJson = False,
) -> None:
    """From raw tables to a plan: features, segments, subgroups, models, eligibility, value, match."""
    from app.flow import run as run_flow
    from app.summary import run_summary
    from scenefit.runtime.parallel import stop_ray
    from scenefit.runtime.settings import read_settings

    # Feast takes seconds to import; the features are computed meanwhile. Not a daemon: ended in the middle of a C++
    # import it would abort the whole process after Ctrl-C
    Thread(target=_load_feast).start()
    place = workspace_at(workspace)
    settings = read_settings(workspace)
    # before anything is entered: a folder without data stays untouched
    until = moment(as_of, place.dataset().timezone, "--as-of")
    with entered(place, "run", {"as_of": as_of or "end of data"}):
        try:
            finished = run_flow(place, settings, until, backend.value if backend else None, quiet=as_json)
        finally:
            stop_ray()
    if as_json:
        print_json({"run": str(finished.folder), "manifest": finished.manifest, "timings": finished.timings})
    else:
        typer.echo(run_summary(finished))
        typer.echo(f"\nOpen the app:  scenefit app --workspace {workspace}")


@app.command("app")
def open_app(
    workspace: Folder = Path("workspace"),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8501,
    as_json: AsJson = False,
) -> None:
    """Open the pages over a workspace, on this machine only (127.0.0.1)."""
    from app.serve import serve

    if as_json:
        print_json({"url": f"http://127.0.0.1:{port}", "workspace": str(workspace)})
    serve(workspace, port)


@app.command()
def doctor(workspace: Folder = Path("workspace"), as_json: AsJson = False) -> None:
    """Check the installation and the workspace."""
    from app.doctor import findings

    found = findings(workspace_at(workspace))
    if as_json:
        print_json({"ok": all(f.ok for f in found), "findings": [f._asdict() for f in found]})
    else:
        for finding in found:
            typer.echo(f"{'ok ' if finding.ok else 'BAD'}  {finding.check}: {finding.detail}")
    if not all(f.ok for f in found):
        raise typer.Exit(1)


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": __version__})
    else:
        typer.echo(__version__)


def _load_feast() -> None:
    import_module("feature_repo.store").load_feast()


def main() -> None:
    """Entry point: errors become one sentence on stderr and a documented exit code."""
    from app.errors import exit_code
    from scenefit.contracts.errors import ScenefitError

    try:
        # commands return nothing; what comes back is the code of a `typer.Exit`, which Ctrl-C becomes as well
        code = app(standalone_mode=False) or 0
    except ScenefitError as error:
        notes = "".join(f" [{note}]" for note in getattr(error, "__notes__", ()))
        _fail(f"{error}{notes}", exit_code(error))
    except (KeyboardInterrupt, typer.Abort):
        code = exit_code(KeyboardInterrupt())
    except Exception as error:
        # wrong arguments know how to show themselves; anything else is a bug and keeps its traceback
        show = getattr(error, "show", None)
        if show is None:
            raise
        code = getattr(error, "exit_code", 2)
        if "--json" in sys.argv:
            _fail(error.format_message(), code)  # type: ignore[attr-defined]
        show()
    if code == exit_code(KeyboardInterrupt()):
        _fail("interrupted; the previous output is unchanged", code)
    if code:
        sys.exit(code)


def _fail(sentence: str, code: int) -> None:
    if "--json" in sys.argv:
        print_json({"error": sentence, "exit_code": code})
    typer.echo(f"scenefit: {sentence}", err=True)
    sys.exit(code)


def _data_summary(dataset: Any, workspace: Path, as_json: bool) -> None:
    if as_json:
        print_json({"dataset": dataset.name, "synthetic": dataset.synthetic, "until": dataset.until.isoformat(),
                     "rows": dataset.rows, "fingerprint": dataset.fingerprint})  # fmt: skip
        return
    label = " (SYNTHETIC)" if dataset.synthetic else ""
    typer.echo(f"{dataset.name}{label}, until {dataset.until:%Y-%m-%d %H:%M} UTC")
    for name, rows in dataset.rows.items():
        typer.echo(f"  {name:<14}{rows:>12,}")
    for sentence in dataset.assumptions_en:
        typer.echo(f"  assumed: {sentence}")
    typer.echo(f"Next:  scenefit run --workspace {workspace}")


if __name__ == "__main__":
    main()

"""The commands of plans: `scenefit match …`. Rooms are imported inside the commands."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from app.console import AsJson, Folder, entered, moment, opened_at, print_json

HERE = Path("workspace")
app = typer.Typer(help="Plans: made again, changed, checked, traded off, explained, decided.", no_args_is_help=True)
personas = typer.Typer(help="Named test customers and what they must be offered.", no_args_is_help=True)
app.add_typer(personas, name="personas")


class Lang(StrEnum):
    """Languages that people are spoken to in."""

    en = "en"
    zh = "zh"


Named = Annotated[str | None, typer.Option("--plan", help="A kept plan's name; default: that of the newest run.")]
At = Annotated[
    str | None, typer.Option("--at", help="Moment; quiet hours are asked then. Default: that of the plan, unasked.")
]
Words = Annotated[Lang, typer.Option("--lang", help="Language of the sentences.")]
Scene = Annotated[str | None, typer.Option(help="Only offers of this scene.")]
Channel = Annotated[str | None, typer.Option(help="Only offers on this channel.")]
Many = Annotated[int, typer.Option("--most", "-k", min=1, help="Most offers ranked.")]


@app.command()
def run(
    workspace: Folder = HERE,
    limit: Annotated[
        list[str] | None, typer.Option(help="NAME=TOTAL, like budget=40000 or budget=+10%; may be repeated.")
    ] = None,
    per_customer: Annotated[int, typer.Option(min=1, help="Most offers per customer, each of another product.")] = 1,
    inertia: Annotated[
        float, typer.Option(min=0, help="Currency units by which a customer's current offer counts more.")
    ] = 0.0,
    save: Annotated[str | None, typer.Option(help="Keep the plan under this name; it decides nothing.")] = None,
    as_json: AsJson = False,
) -> None:
    """Plan the newest run's case again, under other limits; nothing is written without --save."""
    from app.audited import person
    from app.match_documents import plan_document, replanned
    from app.match_plans import free_folder, read_kept, save_plan
    from app.match_text import plan_lines
    from app.match_typed import totals_of

    place = opened_at(workspace).place
    if save is not None:
        # a name that cannot be is said before the solver starts
        free_folder(place, save)
    before = read_kept(place)
    kept = replanned(before, totals_of(limit or [], before.case, "--limit"), per_customer, inertia)
    document = plan_document(kept, before)
    if save is not None:
        detail = {"plan": save, "run": kept.run, "limits": limit or [], "value": kept.plan.value}
        with entered(place, "match run", detail):
            save_plan(place, kept, save, datetime.now(UTC).isoformat(timespec="seconds"), person())
        document["saved"] = save
    _tell(document, as_json, plan_lines(document))


@app.command("what-if")
def what_if(
    workspace: Folder = HERE,
    plan: Named = None,
    totals: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=TOTAL, like budget=+10%; may be repeated.")
    ] = None,
    apr: Annotated[
        list[str] | None, typer.Option(help="PRODUCT=RATE per year, like P01=0.12; may be repeated.")
    ] = None,
    incentive: Annotated[
        list[str] | None, typer.Option(help="PRODUCT=AMOUNT that a taker gets; may be repeated.")
    ] = None,
    lever: Annotated[
        list[str] | None, typer.Option(help="PRODUCT=FACTOR of how much it is wanted; may be repeated.")
    ] = None,
    pd_max: Annotated[
        float | None, typer.Option(help="Nobody above this probability of default gets an offer.")
    ] = None,
    lgd: Annotated[float | None, typer.Option(help="Loss given default, a share.")] = None,
    take_per_point: Annotated[
        float, typer.Option(help="Change of the log-odds of taking per percentage point of APR, an assumption.")
    ] = 0.0,
    as_json: AsJson = False,
) -> None:
    """What a plan would become under another budget, cap, price or appetite for risk; nothing is written."""
    from app.match_documents import what_if_document
    from app.match_plans import read_kept
    from app.match_text import what_if_lines
    from app.match_typed import numbers_of, totals_of
    from recsys.what_if import Change

    kept = read_kept(opened_at(workspace).place, plan)
    change = Change(
        totals=totals_of(totals or [], kept.case, "--set"), apr=numbers_of(apr or [], "--apr"),
        incentive=numbers_of(incentive or [], "--incentive"), lever=numbers_of(lever or [], "--lever"),
        pd_max=pd_max, lgd=lgd, take_per_point=take_per_point,
    )  # fmt: skip
    document = what_if_document(kept, change)
    _tell(document, as_json, what_if_lines(document))


@app.command()
def explain(
    customer: Annotated[str, typer.Argument(help="A customer's id.")],
    workspace: Folder = HERE,
    product: Annotated[str | None, typer.Option(help="Only this product, on every channel.")] = None,
    plan: Named = None,
    lang: Words = Lang.en,
    as_json: AsJson = False,
) -> None:
    """What the plan offers a customer, and for every other offer the stage that said no."""
    from app.match_people import explain_document
    from app.match_plans import read_kept
    from app.match_text import explain_lines

    document = explain_document(read_kept(opened_at(workspace).place, plan), customer, product)
    _tell(document, as_json, explain_lines(document, lang.value, product))


@app.command()
def check(workspace: Folder = HERE, plan: Named = None, as_json: AsJson = False) -> None:
    """Add a plan up again by code that shares nothing with the solver; exit code 1 where anything fails."""
    from app.match_documents import check_document
    from app.match_plans import read_kept
    from app.match_text import check_lines

    document = check_document(read_kept(opened_at(workspace).place, plan))
    _tell(document, as_json, check_lines(document))
    if not document["ok"]:
        raise typer.Exit(1)


@app.command()
def backtest(
    past: Annotated[
        Path, typer.Option("--list", help="CSV or Parquet of the last campaign: customer_id, contacted_at, took …")
    ],
    workspace: Folder = HERE,
    at: Annotated[
        str | None, typer.Option("--at", help="Moment to plan as of; default: the list's first contact.")
    ] = None,
    lang: Words = Lang.en,
    as_json: AsJson = False,
) -> None:
    """The last campaign's list against the one the engine would have made then; nothing is written."""
    from app.backtest_text import sentences
    from app.backtests import backtest as tested
    from scenefit.runtime.settings import read_settings

    opened = opened_at(workspace)
    document = tested(opened.place, read_settings(workspace), past, moment(at, opened.timezone, "--at")).document
    _tell(document, as_json, sentences(document, lang.value))


@app.command()
def frontier(
    workspace: Folder = HERE,
    points: Annotated[int, typer.Option(min=2, max=200, help="Totals that are tried.")] = 20,
    limit: Annotated[str, typer.Option(help="The limit that moves, from a tenth to twice its total.")] = "budget",
    plan: Named = None,
    as_json: AsJson = False,
) -> None:
    """What more or less of one limit would bring: value, loss, bad rate, what one more unit earns."""
    from app.match_documents import frontier_document
    from app.match_plans import read_kept
    from app.match_text import frontier_lines

    document = frontier_document(read_kept(opened_at(workspace).place, plan), limit, points)
    _tell(document, as_json, frontier_lines(document))


@app.command()
def stability(
    workspace: Folder = HERE,
    wiggle: Annotated[float, typer.Option(min=0, max=0.99, help="Every input off by up to this share.")] = 0.01,
    within_errors: Annotated[
        bool, typer.Option("--within-errors", help="Draw inputs from the models' errors instead.")
    ] = False,
    inertia: Annotated[float, typer.Option(min=0, help="What a current offer counts more, currency units.")] = 0.0,
    goal: Annotated[
        float | None, typer.Option(min=0, max=1, help="Find the inertia that keeps changes within this share.")
    ] = None,
    draws: Annotated[int, typer.Option(min=1, max=100, help="How often inputs are drawn.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same draws.")] = 0,
    plan: Named = None,
    as_json: AsJson = False,
) -> None:
    """How much of a plan changes when its inputs are a little off, and what holding on to offers costs."""
    from app.match_documents import stability_document
    from app.match_plans import read_kept
    from app.match_text import stability_lines

    kept = read_kept(opened_at(workspace).place, plan)
    document = stability_document(kept, None if within_errors else wiggle, inertia, goal, seed, draws)
    _tell(document, as_json, stability_lines(document))


@app.command()
def decide(
    customer: Annotated[str, typer.Argument(help="A customer's id.")],
    workspace: Folder = HERE,
    scene: Scene = None,
    channel: Channel = None,
    at: At = None,
    most: Many = 3,
    used: Annotated[
        list[str] | None, typer.Option(help="NAME=AMOUNT that others took of a ceiling already; may be repeated.")
    ] = None,
    plan: Named = None,
    lang: Words = Lang.en,
    as_json: AsJson = False,
) -> None:
    """The best offers for one customer by the plan's prices, so that they keep its budget; with a trace."""
    from app.match_people import decide_document
    from app.match_plans import read_kept
    from app.match_text import decide_lines
    from app.match_typed import numbers_of
    from scenefit.runtime.settings import read_settings

    opened = opened_at(workspace)
    document = decide_document(
        read_kept(opened.place, plan), read_settings(workspace), customer, scene, channel,
        moment(at, opened.timezone, "--at"), most, numbers_of(used or [], "--used"),
    )  # fmt: skip
    _tell(document, as_json, decide_lines(document, lang.value))


@personas.command("run")
def run_personas(
    file: Annotated[Path, typer.Argument(help="JSON list of personas.")],
    workspace: Folder = HERE,
    at: At = None,
    plan: Named = None,
    as_json: AsJson = False,
) -> None:
    """Whether every persona still gets what it must; exit code 1 where one does not."""
    from app.match_people import personas_document, read_personas_file
    from app.match_plans import read_kept
    from app.match_text import persona_lines
    from scenefit.runtime.settings import read_settings

    opened = opened_at(workspace)
    known = read_personas_file(file)
    document = personas_document(
        read_kept(opened.place, plan), known, read_settings(workspace), moment(at, opened.timezone, "--at")
    )
    _tell(document, as_json, persona_lines(document))
    if not document["ok"]:
        raise typer.Exit(1)


@personas.command("add")
def add_persona(
    file: Annotated[Path, typer.Argument(help="JSON list of personas; made where there is none.")],
    name: Annotated[str, typer.Option(help="What it is called.")],
    customer: Annotated[str, typer.Option(help="The customer it starts from.")],
    workspace: Folder = HERE,
    scene: Scene = None,
    channel: Channel = None,
    most: Many = 3,
    offered: Annotated[list[str] | None, typer.Option(help="An offer it must get; may be repeated.")] = None,
    not_offered: Annotated[list[str] | None, typer.Option(help="An offer it must not get; may be repeated.")] = None,
    blocked: Annotated[
        list[str] | None, typer.Option(help="OFFER=RULE that must hold it back; may be repeated.")
    ] = None,
    plan: Named = None,
    as_json: AsJson = False,
) -> None:
    """Keep a persona; without an expectation it expects what it is offered now."""
    from dataclasses import asdict

    from app.match_people import with_persona
    from app.match_plans import read_kept
    from app.match_typed import pairs_named
    from recsys.personas import Persona

    wanted = Persona(
        name, customer, scene=scene, channel=channel, k=most, offered=tuple(offered or ()),
        not_offered=tuple(not_offered or ()), blocked_by=pairs_named(blocked or [], "--blocked"),
    )  # fmt: skip
    persona = with_persona(read_kept(opened_at(workspace).place, plan), file, wanted)
    _tell({"file": str(file), "persona": asdict(persona)}, as_json, [
        f"{persona.name} ({persona.customer}) kept in {file}: offered {', '.join(persona.offered) or 'nothing'}"
    ])  # fmt: skip


def _tell(document: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    if as_json:
        print_json(document)
        return
    for line in lines:
        typer.echo(line)

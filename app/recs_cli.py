"""The commands of recommenders: `scenefit recs …`. Rooms are imported inside the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app import recs_model_cli
from app.console import AsJson, print_json

app = typer.Typer(help="Recommenders: judged on any split, learned, tuned, explained.", no_args_is_help=True)
# without a name of its own: its commands stand beside this one
app.add_typer(recs_model_cli.app)


@app.command()
def evaluate(
    train: Annotated[Path, typer.Option(help="Parquet table of what is learned from: user, item[, weight].")],
    test: Annotated[Path, typer.Option(help="Parquet table of what is judged on: user, item.")],
    model: Annotated[str, typer.Option(help="Name of a recommender, such as popularity, als or ease.")] = "als",
    k: Annotated[int, typer.Option(min=1, help="Places that count.")] = 20,
    setting: Annotated[
        list[str] | None, typer.Option("--setting", help="NAME=VALUE of the model; may be repeated.")
    ] = None,
    mask_seen: Annotated[bool, typer.Option(help="Leave a user's train items out of ranking and targets.")] = True,
    user: Annotated[str | None, typer.Option(help="Column of users; default: user, user_id or customer_id.")] = None,
    item: Annotated[str | None, typer.Option(help="Column of items; default: item, item_id, offer_id …")] = None,
    weight: Annotated[str | None, typer.Option(help="Column of weights; default: every pair counts 1.")] = None,
    groups: Annotated[
        Path | None, typer.Option(help="Parquet table of user and group: figures for each group.")
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option("--against", help="An opponent; the gain has an interval. May be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How well a recommender learned from one table ranks another: recall, NDCG, MAP@7, MRR, hit, coverage, Gini."""
    from app.recs_tables import Asked, Columns, evaluated

    asked = Asked(k, mask_seen, Columns(user, item, weight), groups, tuple(against or ()))
    found = evaluated(train, test, model, setting or [], asked)
    if as_json:
        print_json(found)
        return
    from app.recs_tables_text import evaluated_lines

    for line in evaluated_lines(found):
        typer.echo(line)

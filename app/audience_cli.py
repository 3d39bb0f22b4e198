"""The commands of audiences: `scenefit audience …`. Rooms are imported inside the commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.console import AsJson, Folder, entered, moment, print_json, workspace_at

if TYPE_CHECKING:
    from app.audiences import Desk
    from segmentation.rules import Rule

HERE = Path("workspace")
app = typer.Typer(help="Audiences: counted, kept, compared, grown, exported.", no_args_is_help=True)

At = Annotated[str | None, typer.Option(help="Newest snapshot at or before this moment; default: end of data.")]
RuleText = Annotated[str | None, typer.Option("--rule", help="As typed, such as: city_tier >= 3 and is_lead is no.")]
RuleFile = Annotated[Path | None, typer.Option("--rule-file", help="A file with a rule, as typed or as JSON.")]
Stored = Annotated[str | None, typer.Option("--audience", help="A stored audience: id or id@version.")]
Mined = Annotated[str | None, typer.Option("--subgroup", help="A mined subgroup of the latest run: scene/rank.")]
Suppress = Annotated[list[str] | None, typer.Option("--suppress", help="Leave out members of this audience.")]
Channel = Annotated[list[str] | None, typer.Option("--channel", help="A channel; may be repeated.")]


@app.command()
def count(
    workspace: Folder = HERE,
    rule: RuleText = None,
    rule_file: RuleFile = None,
    audience: Stored = None,
    subgroup: Mined = None,
    at: At = None,
    suppress: Suppress = None,
    profile: Annotated[bool, typer.Option("--profile", help="Also what sets the audience apart.")] = False,
    as_json: AsJson = False,
) -> None:
    """How many people an audience has, who may be contacted, what the latest run expects of it."""
    from app.audience_documents import count_document, profile_document
    from app.audience_text import count_lines

    found = _desk(workspace, at)
    meant, words, label = _asked(found, rule, rule_file, audience, subgroup)
    document = count_document(_without(found, suppress), meant, words, label)
    if profile:
        document["profile"] = profile_document(found, words)
    _print(document, as_json, count_lines(document))


@app.command()
def waterfall(
    workspace: Folder = HERE,
    rule: RuleText = None,
    rule_file: RuleFile = None,
    audience: Stored = None,
    subgroup: Mined = None,
    at: At = None,
    suppress: Suppress = None,
    reach: Annotated[bool, typer.Option(help="Also consent, lists, caps and hold-out.")] = True,
    as_json: AsJson = False,
) -> None:
    """Who is lost at each step, and what each step costs."""
    from app.audience_documents import waterfall_document
    from app.audience_text import waterfall_lines
    from scenefit.contracts.errors import SettingsError

    if suppress and not reach:
        raise SettingsError("audience waterfall: --suppress is a step of reach; leave out --no-reach")
    found = _without(_desk(workspace, at), suppress)
    meant, _, label = _asked(found, rule, rule_file, audience, subgroup)
    asked = _with_rule(meant, label)
    document = waterfall_document(found, asked, found.store.edit(asked, found.reach if reach else None), label)
    _print(document, as_json, waterfall_lines(document))


@app.command()
def relax(
    more: Annotated[int, typer.Argument(min=1, help="How many more people are wanted.")],
    workspace: Folder = HERE,
    rule: RuleText = None,
    rule_file: RuleFile = None,
    audience: Stored = None,
    subgroup: Mined = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Which condition to relax for more people, and what they bring."""
    from app.audience_documents import relax_document
    from app.audience_text import relax_lines

    found = _desk(workspace, at)
    meant, _, label = _asked(found, rule, rule_file, audience, subgroup)
    asked = _with_rule(meant, label)
    document = relax_document(asked, found.store.relax(asked, more), more)
    _print(document, as_json, relax_lines(document))


@app.command()
def save(
    audience_id: Annotated[str, typer.Argument(help="A short name in lower case, such as travel-teachers.")],
    workspace: Folder = HERE,
    rule: RuleText = None,
    rule_file: RuleFile = None,
    subgroup: Mined = None,
    zh: Annotated[str | None, typer.Option(help="Name in Chinese; default: the rule in words.")] = None,
    en: Annotated[str | None, typer.Option(help="Name in English; default: the rule in words.")] = None,
    after: Annotated[
        int | None, typer.Option(min=0, help="Refuse if this is not the newest version (0: none).")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Count it anew whenever it is opened.")] = False,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Keep an audience as its next version."""
    import pandas as pd

    from app.audience_documents import version_document
    from app.audiences import mined_origin
    from app.audited import person

    found = _desk(workspace, at)
    asked, _, _ = _asked(found, rule, rule_file, None, subgroup)
    meant = _with_rule(asked, audience_id)
    detail: dict[str, Any] = {"audience": audience_id, "rule": meant.text(), "kind": "live" if live else "snapshot"}
    with entered(found.workspace, "audience save", detail):
        version = found.store.save(
            audience_id, meant, name_en=(en or meant.sentence("en"))[:200], name_zh=(zh or meant.sentence("zh"))[:200],
            kind="live" if live else "snapshot", by=person(), at=pd.Timestamp.now("UTC").floor("us"),
            origin=mined_origin(found.workspace, subgroup), after=after,
        )  # fmt: skip
        detail["version"], detail["size"] = version.version, version.size
    _print(version_document(version), as_json, [f"{audience_id}@{version.version}: {version.size:,} people kept"])


@app.command("list")
def listed(workspace: Folder = HERE, as_json: AsJson = False) -> None:
    """The newest version of every audience."""
    from app.audience_documents import records
    from app.audience_text import list_lines

    rows = records(_desk(workspace, None).store.list())
    _print({"audiences": rows}, as_json, list_lines(rows))


@app.command()
def overlap(
    audiences: Annotated[list[str], typer.Argument(help="Two or more stored audiences.")],
    workspace: Folder = HERE,
    once: Annotated[bool, typer.Option("--once", help="Also give each person to the first audience alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """How many people audiences share."""
    from app.audience_documents import overlap_document
    from app.audience_text import overlap_lines

    store = _desk(workspace, None).store
    table = store.deduplicated(audiences).table if once else None
    document = overlap_document(store.overlap(audiences), table)
    _print(document, as_json, overlap_lines(document))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="id or id@version")],
    after: Annotated[str, typer.Argument(help="id or id@version")],
    workspace: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """What changed from one version to another, in words and people."""
    from app.audience_documents import diff_document
    from app.audience_text import diff_lines

    document = diff_document(_desk(workspace, None).store.diff(before, after))
    _print(document, as_json, diff_lines(document))


@app.command()
def lineage(
    audience: Annotated[str, typer.Argument(help="A stored audience.")],
    workspace: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Where an audience comes from and what became of it."""
    from app.audience_documents import records
    from app.audience_text import lineage_lines

    rows = records(_desk(workspace, None).store.lineage(audience))
    _print({"audience": audience, "steps": rows}, as_json, lineage_lines(rows))


@app.command()
def lookalike(
    audience: Annotated[str, typer.Argument(help="The seeds: a stored audience.")],
    workspace: Folder = HERE,
    size: Annotated[int | None, typer.Option(min=1, help="How many people to add.")] = None,
    share: Annotated[float | None, typer.Option(help="Or what share of everybody, such as 0.05.")] = None,
    keep_as: Annotated[str | None, typer.Option(help="Keep seeds and expansion as an audience of this id.")] = None,
    as_json: AsJson = False,
) -> None:
    """More people like an audience, with the proof that the method finds hidden seeds."""
    from app import audience_lookalikes as growing
    from app.audience_documents import lookalike_document
    from app.audience_text import lookalike_lines

    found = _desk(workspace, None)
    grown = growing.lookalikes(found, audience, size, 0.05 if size is None and share is None else share)
    kept = None
    if keep_as:
        kept = growing.keep(found, grown, keep_as, f"like {grown.reference}", f"{grown.reference}的相似人群")
    document = lookalike_document(grown, kept)
    _print(document, as_json, lookalike_lines(document))


@app.command()
def like(
    customer: Annotated[str, typer.Argument(help="A customer id.")],
    workspace: Folder = HERE,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many people.")] = 20,
    as_json: AsJson = False,
) -> None:
    """The people most like one customer, by the tastes of the latest run."""
    from app.audience_documents import alike_document
    from app.audience_lookalikes import alike
    from app.audience_text import alike_lines

    document = alike_document(customer, alike(_desk(workspace, None), customer, top))
    _print(document, as_json, alike_lines(document))


@app.command()
def export(
    audience: Annotated[str, typer.Argument(help="A stored audience: id or id@version.")],
    destination: Annotated[str, typer.Option("--to", help="Who receives it; it stands in the receipt.")],
    workspace: Folder = HERE,
    out: Annotated[Path | None, typer.Option(help="File: .csv, .parquet or .xlsx.")] = None,
    webhook: Annotated[str | None, typer.Option(help="Or the address of a webhook (https).")] = None,
    channel: Channel = None,
    column: Annotated[list[str] | None, typer.Option("--column", help="A feature to export; may be repeated.")] = None,
    phones: Annotated[bool, typer.Option("--phones", help="A match file of hashed phone numbers alone.")] = False,
    suppress: Suppress = None,
    floor: Annotated[int, typer.Option(min=20, help="Fewer people are refused.")] = 100,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hand an audience over: consent, lists, caps and the floor are checked at this moment; with a receipt."""
    from app.audience_documents import receipt_document
    from app.audience_exports import ExportRequest, to_file, to_webhook
    from app.audience_text import receipt_lines
    from scenefit.contracts.errors import SettingsError

    if (out is None) == (webhook is None):
        raise SettingsError("audience export: give either --out FILE or --webhook ADDRESS")
    found = _desk(workspace, None)
    asked = ExportRequest(
        audience, destination, tuple(channel or found.channels), tuple(column or ()), phones, floor,
        tuple(suppress or ()),
    )  # fmt: skip
    receipt = to_webhook(found, asked, webhook) if webhook else to_file(found, asked, out or HERE, overwrite)
    document = receipt_document(receipt)
    _print(document, as_json, receipt_lines(document))


def _desk(workspace: Path, at: str | None) -> Desk:
    from app.audiences import desk

    place = workspace_at(workspace)
    return desk(place, moment(at, place.dataset().timezone, "--at"))


def _without(found: Desk, suppress: list[str] | None) -> Desk:
    """The desk with members of stored audiences out of reach."""
    from dataclasses import replace

    from app.audiences import stored
    from app.contactable import without
    from segmentation.bits import unpacked

    lists = {name: unpacked(stored(found, name)[1], len(found.frame)) for name in suppress or ()}
    return replace(found, reach=without(found.reach, lists)) if lists else found


def _asked(
    found: Desk, rule: str | None, rule_file: Path | None, audience: str | None, subgroup: str | None
) -> tuple[Rule | None, Any, str]:
    """The rule (None: a list of people), the members as bits, and how the audience is called."""
    from app import audiences
    from scenefit.contracts.errors import SettingsError
    from scenefit.runtime.workspace import disk_errors

    given = [name for name, value in (("--rule", rule), ("--rule-file", rule_file), ("--audience", audience),
                                      ("--subgroup", subgroup)) if value is not None]  # fmt: skip
    if len(given) != 1:
        raise SettingsError(f"audience: give one of --rule, --rule-file, --audience, --subgroup, not {given or 'none'}")
    if audience is not None:
        return audiences.stored(found, audience)
    if subgroup is not None:
        meant = audiences.read_rule(
            found, audiences.mined_draft(found.workspace, *audiences.place_of(subgroup))["rule"]
        )
        return meant, found.store.bits(meant), f"subgroup {subgroup}"
    if rule_file is not None:
        with disk_errors(rule_file):
            if not rule_file.is_file():
                raise SettingsError(f"--rule-file {rule_file}: there is no such file")
            rule = rule_file.read_text("utf8")
    meant = audiences.read_rule(found, rule or "")
    return meant, found.store.bits(meant), "rule"


def _with_rule(rule: Rule | None, label: str) -> Rule:
    from scenefit.contracts.errors import SettingsError

    if rule is None:
        raise SettingsError(f"audience {label}: a list of people has no conditions; give a rule")
    return rule


def _print(document: dict[str, Any], as_json: bool, lines: list[str]) -> None:
    if as_json:
        print_json(document)
        return
    for line in lines:
        typer.echo(line)

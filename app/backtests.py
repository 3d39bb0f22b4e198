"""The last campaign's list on a workspace: read, planned again as of then, told as plain values. Wires the rooms.

Nothing is written: no run folder, no pointer. Models, features and rules are those of the moment before the first
contact, so that nothing that the list's outcome taught is used against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from app import flow
from app.material import material, read_inputs, snapshot_days, snapshots_wanted, windows
from app.recs_documents import plain_records
from app.tasks import work
from campaign.offpolicy_list import Realised, bad_rate_of, realised, wilson
from feature_repo import history
from recsys.backtest import Replanned, replanned
from recsys.backtest_list import PastList, past_list
from recsys.case import Case
from scenefit.contracts.errors import ContractError, StoreError
from scenefit.contracts.schema import frame_of
from scenefit.runtime.parallel import pmap
from scenefit.runtime.settings import Settings
from scenefit.runtime.store import connect, raw_views, read
from scenefit.runtime.workspace import Workspace

LEAST_PEOPLE = 20  # figures of fewer people are not shown
MOST_BYTES = 200_000_000
# a rerun of these would not change the plan
NOT_NEEDED = ("behaviour", "offers", "subgroups")
LIST = """
    WITH person AS (
        SELECT s.customer_id, s."at", s.arm, a.product_id, c.channel, s.propensity, s.campaign_id
        FROM assignments s JOIN campaigns c USING (campaign_id) JOIN arms a USING (campaign_id, arm)
        WHERE s.campaign_id = $campaign
    ), sold AS (
        SELECT product_id FROM arms WHERE campaign_id = $campaign AND product_id IS NOT NULL
    ), drawn AS (
        SELECT p.customer_id, min(e."at") AS took_at FROM person p JOIN events e USING (customer_id)
        WHERE e.kind = 'draw' AND e.product_id IN (SELECT product_id FROM sold)
          AND e."at" >= p."at" AND e."at" < p."at" + to_days($h)
        GROUP BY ALL
    ), late AS (
        SELECT p.customer_id, max(r.paid_at IS NULL OR r.paid_at > r.due_at + INTERVAL 30 DAY) AS went_bad
        FROM person p JOIN accounts o USING (customer_id) JOIN repayments r USING (account_id)
        WHERE o.product_id IN (SELECT product_id FROM sold) AND o.opened_at >= p."at"
          AND o.opened_at < p."at" + to_days($h) AND r.due_at + INTERVAL 30 DAY < $until
        GROUP BY ALL
    )
    SELECT p.customer_id, p."at" AS contacted_at,
           CASE WHEN p.arm = 'control' THEN 'control' ELSE 'contacted' END AS arm, p.product_id,
           CASE WHEN p.arm = 'control' THEN NULL ELSE p.channel END AS channel, p.propensity,
           (d.took_at IS NOT NULL)::INT AS took, d.took_at,
           CASE WHEN d.took_at IS NOT NULL THEN l.went_bad::INT END AS went_bad
    FROM person p LEFT JOIN drawn d USING (customer_id) LEFT JOIN late l USING (customer_id) ORDER BY p.customer_id
"""


@dataclass(frozen=True)
class BacktestReport:
    """A back-test: the plain-value document, and the lists by which it was made."""

    document: dict[str, Any]
    case: Case
    past: PastList
    replanned: Replanned


def backtest(
    workspace: Workspace, settings: Settings, list_file: Path, at: pd.Timestamp | None = None
) -> BacktestReport:
    """The uploaded list beside the one the engine would have made, as of `at` (default: the first contact).

    Raises
    ------
    StoreError : the file or the workspace cannot be read.
    ContractError, EmptyArm : the list does not say what it has to; the message names column and people.
    NotEligible, Infeasible : no plan was possible then.
    """
    frame = read_list(list_file)
    known = frame_of(read(workspace, "customers", ["customer_id"]))["customer_id"].to_numpy(object)
    past = past_list(frame, known, workspace.dataset().until)
    first = past.contacted_at[past.contacted].min()
    moment = first if at is None else at
    if moment > first:
        raise ContractError(
            f"back-test: as of {moment.isoformat()} is after the first contact {first.isoformat()}; features from "
            "after it would know the outcome. Choose an earlier moment"
        )
    return backtest_of(case_then(workspace, settings, moment), past, settings.seed, list_file.name)


def backtest_of(case: Case, past: PastList, seed: int, name: str) -> BacktestReport:
    """A back-test of a list on a known case."""
    again = replanned(case, past, np.random.default_rng([seed, 1]))
    told = realised(case, past, np.random.default_rng([seed, 2]))
    return BacktestReport(backtest_document(case, past, again, told, name), case, past, again)


def read_list(file: Path) -> pd.DataFrame:
    """The rows of an uploaded list, CSV or Parquet; ids stay text.

    Raises
    ------
    StoreError : missing, too large, of another kind or unreadable.
    """
    if not file.is_file():
        raise StoreError(f"{file}: there is no such file; give a CSV or Parquet file of the last campaign")
    if file.stat().st_size > MOST_BYTES:
        raise StoreError(f"{file}: is larger than {MOST_BYTES:,} bytes; leave out columns that are not needed")
    kind = file.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise StoreError(f"{file}: is neither .csv nor .parquet; save the list as one of them")
    try:
        return pd.read_parquet(file) if kind == ".parquet" else pd.read_csv(file, dtype="string")
    except pd.errors.EmptyDataError as error:
        raise StoreError(f"{file}: is empty; it needs a header and one row per person") from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{file}: cannot be read ({error}); save it again as CSV (UTF-8) or Parquet") from error


def case_then(workspace: Workspace, settings: Settings, moment: pd.Timestamp) -> Case:
    """What a run would have planned from at a moment in the past; models learn from what was known then.

    Raises
    ------
    StoreError, SettingsError, NotEligible, Infeasible : as a run would.
    """
    dataset = workspace.dataset()
    edges = windows(dataset, moment, settings)
    wanted = snapshots_wanted(snapshot_days(workspace, edges, settings), flow.SERVICES)
    limit, cores = settings.runtime.memory_limit, settings.runtime.cores
    history.build(workspace, wanted, memory_limit=limit, threads=cores)
    # as in a run: loaded before the tasks limit their threads
    import_module("implicit.cpu.als")
    with connect(limit) as connection:
        raw_views(connection, workspace)
        inputs = read_inputs(connection, workspace, dataset, edges, settings)
        shared, tasks = material(connection, workspace, inputs, settings)
        needed = [task for task in tasks if task.kind not in NOT_NEEDED]
        results = pmap(work, needed, shared, seed=settings.seed, backend="local", cores=cores)
        found = dict(zip(needed, results, strict=True))
        # a champion pinned today may have learned from after the moment
        return flow.decide(connection, workspace, inputs, shared, found, settings, pins=False).planned.case


def campaign_list(workspace: Workspace, campaign: str, horizon_days: int) -> pd.DataFrame:
    """A finished campaign of the workspace as a list to upload: one row per person assigned, the control too.

    Took: drew a product of the campaign within the horizon of the assignment, through the campaign or not, counted
    alike in all arms. Went bad: an amount due on an account opened in that time was unpaid 30 days later; empty where
    nothing was due yet for so long.

    Raises
    ------
    StoreError : the workspace has no such campaign, or it assigned nobody.
    """
    until = workspace.dataset().until
    with connect() as connection:
        raw_views(connection, workspace)
        rows = connection.execute(LIST, {"campaign": campaign, "h": horizon_days, "until": until}).df()
    if rows.empty:
        raise StoreError(f"campaign {campaign!r}: nobody was assigned to it; see the table campaigns for its id")
    return rows


def backtest_document(case: Case, past: PastList, again: Replanned, told: Realised, name: str) -> dict[str, Any]:
    """A back-test as plain values, for JSON, page and command line."""
    contacted = past.contacted
    takers = float(past.took[contacted].sum())
    bad = None
    if past.went_bad is not None:
        bad = bad_rate_of(past.took[contacted], past.went_bad[contacted], np.ones(int(contacted.sum())))
    segments = again.overlap.by_segment
    segments = segments[segments[["theirs", "ours"]].max(axis=1) >= LEAST_PEOPLE]
    return {
        "list": {
            "name": name, "people": len(past.customers), "contacted": int(contacted.sum()),
            "control": int((~contacted).sum()), "unknown": past.unknown, "unknown_first": list(past.unknown_first),
            "from": past.contacted_at.min().isoformat(), "to": past.contacted_at.max().isoformat(),
            "takers": takers, "take_rate": wilson(takers / contacted.sum(), float(contacted.sum()))._asdict(),
            "bad_rate": None if bad is None else bad._asdict(),
        },
        "case": {fact: case.facts.get(fact) for fact in ("run_id", "as_of", "dataset", "currency", "synthetic")},
        "overlap": {
            "theirs": again.overlap.theirs, "ours": again.overlap.ours, "both": again.overlap.both,
            "jaccard": again.overlap.jaccard, "by_segment": plain_records(segments),
        },
        "expected": {which: _shown(figures._asdict()) for which, figures in again.expected.items()},
        "extra": [_shown_extra(one._asdict(), again, case) for one in again.extra],
        "forbidden": None if len(again.theirs.who) < LEAST_PEOPLE else again.forbidden,
        "dropped_limits": list(again.dropped),
        "evidence": "observational" if told.refused and not told.readings else "logged propensities",
        "realised": {
            "people": told.people, "contacts_theirs": told.contacts_theirs, "contacts_ours": told.contacts_ours,
            "readings": [
                {"name": one.name, "past": one.past, "ours": one.ours._asdict(), "gain": one.gain._asdict()}
                for one in told.readings
            ],
            "bad_rate": None if told.bad_rate is None else told.bad_rate._asdict(),
            "refused": [one._asdict() for one in told.refused],
        },
    }  # fmt: skip


def _shown(figures: dict[str, Any]) -> dict[str, Any]:
    # a probability of default is shown of 20 people at least, and so is whatever it can be worked out from
    few = figures["contacts"] < LEAST_PEOPLE
    return figures | dict.fromkeys(("performing", "bad_rate", "loss", "value")) if few else figures


def _shown_extra(extra: dict[str, Any], again: Replanned, case: Case) -> dict[str, Any]:
    # a difference and the figures of one list tell those of the other
    if min(len(again.theirs.who), len(again.ours.who)) < LEAST_PEOPLE:
        return extra | {"value": None, "low": None, "high": None}
    # models without standard errors give no interval, and not one of no width
    known = bool(case.logit_error.any() or case.pd_error.any())
    return extra if known else extra | {"low": None, "high": None}

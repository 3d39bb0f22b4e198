"""An audience leaves the house: members and permissions are read, released, written or sent, and put on record."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from app import facts
from app.audience_people import PURPOSE
from app.audiences import Desk, parts_of
from app.audited import audited, person
from feature_repo.purposes import feature_purposes, feature_sources
from scenefit.contracts.schema import frame_of
from scenefit.runtime.delivery import Delivered, write_file
from scenefit.runtime.store import connect, raw_views, read
from scenefit.runtime.webhook import Endpoint, post
from scenefit.runtime.workspace import Workspace, disk_errors
from segmentation.audience_versions import Event
from segmentation.export import Origin, Permissions, Release, ReleasePolicy, Uses, release
from segmentation.export_receipt import Receipt

KEY_VARIABLE, SECRET_VARIABLE = "SCENEFIT_EXPORT_KEY", "SCENEFIT_WEBHOOK_SECRET"  # names of variables, not secrets
KEY_FILE = "export.key"


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for: where to, on which channels, with which columns or contact keys."""

    reference: str
    destination: str
    channels: tuple[str, ...]
    columns: tuple[str, ...] = ()
    phones: bool = False
    floor: int = 100
    suppress: tuple[str, ...] = ()
    consent_elsewhere: str = ""


def to_file(found: Desk, asked: ExportRequest, target: Path, overwrite: bool = False) -> Receipt:
    """Write an audience as CSV, Parquet or XLSX with its receipt beside it; the audit chain gets a line either way.

    Raises
    ------
    NotEligible, PurposeError, SettingsError, ContractError, StoreError : nothing is written then.
    """

    def hand_over(released: Release) -> Receipt:
        receipts: list[Receipt] = []

        def account(written: Delivered) -> str:
            receipts.append(released.receipt.delivered(written))
            return receipts[-1].text()

        write_file(released.table, target, account, overwrite=overwrite)
        return receipts[-1]

    return _exported(found, asked, hand_over)


def to_webhook(found: Desk, asked: ExportRequest, url: str) -> Receipt:
    """Send an audience as one signed message; the secret comes from the environment.

    Raises
    ------
    SettingsError : there is no secret, or the address will not do.
    StoreError : the receiver refused or counted other rows.
    """
    secret = os.environ.get(SECRET_VARIABLE, "").encode()

    def hand_over(released: Release) -> Receipt:
        receipt = released.receipt
        delivery = f"{receipt.audience_id}-{receipt.version}-{receipt.rule_sha256[:12]}-{receipt.at}"
        sent = post(released.table, Endpoint(url, secret), delivery, datetime.now(UTC), receipt.facts())
        return receipt.delivered(sent)

    return _exported(found, asked, hand_over)


def writing_moment(found: Desk) -> pd.Timestamp:
    """The moment at which consent and caps are asked: now; a synthetic world's clock stands still at its end."""
    now = pd.Timestamp(datetime.now(UTC)).floor("us")
    return found.at if found.workspace.dataset().synthetic else max(now, found.at)


def _exported(found: Desk, asked: ExportRequest, hand_over: Callable[[Release], Receipt]) -> Receipt:
    name, number = parts_of(asked.reference)
    opened = found.store.load(name, number).version
    record: dict[str, object] = {
        "audience": f"{name}@{opened.version}", "destination": asked.destination, "channels": list(asked.channels),
    }  # fmt: skip
    with audited(found.workspace, "audience export", record):
        receipt = hand_over(
            _released(
                found, asked, name, opened.version, None if opened.rule is None else opened.rule.model_dump_json()
            )
        )
        record |= {"written": receipt.written, "sha256": receipt.sha256, "target": receipt.target}
        event = Event("export", opened.version, receipt.by, pd.Timestamp(receipt.at), _said(receipt))
        found.store.note(name, event)
    return receipt


def _said(receipt: Receipt) -> dict[str, object]:
    return {
        "destination": receipt.destination,
        "target": receipt.target,
        "written": receipt.written,
        "members": receipt.members,
        "sha256": receipt.sha256,
    }


def _released(found: Desk, asked: ExportRequest, name: str, version: int, rule: str | None) -> Release:
    at, limits = writing_moment(found), found.settings.limits
    policy = ReleasePolicy(
        destination=asked.destination, channels=asked.channels, columns=asked.columns,
        match=("phone",) if asked.phones else (), purpose=PURPOSE, floor=asked.floor, cap=limits.contacts,
        hold_out=limits.hold_out, consent_elsewhere=asked.consent_elsewhere,
    )  # fmt: skip
    members = list(found.store.members(name, version))
    people = found.frame
    if asked.phones:
        phones = frame_of(read(found.workspace, "customers", ["customer_id", "phone"]))
        people = people[["customer_id"]].merge(phones, on="customer_id", how="left", validate="1:1")
    origin = Origin(name, version, rule, found.at, person(), at)
    uses = Uses(feature_purposes(), feature_sources())
    key = b"" if asked.phones else pseudonym_key(found.workspace)
    return release(members, policy, people, _permissions(found, asked.suppress, at), origin, uses, key)


def _permissions(found: Desk, suppress: Sequence[str], at: pd.Timestamp) -> Permissions:
    """Consents, lists, objections and contacts as of the moment of writing."""
    place, customers = found.workspace, found.frame["customer_id"].to_numpy(object)
    since = at - pd.Timedelta(days=found.settings.limits.contact_days)
    with connect(found.settings.runtime.memory_limit) as connection:
        raw_views(connection, place)
        facts.number_people(connection, customers)
        counts = facts.read_contacts(connection, since, at, len(customers))
        objections = facts.read_objections(connection, at)
    stated = "consents" in place.dataset().rows
    return Permissions(
        consents=frame_of(read(place, "consents")) if stated else None,
        blocklists=frame_of(read(place, "blocklists")),
        objections=objections,
        contacts=pd.Series(counts, index=customers),
        suppressions={reference: set(found.store.members(*parts_of(reference))) for reference in suppress},
    )


def pseudonym_key(workspace: Workspace) -> bytes:
    """The secret behind pseudonyms: from the environment, else the workspace's own, made at the first export."""
    given = os.environ.get(KEY_VARIABLE)
    if given:
        return given.encode()
    file = workspace.root / KEY_FILE
    with disk_errors(file):
        if not file.is_file():
            # readable to the owner alone, and never written twice
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(os.urandom(32).hex().encode())
        return file.read_bytes().strip()

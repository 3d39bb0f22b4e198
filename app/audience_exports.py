"""An audience leaves the house: members and permissions are read, released, written or sent, and put on record."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from app import facts
from app.audience_people import PURPOSE
from app.audiences import Desk, parts_of
from app.audited import audited, person
from app.contactable import quiet_hours, read_channel_contacts
from feature_repo.purposes import feature_purposes, feature_sources
from scenefit.contracts.errors import ScenefitError, SettingsError, StoreError
from scenefit.contracts.schema import frame_of
from scenefit.contracts.tables.consents import CHANNELS
from scenefit.runtime.delivery import Delivered, content_sha256, write_file
from scenefit.runtime.store import connect, raw_views, read
from scenefit.runtime.webhook import Endpoint, checked, post
from scenefit.runtime.workspace import Workspace, disk_errors
from segmentation.audience_lineage import DONE, FAILED, STARTED
from segmentation.audience_versions import Event
from segmentation.export import Origin, Permissions, Release, ReleasePolicy, Uses, release
from segmentation.export_receipt import Receipt

KEY_VARIABLE, SECRET_VARIABLE = "SCENEFIT_EXPORT_KEY", "SCENEFIT_WEBHOOK_SECRET"  # names of variables, not secrets
KEY_FILE = "export.key"
# seconds that an export waits for somebody who is saving an audience
PATIENCE = 10.0


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


class _Way(NamedTuple):
    """How a release is handed over: to which file or host, by what, and which errors mean that nothing has left.

    `now` is for messages, which may find people asleep.
    """

    target: str
    hand_over: Callable[[Release, str], Receipt]
    harmless: tuple[type[ScenefitError], ...]
    now: bool


def to_file(found: Desk, asked: ExportRequest, target: Path, overwrite: bool = False) -> Receipt:
    """Write an audience as CSV, Parquet or XLSX with its receipt beside it; the audit chain gets a line either way.

    Raises
    ------
    NotEligible, PurposeError, SettingsError, ContractError, StoreError : nothing is written then, unless the message
        says that it has been.
    """

    def hand_over(released: Release, _: str) -> Receipt:
        receipts: list[Receipt] = []

        def account(written: Delivered) -> str:
            receipts.append(released.receipt.delivered(written))
            return receipts[-1].text()

        write_file(released.table, target, account, overwrite=overwrite)
        return receipts[-1]

    # a file stands whole or not at all
    return _exported(found, asked, _Way(target.name, hand_over, (ScenefitError,), now=False))


def to_webhook(found: Desk, asked: ExportRequest, url: str) -> Receipt:
    """Send an audience as one signed message, outside quiet hours; the secret comes from the environment.

    Raises
    ------
    SettingsError : there is no secret, or the address will not do.
    StoreError : the receiver refused or counted other rows.
    """
    endpoint = checked(Endpoint(url, os.environ.get(SECRET_VARIABLE, "").encode()))

    def hand_over(released: Release, delivery: str) -> Receipt:
        receipt = released.receipt
        return receipt.delivered(post(released.table, endpoint, delivery, datetime.now(UTC), receipt.facts()))

    # after a lost connection nobody knows what arrived
    return _exported(found, asked, _Way(endpoint.host, hand_over, (SettingsError,), now=True))


def writing_moment(found: Desk) -> pd.Timestamp:
    """The moment at which consent and caps are asked: now; a synthetic world's clock stands still at its end."""
    now = pd.Timestamp(datetime.now(UTC)).floor("us")
    return found.at if found.workspace.dataset().synthetic else max(now, found.at)


def _exported(found: Desk, asked: ExportRequest, way: _Way) -> Receipt:
    """Release, write down what is about to leave, hand over, write down what has left."""
    name, number = parts_of(asked.reference)
    opened = found.store.load(name, number).version
    label = f"{name}@{opened.version}"
    record: dict[str, object] = {
        "audience": label, "destination": asked.destination, "channels": list(asked.channels),
    }  # fmt: skip
    handed: Receipt | None = None
    delivery = ""
    try:
        with audited(found.workspace, "audience export", record):
            rule = None if opened.rule is None else opened.rule.model_dump_json()
            released = _released(found, asked, Origin(name, opened.version, rule, found.at, person(),
                                                      writing_moment(found)), way.now)  # fmt: skip
            delivery = released.receipt.delivery_id(content_sha256(released.table, label))
            record["delivery_id"] = delivery
            handed = _handed(found, released, delivery, way)
            record |= {"written": handed.written, "sha256": handed.sha256, "target": handed.target}
            _note(found, DONE, handed, _said(handed, delivery))
    except ScenefitError as error:
        if handed is None:
            raise
        raise StoreError(
            f"export of {label} to {asked.destination!r}: it HAS been handed over, {handed.written:,} rows to "
            f"{way.target} (delivery {delivery}), but the record of it could not be completed: {error} The lineage "
            "calls it unfinished; do not hand it over again, keep this message beside the receipt"
        ) from error
    return handed


def _handed(found: Desk, released: Release, delivery: str, way: _Way) -> Receipt:
    """Hand over once the intent is on record; an attempt that left nothing outside is put on record as failed."""
    intent = {**_said(released.receipt, delivery), "target": way.target}
    _note(found, STARTED, released.receipt, intent)
    try:
        return way.hand_over(released, delivery)
    except way.harmless as error:
        # the reason for which it failed is what the user must see, not that of a busy folder
        with suppress(StoreError):
            _note(found, FAILED, released.receipt, {**intent, "reason": str(error)[:500]})
        raise


def _note(found: Desk, kind: str, receipt: Receipt, details: Mapping[str, object]) -> None:
    # lineage is told in the order of what was done, also where a synthetic world's clock stands still
    event = Event(kind, receipt.version, receipt.by, pd.Timestamp.now("UTC").floor("us"), details)
    found.store.note(receipt.audience_id, event, PATIENCE)


def _said(receipt: Receipt, delivery: str) -> dict[str, object]:
    return {
        "delivery_id": delivery,
        "destination": receipt.destination,
        "asked_at": receipt.at,
        "target": receipt.target,
        "written": receipt.written,
        "members": receipt.members,
        "sha256": receipt.sha256,
    }


def _released(found: Desk, asked: ExportRequest, origin: Origin, now: bool) -> Release:
    limits = found.settings.limits
    policy = ReleasePolicy(
        destination=asked.destination, channels=asked.channels, columns=asked.columns,
        match=("phone",) if asked.phones else (), purpose=PURPOSE, floor=asked.floor, cap=limits.contacts,
        hold_out=limits.hold_out, consent_elsewhere=asked.consent_elsewhere,
    )  # fmt: skip
    members = list(found.store.members(origin.audience_id, origin.version))
    people = found.frame
    if asked.phones:
        phones = frame_of(read(found.workspace, "customers", ["customer_id", "phone"]))
        people = people[["customer_id"]].merge(phones, on="customer_id", how="left", validate="1:1")
    uses = Uses(feature_purposes(), feature_sources())
    key = b"" if asked.phones else pseudonym_key(found.workspace)
    permissions = _permissions(found, asked.suppress, origin.at)
    if now:
        zone = found.workspace.dataset().timezone
        permissions = permissions._replace(quiet_hours=quiet_hours(found.settings, zone))
    return release(members, policy, people, permissions, origin, uses, key)


def _permissions(found: Desk, lists: Sequence[str], at: pd.Timestamp) -> Permissions:
    """Consents, lists, objections and contacts as of the moment of writing."""
    place, customers = found.workspace, found.frame["customer_id"].to_numpy(object)
    since = at - pd.Timedelta(days=found.settings.limits.contact_days)
    with connect(found.settings.runtime.memory_limit) as connection:
        raw_views(connection, place)
        facts.number_people(connection, customers)
        counts = facts.read_contacts(connection, since, at, len(customers))
        on_channels = read_channel_contacts(connection, since, at, len(customers), CHANNELS)
        objections = facts.read_objections(connection, at)
    stated = "consents" in place.dataset().rows
    return Permissions(
        consents=frame_of(read(place, "consents")) if stated else None,
        blocklists=frame_of(read(place, "blocklists")),
        objections=objections,
        contacts=pd.Series(counts, index=customers),
        channel_contacts=pd.DataFrame(on_channels, index=customers, columns=list(CHANNELS)),
        channel_caps=found.settings.limits.channel_caps,
        suppressions={reference: set(found.store.members(*parts_of(reference))) for reference in lists},
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

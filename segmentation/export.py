"""What leaves the house: an audience's members after every check, and the receipt that says how many fell where."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from scenefit.contracts.errors import ContractError, NotEligible, PurposeError, SettingsError
from scenefit.contracts.purposes import require_columns, source_column
from scenefit.contracts.quiet import QuietHours
from scenefit.contracts.reach import Step, reachable
from scenefit.contracts.schema import Column
from scenefit.contracts.tables import RAW
from scenefit.contracts.tables.consents import CHANNELS
from segmentation.export_receipt import Receipt
from segmentation.match_keys import CHINA, LEAST_KEY, email_key, phone_key, pseudonyms, sha256

Contact = Literal["email", "phone"]

# a smaller group tells about single people
LEAST_FLOOR = 20
# the headers that platforms ask for
HEADERS: Mapping[Contact, str] = {"email": "Email", "phone": "Phone"}


@dataclass(frozen=True)
class ReleasePolicy:
    """What may leave, for whom and on which channel.

    With `match` the table holds hashed contact keys and nothing else (a match file); without, keyed pseudonyms and
    the named columns. `consent_elsewhere` is for data that states no consents at all: where they are kept, repeated in
    the receipt.
    """

    destination: str
    channels: tuple[str, ...]
    columns: tuple[str, ...] = ()
    match: tuple[Contact, ...] = ()
    purpose: str = "marketing"
    floor: int = 100
    cap: int = 3
    hold_out: float = 0.05
    salt: str = "global hold-out"
    country: str = CHINA
    consent_elsewhere: str = ""


class Permissions(NamedTuple):
    """What decides whether a person may be contacted; see `scenefit.contracts.reach.reachable`.

    `contacts` is the number of contacts within the capping window by customer id; who is not in it had none.
    `channel_contacts` is the same with a column per channel, for the `channel_caps`; caps of other channels than those
    of the policy say nothing.
    """

    consents: pd.DataFrame | None = None
    blocklists: pd.DataFrame | None = None
    objections: pd.DataFrame | None = None
    contacts: pd.Series | None = None
    suppressions: Mapping[str, Collection[str]] | None = None
    quiet_hours: QuietHours | None = None
    channel_contacts: pd.DataFrame | None = None
    channel_caps: Mapping[str, int] | None = None


class Origin(NamedTuple):
    """The audience version that is exported, who exports it and when. `rule` is its JSON, None for a plain list."""

    audience_id: str
    version: int
    rule: str | None
    as_of: pd.Timestamp
    by: str
    at: pd.Timestamp


class Uses(NamedTuple):
    """What each column may be used for and which raw columns (`table.column`) it is made of."""

    permitted: Mapping[str, Collection[str]]
    sources: Mapping[str, Sequence[str]]


class Release(NamedTuple):
    """What may be handed over, in the order of its keys, and the receipt for it."""

    table: pd.DataFrame
    receipt: Receipt


def release(
    members: Sequence[str],
    policy: ReleasePolicy,
    people: pd.DataFrame,
    permissions: Permissions,
    origin: Origin,
    uses: Uses | None = None,
    key: bytes = b"",
) -> Release:
    """The members who may be contacted at the moment of writing, under names that say nothing to strangers.

    Consent, suppression, caps and hold-out are asked again at `origin.at`, whatever the audience looked like when it
    was saved. Nothing is returned unless all checks pass.

    Parameters
    ----------
    members : customer ids of the audience version, each once
    people : customer_id and the columns to export; of a match file `email` and `phone` as the person gave them
    uses : of the exported columns
    key : secret of the pseudonyms, at least 32 bytes

    Raises
    ------
    SettingsError : the policy asks for what cannot be.
    PurposeError : a column is personal, protected or not permitted for the purpose; no consents are stated.
    NotEligible : fewer people than the floor, before or after the checks.
    ContractError : members or people repeat, a column is missing.
    """
    _sensible(policy, origin, key)
    _exportable(policy, people, uses or Uses({}, {}))
    chosen = _chosen(members, people, policy)
    steps = [Step("audience", len(members)), Step("still known", len(chosen))]
    allowed, asked = _allowed(chosen, policy, permissions, origin.at)
    steps += asked
    named, keys = _named(allowed, policy, key)
    if policy.match:
        with_key = np.asarray(named.notna().any(axis=1))
        named = named[with_key]
        steps.append(Step("with a contact key", len(named)))
        # one household, one phone: the platform would match it once
        named = named.drop_duplicates()
        steps.append(Step("different keys", len(named)))
    asleep = "" if permissions.quiet_hours is None else ", or send it outside quiet hours"
    _enough(len(named), policy, f"are left after {_told(steps)}", asleep)
    # in the order of ids, the place of a row would tell who it is
    table = named.sort_values(keys).reset_index(drop=True)
    filled = tuple(Step(name, int(table[name].notna().sum())) for name in keys)
    return Release(table, _receipt(policy, permissions, origin, steps, filled).reconciled())


def _sensible(policy: ReleasePolicy, origin: Origin, key: bytes) -> None:
    where = f"export to {policy.destination!r}"
    unknown = [name for name in policy.channels if name not in CHANNELS]
    if unknown or not policy.channels or len(set(policy.channels)) < len(policy.channels):
        raise SettingsError(f"{where}: channels {list(policy.channels)}; name one or more of {list(CHANNELS)}, once")
    if not policy.destination.strip() or not origin.by.strip():
        raise SettingsError("export: the destination or the person who exports is empty; the receipt must name both")
    if policy.floor < LEAST_FLOOR:
        raise SettingsError(f"{where}: the floor is {policy.floor}; below {LEAST_FLOOR} a row tells about a person")
    if policy.match and not set(policy.match) <= set(HEADERS):
        raise SettingsError(f"{where}: contact keys {list(policy.match)}; name one or both of {list(HEADERS)}")
    if policy.match and policy.columns:
        raise SettingsError(
            f"{where}: a match file holds contact keys alone, not {list(policy.columns)}; leave the columns out"
        )
    if not re.fullmatch(r"[1-9][0-9]{0,2}", policy.country):
        raise SettingsError(f"{where}: the country is {policy.country!r}; give a calling code such as '86'")
    if not policy.match and len(key) < LEAST_KEY:
        raise SettingsError(
            f"{where}: the key of the pseudonyms has {len(key)} bytes; give {LEAST_KEY} random bytes or more, or "
            "export a match file"
        )
    for name, moment in (("at", origin.at), ("as_of", origin.as_of)):
        if moment.tzinfo is None:
            raise SettingsError(f"{where}: {name} {moment} has no time zone; give it in UTC")
    if origin.at < origin.as_of:
        raise SettingsError(f"{where}: written at {origin.at}, before the audience's as-of time {origin.as_of}")


def _exportable(policy: ReleasePolicy, people: pd.DataFrame, uses: Uses) -> None:
    """Refuse columns that are absent, personal, protected or of another purpose."""
    where = f"export to {policy.destination!r}"
    doubled = people.columns[people.columns.duplicated()].unique().tolist()
    if doubled or len(set(policy.columns)) < len(policy.columns):
        raise ContractError(f"{where}: a column occurs twice in {list(policy.columns) + doubled}; name each once")
    wanted = ["customer_id", *policy.match, *policy.columns]
    missing = [name for name in wanted if name not in people.columns]
    if missing:
        raise ContractError(f"{where}: column {missing[0]!r} is missing; the people have {sorted(people.columns)}")
    raw = [column for table in RAW.values() for column in table.columns]
    for name in policy.columns:
        if name not in uses.sources:
            raise PurposeError(
                f"{where} > {name}: what it is made of is not known; name its raw columns or leave it out"
            )
        made_of = [(source, source_column(source)) for source in uses.sources[name]]
        for source, column in [*made_of, *((name, column) for column in raw if column.name == name)]:
            _impersonal(where, name, source, column)
        if name in ("email", "customer_id"):
            raise PurposeError(f"{where} > {name}: it says who a person is; it leaves as a key or pseudonym alone")
    require_columns(where, policy.purpose, policy.columns, uses.permitted, uses.sources)


def _impersonal(where: str, name: str, source: str, column: Column) -> None:
    made = "" if source == name else f" (made of {source})"
    if column.pii:
        raise PurposeError(
            f"{where} > {name}{made}: personal data does not leave unmasked; leave it out or export a match file"
        )
    if column.protected:
        raise PurposeError(f"{where} > {name}{made}: it is protected and never leaves; leave it out")


def _chosen(members: Sequence[str], people: pd.DataFrame, policy: ReleasePolicy) -> pd.DataFrame:
    """The people among the members, in their own order."""
    asked = pd.Index(members)
    _enough(len(asked), policy, "are in the audience")
    for what, ids in (("members", asked), ("people", pd.Index(people["customer_id"]))):
        bad = ids[ids.duplicated() | ids.isna()]
        if len(bad):
            raise ContractError(f"export: {what} must be named, each once; {len(bad):,} are not, such as {bad[0]!r}")
    return people[people["customer_id"].isin(asked)]


def _allowed(
    chosen: pd.DataFrame, policy: ReleasePolicy, permissions: Permissions, at: pd.Timestamp
) -> tuple[pd.DataFrame, list[Step]]:
    """Those who may be contacted now, and how many each gate left."""
    if permissions.consents is None and not policy.consent_elsewhere.strip():
        raise PurposeError(
            f"export to {policy.destination!r}: the data states no consents, and nobody is contacted without; import "
            "the consents table, or state in the policy where consent is kept"
        )
    ids = chosen["customer_id"].astype(str).tolist()
    contacts = None
    if permissions.contacts is not None:
        contacts = permissions.contacts.reindex(ids).fillna(0).to_numpy(np.int64)
    caps = {name: cap for name, cap in (permissions.channel_caps or {}).items() if name in policy.channels}
    on_channels = None
    if permissions.channel_contacts is not None:
        on_channels = permissions.channel_contacts.reindex(index=ids, columns=list(policy.channels), fill_value=0)
    found = reachable(
        ids, policy.channels, at, permissions.consents, permissions.blocklists, contacts,
        cap=policy.cap, hold_out=policy.hold_out, objections=permissions.objections, salt=policy.salt,
        purpose=policy.purpose, suppressions=permissions.suppressions, quiet_hours=permissions.quiet_hours,
        channel_contacts=None if on_channels is None else on_channels.to_numpy(np.int64), channel_caps=caps,
    )  # fmt: skip
    channels = np.array(policy.channels, dtype=object)[found.channel[found.mask]]
    return chosen[found.mask].assign(channel=channels), list(found.waterfall[1:])


def _named(allowed: pd.DataFrame, policy: ReleasePolicy, key: bytes) -> tuple[pd.DataFrame, list[str]]:
    """The table under outside names, and which of its columns are keys."""
    if policy.match:
        of: dict[Contact, Callable[[object], str | None]] = {
            "email": lambda value: email_key(value if isinstance(value, str) else None),
            "phone": lambda value: phone_key(value if isinstance(value, str) else None, policy.country),
        }
        table = pd.DataFrame(
            {HEADERS[kind]: pd.Series([of[kind](v) for v in allowed[kind]], dtype=object) for kind in policy.match}
        )
        return table, [HEADERS[kind] for kind in policy.match]
    names = pseudonyms(allowed["customer_id"].astype(str), key, policy.destination)
    table = pd.DataFrame({"pseudonym": pd.Series(names, index=allowed.index, dtype=object)})
    table["channel"] = allowed["channel"]
    for name in policy.columns:
        table[name] = allowed[name]
    return table, ["pseudonym"]


def _enough(count: int, policy: ReleasePolicy, what: str, otherwise: str = "") -> None:
    if count < policy.floor:
        raise NotEligible(
            f"export to {policy.destination!r}: {count:,} people {what}; at least {policy.floor:,} are needed, so "
            f"that no row tells about a single person. Widen the audience{otherwise}"
        )


def _told(steps: Sequence[Step]) -> str:
    return ", ".join(f"{name} {customers:,}" for name, customers in steps)


def _receipt(
    policy: ReleasePolicy, permissions: Permissions, origin: Origin, steps: Sequence[Step], keys: tuple[Step, ...]
) -> Receipt:
    stated = "consents of the data" if permissions.consents is not None else policy.consent_elsewhere.strip()
    left = steps[-1].customers
    return Receipt(
        audience_id=origin.audience_id,
        version=origin.version,
        rule_sha256="" if origin.rule is None else sha256(origin.rule),
        as_of=origin.as_of.isoformat(),
        by=origin.by,
        at=origin.at.isoformat(),
        destination=policy.destination,
        purpose=policy.purpose,
        channels=policy.channels,
        columns=policy.columns,
        floor=policy.floor,
        cap=None if permissions.contacts is None else policy.cap,
        hold_out=policy.hold_out,
        consent=stated,
        members=steps[0].customers,
        steps=(*steps, Step("written", left)),
        keys=keys,
        written=left,
    )

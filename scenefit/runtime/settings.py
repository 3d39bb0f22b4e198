"""Every number a user may set, typed, with the reason beside it; read once from file and environment.

`python -m scenefit.runtime.settings` prints docs/settings.md.

Order of precedence: arguments, environment (`SCENEFIT_SEGMENTS__SMALLEST=500`), `scenefit.toml` in the workspace,
the defaults below.
"""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self, get_args, get_origin
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings import SettingsError as UnparsableVariable

from scenefit.contracts.errors import SettingsError
from scenefit.contracts.tables.consents import CHANNELS

FILE = "scenefit.toml"
PREFIX = "SCENEFIT_"
PASSWORD = re.compile(r"(?<=://)([^:/@\s'\"]*:)[^\s'\"]*|(password=)[^\s'\"&]*")
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}

Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]  # CNY per contact
Cap = Annotated[int, Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FlowSettings(_Section):
    """How the run cuts time."""

    horizon_days: int = Field(28, ge=1, description="four whole weeks: every weekday counts equally")
    snapshot_days: int = Field(
        28, ge=1, description="features are kept this often; finer is fresher and costs in proportion"
    )
    history_days: int = Field(365, ge=28, description="one year of behaviour, so that no season is missing")
    label_windows: int = Field(6, ge=2, description="windows of one horizon from which takers are learned")
    scene_members: int = Field(300, ge=2, description="a scene with fewer active people is not segmented")
    max_scenes: int = Field(12, ge=1, description="the largest vertical scenes; a person reads no more")


class SegmentSettings(_Section):
    """Segmentation inside a scene."""

    k_min: int = Field(3, ge=2, description="fewest segments of a scene")
    k_max: int = Field(8, ge=2, description="more segments than a team can staff are not used")
    seeds: int = Field(4, ge=2, description="independent starts; the standard error of the tie set needs them")
    sample: int = Field(20_000, ge=100, description="k is chosen on a sample, the chosen k is refined on all rows")
    smallest: float = Field(0.03, ge=0, lt=1, description="a segment below 3 % is not worth a campaign of its own")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.k_min > self.k_max:
            raise ValueError(f"k_min is {self.k_min}, above k_max, which is {self.k_max}")
        return self


class SubgroupSettings(_Section):
    """Mining of subgroups that marketing does not reach."""

    depth: int = Field(2, ge=1, le=4, description="conditions per rule; numbers are cut more coarsely for 3 and 4")
    support: int = Field(100, ge=20, description="below this the exact test has no power")
    top: int = Field(5, ge=1, description="rules per scene; a person reads no more")
    q: float = Field(0.05, gt=0, lt=1, description="false discovery rate of the mining half")
    quality: Literal["opportunity", "wracc", "lift", "lower_lift"] = Field(
        "opportunity", description="what rules are ranked by; uplift needs arms, which a scene does not have"
    )
    correction: Literal["bh", "westfall-young"] = Field(
        "bh", description="over all rules tried; shuffled outcomes keep the chance of any false rule, and cost time"
    )
    reach_days: int = Field(90, ge=1, description="contacted in these days counts as reached")


class RecommendSettings(_Section):
    """The recommender: representation by ALS, calibrated head."""

    factors: int = Field(32, ge=2, description="length of a taste vector")
    iterations: int = Field(10, ge=1, description="sweeps of ALS")
    regularization: float = Field(20.0, gt=0, description="tuned on wide behaviour; implicit's default of .01 overfits")
    alpha: float = Field(4.0, gt=0, description="weight of a seen item against an unseen one")
    items: int = Field(8_000, ge=10, description="most frequent merchants kept; the rest is noise and memory")
    top: int = Field(5, ge=1, description="ranks kept per customer in scores")


class ValueSettings(_Section):
    """Assumptions of the expected value that data may lack."""

    lgd: float = Field(0.6, ge=0, le=1, description="unsecured consumer credit; replace by your own workout data")
    discount_rate: float = Field(0.05, ge=0, le=1, description="per year, of future margin")
    funding_cost: float = Field(
        0.03, ge=0, le=1, description="per year; used only where a product states an APR but no funding cost; printed"
    )
    margin: float = Field(
        0.25, ge=-1, le=10, description="used only where products state neither margin nor APR; printed"
    )
    contact_cost: dict[str, Cost] = Field(
        {"sms": 0.05, "push": 0.01, "email": 0.01, "wechat": 0.02, "call": 1.5, "mail": 0.6, "display": 0.02},
        description="currency units per contact and channel; a plan chooses among the channels a person permits",
    )

    @field_validator("contact_cost")
    @classmethod
    def _channels(cls, costs: dict[str, float]) -> dict[str, float]:
        if not costs or not set(costs) <= set(CHANNELS):
            raise ValueError(f"the channels are {sorted(costs)}; name one or more of {list(CHANNELS)}, and no others")
        return costs


class LimitSettings(_Section):
    """Limits of one plan. Shares refer to the people who may be contacted at all."""

    budget_per_person: float = Field(0.8, ge=0, description="contact and expected incentive, per reachable person")
    loss_share: float = Field(0.5, ge=0, description="of the loss if everybody got the most valuable offer")
    reach_floor: float = Field(
        0.05, ge=0, le=1, description="every segment: at least this share of its eligible members"
    )
    contacts: int = Field(3, ge=1, description="at most so many contacts within contact_days")
    contact_days: int = Field(30, ge=1, description="window of the contact cap")
    channel_caps: dict[str, Cap] = Field(
        default_factory=dict,
        description="channel → at most so many contacts on it within contact_days, such as `{call = 1}`; others have "
        "the cap of all contacts alone",
    )
    quiet_from: int = Field(
        21, ge=0, le=24, description="hour of the business clock from which nothing is sent on channels that ring"
    )
    quiet_until: int = Field(
        8, ge=0, le=24, description="hour at which they open again; equal to quiet_from: never shut"
    )
    hold_out: float = Field(
        0.05, ge=0, lt=1, description="global hold-out: never contacted, so that effects stay measurable"
    )
    pd_max: float = Field(0.2, ge=0, le=1, description="a likely default is not in the customer's interest")
    channel_budget: dict[str, Cost] = Field(
        default_factory=dict,
        description="channel → most that a plan may spend on it, currency units, such as `{call = 5000}`; others have "
        "the budget of all alone",
    )
    channel_contacts: dict[str, Cap] = Field(
        default_factory=dict,
        description="channel → most contacts of a plan on it, such as `{call = 800}`: what a call centre can do",
    )
    reach_ceiling: float = Field(
        1.0, gt=0, le=1, description="every segment: at most this share of its eligible members; 1: no ceiling"
    )
    cooling_off_days: int = Field(
        30, ge=0, description="a product declined to a person, or sent to them, is not offered again for so long"
    )
    debt_burden_max: float = Field(
        0.5,
        gt=0,
        le=10,
        description="instalments due and the new one, as a share of income; income bands read as thousands a month",
    )
    inquiries_max: int = Field(
        5, ge=0, description="credit inquiries of other lenders in 90 days; more say that many are asked at once"
    )

    @field_validator("channel_caps", "channel_budget", "channel_contacts")
    @classmethod
    def _known(cls, by_channel: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(by_channel) - set(CHANNELS))
        if unknown:
            raise ValueError(f"there is no channel {unknown[0]!r}; name some of {list(CHANNELS)}")
        return by_channel


class RuntimeSettings(_Section):
    """Where work runs."""

    backend: Literal["auto", "ray", "local"] = Field("auto", description="auto takes Ray for large work")
    ray_address: str | None = Field(None, description="an existing cluster; empty: a session of this machine's own")
    cores: int = Field(2, ge=1, description="tasks at once on this machine; each has one thread")
    memory_limit: str = Field(
        "2GB", pattern=r"^\d+(\.\d+)? ?([KMGT]i?B)$", description="of DuckDB; beyond it spills to disk"
    )


class FeatureSettings(_Section):
    """Where features are registered and served.

    Passwords come from the environment alone and are shown nowhere: `SCENEFIT_VALKEY_PASSWORD` for Valkey or Redis,
    `PGPASSWORD` or a password file (`PGPASSFILE`) for PostgreSQL.
    """

    project: str = Field(
        "scenefit",
        pattern=r"^[a-z][a-z0-9_]{0,62}$",
        description="name in registry and online store; workspaces that share a server need one each",
    )
    online: Literal["sqlite", "valkey"] = Field(
        "sqlite",
        description="SQLite is a file of the workspace, enough for some 50,000 customers; Valkey (or Redis) serves "
        "more people, and several machines",
    )
    valkey_address: str = Field(
        "127.0.0.1:6379", pattern=r"^[^\s:,=@/]+:\d{1,5}$", description="host:port of Valkey or Redis"
    )
    valkey_tls: bool = Field(False, description="encrypted connection; needed wherever the server is another machine")
    valkey_timeout: float = Field(
        2.0, gt=0, le=60, description="seconds; a decision cannot wait longer for a server that is away"
    )
    key_ttl_days: int | None = Field(
        60, ge=1, description="Valkey forgets a person who was not refreshed for so long; longer than any view is valid"
    )
    registry: str | None = Field(
        None,
        description="empty: a file of the workspace, for one machine; else PostgreSQL, such as "
        "`postgresql+psycopg://scenefit@db.bank.example/features`",
    )
    registry_cache_seconds: int = Field(
        600, ge=1, description="a store that is kept open sees changed definitions after so long"
    )
    partitions: int = Field(
        1, ge=1, le=1024, description="parts of one retrieval by customer, each a task; more pay from millions of rows"
    )

    @field_validator("valkey_address")
    @classmethod
    def _port(cls, address: str) -> str:
        port = int(address.rpartition(":")[2])
        if not 0 < port < 65_536:
            raise ValueError(f"port {port} does not exist; choose one from 1 to 65535")
        return address

    @field_validator("registry")
    @classmethod
    def _without_password(cls, url: str | None) -> str | None:
        if not url:
            return None
        parts = urlsplit(url)
        if parts.scheme != "postgresql+psycopg" or not parts.path.strip("/"):
            raise ValueError("write postgresql+psycopg://user@host:port/database")
        if parts.password or {"password", "passfile"} & parse_qs(parts.query).keys():
            raise ValueError("a password does not belong in settings; leave it out and set PGPASSWORD or PGPASSFILE")
        return url


class Settings(BaseSettings):
    """All settings of one workspace."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        # the error behind our message would repeat a password that was typed where it does not belong
        hide_input_in_errors=True,
    )

    seed: int = Field(0, ge=0)
    flow: FlowSettings = FlowSettings()
    segments: SegmentSettings = SegmentSettings()
    subgroups: SubgroupSettings = SubgroupSettings()
    recommend: RecommendSettings = RecommendSettings()
    value: ValueSettings = ValueSettings()
    limits: LimitSettings = LimitSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    features: FeatureSettings = FeatureSettings()


def read_settings(workspace: Path | None = None, **overrides: object) -> Settings:
    """Settings of a workspace; call once, at the entry point.

    Raises
    ------
    SettingsError : names the setting, its value and what is allowed.
    """
    file = workspace / FILE if workspace else None
    _refuse_unknown_variables()

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
            if file is not None and file.is_file():
                sources += (TomlConfigSettingsSource(settings_cls, file),)
            return sources

    try:
        return FromFile(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in fault['loc'])} = {_shown(fault.get('input'))}: "
            + ("there is no such setting" if fault["type"] == "extra_forbidden" else fault["msg"])
            for fault in error.errors()
        ]
        origin = f"{file} or {PREFIX}* variables" if file else f"{PREFIX}* variables"
        raise SettingsError(f"settings ({origin}): {'; '.join(lines)}. Correct or remove them") from error
    except UnparsableVariable as error:
        raise SettingsError(f"settings ({PREFIX}* variables): {error}. A whole section is written as JSON") from error
    except (ValueError, OSError) as error:
        raise SettingsError(f"settings: {file} cannot be read: {error}. It must be TOML") from error


def valkey_password() -> str | None:
    """The password of the online store, from the environment alone."""
    return os.environ.get(f"{PREFIX}VALKEY_PASSWORD") or None


def _shown(value: object) -> str:
    return PASSWORD.sub(r"\1\2…", repr(value))


def _refuse_unknown_variables() -> None:
    # a misspelt section would otherwise be passed over without a word
    for name in sorted(os.environ):
        section = name.upper().removeprefix(PREFIX).partition("__")[0].lower()
        if name.upper().startswith(PREFIX) and "__" in name and section not in Settings.model_fields:
            raise SettingsError(
                f"settings: {name}: there is no section {section!r}; choose one of {sorted(Settings.model_fields)}"
            )


def page() -> str:
    """All settings as Markdown: name, default, what is allowed, why."""
    lines = [
        "# Settings",
        "",
        "Printed by `python -m scenefit.runtime.settings`. They stand in `scenefit.toml` in the workspace; an",
        "environment variable such as `SCENEFIT_SEGMENTS__SMALLEST=0.05` goes before the file.",
    ]
    for section, field in Settings.model_fields.items():
        kind = field.annotation
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            continue
        lines += [
            "",
            f"## [{section}]",
            "",
            inspect.cleandoc(kind.__doc__ or ""),
            "",
            "| setting | default | allowed | why |",
        ]
        lines.append("|---|---|---|---|")
        for name, setting in kind.model_fields.items():
            limits = re.findall(r"(ge|gt|le|lt)=([-\d.]+)", str(setting.metadata))
            allowed = " and ".join(f"{SIGNS[sign]} {number}" for sign, number in limits) or _plain(setting.annotation)
            default = str(setting.get_default(call_default_factory=True))
            lines.append(f"| `{name}` | {default} | {allowed} | {setting.description} |")
    return "\n".join(lines) + "\n"


def _plain(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    name = getattr(annotation, "__name__", "") or str(annotation)
    return name.replace("typing.", "").replace("|", "or")


if __name__ == "__main__":
    print(page(), end="")

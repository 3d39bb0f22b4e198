"""From which change on somebody should look, and the sentence that says why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple

from feature_repo.distribution import chance_gap, chance_index
from scenefit.contracts.errors import SettingsError

Alert = Literal["", "ok", "watch", "alert"]
CADENCE = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
RANK: tuple[Alert, ...] = ("", "ok", "watch", "alert")


@dataclass(frozen=True)
class Bands:
    """Limits of the quality report; at or beyond one it says watch or alert.

    `psi`: stability index. `nulls`: change of the share without value, either way. `rows`: relative change of the
    number of rows, either way. `slack`: how much older than its cadence a snapshot may be before one should look;
    beyond the TTL it is an alert. `confidence`: a PSI or a change of nulls that chance alone stays below so often is
    no alert. `fewest`: rows behind any shown figure of a text. `levels`: how many of them are followed one by one.

    Raises
    ------
    SettingsError : an alert below its watch, or a limit that cannot be.
    """

    psi_watch: float = 0.1
    psi_alert: float = 0.25
    nulls_watch: float = 0.05
    nulls_alert: float = 0.20
    rows_watch: float = 0.10
    rows_alert: float = 0.50
    slack: timedelta = timedelta(days=1)
    confidence: float = 0.999
    fewest: int = 20
    levels: int = 20

    def __post_init__(self) -> None:
        for name in ("psi", "nulls", "rows"):
            watch, alert = getattr(self, f"{name}_watch"), getattr(self, f"{name}_alert")
            if not 0 < watch <= alert:
                raise SettingsError(f"quality bands: {name}_watch {watch} and {name}_alert {alert} must be positive "
                                    "numbers, the alert no lower than the watch")  # fmt: skip
        if not 0 < self.confidence < 1 or self.fewest < 1 or self.levels < 1 or self.slack < timedelta(0):
            raise SettingsError(f"quality bands: confidence {self.confidence} must lie between 0 and 1, fewest "
                                f"{self.fewest} and levels {self.levels} be at least 1, slack {self.slack} not negative"
                                )  # fmt: skip


class Finding(NamedTuple):
    """One thing to say about a feature or a view, in two languages."""

    alert: Alert
    en: str
    zh: str


def worst(findings: Sequence[Finding]) -> Alert:
    """The gravest of the alerts."""
    return max((finding.alert for finding in findings), key=RANK.index, default="")


def banded(value: float, watch: float, alert: float) -> Alert:
    """ok below `watch`, watch below `alert`, else alert; nothing for NaN."""
    if math.isnan(value):
        return ""
    return "alert" if value >= alert else "watch" if value >= watch else "ok"


def drift(psi: float, now: int, baseline: int, bins: int, bands: Bands) -> Finding:
    """Whether the values have moved; in small views chance alone moves them."""
    level = banded(psi, bands.psi_watch, bands.psi_alert)
    if level in ("", "ok"):
        return Finding(level, "", "")
    chance = chance_index(now, baseline, bins, bands.confidence)
    if psi < chance:
        return Finding("ok", f"PSI {psi:.2f} is within what chance does in so few rows ({chance:.2f})",
                       f"PSI {psi:.2f}，样本较少，属随机波动范围（{chance:.2f}）")  # fmt: skip
    return Finding(level, f"distribution moved: PSI {psi:.2f} (watch from {bands.psi_watch:g}, alert from "
                   f"{bands.psi_alert:g})",
                   f"分布偏移：PSI {psi:.2f}（关注 {bands.psi_watch:g}，告警 {bands.psi_alert:g}）")  # fmt: skip


def missing(now: tuple[int, int], before: tuple[int, int], bands: Bands) -> Finding:
    """Whether a larger or smaller share than before is without value; each given as (rows without value, rows)."""
    share, share_before = now[0] / now[1], before[0] / before[1]
    change = abs(share - share_before)
    # a tenth of a millionth: 0.3 - 0.25 is not 0.05 in binary
    level = banded(change + 1e-7, bands.nulls_watch, bands.nulls_alert)
    pooled = (now[0] + before[0]) / (now[1] + before[1])
    if level == "ok" or change < chance_gap(now[1], before[1], pooled, bands.confidence):
        return Finding("ok", "", "")
    return Finding(level, f"share without value went from {share_before:.1%} to {share:.1%}",
                   f"缺失占比由 {share_before:.1%} 变为 {share:.1%}")  # fmt: skip


def sameness(distinct: int, nulls: int, rows: int, distinct_before: int | None) -> list[Finding]:
    """Features that tell nobody apart: all empty, or one value for everybody."""
    if rows < 2 or distinct > 1 or (distinct == 1 and nulls):
        return []
    had_more: Alert = "watch" if distinct_before is not None and distinct_before > 1 else ""
    if distinct == 0:
        return [Finding(had_more, "empty in every row", "全部为空")]
    return [Finding(had_more, "one value in every row", "所有行取值相同")]


def unbounded(infinite: int) -> list[Finding]:
    """Values that are no numbers one can compute with."""
    if not infinite:
        return []
    return [Finding("alert", f"{infinite:,} rows are infinite: a division by zero in the definition",
                    f"{infinite:,} 行为无穷大：定义中存在除以零")]  # fmt: skip


def level_changes(new: Sequence[str], gone: Sequence[str], named: bool = True) -> list[Finding]:
    """Levels of a text that have appeared or vanished; by name where that tells of nobody."""
    found = []
    if new:
        found.append(Finding("watch", f"new levels: {_some(new, named)}", f"新增取值：{_some(new, named)}"))
    if gone:
        found.append(Finding("watch", f"vanished levels: {_some(gone, named)}", f"消失取值：{_some(gone, named)}"))
    return found


def absent() -> Finding:
    """A view of which nothing has been computed."""
    return Finding("alert", "there is no snapshot at or before this moment: features are empty. Build one",
                   "此刻之前没有快照：特征为空，请构建")  # fmt: skip


def age(old: timedelta, cadence: str, ttl: timedelta, bands: Bands) -> Finding:
    """Whether the newest snapshot is recent enough for its cadence, and still usable."""
    days, limit = _days(old), _days(ttl)
    if old > ttl:
        return Finding("alert", f"the newest snapshot is {days} days old, past its TTL of {limit} days: features "
                       "are empty. Build one", f"最新快照已有 {days} 天，超过有效期 {limit} 天：特征为空，请构建"
                       )  # fmt: skip
    due = CADENCE.get(cadence)
    if due is not None and old > due + bands.slack:
        return Finding("watch", f"the newest snapshot is {days} days old; its cadence is {cadence}",
                       f"最新快照已有 {days} 天，更新频率为 {cadence}")  # fmt: skip
    return Finding("ok", "", "")


def unusable(files: int) -> list[Finding]:
    """Snapshots left over from other data or definitions."""
    if not files:
        return []
    return [Finding("alert", f"{files:,} files were made from other data or definitions: reading is refused until "
                    "the features are built again",
                    f"{files:,} 个文件由其他数据或定义生成：重新构建前拒绝读取")]  # fmt: skip


def volume(now: int, before: int | None, bands: Bands) -> Finding:
    """Whether there are about as many rows as before."""
    if before is None:
        return Finding("", "", "")
    change = abs(now / before - 1) if before else (math.inf if now else 0.0)
    level = banded(change + 1e-7, bands.rows_watch, bands.rows_alert)
    if level == "ok":
        return Finding("ok", "", "")
    return Finding(level, f"rows went from {before:,} to {now:,}", f"行数由 {before:,} 变为 {now:,}")


def _some(names: Sequence[str], named: bool) -> str:
    return ", ".join(names[:3]) + (f" … ({len(names)})" if len(names) > 3 else "") if named else str(len(names))


def _days(span: timedelta) -> str:
    return f"{span / timedelta(days=1):.1f}".removesuffix(".0")

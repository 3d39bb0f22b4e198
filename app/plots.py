"""Plots of the report as SVG texts: equal tables give equal bytes on every machine."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from app.i18n import Speech
from app.palette import FAINT, GOOD, INK, MODEL, MUTED, PEER, WARM

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2  # inches; the page scales the drawing to its column
FONT = "font-family: system-ui, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
GAP = "\u00a0"  # a plain space at the start of a text is dropped in SVG


def reach_plot(reach: pd.DataFrame, say: Speech) -> str:
    """From everybody to those who may be contacted, step by step."""
    names, left = [say.label(step) for step in reach["step"]][::-1], reach["customers"].to_numpy(dtype=float)[::-1]
    figure, axes = _rows(names, head=0.05, foot=0.05)
    before = np.r_[left[1:], left[-1]]
    axes.barh(range(len(left)), left, color=MODEL, height=0.6)
    axes.barh(range(len(left)), before - left, left=left, color="#f1c3c1", height=0.6)
    for y, (n, lost) in enumerate(zip(left, before - left, strict=True)):
        note = say.count(n) + (f"  (-{say.count(lost)})" if lost else "")
        axes.text(max(n, before[y]), y, f"{GAP}{note}", va="center", color=INK, fontsize=9)
    axes.set_xlim(0, max(float(left.max()), 1.0) * 1.28)
    axes.set_xticks([])
    return svg(figure, f"reach-{say.lang}")


def model_plot(quality: pd.DataFrame, say: Speech) -> str:
    """Model against popularity, task by task."""
    rows = quality.iloc[::-1]
    names = [f"{task} · {say.label(measure)}" for task, measure in zip(rows["task"], rows["measure"], strict=True)]
    figure, axes = _rows(names, 0.5, foot=0.3)
    y = np.arange(len(rows))
    for shift, column, colour, label in ((0.2, "model", MODEL, say.t("model")),
                                         (-0.2, "popularity", PEER, say.t("popularity"))):  # fmt: skip
        axes.barh(y + shift, rows[column], height=0.36, color=colour, label=label)
        for at, value in zip(y, rows[column], strict=True):
            axes.text(value, at + shift, f"{GAP}{say.figure(value)}", va="center", color=INK, fontsize=8)
    axes.set_xlim(0, float(rows[["model", "popularity"]].to_numpy().max()) * 1.2 + 1e-9)
    _legend(figure, axes)
    return svg(figure, f"models-{say.lang}")


def effects_plot(effects: pd.DataFrame, say: Speech) -> str:
    """Extra takers per customer of each campaign arm with its 95 % interval."""
    rows = effects.iloc[::-1]
    names = [f"{name} · {arm}" for name, arm in zip(rows[f"name_{say.lang}"], rows["arm"], strict=True)]
    figure, axes = _rows(names)
    axes.axvline(0, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    for randomised, colour, label in ((True, GOOD, say.t("randomised")), (False, WARM, say.t("observational"))):
        chosen = rows["randomised"].to_numpy(dtype=bool) == randomised
        if not chosen.any():
            continue
        y = np.flatnonzero(chosen)
        low, mid, high = (100 * rows.loc[chosen, c].to_numpy(dtype=float) for c in ("low", "lift", "high"))
        axes.hlines(y, low, high, color=colour, alpha=0.45, linewidth=4)
        axes.plot(mid, y, "o", color=colour, markersize=6, label=label)
    axes.set_xlabel(say.t("difference in share of takers, percentage points"), color=MUTED, fontsize=9)
    _legend(figure, axes)
    return svg(figure, f"effects-{say.lang}")


def plan_plot(cells: pd.DataFrame, products: dict[str, str], say: Speech, most: int = 20) -> str:
    """Expected value of the plan by product, the largest first."""
    value = cells.groupby("product_id")["value"].sum().sort_index().sort_values(ascending=False, kind="stable")
    value = value.head(most).iloc[::-1]
    figure, axes = _rows([products.get(p, p) for p in value.index], head=0.05, foot=0.05)
    axes.barh(range(len(value)), value, color=MODEL, height=0.6)
    for y, amount in enumerate(value):
        axes.text(max(amount, 0), y, f"{GAP}{say.money(amount)}", va="center", color=INK, fontsize=9)
    axes.set_xlim(min(0.0, float(value.min())), max(float(value.max()), 1e-9) * 1.18)
    axes.set_xticks([])
    return svg(figure, f"plan-{say.lang}")


def svg(figure: Figure, salt: str) -> str:
    """The drawing as an SVG element that can stand inside a page.

    Ids get the salt as prefix, so that two drawings on one page do not share them; the style that matplotlib writes
    for the whole document goes, and fonts are named that hold both scripts.
    """
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}), warnings.catch_warnings():
        # widths of Chinese letters are only guessed here; the browser draws the text
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = (
        re.sub(r'\bid="', f'id="{salt}-', text).replace('href="#', f'href="#{salt}-').replace("url(#", f"url(#{salt}-")
    )
    text = re.sub(r"font-family: [^;\"]+", FONT, text)
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'width="100%"', text, count=1)


def _rows(names: list[str], height: float = 0.32, head: float = 0.3, foot: float = 0.45) -> tuple[Figure, Axes]:
    """A figure with one row per name, its left margin as wide as the longest name; inches above and below the rows."""
    from matplotlib.figure import Figure

    tall = head + foot + height * max(len(names), 1)
    figure = Figure(figsize=(WIDTH, tall))
    # inches: a Chinese letter at 9 points is an eighth wide, a Latin one half that
    room = max(sum(0.125 if ord(c) > 0x2E80 else 0.068 for c in name) for name in names) + 0.15
    left = min(room / WIDTH, 0.6)
    axes = figure.add_axes((left, foot / tall, 0.98 - left, 1 - (head + foot) / tall))
    axes.set_yticks(range(len(names)), names, fontsize=9, color=INK)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.tick_params(length=0, colors=MUTED, labelsize=9)
    for label in axes.get_yticklabels():
        label.set_color(INK)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=2, frameon=False, fontsize=9, borderaxespad=0)

"""The picture of the method in docs/matching.md, drawn as SVG: `python -m benchmarks.matching_picture`."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.harness import ROOT

PAGE = ROOT / "docs" / "images" / "matching-method.svg"
WIDE, HIGH, GAP, TOP = 232, 150, 24, 52


class Step(NamedTuple):
    """A box of the picture: title, lines, and what it hands on."""

    title: str
    lines: tuple[str, ...]
    hands_on: str


STEPS = (
    Step("1 Prices", ("Each limit gets a price.", "Everybody takes the offer", "worth most after paying.",
                      "Newton moves the prices", "until the limits are met."), "prices"),
    Step("2 The torn", ("Most people's choice is", "clear at these prices.", "Those between two offers",
                        "(about 4 %) go into one", "exact linear programme."), "exact prices"),
    Step("3 Whole offers", ("A few people are left with", "parts of two offers.", "They and some neighbours",
                            "are decided again in", "whole offers."), "plan"),
    Step("Certificate", ("Everybody's best offer", "at the prices + price of", "each limit × its total:",
                         "no plan can be worth more.", "gap = bound − plan"), ""),
)  # fmt: skip


def picture(steps: tuple[Step, ...] = STEPS) -> str:
    """The steps as boxes from left to right."""
    width = len(steps) * (WIDE + GAP) + GAP
    boxes = [_box(number, step, number == len(steps) - 1) for number, step in enumerate(steps)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HIGH + TOP + 32}" '
            'font-family="sans-serif" font-size="14">',
            f'<rect width="{width}" height="{HIGH + TOP + 32}" fill="#ffffff"/>',
            '<text x="24" y="30" font-size="17" fill="#1f2937">From values and limits to a plan with a proof</text>',
            *boxes,
            "</svg>",
            "",
        ]
    )


def _box(number: int, step: Step, last: bool) -> str:
    left = GAP + number * (WIDE + GAP)
    fill, edge = ("#ecfdf5", "#059669") if last else ("#eff6ff", "#2563eb")
    words = [
        f'<text x="{left + 14}" y="{TOP + 54 + 19 * k}" fill="#374151">{line}</text>'
        for k, line in enumerate(step.lines)
    ]
    arrow = [] if last else [
        f'<path d="M{left + WIDE + 2} {TOP + HIGH / 2:g} h{GAP - 10} l-6 -5 m6 5 l-6 5" stroke="#6b7280" '
        'stroke-width="2" fill="none"/>',
        f'<text x="{left + WIDE + GAP / 2}" y="{TOP + HIGH + 20}" text-anchor="middle" fill="#6b7280">'
        f"{step.hands_on}</text>",
    ]  # fmt: skip
    return "\n".join(
        [
            f'<rect x="{left}" y="{TOP}" width="{WIDE}" height="{HIGH}" rx="8" fill="{fill}" stroke="{edge}"/>',
            f'<text x="{left + 14}" y="{TOP + 28}" font-weight="bold" fill="{edge}">{step.title}</text>',
            *words,
            *arrow,
        ]
    )


if __name__ == "__main__":
    PAGE.write_text(picture(), "utf8")

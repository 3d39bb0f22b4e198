"""The report: two languages in one file that stands alone, equal for equal runs."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from app.i18n import Speech
from app.report import write_report
from app.sentences import limit_sentence
from scenefit.contracts.errors import StoreError
from scenefit.runtime.workspace import Workspace

VOID = {"meta", "input", "br", "path", "use"}


class Outline(HTMLParser):
    """Ids and outside references of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("src", "href", "xlink:href"):
                self.references.append(value or "")


@pytest.fixture(scope="module")
def page(run_workspace: Workspace) -> str:
    write_report(run_workspace.latest(), run_workspace)
    return (run_workspace.latest() / "report.html").read_text("utf8")


def test_the_page_stands_alone(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert all(reference.startswith("#") for reference in outline.references)
    assert "<script" not in page
    assert len(outline.ids) == len(set(outline.ids))
    assert all(r[1:] in outline.ids for r in outline.references)


def test_both_languages_and_the_synthetic_label_are_there(page: str) -> None:
    for text in (
        "运行报告",
        "Run report",
        "SYNTHETIC DATA",
        "合成数据",
        "装修贷",
        "Renovation loan",
        "营销尚未触达的子群",
    ):
        assert text in page


def test_plots_keep_their_texts_as_text(page: str) -> None:
    drawn = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawn) == 8
    assert any(">已授权营销</text>" in svg for svg in drawn)
    assert "DejaVu" not in page


def test_equal_runs_give_equal_bytes_whatever_they_took(own_workspace: Workspace) -> None:
    folder = own_workspace.latest()
    write_report(folder, own_workspace)
    first = [(folder / name).read_bytes() for name in ("report.html", "report.md")]
    (folder / "timings.json").write_text(json.dumps({"total_seconds": 9876.5, "seconds": {"plan": 9876.5}}))
    write_report(folder, own_workspace)
    assert [(folder / name).read_bytes() for name in ("report.html", "report.md")] == first


def test_names_from_the_data_are_escaped(own_workspace: Workspace) -> None:
    file = own_workspace.latest() / "manifest.json"
    manifest = json.loads(file.read_text("utf8"))
    manifest["dataset"]["name"] = "<script>alert(1)</script> | x"
    file.write_text(json.dumps(manifest), "utf8")
    write_report(own_workspace.latest(), own_workspace)
    assert "<script" not in (own_workspace.latest() / "report.html").read_text("utf8")
    assert "<script" not in (own_workspace.latest() / "report.md").read_text("utf8")


def test_markdown_tables_are_whole(page: str, run_workspace: Workspace) -> None:
    lines = (run_workspace.latest() / "report.md").read_text("utf8").splitlines()
    rules = [i for i, line in enumerate(lines) if re.fullmatch(r"\|( --- \|)+", line)]
    assert len(rules) > 20
    for i in rules:
        assert lines[i - 1].count("|") == lines[i].count("|") == lines[i + 1].count("|")
        assert lines[i - 2] == ""


def test_absent_blocks_say_why(own_workspace: Workspace) -> None:
    file = own_workspace.latest() / "manifest.json"
    manifest = json.loads(file.read_text("utf8"))
    reason = "The data states no campaign."
    manifest["metrics"] = {name: {"absent": reason} for name in manifest["metrics"]}
    file.write_text(json.dumps(manifest), "utf8")
    write_report(own_workspace.latest(), own_workspace)
    assert (own_workspace.latest() / "report.md").read_text("utf8").count(reason) >= 2 * 6


def test_a_damaged_run_is_refused_in_one_sentence(own_workspace: Workspace) -> None:
    file = own_workspace.latest() / "plan.parquet"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(StoreError, match=r"plan\.parquet: not a whole Parquet file"):
        write_report(own_workspace.latest(), own_workspace)


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ({"name": "capacity P02", "sense": "<=", "total": 60, "used": 60, "shadow_price": 21.4},
         "Capacity · Renovation loan: room for one person more would earn about ¥21.4."),
        ({"name": "reach travel/3", "sense": ">=", "total": 4, "used": 4, "shadow_price": -1.9},
         "Reach floor · New and curious: one person less required would earn about ¥1.90."),
        ({"name": "expected loss", "sense": "<=", "total": 9000, "used": 9000, "shadow_price": 0.5},
         "Expected loss: ¥1,000 more would earn about ¥500."),
    ],
)  # fmt: skip
def test_shadow_prices_become_sentences(limit: dict, sentence: str) -> None:
    names = {"P02": "Renovation loan", "travel/3": "New and curious"}
    assert limit_sentence(limit, names, Speech("en")) == sentence

"""The pages in a browser, in both languages: nothing fails, nothing leaves the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

pytestmark = pytest.mark.browser

TITLES = {
    ("", "zh"): "客群与场景",
    ("", "en"): "Segments & scenes",
    ("audiences", "zh"): "人群包",
    ("audiences", "en"): "Audiences",
    ("offers", "zh"): "产品匹配",
    ("offers", "en"): "Offers",
    ("features", "zh"): "模型与特征",
    ("features", "en"): "Models & features",
    ("report", "zh"): "运行报告",
    ("report", "en"): "Run report",
}
# at least; what a data set cannot tell has no chart
CHARTS = {"": 2, "audiences": 2, "offers": 2, "features": 2, "report": 3}
# Streamlit looks for itself below the page's address first; both answers are expected to be 404
HARMLESS = ("/_stcore/health", "/_stcore/host-config")


class Visit:
    """A page with what it asked for and complained about."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.outside: list[str] = []
        self.complaints: list[str] = []
        page.on("request", self._requested)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str, lang: str) -> None:
        from playwright.sync_api import expect

        self.page.goto(f"{self.address}/{path}?lang={lang}")
        heading = self.page.get_by_role("heading", name=TITLES[path, lang], exact=True, level=1)
        expect(heading).to_be_visible(timeout=60_000)
        expect(self.page.get_by_test_id("stEChartsChart").nth(CHARTS[path] - 1)).to_be_attached(timeout=30_000)
        expect(self.page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=30_000)

    def picture(self, file: Path) -> None:
        """The whole page, however long."""
        main = self.page.get_by_test_id("stMain")
        tall = int(main.evaluate("element => element.scrollHeight"))
        self.page.set_viewport_size({"width": 1440, "height": max(900, min(tall, 6000))})
        # charts animate; a picture in the middle of it shows half a bar
        self.page.wait_for_timeout(1500)
        self.page.screenshot(path=str(file))
        self.page.set_viewport_size({"width": 1440, "height": 900})

    def _requested(self, request: Request) -> None:
        if urlsplit(request.url).scheme in ("http", "https", "ws", "wss") and not self._here(request.url):
            self.outside.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location.get("url", "").endswith(HARMLESS):
            self.complaints.append(message.text)

    def _here(self, url: str) -> bool:
        return urlsplit(url).hostname == "127.0.0.1"


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
    visit = Visit(context.new_page(), address)
    yield visit
    context.close()
    assert visit.outside == []
    assert visit.complaints == []


@pytest.mark.parametrize(("path", "lang"), list(TITLES))
def test_a_page_opens(visit: Visit, pictures: Path, path: str, lang: str) -> None:
    visit.open(path, lang)
    assert visit.page.get_by_test_id("stAlertContentError").count() == 0
    assert visit.page.get_by_test_id("stException").count() == 0
    visit.picture(pictures / f"{path or 'segments'}_{lang}.png")


def test_the_language_switch_keeps_the_chosen_scene(visit: Visit) -> None:
    from playwright.sync_api import expect

    visit.open("", "zh")
    page = visit.page
    members = page.get_by_test_id("stMetricValue").first
    largest = members.inner_text()
    page.get_by_role("combobox", name="场景").click()
    page.get_by_role("option").nth(1).click()
    expect(members).not_to_have_text(largest)
    # the picker shows the full number of members; the metric is shortened differently in each language
    picker = page.get_by_test_id("stSelectbox").first
    chosen = re.findall(r"[\d,]+", picker.inner_text())
    page.get_by_text("English", exact=True).click()
    expect(page.get_by_role("heading", name="Segments & scenes", level=1)).to_be_visible()
    assert re.findall(r"[\d,]+", picker.inner_text()) == chosen
    assert "lang=en" in page.url


def test_the_language_stays_from_page_to_page(visit: Visit) -> None:
    from playwright.sync_api import expect

    visit.open("", "en")
    visit.page.get_by_role("link", name="Offers").click()
    expect(visit.page.get_by_role("heading", name="Offers", level=1)).to_be_visible()
    expect(visit.page).to_have_url(f"{visit.address}/offers?lang=en")
    visit.page.get_by_role("link", name="Run report").click()
    expect(visit.page.get_by_role("heading", name="Run report", level=1)).to_be_visible()


def test_a_feature_is_found_by_a_word_and_stays_through_the_language_switch(visit: Visit) -> None:
    from playwright.sync_api import expect

    visit.open("features", "zh")
    page = visit.page
    page.get_by_role("textbox", name="搜索").fill("bureau.score")
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("共 \\d+ 个特征，显示 2 个"))).to_be_visible()
    code = page.get_by_text(re.compile("^customer_risk:bureau_score"))
    expect(code).to_have_text("customer_risk:bureau_score")
    second = page.get_by_role("option").nth(1)
    for _ in range(5):
        # the list closes again when it is opened while the page is still being drawn
        page.get_by_role("combobox", name="特征", exact=True).click()
        page.wait_for_timeout(500)
        if second.is_visible():
            break
    second.click()
    expect(code).to_have_text("customer_risk:bureau_score_change")
    page.get_by_text("English", exact=True).click()
    expect(page.get_by_role("heading", name="Models & features", level=1)).to_be_visible()
    expect(code).to_have_text("customer_risk:bureau_score_change")


def test_a_plan_is_made_again_with_more_budget(visit: Visit, pictures: Path) -> None:
    from playwright.sync_api import expect

    visit.open("offers", "zh")
    page = visit.page
    page.get_by_role("tab", name="假设分析").click()
    slider = page.get_by_role("slider").filter(visible=True).first
    slider.focus()
    slider.press("ArrowRight")
    page.get_by_role("button", name="重新规划").click()
    expect(page.get_by_text("人的推荐发生变化")).to_be_visible(timeout=90_000)
    visit.picture(pictures / "what_if_zh.png")


def test_a_report_can_be_taken_along(visit: Visit, tmp_path: Path) -> None:
    visit.open("report", "en")
    with visit.page.expect_download() as caught:
        visit.page.get_by_role("button", name="Manifest (JSON)").click()
    caught.value.save_as(tmp_path / "manifest.json")
    assert (tmp_path / "manifest.json").stat().st_size > 500


def test_a_rule_is_edited_relaxed_kept_and_exported(visit: Visit, tmp_path: Path) -> None:
    """Template to file in six clicks or fewer, every answer exact."""
    from playwright.sync_api import expect

    visit.open("audiences", "en")
    page = visit.page
    size = page.get_by_test_id("stMetricValue").first
    before = size.inner_text()
    page.get_by_role("tab", name="As text").click()
    typed = page.get_by_role("textbox", name="The rule as text")
    typed.fill("visits_90d >= 2 and city_tier >= 2")
    typed.blur()
    page.get_by_role("button", name="Use this text").click()
    expect(size).not_to_have_text(before)
    smaller = int(size.inner_text().replace(",", ""))
    page.get_by_role("button", name="Relax").first.click()
    expect(size).not_to_have_text(f"{smaller:,}")
    assert int(size.inner_text().replace(",", "")) > smaller
    page.get_by_role("tab", name="Keep").click()
    page.get_by_role("textbox", name="Short name").fill("journey")
    page.get_by_role("button", name="Keep as a version").click()
    expect(page.get_by_text("journey@1: ", exact=False)).to_be_visible(timeout=20_000)
    page.get_by_role("textbox", name="Who receives it").fill("partner")
    page.get_by_role("button", name="Export with receipt").click()
    expect(page.get_by_text(re.compile("people released of"))).to_be_visible(timeout=30_000)
    with page.expect_download() as caught:
        page.get_by_role("button", name="Download the file").click()
    caught.value.save_as(tmp_path / "out.csv")
    rows = (tmp_path / "out.csv").read_text("utf8").splitlines()
    told = page.get_by_text(re.compile("people released of")).inner_text()
    assert len(rows) - 1 == int(told.split(" people")[0].replace(",", ""))


def test_kept_segments_and_the_map_of_scenes_open(visit: Visit, pictures: Path) -> None:
    from playwright.sync_api import expect

    visit.open("", "zh")
    page = visit.page
    page.get_by_role("tab").nth(2).click()
    expect(page.get_by_role("heading", name="场景地图")).to_be_visible(timeout=30_000)
    page.get_by_text("计算地图").click()
    expect(page.locator("[data-testid=stEChartsChart]:visible").first).to_be_visible(timeout=60_000)
    visit.picture(pictures / "scenes_zh.png")
    page.get_by_role("tab").nth(1).click()
    shown = page.get_by_text(re.compile("scenefit segments fit|客群与名称"))
    expect(shown.first).to_be_visible(timeout=60_000)
    visit.picture(pictures / "kept_zh.png")

"""The product workbench in a browser: a draft previewed and kept, subgroups worked out, nothing leaves the machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

FADE = 1_500  # milliseconds in which a chart comes up; a picture before that has pale figures

WORDS = {
    "en": ("Product workbench", "Id of the draft", "Name in Chinese", "Name in English", "Check and preview",
           "Product × subgroup", "Work out who gets what"),
    "zh": ("产品工坊", "草案编号", "中文名称", "英文名称", "检查并预览", "产品 × 子群", "计算谁得到什么"),
}  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_draft_is_previewed_and_subgroups_are_worked_out(
    browser: Browser, address: str, pictures: Path, lang: str
) -> None:
    from playwright.sync_api import expect

    title, product_id, name_zh, name_en, check, groups, work = WORDS[lang]
    outside: list[str] = []
    page = browser.new_page(viewport={"width": 1440, "height": 1400})
    page.on(
        "request", lambda one: None if urlsplit(one.url).hostname in ("127.0.0.1", None) else outside.append(one.url)
    )
    page.goto(f"{address}/workbench?lang={lang}")
    expect(page.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible(timeout=60_000)
    page.get_by_role("textbox", name=product_id).fill("night-loan")
    page.get_by_role("textbox", name=name_zh).fill("夜间贷")
    page.get_by_role("textbox", name=name_en).fill("Night loan")
    page.get_by_role("button", name=check).click()
    expect(page.get_by_test_id("stMetric").first).to_be_visible(timeout=120_000)
    page.wait_for_timeout(FADE)
    page.screenshot(path=str(pictures / f"workbench_{lang}.png"))
    page.get_by_role("tab", name=groups).click()
    page.get_by_role("button", name=work).click()
    expect(page.get_by_test_id("stDataFrame").locator("visible=true").first).to_be_visible(timeout=120_000)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.wait_for_timeout(FADE)
    page.screenshot(path=str(pictures / f"workbench_subgroups_{lang}.png"))
    page.close()
    assert outside == []

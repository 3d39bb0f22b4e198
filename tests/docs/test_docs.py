"""Docs cannot lag: commands, exit codes, tables, links and examples are compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from app.cli import app
from app.errors import EXIT_CODES
from scenefit.contracts.tables import RAW, RUN
from scenefit.runtime.settings import page as settings_page

HOME = Path(__file__).parents[2]
PAGES = [HOME / "README.md", HOME / "README.zh.md", *sorted((HOME / "docs").rglob("*.md"))]


def commands() -> list[str]:
    root = get_command(app)
    names = []
    for name, command in root.commands.items():
        inner = getattr(command, "commands", None)
        names += [f"{name} {part}" for part in inner] if inner else [name]
    return names


def test_every_command_stands_in_the_command_line_page():
    page = (HOME / "docs" / "cli.md").read_text("utf8")
    assert [name for name in commands() if f"`scenefit {name}`" not in page] == []


def test_the_exit_codes_of_the_page_are_those_of_the_code():
    page = (HOME / "docs" / "cli.md").read_text("utf8")
    listed = dict(re.findall(r"^\| (\d+) \| (\w+) \|", page, re.M))
    assert listed == {str(code): error.__name__ for error, code in EXIT_CODES.items()}


def test_every_table_is_documented():
    page = (HOME / "docs" / "tables.md").read_text("utf8")
    assert [name for name in (*RAW, *RUN) if f"`{name}`" not in page and f"## {name}" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text("utf8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_make_targets_named_in_the_readme_exist():
    makefile = (HOME / "Makefile").read_text("utf8")
    for page in PAGES[:2]:
        for target in re.findall(r"make ([a-z-]+)", page.read_text("utf8")):
            assert re.search(rf"^{target}:", makefile, re.M), target


def test_both_readmes_show_the_same_commands():
    english, chinese = (
        re.findall(r"^(?:scenefit|make) \S+(?: \S+)?", page.read_text("utf8"), re.M) for page in PAGES[:2]
    )
    assert [line.split("#")[0] for line in english] == [line.split("#")[0] for line in chinese]


def test_the_page_of_settings_is_current():
    assert (HOME / "docs" / "settings.md").read_text("utf8") == settings_page()

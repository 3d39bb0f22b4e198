"""A run's report: one HTML file that stands alone, and the same as Markdown, both in Chinese and English.

It carries no times and no machine's figures, so that equal runs give equal bytes; those are in timings.json.
"""

from __future__ import annotations

from pathlib import Path

from app.finished_run import FinishedRun, read_finished_run
from app.i18n import LANGUAGES, Speech
from app.report_sections import Section, sections
from scenefit.runtime.workspace import Workspace, write_text

TEMPLATES = Path(__file__).parent / "templates"


def write_report(run_folder: Path, workspace: Workspace) -> None:
    """Write report.html and report.md into the run's folder.

    Raises
    ------
    StoreError : a file of the run is missing or damaged, or the folder cannot be written.
    """
    run = read_finished_run(run_folder, workspace)
    currency = str(run.dataset.get("currency", "CNY"))
    voices = [Speech(lang, currency) for lang in LANGUAGES]
    chapters = [(say, sections(run, say)) for say in voices]
    write_text(run_folder / "report.html", html(run, chapters))
    write_text(run_folder / "report.md", markdown(run, chapters))


def html(run: FinishedRun, chapters: list[tuple[Speech, list[Section]]]) -> str:
    """The report as one page without any reference to the outside."""
    return _rendered("report.html.j2", run, chapters)


def markdown(run: FinishedRun, chapters: list[tuple[Speech, list[Section]]]) -> str:
    """The report as Markdown: texts and tables, no plots."""
    return _rendered("report.md.j2", run, chapters)


def _rendered(name: str, run: FinishedRun, chapters: list[tuple[Speech, list[Section]]]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    page = Environment(
        loader=FileSystemLoader(TEMPLATES),
        # Markdown has its own escapes; everything else is escaped
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page.filters["cell"] = _cell
    return page.get_template(name).render(run=run, chapters=chapters, languages=LANGUAGES)


def _cell(value: object) -> str:
    """A value inside a Markdown table: no bar or line break may end the cell, no markup may start."""
    text = str(value).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(text.split())

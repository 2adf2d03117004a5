"""A run as one page of HTML, in one file: no script, nothing from elsewhere, for the screen and for paper."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from providers.certify.check import CHAPTERS, Severity
from providers.certify.languages import Language
from providers.certify.runner import Report, Verdict


def as_html(report: Report, fail_on: Severity, language: Language, made_at: datetime) -> str:
    """Return a report as HTML in `language`. Answers are written by strangers: all text is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("providers.certify").joinpath("page.html").read_text(encoding="utf-8"))
    chapters = [
        (title, {verdict.name: [one for one in found if one.verdict is verdict] for verdict in Verdict}, found)
        for title in CHAPTERS.values()
        if (found := [one for one in report.results if one.check.chapter == title])
    ]
    ranks = list(Severity)
    failed = sorted(report.failed(), key=lambda one: ranks.index(one.check.severity))
    return template.render(
        report=report,
        fail_on=fail_on,
        certified=report.ok(fail_on),
        chapters=chapters,
        failed=failed,
        not_tried=[one for one in report.results if one.verdict is Verdict.NOT_TRIED],
        timed=[one for one in report.results if one.timing],
        counts={one: sum(result.check.severity is one for result in failed) for one in ranks},
        verdict_words={Verdict.PASSED: "pass", Verdict.FAILED: "fail", Verdict.NOT_TRIED: "skip"},
        code=language.code,
        t=language.translated,
        number=lambda value: language.number(str(value)),
        limit=lambda value: f"{value:g} s",
        seconds=lambda value: language.number(f"{value:.3f} s"),
        made_at=made_at.strftime("%Y-%m-%d %H:%M UTC"),
    )

"""The whole test plan, as the checks say it: the list, its table and its CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from providers.certify.check import CHAPTERS, Check
from providers.certify.checks import (
    authentication,
    cancellations,
    concurrency,
    deadlines,
    issuing,
    reading,
    settlements,
    shapes,
    transactions,
    transport,
)

_MODULES = (
    authentication,
    transport,
    shapes,
    reading,
    transactions,
    settlements,
    cancellations,
    concurrency,
    deadlines,
    issuing,
)

PLAN: Sequence[Check] = tuple(check for module in _MODULES for check in module.CHAPTER.checks)

HEAD = ("number", "severity", "a provider must", "otherwise", "source")


def selected(only: Iterable[str]) -> Sequence[Check]:
    """Return the checks with these numbers, or of these chapters (AUTH). Raises LookupError naming an unknown one."""
    wanted = [one.strip().upper() for one in only]
    known = {check.number for check in PLAN} | set(CHAPTERS)
    for one in wanted:
        if one not in known:
            raise LookupError(one)
    return [check for check in PLAN if {check.number, check.number.partition("-")[0]} & set(wanted)]


def rows() -> Iterable[tuple[str, ...]]:
    """Yield what a table of the plan says of each check, under HEAD."""
    return ((one.number, one.severity.value, one.asks, one.consequence, one.source) for one in PLAN)


def as_csv() -> str:
    """Return the plan as CSV, with a line of headings."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    writer.writerows(rows())
    return text.getvalue()


def as_markdown() -> str:
    """Return the plan as tables of Markdown, a heading for each chapter."""
    parts = []
    for title in CHAPTERS.values():
        checks = [one for one in PLAN if one.chapter == title]
        if checks:
            lines = ["| number | severity | a provider must | otherwise |", "|---|---|---|---|"]
            lines += [f"| {one.number} | {one.severity.value} | {one.asks} | {one.consequence} |" for one in checks]
            parts.append(f"### {title}\n" + "\n".join(lines))
    return "\n\n".join(parts)

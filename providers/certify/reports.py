"""What a run found, for scripts: JSON."""

from __future__ import annotations

from typing import Any

from providers.certify.check import Severity
from providers.certify.runner import Report, Result


def as_fields(report: Report, fail_on: Severity) -> dict[str, Any]:
    """Return a report as JSON's own terms; `ok` says whether nothing so bad failed and nothing is left over."""
    return {
        "ok": is_ok(report, fail_on),
        "url": report.url,
        "interrupted": report.interrupted,
        "balance_before": report.balance_before,
        "balance_after": report.balance_after,
        "not_given_back": report.left,
        "checks": [_fields(one) for one in report.results],
    }


def is_ok(report: Report, fail_on: Severity) -> bool:
    """Tell whether a provider is certified: nothing so bad failed, nothing is left over, and nothing ended the run."""
    moved = report.balance_before != report.balance_after
    return not (report.failed(fail_on) or report.left or moved or report.interrupted)


def _fields(result: Result) -> dict[str, Any]:
    check = result.check
    return {
        "number": check.number,
        "chapter": check.chapter,
        "verdict": result.verdict.value,
        "severity": check.severity.value,
        "asks": check.asks,
        "consequence": check.consequence,
        "source": check.source,
        "seen": result.seen,
        "evidence": [
            {"request": one.request, "sent": one.sent, "status": one.status, "answer": one.answer}
            for one in result.evidence
        ],
    }

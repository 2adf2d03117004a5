"""What a run found, for scripts: JSON, and JUnit for CI."""

from __future__ import annotations

from decimal import Decimal
from typing import TypedDict
from xml.etree import ElementTree as ET

from providers.certify.check import Severity, Timing
from providers.certify.runner import Report, Result, Verdict
from providers.certify.session import Exchange


class TimingFields(TypedDict):
    calls: int
    p50_seconds: Decimal
    p99_seconds: Decimal
    limit_seconds: Decimal


class ExchangeFields(TypedDict):
    request: str
    sent: str
    status: int
    answer: str


class ResultFields(TypedDict):
    number: str
    chapter: str
    verdict: str
    severity: str
    asks: str
    consequence: str
    source: str
    seen: str
    timing: TimingFields | None
    evidence: list[ExchangeFields]


class Fields(TypedDict):
    ok: bool
    url: str
    interrupted: bool
    balance_before: Decimal | None
    balance_after: Decimal | None
    not_given_back: list[str]
    checks: list[ResultFields]


def as_fields(report: Report, fail_on: Severity) -> Fields:
    """Return a report as JSON's own terms; `ok` says whether nothing so bad failed and nothing is left over."""
    return {
        "ok": report.ok(fail_on),
        "url": report.url,
        "interrupted": report.interrupted,
        "balance_before": report.balance_before,
        "balance_after": report.balance_after,
        "not_given_back": report.left,
        "checks": [_fields(one) for one in report.results],
    }


def explained(report: Report, fail_on: Severity) -> str:
    """Return in lines what keeps a provider from being certified."""
    lines = [failure(one) for one in report.failed(fail_on)]
    lines += [f"not given back: {one}" for one in report.left]
    if report.balance_before != report.balance_after:
        lines.append(_moved(report))
    if report.interrupted:
        lines.append("interrupted: the other checks were not made")
    return "\n\n".join(lines)


def failure(result: Result) -> str:
    """Return in lines what a check asks, what was seen instead, what VTEX does then, and the calls."""
    check = result.check
    return "\n".join(
        [f"{check.number} {check.asks}", f"Seen: {result.seen}.", check.consequence, *map(_line, result.evidence)]
    )


def _moved(report: Report) -> str:
    return f"the card had {report.balance_before}, and has {report.balance_after}"


def as_junit(report: Report, fail_on: Severity) -> str:
    """Return a report as JUnit's XML: a test case for each check, and one for giving everything back.

    A check that failed and is less bad than `fail_on` is skipped, with what was seen.
    """
    suite = ET.Element("testsuite", name="giftbridge certify")
    for one in report.results:
        check = one.check
        case = ET.SubElement(suite, "testcase", classname=check.chapter, name=f"{check.number} {check.asks}")
        if one.verdict is Verdict.FAILED and check.severity.at_least(fail_on):
            failure = ET.SubElement(case, "failure", message=_xml(one.seen), type=check.severity.value)
            failure.text = _xml("\n".join([check.consequence, *map(_line, one.evidence)]))
        elif one.verdict is not Verdict.PASSED:
            ET.SubElement(case, "skipped", message=_xml(one.seen))
    back = ET.SubElement(suite, "testcase", classname="Money", name="Everything is given back")
    if not report.given_back:
        ET.SubElement(back, "failure", message=_xml("; ".join([*report.left, _moved(report)])))
    if report.interrupted:
        ET.SubElement(suite, "testcase", classname="Run", name="The run").append(
            ET.Element("error", message="interrupted: the other checks were not made")
        )
    cases = list(suite)
    suite.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    return ET.tostring(suite, encoding="unicode", xml_declaration=True)


def _line(one: Exchange) -> str:
    return f"{one.request} {one.sent} -> {one.status} {one.answer}"


def _xml(text: str) -> str:
    """Return `text` without the signs that XML cannot hold: answers are written by strangers."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _fields(result: Result) -> ResultFields:
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
        "timing": None if (timing := result.timing) is None else _timing(timing),
        "evidence": [
            {"request": one.request, "sent": one.sent, "status": one.status, "answer": one.answer}
            for one in result.evidence
        ],
    }


def _timing(timing: Timing) -> TimingFields:
    return {
        "calls": timing.calls,
        "p50_seconds": _exact(timing.p50_seconds),
        "p99_seconds": _exact(timing.p99_seconds),
        "limit_seconds": _exact(timing.limit_seconds),
    }


def _exact(seconds: float) -> Decimal:
    return Decimal(f"{seconds:.4f}")

"""JUnit's XML says of each check what became of it."""

from __future__ import annotations

from decimal import Decimal
from xml.etree import ElementTree as ET

from providers.certify.check import Check, Severity
from providers.certify.reports import as_junit
from providers.certify.runner import Report, Result, Verdict
from providers.certify.session import Exchange, Session


def run(_: Session) -> None:
    """Do nothing."""


def result(number: str, verdict: Verdict, severity: Severity, seen: str = "") -> Result:
    check = Check(number, "Ask.", "Otherwise.", severity, "a test", run)
    return Result(check, verdict, seen, (Exchange("GET /x", "", 500, "\x00<b>", 0.1),))


REPORT = Report(
    "https://gift.example.com/acme",
    [
        result("AUTH-1", Verdict.PASSED, Severity.SECURITY),
        result("MONEY-1", Verdict.FAILED, Severity.MONEY, "it was seen"),
        result("WIRE-10", Verdict.FAILED, Severity.COSMETIC, "it was mild"),
        result("READ-4", Verdict.NOT_TRIED, Severity.CHECKOUT, "give a code"),
    ],
)


def test_each_check_is_a_case_and_those_that_are_bad_enough_fail() -> None:
    suite = ET.fromstring(as_junit(REPORT, Severity.CHECKOUT))
    counted = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "5", "failures": "1", "errors": "0", "skipped": "2"}
    [failure] = suite.iter("failure")
    assert (failure.get("message"), failure.get("type")) == ("it was seen", "loses money")
    assert "GET /x  -> 500 \N{REPLACEMENT CHARACTER}<b>" in (failure.text or "")


def test_what_is_left_over_fails_and_an_interruption_is_an_error() -> None:
    left = Report("https://gift.example.com/acme", [], ["1.00 of request R"], Decimal(2), Decimal(1), interrupted=True)
    suite = ET.fromstring(as_junit(left, Severity.COSMETIC))
    [failure] = suite.iter("failure")
    assert "1.00 of request R" in (failure.get("message") or "")
    assert suite.get("errors") == "1"

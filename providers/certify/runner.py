"""Runs checks, one after the other, and gives everything back after each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from mappers.money import InvalidAmount
from providers.certify.check import Check, Failed, NotTried, Severity, Timing
from providers.certify.plan import PLAN
from providers.certify.session import Exchange, Session, Target
from providers.hub.calls import HttpClient
from providers.hub.service_url import Http

# Evidence has the last calls of a check.
SHOWN_EXCHANGES = 8


class Verdict(Enum):
    """What became of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one check: `seen` says why it failed or was not tried, `evidence` has the calls.

    `timing` says how long calls took, where the check measures that.
    """

    check: Check
    verdict: Verdict
    seen: str = ""
    evidence: Sequence[Exchange] = ()
    timing: Timing | None = None


@dataclass(slots=True)
class Report:
    """All that a run found. `left` says what could not be given back, `interrupted` whether it ended early."""

    url: str
    results: list[Result] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    balance_before: Decimal | None = None
    balance_after: Decimal | None = None
    interrupted: bool = False

    def failed(self, severity: Severity = Severity.COSMETIC) -> list[Result]:
        """Return what failed and is at least so bad."""
        return [one for one in self.results if one.verdict is Verdict.FAILED and one.check.severity.at_least(severity)]

    @property
    def given_back(self) -> bool:
        """Whether the card has what it had, and nothing stays open."""
        return not self.left and self.balance_before == self.balance_after

    def ok(self, fail_on: Severity = Severity.COSMETIC) -> bool:
        """Tell whether a provider is certified: nothing so bad failed, all is given back, nothing ended the run."""
        return not self.failed(fail_on) and self.given_back and not self.interrupted


def certify(
    target: Target,
    checks: Sequence[Check] = PLAN,
    *,
    http: Http | None = None,
    session: Session | None = None,
    told: Callable[[Check], None] = lambda _: None,
) -> Report:
    """Run `checks` against a provider; `told` hears of each before it is made.

    Money that a check moved is given back after it, also when KeyboardInterrupt ends the run.
    """
    hub = session or opened(target, http)
    report = Report(target.url)
    report.balance_before = _balance(hub)
    hub.evidence()
    try:
        for check in checks:
            told(check)
            report.results.append(run_check(hub, check))
    except KeyboardInterrupt:
        report.interrupted = True
    report.balance_after = _balance(hub) if report.balance_before is not None else None
    report.left = hub.left
    return report


def opened(target: Target, http: Http | None = None) -> Session:
    """Return a session with a provider."""
    return Session(target, http or HttpClient())


def run_check(hub: Session, check: Check) -> Result:
    """Make one check, and give back what it moved, also when KeyboardInterrupt ends it."""
    try:
        return _result(hub, check)
    finally:
        hub.give_back()
        hub.evidence()


def _result(hub: Session, check: Check) -> Result:
    verdict, seen = Verdict.PASSED, ""
    hub.timing = None
    try:
        check.run(hub)
    except NotTried as reason:
        verdict, seen = Verdict.NOT_TRIED, str(reason)
    except (Failed, InvalidAmount) as reason:
        verdict, seen = Verdict.FAILED, str(reason)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # What the provider sent has another form than the check reads.
        verdict, seen = Verdict.FAILED, f"an answer has another form than the protocol's ({type(error).__name__})"
    evidence = hub.evidence()[-SHOWN_EXCHANGES:]
    return Result(check, verdict, hub.masked(seen), evidence if verdict is Verdict.FAILED else (), hub.timing)


def _balance(hub: Session) -> Decimal | None:
    try:
        return hub.balance()
    except (NotTried, Failed):
        return None

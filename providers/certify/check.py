"""What a check is: a number, what it asks, and what VTEX does with a provider that fails it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.certify.session import Session


class Severity(Enum):
    """How bad it is to fail a check; the worst first."""

    MONEY = "loses money"
    SECURITY = "security"
    ORDERS = "sticks orders"
    CHECKOUT = "breaks checkout"
    COSMETIC = "cosmetic"

    def at_least(self, other: Severity) -> bool:
        """Tell whether this is as bad as `other`, or worse."""
        ranks = list(Severity)
        return ranks.index(self) <= ranks.index(other)


# Where a rule comes from.
OPENAPI = "VTEX's OpenAPI document of the Gift Card Provider Protocol"
GUIDE = "VTEX's guide to the integration of gift card providers, 2026-05"
KNOWN_ISSUES = "VTEX's list of known issues"
FIELD = "reports of integrators"
HTTP = "RFC 9110"

CHAPTERS = {
    "AUTH": "Authentication",
    "WIRE": "Transport",
    "SHAPE": "Shapes of answers",
    "READ": "Search and get",
    "MONEY": "Transactions",
    "SETTLE": "Settlements",
    "CANCEL": "Cancellations",
    "RACE": "Concurrency",
    "TIME": "Deadlines",
    "ISSUE": "Issuing",
}


class Failed(Exception):
    """The provider failed the check; the message says what was seen."""


class NotTried(Exception):
    """The check could not be made; the message says what it needs."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the calls of a check took, and how long they may."""

    calls: int
    p50_seconds: float
    p99_seconds: float
    limit_seconds: float


@dataclass(frozen=True, slots=True)
class Check:
    """One check: `asks` is what the provider must do, `consequence` what VTEX does with one that does not."""

    number: str
    asks: str
    consequence: str
    severity: Severity
    source: str
    run: Callable[[Session], None]

    @property
    def chapter(self) -> str:
        return CHAPTERS[self.number.partition("-")[0]]


def expect(condition: object, seen: str) -> None:
    """Raise Failed with what was seen, unless the condition holds."""
    if not condition:
        raise Failed(seen)


class Chapter:
    """Collects the checks of one chapter, as they are written."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.checks: list[Check] = []

    def check(
        self, number: int, severity: Severity, source: str, consequence: str
    ) -> Callable[[Callable[[Session], None]], Callable[[Session], None]]:
        """Make a check of a function; the docstring is what it asks."""

        def add(run: Callable[[Session], None]) -> Callable[[Session], None]:
            asks = " ".join((run.__doc__ or "").split())
            self.checks.append(Check(f"{self.name}-{number}", asks, consequence, severity, source, run))
            return run

        return add

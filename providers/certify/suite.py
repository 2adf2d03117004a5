"""The plan in a provider's own tests: one call that passes, or says what failed."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from mappers.base import InvalidOptions, Secret
from mappers.http.addresses import checked_base_url
from providers.certify.check import Severity
from providers.certify.plan import PLAN, selected
from providers.certify.reports import explained
from providers.certify.runner import Report
from providers.certify.runner import certify as run
from providers.certify.session import Target


class Uncertified(AssertionError):
    """The provider failed; the message says why, and `report` has everything."""

    def __init__(self, report: Report, severity: Severity) -> None:
        super().__init__(explained(report, severity))
        self.report = report


def certify(
    url: str,
    *,
    app_key: str,
    app_token: str,
    code: str | None = None,
    customer: str | None = None,
    loyalty: bool = False,
    issue: bool = False,
    spend: Decimal | str = "1.00",
    max_balance: Decimal | str | None = "50",
    only: Iterable[str] = (),
    fail_on: Severity | None = Severity.COSMETIC,
) -> Report:
    """Check the provider at `url`, its serviceUrl, and return what was found.

    The arguments are the options of `giftbridge certify`. Without a `code` no money moves. A `max_balance` of None
    allows any card. Raises Uncertified where a check failed that is as bad as `fail_on` or worse, or something could
    not be given back; with None, never. Raises ValueError for an argument that cannot be used.
    """
    target = target_of(
        url,
        app_key=app_key,
        app_token=app_token,
        code=code,
        customer=customer,
        loyalty=loyalty,
        issue=issue,
        spend=spend,
        max_balance=max_balance,
    )
    wanted = list(only)
    try:
        checks = selected(wanted) if wanted else PLAN
    except LookupError as error:
        raise ValueError(f"there is no check {error.args[0]}") from error
    report = run(target, checks)
    if report.interrupted:
        raise KeyboardInterrupt
    if fail_on is not None and not report.ok(fail_on):
        raise Uncertified(report, fail_on)
    return report


def target_of(
    url: str,
    *,
    app_key: str,
    app_token: str,
    code: str | None,
    customer: str | None,
    loyalty: bool,
    issue: bool,
    spend: Decimal | str,
    max_balance: Decimal | str | None,
) -> Target:
    """Return what is certified. Raises ValueError for what cannot be used."""
    return Target(
        url=address(url),
        app_key=app_key,
        app_token=Secret(app_token),
        code=Secret(code) if code else None,
        email=customer,
        loyalty=loyalty,
        issue=issue,
        spend=amount(spend),
        max_balance=None if max_balance is None else amount(max_balance),
    )


def address(url: str) -> str:
    """Return a serviceUrl as it is called. Raises ValueError for one that credentials must not be sent to."""
    try:
        return checked_base_url(url)
    except InvalidOptions as error:
        raise ValueError(str(error).replace("base_url", "the serviceUrl")) from error


def amount(text: Decimal | str) -> Decimal:
    """Return an amount above 0, in major units. Raises ValueError."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{text} is no amount: give one like 1.00")
    return value

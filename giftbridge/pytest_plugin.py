"""A plugin for pytest: with `--certify-url`, each check of the test plan is a test. Otherwise it does nothing.

It imports nothing of giftbridge until it is used, so that a project keeps its own packages of whatever name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from giftbridge import _own_packages

if TYPE_CHECKING:
    from providers.certify.check import Check, Severity
    from providers.certify.session import Session

# Secrets are no options: the process list and pytest's header show options.
TOKEN_VARIABLE = "CERTIFY_APP_TOKEN"  # noqa: S105 - the name of a variable
CODE_VARIABLE = "CERTIFY_CODE"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of `giftbridge certify`."""
    group = parser.getgroup("giftbridge", "certify a gift card provider for VTEX")

    def option(name: str, **options: Any) -> None:
        group.addoption(f"--certify-{name}", **options)

    option("url", metavar="URL", help=f"Certify this serviceUrl. The token comes from {TOKEN_VARIABLE}.")
    option(
        "app-key", metavar="KEY", help=f"The app key. A card's code comes from {CODE_VARIABLE}; without, none is used."
    )
    option("customer", metavar="EMAIL", help="The customer who searches.")
    option("loyalty", action="store_true", help="The customer has cards of their own.")
    option("issue", action="store_true", help="Have new cards made; they stay at the provider, empty.")
    option("spend", metavar="AMOUNT", default="1.00", help="The most that moves at a time (default: 1.00).")
    option("max-balance", metavar="AMOUNT", default="50", help="Refuse a card that holds more (default: 50).")
    option("only", metavar="NUMBERS", help="Make these checks alone, such as AUTH,READ-7.")
    option(
        "fail-on",
        metavar="SEVERITY",
        default="cosmetic",
        choices=("money", "security", "orders", "checkout", "cosmetic"),
        help="Skip, with its reason, what failed and is less bad than this (default: cosmetic).",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the checks to what was collected, before `-k` chooses."""
    if config.getoption("certify_url"):
        items += Plan.from_parent(session, name="certify", nodeid="certify").collect()


class Plan(pytest.Collector):
    """All checks that are made, with one session of calls."""

    def collect(self) -> list[pytest.Item]:
        for package in ("mappers", "providers"):
            _own_packages.load(package)
        from providers.certify.check import Severity  # noqa: PLC0415 - nothing of it where nothing is certified
        from providers.certify.plan import PLAN, selected  # noqa: PLC0415
        from providers.certify.runner import opened  # noqa: PLC0415
        from providers.certify.suite import target_of  # noqa: PLC0415

        option, token = self.config.getoption, os.environ.get(TOKEN_VARIABLE)
        key, only = option("certify_app_key"), option("certify_only")
        if not key or not token:
            raise pytest.UsageError(f"--certify-url needs --certify-app-key, and the token in {TOKEN_VARIABLE}")
        try:
            target = target_of(
                option("certify_url"),
                app_key=key,
                app_token=token,
                code=os.environ.get(CODE_VARIABLE),
                customer=option("certify_customer"),
                loyalty=option("certify_loyalty"),
                issue=option("certify_issue"),
                spend=option("certify_spend"),
                max_balance=option("certify_max_balance"),
            )
            checks = PLAN if only is None else selected(only.split(","))
        except LookupError as error:
            raise pytest.UsageError(f"--certify-only: there is no check {error.args[0]}") from error
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error
        hub, fail_on = opened(target), Severity[option("certify_fail_on").upper()]
        items = [CheckItem.from_parent(self, name=one.number, hub=hub, check=one, fail_on=fail_on) for one in checks]
        return [*items, GivenBack.from_parent(self, name="GIVEN-BACK", hub=hub)]


class CheckItem(pytest.Item):
    """One check."""

    def __init__(self, *, hub: Session, check: Check, fail_on: Severity, **options: Any) -> None:
        super().__init__(**options)
        self.hub, self.check, self.fail_on = hub, check, fail_on

    def runtest(self) -> None:
        from providers.certify.reports import failure  # noqa: PLC0415
        from providers.certify.runner import Verdict, run_check  # noqa: PLC0415

        result = run_check(self.hub, self.check)
        if result.verdict is Verdict.NOT_TRIED:
            pytest.skip(f"not tried: {result.seen}")
        if result.verdict is Verdict.FAILED:
            if not self.check.severity.at_least(self.fail_on):
                pytest.skip(f"failed, and is {self.check.severity.value} alone: {result.seen}")
            pytest.fail(failure(result), pytrace=False)

    def reportinfo(self) -> tuple[str, None, str]:
        return "certify", None, f"{self.check.number} {self.check.asks}"


class GivenBack(pytest.Item):
    """Everything that moved is given back."""

    def __init__(self, *, hub: Session, **options: Any) -> None:
        super().__init__(**options)
        self.hub = hub

    def runtest(self) -> None:
        if self.hub.left:
            pytest.fail("\n".join(["not given back:", *self.hub.left]), pytrace=False)

    def reportinfo(self) -> tuple[str, None, str]:
        return "certify", None, "everything is given back"

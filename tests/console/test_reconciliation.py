"""The reconciliation: what was found, what it means, and a comparison that somebody asks for."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from app.admin import activity
from app.admin.people.users import Role
from app.admin.reconciliation import asked, results, schedule
from app.admin.reconciliation.reconcile import Reconciliation
from app.admin.reconciliation.results import LISTED, Trigger
from app.admin.reconciliation.run import Difference
from app.ledger.errors import LedgerUnavailable
from app.parts import Parts
from mappers.base import BackendUnavailable

from .browser import LOOKS, Browsing
from .conftest import Console


def found(parts: Parts, *differences: Difference) -> None:
    """Let the last run of acme have found these."""
    run = Reconciliation(parts, "acme")
    list(results.recorded(parts, run, differences, Trigger.HAND))


def missing(transaction: str) -> Difference:
    meaning, remedy = "60.00 BRL may be back on the card: the ledger has them as held", "look at the card"
    standing = "hold 60.00 BRL", "nothing"
    return Difference("acme", "card-1", transaction, "key", "missing", *standing, meaning=meaning, remedy=remedy)


def mapper(console: Console) -> Any:
    provider = console.installation.parts.registry.get("acme")
    assert provider is not None
    return provider.mapper


def test_before_anything_was_compared_it_says_so(console: Console) -> None:
    assert "Nothing was compared yet." in console.user(Role.VIEWER).get("/reconciliation").text


def test_a_difference_leads_to_its_transaction_and_says_what_mends_it(console: Console) -> None:
    transaction = console.installation.pay()
    found(console.installation.parts, missing(transaction))
    page = console.user(Role.VIEWER).get("/reconciliation").text
    assert "1 difference" in page
    assert f'href="/transactions/{transaction}"' in page.replace("/-/console", "")
    assert "may be back on the card" in page
    assert "look at the card" in page


def test_what_the_ledger_does_not_know_leads_nowhere(console: Console) -> None:
    found(console.installation.parts, replace(missing("f" * 32), kind="extra", ledger="no such transaction"))
    page = console.user(Role.VIEWER).get("/reconciliation").text
    assert "unknown to the ledger" in page
    assert "/transactions/ffff" not in page


def test_a_long_list_says_how_much_is_not_shown(console: Console) -> None:
    found(console.installation.parts, *(missing(f"{number:032x}") for number in range(LISTED + 1)))
    page = console.user(Role.VIEWER).get("/reconciliation").text
    assert "101 differences" in page
    assert "The first 100 of 101." in page


def test_the_file_has_the_differences_and_no_formula(console: Console) -> None:
    found(console.installation.parts, replace(missing("a" * 32), backend="=1+1"))
    answer = console.user(Role.VIEWER).get("/reconciliation.csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["provider"], row["transaction"], row["kind"]) == ("acme", "a" * 32, "missing")
    assert row["backend"] == "'=1+1"
    assert "filename=differences.csv" in answer.headers["Content-Disposition"]


def test_who_asks_sees_how_far_it_is_and_then_what_was_found(console: Console) -> None:
    installation, operator = console.installation, console.user(Role.OPERATOR)
    installation.pay()
    assert operator.post("/reconciliation/compare").status_code == 303
    waiting = operator.get("/reconciliation")
    assert "operator has asked for a comparison" in waiting.text
    assert "Compare now" not in waiting.text
    assert "operator has asked" in operator.get("/reconciliation/standing").text
    schedule.run(installation.parts)
    assert operator.get("/reconciliation/standing").headers["HX-Refresh"] == "true"
    page = operator.get("/reconciliation").text
    assert "no difference" in page
    assert "Compare now" in page
    (entry,) = activity.newest(installation.parts, 1)
    assert (entry.who, entry.what) == ("operator", "compare with backends")


def test_asked_twice_it_is_done_once(console: Console) -> None:
    operator = console.user(Role.OPERATOR)
    operator.post("/reconciliation/compare")
    operator.post("/reconciliation/repair", confirmed="yes")
    assert "already" in operator.get("/reconciliation").text
    wish = asked.take(console.installation.parts.documents)
    assert wish == asked.Wish("operator", repair=False)
    assert len(activity.newest(console.installation.parts, 9)) == 1


def test_a_repair_says_before_what_it_will_do(console: Console) -> None:
    installation, operator = console.installation, console.user(Role.OPERATOR)
    parts = installation.parts
    assert "carried out, and never twice" in operator.get("/reconciliation/repair").text
    assert not asked.is_asked(parts.documents)
    operator.post("/reconciliation/repair", confirmed="yes")
    assert asked.take(parts.documents) == asked.Wish("operator", repair=True)
    (entry,) = activity.newest(parts, 1)
    assert entry.what == "repair differences"


def test_a_backend_that_does_not_answer_is_told(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise BackendUnavailable("lightrail does not answer")

    installation = console.installation
    installation.pay()
    monkeypatch.setattr(mapper(console), "statement", fail)
    asked.ask(installation.parts, "operator")
    schedule.run(installation.parts)
    page = console.user(Role.VIEWER).get("/reconciliation").text
    assert "could not be asked about everything" in page
    assert "lightrail does not answer" in page
    assert "its backend did not answer" in page


def test_a_run_that_fails_is_told_and_can_be_asked_for_again(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise LedgerUnavailable("Redis is away")

    installation, operator = console.installation, console.user(Role.OPERATOR)
    installation.pay()
    operator.post("/reconciliation/compare")
    with monkeypatch.context() as broken:
        broken.setattr(mapper(console), "statement", fail)
        with pytest.raises(LedgerUnavailable):
            schedule.run(installation.parts)
    page = operator.get("/reconciliation").text
    assert "ended half way" in page
    assert "Compare now" in page
    operator.post("/reconciliation/compare")
    schedule.run(installation.parts)
    assert "ended half way" not in operator.get("/reconciliation").text


def test_a_viewer_sees_no_button(console: Console) -> None:
    visitor = console.user(Role.VIEWER)
    page = visitor.get("/reconciliation").text
    assert "Compare now" not in page
    assert "Repair what is" not in page


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    parts = browsing.site.installation.parts
    found(parts, missing(browsing.site.installation.pay()))
    browsing.sign_in(language=language, theme=theme)
    page = browsing.open("/reconciliation")
    browsing.check_page()
    browsing.picture("reconciliation")
    page.locator(".actions button").first.click()
    page.locator("[hx-get]").wait_for()
    browsing.check_page()
    schedule.run(parts)
    # The page asks again by itself until it has ended.
    page.locator("[hx-get]").wait_for(state="detached")
    page.locator(".actions a").first.click()
    page.locator("form.confirm").wait_for()
    browsing.check_page()

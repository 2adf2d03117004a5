"""The overview: its figures are the ledger's, and what needs a person stands first."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from app.admin import overview
from app.admin.people import sessions
from app.admin.people.users import Role
from app.admin.providers.checks import Check
from app.admin.transactions import search
from app.admin.transactions.search import Wanted
from providers.provider import Provider

from .browser import LOOKS, Browsing
from .conftest import Console, Visitor
from .test_transaction import act


@pytest.fixture
def viewer(console: Console) -> Visitor:
    return console.user(Role.VIEWER)


def test_a_quiet_installation_needs_nobody(viewer: Visitor) -> None:
    page = viewer.get("/").text
    assert "Nothing needs you now." in page
    assert "No card has paid yet." in page


def test_the_figures_are_the_sums_of_the_transactions(console: Console, viewer: Visitor) -> None:
    pay, operator = console.installation.pay, console.user(Role.OPERATOR)
    pay("10.00", "a")
    pay("20.00", "b", settled="15.00")
    act(operator, pay("30.00", "c", settled="30.00"), "refund", "12.50")
    act(operator, pay("5.00", "d"), "void", "5.00")
    pay("7.00", "e", settled="7.00", provider="vouch", code="VAUCHAR-ACTIVE-100")
    found = overview.look(console.installation.parts)
    assert [one.provider for one in found.money] == ["acme", "vouch"]
    for one in found.money:
        listed = list(search.every(console.installation.parts, Wanted(provider_id=one.provider)))
        assert one.held == sum(each.reserved for each in listed)
        assert one.settled == sum(each.settled for each in listed)
        assert one.voided == sum(each.voided for each in listed)
        assert one.refunded == sum(each.refunded for each in listed)
        assert one.today is not None
        assert (one.today.settled, one.today.voided, one.today.refunded) == (one.settled, one.voided, one.refunded)
    [acme] = re.findall(r'provider=acme">acme</a></th>(.*?)</tr>', viewer.get("/").text, re.DOTALL)
    shown = [Decimal(amount) for amount in re.findall(r"R\$([\d.]+)", acme)]
    assert shown == [Decimal(text) for text in ("15.00", "45.00", "17.50", "45.00", "5.00", "12.50")]


def test_what_waits_for_a_person_stands_first_and_leads_there(console: Console, viewer: Visitor) -> None:
    order = console.installation.pay("10.00")
    parts = console.installation.parts
    parts.history.doubt("restored a backup")
    page = viewer.get("/").text
    assert "Nothing needs you now." not in page
    assert page.index("Doubts about what Redis still knows") < page.index("Money by provider")
    assert order not in page


def test_the_backends_are_asked_once_a_minute_however_many_look(
    console: Console, viewer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def check(provider: Provider) -> Check:
        asked.append(provider.id)
        return Check("backend", False, "refused the key", "look at providers.toml")

    monkeypatch.setattr(overview, "check_backend", check)
    for _ in range(3):
        said = re.sub(r"<[^>]+>", "", viewer.get("/backends").text)
        assert "refused the key. look at providers.toml" in said
    assert asked == ["acme", "vouch"]


def test_the_doctor_is_asked_by_those_who_may(console: Console, viewer: Visitor) -> None:
    page = console.user(Role.OPERATOR).get("/checks")
    assert (page.status_code, "providers file" in page.text) == (200, True)
    results = re.findall(r'<span class="badge (\w+)">', page.text)
    assert results == sorted(results, key=["bad", "wait", "good"].index)
    assert viewer.get("/checks").status_code == 403


def test_a_page_that_asks_by_itself_keeps_no_session_alive(console: Console, viewer: Visitor) -> None:
    parts = console.installation.parts
    [session] = sessions.every(parts)
    document = parts.documents.read("sessions", session.id)
    assert document is not None
    earlier = document | {"seen": document["seen"] - 120_000}
    parts.documents.write("sessions", session.id, earlier)
    assert viewer.client.get("/", headers={"X-Background": "yes"}).status_code == 200
    assert parts.documents.read("sessions", session.id) == earlier
    assert viewer.get("/").status_code == 200
    assert parts.documents.read("sessions", session.id) != earlier
    sessions.end_all(parts, "viewer")
    over = viewer.client.get("/", headers={"X-Background": "yes"})
    assert (over.status_code, over.headers["HX-Redirect"]) == (204, "/-/console/sign-in")


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    installation = browsing.site.installation
    if language == "en":  # once for all looks
        installation.pay("60.00", "1532540012345-01", settled="40.00")
        installation.parts.history.doubt("restored the backup of Sunday")
    browsing.sign_in(language=language, theme=theme)
    page = browsing.open("/")
    expect(page.locator("#backends .badge")).to_have_count(2)
    browsing.check_page()
    browsing.picture("overview")
    browsing.open("/backends")
    browsing.check_page()

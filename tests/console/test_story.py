"""A store admin at work, in a real browser: the stuck order is found, settled and partly refunded, once each."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.admin.people import sessions, users
from app.admin.people.users import Role
from app.admin.transactions import by_hand
from app.admin.transactions.views import Summary, summary
from app.ledger.transaction import Decision

from .browser import LOOKS, Browsing, Site
from .conftest import PASSWORD
from .parked import park


@pytest.fixture
def order(site: Site, request: pytest.FixtureRequest) -> str:
    """An order of the test's own, with 20.00 reserved; its name."""
    name = f"order-{zlib.crc32(request.node.nodeid.encode())}-01"
    site.installation.pay("20.00", name)
    return name


def stands(site: Site, order: str) -> Summary:
    [transaction] = site.installation.parts.index.of_orders([order])
    return summary(site.installation.record(transaction))


def fill(page: Page, action: str, amount: str, reason: str = "the invoice came late") -> None:
    """Fill in the form of an action, up to the question whether to do it."""
    page.get_by_role("link", name=action).click()
    page.get_by_label("Amount in BRL").fill(amount)
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name="See what it will do").click()
    expect(page.get_by_role("main").get_by_role("button", name=action)).to_be_visible()


def confirm(page: Page, action: str) -> None:
    page.get_by_role("main").get_by_role("button", name=action).click()


def test_the_whole_way_from_the_link_to_the_refund(browsing: Browsing) -> None:
    site, order = browsing.site, "1532540012345-01"
    site.installation.pay("60.00", order)
    secret = users.add(site.installation.parts, "eva", Role.OPERATOR)
    before = site.installation.at_the_backend()
    page = browsing.open(f"/invitation/eva/{secret}")
    browsing.check_page()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Choose it and sign in").click()
    page.get_by_role("button", name="Sign out").click()
    browsing.check_page()
    page.get_by_label("Name").fill("eva")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    page.get_by_role("link", name="Transactions").click()
    page.get_by_label("Order or a part of it, transaction, requestId").fill(order)
    page.get_by_role("button", name="Find", exact=True).click()
    page.wait_for_url(f"**name={order}**")  # the order is on the page before, too
    page.get_by_role("link", name=order).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Order {order}")
    fill(page, "Settle", "40.00")
    expect(page.locator("#effect")).to_contain_text("Takes R$40.00 of the R$60.00 that are reserved, at acme.")
    confirm(page, "Settle")
    expect(page.get_by_role("status")).to_have_text("Done: R$40.00.")
    fill(page, "Give back", "20.00")
    confirm(page, "Give back")
    fill(page, "Refund", "15.00", "one of three was broken")
    confirm(page, "Refund")
    expect(page.get_by_role("status")).to_have_text("Done: R$15.00.")
    expect(page.get_by_text("one of three was broken")).to_be_visible()
    one = stands(site, order)
    assert [str(amount) for amount in (one.settled, one.refunded, one.voided)] == ["40.00", "15.00", "20.00"]
    assert site.installation.at_the_backend() - before == 2000 + 1500


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_its_pages(browsing: Browsing, order: str, language: str, theme: str) -> None:
    transaction = stands(browsing.site, order).id
    browsing.sign_in(Role.OPERATOR, language=language, theme=theme, zone="America/Sao_Paulo")
    page = browsing.open(f"/transactions/{transaction}")
    browsing.check_page()
    page.goto(f"{page.url}/settle")
    browsing.check_page()
    browsing.picture("settle")
    page.locator("input[name=amount]").fill("10.00" if language == "en" else "10,00")
    page.locator("input[name=reason]").fill("the invoice came late")
    page.locator("main form button").click()
    browsing.check_page()
    browsing.picture("confirm")
    page.locator("main form button").click()
    page.locator(".flash.good").wait_for()
    browsing.check_page()
    browsing.picture("transaction")


def test_a_double_click_moves_money_once(browsing: Browsing, order: str) -> None:
    browsing.sign_in(Role.OPERATOR)
    page = browsing.open(f"/transactions/{order}")
    fill(page, "Settle", "10.00")
    page.get_by_role("main").get_by_role("button", name="Settle").dblclick()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Order {order}")
    assert str(stands(browsing.site, order).settled) == "10.00"


def test_going_back_and_sending_again_moves_nothing_twice(browsing: Browsing, order: str) -> None:
    browsing.sign_in(Role.OPERATOR)
    page = browsing.open(f"/transactions/{order}/settle")
    page.get_by_label("Amount in BRL").fill("10.00")
    page.get_by_label("Reason").fill("x")
    sent = page.locator("main form").evaluate("form => Object.fromEntries(new FormData(form))")
    for _ in range(2):
        answer = page.request.post(page.url, form={**sent, "confirmed": "10.00"}, max_redirects=0)
        assert answer.status == 303
    page.goto(f"{browsing.site.url}/transactions/{order}")
    expect(page.get_by_role("status")).to_contain_text("This form was sent before: nothing moved twice.")
    assert str(stands(browsing.site, order).settled) == "10.00"


def test_the_back_button_leads_to_a_form_that_asks_before_the_same_again(browsing: Browsing, order: str) -> None:
    browsing.sign_in(Role.OPERATOR)
    page = browsing.open(f"/transactions/{order}")
    fill(page, "Settle", "5.00")
    confirm(page, "Settle")
    expect(page.get_by_role("status")).to_have_text("Done: R$5.00.")
    page.go_back()
    page.get_by_label("Amount in BRL").fill("5.00")
    page.get_by_label("Reason").fill("x")
    page.get_by_role("button", name="See what it will do").click()
    expect(page.get_by_role("alert")).to_contain_text("operator did the same a short while ago")
    browsing.check_page()
    assert str(stands(browsing.site, order).settled) == "5.00"


def test_a_session_that_ends_in_the_middle_of_an_act_does_nothing(browsing: Browsing, order: str) -> None:
    browsing.sign_in(Role.OPERATOR)
    page = browsing.open(f"/transactions/{order}")
    fill(page, "Settle", "10.00")
    sessions.end_all(browsing.site.installation.parts, "operator")
    confirm(page, "Settle")
    expect(page.get_by_role("status")).to_contain_text("Nothing was done: sign in and do it again.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert str(stands(browsing.site, order).settled) == "0.00"


def test_a_viewer_sees_it_all_and_can_do_nothing(browsing: Browsing, order: str) -> None:
    browsing.sign_in(Role.VIEWER)
    page = browsing.open(f"/transactions/{order}")
    expect(page.get_by_text("What can be done")).to_have_count(0)
    page.goto(f"{browsing.site.url}/transactions/{order}/settle")
    expect(page.get_by_role("heading", level=1)).to_have_text("You may not do this")
    browsing.check_page()


def test_it_is_done_with_the_keyboard_alone(browsing: Browsing, order: str) -> None:
    browsing.sign_in(Role.OPERATOR)
    page = browsing.open(f"/transactions/{order}/settle")
    page.get_by_label("Amount in BRL").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("10.00")
    page.keyboard.press("Tab")
    page.keyboard.type("x")
    page.keyboard.press("Enter")
    expect(page.locator("#effect")).to_contain_text("R$10.00")
    page.get_by_role("main").get_by_role("button", name="Settle").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Done: R$10.00.")


@pytest.fixture
def without_scripts(browser: Any, site: Site) -> Iterator[Browsing]:
    with Browsing.of(browser, site, scripts=False) as found:
        yield found


def test_it_is_done_without_javascript(without_scripts: Browsing, order: str) -> None:
    without_scripts.sign_in(Role.OPERATOR)
    page = without_scripts.open(f"/transactions/{order}")
    fill(page, "Settle", "10.00")
    confirm(page, "Settle")
    expect(page.get_by_role("status")).to_have_text("Done: R$10.00.")
    assert re.search(r"/transactions/gb-\w+$", page.url)
    assert str(stands(without_scripts.site, order).settled) == "10.00"


def test_what_is_done_elsewhere_shows_on_the_page_without_a_reload(browsing: Browsing, order: str) -> None:
    """A look every five seconds, as long as something of the order is not known."""
    installation = browsing.site.installation
    transaction = park(installation, "1733-01")
    browsing.sign_in(Role.OPERATOR)
    page = browsing.open(f"/transactions/{transaction}")
    expect(page.locator("#live")).to_contain_text("What became of the last of it is not known yet.")
    page.evaluate("document.body.dataset.same = 'yes'")
    decision = Decision("somebody else", happened=False, act=1, give_up=True)
    by_hand.decide(installation.parts, installation.record(transaction), decision)
    expect(page.locator("#live")).to_contain_text("decided by a person", timeout=20_000)
    expect(page.locator("#live")).not_to_have_attribute("hx-trigger", "every 5s")
    assert page.evaluate("document.body.dataset.same") == "yes", "the page was not loaded again"


def test_without_javascript_what_is_done_elsewhere_shows_when_the_page_is_loaded_again(
    without_scripts: Browsing,
) -> None:
    installation = without_scripts.site.installation
    transaction = park(installation, "1734-01", "30.00")
    without_scripts.sign_in(Role.OPERATOR)
    page = without_scripts.open(f"/transactions/{transaction}")
    expect(page.locator("#live")).to_contain_text("What became of the last of it is not known yet.")
    decision = Decision("somebody else", happened=False, act=1, give_up=True)
    by_hand.decide(installation.parts, installation.record(transaction), decision)
    page.reload()
    expect(page.locator("#live")).to_contain_text("decided by a person", timeout=20_000)

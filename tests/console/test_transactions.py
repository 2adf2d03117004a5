"""Transactions are found by what a shopper can say on the phone, page by page, and exported as they are filtered."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta

import pytest

from app.admin import activity
from app.admin.people.users import Role
from app.console.pages import transactions
from tests.commands.conftest import CODE

from .browser import LOOKS, Browsing
from .conftest import Console, Visitor


@pytest.fixture
def viewer(console: Console) -> Visitor:
    return console.user(Role.VIEWER)


def orders(text: str) -> list[str]:
    """Return the orders that a page lists, from top to bottom."""
    return re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', text)


@pytest.fixture
def paid(console: Console) -> dict[str, str]:
    """Two parts of an order, one settled, and another order; by their names."""
    pay = console.installation.pay
    return {
        "1532-01": pay("10.00", "1532-01"),
        "1532-02": pay("20.00", "1532-02", settled="20.00"),
        "1733-01": pay("30.00", "1733-01", provider="vouch", code="VAUCHAR-ACTIVE-100"),
    }


def test_all_are_listed_the_newest_first(viewer: Visitor, paid: dict[str, str]) -> None:
    assert orders(viewer.get("/transactions").text) == ["1733-01", "1532-02", "1532-01"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"name": "1532-01"}, ["1532-01"]),
        ({"name": "1532"}, ["1532-02", "1532-01"]),
        ({"name": "request-of-1733-01"}, ["1733-01"]),
        ({"name": "1999"}, []),
        ({"state": "closed"}, ["1532-02"]),
        ({"state": "authorized", "provider": "acme"}, ["1532-01"]),
        ({"provider": "vouch"}, ["1733-01"]),
        ({"name": "1532", "state": "authorized"}, ["1532-01"]),
        ({"state": "parked"}, []),
        ({"state": "no such state"}, ["1733-01", "1532-02", "1532-01"]),
    ],
)
def test_they_are_filtered_by_what_stands_in_the_address(
    viewer: Visitor, paid: dict[str, str], query: dict[str, str], found: list[str]
) -> None:
    assert orders(viewer.get("/transactions", **query).text) == found


def test_a_transaction_is_found_by_its_id_and_its_beginning(viewer: Visitor, paid: dict[str, str]) -> None:
    for name in (paid["1532-01"], paid["1532-01"][:12], f"{paid['1532-01'][:12]}…"):
        assert orders(viewer.get("/transactions", name=name).text) == ["1532-01"]


def test_days_are_those_of_the_readers_time_zone(console: Console, paid: dict[str, str]) -> None:
    viewer = console.user(Role.VIEWER, zone="Pacific/Kiritimati")  # 14 hours ahead
    today = (datetime.now(UTC) + timedelta(hours=14)).date()
    yesterday = today - timedelta(days=1)
    assert len(orders(viewer.get("/transactions", since=today, to=today).text)) == 3
    assert orders(viewer.get("/transactions", to=yesterday).text) == []
    assert orders(viewer.get("/transactions", since=today + timedelta(days=1)).text) == []
    assert "is no date" in viewer.get("/transactions", since="yesterday").text


def test_a_list_goes_on_where_the_page_before_ended(
    viewer: Visitor, paid: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "ON_A_PAGE", 1)
    found, path = [], "/transactions?provider=acme"
    while path:
        page = viewer.get(path)
        found += orders(page.text)
        following = re.search(r'href="/-/console([^"]*)" rel="next"', page.text)
        path = following[1].replace("&amp;", "&") if following else ""
    assert found == ["1532-02", "1532-01"]


def test_a_rare_state_is_looked_for_in_pieces(
    viewer: Visitor, paid: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "LOOKED_AT", 1)
    monkeypatch.setattr("app.admin.transactions.search.ROWS", 1)
    first = viewer.get("/transactions", provider="acme")
    assert orders(first.text) == []
    assert "older ones are on the next page" in first.text
    following = re.search(r'href="/-/console([^"]*)" rel="next"', first.text)
    assert following
    assert orders(viewer.get(following[1].replace("&amp;", "&")).text) == ["1532-02"]


def test_a_cut_address_shows_the_first_page(viewer: Visitor, paid: dict[str, str]) -> None:
    assert len(orders(viewer.get("/transactions", after="17.gb-").text)) == 3


def test_a_code_finds_its_card_and_is_in_no_address(console: Console, viewer: Visitor, paid: dict[str, str]) -> None:
    found = viewer.post("/transactions/card", provider="acme", code=CODE)
    assert found.status_code == 303
    assert CODE not in found.headers["Location"]
    page = viewer.client.get(found.headers["Location"].removeprefix("/-/console"))
    assert orders(page.text) == ["1532-02", "1532-01"]
    assert CODE not in page.text


def test_a_code_that_no_card_has_is_not_shown_again(console: Console, viewer: Visitor) -> None:
    page = viewer.post("/transactions/card", provider="acme", code="NO-SUCH-CODE")
    assert (page.status_code, "No card of acme has this code" in page.text) == (404, True)
    assert "NO-SUCH-CODE" not in page.text
    [entry] = activity.newest(console.installation.parts, 10)
    assert (entry.who, entry.what, entry.about) == ("viewer", "looked for a card: none", "acme")


def test_the_export_has_all_that_fit_and_no_formulas(console: Console, viewer: Visitor, paid: dict[str, str]) -> None:
    console.installation.pay("5.00", "=HYPERLINK(1)")
    page = viewer.get("/transactions.csv", provider="acme")
    assert page.headers["Content-Disposition"] == "attachment; filename=transactions.csv"
    rows = list(csv.DictReader(page.text.splitlines()))
    assert [(row["order_id"], row["amount"], row["settled"], row["state"]) for row in rows] == [
        ("'=HYPERLINK(1)", "5.00", "0.00", "authorized"),
        ("1532-02", "20.00", "20.00", "closed"),
        ("1532-01", "10.00", "0.00", "authorized"),
    ]


def test_the_export_reads_page_by_page(viewer: Visitor, paid: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.admin.transactions.search.ROWS", 1)
    assert len(viewer.get("/transactions.csv").text.splitlines()) == 1 + len(paid)


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    installation = browsing.site.installation
    if language == "en":  # once for all looks
        installation.pay("60.00", "1532540012345-01")
        installation.pay("40.00", "1532540012345-02", settled="15.00")
    browsing.sign_in(Role.VIEWER, language=language, theme=theme)
    browsing.open("/transactions?state=authorized")
    browsing.check_page()
    browsing.picture("transactions")
    browsing.open("/transactions?name=nothing")
    browsing.check_page()

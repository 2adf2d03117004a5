"""A card is found by its code or id; the page says what one can tell a shopper on the phone, and what was refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.admin import activity
from app.admin.people.users import Role
from app.admin.transactions.cards import NEVER_USED
from app.console.pages import cards
from app.ledger.refusals import Reason
from mappers.base import BackendUnavailable, Card, CardStatus, Customer, InsufficientFunds, NewCard, Query
from mappers.deadline import Deadline
from mappers.lightrail_v2.mapper import LightrailV2
from tests.commands.conftest import CODE, Installation

from .browser import LOOKS, Browsing
from .conftest import Console, Visitor

VOUCHER = "VAUCHAR-ACTIVE-100"


@pytest.fixture
def viewer(console: Console) -> Visitor:
    return console.user(Role.VIEWER)


def figures(text: str) -> dict[str, str]:
    """Return the figures of a page, by their names."""
    return dict(re.findall(r"<dt>([^<]*)</dt>\s*<dd>([^<]*)</dd>", text))


def orders(text: str) -> list[str]:
    return re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', text)


def refuse(installation: Installation, code: str = "NO-SUCH-CODE-4711") -> None:
    """Search by a code that finds nothing to pay with, as VTEX would."""
    acme = installation.parts.registry.get("acme")
    assert acme is not None
    assert installation.parts.cards.search(acme, Query(code), Deadline.after(5)) == []


def silent(*_arguments: Any) -> Any:
    raise BackendUnavailable("no answer within 5 s")


def test_a_code_leads_to_its_card_and_is_in_no_address(console: Console, viewer: Visitor) -> None:
    found = viewer.post("/cards/code", provider="acme", code=CODE)
    assert found.status_code == 303
    assert found.headers["Location"].endswith(f"/cards?provider=acme&card={console.installation.card()}")
    page = viewer.get(found.headers["Location"].removeprefix("/-/console"))
    assert "The card can pay." in page.text
    assert CODE not in page.text
    assert [one.what for one in activity.newest(console.installation.parts, 10)] == ["looked for a card"]


@pytest.mark.parametrize(("provider", "code"), [("acme", CODE), ("vouch", VOUCHER), ("acme", "NO-SUCH-CODE")])
def test_a_code_is_in_no_line_of_the_log(viewer: Visitor, provider: str, code: str) -> None:
    with capture_logs() as lines:
        viewer.post("/cards/code", provider=provider, code=code)
    assert code not in str(lines)


def test_a_card_shows_what_it_can_pay_and_which_orders_reserve_it(console: Console, viewer: Visitor) -> None:
    pay = console.installation.pay
    pay("60.00", "1532-01", provider="vouch", code=VOUCHER)
    pay("10.00", "1532-02", provider="vouch", code=VOUCHER, settled="10.00")
    page = viewer.get("/cards", provider="vouch", card=console.installation.card(VOUCHER, "vouch")).text
    assert figures(page) == figures(page) | {
        "Can be spent now": "R$30.00",
        "Balance at the backend": "R$90.00",
        "Reserved here for orders": "R$60.00",
        "Pays for": "anybody",
    }
    assert orders(page) == ["1532-01", "1532-02", "1532-01"]  # what reserves, then the history


def test_a_card_without_an_end_says_so(console: Console, viewer: Visitor) -> None:
    ends, endless = console.installation.card(), console.installation.card("LIGHT-ACTIVE-100")
    assert figures(viewer.get("/cards", provider="acme", card=endless).text)["End date"] == "it has none"
    assert "End date</dt><dd><time" in viewer.get("/cards", provider="acme", card=ends).text


def test_what_the_backend_reserves_is_off_the_balance_already(console: Console, viewer: Visitor) -> None:
    console.installation.pay("60.00")
    page = viewer.get("/cards", provider="acme", card=console.installation.card()).text
    assert figures(page)["Reserved at the backend for orders, off the balance already"] == "R$60.00"
    assert figures(page)["Can be spent now"] == "R$190.00"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("LIGHT-FROZEN", "The card is frozen"),
        ("LIGHT-CANCELED", "The card was canceled"),
        ("LIGHT-EXPIRED", "The card has expired."),
        ("LIGHT-ZERO", "Nothing is left on the card."),
    ],
)
def test_why_a_card_cannot_pay_is_said_in_a_sentence(console: Console, viewer: Visitor, code: str, said: str) -> None:
    page = viewer.get("/cards", provider="acme", card=console.installation.card(code)).text
    assert (said in page, "cannot pay" in page) == (True, True)


def test_a_card_of_which_all_is_reserved_says_so(console: Console, viewer: Visitor) -> None:
    console.installation.pay("100.00", provider="vouch", code=VOUCHER)
    page = viewer.get("/cards", provider="vouch", card=console.installation.card(VOUCHER, "vouch")).text
    assert "All that is on the card is reserved for orders." in page


def test_every_status_and_reason_has_a_sentence() -> None:
    assert cards.STATUSES.keys() == set(CardStatus)
    assert cards.REASONS.keys() == set(Reason)


def test_a_card_of_one_customer_says_so_and_names_nobody(console: Console, viewer: Visitor) -> None:
    acme = console.installation.parts.registry.get("acme")
    assert acme is not None
    customer = Customer("ana@example.com", email="ana@example.com")
    new = NewCard("key-1", "relation", restricted_to_owner=True, multiple_redemptions=False, customer=customer)
    issued = acme.mapper.issue(new, Deadline.after(5)).card
    page = viewer.get("/cards", provider="acme", card=issued.id).text
    assert figures(page)["Pays for"] == "only the customer it was issued for"
    assert figures(page)["Issued for"] == "one payment"
    assert "ana@example.com" not in page


def test_a_code_that_finds_nothing_says_what_to_check(console: Console, viewer: Visitor) -> None:
    page = viewer.post("/cards/code", provider="acme", code="NO-SUCH-CODE")
    assert (page.status_code, "No card of acme has this code." in page.text) == (404, True)
    assert "Ask for the code again, sign by sign" in page.text
    assert "NO-SUCH-CODE" not in page.text
    [entry] = activity.newest(console.installation.parts, 10)
    assert (entry.who, entry.what, entry.about) == ("viewer", "looked for a card: none", "acme")


@pytest.mark.parametrize("status", NEVER_USED)
def test_a_card_that_is_never_used_is_in_no_address(
    viewer: Visitor, monkeypatch: pytest.MonkeyPatch, status: CardStatus
) -> None:
    card = Card(CODE, 1000, "BRL", status, "****-250")
    monkeypatch.setattr(LightrailV2, "find", lambda mapper, query, deadline: [card])
    page = viewer.post("/cards/code", provider="acme", code=CODE)
    assert (page.status_code, CODE in page.text) == (404, False)
    assert str(cards.STATUSES[status])[:20] in page.text


def test_a_backend_that_is_silent_says_so_when_a_code_is_typed(
    viewer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LightrailV2, "find", silent)
    page = viewer.post("/cards/code", provider="acme", code=CODE)
    assert (page.status_code, "does not answer" in page.text) == (503, True)
    assert CODE not in page.text


def test_a_backend_that_is_silent_leaves_what_is_known_here(
    console: Console, viewer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.installation.pay("60.00", "1532-01", provider="vouch", code=VOUCHER)
    card = console.installation.card(VOUCHER, "vouch")
    vouch = console.installation.parts.registry.get("vouch")
    assert vouch is not None
    monkeypatch.setattr(type(vouch.mapper), "get_card", silent)
    page = viewer.get("/cards", provider="vouch", card=card)
    assert (page.status_code, "The backend of vouch does not answer" in page.text) == (200, True)
    assert figures(page.text) == {"Reserved here for orders": "R$60.00"}
    assert orders(page.text) == ["1532-01"]


def test_a_card_of_which_nothing_is_known_here_is_shown_without_its_backend(
    console: Console, viewer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = console.installation.card()
    for call in ("get_card", "statement"):  # the second is asked for what Redis may have lost
        monkeypatch.setattr(LightrailV2, call, silent)
    page = viewer.get("/cards", provider="acme", card=card)
    assert (page.status_code, "No transaction of this card is known here." in page.text) == (200, True)


def test_an_id_that_no_card_has_is_told(viewer: Visitor) -> None:
    page = viewer.get("/cards", provider="acme", card="no-such-card")
    assert (page.status_code, "acme has no card with this id." in page.text) == (404, True)


@pytest.mark.parametrize("path", ["/cards?provider=other&card=x", "/cards/refused?provider=other"])
def test_a_provider_that_is_not_there_has_no_page(viewer: Visitor, path: str) -> None:
    assert viewer.get(path).status_code == 404


def test_a_provider_that_is_not_there_has_no_codes(viewer: Visitor) -> None:
    assert viewer.post("/cards/code", provider="other", code=CODE).status_code == 404


def test_the_history_goes_on_where_the_page_before_ended(
    console: Console, viewer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "ON_A_PAGE", 1)
    for number in range(3):
        console.installation.pay("10.00", f"1532-0{number}", settled="10.00")
    found, path = [], f"/cards?provider=acme&card={console.installation.card()}"
    while path:
        page = viewer.get(path).text
        found += orders(page)
        following = re.search(r'href="/-/console([^"]*)" rel="next"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert found == ["1532-02", "1532-01", "1532-00"]


def test_what_was_refused_is_listed_with_why(console: Console, viewer: Visitor) -> None:
    refuse(console.installation)
    refuse(console.installation, "LIGHT-FROZEN")
    with pytest.raises(InsufficientFunds):
        console.installation.pay("999.00", "1532-01")
    text = viewer.get("/cards/refused").text
    for told in ("****4711", "No card has this code", "The card is frozen", "Less is left", "R$999.00", "1532-01"):
        assert told in text
    assert text.index("Less is left") < text.index("The card is frozen") < text.index("No card has this code")
    assert "NO-SUCH-CODE-4711" not in text
    assert "1532-01" in viewer.get("/cards/refused", provider="acme").text
    assert "Nothing was refused lately" in viewer.get("/cards/refused", provider="vouch").text


def test_what_was_refused_of_a_card_stands_on_its_page(console: Console, viewer: Visitor) -> None:
    refuse(console.installation)
    with pytest.raises(InsufficientFunds):
        console.installation.pay("999.00", "1532-01")
    text = viewer.get("/cards", provider="acme", card=console.installation.card()).text
    assert ("Less is left" in text, "No card has this code" in text) == (True, False)


def test_a_long_list_of_what_was_refused_has_pages(
    console: Console, viewer: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "REFUSED_ON_A_PAGE", 2)
    for number in range(3):
        refuse(console.installation, f"NO-SUCH-CODE-400{number}")
    first = viewer.get("/cards/refused", provider="acme").text
    assert re.findall(r"\*\*\*\*(\d+)", first) == ["4002", "4001"]
    following = re.search(r'href="/-/console([^"]*)" rel="next"', first)
    assert following
    assert re.findall(r"\*\*\*\*(\d+)", viewer.get(following[1].replace("&amp;", "&")).text) == ["4000"]


@pytest.mark.parametrize("skip", ["-1", "x", "9" * 30])
def test_a_place_that_makes_no_sense_does_no_harm(viewer: Visitor, skip: str) -> None:
    assert viewer.get("/cards/refused", skip=skip).status_code == 200


@pytest.mark.parametrize(("language", "theme"), LOOKS)
def test_everybody_can_use_it(browsing: Browsing, language: str, theme: str) -> None:
    installation = browsing.site.installation
    if language == "en":  # once for all looks
        installation.pay("60.00", "1532540012345-01", provider="vouch", code=VOUCHER)
        refuse(installation)
        refuse(installation, "LIGHT-FROZEN")
        with pytest.raises(InsufficientFunds):
            installation.pay("999.00", "1532540012345-02", provider="vouch", code=VOUCHER)
    browsing.sign_in(language=language, theme=theme)
    browsing.open("/cards")
    browsing.check_page()
    browsing.page.locator("select[name=provider]").first.select_option("vouch")
    browsing.page.locator("input[name=code]").fill(VOUCHER)
    browsing.page.locator("form[action$='/cards/code'] button").click()
    browsing.page.get_by_text("1532540012345-01").first.wait_for()
    assert VOUCHER not in browsing.page.url
    browsing.check_page()
    browsing.picture("card")
    browsing.open("/cards/refused")
    browsing.check_page()
    browsing.picture("refused")

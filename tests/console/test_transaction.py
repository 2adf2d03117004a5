"""One transaction: what is shown of it, and that what is done by hand is done exactly once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.admin import activity
from app.admin.people import users
from app.admin.people.users import Role
from app.admin.transactions.by_hand import NotPossible
from app.admin.transactions.views import ActView, summary
from app.admin.transactions.views import show as story_of

from .conftest import PASSWORD, Console, Visitor


@pytest.fixture
def operator(console: Console) -> Visitor:
    return console.user(Role.OPERATOR)


def request_id_of(page: TestResponse) -> str:
    found = re.search(r'name="request_id" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def shown_amount(page: TestResponse) -> str:
    found = re.search(r'name="confirmed" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def act(visitor: Visitor, transaction: str, action: str, amount: str, **form: Any) -> TestResponse:
    """Fill in the form of an action, read what it will do, and confirm it."""
    path = f"/transactions/{transaction}/{action}"
    sent = {"amount": amount, "reason": "the shopper called", "request_id": request_id_of(visitor.get(path)), **form}
    confirming = visitor.post(path, **sent)
    assert confirming.status_code == 200, confirming.text
    return visitor.post(path, confirmed=shown_amount(confirming), **sent)


def amounts(console: Console, transaction: str) -> dict[str, Decimal]:
    one = summary(console.installation.record(transaction))
    return {"settled": one.settled, "voided": one.voided, "refunded": one.refunded, "reserved": one.reserved}


def acts(console: Console, transaction: str) -> tuple[ActView, ...]:
    return story_of(console.installation.parts, console.installation.record(transaction)).acts


def test_a_stuck_order_is_settled_and_partly_refunded(console: Console, operator: Visitor) -> None:
    order = console.installation.pay("60.00", "1532-01")
    before = console.installation.at_the_backend()
    assert act(operator, order, "settle", "40.00").status_code == 303
    page = operator.get(f"/transactions/{order}")
    assert "Done: R$40.00." in page.text
    assert act(operator, order, "void", "20.00").status_code == 303
    assert act(operator, order, "refund", "15.00").status_code == 303
    assert amounts(console, order) == {
        "settled": Decimal("40.00"),
        "voided": Decimal("20.00"),
        "refunded": Decimal("15.00"),
        "reserved": Decimal("0.00"),
    }
    assert console.installation.at_the_backend() - before == 2000 + 1500
    assert {one.by for one in acts(console, order)[1:]} == {"operator"}
    page = operator.get(f"/transactions/{order}")
    assert "the shopper called" in page.text
    found = activity.newest(console.installation.parts, 9)
    assert [(one.what, one.about, one.details["amount"], one.details["outcome"]) for one in found] == [
        ("refund", order, "15.00 BRL", "done"),
        ("void", order, "20.00 BRL", "done"),
        ("settle", order, "40.00 BRL", "done"),
    ]


@pytest.mark.parametrize(
    ("action", "amount", "effect"),
    [
        ("settle", "40.00", "Takes R$40.00 of the R$60.00 that are reserved, at acme. R$20.00 stay reserved until "),
        ("settle", "60.00", "Takes R$60.00 of the R$60.00 that are reserved, at acme. Nothing stays reserved."),
        ("void", "10.00", "Gives R$10.00 of the R$60.00 that are reserved back to the card, at acme. R$50.00 stay"),
    ],
)
def test_the_exact_effect_is_shown_before_anything_is_done(
    console: Console, operator: Visitor, action: str, amount: str, effect: str
) -> None:
    order = console.installation.pay("60.00")
    path = f"/transactions/{order}/{action}"
    form = {"amount": amount, "reason": "x", "request_id": request_id_of(operator.get(path))}
    assert effect in operator.post(path, **form).text
    assert len(acts(console, order)) == 1


def test_a_form_that_is_sent_twice_moves_money_once(console: Console, operator: Visitor) -> None:
    order = console.installation.pay("60.00")
    path = f"/transactions/{order}/settle"
    form = {"amount": "20.00", "reason": "x", "request_id": request_id_of(operator.get(path)), "confirmed": "20.00"}
    for _ in range(3):
        assert operator.post(path, **form).status_code == 303
    assert "This form was sent before: nothing moved twice." in operator.get(f"/transactions/{order}").text
    assert len(acts(console, order)) == 2
    assert len(activity.newest(console.installation.parts, 9)) == 1


def test_the_same_in_another_tab_is_asked_about(console: Console, operator: Visitor) -> None:
    order = console.installation.pay("60.00")
    act(operator, order, "settle", "20.00")
    path = f"/transactions/{order}/settle"
    form = {"amount": "20.00", "reason": "x", "request_id": request_id_of(operator.get(path)), "confirmed": "20.00"}
    asked = operator.post(path, **form)
    assert (asked.status_code, "operator did the same a short while ago:" in asked.text) == (409, True)
    assert amounts(console, order)["settled"] == Decimal("20.00")
    assert operator.post(path, **form, again="yes").status_code == 303
    assert amounts(console, order)["settled"] == Decimal("40.00")


@pytest.mark.parametrize("request_id", ["", "settle-order-1", "console-", "by-hand-0123456789abcdef"])
def test_no_form_takes_the_name_of_what_vtex_asks_for(console: Console, operator: Visitor, request_id: str) -> None:
    order = console.installation.pay("60.00")
    form = {"amount": "20.00", "reason": "x", "request_id": request_id, "confirmed": "20.00"}
    assert operator.post(f"/transactions/{order}/settle", **form).status_code == 400
    assert len(acts(console, order)) == 1


@pytest.mark.parametrize(
    ("amount", "reason", "says"),
    [
        ("60.01", "x", "at most R$60.00"),
        ("1e2", "x", "This is no amount."),
        ("0,00", "x", "This is no amount."),
        ("0.00", "x", "The amount must be above zero."),
        ("0.001", "x", "the amount is finer than BRL allows (2 digits)"),
        ("10.00", " ", "Say why"),
    ],
)
def test_a_form_that_is_wrong_comes_back_with_what_is_wrong(
    console: Console, operator: Visitor, amount: str, reason: str, says: str
) -> None:
    order = console.installation.pay("60.00")
    path = f"/transactions/{order}/settle"
    form = {"amount": amount, "reason": reason, "request_id": request_id_of(operator.get(path)), "confirmed": amount}
    page = operator.post(path, **form)
    assert (page.status_code, says in page.text, 'aria-invalid="true"' in page.text) == (422, True, True)
    assert f'value="{amount}"' in page.text
    assert len(acts(console, order)) == 1


def test_an_amount_is_read_in_the_language_of_the_page(console: Console) -> None:
    order = console.installation.pay("60.00")
    ana = console.user(Role.OPERATOR, "ana", language="pt_BR")
    assert act(ana, order, "settle", "40,50").status_code == 303
    assert amounts(console, order)["settled"] == Decimal("40.50")
    assert "Feito: R$\xa040,50." in ana.get(f"/transactions/{order}").text


def test_what_was_confirmed_in_one_language_is_not_done_as_read_in_another(console: Console) -> None:
    order = console.installation.pay("60.00")
    ana, path = console.user(Role.OPERATOR, "ana", language="en"), f"/transactions/{order}/settle"
    form = {"amount": "1.500", "reason": "x", "request_id": request_id_of(ana.get(path))}
    confirmed = shown_amount(ana.post(path, **form))
    users.prefer(console.installation.parts, "ana", language="pt_BR", theme="", zone="")
    form["amount"] = "20,000"  # 20 in the language of now
    asked = ana.post(path, **form, confirmed=confirmed)
    assert (asked.status_code, shown_amount(asked), len(acts(console, order))) == (200, "20.000", 1)
    assert ana.post(path, **form, confirmed="20.000").status_code == 303
    assert amounts(console, order)["settled"] == Decimal("20.00")


def test_a_large_amount_needs_the_password_again(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, order = console.installation.parts, console.installation.pay("60.00")
    ana = console.user(Role.OPERATOR, "ana")
    users.change_password(parts, "ana", PASSWORD)
    object.__setattr__(parts.settings, "console_password_above", 20)
    path = f"/transactions/{order}/settle"
    assert act(ana, order, "settle", "20.00").status_code == 303
    form = {"amount": "20.01", "reason": "x", "request_id": request_id_of(ana.get(path))}
    assert 'type="password"' in ana.post(path, **form).text
    for password in ("", "not the password"):
        refused = ana.post(path, **form, confirmed="20.01", password=password)
        assert (refused.status_code, len(acts(console, order))) == (403, 2)
        forget_tries(console)
    assert ana.post(path, **form, confirmed="20.01", password=PASSWORD).status_code == 303
    assert amounts(console, order)["settled"] == Decimal("40.01")


def forget_tries(console: Console) -> None:
    documents, connection = console.installation.parts.documents, console.installation.parts.connection
    for name in connection.call(lambda client: list(client.scan_iter("gb:note:sign-in*"))):
        documents.forget(name.removeprefix("gb:note:"))


def test_how_it_stands_is_said_in_words_one_can_say_on_the_phone(console: Console, operator: Visitor) -> None:
    order = console.installation.pay("60.00")
    stands = []
    for action, amount in ((None, ""), ("settle", "40.00"), ("void", "20.00"), ("refund", "15.00")):
        if action:
            act(operator, order, action, amount)
        page = operator.get(f"/transactions/{order}").text
        stands += re.findall(r"</strong>\. ([^<]*?)\s*(?:The reservation ends|</p>)", page)
    assert stands == [
        "All of it is reserved on the card; nothing was taken yet.",
        "R$40.00 were taken, R$20.00 are still reserved.",
        "R$40.00 were taken, R$20.00 went back to the card.",
        "R$40.00 were taken, R$35.00 went back to the card.",
    ]


def test_the_bar_shows_what_became_of_the_amount(console: Console, operator: Visitor) -> None:
    order = console.installation.pay("60.00", settled="30.00")
    act(operator, order, "void", "15.00")
    page = operator.get(f"/transactions/{order}").text
    bars = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="0" width="([\d.]+)"', page)
    assert bars == [
        ("rest", "0", "100"),
        ("taken", "0.000", "50.000"),
        ("voided", "50.000", "25.000"),
        ("held", "75.000", "25.000"),
    ]
    assert re.findall(r"<dt><span[^>]*></span>([^<]*)</dt><dd>([^<]*)</dd>", page) == [
        ("Settled and kept", "R$30.00"),
        ("Refunded", "R$0.00"),
        ("Given back unused", "R$15.00"),
        ("Still reserved", "R$15.00"),
    ]


def test_only_what_is_possible_is_offered(console: Console, operator: Visitor) -> None:
    reserved, settled = console.installation.pay("60.00"), console.installation.pay("5.00", "b", settled="5.00")
    assert offered(operator, reserved) == ["settle", "void"]
    assert offered(operator, settled) == ["refund"]
    assert offered(console.user(Role.VIEWER), reserved) == []
    gone = operator.get(f"/transactions/{settled}/settle")
    assert (gone.status_code, gone.headers["Location"]) == (303, f"/-/console/transactions/{settled}")


def offered(visitor: Visitor, transaction: str) -> list[str]:
    page = visitor.get(f"/transactions/{transaction}").text
    return re.findall(rf'class="button[^"]*" href="/-/console/transactions/{transaction}/(\w+)"', page)


def test_a_lost_answer_is_told_as_what_it_is_and_found_out_later(console: Console, operator: Visitor) -> None:
    order, faults = console.installation.pay("60.00"), console.installation.backend.faults
    faults.add("status_after", method="POST", path="capture", status=500, times=1)
    faults.add("status", method="GET", path="transactions", status=503, times=50)
    act(operator, order, "settle", "40.00")
    page = operator.get(f"/transactions/{order}").text
    assert "The answer was lost: it may have happened" in page
    assert "What became of the last of it is not known yet." in page
    assert activity.newest(console.installation.parts, 1)[0].details["outcome"] == "unknown"
    assert amounts(console, order)["settled"] == Decimal("0.00")
    operator.post(f"/transactions/{order}/resolve")
    assert "It is still not known" in operator.get(f"/transactions/{order}").text
    faults.clear()
    operator.post(f"/transactions/{order}/resolve")
    assert "It is known now." in operator.get(f"/transactions/{order}").text
    assert amounts(console, order)["settled"] == Decimal("40.00")
    assert [one.what for one in activity.newest(console.installation.parts, 9)] == ["resolve", "resolve", "settle"]


def test_a_refusal_says_that_no_money_moved(
    console: Console, operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = console.installation.pay("60.00")

    def refuse(*_arguments: object) -> None:
        raise NotPossible("the hold is gone")

    monkeypatch.setattr("app.ledger.service.LedgerService.settle", refuse)
    act(operator, order, "settle", "10.00")
    assert "It was refused, and no money moved. (the hold is gone)" in operator.get(f"/transactions/{order}").text
    assert activity.newest(console.installation.parts, 1)[0].details["outcome"] == "refused"


def test_a_transaction_is_found_by_its_order_and_several_are_listed(console: Console, operator: Visitor) -> None:
    first = console.installation.pay("10.00", "1532-01")
    console.installation.pay("10.00", "1532-02")
    assert first in operator.get("/transactions/1532-01").text
    assert operator.get("/transactions/1532").headers["Location"] == "/-/console/transactions?name=1532"
    missing = operator.get("/transactions/1999")
    assert (missing.status_code, "There is no such transaction" in missing.text) == (404, True)


def test_nothing_is_asked_where_all_is_known(console: Console, operator: Visitor) -> None:
    order = console.installation.pay("60.00")
    operator.post(f"/transactions/{order}/resolve")
    assert "nothing of it is unresolved" in operator.get(f"/transactions/{order}").text


def test_the_same_form_from_many_at_once_moves_money_once(console: Console) -> None:
    order, before = console.installation.pay("60.00"), console.installation.at_the_backend()
    ana = console.user(Role.OPERATOR, "ana")
    path = f"/transactions/{order}/settle"
    form = {"amount": "20.00", "reason": "x", "request_id": request_id_of(ana.get(path)), "confirmed": "20.00"}
    tabs = [console.user(Role.OPERATOR, "ana") for _ in range(8)]
    with ThreadPoolExecutor(len(tabs)) as at_once:
        assert {answer.status_code for answer in at_once.map(lambda tab: tab.post(path, **form), tabs)} == {303}
    assert amounts(console, order)["settled"] == Decimal("20.00")
    assert len(acts(console, order)) == 2
    console.installation.run("transactions", "void", order, "--yes")
    assert console.installation.at_the_backend() - before == 4000

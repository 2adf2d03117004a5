"""A card is shown as its backend has it, with what is held of it; its code is never seen."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from mappers.base import Customer, InsufficientFunds, NewCard, Query
from mappers.deadline import Deadline

from .conftest import CODE, Installation


def test_a_card_shows_what_the_backend_says_and_what_reserves_it(installation: Installation) -> None:
    transaction = installation.pay("60.00")
    card = installation.json("cards", "show", "acme", "--code-stdin", stdin=f"{CODE}\n")
    # This backend holds by itself, so its balance is less already.
    assert (card["balance"], card["reserved_here"], card["spendable"]) == (190, 0, 190)
    assert card["held_there"] == 60
    installation.pay("10.00", order="order-2", settled="4.00")
    shown = installation.run("cards", "show", "acme", "--code-stdin", stdin=f"{CODE}\n").stdout
    assert "66.00 BRL" in next(line for line in shown.splitlines() if line.startswith("Held there"))
    card = installation.json("cards", "show", "acme", "--code-stdin", stdin=f"{CODE}\n")
    assert [one["reserved"] for one in card["transactions"]] == [6, 60]
    assert card["transactions"][1]["id"] == transaction


def test_a_pasted_code_is_read_as_a_shopper_s_is(installation: Installation) -> None:
    pasted = "\ufeff" + CODE.replace("-", "\u2011")
    assert installation.json("cards", "show", "acme", "--code-stdin", stdin=f"{pasted}\n")["balance"] == 250


def test_what_this_service_reserves_is_taken_off(installation: Installation) -> None:
    installation.pay("60.00", provider="vouch", code="VAUCHAR-ACTIVE-100")
    card = installation.json("cards", "show", "vouch", "--code-stdin", stdin="VAUCHAR-ACTIVE-100\n")
    assert (card["balance"], card["reserved_here"], card["spendable"]) == (100, 60, 40)
    assert card["held_there"] == 0


def test_transactions_that_hold_nothing_are_only_counted(installation: Installation) -> None:
    installation.pay("60.00", settled="60.00")
    card = installation.json("cards", "show", "acme", "--code-stdin", stdin=f"{CODE}\n")
    assert (card["transactions"], card["others"]) == ([], 1)


def test_what_a_card_may_be_used_for_is_shown(installation: Installation) -> None:
    acme = installation.parts.registry.get("acme")
    assert acme is not None
    new = NewCard(
        "key-1",
        "relation",
        restricted_to_owner=True,
        multiple_redemptions=False,
        multiple_credits=False,
        customer=Customer("ana@example.com", email="ana@example.com"),
    )
    issued = acme.mapper.issue(new, Deadline.after(5)).card
    shown = fields(installation, "acme", issued.id)
    assert shown["Pays only for"] == "ana@example.com"
    assert shown["Issued for"] == "one payment, one credit"


def test_payments_left_are_shown_and_what_rules_may_forbid(installation: Installation) -> None:
    once = installation.card(code="LIGHT-ONCE-50")
    shown = fields(installation, "acme", once)
    assert shown["Payments left"] == "1"
    assert shown["Can be spent"] == "50.00 BRL, as far as the backend's rules allow"
    plain = fields(installation, "vouch", installation.card(provider="vouch", code="VAUCHAR-ACTIVE-100"))
    assert plain["Can be spent"] == "100.00 BRL"
    assert plain.keys().isdisjoint({"Pays only for", "Issued for", "Payments left"})


def fields(installation: Installation, provider: str, card_id: str) -> dict[str, str]:
    """Return what `cards show` prints on 80 columns, by the names it prints."""
    shown = installation.run("cards", "show", provider, "--card", card_id, COLUMNS="80").stdout
    lines = [re.split(r" {2,}", line.strip(), maxsplit=1) for line in shown.splitlines() if line.strip()]
    return {line[0]: line[1] for line in lines if len(line) == 2}


def test_the_code_is_never_shown(installation: Installation) -> None:
    shown = installation.run("cards", "show", "acme", "--code-stdin", stdin=f"{CODE}\n")
    assert shown.exit_code == 0
    assert "****" in shown.stdout
    assert CODE not in shown.output


def test_a_card_is_found_by_its_id_too(installation: Installation) -> None:
    assert installation.json("cards", "show", "acme", "--card", installation.card())["balance"] == Decimal("250.00")


def test_a_card_that_no_search_shows_says_why(installation: Installation) -> None:
    """Found by its id alone it seems to be in order: only who knows the code sees that the id tells it."""
    model = installation.backend.app.extensions["backend"]
    model.create_value({"id": "gift-SAME-CODE", "currency": "BRL", "code": "SAME-CODE", "balance": 9000})
    card = installation.json("cards", "show", "acme", "--code-stdin", stdin="SAME-CODE\n")
    assert (card["status"], card["spendable"]) == ("not used, as its id tells its code: give it another id", 0)
    assert installation.json("cards", "show", "acme", "--card", "gift-SAME-CODE")["spendable"] == 90


def test_an_unknown_code_is_refused(installation: Installation) -> None:
    assert installation.run("cards", "show", "acme", "--code-stdin", stdin="NO-SUCH-CODE\n").exit_code == 1


def test_without_a_terminal_the_code_must_be_announced(installation: Installation) -> None:
    asked = installation.run("cards", "show", "acme", stdin=f"{CODE}\n")
    assert (asked.exit_code, "--code-stdin" in asked.output) == (2, True)


def test_an_empty_code_is_wrong_usage(installation: Installation) -> None:
    assert installation.run("cards", "show", "acme", "--code-stdin", stdin="").exit_code == 2


def test_an_unknown_provider_is_named_with_those_there_are(installation: Installation) -> None:
    refused = installation.run("cards", "show", "nobody", "--card", "value-001")
    assert (refused.exit_code, "acme, vouch" in refused.stderr) == (1, True)


def test_what_was_refused_is_listed_with_its_reason_and_no_code(installation: Installation) -> None:
    acme = installation.parts.registry.get("acme")
    assert acme is not None
    assert "Nothing was refused" in installation.run("cards", "refused").stdout
    assert installation.parts.cards.search(acme, Query("NO-SUCH-CODE-4711"), Deadline.after(5)) == []
    with pytest.raises(InsufficientFunds):
        installation.pay("999.00", "1532-01")
    payment, search = installation.json("cards", "refused", "--provider", "acme")
    assert (search["what"], search["reason"], search["code_mask"]) == ("search", "no card has this code", "****4711")
    assert (payment["what"], payment["order_id"], payment["amount"]) == ("payment", "1532-01", 999)
    shown = installation.run("cards", "refused").stdout
    for told in ("****4711", "999.00 BRL", "1532-01", "too little is left on it"):
        assert told in shown
    [only] = installation.json("cards", "refused", "--provider", "acme", "--card", payment["card"])
    assert only == payment
    assert "NO-SUCH-CODE-4711" not in "".join(installation.outputs)


def test_a_card_belongs_to_its_provider(installation: Installation) -> None:
    assert "--provider beside --card" in installation.run("cards", "refused", "--card", "value-002").output
    assert "no provider other" in installation.run("cards", "refused", "--provider", "other").output

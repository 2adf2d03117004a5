"""Refused settlements and cancellations are listed, counted, and told with what can still be done about them."""

from __future__ import annotations

import shlex

import pytest

from app.ledger import names
from app.ledger.service import ChangeRequest
from app.ledger.storage import keys
from mappers.base import InsufficientFunds, MapperError
from mappers.deadline import Deadline
from tests.money import minor

from .conftest import Installation


def frozen(installation: Installation, *, is_so: bool) -> None:
    installation.backend.app.extensions["backend"].by_code("LIGHT-ACTIVE-250")["frozen"] = is_so


@pytest.fixture
def refused(installation: Installation) -> str:
    """A settlement that VTEX asked for while the card was frozen."""
    transaction = installation.pay("60.00")
    frozen(installation, is_so=True)
    provider = installation.parts.registry.get("acme")
    assert provider is not None
    change = ChangeRequest(installation.record(transaction).card_id, transaction, minor("40.00"), "vtex-settles-1")
    with pytest.raises(MapperError):
        installation.parts.ledger.settle(provider, change, Deadline.after(5))
    frozen(installation, is_so=False)
    return transaction


def listed(installation: Installation, state: str) -> list[str]:
    found = installation.json("transactions", "list", "--state", state)
    return [one["id"] for one in found["transactions"]]


def test_it_is_listed(installation: Installation, refused: str) -> None:
    installation.pay("1.00", order="order-2")
    assert listed(installation, "refused") == [refused]
    assert listed(installation, "declined") == []


def test_a_declined_payment_stands_as_its_filter_is_called(installation: Installation) -> None:
    with pytest.raises(InsufficientFunds):
        installation.pay("9999.00")
    found = installation.json("transactions", "list", "--state", "declined")["transactions"]
    assert [one["state"] for one in found] == ["declined"]


def test_the_doctor_counts_and_names_it(installation: Installation, refused: str) -> None:
    checks = installation.json("doctor", exit_code=1)["checks"]
    (check,) = [check for check in checks if check["name"] == "refused settlements and cancellations"]
    assert (check["ok"], check["problem"]) == (False, f"1: {refused}")


def test_what_is_shown_works(installation: Installation, refused: str) -> None:
    shown = installation.run("transactions", "show", refused).stdout
    again = f"giftbridge transactions settle {refused} --request-id vtex-settles-1"
    assert again in shown
    done = installation.json(*shlex.split(again)[1:], "--yes")
    assert (done["act"]["number"], done["act"]["state"], done["act"]["amount"]) == (1, "done", 40)
    assert listed(installation, "refused") == []
    assert "--give-up" not in installation.run("transactions", "show", refused).stdout


def test_what_never_can_be_done_is_told_no_more(installation: Installation, refused: str) -> None:
    give_up = f"giftbridge transactions resolve {refused} --act 1 --give-up"
    assert give_up in installation.run("transactions", "show", refused).stdout
    assert installation.run(*shlex.split(give_up)[1:]).exit_code == 0
    assert listed(installation, "refused") == []


def test_a_refund_behind_a_void_that_was_refused_is_told_what_may_work(installation: Installation) -> None:
    """To void it first, as it was told before, is refused; and after that it was told to refund."""
    transaction = installation.pay("60.00", settled="40.00")
    frozen(installation, is_so=True)
    assert installation.run("transactions", "void", "--yes", transaction).exit_code == 1
    refused = installation.run("transactions", "refund", "--yes", transaction, "--value", "10.00")
    assert "only cancel without a value" in refused.stderr
    frozen(installation, is_so=False)
    assert installation.run("transactions", "cancel", "--yes", transaction).exit_code == 0
    assert installation.at_the_backend() == 25_000


def test_the_rest_of_a_card_that_ended_keeps_no_refund_waiting(installation: Installation) -> None:
    """Lightrail adds nothing to a card that has ended, but reverses all that was taken."""
    transaction = installation.pay("60.00", settled="40.00")
    value = installation.backend.app.extensions["backend"].by_code("LIGHT-ACTIVE-250")
    value["endDate"] = "2020-01-01T00:00:00.000Z"
    record = installation.record(transaction)
    due = keys.in_bucket(names.bucket_of_card(record.card_id), "due")
    installation.parts.connection.call(lambda client: client.zadd(due, {transaction: 0}))
    assert dict(installation.parts.sweeper.sweep_once().counts) == {"refused": 1}
    assert listed(installation, "refused") == [transaction]
    shown = installation.run("transactions", "show", transaction).stdout
    assert "The service tries it again once a day." in shown
    provider = installation.parts.registry.get("acme")
    assert provider is not None
    change = ChangeRequest(record.card_id, transaction, minor("60.00"), "vtex-refunds-1")
    installation.parts.ledger.cancel(provider, change, Deadline.after(5))
    assert value["balance"] == 25_000
    assert listed(installation, "refused") == []

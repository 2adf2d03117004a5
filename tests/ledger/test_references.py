"""What a person names by the backend's own id is read there before it is believed: it may be anything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.ledger.errors import Unresolved
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import ActState, Operation
from mappers.base import Conflict, Holds, MapperError, Receipt, Step
from mappers.deadline import Deadline
from tests.ledger.sandbox_system import SandboxSystem, lightrail_v1_system, lightrail_v2_system
from tests.ledger.system import MakeSystem
from tests.money import minor

KINDS = ("vauchar", "vauchar_without_ids", "voucherify")


@pytest.fixture(params=KINDS)
def system(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def redemptions(system: SandboxSystem) -> list[str]:
    """The ids of the card's redemptions at the backend, oldest first."""
    if hasattr(system.card, "redemptions"):
        return list(system.card.redemptions)
    made = system.backend.redemptions.items()
    return [name for name, one in made if one["object"] == "redemption" and one["voucher"]["id"] == system.card.id]


def spend_elsewhere(system: SandboxSystem, value: int, code: str | None = None) -> str:
    """Redeem as a shop would; return the redemption's id."""
    if hasattr(system.card, "redemptions"):
        return str(system.backend.spend_elsewhere(code or system.card.code, Decimal(value)).id)
    return str(system.backend.spend_elsewhere(code or system.card.code, 100 * value)["id"])


@pytest.fixture
def parked(system: SandboxSystem, monkeypatch: pytest.MonkeyPatch) -> str:
    """A settlement of 20 after one of 20; it was redeemed, and the backend does not tell."""
    transaction = system.authorize("60")
    system.settle(transaction, "20", "s1")
    with system.undecidable(monkeypatch), pytest.raises(Unresolved):
        system.settle(transaction, "20", "s2")
    return transaction


def expect_refused(system: SandboxSystem, transaction: str, reference: str, why: type[Exception] = Conflict) -> None:
    with pytest.raises(why):
        system.decide(transaction, happened=True, reference=reference)
    assert system.states(transaction)[-1] is ActState.PARKED


def test_a_redemption_cannot_be_confirmed_without_its_id(system: SandboxSystem, parked: str) -> None:
    expect_refused(system, parked, "", Unresolved)


def test_an_id_that_the_backend_does_not_know_is_refused(system: SandboxSystem, parked: str) -> None:
    expect_refused(system, parked, "a-typing-error", MapperError)


def test_a_redemption_of_another_amount_is_refused(system: SandboxSystem, parked: str) -> None:
    expect_refused(system, parked, spend_elsewhere(system, 30))


def test_a_redemption_of_another_card_is_refused(system: SandboxSystem, parked: str) -> None:
    if hasattr(system.card, "redemptions"):
        system.backend.add("OTHER", Decimal(100), "BRL")
    else:
        system.backend.add(10_000, "OTHER")
    expect_refused(system, parked, spend_elsewhere(system, 20, "OTHER"), MapperError)


def test_what_another_step_did_is_refused(system: SandboxSystem, parked: str) -> None:
    """Where the backend shows no keys, the ledger's own receipts tell."""
    expect_refused(system, parked, redemptions(system)[0])


def test_what_a_step_of_another_order_did_is_refused(system: SandboxSystem, parked: str) -> None:
    request = system.system.authorization_request("20.00", "order-2")
    request = type(request)(system.card.id, request.operation, request.amount, request.request_id)
    other = system.system.ledger.authorize(system.provider, request, system.system.deadline(10))
    system.settle(other, "20", "s1")
    expect_refused(system, parked, redemptions(system)[-1])


def test_what_a_step_of_another_provider_on_the_account_did_is_refused(system: SandboxSystem, parked: str) -> None:
    other = replace(system.provider, id="beside", account=system.provider.backend.account)
    deadline = system.system.deadline(10)
    request = AuthorizationRequest(system.card.id, Operation.DEBIT, minor("20"), "order-2")
    transaction = system.system.ledger.authorize(other, request, deadline)
    change = ChangeRequest(system.card.id, transaction, minor("20"), "s1")
    system.system.ledger.settle(other, change, deadline)
    expect_refused(system, parked, redemptions(system)[-1])


def test_the_redemption_itself_is_believed_and_given_back_once(system: SandboxSystem, parked: str) -> None:
    system.decide(parked, happened=True, reference=redemptions(system)[1])
    assert system.states(parked) == [ActState.DONE] * 3
    system.cancel(parked, "60", "c1")
    assert system.mapper.get_card(system.card.id, system.system.deadline(10)).balance == 10_000


def test_a_redemption_that_was_rolled_back_is_refused(
    voucherify: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = voucherify.authorize("60")
    with voucherify.undecidable(monkeypatch), pytest.raises(Unresolved):
        voucherify.settle(transaction, "20", "s1")
    (redemption,) = redemptions(voucherify)
    voucherify.backend.roll_back(redemption, {}, through_parent=False)
    expect_refused(voucherify, transaction, redemption)


# Holds, which are ended by their id


@pytest.fixture(params=[lightrail_v1_system, lightrail_v2_system], ids=["lightrail_v1", "lightrail_v2"])
def light(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with request.param(make_system(Holds.NATIVE)) as system:
        yield system


def receipts_of(system: SandboxSystem, monkeypatch: pytest.MonkeyPatch) -> list[Receipt]:
    """What the backend answers from now on."""
    run = system.mapper.run
    seen: list[Receipt] = []

    def noted(step: Step, deadline: Deadline) -> Receipt:
        seen.append(run(step, deadline))
        return seen[-1]

    monkeypatch.setattr(system.mapper, "run", noted)
    return seen


def test_a_hold_cannot_be_confirmed_without_its_id(light: SandboxSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing could end it then."""
    made = receipts_of(light, monkeypatch)
    with light.undecidable(monkeypatch), pytest.raises(Unresolved):
        light.authorize("60")
    transaction = light.system.parts.index.parked()[0]
    expect_refused(light, transaction, "", Unresolved)
    light.decide(transaction, happened=True, reference=made[0].reference)
    light.cancel(transaction, "60", "c1")
    assert light.spendable == 10_000


def test_what_took_the_money_cannot_be_confirmed_without_its_id(
    light: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its id is seen whether others gave it back."""
    transaction = light.authorize("60")
    with light.undecidable(monkeypatch), pytest.raises(Unresolved):
        light.settle(transaction, "60", "s1")
    expect_refused(light, transaction, "", Unresolved)

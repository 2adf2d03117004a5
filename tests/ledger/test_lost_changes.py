"""A failover loses the last changes, and VTEX repeats its request, before backends whose repeats are not safe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.ledger.service import AuthorizationRequest
from app.ledger.transaction import Operation
from mappers.base import Holds
from tests.ledger.sandbox_system import SandboxSystem, vauchar_system, voucherify_system
from tests.ledger.system import MakeSystem, System


@pytest.fixture(params=[vauchar_system, voucherify_system], ids=["vauchar", "voucherify"])
def system(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with request.param(make_system(Holds.LEDGER)) as system:
        yield system


@pytest.fixture(params=[vauchar_system, voucherify_system], ids=["vauchar", "voucherify"])
def upfront(request: pytest.FixtureRequest, make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with request.param(make_system(Holds.UPFRONT)) as system:
        yield system


@contextmanager
def lost_changes(system: System) -> Iterator[None]:
    """Let Redis lose what is written meanwhile, as a replica has that takes over behind its primary."""
    client = system.connection._client
    before = system.stored()
    yield
    for key in client.scan_iter("gb:*", count=10_000):
        client.delete(key)
    for key, value in before.items():
        assert value is not None
        client.restore(key, 0, value)


def balance(system: SandboxSystem) -> int:
    return system.mapper.get_card(system.card.id, System.deadline()).balance


def reads(system: SandboxSystem) -> int:
    return sum(request.method == "GET" for request in system.sandbox.requests)


def test_a_repeated_settlement_whose_intent_was_lost_redeems_once(system: SandboxSystem) -> None:
    transaction = system.authorize("40")
    with lost_changes(system.system):
        system.settle(transaction, "40", "s1")
    system.settle(transaction, "40", "s1")
    assert balance(system) == 6000
    assert system.system.record(transaction).captured == 4000


def test_a_repeated_authorization_whose_intent_was_lost_redeems_once(upfront: SandboxSystem) -> None:
    with lost_changes(upfront.system):
        upfront.authorize("40")
    transaction = upfront.authorize("40")
    assert balance(upfront) == 6000
    upfront.cancel(transaction, "40", "c1")
    assert balance(upfront) == 10_000


def test_a_redemption_that_no_longer_stands_is_made_again(upfront: SandboxSystem) -> None:
    """It was made and given back; then all of it was lost, and VTEX pays anew under the same name."""
    with lost_changes(upfront.system):
        upfront.cancel(upfront.authorize("40"), "40", "c1")
    upfront.authorize("40")
    assert balance(upfront) == 6000


def test_value_is_added_once_although_the_intent_was_lost(make_system: MakeSystem) -> None:
    with voucherify_system(make_system(Holds.LEDGER)) as system:
        request = AuthorizationRequest(system.card.id, Operation.CREDIT, 4000, "credit-1")
        with lost_changes(system.system):
            system.system.ledger.authorize(system.provider, request, System.deadline(10))
        system.system.ledger.authorize(system.provider, request, System.deadline(10))
        assert balance(system) == 14_000


def test_a_part_goes_back_once_although_the_intent_was_lost(make_system: MakeSystem) -> None:
    with voucherify_system(make_system(Holds.LEDGER)) as system:
        transaction = system.authorize("40")
        system.settle(transaction, "40", "s1")
        with lost_changes(system.system):
            system.cancel(transaction, "10", "c1")
        system.cancel(transaction, "10", "c1")
        assert balance(system) == 7000


def test_looking_first_costs_voucherify_one_read_and_vauchar_none(system: SandboxSystem) -> None:
    transaction = system.authorize("40")
    before = reads(system)
    system.settle(transaction, "40", "s1")
    assert reads(system) - before == 2

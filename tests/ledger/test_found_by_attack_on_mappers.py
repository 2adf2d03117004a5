"""What an attack found with the real mappers before the ledger, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from app.ledger.errors import Unresolved
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import ActState, Decision, Operation
from mappers.base import Holds, Mapper, MapperError, Receipt, Refused, Step, Undecidable, Verb
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.sandbox import Sandbox, running
from mappers.vauchar import sandbox as vauchar_sandbox
from mappers.vauchar.mapper import Vauchar, VaucharOptions
from mappers.voucherify import sandbox as voucherify_sandbox
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions
from providers.provider import Provider
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import Killed
from tests.money import minor

BRL = Currency.of("BRL")
CODE = "VAUCHAR-ACTIVE-100"


@dataclass
class Shop:
    """A house whose provider has a real mapper, and the stand-in behind it."""

    house: House
    mapper: Mapper
    sandbox: Sandbox
    card: Any

    def __post_init__(self) -> None:
        self.provider: Provider = replace(self.house.provider, mapper=self.mapper)
        self.house.parts.registry.provider = self.provider  # type: ignore[attr-defined]

    @property
    def backend(self) -> Any:
        return self.sandbox.app.extensions["backend"]

    def authorize(self, value: str) -> str:
        request = AuthorizationRequest(self.card.id, Operation.DEBIT, minor(value), "order-1")
        return self.house.ledger.authorize(self.provider, request, House.deadline(10))

    def settle(self, transaction: str, value: str, request_id: str) -> None:
        self.house.ledger.settle(self.provider, self._change(transaction, value, request_id), House.deadline(10))

    def cancel(self, transaction: str, value: str, request_id: str) -> None:
        self.house.ledger.cancel(self.provider, self._change(transaction, value, request_id), House.deadline(10))

    def decide(self, transaction: str, *, happened: bool, reference: str = "") -> None:
        address = self.house.record(transaction).address
        self.house.ledger.decide(self.provider, address, House.deadline(10), Decision("ana", happened, reference))

    def states(self, transaction: str) -> list[ActState]:
        return [act.state for act in self.house.record(transaction).acts]

    @contextmanager
    def undecidable(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Let money move at the backend, which then can neither show nor deny it."""
        run = self.mapper.run

        def cannot_tell(step: Step, deadline: Deadline) -> Receipt:
            receipt = run(step, deadline)
            if step.verb is Verb.LOOK:
                return receipt
            raise Undecidable("it cannot tell")

        def says_nothing(step: Step, deadline: Deadline) -> Receipt | None:
            raise Undecidable("it cannot tell")

        with monkeypatch.context() as broken:
            broken.setattr(self.mapper, "run", cannot_tell)
            broken.setattr(self.mapper, "ask", says_nothing)
            yield

    def _change(self, transaction: str, value: str, request_id: str) -> ChangeRequest:
        return ChangeRequest(self.card.id, transaction, minor(value), request_id)


@contextmanager
def vauchar_shop(house: House) -> Iterator[Shop]:
    with running(vauchar_sandbox.create_app()) as sandbox:
        options = VaucharOptions(**vauchar_sandbox.DEMO_OPTIONS(sandbox.url))
        card = sandbox.app.extensions["backend"].by_code(CODE)
        yield Shop(house, Vauchar("demo", BRL, Holds.LEDGER, options), sandbox, card)


@pytest.fixture
def vauchar(make_house: MakeHouse) -> Iterator[Shop]:
    with vauchar_shop(make_house(Holds.LEDGER)) as shop:
        yield shop


@pytest.fixture
def silent(vauchar: Shop) -> Shop:
    """An account that does not keep the ids it is sent."""
    vauchar.backend.echo_transaction_id = False
    return vauchar


@pytest.fixture
def promising(make_house: MakeHouse) -> Iterator[Shop]:
    """Such an account, and settlements that are promised first."""
    with vauchar_shop(make_house(Holds.LEDGER, settle="accept")) as shop:
        shop.backend.echo_transaction_id = False
        yield shop


@pytest.fixture
def voucherify(make_house: MakeHouse) -> Iterator[Shop]:
    with running(voucherify_sandbox.create_app()) as sandbox:
        options = VoucherifyOptions(**voucherify_sandbox.DEMO_OPTIONS(sandbox.url))
        card = sandbox.app.extensions["backend"].find("VOUCHERIFY-ACTIVE-100")
        yield Shop(make_house(Holds.LEDGER), Voucherify("demo", BRL, Holds.LEDGER, options), sandbox, card)


def test_a_refused_refund_that_is_tried_again_redeems_nothing_twice(vauchar: Shop) -> None:
    transaction = vauchar.authorize("40")
    vauchar.settle(transaction, "40", "s1")
    vauchar.sandbox.faults.add("status", method="DELETE", status=409)
    with pytest.raises(Refused):
        vauchar.cancel(transaction, "10", "c1")
    vauchar.cancel(transaction, "10", "c2")
    vauchar.cancel(transaction, "10", "c1")
    assert vauchar.house.record(transaction).refunded == 2000
    assert vauchar.card.balance == 80


def test_a_refused_refund_that_is_tried_again_rolls_back_what_still_stands(voucherify: Shop) -> None:
    transaction = voucherify.authorize("80")
    voucherify.settle(transaction, "40", "s1")
    voucherify.settle(transaction, "40", "s2")
    for _ in range(2):
        voucherify.sandbox.faults.add("status", method="POST", status=400, body={"key": "not_today"})
    with pytest.raises(Refused):
        voucherify.cancel(transaction, "40", "c1")
    voucherify.cancel(transaction, "40", "c2")
    voucherify.cancel(transaction, "40", "c1")
    assert voucherify.house.record(transaction).refunded == 8000
    assert voucherify.backend.find(voucherify.card.code).balance == 10000


def test_a_refund_that_a_person_made_is_not_counted_again(vauchar: Shop) -> None:
    """The redemption was deleted and its value not put back: a person does that, and says so."""
    transaction = vauchar.authorize("60")
    vauchar.settle(transaction, "40", "s1")
    vauchar.settle(transaction, "20", "s2")
    second = list(vauchar.card.redemptions)[1]
    vauchar.backend.delete_restores = False
    with pytest.raises(Unresolved):
        vauchar.cancel(transaction, "20", "c1")
    vauchar.backend.delete_restores = True
    vauchar.card.balance += 20
    vauchar.decide(transaction, happened=True, reference=second)
    vauchar.cancel(transaction, "20", "c2")
    assert vauchar.house.record(transaction).refunded == 4000
    assert vauchar.card.balance == 80


def test_a_rollback_that_a_person_confirmed_is_not_counted_again(
    voucherify: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = voucherify.authorize("80")
    voucherify.settle(transaction, "40", "s1")
    voucherify.settle(transaction, "40", "s2")
    with voucherify.undecidable(monkeypatch), pytest.raises(Unresolved):
        voucherify.cancel(transaction, "40", "c1")
    rollback = next(name for name in voucherify.backend.redemptions if name.startswith("rr"))
    voucherify.decide(transaction, happened=True, reference=rollback)
    voucherify.cancel(transaction, "40", "c2")
    assert voucherify.house.record(transaction).refunded == 8000
    assert voucherify.backend.find(voucherify.card.code).balance == 10000


@pytest.mark.parametrize("reference", ["", "a-typing-error"])
def test_a_redemption_that_a_person_named_wrongly_is_not_given_back_on_paper(
    vauchar: Shop, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    transaction = vauchar.authorize("40")
    with vauchar.undecidable(monkeypatch), pytest.raises(Unresolved):
        vauchar.settle(transaction, "40", "s1")
    vauchar.decide(transaction, happened=True, reference=reference)
    with pytest.raises(Refused, match="give it back by hand"):
        vauchar.cancel(transaction, "40", "c1")
    assert vauchar.house.record(transaction).refunded == 0


# What a till takes meanwhile, on an account that does not keep our ids.


def test_a_sleepers_old_look_does_not_make_a_tills_purchase_ours(silent: Shop) -> None:
    transaction = silent.authorize("40")
    run, asleep = silent.mapper.run, [True]

    def sleeps_after_its_look(step: Step, deadline: Deadline) -> Receipt:
        receipt = run(step, deadline)
        if step.verb is Verb.LOOK and asleep and asleep.pop():
            silent.house.lose_lease(transaction)
            silent.backend.spend_elsewhere(CODE, Decimal(40))
            silent.sandbox.faults.add("drop_before", method="POST")
            with pytest.raises(MapperError):
                silent.settle(transaction, "40", "s1")
        return receipt

    silent.mapper.run = sleeps_after_its_look  # type: ignore[method-assign]
    with suppress(MapperError, Unresolved):
        silent.settle(transaction, "40", "s1")
    silent.house.lose_lease(transaction)
    silent.settle(transaction, "40", "s1")
    assert silent.card.balance == 20


def test_what_was_refused_is_not_found_in_a_later_purchase(promising: Shop) -> None:
    transaction = promising.authorize("40")
    promising.settle(transaction, "40", "s1")
    promising.card.active_status = "0"
    promising.house.sweep()
    promising.card.active_status = "1"
    promising.backend.spend_elsewhere(CODE, Decimal(40))
    promising.house.sweep()
    assert promising.states(transaction)[1] is ActState.PARKED
    promising.decide(transaction, happened=False)
    assert promising.states(transaction)[1] is ActState.DONE
    assert promising.card.balance == 20


def test_what_was_lost_and_then_refused_is_not_found_in_a_later_purchase(promising: Shop) -> None:
    transaction = promising.authorize("40")
    promising.settle(transaction, "40", "s1")
    promising.sandbox.faults.add("drop_before", method="POST")
    promising.house.sweep()
    promising.house.let_it_be_quiet(transaction)
    promising.card.active_status = "0"
    promising.house.sweep()
    assert promising.states(transaction)[1] is ActState.PARKED
    promising.card.active_status = "1"
    promising.backend.spend_elsewhere(CODE, Decimal(40))
    promising.house.sweep()
    assert promising.states(transaction)[1] is ActState.PARKED


def test_what_one_process_died_with_and_another_was_refused_is_not_found_in_a_later_purchase(silent: Shop) -> None:
    transaction = silent.authorize("40")
    run, alive = silent.mapper.run, [True]

    def dies_after_its_look(step: Step, deadline: Deadline) -> Receipt:
        if step.verb is Verb.DEBIT and alive and alive.pop():
            raise Killed
        return run(step, deadline)

    silent.mapper.run = dies_after_its_look  # type: ignore[method-assign]
    with pytest.raises(Killed):
        silent.settle(transaction, "40", "s1")
    silent.house.lose_lease(transaction)
    silent.card.active_status = "0"
    with pytest.raises(Refused):
        silent.settle(transaction, "40", "s1")
    silent.card.active_status = "1"
    silent.backend.spend_elsewhere(CODE, Decimal(40))
    silent.settle(transaction, "40", "s1")
    assert silent.card.balance == 20

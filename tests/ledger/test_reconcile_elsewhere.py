"""What others did at the backend to what is ours is told, and written down where it is provably right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from decimal import Decimal

import pytest

from app.admin.reconciliation.run import Difference
from app.ledger.caller import Caller
from app.ledger.errors import AmountExceeded, Unresolved
from app.ledger.service import AuthorizationRequest
from app.ledger.storage.answers import AppendAnswer, Result
from app.ledger.storage.intents import NewAct
from app.ledger.transaction import Address, Operation, PlannedStep, Reason, State
from mappers.base import ActKind, Holds, Receipt, Verb
from mappers.voucherify.notes import ROLLED_BACK
from providers.provider import Backend
from tests.ledger.reconciliation_driver import differences, meanwhile
from tests.ledger.sandbox_system import (
    Dashboard,
    SandboxSystem,
    lightrail_v1_system,
    lightrail_v2_system,
    vauchar_system,
    voucherify_system,
    vtex_system,
)
from tests.ledger.system import MakeSystem, System

MakeLightrail = Callable[[System, Holds], AbstractContextManager[SandboxSystem]]


@pytest.fixture(params=[lightrail_v1_system, lightrail_v2_system], ids=["lightrail_v1", "lightrail_v2"])
def make_light(request: pytest.FixtureRequest) -> MakeLightrail:
    make: MakeLightrail = request.param
    return make


@pytest.fixture
def light(make_light: MakeLightrail, make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with make_light(make_system(Holds.NATIVE), Holds.NATIVE) as system:
        yield system


@pytest.fixture
def upfront(make_light: MakeLightrail, make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with make_light(make_system(Holds.UPFRONT), Holds.UPFRONT) as system:
        yield system


@pytest.fixture
def voucherify(make_system: MakeSystem) -> Iterator[SandboxSystem]:
    with voucherify_system(make_system(Holds.LEDGER)) as system:
        yield system


@pytest.fixture
def vtex(make_system: MakeSystem) -> Iterator[SandboxSystem]:
    """A backend that keeps no notes of what was settled and canceled, nor shows our keys there."""
    with vtex_system(make_system(Holds.NATIVE)) as system:
        yield system


def told(system: SandboxSystem, *, repair: bool = False) -> list[Difference]:
    return differences(system.system, repair=repair)


def refunded_once(system: SandboxSystem, transaction: str, balance: int) -> None:
    """Nothing more can be given back, and nothing more was."""
    with pytest.raises(AmountExceeded):
        system.cancel(transaction, "1.00", "cancel-later")
    assert system.spendable == balance
    assert told(system) == []


def test_a_hold_captured_elsewhere_is_told_with_what_mends_it(light: SandboxSystem) -> None:
    transaction = light.authorize("60.00")
    Dashboard(light).capture(light.reference(transaction))
    (found,) = told(light)
    assert (found.kind, found.transaction) == ("elsewhere", transaction)
    assert found.ledger == "hold 60.00 BRL"
    assert found.backend.startswith("capture 60.00 BRL by others: ")
    assert "60.00 BRL were taken" in found.meaning
    assert f"giftbridge transactions settle {transaction}" in found.remedy


def test_a_hold_captured_elsewhere_is_left_to_a_person_whose_settlement_mends_it(light: SandboxSystem) -> None:
    """Only VTEX or a person knows whether the order is to be paid."""
    transaction = light.authorize("60.00")
    Dashboard(light).capture(light.reference(transaction))
    (found,) = told(light, repair=True)
    assert not found.repaired
    assert light.system.record(transaction).captured == 0
    light.settle(transaction, "60.00", "by-hand")
    assert light.spendable == 4_000
    assert told(light) == []


def test_a_payment_given_back_elsewhere_is_told(light: SandboxSystem) -> None:
    transaction = light.authorize("60.00")
    light.settle(transaction, "60.00", "settle-1")
    Dashboard(light).give_back(light.reference(transaction, 1))
    (found,) = told(light)
    assert (found.kind, found.transaction, found.repaired) == ("elsewhere", transaction, False)
    assert found.ledger == "nothing"
    assert found.backend.startswith("refund 60.00 BRL by others: ")
    assert "60.00 BRL are back on the card" in found.meaning
    assert "giftbridge reconcile --repair" in found.remedy


def test_a_payment_given_back_elsewhere_is_written_down_and_never_given_back_again(light: SandboxSystem) -> None:
    transaction = light.authorize("60.00")
    light.settle(transaction, "60.00", "settle-1")
    Dashboard(light).give_back(light.reference(transaction, 1))
    (found,) = told(light, repair=True)
    assert found.repaired
    record = light.system.record(transaction)
    assert (record.refunded, record.acts[-1].reason, record.state) == (6_000, Reason.ELSEWHERE, State.CLOSED)
    refunded_once(light, transaction, 10_000)


def test_a_reversal_elsewhere_gives_back_what_was_settled_and_what_was_not(light: SandboxSystem) -> None:
    """The first settlement takes the hold whole, so its reversal gives all of it back."""
    transaction = light.authorize("60.00")
    light.settle(transaction, "20.00", "settle-1")
    Dashboard(light).give_back(light.reference(transaction, 1))
    (found,) = told(light, repair=True)
    record = light.system.record(transaction)
    assert (found.repaired, record.voided, record.refunded, record.state) == (True, 4_000, 2_000, State.CLOSED)
    refunded_once(light, transaction, 10_000)


def test_what_was_given_back_twice_is_never_called_equal(light: SandboxSystem) -> None:
    """10.00 of 60.00 were given back here, then all of it elsewhere: 50.00 can be written down, 10.00 are too much."""
    transaction = light.authorize("60.00")
    light.settle(transaction, "60.00", "settle-1")
    light.cancel(transaction, "10.00", "cancel-1")
    Dashboard(light).give_back(light.reference(transaction, 1))
    assert [(one.kind, one.repaired) for one in told(light, repair=True)] == [("elsewhere", True), ("amount", False)]
    assert light.system.record(transaction).refunded == 6_000
    (found,) = told(light, repair=True)
    assert (found.kind, found.ledger, found.backend) == ("amount", "refund 50.00 BRL", "refund 60.00 BRL")
    assert "10.00 BRL too much" in found.meaning
    assert light.spendable == 11_000


def test_a_hold_captured_and_given_back_elsewhere_is_closed(light: SandboxSystem) -> None:
    transaction = light.authorize("60.00")
    dashboard = Dashboard(light)
    dashboard.capture(light.reference(transaction))
    (captured,) = [entry for entry in light.mapper.statement(10, light.card.id) if not entry.key]
    dashboard.give_back(captured.receipt.reference)
    (found,) = told(light, repair=True)
    record = light.system.record(transaction)
    assert (found.kind, found.repaired, record.voided, record.state) == ("elsewhere", True, 6_000, State.CLOSED)
    refunded_once(light, transaction, 10_000)


def test_a_hold_voided_elsewhere_is_told_and_closed(light: SandboxSystem) -> None:
    transaction = light.authorize("60.00")
    Dashboard(light).void(light.reference(transaction))
    (found,) = told(light)
    assert (found.kind, found.ledger, found.backend) == ("state", "authorized", "voided by itself")
    assert "60.00 BRL are back on the card" in found.meaning
    assert "giftbridge reconcile --repair" in found.remedy
    (found,) = told(light, repair=True)
    assert (found.repaired, light.system.record(transaction).state) == (True, State.EXPIRED)
    refunded_once(light, transaction, 10_000)


def test_what_was_taken_upfront_and_given_back_elsewhere_is_closed(upfront: SandboxSystem) -> None:
    transaction = upfront.authorize("60.00")
    Dashboard(upfront).give_back(upfront.reference(transaction))
    (found,) = told(upfront, repair=True)
    record = upfront.system.record(transaction)
    assert (found.kind, found.repaired, record.voided, record.state) == ("elsewhere", True, 6_000, State.CLOSED)
    refunded_once(upfront, transaction, 10_000)


def test_a_refund_of_ours_that_finds_it_given_back_elsewhere_is_in_order(light: SandboxSystem) -> None:
    transaction = light.authorize("60.00")
    light.settle(transaction, "60.00", "settle-1")
    Dashboard(light).give_back(light.reference(transaction, 1))
    light.cancel(transaction, "60.00", "cancel-1")
    refunded_once(light, transaction, 10_000)


def test_writing_it_down_moves_no_money_even_where_the_process_dies_in_between(
    light: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = light.authorize("60.00")
    light.settle(transaction, "60.00", "settle-1")
    Dashboard(light).give_back(light.reference(transaction, 1))

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(light.system.storage, "finish", dies)
        with pytest.raises(KeyboardInterrupt):
            told(light, repair=True)
    light.system.lose_lease(transaction)
    light.sandbox.faults.add("drop_before", times=100)  # whoever goes on must not even ask the backend
    assert light.system.sweep() == {"resolved": 1}
    light.sandbox.faults.clear()
    assert light.system.record(transaction).refunded == 6_000
    refunded_once(light, transaction, 10_000)


def test_it_is_not_written_down_over_what_happened_meanwhile(voucherify: SandboxSystem) -> None:
    """Between the comparison and the repair VTEX's own refund finds the rollback, and takes it for its own."""
    transaction = voucherify.authorize("40.00")
    for number in (1, 2):
        voucherify.settle(transaction, "20.00", f"settle-{number}")
    Dashboard(voucherify).give_back(voucherify.reference(transaction, 1))
    storage = voucherify.system.storage
    append = storage.append

    def after_a_refund(address: Address, backend: Backend, new: NewAct) -> Result[AppendAnswer]:
        storage.append = append  # type: ignore[method-assign]
        voucherify.cancel(transaction, "20.00", "cancel-1")
        return append(address, backend, new)

    storage.append = after_a_refund  # type: ignore[method-assign]
    (found,) = told(voucherify, repair=True)
    assert not found.repaired
    assert (voucherify.system.record(transaction).refunded, voucherify.spendable) == (2_000, 8_000)
    assert told(voucherify) == []


def test_what_happens_elsewhere_while_the_backend_is_asked_is_left_to_the_next_run(light: SandboxSystem) -> None:
    transaction = light.authorize("60.00")
    meanwhile(light.system, lambda: Dashboard(light).capture(light.reference(transaction)))
    assert told(light) == []


def test_a_redemption_rolled_back_elsewhere_is_written_down(voucherify: SandboxSystem) -> None:
    transaction = voucherify.authorize("40.00")
    for number in (1, 2):
        voucherify.settle(transaction, "20.00", f"settle-{number}")
    Dashboard(voucherify).give_back(voucherify.reference(transaction, 2))
    (found,) = told(voucherify)
    assert found.kind == "elsewhere"
    assert found.backend.startswith("refund 20.00 BRL by others: ")
    (found,) = told(voucherify, repair=True)
    assert (found.repaired, voucherify.system.record(transaction).refunded) == (True, 2_000)
    voucherify.cancel(transaction, "20.00", "cancel-1")  # the other redemption, of the same amount
    refunded_once(voucherify, transaction, 10_000)


def test_two_redemptions_rolled_back_elsewhere_are_both_written_down(voucherify: SandboxSystem) -> None:
    """They look alike: the same amount, of one transaction."""
    transaction = voucherify.authorize("40.00")
    for number in (1, 2):
        voucherify.settle(transaction, "20.00", f"settle-{number}")
        Dashboard(voucherify).give_back(voucherify.reference(transaction, number))
    assert [(one.kind, one.repaired) for one in told(voucherify, repair=True)] == [("elsewhere", True)] * 2
    assert voucherify.system.record(transaction).refunded == 4_000
    refunded_once(voucherify, transaction, 10_000)


def test_a_credit_taken_back_elsewhere_is_told_and_left_to_a_person(make_system: MakeSystem) -> None:
    with lightrail_v2_system(make_system(Holds.NATIVE)) as light:
        request = AuthorizationRequest(light.card.id, Operation.CREDIT, 3_000, "credit-1")
        transaction = light.system.ledger.authorize(light.provider, request, System.deadline(10))
        Dashboard(light).give_back(light.reference(transaction))
        (found,) = told(light, repair=True)
        assert (found.kind, found.transaction, found.repaired) == ("elsewhere", transaction, False)
        assert "30.00 BRL were taken" in found.meaning
        assert light.spendable == 10_000


def test_a_redemption_rolled_back_elsewhere_waits_while_a_part_is_reserved(voucherify: SandboxSystem) -> None:
    """A reversal gives back what is reserved first: of what was settled it cannot speak before."""
    transaction = voucherify.authorize("40.00")
    voucherify.settle(transaction, "20.00", "settle-1")
    Dashboard(voucherify).give_back(voucherify.reference(transaction, 1))
    (found,) = told(voucherify, repair=True)
    assert (found.kind, found.repaired) == ("elsewhere", False)
    assert f"giftbridge transactions void {transaction}" in found.remedy
    voucherify.cancel(transaction, "20.00", "void-1")
    (found,) = told(voucherify, repair=True)
    assert found.repaired
    refunded_once(voucherify, transaction, 10_000)


def test_a_redemption_deleted_elsewhere_is_told_as_missing_and_left_to_a_person(make_system: MakeSystem) -> None:
    """Vauchar keeps no trace of a deletion: that the money is back is likely, not proven."""
    with vauchar_system(make_system(Holds.LEDGER)) as vauchar:
        transaction = vauchar.authorize("40.00")
        vauchar.settle(transaction, "40.00", "settle-1")
        Dashboard(vauchar).give_back(vauchar.reference(transaction, 1))
        (found,) = told(vauchar, repair=True)
        assert (found.kind, found.ledger, found.repaired) == ("missing", "debit 40.00 BRL", False)
        assert "40.00 BRL may be back on the card" in found.meaning
        assert found.remedy


# Without notes


def test_what_was_settled_and_canceled_through_us_is_known_without_keys(vtex: SandboxSystem) -> None:
    transaction = vtex.authorize("60.00")
    vtex.settle(transaction, "40.00", "settle-1")
    vtex.cancel(transaction, "30.00", "cancel-1")
    assert told(vtex) == []


def test_a_hold_that_others_ended_is_known_by_its_reference(vtex: SandboxSystem) -> None:
    transaction = vtex.authorize("60.00")
    vtex.backend.cancel(vtex.card.id, vtex.reference(transaction), Decimal("60.00"))
    (found,) = told(vtex, repair=True)
    assert (found.kind, found.transaction, found.repaired) == ("state", transaction, True)
    assert vtex.system.record(transaction).state is State.EXPIRED
    assert (told(vtex), vtex.spendable) == ([], 10000)


def test_the_rest_of_a_hold_that_others_gave_back_is_told_after_a_part_was_settled(vtex: SandboxSystem) -> None:
    """Whoever gave it back may be the ledger, before Redis forgot it."""
    transaction = vtex.authorize("60.00")
    vtex.settle(transaction, "40.00", "settle-1")
    vtex.backend.cancel(vtex.card.id, vtex.reference(transaction), Decimal("20.00"))
    (found,) = told(vtex, repair=True)
    assert (found.kind, found.transaction, found.repaired) == ("state", transaction, True)
    record = vtex.system.record(transaction)
    assert (record.captured, record.voided, record.rest) == (4_000, 2_000, 0)
    assert (told(vtex), vtex.spendable) == ([], 6000)


def test_a_part_that_others_settled_is_told(vtex: SandboxSystem) -> None:
    transaction = vtex.authorize("60.00")
    vtex.backend.settle(vtex.card.id, vtex.reference(transaction), Decimal("25.00"))
    (found,) = told(vtex)
    assert (found.kind, found.transaction) == ("elsewhere", transaction)
    assert "25.00 BRL were taken" in found.meaning
    vtex.settle(transaction, "25.00", "settle-1")
    assert (told(vtex), vtex.spendable) == ([], 4000)


def test_a_part_that_others_gave_back_is_told(vtex: SandboxSystem) -> None:
    transaction = vtex.authorize("60.00")
    vtex.backend.cancel(vtex.card.id, vtex.reference(transaction), Decimal("25.00"))
    (found,) = told(vtex, repair=True)
    assert (found.kind, found.transaction, found.repaired) == ("elsewhere", transaction, False)
    assert vtex.system.record(transaction).state is State.AUTHORIZED


def test_it_is_not_written_down_behind_what_was_promised_meanwhile(make_system: MakeSystem) -> None:
    """A promise is no attempt; what it will take is not known yet."""
    system = make_system(Holds.UPFRONT, settle="accept")
    transaction = system.authorize("40.00")
    compared = system.record(transaction)
    system.settle(transaction, "10.00")
    promised = system.record(transaction)
    assert promised.attempt == compared.attempt
    new = NewAct(
        kind=ActKind.REVERSAL,
        amount=4_000,
        own_oid=compared.next_own_act(Reason.ELSEWHERE),
        caller=Caller.background("reconciliation"),
        one_step_at_a_time=False,
        reason=Reason.ELSEWHERE,
        done=(PlannedStep(Verb.REFUND, 4_000, f"{transaction}-1", receipt=Receipt("R1")),),
        after_attempt=compared.attempt,
    )
    assert system.storage.append(compared.address, system.provider.backend, new).answer is AppendAnswer.CHANGED
    assert system.record(transaction) == promised


# What a person confirmed without naming it


def test_a_rollback_that_a_person_confirmed_is_no_other(
    voucherify: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Voucherify may keep no note of a rollback: then the statement shows it without our key."""
    transaction = voucherify.authorize("40.00")
    for number in (1, 2):
        voucherify.settle(transaction, "20.00", f"settle-{number}")
    with voucherify.undecidable(monkeypatch), pytest.raises(Unresolved):
        voucherify.cancel(transaction, "20.00", "cancel-1")
    for entry in voucherify.backend.redemptions.values():
        entry["metadata"].pop(ROLLED_BACK, None)
    voucherify.decide(transaction, happened=True)
    assert told(voucherify, repair=True) == []
    assert voucherify.system.record(transaction).refunded == 2_000
    voucherify.cancel(transaction, "20.00", "cancel-2")
    refunded_once(voucherify, transaction, 10_000)


def test_a_part_that_a_person_confirmed_is_no_other(vtex: SandboxSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = vtex.authorize("60.00")
    vtex.settle(transaction, "60.00", "settle-1")
    with vtex.undecidable(monkeypatch), pytest.raises(Unresolved):
        vtex.cancel(transaction, "20.00", "cancel-1")
    vtex.decide(transaction, happened=True)
    assert told(vtex, repair=True) == []
    assert vtex.system.record(transaction).refunded == 2_000


def test_what_a_person_confirmed_hides_nothing_that_others_did(
    vtex: SandboxSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same amount, too."""
    transaction = vtex.authorize("60.00")
    vtex.settle(transaction, "60.00", "settle-1")
    with vtex.undecidable(monkeypatch), pytest.raises(Unresolved):
        vtex.cancel(transaction, "20.00", "cancel-1")
    vtex.decide(transaction, happened=True)
    vtex.backend.cancel(vtex.card.id, vtex.reference(transaction), Decimal("20.00"))
    (found,) = told(vtex, repair=True)
    assert (found.kind, found.transaction, found.repaired) == ("elsewhere", transaction, True)
    assert vtex.system.record(transaction).refunded == 4_000


def test_a_deletion_that_a_person_confirmed_leaves_nothing_to_be_missed(
    make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with vauchar_system(make_system(Holds.LEDGER)) as vauchar:
        transaction = vauchar.authorize("40.00")
        vauchar.settle(transaction, "40.00", "settle-1")
        with vauchar.undecidable(monkeypatch), pytest.raises(Unresolved):
            vauchar.cancel(transaction, "40.00", "cancel-1")
        vauchar.decide(transaction, happened=True)
        assert vauchar.system.record(transaction).refunded == 4_000
        assert told(vauchar) == []

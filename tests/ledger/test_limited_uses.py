"""A card that may be used a limited number of times: what is authorized with it can be settled, in any parts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.ledger.transaction import ActState, State
from mappers.base import CardUnusable, Holds, Query, Verb
from tests.ledger.driver import runs
from tests.ledger.sandbox_system import SandboxSystem
from tests.ledger.system import MakeSystem, System


@pytest.fixture
def once(make_system: MakeSystem) -> System:
    system = make_system(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)
    system.backend.uses = 1
    return system


def test_the_use_is_taken_at_authorization_and_settlements_need_no_other(once: System) -> None:
    transaction = once.authorize("40.00")
    assert (runs(once), once.backend.uses) == ([Verb.DEBIT], 0)
    once.settle(transaction, "30.00", "s1")
    once.settle(transaction, "10.00", "s2")
    assert runs(once) == [Verb.DEBIT]
    assert once.settlements(transaction) == [Decimal("30.00"), Decimal("10.00")]


def test_a_second_payment_is_refused_before_it_is_authorized(once: System) -> None:
    once.authorize("40.00", "order-1")
    with pytest.raises(CardUnusable, match="used as often as it may be"):
        once.authorize("40.00", "order-2")
    assert once.backend.spendable == 6_000
    assert once.standing.reserved == 0


def test_a_card_with_no_uses_left_is_not_found(once: System) -> None:
    query = Query(code="CODE-1")
    assert [card.balance for card in once.cards.search(once.provider, query, once.deadline())] == [10_000]
    once.authorize("40.00")
    assert once.cards.search(once.provider, query, once.deadline()) == []


def test_where_it_cannot_be_taken_at_once_it_is_refused(once: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(once.mapper), "supported_holds", (Holds.LEDGER,))
    with pytest.raises(CardUnusable, match="limited number of times"):
        once.authorize("40.00")
    assert once.standing.reserved == 0
    assert once.only_record().state is State.REFUSED


def test_a_settlement_is_promised_though_its_hold_was_the_last_use(make_system: MakeSystem) -> None:
    system = make_system(Holds.NATIVE, settle="accept")
    system.backend.uses = 1
    transaction = system.authorize("40.00")
    system.settle(transaction, "10.00")
    assert system.record(transaction).acts[1].state is ActState.ACCEPTED
    system.sweep()
    assert system.record(transaction).acts[1].state is ActState.DONE


def test_a_settlement_that_would_be_another_use_is_not_promised_on_a_card_that_is_used_up(
    make_system: MakeSystem,
) -> None:
    """Its uses were limited after the ledger had reserved."""
    system = make_system(Holds.LEDGER, settle="accept")
    transaction = system.authorize("40.00")
    system.backend.uses = 0
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")
    assert system.record(transaction).acts[1].state is ActState.REFUSED
    system.cancel(transaction, "40.00")
    assert system.standing.reserved == 0


def test_a_voucher_that_may_be_redeemed_once_pays_one_order_in_parts(voucherify: SandboxSystem) -> None:
    voucherify.card = voucherify.backend.find("VOUCHERIFY-ONCE-50")
    transaction = voucherify.authorize("20", "order-1")
    with pytest.raises(CardUnusable):
        voucherify.authorize("20", "order-2")
    voucherify.settle(transaction, "8", "s1")
    voucherify.settle(transaction, "12", "s2")
    assert voucherify.card.balance == 3_000


def test_a_voucher_whose_payment_is_canceled_may_be_redeemed_again(voucherify: SandboxSystem) -> None:
    voucherify.card = voucherify.backend.find("VOUCHERIFY-ONCE-50")
    voucherify.cancel(voucherify.authorize("20", "order-1"), "20", "c1")
    voucherify.settle(voucherify.authorize("50", "order-2"), "50", "s1")
    assert voucherify.card.balance == 0


def test_of_two_payments_at_once_with_one_use_one_is_refused(voucherify: SandboxSystem) -> None:
    """Both have read that there is a use left."""
    voucherify.card = voucherify.backend.add(50_00, quantity=2, redeemed_quantity=1)
    read = voucherify.mapper.card_for
    nested: list[bool] = []

    def meanwhile(*arguments: object) -> object:
        card = read(*arguments)  # type: ignore[arg-type]
        if not nested:
            nested.append(True)
            voucherify.authorize("20", "order-1")
        return card

    voucherify.mapper.card_for = meanwhile  # type: ignore[method-assign, assignment]
    with pytest.raises(CardUnusable):
        voucherify.authorize("20", "order-2")
    assert voucherify.card.balance == 3_000

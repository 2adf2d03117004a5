"""The Voucherify mapper plans, issues and tells its statement, against its sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mappers.base import (
    Act,
    ActKind,
    CardUnusable,
    Customer,
    DoneStep,
    Holds,
    InsufficientFunds,
    NewCard,
    Origin,
    OutcomeUnknown,
    Query,
    Receipt,
    Refused,
    TransactionFacts,
    Unsupported,
    Verb,
)
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.sandbox import Sandbox, shared
from mappers.voucherify.cards import code_for
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions
from mappers.voucherify.sandbox import APP_TOKEN, DEMO_OPTIONS, create_app
from mappers.voucherify.sandbox_model import Voucherify as SandboxVoucherify

CODE = "VOUCHERIFY-ACTIVE-250"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def backend(sandbox: Sandbox) -> SandboxVoucherify:
    answer: SandboxVoucherify = sandbox.app.extensions["backend"]
    return answer


@pytest.fixture
def mapper(sandbox: Sandbox) -> Voucherify:
    return make(sandbox)


def make(sandbox: Sandbox, holds: Holds = Holds.LEDGER, **options: Any) -> Voucherify:
    return Voucherify("demo", Currency.of("BRL"), holds, VoucherifyOptions(**DEMO_OPTIONS(sandbox.url) | options))


def soon() -> Deadline:
    return Deadline.after(10)


def transaction(*done: DoneStep, holds: Holds = Holds.LEDGER, **fields: Any) -> TransactionFacts:
    return TransactionFacts("gb-1", "v_1", 1000, holds, done=done, **fields)


def taken(amount: int, redemption_id: str = "r_1") -> DoneStep:
    return DoneStep(Verb.DEBIT, amount, Receipt(redemption_id), "gb-1-1")


def planned(
    mapper: Voucherify, kind: ActKind, amount: int, transaction: TransactionFacts, voided: int = 0, refunded: int = 0
) -> list[tuple[Verb, int, str]]:
    steps = mapper.plan(Act(kind, amount, voided, refunded), transaction)
    return [(step.verb, step.amount, step.reference) for step in steps]


def play(
    mapper: Voucherify,
    backend: SandboxVoucherify,
    kind: ActKind,
    amount: int,
    earlier: tuple[DoneStep, ...] = (),
    *,
    code: str = CODE,
    name: str = "gb-x",
    origin: Origin | None = None,
    **act: Any,
) -> tuple[DoneStep, ...]:
    """Plan and run one act; return the steps done so far."""
    state = replace(transaction(*earlier), card_id=backend.find(code).id)
    done = []
    for number, step in enumerate(mapper.plan(Act(kind, amount, **act), state), start=1):
        named = replace(step, key=f"{name}-{number}", origin=origin)
        done.append(DoneStep(step.verb, step.amount, mapper.run(named, soon()), named.key))
    return (*earlier, *done)


def test_a_reservation_of_the_ledger_is_taken_at_settlement(mapper: Voucherify) -> None:
    assert planned(mapper, ActKind.DEBIT, 1000, transaction()) == []
    assert planned(mapper, ActKind.CAPTURE, 600, transaction()) == [(Verb.DEBIT, 600, "")]
    assert planned(mapper, ActKind.REVERSAL, 400, transaction(taken(600)), voided=400) == []


def test_upfront_takes_at_once_and_gives_back_what_is_canceled(mapper: Voucherify) -> None:
    opened = transaction(taken(1000), holds=Holds.UPFRONT)
    assert planned(mapper, ActKind.DEBIT, 1000, transaction(holds=Holds.UPFRONT)) == [(Verb.DEBIT, 1000, "")]
    assert planned(mapper, ActKind.CAPTURE, 600, opened) == []
    assert planned(mapper, ActKind.REVERSAL, 400, opened, voided=400) == [(Verb.REFUND, 400, "")]


def test_a_whole_redemption_goes_back_as_itself_and_only_once(mapper: Voucherify) -> None:
    rolled_back = DoneStep(Verb.REFUND, 500, Receipt("rr_1", data={"redemption": "r_1"}), "gb-1-3")
    both = taken(500), taken(500, "r_2")
    assert planned(mapper, ActKind.REVERSAL, 500, transaction(*both), refunded=500) == [(Verb.REFUND, 500, "r_1")]
    once = transaction(*both, rolled_back)
    assert planned(mapper, ActKind.REVERSAL, 500, once, refunded=500) == [(Verb.REFUND, 500, "r_2")]
    twice = transaction(both[0], rolled_back)
    assert planned(mapper, ActKind.REVERSAL, 500, twice, refunded=500) == [(Verb.REFUND, 500, "")]


def test_a_sum_of_redemptions_goes_back_by_rolling_each_back(mapper: Voucherify, backend: SandboxVoucherify) -> None:
    done = play(mapper, backend, ActKind.CAPTURE, 800, name="gb-x")
    done = play(mapper, backend, ActKind.CAPTURE, 1200, done, name="gb-y")
    play(mapper, backend, ActKind.REVERSAL, 2000, done, refunded=2000, name="gb-z")
    kinds = [item["type"] for item in backend.find(CODE).transactions]
    assert kinds == ["CREDITS_REDEMPTION", "CREDITS_REDEMPTION", "CREDITS_REFUND", "CREDITS_REFUND"]
    assert backend.find(CODE).balance == 25000


def test_a_rollback_frees_the_redemption_that_was_used_up(mapper: Voucherify, backend: SandboxVoucherify) -> None:
    done = play(mapper, backend, ActKind.CAPTURE, 5000, code="VOUCHERIFY-ONCE-50")
    play(mapper, backend, ActKind.REVERSAL, 5000, done, refunded=5000, code="VOUCHERIFY-ONCE-50", name="gb-y")
    play(mapper, backend, ActKind.CAPTURE, 5000, code="VOUCHERIFY-ONCE-50", name="gb-z")


def test_what_is_older_than_three_months_is_added_instead(mapper: Voucherify, backend: SandboxVoucherify) -> None:
    done = play(mapper, backend, ActKind.CAPTURE, 5000)
    backend.rolls_back = False
    play(mapper, backend, ActKind.REVERSAL, 5000, done, refunded=5000, name="gb-y")
    assert [item["type"] for item in backend.find(CODE).transactions] == ["CREDITS_REDEMPTION", "CREDITS_ADDITION"]
    assert backend.find(CODE).balance == 25000


@pytest.mark.parametrize("names_orders", [True, False])
def test_a_lost_redemption_is_told_from_a_shop_s_of_the_same_amount(
    mapper: Voucherify, backend: SandboxVoucherify, names_orders: bool
) -> None:
    backend.names_orders = names_orders
    backend.spend_elsewhere(CODE, 5000)
    [step] = mapper.plan(Act(ActKind.CAPTURE, 5000), replace(transaction(), card_id=backend.find(CODE).id))
    step = replace(step, key="gb-lost-1")
    assert mapper.ask(step, soon()) is None
    receipt = mapper.run(step, soon())
    assert mapper.ask(step, soon()) == receipt


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("VOUCHERIFY-EMPTY-0", InsufficientFunds),
        ("VOUCHERIFY-EXPIRED-50", CardUnusable),
        ("VOUCHERIFY-NOT-STARTED-50", CardUnusable),
        ("VOUCHERIFY-DISABLED-50", CardUnusable),
        ("VOUCHERIFY-DISCOUNT-10", CardUnusable),
        ("VOUCHERIFY-USD-75", CardUnusable),
    ],
)
@pytest.mark.parametrize("partial", [True, False])
def test_a_card_that_cannot_pay_is_refused(
    mapper: Voucherify, backend: SandboxVoucherify, code: str, error: type[Refused], partial: bool
) -> None:
    backend.partial = partial
    with pytest.raises(error):
        play(mapper, backend, ActKind.CAPTURE, 100, code=code)


def test_a_code_with_signs_is_found_and_pays(mapper: Voucherify, backend: SandboxVoucherify) -> None:
    code = "VOUCHERIFY-SIGNS/50+A=B.C%"
    assert [card.balance for card in mapper.find(Query(code=code), soon())] == [5000]
    play(mapper, backend, ActKind.CAPTURE, 100, code=code)
    assert backend.find(code).balance == 4900


def test_a_voucher_is_found_by_its_holder_alone(sandbox: Sandbox, backend: SandboxVoucherify) -> None:
    mapper = make(sandbox, list_held=True)
    found = [
        [card.id for card in mapper.find(Query(customer=Customer(email, email=email)), soon())]
        for email in ("Ana@example.com", "bob@example.com")
    ]
    assert found == [[backend.find("VOUCHERIFY-HOLDER-50").id], []]


def test_an_issued_card_keeps_what_it_was_given(mapper: Voucherify) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    new = NewCard(
        "gb-new",
        relation_name="loyalty",
        caption="Thank you",
        customer=Customer("ana@example.com", email="ana@example.com"),
        emission_date=now,
        expiring_date=now + timedelta(days=30),
        restricted_to_owner=True,
        multiple_redemptions=False,
        multiple_credits=False,
        balance=1234,
    )
    card = mapper.get_card(mapper.issue(new, soon()).card.id, soon())
    assert (card.relation_name, card.caption, card.owner, card.balance) == (
        "loyalty",
        "Thank you",
        "ana@example.com",
        1234,
    )
    assert (card.emission_date, card.expiring_date) == (new.emission_date, new.expiring_date)
    assert (card.restricted_to_owner, card.multiple_redemptions, card.multiple_credits) == (True, False, False)


def test_an_issued_code_follows_from_its_key_and_cannot_be_told_from_it(mapper: Voucherify) -> None:
    code = mapper.issue(NewCard("gb-new"), soon()).code
    assert mapper.issue(NewCard("gb-new"), soon()).code == code
    assert code == code_for("gb-new", APP_TOKEN) != code_for("gb-new", "another token")


def test_a_voucher_of_somebody_else_with_the_new_card_s_code_is_not_given_away(
    mapper: Voucherify, backend: SandboxVoucherify
) -> None:
    backend.add(100, code_for("gb-new", APP_TOKEN))
    with pytest.raises(CardUnusable):
        mapper.issue(NewCard("gb-new"), soon())


def test_a_card_made_meanwhile_under_the_same_key_is_the_card(
    sandbox: Sandbox, mapper: Voucherify, backend: SandboxVoucherify
) -> None:
    first = mapper.issue(NewCard("gb-new", balance=100), soon())
    missing = {"code": 404, "key": "resource_not_found"}
    sandbox.faults.add("status", method="GET", status=404, body=missing)
    assert mapper.issue(NewCard("gb-new", balance=100), soon()).card.id == first.card.id


def test_a_card_made_before_that_does_not_show_yet_is_not_refused(sandbox: Sandbox, mapper: Voucherify) -> None:
    mapper.issue(NewCard("gb-new"), soon())
    missing = {"code": 404, "key": "resource_not_found"}
    sandbox.faults.add("status", method="GET", times=2, status=404, body=missing)
    with pytest.raises(OutcomeUnknown):
        mapper.issue(NewCard("gb-new"), soon())


def test_the_statement_keeps_the_notes_of_every_act(mapper: Voucherify, backend: SandboxVoucherify) -> None:
    def origin(kind: ActKind, amount: int) -> Origin:
        return Origin("gb-1", "request", kind, "gb-1", amount)

    done = play(mapper, backend, ActKind.CAPTURE, 300, name="gb-a", origin=origin(ActKind.CAPTURE, 300))
    done = play(
        mapper, backend, ActKind.REVERSAL, 100, done, refunded=100, name="gb-b", origin=origin(ActKind.REVERSAL, 100)
    )
    play(mapper, backend, ActKind.CAPTURE, 200, done, name="gb-c", origin=origin(ActKind.CAPTURE, 200))
    play(mapper, backend, ActKind.REVERSAL, 300, done, refunded=300, name="gb-d", origin=origin(ActKind.REVERSAL, 300))
    entries = list(mapper.statement(5, backend.find(CODE).id))
    assert [(entry.key, entry.verb, entry.amount) for entry in entries] == [
        ("gb-a-1", Verb.DEBIT, 300),
        ("gb-b-1", Verb.REFUND, 100),
        ("gb-c-1", Verb.DEBIT, 200),
        ("gb-d-1", Verb.REFUND, 300),
    ]
    assert [entry.origin and entry.origin.act for entry in entries] == [
        ActKind.CAPTURE,
        ActKind.REVERSAL,
        ActKind.CAPTURE,
        ActKind.REVERSAL,
    ]


def test_the_statement_leaves_out_what_others_did_and_shows_what_they_undid(
    mapper: Voucherify, backend: SandboxVoucherify
) -> None:
    backend.spend_elsewhere(CODE, 100)
    backend.change_balance(CODE, 100, "till-1", "sold")
    [done] = play(mapper, backend, ActKind.CAPTURE, 300)
    backend.roll_back(done.receipt.reference, {}, through_parent=False)
    entries = list(mapper.statement(5, backend.find(CODE).id))
    assert [(entry.key, entry.verb) for entry in entries] == [("gb-x-1", Verb.DEBIT), (None, Verb.REFUND)]


def test_there_is_no_statement_of_all_cards(mapper: Voucherify) -> None:
    with pytest.raises(Unsupported):
        mapper.statement(5)

"""Real processes race: whatever comes first, money moves once and never beyond what there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

import pytest

from mappers.deadline import Deadline
from tests.faults.harness import Harness
from tests.faults.matrix import Backend
from tests.faults.sandbox_accounts import SANDBOX_ACCOUNTS
from tests.money import major
from tests.races.runner import Call, Kind, Result, Target, one_by_one, race

# A redemption is made after a look at the card.
READS_BEFORE_A_SETTLEMENT = {Backend.LEDGER: 2, Backend.VOUCHERIFY: 1}


def outcomes(results: Sequence[Result]) -> Counter[str]:
    return Counter(result.outcome for result in results)


def spendable(target: Target, card: str) -> Decimal:
    """What the service says that a shopper can spend."""
    parts, provider = target.service()
    try:
        minor = parts.cards.get(provider, card, Deadline.after(5)).balance
        return provider.currency.to_decimal(minor)
    finally:
        parts.connection.close()


def listed(target: Target, card: str, transaction: str) -> tuple[list[Decimal], list[Decimal]]:
    parts, provider = target.service()
    deadline = Deadline.after(5)
    try:
        settlements = parts.ledger.settlements(provider, card, transaction, deadline)
        cancellations = parts.ledger.cancellations(provider, card, transaction, deadline)
        return [major(entry.amount) for entry in settlements], [major(entry.amount) for entry in cancellations]
    finally:
        parts.connection.close()


def authorized(target: Target, card: str, values: Sequence[int]) -> list[str]:
    calls = [Call(Kind.AUTHORIZE, card, value, f"before-{number}") for number, value in enumerate(values)]
    results = one_by_one(target, calls)
    assert outcomes(results) == {"done": len(values)}
    return [str(result.id) for result in results]


@contextmanager
def lost_answers(harness: Harness, backend: Backend, reads_before: int) -> Iterator[None]:
    """Let the backend do what the next call wants, and then be silent."""
    faults = harness.sandboxes[backend].sandbox.faults
    faults.add("drop_after", method="POST")
    faults.add("drop_before", method="GET", skip=reads_before, times=1_000_000)
    yield
    faults.clear()


def test_thirty_two_clients_with_one_request_id_are_one_payment(
    harness: Harness, target: Target, backend: Backend
) -> None:
    card = harness.new_card(backend)
    results = race(target, [Call(Kind.AUTHORIZE, card, 40, "THE-SAME")] * 32)
    assert outcomes(results) == {"done": 32}
    assert len({result.id for result in results}) == 1
    assert spendable(target, card) == 60


def test_sixty_four_debits_never_overspend_one_card(harness: Harness, target: Target, backend: Backend) -> None:
    card = harness.new_card(backend)
    results = race(target, [Call(Kind.AUTHORIZE, card, 10, f"order-{number}") for number in range(64)])
    assert outcomes(results) == {"done": 10, "InsufficientFunds": 54}
    assert spendable(target, card) == 0


def test_settlements_against_cancellations_of_the_same_money(
    harness: Harness, target: Target, backend: Backend
) -> None:
    """A cancellation that comes second gives back what was settled; a settlement that comes second is too late."""
    card = harness.new_card(backend)
    (transaction,) = authorized(target, card, [40])
    calls = [
        Call(kind, card, 40, f"{kind}-{number}", transaction)
        for number in range(8)
        for kind in (Kind.SETTLE, Kind.CANCEL)
    ]
    results = race(target, calls)
    assert set(outcomes(results)) == {"done", "AmountExceeded"}
    settlements, cancellations = listed(target, card, transaction)
    done = Counter(result.call.kind for result in results if result.outcome == "done")
    assert (len(settlements), len(cancellations)) == (done[Kind.SETTLE], done[Kind.CANCEL])
    assert done[Kind.CANCEL] == 1
    assert done[Kind.SETTLE] <= 1
    assert spendable(target, card) == 100


def test_parts_settled_against_parts_canceled_stay_within_the_authorization(
    harness: Harness, target: Target, backend: Backend
) -> None:
    card = harness.new_card(backend)
    (transaction,) = authorized(target, card, [40])
    calls = [
        Call(kind, card, 10, f"{kind}-{number}", transaction)
        for number in range(6)
        for kind in (Kind.SETTLE, Kind.CANCEL)
    ]
    assert set(outcomes(race(target, calls))) <= {"done", "AmountExceeded"}
    settlements, cancellations = listed(target, card, transaction)
    assert len(settlements) <= 4
    assert len(cancellations) == 4  # all of it can be given back, settled or not
    assert spendable(target, card) == 100


@pytest.mark.parametrize(
    "backend", [Backend.LEDGER, pytest.param(Backend.VOUCHERIFY, marks=pytest.mark.long)], indirect=True
)
def test_settlements_against_authorizations_never_reserve_money_that_is_gone(
    harness: Harness, target: Target, backend: Backend
) -> None:
    card = harness.new_card(backend)
    transactions = authorized(target, card, [10] * 6)
    settling = [Call(Kind.SETTLE, card, 10, "settle", transaction) for transaction in transactions]
    authorizing = [Call(Kind.AUTHORIZE, card, 10, f"order-{number}") for number in range(10)]
    pairs = zip(settling, authorizing, strict=False)
    results = race(target, [*(call for pair in pairs for call in pair), *authorizing[len(settling) :]])
    assert outcomes(results) == {"done": 10, "InsufficientFunds": 6}
    assert spendable(target, card) == 0
    assert SANDBOX_ACCOUNTS[backend].balance(harness.sandboxes[backend].model, card) == 40


def test_a_sweeper_against_those_who_come_back(harness: Harness, target: Target, backend: Backend) -> None:
    """Answers were lost; the sweeper undoes what nobody asks for, while everybody asks."""
    cards = [harness.new_card(backend) for _ in range(8)]
    calls = [Call(Kind.AUTHORIZE, card, 40, "order") for card in cards]
    for call in calls:
        with lost_answers(harness, backend, reads_before=2 if backend is Backend.UPFRONT else 0):
            (lost,) = one_by_one(target, [call])
        assert lost.outcome in ("OutcomeUnknown", "BackendUnavailable")
    results = race(target, [*calls, *[Call(Kind.SWEEP)] * 4])
    assert outcomes(results) == {"done": 12}
    assert [spendable(target, card) for card in cards] == [60] * 8


def test_two_sweepers_finish_everything_once(harness: Harness, target: Target, backend: Backend) -> None:
    """Half of the transactions have a settlement of unknown outcome, the other half's time is over."""
    cards = [harness.new_card(backend) for _ in range(8)]
    transactions = [(card, *authorized(target, card, [40])) for card in cards]
    for card, transaction in transactions[::2]:
        with lost_answers(harness, backend, READS_BEFORE_A_SETTLEMENT.get(backend, 0)):
            one_by_one(target, [Call(Kind.SETTLE, card, 40, "settle", transaction)])
    race(target, [Call(Kind.EXPIRE)] * 4, processes=2)
    lists: list[tuple[list[Decimal], list[Decimal]]] = [([Decimal(40)], []), ([], [Decimal(40)])]
    assert [listed(target, *transaction) for transaction in transactions] == lists * 4
    assert [spendable(target, card) for card in cards] == [60, 100] * 4

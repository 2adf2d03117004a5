"""What waits for a person is listed, each with what it means in money and what mends it, until it is mended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from app.admin import attention
from app.admin.attention import COUNTED, Attention, Cursor, Kind
from app.admin.transactions import by_hand
from app.ledger.milliseconds import moment
from app.ledger.storage.index import Index, Row
from app.ledger.transaction import Decision, Reason
from mappers.base import CardUnusable, MapperError, Receipt, Step
from tests.ledger.driver import decide, left_for_a_person
from tests.ledger.faults import Run, lost_before
from tests.ledger.reconciliation_driver import opened_long_ago, pay_with
from tests.ledger.system import MakeSystem, System
from tests.stored import rewrite

DAY = 86_400_000


def waiting(system: System, *kinds: Kind) -> list[Attention]:
    found = attention.page(system.parts, 1000, kinds=kinds or tuple(Kind))
    assert found.after is None
    return list(found.items)


def only(system: System) -> Attention:
    (item,) = waiting(system)
    return item


def refused_settlement(system: System, request_id: str = "settle-1") -> str:
    transaction = system.authorize("40.00")
    system.backend.frozen = True
    with pytest.raises(CardUnusable):
        system.settle(transaction, "30.00", request_id)
    system.backend.frozen = False
    return transaction


def late_success(system: System) -> str:
    """A settlement that was refused, whose room was canceled, and that had happened."""
    transaction = system.authorize("40.00")

    def overtaken(_step: Step, _run: Run) -> Receipt:
        system.lose_lease(transaction)
        system.backend.frozen = True
        with pytest.raises(CardUnusable):
            system.settle(transaction, "40.00")
        system.backend.frozen = False
        system.cancel(transaction, "40.00")
        return Receipt("a capture without an explanation")

    system.mapper.faults = [overtaken]
    with pytest.raises(CardUnusable):
        system.settle(transaction, "40.00")
    return transaction


def unresolved(system: System) -> str:
    """A settlement of which the backend said nothing, a day ago."""
    transaction = system.authorize("40.00")
    with system.cut_off(), pytest.raises(MapperError):
        system.settle(transaction, "40.00")
    opened_long_ago(system, transaction, 1)
    return transaction


def runs_out(system: System, transaction: str, within: timedelta) -> None:
    """Let the hold of a transaction end within this time."""
    ends_at(system, transaction, system.connection.now_milliseconds() + int(within / timedelta(milliseconds=1)))


def ends_at(system: System, transaction: str, at: int) -> None:
    client = system.connection._client
    (due,) = (str(found) for found in client.keys("gb:*:due") if client.zscore(found, transaction) is not None)
    rewrite(client, transaction, expires_at=at)
    client.zadd(due, {transaction: at})


def test_an_authorized_and_a_settled_order_wait_for_nobody(system: System) -> None:
    system.authorize("40.00", "order-1")
    system.settle(system.authorize("40.00", "order-2"), "40.00")
    assert waiting(system) == []


def test_a_parked_act_waits_until_it_is_decided(non_idempotent: System) -> None:
    system = non_idempotent
    transaction = left_for_a_person(system)
    item = only(system)
    assert (item.kind, item.transaction, item.act) == (Kind.PARKED, transaction, 1)
    assert (item.amount, item.currency, item.provider) == (Decimal("40.00"), "BRL", system.provider.id)
    assert item.what == "The backend cannot tell whether the settlement of 40.00 BRL happened."
    assert item.money == "40.00 BRL may have been taken or not."
    assert item.command == f"giftbridge transactions show {transaction}"
    decide(system, transaction, happened=True)
    assert waiting(system) == []


def test_a_refused_settlement_waits_until_one_like_it_is_done(system: System) -> None:
    transaction = refused_settlement(system)
    item = only(system)
    assert (item.kind, item.act, item.amount) == (Kind.REFUSED, 1, Decimal("30.00"))
    assert item.what.startswith("The backend refused the settlement of 30.00 BRL: ")
    assert item.money == "30.00 BRL were not taken, nor was anything like it since."
    system.settle(transaction, "30.00", "settle-2")
    assert waiting(system) == []


def test_each_refused_act_of_a_transaction_waits_by_itself(system: System) -> None:
    transaction = refused_settlement(system, "settle-1")
    system.backend.frozen = True
    with pytest.raises(CardUnusable):
        system.cancel(transaction, "40.00")
    system.backend.frozen = False
    assert [(item.act, item.kind) for item in waiting(system)] == [(2, Kind.REFUSED), (1, Kind.REFUSED)]
    by_hand.decide(system.parts, system.record(transaction), Decision("ana", False, act=2, give_up=True))
    assert [item.act for item in waiting(system)] == [1]


def test_what_the_ledger_wants_by_itself_is_said_to_be_tried_again(system: System) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "10.00")
    system.backend.frozen = True
    system.sweep()
    system.backend.frozen = False
    (refused,) = [act for act in system.record(transaction).acts if act.reason is Reason.REMAINDER]
    item = only(system)
    assert (item.kind, item.act) == (Kind.REFUSED, refused.number)
    assert "tries it again once a day" in item.money


def test_a_late_success_waits_until_it_is_seen_to(system: System) -> None:
    transaction = late_success(system)
    item = only(system)
    assert item.kind is Kind.LATE
    assert (item.transaction, item.act, item.amount) == (transaction, 1, Decimal("40.00"))
    assert item.money == "40.00 BRL may have been taken from the card beyond what the ledger has."
    by_hand.decide(system.parts, system.record(transaction), Decision("ana", happened=False))
    assert waiting(system, Kind.LATE) == []


def test_what_is_unresolved_for_long_waits_until_it_is_resolved(system: System) -> None:
    transaction = unresolved(system)
    item = only(system)
    assert (item.kind, item.transaction, item.act) == (Kind.UNRESOLVED, transaction, 1)
    system.lose_lease(transaction)
    system.sweep()
    assert waiting(system, Kind.UNRESOLVED) == []


def test_what_is_unresolved_just_now_waits_for_nobody(system: System) -> None:
    transaction = system.authorize("40.00")
    with system.cut_off(), pytest.raises(MapperError):
        system.settle(transaction, "40.00")
    assert waiting(system) == []


@pytest.mark.parametrize(("days", "listed"), [(2.9, True), (3.1, False)])
def test_a_hold_is_listed_three_days_before_it_runs_out(system: System, days: float, listed: bool) -> None:
    transaction = system.authorize("40.00")
    system.settle(transaction, "10.00")
    runs_out(system, transaction, timedelta(days=days))
    found = waiting(system)
    assert [(item.kind, item.transaction) for item in found] == [(Kind.EXPIRING, transaction)] * listed
    for item in found:
        assert item.amount == Decimal("30.00")
        assert item.until == moment(system.record(transaction).expires_at)
        assert "hold of 30.00 BRL of 40.00 BRL" in item.what


def test_a_short_hold_is_listed_in_its_second_half(system: System) -> None:
    transaction = system.authorize("40.00")
    rewrite(system.connection._client, transaction, authorization_ttl=2 * DAY)
    runs_out(system, transaction, timedelta(days=1.5))
    assert waiting(system) == []
    runs_out(system, transaction, timedelta(days=0.9))
    assert only(system).kind is Kind.EXPIRING


def test_a_settled_hold_does_not_run_out(system: System) -> None:
    transaction = system.authorize("40.00")
    runs_out(system, transaction, timedelta(days=1))
    system.settle(transaction, "40.00")
    assert waiting(system) == []


def test_a_doubt_waits_until_redis_is_trusted(system: System) -> None:
    doubt = system.parts.history.doubt("restored the backup of Sunday")
    item = only(system)
    assert (item.kind, item.command) == (Kind.DOUBT, "giftbridge ledger doubts")
    assert "restored the backup of Sunday" in item.what
    system.parts.history.trust([doubt])
    assert waiting(system) == []


def test_a_sweeper_that_does_not_look_is_told(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Index, "overdue", lambda _: timedelta(hours=2, minutes=5))
    item = only(system)
    assert (item.kind, item.key) == (Kind.SWEEPER, "sweeper")
    assert "2 h 5 min" in item.what


@pytest.fixture
def crowd(make_system: MakeSystem) -> System:
    """Something of every kind that transactions may wait for, on many cards."""
    system = make_system()
    late_success(system)
    for number in range(5):
        runs_out(system, pay_with(system, f"another-{number}", f"order-{number}"), timedelta(hours=number + 1))
    return system


def test_pages_have_everything_once_in_one_order(crowd: System) -> None:
    everything = waiting(crowd)
    assert [item.kind for item in everything] == [Kind.LATE, *[Kind.EXPIRING] * 5]
    pages, after = [], None
    while True:
        page = attention.page(crowd.parts, 2, after)
        pages.append(page.items)
        if page.after is None:
            break
        after = Cursor.parse(str(page.after))
    assert [len(page) for page in pages] == [2, 2, 2]
    assert [item for page in pages for item in page] == everything


def test_counts_are_of_what_is_listed(crowd: System) -> None:
    found = attention.counts(crowd.parts)
    assert {kind: one.number for kind, one in found.items() if one.number} == {Kind.LATE: 1, Kind.EXPIRING: 5}
    assert not any(one.more for one in found.values())
    assert COUNTED >= 1000


def test_a_look_that_ends_early_says_so_and_the_next_page_goes_on_there(crowd: System) -> None:
    assert attention.counts(crowd.parts, most=3)[Kind.EXPIRING] == attention.Counted(3, more=True)
    assert attention.counts(crowd.parts, look_at=4)[Kind.EXPIRING] == attention.Counted(4, more=True)
    pages, after = [], None
    while True:
        page = attention.page(crowd.parts, 20, after, [Kind.EXPIRING], look_at=2)
        pages.append(len(page.items))
        if (after := page.after) is None:
            break
    assert pages == [2, 2, 1]


def test_holds_that_end_in_one_millisecond_are_all_found(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them in one bucket than a page reads."""
    monkeypatch.setattr("app.ledger.storage.index.FIRST_ROWS", 2)
    monkeypatch.setattr("app.ledger.storage.index.ROWS", 3)
    holds = [system.authorize("1.00", f"order-{number}") for number in range(25)]
    at = system.connection.now_milliseconds() + DAY
    for transaction in holds:
        ends_at(system, transaction, at)
    found = [row for row, _ in system.index.holds_ending(Row(0, ""), at)]
    assert found == [Row(at, transaction) for transaction in sorted(holds)]
    assert [row for row, _ in system.index.holds_ending(found[9], at)] == found[10:]


@pytest.mark.parametrize("text", ["", "parked", "parked~", "nothing~1~gb", "parked~x~gb"])
def test_a_place_that_nobody_gave_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be what the page before gave"):
        Cursor.parse(text)


Make = Callable[[System], str]


@pytest.mark.parametrize("make", [refused_settlement, late_success, unresolved])
def test_no_card_is_in_it(system: System, make: Make) -> None:
    transaction = make(system)
    card = system.record(transaction).card_id
    assert waiting(system)
    assert not [item for item in waiting(system) if card in str(item)]


def test_one_who_lost_the_request_is_listed_once(system: System) -> None:
    """A lost answer that the backend shows again is resolved by the sweeper, and never waits for a person."""
    transaction = system.authorize("40.00")
    system.mapper.faults = [lost_before]
    system.settle(transaction, "40.00")
    assert waiting(system) == []

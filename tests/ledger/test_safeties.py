"""Each safety of the ledger alone: what goes wrong without it. tests/mutations takes them away one at a time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.ledger.connection import Connection
from app.ledger.errors import StoreUnavailable, Unresolved
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import ActState, Operation, State
from mappers.base import (
    Act,
    BackendUnavailable,
    CardUnusable,
    Holds,
    OutcomeUnknown,
    Receipt,
    Step,
    Transaction,
    Verb,
)
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import CARD, error_after, lost_after, lost_before

Run = Callable[[], Receipt]


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


@pytest.fixture
def once_only(make_house: MakeHouse) -> House:
    """A backend that would redeem twice when told twice, reserved in the ledger."""
    return make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)


def undisturbed(step: Step, run: Run) -> Receipt:
    return run()


def authorize_within(house: House, seconds: float, value: str, request_id: str) -> str:
    request = AuthorizationRequest(CARD, Operation.DEBIT, Decimal(value), request_id)
    return house.ledger.authorize(house.provider, request, house.deadline(seconds))


def change_within(house: House, seconds: float, transaction: str, value: str, kind: str, request_id: str) -> None:
    change = ChangeRequest(CARD, transaction, Decimal(value), request_id)
    use_case = house.ledger.settle if kind == "settle" else house.ledger.cancel
    use_case(house.provider, change, house.deadline(seconds))


def half_settled(house: House) -> str:
    """An authorisation of 40.00 of which 10.00 are settled: to cancel 35.00 takes a release and a refund."""
    transaction = house.authorize("40.00")
    house.settle(transaction, "10.00")
    house.backend.calls.clear()
    return transaction


def runs(house: House) -> list[Verb]:
    return [verb for call, verb, _ in house.backend.calls if call == "run"]


def parked(house: House) -> list[str]:
    client = house.connection._client
    return [name for key in client.keys("gb:*:parked") for name in client.smembers(key)]


@pytest.mark.parametrize("holds", list(Holds))
def test_with_the_store_down_the_backend_is_not_even_asked(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch, holds: Holds
) -> None:
    house = make_house(holds)
    looks: list[None] = []

    def refuse(*arguments: object) -> None:
        raise StoreUnavailable("down")

    house.mapper.on_look = lambda: looks.append(None)
    monkeypatch.setattr(house.connection, "call", refuse)
    with pytest.raises(StoreUnavailable):
        house.authorize("40.00")
    assert (looks, house.backend.calls) == ([], [])


def test_a_step_is_on_disk_before_the_next_one_runs(house: House) -> None:
    transaction = half_settled(house)
    on_disk: list[bool] = []

    def look(step: Step, run: Run) -> Receipt:
        on_disk.extend(step.receipt is not None for step in house.record(transaction).acts[2].steps)
        return run()

    house.mapper.faults = [undisturbed, look]
    house.cancel(transaction, "35.00")
    assert on_disk == [True, False]


def test_an_intent_nobody_finished_is_due_for_the_sweeper(house: House) -> None:
    def dies(step: Step, run: Run) -> Receipt:
        raise Killed

    house.mapper.faults = [dies]
    with pytest.raises(Killed):
        house.authorize("40.00")
    house.lose_lease(house.only_record().id)
    assert house.sweep() == {"abandoned": 1}


class LosingProxy:
    """Stands before the store and hangs up instead of passing on the answer to INCRBY."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with client, socket.socket(socket.AF_UNIX) as store:
                store.connect(self._path)
                while data := client.recv(65536):
                    store.sendall(data)
                    answer = store.recv(65536)
                    if b"INCRBY" in data:
                        break
                    client.sendall(answer)
                else:
                    return

    def close(self) -> None:
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()


def test_a_command_whose_answer_is_lost_is_not_repeated(redis_url: str, house: House) -> None:
    proxy = LosingProxy(redis_url.removeprefix("unix://"))
    connection = Connection.to(proxy.url, timeout_seconds=5, connections=1)
    try:
        with pytest.raises(StoreUnavailable):
            connection.call(lambda client: client.incrby("counter", 300))
    finally:
        connection.close()
        proxy.close()
    assert house.connection.call(lambda client: client.get("counter")) == "300"


def test_steps_of_one_act_never_share_a_key(house: House) -> None:
    house.cancel(half_settled(house), "35.00")
    keys = [key for call, _, key in house.backend.calls if call == "run"]
    assert len(keys) == len(set(keys)) == 2
    assert house.backend.spendable == 9_500


def test_a_settlement_that_succeeds_late_and_over_the_cap_is_not_counted(house: House) -> None:
    """It was refused to the one who took it over, all was cancelled, and then the backend says that it happened."""
    transaction = house.authorize("40.00")

    def overtaken(step: Step, run: Run) -> Receipt:
        house.lose_lease(transaction)
        house.backend.frozen = True
        with pytest.raises(CardUnusable):
            house.settle(transaction, "40.00")
        house.backend.frozen = False
        house.cancel(transaction, "40.00")
        return Receipt("a capture nobody can explain")

    house.mapper.faults = [overtaken]
    with pytest.raises(CardUnusable):
        house.settle(transaction, "40.00")
    record = house.record(transaction)
    assert (record.captured, record.released) == (0, 4_000)
    assert parked(house) == [transaction]


def test_an_act_under_lease_is_not_run_by_a_second_process(house: House) -> None:
    def meanwhile(step: Step, run: Run) -> Receipt:
        with pytest.raises(Unresolved):
            authorize_within(house, 0.2, "40.00", "order-1")
        assert runs(house) == [Verb.HOLD]
        return run()

    house.mapper.faults = [meanwhile]
    house.authorize("40.00")


def test_an_attempt_overtaken_between_two_steps_does_not_run_the_second(house: House) -> None:
    transaction = half_settled(house)

    def overtaken(step: Step, run: Run) -> Receipt:
        house.lose_lease(transaction)
        assert house.store.claim(house.record(transaction), one_step_at_a_time=False).word == "claimed"
        return run()

    house.mapper.faults = [overtaken]
    with pytest.raises(Unresolved):
        change_within(house, 0.3, transaction, "35.00", "cancel", "cancel-1")
    assert runs(house) == [Verb.RELEASE]


def test_an_overtaken_attempt_does_not_wipe_out_the_steps_of_the_one_that_overtook_it(house: House) -> None:
    """The first attempt stalls in its first step; the second does two of three and dies; then the first wakes up."""
    transaction = house.authorize("40.00")

    def in_three(act: Act, transaction: Transaction) -> list[Step]:
        return [transaction.step(Verb.RELEASE, 1_000, house.mapper._hold(transaction)) for _ in range(3)]

    def dies(step: Step, run: Run) -> Receipt:
        raise Killed

    def overtaken(step: Step, run: Run) -> Receipt:
        house.lose_lease(transaction)
        house.mapper.faults = [undisturbed, undisturbed, dies]
        with pytest.raises(Killed):
            house.cancel(transaction, "30.00")
        return run()

    house.mapper.plan = in_three  # type: ignore[method-assign]
    house.mapper.faults = [overtaken]
    with pytest.raises(Unresolved):
        change_within(house, 0.3, transaction, "30.00", "cancel", "cancel-1")
    steps = house.record(transaction).acts[1].steps
    assert [step.receipt is not None for step in steps] == [True, True, False]


def test_an_attempt_sends_in_the_first_half_of_its_lease_only(make_house: MakeHouse) -> None:
    house = make_house(Holds.NATIVE, lease=timedelta(seconds=4))
    run, left = house.mapper.run, []

    def timed(step: Step, deadline: Any) -> Receipt:
        left.append(deadline.remaining_seconds())
        return run(step, deadline)

    house.mapper.run = timed  # type: ignore[method-assign]
    house.authorize("40.00")
    assert left[0] <= 2


def test_the_backend_is_asked_before_it_is_told_again(once_only: House) -> None:
    house = once_only
    transaction = house.authorize("40.00")
    house.mapper.faults = [lost_after]
    house.mapper.ask_faults = [BackendUnavailable("down")]
    with pytest.raises(OutcomeUnknown):
        house.settle(transaction, "40.00")
    house.lose_lease(transaction)
    house.settle(transaction, "40.00")
    assert house.backend.effects.total() == 1


def test_no_trace_of_it_is_not_believed_while_reads_may_lag_behind(
    once_only: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = once_only
    house.mapper.read_lag_seconds = 60  # type: ignore[misc]
    transaction = house.authorize("40.00")
    house.mapper.faults = [error_after]
    with monkeypatch.context() as lagging:
        lagging.setattr(house.mapper, "ask", lambda step, deadline: None)
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                house.settle(transaction, "40.00")
    house.settle(transaction, "40.00")
    assert house.backend.effects.total() == 1


def test_nothing_is_left_for_a_person_while_it_may_still_show(make_house: MakeHouse) -> None:
    house = make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True, tells=False)
    transaction = house.authorize("40.00")
    house.mapper.faults = [lost_after]
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            house.settle(transaction, "40.00")
    assert house.record(transaction).acts[1].state is ActState.OPENING
    house.mapper.tells = True
    house.settle(transaction, "40.00")
    assert house.backend.effects.total() == 1


def left_for_a_person(house: House, value: str = "40.00") -> str:
    """Authorise and settle so that nobody can tell what became of the settlement."""
    transaction = house.authorize(value, "parked")
    house.mapper.tells = False
    house.mapper.faults = [lost_before]
    with pytest.raises(OutcomeUnknown):
        house.settle(transaction, value)
    house.lose_lease(transaction)
    with pytest.raises(Unresolved):
        house.settle(transaction, value)
    house.mapper.tells = True
    assert house.record(transaction).acts[1].state is ActState.PARKED
    return transaction


def test_a_parked_act_of_which_there_is_no_trace_is_not_repeated(once_only: House) -> None:
    house = once_only
    transaction = left_for_a_person(house)
    house.lose_lease(transaction)
    house.sweep()
    assert house.record(transaction).acts[1].state is ActState.PARKED
    assert house.backend.effects.total() == 0


def test_a_refusal_after_money_moved_leaves_the_act_for_a_person(house: House) -> None:
    transaction = half_settled(house)

    def refuse(step: Step, run: Run) -> Receipt:
        raise CardUnusable("frozen meanwhile")

    house.mapper.faults = [undisturbed, refuse]
    with pytest.raises(Unresolved, match="a person must decide"):
        house.cancel(transaction, "35.00")
    assert house.record(transaction).acts[2].state is ActState.PARKED


def test_an_authorisation_somebody_came_back_for_is_not_given_up_early(house: House) -> None:
    house.authorize("40.00")
    assert house.index.due_within(timedelta(days=29)) == []


def test_an_authorisation_touched_since_the_sweeper_looked_is_not_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.mapper.faults = [lost_after]
    house.mapper.ask_faults = [BackendUnavailable("down")]
    with pytest.raises(OutcomeUnknown):
        house.authorize("40.00")
    house.sweep()
    load = house.store.load

    def then_touched(transaction_id: str) -> Any:
        record = load(transaction_id)
        monkeypatch.undo()
        house.authorize("40.00")
        return record

    monkeypatch.setattr(house.store, "load", then_touched)
    assert house.sweep() == {"touched meanwhile": 1}
    assert house.only_record().state is State.AUTHORISED
    assert house.backend.held == 4_000


def test_money_that_is_just_being_taken_is_not_counted_twice(once_only: House) -> None:
    """The backend has taken it and the ledger still reserves it: who asks now must wait, not be declined."""
    house = once_only
    transaction = house.authorize("60.00", "order-1")

    def taken(step: Step, run: Run) -> Receipt:
        receipt = run()
        with pytest.raises(BackendUnavailable, match="kept changing"):
            authorize_within(house, 0.2, "30.00", "order-2")
        return receipt

    house.mapper.faults = [taken]
    house.settle(transaction, "60.00")
    house.authorize("30.00", "order-2")


def test_a_parked_or_promised_act_does_not_break_into_a_busy_card(once_only: House) -> None:
    house = once_only
    waiting = left_for_a_person(house)
    transaction = house.authorize("10.00", "order-2")

    def meanwhile(step: Step, run: Run) -> Receipt:
        before = list(house.backend.calls)
        with pytest.raises(Unresolved):
            house.parts.executor.decide(
                house.provider, house.record(waiting), house.deadline(0.2), happened=False, reference="", actor="ana"
            )
        assert house.backend.calls == before
        return run()

    house.mapper.faults = [meanwhile]
    house.settle(transaction, "10.00")


def test_a_card_is_freed_only_by_the_transaction_that_keeps_it_busy(once_only: House) -> None:
    house = once_only
    first, second = house.authorize("10.00", "order-1"), house.authorize("10.00", "order-2")

    def meanwhile(step: Step, run: Run) -> Receipt:
        house.authorize("10.00", "order-3")
        with pytest.raises(Unresolved):
            change_within(house, 0.2, second, "10.00", "settle", "settle-2")
        assert runs(house) == [Verb.DEBIT]
        return run()

    house.mapper.faults = [meanwhile]
    house.settle(first, "10.00")

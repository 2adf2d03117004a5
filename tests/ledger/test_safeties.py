"""Each safety of the ledger alone: what goes wrong without it. tests/mutations takes them away one at a time."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta
from typing import Any

import pytest

from app.ledger.caller import Caller
from app.ledger.errors import LedgerUnavailable, Unresolved
from app.ledger.storage.answers import LeaseAnswer
from app.ledger.storage.connection import Connection
from app.ledger.transaction import ActState
from mappers.base import (
    Act,
    CardUnusable,
    Holds,
    OutcomeUnknown,
    Receipt,
    Step,
    TransactionFacts,
    Verb,
)
from tests.ledger.conftest import House, MakeHouse
from tests.ledger.model import Killed, error_after, lost_after
from tests.ledger.safety import (
    Run,
    authorize_within,
    change_within,
    half_settled,
    left_for_a_person,
    parked,
    runs,
    undisturbed,
)


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house(Holds.NATIVE)


@pytest.fixture
def once_only(make_house: MakeHouse) -> House:
    """A backend that would redeem twice when told twice, reserved in the ledger."""
    return make_house(Holds.LEDGER, repeatable=False, one_step_at_a_time=True)


@pytest.mark.parametrize("holds", list(Holds))
def test_with_redis_down_the_backend_is_not_even_asked(
    make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch, holds: Holds
) -> None:
    house = make_house(holds)
    looks: list[None] = []

    def refuse(*arguments: object) -> None:
        raise LedgerUnavailable("down")

    house.mapper.on_look = lambda: looks.append(None)
    monkeypatch.setattr(house.connection, "call", refuse)
    with pytest.raises(LedgerUnavailable):
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
    """Stands before Redis and hangs up instead of passing on the answer to INCRBY."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with client, socket.socket(socket.AF_UNIX) as storage:
                storage.connect(self._path)
                while data := client.recv(65536):
                    storage.sendall(data)
                    answer = storage.recv(65536)
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
        with pytest.raises(LedgerUnavailable):
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
    """It was refused to the one who took it over, all was canceled, and then the backend says that it happened."""
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
    assert (record.captured, record.voided) == (0, 4_000)
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
        taken = house.storage.take_lease(house.record(transaction), Caller.vtex(), one_step_at_a_time=False)
        assert taken.answer is LeaseAnswer.LEASED
        return run()

    house.mapper.faults = [overtaken]
    with pytest.raises(Unresolved):
        change_within(house, 0.3, transaction, "35.00", "cancel", "cancel-1")
    assert runs(house) == [Verb.VOID]


def test_an_overtaken_attempt_does_not_wipe_out_the_steps_of_the_one_that_overtook_it(house: House) -> None:
    """The first attempt stalls in its first step; the second does two of three and dies; then the first wakes up."""
    transaction = house.authorize("40.00")

    def in_three(act: Act, transaction: TransactionFacts) -> list[Step]:
        return [transaction.step(Verb.VOID, 1_000, house.mapper._hold(transaction)) for _ in range(3)]

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
    with house.cut_off(), pytest.raises(OutcomeUnknown):
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
    assert house.record(transaction).acts[1].state is ActState.PENDING
    house.mapper.tells = True
    house.settle(transaction, "40.00")
    assert house.backend.effects.total() == 1


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

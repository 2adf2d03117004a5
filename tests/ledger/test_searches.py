"""Equal searches: one backend call for all that are under way, and none for a repeat where the policy says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from app.ledger.searches import MOST_KEPT, SharedSearches
from app.ledger.threads import BackendThreads
from mappers.base import BackendUnavailable, Card, Customer, Query
from mappers.deadline import Deadline
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System

SHOPPERS = 8

Outcome = Sequence[Card] | str


class Backend:
    """Counts what it is asked for, and answers when it is told to."""

    def __init__(self, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Query] = []
        self.may_answer = threading.Event()
        self.failure: Exception | None = None
        self.find = system.mapper.find
        monkeypatch.setattr(system.mapper, "find", self.hang)

    def hang(self, query: Query, deadline: Deadline) -> Sequence[Card]:
        self.asked.append(query)
        assert self.may_answer.wait(30)
        if self.failure is not None:
            raise self.failure
        return self.find(query, deadline)


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    return make_system()


@pytest.fixture
def backend(system: System, monkeypatch: pytest.MonkeyPatch) -> Backend:
    return Backend(system, monkeypatch)


def all_at_once(system: System, backend: Backend, query: Callable[[int], Query]) -> list[Outcome]:
    """Let many search, and the backend answer once all of them have a thread."""

    def outcome(number: int) -> Outcome:
        try:
            return find(system, query(number))
        except BackendUnavailable as error:
            return str(error)

    threads = system.cards._threads
    with ThreadPoolExecutor(SHOPPERS) as pool:
        outcomes = [pool.submit(outcome, number) for number in range(SHOPPERS)]
        while sum(threads._busy.values()) < SHOPPERS:
            pass
        backend.may_answer.set()
        return [one.result(30) for one in outcomes]


def find(system: System, query: Query, seconds: float = 20) -> Sequence[Card]:
    return system.cards._searches.find(system.provider, query, Deadline.after(seconds))


def test_equal_searches_at_a_time_are_one_call(system: System, backend: Backend) -> None:
    found = all_at_once(system, backend, lambda number: Query("CODE-1", address=f"192.0.2.{number}"))
    assert len(backend.asked) == 1
    assert all(cards == found[0] and cards for cards in found)
    find(system, Query("CODE-1"))
    assert len(backend.asked) == 2


def test_other_searches_are_calls_of_their_own(system: System, backend: Backend) -> None:
    all_at_once(system, backend, lambda number: Query("CODE-1", Customer(f"shopper-{number}")))
    assert len(backend.asked) == SHOPPERS


def test_a_failure_is_everybodys_and_is_not_kept(system: System, backend: Backend) -> None:
    backend.failure = BackendUnavailable("down")
    assert all_at_once(system, backend, lambda _: Query("CODE-1")) == ["down"] * SHOPPERS
    assert len(backend.asked) == 1
    backend.failure = None
    assert find(system, Query("CODE-1"))


def test_who_waits_for_an_equal_search_does_so_until_its_own_deadline(system: System, backend: Backend) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(find, system, Query("CODE-1"))
        while not backend.asked:
            pass
        with pytest.raises(BackendUnavailable, match="still under way"):
            find(system, Query("CODE-1"), 0.05)
        backend.may_answer.set()
        assert first.result(30)


def test_a_search_that_has_overrun_its_deadline_keeps_nobody_waiting(system: System, backend: Backend) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(find, system, Query("CODE-1"), 0)
        while not backend.asked:
            pass
        second = pool.submit(find, system, Query("CODE-1"))
        while len(backend.asked) < 2:
            assert not second.done()
        backend.may_answer.set()
        assert first.result(30)
        assert second.result(30)
    assert not system.cards._searches._under_way


def test_a_repeat_is_answered_from_memory_for_as_long_as_the_policy_says(system: System, backend: Backend) -> None:
    now = 100.0
    searches = SharedSearches(BackendThreads(8), lambda: now)
    backend.may_answer.set()
    provider = replace(system.provider, policy=replace(system.provider.policy, search_cache=timedelta(seconds=2)))
    first = searches.find(provider, Query("CODE-1"), Deadline.after(5))
    now += 1.9
    assert searches.find(provider, Query("CODE-1"), Deadline.after(5)) == first
    assert len(backend.asked) == 1
    now += 0.2
    searches.find(provider, Query("CODE-1"), Deadline.after(5))
    assert len(backend.asked) == 2
    for number in range(MOST_KEPT + 5):
        searches.find(provider, Query(f"CODE-{number}"), Deadline.after(5))
    assert len(searches._kept) == MOST_KEPT


def test_a_get_and_an_authorization_ask_the_backend_all_the_same(system: System, backend: Backend) -> None:
    backend.may_answer.set()
    cached = system.changed(policy=replace(system.provider.policy, search_cache=timedelta(seconds=60)))
    (before,) = cached.cards.search(cached.provider, Query("CODE-1"), cached.deadline())
    cached.authorize("40.00")
    assert cached.backend.spendable == 6_000
    assert cached.cards.get(cached.provider, CARD, cached.deadline()).balance == 6_000
    (again,) = cached.cards.search(cached.provider, Query("CODE-1"), cached.deadline())
    assert (before.balance, again.balance, len(backend.asked)) == (10_000, 10_000, 1)

"""The breaker, on a clock of its own."""

from __future__ import annotations

import threading

import pytest

from mappers.http.breaker import FAILURES_TO_OPEN, OPEN_SECONDS, Breaker


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.record(healthy=False)


def test_lets_calls_through_below_the_limit(breaker: Breaker) -> None:
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert breaker.wait_seconds() == 0


def test_opens_after_that_many_failures_in_a_row_and_says_for_how_long(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES_TO_OPEN)
    clock.now += 1
    assert breaker.wait_seconds() == OPEN_SECONDS - 1


def test_one_healthy_answer_starts_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, FAILURES_TO_OPEN - 1)
    breaker.record(healthy=True)
    fail(breaker, FAILURES_TO_OPEN - 1)
    assert breaker.wait_seconds() == 0


def test_half_open_lets_exactly_one_probe_through(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES_TO_OPEN)
    clock.now += OPEN_SECONDS
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(breaker.wait_seconds())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [0] + [OPEN_SECONDS] * 7


def test_a_probe_that_never_reports_is_followed_by_another(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES_TO_OPEN)
    clock.now += OPEN_SECONDS
    breaker.wait_seconds()
    clock.now += OPEN_SECONDS
    assert breaker.wait_seconds() == 0


def test_a_failed_probe_keeps_it_open(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES_TO_OPEN)
    clock.now += OPEN_SECONDS
    breaker.wait_seconds()
    breaker.record(healthy=False)
    assert breaker.wait_seconds() == OPEN_SECONDS


def test_a_healthy_probe_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, FAILURES_TO_OPEN)
    clock.now += OPEN_SECONDS
    breaker.wait_seconds()
    breaker.record(healthy=True)
    assert [breaker.wait_seconds() for _ in range(3)] == [0, 0, 0]

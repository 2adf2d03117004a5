"""What a mapper makes of a backend that is down, slow or babbling: not done for certain, or unknown; always in time."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from mappers.base import (
    BackendUnavailable,
    Holds,
    Mapper,
    NewCard,
    OutcomeUnknown,
    Query,
    Receipt,
    Secret,
    Step,
    Verb,
)
from mappers.conformance.applicability import issues_cards, needs
from mappers.conformance.attempts import SLACK_SECONDS, Attempt, ask_until_it_shows, run, soon
from mappers.conformance.fixtures import Fixtures, MakeMapper, RunScenario, secrets_of
from mappers.deadline import Deadline
from mappers.http.breaker import FAILURES_TO_OPEN

if TYPE_CHECKING:
    from mappers.sandbox import Sandbox

# ruff: noqa: S101 - these are tests

# Each verb of every kind of hold is in one of these.
TELLING_SCENARIOS = ("cancel all", "settle a part, cancel and refund all at once", "a bit of everything")

# Faults that leave the outcome of a write unknown, and whether it then happened.
SPOILED = {"drop_before": False, "drop_after": True, "status": False, "status_after": True, "junk": True}

# What a gateway answers that does not find the backend: it says nothing of a card.
NOT_FOUND: dict[str, Any] = {"status": 404, "body": "<html>Not Found</html>"}

# Faults that make a read fail however often it is repeated.
UNREADABLE: dict[str, dict[str, Any]] = {
    "drop_before": {},
    "drop_after": {},
    "status": {"status": 503},
    "junk": {},
    "slow_body": {"seconds": 0.05},
    "delay_before": {"seconds": 60},
    "a gateway's 404": {"kind": "status", **NOT_FOUND},
}
SLOW = ("slow_body", "slow_headers", "delay_after")

# Little enough to wait for. A call that a busy machine does not begin in so little time fails as it should.
READ_SECONDS = 0.3

# Enough for a write to begin, which mappers.http does not let it with less than half a second; then, on a busy machine.
WRITE_SECONDS = (0.7, 2.0, 8.0)

# A drip comes often enough for each read of a socket, and far too slowly for the whole answer.
BYTES_IN_TIME = 14

# A breaker, where a mapper has one before its writes, must have opened by then.
MORE_THAN_A_BREAKER_LETS_PASS = 2 * FAILURES_TO_OPEN

WRITES = ("POST", "PUT", "PATCH", "DELETE")


@contextmanager
def spoiling(sandbox: Sandbox, kind: Any, **fault: Any) -> Iterator[None]:
    """Let the next write meet a fault, whatever its method is: one write, so that a second attempt would show."""
    for method in WRITES:
        sandbox.faults.add(kind, method=method, **fault)
    yield
    assert len(sandbox.faults.pending()) < len(WRITES), "no write was sent"
    sandbox.faults.clear()


def _spoiled_first(sandbox: Sandbox, *errors: type[Exception], **answer: Any) -> Attempt:
    """Return an attempt at a step: what moves money gets an answer that is no refusal first, then the backend's."""

    def attempt(mapper: Mapper, step: Step) -> Receipt:
        if step.verb is not Verb.LOOK:
            with spoiling(sandbox, "status", **answer), pytest.raises(errors):
                run(mapper, step)
        return run(mapper, step)

    return attempt


def spoil_reads(sandbox: Sandbox, fault: str) -> None:
    """Let reads meet one of the faults UNREADABLE, more often than any is repeated."""
    planned: dict[str, Any] = {"kind": fault, "times": 10} | UNREADABLE[fault]
    sandbox.faults.add(**planned)


def run_too_slowly(mapper: Mapper, step: Step, sandbox: Sandbox, kind: str) -> None:
    """Run a step whose answer does not come in time, with more of it where no write was begun."""
    for seconds in WRITE_SECONDS:
        pause = 60 if kind == "delay_after" else seconds / BYTES_IN_TIME
        try:
            with spoiling(sandbox, kind, seconds=pause), in_time(seconds), pytest.raises(OutcomeUnknown):
                mapper.run(step, Deadline.after(seconds))
        except BackendUnavailable:
            if seconds == WRITE_SECONDS[-1] or len(sandbox.faults.pending()) < len(WRITES):
                raise
            sandbox.faults.clear()
        else:
            return


class FailureTests(Fixtures):
    """No failure may be taken for a refusal, and none may be repeated blindly."""

    @pytest.mark.parametrize("scenario", TELLING_SCENARIOS)
    @pytest.mark.parametrize("kind", SPOILED)
    def test_an_unclear_answer_is_unknown_and_asking_tells(
        self, kind: str, scenario: str, holds: Holds, run_scenario: RunScenario, sandbox: Sandbox
    ) -> None:
        def attempt(mapper: Mapper, step: Step) -> Receipt:
            if step.verb is Verb.LOOK:
                return run(mapper, step)
            # An answer without content cannot be spoiled with junk: then it succeeds.
            expected = suppress(OutcomeUnknown) if kind == "junk" else pytest.raises(OutcomeUnknown)
            with spoiling(sandbox, kind), expected:
                run(mapper, step)
            if SPOILED[kind]:
                return ask_until_it_shows(mapper, step)
            assert mapper.ask(step, soon()) is None, f"the {step.verb} did not happen, and ask() says that it did"
            return run(mapper, step)

        run_scenario(scenario, holds, attempt)

    @pytest.mark.parametrize("kind", SLOW)
    def test_a_slow_answer_is_unknown_at_the_deadline_and_asking_tells(
        self, kind: str, holds: Holds, run_scenario: RunScenario, sandbox: Sandbox
    ) -> None:
        slowed: list[Step] = []

        def attempt(mapper: Mapper, step: Step) -> Receipt:
            if step.verb is Verb.LOOK or slowed:
                return run(mapper, step)
            slowed.append(step)
            run_too_slowly(mapper, step, sandbox, kind)
            return ask_until_it_shows(mapper, step)

        run_scenario("settle all, refund in parts", holds, attempt)

    def test_too_many_requests_is_unavailable_for_as_long_as_the_backend_says(
        self, holds: Holds, run_scenario: RunScenario, sandbox: Sandbox
    ) -> None:
        def attempt(mapper: Mapper, step: Step) -> Receipt:
            if step.verb is Verb.LOOK:
                return run(mapper, step)
            limit = {"status": 429, "headers": {"Retry-After": "7"}}
            with spoiling(sandbox, "status", **limit), pytest.raises(BackendUnavailable) as caught:
                run(mapper, step)
            assert caught.value.retry_after_seconds == 7, "pass on in how many seconds the backend may be asked again"
            return run(mapper, step)

        run_scenario("a bit of everything", holds, attempt)

    def test_what_settles_or_gives_back_is_tried_however_often_it_failed(
        self, holds: Holds, run_scenario: RunScenario, sandbox: Sandbox
    ) -> None:
        """Only a new payment may be turned away while the backend seems dead."""

        def attempt(mapper: Mapper, step: Step) -> Receipt:
            if step.opens or step.verb is Verb.LOOK:
                return run(mapper, step)
            for _ in range(MORE_THAN_A_BREAKER_LETS_PASS):
                with spoiling(sandbox, "status", status=500), pytest.raises(OutcomeUnknown):
                    run(mapper, step)
            return run(mapper, step)

        run_scenario("settle a part, cancel and refund all at once", holds, attempt)

    def test_credentials_refused_while_paying_are_no_refusal(
        self, holds: Holds, run_scenario: RunScenario, sandbox: Sandbox
    ) -> None:
        run_scenario("a bit of everything", holds, _spoiled_first(sandbox, BackendUnavailable, status=401))

    def test_a_404_of_some_gateway_while_paying_is_no_refusal(
        self, holds: Holds, run_scenario: RunScenario, sandbox: Sandbox
    ) -> None:
        attempt = _spoiled_first(sandbox, BackendUnavailable, OutcomeUnknown, **NOT_FOUND)
        run_scenario("a bit of everything", holds, attempt)

    def test_a_step_is_not_started_without_time_for_it(
        self, holds: Holds, run_scenario: RunScenario, sandbox: Sandbox
    ) -> None:
        def attempt(mapper: Mapper, step: Step) -> Receipt:
            before = len(sandbox.requests)
            with pytest.raises(BackendUnavailable):
                mapper.run(step, Deadline.after(0))
            assert len(sandbox.requests) == before, "the backend was asked, with no time left for an answer"
            return run(mapper, step)

        run_scenario("a bit of everything", holds, attempt)

    @pytest.mark.parametrize("kind", UNREADABLE)
    @pytest.mark.parametrize("question", ["find", "get_card", "ping"])
    def test_a_card_that_cannot_be_read_is_unavailable_and_in_time(
        self, question: str, kind: Any, mapper: Mapper, card_id: str, card_code: str, sandbox: Sandbox
    ) -> None:
        spoil_reads(sandbox, kind)
        with in_time(READ_SECONDS), pytest.raises(BackendUnavailable) as caught:
            self._ask(question, mapper, card_id, card_code)(Deadline.after(READ_SECONDS))
        assert card_code not in "".join(traceback.format_exception(caught.value)), "an error shows the code"

    @pytest.mark.parametrize("question", ["find", "get_card", "ping"])
    def test_a_read_that_fails_once_succeeds_all_the_same(
        self, question: str, mapper: Mapper, card_id: str, card_code: str, sandbox: Sandbox
    ) -> None:
        sandbox.faults.add("drop_before")
        self._ask(question, mapper, card_id, card_code)(soon())

    @pytest.mark.parametrize("kind", UNREADABLE)
    def test_what_cannot_be_asked_is_not_told(
        self, kind: Any, holds: Holds, run_scenario: RunScenario, sandbox: Sandbox
    ) -> None:
        asked: list[Step] = []

        def attempt(mapper: Mapper, step: Step) -> Receipt:
            receipt = run(mapper, step)
            if step.verb is not Verb.LOOK and not asked:
                asked.append(step)
                spoil_reads(sandbox, kind)
                with in_time(READ_SECONDS), pytest.raises((BackendUnavailable, OutcomeUnknown)):
                    mapper.ask(step, Deadline.after(READ_SECONDS))
                sandbox.faults.clear()
            return receipt

        run_scenario("settle all", holds, attempt)

    def test_wrong_credentials_are_unavailable_rather_than_no_such_card(
        self, options: Any, make_mapper: MakeMapper, card_id: str, card_code: str, sandbox: Sandbox
    ) -> None:
        for name in secrets_of(options):
            wrong = type(self).mapper_class(
                "conformance",
                make_mapper(self.mapper_class.supported_holds[0]).currency,
                self.mapper_class.supported_holds[0],
                replace(options, **{name: Secret("wrong-credential")}),
            )
            for question in ("find", "get_card", "ping"):
                with pytest.raises(BackendUnavailable):
                    self._ask(question, wrong, card_id, card_code)(soon())

    @needs(issues_cards)
    @pytest.mark.parametrize("kind", SPOILED)
    def test_a_card_whose_issuing_is_unknown_is_made_once(
        self, kind: str, mapper: Mapper, full: int, sandbox: Sandbox
    ) -> None:
        new = NewCard(f"gb-00{uuid4().hex}-1", balance=full)
        with spoiling(sandbox, kind), pytest.raises(OutcomeUnknown):
            mapper.issue(new, soon())
        cards = {mapper.issue(new, soon()).card.id for _ in range(2)}
        assert len(cards) == 1, "issuing again after a lost answer made a second card"

    @staticmethod
    def _ask(question: str, mapper: Mapper, card_id: str, card_code: str) -> Callable[[Deadline], object]:
        return {
            "find": lambda deadline: mapper.find(Query(code=card_code), deadline),
            "get_card": lambda deadline: mapper.get_card(card_id, deadline),
            "ping": mapper.ping,
        }[question]


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds + SLACK_SECONDS, f"it took longer than its deadline of {seconds} s"

"""Lightrail V1 over real sockets: what a shopper's money goes through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from mappers.base import Act, ActKind, BackendUnavailable, CardNotFound, CardUnusable, Holds, Origin, Unsupported, Verb
from mappers.lightrail_v1.mapper import LightrailV1
from mappers.lightrail_v1.sandbox import create_app
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_v1_story import Story, connect, soon


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox: Sandbox) -> LightrailV1:
    return connect(sandbox)


@pytest.fixture
def story(sandbox: Sandbox, mapper: LightrailV1) -> Story:
    return Story(sandbox, mapper)


# Money


def test_a_hold_keeps_the_money_at_once_and_is_captured_whole(story: Story) -> None:
    assert story.hold() == [Verb.HOLD]
    assert story.value == [9000]
    assert story.do(ActKind.CAPTURE, 400) == [Verb.CAPTURE]
    assert story.do(ActKind.CAPTURE, 600) == []
    assert story.rows() == [("PENDING_CREATE", -1000), ("PENDING_CAPTURE", 1000), ("DRAWDOWN", -1000)]


def test_a_whole_hold_is_voided(story: Story) -> None:
    story.hold()
    assert story.do(ActKind.REVERSAL, 1000, voided=1000) == [Verb.VOID]
    assert story.rows()[-1] == ("PENDING_VOID", 1000)
    assert story.value == [10000]


def test_a_part_of_a_hold_goes_back_as_value_after_a_capture(story: Story) -> None:
    story.hold()
    assert story.do(ActKind.REVERSAL, 300, voided=300) == [Verb.CAPTURE, Verb.REFUND]
    assert story.rows()[-2:] == [("DRAWDOWN", -1000), ("FUND", 300)]
    assert story.value == [9300]


@pytest.mark.parametrize(("parts", "row"), [([1000], "DRAWDOWN_REFUND"), ([400, 600], "FUND")])
def test_all_at_once_is_refunded_and_parts_are_funded(story: Story, parts: list[int], row: str) -> None:
    story.hold()
    story.do(ActKind.CAPTURE, 1000)
    for part in parts:
        assert story.do(ActKind.REVERSAL, part, refunded=part) == [Verb.REFUND]
    assert story.rows()[-1] == (row, parts[-1])
    assert story.value == [10000]


def test_a_debit_up_front_is_a_drawdown_and_its_refund(sandbox: Sandbox) -> None:
    story = Story(sandbox, connect(sandbox, Holds.UPFRONT))
    assert story.hold() == [Verb.DEBIT]
    assert story.do(ActKind.CAPTURE, 1000) == []
    assert story.do(ActKind.REVERSAL, 1000, refunded=1000) == [Verb.REFUND]
    assert story.rows() == [("DRAWDOWN", -1000), ("DRAWDOWN_REFUND", 1000)]


def test_the_hold_of_a_transaction_outlives_a_change_of_policy(sandbox: Sandbox, story: Story) -> None:
    story.hold()
    story.mapper = connect(sandbox, Holds.UPFRONT)
    assert story.do(ActKind.CAPTURE, 1000) == [Verb.CAPTURE]


def test_a_credit_is_funded_and_taken_back(sandbox: Sandbox, mapper: LightrailV1) -> None:
    story = Story(sandbox, mapper, credit=True)
    story.do(ActKind.CREDIT, 1000)
    assert story.value == [11000]
    assert story.do(ActKind.REVERSAL, 1000, refunded=1000) == [Verb.DEBIT]
    assert story.value == [10000]


def test_a_hold_that_drained_the_card_is_replayed(sandbox: Sandbox, mapper: LightrailV1) -> None:
    story = Story(sandbox, mapper, amount=10000)
    step = replace(mapper.plan(Act(ActKind.DEBIT, 10000), story.transaction)[0], key="gb-0-1-1")
    assert mapper.run(step, soon()) == mapper.run(step, soon()) == mapper.ask(step, soon())
    assert story.value == [0]


@pytest.mark.parametrize(
    ("code", "status"),
    [("V1FRO-50", "frozen"), ("V1EXP-50", "expired"), ("V1CAN-50", "canceled"), ("V1NST-50", "not started")],
)
def test_a_card_that_cannot_pay_is_refused_with_the_reason(
    sandbox: Sandbox, mapper: LightrailV1, code: str, status: str
) -> None:
    with pytest.raises(CardUnusable, match=status):
        Story(sandbox, mapper, code, 100).hold()


def test_a_card_frozen_after_the_hold_refuses_its_capture_until_it_is_unfrozen(story: Story) -> None:
    story.hold()
    story.model.switch(story.card, "FREEZE", {"userSuppliedId": "f"})
    with pytest.raises(CardUnusable, match="frozen"):
        story.do(ActKind.CAPTURE, 1000)
    story.model.switch(story.card, "UNFREEZE", {"userSuppliedId": "u"})
    story.number -= 1
    assert story.do(ActKind.CAPTURE, 1000) == [Verb.CAPTURE]


def test_a_card_that_expired_after_the_hold_is_still_captured(story: Story) -> None:
    story.hold()
    story.card.principal.expires = datetime.now(UTC) - timedelta(days=1)
    assert story.do(ActKind.CAPTURE, 1000) == [Verb.CAPTURE]


# Statements


def test_a_statement_tells_what_we_did_oldest_first(story: Story) -> None:
    story.hold()
    story.model.spend("V1ACT-100", 50)
    story.do(ActKind.REVERSAL, 300, voided=300)
    entries = list(story.mapper.statement(5, story.card.id))
    verbs = [(entry.verb, entry.amount, entry.key) for entry in entries]
    assert verbs == [(Verb.HOLD, 1000, "gb-0-1-1"), (Verb.CAPTURE, 1000, "gb-0-2-1"), (Verb.REFUND, 300, "gb-0-2-2")]
    assert [entry.receipt for entry in entries] == [done.receipt for done in story.transaction.done]
    assert entries[1].origin == Origin("gb-0", "r-1", ActKind.REVERSAL, "gb-0-2", 300, 300, 0)


def test_a_statement_shows_who_else_ended_a_hold_of_ours(story: Story) -> None:
    story.hold()
    reference = story.transaction.done[0].receipt.reference
    story.model.void(story.card, reference, {"userSuppliedId": "by-hand"})
    entries = list(story.mapper.statement(5, story.card.id))
    assert [(entry.verb, entry.key) for entry in entries] == [(Verb.HOLD, "gb-0-1-1"), (Verb.VOID, None)]


def test_a_long_statement_comes_in_pages(sandbox: Sandbox, story: Story) -> None:
    for _ in range(205):
        story.model.spend("V1ACT-100", 1)
    story.hold()
    assert len(list(story.mapper.statement(5, story.card.id))) == 1
    assert sum("offset=" in request.path for request in sandbox.requests) == 3


def test_a_statement_may_begin_later(story: Story) -> None:
    story.hold()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert list(story.mapper.statement(5, story.card.id, tomorrow)) == []


def test_a_statement_is_of_one_known_card(mapper: LightrailV1) -> None:
    with pytest.raises(CardNotFound):
        list(mapper.statement(5, "no-such-card"))
    with pytest.raises(Unsupported):
        list(mapper.statement(5))


# The key


def test_a_ping_says_whether_money_is_real(mapper: LightrailV1) -> None:
    with capture_logs() as logs:
        mapper.ping(soon())
    assert [entry["mode"] for entry in logs if entry["event"] == "lightrail mode"] == ["TEST"]


def test_a_wrong_key_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(BackendUnavailable, match="api_key"):
        connect(sandbox, api_key="wrong").ping(soon())

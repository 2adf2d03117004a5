"""Lightrail's early V2 draft over real sockets: what a shopper's money goes through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mappers.base import (
    ActKind,
    CardNotFound,
    CardUnusable,
    Conflict,
    Holds,
    InsufficientFunds,
    Receipt,
    Refused,
    Verb,
)
from mappers.lightrail_draft.mapper import LightrailDraft
from mappers.lightrail_draft.sandbox import create_app
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_draft_story import Story, connect, soon


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox: Sandbox) -> LightrailDraft:
    return connect(sandbox)


@pytest.fixture
def story(sandbox: Sandbox, mapper: LightrailDraft) -> Story:
    return Story(sandbox, mapper)


# Settling and canceling


def test_a_hold_keeps_the_money_at_once(story: Story) -> None:
    story.open()
    assert (story.balance, story.transaction.done[0].receipt.balance) == (9000, 9000)


def test_the_first_capture_takes_the_whole_hold_and_later_ones_call_nobody(story: Story) -> None:
    story.open().capture(300).capture(200)
    assert (story.posts(), story.balance) == (["debit", "capture"], 9000)


def test_what_is_voided_after_a_capture_goes_back_as_a_credit(story: Story) -> None:
    story.open().capture(300).reverse(200).reverse(800)
    assert (story.posts(), story.balance) == (["debit", "capture", "credit", "credit"], 10000)


def test_all_that_was_captured_goes_back_as_a_credit_for_nothing_is_reversed(story: Story) -> None:
    story.open().capture(1000).reverse(1000)
    assert (story.posts(), story.balance) == (["debit", "capture", "credit"], 10000)


def test_a_hold_given_back_whole_is_voided(story: Story) -> None:
    story.open().reverse(1000)
    assert (story.posts(), story.balance) == (["debit", "void"], 10000)


def test_a_part_voided_before_any_capture_is_spendable_at_once(story: Story) -> None:
    story.open().reverse(400)
    assert (story.posts(), story.balance) == (["debit", "capture", "credit"], 9400)
    story.capture(600)
    assert story.posts() == ["debit", "capture", "credit"]


def test_a_capture_left_by_a_refused_partial_void_is_remembered(story: Story) -> None:
    story.open()
    story.card["frozen"] = True
    with pytest.raises(CardUnusable, match="frozen"):
        story.reverse(400)
    story.card["frozen"] = False
    story.reverse(1000)
    assert (story.posts(), story.balance) == (["debit", "capture", "credit", "credit"], 10000)


def test_upfront_takes_the_money_at_once_and_gives_it_back(sandbox: Sandbox) -> None:
    story = Story(sandbox, connect(sandbox, Holds.UPFRONT)).open().capture(300).reverse(200).reverse(500)
    assert (story.posts(), story.balance) == (["debit", "credit", "credit"], 9700)


def test_a_credit_adds_at_once_and_its_void_takes_back(sandbox: Sandbox, mapper: LightrailDraft) -> None:
    story = Story(sandbox, mapper, credit=True).open().capture(1000)
    assert story.balance == 11000
    assert story.reverse(1000).balance == 10000


def test_no_code_is_sent_with_a_payment(story: Story) -> None:
    story.open().capture(500).reverse(100)
    assert story.code not in repr([request.body for request in story.sandbox.requests])


# Refusals


@pytest.mark.parametrize(
    ("code", "error", "why"),
    [
        ("VS-EMPTY", InsufficientFunds, "enough"),
        ("VS-EXPIRED", CardUnusable, "expired"),
        ("VS-NOT-STARTED", CardUnusable, "not started"),
        ("VS-FROZEN", CardUnusable, "frozen"),
        ("VS-INACTIVE", CardUnusable, "inactive"),
        ("VS-NO-USES", CardUnusable, "cannot be used as a gift card"),
        ("VS-DOLLARS", CardUnusable, "currency"),
    ],
)
def test_a_card_that_cannot_pay_is_refused_with_its_reason(
    sandbox: Sandbox, mapper: LightrailDraft, code: str, error: type[Refused], why: str
) -> None:
    story = Story(sandbox, mapper, code)
    step = story.step(ActKind.DEBIT, 1000)
    with pytest.raises(error, match=why):
        mapper.run(step, soon())
    assert mapper.ask(step, soon()) is None


def test_more_than_the_card_holds_is_refused(story: Story) -> None:
    with pytest.raises(InsufficientFunds):
        story.mapper.run(story.step(ActKind.DEBIT, 10001), soon())
    assert story.balance == 10000


def test_a_card_nobody_knows_is_refused(story: Story) -> None:
    with pytest.raises(CardNotFound):
        story.mapper.run(replace(story.step(ActKind.DEBIT, 1000), card_id="nope"), soon())


@pytest.mark.parametrize("difference", [{"amount": 999}, {"card_id": "store-001"}, {"verb": Verb.CREDIT}])
def test_another_request_under_the_same_key_is_a_conflict(story: Story, difference: dict[str, Any]) -> None:
    step = story.step(ActKind.DEBIT, 1000)
    story.mapper.run(step, soon())
    with pytest.raises(Conflict):
        story.mapper.run(replace(step, **difference), soon())
    with pytest.raises(Conflict):
        story.mapper.ask(replace(step, **difference), soon())


def test_a_hold_captured_elsewhere_counts_as_captured(story: Story) -> None:
    story.open()
    story.model.end("gb-0-1-1", "captured")
    story.capture(1000)


def test_a_hold_captured_elsewhere_is_given_back_once_under_the_key_of_the_void(story: Story) -> None:
    story.open()
    void = story.step(ActKind.REVERSAL, 1000)
    story.model.end("gb-0-1-1", "captured")
    assert story.mapper.ask(void, soon()) is None
    receipt = story.mapper.run(void, soon())
    assert receipt == Receipt(void.key, 10000, {"instead": "refunded"})
    assert story.mapper.ask(void, soon()) == story.mapper.run(void, soon()) == receipt


def test_a_hold_voided_elsewhere_counts_as_voided_and_cannot_be_captured(story: Story) -> None:
    story.open()
    capture = story.step(ActKind.CAPTURE, 1000)
    story.model.end("gb-0-1-1", "void")
    with pytest.raises(CardUnusable, match="given back"):
        story.mapper.run(capture, soon())
    assert story.reverse(1000).balance == 10000


def test_a_hold_that_lightrail_does_not_know_cannot_be_ended(story: Story) -> None:
    story.open()
    step = replace(story.step(ActKind.CAPTURE, 1000), reference="nope")
    with pytest.raises(CardUnusable, match="does not know the hold"):
        story.mapper.run(step, soon())

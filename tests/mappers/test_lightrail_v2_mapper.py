"""Lightrail V2 over real sockets: what a shopper's money goes through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mappers.base import (
    ActKind,
    CardNotFound,
    CardUnusable,
    Conflict,
    Holds,
    InsufficientFunds,
    OutcomeUnknown,
    Refused,
    Verb,
)
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.lightrail_v2.sandbox import create_app
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_v2_story import PAST, Story, connect, soon


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox: Sandbox) -> LightrailV2:
    return connect(sandbox)


@pytest.fixture
def story(sandbox: Sandbox, mapper: LightrailV2) -> Story:
    return Story(sandbox, mapper)


# A hold


def test_a_hold_keeps_the_money_at_once(story: Story) -> None:
    story.hold()
    assert story.balance == 9000
    assert story.transaction.done[0].receipt.reference == "gb-0-1-1"
    assert story.transaction.done[0].receipt.balance == 9000


def test_a_hold_lasts_as_long_as_the_policy_says(story: Story) -> None:
    story.hold()
    entry = story.model.transactions["gb-0-1-1"]
    assert timedelta(days=30) - timedelta(minutes=1) < entry.void_after - datetime.now(UTC) <= timedelta(days=30)


@pytest.mark.parametrize("amount", [1000, 10000], ids=["some left", "drained"])
def test_a_repeated_hold_holds_once(story: Story, amount: int) -> None:
    step = story.step(ActKind.DEBIT, amount)
    first = story.mapper.run(step, soon())
    assert story.mapper.run(step, soon()) == first
    assert story.balance == 10000 - amount


@pytest.mark.parametrize(
    "change", [{"frozen": True}, {"canceled": True}, {"active": False}, {"endDate": PAST}], ids=lambda change: [*change]
)
def test_a_repeated_hold_is_found_whatever_the_card_became(story: Story, change: dict[str, Any]) -> None:
    step = story.step(ActKind.DEBIT, 1000)
    first = story.mapper.run(step, soon())
    story.card.update(change)
    assert story.mapper.run(step, soon()) == first


def test_more_than_the_card_holds_is_refused(story: Story) -> None:
    with pytest.raises(InsufficientFunds):
        story.mapper.run(story.step(ActKind.DEBIT, 10001), soon())
    assert story.balance == 10000


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("LIGHT-ZERO", InsufficientFunds),
        ("LIGHT-EXPIRED", CardUnusable),
        ("LIGHT-FROZEN", CardUnusable),
        ("LIGHT-CANCELED", CardUnusable),
        ("LIGHT-NOT-STARTED", CardUnusable),
        ("LIGHT-INACTIVE", CardUnusable),
        ("LIGHT-DOLLARS", CardUnusable),
        ("LIGHT-RULE", CardUnusable),
    ],
)
def test_a_card_that_cannot_pay_is_refused(
    sandbox: Sandbox, mapper: LightrailV2, code: str, error: type[Refused]
) -> None:
    story = Story(sandbox, mapper, code)
    step = story.step(ActKind.DEBIT, 1000)
    with pytest.raises(error):
        mapper.run(step, soon())
    assert mapper.ask(step, soon()) is None


def test_a_card_nobody_knows_is_refused(story: Story) -> None:
    with pytest.raises(CardNotFound):
        story.mapper.run(replace(story.step(ActKind.DEBIT, 1000), card_id="nope"), soon())


@pytest.mark.parametrize("difference", [{"amount": 999}, {"card_id": "value-001"}, {"verb": Verb.CREDIT}])
def test_another_request_under_the_same_key_is_a_conflict(story: Story, difference: dict[str, Any]) -> None:
    step = story.step(ActKind.DEBIT, 1000)
    story.mapper.run(step, soon())
    with pytest.raises(Conflict):
        story.mapper.run(replace(step, **difference), soon())
    with pytest.raises(Conflict):
        story.mapper.ask(replace(step, **difference), soon())


# Settling and canceling


def test_the_first_capture_takes_the_whole_hold_and_later_ones_call_nobody(story: Story) -> None:
    story.hold().capture(300).capture(200)
    assert (story.verbs(), story.balance) == (["hold", "capture"], 9000)
    assert story.transaction.done[-1].amount == 1000


def test_what_is_voided_after_a_capture_goes_back_as_a_credit(story: Story) -> None:
    story.hold().capture(300).reverse(200).reverse(500)
    assert (story.verbs(), story.balance) == (["hold", "capture", "refund", "refund"], 9700)
    assert story.posts() == ["debit", "capture", "credit", "credit"]


def test_a_void_of_what_is_held_and_taken_is_one_credit(story: Story) -> None:
    story.hold().capture(300).reverse(100).reverse(700)
    assert story.posts() == ["debit", "capture", "credit", "credit"]
    assert story.balance == 9800


def test_a_hold_given_back_whole_is_voided(story: Story) -> None:
    story.hold().reverse(1000)
    assert (story.posts(), story.balance) == (["debit", "void"], 10000)


def test_a_part_voided_before_any_capture_is_spendable_at_once(story: Story) -> None:
    story.hold().reverse(400)
    assert (story.posts(), story.balance) == (["debit", "capture", "credit"], 9400)
    story.capture(600)
    assert story.balance == 9400


def test_the_rest_of_a_partly_voided_hold_goes_back_as_a_credit(story: Story) -> None:
    story.hold().reverse(400).reverse(600)
    assert (story.posts()[-1], story.balance) == ("credit", 10000)


@pytest.mark.parametrize("change", [{"canceled": True}, {"endDate": PAST}], ids=lambda change: [*change])
def test_all_that_was_captured_goes_back_even_to_a_card_that_is_over(story: Story, change: dict[str, Any]) -> None:
    story.hold().capture(1000)
    story.card.update(change)
    story.reverse(1000)
    assert (story.posts()[-1], story.balance) == ("reverse", 10000)


def test_a_part_does_not_go_back_to_a_card_that_is_over(story: Story) -> None:
    story.hold().capture(1000)
    story.card.update(endDate=PAST)
    with pytest.raises(CardUnusable):
        story.reverse(400)
    assert story.balance == 9000


def test_a_capture_left_by_a_refused_partial_void_is_remembered(story: Story) -> None:
    story.hold()
    story.card.update(endDate=PAST)
    with pytest.raises(CardUnusable):
        story.reverse(400)
    assert story.verbs() == ["hold", "capture"]
    story.reverse(1000)
    assert (story.posts()[-1], story.balance) == ("reverse", 10000)


def test_a_frozen_card_is_not_captured_but_is_voided(story: Story) -> None:
    story.hold()
    story.card["frozen"] = True
    with pytest.raises(CardUnusable):
        story.capture(1000)
    story.reverse(1000)
    assert story.balance == 10000


def test_releasing_on_an_inactive_card_is_unknown_until_it_is_active_again(story: Story) -> None:
    story.hold()
    story.card["active"] = False
    step = story.step(ActKind.REVERSAL, 1000)
    with pytest.raises(OutcomeUnknown, match=r"inactive.*activate it there") as caught:
        story.mapper.run(step, soon())
    assert caught.value.answered
    assert story.mapper.ask(step, soon()) is None
    story.card["active"] = True
    story.mapper.run(step, soon())
    assert story.balance == 10000


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        ([], ActKind.CAPTURE),
        ([], ActKind.REVERSAL),
        ([(ActKind.CAPTURE, 1000)], ActKind.REVERSAL),
        ([(ActKind.CAPTURE, 500), (ActKind.REVERSAL, 100)], ActKind.REVERSAL),
    ],
    ids=["capture", "void", "reverse", "credit"],
)
def test_a_repeat_does_nothing_twice(story: Story, before: list[tuple[ActKind, int]], kind: ActKind) -> None:
    story.hold()
    for earlier, amount in before:
        story.do(earlier, amount)
    step = story.step(kind, 900 if len(before) == 2 else 1000)
    first = story.mapper.run(step, soon())
    after = story.balance
    assert story.mapper.run(step, soon()) == first
    assert story.mapper.ask(step, soon()) == first
    assert story.balance == after


# Other policies and operations


def test_upfront_takes_the_money_at_once_and_gives_it_back(sandbox: Sandbox) -> None:
    story = Story(sandbox, connect(sandbox, Holds.UPFRONT)).hold().capture(300).reverse(200).reverse(500)
    assert (story.posts(), story.balance) == (["debit", "credit", "credit"], 9700)


def test_upfront_money_given_back_whole_is_reversed(sandbox: Sandbox) -> None:
    story = Story(sandbox, connect(sandbox, Holds.UPFRONT)).hold()
    story.card.update(endDate=PAST)
    story.reverse(1000)
    assert (story.posts(), story.balance) == (["debit", "reverse"], 10000)


def test_a_credit_adds_at_once_and_its_void_takes_back(sandbox: Sandbox, mapper: LightrailV2) -> None:
    story = Story(sandbox, mapper, credit=True).hold().capture(1000)
    assert story.balance == 11000
    story.reverse(400).reverse(600)
    assert (story.posts(), story.balance) == (["credit", "debit", "debit"], 10000)


def test_a_credit_that_was_spent_cannot_be_taken_back(sandbox: Sandbox, mapper: LightrailV2) -> None:
    story = Story(sandbox, mapper, credit=True).hold()
    story.model.spend(story.code, 10500)
    with pytest.raises(InsufficientFunds):
        story.reverse(1000)

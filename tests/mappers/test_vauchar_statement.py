"""What Vauchar has on record for us: the redemptions that stand under our keys, where it shows them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import BackendUnavailable, CardNotFound, Holds, Receipt, StatementLine, Unsupported, Verb
from mappers.sandbox import running
from mappers.vauchar import sandbox as vauchar
from mappers.vauchar.mapper import Vauchar
from tests.mappers.vauchar_story import CODE, Story
from tests.mappers.vauchar_wire import CARD_ID, KEY, REDEMPTION_ID, REDEMPTIONS_URL, listing, mapper


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def story() -> Iterator[Story]:
    with running(vauchar.create_app()) as sandbox:
        yield Story(sandbox, Holds.UPFRONT, CODE, "statement")


def told(asked: Vauchar | None = None, card_id: str = CARD_ID) -> list[StatementLine]:
    return list((asked or mapper()).statement(5, card_id))


def test_a_redemption_under_a_key_of_ours_is_a_debit(wire: RequestsMock) -> None:
    wire.get(REDEMPTIONS_URL, json=listing({"transaction_id": KEY}))
    receipt = Receipt(REDEMPTION_ID, data={"echoed": True})
    date = datetime.fromtimestamp(1480616933, UTC)
    assert told() == [StatementLine(KEY, Verb.DEBIT, 5000, CARD_ID, receipt, date)]


def test_entries_are_what_run_answered_then_oldest_first(story: Story) -> None:
    done = [step for amount in (5000, 300) for step in story.debit(amount) if step.verb is Verb.DEBIT]
    entries = told(story.mapper, story.card.id)
    assert [(entry.key, entry.amount, entry.receipt) for entry in entries] == [
        (step.key, step.amount, step.receipt) for step in done
    ]


def test_what_was_given_back_leaves_no_trace(story: Story) -> None:
    story.debit(5000)
    story.reverse(2000, 0)
    assert [entry.amount for entry in told(story.mapper, story.card.id)] == [3000]
    story.reverse(3000, 0)
    assert told(story.mapper, story.card.id) == []


def test_what_must_be_on_record_is_what_the_statement_tells(story: Story) -> None:
    story.debit(5000)
    story.reverse(2000, 0)
    expected = [step.key for step in story.mapper.on_record(story.transaction.done)]
    assert [entry.key for entry in told(story.mapper, story.card.id)] == expected


def test_what_was_spent_elsewhere_is_not_told(story: Story) -> None:
    story.debit(5000)
    story.backend.spend_elsewhere(CODE, Decimal(7))
    assert [entry.amount for entry in told(story.mapper, story.card.id)] == [5000]


@pytest.mark.parametrize("others", [(), ({"transaction_id": "woo-7"}, {"id": "res-2"})], ids=["none", "of others"])
def test_a_card_without_redemptions_of_ours_has_an_empty_statement(
    wire: RequestsMock, others: tuple[dict[str, str], ...]
) -> None:
    wire.get(REDEMPTIONS_URL, json=listing(*others))
    assert told() == []


def test_redemptions_that_show_no_transaction_id_may_be_ours(wire: RequestsMock) -> None:
    wire.get(REDEMPTIONS_URL, json=listing({}, {"id": "res-2"}))
    with pytest.raises(Unsupported, match="transaction_id"):
        told()


def test_a_list_that_may_be_one_page_of_several_tells_nothing(wire: RequestsMock) -> None:
    page = [{"id": f"res-{number}", "transaction_id": f"gb-{number}"} for number in range(10)]
    wire.get(REDEMPTIONS_URL, json=listing(*page))
    with pytest.raises(Unsupported, match="only some"):
        told()


def test_vauchar_has_no_statement_of_all_cards() -> None:
    with pytest.raises(Unsupported, match="one card"):
        mapper().statement(5)


def test_an_unknown_card_has_none(wire: RequestsMock) -> None:
    wire.get(REDEMPTIONS_URL, json={}, status=404)
    with pytest.raises(CardNotFound):
        told()


@pytest.mark.parametrize(
    "wrong", [{"value_used": "5.001"}, {"value_used": "much"}, {"created": 10**20}, {"created": 0}, {"created": None}]
)
def test_a_redemption_of_ours_that_cannot_be_read_is_unavailable(wire: RequestsMock, wrong: dict[str, Any]) -> None:
    wire.get(REDEMPTIONS_URL, json=listing({"transaction_id": KEY} | wrong))
    with pytest.raises(BackendUnavailable):
        told()


def test_a_redemption_of_others_need_not_be_read(wire: RequestsMock) -> None:
    wire.get(REDEMPTIONS_URL, json=listing({"transaction_id": KEY}, {"id": "res-2", "value_used": "5.001"}))
    assert len(told()) == 1

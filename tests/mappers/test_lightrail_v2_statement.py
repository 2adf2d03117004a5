"""What Lightrail V2 has on record for us, over real sockets: whoever ended it, however many pages it fills."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mappers.base import ActKind, CardNotFound, Holds, Origin, Receipt, StatementLine, Verb
from mappers.lightrail_v2 import client
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.lightrail_v2.sandbox import create_app
from mappers.lightrail_v2.sandbox_model import SandboxState
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_v2_story import Story, connect, soon

ORIGIN = Origin("gb-01", 'request "1" é', ActKind.DEBIT, "gb-02", 1000)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def model(sandbox: Sandbox) -> SandboxState:
    answer: SandboxState = sandbox.app.extensions["backend"]
    return answer


@pytest.fixture
def mapper(sandbox: Sandbox) -> LightrailV2:
    return connect(sandbox)


@pytest.fixture
def story(sandbox: Sandbox, mapper: LightrailV2) -> Story:
    return Story(sandbox, mapper)


def told(story: Story, since: datetime | None = None) -> list[StatementLine]:
    return list(story.mapper.statement(10, story.card["id"], since))


def told_of_all(story: Story, since: datetime | None = None) -> list[StatementLine]:
    return list(story.mapper.statement(10, None, since))


BOTH = pytest.mark.parametrize("ask", [told, told_of_all], ids=["card", "account"])


def brief(entries: list[StatementLine]) -> list[tuple[str | None, Verb, int]]:
    return [(entry.key, entry.verb, entry.amount) for entry in entries]


def hold(story: Story, amount: int = 1000) -> str:
    """Hold with notes, and return the hold's key."""
    step = replace(story.step(ActKind.DEBIT, amount), origin=ORIGIN)
    story.mapper.run(step, soon())
    return step.key


# Ours


@BOTH
def test_entries_are_what_run_answered_then(story: Story, ask: Callable[..., list[StatementLine]]) -> None:
    step = replace(story.step(ActKind.DEBIT, 1000), origin=ORIGIN)
    receipt = story.mapper.run(step, soon())
    [entry] = ask(story)
    assert entry == StatementLine(step.key, Verb.HOLD, 1000, story.card["id"], receipt, entry.date, ORIGIN)
    assert datetime.now(UTC) - entry.date < timedelta(seconds=60)


@BOTH
def test_a_capture_took_what_its_hold_held(story: Story, ask: Callable[..., list[StatementLine]]) -> None:
    story.hold().capture(300)
    capture = ask(story)[-1]
    assert (capture.verb, capture.amount, capture.card_id) == (Verb.CAPTURE, 1000, story.card["id"])
    assert capture.receipt == story.transaction.done[-1].receipt


@BOTH
def test_a_credit_is_told_from_a_refund(
    sandbox: Sandbox, mapper: LightrailV2, ask: Callable[..., list[StatementLine]]
) -> None:
    Story(sandbox, mapper, credit=True).hold()
    story = Story(sandbox, mapper)
    story.number = 1
    story.hold().capture(1000).reverse(400)
    assert [entry.verb for entry in ask(story)] == [Verb.CREDIT, Verb.HOLD, Verb.CAPTURE, Verb.REFUND]


@BOTH
def test_what_was_done_in_one_second_comes_in_the_order_it_must_have_had(
    story: Story, model: SandboxState, ask: Callable[..., list[StatementLine]]
) -> None:
    model.clock = lambda: datetime(2026, 1, 1, 12, 0, 0, 500000, tzinfo=UTC)
    keys = iter(["gb-z", "gb-y", "gb-x"])
    run = story.mapper.run
    story.mapper.run = lambda step, deadline: run(  # type: ignore[method-assign]
        replace(step, key=next(keys)), deadline
    )
    story.hold().capture(1000).reverse(1000)
    assert brief(ask(story)) == [
        ("gb-z", Verb.HOLD, 1000),
        ("gb-y", Verb.CAPTURE, 1000),
        ("gb-x", Verb.REFUND, 1000),
    ]


def test_a_capture_with_notes_is_understood_without_asking_for_its_hold(story: Story, sandbox: Sandbox) -> None:
    story.hold().capture(1000)
    told_of_all(story)
    assert not [request for request in sandbox.requests if "/chain" in request.path]


@BOTH
def test_a_capture_without_notes_is_understood_by_its_hold(
    story: Story, model: SandboxState, ask: Callable[..., list[StatementLine]]
) -> None:
    key = hold(story)
    model.capture(key, {"id": "gb-other"})
    assert brief(ask(story))[-1] == ("gb-other", Verb.CAPTURE, 1000)


# What others did


@BOTH
def test_what_shops_did_is_not_told(story: Story, model: SandboxState, ask: Callable[..., list[StatementLine]]) -> None:
    model.spend(story.code, 500)
    money = {"amount": 100, "currency": "BRL"}
    model.debit({"id": "shop-1", "source": {"code": story.code}, "pending": True} | money)
    model.void("shop-1", {"id": "shop-1-void"})
    model.credit({"id": "shop-2", "destination": {"code": story.code}} | money)
    model.reverse("shop-2", {"id": "shop-2-reverse"})
    assert ask(story) == []


@BOTH
def test_a_hold_that_lightrail_let_run_out_is_told_with_the_notes_of_the_hold(
    story: Story, model: SandboxState, ask: Callable[..., list[StatementLine]]
) -> None:
    hold(story)
    model.advance(timedelta(days=31))
    ended = ask(story)[-1]
    assert (ended.key, ended.verb, ended.amount, ended.origin) == (None, Verb.VOID, 1000, ORIGIN)
    assert ended.receipt.reference.startswith("automatic-void-")
    assert ended.receipt.balance == 10000


@BOTH
@pytest.mark.parametrize(("end", "verb"), [("capture", Verb.CAPTURE), ("void", Verb.VOID)])
def test_a_hold_that_somebody_ended_is_told(
    story: Story, model: SandboxState, ask: Callable[..., list[StatementLine]], end: str, verb: Verb
) -> None:
    key = hold(story)
    getattr(model, end)(key, {"id": "shop-end"})
    ended = ask(story)[-1]
    assert (ended.key, ended.verb, ended.amount, ended.card_id) == (None, verb, 1000, story.card["id"])
    assert ended.receipt == Receipt("shop-end", 10000 if end == "void" else None)
    assert ended.origin == ORIGIN


@BOTH
def test_a_capture_that_somebody_reversed_is_told(
    story: Story, model: SandboxState, ask: Callable[..., list[StatementLine]]
) -> None:
    story.hold().capture(1000)
    model.reverse(story.transaction.done[-1].receipt.reference, {"id": "shop-reverse"})
    assert brief(ask(story))[-1] == (None, Verb.REFUND, 1000)


@BOTH
def test_a_debit_or_a_credit_that_somebody_reversed_is_told(
    sandbox: Sandbox, model: SandboxState, ask: Callable[..., list[StatementLine]]
) -> None:
    story = Story(sandbox, connect(sandbox, Holds.UPFRONT)).hold()
    model.reverse("gb-0-1-1", {"id": "shop-reverse-1"})
    other = Story(sandbox, story.mapper, credit=True)
    other.number = 1
    other.hold()
    model.reverse("gb-0-2-1", {"id": "shop-reverse-2"})
    assert sorted(brief(ask(story)), key=str) == sorted(
        [
            ("gb-0-1-1", Verb.DEBIT, 1000),
            (None, Verb.REFUND, 1000),
            ("gb-0-2-1", Verb.CREDIT, 1000),
            (None, Verb.DEBIT, 1000),
        ],
        key=str,
    )


# Many


@BOTH
def test_a_statement_of_many_pages_has_each_entry_once_and_oldest_first(
    story: Story, model: SandboxState, ask: Callable[..., list[StatementLine]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    for number in range(5):
        story.transaction = replace(story.transaction, done=(), captured=0)
        story.hold().capture(1000)
        model.spend(story.code, 1)
        model.advance(timedelta(seconds=1 if number % 2 else 0))
    entries = ask(story)
    assert sorted(str(entry.key) for entry in entries) == sorted(f"gb-0-{number}-1" for number in range(1, 11))
    assert [entry.date for entry in entries] == sorted(entry.date for entry in entries)


def test_the_account_has_all_cards_but_no_other_currency(sandbox: Sandbox, mapper: LightrailV2) -> None:
    for number, code in enumerate(["LIGHT-ACTIVE-100", "LIGHT-ACTIVE-250"]):
        story = Story(sandbox, mapper, code)
        story.number = number
        story.hold()
    dollars = {"id": "gb-dollars", "amount": 100, "currency": "USD"}
    story.model.debit(dollars | {"source": {"code": "LIGHT-DOLLARS"}})
    assert {entry.card_id for entry in told_of_all(story)} == {"value-001", "value-002"}


@BOTH
def test_a_later_beginning_still_tells_what_came_of_earlier_holds(
    story: Story, model: SandboxState, ask: Callable[..., list[StatementLine]]
) -> None:
    story.hold()
    model.advance(timedelta(days=20))
    since = model.now() - timedelta(days=1)
    story.capture(1000)
    assert (None, Verb.CAPTURE, 1000) in [(None, entry.verb, entry.amount) for entry in ask(story, since)]


def test_the_account_begins_where_it_is_asked_to(story: Story, model: SandboxState) -> None:
    story.hold()
    model.advance(timedelta(days=20))
    story.capture(1000)
    assert [entry.verb for entry in told_of_all(story, model.now() - timedelta(days=1))] == [Verb.CAPTURE]


def test_a_card_that_long_had_nothing_needs_no_chain(story: Story, model: SandboxState, sandbox: Sandbox) -> None:
    story.hold().capture(1000)
    model.advance(timedelta(days=200))
    assert told(story, model.now()) == []
    assert not [request for request in sandbox.requests if "/chain" in request.path]


def test_a_card_without_transactions_has_an_empty_statement(story: Story, model: SandboxState) -> None:
    del model.transactions[story.card["id"]]
    assert told(story) == []


@pytest.mark.parametrize("unknown", ["nope", "", ".", "a/../b"])
def test_an_unknown_card_has_none(mapper: LightrailV2, unknown: str) -> None:
    with pytest.raises(CardNotFound):
        list(mapper.statement(10, unknown))

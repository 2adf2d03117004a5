"""Cards at Lightrail V2: found, read, issued, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mappers.base import (
    ActKind,
    BackendUnavailable,
    CardNotFound,
    CardStatus,
    CardUnusable,
    NewCard,
    OutcomeUnknown,
    Query,
)
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.lightrail_v2.sandbox import POINT_OF_SALE_KEY, SEEDS, create_app
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_v2_story import Story, connect, soon


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


# Cards


def find(mapper: LightrailV2, code: str) -> list[tuple[str, int, CardStatus]]:
    return [(card.id, card.balance, card.status) for card in mapper.find(Query(code=code), soon())]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("LIGHT-ACTIVE-250", CardStatus.ACTIVE),
        ("LIGHT-ZERO", CardStatus.ACTIVE),
        ("LIGHT-EXPIRED", CardStatus.EXPIRED),
        ("LIGHT-FROZEN", CardStatus.FROZEN),
        ("LIGHT-CANCELED", CardStatus.CANCELED),
        ("LIGHT-NOT-STARTED", CardStatus.NOT_STARTED),
        ("LIGHT-INACTIVE", CardStatus.INACTIVE),
        ("LIGHT-DOLLARS", CardStatus.WRONG_CURRENCY),
        ("LIGHT-GENERIC", CardStatus.UNSUPPORTED),
        ("LIGHT-RULE", CardStatus.UNSUPPORTED),
    ],
)
def test_a_seeded_card_is_found_in_its_status(mapper: LightrailV2, code: str, status: CardStatus) -> None:
    assert [found[2] for found in find(mapper, code)] == [status]


def test_every_seed_is_found(mapper: LightrailV2) -> None:
    assert all(len(find(mapper, code)) == 1 for code in SEEDS)


def test_codes_are_exact_but_for_the_space_around_them(mapper: LightrailV2) -> None:
    assert find(mapper, "  LIGHT-ACTIVE-100 ") == [("value-002", 10000, CardStatus.ACTIVE)]
    assert find(mapper, "light-active-100") == find(mapper, "LIGHT-ACTIVE") == find(mapper, "none") == []


@pytest.mark.parametrize("code", ["A/B C+D=.%#é&?", ("/ + = . % # é& " * 18)[:255].strip() + "x", "..", "."])
def test_any_code_can_be_looked_up(sandbox: Sandbox, mapper: LightrailV2, code: str) -> None:
    sandbox.app.extensions["backend"].create_value({"id": "odd", "currency": "BRL", "code": code, "balance": 5})
    assert find(mapper, code) == [("odd", 5, CardStatus.ACTIVE)]


def test_a_value_whose_id_tells_its_code_is_not_used(sandbox: Sandbox, mapper: LightrailV2) -> None:
    body = {"id": "gift/SECRET-1", "currency": "BRL", "code": "secret-1", "balance": 5}
    sandbox.app.extensions["backend"].create_value(body)
    assert find(mapper, "secret-1") == [("gift/SECRET-1", 5, CardStatus.ID_TELLS_CODE)]


def test_a_customer_without_a_code_has_no_cards(mapper: LightrailV2) -> None:
    assert mapper.find(Query(), soon()) == []


def test_a_card_is_read_by_its_id_whatever_it_holds(sandbox: Sandbox, mapper: LightrailV2) -> None:
    sandbox.app.extensions["backend"].create_value({"id": "a/b #%2F", "currency": "BRL", "code": "X-1", "balance": 5})
    assert mapper.get_card("a/b #%2F", soon()).balance == 5


def test_an_unknown_card_is_not_found(mapper: LightrailV2) -> None:
    with pytest.raises(CardNotFound):
        mapper.get_card("nope", soon())


# Issuing


NEW = NewCard("key-1", "loyalty", "Birthday", emission_date=datetime(2026, 1, 2, tzinfo=UTC), balance=2500)


def test_an_issued_card_can_be_found_and_spent(sandbox: Sandbox, mapper: LightrailV2) -> None:
    issued = mapper.issue(NEW, soon())
    (card,) = mapper.find(Query(code=issued.code), soon())
    assert (card.id, card.balance, card.status) == (issued.card.id, 2500, CardStatus.ACTIVE)
    assert (card.caption, card.relation_name, card.emission_date) == ("Birthday", "loyalty", NEW.emission_date)
    assert issued.code is not None
    assert Story(sandbox, mapper, issued.code).hold().balance == 1500


def test_issuing_again_under_the_key_shows_the_same_card(mapper: LightrailV2) -> None:
    first = mapper.issue(NEW, soon())
    assert mapper.issue(NEW, soon()) == first
    assert mapper.issue(replace(NEW, key="key-2"), soon()).code != first.code


def test_an_issued_card_whose_answer_was_lost_is_found_by_issuing_again(sandbox: Sandbox, mapper: LightrailV2) -> None:
    sandbox.faults.add("drop_after", method="POST")
    with pytest.raises(OutcomeUnknown):
        mapper.issue(NEW, soon())
    assert mapper.issue(NEW, soon()).card.balance == 2500


def test_a_program_may_forbid_a_card(sandbox: Sandbox) -> None:
    mapper = connect(sandbox, program_id="gift-cards-brl")
    with pytest.raises(CardUnusable, match="or more, not of"):
        mapper.issue(replace(NEW, balance=1), soon())
    assert mapper.issue(NEW, soon()).card.currency == "BRL"


def test_a_program_that_does_not_exist_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(BackendUnavailable, match="program_id"):
        connect(sandbox, program_id="nope").issue(NEW, soon())


def test_a_code_is_in_no_repr(mapper: LightrailV2) -> None:
    issued = mapper.issue(NEW, soon())
    assert issued.code is not None
    assert issued.code not in repr(issued)


# The connection


def test_ping_is_content_with_the_sandbox(mapper: LightrailV2) -> None:
    mapper.ping(soon())


@pytest.mark.parametrize("key", ["wrong", POINT_OF_SALE_KEY])
def test_ping_and_find_say_that_the_key_is_refused(sandbox: Sandbox, key: str) -> None:
    mapper = connect(sandbox, api_key=key)
    with pytest.raises(BackendUnavailable, match="api_key"):
        mapper.ping(soon())
    with pytest.raises(BackendUnavailable, match="api_key"):
        mapper.find(Query(code="LIGHT-ACTIVE-100"), soon())


def test_a_wrong_base_url_is_named(sandbox: Sandbox) -> None:
    mapper = connect(sandbox, base_url=f"{sandbox.url}/v3")
    with pytest.raises(BackendUnavailable, match="base_url"):
        mapper.get_card("value-001", soon())
    with pytest.raises(BackendUnavailable, match="base_url"):
        mapper.run(Story(sandbox, mapper).step(ActKind.DEBIT, 1000), soon())


def test_no_code_is_sent_with_a_payment(story: Story) -> None:
    story.hold().capture(500).reverse(100)
    assert story.code not in repr([request.body for request in story.sandbox.requests])

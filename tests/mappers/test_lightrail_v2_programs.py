"""The Lightrail V2 program that issued cards get: what `providers check` and an issue see of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mappers.base import BackendUnavailable, CardUnusable, NewCard
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.lightrail_v2.sandbox import SERVICE_KEY, create_app, new_program
from mappers.sandbox import Sandbox, shared
from tests.mappers.lightrail_v2_story import connect, soon

RULE = {"rule": "500", "explanation": "5.00"}
FUTURE, PAST = "2099-01-01T00:00:00.000Z", "2020-01-01T00:00:00.000Z"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


def with_program(sandbox: Sandbox, **program: Any) -> LightrailV2:
    body = {"id": "cards", "name": "Cards", "currency": "BRL"} | program
    sandbox.app.extensions["backend"].programs["cards"] = new_program(body, PAST)
    return connect(sandbox, program_id="cards")


def made(sandbox: Sandbox) -> list[str]:
    return [request.path for request in sandbox.requests if request.method == "POST"]


PROBLEMS: list[tuple[dict[str, Any], str]] = [
    ({"currency": "USD"}, "issues cards in USD, not in BRL"),
    ({"active": False}, "is not active"),
    ({"startDate": FUTURE}, "is not active"),
    ({"endDate": PAST}, "is not active"),
    ({"minInitialBalance": 100}, "issues cards of 1.00 BRL or more, not of 0.00 BRL"),
    ({"fixedInitialBalances": [500, 1000]}, "issues cards of 5.00 BRL, 10.00 BRL only, not of 0.00 BRL"),
    ({"fixedInitialUsesRemaining": [1]}, "cards for a number of uses"),
    ({"balanceRule": RULE}, "cards with a balance rule"),
    ({"discount": True}, "discounts"),
]


@pytest.mark.parametrize(("program", "problem"), PROBLEMS, ids=str)
def test_a_program_that_makes_no_card_for_vtex_is_told_before_any_is_made(
    sandbox: Sandbox, program: dict[str, Any], problem: str
) -> None:
    mapper = with_program(sandbox, **program)
    with pytest.raises(BackendUnavailable, match=f"program cards .*{problem}.*set another program_id"):
        mapper.ping(soon())
    with pytest.raises(CardUnusable, match=problem):
        mapper.issue(NewCard("new"), soon())
    assert made(sandbox) == []


@pytest.mark.parametrize(
    "program", [{}, {"startDate": PAST, "endDate": FUTURE}, {"minInitialBalance": 0}, {"fixedInitialBalances": [0]}]
)
def test_a_program_of_empty_cards_is_fine(sandbox: Sandbox, program: dict[str, Any]) -> None:
    mapper = with_program(sandbox, **program)
    mapper.ping(soon())
    assert mapper.issue(NewCard("new"), soon()).card.currency == "BRL"


def test_a_card_that_was_made_is_found_again_whatever_the_program_became(sandbox: Sandbox) -> None:
    issued = with_program(sandbox).issue(NewCard("new"), soon())
    again = with_program(sandbox, active=False).issue(NewCard("new"), soon())
    assert (again.card.id, again.code) == (issued.card.id, issued.code)


def test_a_key_with_the_rights_of_payments_alone_passes_the_check(sandbox: Sandbox) -> None:
    with_program(sandbox)
    mapper = connect(sandbox, api_key=SERVICE_KEY, program_id="cards")
    mapper.ping(soon())
    assert mapper.issue(NewCard("new"), soon()).card.currency == "BRL"


def test_what_may_not_be_looked_at_is_refused_by_lightrail_itself(sandbox: Sandbox) -> None:
    with_program(sandbox, currency="USD")
    with pytest.raises(CardUnusable, match="does not match the Program"):
        connect(sandbox, api_key=SERVICE_KEY, program_id="cards").issue(NewCard("new"), soon())

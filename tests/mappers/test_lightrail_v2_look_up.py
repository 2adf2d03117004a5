"""What a person names at Lightrail V2 is read there: it must be what the step would have made."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from responses import RequestsMock

from mappers.base import Conflict, Receipt, Verb
from mappers.deadline import Deadline
from tests.mappers.lightrail_v2_wire import CAPTURE, CREDIT, DEBIT, KEY, PENDING, STEP, URL, build, step


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with RequestsMock(assert_all_requests_are_fired=False) as wire:
        yield wire


def test_a_transaction_made_by_hand_is_believed(wire: RequestsMock) -> None:
    wire.get(f"{URL}/transactions/by-hand", json=DEBIT | {"id": "by-hand"})
    found = build().look_up(step(Verb.DEBIT), "by-hand", Deadline.after(10))
    assert found == Receipt("by-hand", 1500)


@pytest.mark.parametrize(
    "other",
    [
        DEBIT | {"steps": [STEP | {"balanceChange": -3000}]},
        DEBIT | {"steps": [STEP | {"valueId": "gc-2"}]},
        DEBIT | {"currency": "USD"},
        PENDING,
        CREDIT,
    ],
    ids=["another amount", "another card", "another currency", "a hold", "a credit"],
)
def test_anything_else_is_refused(wire: RequestsMock, other: dict[str, object]) -> None:
    wire.get(f"{URL}/transactions/by-hand", json=other | {"id": "by-hand"})
    with pytest.raises(Conflict):
        build().look_up(step(Verb.DEBIT), "by-hand", Deadline.after(10))


def test_what_another_step_made_is_refused() -> None:
    with pytest.raises(Conflict):
        build().look_up(step(Verb.DEBIT), "gb-4567-1", Deadline.after(10))


def test_a_capture_is_believed_where_it_is_one_of_the_hold(wire: RequestsMock) -> None:
    captured = CAPTURE | {"id": "by-hand"}
    wire.get(f"{URL}/transactions/{KEY}/chain", json=[PENDING, captured])
    found = build().look_up(step(Verb.CAPTURE, reference=KEY), "by-hand", Deadline.after(10))
    assert found.reference == "by-hand"
    for verb, reference in ((Verb.VOID, "by-hand"), (Verb.CAPTURE, "another")):
        with pytest.raises(Conflict):
            build().look_up(step(verb, reference=KEY), reference, Deadline.after(10))

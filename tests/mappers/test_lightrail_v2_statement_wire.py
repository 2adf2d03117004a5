"""The statement on Lightrail V2's wire: what is asked, which links are followed, and what cannot be understood."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import responses
from responses import RequestsMock

from mappers.base import ActKind, BackendUnavailable, Origin, StatementLine, Verb
from tests.mappers.lightrail_v2_wire import BACK, CAPTURE, KEY, PENDING, STEP, URL, build, refused, told

LIST = f"{URL}/values/gc-1/transactions"
END = {"limit": "100", "last": "true"}
query = responses.matchers.query_param_matcher


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


def of_card() -> object:
    return list(build().statement(5, "gc-1"))


def of_account() -> list[StatementLine]:
    return list(build().statement(5))


def test_links_are_followed_to_the_newest_on_our_own_host(wire: RequestsMock) -> None:
    debit = PENDING | {"pending": False}
    prev = '<https://elsewhere.example/v2/x?limit=100&before=a%2Bb_>; rel="prev"'
    first = f'</v2/transactions?limit=100>; rel="first",{prev}'
    wire.get(f"{URL}/transactions", json=[debit], headers={"Link": first}, match=[query(END)])
    newer = debit | {"id": "gb-newer", "createdDate": "2026-11-21T09:43:38.000Z"}
    wire.get(f"{URL}/transactions", json=[newer], match=[query({"limit": "100", "before": "a+b_"})])
    assert [entry.key for entry in of_account()] == [KEY, "gb-newer"]


def test_the_last_page_may_be_empty(wire: RequestsMock) -> None:
    wire.get(f"{URL}/transactions", json=[], headers={"Link": '</v2/x?before=a>; rel="prev"'}, match=[query(END)])
    assert of_account() == []


def test_a_server_that_does_not_begin_at_the_end_is_not_believed(wire: RequestsMock) -> None:
    wire.get(f"{URL}/transactions", json=[PENDING], headers={"Link": '</v2/transactions?after=x>; rel="next"'})
    with pytest.raises(BackendUnavailable, match="end"):
        of_account()


def test_what_shops_charge_elsewhere_does_not_disturb(wire: RequestsMock) -> None:
    charge = {"rail": "stripe", "chargeId": "ch-1", "amount": -700}
    uses = STEP | {"balanceBefore": None, "balanceChange": None, "balanceAfter": None}
    checkout = PENDING | {"id": "shop-1", "transactionType": "checkout", "steps": [charge, uses]}
    void = checkout | {"id": "shop-2", "transactionType": "void", "steps": [charge]}
    wire.get(f"{URL}/transactions", json=[void, checkout])
    wire.get(f"{URL}/transactions/shop-2/chain", json=[checkout, void])
    assert of_account() == []


def test_a_root_is_known_by_its_type_and_not_by_its_place_in_the_chain(wire: RequestsMock) -> None:
    void = PENDING | {"id": "automatic-void-1", "transactionType": "void", "pending": False, "steps": [BACK]}
    wire.get(f"{URL}/transactions", json=[void])
    wire.get(f"{URL}/transactions/automatic-void-1/chain", json=[void, PENDING])
    assert [(entry.key, entry.verb, entry.amount) for entry in of_account()] == [(None, Verb.VOID, 1000)]


@pytest.mark.parametrize("chain", [[], [CAPTURE | {"id": "cap"}], [PENDING | {"id": "gb-other"}]])
def test_a_chain_that_does_not_show_what_is_listed_yet_is_asked_again_later(
    wire: RequestsMock, chain: list[dict[str, Any]]
) -> None:
    wire.get(LIST, json=[PENDING])
    wire.get(f"{URL}/transactions/{KEY}/chain", json=chain)
    with pytest.raises(BackendUnavailable, match="yet"):
        of_card()


@pytest.mark.parametrize("created", [{"createdDate": None}, {"createdDate": "soon"}])
def test_an_entry_without_its_date_is_not_told(wire: RequestsMock, created: dict[str, Any]) -> None:
    wire.get(f"{URL}/transactions", json=[PENDING | created])
    with pytest.raises(BackendUnavailable, match=r"date|createdDate"):
        of_account()


@pytest.mark.parametrize("body", [{}, "x", [{"id": KEY}], [PENDING | {"steps": [{}]}]])
def test_a_page_that_cannot_be_understood_is_unavailable(
    wire: RequestsMock, body: dict[str, Any] | str | list[dict[str, Any]]
) -> None:
    wire.get(f"{URL}/transactions", json=body)
    with pytest.raises(BackendUnavailable):
        of_account()


def test_a_refused_page_names_the_option(wire: RequestsMock) -> None:
    wire.get(f"{URL}/transactions", json=refused(None), status=403)
    with pytest.raises(BackendUnavailable, match="api_key"):
        of_account()


SOUND = {
    "transaction_id": "gb-1", "request_id": "r", "act": "reversal", "oid": "gb-2", "act_amount": 7, "voided": 3,
    "refunded": 4, "act_request_id": "c",
}  # fmt: skip
ORIGIN = Origin("gb-1", "r", ActKind.REVERSAL, "gb-2", 7, 3, 4, "c")


@pytest.mark.parametrize(
    ("noted", "origin"),
    [
        (SOUND, ORIGIN),
        (SOUND | {"something": "newer"}, ORIGIN),
        (SOUND | {"act": "gift"}, None),
        (SOUND | {"act": []}, None),
        (SOUND | {"act_amount": "7"}, None),
        (SOUND | {"act_amount": True}, None),
        (SOUND | {"oid": 5}, None),
        ({"act": "debit"}, None),
        ("x", None),
        (None, None),
    ],
)
def test_notes_are_read_back_only_where_they_are_sound(
    wire: RequestsMock, noted: dict[str, Any] | str | None, origin: Origin | None
) -> None:
    debit = PENDING | {"pending": False, "metadata": told("debit", origin=noted)}
    wire.get(f"{URL}/transactions", json=[debit])
    assert [entry.origin for entry in of_account()] == [origin]


@pytest.mark.parametrize("metadata", [None, {}, {"giftbridge": 5}, {"giftbridge": {"valueId": 5, "amount": 1000}}])
def test_a_capture_whose_notes_are_lost_is_understood_by_its_chain(
    wire: RequestsMock, metadata: dict[str, Any] | None
) -> None:
    capture = CAPTURE | {"id": "gb-capture", "metadata": metadata}
    wire.get(f"{URL}/transactions", json=[capture])
    wire.get(f"{URL}/transactions/gb-capture/chain", json=[PENDING, capture])
    assert [(entry.amount, entry.card_id) for entry in of_account()] == [(1000, "gc-1")]

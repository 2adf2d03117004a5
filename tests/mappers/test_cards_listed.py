"""Every card of a backend is listed, page by page, or the backend says that it may not be all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import responses
from responses.matchers import query_param_matcher

from mappers.base import BackendUnavailable, Holds, Mapper, Unsupported
from mappers.lightrail_v1 import mapper as v1_mapper
from mappers.lightrail_v1 import sandbox as v1
from mappers.lightrail_v1.mapper import LightrailV1, LightrailV1Options
from mappers.lightrail_v1.sandbox_seeds import PROGRAM
from mappers.money import Currency
from mappers.sandbox import Sandbox, running
from mappers.voucherify import client as voucherify_client
from mappers.voucherify import sandbox as voucherify
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions
from tests.mappers import lightrail_v1_wire, vauchar_wire, voucherify_wire

BRL = Currency.of("BRL")
SECONDS = 10


@pytest.fixture
def lightrail() -> Iterator[tuple[Mapper, Sandbox]]:
    with running(v1.create_app()) as sandbox:
        yield LightrailV1("light", BRL, Holds.NATIVE, LightrailV1Options(**v1.DEMO_OPTIONS(sandbox.url))), sandbox


@pytest.fixture
def vouchers() -> Iterator[tuple[Mapper, Sandbox]]:
    with running(voucherify.create_app()) as sandbox:
        options = VoucherifyOptions(**voucherify.DEMO_OPTIONS(sandbox.url))
        yield Voucherify("vouch", BRL, Holds.LEDGER, options), sandbox


def all_of(mapper: Mapper) -> list[str]:
    return list(mapper.cards(SECONDS))


def test_lightrail_v1_lists_its_cards_of_one_currency_page_by_page(
    lightrail: tuple[Mapper, Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper, sandbox = lightrail
    monkeypatch.setattr(v1_mapper, "PAGE", 2)
    cards = sandbox.app.extensions["backend"].cards.values()
    mine = {card.id for card in cards if card.json["currency"] == "BRL"}
    assert 4 < len(mine) < len(cards)
    assert sorted(all_of(mapper)) == sorted(mine)


def test_a_card_made_while_lightrail_v1_is_listed_hides_no_other(
    lightrail: tuple[Mapper, Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper, sandbox = lightrail
    monkeypatch.setattr(v1_mapper, "PAGE", 2)
    backend = sandbox.app.extensions["backend"]
    before = {card.id for card in backend.cards.values() if card.json["currency"] == "BRL"}
    body = {"userSuppliedId": "new", "cardType": "GIFT_CARD", "currency": "BRL", "programId": PROGRAM}
    listed = mapper.cards(SECONDS)
    found = [next(listed)]
    backend.create_card(body | {"initialValue": 1000})
    assert before <= {*found, *listed}


@responses.activate
def test_a_lightrail_v1_that_shows_one_page_again_and_again_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v1_mapper, "PAGE", 1)
    responses.get(f"{lightrail_v1_wire.URL}/cards", json={"cards": [lightrail_v1_wire.CARD]})
    listed = lightrail_v1_wire.build().cards(SECONDS)
    assert next(listed) == lightrail_v1_wire.CARD["cardId"]
    with pytest.raises(BackendUnavailable, match="the same cards again"):
        list(listed)


@responses.activate
def test_vauchar_follows_the_links_to_the_next_page() -> None:
    url = f"{vauchar_wire.URL}/gift-cards"
    pages: list[tuple[dict[str, str], dict[str, object]]] = [
        ({}, {"data": [vauchar_wire.CARD], "next": f"{url}?page=2"}),
        ({"page": "2"}, {"data": [vauchar_wire.CARD | {"id": "gift-2"}, vauchar_wire.CARD | {"currency": "EUR"}]}),
    ]
    for query, body in pages:
        responses.get(url, json=body, match=[query_param_matcher(query)])
    assert all_of(vauchar_wire.mapper()) == [vauchar_wire.CARD_ID, "gift-2"]


@responses.activate
def test_a_list_of_vauchar_that_may_be_one_page_of_several_is_not_called_whole() -> None:
    cards = [vauchar_wire.CARD | {"id": f"gift-{number}"} for number in range(10)]
    responses.get(f"{vauchar_wire.URL}/gift-cards", json={"data": cards})
    listed = vauchar_wire.mapper().cards(SECONDS)
    assert [next(listed) for _ in cards] == [card["id"] for card in cards]
    with pytest.raises(Unsupported, match="only some of the account's cards"):
        next(listed)


@responses.activate
def test_a_page_of_vauchar_that_names_itself_as_the_next_is_unavailable() -> None:
    url = f"{vauchar_wire.URL}/gift-cards"
    responses.get(url, json={"data": [vauchar_wire.CARD], "next": f"{url}?page=2"})
    with pytest.raises(BackendUnavailable, match="names itself"):
        all_of(vauchar_wire.mapper())


def test_voucherify_lists_its_gift_vouchers_of_one_currency(
    vouchers: tuple[Mapper, Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper, sandbox = vouchers
    monkeypatch.setattr(voucherify_client, "PAGE_SIZE", 2)
    found = sandbox.app.extensions["backend"].vouchers.values()
    mine = [voucher.id for voucher in found if "USD" not in voucher.code and "DISCOUNT" not in voucher.code]
    assert all_of(mapper) == mine


def test_voucherify_shows_99_pages_and_what_follows_goes_by_date(
    vouchers: tuple[Mapper, Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    mapper, sandbox = vouchers
    monkeypatch.setattr(voucherify_client, "PAGE_SIZE", 2)
    monkeypatch.setattr(voucherify_client, "LAST_PAGE", 2)
    found = list(sandbox.app.extensions["backend"].vouchers.values())
    for days, voucher in enumerate(found):
        voucher.created_at = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=days)
    mine = [voucher.id for voucher in found if "USD" not in voucher.code and "DISCOUNT" not in voucher.code]
    assert list(dict.fromkeys(all_of(mapper))) == mine


@responses.activate
def test_more_vouchers_of_one_moment_than_voucherify_shows_are_not_called_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voucherify_client, "PAGE_SIZE", 1)
    monkeypatch.setattr(voucherify_client, "LAST_PAGE", 1)
    responses.get(f"{voucherify_wire.URL}/v1/vouchers", json={"vouchers": [voucherify_wire.VOUCHER]})
    with pytest.raises(BackendUnavailable, match="more vouchers of one moment"):
        all_of(voucherify_wire.mapper())


def test_a_backend_lists_no_cards_by_default() -> None:
    with pytest.raises(Unsupported, match="does not list its cards"):
        Mapper.cards(voucherify_wire.mapper(), SECONDS)

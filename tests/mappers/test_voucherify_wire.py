"""The Voucherify mapper sends and understands what the API reference documents."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import responses
from requests import PreparedRequest
from responses import RequestsMock

from mappers.base import (
    BackendUnavailable,
    CardNotFound,
    CardStatus,
    CardUnusable,
    Cart,
    CartItem,
    Conflict,
    Customer,
    InsufficientFunds,
    InvalidOptions,
    MapperError,
    Memo,
    OutcomeUnknown,
    Query,
    Receipt,
    Secret,
    Undecidable,
    Verb,
)
from mappers.deadline import Deadline
from tests.mappers.requests_sent import sent, sent_url
from tests.mappers.voucherify_wire import (
    BALANCE,
    CODE,
    KEY,
    REDEEMED,
    REDEMPTION,
    REDEMPTION_ID,
    REDEMPTIONS_URL,
    ROLLBACK,
    ROLLBACK_ID,
    TRANSACTION,
    TRANSACTIONS_URL,
    URL,
    VALIDATIONS_URL,
    VOUCHER,
    VOUCHER_ID,
    VOUCHER_URL,
    failed,
    listed,
    mapper,
    refusal,
    soon,
    step,
    validated,
)


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(VOUCHER_URL, json=VOUCHER)
        mock.get(TRANSACTIONS_URL, json=listed())
        mock.post(VALIDATIONS_URL, json=validated())
        yield mock


def test_a_code_is_looked_up_with_the_project_s_keys(wire: RequestsMock) -> None:
    wire.get(f"{URL}/v1/vouchers/{CODE}", json=VOUCHER)
    [card] = mapper().find(Query(code=CODE), soon())
    assert (card.id, card.balance, card.status, card.code_mask) == (VOUCHER_ID, 10000, CardStatus.ACTIVE, "****hR")
    headers = wire.calls[0].request.headers
    assert (headers["X-App-Id"], headers["X-App-Token"]) == ("app", "token")
    assert headers["X-Voucherify-API-Version"] == "v2018-08-01"
    assert headers["X-Voucherify-Channel"] == "giftbridge"


def test_a_code_longer_than_any_is_not_asked_for(wire: RequestsMock) -> None:
    assert mapper().find(Query(code="x" * 256), soon()) == []
    assert len(wire.calls) == 0


def test_how_long_to_wait_is_read_from_voucherify_s_own_header(wire: RequestsMock) -> None:
    wire.replace("GET", VOUCHER_URL, status=429, headers={"X-Rate-Limit-Retry": str(int(time.time()) + 40)})
    with pytest.raises(BackendUnavailable) as caught:
        mapper().get_card(VOUCHER_ID, soon())
    assert 30 < (caught.value.retry_after_seconds or 0) <= 40


def test_a_code_is_found_whatever_its_case_where_the_project_ignores_it(wire: RequestsMock) -> None:
    wire.get(f"{URL}/v1/vouchers/{CODE.lower()}", json=VOUCHER)
    assert len(mapper().find(Query(code=CODE.lower()), soon())) == 1


def test_an_id_is_no_code(wire: RequestsMock) -> None:
    assert mapper().find(Query(code=VOUCHER_ID), soon()) == []


def test_a_code_is_no_id(wire: RequestsMock) -> None:
    wire.get(f"{URL}/v1/vouchers/{CODE}", json=VOUCHER)
    with pytest.raises(CardNotFound):
        mapper().get_card(CODE, soon())


def test_only_a_404_of_voucherify_s_own_says_that_there_is_no_card(wire: RequestsMock) -> None:
    wire.get(f"{URL}/v1/vouchers/NO", json=refusal("resource_not_found", 404), status=404)
    assert mapper().find(Query(code="NO"), soon()) == []
    wire.replace("GET", f"{URL}/v1/vouchers/NO", json={"message": "no route"}, status=404)
    with pytest.raises(BackendUnavailable):
        mapper().find(Query(code="NO"), soon())


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"active": False}, CardStatus.INACTIVE),
        ({"start_date": "2999-01-01T00:00:00.000Z"}, CardStatus.NOT_STARTED),
        ({"expiration_date": "2001-01-01T00:00:00.000Z"}, CardStatus.EXPIRED),
        ({"redemption": {"quantity": 1, "redeemed_quantity": 1}}, CardStatus.USED_UP),
        ({"type": "DISCOUNT_VOUCHER", "gift": None}, CardStatus.UNSUPPORTED),
        ({"code": "dky7ksKf"}, CardStatus.UNSUPPORTED),
        ({"metadata": {"currency": "EUR"}}, CardStatus.WRONG_CURRENCY),
        ({"metadata": {"currency": "usd"}}, CardStatus.ACTIVE),
    ],
)
def test_a_voucher_that_cannot_pay_says_why(wire: RequestsMock, fields: dict[str, Any], status: CardStatus) -> None:
    wire.replace("GET", VOUCHER_URL, json=VOUCHER | fields)
    assert mapper().get_card(VOUCHER_ID, soon()).status is status


def test_a_balance_with_a_point_is_the_same_balance(wire: RequestsMock) -> None:
    wire.replace("GET", VOUCHER_URL, body=json.dumps(VOUCHER).replace('"balance": 10000', '"balance": 10000.0'))
    assert mapper().get_card(VOUCHER_ID, soon()).balance == 10000


@pytest.mark.parametrize("broken", [[], {"id": VOUCHER_ID}, VOUCHER | {"gift": None}, VOUCHER | {"start_date": "soon"}])
def test_a_voucher_that_cannot_be_read_is_unavailable(wire: RequestsMock, broken: list[Any] | dict[str, Any]) -> None:
    wire.replace("GET", VOUCHER_URL, json=broken)
    with pytest.raises(BackendUnavailable):
        mapper().get_card(VOUCHER_ID, soon())


def test_a_debit_redeems_the_code_for_exactly_its_credits(wire: RequestsMock) -> None:
    wire.post(REDEMPTIONS_URL, json=REDEEMED)
    assert mapper().run(step(), soon()) == Receipt(REDEMPTION_ID, 5000)
    assert sent(wire) == {
        "redeemables": [{"object": "voucher", "id": CODE, "gift": {"credits": 5000}}],
        "order": {"source_id": KEY, "amount": 5000},
        "metadata": {"giftbridge": f"giftbridge debit {KEY}", "order_id": "order-1"},
        "customer": {"source_id": "ana@example.com", "email": "ana@example.com"},
    }


def test_rules_see_the_whole_cart_and_its_items_whatever_part_the_card_pays(wire: RequestsMock) -> None:
    wire.post(REDEMPTIONS_URL, json=REDEEMED)
    cart = Cart(18200, (CartItem("sku-1", 2, 9000), CartItem("sku-2", 1, 200)))
    mapper().run(replace(step(), memo=Memo("order-1", cart=cart)), soon())
    assert sent(wire)["redeemables"][0]["gift"] == {"credits": 5000}
    assert sent(wire)["order"] == {
        "source_id": KEY,
        "amount": 18200,
        "items": [
            {"source_id": "sku-1", "related_object": "product", "quantity": 2, "price": 9000},
            {"source_id": "sku-2", "related_object": "product", "quantity": 1, "price": 200},
        ],
    }


@pytest.mark.parametrize(
    ("key", "source_id"), [("email", "ana@example.com"), ("document", "12345678909"), ("id", "profile-1")]
)
def test_a_customer_goes_by_the_name_that_the_project_knows(wire: RequestsMock, key: str, source_id: str) -> None:
    wire.post(REDEMPTIONS_URL, json=REDEEMED)
    customer = Customer("12345678909", "profile-1", "Ana@example.com", "12345678909", name="Ana")
    mapper(customer_key=key).run(replace(step(), memo=Memo(customer=customer)), soon())
    assert sent(wire)["customer"] == {"source_id": source_id, "email": "Ana@example.com", "name": "Ana"}


def test_a_customer_without_the_name_that_the_project_knows_is_nobody(wire: RequestsMock) -> None:
    wire.post(REDEMPTIONS_URL, json=REDEEMED)
    mapper().run(replace(step(), memo=Memo(customer=Customer("12345678909", document="12345678909"))), soon())
    assert "customer" not in sent(wire)


def test_amounts_are_hundredths_in_a_currency_without_cents_too(wire: RequestsMock) -> None:
    wire.post(REDEMPTIONS_URL, json=REDEEMED)
    assert mapper("JPY").run(step(amount=50), soon()).balance == 50
    assert sent(wire)["order"]["amount"] == 5000


def test_no_more_than_the_balance_is_asked_for(wire: RequestsMock) -> None:
    with pytest.raises(InsufficientFunds):
        mapper().run(step(amount=10001), soon())
    assert {call.request.method for call in wire.calls} == {"GET"}


@pytest.mark.parametrize("fields", [{"metadata": {"currency": "EUR"}}, {"type": "DISCOUNT_VOUCHER", "gift": None}])
def test_what_is_no_card_of_ours_is_not_redeemed(wire: RequestsMock, fields: dict[str, Any]) -> None:
    wire.replace("GET", VOUCHER_URL, json=VOUCHER | fields)
    with pytest.raises(CardUnusable):
        mapper().run(step(), soon())


@pytest.mark.parametrize(
    ("key", "status", "error"),
    [
        ("gift_amount_exceeded", 400, InsufficientFunds),
        ("resource_not_found", 404, CardNotFound),
        ("voucher_disabled", 400, CardUnusable),
        ("voucher_expired", 400, CardUnusable),
        ("quantity_exceeded", 400, CardUnusable),
        ("order_rules_violated", 400, CardUnusable),
        ("something_new", 400, CardUnusable),
        (f"{CODE} is no key", 400, CardUnusable),
        ("multiple_requests", 400, BackendUnavailable),
        ("", 404, BackendUnavailable),
        ("", 401, BackendUnavailable),
        ("", 402, BackendUnavailable),
    ],
)
def test_a_refusal_means_what_its_key_says_and_does_not_show_the_code(
    wire: RequestsMock, key: str, status: int, error: type[MapperError]
) -> None:
    wire.post(REDEMPTIONS_URL, json=refusal(key, status), status=status)
    with pytest.raises(error) as caught:
        mapper().run(step(), soon())
    assert CODE not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"skipped_redeemables": None},
        {
            "inapplicable_redeemables": None,
            "skipped_redeemables": [{"result": {"details": {"key": "gift_amount_exceeded"}}}],
        },
    ],
)
def test_a_200_without_a_redemption_is_the_refusal_that_it_lists(wire: RequestsMock, fields: dict[str, Any]) -> None:
    wire.post(REDEMPTIONS_URL, json=failed(key="gift_amount_exceeded") | fields)
    with pytest.raises(InsufficientFunds):
        mapper().run(step(), soon())


def test_a_redemption_on_record_as_failed_is_a_refusal(wire: RequestsMock) -> None:
    failure = REDEMPTION | {"result": "FAILURE", "failure_code": "voucher_expired"}
    wire.post(REDEMPTIONS_URL, json={"redemptions": [failure]})
    with pytest.raises(CardUnusable):
        mapper().run(step(), soon())


@pytest.mark.parametrize("answer", [{}, {"redemptions": []}, {"redemptions": [{}]}, {"redemptions": [REDEMPTION] * 2}])
def test_an_answer_that_does_not_say_what_happened_leaves_it_unknown(
    wire: RequestsMock, answer: dict[str, Any]
) -> None:
    wire.post(REDEMPTIONS_URL, json=answer)
    with pytest.raises(OutcomeUnknown):
        mapper().run(step(), soon())


def test_another_amount_than_asked_for_goes_to_a_person(wire: RequestsMock) -> None:
    wire.post(REDEMPTIONS_URL, json={"redemptions": [REDEMPTION | {"amount": 4000}]})
    with pytest.raises(Undecidable) as caught:
        mapper().run(step(), soon())
    assert caught.value.evidence == {"asked": 5000, "moved": 4000, "redemption": REDEMPTION_ID}


def test_a_lost_redemption_is_found_by_its_order(wire: RequestsMock) -> None:
    wire.replace("GET", TRANSACTIONS_URL, json=listed(TRANSACTION))
    assert mapper().ask(step(), soon()) == Receipt(REDEMPTION_ID, 5000)


@pytest.mark.parametrize(("note", "found"), [(f"giftbridge debit {KEY}", True), ("", False), (None, False)])
def test_a_transaction_that_does_not_show_its_order_is_told_by_its_redemption(
    wire: RequestsMock, note: str | None, found: bool
) -> None:
    wire.replace(
        "GET", TRANSACTIONS_URL, json=listed(TRANSACTION | {"details": TRANSACTION["details"] | {"order": None}})
    )
    wire.get(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", json=REDEMPTION | {"metadata": note and {"giftbridge": note}})
    assert (mapper().ask(step(), soon()) is not None) is found


def test_every_page_of_transactions_is_looked_through(wire: RequestsMock) -> None:
    other = TRANSACTION | {"id": "vtx_1", "details": TRANSACTION["details"] | {"order": {"source_id": "gb-other"}}}
    wire.remove("GET", TRANSACTIONS_URL)
    first = {"limit": "100", "order": "-id"}
    more = listed(other, has_more=True, more_starting_after="vtx_1")
    wire.get(TRANSACTIONS_URL, json=more, match=[responses.matchers.query_param_matcher(first)])
    following = [responses.matchers.query_param_matcher(first | {"starting_after_id": "vtx_1"})]
    wire.get(TRANSACTIONS_URL, json=listed(TRANSACTION), match=following)
    assert mapper().ask(step(), soon()) is not None


def test_a_list_without_end_is_not_taken_for_a_no(wire: RequestsMock) -> None:
    number = count()

    def next_page(_: PreparedRequest) -> tuple[int, dict[str, str], str]:
        return 200, {}, json.dumps(listed(has_more=True, more_starting_after=f"vtx_{next(number)}"))

    wire.remove("GET", TRANSACTIONS_URL)
    wire.add_callback("GET", TRANSACTIONS_URL, next_page, content_type="application/json")
    with pytest.raises(Undecidable):
        mapper().ask(step(), Deadline.after(30))


def test_another_amount_under_our_key_is_a_conflict(wire: RequestsMock) -> None:
    wire.replace("GET", TRANSACTIONS_URL, json=listed(TRANSACTION))
    with pytest.raises(Conflict):
        mapper().ask(step(amount=4999), soon())


def test_what_happened_twice_goes_to_a_person(wire: RequestsMock) -> None:
    wire.replace("GET", TRANSACTIONS_URL, json=listed(TRANSACTION, TRANSACTION | {"id": "vtx_2"}))
    with pytest.raises(Undecidable):
        mapper().ask(step(), soon())


def test_a_voucher_that_is_gone_cannot_tell(wire: RequestsMock) -> None:
    wire.replace("GET", TRANSACTIONS_URL, json=refusal("resource_not_found", 404), status=404)
    with pytest.raises(Undecidable):
        mapper().ask(step(), soon())


@pytest.mark.parametrize(
    ("parent", "path", "answer"),
    [
        (None, f"{REDEMPTION_ID}/rollback", ROLLBACK),
        ("r_parent", "r_parent/rollbacks", {"rollbacks": [ROLLBACK], "parent_rollback": {}}),
    ],
)
def test_a_whole_redemption_is_rolled_back_through_its_parent_where_it_has_one(
    wire: RequestsMock, parent: str | None, path: str, answer: dict[str, Any]
) -> None:
    debited = {"giftbridge": "giftbridge debit gb-other-1", "order_id": "order-1"}
    wire.get(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", json=REDEMPTION | {"redemption": parent, "metadata": debited})
    wire.post(f"{REDEMPTIONS_URL}/{path}", json=answer)
    receipt = mapper().run(step(Verb.REFUND, reference=REDEMPTION_ID), soon())
    assert receipt == Receipt(ROLLBACK_ID, data={"redemption": REDEMPTION_ID})
    # It updates the redemption's metadata, and so has to say again what is there.
    assert sent(wire)["metadata"] == debited | {"giftbridge_rollback": f"giftbridge refund {KEY}"}


@pytest.mark.parametrize(
    "undone", [{"status": "ROLLED_BACK"}, {"related_redemptions": {"rollbacks": [{"id": ROLLBACK_ID}]}}]
)
def test_a_redemption_that_is_rolled_back_is_not_rolled_back_again(wire: RequestsMock, undone: dict[str, Any]) -> None:
    wire.get(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", json=REDEMPTION | undone)
    refund = step(Verb.REFUND, reference=REDEMPTION_ID)
    assert mapper().run(refund, soon()) == mapper().ask(refund, soon())
    assert {call.request.method for call in wire.calls} == {"GET"}


def test_already_rolled_back_is_done(wire: RequestsMock) -> None:
    wire.get(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", json=REDEMPTION)
    wire.post(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}/rollback", json=refusal("already_rolled_back"), status=400)
    receipt = mapper().run(step(Verb.REFUND, reference=REDEMPTION_ID), soon())
    assert receipt.data == {"redemption": REDEMPTION_ID}


def test_what_can_no_longer_be_rolled_back_is_added(wire: RequestsMock) -> None:
    wire.get(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", json=REDEMPTION)
    wire.post(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}/rollback", json=refusal("invalid_rollback_params"), status=400)
    wire.post(f"{VOUCHER_URL}/balance", json=BALANCE)
    assert mapper().run(step(Verb.REFUND, reference=REDEMPTION_ID), soon()) == Receipt(KEY, 12000)


@pytest.mark.parametrize(("key", "status"), [("multiple_requests", 400), ("", 404)])
def test_a_rollback_that_may_work_later_is_not_replaced(wire: RequestsMock, key: str, status: int) -> None:
    wire.get(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", json=REDEMPTION)
    wire.post(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}/rollback", json=refusal(key, status), status=status)
    with pytest.raises(BackendUnavailable):
        mapper().run(step(Verb.REFUND, reference=REDEMPTION_ID), soon())


def test_a_rollback_whose_answer_is_lost_is_not_replaced(wire: RequestsMock) -> None:
    wire.get(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}", json=REDEMPTION)
    wire.post(f"{REDEMPTIONS_URL}/{REDEMPTION_ID}/rollback", status=500)
    with pytest.raises(OutcomeUnknown):
        mapper().run(step(Verb.REFUND, reference=REDEMPTION_ID), soon())
    assert sent_url(wire).endswith("/rollback")


@pytest.mark.parametrize("verb", [Verb.CREDIT, Verb.REFUND])
def test_value_is_added_under_our_key(wire: RequestsMock, verb: Verb) -> None:
    wire.post(f"{VOUCHER_URL}/balance", json=BALANCE)
    assert mapper().run(step(verb, 2000), soon()) == Receipt(KEY, 12000)
    assert sent(wire) == {"amount": 2000, "source_id": KEY, "reason": f"giftbridge {verb} {KEY}"}


def test_a_lost_addition_is_found_by_our_key(wire: RequestsMock) -> None:
    balance = TRANSACTION["details"]["balance"] | {"amount": 2000, "balance": 12000}
    fields = {"type": "CREDITS_ADDITION", "source_id": KEY, "details": {"balance": balance}}
    wire.replace("GET", TRANSACTIONS_URL, json=listed(TRANSACTION | fields))
    assert mapper().ask(step(Verb.CREDIT, 2000), soon()) == Receipt(KEY, 12000)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("app_id", ""),
        ("app_id", "a b"),
        ("app_token", Secret("")),
        ("app_token", Secret("a\n")),
        ("base_url", "ftp://x"),
        ("customer_key", "phone"),
    ],
)
def test_options_that_cannot_work_are_named(option: str, value: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        mapper(**dict[str, Any]({option: value}))
    assert caught.value.option == option


def test_a_currency_finer_than_hundredths_is_refused_at_once() -> None:
    with pytest.raises(InvalidOptions):
        mapper("KWD")

"""With `locks`, the Voucherify mapper keeps what is reserved of a voucher in one validation session."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import responses
from responses import RequestsMock

from mappers.base import (
    BackendUnavailable,
    CardUnusable,
    Cart,
    Customer,
    Holds,
    InsufficientFunds,
    MapperError,
    Memo,
    TransactionFacts,
)
from tests.mappers.requests_sent import sent
from tests.mappers.voucherify_wire import (
    CODE,
    REDEEMED,
    REDEMPTIONS_URL,
    TRANSACTIONS_URL,
    VALIDATIONS_URL,
    VOUCHER,
    VOUCHER_ID,
    VOUCHER_URL,
    listed,
    mapper,
    refusal,
    ruled_out,
    soon,
    step,
    validated,
)

SESSION = f"giftbridge-{VOUCHER_ID}"
SESSION_URL = f"{VOUCHER_URL}/sessions/{SESSION}"
MEMO = Memo(customer=Customer("ana@example.com", email="ana@example.com"), cart=Cart(9000))
OPEN = TransactionFacts("gb-1", VOUCHER_ID, 3000, Holds.LEDGER, hold_for=timedelta(days=2), memo=MEMO)


@pytest.fixture
def wire() -> Iterator[RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(VOUCHER_URL, json=VOUCHER)
        mock.get(TRANSACTIONS_URL, json=listed())
        yield mock


def test_a_lock_is_a_validation_with_the_session_of_the_card(wire: RequestsMock) -> None:
    wire.post(VALIDATIONS_URL, json=validated(credits=5000))
    mapper(locks=True).lock(OPEN, 5000, soon())
    assert sent(wire) == {
        "redeemables": [{"object": "voucher", "id": CODE, "gift": {"credits": 5000}}],
        "order": {"amount": 9000},
        "customer": {"source_id": "ana@example.com", "email": "ana@example.com"},
        "session": {"type": "LOCK", "key": SESSION, "ttl": 172800, "ttl_unit": "SECONDS"},
    }


@pytest.mark.parametrize(("status", "body"), [(204, None), (404, refusal("not_found", 404))])
def test_nothing_reserved_releases_the_session_or_finds_that_it_has_ended(
    wire: RequestsMock, status: int, body: dict[str, object] | None
) -> None:
    wire.delete(SESSION_URL, status=status, json=body)
    mapper(locks=True).lock(OPEN, 0, soon())
    assert [call.request.method for call in wire.calls] == ["DELETE"]


def test_a_redemption_is_made_in_the_session(wire: RequestsMock) -> None:
    wire.post(REDEMPTIONS_URL, json=REDEEMED)
    mapper(locks=True).run(step(), soon())
    assert sent(wire)["session"] == {"type": "LOCK", "key": SESSION}


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (200, ruled_out("gift_amount_exceeded"), InsufficientFunds),
        (200, ruled_out("order_rules_violated"), CardUnusable),
        (400, refusal("order_rules_violated"), CardUnusable),
        (500, {}, BackendUnavailable),
    ],
)
def test_a_lock_that_is_not_there_is_told(
    wire: RequestsMock, status: int, answer: dict[str, object], error: type[MapperError]
) -> None:
    wire.post(VALIDATIONS_URL, json=answer, status=status)
    with pytest.raises(error):
        mapper(locks=True).lock(OPEN, 5000, soon())


def test_a_session_that_is_not_released_is_told(wire: RequestsMock) -> None:
    wire.delete(SESSION_URL, status=400, json=refusal("something_new"))
    with pytest.raises(BackendUnavailable, match="something_new"):
        mapper(locks=True).lock(OPEN, 0, soon())


def test_without_the_option_nothing_is_locked(wire: RequestsMock) -> None:
    mapper().lock(OPEN, 5000, soon())
    mapper().lock(OPEN, 0, soon())
    assert len(wire.calls) == 0
    wire.post(REDEMPTIONS_URL, json=REDEEMED)
    mapper().run(step(), soon())
    assert "session" not in sent(wire)

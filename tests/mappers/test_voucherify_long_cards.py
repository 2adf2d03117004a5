"""A Voucherify card with more transactions than are read: what was lost is found among those it can be one of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mappers.base import Step, Undecidable, Verb
from mappers.deadline import Deadline
from mappers.money import Currency
from mappers.sandbox import Sandbox, shared
from mappers.voucherify.client import MAXIMUM_PAGES, PAGE_SIZE
from mappers.voucherify.mapper import Voucherify, VoucherifyOptions
from mappers.voucherify.sandbox import DEMO_OPTIONS, create_app
from mappers.voucherify.sandbox_model import Voucher, timestamp

NOW = datetime.now(UTC)
MORE_THAN_IS_READ = MAXIMUM_PAGES * PAGE_SIZE + 1


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with shared(create_app) as sandbox:
        yield sandbox


@pytest.fixture
def mapper(sandbox: Sandbox) -> Voucherify:
    return Voucherify("demo", Currency.of("BRL"), Voucherify.supported_holds[0], VoucherifyOptions(**options(sandbox)))


@pytest.fixture
def voucher(sandbox: Sandbox) -> Voucher:
    found: Voucher = sandbox.app.extensions["backend"].find("VOUCHERIFY-ACTIVE-250")
    return found


def options(sandbox: Sandbox) -> dict[str, Any]:
    return dict(DEMO_OPTIONS(sandbox.url))


def spend(sandbox: Sandbox, voucher: Voucher, times: int, date: datetime) -> None:
    """Let a till have redeemed the voucher so often, at one moment."""
    sandbox.app.extensions["backend"].spend_elsewhere(voucher.code, 1)
    once = voucher.transactions.pop()
    made = ({"id": f"{once['id']}{number:06d}", "created_at": timestamp(date)} for number in range(times))
    voucher.transactions += [once | fields for fields in made]


def debit(voucher: Voucher) -> Step:
    return Step(Verb.DEBIT, 5000, voucher.id, key="gb-settle-1", since=NOW)


def soon() -> Deadline:
    return Deadline.after(30)


def asked(sandbox: Sandbox) -> int:
    return sum("/transactions" in request.path for request in sandbox.requests)


def test_a_lost_redemption_is_found_on_a_card_used_for_years(
    sandbox: Sandbox, mapper: Voucherify, voucher: Voucher
) -> None:
    spend(sandbox, voucher, MORE_THAN_IS_READ, NOW - timedelta(days=2))
    assert mapper.ask(debit(voucher), soon()) is None
    receipt = mapper.run(debit(voucher), soon())
    assert mapper.ask(debit(voucher), soon()) == receipt
    assert asked(sandbox) == 3


def test_what_came_after_it_is_read_too(sandbox: Sandbox, mapper: Voucherify, voucher: Voucher) -> None:
    receipt = mapper.run(debit(voucher), soon())
    spend(sandbox, voucher, 3 * PAGE_SIZE, NOW + timedelta(hours=1))
    assert mapper.ask(debit(voucher), soon()) == receipt


def test_a_card_used_thousands_of_times_since_cannot_tell(
    sandbox: Sandbox, mapper: Voucherify, voucher: Voucher
) -> None:
    """It goes to a person, and the card is not busy any longer."""
    mapper.run(debit(voucher), soon())
    spend(sandbox, voucher, MORE_THAN_IS_READ, NOW + timedelta(hours=1))
    with pytest.raises(Undecidable, match="more transactions"):
        mapper.ask(debit(voucher), soon())

"""Pages stay right, and every transaction is told once, where there are thousands."""

from __future__ import annotations

import secrets

import pytest
import redis

from app.ledger import names
from app.ledger.storage import keys
from app.ledger.storage.identity import Identity
from tests.stored import with_fields

from .conftest import Installation

COUNT = 3000


@pytest.fixture
def many(installation: Installation) -> list[str]:
    """Thousands of copies of one transaction, many of them opened in the same millisecond; newest first."""
    original = installation.pay("1.00")
    made: list[tuple[int, str]] = []
    with redis.Redis.from_url(installation.environment["GIFTBRIDGE_REDIS_URL"], decode_responses=True) as client:
        fields = str(client.get(str(keys.of_transaction(original))))
        client.flushall()
        Identity(installation.parts.connection).ensure()
        with client.pipeline(transaction=False) as pipeline:
            for number in range(COUNT):
                bucket = secrets.randbelow(names.BUCKETS)
                name = f"gb-{bucket:02x}{secrets.token_hex(16)}"
                date = 1_700_000_000_000 + number // 100
                state = "refused" if number % 1000 == 7 else "authorized"
                text = with_fields(fields, {"date": date, "state": state})
                pipeline.set(str(keys.of_transaction(name)), text)
                pipeline.zadd(keys.in_bucket(bucket, "all"), {name: date})
                made.append((date, name))
            pipeline.execute()
    return [name for _, name in sorted(made, reverse=True)]


def pages(installation: Installation, *arguments: str) -> list[str]:
    seen: list[str] = []
    place: list[str] = []
    while True:
        page = installation.json("transactions", "list", *arguments, *place)
        seen += [one["id"] for one in page["transactions"]]
        if page["next"] is None:
            return seen
        place = ["--after", page["next"]]


def test_every_transaction_is_told_once_newest_first(installation: Installation, many: list[str]) -> None:
    assert pages(installation, "--limit", "700") == many


def test_the_few_that_stand_differently_are_found_among_them(installation: Installation, many: list[str]) -> None:
    found = pages(installation, "--state", "declined", "--limit", "2")
    assert found == [name for name in many if name in set(found)]
    assert len(found) == COUNT // 1000


def test_a_page_is_not_the_whole_list(installation: Installation, many: list[str]) -> None:
    assert len(installation.json("transactions", "list")["transactions"]) == 20

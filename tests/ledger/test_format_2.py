"""Transactions that the version before wrote: true bytes of each kind, read and changed by this one."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.ledger import names
from app.ledger.errors import AmountExceeded, RequestConflict
from app.ledger.storage import keys
from app.ledger.storage.keys import in_bucket
from app.ledger.transaction import ActState, State, Transaction
from mappers.base import CardUnusable, Cart, CartItem, Customer, Memo
from tests.ledger.reference_model import CARD
from tests.ledger.system import System
from tests.stored import stored

# Of each: its id, fields, events, rows of the index, its places in the queues, and whether it is parked.
DUMPS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "format_2.json").read_text())

WHO = Customer(
    "10617764093",
    "3b1abc17-0000-4000-8000-000000000000",
    "email@example.com",
    "10617764093",
    "+5511999999999",
    'Ana "A." Souza ção',
)
CART = Cart(4477, tuple(CartItem(f"200033{number}", 1, 1500) for number in range(3)))

STATES = {
    "authorized": (State.AUTHORIZED, [ActState.DONE]),
    "settled in part": (State.AUTHORIZED, [ActState.DONE, ActState.DONE]),
    "closed": (State.CLOSED, [ActState.DONE, ActState.DONE]),
    "refunded in part": (State.CLOSED, [ActState.DONE] * 3),
    "canceled": (State.CLOSED, [ActState.DONE, ActState.DONE]),
    "refused": (State.REFUSED, [ActState.REFUSED]),
    "credit": (State.AUTHORIZED, [ActState.DONE]),
    "refused settlement": (State.AUTHORIZED, [ActState.DONE, ActState.REFUSED]),
    "pending": (State.PENDING, [ActState.PENDING]),
    "held here": (State.AUTHORIZED, [ActState.DONE]),
    "upfront": (State.CLOSED, [ActState.DONE, ActState.DONE]),
    "promised": (State.AUTHORIZED, [ActState.DONE, ActState.ACCEPTED]),
    "parked": (State.AUTHORIZED, [ActState.DONE, ActState.PARKED]),
}


# Of an order that is settled in part, and of which then more is given back than is still held.
HISTORY = ["opened", "done", "opened", "done", "opened", "step done", "done"]


def put_back(system: System, name: str) -> str:
    """Let Redis have what the version before wrote."""
    dump, client = DUMPS[name], system.connection._client
    bucket = _bucket(dump["id"])
    client.hset(str(keys.of_transaction(dump["id"])), mapping=dump["fields"])
    client.rpush(str(keys.of_transaction(dump["id"], "ev")), *dump["events"])
    client.zadd(in_bucket(bucket, "index"), dict.fromkeys(dump["index"], 0))
    for queue, score in dump["queues"].items():
        client.zadd(in_bucket(bucket, queue), {dump["id"]: score})
    if dump["parked"]:
        client.sadd(in_bucket(bucket, "parked"), dump["id"])
    return str(dump["id"])


def of_dump(system: System, name: str) -> System:
    """Return the system as the provider of a dump."""
    account = DUMPS[name]["account"]
    return system.changed(id="acme", account=account)


@pytest.mark.parametrize("name", DUMPS)
def test_every_kind_is_read(system: System, name: str) -> None:
    record = system.record(put_back(system, name))
    assert (record.state, [act.state for act in record.acts]) == STATES[name]
    assert record.memo == Memo("v2915869org-01", f"Order {record.request_id}", WHO, CART)
    assert record.provider_id == "acme"
    assert record.amount == 1000
    assert [act.opens for act in record.acts] == [True] + [False] * (len(record.acts) - 1)
    assert system.storage.events(record.id)[0]["what"] == "opened"
    assert record.id in system.index.of_request(record.request_id)
    assert record.id in system.index.of_orders(["v2915869org-01"])
    assert [comparable(one) for one in system.storage.load_many([record.id])] == [comparable(record)]
    assert list(next(iter(system.index.every()))) == [record.address]


@pytest.mark.parametrize("name", DUMPS)
def test_migrating_changes_nothing_but_the_format(system: System, name: str) -> None:
    transaction = put_back(system, name)
    before, queues = system.record(transaction), queued(system, transaction)
    assert system.storage.migrate([transaction]) == 1
    fields = stored(system.connection._client, transaction)
    assert fields["version"] == 3
    assert not [name for name, value in fields.items() if value == "" or name.startswith("oid:")]
    assert {name for name, value in fields.items() if value == 0} <= {"unresolved"}
    assert comparable(system.record(transaction)) == comparable(before)
    assert queued(system, transaction).keys() == queues.keys()
    assert system.storage.migrate([transaction]) == 0


@pytest.mark.parametrize("migrated", [False, True], ids=["hash", "migrated"])
def test_an_order_goes_on_where_the_version_before_left_it(system: System, *, migrated: bool) -> None:
    system = of_dump(system, "authorized")
    transaction = put_back(system, "authorized")
    if migrated:
        system.storage.migrate([transaction])
    system.backend.holds[f"{transaction}-1"] = 1000
    system.backend.balances[CARD] = 0
    system.settle(transaction, "4.00", "s1")
    assert stored(system.connection._client, transaction)["version"] == 3
    system.cancel(transaction, "9.00", "c1")
    assert system.settlements(transaction) == [Decimal("4.00")]
    assert system.record(transaction).state is State.CLOSED
    assert system.backend.balances[CARD] == 900
    with pytest.raises(AmountExceeded):
        system.cancel(transaction, "2.00", "c2")
    assert [row["what"] for row in system.storage.events(transaction)] == HISTORY


@pytest.mark.parametrize("name", ["authorized", "closed", "refunded in part", "canceled", "credit"])
def test_a_repeated_request_finds_what_the_version_before_wrote(system: System, name: str) -> None:
    system = of_dump(system, name)
    transaction = put_back(system, name)
    operation = DUMPS[name]["fields"]["operation"]
    assert system.authorize("10.00", name, operation) == transaction
    assert not system.backend.calls
    with pytest.raises(RequestConflict):
        system.authorize("11.00", name, operation)


def test_what_was_refused_before_is_refused_again(system: System) -> None:
    system = of_dump(system, "refused")
    put_back(system, "refused")
    with pytest.raises(CardUnusable):
        system.authorize("10.00", "refused")
    assert not system.backend.calls


def test_what_the_version_before_left_unresolved_is_asked_for(system: System) -> None:
    system = of_dump(system, "pending")
    transaction = put_back(system, "pending")
    rewrite_hash(system, transaction, retry_at=0)
    assert system.authorize("10.00", "pending") == transaction
    assert system.record(transaction).state is State.AUTHORIZED


def test_what_was_promised_by_the_version_before_is_done(system: System) -> None:
    system = of_dump(system, "promised")
    transaction = put_back(system, "promised")
    system.backend.holds[f"{transaction}-1"] = 1000
    system.sweep()
    assert system.record(transaction).state is State.CLOSED


def test_what_the_version_before_wrote_is_forgotten_after_the_retention(system: System) -> None:
    system = of_dump(system, "closed")
    put_back(system, "closed")
    assert system.sweep() == {"forgotten": 1}
    assert not list(system.connection._client.scan_iter("gb:{b*"))


def comparable(record: Transaction) -> Transaction:
    """Return the transaction without its errors, which are equal to nothing, but for their texts."""
    acts = (replace(act, error=None, request_id=f"{act.request_id}: {act.error!r}") for act in record.acts)
    return replace(record, acts=tuple(acts))


def rewrite_hash(system: System, transaction: str, **fields: int) -> None:
    client: Any = system.connection._client
    client.hset(str(keys.of_transaction(transaction)), mapping=fields)


def queued(system: System, transaction: str) -> dict[str, float]:
    """Return the queues that a transaction is in, with its place."""
    client, bucket = system.connection._client, _bucket(transaction)
    places = {queue: client.zscore(in_bucket(bucket, queue), transaction) for queue in ("due", "over", "all")}
    return {queue: place for queue, place in places.items() if place is not None}


def _bucket(transaction: str) -> int:
    bucket = names.bucket_of_transaction(transaction)
    assert bucket is not None
    return bucket


@pytest.mark.parametrize("is_packed", [False, True])
def test_what_another_process_has_migrated_is_left_as_it_is(system: System, *, is_packed: bool) -> None:
    """It was read as a hash, and is none any more; it may be packed by now."""
    system = of_dump(system, "closed")
    transaction = put_back(system, "closed")
    migrate = system.storage._scripts["migrate"]
    found: list[dict[str, bytes | None]] = []

    def after_another(*arguments: Any) -> list[Any]:
        if not found:
            system.storage._scripts["migrate"] = migrate
            assert system.storage.migrate([transaction]) == 1
            assert system.storage.pack([transaction] * is_packed) == is_packed
            found.append(system.stored())
        return migrate(*arguments)

    system.storage._scripts["migrate"] = after_another
    assert system.storage.migrate([transaction]) == 0
    assert found == [system.stored()]

"""What a call costs Redis: round trips, commands of the scripts, bytes kept. Counted, never timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import UUID

import pytest

from app.ledger.caller import Caller
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation
from mappers.base import Cart, CartItem, Customer, Holds
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.one_bucket import one_bucket

# Commands that the test or a new connection sends by itself.
NOT_COUNTED = {"info", "config|resetstat", "client|setinfo", "hello", "select", "eval"}


def commands(system: System, call: Callable[[], object]) -> Counter[str]:
    """Return how often Redis ran each command during a call. A script is known to Redis from the first time on."""
    client: Any = system.connection._client
    client.config_resetstat()
    call()
    stats = client.info("commandstats")
    found = Counter({name.removeprefix("cmdstat_"): told["calls"] for name, told in stats.items()})
    return Counter({name: count for name, count in found.items() if name not in NOT_COUNTED and count})


@pytest.fixture(params=[Holds.NATIVE, Holds.LEDGER])
def warm(request: pytest.FixtureRequest, make_system: MakeSystem) -> System:
    """A system whose scripts Redis knows, and whose day has its totals."""
    system = make_system(request.param)
    transaction = system.authorize("1.00", "before")
    system.settle(transaction, "1.00")
    system.cancel(system.authorize("1.00", "before, too"), "1.00")
    return system


def is_reserved(system: System) -> bool:
    return system.provider.policy.holds is Holds.LEDGER


def changes(done: Counter[str]) -> tuple[int, int, int]:
    """Return how often the card's standing is written, and something is taken out of a queue and out of a set."""
    return done["hset"], done["zrem"], done["srem"]


def test_an_authorization_takes_two_scripts_and_few_commands(warm: System) -> None:
    done = commands(warm, lambda: warm.authorize("2.00", "order"))
    assert done.pop("evalsha") == 2
    assert done["get"] == 5
    assert changes(done) == (int(is_reserved(warm)), 0, 0)
    assert done["set"] == 2, "the record is written once by each script"
    assert done["hget"] == 0
    assert done.total() <= 24


def test_a_settlement_takes_two_scripts_and_few_commands(warm: System) -> None:
    transaction = warm.authorize("2.00", "order")
    done = commands(warm, lambda: warm.settle(transaction, "2.00"))
    assert done.pop("evalsha") == 2
    assert done["get"] == 4
    assert changes(done) == (2 * is_reserved(warm), 2, 0)
    assert done["set"] == 2
    assert done["hget"] == 0
    assert done.total() <= 24


def test_a_cancellation_takes_two_scripts_and_few_commands(warm: System) -> None:
    transaction = warm.authorize("2.00", "order")
    done = commands(warm, lambda: warm.cancel(transaction, "2.00"))
    assert done.pop("evalsha") == 2
    assert done["get"] == 4
    assert changes(done) == (int(is_reserved(warm)), 2, 0)
    assert done["set"] <= 3
    assert done["hget"] == 0
    assert done.total() <= 26


def test_a_repeated_authorization_takes_one_script_that_writes_nothing(warm: System) -> None:
    warm.authorize("2.00", "order")
    done = commands(warm, lambda: warm.authorize("2.00", "order"))
    assert done == {"evalsha": 1, "time": 1, "get": 2, "hgetall": 1}


def test_a_get_takes_one_round_trip(warm: System) -> None:
    transaction = warm.authorize("2.00", "order")
    done = commands(warm, lambda: warm.ledger.transaction(warm.provider, CARD, transaction, warm.deadline()))
    assert done == {"get": 1}


# Bytes of Redis, as FORMAT.md says. A change that needs more must say so there.
MOST_OF_AN_OPEN_ONE = 2300
MOST_OF_A_SETTLED_ONE = 3100
MOST_OF_A_PACKED_ONE = 700


def card_of(number: int) -> str:
    return str(UUID(int=Random(number).getrandbits(128), version=4))


def pay(system: System, number: int) -> str:
    """Pay as VTEX does: long ids, a customer and a cart of three items; nothing of it is like another order's."""
    drawn, card = Random(-number - 1), card_of(number)
    system.backend.balances[card] = drawn.randrange(20_000, 90_000)
    amount = drawn.randrange(3_000, 20_000)
    document, person = str(drawn.randrange(10**10, 10**11)), str(UUID(int=drawn.getrandbits(128), version=4))
    who = Customer(document, person, f"{person[:8]}@gmail.com", document, None, f"Ana {person[4:8].title()} Souza")
    items = (CartItem(str(drawn.randrange(10**6, 10**7)), 1, 10 * drawn.randrange(100, 2_000)) for _ in range(3))
    order = f"v{drawn.randrange(10**6, 10**7)}org-01"
    request = AuthorizationRequest(
        card,
        Operation.DEBIT,
        amount,
        f"{drawn.getrandbits(128):032X}",
        f"Order {order}",
        order,
        who,
        Cart(amount, tuple(items)),
        Caller.vtex(correlation(drawn)),
    )
    return system.ledger.authorize(system.provider, request, system.deadline())


def settle(system: System, number: int, transaction: str) -> None:
    drawn = Random(number + 10**9)
    change = ChangeRequest(
        card_of(number),
        transaction,
        system.record(transaction).amount,
        f"{drawn.getrandbits(128):032X}",
        caller=Caller.vtex(correlation(drawn)),
    )
    system.ledger.settle(system.provider, change, system.deadline())


def correlation(drawn: Random) -> str:
    return str(UUID(int=drawn.getrandbits(128), version=4))


def bytes_kept(system: System, transactions: int) -> float:
    """Return the bytes of all keys of the ledger, by transaction."""
    client: Any = system.connection._client
    keys = [key for key in client.scan_iter("gb:{b*", count=10_000) if ":totals" not in key]
    return float(sum(client.memory_usage(key, samples=0) for key in keys) / transactions)


ORDERS = 600


@one_bucket()
def test_an_order_takes_no_more_memory_than_the_format_says(system: System) -> None:
    """In a bucket with more than 128 of them: from there on Redis keeps rows in its larger way."""
    paid = [pay(system, number) for number in range(ORDERS)]
    assert bytes_kept(system, len(paid)) <= MOST_OF_AN_OPEN_ONE
    for number, transaction in enumerate(paid):
        settle(system, number, transaction)
    assert bytes_kept(system, len(paid)) <= MOST_OF_A_SETTLED_ONE
    assert system.storage.pack(paid) == len(paid)
    assert bytes_kept(system, len(paid)) <= MOST_OF_A_PACKED_ONE

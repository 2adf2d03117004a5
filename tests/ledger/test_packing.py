"""A transaction that has been over for a while is packed: it reads the same, and whatever touches it unpacks it."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.ledger import names, sweeper
from app.ledger.errors import AmountExceeded, LedgerError, LedgerUnavailable, OtherFormat, RequestConflict
from app.ledger.service import AuthorizationRequest
from app.ledger.storage import keys, packing
from app.ledger.storage.answers import Lease
from app.ledger.storage.connection import Connection
from app.ledger.storage.copies import Copies
from app.ledger.storage.intents import LedgerTimes
from app.ledger.storage.records import load_transaction
from app.ledger.storage.storage import Storage
from app.ledger.transaction import ActState, Operation, State
from mappers.base import BackendUnavailable, Cart, CartItem, Customer, Holds
from tests.ledger.faults import unavailable
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System
from tests.ledger.test_format_2 import DUMPS, of_dump, put_back
from tests.one_bucket import one_bucket
from tests.stored import rewrite, with_fields

ORDER = "v2915869org-01"
EVERY_HOLDS = [Holds.NATIVE, Holds.LEDGER, Holds.UPFRONT]


def settled(system: System, request_id: str = "order-1") -> str:
    """Return an order of VTEX, with all it tells, that is settled."""
    who = Customer("10617764093", "3b1abc17-0000-4000-8000-000000000000", "e@example.com", "1", None, 'Ana "A." ção')
    cart = Cart(4000, tuple(CartItem(f"200033{item}", 1, 1500) for item in range(3)))
    request = AuthorizationRequest(CARD, Operation.DEBIT, 4000, request_id, f"Order {ORDER}", ORDER, who, cart)
    transaction = system.ledger.authorize(system.provider, request, system.deadline())
    system.settle(transaction, "40.00")
    return transaction


def packed(system: System, request_id: str = "order-1") -> str:
    transaction = settled(system, request_id)
    assert system.storage.pack([transaction]) == 1
    return transaction


def is_packed(system: System, transaction: str) -> bool:
    return packing.is_packed(system.connection._client.get(str(keys.of_transaction(transaction))) or "")  # type: ignore[arg-type]


def whats(system: System, transaction: str) -> list[str]:
    return [event["what"] for event in system.storage.events(transaction)]


def between_its_two_calls(system: System, script: str, happens: Callable[[], object]) -> None:
    """Let something happen once, after a script answered that the transaction is packed."""
    run = system.storage._scripts[script]

    def run_and_wait(*arguments: Any) -> list[Any]:
        answer = run(*arguments)
        if answer[0] == "packed" and system.storage._scripts[script] is run_and_wait:
            system.storage._scripts[script] = run
            happens()
        return answer

    system.storage._scripts[script] = run_and_wait


def before_it_is_packed(system: System, happens: Callable[[], object]) -> None:
    """Let something happen between the reading of a transaction and its packing."""
    run = system.storage._pack_script

    def wait_and_run(*arguments: Any) -> list[Any]:
        system.storage._pack_script = run
        happens()
        return run(*arguments)

    system.storage._pack_script = wait_and_run


# It reads the same.


@pytest.mark.parametrize("holds", EVERY_HOLDS)
def test_a_packed_order_reads_as_before(make_system: MakeSystem, holds: Holds) -> None:
    system = make_system(holds)
    transaction = settled(system)
    system.cancel(transaction, "10.00")
    before = system.record(transaction), system.storage.events(transaction), system.settlements(transaction)
    assert system.storage.pack([transaction]) == 1
    assert is_packed(system, transaction)
    assert before == (
        system.record(transaction),
        system.storage.events(transaction),
        system.settlements(transaction),
    )


@pytest.mark.parametrize("name", ["closed", "refunded in part", "canceled", "refused", "credit", "upfront"])
def test_what_format_2_wrote_is_packed_at_the_second_look(system: System, name: str) -> None:
    other = of_dump(system, name)
    transaction = put_back(other, name)
    before, events = repr(other.record(transaction)), other.storage.events(transaction)
    assert [other.storage.pack([transaction]) for _ in range(2)] == [0, 1]
    assert (repr(other.record(transaction)), other.storage.events(transaction)) == (before, events)
    assert sorted(other.index.of_orders([ORDER])) == sorted([transaction] if DUMPS[name]["index"][1:] else [])


def test_a_packed_order_is_found_and_listed_like_any_other(system: System) -> None:
    other, transaction = system.authorize("1.00", "order-2"), packed(system)
    assert system.index.of_orders([ORDER]) == system.index.of_request("order-1") == [transaction]
    assert system.index.of_card(system.provider.id, CARD) == [other, transaction]
    assert system.index.list_of_card(system.provider.id, CARD)[0] == [other, transaction]
    assert [row.id for row in system.index.newest(9)] == [transaction, other]
    assert [row.id for row in system.index.dated([transaction, other])] == [other, transaction]
    assert [one.id for page in system.index.every() for one in page] == [other, transaction]
    assert system.index.count() == 2
    assert system.index.known([transaction]) == {transaction}


def test_of_many_of_one_card_and_order_each_is_found(system: System) -> None:
    """More than the hash of a name takes in its small way stay in the index."""
    orders = sorted(
        packed(system, f"order-{number}") for number in range(2) if not system.backend.balances.update({CARD: 10_000})
    )
    for number in range(2, 7):
        system.backend.balances[CARD] = 10_000
        orders.append(packed(system, f"order-{number}"))
    assert sorted(system.index.of_orders([ORDER])) == sorted(orders)
    rows = system.connection._client.zcard(f"{str(keys.of_transaction(orders[0])).partition(':tx:')[0]}:index")
    assert rows == len(orders) - 4


def test_a_page_of_a_card_has_all_of_its_last_millisecond(system: System) -> None:
    client, bucket = system.connection._client, names.bucket_of_card(CARD)
    ids = [f"gb-{bucket:02x}{first:02x}{number:030x}" for first in (0x68, 0xFF) for number in range(30)]
    for number, identity in enumerate(ids):
        row = keys.short(identity) if number % 3 else identity.encode()
        for key in (keys.of_card(system.provider.id, CARD), keys.in_bucket(bucket, "all")):
            client.zadd(key, {row: 1_764_372_000_000 + number // 20})
    pages, last = [], None
    while page := system.index.newest_of_card(system.provider.id, CARD, 4, last):
        pages += page
        last = page[-1]
    assert pages == sorted(pages, reverse=True)
    assert sorted(row.id for row in pages) == sorted(ids)
    assert all(system.index.beginning(identity[:-1] + identity[-1]) == [identity] for identity in ids[:2])
    assert len(system.index.beginning(ids[0][:7])) == 30


@one_bucket()
def test_a_page_has_all_of_its_last_millisecond(system: System) -> None:
    """Redis orders packed ones and others by their bytes, and so otherwise than pages do."""
    client, key = system.connection._client, keys.in_bucket(0, "all")
    ids = [f"gb-00{first:02x}{number:030x}" for first, many in ((0x68, 12), (0xFF, 3)) for number in range(many)]
    for identity in ids:
        row = keys.short(identity) if "gb-0068" in identity else identity.encode()
        client.zadd(key, {row: 1_764_372_000_000})
    pages, last = [], None
    while page := system.index.newest(2, last):
        pages += [row.id for row in page]
        last = page[-1]
    assert pages == sorted(ids, reverse=True)


@one_bucket()
def test_every_transaction_is_met_once_where_some_of_one_millisecond_are_packed(system: System) -> None:
    client = system.connection._client
    for number in range(40):
        system.backend.balances[CARD] = 10_000
        transaction = settled(system, f"order-{number}")
        key = str(keys.of_transaction(transaction)).partition(":tx:")[0] + ":all"
        client.zadd(key, {transaction: 1_764_372_000_000})
        if number % 2:
            assert system.storage.pack([transaction])
    every = [one.id for some_of_them in system.index.every() for one in some_of_them]
    assert len(every) == len(set(every)) == 40


TEXT = some.text(max_size=60)
NAMES = TEXT | some.uuids().map(str) | some.uuids().map(lambda one: one.hex.upper())


@given(request=NAMES, description=TEXT, detail=TEXT, moment=some.integers(0, 10**14), name=NAMES)
def test_whatever_is_in_it_comes_back(request: str, description: str, detail: str, moment: int, name: str) -> None:
    identity = "gb-17dcf84ea2e31f52cd179bcf38f57e8140"
    act = {"kind": "capture", "oid": identity, "amount": 0, "request_id": request, "reason": "request"}
    fields = {"version": 3, "date": 1_764_372_000_000, "acts": 1, "attempt": 3, "card": name, "expires_at": moment + 1}
    fields |= {
        "a0": act,
        "a0.state": "done",
        "a0.steps": json.dumps([{"data": {"x": detail}}]),
        "of a later version": name,
    }
    memo = json.dumps({"description": description, "customer": {"key": request}})
    event = json.dumps({"at": moment, "what": "done", "detail": detail, "act": request, "attempt": 0})
    text, events = f"{json.dumps(fields)}\n{memo}", [event, event]
    value = packing.pack(identity, text, events)
    assert value is not None
    again = packing.unpack(identity, value.decode(errors="surrogateescape"))
    head, _, told = again.text.partition("\n")
    assert (json.loads(head), json.loads(told)) == (fields, json.loads(memo))
    assert [json.loads(one) for one in again.events] == [json.loads(event)] * 2


def test_what_would_not_come_back_is_not_packed(system: System) -> None:
    transaction = settled(system)
    client, key = system.connection._client, str(keys.of_transaction(transaction))
    client.set(key, str(client.get(key)).replace('"kind":"capture"', '"kind":"capture","of a later version":1'))
    assert system.storage.pack([transaction]) == 0
    assert not is_packed(system, transaction)


def test_what_is_not_over_is_not_packed(system: System) -> None:
    waits = system.authorize("1.00", "order-2")
    system.mapper.faults = [unavailable]
    with suppress(BackendUnavailable):
        system.settle(waits, "1.00")
    closed = settled(system)
    system.make_due()
    before = system.stored()
    system.connection._client.zrem(f"{str(keys.of_transaction(closed)).partition(':tx:')[0]}:over", closed)
    del before[f"{str(keys.of_transaction(closed)).partition(':tx:')[0]}:over"]
    assert system.storage.pack([waits, closed]) == 0
    assert system.stored() == before


def test_what_was_over_is_not_while_a_refund_is_under_way(system: System) -> None:
    transaction = settled(system)
    over = f"{str(keys.of_transaction(transaction)).partition(':tx:')[0]}:over"
    client = system.connection._client
    assert client.zscore(over, transaction) is not None
    system.mapper.faults = [unavailable]
    with suppress(BackendUnavailable):
        system.cancel(transaction, "10.00")
    assert client.zscore(over, transaction) is None
    system.cancel(transaction, "10.00")
    assert client.zscore(over, transaction) is not None


def test_an_older_giftbridge_says_that_it_cannot_read_it(system: System) -> None:
    """It reads the first line, which is JSON, and takes no number but its own."""
    stored = str(system.connection._client.get(str(keys.of_transaction(packed(system)))))
    assert json.loads(stored.partition("\n")[0]) == {"version": 4, "attempt": 2}
    assert packing.VERSION_OF_TEXT == 3


def test_what_a_later_giftbridge_packed_is_not_read(system: System) -> None:
    transaction = packed(system)
    with pytest.raises(OtherFormat, match="format 5, and this giftbridge reads format 4"):
        load_transaction(transaction, '{"version":5,"attempt":2}\n\udcff')


def test_what_was_packed_once_can_be_read_always() -> None:
    """A value as it was stored: should this fail, then ledgers cannot be read any more."""
    kept = json.loads((Path(__file__).parent / "packed_4.json").read_text())
    again = packing.unpack(kept["id"], base64.b64decode(kept["packed"]).decode(errors="surrogateescape"))
    head, _, memo = again.text.partition("\n")
    assert (json.loads(head), json.loads(memo)) == (kept["fields"], kept["memo"])
    assert [json.loads(event) for event in again.events] == kept["events"]


# Whatever touches it.


def test_a_refund_a_year_later_unpacks_it(system: System) -> None:
    transaction = packed(system)
    assert system.cancel(transaction, "15.00")
    record = system.record(transaction)
    assert (record.state, record.refunded, system.backend.spendable) == (State.CLOSED, 1500, 7500)
    assert whats(system, transaction) == ["opened", "done"] * 3
    assert not is_packed(system, transaction)
    assert system.storage.pack([transaction]) == 1
    assert system.cancel(transaction, "25.00", "cancel-2")
    assert system.backend.spendable == 10_000
    assert system.index.of_orders([ORDER]) == [transaction]


def test_an_event_alone_unpacks_it_too(system: System) -> None:
    """Of a step that somebody did late, and that changes nothing: text and history belong together."""
    transaction = packed(system)
    record = system.record(transaction)
    caller = sweeper.CALLER
    lease = Lease(1, False, False, 0, system.standing, caller, 0)
    refused = replace(record.acts[1], number=1)
    rewrite_packed(system, transaction, **{"a1.state": "pending"})
    system.storage.progress(record, refused, lease, ())
    assert not is_packed(system, transaction)
    assert whats(system, transaction) == ["opened", "done", "opened", "done", "going on"]


def rewrite_packed(system: System, transaction: str, **changed: Any) -> None:
    """Change fields of a packed transaction."""
    client, key = system.connection._client, str(keys.of_transaction(transaction))
    unpacked = packing.unpack(transaction, str(client.get(key)))
    value = packing.pack(transaction, with_fields(unpacked.text, changed), unpacked.events)
    assert value
    client.set(key, value)


def test_a_repeat_finds_it_and_leaves_it_packed(system: System) -> None:
    transaction = packed(system)
    before = system.stored()
    effects = dict(system.backend.effects)
    assert settled(system) == transaction
    with pytest.raises(AmountExceeded):
        system.settle(transaction, "1.00", "settle-2")
    with pytest.raises(RequestConflict):
        system.authorize("41.00")
    assert (system.stored(), dict(system.backend.effects)) == (before, effects)


def test_what_leaves_the_packed_ones_is_over_until_somebody_says_otherwise(system: System) -> None:
    """Nobody asks for more of it: it is packed again, and forgotten."""
    transaction = system.authorize("40.00")
    rewrite(system.connection._client, transaction, **{"a0.state": "refused", "state": "refused"})
    bucket = str(keys.of_transaction(transaction)).partition(":tx:")[0]
    system.connection._client.zadd(f"{bucket}:over", {transaction: system.connection.now_milliseconds() + 10**9})
    system.connection._client.zrem(f"{bucket}:due", transaction)
    assert system.storage.pack([transaction]) == 1
    record = system.record(transaction)
    assert system.storage.see_to(record, record.acts[0], sweeper.CALLER)
    assert not is_packed(system, transaction)
    assert system.connection._client.zscore(f"{bucket}:over", transaction) is not None
    assert system.connection._client.llen(f"{bucket}:packed") == 0


# Two at once.


def test_what_changed_while_it_was_packed_is_not_lost(system: System) -> None:
    transaction = settled(system)
    before_it_is_packed(system, lambda: system.cancel(transaction, "15.00"))
    assert system.storage.pack([transaction]) == 0
    before_it_is_packed(system, lambda: rewrite(system.connection._client, transaction, attempt=9))  # no event tells
    assert system.storage.pack([transaction]) == 0
    record = system.record(transaction)
    assert (record.refunded, record.attempt, len(whats(system, transaction))) == (1500, 9, 6)


def test_what_happened_while_it_was_packed_is_in_its_history(system: System) -> None:
    transaction = settled(system)
    key = str(keys.of_transaction(transaction, "ev"))
    before_it_is_packed(system, lambda: system.connection._client.rpush(key, '{"at":1,"what":"late"}'))
    assert system.storage.pack([transaction]) == 0
    assert whats(system, transaction)[-1] == "late"


def test_a_refund_between_the_two_calls_of_another_counts_for_it(system: System) -> None:
    """What it unpacked is no longer so: it is told the new value, and that leaves less to be given back."""
    transaction = packed(system)

    def refund_and_pack() -> None:
        system.cancel(transaction, "30.00", "another")
        assert system.storage.pack([transaction]) == 1

    between_its_two_calls(system, "append", refund_and_pack)
    with pytest.raises(AmountExceeded):
        system.cancel(transaction, "30.00")
    assert (system.record(transaction).refunded, system.backend.spendable) == (3000, 9000)


def test_what_is_packed_anew_all_the_time_is_tried_again_later(system: System) -> None:
    transaction = packed(system)
    run = system.storage._scripts["append"]

    def run_too_late(touched: Any, told: str, *more: Any) -> list[Any]:
        return run(touched, json.dumps(json.loads(told) | {"unpacked": "what it was before"}), *more)

    system.storage._scripts["append"] = run_too_late
    with pytest.raises(LedgerUnavailable, match="changes all the time"):
        system.cancel(transaction, "1.00")
    assert is_packed(system, transaction)


def test_of_refunds_at_once_of_a_packed_order_only_what_was_paid_is_given_back(system: System) -> None:
    transaction = packed(system)

    def refund(number: int) -> bool:
        with suppress(LedgerError):
            return bool(system.cancel(transaction, "15.00", f"cancel-{number}"))
        return False

    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(refund, range(8)))
    record = system.record(transaction)
    assert done.count(True) <= 2
    assert record.refunded == sum(act.refunded for act in record.acts if act.state is ActState.DONE) <= 3000
    assert system.backend.spendable == 6000 + record.refunded
    assert len({event["at"] for event in system.storage.events(transaction)[:4]}) >= 2


def test_of_packers_at_once_one_packs(system: System) -> None:
    transaction = settled(system)
    with ThreadPoolExecutor(8) as threads:
        done = list(threads.map(lambda _: system.storage.pack([transaction]), range(8)))
    assert sum(done) == 1
    assert len(whats(system, transaction)) == 4


def test_a_process_that_ends_between_its_two_calls_has_changed_nothing(system: System) -> None:
    transaction = packed(system)
    before = system.stored()

    def end() -> None:
        raise SystemExit

    between_its_two_calls(system, "append", end)
    with pytest.raises(SystemExit):
        system.cancel(transaction, "15.00")
    assert system.stored() == before
    assert system.cancel(transaction, "15.00")


# What something else has changed.

DAMAGES: dict[str, tuple[Callable[[System], str], Callable[[bytes], bytes]]] = {
    "packed, and cut": (packed, lambda value: value[:-20]),
    "packed, and cut to its first line": (packed, lambda value: value[:26]),
    "packed, and overwritten": (packed, lambda value: value[:26] + b"\xff" * 30),
    "text, and cut": (settled, lambda value: value[:20]),
}


@pytest.mark.parametrize(("make", "damage"), DAMAGES.values(), ids=DAMAGES)
def test_what_cannot_be_read_hides_and_holds_up_nothing_else(
    system: System,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[System], str],
    damage: Callable[[bytes], bytes],
) -> None:
    broken, good = make(system), system.authorize("1.00", "order-2")
    client, key = system.connection._client, str(keys.of_transaction(broken))
    client.set(key, damage(str(client.get(key)).encode(errors="surrogateescape")))
    calls = list(system.backend.calls)
    assert [one.id for one in system.storage.load_many([broken, good])] == [good]
    assert [one.id for one in system.storage.load_many([broken, good], lambda _: True)] == [good]
    assert {one.id for page in system.index.every() for one in page} == {broken, good}
    with pytest.raises(OtherFormat, match="cannot be read"):
        system.storage.load(broken)
    with pytest.raises(LedgerError):
        system.cancel(broken, "1.00")
    assert system.backend.calls == calls
    monkeypatch.setattr(system.storage, "_times", LedgerTimes(retention=timedelta(milliseconds=1)))
    system.make_due()
    assert system.sweeper.sweep_once().counts == {"expired": 1, "in another format": 1}
    assert system.record(good).state is State.EXPIRED
    assert system.storage.pack([broken]) == 0


# The sweeper.


def over_for(system: System, transaction: str, hours: float) -> None:
    """Let it have been over for so long."""
    bucket = str(keys.of_transaction(transaction)).partition(":tx:")[0]
    over = timedelta(days=400) - timedelta(hours=hours)
    at = system.connection.now_milliseconds() + int(over.total_seconds() * 1000)
    system.connection._client.zadd(f"{bucket}:over", {transaction: at})


def test_the_sweeper_packs_what_has_been_over_for_an_hour(system: System) -> None:
    transaction, later = settled(system), settled(system, "order-2")
    over_for(system, transaction, 1.1)
    over_for(system, later, 0.9)
    assert system.sweeper.sweep_once().counts == {"packed": 1}
    assert is_packed(system, transaction)
    assert not is_packed(system, later)
    assert system.sweeper.sweep_once().counts == {}


def test_a_pass_packs_only_so_many_and_the_next_goes_on(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "PACKED_PER_PASS", 2)
    for number in range(3):
        system.backend.balances[CARD] = 10_000
        over_for(system, settled(system, f"order-{number}"), 2)
    assert [system.sweeper.sweep_once().counts["packed"] for _ in range(3)] == [2, 1, 0]


def test_what_cannot_be_packed_keeps_nothing_from_being_packed(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ledger.storage.index.OVER_PAGE", 1)
    first, second = settled(system), settled(system, "order-2")
    rewrite(system.connection._client, first, version=9)
    over_for(system, first, 3)
    over_for(system, second, 2)
    counts = [system.sweeper.sweep_once().counts.get("packed", 0) for _ in range(2)]
    assert counts == [0, 1]


def without_totals(system: System) -> dict[str, bytes | None]:
    return {key: value for key, value in system.stored().items() if ":totals" not in key}


def test_a_packed_order_is_forgotten_after_the_retention_and_leaves_nothing(make_system: MakeSystem) -> None:
    system = make_system()
    kept = packed(system, "order-2")
    with_it = without_totals(system)
    system.backend.balances[CARD] = 10_000
    transaction = packed(system)
    now = system.connection.now_milliseconds()
    assert not system.storage.forget(system.record(transaction), due_by=now)
    other = Storage(system.connection, LedgerTimes(retention=timedelta()))
    assert other.forget(system.record(transaction), due_by=now + 1000)
    assert system.storage.load(transaction) is None
    assert without_totals(system) == with_it
    assert system.index.of_orders([ORDER]) == system.index.of_card(system.provider.id, CARD) == [kept]
    assert system.index.of_request("order-1") == []
    assert system.storage.events(transaction) == []


def test_the_sweeper_forgets_packed_orders_the_oldest_first(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    transaction = packed(system)
    assert system.sweeper.sweep_once().counts == {}
    monkeypatch.setattr(system.storage, "_times", LedgerTimes(retention=timedelta(milliseconds=1)))
    assert system.sweeper.sweep_once().counts == {"forgotten": 1}
    assert system.storage.load(transaction) is None


def test_what_is_over_is_forgotten_though_its_provider_is_gone(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a provider that a store has given up keeps all that came after it, of every other one."""
    monkeypatch.setattr("app.ledger.storage.index.OVER_PAGE", 1)
    gone = packed(system)
    other = system.changed(id="other")
    other.backend.balances[CARD] = 10_000
    later, over = packed(other), settled(system, "order-2")
    monkeypatch.setattr(system.storage, "_times", LedgerTimes(retention=timedelta(milliseconds=1)))
    system.make_due()
    counts = Counter[str]()
    for _ in range(2):
        counts += other.sweeper.sweep_once().counts
    assert counts == {"forgotten": 3}
    assert system.index.known([gone, later, over]) == set()


def test_a_copy_of_a_ledger_has_its_packed_orders(system: System, another_redis_url: str) -> None:
    transaction = packed(system)
    elsewhere = Connection.to(another_redis_url, timeout_seconds=5, connections=2)
    there = Storage(elsewhere, LedgerTimes())
    copied = list(Copies(elsewhere).write(json_again(Copies(system.connection).entries())))
    assert copied
    assert there.load(transaction) == system.record(transaction)
    assert there.events(transaction) == system.storage.events(transaction)
    elsewhere.close()


def json_again(entries: Any) -> Any:
    """Return entries as a file of a backup gives them back."""
    for entry in entries:
        key, kind, expires_at, content = json.loads(
            json.dumps([entry.key, entry.kind, entry.expires_at, entry.content])
        )
        yield type(entry)(key, kind, expires_at, tuple(content))


def test_what_is_packed_again_stands_under_its_names_once(system: System) -> None:
    """Its names were left to it while it was unpacked."""
    first, second = packed(system, "order-1"), packed(system, "order-2")
    for transaction in (first, second):
        system.cancel(transaction, "1.00")
        assert system.storage.pack([transaction]) == 1
    assert sorted(system.index.of_orders([ORDER])) == sorted([first, second])
    client = system.connection._client
    named = [value for key in client.scan_iter("gb:*:names:*") for value in client.hvals(key)]
    assert sum(len(str(value).encode(errors="surrogateescape")) for value in named) == 2 * len(
        keys.short(first) + keys.short(second)
    )  # by request and by order


def test_what_is_forgotten_before_it_is_packed_is_not_packed(system: System) -> None:
    transaction = settled(system)
    system.make_due()
    before_it_is_packed(system, lambda: system.storage.forget(system.record(transaction), due_by=0))
    assert system.storage.pack([transaction]) == 0
    assert system.everything() == []

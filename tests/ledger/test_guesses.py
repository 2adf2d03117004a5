"""The ration of guesses: it bounds who guesses, and nobody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from app.ledger.cards import CardService
from app.ledger.errors import LedgerUnavailable
from app.ledger.guesses import CEILING, FLOOD_TRIES, Guesses, Rations, Refused
from app.ledger.refusals import Refusals
from app.ledger.storage.guesses import GuessStorage, Missed
from app.ledger.threads import BackendThreads
from mappers.base import BackendUnavailable, Card, Customer, Holds, Query
from mappers.deadline import Deadline
from tests.ledger.reference_model import CARD
from tests.ledger.system import MakeSystem, System

ANA = Customer("ana@example.com", email="ana@example.com")
BRUNO = Customer("bruno@example.com", email="bruno@example.com")
HERS, HIS, THEIRS = "203.0.113.1", "203.0.113.2", "203.0.113.3"

RIGHT = "CODE-1"
PER_CUSTOMER, PER_ADDRESS, PER_PROVIDER = 3, 5, 8


@pytest.fixture
def asked() -> list[str]:
    """The codes that the backend was asked for."""
    return []


@pytest.fixture
def system(make_system: MakeSystem, monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> System:
    system = make_system(Holds.LEDGER)
    find = system.mapper.find

    def note(query: Query, deadline: Deadline) -> list[Card]:
        asked.append(str(query.code))
        return find(query, deadline)

    monkeypatch.setattr(system.mapper, "find", note)
    guesses = Guesses(GuessStorage(system.connection), Rations(PER_CUSTOMER, PER_ADDRESS, PER_PROVIDER))
    return replace(
        system, cards=CardService(system.storage, guesses, BackendThreads(200), Refusals(system.parts.documents))
    )


def search(system: System, code: str, customer: Customer | None = ANA, address: str | None = None) -> int:
    query = Query(code, customer, address=address)
    return len(system.cards.search(system.provider, query, system.deadline()))


def guess(system: System, times: int, customer: Customer | None = ANA, address: str | None = None) -> None:
    for number in range(times):
        assert search(system, f"WRONG-{customer and customer.key}-{address}-{number}", customer, address) == 0


def flood(system: System, *, addresses: bool = True) -> None:
    """Let strangers try as many codes as the provider may have."""
    for number in range(PER_PROVIDER):
        address = f"198.51.100.{number}" if addresses else None
        guess(system, 1, Customer(f"{number}@example.com"), address)


def test_who_guessed_too_often_finds_nothing_and_the_backend_is_not_asked(system: System, asked: list[str]) -> None:
    guess(system, PER_CUSTOMER)
    asked.clear()
    assert search(system, RIGHT) == 0
    assert asked == []


def test_the_same_wrong_code_counts_once_however_often_it_is_searched(system: System) -> None:
    for _ in range(20):
        assert search(system, "WRONG-CODE") == 0
    assert search(system, RIGHT) == 1


def test_right_codes_are_never_counted(system: System) -> None:
    assert [search(system, RIGHT) for _ in range(10)] == [1] * 10
    assert GuessStorage(system.connection).missed(system.provider.id) == Missed(0, 0)


def test_a_code_that_was_found_before_is_found_by_whoever_guessed_since(system: System) -> None:
    assert search(system, RIGHT) == 1
    guess(system, PER_CUSTOMER)
    flood(system)
    assert search(system, RIGHT) == 1


def test_a_hundred_guesses_at_once_are_no_more_than_the_ration(system: System, asked: list[str]) -> None:
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda number: search(system, f"WRONG-{number}"), range(100)))
    assert len(asked) == PER_CUSTOMER


def test_a_customer_is_one_however_spelled(system: System, asked: list[str]) -> None:
    for number in range(10):
        spelled = ["ana@example.com", "ANA@example.com", "Ana@Example.com\u200b", " ana@example.com\x00"][number % 4]
        search(system, f"WRONG-{number}", Customer(spelled, email=spelled))
    assert len(asked) == PER_CUSTOMER


def test_an_address_has_a_ration_whatever_names_come_from_it(system: System, asked: list[str]) -> None:
    for number in range(PER_ADDRESS + 5):
        guess(system, 1, Customer(f"{number}@example.com"), THEIRS)
    assert len(asked) == PER_ADDRESS
    assert search(system, RIGHT, ANA, HERS) == 1


def test_a_stranger_does_not_use_up_what_a_shopper_has_at_another_address(system: System) -> None:
    guess(system, PER_CUSTOMER + 1, ANA, THEIRS)
    assert search(system, RIGHT, ANA, THEIRS) == 0
    assert search(system, RIGHT, ANA, HERS) == 1


@pytest.mark.parametrize("addresses", [True, False])
def test_a_flood_leaves_who_has_not_guessed_alone(system: System, *, addresses: bool) -> None:
    flood(system, addresses=addresses)
    assert search(system, RIGHT, ANA, HERS if addresses else None) == 1


def test_guesses_of_nobody_leave_everybody_else_alone(system: System) -> None:
    guess(system, PER_PROVIDER + 1, None)
    assert search(system, RIGHT, None) == 0
    assert search(system, RIGHT, ANA) == 1


@pytest.mark.parametrize("address", [HERS, None])
def test_in_a_flood_each_has_few_tries(system: System, asked: list[str], address: str | None) -> None:
    flood(system)
    asked.clear()
    guess(system, FLOOD_TRIES + 1, ANA, address)
    assert len(asked) == FLOOD_TRIES


def test_without_addresses_names_are_free_and_all_together_have_a_bound(system: System, asked: list[str]) -> None:
    for number in range(CEILING * PER_PROVIDER + 10):
        guess(system, 1, Customer(f"{number}@example.com"))
    assert len(asked) == CEILING * PER_PROVIDER


def test_a_flood_is_logged_once_and_what_is_refused_is_counted(system: System) -> None:
    with capture_logs() as logs:
        flood(system)
        guess(system, PER_CUSTOMER + 3)
    events = [(entry["event"], entry["log_level"]) for entry in logs]
    assert events.count(("codes are being guessed", "error")) == 1
    assert events.count(("guesses refused", "warning")) == 1
    assert GuessStorage(system.connection).missed(system.provider.id) == Missed(PER_PROVIDER + FLOOD_TRIES, 4)


def test_a_code_that_nobody_could_be_asked_for_is_not_counted(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(query: Query, deadline: Deadline) -> list[Card]:
        raise BackendUnavailable("down")

    guess(system, 1)
    with monkeypatch.context() as down:
        down.setattr(system.mapper, "find", fail)
        for number in range(10):
            with pytest.raises(BackendUnavailable):
                search(system, f"OTHER-{number}")
    assert GuessStorage(system.connection).missed(system.provider.id).codes == 1


@pytest.mark.parametrize("other", [Query("WRONG", ANA, address=HERS), Query("WRONG", BRUNO, address=HERS)])
def test_a_code_that_somebody_was_told_of_stays_counted_whoever_got_no_answer(system: System, other: Query) -> None:
    """Who gets no answer is the first of two who search alike, or another shopper from the same address."""
    storage = GuessStorage(system.connection)
    guesses = Guesses(storage, Rations(PER_CUSTOMER, per_address=1))
    unanswered = guesses.admit(system.provider, other)
    guesses.admit(system.provider, Query("WRONG", ANA, address=HERS))
    guesses.take_back(unanswered)
    assert storage.missed(system.provider.id).codes == 1
    with pytest.raises(Refused):
        guesses.admit(system.provider, Query("ANOTHER", ANA, address=HERS))


def test_it_ends_within_an_hour_and_nothing_readable_is_kept(system: System) -> None:
    search(system, "WRONG-CODE", ANA, HERS)
    search(system, RIGHT, BRUNO, HIS)
    client = system.connection._client
    kept = {key: client.type(key) for key in client.scan_iter("gb:{guesses:*")}
    text = "".join(key + (str(client.hgetall(key)) if kind == "hash" else "") for key, kind in kept.items())
    assert not [secret for secret in ("WRONG", RIGHT, "ana@", HERS, HIS) if secret in text]
    assert all(0 < client.ttl(key) <= (7 * 24 * 3600 if ":found:" in key else 3600) for key in kept)


def test_a_search_costs_one_round_trip_more_and_one_to_note_what_came_of_it(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips: list[int] = []
    call = system.connection.call
    monkeypatch.setattr(system.connection, "call", lambda *args: trips.append(1) or call(*args))  # type: ignore[func-returns-value]
    search(system, "WRONG-CODE")
    assert len(trips) == 2  # the ration, and that nothing was found
    search(system, RIGHT)
    assert len(trips) == 2 + 3  # the ration, what was found, and what is reserved of the card


def test_without_redis_no_ration_is_counted_but_reserved_money_is_not_shown(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise LedgerUnavailable("down")

    monkeypatch.setattr(system.connection, "call", refuse)
    assert search(system, "WRONG-CODE") == 0
    with pytest.raises(LedgerUnavailable):
        search(system, RIGHT)


def test_the_card_of_somebody_else_counts_like_no_card(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    others = replace(
        system.mapper.get_card(CARD, system.deadline()), restricted_to_owner=True, owner="bruno@example.com"
    )
    monkeypatch.setattr(system.mapper, "find", lambda query, deadline: [others])
    assert search(system, RIGHT, ANA) == 0
    assert GuessStorage(system.connection).missed(system.provider.id).codes == 1
    assert search(system, RIGHT, BRUNO) == 1

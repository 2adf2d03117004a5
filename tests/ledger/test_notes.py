"""What a search notes in Redis is not written again at once, and a code that finds nothing is counted each time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from app.ledger import notes
from app.ledger.errors import LedgerUnavailable
from app.ledger.notes import LATELY, Notes
from app.ledger.storage.connection import Command
from app.ledger.storage.guesses import FOUND_FOR, WINDOW
from app.ledger.storage.terms import SEEN_FOR
from mappers.base import Customer, Holds, Query
from tests.ledger.system import MakeSystem, System

ANA = Customer("ana@example.com", email="ana@example.com")


@pytest.fixture
def system(make_system: MakeSystem) -> System:
    return make_system(Holds.NATIVE)


@pytest.fixture
def sent(system: System, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Redis is asked of guesses, and what is noted in it."""
    named: list[str] = []
    call, send = system.connection.call, system.connection.send

    def count(command: Callable[[Any], Any], name: str = "commands") -> Any:
        named.extend([name] * (name == "count"))
        return call(command, name)

    def note(commands: Sequence[Command]) -> object:
        named.append("notes")
        return send(commands)

    monkeypatch.setattr(system.connection, "call", count)
    monkeypatch.setattr(system.connection, "send", note)
    return named


def search(system: System, code: str = "CODE-1", pin: str | None = None) -> int:
    return len(system.cards.search(system.provider, Query(code, ANA, pin=pin), system.deadline()))


def test_the_same_search_asks_redis_once(system: System, sent: list[str]) -> None:
    assert [search(system) for _ in range(5)] == [1] * 5
    assert sent == ["count", "notes"]


def test_a_code_that_finds_nothing_is_counted_each_time(system: System, sent: list[str]) -> None:
    assert [search(system, "WRONG") for _ in range(3)] == [0] * 3
    assert sent.count("count") == 3


def test_another_pin_of_a_code_that_was_found_is_counted(system: System, sent: list[str]) -> None:
    search(system)
    sent.clear()
    search(system, pin="1234")
    assert "count" in sent


def test_after_a_while_it_is_noted_again(system: System, sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    search(system)
    sent.clear()
    later = time.monotonic() + LATELY.total_seconds()
    monkeypatch.setattr(time, "monotonic", lambda: later)
    search(system)
    assert sent == ["count", "notes"]


def test_what_could_not_be_written_is_written_the_next_time(
    system: System, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(commands: object) -> None:
        raise LedgerUnavailable("Redis cannot be reached")

    with monkeypatch.context() as down:
        down.setattr(system.storage, "write", fail)
        search(system)
    sent.clear()
    search(system)
    assert sent == ["count", "notes"]


def test_a_note_that_was_changed_since_is_written_again(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Command] = []
    monkeypatch.setattr(system.storage, "write", written.extend)
    kept = Notes(system.storage)
    then, now = ("SET", "key", "then", "EX", 60), ("SET", "key", "now", "EX", 60)
    for note in (then, then, now, then):
        kept.write([note])
    assert written == [then, now, then]


def test_what_is_no_note_is_always_written(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """A code that was counted is taken off each time."""
    written: list[Command] = []
    monkeypatch.setattr(system.storage, "write", written.extend)
    kept = Notes(system.storage)
    for _ in range(2):
        kept.write([("HDEL", "counter", "code")])
    assert written == [("HDEL", "counter", "code")] * 2


def test_only_so_many_are_remembered(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "MOST_KEPT", 2)
    kept = Notes(system.storage)
    made = [("SET", f"gb:{{notes}}:{number}", "1", "EX", 60) for number in range(3)]
    kept.write(made)
    assert [kept.has_lately(note) for note in made] == [False, True, True]


def test_lately_is_a_small_part_of_what_a_note_lasts() -> None:
    assert min(FOUND_FOR, WINDOW, SEEN_FOR) >= 10 * LATELY

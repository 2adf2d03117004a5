"""Documents that hold no money: collections, notes that end by themselves, and logs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.ledger.storage.connection import Connection
from app.ledger.storage.documents import Documents

HOUR = timedelta(hours=1)


@pytest.fixture
def connection(empty_redis_url: str) -> Connection:
    return Connection.to(empty_redis_url, timeout_seconds=5, connections=8)


@pytest.fixture
def documents(connection: Connection) -> Documents:
    return Documents(connection)


def test_a_document_is_read_as_it_was_written(documents: Documents) -> None:
    documents.write("colors", "red", {"hex": "ff0000", "name": "é"})
    documents.write("colors", "blue", {"hex": "0000ff"})

    assert documents.read("colors", "red") == {"hex": "ff0000", "name": "é"}
    assert documents.read_all("colors") == {"red": {"hex": "ff0000", "name": "é"}, "blue": {"hex": "0000ff"}}


def test_a_document_that_was_removed_is_gone(documents: Documents) -> None:
    documents.write("colors", "red", {})

    assert documents.remove("colors", "red")
    assert not documents.remove("colors", "red")
    assert documents.read("colors", "red") is None


def test_of_many_who_replace_what_they_read_one_does(documents: Documents) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: documents.replace("count", "it", None, {"n": number}), range(8)))
        first = documents.read("count", "it")
        changed = list(threads.map(lambda number: documents.replace("count", "it", first, {"n": number}), range(8, 16)))

    assert (made.count(True), changed.count(True)) == (1, 1)


def test_a_note_is_written_once_and_forgotten_by_one(documents: Documents) -> None:
    with ThreadPoolExecutor(8) as threads:
        written = list(threads.map(lambda number: documents.note_once("it", {"n": number}, HOUR), range(8)))
        forgotten = list(threads.map(lambda _: documents.forget("it"), range(8)))

    assert (written.count(True), forgotten.count(True)) == (1, 1)
    assert documents.noted("it") is None


def test_a_note_that_has_changed_is_not_forgotten_as_what_it_was(documents: Documents) -> None:
    documents.note("it", {"n": 2}, HOUR)
    assert documents.forget_as("it", {"n": 1}) is False
    assert documents.noted("it") == {"n": 2}
    assert documents.forget_as("it", {"n": 2}) is True
    assert documents.noted("it") is None


def test_a_note_ends_by_itself(documents: Documents, connection: Connection) -> None:
    documents.note("it", {"n": 1}, HOUR)

    assert documents.noted("it") == {"n": 1}
    assert 0 < connection.call(lambda client: client.ttl("gb:note:it")) <= HOUR.total_seconds()


def test_a_log_keeps_its_newest(documents: Documents) -> None:
    for number in range(5):
        documents.log("done", {"n": number}, keep=3)

    assert documents.newest("done", 10) == [{"n": 4}, {"n": 3}, {"n": 2}]
    assert documents.newest("done", 1, skip=1) == [{"n": 3}]

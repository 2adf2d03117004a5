"""Small documents that hold no money and that the processes on one Redis share: users, results of a check, activity.

Each is one JSON object. Names of collections, notes and logs are words in the code: no code of a card, no customer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from app.ledger.milliseconds import milliseconds
from app.ledger.storage.connection import Connection

Document = dict[str, Any]

# In one script: between a look and a write somebody else may have written.
_REPLACE = """
local found = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if found ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""

_FORGET_AS = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class Documents:
    """Collections of named documents, notes that end by themselves, and logs. Methods raise LedgerUnavailable."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, collection: str, name: str) -> Document | None:
        found = self._connection.call(lambda client: client.hget(_collection(collection), name))
        return _document(found)

    def read_all(self, collection: str) -> dict[str, Document]:
        """Return every document of a collection by its name."""
        found = self._connection.call(lambda client: client.hgetall(_collection(collection)))
        return {str(name): json.loads(text) for name, text in found.items()}

    def write(self, collection: str, name: str, document: Mapping[str, Any]) -> None:
        self._connection.call(lambda client: client.hset(_collection(collection), name, _text(document)))

    def replace(self, collection: str, name: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bool:
        """Write `new` where the document is still `old`, as it was read; `None`: where there is none. Tell whether."""
        before = "" if old is None else _text(old)
        keys, arguments = [_collection(collection)], [name, before, _text(new)]
        return bool(self._connection.call(lambda client: client.eval(_REPLACE, len(keys), *keys, *arguments)))

    def remove(self, collection: str, name: str) -> bool:
        """Tell whether there was one."""
        return bool(self._connection.call(lambda client: client.hdel(_collection(collection), name)))

    def note(self, name: str, document: Mapping[str, Any], lasts: timedelta) -> None:
        """Write a document that ends by itself."""
        self._connection.call(lambda client: client.set(_note(name), _text(document), px=milliseconds(lasts)))

    def note_once(self, name: str, document: Mapping[str, Any], lasts: timedelta) -> bool:
        """Write it unless it is there; tell whether it was written."""
        written = self._connection.call(
            lambda client: client.set(_note(name), _text(document), px=milliseconds(lasts), nx=True)
        )
        return bool(written)

    def noted(self, name: str) -> Document | None:
        return _document(self._connection.call(lambda client: client.get(_note(name))))

    def forget(self, name: str) -> bool:
        """End a note now; tell whether there was one: of several who forget it at once, one is told so."""
        return bool(self._connection.call(lambda client: client.delete(_note(name))))

    def forget_as(self, name: str, document: Mapping[str, Any]) -> bool:
        """End a note now where it still is this; tell whether: of several who do so at once, one is told so."""
        keys, arguments = [_note(name)], [_text(document)]
        return bool(self._connection.call(lambda client: client.eval(_FORGET_AS, len(keys), *keys, *arguments)))

    def log(self, name: str, document: Mapping[str, Any], keep: int) -> None:
        """Add a document to a log, which keeps the newest `keep`."""
        self._connection.pipeline(
            lambda pipeline: (pipeline.lpush(_log(name), _text(document)), pipeline.ltrim(_log(name), 0, keep - 1))
        )

    def newest(self, name: str, count: int, skip: int = 0) -> list[Document]:
        """Return up to `count` documents of a log, the newest first."""
        found = self._connection.call(lambda client: client.lrange(_log(name), skip, skip + count - 1))
        return [json.loads(text) for text in found]


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def _document(text: Any) -> Document | None:
    return None if text is None else json.loads(text)


def _collection(name: str) -> str:
    return f"gb:documents:{name}"


def _note(name: str) -> str:
    return f"gb:note:{name}"


def _log(name: str) -> str:
    return f"gb:log:{name}"

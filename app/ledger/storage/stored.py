"""What Redis has of transactions: text, packed or not, or a hash where format 2 wrote it last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import redis
from redis.client import Pipeline

from app.ledger.storage.connection import Connection

Stored = str | Mapping[str, str]


def read_stored(connection: Connection, keys: Sequence[str]) -> list[Stored | None]:
    """Return what is stored under keys of transactions, in one round trip; in two, where hashes are among them.

    Raises LedgerUnavailable.
    """
    if not keys:
        return []
    found = connection.send([("GET", key) for key in keys], raise_on_error=False)
    hashes = [key for key, answer in zip(keys, found, strict=True) if _is_hash(answer)]

    def hashes_too(pipeline: Pipeline) -> None:
        for key in hashes:
            pipeline.hgetall(key)

    read: dict[str, Any] = dict(zip(hashes, connection.pipeline(hashes_too), strict=True)) if hashes else {}
    return [cast("Stored | None", read.get(key, answer)) for key, answer in zip(keys, found, strict=True)]


def is_text(stored: Stored) -> bool:
    return isinstance(stored, str)


def _is_hash(answer: object) -> bool:
    """Tell whether a key was no text. Raises any other error."""
    if isinstance(answer, redis.ResponseError) and str(answer).startswith("WRONGTYPE"):
        return True
    if isinstance(answer, Exception):
        raise answer
    return False

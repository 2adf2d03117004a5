"""A ledger whose cards all share one bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from app.ledger import names
from app.ledger.storage import keys


@contextmanager
def one_bucket() -> Iterator[None]:
    """Have one bucket meanwhile. What a process remembers of names and keys is of as many buckets as there were."""
    with mock.patch.object(names, "BUCKETS", 1):
        _forget()
        yield
    _forget()


def _forget() -> None:
    names.bucket_of_card.cache_clear()
    keys.for_scripts.cache_clear()

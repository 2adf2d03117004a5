"""Searches that are equal and under way at the same time share one call of the backend: VTEX repeats each many times.

A provider may also have a search answered from memory for a moment (`search_cache`). Whatever a payment is judged by
is never read from here: getting a card and authorizing ask the backend.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial

from app.ledger.threads import BackendThreads
from mappers.base import BackendUnavailable, Card, Mapper, Query
from mappers.deadline import Deadline
from providers.provider import Provider

# In the memory of one process; the oldest go first.
MOST_KEPT = 1000

Found = Sequence[Card]


@dataclass(frozen=True, slots=True)
class _Search:
    """What makes two searches equal. A mapper with other options is another one."""

    mapper: Mapper
    query: Query


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A search that a thread makes, until its deadline: what it still brings then is old, if it ever ends."""

    deadline: Deadline
    found: Future[Found]


class SharedSearches:
    """Asks backends for cards, once for all who ask the same at a time."""

    def __init__(self, threads: BackendThreads, clock: Callable[[], float] = time.monotonic) -> None:
        self._threads = threads
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way: dict[_Search, _UnderWay] = {}
        self._kept: dict[_Search, tuple[float, Found]] = {}

    def find(self, provider: Provider, query: Query, deadline: Deadline) -> Found:
        """Return the cards that `query` finds. Raises BackendUnavailable, and what else the mapper raises."""
        search = _Search(provider.mapper, replace(query, address=None))
        seconds = provider.policy.search_cache.total_seconds()
        if seconds:
            with self._lock:
                until, found = self._kept.get(search, (0.0, ()))
            if self._clock() < until:
                return found
        with self._threads.one_for(provider.backend):
            with self._lock:
                others = self._under_way.get(search)
                joins = others is not None and not others.deadline.passed()
                if not joins:
                    own = self._under_way[search] = _UnderWay(deadline, Future())
            if others is not None and joins:
                return _wait(others.found, deadline)
            return self._ask(search, own, partial(provider.mapper.find, query, deadline), seconds)

    def _ask(self, search: _Search, own: _UnderWay, ask: Callable[[], Found], seconds: float) -> Found:
        kept_until = self._clock() + seconds
        try:
            found = ask()
        except BaseException as error:
            self._end(search, own)
            own.found.set_exception(error)
            raise
        self._end(search, own)
        if seconds:
            self._keep(search, kept_until, found)
        own.found.set_result(found)
        return found

    def _end(self, search: _Search, own: _UnderWay) -> None:
        with self._lock:
            if self._under_way.get(search) is own:
                del self._under_way[search]

    def _keep(self, search: _Search, until: float, found: Found) -> None:
        with self._lock:
            self._kept.pop(search, None)  # the newest last
            self._kept[search] = until, found
            if len(self._kept) > MOST_KEPT:
                del self._kept[next(iter(self._kept))]


def _wait(others: Future[Found], deadline: Deadline) -> Found:
    try:
        return others.result(deadline.remaining_seconds())
    except TimeoutError as error:
        raise BackendUnavailable("an equal search is still under way; repeat the request") from error

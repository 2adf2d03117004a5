"""How many threads of this process one backend may keep waiting, so that one that hangs leaves the others theirs."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from app.ledger.watch import Watch
from mappers.base import BackendUnavailable
from providers.provider import Backend

# What is refused here did nothing: it may come again at once, and a backend that answers has room by then.
RETRY_AFTER_SECONDS = 1.0

log = structlog.get_logger()


class BackendThreads:
    """Counts the threads that are at work for each backend account: in a call, or waiting for another one's call.

    The bound is on threads and not on calls, since who waits for another request's call, or pauses before the next
    look-up, holds a thread as well. Providers on one account share its bound.
    """

    def __init__(self, most: int, watch: Watch | None = None) -> None:
        """`most` is the number of threads for each account."""
        self._most = most
        self._watch = watch or Watch()
        self._lock = threading.Lock()
        self._busy: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def one_for(self, backend: Backend) -> Iterator[None]:
        """Count the calling thread while it is at work. Raises BackendUnavailable at once where there are enough."""
        account = (backend.mapper, backend.account)
        with self._lock:
            enough = self._busy[account] >= self._most
            if not enough:
                self._busy[account] += 1
        if enough:
            raise self.refusal(backend)
        self._watch.thread_begins(backend)
        try:
            yield
        finally:
            self._watch.thread_ends(backend)
            with self._lock:
                self._busy[account] -= 1
                if not self._busy[account]:
                    del self._busy[account]

    def enough_for(self, backend: Backend) -> bool:
        """Tell whether `one_for` would refuse just now."""
        with self._lock:
            return self._busy.get((backend.mapper, backend.account), 0) >= self._most

    def refusal(self, backend: Backend) -> BackendUnavailable:
        """Tell of a request that is refused, and return what refuses it."""
        self._watch.thread_refused(backend)
        log.warning("backend not asked: its share of the threads is at work", backend=str(backend))
        return BackendUnavailable(
            f"the backend was not asked: {self._most} requests already wait for it, repeat the request",
            RETRY_AFTER_SECONDS,
        )

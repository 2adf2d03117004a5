"""A registry that follows its file, so that credentials can be rotated without a restart."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import structlog

from providers.problems import InvalidProviders
from providers.provider import Provider
from providers.registry import Registry

# One look at the file a second costs nothing and is sooner than anybody switches windows.
CHECK_INTERVAL_SECONDS = 1.0

# A file that was refused for what is still open is looked at again after this.
REFUSED_INTERVAL_SECONDS = 60.0

# Says which transaction of this provider is not over; None where none is.
StillOpen = Callable[[Provider], str | None]

# Is told each time that a changed file was looked at: whether it counts now.
Looked = Callable[[bool], object]

log = structlog.get_logger()

# What changes when a file is written: its modification time, size and inode; None while there is no file.
Signature = tuple[int, int, int] | None


class ProvidersFile(Registry):
    """The providers of a file as it is now, or as it was when it was last right.

    Shared by threads. Asking costs a comparison; once a second one caller looks at the file, while the others go on.
    """

    def __init__(
        self, path: Path, *, environment: Mapping[str, str] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read `path`. Raises InvalidProviders with every mistake in the file."""
        self._path = path
        self._environment = environment
        self._clock = clock
        self._checking = threading.Lock()
        self._signature = _signature(path)
        self._check_at = clock() + CHECK_INTERVAL_SECONDS
        self._current = Registry.load(path, environment=environment)
        self._refused_until = math.inf
        self._still_open: StillOpen = lambda _: None
        self._looked: Looked = lambda _: None

    def tell(self, looked: Looked) -> None:
        """Tell of each look at a changed file."""
        self._looked = looked

    def keep_backends_of(self, still_open: StillOpen) -> None:
        """Refuse a file that moves a provider to another backend while `still_open` says what is open there."""
        self._still_open = still_open

    def get(self, provider_id: str) -> Provider | None:
        return self._fresh().get(provider_id)

    def all(self) -> tuple[Provider, ...]:
        return self._fresh().all()

    def _fresh(self) -> Registry:
        if self._clock() >= self._check_at and self._checking.acquire(blocking=False):
            try:
                self._check()
            finally:
                self._checking.release()
        return self._current

    def _check(self) -> None:
        self._check_at = self._clock() + CHECK_INTERVAL_SECONDS
        # Taken before the file is read: what is written meanwhile shows as another change.
        signature = _signature(self._path)
        if signature == self._signature and self._clock() < self._refused_until:
            return
        self._signature, self._refused_until = signature, math.inf
        self._looked(self._take_over())

    def _take_over(self) -> bool:
        """Let the changed file count, where it is right; tell whether."""
        try:
            changed = Registry.load(self._path, environment=self._environment, known=self._current)
        except InvalidProviders as error:
            # The mistake is told in full; a traceback would add nothing.
            log.error(  # noqa: TRY400
                "the changed providers file is wrong, so the old one counts", problems=error.problems
            )
            return False
        if problems := list(self._moved(changed)):
            log.error("the changed providers file is refused, so the old one counts", problems=problems)
            # Its transactions may be over before the file changes again.
            self._refused_until = self._clock() + REFUSED_INTERVAL_SECONDS
            return False
        self._current = changed
        log.info("the providers file was read again", providers=[provider.id for provider in self._current.all()])
        return True

    def _moved(self, changed: Registry) -> Iterator[str]:
        for before in self._current.all():
            after = changed.get(before.id)
            if after is None or before.serves(after.backend) or after.serves(before.backend):
                continue
            if (reason := self._still_open(before)) is not None:
                yield (
                    f"[{before.id}] was at {before.backend} and would be at {after.backend}: {reason}. "
                    "Give the new one another id, or wait until the old one's transactions are over"
                )


def _signature(path: Path) -> Signature:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino

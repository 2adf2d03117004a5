"""A Redis whose clock a test sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from app.ledger.storage.clients import connector
from app.ledger.storage.connection import Connection

CLOCK = "local clock = redis.call('TIME')"


class MovedClock(Connection):
    """A real Redis, whose clock is ahead or stands still."""

    def __init__(self, url: str) -> None:
        super().__init__(connector(url, timeout_seconds=2, connections=8))
        self.ahead = timedelta()
        self.stands_at: timedelta | None = None  # since 1970

    def stand_still(self) -> None:
        self.stands_at = timedelta(milliseconds=self.now_milliseconds())

    def go_on(self, duration: timedelta) -> None:
        """Let time pass on a clock that stands still."""
        assert self.stands_at is not None
        self.stands_at += duration

    def script(self, text: str, name: str = "script", *, replicated: bool = True) -> Callable[..., list[Any]]:
        if CLOCK not in text:
            return super().script(text, name, replicated=replicated)

        def run(keys: Sequence[str], *arguments: str) -> list[Any]:
            seconds, milliseconds = divmod(self.now_milliseconds(), 1000)
            set_to = f"local clock = {{{seconds}, {milliseconds * 1000}}}"
            return super(MovedClock, self).script(text.replace(CLOCK, set_to), name)(keys, *arguments)

        return run

    def now_milliseconds(self) -> int:
        if self.stands_at is not None:
            return round(self.stands_at.total_seconds() * 1000)
        return super().now_milliseconds() + int(self.ahead.total_seconds()) * 1000

"""Sandboxes that outlive a test: they are served once, and go back to their first state in between."""

from __future__ import annotations

import atexit
import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from flask import Flask

from mappers.sandbox.app import Sandbox
from mappers.sandbox.server import Server, running

# What a model shares with its earlier self: whoever waits for a lock goes on waiting for the same one.
_LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition)


class _Reusable:
    """A served sandbox with the state it began with: all attributes of its `app.extensions["backend"]`."""

    def __init__(self, app: Flask) -> None:
        self._model = app.extensions["backend"]
        self._first = self._copy(vars(self._model))
        self._running = running(app, daemon=True)
        self.sandbox = self._running.__enter__()

    def reset(self) -> bool:
        """Go back to the first state. False where requests go on regardless, so that it cannot be used again."""
        server: Server = self.sandbox.app.extensions["server"]
        self.sandbox.stopping.set()
        at_rest = server.hang_up()
        self.sandbox.stopping.clear()
        self.sandbox.faults.clear()
        self.sandbox.requests.clear()
        state = vars(self._model)
        state.clear()
        state.update(self._copy(self._first))
        return at_rest

    def stop(self) -> None:
        self._running.__exit__(None, None, None)

    def _copy(self, state: dict[str, Any]) -> dict[str, Any]:
        kept = [self._model, *(value for value in state.values() if isinstance(value, _LOCKS))]
        return copy.deepcopy(state, {id(value): value for value in kept})


_idle: dict[Callable[[], Flask], list[_Reusable]] = {}


def shared(create_app: Callable[[], Flask]) -> AbstractContextManager[Sandbox]:
    """Serve what `create_app` returns while the context lasts, always as new; but start a server only the first time.

    It is like `running(create_app())` and takes less time. All state must be in attributes of the app's
    `extensions["backend"]`, and nothing but that object may be kept elsewhere, for instance by its routes.
    """
    return _shared(create_app)


@contextmanager
def _shared(create_app: Callable[[], Flask]) -> Iterator[Sandbox]:
    idle = _idle.setdefault(create_app, [])
    reusable = idle.pop() if idle else _Reusable(create_app())
    try:
        yield reusable.sandbox
    finally:
        if reusable.reset():
            idle.append(reusable)
        else:
            reusable.stop()


@atexit.register
def _stop_all() -> None:
    for idle in _idle.values():
        while idle:
            idle.pop().stop()

"""How often a thread calls the system for its sockets: each time it lets others run, and queues for its turn again."""

from __future__ import annotations

import _socket
import _ssl
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, FrameType
from typing import Any

_KINDS = (_socket.socket, _ssl._SSLSocket, type(select.poll()))  # type: ignore[attr-defined]

# What Python keeps, whatever the class of a socket says.
_timeout = _socket.socket.gettimeout

# Those that move bytes. With a timeout, Python waits before each of them.
_MOVE = {"send", "sendall", "recv", "recv_into", "read", "write"}
_OTHERS = {"poll", "settimeout", "setblocking"}


@contextmanager
def system_calls() -> Iterator[list[str]]:
    """Yield a list of what this thread calls meanwhile."""
    called: list[str] = []

    def look(_frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and isinstance(function, BuiltinFunctionType):
            called.extend(_calls(function.__name__, function.__self__))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield called
    finally:
        sys.setprofile(before)


def _calls(name: str, of: object) -> tuple[str, ...]:
    if not isinstance(of, _KINDS):
        return ()
    if name in _MOVE:
        return ("poll", name) if isinstance(of, _socket.socket) and _timeout(of) else (name,)
    return (name,) if name in _OTHERS else ()

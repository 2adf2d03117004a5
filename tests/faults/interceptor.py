"""An interceptor before each backend's sandbox: it can stop a call before or after it is carried out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.wrappers import Response

from mappers.sandbox import Sandbox


class Interceptor:
    """WSGI middleware that does something before or after the next call of a kind is carried out."""

    def __init__(self, app: Flask) -> None:
        self._app = app.wsgi_app
        self._lock = threading.Lock()
        self._reads = False
        self._before: Callable[[], None] | None = None
        self._after: Callable[[], None] | None = None
        self.armed = False
        self.passed = threading.Event()
        app.wsgi_app = self  # type: ignore[method-assign]

    def arm(
        self, *, reads: bool, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
    ) -> None:
        """Wait for the next read, or the next call that is none."""
        with self._lock:
            self._reads, self._before, self._after, self.armed = reads, before, after, True
            self.passed.clear()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        with self._lock:
            mine = self.armed and (environ["REQUEST_METHOD"] == "GET") is self._reads
            if mine:
                self.armed = False
        if not mine:
            return self._app(environ, start_response)
        try:
            if self._before:
                self._before()
            response = Response.from_app(self._app, environ, buffered=True)
            if self._after:
                self._after()
            return response(environ, start_response)
        finally:
            self.passed.set()


@dataclass
class InterceptedSandbox:
    """One backend's sandbox, behind its interceptor."""

    sandbox: Sandbox
    interceptor: Interceptor

    @property
    def model(self) -> Any:
        return self.sandbox.app.extensions["backend"]

"""What the sandboxes of the three versions of Lightrail have in common: errors, and one request at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from flask import Flask, request

from mappers.sandbox import CONTROL, create_sandbox

PAST, FUTURE = "2020-01-01T00:00:00.000Z", "2099-12-31T23:59:59.000Z"
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

Json = dict[str, Any]


class ApiError(Exception):
    """An answer other than success, with Lightrail's `messageCode` where it has one."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class State(Protocol):
    """What a sandbox keeps."""

    lock: threading.RLock


def create_app(
    name: str,
    state: State,
    admit: Callable[[str], object],
    *,
    status_name: str = "statusCode",
    unknown_path: Json | None = None,
) -> Flask:
    """Return an app without routes; `state` becomes its `app.extensions["backend"]`.

    `admit` is given the Authorization header; it raises ApiError, or returns an answer, to refuse the request.
    `status_name` is the member of an error that repeats its status. A path that no route has is answered with
    `unknown_path`, by default as a gateway would: without the status.
    """
    app = create_sandbox(name)
    app.extensions["backend"] = state
    not_found = (unknown_path or {"message": "Not Found"}, 404)

    @app.before_request
    def enter() -> Any:
        # A database would have the same effect.
        state.lock.acquire()
        return None if request.path.startswith(CONTROL) else admit(request.headers.get("Authorization", ""))

    @app.teardown_request
    def leave(_: BaseException | None) -> None:
        state.lock.release()

    @app.errorhandler(ApiError)
    def refuse(error: ApiError) -> tuple[Json, int]:
        body = {"message": str(error), status_name: error.status}
        return body | ({"messageCode": error.code} if error.code else {}), error.status

    app.register_error_handler(404, lambda _: not_found)
    app.register_error_handler(405, lambda _: not_found)
    return app


def stamp(moment: datetime) -> str:
    """Return a date as Lightrail V2 and its draft show it: exact to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

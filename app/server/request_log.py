"""One line of the log for each request."""

from __future__ import annotations

import structlog
from flask import Flask, Response, request
from structlog.contextvars import clear_contextvars

from app import telemetry
from mappers import confidential

log = structlog.get_logger()

QUIET_ROUTES = ("health.health", "health.ready")  # asked every few seconds, and never news


def log_requests(app: Flask, *, reads_share: float = 1) -> None:
    """Log one line for each request: its route (never its path or query), status and duration.

    Of reads that succeed, only this share; of those with a line, the calls to the backend have theirs, too.
    """

    @app.before_request
    def start() -> None:
        confidential.forget()
        telemetry.begin(logged_share=reads_share if _reads() else 1)

    @app.after_request
    def finish(response: Response) -> Response:
        ended = telemetry.end()
        if request.endpoint in QUIET_ROUTES or not (ended.logged or response.status_code >= 400):
            return response
        sampled = {"one_of": round(1 / reads_share)} if reads_share < 1 and ended.logged and _reads() else {}
        log.info(
            "request",
            method=request.method,
            route=request.url_rule.rule if request.url_rule else None,
            status=response.status_code,
            milliseconds=ended.milliseconds,
            backend_milliseconds=round(ended.backend_seconds * 1000),
            backend_calls=ended.backend_calls,
            **sampled,
        )
        return response

    @app.teardown_request
    def leave(_error: BaseException | None) -> None:
        # What else this thread has to tell is not of this request.
        clear_contextvars()


def _reads() -> bool:
    return request.method in ("GET", "HEAD") or request.endpoint == "protocol.search"

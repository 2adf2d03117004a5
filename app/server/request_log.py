"""One line of the log for each request."""

from __future__ import annotations

import time

import structlog
from flask import Flask, Response, g, request

log = structlog.get_logger()

QUIET_ROUTES = ("health.health", "health.ready")  # asked every few seconds, and never news


def log_requests(app: Flask) -> None:
    """Log one line for each request: its route (never its path or query), status and duration."""

    @app.before_request
    def start() -> None:
        g.started = time.monotonic()

    @app.after_request
    def finish(response: Response) -> Response:
        if request.endpoint not in QUIET_ROUTES:
            log.info(
                "request",
                method=request.method,
                route=request.url_rule.rule if request.url_rule else None,
                status=response.status_code,
                milliseconds=round((time.monotonic() - g.get("started", time.monotonic())) * 1000),
            )
        return response

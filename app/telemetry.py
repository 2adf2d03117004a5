"""Logs: one line an event, for a machine or for a person."""

from __future__ import annotations

import logging
import time

import structlog
from flask import Flask, Response, g, request

from app.settings import Settings

log = structlog.get_logger()

QUIET_ROUTES = ("health.health", "health.ready")  # asked every few seconds, and never news


def configure(settings: Settings) -> None:
    """Send structured logs to standard output. Tracebacks carry no local variables, since those may hold codes."""
    json = settings.log_format == "json"
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str)
            if json
            else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level)),
        cache_logger_on_first_use=False,
    )


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

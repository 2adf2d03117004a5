"""Logs: one line an event, for a machine or for a person; those of the libraries, too."""

from __future__ import annotations

import logging
from typing import Any

import structlog

from app.settings import Settings

# What the libraries and gunicorn log: the same lines as ours, from the least important one that is wanted.
STANDARD_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"ours": {"()": "app.telemetry.Passed"}},
    "root": {"level": "WARNING", "handlers": ["ours"]},
    "loggers": {"gunicorn.error": {"handlers": [], "propagate": True}},
}


class Passed(logging.Handler):
    """Passes what was logged with Python's logging on to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, process=record.process, exc_info=record.exc_info
        )


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
            _encoded,
        ],
        # Writes a line and its end at once, so that those of several processes do not tear each other.
        logger_factory=structlog.BytesLoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level)),
        cache_logger_on_first_use=False,
    )


def _encoded(_logger: object, _name: str, line: Any) -> bytes:
    encoded: bytes = line.encode(errors="backslashreplace")
    return encoded

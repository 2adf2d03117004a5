"""Logs: one line an event, for a machine or for a person; those of the libraries, too."""

from __future__ import annotations

import logging
import random
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import structlog

from app.settings import Settings
from mappers import confidential
from mappers.http import calls
from mappers.http.calls import CallOut

# What the libraries and gunicorn log: the same lines as ours, from the least important one that is wanted.
STANDARD_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"ours": {"()": "app.telemetry.Passed"}},
    "root": {"level": "WARNING", "handlers": ["ours"]},
    "loggers": {"gunicorn.error": {"handlers": [], "propagate": True}},
}

# What the members of a line say. Every line has the first three.
FIELDS = {
    "event": "What happened: `request` for a call in, `backend call` for a call out, or a sentence.",
    "level": "`debug`, `info`, `warning` or `error`.",
    "timestamp": "When, in UTC.",
    "correlation_id": "Of which call in: VTEX's operation id, or a new one.",
    "trace_id": "Of which trace, where traces are sent.",
    "provider": "Of which provider.",
    "transaction": "Of which transaction.",
    "order": "Of which order of VTEX.",
    "route": "The pattern of the path that was called, never the path itself.",
    "method": "The HTTP method.",
    "status": "The HTTP status: of the answer to a call in, or of the backend's answer; null where none came.",
    "milliseconds": "How long it took.",
    "backend_milliseconds": "How much of that the backend took, all calls out together.",
    "backend_calls": "How many calls out there were.",
    "one_of": "Where only some of the reads are logged: for how many reads this line stands, about.",
    "backend": "Which backend was called.",
    "operation": "What it was asked for.",
    "outcome": "`done`, `refused`, `unknown` (it may have moved money) or `unavailable` (it did nothing).",
    "failure": "Why no usable answer came.",
    "code": "The code of an error, as in the answer.",
    "reason": "Why something failed.",
    "exception": "The traceback of a fault, without local variables.",
    "logger": "Which library wrote the line.",
    "process": "The process of a line that a library wrote.",
}

log = structlog.get_logger()


@dataclass(slots=True)
class CallIn:
    """The request that this thread answers. `logged`: where it only reads and succeeds, it may go without lines."""

    logged: bool = True
    started: float = field(default_factory=time.monotonic)
    backend_seconds: float = 0.0
    backend_calls: int = 0

    @property
    def milliseconds(self) -> int:
        """How long it has taken so far."""
        return round((time.monotonic() - self.started) * 1000)


_call_in: ContextVar[CallIn | None] = ContextVar("call_in", default=None)


def begin(*, logged_share: float = 1) -> None:
    """Note that this thread begins to answer a request, that is logged with this probability where it is not news."""
    _call_in.set(CallIn(logged=logged_share >= 1 or random.random() < logged_share))  # noqa: S311 - a sample


def end() -> CallIn:
    """Return what was noted of the request of this thread."""
    call_in = _call_in.get() or CallIn()
    _call_in.set(None)
    return call_in


class Passed(logging.Handler):
    """Passes what was logged with Python's logging on to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, _message(record), logger=record.name, process=record.process, exc_info=record.exc_info
        )


def _message(record: logging.LogRecord) -> str:
    """Return what was logged; of gunicorn's lines not what was sent: a path, or what is no HTTP, may hold a code."""
    message = record.getMessage()
    if record.name == "gunicorn.error":
        if message.startswith("Error handling request"):
            return "Error handling request"
        if message.startswith("Invalid request"):
            return message.partition(": ")[0]
    return message


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
    calls.watch(after=log_call_out)


def log_call_out(call: CallOut) -> None:
    """Log a call to a backend, and add it up for the request that made it."""
    call_in = _call_in.get()
    if call_in is not None:
        call_in.backend_seconds += call.seconds
        call_in.backend_calls += 1
        if not (call_in.logged or call.moves_money or call.failure):
            return
    log.info(
        "backend call",
        backend=call.backend,
        operation=call.operation,
        method=call.method,
        status=call.status,
        outcome=call.outcome.value,
        milliseconds=round(call.seconds * 1000),
        failure=call.failure,
    )


def _encoded(_logger: object, _name: str, line: Any) -> bytes:
    encoded: bytes = confidential.masked(line).encode(errors="backslashreplace")
    return encoded

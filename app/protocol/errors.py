"""HTTP status and error code for everything that can go wrong."""

from __future__ import annotations

import math
import traceback

import structlog
from flask import Response, g, request
from structlog.contextvars import bind_contextvars
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.exceptions import NotFound as PathNotFound

from app.ledger import errors as ledger
from app.protocol import json_body
from mappers import base as mapper
from mappers import confidential
from mappers.money import InvalidAmount

log = structlog.get_logger(__name__)


class InvalidRequest(Exception):
    """The request cannot be understood. The message names the field and what to send, and repeats no value."""


class CredentialsRefused(Exception):
    """Answered without a body: the Hub probes with bad credentials and expects 401 or 403 and nothing else."""

    def __init__(self, status: int) -> None:
        super().__init__(f"credentials refused with {status}")
        self.status = status


# The most specific class in an error's ancestry wins. What is not here is our own fault: 500.
STATUSES: dict[type[Exception], tuple[int, str]] = {
    InvalidRequest: (400, "InvalidRequest"),
    InvalidAmount: (400, "InvalidRequest"),
    json_body.InvalidJson: (400, "InvalidRequest"),
    mapper.CardNotFound: (404, "CardNotFound"),
    ledger.TransactionNotFound: (404, "TransactionNotFound"),
    mapper.Conflict: (409, "Conflict"),
    ledger.RequestConflict: (409, "Conflict"),
    mapper.InsufficientFunds: (422, "InsufficientFunds"),
    mapper.CardUnusable: (422, "CardUnusable"),
    mapper.Unsupported: (422, "Unsupported"),
    ledger.AmountExceeded: (422, "AmountExceeded"),
    mapper.BackendUnavailable: (503, "BackendUnavailable"),
    ledger.LedgerUnavailable: (503, "LedgerUnavailable"),
    ledger.OtherFormat: (503, "LedgerUnavailable"),
    ledger.OtherBackend: (503, "ProviderChanged"),
    ledger.Unresolved: (503, "TransactionUnresolved"),
    mapper.OutcomeUnknown: (504, "OutcomeUnknown"),
}

HTTP_CODES = {400: "InvalidRequest", 413: "BodyTooLarge"}


def status_of(error: Exception) -> tuple[int, str] | None:
    """Return the HTTP status and error code of `error`, or None where it is not a known one."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)


def answer(error: Exception) -> Response:
    """Return the response to a request that ended in `error`, and log it.

    Every error but refused credentials has a JSON body: the Hub fails with an unrelated 500 where there is none.
    """
    if isinstance(error, CredentialsRefused):
        return _refused(error)
    if isinstance(error, HTTPException):
        return _http(error)
    known = status_of(error)
    if known is None:
        return _unexpected(error)
    status, code = known
    reason = confidential.masked(str(error))
    # Why is for the log: that a card is somebody else's must look like no card at all.
    message = "there is no such card" if isinstance(error, mapper.CardNotFound) else reason
    response = _respond(status, code, message, reason)
    if isinstance(error, mapper.BackendUnavailable) and error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(max(0, math.ceil(error.retry_after_seconds)))
    return response


def _respond(status: int, code: str, message: str, reason: str | None = None) -> Response:
    bind_contextvars(code=code)
    write = log.warning if status >= 500 else log.info
    write("request failed", status=status, reason=reason or message)
    body = {"error": {"code": code, "message": message, "exception": None}}
    return Response(json_body.render(body), status, mimetype="application/json")


def _refused(error: CredentialsRefused) -> Response:
    log.warning("credentials refused", status=error.status)
    response = Response(status=error.status)
    del response.headers["Content-Type"]
    return response


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    code = HTTP_CODES.get(status, error.name.replace(" ", ""))
    if isinstance(error, PathNotFound):
        message = "there is nothing at this path: the calls are under /<provider-id>/giftcards"
    elif isinstance(error, MethodNotAllowed):
        message = f"this path takes {_methods(error)}"
    elif status == 413:
        message = f"the body is too large: send at most {request.max_content_length} bytes"
    else:
        message = error.description or error.name
    response = _respond(status, code, message)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = _methods(error)
    return response


def _methods(error: MethodNotAllowed) -> str:
    return ", ".join(sorted(error.valid_methods or ()))


def _unexpected(error: Exception) -> Response:
    log_unexpected(error)
    name = g.get("correlation_id")
    return _respond(500, "InternalError", f"something went wrong here; our log has it under {name}")


def log_unexpected(error: Exception) -> None:
    """Log a fault of our own, with its traceback."""
    log.error("unexpected error", exception=confidential.masked("".join(traceback.format_exception(error))))

"""The client knows Lightrail's wire: paths, pages, statuses and messageCodes (Lightrail V2 OpenAPI)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mappers.base import BackendUnavailable, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import Answer, HttpBackend, segment
from mappers.lightrail_v2.objects import (
    Malformed,
    Parsed,
    Posting,
    Value,
    list_of,
    parse_currency,
    parse_posting,
    parse_value,
    written,
)

LARGEST_AMOUNT = 2147483647
LONGEST_VENDOR_MESSAGE = 200

# Lightrail's own default; its thousand would not fit into an answer where shops write long metadata.
PAGE = 100

_LINK = re.compile(r'<([^>]*)>[^<]*?rel="?(\w+)')


class Rejected(Exception):
    """Lightrail answered 4xx. `code` is its messageCode, which it may leave out; `message` is for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"HTTP {status} {code}".rstrip())
        self.status = status
        self.code = code
        self.message = message


class Client:
    """Calls to Lightrail. Each raises Rejected for a 4xx that is its own to explain, and what HttpBackend raises.

    Credentials that are refused, and 4xx answers that no working set-up gives, are BackendUnavailable.
    """

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    def values_with_code(self, code: str, deadline: Deadline) -> list[Value]:
        """GET /values?code=: at most one value; Lightrail ignores white space around the code, and never case."""
        return self._read("/values", "find", deadline, list_of(parse_value), query={"code": code}) or []

    def value(self, value_id: str, deadline: Deadline, *, show_code: bool = False) -> Value | None:
        """GET /values/{id}; None where there is none."""
        query = {"showCode": "true"} if show_code else None
        path = f"/values/{segment(value_id)}"
        return self._read(path, "get", deadline, parse_value, query=query, missing="ValueNotFound")

    def create_value(self, body: Mapping[str, Any], deadline: Deadline) -> Value:
        """POST /values with the code shown."""
        return self._write("/values", "issue", body, deadline, parse_value, query={"showCode": "true"})

    def currencies(self, deadline: Deadline) -> dict[str, int]:
        """GET /currencies: their decimal places by code."""
        return dict(self._read("/currencies", "ping", deadline, list_of(parse_currency)) or [])

    def post(
        self, path: str, operation: str, body: Mapping[str, Any], deadline: Deadline, *, breaker: bool = True
    ) -> Posting:
        """POST a transaction; `path` comes after /transactions."""
        return self._write(f"/transactions{path}", operation, body, deadline, parse_posting, breaker=breaker)

    def transaction(self, transaction_id: str, deadline: Deadline) -> Posting | None:
        """GET /transactions/{id}; None where there is none, or none to be seen yet."""
        path = f"/transactions/{segment(transaction_id)}"
        return self._read(path, "ask", deadline, parse_posting, missing="TransactionNotFound", breaker=False)

    def chain(self, transaction_id: str, deadline: Deadline) -> list[Posting]:
        """GET /transactions/{id}/chain of any transaction in it: what began it, and all that followed from that.

        Oldest first; what happened within the same second comes in no order.
        """
        path = f"/transactions/{segment(transaction_id)}/chain"
        parse = list_of(parse_posting)
        return self._read(path, "ask", deadline, parse, missing="TransactionNotFound", breaker=False) or []

    def transactions(
        self, page_seconds: float, value_id: str | None = None, since: datetime | None = None
    ) -> Iterator[Posting]:
        """GET /transactions, or /values/{id}/transactions, page after page: oldest first.

        A value's list has what moved its balance, so no captures. It is empty where there is no such value.
        """
        path = "/transactions" if value_id is None else f"/values/{segment(value_id)}/transactions"
        # Lists begin with the newest: read from their end, nothing shifts while more is added.
        query = {"limit": str(PAGE), "last": "true"}
        if since:
            query["createdDate.gte"] = written(since)
        while query:
            answer = self._get(path, "statement", Deadline.after(page_seconds), query)
            rows = _understood(answer, "statement", list_of(parse_posting))
            links = _links(answer)
            if "last" in query and "next" in links:
                raise BackendUnavailable("Lightrail's list does not start at its end, as it was asked to")
            yield from reversed(rows)
            query = links.get("prev", {}) if rows else {}

    def _read(
        self,
        path: str,
        operation: str,
        deadline: Deadline,
        parse: Callable[[Any], Parsed],
        *,
        query: Mapping[str, str] | None = None,
        missing: str = "",
        breaker: bool = True,
    ) -> Parsed | None:
        answer = self._get(path, operation, deadline, query, missing=missing, breaker=breaker)
        return None if answer.status == 404 else _understood(answer, operation, parse)

    def _get(
        self,
        path: str,
        operation: str,
        deadline: Deadline,
        query: Mapping[str, str] | None,
        *,
        missing: str = "",
        breaker: bool = True,
    ) -> Answer:
        """Return a success, or the 404 whose messageCode is `missing`."""
        answer = self._http.call("GET", path, deadline=deadline, query=query, operation=operation, breaker=breaker)
        if answer.status < 400:
            return answer
        rejected = _rejected(answer)
        # A gateway's or a wrong base_url's 404 has no messageCode: it must not pass for Lightrail's "no such".
        if missing and answer.status == 404 and rejected.code == missing:
            return answer
        raise _set_up_error(rejected, operation) from rejected

    def _write(
        self,
        path: str,
        operation: str,
        body: Mapping[str, Any],
        deadline: Deadline,
        parse: Callable[[Any], Parsed],
        *,
        query: Mapping[str, str] | None = None,
        breaker: bool = True,
    ) -> Parsed:
        answer = self._http.call(
            "POST",
            path,
            deadline=deadline,
            query=query,
            body=body,
            moves_money=True,
            operation=operation,
            breaker=breaker,
        )
        if answer.status >= 400:
            rejected = _rejected(answer)
            if answer.status in (404, 409, 422) and (rejected.code or answer.status != 404):
                raise rejected
            raise _set_up_error(rejected, operation) from rejected
        try:
            return parse(answer.body)
        except Malformed as error:
            message = f"Lightrail's answer cannot be understood ({operation}): {error}"
            raise OutcomeUnknown(message, answered=True) from error


def _understood(answer: Answer, operation: str, parse: Callable[[Any], Parsed]) -> Parsed:
    try:
        return parse(answer.body)
    except Malformed as error:
        raise BackendUnavailable(f"Lightrail's answer cannot be understood ({operation}): {error}") from error


def _links(answer: Answer) -> dict[str, dict[str, str]]:
    """Return the queries of the Link header (RFC 8288) by relation.

    Only the queries count, so that an answer cannot send us (and the credentials) elsewhere.
    """
    found = _LINK.findall(answer.headers.get("Link", ""))
    return {relation: dict(parse_qsl(urlsplit(url).query)) for url, relation in found}


def _rejected(answer: Answer) -> Rejected:
    body = answer.body if isinstance(answer.body, Mapping) else {}
    code, message = body.get("messageCode"), body.get("message")
    return Rejected(
        answer.status,
        code if isinstance(code, str) else "",
        message[:LONGEST_VENDOR_MESSAGE] if isinstance(message, str) else "",
    )


def _set_up_error(rejected: Rejected, operation: str) -> BackendUnavailable:
    match rejected.status:
        case 401:
            return BackendUnavailable("Lightrail answers 401: it does not accept the option api_key")
        case 403:
            return BackendUnavailable(
                f"Lightrail answers 403: the key in the option api_key may not do this ({operation}); "
                "it needs to list and read values and to make transactions (a pointOfSale key is not enough)"
            )
        case 404:
            return BackendUnavailable("Lightrail answers 404 without saying what is missing: check the option base_url")
    return BackendUnavailable(f"Lightrail answers {rejected} ({operation})")

"""The client knows the draft's wire: paths, JSON, statuses and messageCodes (Lightrail V2 draft, April 2018)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mappers.base import BackendUnavailable, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import Answer, HttpBackend, segment
from mappers.lightrail_draft.objects import (
    Malformed,
    Posting,
    Program,
    ValueStore,
    anything,
    full_code,
    posting,
    program,
    simulated_order,
    value_store,
)

Parsed = TypeVar("Parsed")

LONGEST_VENDOR_MESSAGE = 200

# What an order may be refused with because nothing pays it: the released V2 says the second.
TOO_LITTLE = {"InsufficientValue", "InsufficientBalance"}
NOBODY_PAYS = TOO_LITTLE | {"InvalidParty"}


class Rejected(Exception):
    """Lightrail answered 4xx. `code` is its messageCode, which it may leave out; `message` is for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"HTTP {status} {code}".rstrip())
        self.status = status
        self.code = code
        self.message = message


class Client:
    """Calls to Lightrail. Each raises what HttpBackend raises; those that write raise Rejected for 400, 404, 409, 422.

    Credentials that are refused, and 4xx answers that no working set-up gives, are BackendUnavailable.
    """

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    # Cards

    def payers(self, order: Mapping[str, Any], deadline: Deadline) -> tuple[str, ...]:
        """POST /transactions/orders, simulated: the ids of the value stores that would pay."""
        body = {**order, "simulate": True, "allowRemainder": True}
        try:
            found = self._read("/transactions/orders", "find", deadline, simulated_order, body=body)
        except Rejected as rejected:
            if rejected.code in NOBODY_PAYS:
                return ()
            raise _set_up_error(rejected, "find") from rejected
        return found or ()

    def store(self, store_id: str, deadline: Deadline, *, breaker: bool = True) -> ValueStore | None:
        """GET /valueStores/{valueStoreId}; None where there is none."""
        path = f"/valueStores/{segment(store_id)}"
        return self._read(path, "get", deadline, value_store, missing=True, breaker=breaker)

    def code(self, store_id: str, deadline: Deadline) -> str | None:
        """GET /valueStores/{valueStoreId}/code; None where it is not shown whole."""
        return self._read(f"/valueStores/{segment(store_id)}/code", "code", deadline, full_code)

    def create_store(self, body: Mapping[str, Any], deadline: Deadline) -> ValueStore:
        """POST /valueStores."""
        return self._write("/valueStores", "issue", body, deadline, value_store)

    def program(self, program_id: str, deadline: Deadline) -> Program | None:
        """GET /programs/{programId}; None where there is none."""
        return self._read(f"/programs/{segment(program_id)}", "program", deadline, program, missing=True)

    def list_programs(self, deadline: Deadline) -> None:
        """GET /programs: a harmless call that needs the key."""
        self._read("/programs", "ping", deadline, anything, query={"limit": "1"})

    # Transactions

    def post(
        self, path: str, operation: str, body: Mapping[str, Any] | None, deadline: Deadline, *, breaker: bool
    ) -> Posting:
        """POST a transaction, or what ends one; `path` comes after /transactions."""
        return self._write(f"/transactions{path}", operation, body, deadline, posting, breaker=breaker)

    def transaction(self, transaction_id: str, deadline: Deadline) -> Posting | None:
        """GET /transactions/{transactionId}; None where there is none, or none to be seen yet."""
        path = f"/transactions/{segment(transaction_id)}"
        return self._read(path, "ask", deadline, posting, missing=True, breaker=False)

    def _read(
        self,
        path: str,
        operation: str,
        deadline: Deadline,
        parse: Callable[[Any], Parsed],
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        missing: bool = False,
        breaker: bool = True,
    ) -> Parsed | None:
        """Make a call that changes nothing. `missing`: a 404 of Lightrail's own means that there is none.

        With a body, it raises Rejected as writes do.
        """
        method = "GET" if body is None else "POST"
        answer = self._http.call(
            method, path, deadline=deadline, query=query, body=body, operation=operation, breaker=breaker
        )
        if answer.status >= 400:
            rejected = _rejected(answer)
            if missing and answer.status == 404 and _is_lightrails(answer):
                return None
            if body is not None and _is_refusal(answer):
                raise rejected
            raise _set_up_error(rejected, operation) from rejected
        try:
            return parse(answer.body)
        except Malformed as error:
            raise BackendUnavailable(f"Lightrail's answer cannot be understood ({operation}): {error}") from error

    def _write(
        self,
        path: str,
        operation: str,
        body: Mapping[str, Any] | None,
        deadline: Deadline,
        parse: Callable[[Any], Parsed],
        *,
        breaker: bool = True,
    ) -> Parsed:
        answer = self._http.call(
            "POST", path, deadline=deadline, body=body, moves_money=True, operation=operation, breaker=breaker
        )
        if answer.status >= 400:
            rejected = _rejected(answer)
            if _is_refusal(answer):
                raise rejected
            raise _set_up_error(rejected, operation) from rejected
        try:
            return parse(answer.body)
        except Malformed as error:
            message = f"Lightrail's answer cannot be understood ({operation}): {error}"
            raise OutcomeUnknown(message, answered=True) from error


def _rejected(answer: Answer) -> Rejected:
    body = answer.body if isinstance(answer.body, Mapping) else {}
    code, message = body.get("messageCode"), body.get("message")
    return Rejected(
        answer.status,
        code if isinstance(code, str) else "",
        message[:LONGEST_VENDOR_MESSAGE] if isinstance(message, str) else "",
    )


def _is_refusal(answer: Answer) -> bool:
    return answer.status in (409, 422) or (answer.status in (400, 404) and _is_lightrails(answer))


def _is_lightrails(answer: Answer) -> bool:
    """Tell whether Lightrail itself said no: its errors echo the status; a gateway's or a wrong base_url's do not."""
    return isinstance(answer.body, Mapping) and answer.body.get("statusCode") == answer.status


def _set_up_error(rejected: Rejected, operation: str) -> BackendUnavailable:
    match rejected.status:
        case 401:
            return BackendUnavailable("Lightrail answers 401: it does not accept the option api_key")
        case 403:
            return BackendUnavailable(
                f"Lightrail answers 403: the key in the option api_key may not do this ({operation})"
            )
        case 404:
            return BackendUnavailable(f"Lightrail answers 404 ({operation}): check the option base_url")
    return BackendUnavailable(f"Lightrail answers {rejected} ({operation})")

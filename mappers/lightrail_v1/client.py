"""The client knows Lightrail V1's wire: paths, wrapped objects, statuses and messageCodes (Lightrail V1 API docs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mappers.base import BackendUnavailable, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import Answer, HttpBackend, segment
from mappers.lightrail_v1.objects import (
    CardRecord,
    Contact,
    Details,
    Malformed,
    Posting,
    Program,
    card_record,
    contact,
    details,
    integer,
    posting,
    program,
    text,
    unwrapped,
)

Parsed = TypeVar("Parsed")

LONGEST_VENDOR_MESSAGE = 200


class Rejected(Exception):
    """Lightrail answered 4xx. `code` is its messageCode, which it may leave out; `message` is for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"HTTP {status} {code}".rstrip())
        self.status = status
        self.code = code
        self.message = message

    @property
    def too_little_value(self) -> bool:
        """Whether it says that funds are short: older answers say so in the message only."""
        return self.code == "InsufficientValue" or "insufficient value" in self.message.casefold()


class Client:
    """Calls to Lightrail. Each raises what HttpBackend raises; those that write raise Rejected for 400, 404 and 409.

    Credentials that are refused, and 4xx answers that no working set-up gives, are BackendUnavailable.
    """

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    # Cards

    def details_of_code(self, code: str, deadline: Deadline) -> Details | None:
        """GET /codes/{fullcode}/details; None where there is no such code.

        What an unknown or malformed code is answered is undocumented: 404 and 400 are taken for it, as the code is
        all there is in the request.
        """
        path = f"/codes/{segment(code)}/details"
        return self._read(path, "find", deadline, _one("details", details), missing=(404, 400))

    def details(self, card_id: str, deadline: Deadline, *, breaker: bool = True) -> Details | None:
        """GET /cards/{cardId}/details; None where there is no such card."""
        path = f"/cards/{segment(card_id)}/details"
        return self._read(path, "get", deadline, _one("details", details), missing=(404,), breaker=breaker)

    def card(self, card_id: str, deadline: Deadline) -> CardRecord | None:
        """GET /cards/{cardId}; None where there is no such card."""
        return self._read(f"/cards/{segment(card_id)}", "get", deadline, _one("card", card_record), missing=(404,))

    def cards(self, deadline: Deadline, **filters: str) -> list[CardRecord]:
        """GET /cards with the filters contactId, cardType, currency, userSuppliedId, limit: one page of them."""
        return self._read("/cards", "find", deadline, _all("cards", card_record), query=filters) or []

    def code(self, card_id: str, deadline: Deadline) -> str:
        """GET /cards/{cardId}/fullcode: the only answer that shows a code."""
        path = f"/cards/{segment(card_id)}/fullcode"
        return self._read(path, "issue", deadline, _one("fullcode", lambda row: text(row, "code"))) or ""

    def create_card(self, body: Mapping[str, Any], deadline: Deadline) -> CardRecord:
        """POST /cards."""
        return self._write("/cards", "issue", body, deadline, _one("card", card_record))

    # Transactions

    def post(
        self, card_id: str, path: str, operation: str, body: Mapping[str, Any], deadline: Deadline, *, breaker: bool
    ) -> Posting:
        """POST /cards/{cardId}/transactions, or what `path` names below it."""
        full_path = f"/cards/{segment(card_id)}/transactions{path}"
        return self._write(full_path, operation, body, deadline, _one("transaction", posting), breaker=breaker)

    def transactions(self, card_id: str, deadline: Deadline, **filters: str) -> list[Posting] | None:
        """GET /cards/{cardId}/transactions with the filters userSuppliedId, limit, offset: one page, newest first.

        None where there is no such card.
        """
        path, parse = f"/cards/{segment(card_id)}/transactions", _all("transactions", posting)
        return self._read(path, "ask", deadline, parse, query=filters, missing=(404,), breaker=False)

    def most_spendable(self, card_id: str, body: dict[str, Any], deadline: Deadline) -> int | None:
        """POST /cards/{cardId}/transactions/dryRun with nsf false: what of a drawdown's value the card could pay.

        None where Lightrail does not simulate it.
        """
        path = f"/cards/{segment(card_id)}/transactions/dryRun"
        simulated = self._read(
            path,
            "simulate",
            deadline,
            _one("transaction", lambda row: integer(row, "value")),
            body=body | {"nsf": False},
            missing=(400, 404, 409),
        )
        return None if simulated is None else -simulated

    # Contacts, programs, the key

    def contacts(self, deadline: Deadline, **filters: str) -> list[Contact]:
        """GET /contacts with the filters email, userSuppliedId: one page of them."""
        return self._read("/contacts", "find", deadline, _all("contacts", contact), query=filters) or []

    def create_contact(self, body: Mapping[str, Any], deadline: Deadline) -> Contact:
        """POST /contacts."""
        return self._write("/contacts", "contact", body, deadline, _one("contact", contact))

    def program(self, program_id: str, deadline: Deadline) -> Program | None:
        """GET /programs/{programId}; None where there is no such program."""
        path = f"/programs/{segment(program_id)}"
        return self._read(path, "program", deadline, _one("program", program), missing=(404,))

    def mode(self, deadline: Deadline) -> str:
        """GET /ping: TEST or LIVE, which the key decides."""
        return self._read("/ping", "ping", deadline, _one("user", lambda user: str(user.get("mode")))) or ""

    def _read(
        self,
        path: str,
        operation: str,
        deadline: Deadline,
        parse: Callable[[Any], Parsed],
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        missing: tuple[int, ...] = (),
        breaker: bool = True,
    ) -> Parsed | None:
        """Make a call that changes nothing. `missing` are the statuses that say "no such"."""
        method = "GET" if body is None else "POST"
        answer = self._http.call(
            method, path, deadline=deadline, query=query, body=body, operation=operation, breaker=breaker
        )
        if answer.status >= 400:
            rejected = _rejected(answer)
            if answer.status in missing and _is_lightrails(answer):
                return None
            raise _set_up_error(rejected, operation) from rejected
        try:
            return parse(answer.body)
        except Malformed as error:
            raise BackendUnavailable(f"Lightrail's answer cannot be understood ({operation}): {error}") from error

    def _write(
        self,
        path: str,
        operation: str,
        body: Mapping[str, Any],
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
            if answer.status in (400, 404, 409) and (answer.status != 404 or _is_lightrails(answer)):
                raise rejected
            raise _set_up_error(rejected, operation) from rejected
        try:
            return parse(answer.body)
        except Malformed as error:
            message = f"Lightrail's answer cannot be understood ({operation}): {error}"
            raise OutcomeUnknown(message, answered=True) from error


def _rejected(answer: Answer) -> Rejected:
    body = answer.body if isinstance(answer.body, Mapping) else {}
    # The older documentation calls it code.
    code, message = body.get("messageCode", body.get("code")), body.get("message")
    return Rejected(
        answer.status,
        code if isinstance(code, str) else "",
        message[:LONGEST_VENDOR_MESSAGE] if isinstance(message, str) else "",
    )


def _is_lightrails(answer: Answer) -> bool:
    """Tell whether Lightrail itself said no: its errors echo the status; a gateway's or a wrong base_url's do not."""
    return isinstance(answer.body, Mapping) and answer.body.get("status") == answer.status


def _set_up_error(rejected: Rejected, operation: str) -> BackendUnavailable:
    match rejected.status:
        case 401:
            return BackendUnavailable("Lightrail answers 401: it does not accept the option api_key")
        case 403:
            return BackendUnavailable(
                f"Lightrail answers 403: the key in the option api_key may not do this ({operation})"
            )
        case 404:
            return BackendUnavailable("Lightrail answers 404 without saying what is missing: check the option base_url")
    return BackendUnavailable(f"Lightrail answers {rejected} ({operation})")


def _one(name: str, parse: Callable[[Mapping[str, Any]], Parsed]) -> Callable[[Any], Parsed]:
    return lambda body: parse(unwrapped(body, name))


def _all(name: str, parse: Callable[[Mapping[str, Any]], Parsed]) -> Callable[[Any], list[Parsed]]:
    def parse_all(body: Any) -> list[Parsed]:
        rows = body.get(name) if isinstance(body, Mapping) else None
        if not isinstance(rows, list):
            raise Malformed(f"{name} is not a list")
        return [parse(row) for row in rows]

    return parse_all

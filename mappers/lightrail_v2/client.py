"""The client knows Lightrail's wire: paths, JSON, statuses and messageCodes (Lightrail V2 OpenAPI)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from mappers.base import BackendUnavailable, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import Answer, HttpBackend, segment

Parsed = TypeVar("Parsed")

LARGEST_AMOUNT = 2147483647
LONGEST_VENDOR_MESSAGE = 200


class Rejected(Exception):
    """Lightrail answered 4xx. `code` is its messageCode, which it may leave out; `message` is for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"HTTP {status} {code}".rstrip())
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Value:
    """What a gift card is at Lightrail. `balance` in minor units, None where a rule makes it up on the spot.

    `code` is masked (an ellipsis and the last four characters) unless asked for; a generic code never is.
    """

    id: str
    currency: str
    balance: int | None
    code: str | None = field(repr=False)
    generic: bool
    active: bool
    frozen: bool
    canceled: bool
    start: datetime | None
    end: datetime | None
    created: datetime | None
    uses_remaining: int | None
    metadata: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What a transaction did to one value, in minor units."""

    value_id: str
    amount: int
    balance_after: int


@dataclass(frozen=True, slots=True)
class Posting:
    """A transaction at Lightrail. `pending` says that it began as a hold, and stays true after capture or void."""

    id: str
    kind: str
    currency: str
    pending: bool
    changes: tuple[Change, ...]

    @property
    def balance_after(self) -> int | None:
        return self.changes[-1].balance_after if self.changes else None


class Client:
    """Calls to Lightrail. Each raises Rejected for a 4xx that is its own to explain, and what HttpBackend raises.

    Credentials that are refused, and 4xx answers that no working set-up gives, are BackendUnavailable.
    """

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    def values_with_code(self, code: str, deadline: Deadline) -> list[Value]:
        """GET /values?code=: at most one value; Lightrail ignores white space around the code, and never case."""
        return self._read("/values", "find", deadline, _list_of(_value), query={"code": code}) or []

    def value(self, value_id: str, deadline: Deadline, *, show_code: bool = False) -> Value | None:
        """GET /values/{id}; None where there is none."""
        query = {"showCode": "true"} if show_code else None
        path = f"/values/{segment(value_id)}"
        return self._read(path, "get", deadline, _value, query=query, missing="ValueNotFound")

    def create_value(self, body: Mapping[str, Any], deadline: Deadline) -> Value:
        """POST /values with the code shown."""
        return self._write("/values", "issue", body, deadline, _value, query={"showCode": "true"})

    def currencies(self, deadline: Deadline) -> dict[str, int]:
        """GET /currencies: their decimal places by code."""
        return dict(self._read("/currencies", "ping", deadline, _list_of(_currency)) or [])

    def post(
        self, path: str, operation: str, body: Mapping[str, Any], deadline: Deadline, *, breaker: bool = True
    ) -> Posting:
        """POST a transaction; `path` comes after /transactions."""
        return self._write(f"/transactions{path}", operation, body, deadline, _posting, breaker=breaker)

    def transaction(self, transaction_id: str, deadline: Deadline) -> Posting | None:
        """GET /transactions/{id}; None where there is none, or none to be seen yet."""
        path = f"/transactions/{segment(transaction_id)}"
        return self._read(path, "ask", deadline, _posting, missing="TransactionNotFound", breaker=False)

    def chain(self, transaction_id: str, deadline: Deadline) -> list[Posting]:
        """GET /transactions/{id}/chain: the transaction with all that followed it, oldest first."""
        path = f"/transactions/{segment(transaction_id)}/chain"
        parse = _list_of(_posting)
        return self._read(path, "ask", deadline, parse, missing="TransactionNotFound", breaker=False) or []

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
        answer = self._http.call("GET", path, deadline=deadline, query=query, operation=operation, breaker=breaker)
        if answer.status >= 400:
            rejected = _rejected(answer)
            # A gateway's or a wrong base_url's 404 has no messageCode: it must not pass for Lightrail's "no such".
            if missing and answer.status == 404 and rejected.code == missing:
                return None
            raise _set_up_error(rejected, operation) from rejected
        try:
            return parse(answer.body)
        except _Malformed as error:
            raise BackendUnavailable(f"Lightrail's answer cannot be understood ({operation}): {error}") from error

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
        except _Malformed as error:
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


class _Malformed(ValueError):
    """An answer that is not what the API describes; the message names a field, never its content."""


def _list_of(parse: Callable[[Any], Parsed]) -> Callable[[Any], list[Parsed]]:
    def parse_all(rows: Any) -> list[Parsed]:
        if not isinstance(rows, list):
            raise _Malformed("not a list")
        return [parse(row) for row in rows]

    return parse_all


def _text(row: Any, name: str) -> str:
    found = row.get(name) if isinstance(row, Mapping) else None
    if not isinstance(found, str):
        raise _Malformed(f"{name} is not text")
    return found


def _integer(row: Mapping[str, Any], name: str) -> int:
    found = row.get(name)
    whole = isinstance(found, int) or (isinstance(found, Decimal) and found == found.to_integral_value())
    if isinstance(found, bool) or not whole:
        raise _Malformed(f"{name} is not an integer")
    return int(found)  # type: ignore[arg-type]


def _optional_integer(row: Mapping[str, Any], name: str) -> int | None:
    return None if row.get(name) is None else _integer(row, name)


def _flag(row: Mapping[str, Any], name: str) -> bool:
    found = row.get(name)
    if not isinstance(found, bool):
        raise _Malformed(f"{name} is not a boolean")
    return found


def _moment(row: Mapping[str, Any], name: str) -> datetime | None:
    if row.get(name) is None:
        return None
    try:
        moment = datetime.fromisoformat(_text(row, name))
    except ValueError as error:
        raise _Malformed(f"{name} is not a date") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _value(row: Any) -> Value:
    metadata = row.get("metadata") if isinstance(row, Mapping) else None
    return Value(
        id=_text(row, "id"),
        currency=_text(row, "currency"),
        balance=_optional_integer(row, "balance"),
        code=None if row.get("code") is None else _text(row, "code"),
        generic=_flag(row, "isGenericCode"),
        active=_flag(row, "active"),
        frozen=_flag(row, "frozen"),
        canceled=_flag(row, "canceled"),
        start=_moment(row, "startDate"),
        end=_moment(row, "endDate"),
        created=_moment(row, "createdDate"),
        uses_remaining=_optional_integer(row, "usesRemaining"),
        metadata=metadata if isinstance(metadata, Mapping) else {},
    )


def _change(row: Any) -> Change:
    return Change(_text(row, "valueId"), _integer(row, "balanceChange"), _integer(row, "balanceAfter"))


def _posting(row: Any) -> Posting:
    if not isinstance(row, Mapping) or row.get("simulated"):
        raise _Malformed("not a transaction")
    return Posting(
        id=_text(row, "id"),
        kind=_text(row, "transactionType"),
        currency=_text(row, "currency"),
        pending=row.get("pending") is True,
        changes=tuple(_list_of(_change)(row.get("steps"))),
    )


def _currency(row: Any) -> tuple[str, int]:
    return _text(row, "code"), _integer(row, "decimalPlaces")

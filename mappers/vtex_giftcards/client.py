"""VTEX's calls: paths, and what an HTTP status means (Giftcard API 1.0)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappers.base import BackendUnavailable
from mappers.deadline import Deadline
from mappers.http import Answer, HttpBackend, segment
from mappers.parsing import Parsed, understood
from mappers.vtex_giftcards.objects import (
    GiftCard,
    Movement,
    Rejected,
    Transaction,
    error_code,
    gift_card,
    ids,
    made,
    movement,
    movements,
    transaction,
)

# No card can have this id: reading it needs the credentials and nothing else.
NO_CARD = "giftbridge-credentials-check"

# What a gateway answers on a path that is nobody's.
NO_PATH = (404, 405)


class Client:
    """Calls to VTEX. Reads raise BackendUnavailable, writes OutcomeUnknown too, and Rejected for a refusal."""

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    def verify(self, deadline: Deadline) -> None:
        """Read a card that does not exist, which needs the credentials and changes nothing."""
        self._read(f"/giftcards/{NO_CARD}", "verify credentials", gift_card, deadline)

    # Cards

    def search(self, body: Mapping[str, Any], deadline: Deadline) -> list[str]:
        """POST /giftcards/_search: the ids of the cards that it finds."""
        return self._read("/giftcards/_search", "search", ids, deadline, body=body) or []

    def card(self, card_id: str, deadline: Deadline, *, breaker: bool = True) -> GiftCard | None:
        """GET /giftcards/{id}; None where there is none."""
        return self._read(f"/giftcards/{segment(card_id)}", "get card", gift_card, deadline, breaker=breaker)

    def create_card(self, body: Mapping[str, Any], deadline: Deadline) -> GiftCard:
        """POST /giftcards."""
        return self._write("/giftcards", "issue", body, gift_card, deadline)

    # Transactions

    def open(self, card_id: str, body: Mapping[str, Any], deadline: Deadline, *, breaker: bool) -> str:
        """POST /giftcards/{id}/transactions: the id of the transaction."""
        operation = str(body["operation"]).lower()
        return self._write(_transactions(card_id), operation, body, made, deadline, breaker=breaker)

    def transactions(self, card_id: str, deadline: Deadline) -> list[str] | None:
        """GET /giftcards/{id}/transactions: their ids; None where there is no such card."""
        return self._read(_transactions(card_id), "list transactions", ids, deadline, breaker=False)

    def transaction(self, card_id: str, transaction_id: str, deadline: Deadline) -> Transaction | None:
        """GET /giftcards/{id}/transactions/{tid}; None where there is none."""
        path = f"{_transactions(card_id)}/{segment(transaction_id)}"
        return self._read(path, "get transaction", transaction, deadline, breaker=False)

    def end(self, card_id: str, transaction_id: str, how: str, body: Mapping[str, Any], deadline: Deadline) -> Movement:
        """POST .../{tid}/settlements or .../{tid}/cancellations: `how` is the last part of the path."""
        path = f"{_transactions(card_id)}/{segment(transaction_id)}/{how}"
        return self._write(path, how, body, movement, deadline, breaker=False)

    def ended(self, card_id: str, transaction_id: str, how: str, deadline: Deadline) -> list[Movement]:
        """GET the list of those, oldest first. A transaction that VTEX does not show is not one without any."""
        path = f"{_transactions(card_id)}/{segment(transaction_id)}/{how}"
        found = self._read(path, f"list {how}", movements, deadline, breaker=False)
        if found is None:
            raise BackendUnavailable(f"VTEX does not show the transaction of which we ask for the {how}")
        return sorted(found, key=lambda one: one.date)

    def _read(
        self,
        path: str,
        operation: str,
        parse: Callable[[Any], Parsed],
        deadline: Deadline,
        *,
        body: Mapping[str, Any] | None = None,
        breaker: bool = True,
    ) -> Parsed | None:
        """Read and parse; None for a 404 of VTEX's own. With a `body` it is a POST that changes nothing."""
        method = "GET" if body is None else "POST"
        answer = self._http.call(method, path, deadline=deadline, body=body, operation=operation, breaker=breaker)
        if answer.status >= 400:
            rejected = _rejected(answer)
            if rejected.status == 404:
                return None
            raise BackendUnavailable(f"VTEX answers {rejected} ({operation})")
        return understood(answer.body, parse, "VTEX", operation)

    def _write(
        self,
        path: str,
        operation: str,
        body: Mapping[str, Any],
        parse: Callable[[Any], Parsed],
        deadline: Deadline,
        *,
        breaker: bool = True,
    ) -> Parsed:
        """POST and parse. An answer that nobody understands leaves unknown what happened: a 2xx without an id, too."""
        answer = self._http.call(
            "POST", path, deadline=deadline, body=body, moves_money=True, operation=operation, breaker=breaker
        )
        if answer.status >= 400:
            raise _rejected(answer)
        return understood(answer.body, parse, "VTEX", operation, wrote=True)


def _transactions(card_id: str) -> str:
    return f"/giftcards/{segment(card_id)}/transactions"


def _rejected(answer: Answer) -> Rejected:
    """Return what a 4xx says. Refused credentials, or a path that is nobody's, say nothing about a card."""
    if answer.status in (401, 403):
        raise BackendUnavailable(
            f"VTEX answers {answer.status}: check the options app_key and app_token, and that the key's role has the "
            "resource Gift card full access"
        )
    if answer.status in NO_PATH and not (isinstance(answer.body, Mapping) and "error" in answer.body):
        raise BackendUnavailable(f"VTEX answers {answer.status} without an error of its own: check the option base_url")
    return Rejected(answer.status, error_code(answer.body))

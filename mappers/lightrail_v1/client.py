"""Lightrail V1's calls: paths, wrapped objects, and which statuses are refusals (Lightrail V1 API docs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mappers.deadline import Deadline
from mappers.http import segment
from mappers.lightrail import LightrailClient, Program, no_such_code, own
from mappers.lightrail_v1.objects import (
    CardRecord,
    Contact,
    Details,
    Posting,
    card_record,
    contact,
    details,
    posting,
    program,
)
from mappers.parsing import Parsed, filled, integer, mapping, member, rows


class Client(LightrailClient):
    """Calls to Lightrail V1."""

    refusals = (400, 409)
    own_refusals = (404,)
    repeated_status = "status"
    # The older documentation calls it code.
    code_names = ("messageCode", "code")

    # Cards

    def details_of_code(self, code: str, pin: str | None, deadline: Deadline) -> Details | None:
        """GET /codes/{fullcode}/details, with its pin where one was typed; None where there is no such code.

        What an unknown or malformed code is answered is undocumented: 404 and 400 are taken for it, as the code is
        all there is in the request.
        """
        path, query = f"/codes/{segment(code)}/details", {"pin": pin} if pin else None
        return self._read(path, "find", deadline, _one("details", details), query=query, missing=no_such_code(404))

    def details(self, card_id: str, deadline: Deadline, *, breaker: bool = True) -> Details | None:
        """GET /cards/{cardId}/details; None where there is no such card."""
        path = f"/cards/{segment(card_id)}/details"
        return self._read(path, "get", deadline, _one("details", details), missing=own(404), breaker=breaker)

    def card(self, card_id: str, deadline: Deadline) -> CardRecord | None:
        """GET /cards/{cardId}; None where there is no such card."""
        return self._read(f"/cards/{segment(card_id)}", "get", deadline, _one("card", card_record), missing=own(404))

    def cards(self, deadline: Deadline, operation: str = "find", **filters: str) -> list[CardRecord]:
        """GET /cards with the filters contactId, cardType, currency, userSuppliedId, limit, offset: one page."""
        return self._read("/cards", operation, deadline, _all("cards", card_record), query=filters) or []

    def code(self, card_id: str, deadline: Deadline) -> str:
        """GET /cards/{cardId}/fullcode: the only answer that shows a code."""
        path = f"/cards/{segment(card_id)}/fullcode"
        return self._read(path, "issue", deadline, _one("fullcode", lambda row: filled(row, "code"))) or ""

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
        return self._read(path, "ask", deadline, parse, query=filters, missing=own(404), breaker=False)

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
            missing=own(400, 404, 409),
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
        return self._read(path, "program", deadline, _one("program", program), missing=own(404))

    def mode(self, deadline: Deadline) -> str:
        """GET /ping: TEST or LIVE, which the key decides."""
        return self._read("/ping", "ping", deadline, _one("user", lambda user: str(user.get("mode")))) or ""


def _one(name: str, parse: Callable[[Any], Parsed]) -> Callable[[Any], Parsed]:
    """Return what reads the object that an answer wraps in its name."""
    return lambda body: parse(mapping(member(body, name), name))


def _all(name: str, parse: Callable[[Any], Parsed]) -> Callable[[Any], list[Parsed]]:
    return lambda body: [parse(row) for row in rows(body, name)]

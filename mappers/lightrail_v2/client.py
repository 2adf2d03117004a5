"""Lightrail V2's calls: paths, pages, and which statuses are refusals (Lightrail V2 OpenAPI)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from mappers.base import BackendUnavailable, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import Answer, segment
from mappers.lightrail import LightrailClient, Missing, Program, Rejected, no_such_code, written
from mappers.lightrail_v2.objects import (
    Contact,
    Posting,
    Value,
    parse_contact,
    parse_currency,
    parse_payable,
    parse_posting,
    parse_program,
    parse_value,
)
from mappers.parsing import list_of, understood

LARGEST_AMOUNT = 2147483647

# Lightrail's own default; its thousand would not fit into an answer where shops write long metadata.
PAGE = 100

_LINK = re.compile(r'<([^>]*)>[^<]*?rel="?(\w+)')


def _not_found(code: str) -> Missing:
    return lambda rejected: (rejected.status, rejected.code) == (404, code)


_NO_VALUE, _NO_TRANSACTION = _not_found("ValueNotFound"), _not_found("TransactionNotFound")
_NO_PROGRAM, _NO_CONTACT = _not_found("ProgramNotFound"), _not_found("ContactNotFound")


def _may_not(rejected: Rejected) -> bool:
    return rejected.status == 403


class Client(LightrailClient):
    """Calls to Lightrail V2. A gateway's or a wrong base_url's 404 has no messageCode."""

    refusals = (409, 422)
    own_refusals = (404,)
    needed_role = "; it needs to list and read values and to make transactions (a pointOfSale key is not enough)"

    def values_with_code(self, code: str, deadline: Deadline) -> list[Value]:
        """GET /values?code=: at most one value; Lightrail ignores white space around the code, and never case."""
        query, missing = {"code": code}, no_such_code()
        return self._read("/values", "find", deadline, list_of(parse_value), query=query, missing=missing) or []

    def value(self, value_id: str, deadline: Deadline, *, show_code: bool = False) -> Value | None:
        """GET /values/{id}; None where there is none."""
        query = {"showCode": "true"} if show_code else None
        path = f"/values/{segment(value_id)}"
        return self._read(path, "get", deadline, parse_value, query=query, missing=_NO_VALUE)

    def create_value(self, body: Mapping[str, Any], deadline: Deadline) -> Value:
        """POST /values with the code shown."""
        return self._write("/values", "issue", body, deadline, parse_value, query={"showCode": "true"})

    def payable(self, body: Mapping[str, Any], deadline: Deadline) -> int:
        """POST /transactions/checkout, simulated: what its source pays, in minor units."""
        return self._read("/transactions/checkout", "rules", deadline, parse_payable, body=body) or 0

    def currencies(self, deadline: Deadline) -> dict[str, int] | None:
        """GET /currencies: their decimal places by code; None where the key may not list them."""
        found = self._read("/currencies", "ping", deadline, list_of(parse_currency), missing=_may_not)
        return None if found is None else dict(found)

    def list_one_value(self, deadline: Deadline) -> None:
        """GET /values?limit=1: what a search needs the right to."""
        self._read("/values", "ping", deadline, list_of(parse_value), query={"limit": "1"})

    def program(self, program_id: str, deadline: Deadline) -> Program | None:
        """GET /programs/{id}; None where the key may not read programs."""
        try:
            answer = self._answer(f"/programs/{segment(program_id)}", "program", deadline)
        except Rejected as rejected:
            if _may_not(rejected):
                return None
            if _NO_PROGRAM(rejected):
                raise BackendUnavailable("Lightrail does not know the program in the option program_id") from rejected
            raise self._set_up_error(rejected, "program") from rejected
        return understood(answer.body, parse_program, "Lightrail", "program")

    def contacts(self, email: str, deadline: Deadline) -> list[Contact]:
        """GET /contacts?email=, without regard to case; several contacts may have one address."""
        return self._read("/contacts", "find", deadline, list_of(parse_contact), query={"email": email}) or []

    def values_of_contact(self, contact_id: str, currency: str, deadline: Deadline) -> list[Value]:
        """GET /contacts/{id}/values: those that can pay in a currency; none of a contact that there is not."""
        query = {"currency": currency, "active": "true", "canceled": "false", "frozen": "false", "balance.gt": "0"}
        path = f"/contacts/{segment(contact_id)}/values"
        return self._read(path, "find", deadline, list_of(parse_value), query=query, missing=_NO_CONTACT) or []

    def post(
        self, path: str, operation: str, body: Mapping[str, Any], deadline: Deadline, *, breaker: bool = True
    ) -> Posting:
        """POST a transaction; `path` comes after /transactions."""
        made = self._write(f"/transactions{path}", operation, body, deadline, parse_posting, breaker=breaker)
        if made.id != body["id"]:
            # A server or a proxy that is broken gave us the answer of another call. Ours may be on its way.
            raise OutcomeUnknown(f"Lightrail's answer is about another transaction ({operation})")
        return made

    def transaction(self, transaction_id: str, deadline: Deadline) -> Posting | None:
        """GET /transactions/{id}; None where there is none, or none to be seen yet."""
        path = f"/transactions/{segment(transaction_id)}"
        found = self._read(path, "ask", deadline, parse_posting, missing=_NO_TRANSACTION, breaker=False)
        if found and found.id != transaction_id:
            raise BackendUnavailable("Lightrail's answer is about another transaction (ask)")
        return found

    def chain(self, transaction_id: str, deadline: Deadline) -> list[Posting]:
        """GET /transactions/{id}/chain of any transaction in it: what began it, and all that followed from that.

        Oldest first; what happened within the same second comes in no order.
        """
        path = f"/transactions/{segment(transaction_id)}/chain"
        parse = list_of(parse_posting)
        return self._read(path, "ask", deadline, parse, missing=_NO_TRANSACTION, breaker=False) or []

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
            try:
                answer = self._answer(path, "statement", Deadline.after(page_seconds), query=query)
            except Rejected as rejected:
                raise self._set_up_error(rejected, "statement") from rejected
            rows = understood(answer.body, list_of(parse_posting), "Lightrail", "statement")
            links = _links(answer)
            if "last" in query and "next" in links:
                raise BackendUnavailable("Lightrail's list does not start at its end, as it was asked to")
            yield from reversed(rows)
            before, query = query, links.get("prev", {}) if rows else {}
            if query == before:
                raise BackendUnavailable("Lightrail's page names itself as the one before")


def _links(answer: Answer) -> dict[str, dict[str, str]]:
    """Return the queries of the Link header (RFC 8288) by relation.

    Only the queries count, so that an answer cannot send us (and the credentials) elsewhere.
    """
    found = _LINK.findall(answer.headers.get("Link", ""))
    return {relation: dict(parse_qsl(urlsplit(url).query)) for url, relation in found}

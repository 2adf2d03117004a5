"""Toy's calls: paths, JSON and statuses (those of its sandbox: there is no such service)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from giftbridge.mapper import NOT_A_CODE, Answer, BackendUnavailable, Deadline, HttpBackend, segment
from giftbridge.parsing import Parsed, amount, member, metadata, rows, text, understood


class Rejected(Exception):
    """Toy said no with a 4xx. `code` is its own word for why."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"HTTP {status} {code}".rstrip())
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class BackendCard:
    """A card as Toy sends it: its words, its units. The code never shows in a repr."""

    id: str
    code: str = field(repr=False)
    balance: Decimal
    currency: str
    state: str
    notes: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Movement:
    """What Toy keeps of one movement of money."""

    key: str
    card_id: str
    kind: str
    amount: Decimal
    balance: Decimal  # of the card, after it


class Client:
    """Calls to Toy. Reads raise BackendUnavailable, writes OutcomeUnknown too, and Rejected for a 4xx."""

    def __init__(self, http: HttpBackend) -> None:
        self._http = http

    def verify(self, deadline: Deadline) -> None:
        """Make one call that needs the credentials and changes nothing."""
        self._read("/account", "verify", lambda data: text(data, "name"), deadline, breaker=False)

    def card_with_code(self, code: str, deadline: Deadline) -> BackendCard | None:
        """Return the one card with this code, None where there is none."""
        query = {"code": code}
        cards = self._read("/cards", "find", lambda data: rows(data, "cards"), deadline, query=query, typed=True)
        return parse_card(cards[0]) if cards else None

    def card(self, card_id: str, deadline: Deadline) -> BackendCard | None:
        """Return one card by its id, None where there is none. Ids go through `segment`."""
        return self._read(f"/cards/{segment(card_id)}", "get", parse_card, deadline, missing="card_not_found")

    def create_card(self, body: Mapping[str, Any], deadline: Deadline) -> BackendCard:
        """Make a card."""
        return self._write("/cards", "issue", body, parse_card, deadline)

    def move(self, body: Mapping[str, Any], operation: str, deadline: Deadline, *, breaker: bool) -> Movement:
        """Move money, under the key in the body. `breaker` is False for what is tried whatever happened before."""
        return self._write("/movements", operation, body, parse_movement, deadline, breaker=breaker)

    def movement(self, key: str, deadline: Deadline) -> Movement | None:
        """Return the movement made under `key`, None where there is none."""
        path = f"/movements/{segment(key)}"
        return self._read(path, "ask", parse_movement, deadline, missing="movement_not_found", breaker=False)

    def _read(
        self,
        path: str,
        operation: str,
        parse: Callable[[Any], Parsed],
        deadline: Deadline,
        *,
        query: Mapping[str, str] | None = None,
        missing: str = "",
        typed: bool = False,
        breaker: bool = True,
    ) -> Parsed | None:
        """GET and parse; None for a 404 that says `missing`: a gateway's own 404 must not pass for "no such card".

        `typed`: a person typed what is asked for, and may have typed what cannot be asked for.
        """
        answer = self._http.call("GET", path, deadline=deadline, query=query, operation=operation, breaker=breaker)
        if answer.status >= 400:
            rejected = _rejected(answer)
            if (missing and answer.status == 404 and rejected.code == missing) or (
                typed and answer.status in NOT_A_CODE
            ):
                return None
            raise BackendUnavailable(f"Toy answers {rejected} ({operation})")
        return understood(answer.body, parse, "Toy", operation)

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
        """POST and parse. An answer that nobody understands leaves unknown what happened."""
        answer = self._http.call(
            "POST", path, deadline=deadline, body=body, moves_money=True, operation=operation, breaker=breaker
        )
        if answer.status >= 400:
            raise _rejected(answer)
        return understood(answer.body, parse, "Toy", operation, wrote=True)


def parse_card(data: Any) -> BackendCard:
    """Read a card from Toy's JSON, with the readers of mappers.parsing."""
    return BackendCard(
        id=text(data, "id"),
        code=text(data, "code"),
        balance=amount(data, "balance"),
        currency=text(data, "currency"),
        state=text(data, "state"),
        notes=metadata(data, "notes"),
    )


def parse_movement(data: Any) -> Movement:
    """Read a movement from Toy's JSON."""
    return Movement(
        key=text(data, "key"),
        card_id=text(data, "card"),
        kind=text(data, "kind"),
        amount=amount(data, "amount"),
        balance=amount(data, "balance"),
    )


def _rejected(answer: Answer) -> Rejected:
    """Return what a 4xx says. Credentials that are refused, and a gateway's 404, say nothing about a card."""
    if answer.status in (401, 403):
        raise BackendUnavailable(f"Toy answers {answer.status}: check the option api_key")
    code = member(answer.body, "error")
    if answer.status == 404 and not isinstance(code, str):
        raise BackendUnavailable("Toy answers 404 without a word of its own: check the option base_url")
    return Rejected(answer.status, code if isinstance(code, str) else "")

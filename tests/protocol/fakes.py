"""Fakes for everything behind the protocol: they note how they were called and answer what they were told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from werkzeug.test import TestResponse

from app.ledger.cards import SpendableCard
from app.ledger.service import AuthorizationRequest, ChangeRequest, Movement, TransactionView
from app.ledger.transaction import Operation
from mappers.base import Card, CardNotFound, IssuedCard, NewCard, Query
from mappers.deadline import Deadline
from mappers.money import Currency
from providers.codes import AS_TYPED, CodeForm

BRL = Currency.of("BRL")
NOON = datetime(2026, 5, 4, 12, 0, 0, 252855, tzinfo=UTC)

APP_KEY = "acme-key"
APP_TOKEN = "acme-token"
CREDENTIALS = {"X-PROVIDER-API-AppKey": APP_KEY, "X-PROVIDER-API-AppToken": APP_TOKEN}

CODE = "XTYB-IOBW/WL+JE=.SEYG"

# Calls as the Hub does: a method, a path and what goes with them; answers what the service answered.
HubCall = Callable[..., TestResponse]


@dataclass
class FakeProvider:
    id: str = "acme"
    caption: str = "Acme gift cards"
    currency: Currency = BRL
    service_url: str | None = None
    timezone: tzinfo = UTC
    codes: CodeForm = AS_TYPED

    def authenticate(self, app_key: str, app_token: str) -> bool:
        return (app_key, app_token) == (APP_KEY, APP_TOKEN)


@dataclass
class FakeRegistry:
    providers: list[FakeProvider] = field(default_factory=lambda: [FakeProvider()])

    def get(self, provider_id: str) -> FakeProvider | None:
        return next((provider for provider in self.providers if provider.id == provider_id), None)


@dataclass
class FakeSettings:
    card_deadline_seconds: float = 1.2
    money_deadline_seconds: float = 10.0
    maximum_body_bytes: int = 4 * 1024 * 1024


@dataclass
class Call:
    """One use case run: its name, what it was given, and the seconds its deadline had left."""

    name: str
    provider: FakeProvider
    arguments: tuple[Any, ...]
    seconds: float


@dataclass
class Recorder:
    calls: list[Call] = field(default_factory=list)
    failure: Exception | None = None

    def note(self, name: str, provider: FakeProvider, deadline: Deadline, *arguments: Any) -> None:
        self.calls.append(Call(name, provider, arguments, deadline.remaining_seconds()))
        if self.failure is not None:
            raise self.failure

    @property
    def only(self) -> Call:
        (call,) = self.calls
        return call

    @property
    def request(self) -> Any:
        """What the only call was given."""
        return self.only.arguments[0]


@dataclass
class FakeLedger(Recorder):
    entries: list[Movement] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    description: str | None = "GiftCardHub"

    def authorize(self, provider: FakeProvider, request: AuthorizationRequest, deadline: Deadline) -> str:
        self.note("authorize", provider, deadline, request)
        return "gb-07aa"

    def transaction(
        self, provider: FakeProvider, card_id: str, transaction_id: str, deadline: Deadline
    ) -> TransactionView:
        self.note("transaction", provider, deadline, card_id, transaction_id)
        amount = 14000
        made = Movement("gb-07aa-oid", amount, NOON)
        return TransactionView(
            transaction_id, card_id, Operation.DEBIT, amount, self.description, "B56CBE", NOON, authorization=made
        )

    def transactions(self, provider: FakeProvider, card_id: str, deadline: Deadline) -> list[str]:
        self.note("transactions", provider, deadline, card_id)
        return self.names

    def settle(self, provider: FakeProvider, request: ChangeRequest, deadline: Deadline) -> Movement:
        self.note("settle", provider, deadline, request)
        return Movement("gb-07settled", request.amount, NOON)

    def cancel(self, provider: FakeProvider, request: ChangeRequest, deadline: Deadline) -> Movement:
        self.note("cancel", provider, deadline, request)
        return Movement("gb-07canceled", request.amount, NOON)

    def settlements(
        self, provider: FakeProvider, card_id: str, transaction_id: str, deadline: Deadline
    ) -> list[Movement]:
        self.note("settlements", provider, deadline, card_id, transaction_id)
        return self.entries

    def cancellations(
        self, provider: FakeProvider, card_id: str, transaction_id: str, deadline: Deadline
    ) -> list[Movement]:
        self.note("cancellations", provider, deadline, card_id, transaction_id)
        return self.entries


@dataclass
class FakeCards(Recorder):
    found: list[SpendableCard] = field(default_factory=list)
    issued: IssuedCard | None = None

    def search(self, provider: FakeProvider, query: Query, deadline: Deadline) -> list[SpendableCard]:
        self.note("search", provider, deadline, query)
        return self.found

    def get(self, provider: FakeProvider, card_id: str, deadline: Deadline) -> SpendableCard:
        self.note("get", provider, deadline, card_id)
        for spendable in self.found:
            if spendable.card.id == card_id:
                return spendable
        raise CardNotFound("there is no such card")

    def issue(self, provider: FakeProvider, new: NewCard, deadline: Deadline) -> IssuedCard:
        self.note("issue", provider, deadline, new)
        return self.issued or IssuedCard(Card("card-38", 0, "BRL", caption=new.caption), code="NEWC-ODE1", token=None)


def spendable(card_id: str = "card-24", balance: int = 590, **fields: Any) -> SpendableCard:
    fields.setdefault("code_mask", "****SEYG")
    return SpendableCard(Card(card_id, balance + 1000, "BRL", **fields), balance)

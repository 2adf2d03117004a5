"""The use cases of the page Try it: a checkout as VTEX's, before the sandboxes of `giftbridge demo`. All is play money.

Every call goes through the service's own door, as the Gift Card Hub makes it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from app.admin.transactions import search
from app.admin.transactions.views import Story, provider_named, show
from app.ledger.errors import TransactionNotFound
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.storage.documents import Document
from app.parts import Parts
from mappers.base import BackendUnavailable, CardNotFound
from mappers.deadline import Deadline
from mappers.exact_json import encode
from providers.hub.calls import HangingUp, HttpClient, NoReply, Reply
from providers.hub.service_url import HUB_SECONDS, Http, ServiceCaller, card_path, transaction_path

# Who is let in by the link that the demo prints.
USER = "demo"

KEPT = timedelta(days=1)
CALLS_KEPT = 50

# How long a backend that was killed is down.
DOWN_SECONDS = 20

# A fault that no call met is forgotten: it belongs to one call.
FAULT_SECONDS = 15

# So many calls nobody makes: every one meets the fault.
ALL = 1_000_000

# A backend that is asked so that a page can show its balance.
LOOK_SECONDS = 1.0


# What a search may end in while the backend is down.
NO_ANSWER = (NoReply, BackendUnavailable, CardNotFound)


class Lost(StrEnum):
    """Whose answer to the next call gets lost."""

    NONE = ""
    BACKEND = "backend"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The backend of a provider of the demo: the address of its control, and its codes with what each is."""

    control_url: str
    codes: dict[str, str]


@dataclass(frozen=True, slots=True)
class Demo:
    """What the page plays with: the providers before sandboxes, and the pair that all of them accept."""

    app_key: str
    app_token: str
    sandboxes: dict[str, Sandbox]

    def write(self, file: Path) -> None:
        """Keep it where the setting GIFTBRIDGE_DEMO says."""
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, file: Path) -> Self:
        found = json.loads(file.read_text())
        sandboxes = {provider: Sandbox(**one) for provider, one in found["sandboxes"].items()}
        return cls(found["app_key"], found["app_token"], sandboxes)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that VTEX made: `sent` without the code, `status` None where no answer arrived."""

    what: str
    date: datetime
    path: str
    sent: dict[str, Any]
    status: int | None
    answer: Any

    @property
    def amount(self) -> Decimal | None:
        """What it wants to move; None for one that only asks."""
        amount: Decimal | None = self.sent.get("value")
        return amount

    @property
    def is_done(self) -> bool:
        return self.status is not None and self.status < 300


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that the backend got: `path` without codes, `status` 0 where it did nothing, `lost` its answer."""

    path: str
    status: int
    lost: bool


@dataclass(frozen=True, slots=True)
class Checkout:
    """A shopper with a card, and the order being paid. `card` is its id for VTEX, `card_at_backend` the backend's.

    `request_id` names the payment; None before there is one. `asked_before`: so many POSTs came to the backend before.
    """

    name: str
    provider: str
    card: str
    card_at_backend: str
    balance: str
    request_id: str | None
    asked_before: int
    calls: tuple[Call, ...]

    @property
    def paid(self) -> str | None:
        """The id of the payment, once VTEX was told."""
        told = (
            call.answer["id"]
            for call in self.calls
            if call.is_done and "operation" in call.sent and call.sent["requestId"] == self.request_id
        )
        return next(told, None)

    @property
    def last(self) -> Call | None:
        """The last call that moved money: what VTEX would send again."""
        return next((call for call in reversed(self.calls) if "requestId" in call.sent), None)


@dataclass(frozen=True, slots=True)
class Sight:
    """What three parties know: VTEX the calls of the checkout, the ledger the story, the backend the card's balance.

    Amounts in major units. `story` is None before a payment, `balance` while the backend does not answer; `reserved`
    is what the ledger reserves of that balance, `asked` the calls that moved money there, or should.
    """

    checkout: Checkout
    currency: str
    story: Story | None
    balance: Decimal | None
    reserved: Decimal
    asked: tuple[Asked, ...]


def demo_of(parts: Parts) -> Demo | None:
    """Return what can be played with; None in a service that is no demo."""
    return Demo.read(parts.settings.demo) if parts.settings.demo else None


def begin(parts: Parts, demo: Demo, provider: str, code: str) -> str | None:
    """Search for a card as the checkout does; return the name of the new checkout, None where nothing was found.

    Raises NoReply, CardNotFound, BackendUnavailable, LedgerUnavailable.
    """
    reply = _caller(parts, demo, provider).search(code, deadline=Deadline.after(HUB_SECONDS))
    if reply.status != 200:
        raise BackendUnavailable(f"VTEX was told {reply.status}")
    found = _read(reply.content.decode(errors="replace"))
    if not found:
        return None
    name = secrets.token_hex(8)
    card = search.find_card(parts, provider, code)
    kept = {
        "provider": provider,
        "card": found[0]["id"],
        "card_at_backend": card.id,
        "balance": str(found[0]["balance"].quantize(provider_named(parts, provider).currency.to_decimal(1))),
        "request_id": None,
        "asked_before": 0,
    }
    parts.documents.note(_note(name), kept, KEPT)
    sent = {"client": {}, "cart": {"redemptionCode": "…"}}
    _keep(parts, name, "search", "/giftcards/_search", sent, reply)
    return name


def checkout(parts: Parts, name: str) -> Checkout | None:
    """Return what was done so far, oldest call first; None where there is no such checkout."""
    found = parts.documents.noted(_note(name))
    if found is None:
        return None
    rows = parts.documents.newest(_note(name), CALLS_KEPT)
    return Checkout(name=name, calls=tuple(map(_call, reversed(rows))), **found)


def look(parts: Parts, demo: Demo, at: Checkout) -> Sight:
    """Return what each party knows now. Raises LedgerUnavailable; NoReply where the sandbox is gone."""
    story = None
    if at.request_id is not None:
        try:
            story = show(parts, search.one(parts, at.request_id))
        except TransactionNotFound:
            story = None  # the call is on its way
    provider = provider_named(parts, at.provider)
    amount = provider.currency.to_decimal
    reserved = parts.storage.standing(provider.backend.account, at.card_at_backend).reserved
    asked = tuple(_asked(demo, at.provider)[at.asked_before :]) if at.request_id else ()
    try:
        # Not through the ledger: to be watched must change nothing.
        balance = amount(provider.mapper.get_card(at.card_at_backend, Deadline.after(LOOK_SECONDS)).balance)
    except (BackendUnavailable, CardNotFound):
        balance = None
    return Sight(at, provider.currency.code, story, balance, amount(reserved), asked)


def pay(parts: Parts, demo: Demo, at: Checkout, amount: Decimal, request_id: str, lost: Lost) -> None:
    """Reserve an amount for a new order. Raises LedgerUnavailable."""
    # Before the call, so that whoever watches sees what the ledger writes meanwhile.
    asked_before = at.asked_before if request_id == at.request_id else len(_asked(demo, at.provider))
    kept = {name: getattr(at, name) for name in _KEPT} | {"request_id": request_id, "asked_before": asked_before}
    parts.documents.note(_note(at.name), kept, KEPT)
    sent = {
        "operation": "Debit",
        "value": amount,
        "requestId": request_id,
        "orderInfo": {"orderId": f"try-{request_id[-6:]}"},
    }
    _send(parts, demo, at, "pay", f"{card_path(at.card)}/transactions", sent, lost)


def change(parts: Parts, demo: Demo, at: Checkout, what: str, amount: Decimal, request_id: str, lost: Lost) -> None:
    """`settle` an amount, or `cancel` it: give back what is reserved, else what was settled."""
    if at.paid is None:
        return
    kind = "settlements" if what == "settle" else "cancellations"
    sent = {"value": amount, "requestId": request_id}
    _send(parts, demo, at, what, f"{transaction_path(at.card, at.paid)}/{kind}", sent, lost)


def retry(parts: Parts, demo: Demo, at: Checkout) -> None:
    """Send the last call that moved money once more, under its requestId."""
    if at.last is not None:
        _send(parts, demo, at, "retry", at.last.path, at.last.sent, Lost.NONE)


def kill_backend(demo: Demo, provider: str) -> None:
    """Let a sandbox answer nobody for a while. Raises NoReply."""
    _plan(demo, provider, {"kind": "drop_before", "times": ALL, "lasts_seconds": DOWN_SECONDS})


_KEPT = ("provider", "card", "card_at_backend", "balance")


def _note(name: str) -> str:
    return f"checkout:{name}"


def _send(parts: Parts, demo: Demo, at: Checkout, what: str, path: str, sent: Mapping[str, Any], lost: Lost) -> None:
    if lost is Lost.BACKEND:
        _plan(demo, at.provider, {"kind": "drop_after", "method": "POST", "lasts_seconds": FAULT_SECONDS})
    caller = _caller(parts, demo, at.provider, HangingUp() if lost is Lost.SERVICE else _http())
    try:
        reply = caller.call("POST", path, sent, deadline=Deadline.after(HUB_SECONDS))
    except NoReply:
        reply = None
    _keep(parts, at.name, what, path, sent, reply)


def _keep(parts: Parts, name: str, what: str, path: str, sent: Mapping[str, Any], reply: Reply | None) -> None:
    row = {
        "what": what,
        "date": milliseconds(datetime.now(UTC)),
        "path": path,
        "sent": encode(dict(sent)),
        "status": reply.status if reply else None,
        "answer": reply.content.decode(errors="replace") if reply else "",
    }
    parts.documents.log(_note(name), row, CALLS_KEPT)


def _caller(parts: Parts, demo: Demo, provider: str, http: Http | None = None) -> ServiceCaller:
    host, port = parts.settings.address
    return ServiceCaller(http or _http(), f"http://{host}:{port}/{provider}", demo.app_key, demo.app_token)


def _plan(demo: Demo, provider: str, fault: Mapping[str, Any]) -> None:
    headers, content = {"Content-Type": "application/json"}, json.dumps(fault).encode()
    url = f"{demo.sandboxes[provider].control_url}faults"
    _http().call("POST", url, headers=headers, content=content, deadline=Deadline.after(LOOK_SECONDS))


def _asked(demo: Demo, provider: str) -> list[Asked]:
    """Return what the sandbox was sent by POST since it began. What only reads is left out: this page reads, too."""
    found = demo.sandboxes[provider]
    url, deadline = f"{found.control_url}requests?method=POST", Deadline.after(LOOK_SECONDS)
    rows = _http().call("GET", url, headers={}, deadline=deadline).json()
    return [Asked(_without(found.codes, row["path"]), row["status"], row["lost"]) for row in rows]


def _without(codes: Iterable[str], path: str) -> str:
    for code in codes:
        path = path.replace(quote(code, safe=""), "…").replace(code, "…")
    return path


def _call(row: Document) -> Call:
    read = {"date": moment(row["date"]), "sent": _read(row["sent"]), "answer": _read(row["answer"])}
    return Call(**row | read)


def _read(text: str) -> Any:
    """Return what JSON says, amounts exact; None for what is none, such as an empty answer."""
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except ValueError:
        return None


@cache
def _http() -> HttpClient:
    """One for each process, made after it was forked."""
    return HttpClient()

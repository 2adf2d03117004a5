"""One run of checks: makes the Hub's calls, keeps the evidence, and gives back what it opened."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from mappers.base import Secret, mask_code
from mappers.deadline import Deadline
from mappers.exact_json import encode
from mappers.money import Currency, UnknownCurrency
from providers.certify.check import Failed, NotTried, Timing, expect
from providers.hub.calls import HangingUp, NoReply, Reply
from providers.hub.service_url import HUB_SECONDS, Http, ServiceCaller, card_path

SETTLEMENTS = "settlements"
CANCELLATIONS = "cancellations"

# Longer texts of evidence are cut.
SHOWN_CHARACTERS = 1500

# Shorter secrets would blot out ordinary words.
SHORTEST_SECRET = 4

# Each thing that could not be given back at once is tried so often.
TRIES = 3

Json = Any


@dataclass(frozen=True, slots=True)
class Target:
    """What is certified, and what may be spent: at most `spend` at a time, on a card of at most `max_balance`.

    Both are in major units.
    """

    url: str
    app_key: str
    app_token: Secret = field(repr=False)
    code: Secret | None = field(default=None, repr=False)
    email: str | None = None
    loyalty: bool = False
    issue: bool = False
    spend: Decimal = Decimal("1.00")
    max_balance: Decimal | None = Decimal(50)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, secrets masked. `status` is 0 where nothing answered."""

    request: str
    sent: str
    status: int
    answer: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider answered to one call."""

    call: str
    reply: Reply
    seconds: float

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def success(self) -> bool:
        return 200 <= self.status < 300

    def header(self, name: str) -> str:
        return self.reply.headers.get(name) or ""

    def json(self) -> Json:
        """Return the JSON of the body. Raises Failed."""
        try:
            return self.reply.json()
        except ValueError as error:
            raise Failed(f"the answer to {self.call} is not JSON") from error

    def ok(self) -> Json:
        """Return the JSON of a 200. Raises Failed."""
        expect(self.status == 200, f"{self.call} answered {self.status} instead of 200")
        return self.json()

    def object(self) -> dict[str, Json]:
        """Return the JSON object of a 200. Raises Failed."""
        value = self.ok()
        expect(isinstance(value, dict), f"the answer to {self.call} is not a JSON object")
        return dict(value)

    def array(self) -> list[Json]:
        """Return the JSON array of a 200. Raises Failed."""
        value = self.ok()
        expect(isinstance(value, list), f"the answer to {self.call} is not a JSON array")
        return list(value)

    def refused(self) -> None:
        """Raise Failed unless the provider said no with a 4xx."""
        expect(400 <= self.status < 500, f"{self.call} answered {self.status} instead of a 4xx")


@dataclass(slots=True)
class Opened:
    """A debit or credit that was sent. `id` is None while the provider has not told it."""

    card: str
    body: dict[str, Json]
    id: str | None = None

    @property
    def value(self) -> Decimal:
        return Decimal(self.body["value"])

    @property
    def path(self) -> str:
        return f"{card_path(self.card)}/transactions/{quote(self.id or '', safe='')}"


class Session:
    """Plays the Hub against one provider. Shared by the threads of a race."""

    def __init__(
        self, target: Target, http: Http, clock: Callable[[], float] = time.monotonic, cut: Http | None = None
    ) -> None:
        """`cut` sends requests and loses their answers."""
        self.target = target
        self.left: list[str] = []
        self.timing: Timing | None = None
        self._http = http
        self._cut = cut or HangingUp()
        self._clock = clock
        self._exchanges: list[Exchange] = []
        self._opened: list[Opened] = []
        self._credited: list[Opened] = []
        self._card: dict[str, Json] | None = None
        self._lock = threading.Lock()
        self._secrets = [str(target.app_token), *([str(target.code)] if target.code else [])]

    # Calls

    def call(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        headers: Mapping[str, str | None] | None = None,
        content: bytes | None = None,
        slash: str = "",
        url: str | None = None,
        http: Http | None = None,
        seconds: float = HUB_SECONDS,
    ) -> Answer:
        """Make one call and keep it as evidence; `url` replaces the serviceUrl. Raises Failed where nothing answers."""
        caller = ServiceCaller(
            http or self._http, url or self.target.url, self.target.app_key, str(self.target.app_token)
        )
        shown, begun = f"{method} {slash}{path}", self._clock()
        sent = encode(body) if body is not None else (content or b"").decode("utf-8", "replace")
        try:
            reply = caller.call(
                method, path, body, deadline=Deadline.after(seconds), slash=slash, headers=headers, content=content
            )
        except NoReply as error:
            self._keep(shown, sent, 0, str(error), begun)
            raise Failed(f"{self.masked(shown)} had no answer: {error}") from error
        seconds = self._keep(shown, sent, reply.status, reply.content.decode("utf-8", "replace"), begun)
        return Answer(self.masked(shown), reply, seconds)

    def lost(self, call: Callable[..., Answer]) -> None:
        """Make a call whose answer is lost: `call` takes `http`."""
        with suppress(Failed):
            call(http=self._cut)

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def search(self, cart: Mapping[str, Json] | None = None, client: Json = None, **options: Any) -> Answer:
        """Search as the payment page does, for the code where there is one; `cart` and `client` replace fields."""
        return self.call("POST", "/giftcards/_search", self.search_body(cart, client), **options)

    def search_body(self, cart: Mapping[str, Json] | None = None, client: Json = None) -> dict[str, Json]:
        item = {"productId": "2000000", "id": "2000002", "refId": "MEV41", "name": None, "price": 200, "quantity": 1}
        usual = {"grandTotal": 182, "relationName": None, "redemptionCode": self._code, "discounts": -20, "shipping": 2}
        who = {"id": None, "email": self.target.email, "document": None}
        return {
            "client": {**who, **(client or {})},
            "cart": {**usual, "taxes": 0, "items": [item], "itemsTotal": 200, **(cart or {})},
        }

    def search_code(self, **options: Any) -> Answer:
        """Search for the code. Raises NotTried without one."""
        return self.search({"redemptionCode": self.code}, **options)

    @property
    def _code(self) -> str | None:
        return str(self.target.code) if self.target.code else None

    @property
    def code(self) -> str:
        """The code of the card. Raises NotTried without one."""
        if self._code is None:
            raise NotTried("give the code of a card with --code-stdin")
        return self._code

    # The card

    @property
    def card(self) -> dict[str, Json]:
        """The card that was found first. Raises NotTried where the code finds none, or one with too much money."""
        if self._card is None:
            self._card = self._found()
        return self._card

    @property
    def path(self) -> str:
        return card_path(str(self.card["id"]))

    def _found(self) -> dict[str, Json]:
        try:
            row = self.search_code().array()[0]
            card = {**row, **self.get(card_path(str(row["id"]))).object()}
            card["id"], balance = str(row["id"]), Decimal(str(card["balance"]))
        except (Failed, LookupError, TypeError, ArithmeticError) as error:
            raise NotTried("the code finds no card") from error
        if self.target.max_balance is not None and balance > self.target.max_balance:
            raise NotTried(f"the card holds {balance}, more than --max-balance {self.target.max_balance}")
        return card

    def balance(self) -> Decimal:
        """Return what the card has now. Raises NotTried where get does not work."""
        try:
            return Decimal(str(self.get(self.path).object()["balance"]))
        except (Failed, LookupError, ArithmeticError) as error:
            raise NotTried("the card's balance cannot be read") from error

    @property
    def unit(self) -> Decimal:
        """The smallest amount of the card's currency, in major units."""
        try:
            digits = Currency.of(str(self.card.get("currencyCode") or "BRL")).digits
        except UnknownCurrency:
            digits = 2
        return Decimal(1).scaleb(-digits)

    def share(self, part: int = 1) -> Decimal:
        """Return `--spend` divided by `part`, in whole units. Raises NotTried where the card has too little."""
        if self.balance() < self.target.spend:
            raise NotTried(f"the card needs a balance of {self.target.spend}")
        return self.share_of(self.target.spend, part)

    def share_of(self, value: Decimal, part: int) -> Decimal:
        """Return an amount divided by `part`, in whole units. Raises NotTried where that leaves nothing."""
        share = (value / part // self.unit) * self.unit
        if share <= self.unit:
            raise NotTried("give --spend an amount of more than a few cents")
        return share

    # Money

    def debit(self, value: Json, request_id: str | None = None, **options: Any) -> Answer:
        """Ask for a debit. What was opened, or may have been, is given back after the check."""
        return self.transaction("Debit", value, request_id, **options)

    def transaction(
        self,
        operation: str,
        value: Json,
        request_id: str | None = None,
        *,
        card: str | None = None,
        order: Mapping[str, Json] | None = None,
        **options: Any,
    ) -> Answer:
        """Ask for a debit or a credit."""
        info = {"orderId": "v1000000crtf-01", "sequence": 1, "cart": {}, "clientProfile": {}, "shipping": {}}
        body = {
            "operation": operation,
            "value": value,
            "description": "GiftCardHub",
            "redemptionToken": None,
            "redemptionCode": self.card.get("redemptionCode"),
            "requestId": request_id or new_request_id(),
            "orderInfo": {**info, **(order or {})},
        }
        opened = Opened(card or str(self.card["id"]), body)
        with self._lock:
            (self._opened if operation == "Debit" else self._credited).append(opened)
        answer = self.call("POST", f"{card_path(opened.card)}/transactions", body, **options)
        self._settle_what_opened(opened, answer)
        return answer

    def _settle_what_opened(self, opened: Opened, answer: Answer) -> None:
        """Note the id of what was opened; forget what was refused, or is known already."""
        known = self._opened if opened.body["operation"] == "Debit" else self._credited
        opened.id = _id(answer)
        with self._lock:
            twice = opened.id and any(other.id == opened.id for other in known if other is not opened)
            if twice or 300 <= answer.status < 500:
                known[:] = [other for other in known if other is not opened]

    def opened(self, value: Decimal) -> Opened:
        """Return a new debit, for a check of what comes after. Raises NotTried where there is none."""
        try:
            return self.opened_by(self.debit(value))
        except Failed as error:
            raise NotTried("a debit was not answered") from error

    def opened_by(self, answer: Answer) -> Opened:
        """Return the debit that was answered so. Raises NotTried where it was refused or has no id."""
        found = _id(answer)
        if found is None:
            raise NotTried(f"a debit answered {answer.status}, or has no id")
        return next(one for one in self._opened if one.id == found)

    def post(self, opened: Opened, kind: str, value: Json, request_id: str | None = None, **options: Any) -> Answer:
        """Settle or cancel."""
        body = {"value": value, "requestId": request_id or new_request_id()}
        return self.call("POST", f"{opened.path}/{kind}", body, **options)

    def done(self, opened: Opened, kind: str, value: Decimal) -> None:
        """Settle or cancel, for a check of what comes after. Raises NotTried where it does not work."""
        try:
            answer = self.post(opened, kind, value)
        except Failed as error:
            raise NotTried(f"one of the {kind} was not answered") from error
        if not answer.success:
            raise NotTried(f"one of the {kind} answered {answer.status}")

    def total(self, opened: Opened, kind: str) -> Decimal:
        """Return the sum of a list, as the Hub makes it. Raises NotTried where there is no such list."""
        try:
            return sum((Decimal(str(one["value"])) for one in self.get(f"{opened.path}/{kind}").array()), Decimal())
        except (Failed, LookupError, TypeError, ArithmeticError) as error:
            raise NotTried(f"the list of {kind} cannot be summed") from error

    def issue(self, name: str | None = None) -> Answer:
        """Have a card made, of this relationName or a new one. Raises NotTried where the provider issues none."""
        if not self.target.issue:
            raise NotTried("give --issue to have new cards made, which stay at the provider without money")
        relation = {"relationName": name or new_relation_name(), "profileId": "certify@example.com"}
        answer = self.call("POST", "/giftcards", {**relation, "caption": "Certify", "currencyCode": None})
        if 400 <= answer.status < 500:
            raise NotTried("the provider issues no cards")
        issued = answer.object()
        self.hide(issued.get("redemptionCode"), issued.get("redemptionToken"))
        return answer

    def at_once(self, *calls: Callable[[], Answer]) -> list[Answer]:
        """Make several calls at the same moment; return their answers in order. Raises Failed."""
        barrier = threading.Barrier(len(calls))

        def one(call: Callable[[], Answer]) -> Answer:
            barrier.wait(HUB_SECONDS)
            return call()

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(one, calls))

    # Giving back

    def give_back(self) -> None:
        """Cancel everything that is open; what cannot be is in `left`."""
        for opened in self._credited:
            self._take_again(opened)
        self._credited.clear()
        while self._opened:
            opened = self._opened[-1]
            if problem := self._canceled(opened):
                self.left.append(f"{opened.value} of request {opened.body['requestId']}: {problem}")
            self._opened.remove(opened)

    def _canceled(self, opened: Opened) -> str | None:
        """Cancel one debit; return what stands in the way."""
        problem = "the debit was answered without an id, so that nobody can cancel it"
        for _ in range(TRIES):
            try:
                if opened.id is None:
                    # Whether it happened only the same request can tell.
                    answer = self.call("POST", f"{card_path(opened.card)}/transactions", opened.body)
                    if 300 <= answer.status < 500:
                        return None
                    opened.id = _id(answer)
                    if opened.id is None:
                        continue
                rest = opened.value - self.total(opened, CANCELLATIONS)
                if rest <= 0:
                    return None
                answer = self.post(opened, CANCELLATIONS, rest)
                if answer.success:
                    return None
                problem = f"transaction {opened.id} answers {answer.status} to a cancellation of {rest}"
            except (Failed, NotTried) as error:
                problem = str(error)
        return problem

    def _take_again(self, credit: Opened) -> None:
        """Spend what a credit gave: there is no other way to take it from the card."""
        try:
            if credit.id is None:
                answer = self.call("POST", f"{card_path(credit.card)}/transactions", credit.body)
                if not answer.success:
                    return
            debit = self.opened(credit.value)
            self.done(debit, SETTLEMENTS, credit.value)
            self._opened.remove(debit)
        except (Failed, NotTried) as error:
            self.left.append(f"a credit of {credit.value} stays on the card: {error}")

    # Evidence

    def masked(self, text: str) -> str:
        """Return `text` without codes and tokens, however they are written."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            for written in (secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote(secret)):
                if len(written) >= SHORTEST_SECRET:
                    text = text.replace(written, mask_code(secret))
        return text

    def hide(self, *texts: Json) -> None:
        """Mask these from now on, and in the evidence there is."""
        self._secrets += [text for text in texts if isinstance(text, str) and len(text) >= SHORTEST_SECRET]
        with self._lock:
            self._exchanges = [
                Exchange(
                    self.masked(one.request), self.masked(one.sent), one.status, self.masked(one.answer), one.seconds
                )
                for one in self._exchanges
            ]

    def evidence(self) -> Sequence[Exchange]:
        """Return the calls made since this was asked before."""
        with self._lock:
            taken, self._exchanges = tuple(self._exchanges), []
        return taken

    def _keep(self, request: str, sent: str, status: int, answer: str, begun: float) -> float:
        """Keep a call as evidence; return how many seconds it took."""
        seconds = self._clock() - begun
        shown = [self.masked(text)[:SHOWN_CHARACTERS] for text in (request, sent, answer)]
        with self._lock:
            self._exchanges.append(Exchange(shown[0], shown[1], status, shown[2], seconds))
        return seconds


def new_request_id() -> str:
    """Return a requestId as the Hub makes them."""
    return secrets.token_hex(16).upper()


def new_relation_name() -> str:
    """Return a relationName that no card has."""
    return f"certify-{secrets.token_hex(8)}"


def _id(answer: Answer) -> str | None:
    """Return the transaction's id in an answer, where it has one."""
    try:
        value = answer.reply.json() if answer.success else None
    except ValueError:
        return None
    found = value.get("id") if isinstance(value, dict) else None
    return str(found) if found not in (None, "") else None

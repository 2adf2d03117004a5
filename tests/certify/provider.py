"""A gift card provider in memory, as a WSGI app: right without faults, wrong in one way with each."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from mappers.deadline import Deadline
from mappers.exact_json import decode, encode
from providers.hub.calls import NoReply, Reply

URL = "http://127.0.0.1:1/acme"
KEY, TOKEN = "right-key", "right-token"
CODE = "GIFT-CARD-CODE-1"
CARD = "card-1"
CUSTOMER = "shopper@example.com"
DATE = "2026-01-01T00:00:00.000Z"

Json = Any


class Refused(Exception):
    """Answered with this status and an error."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Raw:
    """An answer as it is sent."""

    status: int = 200
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Transaction:
    id: str
    body: Json
    cents: int
    moves: dict[str, list[Json]] = field(default_factory=lambda: {"settlements": [], "cancellations": []})
    by_request: dict[tuple[str, str], tuple[int, Json]] = field(default_factory=dict)

    def total(self, kind: str) -> int:
        return sum(cents(move["value"]) for move in self.moves[kind])


MOVES = {"settle": "settlements", "cancel": "cancellations"}

# What each answer is spoiled with: the fault, the answers it is in, and how.
SPOILED: dict[str, tuple[str, Callable[[Json], Json]]] = {
    "search_without_links": ("search", lambda rows: [without(row, "_self", "transaction") for row in rows]),
    "search_balance_is_text": ("search", lambda rows: [row | {"balance": str(row["balance"])} for row in rows]),
    "card_without_dates": ("card", lambda card: without(card, "emissionDate")),
    "card_balance_drifts": ("card", lambda card: card | {"balance": card["balance"] + Decimal("1e-9")}),
    "card_dates_for_people": ("card", lambda card: card | {"emissionDate": "01/02/2026"}),
    "search_shows_code": ("search", lambda rows: [row | {"redemptionCode": CODE} for row in rows]),
    "card_shows_code": ("card", lambda card: card | {"redemptionCode": CODE}),
    "link_to_the_root": ("search", lambda rows: [row | {"_self": {"href": f"/giftcards/{CARD}"}} for row in rows]),
    "debit_without_id": ("debit", lambda answer: without(answer, "id")),
    "debit_without_card": ("debit", lambda answer: without(answer, "cardId")),
    "transaction_without_links": ("transaction", lambda shown: without(shown, "settlement")),
    "authorization_without_oid": ("authorization", lambda shown: without(shown, "oid")),
    "settlement_value_is_text": ("settle", lambda move: move | {"value": str(move["value"])}),
    "cancellation_without_date": ("cancel", lambda move: without(move, "date")),
    "a_discount": ("card", lambda card: card | {"discount": True}),
    "another_request_shown": ("transaction", lambda shown: shown | {"requestId": "another"}),
    "no_transactions_listed": ("transactions", lambda _: []),
    "authorizes_another_value": ("authorization", lambda shown: shown | {"value": shown["value"] + 1}),
    "first_settlement_listed": ("settlements", lambda moves: moves[:1]),
    "first_cancellation_listed": ("cancellations", lambda moves: moves[:1]),
    "another_settlement_value": ("settle", lambda move: move | {"value": move["value"] + 1}),
    "search_provider_is_a_number": ("search", lambda rows: [row | {"provider": 5} for row in rows]),
    "card_currency_is_a_number": ("card", lambda card: card | {"currencyCode": 986}),
    "new_card_has_a_text_for_a_flag": ("issue", lambda card: card | {"multipleCredits": "true"}),
    "debit_link_is_text": ("debit", lambda answer: answer | {"_self": "/acme"}),
    "listed_without_card": ("transactions", lambda rows: [without(row, "cardId") for row in rows]),
    "description_is_a_number": ("transaction", lambda shown: shown | {"description": 5}),
    "authorization_oid_is_a_number": ("authorization", lambda shown: shown | {"oid": 5}),
    "settlement_oid_is_a_number": ("settle", lambda move: move | {"oid": 5}),
    "cancellation_oid_is_a_number": ("cancel", lambda move: move | {"oid": 5}),
    "settlements_dates_are_numbers": ("settlements", lambda moves: [move | {"date": 5} for move in moves]),
    "cancellations_without_oid": ("cancellations", lambda moves: [without(move, "oid") for move in moves]),
    "card_without_code": ("issue", lambda card: without(card, "redemptionCode")),
    "new_cards_have_money": ("issue", lambda card: card | {"balance": 1}),
    "two_cards_of_a_code": ("search", lambda rows: rows * 2),
    "another_id_in_get": ("card", lambda card: card | {"id": "card-2"}),
    "another_balance_in_search": ("search", lambda rows: [row | {"balance": row["balance"] + 1} for row in rows]),
}

# What a search stumbles over.
STUMBLES: dict[str, Callable[[WSGIEnvironment, bytes], object]] = {
    "refuses_plain_json": lambda environ, _: environ["CONTENT_TYPE"] == "application/json",
    "refuses_old_media_type": lambda environ, _: "giftcardproviders" in environ["CONTENT_TYPE"],
    "refuses_charset": lambda environ, _: "charset" in environ["CONTENT_TYPE"],
    "refuses_tracing": lambda environ, _: "HTTP_BAGGAGE" in environ,
    "refuses_any_accept": lambda environ, _: environ["HTTP_ACCEPT"] == "*/*",
    "refuses_gzip": lambda environ, _: "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""),
    "refuses_new_fields": lambda _, body: b"certifyNewField" in body,
    "refuses_null_clients": lambda _, body: b'"corporateDocument":null' in body,
    "wants_integers": lambda _, body: b"-7.5" in body,
    "ignores_chunks": lambda environ, _: "HTTP_TRANSFER_ENCODING" in environ,
    "refuses_companies": lambda _, body: b'"corporateDocument":"1' in body,
    "digits_alone": lambda _, body: b"123.456" in body,
    "small_bodies_alone": lambda _, body: len(body) > 20_000,
    "ascii_alone": lambda _, body: b"\\ud83c" in body or not body.isascii(),
    "long_code_fails": lambda _, body: b"CCCCCC" in body,
    "code_with_signs_fails": lambda _, body: b"CERTIFY/" in body,
    "null_code_fails": lambda _, body: b'"redemptionCode":null' in body,
    "empty_code_fails": lambda _, body: b'"redemptionCode":""' in body,
    "absent_code_fails": lambda _, body: b"{" in body and b"redemptionCode" not in body,
    "strict_range": lambda environ, _: environ.get("HTTP_REST_RANGE") == "resources=0-",
}


def without(fields: Json, *names: str) -> Json:
    return {name: value for name, value in fields.items() if name not in names}


def cents(value: Json) -> int:
    return int(Decimal(value) * 100)


def major(minor: int) -> Decimal:
    return Decimal(minor) / 100


class Provider:
    """Keeps one card; `owned` has it belong to CUSTOMER, `faults` names what is wrong."""

    def __init__(self, *faults: str, balance: str = "1.00") -> None:
        self.faults = set(faults)
        self.cents = cents(balance)
        self.transactions: dict[str, Transaction] = {}
        self.by_request: dict[tuple[str, str], Transaction] = {}
        self.lock = threading.RLock()
        self.numbers = itertools.count(1)
        self.calls: list[str] = []
        self.issued: dict[tuple[str, str], Json] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        # A body in chunks has no length, and an end of its own.
        length = -1 if environ.get("wsgi.input_terminated") else int(environ.get("CONTENT_LENGTH") or 0)
        raw = self.answer(environ, environ["wsgi.input"].read(length))
        start_response(f"{raw.status} -", list(raw.headers.items()))
        return [raw.content]

    def has(self, *faults: str) -> bool:
        return not self.faults.isdisjoint(faults)

    def answer(self, environ: WSGIEnvironment, body: bytes) -> Raw:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        self.calls.append(f"{method} {path}")
        if "//" in path and self.has("redirects_double_slash"):
            return Raw(308, headers={"Location": path.replace("//", "/")})
        path = re.sub("/+", "/", path)
        if not path.startswith("/acme/"):
            return Raw(
                404 if self.has("unknown_provider_is_404") else 401 if self.has("always_401") else 403,
                b"{}" if self.has("body_on_403") else b"",
            )
        path = path.removeprefix("/acme")
        name = name_of(method, path)
        if refused := self.refused(environ, name, path):
            return refused
        headers = self.headers(name)
        if method == "GET" and not environ.get("CONTENT_TYPE") and self.has("wants_type_on_get"):
            return self.error(415, headers)
        try:
            stumbles = name == "search" and any(STUMBLES[one](environ, body) for one in self.faults & set(STUMBLES))
            if stumbles or (environ.get("QUERY_STRING") and self.has("refuses_queries")):
                raise Refused(400)
            with self.lock:
                answered = self.act(name, path, json_of(body))
        except Refused as error:
            return self.error(error.status, headers)
        except ValueError:
            return self.error(500 if self.has("broken_json_is_500") else 400, headers)
        if environ.get("certify.cut") and self.has(f"forgets_lost_{name}"):
            self.forget(name, path, json_of(body))
        if name == "debit" and self.has("loses_debit_answers"):
            self.faults.discard("loses_debit_answers")
            return Raw(0)
        for fault, (where, spoil) in SPOILED.items():
            if self.has(fault) and where == name:
                answered = spoil(answered)
        return Raw(200, encode(answered).encode(), headers)

    def forget(self, name: str, path: str, body: Json) -> None:
        """Forget what was answered to somebody who is gone, and keep the money where it went."""
        if name == "debit":
            del self.by_request[body["operation"], body["requestId"]]
            return
        self.transactions[path.split("/")[4]].moves[MOVES[name]].pop()

    def headers(self, name: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
        if self.has("answers_html_type"):
            headers["Content-Type"] = "text/html"
        if self.has("may_be_stored"):
            headers["Cache-Control"] = "public"
        if name == "search" and not self.has("no_content_range"):
            headers["REST-Content-Range"] = "resources 0-0/1"
        return headers

    def error(self, status: int, headers: Mapping[str, str]) -> Raw:
        if self.has("empty_errors"):
            return Raw(status)
        if self.has("errors_of_another_form"):
            return Raw(status, b'{"error":{"reason":"no"}}', headers)
        return Raw(status, b'{"error":{"code":"No","message":"no","exception":null}}', headers)

    def refused(self, environ: WSGIEnvironment, name: str, path: str) -> Raw | None:
        """Tell what a stranger gets; None for who may call."""
        key, token = environ.get("HTTP_X_PROVIDER_API_APPKEY"), environ.get("HTTP_X_PROVIDER_API_APPTOKEN")
        if (key, token) == (KEY, TOKEN) or self.has(f"open_{name}"):
            return None
        lets_in = {
            "token_is_enough": token == TOKEN and key is None,
            "key_is_enough": key == KEY and token is None,
            "any_key": token == TOKEN and key not in (None, TOKEN),
            "swapped_gets_in": (key, token) == (TOKEN, KEY),
            "doubled_gets_in": token == f"{TOKEN}, {TOKEN}",
            "empty_gets_in": (key, token) == ("", ""),
            "prefix_gets_in": token == TOKEN[:-1],
        }
        if any(self.has(fault) and holds for fault, holds in lets_in.items()):
            return None
        missing = key is None or token is None
        if self.has("strangers_see_cards") and path == "/giftcards/certify-unknown":
            return Raw(401)
        if missing:
            status = 403 if self.has("always_403") else 401
            return Raw(status, b"{}" if self.has("body_on_401") else b"")
        return Raw(401 if self.has("always_401") else 403, b"{}" if self.has("body_on_403") else b"")

    def act(self, name: str, path: str, body: Json) -> Json:
        match name:
            case "search":
                return self.search(body)
            case "issue":
                return self.issue(body)
            case "nothing":
                raise Refused(404)
        parts = path.split("/")
        if parts[2] not in (self.card_id, CARD) and not (name == "debit" and self.has("debits_unknown_cards")):
            raise Refused(404)
        if name == "card":
            return self.card()
        if name == "debit":
            return self.transact(body)
        if name == "transactions":
            return [self.opened(one) for one in self.transactions.values()]
        transaction = self.transactions.get(parts[4])
        if transaction is None and self.has(f"unknown_{name}"):
            return {"oid": "m0", "value": major(1), "date": DATE}
        if transaction is None:
            raise Refused(404 if not self.has("unknown_transaction_is_500") else 500)
        links = {one: {"href": f"/acme{path}/{one}s"} for one in ("settlement", "cancellation", "authorization")}
        match name:
            case "transaction":
                shown = {"value": major(transaction.cents), "date": DATE, "description": "", **links}
                return shown | {"requestId": transaction.body["requestId"], "operation": transaction.body["operation"]}
            case "authorization":
                return {"oid": transaction.id, "value": major(transaction.cents), "date": DATE}
            case "settlements" | "cancellations":
                moves = transaction.moves[name]
                return {} if not moves and self.has(f"no_{name}_is_an_object") else moves
        return self.move(transaction, MOVES[name], body)

    @property
    def card_id(self) -> str:
        return "card+1=" if self.has("signs_in_id") else f"x-{CODE}" if self.has("code_in_id") else CARD

    def search(self, body: Json) -> Json:
        if self.has("reading_costs") and self.cents > 1:
            self.cents -= 1
        code = (body.get("cart") or {}).get("redemptionCode")
        email = (body["client"] or {}).get("email") or ""
        email = email if self.has("capitals_differ") else email.lower()
        mine = not code and (email == CUSTOMER or self.has("shows_everybody")) and not self.has("no_loyalty")
        if code == "CERTIFY-UNKNOWN-0000" and self.has("unknown_code_is_404"):
            raise Refused(404)
        if (code != CODE and not mine) or (self.cents <= 0 and not self.has("shows_zero")):
            return []
        card_id = f"card-{next(self.numbers)}" if self.has("another_id_each_time") else self.card_id
        links = {
            "_self": {"href": f"/acme/giftcards/{card_id}"},
            "transaction": {"href": f"/acme/giftcards/{card_id}/transactions"},
        }
        row = {"id": card_id, "provider": "acme", "balance": major(self.cents), "redemptionCode": "****", **links}
        return [row]

    def card(self) -> Json:
        fields = {"id": self.card_id, "provider": "acme", "balance": major(self.cents), "redemptionCode": "****"}
        dates = {"emissionDate": DATE, "expiringDate": None}
        return fields | dates | {"discount": False, "transactions": {"href": f"/acme/giftcards/{CARD}/transactions"}}

    def issue(self, body: Json) -> Json:
        if "relationName" not in body:
            raise Refused(400)
        relation = (body["relationName"], body["profileId"])
        new = {"id": f"new-{next(self.numbers)}", "redemptionCode": "NEW-CODE-1", "redemptionToken": None, "balance": 0}
        card = self.issued.setdefault(relation, new)
        return card | ({"id": f"new-{next(self.numbers)}"} if self.has("two_cards_of_a_relation") else {})

    def transact(self, body: Json) -> Json:
        amount = self.amount(body["value"], "debit")
        credit = body["operation"] == "Credit"
        strict = self.has("wants_numbers_as_sequence") and isinstance(body["orderInfo"]["sequence"], str)
        if strict or (credit and self.has("credits_fail")):
            raise Refused(500)
        before = self.replayed(body, amount)
        if before is not None:
            return before
        if not credit and amount > self.cents and not self.has("overdraws", *racing("racing_overspends")):
            raise Refused(422)
        if credit:
            self.cents += 0 if self.has("credit_gives_nothing") else amount
        else:
            self.cents -= 0 if self.has("debit_takes_nothing") else amount
        name = f"t{'+=' if self.has('signs_in_transaction') else ''}{next(self.numbers)}"
        transaction = Transaction(name, body, amount)
        self.transactions[name] = self.by_request[body["operation"], body["requestId"]] = transaction
        return self.opened(transaction)

    def replayed(self, body: Json, amount: int) -> Json | None:
        """Return the answer to a request that was there before."""
        if self.has("one_transaction_per_value"):
            for one in self.transactions.values():
                if one.cents == amount and body["operation"] == "Debit" and not one.total("cancellations"):
                    return self.opened(one)
        before = self.by_request.get((body["operation"], body["requestId"]))
        if before is None or self.has(*racing("racing_debits")):
            return None
        if before.cents != amount:
            self.cents -= 1 if self.has("conflict_moves") else 0
            if not self.has("conflict_replays"):
                raise Refused(409)
        elif body["operation"] == "Credit":
            self.cents += amount if self.has("credits_again") else 0
        elif self.has("debits_again"):
            self.cents -= amount
        elif self.has("new_id_on_replay"):
            again = Transaction(f"t{next(self.numbers)}", body, amount)
            again.moves["cancellations"].append({"oid": "none", "value": major(amount), "date": DATE})
            self.transactions[again.id] = again
            return self.opened(again)
        return self.opened(before)

    def opened(self, transaction: Transaction) -> Json:
        href = f"/acme/giftcards/{CARD}/transactions/{transaction.id}"
        return {"cardId": self.card_id, "id": transaction.id, "_self": {"href": href}}

    def amount(self, value: Json, kind: str) -> int:
        exact = Decimal(value)
        rounded = exact.quantize(Decimal("0.01"), ROUND_HALF_EVEN)
        artifact = exact != rounded and self.has("refuses_artifacts")
        finer = abs(exact - rounded) > Decimal("1e-9") and not self.has("rounds_cents")
        zero = rounded == 0 and not self.has(f"zero_{kind}")
        negative = rounded < 0 and not self.has(f"negative_{kind}")
        if isinstance(value, str | bool) or artifact or finer or zero or negative:
            raise Refused(400)
        return cents(rounded)

    def move(self, transaction: Transaction, kind: str, body: Json) -> Json:
        """Settle or cancel. What is held is given back first, then what was settled."""
        amount = self.amount(body["value"], kind)
        before = transaction.by_request.get((kind, body["requestId"]))
        if before is not None and before[0] != amount and not self.has(f"conflicting_{kind}"):
            raise Refused(409)
        if before is not None and not self.has(f"again_{kind}", *racing(f"racing_{kind}")):
            return before[1]
        if self.has(f"refuses_{kind}") or (self.has(f"one_of_{kind}") and transaction.moves[kind]):
            raise Refused(422)
        settled, canceled = transaction.total("settlements"), transaction.total("cancellations")
        cancels = kind == "cancellations"
        if cancels and settled and canceled == amount and self.has("second_equal_refund_swallowed"):
            return transaction.moves[kind][0]
        uncapped = self.has(*racing(f"racing_caps_{kind}", f"racing_{kind}_take"))
        if amount > self.room(transaction, kind, settled, canceled) and not uncapped:
            raise Refused(422)
        answer = {"oid": f"m{next(self.numbers)}", "value": major(amount), "date": DATE}
        transaction.moves[kind].append(answer)
        transaction.by_request[kind, body["requestId"]] = (amount, answer)
        if cancels and not self.has(*alone("refund_keeps_money" if settled else "cancellation_keeps_money")):
            self.cents += amount
        if not cancels and self.has(*alone("settlement_takes_again"), *racing("racing_settlements_take")):
            self.cents -= amount
        if cancels and self.has("refund_changes_settlements"):
            transaction.moves["settlements"].clear()
        return answer

    def room(self, transaction: Transaction, kind: str, settled: int, canceled: int) -> int:
        """Return how much more may be settled or canceled."""
        more = 1 if self.has(f"cap_off_by_one_{kind}") else 0
        if kind == "cancellations":
            return transaction.cents + more - (0 if settled and self.has("refunds_again") else canceled)
        settled = 0 if self.has("cap_of_each_settlement") else settled
        return transaction.cents + more - settled - (0 if self.has("settles_canceled") else canceled)


def alone(*faults: str) -> Iterable[str]:
    """Return faults that only calls one after the other show: in a race they would depend on who is first."""
    return faults if threading.current_thread() is threading.main_thread() else ()


def racing(*faults: str) -> Iterable[str]:
    """Return faults that only calls at the same moment show: they do not come from the main thread."""
    return () if threading.current_thread() is threading.main_thread() else faults


def name_of(method: str, path: str) -> str:
    """Return which of the eleven calls this is."""
    parts = path.strip("/").split("/")
    post = method == "POST"
    match parts[1:]:
        case []:
            return "issue" if post else "nothing"
        case ["_search"]:
            return "search"
        case [_]:
            return "card"
        case [_, "transactions"]:
            return "debit" if post else "transactions"
        case [_, "transactions", _]:
            return "transaction"
        case [_, "transactions", _, "settlements"]:
            return "settle" if post else "settlements"
        case [_, "transactions", _, "cancellations"]:
            return "cancel" if post else "cancellations"
        case [_, "transactions", _, "authorization"]:
            return "authorization"
    return "nothing"


def json_of(body: bytes) -> Json:
    return decode(body) if body else None


class InProcess:
    """Makes calls to a WSGI app in this process, without sockets."""

    def __init__(self, app: Provider) -> None:
        self.app = app
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def call(
        self, method: str, url: str, *, headers: Mapping[str, str], deadline: Deadline, content: bytes | None = None
    ) -> Reply:
        return self.sent(method, url, headers, content)

    def sent(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, *, cut: bool = False
    ) -> Reply:
        parts = urlsplit(url)
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": method,
            "PATH_INFO": unquote_to_bytes(parts.path).decode("latin-1"),
            "QUERY_STRING": parts.query,
            "CONTENT_LENGTH": str(len(content or b"")),
            "CONTENT_TYPE": headers.get("Content-Type", ""),
            "wsgi.input": BytesIO(content or b""),
            "certify.cut": cut,
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
        }
        raw = self.app.answer(environ, content or b"")
        name = name_of(method, re.sub("/+", "/", parts.path).removeprefix("/acme"))
        self.now += 11.0 if self.app.has(f"slow_{name}") else 0.001
        if raw.status == 0:
            raise NoReply("no answer in time", sent=True)
        return Reply(raw.status, raw.headers, raw.content)


class Cut:
    """Makes calls as InProcess does, and loses their answers."""

    def __init__(self, http: InProcess) -> None:
        self.http = http

    def call(
        self, method: str, url: str, *, headers: Mapping[str, str], deadline: Deadline, content: bytes | None = None
    ) -> Reply:
        self.http.sent(method, url, headers, content, cut=True)
        raise NoReply("the connection was cut", sent=True)

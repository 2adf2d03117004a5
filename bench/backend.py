"""A backend that answers after a set time, and does nothing else: `python -m bench.backend PORT LATENCY_SECONDS`.

It answers as Lightrail V1, Lightrail V2 and Vauchar do, and keeps nothing: every card has money, every step is done.
So it costs next to nothing beside the service in front of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

PLENTY = 1_000_000_000

# A card's code is this and its id, so that a search finds each of the cards that are paid with.
CODE = "CODE-"

Answer = tuple[int, Any]

NOT_FOUND: Answer = 404, {}


class Backend(asyncio.Protocol):
    """One connection of a client that sends one request at a time, as connection pools do."""

    def __init__(self, latency_seconds: float) -> None:
        self._latency_seconds = latency_seconds
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one, but not by its class

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            return
        self._received = b""
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        written = _written(answer(method, target, body))
        if self._latency_seconds:
            asyncio.get_running_loop().call_later(self._latency_seconds, self._send, written)
        else:
            self._send(written)

    def _send(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


def answer(method: str, target: str, body: bytes) -> Answer:
    """Return the status and the JSON that a request is answered with."""
    url = urlsplit(target)
    api, *path = url.path.strip("/").split("/")
    match api:
        case "bare":
            return 201, {"id": json.loads(body)["id"], "balance": PLENTY}
        case "v1":
            return _lightrail_v1(method, path, body)
        case "v2":
            return _lightrail_v2(method, path, parse_qs(url.query), body)
        case "2.0":
            return _vauchar(method, path, body)
    return NOT_FOUND


def _lightrail_v1(method: str, path: list[str], body: bytes) -> Answer:
    match method, path:
        case "GET", ["codes", code, "details"]:
            return 200, {"details": _details(code.removeprefix(CODE))}
        case "GET", ["cards", card_id, "details"]:
            return 200, {"details": _details(card_id)}
        case "GET", ["cards", card_id]:
            return 200, {"card": _details(card_id)}
        case "GET", ["cards", _, "transactions"]:
            return 200, {"transactions": []}
        case "POST", ["cards", _, "transactions", *action]:
            return 200, {"transaction": _transaction(action, json.loads(body))}
    return NOT_FOUND


def _lightrail_v2(method: str, path: list[str], query: dict[str, list[str]], body: bytes) -> Answer:
    match method, path:
        case "GET", ["values"]:
            return 200, [_value(query["code"][0].removeprefix(CODE))]
        case "GET", ["values", card_id]:
            return 200, _value(card_id)
        case "POST", ["transactions", *action]:
            return 201, _posting(action, json.loads(body))
        case "GET", ["transactions", _, "chain"]:
            return 200, []
    return 404, {"statusCode": 404, "messageCode": "TransactionNotFound", "message": "none"}


def _vauchar(method: str, path: list[str], body: bytes) -> Answer:
    match method, path:
        case "GET", ["gift-cards", "validate"]:
            return 200, {"data": _gift_card("card-1"), "validation_status": {"status": 1000}}
        case "GET", ["gift-cards", card_id]:
            return 200, _gift_card(card_id)
        case "GET", ["gift-cards", _, "redemptions"]:
            return 200, {"data": []}
        case "POST", ["gift-cards", _, "redemptions"]:
            redeemed = json.loads(body)
            return 201, {"data": redeemed | {"id": redeemed["transaction_id"], "created": "1800000000"}}
        case "DELETE", ["gift-cards", _, "redemptions", _]:
            return 200, {}
    return NOT_FOUND


def _value(card_id: str) -> dict[str, Any]:
    return {
        "id": card_id,
        "currency": "BRL",
        "balance": PLENTY,
        "code": f"…{card_id[-4:]}",
        "isGenericCode": False,
        "active": True,
        "frozen": False,
        "canceled": False,
        "createdDate": "2026-01-01T00:00:00.000Z",
        "metadata": {},
    }


def _posting(action: list[str], body: dict[str, Any]) -> dict[str, Any]:
    amount = body.get("amount", 0)
    match action:
        case ["debit"]:
            kind, card_id, change = "debit", body["source"]["valueId"], -amount
        case ["credit"]:
            kind, card_id, change = "credit", body["destination"]["valueId"], amount
        case [_, kind]:
            card_id, change = "card-0", 0
    step = {"rail": "lightrail", "valueId": card_id, "balanceChange": change, "balanceAfter": PLENTY}
    return {
        "id": body["id"],
        "transactionType": kind,
        "currency": "BRL",
        "pending": bool(body.get("pending")),
        "steps": [] if kind == "capture" else [step],
        "createdDate": "2026-01-01T00:00:00.000Z",
        "metadata": body.get("metadata"),
    }


def _details(card_id: str) -> dict[str, Any]:
    store = {"valueStoreType": "PRINCIPAL", "value": PLENTY, "state": "ACTIVE", "restrictions": None}
    about = {"cardId": card_id, "cardType": "GIFT_CARD", "currency": "BRL", "dateCreated": "2026-01-01T00:00:00.000Z"}
    return about | {"codeLastFour": card_id[-4:], "categories": [], "valueStores": [store]}


def _transaction(action: list[str], body: dict[str, Any]) -> dict[str, Any]:
    match action:
        case [parent, ending]:
            amount = body["metadata"]["giftbridge"]["origin"]["act_amount"]
            kind, value = ("DRAWDOWN", -amount) if ending == "capture" else ("PENDING_VOID", amount)
        case _:
            kind, value, parent = "PENDING_CREATE" if body.get("pending") else "DRAWDOWN", body["value"], ""
    return {
        "transactionId": f"transaction-of-{body['userSuppliedId']}",
        "userSuppliedId": body["userSuppliedId"],
        "parentTransactionId": parent or None,
        "transactionType": kind,
        "value": value,
        "currency": "BRL",
        "dateCreated": "2026-01-01T00:00:00.000Z",
        "metadata": body["metadata"],
    }


def _gift_card(card_id: str) -> dict[str, Any]:
    return {
        "id": card_id,
        "gift_card_code": "",
        "type": "gift-card",
        "currency": "BRL",
        "balance": "10000000.00",
        "value_unit": "currency",
        "active_status": "1",
        "start_time": "0",
        "expiry_time": "0",
        "created": "1700000000",
        "tag": "",
    }


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


def _written(made: Answer) -> bytes:
    status, value = made
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _serve(port: int, latency_seconds: float) -> None:
    make: Callable[[], Backend] = lambda: Backend(latency_seconds)  # noqa: E731
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def main() -> None:
    port, latency_seconds = int(sys.argv[1]), float(sys.argv[2])
    try:
        import uvloop  # noqa: PLC0415 - only there where it was installed for this

        uvloop.run(_serve(port, latency_seconds))
    except ImportError:
        asyncio.run(_serve(port, latency_seconds))


if __name__ == "__main__":
    main()

"""The log of the real service: one line for a call in, one for a call out, and nothing of a code, token or customer."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.telemetry import FIELDS
from tests.mappers.servers import Line
from tests.mappers.servers import serving as backend

from .commands import HEADERS, MODULE, ROOT, Command, serving, wait_for
from .leaky import CRASHES

Json = dict[str, Any]

# Whatever must not be written has this word, in some case.
MARK = "canary"

CUSTOMER = {
    "id": "canary-id-7a1c",
    "email": "Canary.Mail@example.com",
    "document": "CANARY-106.177.640-93",
    "corporateDocument": None,
    "name": "Zoé Canary da Silva",
    "firstName": "Zoé Canary",
    "phone": "+55canary11999",
    "ip": "203.0.113.77",
}
CODES = {
    kind: f"CANARY/{kind}+WLJE=X-SEYG"
    for kind in ("known", "headers", "closed", "broken", "garbage", "refused", "limited")
}
SHIPPING = {"receiverName": "Canary Receiver", "street": "Canary Street 5", "postalCode": "canary-22250"}
ORDER = "v2915869org-01"

PROVIDERS = """
[acme]
caption = "Acme gift cards"
currency = "BRL"
mapper = "leaky"
[[acme.credentials]]
app_key = "acme-key"
app_token = "acme-token"

[shop]
caption = "Shop gift cards"
currency = "BRL"
mapper = "voucherify"
[[shop.credentials]]
app_key = "acme-key"
app_token = "acme-token"
[shop.options]
app_id = "canary-app-id"
app_token = "canary-app-token"
base_url = "{url}"
"""


def behave(line: Line, _number: int) -> None:
    """Answer as the code in the path says."""
    while (request := line.receive()) is not None:
        if b"headers" in request:
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno colon here canary\r\n\r\n{}")
        elif b"closed" in request:
            return
        elif b"broken" in request:
            line.answer("500 Internal Server Error", request)
        elif b"limited" in request:
            line.answer("429 Too Many Requests", request)
        elif b"refused" in request:
            line.answer("404 Not Found", json.dumps({"key": "resource_not_found", "message": str(request)}).encode())
        else:
            line.answer("200 OK", request)  # no JSON


@dataclass
class Service:
    """The service, with what was asked of it."""

    command: Command
    port: int

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            text = body if isinstance(body, str) else json.dumps(body) if body is not None else None
            connection.request(method, path, text, HEADERS | headers)
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content else None
        finally:
            connection.close()

    def raw(self, request: str) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 30) as one:
            one.sendall(request.encode())
            one.shutdown(socket.SHUT_WR)
            while one.recv(65536):
                pass

    @property
    def lines(self) -> list[Json]:
        # The last one may be under way.
        return [json.loads(line) for line in self.command.output.splitlines(keepends=True) if line.endswith("\n")]

    def of(self, event: str, **members: Any) -> list[Json]:
        return [
            line
            for line in self.lines
            if line["event"] == event and all(line.get(name) == value for name, value in members.items())
        ]


def search(code: str | None) -> Json:
    return {"client": CUSTOMER, "cart": {"redemptionCode": code, "grandTotal": 10}}


def debit(request_id: str, value: float, token: str | None = None) -> Json:
    order = {"orderId": ORDER, "clientProfile": CUSTOMER, "shipping": SHIPPING}
    return {
        "operation": "Debit",
        "value": value,
        "requestId": request_id,
        "redemptionCode": CODES["known"],
        "redemptionToken": token,
        "orderInfo": order,
    }


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service at DEBUG with a mapper that tells everything, after every kind of call and failure."""
    folder = tmp_path_factory.mktemp("logs")
    package = folder / "packages" / "leaky-1.dist-info"
    package.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("leaky.py"), package.parent)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[giftbridge.mappers]\nleaky = leaky:Leaky\n")
    program = ("env", f"PYTHONPATH={ROOT}:{package.parent}", *MODULE)
    with (
        backend(behave) as other,
        serving(
            folder,
            PROVIDERS.replace("{url}", other.url),
            program,
            LOG_LEVEL="DEBUG",
            SWEEP_INTERVAL_SECONDS="0.1",
            MONEY_DEADLINE_SECONDS="1",
            LEASE_SECONDS="2",
            CARD_DEADLINE_SECONDS="1.1",
            REDIS_TIMEOUT_SECONDS="1",
        ) as (command, port),
    ):
        service = Service(command, port)
        call_everything(service)
        wait_for(lambda: service.of("sweep failed"))
        yield service


ANSWERED: dict[str, tuple[int, Any]] = {}


def call_everything(service: Service) -> None:
    ask = service.ask

    def asked(name: str, *arguments: Any, **headers: str) -> Any:
        status, answer = ask(*arguments, **{"x-vtex-operation-id": name, **headers})
        ANSWERED[name] = status, answer
        return answer

    new = {"profileId": CUSTOMER["email"], "relationName": "loyalty", "caption": "", "restrictedToOwner": True}
    issued = asked("issue", "POST", "/acme/giftcards", new)
    asked("search", "POST", "/acme/giftcards/_search", search(issued["redemptionCode"]))
    [active] = asked("known", "POST", "/acme/giftcards/_search", search("MEMORY-ACTIVE-250"))
    card = f"/acme/giftcards/{active['id']}"
    asked("get", "GET", card)
    opened = asked("debit", "POST", f"{card}/transactions", debit("r1", 20, "CANARY-PIN-1"))
    at = f"{card}/transactions/{opened['id']}"
    asked("settle", "POST", f"{at}/settlements", {"value": 15, "requestId": "s1"})
    asked("cancel", "POST", f"{at}/cancellations", {"value": 5, "requestId": "c1"})
    for name, path in {"list": f"{card}/transactions", "show": at, "authorization": f"{at}/authorization"}.items():
        asked(name, "GET", path)

    asked("nobody", "GET", card, **{"X-PROVIDER-API-AppToken": ""})
    asked("wrong", "GET", card, **{"X-PROVIDER-API-AppToken": "canary-wrong-token"})
    asked("no-json", "POST", f"{card}/transactions", json.dumps(search(CODES["known"]))[:-1])
    asked("no-amount", "POST", f"{card}/transactions", debit("r2", 0))
    asked("conflict", "POST", f"{card}/transactions", debit("r1", 21))
    asked("exceeded", "POST", f"{at}/settlements", {"value": 15, "requestId": "s2"})
    asked("too-much", "POST", f"{card}/transactions", debit("r3", 2500))
    asked("too-large", "POST", f"{card}/transactions", debit("r4", 1) | {"more": "canary" * 800_000})
    asked("no-card", "GET", "/acme/giftcards/canary-card-is-none/x")
    asked("no-method", "PUT", f"{card}/transactions?code={CODES['known']}")
    asked("crash-search", "POST", "/acme/giftcards/_search", search(CODES["known"]))
    asked("crash-no-code", "POST", "/acme/giftcards/_search", search(None))
    asked("crash-debit", "POST", f"{card}/transactions", debit("r5", CRASHES / 100, "CANARY-PIN-2"))
    for kind in ("headers", "closed", "broken", "garbage", "refused", "limited"):
        asked(f"backend-{kind}", "POST", "/shop/giftcards/_search", search(CODES[kind]))
    credentials = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    head = f"POST {card}/transactions HTTP/1.1\r\nHost: x\r\n{credentials}"
    service.raw(f"{head}Content-Length: 9999\r\n\r\n{json.dumps(debit('r6', 1))}")
    service.raw(f"{head}Transfer-Encoding: chunked\r\n\r\nCANARY\r\n{CODES['known']}\r\n")
    service.raw(f"GET /{CODES['known']} CANARY/9\r\nX-Canary: canary\r\n\r\n")
    service.raw("CANARY " * 20_000)


def test_every_kind_of_answer_was_given(service: Service) -> None:
    statuses = {name: status for name, (status, _) in ANSWERED.items()}
    for name in ("issue", "search", "get", "debit", "settle", "cancel", "list", "show", "authorization"):
        assert statuses[name] == 200, name
    assert statuses["crash-no-code"] == 200
    assert set(statuses.values()) == {200, 400, 401, 403, 404, 405, 409, 413, 422, 500, 503}
    assert {name for name, status in statuses.items() if status == 500} == {"crash-search", "crash-debit"}


def test_no_code_token_or_customer_is_in_the_log(service: Service) -> None:
    output = service.command.output
    assert not re.findall(f".*{MARK}.*", output, re.IGNORECASE)
    for secret in (ANSWERED["issue"][1]["redemptionCode"], "acme-token", "203.0.113.77", "10617764093", "MEMORY-ACT"):
        assert secret not in output
    assert "****" in output
    # What was told in every log, and by two crashes in a request and one in the sweeper.
    loggers = {line.get("logger") for line in service.lines}
    assert {"urllib3.connectionpool", "requests", "redis", "gunicorn.error", "leaky"} <= loggers
    assert service.of("told")
    assert len(service.of("unexpected error")) == 3
    assert "KeyError" in service.of("sweep failed")[0]["exception"]


def test_a_call_in_has_one_line_with_what_it_is_found_by(service: Service) -> None:
    for name, (status, _) in ANSWERED.items():
        [line] = service.of("request", correlation_id=name)
        assert line["status"] == status
        assert line["milliseconds"] >= line["backend_milliseconds"]
        assert status in (401, 403) or line["provider"] in ("acme", "shop")
    opened = ANSWERED["debit"][1]["id"]
    for name in ("debit", "settle", "cancel", "show", "authorization", "conflict", "exceeded"):
        [line] = service.of("request", correlation_id=name)
        assert (line["transaction"], line["order"]) == (opened, ORDER), name
        assert line["route"].startswith("/<provider_id>/giftcards/<card_id>/transactions")


def test_a_call_out_has_one_line_with_the_call_in_that_made_it(service: Service) -> None:
    outcomes = {
        "backend-headers": "unavailable",
        "backend-closed": "unavailable",
        "backend-broken": "unavailable",
        "backend-garbage": "unavailable",
        "backend-refused": "refused",
        "backend-limited": "unavailable",
    }
    for name, outcome in outcomes.items():
        [line] = service.of("backend call", correlation_id=name)
        assert (line["provider"], line["outcome"]) == ("shop", outcome), name
        [call_in] = service.of("request", correlation_id=name)
        assert call_in["backend_calls"] == 1
        assert call_in["backend_milliseconds"] >= line["milliseconds"]


def test_every_member_of_a_line_about_a_call_is_documented(service: Service) -> None:
    for event in ("request", "backend call", "request failed", "unexpected error"):
        assert service.of(event)
        for line in service.of(event):
            assert set(line) <= set(FIELDS), event


def test_a_member_that_is_documented_is_somewhere(service: Service) -> None:
    only_with_a_setting = {"one_of", "trace_id"}
    assert set(FIELDS) - only_with_a_setting <= set().union(*service.lines)

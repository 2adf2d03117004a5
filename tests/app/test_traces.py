"""Traces: a span for the call in, each script in Redis and each call out; off, nothing of it is there."""

from __future__ import annotations

import http.server
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from structlog.testing import capture_logs

from app import create_app
from app.server.tracing import Tracing
from app.settings import InvalidSettings, Settings
from mappers.http import calls
from mappers.http.calls import CallOut
from mappers.memory.mapper import Memory
from providers.registry import Registry
from tests.mappers.servers import answering, closed_port
from tests.mappers.servers import serving as backend
from tests.patience import patient

from .commands import HEADERS, MODULE, PROVIDERS, ROOT, environment, free_port, running, serving

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"

CODE = "CANARY-CODE-1234"
CUSTOMER = {"id": "canary-id", "email": "canary@example.com", "document": "CANARY-DOCUMENT", "name": "Canary Silva"}

SHOP = """
[shop]
caption = "Shop"
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


@dataclass
class Traced:
    """A service in this process, and the spans it has made."""

    app: Flask
    exporter: InMemorySpanExporter

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return self.app.test_client().open(path, method=method, json=body, headers=HEADERS | headers)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def debit(self, **headers: str) -> str:
        """Pay with a card; return the transaction's id."""
        order = {"orderId": "v1-01", "clientProfile": CUSTOMER}
        body = {"operation": "Debit", "value": 20, "requestId": "r1", "orderInfo": order, "redemptionToken": CODE}
        [card] = self.call("POST", "/acme/giftcards/_search", {"cart": {"redemptionCode": "MEMORY-ACTIVE-250"}}).json
        self.exporter.clear()
        opened = self.call("POST", f"/acme/giftcards/{card['id']}/transactions", body, **headers)
        return str(opened.json["id"])


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def ids(span: ReadableSpan) -> tuple[str, str]:
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


@pytest.fixture(scope="module")
def backend_url() -> Iterator[str]:
    """A backend that knows no card."""
    with backend(answering("404 Not Found", json.dumps({"key": "resource_not_found"}).encode())) as server:
        yield server.url


@pytest.fixture
def traced(tmp_path: Path, empty_redis_url: str, backend_url: str) -> Iterator[Traced]:
    file = tmp_path / "providers.toml"
    file.write_text(PROVIDERS + SHOP.replace("{url}", backend_url))
    exporter = InMemorySpanExporter()
    tracing = Tracing(SimpleSpanProcessor(exporter))
    before = structlog.get_config()
    app = create_app(patient(redis_url=empty_redis_url), Registry.load(file))
    tracing.watch(app)
    yield Traced(app, exporter)
    tracing.stop()
    structlog.configure(**before)


def test_a_call_in_continues_the_trace_of_its_caller(traced: Traced) -> None:
    transaction = traced.debit(traceparent=TRACEPARENT, **{"x-vtex-operation-id": "op-1"})
    route = "/<provider_id>/giftcards/<card_id>/transactions"
    [span] = traced.named(f"POST {route}")
    assert ids(span)[0] == TRACE
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == CALLER
    assert told(span) == {
        "http.request.method": "POST",
        "http.route": route,
        "http.response.status_code": 200,
        "giftbridge.correlation_id": "op-1",
        "giftbridge.provider": "acme",
        "giftbridge.transaction": transaction,
        "giftbridge.order": "v1-01",
    }


def test_each_script_is_a_span_below_it(traced: Traced) -> None:
    traced.debit()
    [call_in] = traced.named("POST /<provider_id>/giftcards/<card_id>/transactions")
    scripts = [span for span in traced.spans if span.name.startswith("redis ")]
    assert {"redis open", "redis record"} <= {span.name for span in scripts}
    for span in scripts:
        assert span.parent is not None
        assert f"{span.parent.span_id:016x}" == ids(call_in)[1]
        assert told(span)["db.system.name"] == "redis"


def test_each_call_out_is_a_span_whose_name_the_backend_is_sent(traced: Traced) -> None:
    sent: list[CallOut] = []
    calls.watch(before=sent.append)
    try:
        traced.call("POST", "/shop/giftcards/_search", {"cart": {"redemptionCode": CODE}}, traceparent=TRACEPARENT)
    finally:
        calls.unwatch(sent.append)
    [call] = sent
    [span] = traced.named(f"{call.backend} {call.operation}")
    [call_in] = traced.named("POST /<provider_id>/giftcards/_search")
    assert call.headers["traceparent"] == f"00-{TRACE}-{ids(span)[1]}-01"
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == ids(call_in)[1]
    assert told(span)["giftbridge.outcome"] == "refused"
    assert told(span)["http.response.status_code"] == 404


def test_each_line_of_the_log_has_the_trace(traced: Traced) -> None:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        traced.call("POST", "/shop/giftcards/_search", {"cart": {"redemptionCode": CODE}}, traceparent=TRACEPARENT)
    assert [line["event"] for line in lines] == ["backend call", "request"]
    assert {line["trace_id"] for line in lines} == {TRACE}


@pytest.mark.parametrize("sent", ["", "junk", "00-0-0-00", f"{TRACEPARENT}-{CODE}"])
def test_without_a_trace_that_can_be_read_a_new_one_begins(traced: Traced, sent: str) -> None:
    traced.debit(traceparent=sent, tracestate=f"canary={CODE}", baggage=f"canary={CODE}")
    [span] = traced.named("POST /<provider_id>/giftcards/<card_id>/transactions")
    assert span.parent is None
    assert ids(span)[0] != TRACE


def test_a_trace_that_its_caller_does_not_want_is_not_sent(traced: Traced) -> None:
    traced.debit(traceparent=f"00-{TRACE}-{CALLER}-00")
    assert traced.spans == []


def test_nothing_of_a_code_a_customer_or_a_fault_is_in_a_span(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError(f"no card {CODE} of {CUSTOMER}")

    traced.debit(traceparent=TRACEPARENT, tracestate=f"canary={CODE}", baggage=f"canary={CODE}")
    search = {"client": CUSTOMER, "cart": {"redemptionCode": CODE}}
    traced.call("POST", f"/shop/giftcards/_search?code={CODE}", search)
    traced.call("GET", f"/acme/giftcards/{CODE}")
    monkeypatch.setattr(Memory, "find", crash)
    assert traced.call("POST", "/acme/giftcards/_search", search).status_code == 500
    assert len(traced.spans) > 8
    written = "".join(span.to_json() for span in traced.spans)
    assert "canary" not in written.lower()
    [*_, failed] = traced.named("POST /<provider_id>/giftcards/_search")
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.events == ()


def test_a_backend_that_is_down_and_a_redis_that_is_down_are_errors(
    tmp_path: Path, traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "down.toml"
    file.write_text(PROVIDERS + SHOP.replace("{url}", closed_port()))
    exporter = InMemorySpanExporter()
    tracing = Tracing(SimpleSpanProcessor(exporter))
    app = create_app(Settings(redis_url="redis://127.0.0.1:1"), Registry.load(file))
    tracing.watch(app)
    try:
        down = Traced(app, exporter)
        body = {"cart": {"redemptionCode": CODE}}
        assert down.call("POST", "/shop/giftcards/_search", body).status_code == 503
        assert down.call("GET", "/acme/giftcards/a/transactions").status_code == 503
    finally:
        tracing.stop()
    codes = {told(span)["giftbridge.code"] for span in down.spans if "giftbridge.code" in told(span)}
    assert codes == {"BackendUnavailable", "LedgerUnavailable"}
    errors = {span.name: told(span).get("error.type") for span in down.spans if not span.status.is_ok}
    assert "connection refused" in errors.values()
    assert "LedgerUnavailable" in errors.values()
    assert not any(span.events for span in down.spans)  # where an error's text would be


def test_the_service_s_own_pages_make_no_spans(traced: Traced) -> None:
    for path in ("/-/health", "/-/ready", "/-/openapi.json", "/nothing"):
        traced.call("GET", path)
    assert traced.spans == []


def test_off_nothing_of_it_is_imported_and_nothing_watches(tmp_path: Path) -> None:
    (tmp_path / "providers.toml").write_text(PROVIDERS)
    script = (
        "import sys, app.server.gunicorn\n"
        "from app import create_app\n"
        "from mappers.http import calls\n"
        "made = create_app()\n"
        "made.test_client().post('/acme/giftcards/_search')\n"
        "print('app.server.tracing' in sys.modules, 'opentelemetry.sdk.trace' in sys.modules, calls._before,\n"
        "    made.extensions['giftbridge'].connection.around)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment(REDIS_URL="redis://127.0.0.1:1"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "False False [] None"


@pytest.mark.parametrize("module", ["opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"])
def test_without_the_extra_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    monkeypatch.setenv("GIFTBRIDGE_TRACES", "true")
    Settings.from_environment()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InvalidSettings, match=r"GIFTBRIDGE_TRACES needs .* pip install 'giftbridge\[otel\]'"):
        Settings.from_environment()


def test_without_the_extra_the_service_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "providers.toml").write_text(PROVIDERS)
    shadow = tmp_path / "shadow" / "opentelemetry"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").touch()  # it has no SDK
    program = ("env", f"PYTHONPATH={shadow.parent}:{ROOT}", *MODULE)
    arguments = ("serve", "--bind", f"127.0.0.1:{free_port()}")
    with running(*arguments, cwd=tmp_path, program=program, TRACES="true") as command:
        assert command.process.wait(30) == 2
        assert "pip install 'giftbridge[otel]'" in command.output


def test_a_worker_of_the_service_sends_its_spans_and_the_last_ones_when_it_ends(tmp_path: Path) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever).start()
    variables = (
        f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{collector.server_port}",
        "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=tests",
        "OTEL_BSP_SCHEDULE_DELAY=600000",  # all that is sent is sent at the end
    )
    try:
        with serving(tmp_path, program=("env", *variables, *MODULE), TRACES="true") as (command, port):
            import requests  # noqa: PLC0415

            url = f"http://127.0.0.1:{port}/acme/giftcards/_search"
            assert requests.post(url, json={}, headers=HEADERS | {"traceparent": TRACEPARENT}).status_code == 200
            assert command.end(signal.SIGTERM) == 0
    finally:
        collector.shutdown()
        collector.server_close()
    assert {path for path, _ in received} == {"/v1/traces"}
    sent = b"".join(content for _, content in received)
    for part in (bytes.fromhex(TRACE), bytes.fromhex(CALLER), b"giftbridge", b"deployment.environment.name"):
        assert part in sent

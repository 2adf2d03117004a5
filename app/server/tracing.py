"""Traces by OpenTelemetry: a span for each call of the protocol, each script in Redis and each call to a backend.

Nothing here is imported, and nothing is asked at a call, unless GIFTBRIDGE_TRACES is on. No span has a path, a query, a
body, a code or anything of a customer; of a fault it has no text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, Response, g, request
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from structlog.contextvars import bind_contextvars, get_contextvars

from app.protocol.routes import NAME as PROTOCOL
from mappers.http import calls
from mappers.http.calls import CallOut, Outcome

# What is known of a call in by its end.
FOUND_BY = ("correlation_id", "provider", "transaction", "order", "code")

# How long the last spans may take to be sent when a process ends.
FLUSH_MILLISECONDS = 2000

TRACEPARENT = "traceparent"

_CONTEXT = TraceContextTextMapPropagator()


class Tracing:
    """Makes spans and hands them to `processor`, until `stop`."""

    def __init__(self, processor: SpanProcessor) -> None:
        named = Resource({"service.name": "giftbridge"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=named, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("giftbridge")
        self._calls_out: dict[int, Span] = {}

    def watch(self, app: Flask) -> None:
        """Make spans of the calls of this application, of those it makes to backends, and of its scripts in Redis."""
        # First of all, so that what comes before the view is in the span, too.
        app.before_request_funcs.setdefault(None, []).insert(0, self._call_in_begins)
        app.after_request(_call_in_answered)
        app.teardown_request(_call_in_ends)
        calls.watch(before=self._call_out_begins, after=self._call_out_ends)
        app.extensions["giftbridge"].connection.around = self._in_redis

    def stop(self) -> None:
        """Send the last spans, and make no more."""
        calls.unwatch(self._call_out_begins, self._call_out_ends)
        self._provider.force_flush(FLUSH_MILLISECONDS)
        self._provider.shutdown()

    def _call_in_begins(self) -> None:
        if request.blueprint != PROTOCOL or request.url_rule is None:
            return
        route = request.url_rule.rule
        span = self._tracer.start_span(
            f"{request.method} {route}",
            # Of the caller's headers this alone: others may hold anything, and would go on to the backend.
            context=_CONTEXT.extract({TRACEPARENT: request.headers.get(TRACEPARENT, "")}),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": request.method, "http.route": route},
        )
        g.span = span
        g.span_token = contexts.attach(trace.set_span_in_context(span))
        bind_contextvars(trace_id=trace.format_trace_id(span.get_span_context().trace_id))

    def _call_out_begins(self, call: CallOut) -> None:
        span = self._tracer.start_span(
            f"{call.backend} {call.operation or call.method}",
            kind=SpanKind.CLIENT,
            attributes={
                "giftbridge.backend": call.backend,
                "giftbridge.operation": call.operation,
                "http.request.method": call.method,
            },
        )
        self._calls_out[id(call)] = span
        sent: dict[str, str] = {}
        _CONTEXT.inject(sent, trace.set_span_in_context(span))
        call.headers[TRACEPARENT] = sent[TRACEPARENT]

    def _call_out_ends(self, call: CallOut) -> None:
        span = self._calls_out.pop(id(call))
        span.set_attribute("giftbridge.outcome", call.outcome.value)
        if call.status is not None:
            span.set_attribute("http.response.status_code", call.status)
        if call.failure is not None:
            span.set_attribute("error.type", call.failure)
        if call.outcome in (Outcome.UNKNOWN, Outcome.UNAVAILABLE):
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    @contextmanager
    def _in_redis(self, name: str) -> Iterator[None]:
        # What nobody called for, such as the sweeper's look at what is due, would be a trace every few seconds.
        if not trace.get_current_span().get_span_context().is_valid:
            yield
            return
        attributes: dict[str, Any] = {"db.system.name": "redis", "db.operation.name": name}
        with self._tracer.start_as_current_span(
            f"redis {name}",
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise


def _call_in_answered(response: Response) -> Response:
    span: Span | None = g.get("span")
    if span is not None:
        span.set_attribute("http.response.status_code", response.status_code)
        if response.status_code >= 500:
            span.set_status(Status(StatusCode.ERROR))
    return response


def _call_in_ends(_error: BaseException | None) -> None:
    span: Span | None = g.pop("span", None)
    if span is None:
        return
    known = get_contextvars()
    for name in FOUND_BY:
        if name in known:
            span.set_attribute(f"giftbridge.{name}", known[name])
    span.end()
    contexts.detach(g.pop("span_token"))


def start() -> Tracing:
    """Return the traces of this process. Where they go, OpenTelemetry's own variables say (OTEL_...)."""
    # Both are slow to import, and tests need neither.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    return Tracing(BatchSpanProcessor(OTLPSpanExporter()))

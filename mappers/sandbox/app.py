"""The Flask app of a sandbox: it decodes paths as backends do, records requests, and shows the planned faults."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.routing import Rule, UnicodeConverter
from werkzeug.wrappers import Response
from werkzeug.wsgi import get_input_stream

from mappers.sandbox.faults import Fault, FaultPlan

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CONTROL = "/_sandbox/"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it came: `path` with its query, undecoded; `status` 0 when it was dropped unprocessed.

    `lost`: its answer was never sent.
    """

    method: str
    path: str
    body: Any
    status: int
    lost: bool = False


@dataclass(slots=True)
class Sandbox:
    """A sandbox of a backend: its `url` while it runs, what it was asked, and the faults it is to show."""

    app: Flask
    url: str = ""
    faults: FaultPlan = field(default_factory=FaultPlan)
    requests: list[RecordedRequest] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)


class HangUp(ConnectionError):
    """Ends the connection without a (further) answer."""


class _Segment(UnicodeConverter):
    """A path segment that is decoded after routing, so that an encoded slash stays part of it."""

    def to_python(self, value: str) -> str:
        return unquote(value)


class _Route(Rule):
    """A rule that prepares to build URLs only when asked: few sandboxes ask, and it would slow their start."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = super()._compile_builder

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            return compiled(append_unknown)(rule, **values)

        return build


class _Misbehaving:
    """Wraps the app: records every request and applies the fault plan."""

    def __init__(self, app: WSGIApplication, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox
        self._first_answers: dict[str, Response] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        raw = environ.get("RAW_URI") or environ["PATH_INFO"]
        environ["PATH_INFO"] = raw.partition("?")[0]
        payload = get_input_stream(environ).read()
        environ |= {"wsgi.input": BytesIO(payload), "CONTENT_LENGTH": str(len(payload))}
        if raw.startswith(CONTROL):
            return self._app(environ, start_response)
        method = environ["REQUEST_METHOD"]
        repeats_pages = self._sandbox.faults.repeats_pages()
        fault = self._sandbox.faults.take(method, raw)
        try:
            response = self._process(fault, environ)
        except HangUp:
            self._record(method, raw, payload, 0, lost=True)
            raise
        self._record(method, raw, payload, response.status_code, lost=fault is not None and fault.kind == "drop_after")
        if repeats_pages:
            first = self._first_answers.setdefault(environ["PATH_INFO"], response)
            response = first if fault and fault.kind == "same_page" else response
        else:
            self._first_answers.clear()
        return self._answer(fault, response, environ)(environ, start_response)

    def _record(self, method: str, raw: str, payload: bytes, status: int, *, lost: bool) -> None:
        try:
            body = json.loads(payload) if payload else None
        except ValueError:
            body = payload.decode("utf-8", "replace")
        self._sandbox.requests.append(RecordedRequest(method, raw, body, status, lost))

    def _process(self, fault: Fault | None, environ: WSGIEnvironment) -> Response:
        if fault and fault.kind == "drop_before":
            raise HangUp
        if fault and fault.kind == "status":
            return _planned(fault)
        if fault and fault.kind == "delay_before":
            self._wait(fault)
        return Response.from_app(self._app, environ, buffered=True)

    def _answer(self, fault: Fault | None, response: Response, environ: WSGIEnvironment) -> Response:
        if fault is None:
            return response
        match fault.kind:
            case "drop_after":
                raise HangUp
            case "delay_after":
                self._wait(fault)
            case "status_after":
                return _planned(fault)
            case "junk":
                status = response.status_code if response.status_code < 300 else 200
                return Response("<html>It works!</html>", status=status, content_type="text/html")
            case "slow_body" | "slow_headers":
                self._drip(fault, response, environ)
        return response

    def _wait(self, fault: Fault) -> None:
        if self._sandbox.stopping.wait(fault.seconds):
            raise HangUp

    def _drip(self, fault: Fault, response: Response, environ: WSGIEnvironment) -> None:
        body = response.get_data()
        lines = [f"HTTP/1.1 {response.status}", *(f"{name}: {value}" for name, value in response.headers)]
        head = "\r\n".join([*lines, "Connection: close", "", ""]).encode()
        at_once, slowly = (head, body) if fault.kind == "slow_body" else (b"", head + body)
        connection: socket.socket = environ["werkzeug.socket"]
        connection.sendall(at_once)
        for byte in slowly:
            self._wait(fault)
            connection.sendall(bytes([byte]))
        raise HangUp


def _planned(fault: Fault) -> Response:
    if fault.body is None or isinstance(fault.body, str):
        return Response(fault.body, status=fault.status, headers=fault.headers)
    return Response(json.dumps(fault.body), fault.status, fault.headers, content_type="application/json")


def create_sandbox(name: str) -> Flask:
    """Return a Flask app on which a backend installs its routes; the fault plan and its control routes are in place.

    Path parameters arrive decoded, with `%2F` a part of them. `app.extensions["sandbox"]` is its Sandbox.
    """
    app = Flask(name, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_rule_class = _Route
    app.url_map.converters["default"] = _Segment
    sandbox = Sandbox(app)
    app.extensions["sandbox"] = sandbox

    @app.post(f"{CONTROL}faults")
    def plan_fault() -> ResponseReturnValue:
        try:
            sandbox.faults.add(**request.get_json(force=True))
        except (TypeError, ValueError) as error:
            return jsonify(error=str(error)), HTTPStatus.BAD_REQUEST
        return jsonify(list_faults()), HTTPStatus.CREATED

    @app.get(f"{CONTROL}faults")
    def list_faults() -> list[dict[str, Any]]:
        return [asdict(fault) for fault in sandbox.faults.pending()]

    @app.delete(f"{CONTROL}faults")
    def clear_faults() -> ResponseReturnValue:
        sandbox.faults.clear()
        return "", HTTPStatus.NO_CONTENT

    @app.get(f"{CONTROL}requests")
    def list_requests() -> list[dict[str, Any]]:
        method = request.args.get("method")
        return [asdict(recorded) for recorded in list(sandbox.requests) if method in (None, recorded.method)]

    app.wsgi_app = _Misbehaving(app.wsgi_app, sandbox)  # type: ignore[method-assign]
    return app

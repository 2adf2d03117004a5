"""Which requests have lines in the log: all, or a share of those that read and succeed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response
from structlog.contextvars import bind_contextvars, get_contextvars
from structlog.testing import capture_logs

from app import telemetry
from app.server.request_log import log_requests
from mappers.http.calls import CallOut


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as entries:
        yield entries


def application(share: float) -> Flask:
    """Return an application that calls its backend once a request; its answer's status is in the path."""
    app = Flask("logged", static_folder=None)
    log_requests(app, reads_share=share)

    @app.route("/<int:status>/<outcome>", methods=["GET", "POST"])
    def view(status: int, outcome: str) -> Response:
        bind_contextvars(transaction="gb-1")
        call = CallOut("acme", "look", "GET", moves_money=outcome == "money")
        call.failure = "status 500" if outcome == "failure" else None
        call.seconds = 0.25
        telemetry.log_call_out(call)
        return Response(status=status)

    @app.post("/search")
    def search() -> str:
        return "[]"

    app.view_functions["protocol.search"] = search
    app.add_url_rule("/acme/giftcards/_search", "protocol.search", methods=["POST"])
    return app


def events(logs: list[Any]) -> list[str]:
    return [entry["event"] for entry in logs]


def test_by_default_every_call_has_its_line_and_one_for_each_call_out(logs: list[Any]) -> None:
    application(1).test_client().get("/200/nothing")
    assert events(logs) == ["backend call", "request"]
    assert (logs[1]["backend_milliseconds"], logs[1]["backend_calls"]) == (250, 1)
    assert "one_of" not in logs[1]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/200/nothing"), ("HEAD", "/200/nothing"), ("POST", "/acme/giftcards/_search")]
)
def test_a_read_that_succeeds_may_go_without(logs: list[Any], method: str, path: str) -> None:
    application(0).test_client().open(path, method=method)
    assert logs == []


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
def test_a_read_that_fails_has_its_line(logs: list[Any], status: int) -> None:
    application(0).test_client().get(f"/{status}/nothing")
    assert events(logs) == ["request"]


def test_a_call_that_moves_money_has_all_its_lines(logs: list[Any]) -> None:
    application(0).test_client().post("/200/money")
    assert events(logs) == ["backend call", "request"]
    assert "one_of" not in logs[1]


@pytest.mark.parametrize("outcome", ["money", "failure"])
def test_so_has_a_call_out_of_a_read_that_moves_money_or_fails(logs: list[Any], outcome: str) -> None:
    application(0).test_client().get(f"/200/{outcome}")
    assert events(logs) == ["backend call"]


def test_the_share_is_that_of_the_setting_and_each_line_tells_it(
    logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    thrown = iter([0.0, 0.24, 0.26, 0.5, 0.99])
    monkeypatch.setattr("random.random", lambda: next(thrown))
    client = application(0.25).test_client()
    for _ in range(5):
        client.get("/200/nothing")
    assert events(logs) == ["backend call", "request"] * 2
    assert {entry["one_of"] for entry in logs if entry["event"] == "request"} == {4}


def test_what_a_request_bound_is_not_in_the_lines_after_it() -> None:
    application(1).test_client().get("/200/nothing")
    assert get_contextvars() == {}

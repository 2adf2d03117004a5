"""The HTTP client: what it sends, what it reads, how it connects, and what may be configured."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from mappers.base import CardNotFound, InvalidOptions, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import HttpBackend, segment
from tests.mappers.servers import Line, answering, closed_port, read, serving, write

# What is sent, what comes back


def test_numbers_are_exact_both_ways() -> None:
    with serving(answering("200 OK", b'{"cents":30, "amount":0.30, "long":12345678901234.05}')) as server:
        body = {"amount": Decimal("12345678901234.050"), "list": [Decimal("1E+2"), 7, None, True, "é"]}
        answer = HttpBackend("acme", server.url).call("PUT", "/x", deadline=Deadline.after(5), body=body)
    assert answer.body == {"cents": 30, "amount": Decimal("0.30"), "long": Decimal("12345678901234.05")}
    assert server.requests[0].endswith('{"amount":12345678901234.050,"list":[100,7,null,true,"\\u00e9"]}')


@pytest.mark.parametrize("number", [0.1, Decimal("NaN"), Decimal("Infinity")])
def test_a_float_or_no_number_is_never_sent(number: float | Decimal) -> None:
    with pytest.raises((TypeError, ValueError)):
        HttpBackend("acme", "http://127.0.0.1:1").call("PUT", "/x", deadline=Deadline.after(5), body={"amount": number})


def test_headers_credentials_query_and_path_are_sent_as_given() -> None:
    with serving(answering()) as server:
        backend = HttpBackend("acme", server.url + "/", headers={"X-Merchant": "m1"}, basic_auth=("key", "pass:word"))
        backend.call("GET", "/cards/" + segment("a/b+c=%.é"), deadline=Deadline.after(5), query={"code": "a b+c&d"})
    lines = server.requests[0].split("\r\n")
    assert lines[0] == "GET /base/cards/a%2Fb%2Bc%3D%25.%C3%A9?code=a%20b%2Bc%26d HTTP/1.1"
    assert "X-Merchant: m1" in lines
    assert "Authorization: Basic a2V5OnBhc3M6d29yZA==" in lines


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_segment_that_would_change_the_path_is_no_card(value: str) -> None:
    with pytest.raises(CardNotFound):
        segment(value)


def test_half_a_surrogate_pair_in_a_code_is_sent_rather_than_an_error_of_ours() -> None:
    with serving(answering("404 Not Found")) as server:
        path = "/cards/" + segment("\ud800")
        assert HttpBackend("acme", server.url).call("GET", path, deadline=Deadline.after(5), query={"a": "\ud800"})


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "204 No Content"])
def test_an_empty_success_has_no_body(status: str) -> None:
    with serving(answering(status, b"")) as server:
        assert read(server.url).body is None


@pytest.mark.parametrize(
    ("content", "body"), [(b'{"code":"E1"}', {"code": "E1"}), (b"<html>", None), (b"", None), (b"x" * 2**21, None)]
)
def test_a_refusal_is_an_answer_whatever_its_body(content: bytes, body: dict[str, str] | None) -> None:
    with serving(answering("409 Conflict", content, "X-Reason: Twice")) as server:
        answer = write(server.url)
    assert (answer.status, answer.body, answer.headers["x-reason"]) == (409, body, "Twice")


def test_a_cookie_is_not_kept() -> None:
    with serving(answering("200 OK", b"{}", "Set-Cookie: login=1")) as server:
        backend = HttpBackend("acme", server.url)
        for _ in range(2):
            backend.call("GET", "/x", deadline=Deadline.after(5))
    assert "Cookie" not in server.requests[1]


# Connections


def test_connections_are_kept_and_used_again() -> None:
    with serving(answering()) as server:
        backend = HttpBackend("acme", server.url)
        for _ in range(3):
            backend.call("GET", "/x", deadline=Deadline.after(5))
    assert (server.connections, len(server.requests)) == (1, 3)


def test_a_kept_connection_that_the_server_closed_does_not_make_a_write_unknown() -> None:
    closed = threading.Event()

    def behave(line: Line, number: int) -> None:
        line.receive()
        line.answer()
        if number == 1:
            line.connection.close()
            closed.set()

    with serving(behave) as server:
        backend = HttpBackend("acme", server.url)
        backend.call("GET", "/x", deadline=Deadline.after(5))
        assert closed.wait(5)
        answer = backend.call("POST", "/x", deadline=Deadline.after(5), moves_money=True)
    assert (answer.status, server.connections) == (200, 2)


def test_a_write_lost_on_a_kept_connection_is_unknown_and_not_repeated() -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        line.answer()
        line.receive()
        line.reset()

    with serving(behave) as server:
        backend = HttpBackend("acme", server.url)
        backend.call("GET", "/x", deadline=Deadline.after(5))
        with pytest.raises(OutcomeUnknown):
            backend.call("POST", "/x", deadline=Deadline.after(5), moves_money=True)
    assert len(server.requests) == 2


# Options


@pytest.mark.parametrize(
    "url", ["https://api.example.com/v2/", "http://127.0.0.1:28700/v2", "http://localhost", "http://[::1]:1"]
)
def test_https_anywhere_and_http_on_this_machine_are_fine(url: str) -> None:
    HttpBackend("acme", url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://127.0.0.1.example.com",
        "ftp://localhost",
        "api.example.com",
        "",
        "https://",
        "https://user:CANARY@api.example.com",
        "https://api.example.com?key=CANARY",
        "https://api.example.com/#CANARY",
        "https://api.example.com:port",
        "https://api.example.com /x",
        "https://api.example.com/x\n",
        "https://api.example.com/x?",
        "https://api.example.com/x#",
        "https://api.example.com\\x",
        "https://:@api.example.com",
        "https://api.exam\nple.com",
        "https://[::1",
    ],
)
def test_any_other_base_url_stops_the_boot_without_being_repeated(url: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        HttpBackend("acme", url)
    assert caught.value.option == "base_url"
    assert "CANARY" not in str(caught.value)


def test_a_credential_with_a_line_break_stops_the_boot_without_being_repeated() -> None:
    with pytest.raises(InvalidOptions, match="X-Key") as caught:
        HttpBackend("acme", "https://api.example.com", headers={"X-Key": "CANARY\n"})
    assert "CANARY" not in str(caught.value)


def test_proxies_and_credentials_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", closed_port())
    monkeypatch.setenv("ALL_PROXY", closed_port())
    with serving(answering()) as server:
        assert read(server.url).status == 200

"""The HTTP client against servers that misbehave, over real sockets."""

import logging
import socket
import ssl
import threading
import time
from contextlib import suppress
from decimal import Decimal

import pytest
import trustme

from mappers import breaker as breaker_module
from mappers import http
from mappers.base import BackendUnavailable, CardNotFound, InvalidOptions, OutcomeUnknown
from mappers.deadline import Deadline
from mappers.http import HttpBackend, segment
from tests.mappers.servers import Server, closed_port, serving

# What a test allows on top of a deadline: generous, since the cores may be busy, but far below a hang's own end.
SLACK_SECONDS = 2.0


@pytest.fixture(autouse=True)
def writes_may_start_late(monkeypatch):
    monkeypatch.setattr(http, "MINIMUM_WRITE_SECONDS", 0.01)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def tls(authority, tmp_path, monkeypatch):
    """The server's side of TLS, its authority trusted by backends built in this test."""
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def read(url, seconds=5.0, **arguments):
    return HttpBackend("acme", url).call("GET", "/cards", deadline=Deadline.after(seconds), **arguments)


def write(url, seconds=5.0, **arguments):
    backend = HttpBackend("acme", url)
    return backend.call(
        "POST", "/debits", deadline=Deadline.after(seconds), body={"a": 1}, moves_money=True, **arguments
    )


def answering(*arguments):
    def behave(line, _):
        while line.receive():
            line.answer(*arguments)

    return behave


# What is sent, what comes back


def test_numbers_are_exact_both_ways():
    with serving(answering("200 OK", b'{"cents":30, "amount":0.30, "long":12345678901234.05}')) as server:
        body = {"amount": Decimal("12345678901234.050"), "list": [Decimal("1E+2"), 7, None, True, "é"]}
        answer = HttpBackend("acme", server.url).call("PUT", "/x", deadline=Deadline.after(5), body=body)
    assert answer.body == {"cents": 30, "amount": Decimal("0.30"), "long": Decimal("12345678901234.05")}
    assert server.requests[0].endswith('{"amount":12345678901234.050,"list":[100,7,null,true,"\\u00e9"]}')


@pytest.mark.parametrize("number", [0.1, Decimal("NaN"), Decimal("Infinity")])
def test_a_float_or_no_number_is_never_sent(number):
    with pytest.raises(TypeError):
        HttpBackend("acme", "http://127.0.0.1:1").call("PUT", "/x", deadline=Deadline.after(5), body={"amount": number})


def test_headers_credentials_query_and_path_are_sent_as_given():
    with serving(answering()) as server:
        backend = HttpBackend("acme", server.url + "/", headers={"X-Merchant": "m1"}, basic_auth=("key", "pass:word"))
        backend.call("GET", "/cards/" + segment("a/b+c=%.é"), deadline=Deadline.after(5), query={"code": "a b+c&d"})
    lines = server.requests[0].split("\r\n")
    assert lines[0] == "GET /base/cards/a%2Fb%2Bc%3D%25.%C3%A9?code=a%20b%2Bc%26d HTTP/1.1"
    assert "X-Merchant: m1" in lines
    assert "Authorization: Basic a2V5OnBhc3M6d29yZA==" in lines


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_segment_that_would_change_the_path_is_no_card(value):
    with pytest.raises(CardNotFound):
        segment(value)


def test_half_a_surrogate_pair_in_a_code_is_sent_rather_than_an_error_of_ours():
    with serving(answering("404 Not Found")) as server:
        path = "/cards/" + segment("\ud800")
        assert HttpBackend("acme", server.url).call("GET", path, deadline=Deadline.after(5), query={"a": "\ud800"})


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "204 No Content"])
def test_an_empty_success_has_no_body(status):
    with serving(answering(status, b"")) as server:
        assert read(server.url).body is None


@pytest.mark.parametrize(
    ("content", "body"), [(b'{"code":"E1"}', {"code": "E1"}), (b"<html>", None), (b"", None), (b"x" * 2**21, None)]
)
def test_a_refusal_is_an_answer_whatever_its_body(content, body):
    with serving(answering("409 Conflict", content, "X-Reason: Twice")) as server:
        answer = write(server.url)
    assert (answer.status, answer.body, answer.headers["x-reason"]) == (409, body, "Twice")


def test_a_cookie_is_not_kept():
    with serving(answering("200 OK", b"{}", "Set-Cookie: login=1")) as server:
        backend = HttpBackend("acme", server.url)
        for _ in range(2):
            backend.call("GET", "/x", deadline=Deadline.after(5))
    assert "Cookie" not in server.requests[1]


# Connections


def test_connections_are_kept_and_used_again():
    with serving(answering()) as server:
        backend = HttpBackend("acme", server.url)
        for _ in range(3):
            backend.call("GET", "/x", deadline=Deadline.after(5))
    assert (server.connections, len(server.requests)) == (1, 3)


def test_a_kept_connection_that_the_server_closed_does_not_make_a_write_unknown():
    closed = threading.Event()

    def behave(line, number):
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


def test_a_write_lost_on_a_kept_connection_is_unknown_and_not_repeated():
    def behave(line, _):
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


def test_many_threads_share_one_backend_and_each_keeps_its_own_deadline():
    def behave(line, _):
        request = line.receive()
        if b"/slow" in request:
            line.hang()
        line.answer()

    outcomes = []

    def call(backend, path, seconds):
        try:
            outcomes.append(backend.call("GET", path, deadline=Deadline.after(seconds)).status)
        except BackendUnavailable:
            outcomes.append("late")

    with serving(behave) as server:
        backend = HttpBackend("acme", server.url)
        calls = [("/slow", 0.3), ("/fast", 10.0)] * 4
        threads = [threading.Thread(target=call, args=(backend, *arguments)) for arguments in calls]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started < 0.3 + SLACK_SECONDS
    assert sorted(map(str, outcomes)) == ["200"] * 4 + ["late"] * 4


# The deadline cuts every kind of slowness, with and without TLS


def drip_headers(line, _):
    line.receive()
    line.send(b"HTTP/1.1 200 OK\r\n")
    line.drip(b"X-Drip: 1\r\n")


def drip_body(line, _):
    line.receive()
    line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    line.drip(b" ")


def hang(line, _):
    line.receive()
    line.hang()


SLOWNESS = pytest.mark.parametrize("behave", [drip_headers, drip_body, hang])


@SLOWNESS
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_slow_read_ends_at_the_deadline(behave, secure, request):
    with serving(behave, request.getfixturevalue("tls") if secure else None) as server:
        started = time.monotonic()
        with pytest.raises(BackendUnavailable):
            read(server.url, 0.4)
        assert time.monotonic() - started < 0.4 + SLACK_SECONDS


@SLOWNESS
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_slow_write_ends_at_the_deadline_unknown_and_unanswered(behave, secure, request):
    with serving(behave, request.getfixturevalue("tls") if secure else None) as server:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown) as caught:
            write(server.url, 0.4)
        assert time.monotonic() - started < 0.4 + SLACK_SECONDS
    assert not caught.value.answered
    assert len(server.requests) == 1


def test_a_request_that_the_server_does_not_read_ends_at_the_deadline():
    with serving(lambda line, _: line.hang()) as server:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknown):
            HttpBackend("acme", server.url).call(
                "POST", "/x", deadline=Deadline.after(0.4), body="x" * 30_000_000, moves_money=True
            )
        assert time.monotonic() - started < 0.4 + SLACK_SECONDS


def test_a_tls_handshake_that_hangs_was_never_sent():
    with serving(lambda line, _: line.hang()) as server:
        started = time.monotonic()
        with pytest.raises(BackendUnavailable):
            write(server.url.replace("http://127.0.0.1", "https://localhost"), 0.4)
        assert time.monotonic() - started < 0.4 + SLACK_SECONDS


def test_an_unknown_authority_is_refused_before_anything_is_sent(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(answering(), context) as server, pytest.raises(BackendUnavailable, match="CertVerification"):
        write(server.url)
    assert server.requests == []


def test_a_certificate_for_another_host_is_refused(tls, authority):
    authority.issue_cert("other.example").configure_cert(tls)
    with serving(answering(), tls) as server, pytest.raises(BackendUnavailable, match="CertVerification"):
        write(server.url)
    assert server.requests == []


def test_tls_connections_are_kept_too(tls):
    with serving(answering(), tls) as server:
        backend = HttpBackend("acme", server.url)
        for _ in range(3):
            backend.call("GET", "/x", deadline=Deadline.after(5))
    assert (server.connections, len(server.requests)) == (1, 3)


# What failed calls can have done, and which are repeated


@pytest.mark.parametrize("call", [read, write])
def test_a_refused_connection_is_tried_again_then_unavailable(call, monkeypatch):
    pauses = []
    monkeypatch.setattr(http.time, "sleep", pauses.append)
    with pytest.raises(BackendUnavailable):
        call(closed_port())
    assert pauses == [http.RETRY_PAUSE_SECONDS] * http.CONNECT_RETRIES


def test_a_write_goes_through_when_a_refusing_backend_comes_back(monkeypatch):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))  # bound, and not listening yet: connections are refused
    started = []

    def come_back(_):
        listener.listen()
        started.append(Server(answering(), listener=listener))

    monkeypatch.setattr(http.time, "sleep", come_back)
    try:
        answer = write(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        started[0].close()
    assert (answer.status, len(started[0].requests)) == (200, 1)


def test_a_host_name_that_cannot_be_looked_up_is_unavailable_even_for_a_write(monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(BackendUnavailable):
        write("https://no-such-host.invalid")


def test_a_write_reset_after_it_was_sent_is_unknown_and_sent_once():
    def behave(line, _):
        line.receive()
        line.reset()

    with serving(behave) as server, pytest.raises(OutcomeUnknown) as caught:
        write(server.url)
    assert (caught.value.answered, len(server.requests)) == (False, 1)


def test_an_answer_cut_short_leaves_a_write_unknown():
    def behave(line, _):
        line.receive()
        line.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a":1}')

    with serving(behave) as server, pytest.raises(OutcomeUnknown):
        write(server.url)


def broken(kind):
    return {
        "reset": lambda line: line.reset(),
        "moved": lambda line: line.answer("307 Temporary Redirect", b"", "Location: /elsewhere"),
        "failed": lambda line: line.answer("500 Internal Server Error"),
        "gateway": lambda line: line.answer("502 Bad Gateway", b"<html>"),
        "timed out": lambda line: line.answer("408 Request Timeout"),
        "junk": lambda line: line.answer("200 OK", b"<html>"),
        "not a number": lambda line: line.answer("200 OK", b'{"balance":NaN}'),
        "endless number": lambda line: line.answer("200 OK", b"1e99999999999999999999"),
        "deep": lambda line: line.answer("200 OK", b"[" * 100_000),
        "not text": lambda line: line.answer("200 OK", b'"\xff"'),
        "huge": lambda line: line.answer("200 OK", b'"' + b"x" * 2**20 + b'"'),
        "not HTTP": lambda line: line.send(b"SSH-2.0-OpenSSH\r\n"),
    }[kind]


ANSWERED = [
    "moved",
    "failed",
    "gateway",
    "timed out",
    "junk",
    "not a number",
    "endless number",
    "deep",
    "not text",
    "huge",
]


@pytest.mark.parametrize("kind", [*ANSWERED, "reset", "not HTTP"])
def test_a_read_that_fails_once_is_repeated(kind):
    def behave(line, number):
        while line.receive():
            if number == 1:
                broken(kind)(line)
                return
            line.answer("200 OK", b"1")

    with serving(behave) as server:
        assert read(server.url).body == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", [*ANSWERED, "reset", "not HTTP"])
def test_a_read_that_fails_twice_is_unavailable(kind):
    def behave(line, _):
        line.receive()
        broken(kind)(line)

    with serving(behave) as server, pytest.raises(BackendUnavailable):
        read(server.url)
    assert len(server.requests) == 2


@pytest.mark.parametrize("kind", ANSWERED)
def test_a_write_answered_without_a_result_is_unknown_but_answered_and_sent_once(kind):
    def behave(line, _):
        line.receive()
        broken(kind)(line)

    with serving(behave) as server, pytest.raises(OutcomeUnknown) as caught:
        write(server.url)
    assert (caught.value.answered, len(server.requests)) == (True, 1)


@pytest.mark.parametrize("call", [read, write])
@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)])
def test_too_many_requests_is_unavailable_until_the_backend_says_and_is_not_repeated(call, header, seconds):
    behave = answering("429 Too Many Requests", b"", f"Retry-After: {header}")
    with serving(behave) as server, pytest.raises(BackendUnavailable) as caught:
        call(server.url)
    assert (caught.value.retry_after_seconds, len(server.requests)) == (seconds, 1)


@pytest.mark.parametrize(("call", "seconds"), [(read, 0.0), (write, 0.3)])
def test_a_call_without_enough_time_left_is_not_started(call, seconds, monkeypatch):
    monkeypatch.setattr(http, "MINIMUM_WRITE_SECONDS", 0.5)
    with serving(answering()) as server, pytest.raises(BackendUnavailable, match="not asked"):
        call(server.url, seconds)
    assert server.connections == 0


# The breaker


def fail_until_open(backend, **arguments):
    for _ in range(breaker_module.FAILURES_TO_OPEN):
        with pytest.raises(OutcomeUnknown):
            backend.call("POST", "/x", deadline=Deadline.after(5), moves_money=True, **arguments)


def test_a_failing_operation_is_not_asked_again_for_a_while():
    with serving(answering("500 Internal Server Error")) as server:
        backend = HttpBackend("acme", server.url)
        fail_until_open(backend, operation="debit")
        with pytest.raises(BackendUnavailable, match=r"acme was not asked: failed 5 times in a row, next try in \d s"):
            backend.call("POST", "/x", deadline=Deadline.after(5), operation="debit", moves_money=True)
    assert len(server.requests) == breaker_module.FAILURES_TO_OPEN


def test_other_operations_and_calls_without_breaker_are_asked_all_the_same():
    with serving(answering("500 Internal Server Error")) as server:
        backend = HttpBackend("acme", server.url)
        fail_until_open(backend, operation="debit")
        for arguments in ({"operation": "hold"}, {"operation": "debit", "breaker": False}):
            with pytest.raises(OutcomeUnknown):
                backend.call("POST", "/x", deadline=Deadline.after(5), moves_money=True, **arguments)
    assert len(server.requests) == breaker_module.FAILURES_TO_OPEN + 2


@pytest.mark.parametrize("status", ["404 Not Found", "409 Conflict", "429 Too Many Requests"])
def test_refusals_never_open_the_breaker(status):
    with serving(answering(status)) as server:
        backend = HttpBackend("acme", server.url)
        for _ in range(2 * breaker_module.FAILURES_TO_OPEN):
            with suppress(BackendUnavailable):
                backend.call("POST", "/x", deadline=Deadline.after(5), moves_money=True)
    assert len(server.requests) == 2 * breaker_module.FAILURES_TO_OPEN


def test_refused_connections_open_the_breaker():
    backend = HttpBackend("acme", closed_port())
    for _ in range(breaker_module.FAILURES_TO_OPEN):
        with pytest.raises(BackendUnavailable):
            backend.call("GET", "/x", deadline=Deadline.after(0.04))
    with pytest.raises(BackendUnavailable, match="not asked"):
        backend.call("GET", "/x", deadline=Deadline.after(5))


# Secrets


@pytest.mark.parametrize("kind", ["fine", "reset", "failed", "junk", "malformed headers", "refused connection"])
def test_no_path_query_body_or_credential_reaches_a_log_or_an_error(kind, caplog, capfd):
    def behave(line, _):
        line.receive()
        if kind == "malformed headers":
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno colon here\r\n\r\n{}")
        elif kind == "fine":
            line.answer()
        else:
            broken(kind)(line)

    caplog.set_level(logging.DEBUG)
    with serving(behave) as server:
        url = closed_port() if kind == "refused connection" else server.url
        backend = HttpBackend("acme", url, headers={"X-Key": "CANARY-1"}, basic_auth=("user", "CANARY-2"))
        try:
            backend.call(
                "POST",
                "/cards/CANARY-3",
                query={"code": "CANARY-4"},
                body={"code": "CANARY-5"},
                operation="debit",
                deadline=Deadline.after(5),
                moves_money=True,
            )
        except (BackendUnavailable, OutcomeUnknown):
            logging.getLogger("test").exception("the whole chain of causes")
    captured = capfd.readouterr()
    logged = caplog.text + captured.out + captured.err
    assert "acme" in logged
    assert "debit" in logged
    assert "CANARY" not in logged
    assert "/cards" not in logged


# Options


@pytest.mark.parametrize(
    "url", ["https://api.example.com/v2/", "http://127.0.0.1:28700/v2", "http://localhost", "http://[::1]:1"]
)
def test_https_anywhere_and_http_on_this_machine_are_fine(url):
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
        "https://api.exam\nple.com",
        "https://[::1",
    ],
)
def test_any_other_base_url_stops_the_boot_without_being_repeated(url):
    with pytest.raises(InvalidOptions) as caught:
        HttpBackend("acme", url)
    assert caught.value.option == "base_url"
    assert "CANARY" not in str(caught.value)


def test_a_credential_with_a_line_break_stops_the_boot_without_being_repeated():
    with pytest.raises(InvalidOptions, match="X-Key") as caught:
        HttpBackend("acme", "https://api.example.com", headers={"X-Key": "CANARY\n"})
    assert "CANARY" not in str(caught.value)


def test_proxies_and_credentials_of_the_environment_are_ignored(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", closed_port())
    monkeypatch.setenv("ALL_PROXY", closed_port())
    with serving(answering()) as server:
        assert read(server.url).status == 200

"""The HTTP client: where an answer ends, and that nothing else is taken for one."""

from __future__ import annotations

import pytest

from mappers.base import BackendUnavailable
from mappers.deadline import Deadline
from mappers.http import Answer, HttpBackend
from tests.mappers.servers import Line, read, serving

HEAD = b"HTTP/1.1 200 OK\r\n"


def call(backend: HttpBackend) -> Answer:
    return backend.call("GET", "/x", deadline=Deadline.after(5))


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 7\r\n\r\n" + b'{"a":1}',
        HEAD + b"content-length: 7\r\nConnection: close\r\n\r\n" + b'{"a":1}',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\n" + b'{"a"' + b"\r\n3;more=x\r\n:1}\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\n" + HEAD + b"Content-Length: 7\r\n\r\n" + b'{"a":1}',
        HEAD + b"\r\n" + b'{"a":1}',
        b"HTTP/1.0 200\r\n\r\n" + b'{"a":1}',
    ],
    ids=["length", "closed", "chunks", "a word on the way", "until the end", "an old server"],
)
@pytest.mark.parametrize("bytewise", [False, True], ids=["at once", "byte by byte"])
def test_an_answer_ends_where_its_head_says(answer: bytes, bytewise: bool) -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        for piece in [answer[at : at + 1] for at in range(len(answer))] if bytewise else [answer]:
            line.send(piece)

    with serving(behave) as server:
        found = read(server.url)
    assert (found.status, found.body, found.headers.get("X-Early")) == (200, {"a": 1}, None)


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 8\r\n\r\n" + b'{"a":1}',
        HEAD + b"Content-Length: x\r\n\r\n" + b'{"a":1}',
        HEAD + b"Content-Length: 1\r\nContent-Length: 7\r\n\r\n" + b'{"a":1}',
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n" + b'{"a":1}\r\n0\r\n\r\n',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n7\r\n" + b'{"a":1}\r\n',
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n" + b'{"a":1}',
        b"HTTP/1.1 100 Continue\r\n\r\n",
        HEAD,
        b"",
    ],
    ids=[
        "short",
        "no number",
        "two lengths",
        "length and chunks",
        "last chunk",
        "upgrade",
        "word only",
        "head",
        "none",
    ],
)
def test_what_is_not_whole_or_says_two_things_is_no_answer(answer: bytes) -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        line.send(answer)

    with serving(behave) as server, pytest.raises(BackendUnavailable):
        read(server.url)


@pytest.mark.parametrize("junk", [HEAD + b"Content-Length: 1\r\n\r\n2", b"2\r\n"], ids=["another answer", "junk"])
def test_what_comes_after_an_answer_answers_nothing(junk: bytes) -> None:
    def behave(line: Line, number: int) -> None:
        line.receive()
        line.send(HEAD + b"Content-Length: 1\r\nX-Which: first\r\n\r\n1" + junk if number == 1 else b"")
        if number == 2 or line.receive():  # nobody asks a connection again that has said too much
            line.answer("200 OK", b"3" if number == 2 else b"4")
        line.receive()

    with serving(behave) as server:
        backend = HttpBackend("acme", server.url)
        first, second = call(backend), call(backend)
    assert (first.body, first.headers["X-Which"], second.body, server.connections) == (1, "first", 3, 2)


def test_a_header_that_comes_twice_is_one_list() -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        line.answer("200 OK", b"1", 'Link: <a>; rel="prev"', 'link: <b>; rel="next"')

    with serving(behave) as server:
        assert read(server.url).headers["Link"] == '<a>; rel="prev", <b>; rel="next"'


def test_what_comes_after_the_body_is_no_header() -> None:
    def behave(line: Line, _: int) -> None:
        line.receive()
        line.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\nLink: <b>\r\nX-Which: last\r\n\r\n")

    with serving(behave) as server:
        found = read(server.url)
    assert (found.body, found.headers) == (1, {"Transfer-Encoding": "chunked"})


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (HEAD + b"X-Long: ", b"x" * 65536),
        (HEAD, b"X-Many: 1\r\n" * 6000),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 3000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;x=", b"x" * 65536),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\nX-Long: ", b"x" * 65536),
    ],
    ids=["a header", "many headers", "words on the way", "a chunk's head", "a trailer"],
)
def test_a_head_without_an_end_is_not_read_until_the_deadline(begin: bytes, piece: bytes) -> None:
    sent: list[int] = []

    def behave(line: Line, _: int) -> None:
        line.receive()
        line.send(begin)
        for _piece in range(1000):
            line.send(piece)
            sent.append(len(piece))

    with serving(behave) as server, pytest.raises(BackendUnavailable, match="too long"):
        read(server.url, seconds=60.0)
    assert sum(sent) < 20 * 1000 * 1000

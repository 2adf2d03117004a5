"""A call over a kept connection calls the system as seldom as it can: each time, its thread queues for its turn."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from bench.system_calls import system_calls
from mappers.deadline import Deadline
from mappers.http import HttpBackend
from tests.mappers.servers import answering, serving


def test_a_call_asks_for_a_hang_up_then_sends_and_receives() -> None:
    with serving(answering()) as server:
        backend = HttpBackend("acme", server.url)
        backend.call("GET", "/x", deadline=Deadline.after(5))
        with system_calls() as called:
            backend.call("GET", "/x", deadline=Deadline.after(5))
    assert (called, server.connections) == (["poll", "send", "recv"], 1)


def test_over_tls_it_asks_before_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with serving(answering(), context) as server:
        backend = HttpBackend("acme", server.url)
        backend.call("GET", "/x", deadline=Deadline.after(5))
        with system_calls() as called:
            backend.call("GET", "/x", deadline=Deadline.after(5))
    # Before it waits it reads: what has come may be decrypted already.
    assert called in (["poll", "write", "read"], ["poll", "write", "read", "poll", "read"])
    assert server.connections == 1

"""A mail says in plain text what waits, so that a store admin can act on it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from app.admin.notices.mail import LISTED, Mail, Server
from app.admin.notices.notice import NotDelivered, Notice
from tests.notices import Inbox, MailServer, mail_server

DATA = {
    "kind": "parked",
    "since": "2030-01-31T09:58:40Z",
    "until": None,
    "what": "The backend cannot tell whether the settlement of 40.00 BRL for order order-1 happened.",
    "money": "40.00 BRL may have been taken or not.",
    "remedy": "Look at the card at the backend, and decide.",
    "command": "giftbridge transactions show gb-2a1f",
    "provider": "acme",
    "order": "order-1",
    "transaction": "gb-2a1f",
    "act": 1,
    "amount": "40.00",
    "currency": "BRL",
}
NOTICE = Notice("ntc_1", datetime(2030, 1, 31, 10, 0, 5, tzinfo=UTC), "ledger-1", DATA)

TEXT = """\
1. The backend cannot tell whether the settlement of 40.00 BRL for order order-1 happened.
   40.00 BRL may have been taken or not.
   Provider acme, order order-1, transaction gb-2a1f, since 2030-01-31 09:58:40 UTC.
   To do: Look at the card at the backend, and decide.

       giftbridge transactions show gb-2a1f

--\x20
giftbridge, ledger ledger-1. Each of these is told once.
giftbridge attention lists everything that waits now.
"""


def signed_in(_server: SMTP, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    right = isinstance(given, LoginPassword) and (given.login, given.password) == (b"giftbridge", b"mail-password")
    return AuthResult(success=right, handled=False)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def plain(inbox: Inbox) -> Iterator[Server]:
    """A mail server without TLS."""
    with mail_server(MailServer(inbox), "none") as server:
        yield server


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The server's side of TLS, its authority trusted in this test."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def mail(server: Server, *recipients: str) -> Mail:
    return Mail(server, "giftbridge <giftbridge@store.example>", recipients or ("ana@store.example",))


def test_one_notice_is_a_mail_that_a_person_can_read(inbox: Inbox, plain: Server) -> None:
    mail(plain, "ana@store.example", "orders@store.example").send([NOTICE])
    (got,) = inbox.mails
    assert got["Subject"] == f"giftbridge: {DATA['what']}"
    assert got["From"] == "giftbridge <giftbridge@store.example>"
    assert inbox.recipients == ["ana@store.example", "orders@store.example"]
    assert got.get_content_type() == "text/plain"
    assert got.get_content().replace("\r\n", "\n") == TEXT


def test_several_are_one_mail(inbox: Inbox, plain: Server) -> None:
    refused = replace(NOTICE, id="ntc_2", data={**DATA, "kind": "refused", "what": "The backend refused it."})
    mail(plain).send([NOTICE, refused, replace(NOTICE, id="ntc_3")])
    (got,) = inbox.mails
    assert got["Subject"] == "giftbridge: 3 things wait for you: 2 parked, 1 refused"
    assert "2. The backend refused it." in got.get_content()


def test_very_many_are_counted(inbox: Inbox, plain: Server) -> None:
    mail(plain).send([NOTICE] * (LISTED + 7))
    text = inbox.mails[0].get_content()
    assert f"{LISTED}. " in text
    assert f"{LISTED + 1}. " not in text
    assert "And 7 more." in text


def test_the_same_notices_are_the_same_mail(inbox: Inbox, plain: Server) -> None:
    mail(plain).send([NOTICE])
    mail(plain).send([NOTICE])
    first, second = inbox.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert "@store.example>" in first["Message-ID"]


def test_a_sample_says_that_nothing_waits(inbox: Inbox, plain: Server) -> None:
    mail(plain).send([replace(NOTICE, is_test=True)])
    (got,) = inbox.mails
    assert got["Subject"] == "giftbridge: a test, nothing waits for you"
    assert got.get_content().startswith("This is a test. Nothing waits for you.")


def test_what_strangers_wrote_makes_no_header_and_no_line(inbox: Inbox, plain: Server) -> None:
    data = {**DATA, "what": "for order 1\r\nBcc: eve@evil.example\r\n\r\nhappened \x1b[2J."}
    mail(plain).send([replace(NOTICE, data=data)])
    (got,) = inbox.mails
    assert got["Bcc"] is None
    assert inbox.recipients == ["ana@store.example"]
    assert "Bcc: eve@evil.example" not in got.get_content().splitlines()
    assert "\x1b" not in got.as_string()


def test_it_signs_in_over_starttls(inbox: Inbox, certificate: ssl.SSLContext) -> None:
    controller = MailServer(
        inbox,
        tls_context=certificate,
        require_starttls=True,
        authenticator=signed_in,
        auth_required=True,
    )
    with mail_server(controller, "starttls", "mail-password") as server:
        mail(server).send([NOTICE])
        assert len(inbox.mails) == 1
        with pytest.raises(NotDelivered, match="535") as failed:
            mail(replace(server, password="wrong-password")).send([NOTICE])
        assert "wrong-password" not in str(failed.value)


def test_it_speaks_tls_from_the_first_byte_on(inbox: Inbox, certificate: ssl.SSLContext) -> None:
    controller = MailServer(inbox, ssl_context=certificate)
    with mail_server(controller, "tls") as server:
        mail(server).send([NOTICE])
    assert len(inbox.mails) == 1


def test_a_server_that_nobody_vouches_for_gets_nothing(inbox: Inbox) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    controller = MailServer(inbox, tls_context=context)
    unknown = pytest.raises(NotDelivered, match="CERTIFICATE_VERIFY_FAILED")
    with mail_server(controller, "starttls") as server, unknown:
        mail(server).send([NOTICE])
    assert inbox.mails == []


def test_a_server_without_starttls_gets_nothing(inbox: Inbox, plain: Server) -> None:
    with pytest.raises(NotDelivered, match="STARTTLS"):
        mail(replace(plain, tls="starttls")).send([NOTICE])
    assert inbox.mails == []


def test_a_server_that_refuses_is_no_delivery(inbox: Inbox, plain: Server) -> None:
    inbox.full = True
    with pytest.raises(NotDelivered, match="452 the mailbox is full"):
        mail(plain).send([NOTICE])
    inbox.full, inbox.unknown = False, ("ana@store.example",)
    with pytest.raises(NotDelivered, match="every recipient"):
        mail(plain).send([NOTICE])


def test_one_recipient_who_is_gone_keeps_the_mail_from_nobody(inbox: Inbox, plain: Server) -> None:
    inbox.unknown = ("gone@store.example",)
    mail(plain, "gone@store.example", "ana@store.example").send([NOTICE])
    assert inbox.recipients == ["ana@store.example"]


def test_a_server_that_is_down_is_no_delivery() -> None:
    with pytest.raises(NotDelivered, match="cannot be used"):
        mail(Server("127.0.0.1", 1, "none", None, None)).send([NOTICE])

"""Sends notices by e-mail, as plain text that a store admin can read; several in one mail."""

from __future__ import annotations

import smtplib
import ssl
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

import structlog

from app.admin.notices.notice import NotDelivered, Notice

log = structlog.get_logger()

# For each answer of the mail server.
ANSWER_SECONDS = 20.0

# Written out in one mail; nobody reads more.
LISTED = 50
LONGEST_SUBJECT = 150


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server. `tls`: starttls, tls (from the first byte on) or none."""

    host: str
    port: int
    tls: str
    user: str | None
    password: str | None


class Mail:
    """Addresses that get notices."""

    name = "mail"
    at_a_time = 1000

    def __init__(self, server: Server, sender: str, recipients: Sequence[str]) -> None:
        self._server = server
        self._sender = sender
        self._recipients = tuple(recipients)

    def send(self, notices: Sequence[Notice]) -> None:
        mail = self._written(notices)
        try:
            with self._connected() as connection:
                refused = connection.send_message(mail)
        except smtplib.SMTPResponseException as error:
            raise NotDelivered(
                _clean(f"the mail server refused it: {error.smtp_code} {_text(error.smtp_error)}")
            ) from error
        except smtplib.SMTPRecipientsRefused as error:
            raise NotDelivered("the mail server refused every recipient") from error
        except (OSError, smtplib.SMTPException) as error:
            raise NotDelivered(_clean(f"the mail server cannot be used: {error or type(error).__name__}")) from error
        if refused:
            log.warning("a recipient of notices was refused", recipients=len(refused))

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        if server.tls == "tls":
            context = ssl.create_default_context()
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=ANSWER_SECONDS, context=context
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=ANSWER_SECONDS)
        try:
            if server.tls == "starttls":
                connection.starttls(context=ssl.create_default_context())
            if server.user is not None:
                connection.login(server.user, server.password or "")
        except BaseException:
            connection.close()
            raise
        return connection

    def _written(self, notices: Sequence[Notice]) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = _clean(_subject(notices))[:LONGEST_SUBJECT]
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Date"] = format_datetime(max(notice.found for notice in notices))
        # The same notices are the same mail: a program that has it already may leave the second one out.
        domain = parseaddr(self._sender)[1].rpartition("@")[2]
        mail["Message-ID"] = f"<{notices[0].id}.{len(notices)}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content("\n".join(_clean(line) for line in _lines(notices)) + "\n")
        return mail


def _subject(notices: Sequence[Notice]) -> str:
    if notices[0].is_test:
        return "giftbridge: a test, nothing waits for you"
    if len(notices) == 1:
        return f"giftbridge: {notices[0].data['what']}"
    counts = Counter(notice.data["kind"] for notice in notices)
    return f"giftbridge: {len(notices)} things wait for you: {', '.join(f'{n} {kind}' for kind, n in counts.items())}"


def _lines(notices: Sequence[Notice]) -> Iterator[str]:
    if notices[0].is_test:
        yield "This is a test. Nothing waits for you. A notice looks like this:"
        yield ""
    for number, notice in enumerate(notices[:LISTED], start=1):
        data = notice.data
        yield f"{number}. {data['what']}"
        yield f"   {data['money']}"
        yield f"   {_about(data)}"
        yield f"   To do: {data['remedy']}"
        yield ""
        yield f"       {data['command']}"
        yield ""
    if len(notices) > LISTED:
        yield f"And {len(notices) - LISTED} more."
        yield ""
    yield "-- "
    yield f"giftbridge, ledger {notices[0].ledger}. Each of these is told once."
    yield "giftbridge attention lists everything that waits now."


def _about(data: Any) -> str:
    names = (
        data["provider"] and f"Provider {data['provider']}",
        data["order"] and f"order {data['order']}",
        data["transaction"] and f"transaction {data['transaction']}",
        f"since {data['since'].replace('T', ' ').replace('Z', ' UTC')}",
    )
    text = ", ".join(filter(None, names))
    return f"{text[0].upper()}{text[1:]}."


def _clean(text: str) -> str:
    """Return `text` on one line without anything that would steer a mail program: some of it is from strangers."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _text(written: object) -> str:
    return written.decode("utf-8", "replace") if isinstance(written, bytes) else str(written)

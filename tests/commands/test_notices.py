"""`giftbridge notices`: a sample arrives, what was sent is listed, and nothing secret is in any of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from app.admin import attention
from app.admin.attention import Kind
from app.admin.notices.outbox import Outbox, targets
from app.admin.transactions.views import provider_named
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.storage.connection import Connection
from app.ledger.transaction import Operation
from app.parts import Parts
from mappers.base import Customer, MapperError, OutcomeUnknown, Receipt
from mappers.deadline import Deadline
from mappers.vauchar import sandbox as vauchar
from tests.money import minor
from tests.notices import Inbox, MailServer, Receiver, mail_server, receiving

from .conftest import BACKEND_KEY, CODE, Installation
from .test_parked import CODE as VOUCHER
from .test_parked import parked
from .test_reconcile import lose_at_the_backend
from .test_refused import frozen

__all__ = ["parked"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

# Nothing that anybody is told may hold these.
CUSTOMER = Customer("52998224725", id="customer-4711", email="bia@shopper.example", document="52998224725", name="Bia")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def told(installation: Installation, receiver: Receiver, inbox: Inbox) -> Iterator[Parts]:
    """The parts of a service that tells people, by webhook and by mail."""
    with mail_server(MailServer(inbox), "none") as server:
        changed = {
            "notices_webhook_url": receiver.url,
            "notices_webhook_secret": SECRET,
            "notices_mail_to": "ana@store.example",
            "notices_mail_from": "giftbridge@store.example",
            "notices_smtp_host": server.host,
            "notices_smtp_port": server.port,
            "notices_smtp_tls": "none",
        }
        installation.environment |= {f"GIFTBRIDGE_{name.upper()}": str(value) for name, value in changed.items()}
        yield replace(installation.parts, settings=replace(installation.parts.settings, **changed))  # type: ignore[arg-type]


def look(parts: Parts) -> Outbox:
    outbox = Outbox(parts, targets(parts.settings))
    outbox.look()
    return outbox


def test_without_a_target_it_says_what_to_set(installation: Installation) -> None:
    shown = installation.run("notices", "test")
    assert shown.exit_code == 1
    assert "set GIFTBRIDGE_NOTICES_WEBHOOK_URL and" in shown.stdout
    assert installation.json("notices", "list") == {"sent": [], "targets": []}


def test_a_sample_goes_to_each_target(
    installation: Installation, told: Parts, receiver: Receiver, inbox: Inbox
) -> None:
    shown = installation.run("notices", "test")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.count("it has the sample") == 2
    ((_, content),) = receiver.got
    assert json.loads(content)["type"] == "test"
    (mail,) = inbox.mails
    assert "nothing waits for you" in mail["Subject"]
    assert installation.json("notices", "list")["sent"] == []


def test_what_came_back_is_told(installation: Installation, told: Parts, receiver: Receiver, inbox: Inbox) -> None:
    receiver.status, inbox.full = 401, True
    tried = installation.json("notices", "test", exit_code=1)
    assert tried["ok"] is False
    assert tried["targets"]["webhook"] == "it was answered with HTTP 401"
    assert "452 the mailbox is full" in tried["targets"]["mail"]


def test_what_was_sent_is_listed(installation: Installation, told: Parts, receiver: Receiver, parked: str) -> None:
    look(told)
    listed = installation.json("notices", "list")
    assert {(one["target"], one["kind"], one["outcome"]) for one in listed["sent"]} == {
        ("webhook", "parked", "sent"),
        ("mail", "parked", "sent"),
    }
    assert "order order-1" in installation.run("notices", "list").stdout
    ((_, content),) = receiver.got
    assert json.loads(content)["data"]["transaction"] == parked


def test_the_doctor_tells_of_a_target_that_is_down(
    installation: Installation, told: Parts, receiver: Receiver, parked: str
) -> None:
    receiver.status = 503
    look(told)
    checks = {check["name"]: check for check in installation.json("doctor", exit_code=1)["checks"]}
    assert checks["notices by webhook"]["ok"] is False
    assert "1 wait to be sent" in checks["notices by webhook"]["problem"]
    assert "HTTP 503" in checks["notices by webhook"]["problem"]
    assert checks["notices by mail"]["ok"] is True
    assert "1 wait for webhook: it was answered with HTTP 503." in installation.run("notices", "list").stderr


@contextmanager
def an_hour_later() -> Iterator[None]:
    now = Connection.now_milliseconds
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Connection, "now_milliseconds", lambda connection: now(connection) + 3_600_000)
        yield


def pay(installation: Installation, order: str) -> ChangeRequest:
    """Pay an order as a customer whose every field is known; return the settlement of it."""
    provider = provider_named(installation.parts, "acme")
    request = AuthorizationRequest(
        installation.card(), Operation.DEBIT, minor("10.00"), f"request-{order}", order_id=order, customer=CUSTOMER
    )
    transaction = installation.parts.ledger.authorize(provider, request, Deadline.after(5))
    return ChangeRequest(request.card_id, transaction, minor("10.00"), f"settle-{order}")


def settle_in_vain(installation: Installation, settlement: ChangeRequest) -> None:
    with pytest.raises(MapperError):
        installation.parts.ledger.settle(provider_named(installation.parts, "acme"), settlement, Deadline.after(5))


def everything_that_may_wait(installation: Installation) -> None:
    """A refused settlement, one of unknown outcome, and a hold that the backend has lost."""
    mapper = provider_named(installation.parts, "acme").mapper
    lose_at_the_backend(installation, pay(installation, "order-lost").transaction_id)
    refused, unknown = pay(installation, "order-refused"), pay(installation, "order-unknown")
    frozen(installation, is_so=True)
    settle_in_vain(installation, refused)
    frozen(installation, is_so=False)

    def down(*_: object) -> Receipt:
        raise OutcomeUnknown("the connection was lost")

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(mapper, "run", down)
        broken.setattr(mapper, "ask", down)
        settle_in_vain(installation, unknown)


def test_nothing_secret_is_in_what_people_are_told(
    installation: Installation, told: Parts, receiver: Receiver, inbox: Inbox, parked: str
) -> None:
    everything_that_may_wait(installation)
    with an_hour_later():
        installation.run("reconcile", "acme")
        look(told)
        kinds = {item.kind for item in attention.page(told, 1000).items}
        listed = installation.run("attention", "--json").output + installation.run("attention").output
    assert kinds == {Kind.PARKED, Kind.REFUSED, Kind.UNRESOLVED, Kind.DIFFERENCE, Kind.SWEEPER}
    assert {json.loads(content)["data"]["kind"] for _, content in receiver.got} == {*map(str, kinds)}
    sent = "".join(content.decode() for _, content in receiver.got)
    mailed = "".join(mail.as_string() + mail.get_content() for mail in inbox.mails)
    kept = json.dumps(told.documents.read_all("notices")) + json.dumps(told.documents.newest("notices", 100))
    secrets = [CODE, VOUCHER, BACKEND_KEY, SECRET, "first-token", *vauchar.DEMO_OPTIONS("").values()]
    secrets += [str(value) for value in (CUSTOMER.key, CUSTOMER.id, CUSTOMER.email)]
    for secret in filter(None, secrets):
        assert secret not in sent + mailed + kept + listed, secret

"""The outbox: what is new is written down, sent until each target has it, and forgotten once it waits no more.

It lies in Redis. So a notice survives whoever dies between finding and sending it, and may then be sent twice, under
the same id.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog

from app.admin import attention
from app.admin.attention import Attention, Kind
from app.admin.notices.mail import Mail, Server
from app.admin.notices.notice import NotDelivered, Notice, Target, as_data
from app.admin.notices.webhook import Webhook
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.storage.identity import Identity
from app.parts import Parts
from app.settings import Settings
from mappers.deadline import Deadline

log = structlog.get_logger()

COLLECTION = "notices"
LOG = "notices"
LOGGED = 1000

# Told one by one of each kind; whoever has so many open looks at the list.
TOLD = 500

# Sent again after a failure, later and later, until it is too old.
FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(days=3)

# A target that fails so often in a row is left alone until the next look.
FAILURES_IN_A_ROW = 3

# For all that one look sends.
SENDING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a notice is with one target. Times in milliseconds; `done`: it has it, or was given up."""

    tries: int = 0
    next_at: int = 0
    done: str = ""  # when it is: sent or given up
    error: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice in the outbox, under the key of what it is about."""

    key: str
    id: str
    found: int
    data: Mapping[str, Any]
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)

    def to(self, target: Target) -> Delivery:
        return self.deliveries.get(target.name, Delivery())

    def after(self, target: Target, delivery: Delivery) -> Entry:
        return replace(self, deliveries={**self.deliveries, target.name: delivery})


@dataclass(frozen=True, slots=True)
class Standing:
    """How a target stands: how many notices wait for it, and why the last one that failed did."""

    target: str
    waiting: int
    given_up: int
    error: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A notice that a target got, or did not get in the end."""

    date: datetime
    target: str
    id: str
    kind: str
    what: str
    outcome: str
    tries: int
    error: str


def targets(settings: Settings) -> list[Target]:
    """Return where these settings send notices."""
    found: list[Target] = []
    if settings.notices_webhook_url and settings.notices_webhook_secret:
        found.append(Webhook(settings.notices_webhook_url, settings.notices_webhook_secret))
    if settings.notices_mail_to and settings.notices_mail_from and settings.notices_smtp_host:
        server = Server(
            settings.notices_smtp_host,
            settings.notices_smtp_port,
            settings.notices_smtp_tls,
            settings.notices_smtp_user,
            settings.notices_smtp_password,
        )
        found.append(Mail(server, settings.notices_mail_from, settings.notice_recipients))
    return found


def try_out(parts: Parts, to: Sequence[Target]) -> dict[str, str]:
    """Send a sample to each target; return what was wrong, by its name: nothing where it arrived.

    Raises LedgerUnavailable.
    """
    now = parts.connection.now_milliseconds()
    sample = Attention(
        kind=Kind.PARKED,
        key="",
        since=moment(now),
        what="The backend cannot tell whether the settlement of 40.00 BRL for order 1532540012345-01 happened.",
        money="40.00 BRL may have been taken or not.",
        remedy="Look at the card at the backend, and decide; this shows what was sent and how to say what you saw.",
        command="giftbridge transactions show 1532540012345-01",
        order="1532540012345-01",
        amount=Decimal("40.00"),
        currency="BRL",
    )
    ledger = Identity(parts.connection).read() or ""
    tried: dict[str, str] = {}
    for target in to:
        notice = Notice(f"test_{secrets.token_hex(12)}", moment(now), ledger, as_data(sample), is_test=True)
        try:
            target.send([notice])
        except NotDelivered as error:
            tried[target.name] = str(error)
        else:
            tried[target.name] = ""
    return tried


class Outbox:
    """The notices of one ledger. One process of the fleet looks at a time. Methods raise LedgerUnavailable."""

    def __init__(self, parts: Parts, to: Sequence[Target]) -> None:
        self._parts = parts
        self._targets = to

    def look(self) -> None:
        """Write down what is new, and send what is due."""
        if not self._targets:
            return
        entries = self._gathered()
        ledger = Identity(self._parts.connection).read() or ""
        time = Deadline.after(SENDING_SECONDS)
        for target in self._targets:
            self._send(target, entries, ledger, time)

    def standings(self) -> list[Standing]:
        """Return how each target stands."""
        entries = [*self._entries().values()]
        return [
            Standing(
                target.name,
                waiting=sum(not entry.to(target).done for entry in entries),
                given_up=sum(entry.to(target).done == "given up" for entry in entries),
                error=next((entry.to(target).error for entry in entries if entry.to(target).error), ""),
            )
            for target in self._targets
        ]

    def sent(self, count: int) -> list[Sent]:
        """Return what was sent or given up last, the newest first."""
        return [
            Sent(**{**document, "date": moment(document["date"])})
            for document in self._parts.documents.newest(LOG, count)
        ]

    def _entries(self) -> dict[str, Entry]:
        return {name: _entry(name, document) for name, document in self._parts.documents.read_all(COLLECTION).items()}

    def _gathered(self) -> dict[str, Entry]:
        """Return the outbox with what is new, and without what was sent and waits no more."""
        entries, waits, cut = self._entries(), set[str](), set[Kind]()
        now = self._parts.connection.now_milliseconds()
        for kind in Kind:
            page = attention.page(self._parts, TOLD, kinds=(kind,))
            if page.after is not None:
                cut.add(kind)
            for item in page.items:
                waits.add(item.key)
                if item.key not in entries:
                    entries[item.key] = Entry(item.key, f"ntc_{secrets.token_hex(12)}", now, as_data(item))
                    self._write(entries[item.key])
        for entry in [*entries.values()]:
            over = all(entry.to(target).done for target in self._targets)
            # Of a list that was cut, nobody knows whether it waits still.
            if entry.key not in waits and over and entry.data["kind"] not in cut:
                self._parts.documents.remove(COLLECTION, entry.key)
                del entries[entry.key]
        return entries

    def _send(self, target: Target, entries: dict[str, Entry], ledger: str, time: Deadline) -> None:
        now = self._parts.connection.now_milliseconds()
        due = [entry for entry in entries.values() if not entry.to(target).done and entry.to(target).next_at <= now]
        failures = 0
        for some in _batches(sorted(due, key=lambda entry: (entry.found, entry.key)), target.at_a_time):
            if failures == FAILURES_IN_A_ROW or time.passed():
                break
            error = ""
            try:
                target.send([_notice(entry, ledger) for entry in some])
                failures = 0
            except NotDelivered as failed:
                error = str(failed)
                failures += 1
                log.warning("notices not delivered", target=target.name, notices=len(some), reason=error)
            for entry in some:
                entries[entry.key] = self._tried(target, entry, error, now)

    def _tried(self, target: Target, entry: Entry, error: str, now: int) -> Entry:
        before = entry.to(target)
        delivery = Delivery(before.tries + 1, error=error, done="" if error else "sent")
        if error and now - entry.found >= milliseconds(GIVEN_UP_AFTER):
            delivery = replace(delivery, done="given up")
            log.error("a notice was given up", target=target.name, notice=entry.id, reason=error)
        elif error:
            wait = min(FIRST_RETRY * 2 ** min(before.tries, 10), LONGEST_RETRY)
            delivery = replace(delivery, next_at=now + milliseconds(wait))
        after = entry.after(target, delivery)
        self._write(after)
        if delivery.done:
            document = {
                "date": now,
                "target": target.name,
                "id": entry.id,
                "kind": entry.data["kind"],
                "what": entry.data["what"],
                "outcome": delivery.done,
                "tries": delivery.tries,
                "error": error,
            }
            self._parts.documents.log(LOG, document, LOGGED)
        return after

    def _write(self, entry: Entry) -> None:
        document = asdict(entry)
        del document["key"]
        self._parts.documents.write(COLLECTION, entry.key, document)


def _entry(key: str, document: Mapping[str, Any]) -> Entry:
    deliveries = {name: Delivery(**delivery) for name, delivery in document["deliveries"].items()}
    return Entry(key, document["id"], document["found"], document["data"], deliveries)


def _notice(entry: Entry, ledger: str) -> Notice:
    return Notice(entry.id, moment(entry.found), ledger, entry.data)


def _batches(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    for start in range(0, len(entries), size):
        yield entries[start : start + size]

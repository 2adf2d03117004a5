"""Sign-in: password and code, and how often they may be tried.

Of a name, one try is allowed in a while that grows with each failure. Who signed in before from a device has a turn of
their own there, so that nobody who guesses keeps the real user out. An address gets slower as well, later on.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from app.admin.people import passwords, sessions, users
from app.admin.people.users import USERS, secret_digest
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.storage.documents import Document
from app.parts import Parts

LOG = "sign-ins"
LOG_KEEPS = 5000

# The first failures of a name cost a second each; then the wait doubles, up to a minute.
QUICK_FAILURES = 3
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=1)
# Behind a proxy all come from one address: that many of its failures cost nothing.
FREE_FAILURES_OF_AN_ADDRESS = 30
FAILURES_LAST = timedelta(hours=12)


class Outcome(StrEnum):
    """How a try to sign in ended."""

    DONE = "signed in"
    REFUSED = "wrong name, password or code"
    WAIT = "too many tries"
    SIGNED_OUT = "signed out"
    INVITED = "chose a password"
    SINGLE_SIGN_ON = "signed in with single sign-on"
    SINGLE_SIGN_ON_REFUSED = "single sign-on: may not come in"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever signs in: `device` is the secret a device got at an earlier sign-in."""

    address: str
    browser: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The secrets of a new session and of the device it was begun on."""

    session: str
    device: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the sign-in log."""

    date: datetime
    user: str
    outcome: str
    address: str
    browser: str


def sign_in(parts: Parts, name: str, password: str, code: str, visitor: Visitor) -> SignedIn | Outcome:
    """Begin a session. Raises LedgerUnavailable."""
    outcome = prove(parts, name, password, code, visitor)
    if outcome is not Outcome.DONE:
        return outcome
    return begin(parts, name, visitor)


def begin(parts: Parts, name: str, visitor: Visitor, outcome: Outcome = Outcome.DONE) -> SignedIn:
    """Begin a session of somebody who has proved who they are, and remember the device. Raises LedgerUnavailable."""
    device = visitor.device or secrets.token_urlsafe(32)
    known = secret_digest(device)
    users.change(
        parts,
        name,
        lambda document: (
            document | {"devices": [known, *(one for one in document["devices"] if one != known)][: users.DEVICES]}
        ),
    )
    note(parts, name, outcome, visitor)
    return SignedIn(sessions.begin(parts, name, visitor.address, visitor.browser), device)


def prove(parts: Parts, name: str, password: str, code: str, visitor: Visitor, *, again: bool = False) -> Outcome:
    """Tell whether this is the user: DONE, REFUSED or WAIT. `again`: they are signed in, and no code is asked for."""
    document = parts.documents.read(USERS, name) if users.NAME.fullmatch(name) else None
    turns = list(_turns(name, document, visitor))
    if not all(turn.take(parts) for turn in turns):
        return Outcome.WAIT
    right = passwords.proves(password, document["password"] if document else None)
    if document is None or not right or document["disabled"] or not (again or _code_is_right(parts, name, code)):
        for turn in turns:
            turn.fail(parts)
        # What is no user's name may be a password that went into the wrong field.
        note(parts, name if document else "", Outcome.REFUSED, visitor)
        return Outcome.REFUSED
    for turn in turns:
        turn.succeed(parts)
    return Outcome.DONE


def note(parts: Parts, user: str, outcome: Outcome, visitor: Visitor) -> None:
    """Write a line of the sign-in log. Raises LedgerUnavailable."""
    line = {
        "date": milliseconds(datetime.now(UTC)),
        "user": user,
        "outcome": outcome,
        "address": visitor.address,
        "browser": visitor.browser[:200],
    }
    parts.documents.log(LOG, line, LOG_KEEPS)


def newest(parts: Parts, count: int, skip: int = 0) -> list[Entry]:
    """Return lines of the sign-in log, the newest first. Raises LedgerUnavailable."""
    return [Entry(**line | {"date": moment(line["date"])}) for line in parts.documents.newest(LOG, count, skip)]


def _code_is_right(parts: Parts, name: str, code: str) -> bool:
    """Each code counts once: who saw one typed cannot use it."""
    fresh = False

    def used(document: Document) -> Document:
        nonlocal fresh
        step = users.totp_step(document["totp"], code) if document["totp"] else None
        fresh = document["totp"] is None or (step is not None and step > document["totp_last"])
        return document | {"totp_last": step} if fresh and step is not None else document

    users.change(parts, name, used)
    return fresh


@dataclass(frozen=True, slots=True)
class _Turn:
    """The right to try once. It is taken before the try, and a wrong one keeps it taken for a while that grows."""

    name: str
    free_failures: int = 0
    quick_failures: int = QUICK_FAILURES

    def take(self, parts: Parts) -> bool:
        failures = self._failures(parts)
        if failures < self.free_failures:
            return True
        doublings = max(0, min(failures - self.free_failures - self.quick_failures, 10))
        return parts.documents.note_once(self._note, {}, min(FIRST_WAIT * 2**doublings, LONGEST_WAIT))

    def fail(self, parts: Parts) -> None:
        parts.documents.note(self._count, {"failures": self._failures(parts) + 1}, FAILURES_LAST)

    def succeed(self, parts: Parts) -> None:
        parts.documents.forget(self._count)
        parts.documents.forget(self._note)

    def _failures(self, parts: Parts) -> int:
        found = parts.documents.noted(self._count)
        return int(found["failures"]) if found else 0

    @property
    def _note(self) -> str:
        return f"sign-in:{self.name}"

    @property
    def _count(self) -> str:
        return f"sign-in-failures:{self.name}"


def _turns(name: str, document: Document | None, visitor: Visitor) -> Iterator[_Turn]:
    device = secret_digest(visitor.device) if visitor.device else ""
    if document is not None and device in document["devices"]:
        yield _Turn(secret_digest(f"{name} {device}"))
        return
    address = secret_digest(f"address {visitor.address}")
    yield _Turn(address, free_failures=FREE_FAILURES_OF_AN_ADDRESS, quick_failures=0)
    yield _Turn(secret_digest(f"name {name}"))

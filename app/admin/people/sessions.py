"""Sessions of users: begun at a sign-in, over after a while without a request, at the latest after a day's work.

Redis has only a digest of a session's secret: who reads Redis cannot become somebody.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.admin.people.users import User, get, secret_digest
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.storage.documents import Document
from app.parts import Parts

SESSIONS = "sessions"

# That somebody is still there is written down this often at most.
SEEN_AGAIN = timedelta(minutes=1)

# Who has proved who they are with single sign-on, in the middle of an act, has so long to go on with it.
PROOF_LASTS = timedelta(minutes=5)

# Whoever changes a session finds that somebody else was quicker so often, and gives up.
TRIES = 5


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a user. `id` is the digest; `address` and `browser` are what the sign-in came from."""

    id: str
    user: str
    began: datetime
    seen: datetime
    address: str
    browser: str


def begin(parts: Parts, user: str, address: str, browser: str) -> str:
    """Return the secret of a new session. Raises LedgerUnavailable, as all here do."""
    _forget_ended(parts)
    secret = secrets.token_urlsafe(32)
    now = milliseconds(datetime.now(UTC))
    document = {"user": user, "began": now, "seen": now, "address": address, "browser": browser[:200]}
    parts.documents.write(SESSIONS, secret_digest(secret), document)
    return secret


def user_of(parts: Parts, secret: str, *, present: bool = True) -> User | None:
    """Return whose session this is, while it lasts and the user may come in.

    Not `present`: a page asks by itself, which keeps no session alive.
    """
    name = secret_digest(secret)
    document = parts.documents.read(SESSIONS, name)
    if document is None or not _lasts(parts, document):
        return None
    user = get(parts, document["user"])
    if user is None or user.disabled:
        return None
    now = datetime.now(UTC)
    if present and now - moment(document["seen"]) > SEEN_AGAIN:
        # Only what is still there: one that was ended meanwhile stays so.
        parts.documents.replace(SESSIONS, name, document, document | {"seen": milliseconds(now)})
    return user


def name_of(parts: Parts, session_id: str) -> str | None:
    """Return the name of whoever has a session, while it lasts."""
    document = parts.documents.read(SESSIONS, session_id)
    return str(document["user"]) if document and _lasts(parts, document) else None


def prove(parts: Parts, session_id: str) -> bool:
    """Note that whoever has a session has proved once more who they are; tell whether it lasts."""
    return _change(parts, session_id, lambda document: document | {"proved": milliseconds(datetime.now(UTC))})


def is_proved(parts: Parts, session_id: str) -> bool:
    """Tell whether whoever has a session has proved lately who they are, and has done nothing by it."""
    document = parts.documents.read(SESSIONS, session_id)
    return document is not None and _is_proved(document)


def use_proof(parts: Parts, session_id: str) -> bool:
    """Tell what `is_proved` does, and let it count no more: one proof is for one act."""
    proved = False

    def used(document: Document) -> Document:
        nonlocal proved
        proved = _is_proved(document)
        return document | {"proved": 0}

    return _change(parts, session_id, used) and proved


def _is_proved(document: Document) -> bool:
    return datetime.now(UTC) - moment(document.get("proved", 0)) < PROOF_LASTS


def _change(parts: Parts, session_id: str, changed: Callable[[Document], Document]) -> bool:
    for _ in range(TRIES):
        document = parts.documents.read(SESSIONS, session_id)
        if document is None or not _lasts(parts, document):
            return False
        if parts.documents.replace(SESSIONS, session_id, document, changed(document)):
            return True
    return False


def every(parts: Parts, user: str | None = None) -> list[Session]:
    """Return the sessions that last, of one user or of all, the newest first."""
    found = [
        _session(name, document)
        for name, document in parts.documents.read_all(SESSIONS).items()
        if _lasts(parts, document) and user in (None, document["user"])
    ]
    return sorted(found, key=lambda session: session.began, reverse=True)


def end(parts: Parts, session_id: str) -> bool:
    """End a session; tell whether there was one."""
    return parts.documents.remove(SESSIONS, session_id)


def end_all(parts: Parts, user: str, *, but: str | None = None) -> int:
    """End a user's sessions, all `but` this one; return how many there were."""
    return sum(end(parts, session.id) for session in every(parts, user) if session.id != but)


def _lasts(parts: Parts, document: Document) -> bool:
    now, settings = datetime.now(UTC), parts.settings
    idle = now - moment(document["seen"])
    age = now - moment(document["began"])
    return (
        idle.total_seconds() < settings.console_idle_seconds and age.total_seconds() < settings.console_session_seconds
    )


def _forget_ended(parts: Parts) -> None:
    for name, document in parts.documents.read_all(SESSIONS).items():
        if not _lasts(parts, document):
            parts.documents.remove(SESSIONS, name)


def _session(name: str, document: Document) -> Session:
    return Session(
        id=name,
        user=document["user"],
        began=moment(document["began"]),
        seen=moment(document["seen"]),
        address=document["address"],
        browser=document["browser"],
    )

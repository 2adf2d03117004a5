"""Users of the console: who they are, what they may do, and the link with which each chooses a password."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pyotp

from app.admin.people import passwords
from app.ledger.milliseconds import milliseconds, moment
from app.ledger.storage.documents import Document
from app.parts import Parts

USERS = "users"

LINK_LASTS = timedelta(days=1)

# Whoever changes a user finds that somebody else was quicker so often, and gives up.
TRIES = 10

# The newest ones of a user.
DEVICES = 10

TOTP_SECONDS = 30
TOTP_SECRET = re.compile(r"[A-Z2-7]{32}")

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?")


class UserError(ValueError):
    """It cannot be done; the message says why and what to do."""


class Role(StrEnum):
    """What a user may do; each role may do what the ones before it may."""

    VIEWER = "viewer"  # see everything
    OPERATOR = "operator"  # move money, repair orders
    OWNER = "owner"  # change providers and users

    def includes(self, other: Role) -> bool:
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True)
class User:
    """A user. `language`, `theme` and `zone` are their own choice; empty: as the browser says, or UTC.

    `subject`: the issuer's own name for whoever comes in with single sign-on, empty until they have; None for whoever
    has a password instead.
    """

    name: str
    role: Role
    disabled: bool
    has_password: bool
    has_totp: bool
    subject: str | None
    created: datetime
    language: str
    theme: str
    zone: str

    @property
    def has_single_sign_on(self) -> bool:
        return self.subject is not None

    @classmethod
    def of(cls, name: str, document: Document) -> User:
        return cls(
            name=name,
            role=Role(document["role"]),
            disabled=document["disabled"],
            has_password=document["password"] is not None,
            has_totp=document["totp"] is not None,
            subject=document.get("subject"),
            created=moment(document["created"]),
            language=document["language"],
            theme=document["theme"],
            zone=document["zone"],
        )


def secret_digest(text: str) -> str:
    """Return what proves a long random text and does not tell it."""
    return hashlib.sha256(text.encode()).hexdigest()


def exist(parts: Parts) -> bool:
    """Tell whether there is any user, and so a console. Raises LedgerUnavailable, as all here do."""
    return bool(parts.documents.read_all(USERS))


def every(parts: Parts) -> list[User]:
    """Return all users by name."""
    return [User.of(name, document) for name, document in sorted(parts.documents.read_all(USERS).items())]


def get(parts: Parts, name: str) -> User | None:
    document = parts.documents.read(USERS, name)
    return User.of(name, document) if document else None


def add(parts: Parts, name: str, role: Role) -> str:
    """Make a user; return the secret of the link with which they choose a password. Raises UserError."""
    secret, invitation = _invitation()
    _make(parts, name, role, {"invitation": invitation})
    return secret


def add_for_single_sign_on(parts: Parts, name: str, role: Role) -> None:
    """Make a user who comes in with single sign-on: `name` is what the issuer calls them. Raises UserError."""
    _make(parts, name, role, {"subject": ""})


def reset(parts: Parts, name: str) -> str:
    """Take a user's password and second factor, or their single sign-on, away; return the secret of a new link.

    Raises UserError.
    """
    secret, invitation = _invitation()
    change(parts, name, lambda document: document | _NO_WAY_IN | {"invitation": invitation})
    return secret


def reset_for_single_sign_on(parts: Parts, name: str) -> None:
    """Let a user come in with single sign-on, and no more with a password or a link. Raises UserError."""
    change(parts, name, lambda document: document | _NO_WAY_IN | {"subject": ""})


_NO_WAY_IN: dict[str, Any] = {
    "password": None,
    "totp": None,
    "totp_last": 0,
    "devices": [],
    "invitation": None,
    "subject": None,
}


def _make(parts: Parts, name: str, role: Role, way_in: dict[str, Any]) -> None:
    if NAME.fullmatch(name) is None:
        raise UserError(
            f"{name!r} is no name for a user: take up to 64 small letters, digits, dots, hyphens, underscores and @, "
            "with a letter or digit at both ends"
        )
    document = _NO_WAY_IN | {
        "role": role,
        "disabled": False,
        "created": milliseconds(datetime.now(UTC)),
        "language": "",
        "theme": "",
        "zone": "",
    }
    if not parts.documents.replace(USERS, name, None, document | way_in):
        raise UserError(f"there is a user {name} already: giftbridge users reset {name} makes a new link")


def set_role(parts: Parts, name: str, role: Role) -> None:
    """Raises UserError, also where no owner would be left."""
    if role is not Role.OWNER:
        _expect_another_owner(parts, name)
    change(parts, name, lambda document: document | {"role": role})


def disable(parts: Parts, name: str, *, disabled: bool = True) -> None:
    """Let a user in no more, or again. Raises UserError."""
    change(parts, name, lambda document: document | {"disabled": disabled})


def _expect_another_owner(parts: Parts, name: str) -> None:
    owners = [user.name for user in every(parts) if user.role is Role.OWNER and not user.disabled]
    if owners == [name]:
        raise UserError(f"{name} is the only owner: make somebody else an owner first")


def invited(parts: Parts, name: str, secret: str) -> User | None:
    """Return the user whose link this is, while it can be used."""
    document = parts.documents.read(USERS, name)
    return User.of(name, document) if document and _is_invited(document, secret) else None


def accept(parts: Parts, name: str, secret: str, password: str) -> None:
    """Set the password of an invited user; the link works no more. Raises UserError, WeakPassword."""
    passwords.check_strength(password, name)
    kept = passwords.digest(password)

    def accepted(document: Document) -> Document:
        if not _is_invited(document, secret):
            raise UserError("this link was used before, or is too old: ask for a new one")
        return document | {"password": kept, "invitation": None}

    change(parts, name, accepted)


def enter(parts: Parts, name: str, secret: str) -> bool:
    """Use up a link without choosing a password, as only a demo may; tell whether it still worked. Raises UserError."""
    worked = False

    def entered(document: Document) -> Document:
        nonlocal worked
        worked = _is_invited(document, secret)
        return document | {"invitation": None} if worked else document

    change(parts, name, entered)
    return worked


def _is_invited(document: Document, secret: str) -> bool:
    invitation = document["invitation"]
    if invitation is None or document["disabled"]:
        return False
    in_time = moment(invitation["until"]) > datetime.now(UTC)
    return in_time and hmac.compare_digest(invitation["digest"], secret_digest(secret))


def change_password(parts: Parts, name: str, password: str) -> None:
    """Raises UserError, WeakPassword."""
    passwords.check_strength(password, name)
    kept = passwords.digest(password)
    change(parts, name, lambda document: document | {"password": kept, "devices": []})


def prefer(parts: Parts, name: str, *, language: str, theme: str, zone: str) -> None:
    """Keep how a user wants the console to look. Raises UserError."""
    change(parts, name, lambda document: document | {"language": language, "theme": theme, "zone": zone})


def new_totp() -> str:
    """Return a new secret for a program that makes codes."""
    return pyotp.random_base32()


def totp_address(name: str, secret: str) -> str:
    """Return the address of a secret that such programs read."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="giftbridge")


def enroll_totp(parts: Parts, name: str, secret: str, code: str) -> bool:
    """Want a code of this generator at each sign-in, if this is one of it; tell whether it was. Raises UserError."""
    step = totp_step(secret, code) if TOTP_SECRET.fullmatch(secret) else None
    if step is not None:
        change(parts, name, lambda document: document | {"totp": secret, "totp_last": step})
    return step is not None


def drop_totp(parts: Parts, name: str) -> None:
    """Raises UserError."""
    change(parts, name, lambda document: document | {"totp": None, "totp_last": 0})


def totp_step(secret: str, code: str) -> int | None:
    """Return the number of the time step whose code this is: now's, or one beside it, as clocks differ."""
    now = int(datetime.now(UTC).timestamp()) // TOTP_SECONDS
    generator = pyotp.TOTP(secret, interval=TOTP_SECONDS)
    for step in (now, now - 1, now + 1):
        if hmac.compare_digest(generator.at(step * TOTP_SECONDS), code.strip().replace(" ", "")):
            return step
    return None


def change(parts: Parts, name: str, changed: Callable[[Document], Document]) -> Document:
    """Change a user as they are now; return the document written. Raises UserError."""
    for _ in range(TRIES):
        document = parts.documents.read(USERS, name)
        if document is None:
            known = ", ".join(sorted(parts.documents.read_all(USERS))) or "none"
            raise UserError(f"there is no user {name}; there are: {known}")
        wanted = changed(document)
        if parts.documents.replace(USERS, name, document, wanted):
            return wanted
    raise UserError(f"{name} is being changed by others all the time: try again")


def _invitation() -> tuple[str, dict[str, Any]]:
    secret = secrets.token_urlsafe(32)
    until = datetime.now(UTC) + LINK_LASTS
    return secret, {"digest": secret_digest(secret), "until": milliseconds(until)}

"""Single sign-on: an OpenID Connect issuer says who somebody is; who may come in, and what they may do, is said here.

The browser is sent to the issuer and comes back with a code; the service asks the issuer for the signed token behind
it. A user is bound to the issuer's own name for them (`sub`) when they first come, as an address may be given to
somebody else later.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import quote_plus, urlencode

from app.admin.people import sessions, sign_in, users
from app.admin.people.sign_in import Outcome, SignedIn, Visitor
from app.admin.people.users import User
from app.ledger.storage.documents import Document
from app.parts import Parts
from app.settings import Settings
from mappers.base import InvalidOptions
from mappers.deadline import Deadline
from mappers.http.addresses import checked_base_url
from mappers.http.attempt import Connections, NoReply

# For all that is asked of the issuer in one step.
PATIENCE_SECONDS = 5

# The addresses of an issuer hardly ever change.
ADDRESSES_LAST_SECONDS = 300

# Threads that may wait for the issuer at a time: anybody can begin to sign in, and shoppers come first.
AT_A_TIME = 4

# A browser must be back from the issuer within this.
PENDING_LASTS_SECONDS = 600

# What the clocks of two machines may differ.
CLOCKS_DIFFER_SECONDS = 60


class NotProved(Exception):
    """What came back proves nothing; the message says why, for the log."""


class IssuerUnavailable(Exception):
    """The issuer could not be asked."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in under way; the browser keeps it. `session`: whose session it proves again, empty for a new one."""

    state: str
    nonce: str
    verifier: str
    began: int
    session: str = ""

    @classmethod
    def new(cls, session: str = "") -> Self:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, int(datetime.now(UTC).timestamp()), session)


@dataclass(frozen=True, slots=True)
class Proven:
    """Who somebody is, by the issuer: its own name for them, and the one that users have here."""

    subject: str
    name: str


@dataclass(slots=True)
class Issuer:
    """The issuer of the settings. Methods raise NotProved, IssuerUnavailable."""

    address: str
    client_id: str
    client_secret: str = field(repr=False)
    name_claim: str
    _connections: Connections = field(default_factory=lambda: Connections({"Accept": "application/json"}))
    _turns: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_A_TIME))
    _known: tuple[float, Mapping[str, Any]] = (0.0, {})

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Return the issuer that people may sign in with, None where there is none."""
        if settings.console_oidc_issuer is None:
            return None
        return cls(
            settings.console_oidc_issuer,
            settings.console_oidc_client_id or "",
            settings.console_oidc_client_secret or "",
            settings.console_oidc_name_claim,
        )

    def address_to_ask(self, pending: Pending, redirect_uri: str) -> str:
        """Return where to send the browser. Somebody who is signed in has to prove themselves anew there."""
        from app.admin.people import id_token  # noqa: PLC0415 - the packages it needs may not be there

        anew: dict[str, str | int] = {"prompt": "login", "max_age": 0} if pending.session else {}
        with self._turn() as deadline:
            endpoint = self._addresses(deadline)["authorization_endpoint"]
        return id_token.address_to_ask(
            endpoint,
            self.client_id,
            redirect_uri,
            verifier=pending.verifier,
            state=pending.state,
            nonce=pending.nonce,
            **anew,
        )

    def proven(self, pending: Pending, answer: Mapping[str, str], redirect_uri: str) -> Proven:
        """Return who came back, by what the browser brought with it."""
        from app.admin.people import id_token  # noqa: PLC0415

        if not hmac.compare_digest(pending.state.encode(), answer.get("state", "").encode()):
            raise NotProved("the state is another one")
        if answer.get("iss", self.address) != self.address:
            raise NotProved("the answer is of another issuer")
        if "code" not in answer:
            raise NotProved(f"the issuer refused: {answer.get('error', '')[:100]!r}")
        with self._turn() as deadline:
            addresses = self._addresses(deadline)
            token = self._token(addresses, answer["code"], pending, redirect_uri, deadline)
            keys = self._ask("GET", str(addresses["jwks_uri"]), deadline)
        try:
            claims = id_token.checked(
                token,
                keys,
                issuer=self.address,
                client_id=self.client_id,
                nonce=pending.nonce,
                leeway_seconds=CLOCKS_DIFFER_SECONDS,
            )
        except id_token.WrongToken as error:
            raise NotProved(str(error)) from error
        if pending.session:
            _expect_anew(claims, pending)
        return Proven(str(claims["sub"]), self._name(claims))

    def _name(self, claims: Mapping[str, Any]) -> str:
        name = claims.get(self.name_claim)
        if not isinstance(name, str):
            raise NotProved(f"the token has no {self.name_claim}")
        # At many issuers people can write any address there; one that was not looked after is nobody's.
        if self.name_claim == "email" and claims.get("email_verified") is not True:
            raise NotProved("the issuer has not verified the e-mail address")
        return name.strip().lower()

    def _token(
        self, addresses: Mapping[str, Any], code: str, pending: Pending, redirect_uri: str, deadline: Deadline
    ) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": pending.verifier,
        }
        headers = {}
        # Where an issuer does not say how, it is this way.
        if "client_secret_basic" in addresses.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]):
            secret = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
        else:
            form |= {"client_id": self.client_id, "client_secret": self.client_secret}
        answer = self._ask("POST", str(addresses["token_endpoint"]), deadline, headers, urlencode(form).encode())
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotProved(f"the issuer gave no id token: {str(answer.get('error', ''))[:100]!r}")
        return token

    def _addresses(self, deadline: Deadline) -> Mapping[str, Any]:
        """Return what the issuer says of itself (OpenID Connect Discovery)."""
        until, known = self._known
        if time.monotonic() < until:
            return known
        where = f"{self.address.rstrip('/')}/.well-known/openid-configuration"
        found = self._ask("GET", where, deadline)
        if found.get("issuer") != self.address:
            raise IssuerUnavailable(f"{where} is of another issuer: {str(found.get('issuer'))[:200]!r}")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            try:
                checked_base_url(str(found.get(name, "")).partition("?")[0])
            except InvalidOptions as error:
                raise IssuerUnavailable(f"{where} has no {name} that can be used") from error
        self._known = time.monotonic() + ADDRESSES_LAST_SECONDS, found
        return found

    def _ask(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Mapping[str, Any]:
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if content else {}
        try:
            reply = self._connections.attempt(
                method,
                url,
                headers={**kind, **(headers or {})},
                content=content,
                deadline=deadline,
                wants_body=lambda status: status in (200, 400, 401),
            )
            found = reply.json()
        except (NoReply, ValueError) as error:
            raise IssuerUnavailable(f"{url.partition('?')[0]}: {error}") from error
        # What a token endpoint refuses has a status of its own, and says why.
        refused = content is not None and reply.status in (400, 401)
        if not isinstance(found, dict) or not (reply.status == 200 or refused):
            raise IssuerUnavailable(f"{url.partition('?')[0]} answered {reply.status}")
        return found

    @contextmanager
    def _turn(self) -> Iterator[Deadline]:
        if not self._turns.acquire(blocking=False):
            raise IssuerUnavailable("too many wait for the issuer already")
        try:
            yield Deadline.after(PATIENCE_SECONDS)
        finally:
            self._turns.release()


def come_in(parts: Parts, proven: Proven, visitor: Visitor) -> SignedIn | Outcome:
    """Begin a session of the user whom the issuer has named, where they may come in so. Raises LedgerUnavailable."""
    known = users.get(parts, proven.name) if users.NAME.fullmatch(proven.name) else None
    if known is None or known.disabled or not _bind(parts, known, proven):
        sign_in.note(parts, known.name if known else "", Outcome.SINGLE_SIGN_ON_REFUSED, visitor)
        return Outcome.SINGLE_SIGN_ON_REFUSED
    return sign_in.begin(parts, known.name, visitor, Outcome.SINGLE_SIGN_ON)


def prove_again(parts: Parts, session_id: str, proven: Proven, visitor: Visitor) -> bool:
    """Note that whoever has a session has proved who they are once more; tell whether they are that user."""
    name = sessions.name_of(parts, session_id)
    user = users.get(parts, name) if name else None
    if user is None or user.disabled or not user.subject or user.subject != proven.subject:
        sign_in.note(parts, name or "", Outcome.SINGLE_SIGN_ON_REFUSED, visitor)
        return False
    return sessions.prove(parts, session_id)


def _bind(parts: Parts, known: User, proven: Proven) -> bool:
    """Tell whether a user comes in so and is who they were; whoever is first is who they are from then on."""
    bound = False

    def seen(document: Document) -> Document:
        nonlocal bound
        subject = document.get("subject")
        bound = subject in ("", proven.subject)
        return document | {"subject": proven.subject} if bound else document

    users.change(parts, known.name, seen)
    return bound


def _expect_anew(claims: Mapping[str, Any], pending: Pending) -> None:
    date = claims.get("auth_time")
    if not isinstance(date, int) or date < pending.began - CLOCKS_DIFFER_SECONDS:
        raise NotProved("the issuer did not ask anew who it is")

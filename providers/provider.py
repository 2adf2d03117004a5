"""A provider: what a store registers with the Gift Card Hub, and the mapper that does its work."""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from hashlib import blake2b, sha256
from typing import Literal, Self

from mappers.base import BackendUnavailable, Holds, Mapper
from mappers.money import Currency
from providers.codes import AS_TYPED, CodeForm
from providers.unloadable import Unloadable

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

# Longer than any gift card lives; a mistyped unit should not reserve money for a generation.
MAXIMUM_DURATION = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Credential:
    """One accepted pair of app key and app token; of the token only the SHA-256 digest is kept."""

    app_key: str
    token_digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a provider's owner decides: who holds the money, for how long, and when a settlement is answered.

    `authorization_ttl` is how long an untouched authorization is held, `remainder_ttl` how long the unsettled rest
    stays held after the last settlement. `settle` is "capture" (a settlement is answered when the money was taken)
    or "accept" (when it is on disk and the backend, which holds the money, cannot refuse any more). `search_cache` is
    how long a repeated search is answered from memory, zero where each asks the backend.
    """

    holds: Holds
    authorization_ttl: timedelta = timedelta(days=30)
    remainder_ttl: timedelta = timedelta(days=30)
    settle: Literal["capture", "accept"] = "capture"
    search_cache: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a transaction's money is: the mapper, the account it speaks to, and the currency amounts are counted in.

    A transaction stays with the one it was opened at: its amounts and references mean nothing anywhere else.
    """

    mapper: str
    account: str
    currency: Currency

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what `str` wrote."""
        mapper, account, currency = text.split("/", 2)
        code, digits = currency.rsplit("/", 1)
        return cls(mapper, account, Currency(code, int(digits)))

    def __str__(self) -> str:
        return f"{self.mapper}/{self.account}/{self.currency.code}/{self.currency.digits}"


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """One provider. `id` is the first path segment of its calls; `service_url` is None until a store registers it.

    `account` names the account at the backend where the file does; else the mapper's options say which one it is.
    `timezone` is where dates without a zone are, `codes` how its codes are written.
    """

    id: str
    caption: str
    currency: Currency
    mapper: Mapper
    credentials: tuple[Credential, ...]
    policy: Policy
    service_url: str | None = None
    mapper_name: str = "mapper"
    account: str | None = None
    timezone: tzinfo = UTC
    codes: CodeForm = AS_TYPED
    backend: Backend = field(init=False)

    def __post_init__(self) -> None:
        named = "\n".join((self.mapper_name, *self.mapper.account()))
        account = self.account or _digest(named).hex()[:16]
        object.__setattr__(self, "backend", Backend(self.mapper_name, account, self.currency))

    def serves(self, backend: Backend) -> bool:
        """Tell whether a transaction that was opened at `backend` is still this provider's.

        A broken mapper can say nothing of its account: what is known for certain can still be read.
        """
        return backend == self.backend or isinstance(self.mapper, Unloadable)

    def require_mapper(self) -> None:
        """Raise BackendUnavailable where the mapper is broken.

        Whoever writes an intent or takes a lease asks this first: only the real mapper can plan what was begun.
        """
        if isinstance(self.mapper, Unloadable):
            raise BackendUnavailable(self.mapper.reason)

    def keyed_digest(self, *parts: str) -> str:
        """Return 32 hexadecimal digits that stand for `parts` in Redis: nobody can try texts there without the file.

        The key is made of the first pair's token: what was digested under another is not known again.
        """
        key = self.credentials[0].token_digest if self.credentials else b""
        named = "\n".join((self.id, *(f"{len(part)} {part}" for part in parts)))
        return blake2b(named.encode("utf-8", "surrogatepass"), key=key, digest_size=16).hexdigest()

    def authenticate(self, app_key: str, app_token: str) -> bool:
        """Tell whether this pair is accepted, in a time that says nothing about which part of it is wrong."""
        key = _digest(app_key)
        token = _digest(app_token)
        accepted = False
        for credential in self.credentials:
            same_key = hmac.compare_digest(key, _digest(credential.app_key))
            same_token = hmac.compare_digest(token, credential.token_digest)
            accepted |= same_key & same_token
        return accepted


def token_digest(app_token: str) -> bytes:
    """Return what is kept of an app token."""
    return _digest(app_token)


def parse_duration(text: str) -> timedelta:
    """Return the duration that a whole number and a unit name: "90s", "45m", "12h", "30d". Raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    duration = timedelta(seconds=int(match[1]) * _SECONDS[match[2]]) if match else timedelta()
    if not timedelta() < duration <= MAXIMUM_DURATION:
        raise ValueError("must be a whole number and a unit, such as 90s, 45m, 12h or 30d (at most 3650d)")
    return duration


def _digest(text: str) -> bytes:
    # WSGI hands headers over as Latin-1 text, so any character may come.
    return sha256(text.encode("utf-8", "surrogatepass")).digest()

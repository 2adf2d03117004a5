"""What there is to know of the providers: which keys they accept, which stores use which, and what is in force."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta

from app.admin.providers.credentials import stores_using
from app.admin.providers.provider_file import ProviderFile
from mappers import capabilities
from mappers.base import Secret
from mappers.capabilities import Description
from providers.provider import Provider

__all__ = ["HIDDEN", "Key", "Listed", "Provider", "Store", "described", "in_force", "listed", "stores"]

HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Key:
    """An app key; `stores` are the accounts that use it."""

    app_key: str
    stores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A provider as it is listed."""

    id: str
    caption: str
    mapper: str
    currency: str
    holds: str
    service_url: str | None
    app_keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """A store that is registered with a provider: since when it has this pair."""

    account: str
    app_key: str
    since: datetime


def listed(file: ProviderFile, provider: Provider) -> Listed:
    """Raises EditRefused."""
    used = stores_using(file, provider.id)
    return Listed(
        id=provider.id,
        caption=provider.caption,
        mapper=provider.mapper_name,
        currency=provider.currency.code,
        holds=provider.policy.holds,
        service_url=provider.service_url,
        app_keys=tuple(Key(pair.app_key, used.get(pair.app_key, ())) for pair in file.installed(provider.id)),
    )


def stores(file: ProviderFile, provider_id: str) -> list[Store]:
    """Return the stores that are registered, each with the pair it uses. Raises EditRefused."""
    used = stores_using(file, provider_id)
    return sorted(
        (
            Store(account, pair.app_key, pair.registered[account])
            for pair in file.installed(provider_id)
            for account in used.get(pair.app_key, ())
        ),
        key=lambda store: store.account,
    )


def described(provider: Provider) -> Description | None:
    """Return what a provider's mapper can do; None where there is no such mapper any more."""
    return capabilities.description(provider.mapper_name)


def in_force(provider: Provider) -> Iterator[tuple[str, str]]:
    """Yield each key of a provider's configuration that counts now, with its value; no secret."""
    policy = provider.policy
    yield from (
        ("mapper", provider.mapper_name),
        ("currency", provider.currency.code),
        ("timezone", str(provider.timezone)),
        ("account", provider.account or ""),
        ("policy.holds", policy.holds),
        ("policy.authorization_ttl", _duration(policy.authorization_ttl)),
        ("policy.remainder_ttl", _duration(policy.remainder_ttl)),
        ("policy.settle", policy.settle),
        ("policy.search_cache", _duration(policy.search_cache)),
    )
    options = getattr(provider.mapper, "options", None)
    if is_dataclass(options):
        for one in fields(options):
            value = getattr(options, one.name)
            if isinstance(value, Secret):
                value = HIDDEN
            yield f"options.{one.name}", "" if value is None else str(value)


def _duration(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"

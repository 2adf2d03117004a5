"""What registering with a store's Gift Card Hub, or removing from it, would change: made before anything is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from app.admin.providers.provider_file import Pair, ProviderFile
from mappers.base import Secret
from providers.hub.client import NATIVE, GiftCardHub, Registration
from providers.provider import Provider, token_digest

SECRET_FIELDS = ("appToken",)


class RegistrationFailed(Exception):
    """The registration was not made or is not proven; the message says what to do."""


class Step(StrEnum):
    """What register does, in order; told to whoever watches, before each begins."""

    READ = "read the Hub's list"
    INSTALL = "add a fresh pair of credentials to providers.toml"
    ACCEPT = "wait until the service accepts the credentials"
    PROTECT = f"save {NATIVE} as it is, or the first registration would overwrite it"
    PUT = "register with the Hub"
    DELETE = "remove from the Hub"
    VERIFY = "read back and compare"
    RESTORE = f"put {NATIVE} back as it was"
    RECORD = "write into providers.toml which pair the Hub has"
    TIDY = "remove pairs of interrupted runs"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one provider in the Hub; None where there is none. Secrets are described, never shown."""

    provider_id: str
    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be done, for a person to agree to. Nothing is done yet."""

    provider_id: str
    account: str
    before: tuple[Registration, ...]
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    warnings: tuple[str, ...] = ()
    wanted: Provider | None = field(default=None, repr=False)
    service_url: str = ""
    pair: Pair | None = None

    @property
    def registered(self) -> str:
        """What the store has before: address and app key, as far as the Hub shows them; "-" where it has nothing."""
        known = find(self.before, self.provider_id)
        return ", ".join(filter(None, (known.service_url, known.app_key))) if known else "-"


def plan_registration(
    hub: GiftCardHub,
    file: ProviderFile,
    provider_id: str,
    *,
    service_url: str | None = None,
    app_token: str | None = None,
) -> Plan:
    """Say what registering would change. Without `app_token`, a pair is made for it.

    Raises HubError, InvalidProviders, RegistrationFailed.
    """
    provider = _provider(file, provider_id)
    address = service_url or provider.service_url
    if address is None:
        raise RegistrationFailed(f"[{provider_id}] has no service_url: give the public address with --service-url")
    pair = None if app_token is None else known_pair(provider, app_token)
    before = hub.list()
    sent = Registration.of(provider_id, address, provider.caption, pair.app_key if pair else "(made now)", "")
    steps = [Step.READ, *([] if pair else [Step.INSTALL]), Step.ACCEPT]
    steps += [Step.PROTECT] if to_protect(before) else []
    steps += [Step.PUT, Step.VERIFY, Step.RECORD, Step.TIDY]
    known = find(before, provider_id)
    warnings = []
    if known and known.service_url.rstrip("/") != address.rstrip("/"):
        warnings.append(f"{provider_id} is registered with another address: its open orders will be settled here")
    if before and not find(before, NATIVE):
        warnings.append(f"{NATIVE} is not registered: this store does not accept VTEX's own gift cards")
    return Plan(
        provider_id,
        hub.account,
        before,
        _differences(known, sent),
        tuple(steps),
        tuple(warnings),
        wanted=provider,
        service_url=address,
        pair=pair,
    )


def plan_removal(hub: GiftCardHub, provider_id: str) -> Plan:
    """Say what removing a provider from a store would change: nothing, when it is not there. Raises HubError."""
    before = hub.list()
    known = find(before, provider_id)
    if provider_id == NATIVE:
        raise RegistrationFailed(f"{NATIVE} is VTEX's own provider: it is not for us to remove")
    warnings = ("orders paid with it can no longer be settled, canceled or refunded by VTEX, only by hand here",)
    return Plan(
        provider_id,
        hub.account,
        before,
        _differences(known, None),
        (Step.READ, Step.DELETE, Step.VERIFY) if known else (),
        warnings if known else (),
    )


def _provider(file: ProviderFile, provider_id: str) -> Provider:
    registry = file.registry()
    provider = registry.get(provider_id)
    if provider is None:
        known = ", ".join(provider.id for provider in registry.all())
        raise RegistrationFailed(f"{file.path} has no provider {provider_id}: it has {known}")
    return provider


def known_pair(provider: Provider, app_token: str) -> Pair:
    """Return a provider's pair by its token. Raises RegistrationFailed."""
    digest = token_digest(app_token)
    for credential in provider.credentials:
        if credential.token_digest == digest:
            return Pair(credential.app_key, Secret(app_token))
    raise RegistrationFailed(
        f"this is not the token of any pair of {provider.id}: give another, or none and a fresh pair is made"
    )


def find(registrations: Iterable[Registration], provider_id: str) -> Registration | None:
    return next((registration for registration in registrations if registration.id == provider_id), None)


def to_protect(before: Sequence[Registration]) -> Registration | None:
    """Return the native provider where no other was ever added: the first PUT of another would overwrite it."""
    return before[0] if [registration.id for registration in before] == [NATIVE] else None


def _differences(before: Registration | None, after: Registration | None) -> tuple[Change, ...]:
    old: Mapping[str, object] = before.fields if before else {}
    new: Mapping[str, object] = after.fields if after else {}
    provider_id = str((new or old).get("id", ""))
    changes = []
    for name in dict.fromkeys((*new, *old)):
        left, right = _shown(name, old), _shown(name, new, made="(the token, shown to nobody)")
        if left != right and (after is None or name in new):
            changes.append(Change(provider_id, name, left, right))
    return tuple(changes)


def _shown(name: str, fields: Mapping[str, object], made: str = "(hidden)") -> str | None:
    if name not in fields:
        return None
    return made if name in SECRET_FIELDS else text_of(fields[name])


def text_of(value: object) -> str:
    """Return a field for people, and for comparing: a slash at an address's end means nothing."""
    return str(value).lower() if isinstance(value, bool) else str(value).rstrip("/")

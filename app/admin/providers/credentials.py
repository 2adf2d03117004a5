"""Which stores use which of a provider's credentials, as providers.toml notes it, so that none is taken from them."""

from __future__ import annotations

import re
from datetime import datetime

from app.admin.providers.provider_file import EditRefused, ProviderFile

# What registering writes beside the pair that a store's Hub has.
_REGISTERED = re.compile(r"registered: (?P<account>\S+) since (?P<since>\S+)")


class InUse(Exception):
    """A store's Hub has this pair; the message says what would happen."""


def stores_using(file: ProviderFile, provider_id: str) -> dict[str, str]:
    """Return the store by app key; of the pairs registered with one store, the last is the one it uses.

    Raises EditRefused.
    """
    latest: dict[str, tuple[datetime, str]] = {}
    for pair in file.installed(provider_id):
        if match := _REGISTERED.fullmatch(pair.note):
            try:
                since = datetime.fromisoformat(match["since"])
            except ValueError as error:
                raise EditRefused(f"{file.path}: the note beside {pair.app_key} has no date: correct it") from error
            latest[match["account"]] = max(latest.get(match["account"], (since, "")), (since, pair.app_key))
    return {app_key: account for account, (_, app_key) in latest.items()}


def revoke(file: ProviderFile, provider_id: str, app_key: str, *, even_if_used: bool) -> None:
    """Remove a pair. Raises InUse, EditRefused, InvalidProviders."""
    account = stores_using(file, provider_id).get(app_key)
    if account and not even_if_used:
        raise InUse(
            f"{account} is registered with {app_key}, so its payments would fail: register again first "
            f"(giftbridge providers register {provider_id} --account {account}), or add --yes if the token has leaked"
        )
    file.remove_credentials(provider_id, app_key)

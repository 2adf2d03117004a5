"""Which stores use which of a provider's credentials, as providers.toml says, so that none is taken from them."""

from __future__ import annotations

from datetime import datetime

from app.admin.providers.provider_file import ProviderFile


class InUse(Exception):
    """A store's Hub has this pair; the message says what would happen."""


def stores_using(file: ProviderFile, provider_id: str) -> dict[str, tuple[str, ...]]:
    """Return the stores that use each app key; of the pairs registered with one store, it uses the last.

    Raises EditRefused.
    """
    latest: dict[str, tuple[datetime, str]] = {}
    for pair in file.installed(provider_id):
        for account, since in pair.registered.items():
            latest[account] = max(latest.get(account, (since, "")), (since, pair.app_key))
    users: dict[str, tuple[str, ...]] = {}
    for account, (_, app_key) in latest.items():
        users[app_key] = (*users.get(app_key, ()), account)
    return users


def revoke(file: ProviderFile, provider_id: str, app_key: str, *, even_if_used: bool) -> None:
    """Remove a pair. Raises InUse, EditRefused, InvalidProviders."""
    accounts = stores_using(file, provider_id).get(app_key, ())
    if accounts and not even_if_used:
        raise InUse(
            f"{', '.join(accounts)} is registered with {app_key}, so its payments would fail: register again first "
            f"(giftbridge providers register {provider_id} --account {accounts[0]}), "
            "or add --yes if the token has leaked"
        )
    file.remove_credentials(provider_id, app_key)

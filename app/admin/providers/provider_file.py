"""Edits providers.toml: comments and order stay, no edit is lost or half done, and none makes the file worse."""

from __future__ import annotations

import os
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.toml_document import TOMLDocument

from app.admin.providers import files, tables
from app.admin.providers.files import EditRefused
from app.admin.providers.tables import AnyTable, NewProvider, Pair
from mappers.base import Secret
from providers.problems import InvalidProviders, Problems, substitute
from providers.registry import PROVIDER_ID, Registry, stores_of

__all__ = ["NOT_EDITED", "EditRefused", "Installed", "NewProvider", "Pair", "ProviderFile"]

# The file is as it was; the message says why.
NOT_EDITED = (EditRefused, InvalidProviders)


@dataclass(frozen=True, slots=True)
class Installed:
    """A pair as the file has it: its key, and since when it is, or was to be, registered with stores, by account."""

    app_key: str
    registered: Mapping[str, datetime]
    pending: Mapping[str, datetime]


class ProviderFile:
    """The providers file at `path`. Methods raise EditRefused, and InvalidProviders for what the result would be.

    Mistakes the file has already do not stop an edit: a variable that only the service's own environment sets is no
    reason to keep a leaked token.
    """

    def __init__(self, path: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._target = path.resolve()
        self._environment = os.environ if environment is None else environment

    def registry(self) -> Registry:
        """Return the providers as the file has them now."""
        return Registry.load(self.path, environment=self._environment)

    def is_writable(self) -> bool:
        """Tell whether this process may change it: it is replaced, so its directory counts."""
        return os.access(self._target.parent, os.W_OK)

    def add_provider(self, new: NewProvider) -> Pair:
        """Append a provider's tables, with a fresh pair. The file is made where there is none."""
        if not PROVIDER_ID.fullmatch(new.id):
            raise EditRefused(
                "a provider's id is 1 to 64 letters, digits, - and _, the first no - or _: choose another"
            )
        with files.locked(self._target):
            text = self._read() if self._target.exists() else ""
            if new.id in _parse(text, self.path):
                raise EditRefused(f"there is a provider {new.id} already: choose another id, or edit {self.path}")
            pair = _fresh_pair(new.id)
            between = "" if not text else "\n" if text.endswith("\n") else "\n\n"
            text += between + tomlkit.dumps(tables.of_provider(new, pair))
            files.replace(self._target, text, self._check)
        return pair

    def add_credentials(self, provider_id: str, pending: Mapping[str, datetime] | None = None) -> Pair:
        """Add a fresh pair beside the ones there are. `pending` are the stores it is about to be registered with."""
        pair = _fresh_pair(provider_id)
        fields = tables.pair_fields(pair, pending)
        with self._editing(provider_id) as (table, data):
            tables.append(tables.credentials(table, provider_id), fields)
            data["credentials"].append(fields)
        return pair

    def remove_credentials(self, provider_id: str, app_key: str) -> None:
        """Remove a pair: calls with it are refused as soon as the service has read the file again."""
        with self._editing(provider_id) as (table, data):
            credentials = tables.credentials(table, provider_id)
            keys = [pair.get("app_key") for pair in credentials]
            if app_key not in keys:
                raise EditRefused(f"{provider_id} has no pair {app_key}: its keys are {', '.join(map(str, keys))}")
            if len(keys) == 1:
                raise EditRefused(f"{app_key} is the only pair of {provider_id}: add another with rotate first")
            tables.remove(credentials, keys.index(app_key))
            del data["credentials"][keys.index(app_key)]

    def record_registration(self, provider_id: str, app_key: str, account: str, moment: datetime) -> None:
        """Write down that a store's Hub has this pair, which is then no longer pending."""
        with self._editing(provider_id) as (table, data):
            credentials = tables.credentials(table, provider_id)
            for pair, plain in zip(credentials, data["credentials"], strict=True):
                if plain.get("app_key") == app_key:
                    plain["registered"] = plain.get("registered", {}) | {account: moment}
                    tables.set_key(pair, "registered", plain["registered"])
                    if plain.pop("pending", None) is not None:
                        del pair["pending"]

    def set_service_url(self, provider_id: str, service_url: str) -> None:
        """Write the address at which the store reaches the provider."""
        with self._editing(provider_id) as (table, data):
            tables.set_key(table, "service_url", service_url)
            data["service_url"] = service_url

    def installed(self, provider_id: str) -> list[Installed]:
        """Return a provider's pairs in the file's order."""
        document = _parse(self._read(), self.path)
        pairs = tables.credentials(self._table(document, provider_id), provider_id).unwrap()
        return [self._installed(pair) for pair in pairs]

    def plain_pairs(self, provider_id: str) -> list[Pair]:
        """Return the pairs whose token the file has itself, or the environment for it."""
        try:
            table = tomllib.loads(self._read())[provider_id]
        except tomllib.TOMLDecodeError as error:
            raise EditRefused(f"{self.path} is not TOML: {error}; correct that line") from error
        except KeyError:
            return []
        pairs = substitute(table.get("credentials", []), self._environment, Problems(self.path))
        return [
            Pair(pair["app_key"], Secret(pair["app_token"]))
            for pair in pairs
            if pair.get("app_key") and pair.get("app_token")
        ]

    # Inside.

    def _installed(self, pair: Mapping[str, Any]) -> Installed:
        app_key = str(pair.get("app_key"))
        try:
            return Installed(app_key, **stores_of(pair))
        except ValueError as error:
            raise EditRefused(f"{self.path}: {app_key}: {error}: correct it") from error

    @contextmanager
    def _editing(self, provider_id: str) -> Iterator[tuple[AnyTable, dict[str, Any]]]:
        """Yield a provider's table, to be edited, and its plain data, to be brought to what the edit should mean."""
        with files.locked(self._target):
            text = self._read()
            document = _parse(text, self.path)
            wanted = tomllib.loads(text)
            yield self._table(document, provider_id), wanted[provider_id]
            text = tomlkit.dumps(document)
            if tomllib.loads(text) != wanted:
                raise EditRefused(f"{self.path} is laid out in a way that cannot be edited safely: edit it by hand")
            files.replace(self._target, text, self._check)

    def _read(self) -> str:
        try:
            return self._target.read_bytes().decode("utf-8-sig")
        except FileNotFoundError as error:
            raise EditRefused(f"there is no file {self.path}: make it with providers new") from error
        except OSError as error:
            raise EditRefused(f"cannot read {self.path} ({error.strerror}): run this as its owner") from error
        except UnicodeDecodeError as error:
            raise EditRefused(f"{self.path} is not UTF-8: save it so") from error

    def _table(self, document: TOMLDocument, provider_id: str) -> AnyTable:
        table = document.get(provider_id)
        if not isinstance(table, AnyTable):
            known = ", ".join(document) or "none"
            raise EditRefused(f"{self.path} has no provider {provider_id}: it has {known}")
        return table

    def _check(self, draft: Path) -> None:
        known = set(self._problems(self._target)) if self._target.exists() else set()
        if added := [problem for problem in self._problems(draft) if problem not in known]:
            raise InvalidProviders(added)

    def _problems(self, path: Path) -> list[str]:
        try:
            Registry.load(path, environment=self._environment)
        except InvalidProviders as error:
            return [f"{self.path}{problem.removeprefix(str(path))}" for problem in error.problems]
        return []


def _parse(text: str, path: Path) -> TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise EditRefused(f"{path} is not TOML: {error}; correct that line") from error


def _fresh_pair(provider_id: str) -> Pair:
    return Pair(f"{provider_id}-{secrets.token_hex(4)}", Secret(secrets.token_urlsafe(32)))

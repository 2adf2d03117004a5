"""The tables of a provider in the document that tomlkit makes of providers.toml, and how they are changed in place."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import tomlkit
from tomlkit.container import OutOfOrderTableProxy
from tomlkit.items import AoT, Array, Comment, InlineTable, Item, Table
from tomlkit.toml_document import TOMLDocument

import mappers.registry
from app.admin.providers.files import EditRefused
from mappers.base import Secret
from providers.provider import token_digest

AnyTable = Table | OutOfOrderTableProxy

# What the names of a policy's keys begin with among the others of a provider.
POLICY = "policy."

# The keys of a provider that are no text.
NUMBERS = {"currency_digits"}


@dataclass(frozen=True, slots=True)
class NewProvider:
    """What a provider's table will say. Options are text, `${NAME}` for what the environment keeps.

    `more` are other keys of the table; those of its policy begin with "policy.".
    """

    id: str
    mapper: str
    currency: str
    caption: str | None = None
    service_url: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """An app key and its token. The file keeps the token's digest: this is the one time the token is known."""

    app_key: str
    app_token: Secret = field(repr=False)


def credentials(table: AnyTable, provider_id: str) -> AoT | Array:
    """Return a provider's pairs, however they are written. Raises EditRefused when there are none."""
    found = table.get("credentials")
    if not isinstance(found, AoT | Array) or not found:
        raise EditRefused(f"[{provider_id}] has no [[{provider_id}.credentials]]: add one by hand first")
    return found


def append(credentials: AoT | Array, fields: Mapping[str, Any]) -> None:
    """Add a pair after the last one, and above the comments below that: those belong to what comes next."""
    if isinstance(credentials, AoT):
        table = _pair_table(fields)
        last = credentials.body[-1].value.body
        below = last[_after_keys(last) :]
        if below:
            last[_after_keys(last) :] = [(None, tomlkit.nl())]
            table.value.body.extend(below)
        credentials.append(table)
    else:
        inline = tomlkit.inline_table()
        for name, value in fields.items():
            inline[name] = _item(value)
        credentials.append(inline)


def remove(credentials: AoT | Array, position: int) -> None:
    """Remove one pair, but not the comments below it: those belong to what comes next."""
    if isinstance(credentials, AoT):
        body = credentials.body[position].value.body
        below = body[_after_keys(body) :]
        if any(isinstance(item, Comment) for _, item in below):
            neighbor = credentials.body[position - 1 if position else 1].value.body
            place = _after_keys(neighbor) if position else 0
            neighbor[place:place] = below
    del credentials[position]


def _after_keys(body: Sequence[tuple[Any, Any]]) -> int:
    """Return the place after the last plain key of a table, before the comments and tables that follow."""
    keyed = [index for index, (key, item) in enumerate(body) if key is not None and not isinstance(item, Table | AoT)]
    return keyed[-1] + 1 if keyed else 0


def set_key(table: AnyTable | InlineTable, name: str, value: Any) -> None:
    """Set a plain key of a table; a new one goes below the others, above the comments and tables that follow."""
    item = _item(value)
    if name in table or not isinstance(table, Table):
        table[name] = item
        return
    item.trivia.trail = "\n"
    body = table.value.body
    body.insert(_after_keys(body), (tomlkit.key(name), item))


def pair_fields(pair: Pair, pending: Mapping[str, datetime] | None = None) -> dict[str, Any]:
    """Return what a pair's table says; `pending` are the stores that it is about to be registered with."""
    fields = {"app_key": pair.app_key, "app_token_sha256": token_digest(pair.app_token).hex()}
    return fields | ({"pending": dict(pending)} if pending else {})


def _pair_table(fields: Mapping[str, Any]) -> Table:
    table = tomlkit.table()
    for name, value in fields.items():
        table.add(name, _item(value))
    return table


def _item(value: Any) -> Item:
    """Return a value as tomlkit writes it: a table on one line, in the row of the keys."""
    if isinstance(value, Mapping):
        inline = tomlkit.inline_table()
        inline.update(value)
        return inline
    item: Item = tomlkit.item(value)
    return item


def of_provider(new: NewProvider, pair: Pair) -> TOMLDocument:
    """Return the tables of a new provider, as a document of their own."""
    table = tomlkit.table()
    table.add("caption", new.caption or new.id)
    table.add("currency", new.currency)
    table.add("mapper", new.mapper)
    if new.service_url is not None:
        table.add("service_url", new.service_url)
    own = {key: text for key, text in new.more.items() if not key.startswith(POLICY)}
    for key, text in own.items():
        table.add(key, _number(text) if key in NUMBERS else text)
    table.add(tomlkit.nl())
    pairs = tomlkit.aot()
    pairs.append(_pair_table(pair_fields(pair)))
    table.add("credentials", pairs)
    options = {name: _typed(new.mapper, name, text) for name, text in new.options.items()}
    policy = {key.removeprefix(POLICY): text for key, text in new.more.items() if key not in own}
    for name, values in {"options": options, "policy": policy}.items():
        if values:
            inner = tomlkit.table()
            inner.update(values)
            table.add(tomlkit.nl())
            table.add(name, inner)
    document = tomlkit.document()
    document.add(new.id, table)
    return document


def _typed(mapper: str, name: str, text: str) -> Any:
    """Return an option's text as the TOML value its mapper wants; left as text, the check says what is wrong."""
    try:
        hints = typing.get_type_hints(mappers.registry.load(mapper).Options)
    except mappers.registry.UnknownMapper:
        return text
    kinds = {hints.get(name), *typing.get_args(hints.get(name))}
    return _number(text) if kinds & {bool, int, float} else text


def _number(text: str) -> Any:
    """Return what a number, true or false is in TOML; other text as it is."""
    if re.fullmatch(r"true|false|[-+]?[0-9]+(\.[0-9]+)?", text):
        return tomllib.loads(f"value = {text}")["value"]
    return text

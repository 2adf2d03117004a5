"""The providers of this service: what providers.toml may say, and the providers it makes."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import structlog
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

import mappers.registry
from mappers.base import Holds, Mapper
from mappers.http.addresses import is_loopback
from mappers.money import Currency, UnknownCurrency, is_iso
from providers.codes import Case, CodeForm, visible
from providers.options import build_mapper
from providers.problems import Place, Problems, substitute, suggest
from providers.provider import Credential, Policy, Provider, parse_duration, token_digest
from providers.unloadable import Unloadable

log = structlog.get_logger()

# An id is a whole path segment, and never begins with "-": below /-/ are the service's own pages.
PROVIDER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

LONGEST_SEARCH_CACHE = timedelta(seconds=60)

UNKNOWN = "unknown key"
TABLE = "must be a table"
TEXT = "must be text in quotes"


class Text(fields.String):
    """A string that is not empty. `example` shows what to write where it is missing."""

    def __init__(self, example: str, **kwargs: Any) -> None:
        messages: dict[str, str | list[Any] | dict[Any, Any]] = {
            "required": f"is missing: add it, for instance {example}",
            "invalid": TEXT,
        }
        super().__init__(error_messages=messages, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text:
            raise ValidationError("must not be empty")
        return text


class Duration(Text):
    """A whole number and a unit, loaded as a timedelta."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        try:
            return parse_duration(super()._deserialize(value, attr, data, **kwargs))
        except ValueError as error:
            raise ValidationError(str(error)) from error


class Timezone(Text):
    """The IANA name of a time zone, loaded as a tzinfo."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        name = super()._deserialize(value, attr, data, **kwargs)
        if name == "UTC":
            return UTC
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            example = "write an IANA name such as America/Sao_Paulo"
            remedy = example if available_timezones() else "this system knows none: install the package tzdata"
            raise ValidationError(f"is no time zone: {remedy}") from error


class Stores(fields.Field[dict[str, datetime]]):
    """Stores by account, each with a moment that means the same everywhere."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, datetime]:
        moments = value.values() if isinstance(value, dict) else [None]
        if not all(isinstance(moment, datetime) and moment.tzinfo is not None for moment in moments):
            raise ValidationError("must be a table such as { mystore = 2026-01-31T10:00:00Z }")
        return dict(value)


class Strict(Schema):
    """A table that refuses keys it does not know."""

    error_messages = {"unknown": UNKNOWN, "type": TABLE}  # noqa: RUF012 - marshmallow's own way


def header_value(text: str) -> None:
    """Refuse what an HTTP header cannot carry unchanged."""
    if not re.fullmatch(r"[!-~]+", text):
        raise ValidationError("must be visible ASCII without spaces, because it travels in an HTTP header")


def service_url(text: str) -> None:
    """Refuse what the Gift Card Hub cannot call."""
    if not re.fullmatch(r"[!-~]+", text) or "\\" in text:
        raise ValidationError("must be a URL without spaces, line breaks, backslashes and other than ASCII signs")
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError as error:
        raise ValidationError("must be a URL such as https://gift.example.com/acme") from error
    if url.scheme not in ("http", "https") or not host or url.username is not None or "?" in text or "#" in text:
        raise ValidationError("must be a plain URL such as https://gift.example.com/acme")
    if not url.path.strip("/"):
        raise ValidationError("needs at least one path segment: end it with the provider's id")
    if text.endswith("/"):
        raise ValidationError("must not end with a slash: VTEX adds one")
    if url.scheme != "https" and not is_loopback(host):
        raise ValidationError("must be https: only an address of this machine may be http")


def capitals(text: str) -> None:
    """Refuse an ISO currency that no backend knows as it is written."""
    meant = text.upper()
    if text != meant and is_iso(meant):
        raise ValidationError(f'must be in capitals: "{meant}"')


def signs(text: str) -> None:
    """Refuse what codes and PINs are made of."""
    if any(character.isalnum() for character in text) or text != visible(f"|{text}|")[1:-1]:
        raise ValidationError("must be signs that can be typed, such as - or #, without letters and digits")


class UseSchema(Strict):
    """Which stores use a pair, by account: what `giftbridge providers register` keeps beside it."""

    registered = Stores(load_default=dict)
    pending = Stores(load_default=dict)


def stores_of(pair: Mapping[str, Any]) -> dict[str, dict[str, datetime]]:
    """Return `registered` and `pending` of a pair, whatever else is wrong with it. Raises ValueError."""
    try:
        loaded: dict[str, dict[str, datetime]] = UseSchema(unknown=EXCLUDE).load(pair)
    except ValidationError as error:
        raise ValueError("; ".join(f"{place[0]} {message}" for place, message in _flatten(error.messages))) from error
    return loaded


class CredentialSchema(UseSchema):
    """One [[<provider>.credentials]] table."""

    app_key = Text('app_key = "acme-key"', required=True, validate=header_value)
    app_token = Text('app_token = "${ACME_APP_TOKEN}"', validate=header_value)
    app_token_sha256 = Text(
        "the token's SHA-256 in hexadecimal",
        validate=validate.Regexp(r"\A[0-9a-fA-F]{64}\Z", error="must be the 64 hexadecimal digits of a SHA-256"),
    )

    @validates_schema
    def one_token(self, data: dict[str, str], **_: Any) -> None:
        if ("app_token" in data) == ("app_token_sha256" in data):
            raise ValidationError("must have either app_token or app_token_sha256, and not both")


class PolicySchema(Strict):
    """The [<provider>.policy] table."""

    holds = fields.Enum(
        Holds, by_value=True, error_messages={"unknown": "must be one of " + ", ".join(f'"{kind}"' for kind in Holds)}
    )
    authorization_ttl = Duration('authorization_ttl = "30d"')
    remainder_ttl = Duration('remainder_ttl = "30d"')
    settle = Text(
        'settle = "capture"', validate=validate.OneOf(("capture", "accept"), error='must be "capture" or "accept"')
    )
    search_cache = Duration(
        'search_cache = "2s"',
        validate=validate.Range(max=LONGEST_SEARCH_CACHE, error="must be at most 60s: shoppers see an old balance"),
    )


class ProviderSchema(Strict):
    """One [<provider>] table."""

    caption = Text('caption = "Acme gift cards"', required=True)
    currency = Text('currency = "BRL"', required=True, validate=capitals)
    currency_digits = fields.Integer(strict=True, error_messages={"invalid": "must be a whole number"})
    mapper = Text('mapper = "lightrail_v2"', required=True)
    service_url = Text('service_url = "https://gift.example.com/acme"', validate=service_url)
    account = Text(
        'account = "acme-brazil"',
        validate=validate.Regexp(
            rf"\A{ACCOUNT.pattern}\Z", error="must be 1 to 64 letters, digits, ., - and _, the first a letter or digit"
        ),
    )
    timezone = Timezone('timezone = "America/Sao_Paulo"')
    codes = fields.Enum(
        Case, by_value=True, error_messages={"unknown": "must be one of " + ", ".join(f'"{case}"' for case in Case)}
    )
    strip = Text('strip = "- "', validate=signs)
    pin_separator = Text('pin_separator = "#"', validate=signs)
    credentials = fields.List(
        fields.Nested(CredentialSchema),
        required=True,
        validate=validate.Length(min=1, error="must have at least one pair"),
        error_messages={
            "required": "are missing: add a [[...credentials]] table with app_key and app_token",
            "invalid": "must be an array of tables: write [[...credentials]], with two brackets",
        },
    )
    options = fields.Dict(keys=fields.String(), load_default=dict, error_messages={"invalid": TABLE})
    policy = fields.Nested(PolicySchema, load_default=dict)


# The keys that may stand in a provider's table and in the tables inside it.
KEYS = {
    None: tuple(ProviderSchema().fields),
    "credentials": tuple(CredentialSchema().fields),
    "policy": tuple(PolicySchema().fields),
}


class Registry:
    """The providers of this service, by id."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._providers = {provider.id: provider for provider in providers}

    def get(self, provider_id: str) -> Provider | None:
        return self._providers.get(provider_id)

    def all(self) -> tuple[Provider, ...]:
        return tuple(self._providers.values())

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        environment: Mapping[str, str] | None = None,
        known: Registry | None = None,
    ) -> Self:
        """Read a providers file. Mappers of `known` whose configuration is the same are kept, with their connections.

        Raises InvalidProviders with every mistake in the file.
        """
        return cls(load_providers(path, os.environ if environment is None else environment, known))


def load_providers(path: Path, environment: Mapping[str, str], known: Registry | None = None) -> list[Provider]:
    """Return the providers that a file describes. Raises InvalidProviders with every mistake in it.

    A provider whose mapper is broken is turned away at each call, while the others are served; alone it is a mistake.
    """
    problems = Problems(path)
    document = substitute(_read(path, problems), environment, problems)
    if not document:
        problems.add((), "lists no provider: add a table such as [acme], with caption, currency and mapper")
    providers = [_provider(name, table, problems, known) for name, table in document.items()]
    problems.check()
    loaded = [provider for provider in providers if provider is not None]
    broken = {provider.id: provider.mapper.reason for provider in loaded if isinstance(provider.mapper, Unloadable)}
    if len(broken) == len(loaded):
        for name, reason in broken.items():
            problems.add((name, "mapper"), reason)
        problems.check()
    for name, reason in broken.items():
        log.error("a provider cannot be served, the others are", provider=name, reason=reason)
    return loaded


def _read(path: Path, problems: Problems) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        problems.add((), "there is no such file: giftbridge providers new makes it; GIFTBRIDGE_PROVIDERS names another")
    except OSError as error:
        problems.add((), f"cannot be read ({error.strerror}): let the service's user read it")
    except UnicodeDecodeError:
        problems.add((), "is not UTF-8: save it so")
    except tomllib.TOMLDecodeError as error:
        problems.add((), f"is not TOML: {error}; correct that line")
    problems.check()
    return {}


def _provider(name: str, table: Any, problems: Problems, known: Registry | None) -> Provider | None:
    if not isinstance(table, dict):
        problems.add((name,), f"{TABLE}: every key belongs to a provider, below its [name]")
        return None
    if not PROVIDER_ID.fullmatch(name):
        problems.add((name,), "a provider's id is 1 to 64 letters, digits, - and _, the first no - or _: rename it")
    try:
        loaded = ProviderSchema().load(table)
    except ValidationError as error:
        loaded = error.valid_data if isinstance(error.valid_data, dict) else {}
        for place, message in _flatten(error.messages):
            problems.add((name, *place), _with_suggestion(place, message))
    credentials = _credentials(name, loaded.get("credentials", []), problems)
    currency = _currency(name, loaded, problems)
    mapper_class = _mapper_class(name, loaded, problems)
    if mapper_class is None:
        return None
    policy = _policy(name, loaded.get("policy", {}), mapper_class, problems)
    before = known.get(name) if known else None
    mapper = build_mapper(name, mapper_class, loaded.get("options", {}), currency, policy.holds, problems, before)
    if mapper is None or currency is None or problems.within(name):
        return None
    return Provider(
        name,
        loaded["caption"],
        currency,
        mapper,
        credentials,
        policy,
        loaded.get("service_url"),
        mapper_name=loaded["mapper"],
        account=loaded.get("account"),
        timezone=loaded.get("timezone", UTC),
        codes=CodeForm(loaded.get("codes"), loaded.get("strip", ""), loaded.get("pin_separator", "")),
    )


def _flatten(messages: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _flatten(inner, place if key == "_schema" else (*place, key))
    else:
        yield place, str(messages[0])


def _with_suggestion(place: Place, message: str) -> str:
    if message != UNKNOWN:
        return message
    *table, key = place
    here = str(table[0]) if table else None
    for other, keys in KEYS.items():
        if other != here and key in keys:
            where = f"the table of the provider's {other}" if other else "the provider's own table"
            return f"{UNKNOWN} here: it belongs into {where}"
    return f"{UNKNOWN}: {suggest(str(key), KEYS[here])}"


def _credentials(name: str, loaded: Iterable[dict[str, str]], problems: Problems) -> tuple[Credential, ...]:
    credentials: dict[str, Credential] = {}
    for index, pair in enumerate(loaded):
        app_key = pair.get("app_key", "")
        if app_key in credentials:
            problems.add((name, "credentials", index, "app_key"), "is used twice: give each pair a key of its own")
        token = pair.get("app_token")
        digest = bytes.fromhex(pair.get("app_token_sha256", "")) if token is None else token_digest(token)
        if digest == sha256(b"").digest():
            problems.add((name, "credentials", index, "app_token_sha256"), "is the digest of nothing: digest the token")
        credentials[app_key] = Credential(app_key, digest)
    return tuple(credentials.values())


def _currency(name: str, loaded: dict[str, Any], problems: Problems) -> Currency | None:
    if "currency" not in loaded:
        return None
    try:
        return Currency.of(loaded["currency"], loaded.get("currency_digits"))
    except UnknownCurrency as error:
        problems.add((name, "currency_digits" if "currency_digits" in loaded else "currency"), str(error))
        return None


def _mapper_class(name: str, loaded: dict[str, Any], problems: Problems) -> type[Mapper] | None:
    if "mapper" not in loaded:
        return None
    try:
        return mappers.registry.load(loaded["mapper"])
    except mappers.registry.BrokenMapper as error:
        return Unloadable.because(str(error))
    except mappers.registry.UnknownMapper:
        known = suggest(loaded["mapper"], mappers.registry.available())
        problems.add((name, "mapper"), f"there is no mapper of this name: {known}")
        return None


def _policy(name: str, loaded: dict[str, Any], mapper_class: type[Mapper], problems: Problems) -> Policy:
    supported = mapper_class.supported_holds
    policy = Policy(**{"holds": supported[0], **loaded})
    longest = mapper_class.longest_hold
    if policy.holds not in supported:
        choices = " or ".join(f'"{kind}"' for kind in supported)
        problems.add((name, "policy", "holds"), f"this mapper cannot do that: use {choices}")
    if policy.holds is not Holds.NATIVE or longest is None or policy.authorization_ttl <= longest:
        pass
    elif "authorization_ttl" not in loaded:
        policy = replace(policy, authorization_ttl=longest)
    else:
        message = f"cannot be longer than {longest.days}d: the backend itself gives a hold back then"
        problems.add((name, "policy", "authorization_ttl"), message)
    if policy.settle == "accept" and policy.holds is Holds.LEDGER:
        problems.add(
            (name, "policy", "settle"),
            'cannot be "accept" with holds = "ledger", because the backend does not hold the money: use "capture"',
        )
    return policy

"""The commands `giftbridge providers ...` that edit and check providers.toml."""

from __future__ import annotations

import re
import typing
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypedDict

import click

import mappers.registry
from app.admin.providers import credentials
from app.admin.providers.checks import RedisHealth, check_provider
from app.admin.providers.listing import Listed, listed
from app.admin.providers.provider_file import NewProvider, Pair, ProviderFile
from app.commands import registration
from app.commands.doctor import Examined, gather, report
from app.commands.installation import logs_to_stderr, note_activity, opened_redis, provider_file
from app.commands.output import Column, json_option, note, print_fields, print_json, print_table, read_secret
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.identity import NoLedger, OtherLedger
from app.settings import Settings
from mappers.base import Secret, option_names
from providers.problems import InvalidProviders, suggest
from providers.provider import token_digest


class Providers(TypedDict):
    providers: list[Listed]


class NewPair(TypedDict):
    id: str
    app_key: str
    app_token: str


class Revoked(TypedDict):
    id: str
    revoked: str
    app_keys: list[str]


COLUMNS = (
    Column("provider"),
    Column("mapper"),
    Column("currency", 2),
    Column("holds", 3),
    Column("address", 1),
    Column("keys"),
)

REFERENCE = re.compile(r"\$\{[^}]+\}")


@click.group("providers")
@click.pass_context
def providers(ctx: click.Context) -> None:
    """Make, check and register providers.

    They are kept in providers.toml. A running service takes every change within a second or two, without a restart.
    """
    ctx.with_resource(logs_to_stderr())


providers.add_command(registration.register_command)
providers.add_command(registration.unregister_command)


@providers.command("new")
@click.argument("provider_id", metavar="ID")
@click.option("--mapper", required=True, metavar="NAME", help="What is behind it, such as lightrail_v2.")
@click.option("--currency", required=True, metavar="CODE", help="Of its cards, such as BRL.")
@click.option("--service-url", metavar="URL", help="Where VTEX will call it; it ends with the ID.")
@click.option("--caption", metavar="TEXT", help="What shoppers see; the ID without it.")
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="One of the mapper's options; repeat it."
)
@click.option(
    "--set",
    "more",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another key of providers.toml, such as timezone=America/Sao_Paulo or policy.holds=ledger; repeat it.",
)
@json_option(NewPair)
def new_command(
    provider_id: str,
    mapper: str,
    currency: str,
    service_url: str | None,
    caption: str | None,
    options: tuple[str, ...],
    more: tuple[str, ...],
    as_json: bool,
) -> None:
    """Add a provider called ID, with a fresh app key and token.

    The token is printed once; providers.toml keeps its digest. A secret option that is left out is read from the
    environment: api_key of acme from ACME_API_KEY, which must be set here and for the service.

    \b
    Examples:
      export ACME_API_KEY=...
      giftbridge providers new acme --mapper lightrail_v2 --currency BRL \\
        --service-url https://gift.example.com/acme --option base_url=https://lightrail.example.com/v2
    """
    given = _options(provider_id, mapper, options)
    new = NewProvider(provider_id, mapper, currency, caption, service_url, given, pairs(more, "--set", "KEY=VALUE"))
    file = provider_file()
    try:
        pair = file.add_provider(new)
    except InvalidProviders as error:
        if f"[{provider_id}.options]" in str(error):
            note("Nothing was written. Give options with --option NAME=VALUE, secret ones in the environment.")
        raise
    _print_pair(file, provider_id, pair, as_json=as_json)


@providers.command("list")
@json_option(Providers)
def list_command(as_json: bool) -> None:
    """List the providers, their keys, and which store uses which key."""
    file = provider_file()
    found = [listed(file, provider) for provider in file.registry().all()]
    if as_json:
        print_json(Providers(providers=found))
        return
    rows = []
    for one in found:
        keys = [pair.app_key + (f" ({', '.join(pair.stores)})" if pair.stores else "") for pair in one.app_keys]
        rows.append((one.id, one.mapper, one.currency, one.holds, one.service_url, ", ".join(keys)))
    print_table(COLUMNS, rows)


@providers.command("check")
@click.argument("provider_id", metavar="ID")
@click.option("--app-token-stdin", is_flag=True, help="Try this app token: typed unseen, or on standard input.")
@json_option(Examined)
def check_command(provider_id: str, app_token_stdin: bool, as_json: bool) -> None:
    """Check a provider from its configuration to the answers VTEX gets, each failure with what to do.

    Configuration, the backend's credentials (one harmless call), Redis, the public address and its path, what
    happens without, with wrong and with right credentials, and the clocks. Exits with 1 when something is wrong.

    \b
    Examples:
      giftbridge providers check acme
      giftbridge providers check acme --app-token-stdin < token.txt
    """
    file = provider_file()
    pair = _pair(file, provider_id) if app_token_stdin else None
    with ExitStack() as running:
        redis: RedisHealth
        try:
            redis = running.enter_context(opened_redis(Settings.from_environment()))
        except (NoLedger, OtherLedger) as error:
            redis = _Missing(error)
        checks = gather(check_provider(file, provider_id, redis=redis, pair=pair))
    report(checks, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Missing:
    """A Redis that was not found: asked anything, it tells why."""

    reason: NoLedger | OtherLedger

    def complaints(self) -> list[str]:
        raise LedgerUnavailable(str(self.reason))

    def now_milliseconds(self) -> int:
        raise LedgerUnavailable(str(self.reason))


@providers.command("rotate")
@click.argument("provider_id", metavar="ID")
@json_option(NewPair)
def rotate_command(provider_id: str, as_json: bool) -> None:
    """Add a second app key and token; the ones there stay valid until they are revoked.

    Where a store's Hub is to have the new pair, `register` makes and installs one in a single step instead.

    \b
    Example:
      giftbridge providers rotate acme
    """
    file = provider_file()
    pair = file.add_credentials(provider_id)
    note_activity("add key", provider_id, key=pair.app_key)
    _print_pair(file, provider_id, pair, as_json=as_json)


@providers.command("revoke")
@click.argument("provider_id", metavar="ID")
@click.argument("app_key", metavar="KEY")
@click.option("--yes", is_flag=True, help="Even if a store is registered with it: its payments fail from then on.")
@json_option(Revoked)
def revoke_command(provider_id: str, app_key: str, yes: bool, as_json: bool) -> None:
    """Remove the app key KEY and its token: the service refuses them as soon as it has read the file.

    \b
    Example:
      giftbridge providers revoke acme acme-1f2e3d4c
    """
    file = provider_file()
    stores = credentials.stores_using(file, provider_id).get(app_key, ())
    credentials.revoke(file, provider_id, app_key, even_if_used=yes)
    note_activity("revoke key", provider_id, key=app_key, stores=", ".join(stores) or "-")
    left = [pair.app_key for pair in file.installed(provider_id)]
    if as_json:
        print_json(Revoked(id=provider_id, revoked=app_key, app_keys=left))
    else:
        click.echo(f"{app_key} is revoked; {provider_id} has {', '.join(left)}.")


def _options(provider_id: str, mapper: str, given: tuple[str, ...]) -> dict[str, str]:
    """Return the mapper's options as they are to be written: a secret that is missing comes from the environment."""
    options = pairs(given, "--option", "NAME=VALUE")
    try:
        wanted = mappers.registry.load(mapper).Options
    except mappers.registry.UnknownMapper as error:
        raise click.UsageError(f"--mapper {mapper}: {suggest(mapper, mappers.registry.available())}") from error
    hints = typing.get_type_hints(wanted)
    secret = [name for name, hint in hints.items() if Secret in (hint, *typing.get_args(hint))]
    for name in secret:
        if name in options and not REFERENCE.search(options[name]):
            note(
                f"{name} was given as an argument, where this machine's process list and the shell's history show it: "
                f"better leave it out, or write --option '{name}=${{{variable_of(provider_id, name)}}}'"
            )
        elif name not in options and name in option_names(wanted)[0]:
            options[name] = f"${{{variable_of(provider_id, name)}}}"
    return options


def pairs(given: tuple[str, ...], option: str, form: str) -> dict[str, str]:
    """Return what was given as NAME=VALUE by its names. Raises UsageError."""
    pairs: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            # What was given may be a secret without its name.
            raise click.UsageError(f"{option} must be {form}")
        pairs[name] = value
    return pairs


def variable_of(provider_id: str, option: str) -> str:
    """Return the environment variable that a secret option of a provider comes from."""
    return f"{provider_id}_{option}".upper().replace("-", "_")


def _pair(file: ProviderFile, provider_id: str) -> Pair:
    """Ask for an app token, and find its key."""
    token = Secret(read_secret("App token", "--app-token-stdin", from_stdin=True))
    provider = file.registry().get(provider_id)
    for credential in provider.credentials if provider else ():
        if credential.token_digest == token_digest(token):
            return Pair(credential.app_key, token)
    raise click.ClickException(f"this is not the token of any pair of {provider_id} in {file.path}")


def _print_pair(file: ProviderFile, provider_id: str, pair: Pair, *, as_json: bool) -> None:
    if as_json:
        print_json(NewPair(id=provider_id, app_key=pair.app_key, app_token=str(pair.app_token)))
    else:
        print_fields({"Provider": provider_id, "App key": pair.app_key, "App token": str(pair.app_token)})
        note(f"The token is shown this once: {file.path} keeps its digest.")
    try:
        file.registry()
    except InvalidProviders as error:
        note(f"There were mistakes before, and the service keeps its older providers until they are mended:\n{error}")

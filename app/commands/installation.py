"""What a command works with: this installation's settings, providers and Redis, and who is asking."""

from __future__ import annotations

import logging
import os
import pwd
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click
import structlog

from app.admin import activity
from app.admin.providers.provider_file import ProviderFile
from app.commands.output import note
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from app.ledger.storage.documents import Documents
from app.ledger.storage.identity import Identity, NoLedger, OtherLedger
from app.parts import Parts, build
from app.server.embedded import EmbeddedRedis, EmbeddedRedisFailed
from app.server.services import Service, folders, running
from app.settings import Settings, variable
from providers.problems import InvalidProviders
from providers.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])

# A person waits longer than a checkout does, and a hung Redis is worth a try more.
REDIS_TIMEOUT_SECONDS = 5.0

# Of the keys that are read or written at a time, the longest ones may take a moment.
COPY_TIMEOUT_SECONDS = 60.0

# A command makes one call after the other.
CONNECTIONS = 4


@contextmanager
def logs_to_stderr() -> Iterator[None]:
    """Keep standard output for the result, and of the log what a person at a terminal should know."""
    before = structlog.get_config()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"),
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def opened(*, providers_needed: bool = True) -> Iterator[Parts]:
    """Yield the parts of this installation, on its ledger.

    What only reads Redis can do without providers.toml. Raises InvalidSettings, InvalidProviders, NoLedger,
    OtherLedger, EmbeddedRedisFailed.
    """
    with located(Settings.from_environment()) as found:
        try:
            registry = Registry.load(found.settings.providers)
        except InvalidProviders as error:
            if providers_needed:
                raise
            note(f"{error}\nThe providers are left out until that is corrected.")
            registry = Registry(())
        seconds = max(found.settings.redis_timeout_seconds, REDIS_TIMEOUT_SECONDS)
        by_hand = replace(found.settings, redis_timeout_seconds=seconds, threads=CONNECTIONS)
        parts = build(by_hand, registry, found.redis_url)
        try:
            ledger_id = check_ledger(parts.connection, found)
            if not found.named and found.service:
                note(f"Ledger {ledger_id} of {found.service}.")
            yield parts
        finally:
            parts.connection.close()


def provider_file() -> ProviderFile:
    """Return the providers file that the settings name; say so where the running service reads another one."""
    path = Settings.from_environment().providers
    if not os.environ.get(variable("providers")):
        with suppress(OtherLedger):  # told where the ledger is needed
            others = [service for service in running() if Path(service.providers) != path.absolute()]
            for service in others:
                note(f"{service} reads {service.providers}, not {path.absolute()}.")
            if others:
                note(f"To work on a service's file, name it with {variable('providers')}.")
    return ProviderFile(path)


def note_activity(what: str, about: str, **details: str) -> None:
    """Write down what somebody changed where the ledger can be reached; where not, it is done all the same."""
    nowhere = suppress(LedgerUnavailable, NoLedger, OtherLedger, EmbeddedRedisFailed)
    with nowhere, located(Settings.from_environment()) as found, connected(found) as connection:
        check_ledger(connection, found)
        activity.log(Documents(connection), _user(), what, about, **details)


def actor_option(command: F) -> F:
    """Add `--actor`: who acts by hand, for the transaction's history."""
    return click.option(
        "--actor",
        metavar="NAME",
        default=_user,
        show_default="your user name",
        help="Who does this; it is kept in the transaction's history.",
    )(command)


def _user() -> str:
    """Return the user of this machine who is typing, also behind sudo."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"user {os.getuid()}"
    return os.environ.get("SUDO_USER") or name


@contextmanager
def opened_redis(settings: Settings) -> Iterator[Connection]:
    """Connect to the Redis that the ledger of this installation is in, or is to be in.

    Raises NoLedger, OtherLedger, EmbeddedRedisFailed.
    """
    with located(settings) as found, connected(found) as connection:
        yield connection


@dataclass(frozen=True, slots=True)
class Located:
    """Where the ledger is, and the settings to work on it with.

    `data` is its folder, where that is known. `named` tells whether the settings name its place. `service` is the
    running service of this installation.
    """

    settings: Settings
    redis_url: str
    data: Path | None
    named: bool
    service: Service | None


@contextmanager
def located(settings: Settings) -> Iterator[Located]:
    """Find the ledger: where the settings say, else the running service's, else the one in the default folder.

    One without a service runs meanwhile; none is made. Raises NoLedger, OtherLedger, EmbeddedRedisFailed.
    """
    services = running()
    own = next((service for service in services if service.bind == settings.bind), None)
    if settings.redis_url is not None:
        yield Located(settings, settings.redis_url, None, True, own)
        return
    named = bool(os.environ.get(variable("data")))
    if named or not services:
        with _existing(settings.data, services) as url:
            yield Located(settings, url, settings.data.absolute(), named, own)
        return
    if len(services) > 1:
        several = "; ".join(f"{service}, {_place(service)}" for service in services)
        raise OtherLedger(f"several services run, name the ledger with {variable('data')}: {several}")
    [service] = services
    data = Path(service.data) if service.data else None
    yield Located(_as_served(settings, service), service.redis_url, data, False, service)


def served(settings: Settings) -> Settings:
    """Return the settings to look at the installation with: those of the one running service, where none is named."""
    services = running()
    if settings.redis_url is not None or os.environ.get(variable("data")) or len(services) != 1:
        return settings
    [service] = services
    found = _as_served(settings, service)
    return replace(found, data=Path(service.data)) if service.data else replace(found, redis_url=service.redis_url)


def _as_served(settings: Settings, service: Service) -> Settings:
    """Return settings with the service's address and providers: they and the transactions belong together."""
    found = settings
    if not os.environ.get(variable("providers")):
        found = replace(found, providers=Path(service.providers))
    if not os.environ.get(variable("bind")):
        found = replace(found, bind=service.bind)
    return found


def connected(found: Located) -> closing[Connection]:
    """Return a connection to the ledger that was found, for a `with` statement."""
    return closing(Connection.to(found.redis_url, timeout_seconds=found.settings.redis_timeout_seconds, connections=1))


def connection_for_all(redis_url: str) -> closing[Connection]:
    """Return a connection to read or write a whole ledger with, for a `with` statement."""
    return closing(Connection.to(redis_url, timeout_seconds=COPY_TIMEOUT_SECONDS, connections=CONNECTIONS))


@contextmanager
def idle(settings: Settings) -> Iterator[Connection]:
    """Connect to the ledger of this installation, which no service of this machine works on, to read all of it.

    Raises NoLedger, OtherLedger, EmbeddedRedisFailed.
    """
    with located(settings) as found:
        for service in running():
            if service.redis_url == found.redis_url:
                raise OtherLedger(f"{service} works on the ledger in {_place(service)}: stop it first")
        with connection_for_all(found.redis_url) as connection:
            yield connection


def watch_seconds(settings: Settings) -> float:
    """Return how long to watch a ledger to know that no service runs on it, on whatever machine.

    Each tries to lead at every interval of its sweeper; a look takes a while, and a slow one must be seen as well.
    """
    return 2 * settings.sweep_interval_seconds


@contextmanager
def destination(settings: Settings) -> Iterator[Connection]:
    """Connect to the Redis that the settings name, for a ledger to be put there; the embedded one is made.

    Raises EmbeddedRedisFailed, and OtherLedger where a service of this machine works there.
    """
    data = str(settings.data.absolute())
    for service in running():
        if service.redis_url == settings.redis_url if settings.redis_url else service.data == data:
            raise OtherLedger(f"{service} works on the ledger in {_place(service)}: stop it first")
    with ExitStack() as stack:
        url = settings.redis_url or stack.enter_context(EmbeddedRedis(settings.data)).url
        yield stack.enter_context(connection_for_all(url))


def check_ledger(connection: Connection, found: Located) -> str:
    """Return the id of the ledger that was found.

    Raises NoLedger where no service has worked, or none may any more, OtherLedger where it is not that of the running
    service.
    """
    identity = Identity(connection)
    if why := identity.closed():
        raise NoLedger(f"{shown_url(found.redis_url)} is not to be worked on: {why}")
    ledger_id = identity.read()
    if ledger_id is None:
        raise NoLedger(
            f"no service has worked on {shown_url(found.redis_url)} yet, and a command makes no ledger: start "
            "giftbridge serve first, or name the right Redis"
        )
    if found.service is not None and found.service.redis_url != found.redis_url:
        url = found.service.redis_url
        with closing(Connection.to(url, timeout_seconds=REDIS_TIMEOUT_SECONDS, connections=1)) as other:
            theirs = Identity(other).read()
        if theirs != ledger_id:
            raise OtherLedger(
                f"this is ledger {ledger_id} in {shown_url(found.redis_url)}, and {found.service} works on ledger "
                f"{theirs}, {_place(found.service)}: unset {variable('data')} and {variable('redis_url')} to work on "
                f"that one; if this is another installation, set its {variable('bind')}"
            )
    return ledger_id


@contextmanager
def _existing(data: Path, services: Sequence[Service]) -> Iterator[str]:
    """Yield the address of the ledger in a data directory; its Redis runs at least so long."""
    embedded = EmbeddedRedis(data)
    folder = embedded.directory
    try:
        exists = embedded.exists
    except PermissionError as error:
        raise NoLedger(
            f"{data.absolute()} cannot be read by this user: run this as the service's user, or as root"
        ) from error
    if not exists:
        others = "; ".join(f"{service} has its ledger in {_place(service)}" for service in services)
        where = others or f"no service runs (looked in {' and '.join(map(str, folders()))})"
        raise NoLedger(
            f"there is no ledger in {data.absolute()}, and {where}. A command makes none: start giftbridge serve, or "
            f"name the right folder with {variable('data')}, or your Redis with {variable('redis_url')}"
        )
    if folder.stat().st_uid != os.geteuid() and not embedded.running:
        raise NoLedger(
            f"{data.absolute()} belongs to another user, and its Redis does not run: run this as the user "
            f"{folder.owner()}, or start the service"
        )
    with embedded:
        yield embedded.url


def _place(service: Service) -> str:
    return service.data or shown_url(service.redis_url)


def shown_url(url: str) -> str:
    """Return the address of a Redis without its password."""
    return re.sub(r"(//)[^/@]*@", r"\1", url)

"""What a command works with: this installation's settings, providers and Redis, and who is asking."""

from __future__ import annotations

import logging
import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import click
import structlog

from app.admin.providers.provider_file import ProviderFile
from app.commands.output import note
from app.ledger.storage.connection import Connection
from app.parts import Parts, build
from app.server.embedded import EmbeddedRedis
from app.settings import Settings
from providers.problems import InvalidProviders
from providers.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])

# A person waits longer than a checkout does, and a hung Redis is worth a try more.
REDIS_TIMEOUT_SECONDS = 5.0

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
    """Yield the parts of this installation, on the Redis its settings name or the embedded one, started or joined.

    What only reads Redis can do without providers.toml. Raises InvalidSettings, InvalidProviders,
    EmbeddedRedisFailed.
    """
    settings = Settings.from_environment()
    try:
        registry = Registry.load(settings.providers)
    except InvalidProviders as error:
        if providers_needed:
            raise
        note(f"{error}\nThe providers are left out until that is corrected.")
        registry = Registry(())
    with _redis_url(settings) as url:
        seconds = max(settings.redis_timeout_seconds, REDIS_TIMEOUT_SECONDS)
        by_hand = replace(settings, redis_timeout_seconds=seconds, threads=CONNECTIONS)
        parts = build(by_hand, registry, url)
        try:
            yield parts
        finally:
            parts.connection.close()


def provider_file() -> ProviderFile:
    """Return the providers file that the settings name."""
    return ProviderFile(Settings.from_environment().providers)


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
    """Connect to the Redis that the settings name; the embedded one is joined, or started for as long as needed."""
    with _redis_url(settings) as url:
        connection = Connection.to(url, timeout_seconds=settings.redis_timeout_seconds, connections=1)
        try:
            yield connection
        finally:
            connection.close()


@contextmanager
def _redis_url(settings: Settings) -> Iterator[str]:
    """Yield the address of the Redis that the settings name, or of the embedded one while it runs."""
    if settings.redis_url is not None:
        yield settings.redis_url
        return
    with EmbeddedRedis(settings.data) as embedded:
        yield embedded.url

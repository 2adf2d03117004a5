"""Everything that can be wrong with an installation, looked at from the machine it runs on, each with its remedy."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tomllib
import typing
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import mappers.registry
from app import open_files
from app.admin import attention
from app.admin.attention import Kind
from app.admin.notices.outbox import Outbox, targets
from app.admin.providers.checks import Check, check_backend, check_redis, check_service
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from app.ledger.storage.guesses import GuessStorage
from app.ledger.storage.identity import Identity, NoLedger, OtherLedger
from app.ledger.storage.index import Index
from app.parts import Parts, wire
from app.settings import PREFIX, InvalidSettings, Settings, variable
from mappers.base import InvalidOptions, Secret
from mappers.deadline import Deadline
from mappers.http.addresses import checked_base_url
from providers.hub.calls import HttpClient, NoReply
from providers.problems import InvalidProviders, suggest
from providers.registry import Registry

HUB_URL = "GIFTBRIDGE_HUB_URL"

# The append-only file grows with every call; a full disk stops all payments.
LEAST_FREE_BYTES = 256 * 1024 * 1024

# What waits for a person, as the checks call it.
WAITING = {
    Kind.SWEEPER: "unfinished transactions",
    Kind.DOUBT: "what Redis knows",
    Kind.PARKED: "parked transactions",
    Kind.LATE: "late successes",
    Kind.REFUSED: "refused settlements and cancellations",
    Kind.UNRESOLVED: "acts unresolved for long",
    Kind.DIFFERENCE: "differences from the backends",
    Kind.NOT_RECONCILED: "last reconciliation",
    Kind.EXPIRING: "holds that run out soon",
}

SHOWN = 5
READY_SECONDS = 2.0


OpenRedis = Callable[[Settings], AbstractContextManager[Connection]]


def examine(open_redis: OpenRedis, served: Callable[[Settings], Settings] = lambda own: own) -> Iterator[Check]:
    """Yield every check of this installation as it is made; some take seconds.

    `open_redis` connects to the Redis of these settings, `served` returns those of the running service where the
    environment names none. Raises what they raise beside errors of the ledger.
    """
    try:
        settings = served(Settings.from_environment())
    except InvalidSettings as error:
        yield from (
            Check("settings", False, problem, "correct it: nothing else was checked") for problem in error.problems
        )
        return
    yield Check("settings", True, found="right")
    yield from _names(os.environ)
    yield from _hub_address(os.environ)
    if settings.redis_url is None:
        yield _data(settings.data)
    ledger_id = yield from _redis(settings, open_redis)
    yield _open_files()
    yield _service(settings, ledger_id)
    yield from _providers(settings)


def _names(environment: Mapping[str, str]) -> Iterator[Check]:
    """Find variables that nobody reads. Those that are nearly the name of a setting do not come so far."""
    known = {variable(setting.name) for setting in fields(Settings)} | {HUB_URL}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            yield Check("settings", False, f"{name} is not a setting", f"{suggest(name, known)} Or unset it")


def _hub_address(environment: Mapping[str, str]) -> Iterator[Check]:
    if address := environment.get(HUB_URL):
        try:
            checked_base_url(address.replace("{account}", "store"))
        except InvalidOptions as error:
            yield Check("settings", False, str(error).replace("base_url", HUB_URL), "correct it, or unset it")


def _data(path: Path) -> Check:
    name = "data directory"
    existing = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        remedy = f"give it to the service's user, or choose another with {variable('data')}"
        return Check(name, False, f"{existing} cannot be written", remedy)
    free = shutil.disk_usage(existing).free
    if free < LEAST_FREE_BYTES:
        problem = f"{path} has {free // 2**20} MiB left; without room no money moves"
        return Check(name, False, problem, "make room on its disk")
    return Check(name, True, found=f"{path}, {free // 2**20} MiB free")


def _redis(settings: Settings, open_redis: OpenRedis) -> Generator[Check, None, str | None]:
    """Check Redis and what is in it; return the id of the ledger."""
    ledger_id = None
    try:
        with open_redis(settings) as connection:
            connection.now_milliseconds()  # without it, nothing else can be said
            for check in check_redis(connection):
                yield _forgiven(check) if settings.redis_allow_unsafe else check
            ledger_id = Identity(connection).read()
            yield Check("ledger", bool(ledger_id) or None, "none yet: giftbridge serve makes it", found=str(ledger_id))
            parts = wire(settings, Registry(()), connection)
            yield from _waiting(parts)
            yield from _notices(parts)
            yield from _elsewhere(Index(connection), settings)
            yield from _guessed(GuessStorage(connection), settings)
    except NoLedger as error:
        yield Check("ledger", None, str(error))
    except OtherLedger as error:
        yield Check("ledger", False, str(error), "giftbridge where says what the commands work on")
    except LedgerUnavailable as error:
        yield Check("redis", False, str(error), f"start it, or set {variable('redis_url')} to where it is")
    return ledger_id


def _forgiven(check: Check) -> Check:
    """Accept a Redis that may forget, where the settings say that it holds play money."""
    if check.name != "redis" or check.ok:
        return check
    return replace(check, ok=None, remedy=f"{check.remedy}; {variable('redis_allow_unsafe')} accepts it")


def _waiting(parts: Parts) -> Iterator[Check]:
    """Find what waits for a person. A hold that runs out soon is no fault of the installation."""
    for kind, name in WAITING.items():
        found = attention.page(parts, attention.COUNTED, kinds=(kind,))
        if not found.items:
            yield Check(name, True, found="none")
            continue
        more = " or more" if found.after else ""
        ids = [item.transaction for item in found.items if item.transaction]
        told = f"{len(ids)}{more}: {_some(ids)}" if ids else " ".join(item.what for item in found.items).rstrip(".")
        remedy = "giftbridge attention says what each means and what mends it"
        if not ids:
            remedy = f"{found.items[0].remedy.rstrip('.')}: {found.items[0].command}"
        if kind is Kind.EXPIRING:
            yield Check(name, True, found=f"{told}: {remedy}")
        else:
            yield Check(name, False, told, remedy)


def _notices(parts: Parts) -> Iterator[Check]:
    """Find targets that do not get what people should be told."""
    standings = Outbox(parts, targets(parts.settings)).standings()
    if not standings:
        yield Check("notices", True, found="off: nobody is told of what waits; giftbridge notices test says how")
    for one in standings:
        name = f"notices by {one.target}"
        if one.error:
            problem = f"{one.waiting} wait to be sent and {one.given_up} were given up: {one.error}"
            yield Check(name, False, problem, "mend that; giftbridge notices test sends a sample")
        else:
            yield Check(name, True, found=f"{one.waiting} wait to be sent")


def _elsewhere(index: Index, settings: Settings) -> Iterator[Check]:
    """Find open transactions that their providers cannot finish any more."""
    with suppress(InvalidProviders):  # reported where the providers are looked at
        registry = Registry.load(settings.providers)
        stranded: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for opened in index.open():
            provider = registry.get(opened.provider_id)
            if provider is None or not provider.serves(opened.backend):
                stranded[opened.provider_id, str(opened.backend)].append(opened.id)
        for (provider_id, backend), names in stranded.items():
            problem = f"{len(names)} open transactions are at {backend}, and {settings.providers} does not say so: "
            remedy = "put that back for this provider until they are over"
            yield Check(f"{provider_id}: open transactions", False, problem + _some(names), remedy)


def _guessed(guesses: GuessStorage, settings: Settings) -> Iterator[Check]:
    """Find providers whose codes are being guessed."""
    with suppress(InvalidProviders):  # reported where the providers are looked at
        for provider in Registry.load(settings.providers).all():
            missed = guesses.missed(provider.id)
            found = f"{missed.codes} unknown codes within an hour, {missed.refused} searches refused for it"
            name = f"{provider.id}: guessed codes"
            if missed.codes >= settings.code_misses_per_provider:
                remedy = "somebody tries codes: let VTEX ask for a captcha; docs/operating.md says what they reach"
                yield Check(name, False, found, remedy)
            elif missed.refused:
                yield Check(name, None, found, "see in the log whose searches were refused, should it last")
            else:
                yield Check(name, True, found=found)


def _open_files() -> Check:
    name = "open files"
    if (limit := open_files.limits()[1]) < open_files.ENOUGH:
        problem = f"a process may open {limit} files at most, so that idle clients can use up the connections"
        return Check(name, False, problem, f"raise it: ulimit -Hn {open_files.ENOUGH}, or LimitNOFILE in the unit")
    return Check(name, True, found=f"up to {limit} for a process")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (" ..." if len(names) > SHOWN else "")


def _service(settings: Settings, ledger_id: str | None) -> Check:
    host, port = settings.address
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/-/ready"
    try:
        reply = HttpClient().call("GET", url, headers={}, deadline=Deadline.after(READY_SECONDS))
        body = reply.json()
    except NoReply as error:
        return Check("service", None, f"does not answer at {settings.bind} ({error})", "giftbridge serve starts it")
    except ValueError:
        return Check("service", False, f"something else answers at {settings.bind}", "stop it, or change the address")
    if reply.status != 200:
        reasons = body.get("reasons", []) if isinstance(body, dict) else []
        return Check("service", False, f"not ready: {'; '.join(map(str, reasons))}", "mend that; it recovers by itself")
    theirs = body.get("ledger") if isinstance(body, dict) else None
    if ledger_id and theirs and theirs != ledger_id:
        problem = f"the service at {settings.bind} works on ledger {theirs}, and this is ledger {ledger_id}"
        remedy = f"correct {variable('data')} or {variable('redis_url')} here; giftbridge where says what is used"
        return Check("service", False, problem, remedy)
    # Only who ran while the clock jumped knows of it.
    if clock := isinstance(body, dict) and body.get("clock"):
        doubt, _, remedy = str(clock).rpartition("; ")
        return Check("service", False, f"ready, but {doubt}", remedy)
    return Check("service", True, found=f"ready at {settings.bind}")


def _providers(settings: Settings) -> Iterator[Check]:
    name = "providers file"
    try:
        registry = Registry.load(settings.providers)
    except InvalidProviders as error:
        yield from (
            Check(name, False, problem, "correct that; a running service keeps the last right one until then")
            for problem in error.problems
        )
        return
    yield Check(name, True, found=f"{settings.providers}: {', '.join(provider.id for provider in registry.all())}")
    yield from _permissions(settings.providers)
    for provider in registry.all():
        yield _of(provider.id, check_backend(provider))
        yield from (_of(provider.id, check) for check in check_service(provider) if check.ok is not None)


def _of(provider_id: str, check: Check) -> Check:
    return replace(check, name=f"{provider_id}: {check.name}")


def _permissions(path: Path) -> Iterator[Check]:
    name = "providers file"
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        problem = f"others than its owner may change which tokens {path} accepts"
        yield Check(name, False, problem, f"chmod go-w {path}")
    if mode & stat.S_IROTH and (plain := list(_plain_secrets(tomllib.loads(path.read_text("utf-8-sig"))))):
        problem = f"everybody on this machine can read the secrets in {path}: {', '.join(plain)}"
        yield Check(name, False, problem, f"chmod o-r {path}, or take them from the environment with ${{NAME}}")


def _plain_secrets(document: Mapping[str, Any]) -> Iterable[str]:
    """Name the places of secrets that the file holds itself."""
    for provider_id, table in document.items():
        if any("${" not in pair.get("app_token", "${") for pair in table["credentials"]):
            yield f"[[{provider_id}.credentials]] app_token"
        try:
            hints = typing.get_type_hints(mappers.registry.load(table["mapper"]).Options)
        except (mappers.registry.UnknownMapper, mappers.registry.BrokenMapper):
            continue  # reported by name where the providers are loaded
        for option, value in table.get("options", {}).items():
            secret = Secret in (hints.get(option), *typing.get_args(hints.get(option)))
            if secret and not re.search(r"\$\{", value):
                yield f"[{provider_id}.options] {option}"

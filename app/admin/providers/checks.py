"""Checks one provider from its configuration to the answers VTEX gets, each failure with its remedy."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urlsplit

from app.admin.providers.provider_file import EditRefused, Pair, ProviderFile
from app.ledger.clock import CONSEQUENCE, TOLERANCE
from app.ledger.errors import LedgerUnavailable
from mappers.base import MapperError
from mappers.deadline import Deadline
from providers.hub.calls import HttpClient, NoReply, Reply
from providers.hub.service_url import ServiceCaller
from providers.problems import InvalidProviders
from providers.provider import Provider

# For one call: a checkout would not wait longer for it either.
CALL_SECONDS = 5.0
BACKEND_SECONDS = 10.0

# A Date header has whole seconds, and the call takes some time itself.
CLOCK_TOLERANCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `ok` is None where it could not be; `found` is what was seen where it is fine."""

    name: str
    ok: bool | None
    problem: str = ""
    remedy: str = ""
    found: str = ""


class RedisHealth(Protocol):
    """What is asked of Redis. Methods raise LedgerUnavailable."""

    def complaints(self) -> list[str]:
        """Return why it must not hold money, each with its remedy."""
        ...

    def now_milliseconds(self) -> int: ...


def check_provider(
    file: ProviderFile, provider_id: str, *, redis: RedisHealth | None = None, pair: Pair | None = None
) -> Iterator[Check]:
    """Yield every check of a provider as it is made; some take seconds.

    `pair` is one that should be let in; without it, one whose token the file has in plain is taken, if any.
    """
    try:
        provider = file.registry().get(provider_id)
    except InvalidProviders as error:
        yield from (
            Check("configuration", False, problem, "correct it: nothing else was checked") for problem in error.problems
        )
        return
    if provider is None:
        yield Check("configuration", False, f"{file.path} has no provider {provider_id}", "add it with providers new")
        return
    yield Check("configuration", True, found=f"{file.path}, {_count(len(provider.credentials), 'pair')}")
    yield check_backend(provider)
    if redis is not None:
        yield from check_redis(redis)
    if pair is None:
        pair = _plain_pair(file, provider_id)
    yield from check_service(provider, pair)


def check_backend(provider: Provider) -> Check:
    """Make the backend's one harmless call that needs the credentials."""
    started = time.monotonic()
    try:
        provider.mapper.ping(Deadline.after(BACKEND_SECONDS))
    except MapperError as error:
        remedy = f"look at [{provider.id}.options] in providers.toml, and at the backend's own status"
        return Check("backend", False, str(error), remedy)
    return Check("backend", True, found=f"answers in {(time.monotonic() - started) * 1000:.0f} ms")


def check_redis(redis: RedisHealth) -> Iterator[Check]:
    """Tell whether Redis is there, may hold money, and agrees with us about the time."""
    try:
        complaints = redis.complaints()
        ahead = redis.now_milliseconds() / 1000 - time.time()
    except LedgerUnavailable as error:
        yield Check("redis", False, str(error), "start it, or set GIFTBRIDGE_REDIS_URL to where it is")
        return
    yield from (Check("redis", False, *_split(complaint)) for complaint in complaints)
    if not complaints:
        yield Check("redis", True, found="keeps what it is told")
    clock = _clock("redis clock", "Redis's clock", ahead)
    far = abs(ahead) > TOLERANCE.total_seconds()
    yield replace(clock, problem=f"{clock.problem}: {CONSEQUENCE}") if far else clock


def check_service(provider: Provider, pair: Pair | None = None) -> Iterator[Check]:
    """Call the provider's public address as VTEX will. Without `pair`, nothing is asked that needs a secret."""
    yield (rules := _path_rules(provider))
    if provider.service_url is None or not rules.ok:
        return
    service = _Service(provider.service_url)
    missing = service.search()
    if isinstance(missing, NoReply):
        remedy = "start the service, open the way to it, and see that its certificate is valid for that name"
        yield Check("reachability", False, f"{provider.service_url}: {missing}", remedy)
        return
    yield _audience(provider.service_url)
    yield _turned_away("credentials missing", missing, 401)
    yield _turned_away("credentials wrong", service.search(provider.credentials[0].app_key, secrets.token_hex(16)), 403)
    yield _let_in(service, pair)
    yield _double_slash(service.search(slash="/"))
    yield _service_clock(missing)


class _Service:
    """The public address, asked with whatever credentials."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http = HttpClient()

    def search(
        self, app_key: str | None = None, app_token: str | None = None, *, slash: str = "", code: str | None = None
    ) -> Reply | NoReply:
        caller = ServiceCaller(self._http, self._url, app_key, app_token)
        try:
            return caller.search(code, deadline=Deadline.after(CALL_SECONDS), slash=slash)
        except NoReply as error:
            return error


def _path_rules(provider: Provider) -> Check:
    name = "address"
    if provider.service_url is None:
        return Check(name, False, f"[{provider.id}] has no service_url", "set it: registering does, with --service-url")
    last = urlsplit(provider.service_url).path.rpartition("/")[2]
    if last != provider.id:
        problem = f"{provider.service_url} does not end with /{provider.id}"
        return Check(name, False, problem, "the provider's id must be the last part of service_url: correct it")
    return Check(name, True, found=provider.service_url)


def _audience(service_url: str) -> Check:
    """Tell from where the address can be reached, by what its name stands for."""
    name, host = "reachability", urlsplit(service_url).hostname or ""
    try:
        found = {ipaddress.ip_address(str(entry[4][0])) for entry in socket.getaddrinfo(host, None)}
    except (OSError, ValueError):
        return Check(name, True, found="answers")
    if any(address.is_loopback for address in found):
        return Check(name, True, found="answers; only this machine reaches it, which is enough for trying things out")
    if not any(address.is_global for address in found):
        remedy = "VTEX calls from the internet: put the service behind a public address"
        return Check(name, False, f"{host} can be reached from your own network only", remedy)
    return Check(name, True, found="answers")


def _turned_away(name: str, reply: Reply | NoReply, status: int) -> Check:
    if isinstance(reply, NoReply):
        return Check(name, False, str(reply), "look at the service's log")
    if 200 <= reply.status < 300:
        problem = f"let in with {reply.status}: VTEX cancels every payment of such a provider"
        return Check(
            name, False, problem, "something before the service answers for it, or adds credentials: remove it"
        )
    if reply.status != status:
        remedy = "something before the service answers for it, or this is another service: look at the proxy"
        return Check(name, False, f"answered with {reply.status} instead of {status}", remedy)
    if reply.content:
        problem = f"{status}, but with a body, which VTEX takes for a fault"
        return Check(
            name, False, problem, "something before the service adds it: make the proxy pass errors on as they are"
        )
    return Check(name, True, found=f"{status}, empty")


def _let_in(service: _Service, pair: Pair | None) -> Check:
    name = "credentials right"
    if pair is None:
        return Check(name, None, "not tried: providers.toml has digests only", "give the app token, and it is tried")
    reply = service.search(pair.app_key, pair.app_token, code=f"GIFTBRIDGE-CHECK-{secrets.token_hex(6)}")
    if isinstance(reply, NoReply):
        return Check(name, False, str(reply), "look at the service's log")
    match reply.status:
        case 200:
            return Check(name, True, found="a search for a code that does not exist finds nothing")
        case 401 | 403:
            remedy = "the service reads another providers.toml, or its log says why it keeps an older one"
            return Check(name, False, f"{pair.app_key} is turned away with {reply.status}", remedy)
        case 503:
            return Check(name, False, "let in, but the backend does not answer", "see the check of the backend")
    return Check(name, False, f"answered with {reply.status}", "look at the service's log")


def _double_slash(reply: Reply | NoReply) -> Check:
    name = "double slash"
    if isinstance(reply, NoReply):
        return Check(name, False, str(reply), "look at the proxy before the service")
    if reply.status == 401:
        return Check(name, True, found="answered like a single one")
    problem = f"VTEX doubles the slash after the address, and that is answered with {reply.status}"
    return Check(name, False, problem, "make the proxy pass paths on as they come, without redirects")


def _service_clock(reply: Reply) -> Check:
    try:
        moment = parsedate_to_datetime(reply.headers.get("Date", ""))
    except ValueError:
        return Check("clock", None, "the service's answers have no date", "the proxy removes it; nothing depends on it")
    return _clock("clock", "the service's clock", moment.timestamp() - time.time())


def _clock(name: str, whose: str, ahead_seconds: float) -> Check:
    if abs(ahead_seconds) <= CLOCK_TOLERANCE_SECONDS:
        return Check(name, True, found="agrees with this machine's")
    problem = f"{whose} is {abs(ahead_seconds):.0f} s {'ahead of' if ahead_seconds > 0 else 'behind'} this machine's"
    return Check(name, False, problem, "set both by NTP (timedatectl set-ntp true)")


def _plain_pair(file: ProviderFile, provider_id: str) -> Pair | None:
    try:
        return next(iter(file.plain_pairs(provider_id)), None)
    except EditRefused:
        return None


def _split(complaint: str) -> tuple[str, str]:
    problem, _, remedy = complaint.partition(": ")
    return problem, remedy


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

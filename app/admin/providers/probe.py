"""Whether a provider's service, asked at its public address, lets a pair of credentials in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum

from app.admin.providers.tables import Pair
from mappers.deadline import Deadline
from providers.hub.calls import HttpClient, NoReply, Reply
from providers.hub.service_url import ServiceCaller

PROBE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a service to accept a pair: until it did so each time for `steady_seconds`.

    A process looks at its providers file once a second, and any of several may answer: one yes is not enough.
    """

    accept_seconds: float = 20.0
    steady_seconds: float = 2.5
    pause_seconds: float = 0.2


class Verdict(Enum):
    """What became of a call with a pair."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    STRANGE = "answered by something else"


class NotAccepted(Exception):
    """The service does not let a pair in; the message says what it did, and what to do."""


def judge(reply: Reply) -> Verdict:
    """Tell what the service's answer to a search says about the credentials, whatever its backend is up to."""
    if reply.status in (401, 403):
        return Verdict.REFUSED
    try:
        body = reply.json()
    except ValueError:
        return Verdict.STRANGE
    ours = isinstance(body, list) or (isinstance(body, dict) and "code" in (body.get("error") or {}))
    return Verdict.ACCEPTED if ours else Verdict.STRANGE


def try_pair(http: HttpClient, service_url: str, pair: Pair) -> tuple[Verdict, str]:
    """Search for nothing with a pair; return what became of it, and what was seen. Guesses no code."""
    caller = ServiceCaller(http, service_url, pair.app_key, pair.app_token)
    try:
        reply = caller.search(None, deadline=Deadline.after(PROBE_SECONDS))
    except NoReply as error:
        return Verdict.UNREACHABLE, str(error)
    return judge(reply), f"status {reply.status}"


def wait_until_accepted(service_url: str, pair: Pair, patience: Patience, *, unreachable_ok: bool = False) -> None:
    """Return when every process of the service accepts the pair. Raises NotAccepted.

    `unreachable_ok`: a service that cannot be reached from here is trusted to have read its file.
    """
    http = HttpClient()
    give_up_at = time.monotonic() + patience.accept_seconds
    accepted_since: float | None = None
    while True:
        verdict, seen = try_pair(http, service_url, pair)
        now = time.monotonic()
        if verdict is not Verdict.ACCEPTED:
            accepted_since = None
        elif accepted_since is None:
            accepted_since = now
        if accepted_since is not None and now - accepted_since >= patience.steady_seconds:
            return
        if accepted_since is None and now > give_up_at:
            if verdict is Verdict.UNREACHABLE and unreachable_ok:
                return
            raise NotAccepted(_explain(service_url, verdict, seen))
        time.sleep(patience.pause_seconds)


def _explain(service_url: str, verdict: Verdict, seen: str) -> str:
    match verdict:
        case Verdict.UNREACHABLE:
            return (
                f"{service_url} cannot be reached from here ({seen}), so nobody knows whether it accepts the "
                "credentials: start the service, or mend the address; nothing was registered"
            )
        case Verdict.REFUSED:
            return (
                f"{service_url} does not accept credentials that are in providers.toml ({seen}): it must be the "
                "service that reads this file, and its log says when the file is wrong; nothing was registered"
            )
        case _:
            return (
                f"what answers at {service_url} is not this service ({seen}): "
                "mend the address or the proxy before it; nothing was registered"
            )

"""Several processes with several threads each make their calls at the same moment, through the service's own code."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import structlog

from app.ledger.errors import LedgerError
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.transaction import Operation
from app.parts import Parts, build
from app.settings import Settings
from mappers.base import MapperError
from mappers.deadline import Deadline
from providers.provider import Provider
from providers.registry import Registry
from tests.faults.sandbox_accounts import SANDBOX_ACCOUNTS
from tests.money import minor

PROCESSES = 4
DEADLINE_SECONDS = 14.0
TIMEOUT_SECONDS = 60.0
PASSES = 3

# Processes are forked from a server that has everything imported and no threads.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    [__name__, *sorted({f"mappers.{account.mapper}.mapper" for account in SANDBOX_ACCOUNTS.values()})]
)


class Kind(StrEnum):
    AUTHORIZE = "authorize"
    SETTLE = "settle"
    CANCEL = "cancel"
    SWEEP = "sweep"  # what is unresolved, or nobody came back for
    EXPIRE = "expire"  # that, and whatever is authorized


@dataclass(frozen=True)
class Call:
    """One client's call; `transaction` is for those that need one."""

    kind: Kind
    card: str = ""
    value: int = 0
    request_id: str = ""
    transaction: str = ""


@dataclass(frozen=True)
class Result:
    """`outcome` is "done", or the kind of error."""

    call: Call
    outcome: str
    id: str | None = None


@dataclass(frozen=True)
class Target:
    """Where the calls go."""

    providers: Path
    redis_url: str
    provider: str

    def service(self) -> tuple[Parts, Provider]:
        registry = Registry.load(self.providers)
        provider = registry.get(self.provider)
        assert provider is not None
        settings = Settings(redis_timeout_seconds=10.0, money_deadline_seconds=14)
        return build(settings, registry, self.redis_url), provider


def race(target: Target, calls: Sequence[Call], processes: int = PROCESSES) -> list[Result]:
    """Make all calls at once, dealt out to `processes`, each in a thread of its own; return what became of them."""
    barrier = context.Barrier(len(calls))
    pipes, running = [], []
    for number in range(processes):
        ours, theirs = context.Pipe()
        process = context.Process(target=_run, args=(target, calls[number::processes], barrier, theirs), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        running.append(process)
    results: list[Result] = []
    for pipe, process in zip(pipes, running, strict=True):
        assert pipe.poll(TIMEOUT_SECONDS), "a process does not come back"
        results += pipe.recv()
        process.join(TIMEOUT_SECONDS)
        pipe.close()
    return results


def one_by_one(target: Target, calls: Sequence[Call]) -> list[Result]:
    """Make the calls in this process, one after another."""
    parts, provider = target.service()
    # Whoever asks again does so at once: nothing here changes meanwhile.
    parts.executor._sleep = lambda _: None
    try:
        return [_make(parts, provider, call) for call in calls]
    finally:
        parts.connection.close()


def _run(target: Target, calls: Sequence[Call], barrier: Barrier, pipe: Pipe) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    parts, provider = target.service()

    def make(call: Call) -> Result:
        barrier.wait(TIMEOUT_SECONDS)
        return _make(parts, provider, call)

    with ThreadPoolExecutor(len(calls)) as pool:
        pipe.send(list(pool.map(make, calls)))


def _make(parts: Parts, provider: Provider, call: Call) -> Result:
    deadline, amount = Deadline.after(DEADLINE_SECONDS), minor(call.value)
    change = ChangeRequest(call.card, call.transaction, amount, call.request_id)
    try:
        match call.kind:
            case Kind.AUTHORIZE:
                request = AuthorizationRequest(call.card, Operation.DEBIT, amount, call.request_id)
                return Result(call, "done", parts.ledger.authorize(provider, request, deadline))
            case Kind.SETTLE:
                return Result(call, "done", parts.ledger.settle(provider, change, deadline).oid)
            case Kind.CANCEL:
                return Result(call, "done", parts.ledger.cancel(provider, change, deadline).oid)
            case Kind.SWEEP | Kind.EXPIRE:
                for _ in range(PASSES):
                    _make_due(parts.connection._client, expired=call.kind is Kind.EXPIRE)
                    parts.sweeper.sweep_once()
    except (MapperError, LedgerError) as error:
        return Result(call, type(error).__name__)
    return Result(call, "done")


# In one script, since a transaction that was acknowledged meanwhile must not be taken for one that was not.
_MAKE_DUE = """
for _, due in ipairs(redis.call('KEYS', 'gb:*:due')) do
  for _, id in ipairs(redis.call('ZRANGE', due, 0, -1)) do
    local transaction = string.gsub(due, 'due$', 'tx:') .. id
    local stored = string.match(redis.call('GET', transaction), '[^\\n]*')
    local fields = cjson.decode(stored)
    local open, acknowledged, state = fields.unresolved or '', fields.acknowledged or '', fields.state
    local over = state == 'authorized' and (acknowledged == '' or ARGV[1] == 'expired')
    if open ~= '' or over then redis.call('ZADD', due, 'XX', 0, id) end
  end
end
"""


def _make_due(client: Any, *, expired: bool) -> None:
    """Let what is unresolved, what nobody came back for and, if so wanted, every authorization be due now."""
    client.eval(_MAKE_DUE, 0, "expired" if expired else "")

"""The harness of the fault matrix: sandboxes of the backends, Redis, and workers that may be killed."""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import redis

from app.server.embedded import EmbeddedRedis
from mappers.base import Holds, Verb
from mappers.sandbox import running
from tests.faults.expected import START, Money
from tests.faults.fork_server import TIMEOUT_SECONDS, ForkServer
from tests.faults.interceptor import InterceptedSandbox, Interceptor
from tests.faults.matrix import Backend, Cell, Fault, Operation, Point, Recovery
from tests.faults.sandbox_accounts import SANDBOX_ACCOUNTS, SandboxAccount
from tests.faults.service_driver import Answer, Summary, Target
from tests.faults.worker import Attempt, Crashed, Ended, Reached, Recover, Started

# A drip that outlasts the call many times over.
DRIP_SECONDS = 0.05

PROVIDERS = """
[{name}]
caption = "{name}"
currency = "BRL"
mapper = "{mapper}"
[[{name}.credentials]]
app_key = "key"
app_token = "token"
[{name}.options]
{options}
[{name}.policy]
holds = "{holds}"
"""


@dataclass(frozen=True)
class CellResult:
    """How a cell ended: what the call and the recovery were answered, and where the money is now."""

    first: Answer | None  # None: killed
    summary: Summary
    money: Money


class Harness:
    """Runs cells, one after another."""

    def __init__(
        self,
        fork_server: ForkServer,
        storage: EmbeddedRedis,
        sandboxes: dict[Backend, InterceptedSandbox],
        providers: Path,
    ) -> None:
        self.providers = providers
        self._fork_server = fork_server
        self.storage = storage
        self.sandboxes = sandboxes
        self.client = redis.Redis.from_url(storage.url, decode_responses=True)

    def run_cell(self, cell: Cell, *, meanwhile: Callable[[str], None] | None = None, once: bool = False) -> CellResult:
        """Inject the fault of `cell`, do `meanwhile` to the card, come back, and tell how it ended.

        `once`: after its fault the backend is well again.
        """
        if cell.fault is Fault.REDIS_HANGS:
            # It must know the scripts by now: all that it would do late with an unknown one is to say so.
            self.run(Attempt(Target(self.storage.url, Backend.LEDGER, self.new_card(Backend.LEDGER)), Operation.SETTLE))
        self.client.flushall()
        card = self.new_card(cell.backend)
        first = self._attempt(cell, card, once=once)
        if meanwhile:
            meanwhile(card)
        summary = self.recover(cell, card)
        return CellResult(first, summary, self.money(cell.backend, card, summary))

    def without_fault(self, operation: Operation, backend: Backend) -> Summary:
        """Let an operation run without a fault, and tell what the service knows of it."""
        self.client.flushall()
        target = Target(self.storage.url, backend, self.new_card(backend))
        self.run(Attempt(target, operation))
        summary = self.run(Recover(target, operation, Recovery.SWEEP))
        assert isinstance(summary, Summary), summary
        return summary

    def recover(self, cell: Cell, card: str, *, time_has_passed: bool = True) -> Summary:
        target = Target(self.storage.url, cell.backend, card)
        summary = self.run(Recover(target, cell.operation, cell.recovery, time_has_passed))
        assert isinstance(summary, Summary), summary
        return summary

    def new_card(self, backend: Backend, balance: Decimal = START) -> str:
        """Make a card at a backend; return its id."""
        model = self.sandboxes[backend].model
        with model.lock:
            return SANDBOX_ACCOUNTS[backend].new_card(model, secrets.token_hex(6).upper(), balance)

    def money(self, backend: Backend, card: str, summary: Summary) -> Money:
        """Return where the backend has a card's money, the rest that was spent at the end left out."""
        model, account = self.sandboxes[backend].model, SANDBOX_ACCOUNTS[backend]
        with model.lock:
            balance, held, redeemed = (
                account.balance(model, card),
                account.held(model, card),
                account.redeemed(model, card),
            )
        if backend.holds is Holds.LEDGER:
            return Money(balance - summary.reserved, reserved=summary.reserved, redeemed=redeemed)
        rest = summary.spendable if summary.spends_the_rest else Decimal(0)
        if backend.holds is Holds.NATIVE:
            return Money(balance + rest, held=held - rest)
        return Money(balance + rest, redeemed=redeemed - rest if backend.is_vauchar else redeemed)

    def run(self, job: Attempt | Recover, reached: Callable[[int], bool] | None = None) -> Any:
        """Do a job in a fresh worker. `reached` gets its process id when it stops, and tells whether it is to go on.

        Return what the job brought, None where its process was killed.
        """
        try:
            return self._follow(job, reached)
        except BaseException:
            # A job that was cut off must not become the next test's.
            self._fork_server.close()
            raise

    def _follow(self, job: Attempt | Recover, reached: Callable[[int], bool] | None) -> Any:
        result, process_id, stopped = None, 0, False
        pipe = self._fork_server.pipe
        pipe.send(job)
        while True:
            assert pipe.poll(TIMEOUT_SECONDS), f"nothing came of {job}"
            match message := pipe.recv():
                case Started():
                    process_id = message.process_id
                case Reached():
                    stopped = True
                    assert reached is not None
                    if reached(process_id):
                        pipe.send("go on")
                case Ended():
                    assert stopped or reached is None, f"{job} never came to its point, but to {result}"
                    expected = 0 if result is not None else signal.SIGKILL
                    assert os.waitstatus_to_exitcode(message.status) == -expected, result
                    return result
                case Crashed():
                    raise AssertionError(message.report)
                case _:
                    result = message

    def _attempt(self, cell: Cell, card: str, *, once: bool) -> Answer | None:
        attempt = Attempt(
            Target(self.storage.url, cell.backend, card),
            cell.operation,
            cell.point,
            cell.step,
            time_runs_out=cell.fault in (Fault.TIMEOUT, Fault.SLOW_BODY),
            redis_hangs=cell.fault is Fault.REDIS_HANGS,
        )
        intercepted, release = self.sandboxes[cell.backend], threading.Event()
        try:
            first = self.run(attempt, lambda process_id: self._inject(cell, process_id, release, once=once))
            if intercepted.interceptor.armed:
                raise AssertionError(f"{cell}: no call came to the backend")
            if cell.fault is Fault.TIMEOUT and cell.point is Point.BEFORE_SEND:
                # The request is still on its way when somebody comes back.
                self.recover(cell, card, time_has_passed=False)
        finally:
            release.set()
            assert not intercepts_a_call(cell) or intercepted.interceptor.passed.wait(TIMEOUT_SECONDS)
            intercepted.sandbox.faults.clear()
            self._restart_redis()
        assert isinstance(first, Answer | None), first
        return first

    def _inject(self, cell: Cell, process_id: int, release: threading.Event, *, once: bool) -> bool:
        """Inject the fault now, or arm the interceptor to do so; tell whether the worker goes on."""

        def inject() -> None:
            match cell.fault:
                case Fault.SIGKILL:
                    os.kill(process_id, signal.SIGKILL)
                case Fault.REDIS_KILLED:
                    self._kill_redis()
                case Fault.REDIS_HANGS:
                    self._signal_redis(signal.SIGSTOP)
                case Fault.TIMEOUT:
                    release.wait(TIMEOUT_SECONDS)
                case _:
                    self._plan(cell, once=once)

        interceptor, reads = self.sandboxes[cell.backend].interceptor, cell.verb in (Verb.LOOK, None)
        if cell.point is Point.AFTER_COMMIT:
            # The sandbox's own faults are planned before the call, and happen after its effect.
            planned = cell.fault in (Fault.RESET, Fault.ERROR, Fault.JUNK, Fault.SLOW_BODY)
            interceptor.arm(reads=reads, **{"before" if planned else "after": inject})
        elif cell.point is Point.BEFORE_SEND and intercepts_a_call(cell):
            interceptor.arm(reads=reads, before=inject)
        else:
            inject()
        return cell.fault is not Fault.SIGKILL or cell.point is Point.AFTER_COMMIT

    def _plan(self, cell: Cell, *, once: bool) -> None:
        """Let the call that has just come fail, and every other one after it."""
        faults, after = self.sandboxes[cell.backend].sandbox.faults, cell.point is Point.AFTER_COMMIT
        match cell.fault:
            case Fault.RESET:
                faults.add("drop_after" if after else "drop_before")
            case Fault.ERROR:
                faults.add("status_after" if after else "status", status=500)
            case Fault.LIMITED:
                faults.add("status", status=429, headers={"Retry-After": "1"})
            case Fault.JUNK if after:
                faults.add("junk")
            case Fault.JUNK:
                faults.add("status", status=200, body="<html>It works!</html>")
            case Fault.SLOW_BODY:
                faults.add("slow_body", seconds=DRIP_SECONDS)
        if not once:
            faults.add("drop_before", times=1_000_000)

    def _kill_redis(self) -> None:
        self._signal_redis(signal.SIGKILL)
        assert self.storage.pid is not None
        os.waitid(os.P_PID, self.storage.pid, os.WEXITED | os.WNOWAIT)

    def _signal_redis(self, number: int) -> None:
        process_id = self.storage.pid
        assert process_id is not None
        os.kill(process_id, number)

    def _restart_redis(self) -> None:
        """Let Redis go on, or start it again on the same files."""
        try:
            self._signal_redis(signal.SIGCONT)
            self.client.ping()
        except (AssertionError, ProcessLookupError, redis.ConnectionError):
            self.storage.start()
            self.client.ping()


def intercepts_a_call(cell: Cell) -> bool:
    """Tell whether the fault is one of a call that comes to the backend."""
    in_a_call = cell.point in (Point.BEFORE_SEND, Point.AFTER_COMMIT)
    elsewhere = (Fault.SIGKILL, Fault.REDIS_KILLED, Fault.REDIS_HANGS)
    return in_a_call and (cell.point is Point.AFTER_COMMIT or cell.fault not in elsewhere)


@contextmanager
def running_harness(folder: Path) -> Iterator[Harness]:
    """Set the harness up, with its files in `folder`, and clear it away again."""
    with ExitStack() as stack:
        at = {account.mapper: stack.enter_context(_running_sandbox(account)) for account in SANDBOX_ACCOUNTS.values()}
        sandboxes = {backend: at[account.mapper] for backend, account in SANDBOX_ACCOUNTS.items()}
        storage = stack.enter_context(EmbeddedRedis(folder))
        providers = folder / "providers.toml"
        providers.write_text("".join(_provider(backend, intercepted) for backend, intercepted in sandboxes.items()))
        fork_server = ForkServer(providers)
        stack.callback(fork_server.close)
        yield Harness(fork_server, storage, sandboxes, providers)


@contextmanager
def _running_sandbox(account: SandboxAccount) -> Iterator[InterceptedSandbox]:
    app = account.sandbox.create_app()
    interceptor = Interceptor(app)
    with running(app) as sandbox:
        yield InterceptedSandbox(sandbox, interceptor)


def _provider(backend: Backend, intercepted: InterceptedSandbox) -> str:
    account = SANDBOX_ACCOUNTS[backend]
    written = "\n".join(
        f'{name} = "{value}"' for name, value in account.sandbox.DEMO_OPTIONS(intercepted.sandbox.url).items()
    )
    return PROVIDERS.format(name=backend, mapper=account.mapper, options=written, holds=backend.holds)

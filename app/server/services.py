"""Which services run on this machine: each says in a file what it works on, and holds it while it runs."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import structlog

from app.ledger.storage.identity import OtherLedger
from app.settings import Settings, home

# Where systemd lets the service of a system have its folder (RuntimeDirectory=giftbridge).
SYSTEM = Path("/run/giftbridge")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: its process, the address it listens on, its files, and the Redis its ledger is in.

    `data` is None where the Redis is not the embedded one.
    """

    pid: int
    bind: str
    providers: str
    redis_url: str
    data: str | None

    @classmethod
    def of(cls, settings: Settings, redis_url: str) -> Self:
        """Describe this process as the service that runs with `settings`."""
        data = str(settings.data.absolute()) if settings.redis_url is None else None
        return cls(os.getpid(), settings.bind, str(settings.providers.absolute()), redis_url, data)

    def __str__(self) -> str:
        return f"the service at {self.bind} (process {self.pid})"


def folders() -> tuple[Path, ...]:
    """Return where services say what they work on: those of this user, then the system's."""
    return home("XDG_STATE_HOME", ".local/state") / "giftbridge", SYSTEM


@contextmanager
def announced(service: Service) -> Iterator[None]:
    """Let commands find this service meanwhile; without a folder for that it runs all the same."""
    system = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    folder = Path(system) if system else folders()[0]
    path, draft = folder / f"{service.pid}.json", folder / f"{service.pid}.new"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log.warning("commands will not find this service", folder=str(folder), reason=error.strerror)
        yield
        return
    try:
        # Only the file's name is seen by others, and that after it is locked and written.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps(asdict(service)).encode())
        draft.replace(path)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def running() -> list[Service]:
    """Return the services that run now and that this user may use. Raises OtherLedger where one is not to be read."""
    return [service for folder in folders() for path in sorted(folder.glob("*.json")) for service in _read(path)]


def _read(path: Path) -> Iterator[Service]:
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                yield Service(**json.load(file))
                return
            with suppress(OSError):  # its service was killed
                path.unlink()
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise OtherLedger(
            f"a service of the user {_owner(path)} runs, and this user may not know its ledger ({path}): run this as "
            "that user or as root, or name another ledger with GIFTBRIDGE_DATA or GIFTBRIDGE_REDIS_URL"
        ) from error


def _owner(path: Path) -> str:
    try:
        return pwd.getpwuid(path.stat().st_uid).pw_name
    except KeyError:
        return str(path.stat().st_uid)

"""What one process of the fleet does beside its calls and beside sweeping, in a thread that holds up neither."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import structlog

from app.admin.notices.outbox import Outbox, targets
from app.admin.reconciliation import schedule
from app.ledger.errors import LedgerUnavailable
from app.parts import Parts
from app.server import processes

log = structlog.get_logger()

LEAD = "background"

# How often it is looked what there is to do.
LOOK_SECONDS = 15.0

# Renewed with each look. A look may take a while: notices go to servers that may be slow.
LEAD_LASTS = timedelta(minutes=5)

# What is interrupted is begun anew later; nothing is lost.
GRACE_SECONDS = 2.0

Spawn = Callable[[], "subprocess.Popen[bytes]"]


def reconciling() -> subprocess.Popen[bytes]:
    """Start a process that compares the ledger with the backends: it must not take the time of shoppers' threads."""
    return processes.spawn([sys.executable, "-P", "-m", "app.server.reconciling"], environment=dict(os.environ))


class Background:
    """Looks every few seconds what is to be done, where no other process of the fleet does."""

    def __init__(self, parts: Parts, spawn: Spawn = reconciling) -> None:
        self._parts = parts
        self._outbox = Outbox(parts, targets(parts.settings))
        self._spawn = spawn
        self._token = secrets.token_hex(8)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_looking, name="background", daemon=True)
        self._comparing: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after what is at hand, or leave it."""
        self._stopping.set()
        self._thread.join(GRACE_SECONDS)
        if self._comparing is not None:
            processes.stop(self._comparing, GRACE_SECONDS)
        with suppress(LedgerUnavailable):
            self._parts.fleet.leave(LEAD, self._token)

    def look_once(self) -> None:
        """Do what is to be done now, where no other process does. Raises LedgerUnavailable."""
        if self._parts.fleet.lead(LEAD, self._token, LEAD_LASTS):
            self._compare()
            self._outbox.look()

    def _keep_looking(self) -> None:
        # The child process ends with this thread.
        while not self._stopping.is_set():
            try:
                self.look_once()
            except LedgerUnavailable as error:
                log.warning("background work left for later", reason=str(error))
            except Exception:
                log.exception("background work failed")
            self._stopping.wait(LOOK_SECONDS)

    def _compare(self) -> None:
        if self._comparing is not None and self._comparing.poll() is None:
            return
        self._comparing = self._spawn() if schedule.is_due(self._parts) else None

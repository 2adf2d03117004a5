"""The fork server, from the harness's side: a process that forks a fresh worker for each job."""

from __future__ import annotations

import socket
import subprocess
import sys
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

# Longer than anything here takes on a machine that has other things to do.
TIMEOUT_SECONDS = 60.0


class ForkServer:
    """A process that forks a fresh worker for each job; it is started with the first."""

    def __init__(self, providers: Path) -> None:
        self._providers = providers
        self._running: tuple[Pipe, subprocess.Popen[bytes]] | None = None

    @property
    def pipe(self) -> Pipe:
        if self._running is None:
            ours, theirs = socket.socketpair()
            with theirs:
                process = subprocess.Popen(
                    [sys.executable, "-m", "tests.faults.worker", str(theirs.fileno()), str(self._providers)],
                    cwd=ROOT,
                    pass_fds=[theirs.fileno()],
                )
            self._running = Pipe(ours.detach()), process
        return self._running[0]

    def close(self) -> None:
        """End it; a worker that waits to be told to go on ends with it."""
        if self._running is not None:
            pipe, process = self._running
            pipe.close()
            process.wait(TIMEOUT_SECONDS)
            self._running = None

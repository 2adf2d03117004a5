"""How long the service takes to start, and how much memory its processes keep."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from app.server.embedded import EmbeddedRedis
from bench.machine import backend, providers_file, service

STARTS = 3
WORKERS, THREADS = 2, 64


@dataclass(frozen=True, slots=True)
class Start:
    """Of each start: seconds from the command to /-/ready, on the same ledger; the greatest resident memory then."""

    seconds: tuple[float, ...]
    resident_bytes: tuple[int, ...]


def starts() -> Start:
    """Start the service some times, on a Redis that is there already."""
    seconds, resident = [], []
    with tempfile.TemporaryDirectory() as name, EmbeddedRedis(Path(name) / "data") as storage, backend(0) as answering:
        folder = Path(name)
        (folder / "providers.toml").write_text(providers_file(answering.port))
        for _ in range(STARTS):
            began = time.monotonic()
            with service(folder, storage.url, workers=WORKERS, threads=THREADS, threads_per_backend=THREADS) as process:
                seconds.append(time.monotonic() - began)
                resident.append(max(process.resident_bytes()))
    return Start(tuple(seconds), tuple(resident))

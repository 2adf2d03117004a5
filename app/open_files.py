"""How many files, and so how many connections, a process may have open at a time."""

from __future__ import annotations

import resource
from contextlib import suppress

# Of one worker: gunicorn's own default. A proxy needs some hundred.
MOST_CONNECTIONS = 1000

# Each thread may have a connection to Redis, one to a backend, and a kept one to another backend.
PER_THREAD = 3

# Files, sockets that listen, the sweeper's connections.
SPARE = 128

# Below this, idle clients can use up the connections that others need.
ENOUGH = 4096

# More are of no use, and some systems answer "unlimited" with an error.
WANTED = 65536


def limits() -> tuple[int, int]:
    """Return how many files this process may open, and how many it could once the limit is raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (WANTED if soft == resource.RLIM_INFINITY else soft), (WANTED if hard == resource.RLIM_INFINITY else hard)


def raise_limit() -> None:
    """Let this process, and those it starts, open as many files as the system lets it, and as are of use."""
    soft, hard = limits()
    wanted = min(hard, WANTED)
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def connections(threads: int) -> int:
    """Return how many connections of clients a worker with so many threads may have, so that no other file lacks."""
    # With fewer than its threads and a few idle ones, a worker could not work.
    return max(threads + 16, min(MOST_CONNECTIONS, limits()[0] - PER_THREAD * threads - SPARE))

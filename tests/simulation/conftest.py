"""A real Redis for the simulation that does not wait for the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis

from app.server.embedded import EmbeddedRedis


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a Redis of its own. What survives a crash of Redis is not simulated here.

    It is never told to write to disk again: a Redis that has just been told so does not end when it is asked to.
    """
    with TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as storage:
        with redis.Redis.from_url(storage.url) as client:
            client.config_set("appendonly", "no")
        yield f"{storage.url}?db=9"

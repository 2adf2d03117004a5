"""A real Redis for the simulation that does not wait for the disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis


@pytest.fixture
def redis_url(redis_url: str) -> Iterator[str]:
    """The address of a database of the tests' Redis. What survives a crash of Redis is not simulated here."""
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("appendonly", "no")
        yield f"{redis_url}?db=9"
        client.config_set("appendonly", "yes")

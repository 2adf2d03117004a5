"""A minute's look without wrk: the service in this process, and what its calls come to in counts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from flask import Flask

from app import create_app
from app.server.embedded import EmbeddedRedis
from app.settings import Settings
from bench.counts import Count, counted
from bench.machine import backend, providers_file
from providers.registry import Registry


@contextmanager
def service(redis_url: str, folder: Path) -> Iterator[Flask]:
    """Yield the service on a Redis, before a backend that answers at once."""
    with backend(0) as answering:
        file = folder / "providers.toml"
        file.write_text(providers_file(answering.port))
        # A busy machine is no fault of the service.
        settings = Settings(redis_url=redis_url, log_level="ERROR", redis_timeout_seconds=5)
        yield create_app(settings, Registry.load(file))


def counts() -> list[Count]:
    """Return the counts of each kind of call, on a Redis of their own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedRedis(Path(folder) / "data") as storage,
        service(storage.url, Path(folder)) as app,
        redis.Redis.from_url(storage.url) as client,
    ):
        return list(counted(app, client))

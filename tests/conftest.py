"""What every test may ask for: a durable Redis of its own. And what no test may do: leave this machine."""

from __future__ import annotations

import gc
import ipaddress
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pytest
import redis
import structlog

from app import garbage
from app.ledger.storage.connection import Connection
from app.ledger.storage.identity import Identity
from app.server.embedded import EmbeddedRedis

pytest.register_assert_rewrite("mappers.conformance")

# A user whom file permissions bind.
NOBODY = 65534

# The files that take the longest.
LONGEST = {"test_explorer.py", "test_schedules.py"}

# A folder of Linux that outlives any process, without a disk to wait for.
MEMORY = "/dev/shm"

# How long an example takes says nothing about whether it is right, on a machine that is busy.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

garbage.look_seldom()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: a file goes to one worker, and none shall be busy when the others have finished."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Look for no garbage among the thousands of tests that were found: they stay until the end."""
    gc.freeze()


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Have more workers than cores: for a good part of their time the tests wait, for processes and deadlines."""
    return (yield) + 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say plainly which tests were not run for want of a browser."""
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if "no browser" in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(
            f"{len(skipped)} browser tests were skipped: make browser installs one", yellow=True
        )


def _refuse_the_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise RuntimeError(f"a test tried to reach {host}")


sys.addaudithook(_refuse_the_network)


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Folders of a user of their own, for this process and those it starts: what runs elsewhere is not seen."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_DATA_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(scope="module", autouse=True)
def _log() -> Iterator[None]:
    """Leave the log as it was: a service or a command that ran in this process may have made it silent."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a real Redis that keeps what it is told, shared by the tests of one process."""
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with TemporaryDirectory(dir=memory) as folder, EmbeddedRedis(Path(folder)) as storage:
        yield storage.url


@pytest.fixture
def empty_redis_url(redis_url: str) -> str:
    """The same address, with nothing stored there."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    return redis_url


@pytest.fixture(scope="session")
def _another_redis_url() -> Iterator[str]:
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with TemporaryDirectory(dir=memory) as folder, EmbeddedRedis(Path(folder)) as storage:
        yield storage.url


@pytest.fixture
def another_redis_url(_another_redis_url: str) -> str:
    """The address of a second Redis, with nothing stored there: for what goes from one to another."""
    with redis.Redis.from_url(_another_redis_url) as client:
        client.flushall()
    return _another_redis_url


@pytest.fixture
def ledger_id(empty_redis_url: str) -> str:
    """The id of the ledger there, as a service has given it one."""
    with closing(Connection.to(empty_redis_url, timeout_seconds=5, connections=1)) as connection:
        return Identity(connection).ensure()


@pytest.fixture
def bound_by_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the rest of a test in `tmp_path` as a user whom file permissions bind, where root runs the tests."""
    monkeypatch.chdir(tmp_path)  # the way there is root's alone: name files relative to it
    if os.geteuid() != 0:
        yield
        return
    for path in (tmp_path, *tmp_path.rglob("*")):
        os.chown(path, NOBODY, -1)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)

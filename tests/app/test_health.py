"""What a load balancer is told: alive whatever happens, ready only with a Redis that keeps money."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask

from app.ledger.clock import ClockWatch
from app.ledger.storage.connection import Connection
from app.server import health
from app.server.embedded import valkey_binary

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """Return a function that starts a Redis with these options and asks whether it is ready."""
    processes = []

    def run(*options: str, redis_allow_unsafe: bool = False) -> tuple[int, dict[str, Any]]:
        path = tmp_path / "s"
        command = [str(valkey_binary()), "--port", "0", "--unixsocket", str(path), "--dir", str(tmp_path), *options]
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        give_up = time.monotonic() + 20
        with redis.Redis(unix_socket_path=str(path)) as client:
            while time.monotonic() < give_up:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    time.sleep(0.02)
        return ready(f"unix://{path}", redis_allow_unsafe=redis_allow_unsafe)

    yield run
    for process in processes:
        process.kill()
        process.wait()


def ready(
    url: str, *, redis_allow_unsafe: bool = False, clock: Callable[[Connection], ClockWatch] = ClockWatch
) -> tuple[int, dict[str, Any]]:
    connection = Connection.to(url, timeout_seconds=2, connections=2)
    app = Flask(__name__)
    app.register_blueprint(
        health.create_blueprint(connection, clock(connection), redis_allow_unsafe=redis_allow_unsafe)
    )
    client = app.test_client()
    answer = client.get("/-/ready")
    assert client.get("/ready").get_json() == answer.get_json()
    for path in ("/-/health", "/health"):
        assert client.get(path).get_json() == {"status": "alive"}
    connection.close()
    return answer.status_code, answer.get_json()


DURABLE = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")


def test_a_durable_redis_is_ready(ask: Ask) -> None:
    status, body = ask(*DURABLE)
    assert (status, body["status"], body["warnings"]) == (200, "ready", [])


def test_it_says_which_ledger_it_works_on_and_names_a_new_one(redis_url: str, ledger_id: str) -> None:
    assert ready(redis_url)[1]["ledger"] == ledger_id
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    named = ready(redis_url)[1]["ledger"]
    assert named not in (None, ledger_id)
    assert ready(redis_url)[1]["ledger"] == named


def test_it_is_where_the_clock_is_in_doubt_and_says_so(redis_url: str) -> None:
    """Another service would read the same clock."""
    status, body = ready(redis_url, clock=partial(ClockWatch, machine=lambda: time.time() + 3600))
    assert (status, body["status"]) == (200, "ready")
    assert "1:00:00 behind this machine's: nothing is expired, abandoned or forgotten" in body["clock"]


def test_a_redis_that_forgets_is_not(ask: Ask) -> None:
    status, body = ask("--appendonly", "no", "--save", "")
    assert status == 503
    assert "set appendonly yes" in body["reasons"][0]


def test_a_redis_that_may_evict_is_not(ask: Ask) -> None:
    status, body = ask(*DURABLE, "--maxmemory-policy", "allkeys-lru")
    assert status == 503
    assert "set maxmemory-policy noeviction" in body["reasons"][0]


def test_it_is_where_that_was_allowed_explicitly(ask: Ask) -> None:
    status, body = ask("--appendonly", "no", "--save", "", redis_allow_unsafe=True)
    assert status == 200
    assert "set appendonly yes" in body["warnings"][0]


def test_a_redis_that_syncs_each_second_is_ready_with_a_warning(ask: Ask) -> None:
    status, body = ask("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
    assert status == 200
    assert "appendfsync always" in body["warnings"][0]


def test_a_full_redis_is_not_ready_until_it_has_room_and_one_nearly_full_warns(ask: Ask, tmp_path: Path) -> None:
    """Also where its holding money was allowed: it takes none."""
    assert ask(*DURABLE)[0] == 200
    url = f"unix://{tmp_path / 's'}"
    with redis.Redis.from_url(url) as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used // 2)
        status, body = ready(url, redis_allow_unsafe=True)
        assert (status, body["status"]) == (503, "not ready")
        assert "raise maxmemory" in str(body["reasons"])
        client.config_set("maxmemory", used + used // 20)
        status, body = ready(url)
        assert status == 200
        assert "raise maxmemory before it is full" in body["warnings"][0]
        client.config_set("maxmemory", 0)
        assert ready(url)[1]["warnings"] == []


@pytest.mark.parametrize("unsafe", [False, True])
def test_a_redis_that_cannot_write_its_file_is_not_ready(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, unsafe: bool
) -> None:
    monkeypatch.setattr(Connection, "_states", lambda _: [{"aof_enabled": 1, "aof_last_write_status": "err"}])
    status, body = ready(redis_url, redis_allow_unsafe=unsafe)
    assert (status, body["reasons"]) == (503, ["its append-only file cannot be written: look at its disk"])


def test_a_redis_that_cannot_be_reached_is_not_ready(tmp_path: Path) -> None:
    status, body = ready(f"unix://{tmp_path}/nothing")
    assert (status, body["status"]) == (503, "not ready")

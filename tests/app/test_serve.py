"""`giftbridge serve` looks after gunicorn and Redis, and leaves nothing behind."""

from __future__ import annotations

import http.server
import io
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog

from app import telemetry
from app.server.embedded import EmbeddedRedis
from app.settings import Settings

from .commands import MODULE, PROVIDERS, alive, ask, free_port, ready, running, serving, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tests look into /proc")

SEARCH = '{"client": {}, "cart": {"redemptionCode": "SOME-CODE"}}'


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_well_and_leaves_no_process(tmp_path: Path, number: int) -> None:
    with serving(tmp_path) as (command, _):
        started = command.family()
        assert len(started) >= 3
        assert command.end(number) == 0
        assert not any(map(alive, started))


def test_killed_it_leaves_no_process_either(tmp_path: Path) -> None:
    with serving(tmp_path) as (command, _):
        started = command.family()
        command.process.kill()
        wait_for(lambda: not any(map(alive, started)))


def test_a_call_at_hand_is_answered_before_it_ends(tmp_path: Path) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    class SlowBackend(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            arrived.set()
            go_on.wait(10)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            pass

    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowBackend)
    threading.Thread(target=backend.serve_forever).start()
    lightrail = f'[acme.options]\nbase_url = "http://127.0.0.1:{backend.server_port}"\napi_key = "key"\n'
    providers = PROVIDERS.replace("memory", "lightrail_v2") + lightrail
    answers: list[tuple[int, str]] = []
    try:
        with serving(tmp_path, providers, CARD_DEADLINE_SECONDS="5") as (command, port):
            caller = threading.Thread(
                target=lambda: answers.append(ask(port, "POST", "/acme/giftcards/_search", SEARCH))
            )
            caller.start()
            assert arrived.wait(10)
            command.process.send_signal(signal.SIGTERM)
            wait_for(lambda: not ready(port))
            go_on.set()
            caller.join(20)
            assert command.process.wait(30) == 0
    finally:
        go_on.set()
        backend.shutdown()
        backend.server_close()
    assert answers == [(200, "[]")]


def test_a_redis_that_dies_is_started_again(tmp_path: Path) -> None:
    with serving(tmp_path) as (command, port):
        (storage,) = command.family("valkey-server")
        os.kill(storage, signal.SIGKILL)
        wait_for(lambda: command.family("valkey-server") not in ([], [storage]) and ready(port))


def test_it_ends_as_gunicorn_ends_and_stops_redis(tmp_path: Path) -> None:
    with serving(tmp_path) as (command, _):
        started = command.family()
        os.kill(command.family("app.server.workers")[0], signal.SIGKILL)
        assert command.process.wait(60) == 128 + signal.SIGKILL
        wait_for(lambda: not any(map(alive, started)))


def test_a_hangup_starts_new_workers(tmp_path: Path) -> None:
    with serving(tmp_path) as (command, port):
        before = set(command.family("app.server.workers"))
        command.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(set(command.family("app.server.workers")) & before) == 1 and ready(port))


def test_a_hangup_with_a_wrong_configuration_changes_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as (command, port):
        before = command.family()
        (tmp_path / "providers.toml").write_text("[acme")
        command.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "not reloaded" in command.output)
        assert command.family() == before
        assert ready(port)


def test_with_a_redis_of_ones_own_none_is_started(tmp_path: Path, redis_url: str) -> None:
    with serving(tmp_path, REDIS_URL=redis_url) as (command, _):
        assert command.family("valkey-server") == []


def refusal(directory: Path, **settings: str) -> str:
    with running("serve", cwd=directory, **settings) as command:
        assert command.process.wait(30) == 2
        assert "Traceback" not in command.output
        return command.output


def test_a_wrong_providers_file_is_explained_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "providers.toml").write_text(PROVIDERS.replace("caption", "capton"))
    assert 'providers.toml: [acme] capton: unknown key: did you mean "caption"?' in refusal(tmp_path)


def test_wrong_settings_are_explained_without_a_traceback(tmp_path: Path) -> None:
    assert "GIFTBRIDGE_THREADS must be a whole number" in refusal(tmp_path, THREADS="many")


def test_a_taken_port_is_explained_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "providers.toml").write_text(PROVIDERS)
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert f"cannot listen on {address}" in refusal(tmp_path, BIND=address)


def test_a_data_directory_that_cannot_be_written_is_explained_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "providers.toml").write_text(PROVIDERS)
    (tmp_path / "file").write_text("")
    assert "GIFTBRIDGE_DATA" in refusal(tmp_path, DATA="file", BIND=f"127.0.0.1:{free_port()}")


def test_a_ledger_of_an_older_version_is_not_left_behind(tmp_path: Path) -> None:
    (tmp_path / "providers.toml").write_text(PROVIDERS)
    with EmbeddedRedis(tmp_path / "data"):
        pass
    environment = f"XDG_DATA_HOME={tmp_path / 'home'}"
    program = ("env", environment, *MODULE)
    with running("serve", cwd=tmp_path, program=program, BIND=f"127.0.0.1:{free_port()}") as command:
        assert command.process.wait(30) == 2
        assert f"set GIFTBRIDGE_DATA={tmp_path / 'data'} to work on it" in command.output
    assert not (tmp_path / "home").exists()


def test_every_line_of_its_log_is_one_json_object_whoever_wrote_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # the usual line of container images: no write is put off
    with serving(tmp_path) as (command, port):
        for _ in range(3):
            assert ask(port, "POST", "/acme/giftcards/_search", SEARCH)[0] == 200
        command.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "Handling signal: hup" in command.output)
    lines = [json.loads(line) for line in command.output.splitlines()]
    assert {"event", "level", "timestamp"} <= set.intersection(*(set(line) for line in lines))
    assert "gunicorn.error" in {line.get("logger") for line in lines}
    assert [line["status"] for line in lines if line["event"] == "request"] == [200] * 3


def test_a_line_of_the_log_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writes would let another process's line come between a line and its end."""
    written: list[bytes] = []

    class Output(io.BytesIO):
        def write(self, data: Any) -> int:
            written.append(bytes(data))
            return len(data)

    before = structlog.get_config()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Output(), write_through=True))
    try:
        telemetry.configure(Settings())
        structlog.get_logger().warning("one", text="\ud800")
    finally:
        structlog.configure(**before)
    [line] = written
    assert json.loads(line)["event"] == "one"
    assert line.endswith(b"}\n")

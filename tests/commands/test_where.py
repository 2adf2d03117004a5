"""A command works on the ledger of this installation, and never makes one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.commands.cli import main
from app.ledger.storage.connection import Connection
from app.ledger.storage.identity import Identity
from app.server import services
from app.server.embedded import EmbeddedRedis
from app.server.services import Service, announced, running
from tests.app.commands import PROVIDERS, alive, ask, free_port, ready, wait_for
from tests.app.commands import running as started
from tests.docs import shapes

COMMANDS = [
    ("transactions", "list"),
    ("transactions", "settle", "gb-1", "--value", "40", "--yes"),
    ("cards", "show", "acme", "--card", "a-card"),
    ("ledger", "doubts"),
    ("ledger", "doubt", "a reason"),
    ("reconcile", "--repair"),
    ("sweep",),
    ("where",),
    ("doctor",),
    ("providers", "check", "acme"),
]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user of their own, in a folder with a providers.toml and nothing else."""
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for name in [name for name in os.environ if name.startswith("GIFTBRIDGE_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    (folder / "providers.toml").write_text(PROVIDERS)
    monkeypatch.setenv("COLUMNS", "400")
    return folder


def run(*arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(main, arguments, env={f"GIFTBRIDGE_{name}": value for name, value in settings.items()})


def where(**settings: str) -> Any:
    told = run("where", "--json", **settings)
    assert told.exit_code == 0, told.output
    return shapes.printed(told.stdout, ["where"])


def ledger_at(url: str) -> str:
    with closing(Connection.to(url, timeout_seconds=5, connections=1)) as connection:
        return Identity(connection).ensure()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A data directory with another ledger, and its id."""
    with EmbeddedRedis(tmp_path / "other") as embedded:
        yield tmp_path / "other", ledger_at(embedded.url)


@pytest.mark.parametrize("named", [True, False], ids=["in the folder named", "in the default folder"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_makes_a_ledger(elsewhere: Path, command: tuple[str, ...], named: bool) -> None:
    data = elsewhere.parent / "xdg_data_home" / "giftbridge"
    if named:
        data = elsewhere / "data"
    told = run(*command, **({"DATA": str(data)} if named else {}))
    assert f"there is no ledger in {data}, and no service runs (looked in" in told.output
    assert str(elsewhere.parent / "xdg_state_home") in told.output
    assert not data.exists()
    if command[0] not in ("doctor", "providers"):  # these tell it among everything else
        assert told.exit_code == 2


def test_no_command_makes_a_ledger_in_a_redis_of_ones_own(elsewhere: Path, empty_redis_url: str) -> None:
    told = run("reconcile", "--repair", REDIS_URL=empty_redis_url)
    assert told.exit_code == 2
    assert "no service has worked on unix://" in told.output
    assert run("doctor", REDIS_URL=empty_redis_url).exit_code == 1  # for the address that acme lacks
    with closing(Connection.to(empty_redis_url, timeout_seconds=5, connections=1)) as connection:
        assert connection.call(lambda client: client.keys()) == []


def test_the_running_service_s_ledger_is_found_from_any_folder(elsewhere: Path, other: tuple[Path, str]) -> None:
    home = elsewhere.parent / "home"
    home.mkdir()
    (home / "providers.toml").write_text(PROVIDERS)
    bind, data = f"127.0.0.1:{(port := free_port())}", elsewhere.parent / "xdg_data_home" / "giftbridge"
    with started("serve", "--bind", bind, "--workers", "1", cwd=home) as service:
        wait_for(lambda: ready(port) or service.process.poll() is not None)
        found = where()
        assert found["ledger"] == json.loads(ask(port, "GET", "/-/ready")[1])["ledger"]
        assert (found["data"], found["providers"]) == (str(data), str(home / "providers.toml"))
        assert f"the service at {bind}" in found["service"]
        listed = run("transactions", "list")
        assert listed.exit_code == 0
        assert f"Ledger {found['ledger']} of the service at {bind}" in listed.stderr

        # The doctor looks at the same, and who would change another file than the service reads is told.
        looked = "\n".join(check["found"] for check in json.loads(run("doctor", "--json").stdout)["checks"])
        assert f"{data}, " in looked
        assert f"{home / 'providers.toml'}: acme" in looked
        assert f"ready at {bind}" in looked
        told = run("providers", "list").stderr
        assert f"reads {home / 'providers.toml'}, not {elsewhere / 'providers.toml'}" in told
        assert "reads" not in run("providers", "list", PROVIDERS=str(home / "providers.toml")).stderr

        # A ledger that the settings of this installation name, and that is not its service's.
        wrong = run("transactions", "list", DATA=str(other[0]), BIND=bind)
        assert wrong.exit_code == 2
        assert f"this is ledger {other[1]}" in wrong.output
        assert f"works on ledger {found['ledger']}, {data}" in wrong.output
        doctor = run("doctor", DATA=str(other[0]), BIND=bind)
        assert (
            f"the service at {bind} works on ledger {found['ledger']}, and this is ledger {other[1]}" in doctor.output
        )
        # Another installation, whose own service does not run.
        assert where(DATA=str(other[0]))["ledger"] == other[1]
        family = service.family()
        service.process.kill()
        wait_for(lambda: not any(map(alive, family)))
    # Killed, it left its file behind; the ledger that is there runs for as long as a command needs it.
    assert running() == []
    stopped = where()
    assert (stopped["ledger"], stopped["service"]) == (found["ledger"], None)


def test_of_several_services_one_must_be_named(elsewhere: Path, other: tuple[Path, str]) -> None:
    with ExitStack() as several:
        for number, data in enumerate(("first", "second")):
            url = f"unix://{elsewhere}/{data}"
            several.enter_context(announced(Service(number, f"127.0.0.1:{number}", "p.toml", url, f"/{data}")))
        told = run("where")
        assert told.exit_code == 2
        assert "several services run, name the ledger with GIFTBRIDGE_DATA" in told.output
        assert "process 0), /first" in told.output
        assert "process 1), /second" in told.output
        assert where(DATA=str(other[0]))["ledger"] == other[1]
    assert running() == []


@pytest.mark.usefixtures("bound_by_permissions")
def test_a_service_that_this_user_may_not_ask_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "folders", lambda: (Path("state"),))
    with announced(Service(1, "127.0.0.1:1", "p.toml", "unix:///none", "/data")):
        [file] = Path("state").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0)
        told = run("where")
    assert told.exit_code == 2
    assert "run this as that user or as root" in told.output


def test_a_password_of_redis_is_not_shown(elsewhere: Path) -> None:
    with announced(Service(1, "127.0.0.1:1", "p.toml", "redis://user:secret@127.0.0.1:1/0", None)):
        told = run("where", "--json")
    assert "secret" not in told.output

"""Runs the `giftbridge` command as a user does, and sees what it leaves behind."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.patience import PATIENT

ROOT = Path(__file__).parents[2]

MODULE = (sys.executable, "-m", "giftbridge")

PROVIDERS = """\
[acme]
caption = "Acme gift cards"
currency = "BRL"
mapper = "memory"
[[acme.credentials]]
app_key = "acme-key"
app_token = "acme-token"
"""

HEADERS = {
    "X-PROVIDER-API-AppKey": "acme-key",
    "X-PROVIDER-API-AppToken": "acme-token",
    "Content-Type": "application/json",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIFTBRIDGE_")}
    settings = PATIENT | settings
    return {**kept, "PYTHONPATH": str(ROOT), **{f"GIFTBRIDGE_{name}": value for name, value in settings.items()}}


def family(pid: int) -> dict[int, str]:
    """The processes below `pid`, each before its children, with their command lines, as Linux tells."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents.setdefault(int(parent), []).append(int(entry.name))
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        for child in parents.get(waiting.pop(), []):
            try:
                found[child] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            waiting.append(child)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Command:
    """A running `giftbridge` command; its output goes to a file."""

    def __init__(self, *arguments: str, cwd: Path, program: Sequence[str] = MODULE, **settings: str) -> None:
        self.path = cwd / "output.txt"
        with self.path.open("wb") as output:
            self.process = subprocess.Popen(
                [*program, *arguments],
                cwd=cwd,
                env=environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.path.read_text(errors="replace")

    def family(self, part: str = "") -> list[int]:
        """Each before its children: ids say nothing of who is older, since they begin again."""
        return [pid for pid, line in family(self.process.pid).items() if part in line]

    def end(self, number: int) -> int:
        """Send a signal, wait, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def running(*arguments: str, cwd: Path, program: Sequence[str] = MODULE, **settings: str) -> Iterator[Command]:
    command = Command(*arguments, cwd=cwd, program=program, **settings)
    try:
        yield command
    finally:
        # In good order, so that it takes its files along; that nothing survives a kill is tested on its own.
        command.process.terminate()
        try:
            command.process.wait(40)
        finally:
            command.process.kill()


def ask(port: int, method: str, path: str, body: str | None = None, seconds: float = 20) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request(method, path, body, HEADERS)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def ready(port: int) -> bool:
    try:
        return ask(port, "GET", "/ready", seconds=1)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


@contextmanager
def serving(
    directory: Path, providers: str = PROVIDERS, program: Sequence[str] = MODULE, **settings: str
) -> Iterator[tuple[Command, int]]:
    (directory / "providers.toml").write_text(providers)
    port = free_port()
    settings = {"BIND": f"127.0.0.1:{port}", "WORKERS": "1", **settings}
    with running("serve", cwd=directory, program=program, **settings) as command:
        wait_for(lambda: command.process.poll() is not None or ready(port))
        assert command.process.poll() is None, command.output
        yield command, port

"""Load: one kind of request, sent by wrk over many connections for some seconds."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT, PACED_SCRIPT = (Path(__file__).with_name(name) for name in ("requests.lua", "paced.lua"))
THREADS = 2

# As many as requests.lua names.
CARDS = 100


class NoLoad(Exception):
    """The load cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """A kind of request. `path` and `body` may hold NUMBER (new each time) and CARD (one of CARDS).

    `paths` gives each request its own, once; then `path` is not used.
    """

    method: str
    path: str
    body: str = ""
    token: str = "token"
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a load: latencies in milliseconds."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def load(
    port: int, request: Request, run: str, *, connections: int, seconds: float, folder: Path, paced: bool = False
) -> Load:
    """Send requests to a port of this machine. `run` names them: two runs of one name would repeat each other.

    `paced`: each connection pauses a second before each request. Raises NoLoad without wrk.
    """
    if shutil.which("wrk") is None:
        raise NoLoad("install wrk first: apt-get install wrk")
    template = folder / "request.txt"
    template.write_text("\n".join((request.method, request.path, request.body)) + "\n")
    arguments = [str(template), run, request.token]
    if request.paths:
        (folder / "paths.txt").write_text("\n".join(request.paths) + "\n")
        arguments.append(str(folder / "paths.txt"))
    command = ["wrk", "-t", str(min(THREADS, connections)), "-c", str(connections), "-d", f"{seconds:g}s"]
    command += [
        "--timeout",
        "15s",
        "-s",
        str(PACED_SCRIPT if paced else SCRIPT),
        f"http://127.0.0.1:{port}",
        "--",
        *arguments,
    ]
    return _result(command)


def _result(command: Sequence[str]) -> Load:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    line = next((line for line in ended.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise NoLoad(f"wrk says: {ended.stderr or ended.stdout}")
    told = json.loads(line.removeprefix("RESULT "))
    return Load(told["requests"], told["microseconds"] / 1e6, told["errors"], told["p50"] / 1e3, told["p99"] / 1e3)


def names(run: str, count: int) -> list[str]:
    """Return the NUMBERs of the first `count` requests of a run, as requests.lua makes them."""
    return [f"{run}-{thread}-{number}" for number in range(1, count // THREADS + 1) for thread in range(THREADS)]

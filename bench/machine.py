"""The processes of a measurement: Redis, the backend, the service and the bare handler; and their CPU."""

from __future__ import annotations

import http.client
import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from app.server.embedded import EmbeddedRedis
from bench.cases import SEARCHES
from bench.load import CARDS, NoLoad

ROOT = Path(__file__).parent.parent
START_SECONDS = 30

# Each provider by its id, its mapper, and where that calls the backend.
PROVIDERS = (
    ("bench", "lightrail_v2", 'api_key = "key"', "/v2", ""),
    ("native", "lightrail_v1", 'api_key = "key"', "/v1", ""),
    ("upfront", "lightrail_v1", 'api_key = "key"', "/v1", 'account = "upfront"\npolicy.holds = "upfront"'),
    ("ledger", "vauchar", 'merchant_id = "merchant", api_key = "key"', "/2.0", ""),
)

PROVIDER_IDS = tuple(provider_id for provider_id, *_ in PROVIDERS)

# Another one like `native`.
HUNG = ("hung", "lightrail_v1", 'api_key = "key"', "/v1", 'account = "hung"')


def providers_file(port: int, providers: Sequence[tuple[str, ...]] = PROVIDERS) -> str:
    """Return a providers.toml with these, before the backend on a port of this machine."""
    return "\n".join(
        f'''[{provider_id}]
caption = "Bench"
currency = "BRL"
mapper = "{mapper}"
options = {{ {options}, base_url = "http://127.0.0.1:{port}{path}" }}
{more}
[[{provider_id}.credentials]]
app_key = "key"
app_token = "token"
'''
        for provider_id, mapper, options, path, more in providers
    )


@dataclass(frozen=True, slots=True)
class Process:
    """A server that listens on `port`, with all processes below it."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the CPU time that it and its children have used."""
        return sum(map(_cpu_seconds, (self.pid, *_below(self.pid))))

    def resident_bytes(self) -> list[int]:
        """Return the resident memory of each of its children, or its own where it has none."""
        return [_resident_bytes(pid) for pid in _below(self.pid) or [self.pid]]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a measurement talks to."""

    service: Process
    bare: Process
    storage: Process
    client: redis.Redis
    folder: Path


@contextmanager
def machine(folder: Path, latency_seconds: float, *, workers: int = 2, threads: int = 64) -> Iterator[Machine]:
    """Run all servers on free ports; the service on its own ledger, whose file is synced at every write."""
    with ExitStack() as running:
        storage = running.enter_context(EmbeddedRedis(folder / "data"))
        # Also of the bare handler, which writes to it as the service does.
        client = redis.Redis.from_url(storage.url)
        answering = running.enter_context(backend(latency_seconds))
        providers = folder / "providers.toml"
        providers.write_text(providers_file(answering.port))
        running_service = service(folder, storage.url, workers=workers, threads=threads, threads_per_backend=threads)
        process = running.enter_context(running_service)
        bare = running.enter_context(
            _gunicorn(
                workers, threads, {"BENCH_BACKEND": f"http://127.0.0.1:{answering.port}", "BENCH_REDIS": storage.url}
            )
        )
        pid = int(client.info("server")["process_id"])
        find_every_card(process.port)
        yield Machine(process, bare, Process(0, pid), client, folder)


@contextmanager
def service(folder: Path, redis_url: str, *, workers: int, threads: int, threads_per_backend: int) -> Iterator[Process]:
    """Run the service with `providers.toml` of a folder, until it is ready."""
    environment = {
        "GIFTBRIDGE_WORKERS": str(workers),
        "GIFTBRIDGE_THREADS": str(threads),
        "GIFTBRIDGE_THREADS_PER_BACKEND": str(threads_per_backend),
        "GIFTBRIDGE_PROVIDERS": str(folder / "providers.toml"),
        "GIFTBRIDGE_REDIS_URL": redis_url,
        "GIFTBRIDGE_DATA": str(folder / "data"),
        "GIFTBRIDGE_LOG_LEVEL": "WARNING",
        # A busy machine is no fault of the service.
        "GIFTBRIDGE_REDIS_TIMEOUT_SECONDS": "1",
    }
    with _server(["-m", "giftbridge", "serve"], environment, "/-/ready") as process:
        yield process


def find_every_card(port: int, provider_ids: Sequence[str] = PROVIDER_IDS) -> None:
    """Search as each card's shopper does before paying: what the card allows is noted, and need not be asked then."""

    def find(provider_id: str, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        headers = {"X-PROVIDER-API-AppKey": "key", "X-PROVIDER-API-AppToken": "token"}
        body = SEARCHES.body.replace("CARD", f"card-{number}")
        connection.request("POST", f"/{provider_id}/giftcards/_search", body, headers)
        answer = connection.getresponse()
        found = answer.read()
        connection.close()
        if answer.status != 200 or found == b"[]":
            raise NoLoad(f"{provider_id} does not find card-{number} ({answer.status})")

    # Fewer at a time than a shopper may try codes that are not known yet.
    with ThreadPoolExecutor(8) as shoppers:
        every = itertools.product(provider_ids, range(CARDS))
        for _ in shoppers.map(lambda one: find(*one), every):
            pass


@contextmanager
def _server(arguments: list[str], environment: dict[str, str], path: str) -> Iterator[Process]:
    port = free_port()
    with _running(arguments, environment | {"GIFTBRIDGE_BIND": f"127.0.0.1:{port}"}) as pid:
        _wait(port, path)
        yield Process(port, pid)


@contextmanager
def _gunicorn(workers: int, threads: int, environment: dict[str, str]) -> Iterator[Process]:
    port = free_port()
    arguments = ["-m", "gunicorn", "--worker-class", "gthread", "--workers", str(workers), "--threads", str(threads)]
    arguments += ["--bind", f"127.0.0.1:{port}", "--keep-alive", "75", "--log-level", "warning", "bench.bare:app"]
    with _running(arguments, environment) as pid:
        _wait(port, "/bench/giftcards/card-1")
        yield Process(port, pid)


@contextmanager
def backend(latency_seconds: float) -> Iterator[Process]:
    """Run a backend that answers after a set time."""
    port = free_port()
    with _running(["-m", "bench.backend", str(port), str(latency_seconds)], {}) as pid:
        _wait(port, "/")
        yield Process(port, pid)


@contextmanager
def _running(arguments: list[str], environment: dict[str, str]) -> Iterator[int]:
    # What the service logs goes nowhere; what stops it, it says to the standard error.
    process = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL
    )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, path: str) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        if time.monotonic() > until:
            raise TimeoutError(f"nothing answers on port {port}")
        time.sleep(0.05)


# Linux tells what each process has used; see proc(5).


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _below(pid: int) -> list[int]:
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
    return [*children, *(one for child in children for one in _below(child))]


def _resident_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024

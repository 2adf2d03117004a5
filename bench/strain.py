"""The service under strain: half of what it can take, a backend that hangs, and 100,000 calls."""

from __future__ import annotations

import itertools
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from app.server.embedded import EmbeddedRedis
from bench.cases import GETS, SEARCHES, authorize
from bench.load import Load, Request, load
from bench.machine import HUNG, Machine, backend, find_every_card, machine, providers_file, service
from bench.section import Section, table

LATENCY_MILLISECONDS = 20.0
CONNECTIONS, THREADS = 48, 64
SECONDS = 5.0

# Into the backend that hangs, and to the other one meanwhile.
HANGING, OTHERS = 200, 16

CALLS = 100_000
LONGEST_SECONDS = 150.0
SHARE_SECONDS = 5.0


def half_load() -> Section:
    """Measure the latency where the service has half as much to do as it can."""
    rows = []
    with tempfile.TemporaryDirectory() as name, machine(Path(name), LATENCY_MILLISECONDS / 1000) as running:
        for what, request in (("get", GETS), ("search", SEARCHES), ("authorize (native)", authorize("native"))):
            full = _load(running, request, f"{what[:3]}-full", CONNECTIONS)
            # One connection waits for the backend, and for little else.
            wanted = max(1, round(full.rate / 2 * LATENCY_MILLISECONDS / 1000))
            half = _load(running, request, f"{what[:3]}-half", wanted)
            added = half.p99 - LATENCY_MILLISECONDS
            rows.append(
                (what, f"{full.rate:.0f}", f"{half.rate:.0f}", f"{half.p50:.0f}", f"{half.p99:.0f}", f"{added:.0f}")
            )
    head = ("case", "requests/s at most", "then", "p50 ms", "p99 ms", "of that not the backend's")
    return Section("Half load", table(head, rows))


def hung() -> Section:
    """Measure calls to one provider while another one's backend accepts connections, and never answers."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        storage = stack.enter_context(EmbeddedRedis(folder / "data"))
        answering = stack.enter_context(backend(LATENCY_MILLISECONDS / 1000))
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        file = folder / "providers.toml"
        file.write_text(providers_file(answering.port) + providers_file(silent.getsockname()[1], [HUNG]))
        running = stack.enter_context(
            service(folder, storage.url, workers=2, threads=THREADS, threads_per_backend=THREADS // 2)
        )
        find_every_card(running.port, ["native"])
        ask = partial(load, running.port, authorize("native"), connections=OTHERS, seconds=2 * SECONDS, folder=folder)
        alone = ask("alone")
        apart = folder / "hung"
        apart.mkdir()
        with ThreadPoolExecutor(1) as aside:
            hanging = aside.submit(
                load,
                running.port,
                authorize("hung"),
                "hung",
                connections=HANGING,
                seconds=3 * SECONDS,
                folder=apart,
                paced=True,
            )
            meanwhile = ask("meanwhile")
            refused = hanging.result()
    rows = (
        (name, f"{one.rate:.0f}", f"{one.p50:.0f}", f"{one.p99:.0f}", one.errors)
        for name, one in (("alone", alone), ("meanwhile", meanwhile))
    )
    told = f"""{HANGING} connections authorize at a provider whose backend accepts and never answers, each again a
second after it was refused; {OTHERS} authorize at another provider. Refused meanwhile: {refused.errors:,} calls."""
    head = ("the other provider", "requests/s", "p50 ms", "p99 ms", "errors")
    return Section("A backend that hangs", (told, "", *table(head, rows)))


def long_run() -> Section:
    """Measure the memory of the workers before and after so many calls, or what comes in a few minutes."""
    requests = (("get", GETS), ("search", SEARCHES), ("authorize", authorize("native")))
    done, seconds, rows = 0, 0.0, []
    with tempfile.TemporaryDirectory() as name, machine(Path(name), 0) as running:
        for turn in itertools.count():
            what, request = requests[turn % len(requests)]
            made = _load(running, request, f"long-{turn}-{what}", CONNECTIONS)
            done, seconds = done + made.requests, seconds + made.seconds
            if what == "authorize":
                sizes = ", ".join(f"{size / 2**20:.1f}" for size in running.service.resident_bytes())
                rows.append((f"{done:,}", sizes))
                if done >= CALLS or seconds >= LONGEST_SECONDS:
                    break
    told = "Gets, searches and authorizations in turn, before a backend that answers at once."
    return Section("A long run", (told, "", *table(("calls so far", "MB of each process"), rows)))


def _load(running: Machine, request: Request, run: str, connections: int) -> Load:
    port = running.service.port
    return load(port, request, run, connections=connections, seconds=SHARE_SECONDS, folder=running.folder)

"""The whole service and its Redis are killed in the middle of three operations, and started again on the same files."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults.fork_server import ROOT, TIMEOUT_SECONDS
from tests.faults.harness import Harness
from tests.faults.matrix import Backend

HEADERS = {"X-PROVIDER-API-AppKey": "key", "X-PROVIDER-API-AppToken": "token"}

# So that nobody waits long for the leases of the dead.
TIMES = {
    "GIFTBRIDGE_LEASE_SECONDS": "2",
    "GIFTBRIDGE_MONEY_DEADLINE_SECONDS": "1",
    "GIFTBRIDGE_SWEEP_INTERVAL_SECONDS": "0.1",
    "GIFTBRIDGE_CARD_DEADLINE_SECONDS": "5",
    "GIFTBRIDGE_REDIS_TIMEOUT_SECONDS": "4",
}


class Service:
    """A running service, spoken to as the Gift Card Hub does."""

    def __init__(self, url: str, process: subprocess.Popen[bytes]) -> None:
        self._url = url
        self._process = process

    def post(self, provider: str, path: str, value: Decimal, request_id: str) -> requests.Response:
        body = {"operation": "Debit", "value": float(value), "requestId": request_id}
        return requests.post(f"{self._url}/{provider}/giftcards/{path}", json=body, headers=HEADERS, timeout=30)

    def get(self, provider: str, path: str) -> Any:
        answer = requests.get(f"{self._url}/{provider}/giftcards/{path}", headers=HEADERS, timeout=30)
        return answer.json() if answer.status_code == 200 else None

    def authorized(self, provider: str, card: str, value: Decimal) -> str:
        """Reserve value; return the path of the transaction."""
        answer = self.post(provider, f"{card}/transactions", value, secrets.token_hex(4))
        assert answer.status_code == 200, answer.text
        return f"{card}/transactions/{answer.json()['id']}"

    def kill(self) -> None:
        """Kill every process of it, Redis's too, so that none can say good-bye."""
        self._process.send_signal(signal.SIGSTOP)
        pid = self._process.pid
        for process_id in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.killpg(int(process_id), signal.SIGKILL)
        self._process.kill()
        self._process.wait(TIMEOUT_SECONDS)


@contextmanager
def served(folder: Path, providers: Path) -> Iterator[Service]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIFTBRIDGE_")}
    files = {"GIFTBRIDGE_PROVIDERS": str(providers), "GIFTBRIDGE_DATA": str(folder)}
    with (folder / "out.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "giftbridge", "serve", "--bind", f"127.0.0.1:{port}", "--workers", "2"],
            cwd=ROOT, env=kept | files | TIMES, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _ready(url))
        yield Service(url, process)
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/ready", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def until(condition: Callable[[], object]) -> None:
    """Wait for `condition`."""
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the service's processes in /proc")
def test_killed_and_started_again_it_finishes_what_was_under_way(harness: Harness, tmp_path: Path) -> None:
    """One operation is repeated, one is read and one is left to the sweeper; the backend had done all three."""
    cards = {backend: harness.new_card(backend) for backend in (Backend.NATIVE, Backend.LEDGER, Backend.UPFRONT)}
    committed, release = threading.Semaphore(0), threading.Event()

    def hold() -> None:
        committed.release()
        release.wait(TIMEOUT_SECONDS)

    with ThreadPoolExecutor(3) as pool:
        with served(tmp_path, harness.providers) as service:
            to_settle = service.authorized("ledger", cards[Backend.LEDGER], Decimal(40))
            to_cancel = service.authorized("upfront", cards[Backend.UPFRONT], Decimal(40))
            calls: list[tuple[Backend, str, str]] = [
                (Backend.NATIVE, f"{cards[Backend.NATIVE]}/transactions", "authorize"),
                (Backend.LEDGER, f"{to_settle}/settlements", "settle"),
                (Backend.UPFRONT, f"{to_cancel}/cancellations", "cancel"),
            ]
            for backend, path, name in calls:
                harness.sandboxes[backend].interceptor.arm(reads=False, after=hold)
                pool.submit(service.post, backend, path, Decimal(40), name)
                assert committed.acquire(timeout=TIMEOUT_SECONDS)
            service.kill()
        release.set()
    with served(tmp_path, harness.providers) as service:
        until(lambda: service.get("ledger", f"{to_settle}/settlements"))
        until(lambda: service.get("upfront", cards[Backend.UPFRONT])["balance"] == 100)
        until(lambda: service.post("native", calls[0][1], Decimal(40), "authorize").status_code == 200)
        balances = [service.get(backend, cards[backend])["balance"] for backend in cards]
        assert balances == [60, 60, 100]
        assert [entry["value"] for entry in service.get("ledger", f"{to_settle}/settlements")] == [40]
        assert [entry["value"] for entry in service.get("upfront", f"{to_cancel}/cancellations")] == [40]
        assert len(service.get("native", calls[0][1])) == 1

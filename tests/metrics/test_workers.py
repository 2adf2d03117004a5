"""Several processes answer calls: their counts are added up, and those of one that died are kept."""

from __future__ import annotations

import os
import signal
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from app.server.metrics import FOLDER
from tests.app.commands import ask, free_port, serving, wait_for
from tests.metrics.scraping import Scrape

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the test looks into /proc")

CALLS = 12


def scrape(port: int) -> Scrape:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/-/metrics")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 200, text
    return Scrape(text)


def folder_of(pid: int) -> Path:
    """Return where a process writes what it counts."""
    variables = dict(line.split("=", 1) for line in Path(f"/proc/{pid}/environ").read_text().split("\0") if line)
    return Path(variables[FOLDER])


def test_the_counts_of_all_workers_are_added_and_those_of_a_dead_one_stay(tmp_path: Path) -> None:
    metrics = free_port()
    settings = {"METRICS_BIND": f"127.0.0.1:{metrics}", "WORKERS": "2", "SWEEP_INTERVAL_SECONDS": "0.1"}

    def counted() -> float:
        return scrape(metrics).value("giftbridge_call_seconds_count", provider="acme", route="get_card", status="404")

    def call() -> None:
        for _ in range(CALLS):
            assert ask(port, "GET", "/acme/giftcards/nothing")[0] == 404

    with serving(tmp_path, **settings) as (command, port):
        wait_for(lambda: scrape(metrics).value("giftbridge_workers") == 2)
        call()
        assert counted() == CALLS
        wait_for(lambda: scrape(metrics).value("giftbridge_sweeper_last_pass_timestamp_seconds") > 0)
        gunicorn, worker, _ = command.family("app.server.workers")
        folder = folder_of(gunicorn)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: worker not in command.family("app.server.workers"))
        wait_for(lambda: len(command.family("app.server.workers")) == 3)
        wait_for(lambda: scrape(metrics).value("giftbridge_workers") == 2)
        call()
        assert counted() == 2 * CALLS
        assert ask(port, "GET", "/-/metrics")[0] == 404
        assert list(folder.glob("*.db"))
    assert not folder.exists()

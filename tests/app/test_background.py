"""What a running service does beside its calls, in one process of its fleet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.ledger.storage.connection import Connection
from app.ledger.storage.documents import Documents

from .commands import serving, wait_for


def test_a_service_compares_by_itself_once(tmp_path: Path, empty_redis_url: str) -> None:
    connection = Connection.to(empty_redis_url, timeout_seconds=5, connections=2)
    documents = Documents(connection)

    def history() -> list[dict[str, Any]]:
        return documents.newest("reconciliation", 50)

    settings = {"RECONCILE_EVERY": "24h", "REDIS_URL": empty_redis_url, "WORKERS": "2", "DATA": str(tmp_path / "data")}
    with serving(tmp_path, **settings) as (command, _port):
        wait_for(history)
        wait_for(lambda: not command.family("app.server.reconciling"))
        (run,) = history()
        (result,) = run["results"]
        assert (result["provider"], result["trigger"], result["error"]) == ("acme", "schedule", None)
        logged = [json.loads(line) for line in command.output.splitlines() if '"reconciled"' in line]
        assert len(logged) == 1
    assert len(history()) == 1
    connection.close()

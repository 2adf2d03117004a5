"""What running services do beside their calls: once, in one process of their fleet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.ledger.storage.connection import Connection
from app.ledger.storage.documents import Documents
from app.ledger.storage.history import History
from tests.notices import receiving

from .commands import Command, serving, wait_for


def logged(service: Command, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.output.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def test_two_services_compare_once_and_tell_once(tmp_path: Path, empty_redis_url: str) -> None:
    connection = Connection.to(empty_redis_url, timeout_seconds=5, connections=2)
    documents = Documents(connection)
    History(connection).doubt("a backup was restored")
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with receiving() as receiver:
        settings = {
            "REDIS_URL": empty_redis_url,
            "DATA": str(tmp_path / "data"),
            "RECONCILE_EVERY": "24h",
            "NOTICES_WEBHOOK_URL": receiver.url,
            "NOTICES_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        }
        with serving(folders[0], **settings) as (first, _), serving(folders[1], **settings) as (second, _):
            wait_for(lambda: documents.newest("notices", 50) and documents.newest("reconciliation", 50))
            services = (first, second)
            wait_for(lambda: not any(service.family("app.server.reconciling") for service in services))
            wait_for(lambda: any(logged(service, "reconciled") for service in services))
            assert sum(len(logged(service, "reconciled")) for service in services) == 1
    (run,) = documents.newest("reconciliation", 50)
    (result,) = run["results"]
    assert (result["provider"], result["trigger"], result["error"]) == ("acme", "schedule", None)
    ((_, content),) = receiver.got
    assert json.loads(content)["type"] == "attention.doubt"
    connection.close()

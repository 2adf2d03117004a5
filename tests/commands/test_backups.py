"""`backup`, `restore` and `ledger move`, as an admin types them."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from pathlib import Path

import pytest

from app.ledger.storage.connection import Connection
from app.server.services import Service, announced
from app.settings import Settings
from tests.commands.conftest import CODE, Installation


@pytest.fixture(autouse=True)
def _services_show_themselves_soon(installation: Installation) -> None:
    installation.environment["GIFTBRIDGE_SWEEP_INTERVAL_SECONDS"] = "0.1"


def test_a_backup_restored_on_another_machine_has_the_orders_and_their_doubt(
    installation: Installation, another_redis_url: str, tmp_path: Path
) -> None:
    transaction = installation.pay("40.00", "order-1", settled="10.00")
    backup = tmp_path / "backup.gz"
    assert "keys in" in installation.run("backup", str(backup)).output
    restored = installation.run("restore", str(backup), GIFTBRIDGE_REDIS_URL=another_redis_url)
    assert restored.exit_code == 0, restored.output
    assert "giftbridge ledger doubts" in restored.output
    told = installation.json("ledger", "doubts", GIFTBRIDGE_REDIS_URL=another_redis_url)
    assert [one["id"] for one in told["waiting"]] == [transaction]


def test_a_backup_goes_to_standard_output(installation: Installation, ledger_id: str) -> None:
    installation.pay()
    told = installation.run("backup", "-")
    head = json.loads(gzip.decompress(told.stdout_bytes).splitlines()[0])
    assert head["ledger"] == ledger_id


def test_a_backup_has_no_code_in_it(installation: Installation, tmp_path: Path) -> None:
    installation.pay()
    installation.run("backup", str(tmp_path / "backup.gz"))
    assert CODE.encode() not in gzip.decompress((tmp_path / "backup.gz").read_bytes())


def test_a_restore_over_a_ledger_ends_with_the_word_that_allows_it(
    installation: Installation, ledger_id: str, tmp_path: Path
) -> None:
    backup = str(tmp_path / "backup.gz")
    assert installation.json("backup", backup)["ledger"] == ledger_id
    refused = installation.run("restore", backup)
    assert refused.exit_code == 1
    assert f"--replace {ledger_id}" in refused.output
    assert installation.run("restore", backup, "--replace", ledger_id).exit_code == 0


def test_a_restore_makes_the_embedded_redis(installation: Installation, tmp_path: Path) -> None:
    installation.pay()
    installation.run("backup", str(tmp_path / "backup.gz"))
    data = {"GIFTBRIDGE_REDIS_URL": None, "GIFTBRIDGE_DATA": str(tmp_path / "new")}
    assert installation.run("restore", str(tmp_path / "backup.gz"), **data).exit_code == 0
    assert "order-1" in installation.run("transactions", "list", **data).output


@pytest.mark.parametrize("command", ["restore", "ledger move"])
def test_a_running_service_is_named(
    installation: Installation, empty_redis_url: str, tmp_path: Path, another_redis_url: str, command: str
) -> None:
    installation.run("backup", str(tmp_path / "backup.gz"))
    settings = Settings(redis_url=empty_redis_url)
    words = ["restore", str(tmp_path / "backup.gz")]
    if command == "ledger move":
        words = ["ledger", "move", "--to", another_redis_url]
    with announced(Service.of(settings, empty_redis_url)):
        refused = installation.run(*words)
    assert refused.exit_code == 2
    assert "stop it first" in refused.output


def test_a_moved_ledger_is_worked_on_at_its_new_place_only(
    installation: Installation, another_redis_url: str, ledger_id: str
) -> None:
    installation.pay()
    assert installation.json("ledger", "move", "--to", another_redis_url)["ledger"] == ledger_id
    refused = installation.run("transactions", "list")
    assert refused.exit_code == 2
    assert f"has moved to {another_redis_url}: set GIFTBRIDGE_REDIS_URL to that" in refused.output
    assert "order-1" in installation.run("transactions", "list", GIFTBRIDGE_REDIS_URL=another_redis_url).output


def test_an_address_with_a_password_comes_from_a_file_and_is_shown_without_it(
    installation: Installation, another_redis_url: str, tmp_path: Path
) -> None:
    with closing(Connection.to(another_redis_url, timeout_seconds=5, connections=1)) as connection:
        connection._client.config_set("requirepass", "S3cret")
        try:
            file = tmp_path / "address"
            file.write_text(another_redis_url.replace("unix://", "unix://:S3cret@") + "\n")
            told = installation.run("ledger", "move", "--to", f"@{file}")
            assert told.exit_code == 0, told.output
            assert "S3cret" not in told.output + installation.run("where").output
        finally:
            connection._client.config_set("requirepass", "")


@pytest.mark.parametrize("address", ["redis.example.com", "@missing"])
def test_an_address_that_is_none_is_refused(installation: Installation, address: str) -> None:
    assert installation.run("ledger", "move", "--to", address).exit_code == 2


def test_a_ledger_that_moved_lets_no_service_start(
    installation: Installation, another_redis_url: str, empty_redis_url: str
) -> None:
    installation.run("ledger", "move", "--to", another_redis_url)
    refused = installation.run("serve", GIFTBRIDGE_BIND="127.0.0.1:0")
    assert refused.exit_code == 2
    assert "has moved to" in refused.output

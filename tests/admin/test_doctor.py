"""`doctor`: everything that can be wrong with an installation is found, with its remedy."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from app import open_files
from app.admin import attention
from app.admin.attention import Attention, Kind, Page
from app.admin.doctor import examine
from app.admin.providers.checks import Check
from app.commands.installation import opened_redis
from app.ledger.clock import ClockWatch, Reading
from app.ledger.storage.guesses import GuessStorage, Missed
from app.ledger.storage.index import Index, Opened
from app.server.embedded import EmbeddedRedisFailed
from mappers.money import Currency
from mappers.sandbox import Sandbox
from providers.provider import Backend
from tests.admin.conftest import Service
from tests.patience import PATIENT_ENVIRONMENT

FILE = """\
[acme]
caption = "Acme"
currency = "BRL"
mapper = "memory"
[[acme.credentials]]
app_key = "first-key"
app_token = "${ACME_TOKEN}"
"""


@pytest.fixture(autouse=True)
def installation(tmp_path: Path, empty_redis_url: str, ledger_id: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with nothing wrong but that its provider has no address yet, and is not served."""
    path = tmp_path / "providers.toml"
    path.write_text(FILE)
    path.chmod(0o640)
    for name, value in {
        "GIFTBRIDGE_PROVIDERS": str(path),
        "GIFTBRIDGE_REDIS_URL": empty_redis_url,
        **PATIENT_ENVIRONMENT,
        "GIFTBRIDGE_DATA": str(tmp_path / "data"),
        "GIFTBRIDGE_BIND": "127.0.0.1:1",
        "ACME_TOKEN": "first-token",
    }.items():
        monkeypatch.setenv(name, value)
    return path


def wrong(open_redis: Any = opened_redis) -> list[Check]:
    return [check for check in examine(open_redis) if check.ok is False]


def only(name: str, **more: Any) -> Check:
    """Return the one thing wrong, beside the address that no test of these gives."""
    (found,) = (check for check in wrong(**more) if check.name != "acme: address")
    assert found.name == name
    assert found.remedy
    return found


def test_a_right_installation_has_nothing_wrong(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_PROVIDERS", str(service.file.path))
    monkeypatch.setenv("GIFTBRIDGE_BIND", service.url.removeprefix("http://"))
    service.file.path.chmod(0o600)
    assert wrong() == []


def test_a_wrong_setting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_THREADS", "many")
    assert "GIFTBRIDGE_THREADS" in only("settings").problem


def test_a_mistyped_setting_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_THREAD", "8")
    found = only("settings")
    assert found.problem == "GIFTBRIDGE_THREAD is not a setting: did you mean GIFTBRIDGE_THREADS?"


def test_a_variable_that_nobody_reads_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_COLOR", "red")
    found = next(check for check in wrong() if check.name == "settings")
    assert found.problem == "GIFTBRIDGE_COLOR is not a setting"


def test_a_hub_in_the_clear_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_HUB_URL", "http://{account}.example.com")
    assert "GIFTBRIDGE_HUB_URL" in only("settings").problem


def test_an_unset_variable_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACME_TOKEN")
    assert "ACME_TOKEN is not set" in only("providers file").problem


def test_every_mistake_in_the_file_is_told(installation: Path) -> None:
    installation.write_text(FILE.replace("BRL", "XX").replace('"memory"', '"memori"'))
    assert len(wrong()) == 2


def test_a_file_others_may_change_is_told(installation: Path) -> None:
    installation.chmod(0o660)
    assert "chmod go-w" in only("providers file").remedy


def test_secrets_that_everybody_can_read_are_told(installation: Path) -> None:
    installation.write_text(FILE.replace("${ACME_TOKEN}", "first-token"))
    installation.chmod(0o644)
    found = only("providers file")
    assert "[[acme.credentials]] app_token" in found.problem
    assert "first-token" not in str(found)


def test_secret_options_that_everybody_can_read_are_told(installation: Path) -> None:
    vauchar = FILE.replace('"memory"', '"vauchar"')
    installation.write_text(
        f'{vauchar}[acme.options]\nbase_url = "http://127.0.0.1:1"\nmerchant_id = "m"\napi_key = "k"\n'
    )
    installation.chmod(0o644)
    assert any("[acme.options] api_key" in check.problem for check in wrong())


def test_digests_may_be_read_by_everybody(installation: Path) -> None:
    installation.chmod(0o644)
    assert [check.name for check in wrong()] == ["acme: address"]


def test_a_redis_that_is_down_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_REDIS_URL", "redis://127.0.0.1:1")
    assert only("redis")


def test_an_embedded_redis_that_does_not_start_is_told() -> None:
    @contextmanager
    def failing(_: Any) -> Any:
        raise EmbeddedRedisFailed("the embedded Redis ended with status 1")
        yield

    assert "ended with status 1" in only("redis", open_redis=failing).problem


def test_a_redis_that_may_evict_is_told_and_forgiven_where_it_is_play_money(
    empty_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis.Redis.from_url(empty_redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert "evict" in only("redis").problem
            monkeypatch.setenv("GIFTBRIDGE_REDIS_ALLOW_UNSAFE", "true")
            assert [check.name for check in wrong()] == ["acme: address"]
        finally:
            client.config_set("maxmemory-policy", "noeviction")


def test_transactions_that_nobody_looks_at_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Index, "overdue", lambda _: timedelta(hours=2, minutes=5))
    assert "2 h 5 min" in only("unfinished transactions").problem


def test_parked_transactions_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    when = datetime(2030, 1, 31, tzinfo=UTC)
    seven = [Attention(Kind.PARKED, "", when, "", "", "", "", transaction=f"tx-{number}") for number in range(7)]

    def page(*_: object, kinds: Sequence[Kind]) -> Page:
        return Page(tuple(seven) if kinds == (Kind.PARKED,) else (), None)

    monkeypatch.setattr(attention, "page", page)
    found = only("parked transactions")
    assert found.problem == "7: tx-0, tx-1, tx-2, tx-3, tx-4 ..."
    assert found.remedy.startswith("giftbridge attention")


def test_a_flood_of_guesses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuessStorage, "missed", lambda *_: Missed(codes=2000, refused=7))
    found = only("acme: guessed codes")
    assert found.problem == "2000 unknown codes within an hour, 7 searches refused for it"


def test_a_few_refused_guesses_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GuessStorage, "missed", lambda *_: Missed(codes=20, refused=1))
    [found] = [check for check in examine(opened_redis) if check.name == "acme: guessed codes"]
    assert (found.ok, found.remedy != "") == (None, True)


def test_open_transactions_of_another_account_or_of_no_provider_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Backend("memory", "another", Currency("BRL", 2))
    opened = [Opened("tx-1", "acme", elsewhere), Opened("tx-2", "gone", elsewhere)]
    monkeypatch.setattr(Index, "open", lambda _: iter(opened))
    found = {check.name: check.problem for check in wrong()}
    assert "tx-1" in found["acme: open transactions"]
    assert "memory/another/BRL/2" in found["gone: open transactions"]


def test_a_data_directory_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GIFTBRIDGE_REDIS_URL")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GIFTBRIDGE_DATA", str(tmp_path / "file"))
    names = [check.name for check in wrong()]
    assert "data directory" in names


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIFTBRIDGE_REDIS_URL")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 1))
    assert "MiB left" in only("data directory").problem


def test_the_embedded_redis_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIFTBRIDGE_REDIS_URL")
    assert [check.name for check in wrong()] == ["acme: address"]


def test_a_service_that_is_not_running_is_no_fault() -> None:
    (found,) = (check for check in examine(opened_redis) if check.name == "service")
    assert found.ok is None


def test_a_service_that_is_not_ready_says_why(
    service: Service, empty_redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIFTBRIDGE_BIND", service.url.removeprefix("http://"))
    with redis.Redis.from_url(empty_redis_url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            (found,) = (check for check in wrong() if check.name == "service")
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert "evict" in found.problem


def test_something_else_at_our_address_is_told(hub_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    hub_server.faults.add("junk", path="/-/ready")
    monkeypatch.setenv("GIFTBRIDGE_BIND", hub_server.url.removeprefix("http://"))
    assert "something else" in only("service").problem


def test_a_clock_that_the_service_saw_jump_is_told(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_BIND", service.url.removeprefix("http://"))
    monkeypatch.setattr(ClockWatch, "look", lambda _: Reading(0, "Redis's clock jumped"))
    found = only("service")
    assert found.problem == "ready, but Redis's clock jumped: nothing is expired, abandoned or forgotten"
    assert "NTP" in found.remedy
    assert "restart giftbridge" in found.remedy


def test_every_provider_is_asked_for_what_needs_no_secret(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_PROVIDERS", str(service.file.path))
    names = [check.name for check in examine(opened_redis) if check.name.startswith("acme: ")]
    assert names == [
        "acme: guessed codes",
        "acme: backend",
        "acme: address",
        "acme: reachability",
        "acme: credentials missing",
        "acme: credentials wrong",
        "acme: double slash",
        "acme: clock",
    ]


def test_every_failure_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_COLOR", "red")
    monkeypatch.setattr(attention, "LONGEST_OVERDUE", timedelta(seconds=-1))
    assert all(check.problem and check.remedy for check in wrong())


def test_too_few_open_files_for_idle_clients_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "limits", lambda: (1024, 1024))
    found = only("open files")
    assert "may open 1024 files" in found.problem
    assert "LimitNOFILE" in found.remedy

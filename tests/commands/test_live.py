"""A store admin at work beside a running service and a Gift Card Hub: nothing is interrupted, no secret seen."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from app.commands.cli import main
from mappers.lightrail_v2 import sandbox as lightrail
from mappers.sandbox import Sandbox, running
from providers.hub import sandbox as hub_sandbox
from providers.hub.sandbox_model import Account
from tests.app.commands import environment, free_port, ready, wait_for
from tests.app.commands import running as running_command
from tests.docs import shapes

STORE = "mystore"
CODE = "LIGHT-ACTIVE-100"


@dataclass
class Admin:
    """Someone who types commands where a service runs; everything printed is kept."""

    folder: Path
    url: str
    first: dict[str, str]
    variables: dict[str, str]
    hub: Sandbox
    printed: list[str]

    def run(self, *arguments: str, stdin: str = "") -> Result:
        done = CliRunner().invoke(main, list(arguments), input=stdin, env=self.variables)
        self.printed.append(done.output)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    def json(self, *arguments: str, stdin: str = "") -> Any:
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.exit_code == 0, done.stderr
        return shapes.printed(done.stdout, arguments)

    def process(self, *arguments: str, stdin: str = "") -> None:
        """Run a command as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "giftbridge", *arguments],
            env=environment() | self.variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.printed.append(done.stdout + done.stderr)

    def search(self, pair: dict[str, str]) -> int:
        headers = {"X-PROVIDER-API-AppKey": pair["app_key"], "X-PROVIDER-API-AppToken": pair["app_token"]}
        body = {"client": {}, "cart": {"redemptionCode": CODE}}
        return requests.post(f"{self.url}/acme/giftcards/_search", json=body, headers=headers, timeout=10).status_code

    @property
    def account(self) -> Account:
        account: Account = self.hub.app.extensions["backend"].account(STORE)
        return account


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    folder = tmp_path_factory.mktemp("live")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running(lightrail.create_app()) as backend, running(hub_sandbox.create_app()) as hub:
        variables = {
            "GIFTBRIDGE_HUB_URL": f"{hub.url}/{{account}}",
            "GIFTBRIDGE_BIND": f"127.0.0.1:{port}",
            "GIFTBRIDGE_PROVIDERS": str(folder / "providers.toml"),
            "GIFTBRIDGE_DATA": str(folder / "data"),
            "GIFTBRIDGE_REDIS_TIMEOUT_SECONDS": "1",  # the cores may be busy
            "VTEX_APP_KEY": hub_sandbox.APP_KEY,
            "VTEX_APP_TOKEN": hub_sandbox.APP_TOKEN,
            "ACME_API_KEY": lightrail.API_KEY,
        }
        admin = Admin(folder, url, {}, variables, hub, [])
        admin.first = admin.json(
            *("providers", "new", "acme", "--mapper", "lightrail_v2", "--currency", "BRL"),
            *("--service-url", f"{url}/acme", "--option", f"base_url={backend.url}/v2"),
        )
        admin.printed.clear()  # the one time the token is shown
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ACME_API_KEY", lightrail.API_KEY)
            with running_command(
                "serve", cwd=folder, BIND=f"127.0.0.1:{port}", DATA="data", LOG_LEVEL="DEBUG"
            ) as service:
                wait_for(lambda: ready(port) or service.process.poll() is not None)
                assert service.process.poll() is None, service.output
                yield admin


class Shopper:
    """Calls the service again and again with one pair, and notes every answer."""

    def __init__(self, call: Callable[[], int]) -> None:
        self._call = call
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._shop)
        self.statuses: list[int] = []

    def _shop(self) -> None:
        while not self._stop.wait(0.005):
            self.statuses.append(self._call())

    def __enter__(self) -> Shopper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def accepted(admin: Admin, pair: dict[str, str]) -> None:
    """Wait until every process of the service lets a pair in: any of them may answer, and each looks once a second."""
    since = [time.monotonic()]

    def steadily() -> bool:
        if admin.search(pair) != 200:
            since[0] = time.monotonic()
        return time.monotonic() - since[0] > 2

    wait_for(steadily)


def test_rotating_and_revoking_reach_a_running_service_without_a_refused_call(admin: Admin) -> None:
    with Shopper(lambda: admin.search(admin.first)) as before:
        second = admin.json("providers", "rotate", "acme")
        admin.printed.clear()
        accepted(admin, second)
    assert set(before.statuses) == {200}
    with Shopper(lambda: admin.search(second)) as after:
        assert admin.run("providers", "revoke", "acme", admin.first["app_key"]).exit_code == 0
        wait_for(lambda: all(admin.search(admin.first) == 403 for _ in range(10)))
    assert set(after.statuses) == {200}


def test_a_dry_run_shows_what_would_change_and_changes_nothing(admin: Admin) -> None:
    file = (admin.folder / "providers.toml").read_bytes()
    plan = admin.json("providers", "register", "acme", "--account", "untouched", "--dry-run")
    assert plan["dry_run"] is True
    assert {"field": "serviceUrl", "before": None, "after": f"{admin.url}/acme", "provider_id": "acme"} in plan[
        "changes"
    ]
    assert (admin.folder / "providers.toml").read_bytes() == file
    assert not admin.hub.app.extensions["backend"].account("untouched").ever_saved


def test_who_says_no_changes_nothing(admin: Admin) -> None:
    declined = admin.run("providers", "register", "acme", "--account", "untouched", stdin="n\n")
    assert declined.exit_code == 1
    assert "serviceUrl" in declined.stdout
    assert not admin.hub.app.extensions["backend"].account("untouched").ever_saved


def test_an_order_is_paid_and_repaired_after_registering(admin: Admin) -> None:
    done = admin.run("providers", "register", "acme", "--account", STORE, stdin="y\n")
    assert done.exit_code == 0, done.stderr
    assert set(admin.account.registered) == {"acme", "VtexGiftCard"}
    assert admin.account.flagged == set()
    (card,) = admin.account.search("acme", CODE).body
    paid = admin.account.pay("acme", card["id"], Decimal("60.00"), order_id="v1-77")
    assert paid.status == 200
    order = ("acme", card["id"], paid.body["id"])
    assert admin.account.settle(*order, Decimal("60.00")).status == 200
    assert admin.account.refund(*order, Decimal("10.00")).posted
    # The Hub swallows a refund equal to the sum of those before; the admin makes it.
    assert not admin.account.refund(*order, Decimal("10.00")).posted
    refunded = admin.json("transactions", "refund", "--yes", "v1-77", "--value", "10.00", "--actor", "ana")
    assert refunded["transaction"]["refunded"] == 20
    assert [Decimal(one["value"]) for one in admin.account.moves(*order, "cancellations").body] == [10, 10]
    shown = admin.json("cards", "show", "acme", "--code-stdin", stdin=f"{CODE}\n")
    assert shown["spendable"] == 60
    assert admin.run("reconcile", "acme").exit_code == 0


def test_a_known_token_is_registered_from_standard_input(admin: Admin) -> None:
    made = admin.json("providers", "rotate", "acme")
    admin.printed.clear()
    done = admin.json(
        *("providers", "register", "acme", "--account", "second", "--yes", "--app-token-stdin"),
        stdin=made["app_token"] + "\n",
    )
    assert (done["app_key"], done["fresh"]) == (made["app_key"], False)
    registered = admin.hub.app.extensions["backend"].account("second").registered["acme"]
    assert registered["appToken"] == made["app_token"]
    checked = admin.json("providers", "check", "acme", "--app-token-stdin", stdin=made["app_token"] + "\n")
    assert {check["name"]: check["ok"] for check in checked["checks"]}["credentials right"] is True
    assert_unseen(admin, made["app_token"])


def test_a_provider_is_removed_from_a_store(admin: Admin) -> None:
    admin.json("providers", "register", "acme", "--account", "third", "--yes")
    removed = admin.json("providers", "unregister", "acme", "--account", "third", "--yes")
    assert removed["warnings"]
    assert set(admin.hub.app.extensions["backend"].account("third").registered) == {"VtexGiftCard"}
    again = admin.run("providers", "unregister", "acme", "--account", "third", "--yes")
    assert (again.exit_code, "is not registered" in again.stdout) == (0, True)


def test_keys_that_vtex_does_not_accept_are_explained(admin: Admin) -> None:
    admin.variables["VTEX_APP_TOKEN"] = "canary-wrong-token"
    try:
        refused = admin.run("providers", "register", "acme", "--account", STORE, "--yes")
    finally:
        admin.variables["VTEX_APP_TOKEN"] = hub_sandbox.APP_TOKEN
    assert (refused.exit_code, "401" in refused.stderr) == (1, True)
    assert_unseen(admin, "canary-wrong-token")


def test_no_secret_is_printed_logged_or_written(admin: Admin) -> None:
    made = admin.json("providers", "rotate", "acme")
    admin.printed.clear()
    admin.search(made)
    admin.run("cards", "show", "acme", "--code-stdin", stdin=f"{CODE}\n")
    admin.run("providers", "check", "acme")
    for secret in (admin.first["app_token"], made["app_token"], lightrail.API_KEY, hub_sandbox.APP_TOKEN, CODE):
        assert_unseen(admin, secret)


def test_no_secret_is_in_the_process_list(admin: Admin) -> None:
    made = admin.json("providers", "rotate", "acme")
    admin.printed.clear()
    seen: set[str] = set()
    arguments = ("providers", "register", "acme", "--account", "fourth", "--yes", "--app-token-stdin")
    thread = threading.Thread(target=admin.process, args=arguments, kwargs={"stdin": made["app_token"] + "\n"})
    thread.start()
    while thread.is_alive():
        for line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(line.read_text())
            except OSError:
                continue
        thread.join(0.01)
    ours = [line for line in seen if "\0giftbridge\0" in line]
    assert any("--app-token-stdin" in line for line in ours)
    for secret in (made["app_token"], hub_sandbox.APP_TOKEN, lightrail.API_KEY):
        assert not any(secret in line for line in ours)


def assert_unseen(admin: Admin, secret: str) -> None:
    """Nothing printed, no log and no file, those of Redis included, holds it."""
    assert not any(secret in text for text in admin.printed)
    for path in admin.folder.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path

"""The whole service as it runs: gunicorn, the embedded Redis, and both backends' sandboxes, over real sockets."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from mappers.lightrail_v2 import sandbox as lightrail
from mappers.sandbox import Sandbox, running
from mappers.vauchar import sandbox as vauchar
from tests.patience import PATIENT_ENVIRONMENT

# The cores may be busy.
TIMEOUT_SECONDS = 60

CREDENTIALS = {"X-PROVIDER-API-AppKey": "story-key", "X-PROVIDER-API-AppToken": "story-token"}

PROVIDERS = """
[light]
caption = "Light"
currency = "BRL"
mapper = "lightrail_v2"
[[light.credentials]]
app_key = "story-key"
app_token = "story-token"
[light.options]
{lightrail}

[vouch]
caption = "Vouch"
currency = "BRL"
mapper = "vauchar"
[[vouch.credentials]]
app_key = "story-key"
app_token = "story-token"
[vouch.options]
{vauchar}

[upfront]
caption = "Vouch, taken at once"
currency = "BRL"
mapper = "vauchar"
[[upfront.credentials]]
app_key = "story-key"
app_token = "story-token"
[upfront.options]
{vauchar}
[upfront.policy]
holds = "upfront"
"""


@dataclass
class Shop:
    """One provider of the running service, spoken to as the Gift Card Hub would."""

    url: str
    provider: str
    issue: Callable[[str], tuple[str, str]]
    sandbox: Sandbox

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        url = f"{self.url}/{self.provider}{path}"
        return requests.request(method, url, json=body, headers=CREDENTIALS, timeout=TIMEOUT_SECONDS)

    def new_card(self, balance: str) -> tuple[str, str]:
        """Issue a card at the backend; return its code, and its id as a search finds it."""
        code, _ = self.issue(balance)
        found = self.search(code)
        assert len(found) == 1, found
        return code, found[0]["id"]

    def search(self, code: str) -> list[dict[str, Any]]:
        body = {"client": {"email": f"{secrets.token_hex(4)}@example.com"}, "cart": {"redemptionCode": code}}
        answer = self.call("POST", "/giftcards/_search", body)
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    def balance(self, card: str) -> Decimal:
        return Decimal(str(self.call("GET", f"/giftcards/{card}").json()["balance"]))

    def authorize(self, card: str, value: float, request_id: str | None = None, operation: str = "Debit") -> Any:
        body = {"operation": operation, "value": value, "requestId": request_id or secrets.token_hex(8).upper()}
        return self.call("POST", f"/giftcards/{card}/transactions", body)

    def authorized(self, card: str, value: float) -> str:
        answer = self.authorize(card, value)
        assert answer.status_code == 200, answer.text
        return f"/giftcards/{card}/transactions/{answer.json()['id']}"

    def settle(self, transaction: str, value: float, request_id: str | None = None) -> requests.Response:
        body = {"value": value, "requestId": request_id or secrets.token_hex(8)}
        return self.call("POST", f"{transaction}/settlements", body)

    def cancel(self, transaction: str, value: float, request_id: str | None = None) -> requests.Response:
        body = {"value": value, "requestId": request_id or secrets.token_hex(8)}
        return self.call("POST", f"{transaction}/cancellations", body)

    def listed(self, transaction: str, kind: str) -> list[float]:
        answer = self.call("GET", f"{transaction}/{kind}")
        assert answer.status_code == 200, answer.text
        return [entry["value"] for entry in answer.json()]


@dataclass
class Service:
    """The running service and what it talks to."""

    url: str
    process: subprocess.Popen[bytes]
    shops: dict[str, Shop]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with running(lightrail.create_app()) as light, running(vauchar.create_app()) as vouch:
        providers = folder / "providers.toml"
        providers.write_text(
            PROVIDERS.format(
                lightrail=_toml(lightrail.DEMO_OPTIONS(light.url)), vauchar=_toml(vauchar.DEMO_OPTIONS(vouch.url))
            )
        )
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        environment = _environment(folder, providers)
        with (folder / "out.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "giftbridge", "serve", "--bind", f"127.0.0.1:{port}", "--workers", "2"],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait_until_ready(url, process, folder / "out.log")
            yield Service(
                url,
                process,
                {
                    "light": Shop(url, "light", lambda balance: _issue_lightrail(light, balance), light),
                    "vouch": Shop(url, "vouch", lambda balance: _issue_vauchar(vouch, balance), vouch),
                    "upfront": Shop(url, "upfront", lambda balance: _issue_vauchar(vouch, balance), vouch),
                },
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture(params=["light", "vouch", "upfront"])
def shop(request: pytest.FixtureRequest, service: Service) -> Shop:
    return service.shops[request.param]


def _toml(options: dict[str, str]) -> str:
    return "\n".join(f'{name} = "{value}"' for name, value in options.items())


def _environment(folder: Path, providers: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIFTBRIDGE_")}
    return (
        kept
        | PATIENT_ENVIRONMENT
        | {
            "GIFTBRIDGE_PROVIDERS": str(providers),
            "GIFTBRIDGE_DATA": str(folder / "data"),
            "GIFTBRIDGE_LOG_LEVEL": "DEBUG",
        }
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise RuntimeError(f"the service ended: {log.read_text()}")
        with suppress(requests.RequestException):
            if requests.get(f"{url}/ready", timeout=2).status_code == 200:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the service is not ready: {log.read_text()}")


def _issue_lightrail(sandbox: Sandbox, balance: str) -> tuple[str, str]:
    code = f"LIGHT-{secrets.token_hex(6).upper()}"
    body = {
        "id": f"value-{secrets.token_hex(6)}",
        "currency": "BRL",
        "balance": int(Decimal(balance) * 100),
        "code": code,
    }
    options = lightrail.DEMO_OPTIONS(sandbox.url)
    answer = requests.post(
        f"{options['base_url']}/values",
        json=body,
        headers={"Authorization": f"Bearer {options['api_key']}"},
        timeout=TIMEOUT_SECONDS,
    )
    assert answer.status_code == 201, answer.text
    return code, answer.json()["id"]


def _issue_vauchar(sandbox: Sandbox, balance: str) -> tuple[str, str]:
    options = vauchar.DEMO_OPTIONS(sandbox.url)
    answer = requests.post(
        f"{options['base_url']}/gift-cards",
        json={"value": balance, "currency": "BRL"},
        auth=(options["merchant_id"], options["api_key"]),
        timeout=TIMEOUT_SECONDS,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["gift_card_code"], answer.json()["id"]

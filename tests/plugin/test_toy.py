"""A backend in a package of its own, installed with pip beside giftbridge, is served like any other."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.patience import PATIENT_ENVIRONMENT

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).parent / "toy_package"

PROVIDERS = """
[toy]
caption = "Toys"
currency = "BRL"
mapper = "toy"
[[toy.credentials]]
app_key = "toy-key"
app_token = "toy-token"
[toy.options]
api_key = "demo-toy-key"
base_url = "{url}"
"""
CREDENTIALS = {"X-PROVIDER-API-AppKey": "toy-key", "X-PROVIDER-API-AppToken": "toy-token"}

START_SECONDS = 60.0

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a process that sees the package as pip installed it, and giftbridge."""
    folder = tmp_path_factory.mktemp("toy")
    # Building writes beside the sources.
    shutil.copytree(TOY, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "build"))
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    target = folder / "site-packages"
    pip = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target), str(folder / "source")]
    subprocess.run(pip, check=True, capture_output=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GIFTBRIDGE_", "PIP_"))}
    return kept | {"PYTHONPATH": f"{ROOT}{os.pathsep}{target}", "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


@contextmanager
def running(arguments: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a giftbridge command until the context ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "giftbridge", *arguments],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def wait_until(ready: Callable[[], Any], process: subprocess.Popen[bytes], log: Path) -> Any:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        if found := ready():
            return found
        time.sleep(0.05)
    raise RuntimeError(f"it does not start: {log.read_text()}")


@pytest.fixture
def call(installed: Mapping[str, str], tmp_path: Path, empty_redis_url: str) -> Iterator[Call]:
    """Call the service, which runs before the package's own sandbox; give the path, and a body where it is a POST."""
    sandbox_log, service_log = tmp_path / "sandbox.log", tmp_path / "service.log"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {
        "GIFTBRIDGE_PROVIDERS": str(tmp_path / "providers.toml"),
        "GIFTBRIDGE_REDIS_URL": empty_redis_url,
        "GIFTBRIDGE_BIND": f"127.0.0.1:{port}",
        "GIFTBRIDGE_WORKERS": "1",
        "GIFTBRIDGE_MONEY_DEADLINE_SECONDS": "10",
        **PATIENT_ENVIRONMENT,
    }
    with running(["sandbox", "toy", "--port", "0"], installed, sandbox_log) as sandbox:
        listening = wait_until(lambda: re.search(r"http://\S+", sandbox_log.read_text()), sandbox, sandbox_log)
        (tmp_path / "providers.toml").write_text(PROVIDERS.format(url=listening[0]))
        with running(["serve"], {**installed, **settings}, service_log) as service:
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _ready(url), service, service_log)

            def call(path: str, body: dict[str, Any] | None = None) -> Any:
                method = "GET" if body is None else "POST"
                answer = requests.request(method, f"{url}/toy{path}", json=body, headers=CREDENTIALS, timeout=15)
                assert answer.status_code == 200, answer.text
                return answer.json()

            yield call


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/ready", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def test_it_is_listed_with_its_package_and_version(installed: Mapping[str, str]) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "giftbridge", "mappers", "--json"], env=installed, check=True, capture_output=True
    )
    [toy] = [one for one in json.loads(listed.stdout) if one["name"] == "toy"]
    assert (toy["origin"], toy["version"], toy["problem"]) == ("giftbridge-toy", "0.1.0", None)
    assert (toy["holds"], toy["issues"], toy["sandbox"]) == (["native", "upfront"], True, True)


def test_its_sandbox_says_what_to_configure_and_which_codes_to_try(
    installed: Mapping[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "sandbox.log"
    with running(["sandbox", "toy", "--port", "0"], installed, log) as sandbox:
        wait_until(lambda: "TOY-DOLLARS-50" in log.read_text(), sandbox, log)
    told = log.read_text()
    address = re.search(r"http://\S+", told)
    assert address is not None
    assert f'base_url = "{address[0]}"\napi_key = "demo-toy-key"\n' in told
    assert re.search(r"^  TOY-ACTIVE-100 +active, 100.00 BRL$", told, re.MULTILINE)


def test_it_serves_the_eleven_calls(call: Call) -> None:
    [found] = call("/giftcards/_search", {"client": {"id": "1"}, "cart": {"redemptionCode": "TOY-ACTIVE-100"}})
    card = f"/giftcards/{found['id']}"
    assert call(card)["balance"] == 100

    paid = {"operation": "Debit", "value": 60.1, "requestId": "order-1"}
    transaction = f"{card}/transactions/{call(f'{card}/transactions', paid)['id']}"
    assert call(f"{card}/transactions", paid)["id"] in transaction
    assert [one["id"] in transaction for one in call(f"{card}/transactions")] == [True]
    assert call(transaction)["value"] == 60.1
    assert call(f"{transaction}/authorization")["value"] == 60.1
    assert call(card)["balance"] == 39.9

    assert call(f"{transaction}/settlements", {"value": 40, "requestId": "settle-1"})["value"] == 40
    assert call(f"{transaction}/cancellations", {"value": 30.1, "requestId": "cancel-1"})["value"] == 30.1
    assert [one["value"] for one in call(f"{transaction}/settlements")] == [40]
    assert [one["value"] for one in call(f"{transaction}/cancellations")] == [30.1]
    assert call(card)["balance"] == 70

    wanted = {"relationName": "loyalty", "caption": "Thank you", "expiringDate": "2999-01-01T00:00:00Z"}
    issued = call("/giftcards", {**wanted, "profileId": "shopper@example.com"})
    assert call(f"/giftcards/{issued['id']}")["relationName"] == "loyalty"
    call(f"/giftcards/{issued['id']}/transactions", {"operation": "Credit", "value": 7.5, "requestId": "gift-1"})
    assert call(f"/giftcards/{issued['id']}")["balance"] == 7.5


def test_its_own_tests_are_green(installed: Mapping[str, str]) -> None:
    # As installed: its sources are not on the path. What waits for slow answers waits in the built-in mappers' tests.
    options = ["-o", "pythonpath=", "-p", "no:cacheprovider", "-q", "-k", "not slow and not statement"]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=TOY, env=installed, check=False, capture_output=True, text=True
    )
    assert re.fullmatch(r"\d+ passed.*", ran.stdout.splitlines()[-1]), ran.stdout

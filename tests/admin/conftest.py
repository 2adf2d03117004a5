"""A whole service in this process, at an address of its own, and a Gift Card Hub to register it with."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from app import create_app
from app.admin.providers.probe import Patience
from app.admin.providers.provider_file import Pair, ProviderFile
from mappers.base import Secret
from mappers.sandbox import Sandbox, running
from providers.hub import sandbox as hub_sandbox
from providers.hub.client import GiftCardHub
from providers.hub.sandbox_model import Account
from providers.watch import ProvidersFile
from tests.patience import patient

PROVIDERS = """\
# Acme's gift cards
[acme]
caption = "Acme gift cards"
currency = "BRL"
mapper = "memory"

[[acme.credentials]]
app_key = "first-key"  # made by hand
app_token = "first-token"
"""

FIRST = Pair("first-key", Secret("first-token"))

# The service of these tests reads its file at each call.
IMPATIENT = Patience(accept_seconds=10, steady_seconds=0.05, pause_seconds=0.02)

# For a service that will not accept anything.
HOPELESS = Patience(accept_seconds=0.2, pause_seconds=0.02)


class QuietHandler(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """Say nothing."""


@dataclass
class Service:
    """The running service: where it is, and the file it reads."""

    url: str
    file: ProviderFile


@pytest.fixture
def file(tmp_path: Path) -> ProviderFile:
    path = tmp_path / "providers.toml"
    path.write_text(PROVIDERS)
    return ProviderFile(path)


@pytest.fixture
def service(file: ProviderFile, empty_redis_url: str) -> Iterator[Service]:
    ticks = itertools.count(step=10)
    registry = ProvidersFile(file.path, clock=lambda: next(ticks))
    app = create_app(patient(redis_url=empty_redis_url, providers=file.path), registry)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.port}"
    file.set_service_url("acme", f"{url}/acme")
    try:
        yield Service(url, file)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hub_server() -> Iterator[Sandbox]:
    with running(hub_sandbox.create_app()) as sandbox:
        yield sandbox


@pytest.fixture
def hub(hub_server: Sandbox) -> GiftCardHub:
    address = f"{hub_server.url}/{{account}}"
    return GiftCardHub(address, "store", hub_sandbox.APP_KEY, hub_sandbox.APP_TOKEN, pause=lambda _: None)


@pytest.fixture
def account(hub_server: Sandbox) -> Account:
    answer: Account = hub_server.app.extensions["backend"].account("store")
    return answer

"""An application with the protocol alone, before fakes of the use cases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient
from structlog.contextvars import clear_contextvars
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from app.ledger.cards import CardService
from app.ledger.service import LedgerService
from app.protocol.paths import CollapsedSlashes
from app.protocol.routes import create_blueprint
from mappers import confidential
from providers.registry import Registry
from tests.protocol.described import DescribedClient
from tests.protocol.fakes import CREDENTIALS, FakeCards, FakeLedger, FakeRegistry, FakeSettings, HubCall


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger()


@pytest.fixture
def cards() -> FakeCards:
    return FakeCards()


@pytest.fixture
def settings() -> FakeSettings:
    return FakeSettings()


@pytest.fixture
def application(ledger: FakeLedger, cards: FakeCards, settings: FakeSettings) -> Flask:
    application = Flask("protocol-under-test", static_folder=None)
    application.test_client_class = DescribedClient
    application.before_request(clear_contextvars)
    application.before_request(confidential.forget)
    application.register_blueprint(
        create_blueprint(
            cast("Registry", FakeRegistry()), cast("LedgerService", ledger), cast("CardService", cards), settings
        )
    )
    application.add_url_rule("/health", "health", lambda: "ok")
    application.add_url_rule("/-/console/cards", "console", lambda: "a page")
    application.wsgi_app = CollapsedSlashes(application.wsgi_app)  # type: ignore[method-assign]
    return application


@pytest.fixture
def stranger(application: Flask) -> FlaskClient:
    """A client without credentials."""
    return application.test_client()


@pytest.fixture
def call(stranger: FlaskClient) -> HubCall:
    """Call as the Hub does: `call(method, path, json=... or data=...)`, below the provider acme."""

    def call(method: str, path: str, headers: dict[str, str] | None = None, **arguments: Any) -> TestResponse:
        return stranger.open(f"/acme{path}", method=method, headers=CREDENTIALS | (headers or {}), **arguments)

    return call


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as entries:
        yield entries

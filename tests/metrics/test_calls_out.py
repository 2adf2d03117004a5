"""Calls to backends are counted by provider, operation and outcome; a breaker that holds them back shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.settings import Settings
from mappers.http import breaker, calls
from mappers.lightrail_v2 import sandbox as lightrail
from mappers.sandbox import Sandbox, running
from providers.registry import Registry
from tests.app.commands import HEADERS, PROVIDERS
from tests.metrics.scraping import Scrape
from tests.metrics.test_endpoint import TOKEN, scrape, search
from tests.patience import patient

CODE = "LIGHT-ACTIVE-250"


@dataclass
class Service:
    """A service before a sandbox of Lightrail."""

    client: FlaskClient
    backend: Sandbox

    def outcomes(self, operation: str) -> dict[str, float]:
        found = self.scrape().of("giftbridge_backend_call_seconds_count", provider="acme", operation=operation)
        return {outcome: count for (_, outcome), count in found.items()}

    def scrape(self) -> Scrape:
        return scrape(self.client)

    def card(self) -> str:
        body = json.dumps({"client": {}, "cart": {"redemptionCode": CODE}})
        (card,) = json.loads(self.client.post("/acme/giftcards/_search", data=body, headers=HEADERS).text)
        return str(card["id"])

    def pay(self, value: float, request_id: str) -> int:
        body = json.dumps({"operation": "Debit", "value": value, "requestId": request_id})
        path = f"/acme/giftcards/{self.card()}/transactions"
        return self.client.post(path, data=body, headers=HEADERS).status_code


@pytest.fixture
def service(tmp_path: Path, empty_redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(calls, "_after", [])  # of this service only
    with running(lightrail.create_app()) as backend:
        file = tmp_path / "providers.toml"
        options = f'[acme.options]\nbase_url = "{backend.url}/v2"\napi_key = "{lightrail.API_KEY}"\n'
        file.write_text(PROVIDERS.replace("memory", "lightrail_v2") + options)
        settings = patient(redis_url=empty_redis_url, metrics_token=TOKEN)
        yield Service(create_app(settings, Registry.load(file)).test_client(), backend)


def test_what_was_done_and_what_was_refused_are_told_apart(service: Service) -> None:
    assert service.pay(10.0, "request-1") == 200
    assert service.outcomes("hold") == {"done": 1}
    assert service.pay(1000.0, "request-2") >= 400
    assert service.outcomes("hold") == {"done": 1, "refused": 1}
    assert service.scrape().of("giftbridge_backend_call_seconds_count", provider="acme", mapper="lightrail_v2")


def test_an_answer_that_was_lost_is_unknown(service: Service) -> None:
    card = service.card()
    service.backend.faults.add("drop_after", method="POST", path="/transactions/debit")
    body = json.dumps({"operation": "Debit", "value": 10.0, "requestId": "request-1"})
    assert service.client.post(f"/acme/giftcards/{card}/transactions", data=body, headers=HEADERS).status_code == 200
    assert service.outcomes("hold")["unknown"] == 1


def test_a_backend_that_fails_is_unavailable_and_its_breaker_shows_until_it_answers(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "OPEN_SECONDS", 3600)
    service.backend.faults.add("status", path="/values", times=1000)
    for _ in range(breaker.FAILURES_TO_OPEN + 1):
        search(service.client, CODE)
    assert set(service.outcomes("find")) == {"unavailable"}
    assert service.scrape().value("giftbridge_backend_breakers_open", provider="acme", operation="find") == 1
    service.backend.faults.clear()
    monkeypatch.setattr(breaker.Breaker, "wait_seconds", lambda _: 0.0)  # its time is over
    assert search(service.client, CODE) == 200
    assert service.scrape().value("giftbridge_backend_breakers_open", provider="acme", operation="find") == 0


def test_threads_at_work_for_a_backend_are_counted_while_they_are(service: Service) -> None:
    assert service.pay(10.0, "request-1") == 200
    found = service.scrape()
    assert set(found.of("giftbridge_backend_threads_busy", mapper="lightrail_v2").values()) == {0}
    assert found.value("giftbridge_backend_threads_share") == Settings().threads_for_a_backend


def test_no_code_or_key_is_in_a_label(service: Service) -> None:
    assert service.pay(10.0, "request-1") == 200
    text = service.scrape().text
    assert "LIGHT" not in text
    assert lightrail.API_KEY not in text

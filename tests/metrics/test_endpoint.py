"""Who may see the metrics, and what a process counts while it answers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.parts import Parts
from app.server.metrics.catalog import CATALOG
from providers import watch
from providers.watch import ProvidersFile
from tests.app.commands import HEADERS, PROVIDERS
from tests.metrics.scraping import Scrape
from tests.patience import patient

TOKEN = "0123456789abcdef-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PORT = 9464

Serve = Callable[..., FlaskClient]


@pytest.fixture
def serve(tmp_path: Path, empty_redis_url: str) -> Serve:
    """Return a function that starts the service with these settings."""

    def start(metrics_bind: str | None = None, metrics_token: str | None = None) -> FlaskClient:
        file = tmp_path / "providers.toml"
        file.write_text(PROVIDERS)
        settings = patient(redis_url=empty_redis_url, metrics_bind=metrics_bind, metrics_token=metrics_token)
        return create_app(settings, ProvidersFile(file)).test_client()

    return start


def scrape(client: FlaskClient) -> Scrape:
    answer = client.get("/-/metrics", headers=BEARER)
    assert answer.status_code == 200
    return Scrape(answer.text)


def at_the_port(client: FlaskClient, path: str, **more: object) -> TestResponse:
    return client.get(path, environ_overrides={"SERVER_PORT": str(PORT)}, **more)


def search(client: FlaskClient, code: str, provider: str = "acme", headers: dict[str, str] = HEADERS) -> int:
    body = json.dumps({"client": {"id": "shopper-7"}, "cart": {"redemptionCode": code}})
    return client.post(f"/{provider}/giftcards/_search", data=body, headers=headers).status_code


def test_without_a_setting_there_are_no_metrics(serve: Serve) -> None:
    assert serve().get("/-/metrics", headers=BEARER).status_code == 404


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
def test_at_the_services_address_nobody_sees_them_without_the_token(serve: Serve, authorization: str | None) -> None:
    client = serve(metrics_token=TOKEN)
    answer = client.get("/-/metrics", headers={} if authorization is None else {"Authorization": authorization})
    assert (answer.status_code, answer.text, answer.headers["WWW-Authenticate"]) == (401, "", "Bearer")
    assert client.get("/-//metrics").status_code == 401
    assert client.get("/-/metrics", headers=BEARER).status_code == 200


def test_the_endpoint_has_one_path_and_is_only_read(serve: Serve) -> None:
    client = serve(metrics_token=TOKEN)
    assert client.get("/-/metrics/", headers=BEARER).status_code == 200
    assert client.get("/-/metrics/more", headers=BEARER).status_code == 404
    assert client.post("/-/metrics", headers=BEARER).status_code == 405


def test_with_an_address_of_their_own_they_are_there_and_nowhere_else(serve: Serve) -> None:
    client = serve(metrics_bind=f"127.0.0.1:{PORT}")
    assert at_the_port(client, "/-/metrics").status_code == 200
    for path in ("/acme/giftcards/x", "/-/health", "/-/ready", "/metrics"):
        assert at_the_port(client, path, headers=HEADERS).status_code == 404
    assert client.get("/-/metrics", headers=BEARER | {"Host": f"localhost:{PORT}"}).status_code == 404


def test_an_address_of_their_own_may_want_the_token_as_well(serve: Serve) -> None:
    client = serve(metrics_bind=f"127.0.0.1:{PORT}", metrics_token=TOKEN)
    assert at_the_port(client, "/-/metrics").status_code == 401
    assert at_the_port(client, "/-/metrics", headers=BEARER).status_code == 200


def test_calls_are_counted_by_provider_route_and_status(serve: Serve) -> None:
    client = serve(metrics_token=TOKEN)
    assert [search(client, "MEMORY-ACTIVE-100") for _ in range(3)] == [200] * 3
    assert client.get("/acme/giftcards/nothing", headers=HEADERS).status_code == 404
    found = scrape(client)
    assert found.value("giftbridge_call_seconds_count", provider="acme", route="search", status="200") == 3
    assert found.value("giftbridge_call_seconds_count", provider="acme", route="get_card", status="404") == 1
    assert found.value("giftbridge_call_seconds_bucket", route="search", le="+Inf") == 3
    limits = {float(le) for (le, *_) in found.of("giftbridge_call_seconds_bucket", provider="acme", route="search")}
    assert limits >= {1.2, 1.5, 10, 15}  # what the Hub waits for, and the deadlines below


def test_what_strangers_ask_for_makes_no_label(serve: Serve) -> None:
    client = serve(metrics_token=TOKEN)
    wrong = HEADERS | {"X-PROVIDER-API-AppToken": "wrong"}
    for number in range(5):
        search(client, "MEMORY-ACTIVE-100", provider=f"stranger-{number}")
        search(client, "MEMORY-ACTIVE-100", headers=wrong)
        client.get(f"/stranger-{number}/anything", headers=HEADERS)
        client.get(f"/acme/path-{number}", headers=HEADERS)
    found = scrape(client)
    assert {labels["provider"] for _, labels in found.labels() if "provider" in labels} == {"", "acme"}
    assert "stranger" not in found.text
    assert "path-" not in found.text


def test_no_code_token_customer_or_order_is_in_an_answer(serve: Serve) -> None:
    client = serve(metrics_token=TOKEN)
    search(client, "SECRET-CODE-1")
    (card,) = json.loads(
        client.post(
            "/acme/giftcards/_search",
            data=json.dumps({"client": {"id": "shopper-7"}, "cart": {"redemptionCode": "MEMORY-ACTIVE-100"}}),
            headers=HEADERS,
        ).text
    )
    body = {"operation": "Debit", "value": 10.0, "requestId": "request-9", "orderInfo": {"orderId": "order-8"}}
    path = f"/acme/giftcards/{card['id']}/transactions"
    assert client.post(path, data=json.dumps(body), headers=HEADERS).status_code == 200
    text = scrape(client).text
    for secret in ("SECRET", "MEMORY-ACTIVE", card["id"], "shopper-7", "request-9", "order-8", "acme-token", TOKEN):
        assert secret not in text


def test_every_metric_is_in_the_catalog_as_it_is(serve: Serve) -> None:
    client = serve(metrics_token=TOKEN)
    search(client, "MEMORY-ACTIVE-100")
    found = scrape(client)
    assert found.types() == {metric.name: metric.kind.value for metric in CATALOG}
    known = {sample: {*metric.labels} for metric in CATALOG for sample in metric.samples}
    for name, labels in found.labels():
        assert set(labels) - {"le"} == known[name], name


def test_a_providers_file_that_cannot_be_read_is_seen(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "CHECK_INTERVAL_SECONDS", 0)
    client = serve(metrics_token=TOKEN)
    parts: Parts = client.application.extensions["giftbridge"]
    file = tmp_path / "providers.toml"
    assert scrape(client).value("giftbridge_providers_file_counts") == 1
    for text, counts in ((PROVIDERS + "nonsense", 0), (PROVIDERS + "\n", 1)):
        file.write_text(text)
        os.utime(file, (counts, counts))
        parts.registry._check_at = 0.0  # type: ignore[attr-defined]
        assert search(client, "MEMORY-ACTIVE-100") == 200
        assert scrape(client).value("giftbridge_providers_file_counts") == counts
    reads = scrape(client).of("giftbridge_providers_file_reads_total")
    assert reads == {("refused",): 1, ("read",): 1}

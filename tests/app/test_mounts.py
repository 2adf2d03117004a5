"""The service's own pages are below /-/: the protocol leaves them alone, and every provider's id is free for use."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, Response, g
from flask.testing import FlaskClient

from app import create_app
from app.server.mounts import mount
from providers.registry import Registry
from tests.patience import patient

from .commands import HEADERS, PROVIDERS

# Ids that look like paths of the service.
IDS = ("acme", "health", "ready", "console")


def pages() -> Flask:
    """Return an application with one page, and a 404 page of its own."""
    app = Flask("pages", static_folder=None)

    @app.get("/cards")
    def cards() -> str:
        return f"a page, without {sorted(vars(g))}"

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError

    @app.errorhandler(404)
    def missing(_error: Exception) -> tuple[str, int]:
        return "<h1>No such page</h1>", 404

    @app.after_request
    def cache(response: Response) -> Response:
        response.headers["Cache-Control"] = "max-age=60"
        return response

    return app


@pytest.fixture
def client(tmp_path: Path, empty_redis_url: str) -> FlaskClient:
    file = tmp_path / "providers.toml"
    file.write_text("".join(PROVIDERS.replace("[acme", f"[{name}") for name in IDS))
    app = create_app(patient(redis_url=empty_redis_url), Registry.load(file))
    mount(app, {"console": pages()})
    return app.test_client()


def test_a_mounted_application_answers_for_itself(client: FlaskClient) -> None:
    page = client.get("/-/console/cards")
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "max-age=60")
    assert page.text == "a page, without []"
    for path in ("/-/console/nothing", "/-/console", "/-/console/giftcards/_search"):
        missing = client.get(path)
        assert (missing.status_code, missing.text) == (404, "<h1>No such page</h1>")
    assert client.post("/-/console/cards").mimetype == "text/html"
    assert client.get("/-/console/broken").mimetype == "text/html"


def test_doubled_slashes_lead_to_it_as_well(client: FlaskClient) -> None:
    assert client.get("/-//console//cards").status_code == 200


def test_what_is_mounted_nowhere_is_a_404_without_credentials(client: FlaskClient) -> None:
    for path in ("/-/", "/-/nothing", "/-/consoles/cards", "/-/health/x"):
        missing = client.get(path)
        assert (missing.status_code, missing.get_json()["error"]["code"]) == (404, "NotFound"), path


@pytest.mark.parametrize("provider", IDS)
def test_every_id_is_served(client: FlaskClient, provider: str) -> None:
    search = {"client": {"id": "1"}, "cart": {"redemptionCode": "MEMORY-ACTIVE-10"}}
    refused = client.post(f"/{provider}/giftcards/_search", json=search)
    assert (refused.status_code, refused.data) == (401, b"")
    found = client.post(f"/{provider}/giftcards/_search", json=search, headers=HEADERS)
    assert found.status_code == 200
    assert len(found.get_json()) == 1
    nothing = client.get(f"/{provider}/nothing")
    assert (nothing.status_code, nothing.data) == (401, b"")


@pytest.mark.parametrize(("path", "status"), [("health", "alive"), ("ready", "ready")])
def test_the_probes_stay_where_they_are(client: FlaskClient, path: str, status: str) -> None:
    for prefix in ("/-/", "/"):
        assert client.get(f"{prefix}{path}").get_json()["status"] == status

"""The description of the protocol: a file for programs and a page for people; no network, and no script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from flask.testing import FlaskClient

from app import create_app
from app.settings import Settings
from providers.registry import Registry
from tests.protocol.described import document

ADDRESSES = ("/-/openapi", "/-/openapi.css", "/-/openapi.json")


@pytest.fixture(scope="module")
def client() -> Iterator[FlaskClient]:
    """A service whose Redis is not there: nothing here needs it."""
    before = structlog.get_config()
    yield create_app(Settings(redis_url="redis://127.0.0.1:1"), Registry(())).test_client()
    structlog.configure(**before)


@pytest.fixture(scope="module")
def page(client: FlaskClient) -> str:
    return client.get("/-/openapi").text


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (member for name, member in value.items() if name == "$ref")
        for member in value.values():
            yield from references(member)
    if isinstance(value, list):
        for member in value:
            yield from references(member)


def test_programs_read_the_eleven_calls_without_credentials(client: FlaskClient) -> None:
    described = client.get("/-/openapi.json").get_json()
    assert described == document()
    assert described["openapi"].startswith("3.1")
    assert sum(len(operations) for operations in described["paths"].values()) == 11


def test_every_reference_leads_somewhere() -> None:
    found = set(references(document()))
    assert found
    for reference in found:
        value = document()
        for part in reference.removeprefix("#/").split("/"):
            value = value[part]


def test_the_page_shows_every_call_and_every_member_of_it(page: str) -> None:
    for path, operations in document()["paths"].items():
        for operation in operations.values():
            assert f'<section id="{operation["operationId"]}">' in page
            assert f'href="#{operation["operationId"]}"' in page
            assert f"/{{provider}}{path}</code>" in page
    for schema in document()["components"]["schemas"].values():
        for name in schema["properties"]:
            assert re.search(rf"<code>(\w+\.|\w+\[\]\.)*{name}</code>", page), name


def test_the_page_shows_every_error(page: str) -> None:
    for status in document()["components"]["responses"]:
        assert f'<h3 id="error-{status}">' in page
    assert set(re.findall(r'href="#(.*?)"', page)) <= set(re.findall(r'id="(.*?)"', page))


def test_the_page_asks_no_other_host_and_runs_nothing(page: str) -> None:
    assert set(re.findall(r'(?:src|href)="([^#].*?)"', page)) == {"/-/openapi.css", "/-/openapi.json"}
    assert not re.search(r"<script|<style|style=|javascript:| on\w+=", page)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_browser_may_load_from_the_service_alone(client: FlaskClient, address: str) -> None:
    headers = client.get(address).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self';")
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_a_browser_has_already_is_not_sent_again(client: FlaskClient, address: str) -> None:
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")

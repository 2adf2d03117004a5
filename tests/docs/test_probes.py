"""The probes that the page for operators names are there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from flask.testing import FlaskClient

from app import create_app
from app.settings import Settings
from providers.registry import Registry
from tests.docs.documents import document

PROBES = [row[0].strip("`") for row in document("docs/operating.md").rows("path", "answers")]
ALIASES = ["/health", "/ready"]


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    """A service whose Redis is not there."""
    before = structlog.get_config()
    yield create_app(Settings(redis_url="redis://127.0.0.1:1"), Registry(())).test_client()
    structlog.configure(**before)


@pytest.mark.parametrize("path", [*PROBES, *ALIASES])
def test_a_probe_answers_without_redis_as_documented(client: FlaskClient, path: str) -> None:
    assert PROBES == ["/-/health", "/-/ready"]
    assert client.get(path).status_code == (503 if path.endswith("ready") else 200)

"""The console over an installation: asked by Flask's client, or by a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from app.admin.people import passwords, sessions, users
from app.admin.people.users import Role
from app.console import create_console
from app.console.guard import SECRET
from tests.commands.conftest import Installation, installation, installed  # noqa: F401 - fixtures

from .browser import Browsing, Site, chromium, served

__all__ = ["Browsing", "Site"]

PASSWORD = "four words for nobody"


@dataclass
class Visitor:
    """Somebody at the console, signed in or not; `post` sends a form with its token."""

    app: Flask
    client: FlaskClient
    name: str

    def get(self, path: str, **query: Any) -> TestResponse:
        return self.client.get(path, query_string=query or None)

    def post(self, path: str, **form: Any) -> TestResponse:
        return self.client.post(path, data={"csrf_token": self._token(), **form})

    def _token(self) -> str:
        with self.client.session_transaction() as session:
            raw = session.setdefault("csrf_token", "of-this-test")
        assert self.app.secret_key is not None
        return str(URLSafeTimedSerializer(self.app.secret_key, salt="wtf-csrf-token").dumps(raw))


@dataclass
class Console:
    """The console of an installation, and who comes to it."""

    installation: Installation
    app: Flask

    def stranger(self) -> Visitor:
        """Somebody who has not signed in."""
        return Visitor(self.app, self.app.test_client(), "")

    def user(
        self, role: Role = Role.OWNER, name: str = "", *, language: str = "", theme: str = "", zone: str = ""
    ) -> Visitor:
        """Somebody signed in. A password takes long to prove: sign-ins have tests of their own."""
        name, parts = name or role, self.installation.parts
        if users.get(parts, name) is None:
            users.add(parts, name, role)
        users.prefer(parts, name, language=language, theme=theme, zone=zone)
        client = self.app.test_client()
        with client.session_transaction() as session:
            session[SECRET] = sessions.begin(parts, name, "127.0.0.1", "a test")
        return Visitor(self.app, client, name)


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """Proving a password is slow by design; here it need not be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", type(passwords._hasher)(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture
def console(installation: Installation) -> Console:  # noqa: F811 - a fixture
    return Console(installation, create_console(installation.parts))


@pytest.fixture(scope="module")
def site(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The console of an installation of its own, served on this machine for the tests of one module."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    with installed(tmp_path_factory.mktemp("site"), redis_url) as found, served(found) as site:
        yield site


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of a process."""
    with chromium() as found:
        yield found


@pytest.fixture
def browsing(browser: Any, site: Site) -> Iterator[Browsing]:
    """A window of its own for each test; what went wrong in it fails the test."""
    with Browsing.of(browser, site) as found:
        yield found
        found.expect_no_problems()
